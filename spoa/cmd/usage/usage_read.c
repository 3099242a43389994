/* Where tollgate usage gets its sums: of blocks that are whole in the window from the files
 * next to segments (record/audit/sums.h), of the others from their lines. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cmd/daemon/reading.h"
#include "cmd/usage/usage.h"
#include "record/audit/sums.h"

struct summing {
	struct usage_table *table;
	const struct query *q;
	uint64_t records;
	bool lied; /* a file of sums did: what was summed up is not to be used */
};

static void
sum_usage_line(void *arg, struct span line)
{
	struct summing *r = arg;

	r->records++;
	usage_add(r->table, line, span_cut(audit_time_of(line), 0, 10));
}

/* Block by block. */
static int
read_sums(struct summing *r, const struct query_piece *p, struct sums *sums, struct buf *why)
{
	const char *since = r->q->since, *until = r->q->until;
	int err = 0;

	for (size_t i = 0; i < sums_blocks(sums) && !err && !r->lied; i++) {
		struct sums_block b;
		struct query_piece part = *p;
		sums_block(sums, i, &b);
		if (!b.records || (until[0] && strcmp(b.from, until) >= 0) ||
			(since[0] && strcmp(b.to, since) < 0))
			continue;
		bool whole = (!since[0] || strcmp(b.from, since) >= 0) &&
			     (!until[0] || strcmp(b.to, until) < 0);
		int got = whole ? sums_add(sums, i, r->table) : ERR_NOTFOUND;
		r->lied = got == ERR_AUTH;
		part.begin += b.offset;
		part.bytes = b.bytes;
		if (!got)
			r->records += b.records;
		else if (!r->lied)
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

int
usage_read(struct usage_table *t, struct query *q)
{
	struct summing r = { .table = t, .q = q };

	q->within = true;
	q->arg = &r;
	q->line = sum_usage_line;
	q->piece = q->no_index ? NULL : sum_piece;
	/* Of lines alone all are read: where a clock was set back, times are in no order. */
	q->slack_ns = q->no_index ? INT64_MAX : 0;
	int code = query_run(q);
	if (!code && r.lied) {
		fprintf(stderr, "tollgate: usage: a file of sums does not agree with itself: "
				"every record is read\n");
		r.records = 0;
		q->piece = NULL;
		q->slack_ns = INT64_MAX;
		code = usage_table_clear(t) ? cmd_fail("usage", "out of memory") : query_run(q);
	}
	reading_add(r.records);
	return code;
}
