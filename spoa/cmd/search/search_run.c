/* The search of tollgate audit search. The first part of the file collects the sources: the
 * segments of one or more folders, files, and streams. It opens the index of a source, or makes
 * one if there is none.
 *
 * The second part reads the hits that may match, in the order of their times over all sources.
 * Each hit is joined with its records in other segments and then compared with the terms. A
 * segment is opened only when its time range is reached, so a page of the newest hits opens one
 * or two segments. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* ---- sources ---- */

#define SLACK_NS (3600ll * 1000000000) /* by how much a clock may have been corrected */

/* Adds a source. The arena owns `path`, which is NULL if memory is exhausted. Returns NULL
 * after a message. */
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

/* Returns the time of the source's first record, or INT64_MIN if it is not known. */
static int64_t
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

/* Estimates the time range of a segment's records: from its first record to its last record, or
 * to the first record of the next segment if that is later. Segments are not assumed to be in
 * order of time: after a wrong clock was corrected, a segment can begin earlier than the
 * segments before it. */
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

/* Estimates the time ranges of all segments of one node in one folder. */
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

/* Estimates the time ranges of all sources, which are in the order of folders, nodes and
 * numbers. */
static void
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

/* Adds a segment as a source. The indexed parts of the open segment are added one by one. */
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
	q.nbeside = 0;
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

/* Copies streams or standard input to a temporary file, which is then searched as a file. */
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

/* Writes a new index to its file. If the user may not write there, each search makes the index
 * again in memory. */
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
			"tollgate: " SEARCH_WHAT ": %.*s: each search reads segments without an index completely\n",
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

/* Opens the source and its index, or makes the index. Returns false after a message, or if the
 * source no longer exists (s->empty). */
static bool
open_search_source(struct search_sources *all, struct search_source *s)
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
		/* Maker 0 makes the index, whose result is counted. The results of the other
		 * makers, the sums, are counted only if they are errors. */
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

/* ---- the search ---- */

#define ENDS_WITHIN_NS                                                                         \
	CLOCK_DAY_NS /* a completion is searched for this long after its decision */

#define AHEAD_HITS 1024 /* hits of a segment that are announced to the kernel */

struct run {
	const struct search *q;
	struct search_sources *all;
	struct search_place after; /* the last hit that was returned, or the search's cursor */
	/* The hits of the time that is being read. */
	struct search_hit *same;
	size_t nsame, room;
	bool failed, anew, enough;
};

/* ---- terms ---- */

static bool
is_begin(const char *want)
{
	size_t n = strlen(want);

	return n && want[n - 1] == '*';
}

/* Returns true if the index can answer for the term: it knows whole values only, not prefixes
 * and not the absence of a value. */
static bool
is_indexed(const struct search_want *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (is_begin(w->value[i]) || !strcmp(w->value[i], "-"))
			return false;
	return w->n > 0;
}

struct compare {
	const struct search *q;
	uint64_t has, fits; /* bit t: a record has a value of term t; has one that matches */
};

static void
compare_value(void *arg, enum record_term t, struct span v)
{
	struct compare *c = arg;
	const struct search_want *w = &c->q->want[t];

	c->has |= 1ull << t;
	for (size_t i = 0; i < w->n; i++)
		if (span_is(v, w->value[i]) ||
			(is_begin(w->value[i]) &&
				span_starts(v, span_of(w->value[i], strlen(w->value[i]) - 1))))
			c->fits |= 1ull << t;
}

bool
search_fits(const struct search *q, const struct span *line, size_t n)
{
	struct compare c = { .q = q };

	for (size_t i = 0; i < n; i++)
		record_values(line[i], compare_value, &c);
	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		const struct search_want *w = &q->want[t];
		bool none = false;
		for (size_t i = 0; i < w->n; i++)
			none |= !strcmp(w->value[i], "-") && !(c.has >> t & 1);
		if (w->n && !none && !(c.fits >> t & 1))
			return false;
	}
	return true;
}

/* ---- candidates of one segment ---- */

/* Sets the bits of the hits that match all indexed terms. A hit whose completion is in a later
 * segment may still match terms of completions. Returns false if memory is exhausted. */
