/* Reads the records that a struct query requests, from a file, a journal or Redis streams.
 *
 * A journal is read segment by segment, and a segment piece by piece. For each piece, an
 * index finds the lines with the requested terms; without a sound index, every line is
 * passed. The segments of the daemons and instances on one host are merged in the order of
 * time, or their lines are.
 *
 * Redis streams are those of one server or of all nodes of a cluster. Each node of tollgate
 * writes a stream tollgate:audit:NODE. The last part of the file parses the options for places
 * and times. */
#include "cmd/records/query.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/redis/redis_sync.h"
#include "base/why.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/when.h"
#include "operator/admin/child_self.h"
#include "policy/config/config.h"
#include "record/audit/record_terms.h"
#include "record/journal/chain.h"
#include "record/journal/recover.h"

/* ---- Redis streams ---- */

#define PAGE	   1000 /* stream entries for each request */
#define TIMEOUT_US 10000000

static struct span
reply_span(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS
		       ? span_of(r->str, (size_t)r->len)
		       : (struct span){ NULL, 0 };
}

/* The id of a stream entry: the boot and the sequence number of its record. */
struct stream_id {
	uint64_t boot, seq;
};

/* Passes the record of one entry, which has the form [id, [field, value, ...]]. */
static void
read_entry(const redisReply *e, const struct query *q, struct stream_id *last)
{
	struct span id = { NULL, 0 }, record = id, commit = id, gap = id, value, s, b;
	uint64_t boot = 0, seq = 0;
	struct chain_line l;
	char why[160];
	bool strange = false;

	if (e->type == REDIS_REPLY_ARRAY && e->elements == 2 &&
		e->element[1]->type == REDIS_REPLY_ARRAY) {
		const redisReply *f = e->element[1];
		id = reply_span(e->element[0]);
		for (size_t i = 0; i + 1 < f->elements; i += 2) {
			value = reply_span(f->element[i + 1]);
			if (span_is(reply_span(f->element[i]), "r") && !record.p)
				record = value;
			else if (span_is(reply_span(f->element[i]), "c") && !commit.p)
				commit = value;
			else if (span_is(reply_span(f->element[i]), "g") && !gap.p)
				gap = value;
			else
				strange = true;
		}
	}
	s = id;
	b = span_next(&s, '-');
	if (span_u64(b, &boot) || span_u64(s, &seq) || seq == UINT64_MAX)
		boot = seq = UINT64_MAX - 1;
	*last = (struct stream_id){ boot, seq };
	why[0] = '\0';
	if (gap.p && !record.p && !strange)
		snprintf(why, sizeof(why),
			"missing: the journal had lost it before it was copied: %.*s",
			SPAN_ARG(span_cut(gap, 0, 100)));
	else if (!record.n || strange || gap.p)
		snprintf(why, sizeof(why), "junk: entry %.*s of the stream has %s",
			SPAN_ARG(span_cut(id, 0, 48)),
			record.n ? "a field that tollgate does not write" : "no record");
	else if (chain_parse(record, &l) == 0 && (l.boot != boot || l.seq != seq))
		snprintf(why, sizeof(why),
			"changed or moved: entry %.*s of the stream holds record %" PRIu64
			" of boot %" PRIu64,
			SPAN_ARG(span_cut(id, 0, 48)), l.seq, l.boot);
	if (why[0] && q->reject)
		q->reject(q->arg, why);
	if (record.n)
		query_give(q, record);
	if (commit.n)
		query_give(q, commit);
}

/* Reads the largest id that the stream ever had. If it is after the present end, entries
 * were deleted one by one, since trimming removes the oldest entries. */
static bool
last_generated(redisContext *c, const char *key, struct stream_id *out)
{
	const char *argv[] = { "XINFO", "STREAM", key };
	redisReply *r = redis_ask_argv(c, 3, argv, NULL);
	bool found = false;

	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
		struct span s = reply_span(r->element[i + 1]), b;
		if (!span_is(reply_span(r->element[i]), "last-generated-id"))
			continue;
		b = span_next(&s, '-');
		found = span_u64(b, &out->boot) == 0 && span_u64(s, &out->seq) == 0;
	}
	freeReplyObject(r);
	return found;
}

