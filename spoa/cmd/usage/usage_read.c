/* Reads the sums of tollgate usage: from the files beside segments (record/audit/sums.h) for
 * segments and blocks within the window, and from lines for the others. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cmd/daemon/reading.h"
#include "cmd/usage/usage.h"
#include "record/audit/sums.h"

struct summing {
	struct usage_table *now;
	struct usage_before *before; /* NULL: the query has no period before its own */
	const struct query *q;
	const char *since; /* the begin of the query's own period; "": no bound */
	uint64_t records;
	bool lied; /* a file of sums is wrong: the tables are not to be used */
};

static void
note_first(struct usage_before *before, struct span time)
{
	if (time.n >= CLOCK_RFC3339_LEN ||
		(before->first[0] && span_order(time, span_str(before->first)) >= 0))
		return;
	memcpy(before->first, time.p, time.n);
	before->first[time.n] = '\0';
}

static void
sum_usage_line(void *arg, struct span line)
{
	struct summing *r = arg;

	struct span time = audit_time_of(line);
	bool early = r->before && time.n && span_order(time, span_str(r->since)) < 0;

	r->records++;
	usage_add(early ? &r->before->table : r->now, line, span_cut(time, 0, 10));
	if (early)
		note_first(r->before, time);
}

/* Returns the table for the records of a block, or NULL if a bound cuts the block. */
static struct usage_table *
table_of_block(const struct summing *r, const struct sums_block *b)
{
	const char *since = r->q->since, *until = r->q->until;

	if ((since[0] && strcmp(b->from, since) < 0) || (until[0] && strcmp(b->to, until) >= 0))
		return NULL;
	if (!r->before || strcmp(b->from, r->since) >= 0)
		return r->now;
	return strcmp(b->to, r->since) < 0 ? &r->before->table : NULL;
}

/* Adds block i, or the whole, if no bound cuts it. Returns as sums_add(). */
static int
add_sums_block(struct summing *r, struct sums *sums, size_t i, const struct sums_block *b)
{
	struct usage_table *t = table_of_block(r, b);
	int err = t ? sums_add(sums, i, t) : ERR_NOTFOUND;

	r->lied |= err == ERR_AUTH;
	if (err)
		return err;
	if (t != r->now)
		note_first(r->before, span_str(b->from));
	r->records += b->records;
	return 0;
}

/* Adds a segment: as a whole, else block by block, else the lines of a block. */
static int
read_sums(struct summing *r, const struct query_piece *p, struct sums *sums, struct buf *why)
{
	const char *since = r->q->since, *until = r->q->until;
	size_t whole = sums_whole(sums);
	struct sums_block b;
	int err = 0;

	if (whole) {
		sums_block(sums, whole, &b);
		if (!add_sums_block(r, sums, whole, &b))
			return 0;
	}
	for (size_t i = 0; i < sums_blocks(sums) && !err && !r->lied; i++) {
		struct query_piece part = *p;
		sums_block(sums, i, &b);
		if (!b.records || (until[0] && strcmp(b.from, until) >= 0) ||
			(since[0] && strcmp(b.to, since) < 0))
			continue;
		part.begin += b.offset;
		part.bytes = b.bytes;
		if (add_sums_block(r, sums, i, &b) == ERR_NOTFOUND)
			err = query_lines(r->q, &part, why);
	}
	return err;
}

static int
sum_piece(void *arg, const struct query_piece *p, struct buf *why)
{
	struct summing *r = arg;
	struct index_segment s;
	char dir[QUERY_INDEX_MAX];

	if (r->lied)
		return 0;
	int err = p->closed ? query_open_piece(p, &s, why) : ERR_NOTFOUND;
	if (err)
		return err;
	SCOPED_BUF(unused, 8192);
	struct sums *sums = sums_open(query_index(p->journal, dir), &s, &unused);
	index_segment_close(&s);
	err = sums ? read_sums(r, p, sums, why) : ERR_NOTFOUND;
	sums_free(&sums);
	return err;
}

/* Extends the query's period by the one directly before it. Returns false if there is none. */
static bool
read_before(struct query *q)
{
	int64_t end = q->until_ns ? q->until_ns : clock_wall_ns(), length = end - q->since_ns;

	if (!q->since_ns || length <= 0)
		return false;
	q->since_ns = length < q->since_ns ? q->since_ns - length : 0;
	clock_rfc3339(q->since_ns, q->since);
	return true;
}

static int
clear_tables(struct summing *r)
{
	int err = usage_table_clear(r->now);

	if (!err && r->before) {
		r->before->first[0] = '\0';
		err = usage_table_clear(&r->before->table);
	}
	return err;
}

int
usage_read(struct usage_table *t, struct usage_before *before, const struct query *asked)
{
	struct query q = *asked;
	struct summing r = { .now = t, .q = &q, .since = asked->since };

	if (before && read_before(&q)) {
		r.before = before;
		memcpy(before->since, q.since, sizeof(before->since));
		memcpy(before->until, asked->since, sizeof(before->until));
	}
	q.within = true;
	q.arg = &r;
	q.line = sum_usage_line;
	q.piece = q.no_index ? NULL : sum_piece;
	/* Without files, every line is read: if a clock was set back, times are not in order.
	 */
	q.slack_ns = q.no_index ? INT64_MAX : 0;
	int code = query_run(&q);
	if (!code && r.lied) {
		fprintf(stderr, "tollgate: usage: a file of sums is inconsistent, so every "
				"record is read\n");
		r.records = 0;
		q.piece = NULL;
		q.slack_ns = INT64_MAX;
		code = clear_tables(&r) ? cmd_fail("usage", "out of memory") : query_run(&q);
	}
	reading_add(r.records);
	return code;
}
