/* The sources of a search: segments of one or more folders, files and streams. The index of a
 * source is read, or made if there is none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/search/search.h"
#include "record/audit/sums.h"

#define SLACK_NS (3600ll * 1000000000) /* a clock may have been set by so much */

/* Both names are the arena's, or NULL where it is out of memory. */
static struct search_source *
add_search_source(struct search_sources *all, const char *path)
{
	if (!path || !mem_room(&all->source, &all->room, all->n + 1, sizeof(*all->source))) {
		cmd_fail(SEARCH_WHAT, "out of memory");
		return NULL;
	}
	struct search_source *s = &all->source[all->n++];
	*s = (struct search_source){ .path = path, .from_ns = INT64_MIN, .to_ns = INT64_MAX };
	return s;
}

int64_t
search_began(const struct search_source *s)
{
	char when[CLOCK_RFC3339_LEN];
	int64_t ns;

	return s->p.journal &&
			       query_first_time(
				       s->p.journal, &s->p.segment, s->p.begin, when) &&
			       !clock_parse(when, strlen(when), &ns)
		       ? ns
		       : INT64_MIN;
}

/* Returns the latest time of the last records, or INT64_MAX if it is not known. */
static int64_t
search_ended(const struct search_source *s)
{
	char when[CLOCK_RFC3339_LEN];
	int64_t ns;

	return query_last_time(&s->p, when) && !clock_parse(when, strlen(when), &ns)
		       ? ns
		       : INT64_MAX;
}

/* About when the records of a segment are: from its first one to its last one, or to the first
 * one of the next segment. No order of first times is assumed, because a clock that was wrong
 * and was corrected leaves segments that began earlier than the ones before them. */
static void
bound_source(struct search_source *s, int64_t began_ns, bool last, int64_t next_ns)
{
	if (began_ns == INT64_MIN)
		return;
	int64_t to_ns = last ? INT64_MAX : search_ended(s);

	if (to_ns != INT64_MAX && next_ns > to_ns)
		to_ns = next_ns;
	s->from_ns = began_ns - SLACK_NS;
	s->to_ns = to_ns == INT64_MAX ? to_ns : to_ns + SLACK_NS;
}

/* The segments of one node in one folder. */
static void
bound_node(struct search_source *s, size_t n)
{
	struct query_back back = { .n = 0 };
	char was[CLOCK_RFC3339_LEN] = "", is[CLOCK_RFC3339_LEN];
	int64_t began_ns = search_began(s);

	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n;
		int64_t next_ns = last ? INT64_MIN : search_began(&s[i + 1]);
		bound_source(&s[i], began_ns, last, next_ns);
		if (began_ns != INT64_MIN) {
			clock_rfc3339(began_ns, is);
			query_note_back(&back, s[i].p.segment.name, was, is);
			memcpy(was, is, sizeof(was));
		}
		began_ns = next_ns;
	}
	query_say_back(SEARCH_WHAT, s->p.segment.node, &back);
}

void
search_bounds(struct search_sources *all)
{
	for (size_t i = 0, k; i < all->n; i = k) {
		struct search_source *s = &all->source[i];
		for (k = i + 1; k < all->n && s->p.journal == all->source[k].p.journal &&
				!strcmp(all->source[k].p.segment.node, s->p.segment.node);)
			k++;
		if (s->p.journal && !all->q->no_index)
			bound_node(s, k - i);
	}
}

struct adding {
	struct search_sources *all;
	const char *journal;
};

/* Adds the parts of the open segment that have indexes; each is searched as a segment. */
static int
add_piece(void *arg, const struct query_piece *p, struct buf *why)
{
	const struct adding *a = arg;
	char path[JOURNAL_PATH_MAX];

	(void)why;
	if (!p->segment.ours) {
		fprintf(stderr,
			"tollgate: " SEARCH_WHAT
			": %s/%s: not searched: its name is not that of a segment\n",
			a->journal, p->segment.name);
		return 0;
	}
	journal_segment_path(p->journal, &p->segment, path);
	struct search_source *s =
		add_search_source(a->all, arena_strdup(&a->all->q->arena, path));
	if (s)
		s->p = *p;
	if (s)
		s->p.journal = a->journal;
	return s ? 0 : ERR_NOMEM;
}

int
search_add_journal(struct search_sources *all, const char *dir)
{
	struct query q = *all->q;
	struct adding a = { all,
		arena_printf(&all->q->arena, "%.*s", SPAN_ARG(journal_folder(dir))).p };

	if (!a.journal)
		return cmd_fail(SEARCH_WHAT, "out of memory");
	q.journal = dir;
	q.beside = NULL;
	q.redis = q.file = NULL;
	q.arg = &a;
	q.piece = add_piece;
	return query_run(&q);
}

int
search_add_file(struct search_sources *all, const char *file)
{
	return add_search_source(all, file) ? 0 : EXIT_CANNOT;
}

static void
spool(void *arg, struct span line)
{
	FILE *to = arg;

	fwrite(line.p, 1, line.n, to);
	putc('\n', to);
}

