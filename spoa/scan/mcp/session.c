/* The format of session ids:
 *
 *   session = server's id "." tag
 *   tag     = the first 16 bytes, in hexadecimal, of HMAC-SHA-256 of the server's id
 *   key     = HMAC-SHA-256 of the identity, under the daemon's key
 *
 * The parts of the identity are length-prefixed, so that different parts never have equal
 * input. */
#include "scan/mcp/session.h"

#include <sodium.h>

#include "base/among.h"
#include "base/buf.h"

enum { ID_MAX = 1024, TAG = 16, TAG_TEXT = 2 * TAG };

void
mcp_session_key(const unsigned char key[SHA256_BYTES], const struct mcp_session_of *of,
	unsigned char out[SHA256_BYTES])
{
	const struct span parts[] = { of->person, of->agent, of->route, of->server };
	char n[SPAN_DECIMAL];
	struct sha256 h;

	hmac_begin(&h, key);
	sha256_add(&h, SPAN_LIT("tollgate-mcp-session-v1"));
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		sha256_add(&h, SPAN_LIT(","));
		sha256_add(&h, span_of(n, span_decimal(n, (int64_t)parts[i].n)));
		sha256_add(&h, SPAN_LIT(":"));
		sha256_add(&h, parts[i]);
	}
	hmac_end(&h, key, out);
}

static void
tag_of(const unsigned char of[SHA256_BYTES], struct span id, char out[TAG_TEXT + 1])
{
	unsigned char all[SHA256_BYTES];

	hmac_sha256(of, id, all);
	sodium_bin2hex(out, TAG_TEXT + 1, all, TAG);
}

struct span
mcp_session_bind(const unsigned char of[SHA256_BYTES], struct span id, struct arena *a)
{
	char tag[TAG_TEXT + 1];

	if (id.n == 0 || id.n > ID_MAX || !span_all(id, is_graph))
		return (struct span){ NULL, 0 };
	tag_of(of, id, tag);
	return arena_printf(a, "%.*s.%s", SPAN_ARG(id), tag);
}

bool
mcp_session_check(const unsigned char of[SHA256_BYTES], struct span given, struct span *id)
{
	char tag[TAG_TEXT + 1];

	if (given.n < TAG_TEXT + 2 || given.n > ID_MAX + TAG_TEXT + 1 ||
		given.p[given.n - TAG_TEXT - 1] != '.')
		return false;
	*id = span_cut(given, 0, given.n - TAG_TEXT - 1);
	tag_of(of, *id, tag);
	return sodium_memcmp(tag, given.p + given.n - TAG_TEXT, TAG_TEXT) == 0;
}
