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

/* ---- sealed texts: the ids of several sessions as one ---- */

enum {
	NONCE = crypto_secretbox_NONCEBYTES,
	OVERHEAD = NONCE + crypto_secretbox_MACBYTES,
	BASE64URL = sodium_base64_VARIANT_URLSAFE_NO_PADDING
};

struct span
mcp_seal(const unsigned char of[SHA256_BYTES], struct span text, struct arena *a)
{
	size_t n = text.n + OVERHEAD, room = sodium_base64_encoded_len(n, BASE64URL);
	unsigned char *box = text.n <= MCP_SEALED_MAX ? arena_alloc(a, n) : NULL;
	char *out = box ? arena_alloc(a, room) : NULL;

	if (!out)
		return (struct span){ NULL, 0 };
	randombytes_buf(box, NONCE);
	crypto_secretbox_easy(box + NONCE, (const unsigned char *)text.p, text.n, box, of);
	sodium_bin2base64(out, room, box, n, BASE64URL);
	return span_of(out, room - 1);
}

struct span
mcp_unseal(const unsigned char of[SHA256_BYTES], struct span given, struct arena *a)
{
	size_t room = given.n / 4 * 3 + 3, n;
	bool fits = given.n <= sodium_base64_encoded_len(MCP_SEALED_MAX + OVERHEAD, BASE64URL);
	unsigned char *box = fits ? arena_alloc(a, room) : NULL;
	unsigned char *out = box ? arena_alloc(a, room) : NULL;

	if (!out ||
		sodium_base642bin(box, room, given.p, given.n, NULL, &n, NULL, BASE64URL) ||
		n < OVERHEAD ||
		crypto_secretbox_open_easy(out, box + NONCE, n - NONCE, box, of))
		return (struct span){ NULL, 0 };
	return span_of(out, n - OVERHEAD);
}
