/* Splits a compact JWS into header, payload and signature: finds the two dots, decodes the
 * three parts as strict base64url, and parses header and payload as JSON objects. */
#include "base/codec/jws.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/digits.h"
#include "base/err.h"

int
b64url_decode(struct span in, struct arena *a, struct span *out)
{
	unsigned char *to = arena_alloc(a, in.n / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	if (!to)
		return ERR_NOMEM;
	if (in.n % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < in.n; i++) {
		int v = value64(in.p[i]);
		if (v < 0 || is_one_of(in.p[i], "+/")) /* digits of the other alphabet */
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (unsigned char)(bits >> have);
		}
	}
	/* Two spellings of one value would be two cache keys for one token. */
	if (bits & ((1u << have) - 1))
		return ERR_SYNTAX;
	*out = span_of(to, n);
	return 0;
}

enum credential_shape
credential_shape(struct span v)
{
	size_t dots = 0;

	if (span_starts(v, SPAN_LIT("tg_")))
		return SHAPE_API_KEY;
	for (size_t i = 0; i < v.n; i++)
		dots += v.p[i] == '.';
	return dots == 2 || dots == 4 ? SHAPE_TOKEN : SHAPE_NONE;
}

static json_t *
decode_object(struct span part, struct arena *a)
{
	struct span text;
	json_error_t err;

	if (b64url_decode(part, a, &text) < 0)
		return NULL;
	json_t *o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &err);
	if (o && !json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int
jws_parse(struct span token, struct arena *a, struct jws *out, const char **why)
{
	struct span rest = token;

	*out = (struct jws){ .header = NULL };
	if (token.n > CAP_TOKEN_BYTES) {
		*why = "the token is too large";
		return ERR_LIMIT;
	}
	struct span header = span_next(&rest, '.'), payload = span_next(&rest, '.');
	if (!header.n || !payload.n || !rest.n || span_chr(rest, '.') < rest.n) {
		*why = "not a signed token of three parts";
		return ERR_SYNTAX;
	}
	out->signed_text = span_of(token.p, header.n + 1 + payload.n);
	out->header = decode_object(header, a);
	out->payload = out->header ? decode_object(payload, a) : NULL;
	if (!out->payload || b64url_decode(rest, a, &out->signature) < 0) {
		*why = "the token is not base64url of JSON objects without duplicate keys";
		jws_clear(out);
		return arena_failed(a) ? ERR_NOMEM : ERR_SYNTAX;
	}
	return 0;
}

void
jws_clear(struct jws *j)
{
	json_decref(j->header);
	json_decref(j->payload);
	j->header = j->payload = NULL;
}
