/* The credential that the caller showed, and anything in the form of our API keys: where
 * a text holds it, also in base64, hexadecimal or percent escapes. */
#include "gate/request.h"

#include "base/err.h"
#include "codec/digits.h"
#include "codec/uri.h"
#include "policy/apikeys.h"

enum { DISGUISE_LEAST = 12 }; /* bytes of a credential; less is too common in base64 */

/* By its last bytes first: a long needle costs memmem(3) a table each time, and tokens
 * that begin alike end differently. */
bool
credential_in(struct span text, struct span value)
{
	enum { TAIL = 16 };
	size_t head = value.n > TAIL ? value.n - TAIL : 0;
	const char *at = text.p + head, *end = text.p + text.n;

	if (!value.n || value.n > text.n)
		return false;
	while ((at = memmem(at, (size_t)(end - at), value.p + head, value.n - head))) {
		if (memcmp(at - head, value.p, head) == 0)
			return true;
		at++;
	}
	return false;
}

int
request_keep_credential(struct request *r, struct span value)
{
	r->in.credential = arena_dup(&r->arena, value);
	for (size_t i = 0; value.n >= DISGUISE_LEAST && i < DISGUISES; i++) {
		char *out = arena_alloc(&r->arena, 2 * value.n);
		r->in.disguised[i] = span_of(out, out ? digits_disguise(value, i, out) : 0);
	}
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

bool
request_credential_in(const struct request *r, struct span text)
{
	struct span key;

	for (size_t i = 0; i < DISGUISES; i++)
		if (credential_in(text, r->in.disguised[i]))
			return true;
	return credential_in(text, r->in.credential) || apikey_next(&text, &key);
}

bool
request_credential_escaped_in(struct request *r, struct span text)
{
	for (int rounds = 2;; rounds--) {
		if (request_credential_in(r, text))
			return true;
		if (rounds == 0 || span_chr(text, '%') == text.n)
			return false;
		char *out = arena_alloc(&r->arena, text.n);
		size_t n = 0;
		if (!out)
			return true;
		for (size_t i = 0; i < text.n; n++) {
			int c = uri_escape_at(text.p + i, text.p + text.n);
			out[n] = c < 0 ? text.p[i] : (char)c;
			i += c < 0 ? 1 : 3;
		}
		text = span_of(out, n);
	}
}
