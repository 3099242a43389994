/* Where the tree goes on after a start: the last range that a record holds, and the hashes of
 * the lines after it. They are believed as far as they link, line by line, to the chain's head,
 * which is signed. Separate from the thread, which reads without a bound on bytes. */
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "record/audit/tree_private.h"
#include "record/proof/range.h"

uint64_t tree_look_bytes = 160u << 20; /* two segments of the default size, and a bit */

/* Where the hashing begins: in this segment of the list, at this offset, with record `seq`, of
 * which the range is known; 0: with the first. */
struct base {
	size_t segment;
	uint64_t offset, seq;
	struct merkle_range range;
};

static int
open_lines(const char *dir, const struct journal_segment *s, uint64_t offset, struct lines *l)
{
	int fd = journal_segment_open(dir, s);

	if (fd < 0)
		return ERR_IO;
	int err = lines_open(l, fd, offset);
	if (err)
		close(fd);
	return err;
}

static void
close_lines(struct lines *l)
{
	close(l->fd);
	lines_close(l);
}

/* The last range in a segment, from an offset on. */
static bool
last_range(const char *dir, const struct journal_segment *s, uint64_t offset, uint64_t upto,
	struct base *out)
{
	struct lines l;
	struct span line;
	struct chain_line is;
	struct merkle_range r;
	bool found = false;

	if (open_lines(dir, s, offset, &l))
		return false;
	for (uint64_t at = offset;
		lines_next(&l, UINT64_MAX, &line) > 0 && chain_parse(line, &is) == 0;
		at = l.offset)
		if (!is.commit && is.seq <= upto && range_read(line, is.type, is.seq, &r)) {
			out->range = r;
			out->offset = at;
			out->seq = is.seq;
			found = true;
		}
	close_lines(&l);
	return found;
}

/* `from` (may be NULL) has the offset of a record with a range: what is before that is read only
 * if no range is found there. */
static bool
find_base(const char *dir, const struct journal_list *list, const struct startpoint *from,
	uint64_t upto, struct base *out)
{
	uint64_t bytes = 0;

	*out = (struct base){ 0 };
	for (size_t i = list->n; i-- > 0;) {
		const struct journal_segment *s = &list->seg[i];
		if (!s->ours || s->first > upto)
			continue;
		if (bytes > tree_look_bytes)
			return false;
		bytes += s->bytes;
		out->segment = i;
		if (from && !strcmp(from->tree_segment, s->name) &&
			last_range(dir, s, from->tree_offset, upto, out))
			return true;
		if (last_range(dir, s, 0, upto, out) || s->first == 1)
			return true;
	}
	return false;
}

/* Adds the records of one segment from an offset on; *last is the hash of the last. */
static bool
add_segment(const char *dir, const struct journal_segment *s, uint64_t offset,
	const struct base *b, uint64_t upto, struct merkle_range *r,
	unsigned char last[CHAIN_HASH_BYTES])
{
	struct lines l;
	struct span line;
	struct chain_line is;
	struct merkle_hash leaf;
	bool ok = open_lines(dir, s, offset, &l) == 0;

	if (!ok)
		return false;
	while (ok && r->n < upto && lines_next(&l, UINT64_MAX, &line) > 0) {
		ok = chain_parse(line, &is) == 0;
		if (!ok || is.commit)
			continue;
		/* What is before the base is its own word, which its hash vouches for. */
		ok = is.seq == r->n + 1 &&
		     (is.seq == b->seq || memcmp(is.prev, last, CHAIN_HASH_BYTES) == 0);
		sha256(line, last);
		merkle_leaf(last, &leaf);
		merkle_append(r, &leaf);
	}
	close_lines(&l);
	return ok;
}

bool
tree_range_find(const char *dir, const char *node, const struct chain *at,
	const struct startpoint *from, struct merkle_range *out)
{
	unsigned char last[CHAIN_HASH_BYTES] = { 0 };
	struct journal_list list;
	struct base b;

	*out = (struct merkle_range){ 0 };
	if (at->seq == 0)
		return true;
	SCOPED_BUF(why, 4096);
	bool ok = journal_list_all(dir, node, false, &list, &why) == 0;
	if (!ok)
		return false;
	ok = find_base(dir, &list, from, at->seq, &b);
	if (ok)
		*out = b.range;
	for (size_t i = b.segment; ok && i < list.n && out->n < at->seq; i++)
		if (list.seg[i].ours)
			ok = add_segment(dir, &list.seg[i], i == b.segment ? b.offset : 0, &b,
				at->seq, out, last);
	journal_list_free(&list);
	return ok && out->n == at->seq && memcmp(last, at->head, CHAIN_HASH_BYTES) == 0;
}
