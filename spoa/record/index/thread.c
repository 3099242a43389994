/* The daemon's service for files beside segments: it indexes closed segments, the newest first,
 * with the lowest priority. The service polls, so that a commit does not have to wake it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "record/index/index.h"

#define LOOK_S	    10
#define FAILED_S    600 /* pause after a file could not be made */
#define FAILED_MOST 8	/* failures that end a turn, for example of a full disk */
#define SETTLED_S                                                                              \
	30 /* younger lines of the open segment wait: the segment may be closed soon */

struct index_thread {
	const char *journal;
	char dir[4096];
	const struct index_makers *makers;
	unsigned settled_s;
	struct service service;
	bool versions; /* a turn has compared the versions of all files and rebuilt outdated
			* ones */
};

static bool
there(const struct index_thread *t, const char *name, const struct index_maker *m)
{
	char path[4096];

	return index_path(path, sizeof(path), t->dir, name, m->suffix) &&
	       access(path, F_OK) == 0;
}

/* Returns true if there is a file of this program's version. A file of another version stays
 * until it is made again. */
static bool
is_current(const struct index_thread *t, const char *name, const struct index_maker *m)
{
	char path[4096];
	uint64_t version;

	if (t->versions)
		return there(t, name, m);
	SCOPED_FD(fd, index_path(path, sizeof(path), t->dir, name, m->suffix)
			      ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
			      : -1);
	return fd >= 0 &&
	       pread(fd, &version, sizeof(version), INDEX_VERSION_AT) == sizeof(version) &&
	       version == m->version(t->makers->terms);
}

static bool
stopped(const struct index_thread *t)
{
	return service_stopping(&t->service);
}

/* Makes files that are missing or of another version. `name` is that of the segment or part.
 * Returns false if a file could not be made. */
static bool
make_index(struct index_thread *t, const struct journal_segment *s, const char *name,
	uint64_t begin, uint64_t bytes)
{
	unsigned which = 0;

	for (size_t i = 0; i < INDEX_MAKERS; i++)
		which |= (unsigned)!is_current(t, name, t->makers->of[i]) << i;
	SCOPED_BUF(why, 4096);
	if (!which ||
		!index_beside(t->journal, s, begin, bytes, t->makers, which,
			&t->service.stopping, false, &why) ||
		stopped(t))
		return true;
	log_event(LOG_WARN, "index.failed", LS("segment", name), LSP("why", buf_view(&why)));
	return false;
}

/* Returns the end of the part that begins at `begin`: after a whole line that another line
 * follows. Returns 0 if the segment is not that long yet. */
static uint64_t
part_end(int fd, uint64_t begin)
{
	static const size_t step = 64 << 10;
	char *chunk = malloc(step);
	uint64_t at = begin + INDEX_PART_BYTES, end = 0;

	while (chunk && !end && at < begin + 2 * INDEX_PART_BYTES) {
		ssize_t n = pread(fd, chunk, step, (off_t)at);
		if (n <= 1 || !chunk[0])
			break;
		const char *line = memchr(chunk, '\n', (size_t)n - 1);
		if (line && !line[1])
			break;
		if (line)
			end = at + (uint64_t)(line + 1 - chunk);
		at += (uint64_t)n - 1;
	}
	free(chunk);
	return end;
}

/* Returns true if the line after the part is settled_s old. Under load, a segment is closed
 * sooner and gets no parts: otherwise each record would be indexed twice. */
static bool
part_is_old(const struct index_thread *t, int fd, uint64_t end)
{
	static const char key[] = "\"time\":\"";
	char text[512] = "";
	int64_t ns;
	ssize_t n = pread(fd, text, sizeof(text) - CLOCK_RFC3339_LEN, (off_t)end);
	const char *at = n > 0 ? memmem(text, (size_t)n, key, sizeof(key) - 1) : NULL;

	return !at || clock_parse(at + sizeof(key) - 1, CLOCK_RFC3339_LEN - 1, &ns) ||
	       (uint64_t)(clock_wall_ns() - ns) >= t->settled_s * UINT64_C(1000000000);
}

