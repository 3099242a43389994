/* Compact ranges in records: see range.h. Anyone may have written the record, so the array
 * must have exactly the length that its size requires and be lower-case hexadecimal. */
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

/* array = "[" [ hash { "," hash } ] "]", with as many hashes as n requires */
static bool
hashes_read(struct span s, struct merkle_range *r)
{
	unsigned n = merkle_range_hashes(r->n);
	/* quotes, and the bracket or comma before them */
	const size_t each = 2 * MERKLE_BYTES + 3;

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