int
query_stream(redisContext *c, const char *key, const struct query *q, struct buf *why)
{
	struct stream_id last = { 0, 0 }, ever;
	char next[64] = "-", page[16], said[160];
	/* read this first, because entries may be added during the reading */
	bool known = last_generated(c, key, &ever);

	snprintf(page, sizeof(page), "%d", PAGE);
	for (size_t n = PAGE; n == PAGE;) {
		const char *argv[] = { "XRANGE", key, next, "+", "COUNT", page };
		redisReply *r = redis_ask_argv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY;
		n = ok ? r->elements : 0;
		if (!ok)
			buf_printf(
				why, "%s: %s", key, r && r->str ? r->str : redis_sync_error(c));
		for (size_t i = 0; i < n; i++)
			read_entry(r->element[i], q, &last);
		snprintf(next, sizeof(next), "%" PRIu64 "-%" PRIu64, last.boot, last.seq + 1);
		freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	}
	bool cut = known &&
		   (ever.boot > last.boot || (ever.boot == last.boot && ever.seq > last.seq));
	if (cut && q->reject) {
		snprintf(said, sizeof(said),
			"missing: the stream had entries up to %" PRIu64 "-%" PRIu64
			", but its end was deleted",
			ever.boot, ever.seq);
		q->reject(q->arg, said);
	}
	return 0;
}

static int
by_stream_key(const void *a, const void *b)
{
	return strcmp(
		((const struct query_stream *)a)->key, ((const struct query_stream *)b)->key);
}

/* Lists the streams of one server with SCAN. Returns 0, or an error with a sentence in
 * *why. */