static bool
mark(const struct search *q, struct index *ix, uint64_t *bits, size_t words)
{
	uint64_t *open = calloc(words + 1, 2 * 8), *one = open + words + 1;

	if (!open)
		return false;
	memset(bits, 0xff, words * 8);
	bool later = false;
	for (enum record_term t = 0; t < RT_SEARCHED; t++)
		later |= is_indexed(&q->want[t]) && record_terms[t].flags & TERM_LATER;
	if (later)
		index_mark(ix, INDEX_TERM_OPEN, open);
	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		const struct search_want *w = &q->want[t];
		if (!is_indexed(w))
			continue;
		memset(one, 0, words * 8);
		for (size_t i = 0; i < w->n; i++)
			index_mark(ix, record_term_hash(t, span_str(w->value[i])), one);
		for (size_t i = 0; i < words; i++)
			bits[i] &= one[i] | (record_terms[t].flags & TERM_LATER ? open[i] : 0);
	}
	free(open);
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const struct search_candidate *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->hit < y->hit ? -1 : x->hit > y->hit;
}

static bool
within(const struct run *r, int64_t ns)
{
	const struct search *q = r->q;

	return ns >= q->from_ns && (!q->until_ns || ns < q->until_ns) &&
	       (!r->after.node[0] ||
		       (q->oldest ? ns >= r->after.time_ns : ns <= r->after.time_ns));
}

/* Called if an index does not match its segment: the index is not used any more, and the search
 * starts again. If the index was made in memory, the source changed while it was read, and the
 * search fails. */
static void
lied(struct run *r, struct search_source *s)
{
	if (!index_is_file(s->ix)) {
		r->failed =
			cmd_fail(SEARCH_WHAT, "%s: changed while it was read", s->path) != 0;
		return;
	}
	fprintf(stderr,
		"tollgate: " SEARCH_WHAT ": %s: its index did not match and was rebuilt\n",
		s->path);
	s->lied = true;
	r->anew = true;
}

/* Records that belong to no request are hits only if the search asks for them. */
static bool
wants_alone(const struct search *q)
{
	return q->want[RT_TYPE].n || q->alone;
}

/* Announces the next hits to the kernel, so that the disk reads them at the same time. */
static void
read_ahead(const struct search_source *s)
{
	struct index_hit h;

	for (size_t i = 0; s->nhits > 1 && i < s->nhits && i < AHEAD_HITS; i++)
		if (index_hit(s->ix, s->hit[i].hit, &h))
			for (size_t k = 0; k < h.n; k++)
				index_soon(&s->s, h.offset[k]);
}

static bool
look_into(struct run *r, struct search_source *s)
{
	struct index_facts facts;
	size_t room = 0;

	s->searched = true;
	if (!open_search_source(r->all, s)) {
		r->failed |= !s->empty;
		return !r->failed;
	}
	index_facts(s->ix, &facts);
	size_t words = (facts.hits + 63u) / 64;
	uint64_t *bits = malloc(words * 8 + 8);
	if (!bits || !mark(r->q, s->ix, bits, words)) {
		free(bits);
		r->failed = cmd_fail(SEARCH_WHAT, "out of memory") != 0;
		return false;
	}
	struct index_hit h;
	for (size_t i = 0; i < facts.hits && !index_bad(s->ix); i++) {
		if (!bits[i / 64]) {
			i |= 63;
			continue;
		}
		if (!(bits[i / 64] >> i % 64 & 1) || !index_hit(s->ix, (uint32_t)i, &h) ||
			!within(r, h.time_ns) || (h.flags & INDEX_ALONE && !wants_alone(r->q)))
			continue;
		if (!mem_room(&s->hit, &room, s->nhits + 1, sizeof(*s->hit))) {
			r->failed = cmd_fail(SEARCH_WHAT, "out of memory") != 0;
			break;
		}
		s->hit[s->nhits++] = (struct search_candidate){ h.time_ns, (uint32_t)i };
	}
	free(bits);
	if (index_bad(s->ix))
		lied(r, s);
	else if (s->nhits)
		qsort(s->hit, s->nhits, sizeof(*s->hit), by_time);
	read_ahead(s);
	s->at = r->q->oldest ? 0 : s->nhits;
	return !r->failed && !r->anew;
}

/* ---- one hit ---- */

/* The hit that is being read. Lines are kept as offsets, because the buffer moves when it
 * grows. */
