/* JWS compact serialisation (RFC 7515 7.1) taken apart: bytes only, no key, no
 * trust. Strict base64url (RFC 7515 2: no padding, no other characters, no
 * non-zero trailing bits); header and payload must be JSON objects without
 * duplicate keys. */
#ifndef BASE_CODEC_JWS_H
#define BASE_CODEC_JWS_H

#include <jansson.h>

#include "base/arena.h"
#include "base/span.h"

/* What a credential looks like, whatever it is worth: our API keys begin with
 * "tg_"; three or five parts with dots between, empty ones included, are a token. */
enum credential_shape { SHAPE_NONE, SHAPE_API_KEY, SHAPE_TOKEN };
enum credential_shape credential_shape(struct span value);

struct jws {
	struct span signed_text;  /* "header.payload", a view of the token */
	struct span signature;	  /* decoded */
	json_t *header, *payload; /* owned: jws_clear */
};

/* 0; ERR_LIMIT (over CAP_TOKEN_BYTES), ERR_SYNTAX, ERR_NOMEM. *why: a fixed phrase. */
int jws_parse(struct span token, struct arena *a, struct jws *out, const char **why);
void jws_clear(struct jws *j);

/* Strict base64url into the arena: 0, ERR_SYNTAX, ERR_NOMEM. */
int b64url_decode(struct span in, struct arena *a, struct span *out);

#endif
