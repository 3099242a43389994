/* Records from where they are: a file, or a journal (live or not) piece by piece, each by the
 * index next to it or else by its lines. Streams are query_stream.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"
#include "cmd/records/query.h"
#include "record/audit/record_terms.h"
#include "record/journal/recover.h"

/* ---- lines ---- */

void
query_give(const struct query *q, struct span line)
{
	if (!q->within || audit_time_within(line, q->since, q->until))
		q->line(q->arg, line);
}

/* From `begin` on, up to `end`; `last`: its end may be half written. */
static int
give_lines(const struct query *q, int fd, const char *name, uint64_t begin, uint64_t end,
	bool last, struct buf *why)
{
	static const bool never;
	const bool *enough = q->enough ? q->enough : &never;
	struct lines l;
	struct span line, rest = { NULL, 0 };
	int err, got = 0;

	errno = 0;
	err = lines_open(&l, fd, begin);
	while (!err && !*enough && (got = lines_next(&l, end, &line)) > 0) {
		uint64_t from = l.offset - line.n - 1;
		if (last && !l.pipe && span_chr(line, '\0') < line.n &&
			journal_unfinished(&l, line)) {
			if (q->torn)
				q->torn(q->arg, (size_t)(l.offset - from));
			got = 0;
			break;
		}
		query_give(q, line);
	}
	err = err ? err : got < 0 ? got : 0;
	if (err)
		buf_printf(why, "%s: %s", name, errno ? strerror(errno) : err_str(err));
	else if (!*enough && end == UINT64_MAX)
		rest = lines_rest(&l);
	if (rest.n && !last && q->evidence)
		q->line(q->arg, rest); /* inside a chain: not a line */
	else if (rest.n && last && q->torn)
		q->torn(q->arg, rest.n);
	lines_close(&l);
	return err;
}

