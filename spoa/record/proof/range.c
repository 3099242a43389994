/* Compact ranges in records. What is read may be anybody's: it is as long as its size says, in
 * lower-case hex, or it is none. */
#include "record/proof/range.h"

#include <sodium.h>

#include "base/json_put.h"
#include "record/journal/chain.h"

void
range_write(struct buf *out, const struct merkle_range *r)
{
	unsigned n = merkle_range_hashes(r->n);

	json_put_open(out, "range", '[');
	for (unsigned i = 0; i < n; i++) {
		json_put_form(out, "'");
		buf_hex(out, r->hash[i].b, MERKLE_BYTES);
		buf_putc(out, '"');
	}
	json_put_close(out, ']');
}

/* array = "[" [ hash { "," hash } ] "]", as many as n says */
static bool
hashes_read(struct span s, struct merkle_range *r)
{
	unsigned n = merkle_range_hashes(r->n);
	const size_t each = 2 * MERKLE_BYTES + 3; /* quotes, and what is before them */

	if (s.n != (n ? n * each + 1 : 2) || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	for (unsigned i = 0; i < n; i++) {
		const char *p = s.p + i * each;
		if (p[0] != (i ? ',' : '[') || p[1] != '"' || p[each - 1] != '"' ||
			!sha256_read(span_of(p + 2, 2 * MERKLE_BYTES), r->hash[i].b))
			return false;
	}
	return true;
}

bool
range_read(struct span line, struct span type, uint64_t seq, struct merkle_range *out)
{
	struct span in = line;

	if (span_is(type, "boot"))
		in = chain_member(line, "tree");
	else if (!span_is(type, "checkpoint"))
		return false;
	struct span size = in.p ? chain_member(in, "size") : in;
	struct span range = in.p ? chain_member(in, "range") : in;
	return size.p && range.p && span_u64(size, &out->n) == 0 && out->n + 1 == seq &&
	       hashes_read(range, out);
}