/* Makes the parts of the open segment. */
static bool
make_parts(struct index_thread *t, const struct journal_segment *s)
{
	char name[INDEX_NAME_MAX];
	bool ok = true;

	SCOPED_FD(fd, s->bytes > INDEX_PART_BYTES ? journal_segment_open(t->journal, s) : -1);
	for (uint64_t begin = 0, bytes; fd >= 0 && ok && !stopped(t); begin += bytes) {
		bytes = index_part_bytes(t->dir, s->name, begin);
		uint64_t end = bytes ? begin + bytes : part_end(fd, begin);
		if (end <= begin || (!bytes && !part_is_old(t, fd, end)))
			break;
		bytes = end - begin;
		index_part_name(name, s->name, begin);
		ok = make_index(t, s, name, begin, bytes);
	}
	return ok;
}

static int
segment_by_name(const void *key, const void *of)
{
	return strcmp(key, ((const struct journal_segment *)of)->name);
}

/* Deletes files whose segment is gone, and files of parts once the whole segment has one. Files
 * may contain names of people, which a trimmed segment must not leave behind. */
static void
tidy(const struct index_thread *t, const struct journal_list *all)
{
	DIR *d = opendir(t->dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[sizeof(all->seg[0].name)];
		struct span stem = span_str(e->d_name);
		const struct index_maker *m = NULL;
		for (size_t i = 0; i < INDEX_MAKERS; i++)
			if (span_ends(stem, span_str(t->makers->of[i]->suffix)))
				m = t->makers->of[i];
		if (!m)
			continue;
		stem.n -= strlen(m->suffix);
		size_t at = span_chr(stem, '@');
		bool part = at < stem.n;
		/* A part's file has the stem NAME.jsonl@BEGIN. A whole segment's file has the
		 * stem NAME. */
		snprintf(name, sizeof(name), "%.*s%s", (int)at, stem.p, part ? "" : ".jsonl");
		bool gone =
			!bsearch(name, all->seg, all->n, sizeof(*all->seg), segment_by_name);
		if (gone || (part && there(t, name, m)))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* Makes the files of closed segments, the newest first, and of parts of open ones. If one
 * segment fails, the others still get their files. Returns false if a file could not be made.
 */
static bool
index_turn(struct index_thread *t)
{
	struct journal_list all;
	unsigned failed = 0;

	SCOPED_BUF(why, 4096);
	if (journal_list_all(t->journal, NULL, true, &all, &why) == 0) {
		/* Begins at the end of the list. Each node's last segment is open. */
		for (size_t i = all.n; i-- > 0 && failed < FAILED_MOST && !stopped(t);) {
			const struct journal_segment *s = &all.seg[i];
			size_t next = i + 1;
			while (next < all.n && !all.seg[next].ours)
				next++;
			if (!s->ours)
				continue;
			if (next == all.n || strcmp(all.seg[next].node, s->node) != 0)
				failed += !make_parts(t, s);
			else if (s->bytes <= CAP_INDEX_SEGMENT)
				failed += !make_index(t, s, s->name, 0, 0);
		}
		if (all.n && !stopped(t))
			tidy(t, &all);
		t->versions = t->versions || (!failed && !stopped(t));
		journal_list_free(&all);
	}
	return !failed;
}

static uint64_t
index_service_turn(void *arg)
{
	return clock_mono_us() + (index_turn(arg) ? LOOK_S : FAILED_S) * UINT64_C(1000000);
}

bool
index_once(const char *journal, const struct index_makers *m, unsigned settled_s)
{
	struct index_thread t = { .journal = journal, .makers = m, .settled_s = settled_s };

	snprintf(t.dir, sizeof(t.dir), "%s" INDEX_SUFFIX, journal);
	return index_turn(&t);
}

struct index_thread *
index_start(const char *journal, const struct index_makers *m)
{
	struct index_thread *t = calloc(1, sizeof(*t));
	const struct service_options o = { .name = "tg-index",
		.first_us = clock_mono_us() + LOOK_S * UINT64_C(1000000),
		.turn = index_service_turn,
		.arg = t,
		.nice = 19,
		.idle_disk = true };

	if (!t)
		return NULL;
	t->journal = journal;
	t->makers = m;
	t->settled_s = SETTLED_S;
	snprintf(t->dir, sizeof(t->dir), "%s" INDEX_SUFFIX, journal);
	if (service_start(&t->service, &o) == 0)
		return t;
	free(t);
	return NULL;
}

void
index_stop(struct index_thread **tp)
{
	if (!*tp)
		return;
	service_stop(&(*tp)->service);
	free(*tp);
	*tp = NULL;
}
