/* The credential that the caller showed, and anything in the form of our API keys: where
 * a text holds it, also in base64, hexadecimal or percent escapes. */
#include "gate/request.h"

#include "base/err.h"
#include "codec/digits.h"
#include "codec/uri.h"
#include "identity/apikeys.h"

enum { DISGUISE_LEAST = 12 }; /* bytes of a credential; less is too common in base64 */

int
request_keep_credential(struct request *r, struct span value)
{
	struct span kept = arena_dup(&r->arena, value);

	if (kept.n)
		needles_add(&r->in.credentials, kept);
	for (size_t i = 0; kept.n >= DISGUISE_LEAST && i < DISGUISES; i++) {
		char *out = arena_alloc(&r->arena, 2 * kept.n);
		if (out)
			needles_add(&r->in.credentials,
				span_of(out, digits_disguise(kept, i, out)));
	}
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

bool
request_credential_in(const struct request *r, struct span text)
{
	struct span key;

	return needles_next(&r->in.credentials, text, 0) < r->in.credentials.n ||
	       apikey_next(&text, &key);
}

bool
request_credential_escaped_in(struct request *r, struct span text)
{
	for (int rounds = 2;; rounds--) {
		if (request_credential_in(r, text))
			return true;
		if (rounds == 0 || span_chr(text, '%') == text.n)
			return false;
		text = uri_unescape(text, &r->arena);
		if (!text.p)
			return true;
	}
}
