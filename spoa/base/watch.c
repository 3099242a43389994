/* Watches files by polling. Device, inode, size, mode, owner and time of modification are hashed
 * to one number. inotify(7) would need a watch for every folder above a file that is replaced,
 * and does not see changes on network file systems.
 *
 * An entry has two numbers: the one that was last reported (accepted) and the one of the last
 * check (seen). A change is reported when no file changed between two checks. */
#include "base/watch.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/fnv.h"

/* Seconds between two checks, and how many entries of a folder are looked at. */
static const double LOOK_S = 0.5;
enum { FOLDER_ENTRIES = 1000 };

/* One watched path. The string belongs to the entry. */
struct entry {
	char *path;
	uint64_t accepted, seen;
};

struct watch {
	struct ev_loop *loop;
	ev_timer timer;
	void (*changed)(void *, const char *);
	void *arg;
	struct entry *v;
	size_t n;
};

static uint64_t
mix_stamp(uint64_t h, uint64_t v)
{
	return fnv64_bytes(h, &v, sizeof(v));
}

static int64_t
modified_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static uint64_t
of_file(const struct stat *st)
{
	uint64_t h = mix_stamp(FNV64_BASIS, (uint64_t)st->st_dev);

	h = mix_stamp(h, (uint64_t)st->st_ino);
	h = mix_stamp(h, (uint64_t)st->st_size);
	h = mix_stamp(h, (uint64_t)st->st_mode << 32 | st->st_uid);
	return mix_stamp(h, (uint64_t)modified_ns(st));
}

/* Hashes a folder's *.yaml, independent of their order. Returns 1 if the folder cannot be read. */
static uint64_t
of_folder(const char *path, int64_t *newest)
{
	DIR *d = opendir(path);
	uint64_t sum = 2;
	size_t n = 0;

	if (!d)
		return 1;
	for (struct dirent *e; n < FOLDER_ENTRIES && (e = readdir(d));) {
		struct span name = span_str(e->d_name);
		struct stat st;
		if (name.p[0] == '.' || !span_ends(name, SPAN_LIT(".yaml")) ||
			fstatat(dirfd(d), e->d_name, &st, 0) < 0)
			continue;
		uint64_t h = of_file(&st);
		for (size_t i = 0; i < name.n; i++)
			h = mix_stamp(h, (unsigned char)name.p[i]);
		sum += h;
		n++;
		if (modified_ns(&st) > *newest)
			*newest = modified_ns(&st);
	}
	closedir(d);
	return sum;
}

/* Returns the number of a path, never 0, which stands for "changed". 1: the path cannot be
 * read. */
static uint64_t
look_at_path(const char *path, int64_t *newest)
{
	struct stat st;
	uint64_t h;

	*newest = INT64_MIN;
	if (stat(path, &st) < 0)
		return 1;
	if (S_ISDIR(st.st_mode))
		return of_folder(path, newest);
	*newest = modified_ns(&st);
	h = of_file(&st);
	return h ? h : 3;
}

static void
on_look(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	struct watch *w = t->data;
	const char *first = NULL;
	bool moving = false;

	for (size_t i = 0; i < w->n; i++) {
		struct entry *e = &w->v[i];
		int64_t newest;
		uint64_t now = look_at_path(e->path, &newest);
		moving |= now != e->seen;
		e->seen = now;
		if (now != e->accepted && !first)
			first = e->path;
	}
	if (!first || moving)
		return;
	for (size_t i = 0; i < w->n; i++)
		w->v[i].accepted = w->v[i].seen;
	w->changed(w->arg, first);
}

struct watch *
watch_new(struct ev_loop *loop, void (*changed)(void *, const char *), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = loop;
	w->changed = changed;
	w->arg = arg;
	ev_timer_init(&w->timer, on_look, LOOK_S, LOOK_S);
	w->timer.data = w;
	return w;
}

void
watch_nothing(struct watch *w)
{
	ev_timer_stop(w->loop, &w->timer);
	while (w->n)
		free(w->v[--w->n].path);
	free(w->v);
	w->v = NULL;
}

void
watch_free(struct watch **wp)
{
	if (!*wp)
		return;
	watch_nothing(*wp);
	free(*wp);
	*wp = NULL;
}

size_t
watch_count(const struct watch *w)
{
	return w->n;
}

static bool
add_watched(struct watch *w, struct span path, int64_t since_ns)
{
	struct entry *e = &w->v[w->n];
	int64_t newest;

	if (path.n == 0)
		return true;
	for (size_t i = 0; i < w->n; i++)
		if (span_is(path, w->v[i].path))
			return true;
	if (w->n == CAP_WATCHED || !(e->path = strndup(path.p, path.n)))
		return false;
	e->seen = look_at_path(e->path, &newest);
	/* A time in the future means that the file was written before the clock was set back. */
	e->accepted = newest >= since_ns && newest <= clock_wall_ns() ? 0 : e->seen;
	w->n++;
	return true;
}

bool
watch_files(struct watch *w, struct span files, bool also, int64_t since_ns)
{
	struct entry *old = w->v;
	size_t nold = w->n;
	bool ok = true;

	w->v = calloc(CAP_WATCHED, sizeof(*w->v));
	w->n = 0;
	if (!w->v) {
		w->v = old;
		w->n = nold;
		return false;
	}
	while (files.n)
		ok = add_watched(w, span_next(&files, '\0'), since_ns) && ok;
	for (size_t i = 0; i < nold; i++) {
		if (also)
			ok = add_watched(w, span_str(old[i].path), INT64_MAX) && ok;
		free(old[i].path);
	}
	free(old);
	ev_timer_again(w->loop, &w->timer);
	return ok;
}