struct reading {
	struct search_hit *h;
	size_t from[SEARCH_RECORDS], n[SEARCH_RECORDS];
	struct span id; /* the request's id with its quotes */
	char id_text[256];
	bool decision, end, request; /* a record of this type was read */
};

/* Reads a record of the hit. Returns 1, 0 if the line is no record of the hit, or ERR_IO. */
static int
read_record(struct reading *g, const struct search_source *s, uint64_t offset)
{
	struct search_hit *h = g->h;
	size_t from = h->text.n;
	struct chain_line l;

	if (h->n == SEARCH_RECORDS)
		return 1;
	int got = index_line(&s->s, offset, &h->text);
	if (got <= 0)
		return got;
	struct span line = span_cut(buf_view(&h->text), from, h->text.n);
	if (chain_parse(line, &l) || l.commit)
		return 0;
	struct span id = chain_member(line, "id");
	if (h->n == 0) {
		if (clock_parse(l.time.p, l.time.n, &h->at.time_ns))
			return 0;
		snprintf(h->at.node, sizeof(h->at.node), "%.*s", SPAN_ARG(l.node));
		h->at.seq = l.seq;
		g->id = span_cut(id, 0, sizeof(g->id_text));
		if (g->id.n)
			memcpy(g->id_text, g->id.p, g->id.n);
		g->id.p = g->id_text;
	} else if (!id.n || !span_eq(span_cut(id, 0, sizeof(g->id_text)), g->id)) {
		return 0;
	}
	g->decision |= span_is(l.type, "decision");
	g->end |= span_is(l.type, "completion");
	g->request |= g->decision || g->end || span_is(l.type, "attempt");
	g->from[h->n] = from;
	g->n[h->n++] = line.n;
	return 1;
}

/* Reads the attempts and the completion of the hit from another segment or, with `first`, sets
 * *found if the segment has its decision. Returns false if the search fails or starts again. */
static bool
join_source(struct run *r, struct reading *g, struct search_source *s, bool first, bool *found)
{
	struct index_hit ih;
	uint64_t id =
		g->id.n < 3 ? 0 : record_term_hash(RT_ID, span_cut(g->id, 1, g->id.n - 1));

	if (!open_search_source(r->all, s)) {
		r->failed |= !s->empty;
		return !r->failed;
	}
	for (uint32_t hit = 0; index_find(s->ix, id, &hit); hit++) {
		if (!index_hit(s->ix, hit, &ih))
			break;
		if (ih.flags & INDEX_ALONE || first != !!(ih.flags & INDEX_FIRST))
			continue;
		*found |= first;
		for (size_t i = 0; i < ih.n && !first; i++) {
			int got = read_record(g, s, ih.offset[i]);
			if (got < 0)
				r->failed = cmd_fail(SEARCH_WHAT, "%s: %s", s->path,
						    strerror(errno)) != 0;
			/* Two ids can have the same hash; read_record() skips records of
			 * another id. */
		}
	}
	if (index_bad(s->ix))
		lied(r, s);
	return !r->failed && !r->anew;
}

/* Returns the time in an id, or 0 if the id is no ULID. */
static int64_t
id_time_ns(struct span id)
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t ms = 0;

	if (id.n != 28)
		return 0;
	for (size_t i = 1; i < 11; i++) {
		const char *at = memchr(letters, id.p[i], 32);
		if (!at)
			return 0;
		ms = ms * 32 + (at - letters);
	}
	return ms < INT64_MAX / 1000000 ? ms * 1000000 : 0;
}

/* Reads later segments of the node that may have the completion: those soon after the decision,
 * and the first one after a restart, which records requests that the earlier process had sent.
 */
static bool
join_later(struct run *r, struct reading *g, size_t of)
{
	struct search_source *all = r->all->source;
	bool found = false, late = false;

	for (size_t i = of + 1; i < r->all->n && !g->end; i++) {
		if (strcmp(all[i].p.segment.node, all[of].p.segment.node) != 0)
			break;
		bool restart = all[i].p.segment.boot != all[i - 1].p.segment.boot &&
			       all[i - 1].p.segment.boot == all[of].p.segment.boot;
		late = late || search_began(&all[i]) > g->h->at.time_ns + ENDS_WITHIN_NS;
		if (late && !restart)
			continue;
		if (!join_source(r, g, &all[i], false, &found))
			return false;
	}
	return true;
}

