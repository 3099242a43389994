/* Records of a journal by terms of the indexes, in the order of the lines: for audit show and
 * explain. What has no sound index is read line by line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/records/audit.h"
#include "record/audit/record_terms.h"

struct finding {
	const char *journal;
	char dir[JOURNAL_DIR_MAX + 16];
	const uint64_t *term;
	size_t n;
	const struct audit_sink *to;
	uint64_t *offset; /* of the lines that a segment's index names */
	size_t noffsets, room;
};

static bool
on_line(void *arg, struct span line, uint64_t offset)
{
	const struct finding *f = arg;

	(void)offset;
	f->to->line(f->to->arg, line);
	return true;
}

/* False: the index cannot say it all. */
static bool
collect_found(struct finding *f, struct index *ix)
{
	struct index_hit h;

	f->noffsets = 0;
	for (size_t t = 0; t < f->n; t++)
		for (uint32_t hit = 0; index_find(ix, f->term[t], &hit); hit++) {
			if (!index_hit(ix, hit, &h) || h.n == COUNT_OF(h.offset) ||
				!mem_room(&f->offset, &f->room, f->noffsets + h.n,
					sizeof(*f->offset)))
				return false;
			for (size_t i = 0; i < h.n; i++)
				f->offset[f->noffsets++] = h.offset[i];
		}
	return !index_bad(ix);
}

static int
by_offset(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

/* 0, ERR_IO. */
static int
give_lines(struct finding *f, const struct index_segment *s)
{
	struct buf line;
	int err = 0;

	if (f->noffsets)
		qsort(f->offset, f->noffsets, sizeof(*f->offset), by_offset);
	buf_init(&line, CHAIN_LINE_MAX * 5);
	for (size_t i = 0; i < f->noffsets && err >= 0; i++) {
		if (i && f->offset[i] == f->offset[i - 1])
			continue;
		buf_clear(&line);
		err = index_line(s, f->offset[i], &line);
		if (err > 0)
			f->to->line(f->to->arg, buf_view(&line));
	}
	buf_free(&line);
	return err < 0 ? err : 0;
}

/* A segment, or a part of it (bytes 0: to its end); `indexed`: it may have an index. */
static int
find_in(struct finding *f, const struct journal_segment *seg, uint64_t begin, uint64_t bytes,
	bool indexed, struct buf *why)
{
	struct index_segment s;
	struct index *ix = NULL;
	struct buf unused;
	int fd = journal_segment_open(f->journal, seg);

	/* A daemon that starts removes a segment that nothing was written to. */
	if (fd < 0 && errno == ENOENT)
		return 0;
	int err = fd < 0 ? ERR_IO : index_segment_open(&s, fd, seg->name);
	if (!err) {
		if (begin || bytes)
			index_part(&s, begin, bytes);
		buf_init(&unused, 8192);
		if (indexed)
			ix = index_open(f->dir, &s, &record_index_terms, &unused);
		buf_free(&unused);
		err = ix && collect_found(f, ix) ? give_lines(f, &s)
						 : index_each_line(&s, NULL, on_line, f);
		index_free(&ix);
		index_segment_close(&s);
	}
	if (err)
		buf_printf(why, "%s/%s: %s", f->journal, seg->name,
			errno ? strerror(errno) : err_str(err));
	return err;
}

int
audit_find(const char *journal, const uint64_t *term, size_t n, const struct audit_sink *to,
	struct buf *why)
{
	struct finding f = { .journal = journal, .term = term, .n = n, .to = to };
	struct journal_list list;
	size_t length = strlen(journal);
	int err = journal_list_all(journal, NULL, true, &list, why);

	if (err)
		return err;
	while (length > 1 && journal[length - 1] == '/')
		length--;
	snprintf(f.dir, sizeof(f.dir), "%.*s" INDEX_SUFFIX,
		(int)(length < JOURNAL_DIR_MAX ? length : JOURNAL_DIR_MAX), journal);
	for (size_t i = 0; i < list.n && !err; i++) {
		const struct journal_segment *seg = &list.seg[i];
		uint64_t begin = 0, bytes;
		size_t next = i + 1;
		/* One that somebody renamed is read too. */
		if (!seg->ours && !strstr(seg->name, ".jsonl"))
			continue;
		while (next < list.n && !list.seg[next].ours)
			next++;
		bool closed =
			next < list.n && seg->ours && !strcmp(list.seg[next].node, seg->node);
		for (; !closed && seg->ours && !err &&
			(bytes = index_part_bytes(f.dir, seg->name, begin)) != 0;
			begin += bytes)
			err = find_in(&f, seg, begin, bytes, true, why);
		if (!err)
			err = find_in(&f, seg, begin, 0, closed, why);
	}
	journal_list_free(&list);
	free(f.offset);
	return err;
}
