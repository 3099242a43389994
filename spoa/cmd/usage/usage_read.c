/* Where tollgate usage gets its sums: of blocks that are whole in the window from the files
 * beside segments (record/audit/sums.h), of the others from their lines. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/records/audit.h"
#include "cmd/usage/usage.h"
#include "record/audit/sums.h"

struct reading {
	struct usage_table *table;
	const char *journal, *since, *until;
	char dir[JOURNAL_DIR_MAX + 16];
	uint64_t records;
	bool lied; /* a file of sums did: what was summed up is not to be used */
};

static void
add_line(struct reading *r, struct span line)
{
	if (!audit_time_within(line, r->since, r->until))
		return;
	r->records++;
	usage_add(r->table, line, span_cut(audit_time_of(line), 0, 10));
}

static void
on_line(void *arg, struct span line)
{
	add_line(arg, line);
}

static bool
on_each(void *arg, struct span line, uint64_t offset)
{
	(void)offset;
	add_line(arg, line);
	return true;
}

/* 0, or an exit code after a message. */
static int
open_segment(const struct reading *r, const struct journal_segment *seg, uint64_t begin,
	uint64_t bytes, struct index_segment *s, bool *gone)
{
	int fd = journal_segment_open(r->journal, seg);
	int err = fd < 0 ? ERR_IO : index_segment_open(s, fd, seg->name);

	/* A daemon that starts removes a segment that nothing was written to. */
	*gone = fd < 0 && errno == ENOENT;
	if (err && !*gone)
		return cmd_fail("usage", "%s/%s: %s", r->journal, seg->name,
			fd < 0 ? strerror(errno) : err_str(err));
	if (!err && (begin || bytes))
		index_part(s, begin, bytes);
	return 0;
}

static int
read_usage_lines(
	struct reading *r, const struct journal_segment *seg, uint64_t begin, uint64_t bytes)
{
	struct index_segment s;
	bool gone = false;
	int code = open_segment(r, seg, begin, bytes, &s, &gone);

	if (code || gone)
		return code;
	int err = index_each_line(&s, NULL, on_each, r);
	index_segment_close(&s);
	return err ? cmd_fail("usage", "%s/%s: %s", r->journal, seg->name, strerror(errno)) : 0;
}

/* Block by block. */
static int
read_sums(
	struct reading *r, const struct journal_segment *seg, uint64_t begin, struct sums *sums)
{
	int code = 0;

	for (size_t i = 0; i < sums_blocks(sums) && !code && !r->lied; i++) {
		struct sums_block b;
		sums_block(sums, i, &b);
		if (!b.records || (r->until[0] && strcmp(b.from, r->until) >= 0) ||
			(r->since[0] && strcmp(b.to, r->since) < 0))
			continue;
		bool whole = (!r->since[0] || strcmp(b.from, r->since) >= 0) &&
			     (!r->until[0] || strcmp(b.to, r->until) < 0);
		int err = whole ? sums_add(sums, i, r->table) : ERR_NOTFOUND;
		r->lied = err == ERR_AUTH;
		if (!err)
			r->records += b.records;
		else if (!r->lied)
			code = read_usage_lines(r, seg, begin + b.offset, b.bytes);
	}
	return code;
}

/* A segment, or a part of it, by its file of sums; *none: it has none. */
static int
read_usage_part(struct reading *r, const struct journal_segment *seg, uint64_t begin,
	uint64_t bytes, bool *none)
{
	struct index_segment s;
	struct buf why;
	bool gone = false;
	int code = open_segment(r, seg, begin, bytes, &s, &gone);

	*none = false;
	if (code || gone)
		return code;
	buf_init(&why, 8192);
	struct sums *sums = sums_open(r->dir, &s, &why);
	buf_free(&why);
	index_segment_close(&s);
	*none = !sums;
	if (sums)
		code = read_sums(r, seg, begin, sums);
	sums_free(&sums);
	return code;
}

/* Whether all of it is from before the window, by when the node's next one begins. */
static bool
is_before(const struct reading *r, const struct journal_segment *next)
{
	char when[CLOCK_RFC3339_LEN];

	return r->since[0] && next && audit_first_time(r->journal, next, 0, when) &&
	       strcmp(when, r->since) < 0;
}

static int
read_segment(struct reading *r, const struct journal_segment *seg,
	const struct journal_segment *next)
{
	uint64_t begin = 0, bytes;
	bool none = false;
	int code = 0;

	if (next) {
		code = read_usage_part(r, seg, 0, 0, &none);
		return none && !code && !is_before(r, next) ? read_usage_lines(r, seg, 0, 0)
							    : code;
	}
	for (; !code && !r->lied && (bytes = index_part_bytes(r->dir, seg->name, begin)) != 0;
		begin += bytes) {
		code = read_usage_part(r, seg, begin, bytes, &none);
		if (none && !code)
			code = read_usage_lines(r, seg, begin, bytes);
	}
	return code || r->lied ? code : read_usage_lines(r, seg, begin, 0);
}

static int
read_journal(struct reading *r, struct buf *why)
{
	struct journal_list list;
	int code = 0;

	if (journal_list_all(r->journal, NULL, true, &list, why))
		return cmd_fail("usage", "%.*s", SPAN_ARG(buf_view(why)));
	for (size_t i = 0; i < list.n && !code && !r->lied; i++) {
		const struct journal_segment *seg = &list.seg[i], *next = NULL;
		/* One that somebody renamed is read too. */
		if (!seg->ours && !strstr(seg->name, ".jsonl"))
			continue;
		for (size_t k = i + 1; k < list.n && !next && seg->ours; k++)
			if (list.seg[k].ours)
				next = &list.seg[k];
		if (next && strcmp(next->node, seg->node) != 0)
			next = NULL;
		code = seg->ours ? read_segment(r, seg, next) : read_usage_lines(r, seg, 0, 0);
	}
	journal_list_free(&list);
	return code;
}

int
usage_read(struct usage_table *t, const char *journal, const char *since, const char *until,
	bool lines)
{
	struct reading r = { .table = t, .journal = journal, .since = since, .until = until };
	struct audit_sink to = { &r, on_line, NULL, NULL };
	struct buf why;
	int code = 0;

	buf_init(&why, 8192);
	snprintf(r.dir, sizeof(r.dir), "%.*s" INDEX_SUFFIX, JOURNAL_DIR_MAX - 1, journal);
	size_t n = strlen(journal);
	while (n > 1 && journal[n - 1] == '/')
		n--;
	snprintf(r.dir, sizeof(r.dir), "%.*s" INDEX_SUFFIX,
		(int)(n < JOURNAL_DIR_MAX ? n : JOURNAL_DIR_MAX), journal);
	if (!lines)
		code = read_journal(&r, &why);
	if (!code && r.lied)
		fprintf(stderr, "tollgate: usage: a file of sums does not agree with itself: "
				"every record is read\n");
	if (!code && (lines || r.lied)) {
		r.records = 0;
		if (usage_table_clear(t) || audit_read_journal(journal, "", true, &to, &why))
			code = cmd_fail("usage", "%.*s", SPAN_ARG(buf_view(&why)));
	}
	reading_add(r.records);
	buf_free(&why);
	return code;
}