static int
read_file(const struct query *q, struct buf *why)
{
	bool in = !strcmp(q->file, "-");
	int fd = in ? STDIN_FILENO : open(q->file, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return why_err(why, ERR_IO, "%s: %s", q->file, strerror(errno));
	err = give_lines(q, fd, in ? "standard input" : q->file, 0, UINT64_MAX, true, why);
	if (!in)
		close(fd);
	return err;
}

int
query_lines(const struct query *q, const struct query_piece *p, struct buf *why)
{
	const struct journal_segment *s = &p->segment;
	char path[JOURNAL_PATH_MAX];
	SCOPED_FD(fd, journal_segment_open(p->journal, s));

	journal_segment_path(p->journal, s, path);
	/* A daemon that starts removes a segment that nothing was written to. */
	if (fd < 0 && errno == ENOENT && (!s->bytes || !q->evidence))
		return 0;
	if (fd < 0)
		return why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	return give_lines(q, fd, path, p->begin, p->bytes ? p->begin + p->bytes : UINT64_MAX,
		p->last, why);
}

/* ---- by an index ---- */

const char *
query_index(const char *journal, char out[QUERY_INDEX_MAX])
{
	snprintf(out, QUERY_INDEX_MAX, "%.*s" INDEX_SUFFIX,
		(int)strnlen(journal, JOURNAL_DIR_MAX), journal);
	return out;
}

int
query_open_piece(const struct query_piece *p, struct index_segment *s, struct buf *why)
{
	int fd = journal_segment_open(p->journal, &p->segment);
	int err = fd < 0 ? ERR_IO : index_segment_open(s, fd, p->segment.name);

	/* A daemon that starts removes a segment that nothing was written to. */
	if (fd < 0 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (err)
		buf_printf(why, "%s/%s: %s", p->journal, p->segment.name,
			fd < 0 ? strerror(errno) : err_str(err));
	else if (p->begin || p->bytes)
		index_part(s, p->begin, p->bytes);
	return err;
}

struct found {
	uint64_t *offset;
	size_t n, room;
};

/* False: the index cannot say it all. */
static bool
collect_found(const struct query *q, struct index *ix, struct found *f)
{
	struct index_hit h;

	for (size_t t = 0; t < q->nterms; t++)
		for (uint32_t hit = 0; index_find(ix, q->term[t], &hit); hit++) {
			if (!index_hit(ix, hit, &h) || h.n == COUNT_OF(h.offset) ||
				!mem_room(&f->offset, &f->room, f->n + h.n, sizeof(*f->offset)))
				return false;
			for (size_t i = 0; i < h.n; i++)
				f->offset[f->n++] = h.offset[i];
		}
	return !index_bad(ix);
}

static int
by_offset(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

/* The lines that have one of the terms, in their order. ERR_NOTFOUND: there is no sound index;
 * none was given. */
static int
give_found(const struct query *q, const struct query_piece *p, struct buf *why)
{
	struct found f = { NULL, 0, 0 };
	struct index_segment s;
	char dir[QUERY_INDEX_MAX];
	int err = p->closed ? query_open_piece(p, &s, why) : ERR_NOTFOUND;

	if (err)
		return err;
	SCOPED_BUF(unused, 8192);
	SCOPED_BUF(line, CHAIN_LINE_MAX * 5);
	struct index *ix =
		index_open(query_index(p->journal, dir), &s, &record_index_terms, &unused);
	if (!ix || !collect_found(q, ix, &f))
		err = ERR_NOTFOUND;
	else if (f.n)
		qsort(f.offset, f.n, sizeof(*f.offset), by_offset);
	for (size_t i = 0; i < f.n && !err; i++) {
		if (i && f.offset[i] == f.offset[i - 1])
			continue;
		buf_clear(&line);
		int got = index_line(&s, f.offset[i], &line);
		if (got > 0)
			query_give(q, buf_view(&line));
		err = got < 0 ? got : 0;
	}
	if (err && err != ERR_NOTFOUND)
		buf_printf(why, "%s/%s: %s", p->journal, p->segment.name,
			errno ? strerror(errno) : err_str(err));
	free(f.offset);
	index_free(&ix);
	index_segment_close(&s);
	return err;
}

/* ---- a journal ---- */

struct walk {
	const struct query *q;
	struct journal_list list;
	/* Of the node whose segments come now those before this one are from before the time.
	 */
	const char *node;
	size_t begin;
	char dir[JOURNAL_DIR_MAX];
};

bool
query_first_time(const char *dir, const struct journal_segment *s, uint64_t begin,
	char out[CLOCK_RFC3339_LEN])
{
	char head[AUDIT_HEAD_BYTES];
	SCOPED_FD(fd, journal_segment_open(dir, s));
	ssize_t n = fd < 0  ? -1
		    : begin ? pread(fd, head, sizeof(head), (off_t)begin)
			    : lines_head(fd, head, sizeof(head));
	struct span time = audit_time_of(span_of(head, n > 0 ? (size_t)n : 0));
	if (!time.n)
		return false;
	memcpy(out, time.p, time.n);
	out[time.n] = '\0';
	return true;
}

bool
query_began_before(const struct query *q, const char *dir, const struct journal_segment *s)
{
	char when[CLOCK_RFC3339_LEN], since[CLOCK_RFC3339_LEN];

	if (q->since_ns <= q->slack_ns)
		return false;
	clock_rfc3339(q->since_ns - q->slack_ns, since);
	return query_first_time(dir, s, 0, when) && strcmp(when, since) < 0;
}

/* The node's next segment; NULL: there is none. Names sort a node's together. */
static const struct journal_segment *
next_of_node(const struct journal_list *list, size_t i)
{
	size_t k = i + 1;

	while (k < list->n && !list->seg[k].ours)
		k++;
	return list->seg[i].ours && k < list->n && !strcmp(list->seg[k].node, list->seg[i].node)
		       ? &list->seg[k]
		       : NULL;
}

/* Whether a later one of the node began before that time too: then all of this one did. */
static bool
is_before(struct walk *w, size_t i)
{
	const struct journal_segment *seg = w->list.seg, *next;

	if (w->q->since_ns <= w->q->slack_ns || !seg[i].ours)
		return false;
	if (!w->node || strcmp(w->node, seg[i].node) != 0) {
		w->node = seg[i].node;
		w->begin = i;
		while ((next = next_of_node(&w->list, w->begin)))
			w->begin = (size_t)(next - seg);
		/* From the newest on: few are looked at. */
		while (w->begin > i && !(seg[w->begin].ours && query_began_before(w->q, w->dir,
								       &seg[w->begin])))
			w->begin--;
	}
	return i < w->begin;
}

static int
take_journal_piece(struct walk *w, size_t i, const struct query_piece *p, struct buf *why)
{
	const struct query *q = w->q;
	int err = q->piece    ? q->piece(q->arg, p, why)
		  : q->nterms ? give_found(q, p, why)
			      : ERR_NOTFOUND;

	return err != ERR_NOTFOUND || is_before(w, i) ? err == ERR_NOTFOUND ? 0 : err
						      : query_lines(q, p, why);
}

/* What is written to has files next to parts of it: each is a piece, and what is after them. */
static int
take_journal_segment(struct walk *w, size_t i, struct buf *why)
{
	const struct query *q = w->q;
	const struct journal_segment *next = next_of_node(&w->list, i);
	struct query_piece p = { .journal = w->dir,
		.segment = w->list.seg[i],
		.closed = next != NULL,
		.last = i + 1 == w->list.n };
	bool parts = !next && p.segment.ours && !q->no_index && (q->piece || q->nterms);
	char dir[QUERY_INDEX_MAX];
	int err = 0;

	if (next && next->first <= q->from)
		return 0;
	if (q->node && p.segment.ours && strcmp(p.segment.node, q->node) != 0)
		return 0;
	for (; parts && !err &&
		(p.bytes = index_part_bytes(
			 query_index(w->dir, dir), p.segment.name, p.begin)) != 0;
		p.begin += p.bytes) {
		p.closed = true;
		err = take_journal_piece(w, i, &p, why);
	}
	p.closed = next != NULL;
	p.bytes = 0;
	return err ? err : take_journal_piece(w, i, &p, why);
}

static int
read_journal(const struct query *q, struct buf *why)
{
	struct walk w = { .q = q };
	size_t kept = 0;
	int err = journal_list_all(
		q->journal, NULL, q->restored || !q->without_restored, &w.list, why);

	if (err)
		return err;
	snprintf(w.dir, sizeof(w.dir), "%.*s", SPAN_ARG(journal_folder(q->journal)));
	/* One that somebody renamed is read too; in other files is no record. */
	for (size_t i = 0; i < w.list.n; i++)
		if (w.list.seg[i].ours || strstr(w.list.seg[i].name, ".jsonl"))
			w.list.seg[kept++] = w.list.seg[i];
	w.list.n = kept;
	for (size_t i = 0; i < w.list.n && !err && !(q->enough && *q->enough); i++)
		err = take_journal_segment(&w, i, why);
	journal_list_free(&w.list);
	return err;
}

/* ---- any of them ---- */

int
query_read(const struct query *q, struct buf *why)
{
	struct query_redis redis;

	if (q->file || q->journal)
		return q->file ? read_file(q, why) : read_journal(q, why);
	int err = query_dial(q, &redis, why);
	for (size_t i = 0; i < redis.nstreams && !err; i++)
		err = query_stream(redis.stream[i].c, redis.stream[i].key, q, why);
	query_hang_up(&redis);
	return err;
}

int
query_run(const struct query *q)
{
	SCOPED_BUF(why, 8192);
	return cmd_failed(q->what, query_read(q, &why), &why);
}
