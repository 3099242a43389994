/* Base64 by libsodium, which is strict: padding is required, and the bits after the last byte
 * must be 0. */
#include "base/codec/base64.h"

#include <sodium.h>

#include "base/err.h"

void
base64_put(struct buf *out, const void *p, size_t n)
{
	size_t room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
	char *to = buf_reserve(out, room); /* includes the NUL that libsodium writes */

	if (!to)
		return;
	sodium_bin2base64(to, room, p, n, sodium_base64_VARIANT_ORIGINAL);
	buf_commit(out, room - 1);
}

int
base64_get(struct span text, void *out, size_t max, size_t *n)
{
	const char *end = NULL;

	if (text.n / 4 * 3 > max + 2)
		return ERR_LIMIT;
	if (sodium_base642bin(
		    out, max, text.p, text.n, NULL, n, &end, sodium_base64_VARIANT_ORIGINAL))
		return ERR_SYNTAX;
	return end == text.p + text.n ? 0 : ERR_SYNTAX;
}