static bool
has_decision(struct run *r, struct reading *g, size_t of, bool *found)
{
	struct search_source *all = r->all->source;
	int64_t ns = id_time_ns(g->id), slack = 3600ll * 1000000000;

	for (size_t i = of; i-- > 0 && !*found;) {
		if (strcmp(all[i].p.segment.node, all[of].p.segment.node) != 0)
			break;
		/* The id contains the request's time, so older segments need not be searched.
		 * The two segments before are searched in any case. */
		int64_t from = ns ? search_began(&all[i]) : INT64_MIN;
		if (of - i > 2 && from != INT64_MIN && ns < from - slack)
			continue;
		if (!join_source(r, g, &all[i], true, found))
			return false;
		if (of - i >= 2 && from != INT64_MIN && ns > from + slack)
			break;
	}
	return true;
}

/* Reads the hit and compares it with the terms. Returns true if the hit matches. */
static bool
read_hit(struct run *r, size_t of, const struct search_candidate *c, struct search_hit *h)
{
	struct search_source *s = &r->all->source[of];
	struct reading g = { .h = h };
	struct index_hit ih;
	bool elsewhere = false;
	int got = 1;

	if (index_hit(s->ix, c->hit, &ih))
		for (size_t i = 0; i < ih.n && got > 0; i++)
			got = read_record(&g, s, ih.offset[i]);
	if (got < 0) {
		r->failed = cmd_fail(SEARCH_WHAT, "%s: %s", s->path, strerror(errno)) != 0;
		return false;
	}
	bool agrees = got > 0 && !index_bad(s->ix) && h->n && h->at.time_ns == c->time_ns &&
		      (g.request || wants_alone(r->q));
	if (agrees && ih.flags & INDEX_OPEN && !join_later(r, &g, of))
		return false;
	if (agrees && !ih.flags && !has_decision(r, &g, of, &elsewhere))
		return false;
	for (size_t i = 0; i < h->n; i++)
		h->line[i] = span_cut(buf_view(&h->text), g.from[i], g.from[i] + g.n[i]);
	if (agrees && (elsewhere || search_fits(r->q, h->line, h->n)))
		return !elsewhere;
	/* If the index can answer for all terms, a hit that does not match means that the index
	 * is wrong. */
	bool sure = !agrees || (ih.flags && !(ih.flags & INDEX_OPEN));
	for (enum record_term t = 0; t < RT_SEARCHED && agrees; t++)
		sure &= !r->q->want[t].n || is_indexed(&r->q->want[t]);
	if (sure && index_is_file(s->ix))
		lied(r, s);
	return false;
}

/* ---- order of hits ---- */

static int
place_order(const struct search_place *a, const struct search_place *b)
{
	int node = strcmp(a->node, b->node);

	return a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? -1 : 1)
	       : node			? node
	       : a->seq < b->seq	? -1
					: a->seq > b->seq;
}

static int
by_place(const void *a, const void *b)
{
	return place_order(
		&((const struct search_hit *)a)->at, &((const struct search_hit *)b)->at);
}

static const struct search_candidate *
next_candidate_of(const struct run *r, const struct search_source *s)
{
	if (r->q->oldest)
		return s->at < s->nhits ? &s->hit[s->at] : NULL;
	return s->at ? &s->hit[s->at - 1] : NULL;
}

/* Returns the source that has the next hit in the order of times; all->n: no hit is left.
 * Sources that may have an earlier hit are opened first. */
static size_t
next_source(struct run *r)
{
	struct search_source *all = r->all->source;
	bool oldest = r->q->oldest;

	for (;;) {
		size_t best = r->all->n, soon = r->all->n;
		int64_t time = 0, bound = 0;
		for (size_t i = 0; i < r->all->n; i++) {
			const struct search_candidate *c = next_candidate_of(r, &all[i]);
			if (!all[i].searched) {
				int64_t at = oldest ? all[i].from_ns : all[i].to_ns;
				if (soon == r->all->n || (oldest ? at < bound : at >= bound)) {
					soon = i;
					bound = at;
				}
			} else if (c && (best == r->all->n || (oldest ? c->time_ns < time
								      : c->time_ns > time))) {
				best = i;
				time = c->time_ns;
			}
		}
		if (soon == r->all->n ||
			(best < r->all->n && (oldest ? bound > time : bound < time)))
			return best;
		struct search_source *s = &all[soon];
		/* Without indexes, the time ranges are not estimated, so every source is
		 * read. */
		if (!r->all->q->no_index && ((r->q->until_ns && s->from_ns >= r->q->until_ns) ||
						    s->to_ns < r->q->from_ns))
			s->searched = true;
		else if (!look_into(r, s))
			return r->all->n;
	}
}