static int
scan_streams(redisContext *c, struct query_redis *out, struct buf *why)
{
	char cursor[32] = "0";

	do {
		const char *argv[] = { "SCAN", cursor, "MATCH", QUERY_STREAM_PREFIX "*",
			"COUNT", "1000" };
		redisReply *r = redis_ask_argv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
			  r->element[1]->type == REDIS_REPLY_ARRAY;
		for (size_t i = 0; ok && i < r->element[1]->elements; i++) {
			struct query_stream *to = &out->stream[out->nstreams];
			ok = out->nstreams < QUERY_STREAMS_MAX &&
			     (to->key = strdup(r->element[1]->element[i]->str));
			if (ok)
				out->stream[out->nstreams++].c = c;
		}
		if (ok)
			snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		else
			buf_printf(why, "SCAN: %s",
				r && r->type == REDIS_REPLY_ERROR ? r->str
				: c->errstr[0]			  ? c->errstr
								  : "more streams than "
								    "this command reads");
		freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

/* Gets the options of the configuration if it has this URL. Returns false if it has another
 * one. */
static bool
configured(const struct query *q, struct redis_options *out)
{
	SCOPED_ARENA(a, 0, false);
	const struct config *cfg = cmd_config(&a, q->config);

	return cfg && cfg->redis_url && !strcmp(cfg->redis_url, q->redis) &&
	       config_redis(cfg, out) == 0;
}

int
query_dial(const struct query *q, struct query_redis *out, struct buf *why)
{
	struct redis_options o;
	size_t kept = 0;
	int err = 0;

	*out = (struct query_redis){ .n = 0 };
	if (!configured(q, &o) && redis_options_url(&o, q->redis))
		return why_err(why, ERR_SYNTAX, "--redis: give " REDIS_URL_FORMS);
	int n = redis_dial_all(&o, TIMEOUT_US, out->c, why);
	explicit_bzero(&o, sizeof(o));
	if (n < 0)
		return n;
	out->n = (size_t)n;
	out->stream = calloc(QUERY_STREAMS_MAX, sizeof(*out->stream));
	if (!out->stream)
		return why_err(why, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	for (size_t i = 0; i < out->n && !err; i++)
		err = scan_streams(out->c[i], out, why);
	qsort(out->stream, out->nstreams, sizeof(*out->stream), by_stream_key);
	/* SCAN may return a key twice, and two nodes may both return it while its slot
	 * moves */
	for (size_t i = 0; i < out->nstreams; i++) {
		if (kept && !strcmp(out->stream[kept - 1].key, out->stream[i].key))
			free(out->stream[i].key);
		else
			out->stream[kept++] = out->stream[i];
	}
	out->nstreams = kept;
	return err;
}

void
query_hang_up(struct query_redis *r)
{
	while (r->nstreams)
		free(r->stream[--r->nstreams].key);
	free(r->stream);
	while (r->n)
		redisFree(r->c[--r->n]);
	*r = (struct query_redis){ .n = 0 };
}

/* ---- lines ---- */

void
query_give(const struct query *q, struct span line)
{
	if (!q->within || audit_time_within(line, q->since, q->until))
		q->line(q->arg, line);
}

/* Passes the lines from offset `begin` to `end`. `last` means that the last line may be
 * incomplete. */
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
		q->line(q->arg, rest); /* inside a chain, these bytes are no line */
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
	/* a daemon that starts removes a segment that has no records */
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

	/* a daemon that starts removes a segment that has no records */
	if (fd < 0 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (err)
		buf_printf(why, "%s/%s: %s", p->journal, p->segment.name,
			fd < 0 ? strerror(errno) : err_str(err));
	else if (p->begin || p->bytes)
		index_part(s, p->begin, p->bytes);
	return err;
}

/* The offsets of the lines that the index found, in order. */
struct found {
	uint64_t *offset;
	size_t n, room;
};

/* Collects the places that the index has for the terms. Returns false if the index cannot
 * find all of them. */
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

/* Passes the lines that have one of the terms, in order. Returns ERR_NOTFOUND, without
 * having passed a line, if there is no sound index. */
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

/* The reading of one journal. It lives on the stack of the reading function. */
struct walk {
	const struct query *q;
	struct journal_list list;
	size_t at; /* the next segment */
	/* Reading segment by segment: when the next segment begins; "": unknown.
	 * Reading line by line (by_time): when the current line was written, or the last line
	 * before it that has a time. */
	char time[CLOCK_RFC3339_LEN];
	bool more; /* there is a next segment, or a current line */
	/* The segment that is read line by line. fd -1: none. */
	int fd;
	struct lines lines;
	struct span line; /* the current line; borrowed from `lines` */
	/* The node of the current segments. Its segments before this index are earlier than the period. */
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

/* Finds the latest time of the lines in these bytes. `cut` means that the first line may be
 * incomplete. */
static void
find_latest(struct span bytes, bool cut, char out[CLOCK_RFC3339_LEN])
{
	if (cut)
		span_next(&bytes, '\n');
	while (bytes.n) {
		struct span time = audit_time_of(span_next(&bytes, '\n'));
		if (time.n && memcmp(time.p, out, time.n) > 0)
			memcpy(out, time.p, time.n);
	}
}

bool
query_last_time(const struct query_piece *p, char out[CLOCK_RFC3339_LEN])
{
	enum { TAIL = 65536 };
	struct index_segment s;

	memset(out, 0, CLOCK_RFC3339_LEN);
	SCOPED_BUF(unused, 4096);
	if (query_open_piece(p, &s, &unused))
		return false;
	size_t n = s.bytes < TAIL ? (size_t)s.bytes : TAIL;
	char *tail = malloc(TAIL);
	ssize_t got = tail ? s.read(s.arg, s.bytes - n, tail, n) : -1;
	if (got > 0)
		find_latest(span_of(tail, (size_t)got), n < s.bytes, out);
	free(tail);
	index_segment_close(&s);
	return out[0] != '\0';
}

bool
query_ended_before(const struct query *q, const char *dir, const struct journal_segment *s,
	const struct journal_segment *next)
{
	const struct query_piece p = { .journal = dir, .segment = *s };
	char time[CLOCK_RFC3339_LEN], since[CLOCK_RFC3339_LEN];

	if (q->since_ns <= q->slack_ns)
		return false;
	clock_rfc3339(q->since_ns - q->slack_ns, since);
	return query_first_time(dir, next, 0, time) && strcmp(time, since) < 0 &&
	       query_last_time(&p, time) && strcmp(time, since) < 0;
}

/* Returns the node's next segment, or NULL. Names of segments sort by node. */
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

void
query_say_back(const char *what, const char *node, const struct query_back *back)
{
	static uint64_t said; /* a command may read a journal twice, but reports each jump of
			       * the clock once */
	uint64_t hash = span_hash(span_str(node)) | 1;

	if (!back->n || said == hash)
		return;
	said = hash;
	fprintf(stderr,
		"tollgate: %s: node %s: times go back %zu time%s, first from %s to %s in "
		"segment %s, because the clock was set: records of a period may be in "
		"other segments (docs/operations.md, A wrong clock)\n",
		what, node, back->n, back->n > 1 ? "s" : "", back->from, back->to, back->segment);
}

void
query_note_back(struct query_back *back, const char *segment, const char *was, const char *is)
{
	int64_t was_ns, is_ns;

	if (!was[0] || clock_parse(was, strlen(was), &was_ns) ||
		clock_parse(is, strlen(is), &is_ns) || is_ns >= was_ns - QUERY_BACK_NS)
		return;
	if (back->n++)
		return;
	snprintf(back->from, sizeof(back->from), "%.19sZ", was);
	snprintf(back->to, sizeof(back->to), "%.19sZ", is);
	snprintf(back->segment, sizeof(back->segment), "%s", segment);
}

/* Returns the node's oldest segment that may have records of the period. `first` is the
 * node's oldest segment. */
static size_t
find_first_piece(const struct walk *w, size_t first)
{
	const struct journal_segment *seg = w->list.seg, *next;
	struct query_back back = { .n = 0 };
	char was[CLOCK_RFC3339_LEN] = "", is[CLOCK_RFC3339_LEN];
	size_t begin = first;
	bool found = false;

	query_first_time(w->dir, &seg[first], 0, was);
	for (size_t i = first; (next = next_of_node(&w->list, i)); i = (size_t)(next - seg)) {
		found = found || !query_ended_before(w->q, w->dir, &seg[i], next);
		if (!found)
			begin = (size_t)(next - seg);
		if (!query_first_time(w->dir, next, 0, is))
			continue;
		query_note_back(&back, next->name, was, is);
		memcpy(was, is, sizeof(was));
	}
	query_say_back(w->q->what, seg[first].node, &back);
	return begin;
}

/* Returns true if all records of the segment are earlier than the period. */
static bool
is_before(struct walk *w, size_t i)
{
	const struct journal_segment *seg = w->list.seg;

	if (w->q->since_ns <= w->q->slack_ns || !seg[i].ours)
		return false;
	if (!w->node || strcmp(w->node, seg[i].node) != 0) {
		w->node = seg[i].node;
		w->begin = find_first_piece(w, i);
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

/* Reads a segment. A segment that is still written has indexes for parts of it: each such
 * part is a piece, and the rest is one more piece. */
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
begin_walk(struct walk *w, const struct query *q, const char *journal, struct buf *why)
{
	size_t kept = 0;

	w->q = q;
	int err = journal_list_all(
		journal, NULL, q->restored || !q->without_restored, &w->list, why);
	if (err)
		return err;
	snprintf(w->dir, sizeof(w->dir), "%.*s", SPAN_ARG(journal_folder(journal)));
	/* A renamed segment is read too. Other files contain no records. */
	for (size_t i = 0; i < w->list.n; i++)
		if (w->list.seg[i].ours || strstr(w->list.seg[i].name, ".jsonl"))
			w->list.seg[kept++] = w->list.seg[i];
	w->list.n = kept;
	return 0;
}

/* ---- several journals, in the order in which their segments begin ----
 *
 * For two instances, this is the order of the decisions, except for completions while one instance
 * hands over to the other. */

/* `timed`: reads when the segment begins, which only a choice between journals needs. */
static void
find_next_segment(struct walk *w, bool timed)
{
	w->more = w->at < w->list.n;
	if (timed && w->more && !query_first_time(w->dir, &w->list.seg[w->at], 0, w->time))
		w->time[0] = '\0';
}

/* Returns the walk whose next segment or line is the oldest. `last` is preferred, so that lines
 * without a time of their own stay with the lines before them. Returns NULL at the end. */
static struct walk *
oldest_walk(struct walk *w, size_t n, struct walk *last)
{
	struct walk *first = last && last->more ? last : NULL;

	for (size_t i = 0; i < n; i++)
		if (w[i].more && (!first || strcmp(w[i].time, first->time) < 0))
			first = &w[i];
	return first;
}

static int
read_by_segment(const struct query *q, struct walk *w, size_t n, struct buf *why)
{
	struct walk *next;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		find_next_segment(&w[i], n > 1);
	while (!err && !(q->enough && *q->enough) && (next = oldest_walk(w, n, NULL))) {
		err = take_journal_segment(next, next->at++, why);
		find_next_segment(next, n > 1);
	}
	return err;
}

/* ---- several journals, line by line ---- */

static void
close_walk(struct walk *w)
{
	if (w->fd < 0)
		return;
	lines_close(&w->lines);
	scoped_fd_close(&w->fd);
	w->fd = -1;
}

/* Opens the next segment that may have records of the period. Returns 1, 0 if there is none, or an
 * error. */
static int
open_next_segment(struct walk *w, struct buf *why)
{
	for (; w->at < w->list.n; w->at++) {
		const struct journal_segment *s = &w->list.seg[w->at];
		if (is_before(w, w->at))
			continue;
		w->fd = journal_segment_open(w->dir, s);
		/* a daemon that starts removes a segment that has no records */
		if (w->fd < 0 && errno == ENOENT)
			continue;
		int err = w->fd < 0 ? ERR_IO : lines_open(&w->lines, w->fd, 0);
		if (err) {
			buf_printf(why, "%s/%s: %s", w->dir, s->name,
				w->fd < 0 ? strerror(errno) : err_str(err));
			scoped_fd_close(&w->fd);
			w->fd = -1;
			return err;
		}
		w->at++;
		return 1;
	}
	return 0;
}

/* Reads the walk's next line. */
static int
next_walk_line(struct walk *w, struct buf *why)
{
	int got = 0;

	w->more = false;
	do {
		if (w->fd < 0 && (got = open_next_segment(w, why)) <= 0)
			return got;
		const bool last = w->at == w->list.n;
		got = lines_next(&w->lines, UINT64_MAX, &w->line);
		/* the space that the daemon reserves after its last record */
		if (got > 0 && last && span_chr(w->line, '\0') < w->line.n &&
			journal_unfinished(&w->lines, w->line))
			got = 0;
		if (got <= 0)
			close_walk(w);
	} while (got == 0);
	if (got < 0) {
		buf_printf(why, "%s/%s: %s", w->dir, w->list.seg[w->at - 1].name, err_str(got));
		return got;
	}
	struct span time = audit_time_of(w->line);
	if (time.n)
		span_copy(time, w->time, sizeof(w->time));
	w->more = true;
	return 0;
}

static int
read_by_line(const struct query *q, struct walk *w, size_t n, struct buf *why)
{
	struct walk *next = NULL;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = next_walk_line(&w[i], why);
	while (!err && !(q->enough && *q->enough) && (next = oldest_walk(w, n, next))) {
		query_give(q, next->line);
		err = next_walk_line(next, why);
	}
	for (size_t i = 0; i < n; i++)
		close_walk(&w[i]);
	return err;
}

static int
read_journal(const struct query *q, struct buf *why)
{
	const char *journal[QUERY_JOURNALS_MAX];
	struct walk w[QUERY_JOURNALS_MAX];
	size_t n = query_journals(q, journal);
	int err = 0;

	for (size_t i = 0; i < n; i++)
		w[i] = (struct walk){ .q = q, .fd = -1 };
	for (size_t i = 0; i < n && !err; i++)
		err = begin_walk(&w[i], q, journal[i], why);
	if (!err)
		err = q->by_time && n > 1 ? read_by_line(q, w, n, why)
					   : read_by_segment(q, w, n, why);
	for (size_t i = 0; i < n; i++)
		journal_list_free(&w[i].list);
	return err;
}

/* ---- all places ---- */

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

/* ---- the options: places and period ---- */

int
query_word(const char *what, enum record_term t, struct span word)
{
	static const char *const decisions[] = { "permit", "redact", "deny", "observed" };

	if (t == RT_OUTCOME && !record_outcome_known(word))
		return cmd_fail(what, "--outcome: %.*s: give " RECORD_OUTCOME_WORDS,
			SPAN_ARG(word));
	if (t == RT_DECISION &&
		span_find(word, decisions, COUNT_OF(decisions)) == COUNT_OF(decisions))
		return cmd_fail(what,
			"--decision: %.*s: give permit, redact, deny or observed",
			SPAN_ARG(word));
	return 0;
}

/* Reads --at, or --between with one or two times. Returns false, with a message in *why, if
 * a time is not understood. */
static bool
read_between(struct query *q, const struct cel_zone *z, struct when *w, struct buf *why)
{
	int64_t now = clock_wall_ns();

	if (q->said_at)
		return when_read(span_str(q->said_at), z, now, w, why);
	if (q->said_end)
		return when_between(
			span_str(q->said_between), span_str(q->said_end), z, now, w, why);
	if (strstr(q->said_between, ".."))
		return when_read(span_str(q->said_between), z, now, w, why);
	buf_str(why, "give two times: --between A B, or A..B");
	return false;
}

int
query_times(struct query *q)
{
	const struct cel_zone *z = NULL;
	struct when w = { 0 };
	const char *bad = NULL;

	arena_init(&q->arena, 16u << 20, false);
	if (!!q->said_at + !!q->said_between + (q->said_since || q->said_until) > 1)
		return cmd_fail(
			q->what, "give one of --at, --between, and --since with --until");
	if (q->said_zone && !(z = cel_zone_load(&q->arena, span_str(q->said_zone), &bad)))
		return cmd_fail(q->what, "--zone %s: %s", q->said_zone, bad);
	if (q->said_at || q->said_between) {
		char from[CLOCK_SECOND_LEN], until[CLOCK_SECOND_LEN];
		SCOPED_BUF(why, 8192);
		if (!read_between(q, z, &w, &why))
			return cmd_fail(q->what, "--%s: %.*s", q->said_at ? "at" : "between",
				SPAN_ARG(buf_view(&why)));
		if (w.twice)
			fprintf(stderr,
				"tollgate: %s: this local time occurred twice, because clocks "
				"were set back: both are searched\n",
				q->what);
		clock_second(q->since_ns = w.from_ns, from);
		clock_second(q->until_ns = w.until_ns, until);
		fprintf(stderr, "from %s to %s\n", from, until);
	}
	int code = when_period(
		q->what, q->said_since, q->said_until, z, &q->since_ns, &q->until_ns);
	if (q->since_ns || q->said_since)
		clock_rfc3339(q->since_ns, q->since);
	if (q->until_ns || q->said_until)
		clock_rfc3339(q->until_ns, q->until);
	return code;
}

/* Adds the configuration to those whose journals are read. */
static void
add_beside(struct query *q, const struct config *list[], const struct config *cfg)
{
	bool known = !strcmp(cfg->journal, q->journal);

	for (size_t i = 0; i < q->nbeside; i++)
		known |= !strcmp(cfg->journal, list[i]->journal);
	if (known || q->nbeside == QUERY_JOURNALS_MAX - 1 || access(cfg->journal, F_OK) != 0)
		return;
	if (access(cfg->journal, R_OK | X_OK) != 0) {
		fprintf(stderr, "tollgate: %s: the records of %s are left out: %s: %s\n", q->what,
			cfg->node, cfg->journal, strerror(errno));
		return;
	}
	list[q->nbeside++] = cfg;
}

/* Finds the further journals of this machine. Those of the other daemons come first: a journal
 * whose name looks like that of the other instance may be another daemon's. */
static void
find_beside(struct query *q, const struct config *cfg)
{
	const struct config *member[CONFIG_MEMBERS_MAX], *other = config_other_that_wrote(cfg);
	const struct config **list =
		arena_array(&q->arena, QUERY_JOURNALS_MAX, sizeof(*list));
	size_t n = list ? config_members(&q->arena, cfg, member) : 0;

	for (size_t i = 0; i < n; i++)
		add_beside(q, list, member[i]);
	if (list && other)
		add_beside(q, list, other);
	q->beside = list;
}

/* Names the daemons of the group whose records are not read, on stderr, once in a process. If the
 * daemon does not run, nobody knows them. A child of the daemon prints nothing: its output is
 * shown by the console, which names them itself. */
static void
say_elsewhere(const struct query *q, const struct config *cfg)
{
	static bool said;
	const json_t *one, *is;
	json_auto_t *status = NULL;
	size_t i, k;

	if (said || !cfg->redis_url || !cfg->has_admin || !cfg->admin.path ||
		!strncmp(program_invocation_name, CHILD_NAME, sizeof(CHILD_NAME) - 1))
		return;
	said = true;
	SCOPED_BUF(why, 4096);
	admin_ask_json(cfg->admin.path, "/status", NULL, &status, &why);
	json_array_foreach(json_object_get(status, "members"), i, one)
	{
		const char *node = json_text_in(one, "node"), *at = json_str_in(one, "console");
		bool here = query_beside(q, node) != NULL;
		json_array_foreach(json_object_get(status, "records_here"), k, is) here |=
			str_same(json_string_value(is), node);
		if (!here)
			fprintf(stderr, "tollgate: %s: the records of %s are %s%s%s\n", q->what, node,
				str_same(json_str_in(one, "machine"), "other")
					? "on another machine"
					: "in a journal that this command does not find",
				at ? ": " : "", at ? at : "");
	}
}

const struct config *
query_beside(const struct query *q, const char *node)
{
	for (size_t i = 0; i < q->nbeside; i++)
		if (str_same(node, q->beside[i]->node))
			return q->beside[i];
	return NULL;
}

const char *
query_journal_of(const struct query *q, const char *node)
{
	const struct config *cfg = query_beside(q, node);

	return cfg ? cfg->journal : q->journal;
}

size_t
query_journals(const struct query *q, const char *out[static QUERY_JOURNALS_MAX])
{
	size_t n = 0;

	if (q->journal)
		out[n++] = q->journal;
	for (size_t i = 0; i < q->nbeside; i++)
		out[n++] = q->beside[i]->journal;
	return n;
}

int
query_source(struct query *q)
{
	struct span journal = span_str(q->journal);
	const char *file = config_find(q->config);

	if (span_ends(journal, SPAN_LIT(JOURNAL_RESTORED_SUFFIX))) {
		journal.n -= sizeof(JOURNAL_RESTORED_SUFFIX) - 1;
		q->journal = arena_printf(&q->arena, "%.*s", SPAN_ARG(journal)).p;
		q->restored = true;
		if (!q->journal)
			return cmd_fail(q->what, "out of memory");
	}
	if (!q->journal && !q->redis && !q->file) {
		if (!file)
			return cmd_no_config(q->what, q->config,
				", or the records with --journal, --redis or --file");
		const struct config *cfg = cmd_config(&q->arena, q->config);
		if (!cfg)
			return cmd_fail(q->what,
				"%s: has mistakes: tollgate check lists them", file);
		if (!cfg->journal)
			return cmd_fail(q->what, "%s: has no audit.journal: name a journal "
						 "with --journal", file);
		q->journal = cfg->journal;
		q->by_config = true;
		find_beside(q, cfg);
		say_elsewhere(q, cfg);
	}
	reading_of(q->journal, q->redis, q->file);
	return 0;
}

struct kept_places
query_places(struct query *q)
{
	const struct config *cfg = q->journal ? NULL : cmd_config(&q->arena, q->config);
	/* an export has the texts in FILE.policies */
	bool own = q->file && kept_policy_any(q->file);
	const char **others = arena_array(&q->arena, QUERY_JOURNALS_MAX, sizeof(*others));
	size_t n = 0;

	for (size_t i = 0; others && i < q->nbeside; i++)
		others[n++] = q->beside[i]->journal;
	struct kept_places places = { .journal = q->journal };
	if (cfg)
		places = kept_places_of(cfg);
	if (own)
		places.journal = q->file;
	places.others = others;
	places.nothers = n;
	return places;
}

int
query_begin(struct query *q, const struct cmd_option *options, char *const *operands, int n)
{
	if (options) {
		reading_begin(q->what, q->config, options, operands, n);
		reading_window(q->since_ns, q->until_ns);
	}
	return query_source(q);
}

int
query_end(struct query *q, int code)
{
	arena_reset(&q->arena);
	return reading_end(code);
}