/* Streams and standard input become a file without a name. */
int
search_add_streams(struct search_sources *all)
{
	FILE *to = tmpfile();
	struct query q = *all->q;

	if (!to)
		return cmd_fail(SEARCH_WHAT, "a temporary file: %s", strerror(errno));
	q.arg = to;
	q.line = spool;
	int code = query_run(&q);
	if (!code && (fflush(to) == EOF || ferror(to)))
		code = cmd_fail(SEARCH_WHAT, "a temporary file: %s", strerror(errno));
	if (!code) {
		const char *path =
			arena_printf(&all->q->arena, "/proc/self/fd/%d", fileno(to)).p;
		struct search_source *s = add_search_source(all, path);
		int fd = s ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fd < 0 || index_segment_open(&s->s, fd, "a stream"))
			code = cmd_fail(SEARCH_WHAT, "a temporary file: %s", strerror(errno));
	}
	fclose(to);
	return code;
}

/* One that was read by commands which may write nothing is made in memory, each time. */
static void
keep_index(struct search_sources *all, struct search_source *s)
{
	char dir[QUERY_INDEX_MAX], end = 0;

	if (!s->p.journal || !s->p.closed || all->q->no_index ||
		s->s.read(s->s.arg, s->s.bytes - 1, &end, 1) != 1 || end != '\n')
		return;
	SCOPED_BUF(why, 8192);
	all->made++;
	if (index_save(s->ix, query_index(s->p.journal, dir), &why) && !all->said) {
		fprintf(stderr,
			"tollgate: " SEARCH_WHAT
			": %.*s: each search reads segments without an index completely\n",
			SPAN_ARG(buf_view(&why)));
		all->said = true;
	}
}

static int
open_file(struct search_source *s, struct buf *why)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? ERR_IO : index_segment_open(&s->s, fd, "a file");

	if (err)
		buf_printf(why, "%s: %s", s->path, fd < 0 ? strerror(errno) : err_str(err));
	return err;
}

bool
search_open(struct search_sources *all, struct search_source *s)
{
	struct index_facts facts;
	bool ok = true;

	if (s->ix || s->empty)
		return s->ix != NULL;
	SCOPED_BUF(why, 8192);
	if (!s->s.read) {
		int err = s->p.journal ? query_open_piece(&s->p, &s->s, &why)
				       : open_file(s, &why);
		s->empty = err == ERR_NOTFOUND;
		if (err && !s->empty)
			cmd_failed(SEARCH_WHAT, err, &why);
		if (err) {
			s->s.read = NULL;
			return false;
		}
	}
	if (s->p.journal && s->p.closed && !s->lied && !all->q->no_index) {
		char dir[QUERY_INDEX_MAX];
		s->ix = index_open(
			query_index(s->p.journal, dir), &s->s, &record_index_terms, &why);
	}
	if (!s->ix && why.n)
		fprintf(stderr, "tollgate: " SEARCH_WHAT ": %.*s: the index was rebuilt\n",
			SPAN_ARG(buf_view(&why)));
	if (!s->ix) {
		buf_clear(&why);
		s->ix = index_make(&s->s, &record_index_terms, NULL, &why);
		if (s->ix)
			keep_index(all, s);
		else
			cmd_fail(SEARCH_WHAT, "%.*s", SPAN_ARG(buf_view(&why)));
		ok = s->ix != NULL;
	}
	if (ok) {
		index_facts(s->ix, &facts);
		s->empty = !facts.records;
		s->from_ns = facts.from_ns;
		s->to_ns = facts.to_ns;
	}
	return ok;
}

int
search_check(const struct search_sources *all)
{
	size_t same = 0, made = 0, lied = 0;
	int failed = 0;

	SCOPED_BUF(why, 8192);
	for (size_t i = 0; i < all->n && !failed; i++) {
		const struct search_source *s = &all->source[i];
		if (!s->p.journal || !s->p.closed)
			continue;
		buf_clear(&why);
		int err = 0;
		/* Indexes are counted; of sums those that were wrong. */
		for (size_t k = 0; k < INDEX_MAKERS; k++) {
			int one = index_beside(s->p.journal, &s->p.segment, s->p.begin,
				s->p.bytes, &record_makers, 1u << k, NULL, true, &why);
			if (!k || (one && one != ERR_NOTFOUND))
				err = one;
		}
		same += err == 0;
		made += err == ERR_NOTFOUND;
		lied += err == ERR_AUTH;
		if (err == ERR_AUTH)
			printf("bad index of %s: it did not match its segment and was "
			       "rebuilt\n",
				s->path);
		else if (err && err != ERR_NOTFOUND)
			failed = cmd_fail(SEARCH_WHAT, "%.*s", SPAN_ARG(buf_view(&why)));
	}
	if (failed)
		return EXIT_CANNOT;
	printf("%s indexes: same=%zu made=%zu wrong=%zu\n", lied ? "bad" : "ok", same, made,
		lied);
	return lied ? EXIT_NO : EXIT_DONE;
}

void
search_sources_free(struct search_sources *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct search_source *s = &all->source[i];
		if (s->s.read)
			index_segment_close(&s->s);
		index_free(&s->ix);
		free(s->hit);
	}
	free(all->source);
}