/* Returns all hits of one time to the caller, in the order of their nodes and numbers. */
static bool
let_out(struct run *r)
{
	const struct search_place *last = NULL;

	if (r->nsame)
		qsort(r->same, r->nsame, sizeof(*r->same), by_place);
	for (size_t k = 0; k < r->nsame && !r->enough; k++) {
		struct search_hit *h = &r->same[r->q->oldest ? k : r->nsame - 1 - k];
		int order = r->after.node[0] ? place_order(&h->at, &r->after) : 0;
		bool past = !r->after.node[0] || (r->q->oldest ? order > 0 : order < 0);
		if (past && (!last || place_order(last, &h->at)) && !r->q->hit(r->q->arg, h))
			r->enough = true;
		last = &h->at;
	}
	if (last)
		r->after = *last;
	for (size_t k = 0; k < r->nsame; k++)
		buf_free(&r->same[k].text);
	r->nsame = 0;
	return !r->enough;
}

static int
source_by_name(const void *a, const void *b)
{
	const struct search_source *x = a, *y = b;
	int node = strcmp(x->p.segment.node, y->p.segment.node);
	bool same = x->p.segment.first == y->p.segment.first;
	uint64_t p = same ? x->p.begin : x->p.segment.first,
		 q = same ? y->p.begin : y->p.segment.first;

	return node ? node : p < q ? -1 : p > q;
}

static void
once(struct run *r)
{
	int64_t time = 0;
	size_t i;

	while (!r->enough && (i = next_source(r)) < r->all->n) {
		struct search_source *s = &r->all->source[i];
		const struct search_candidate *next = next_candidate_of(r, s);
		if (!next)
			return; /* cannot happen: next_source() found a hit */
		const struct search_candidate c = *next;
		if (r->nsame && c.time_ns != time && !let_out(r))
			break;
		time = c.time_ns;
		if (!mem_room(&r->same, &r->room, r->nsame + 1, sizeof(*r->same))) {
			r->failed = cmd_fail(SEARCH_WHAT, "out of memory") != 0;
			return;
		}
		struct search_hit *h = &r->same[r->nsame];
		*h = (struct search_hit){ .n = 0 };
		buf_init(&h->text, SEARCH_RECORDS * (CHAIN_LINE_MAX * 5));
		if (read_hit(r, i, &c, h))
			r->nsame++;
		else
			buf_free(&h->text);
		if (r->failed || r->anew)
			return;
		s->at += r->q->oldest ? 1 : (size_t)-1;
	}
	if (!r->failed && !r->anew && !r->enough)
		let_out(r);
}

int
search_run(const struct search *q, struct search_sources *all)
{
	struct run r = { .q = q, .all = all, .after = q->after };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (all->n)
		qsort(all->source, all->n, sizeof(*all->source), source_by_name);
	search_bounds(all);
	do {
		r.anew = false;
		for (size_t i = 0; i < all->n; i++) {
			struct search_source *s = &all->source[i];
			free(s->hit);
			s->hit = NULL;
			s->nhits = s->at = 0;
			s->searched = false;
			if (s->lied && s->ix && index_is_file(s->ix))
				index_free(&s->ix);
		}
		once(&r);
		for (size_t k = 0; k < r.nsame; k++)
			buf_free(&r.same[k].text);
		r.nsame = 0;
		if (r.anew && q->anew) {
			q->anew(q->arg);
			r.after = q->after;
		}
	} while (r.anew && !r.failed);
	free(r.same);
	return r.failed ? EXIT_CANNOT : EXIT_DONE;
}

/* ---- cursors: TIME/NODE/SEQ ---- */
