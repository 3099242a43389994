/* Which closed segments are trimmed, and the trim record.
 *
 * A trim record has the hash of the last record of each segment that it names. `audit verify`
 * accepts a chain that begins after such a segment if its first `prev` is that hash
 * (record/journal/verify.c). */
#include "record/archive/trim.h"

#include "base/json_put.h"

enum trim_due
trim_due(const struct trim_rules *r, const struct manifest *m, uint64_t bytes)
{
	int64_t end_ns;

	if (clock_parse(m->end, strlen(m->end), &end_ns))
		return TRIM_NOT;
	int64_t age_s = r->now_s - end_ns / 1000000000;
	if (r->age_s && age_s > 0 && (uint64_t)age_s > r->age_s)
		return TRIM_AGE;
	if (!r->size || bytes <= r->size)
		return TRIM_NOT;
	return age_s > SIX_MONTHS_S || r->below_six_months ? TRIM_SIZE : TRIM_TOO_YOUNG;
}

void
trim_fields(struct buf *out, const struct manifest *m, size_t n, enum trim_due why,
	const char *archive)
{
	char hex[2 * CHAIN_HASH_BYTES + 1];

	json_put_form(out, "'type':'trim','first':%u,'last':%u,'why':%s", m[0].first,
		m[n - 1].last, why == TRIM_AGE ? "age" : "size");
	json_put_opt(out, "archive", archive);
	json_put_form(out, "'begin':%s,'end':%s,'segments':[", m[0].begin, m[n - 1].end);
	for (size_t i = 0; i < n; i++) {
		chain_hex(m[i].head, hex);
		json_put_form(out, "{'segment':%s,'first':%u,'last':%u,'head':%s", m[i].segment,
			m[i].first, m[i].last, hex);
		chain_hex(m[i].sha256, hex);
		json_put_form(out, "'bytes':%u,'sha256':%s", m[i].bytes, hex);
		chain_hex(m[i].packed_sha256, hex);
		json_put_form(out, "'packed_sha256':%s}", hex);
	}
	json_put_close(out, ']');
}
