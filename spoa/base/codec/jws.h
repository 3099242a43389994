/* Splits the compact serialization of a JWS (RFC 7515 7.1). Only bytes are handled: no key, no
 * trust. base64url is strict (RFC 7515 2: no padding, no other characters, no non-zero trailing
 * bits). Header and payload must be JSON objects without duplicate keys. */
#ifndef BASE_CODEC_JWS_H
#define BASE_CODEC_JWS_H

#include <jansson.h>

#include "base/arena.h"
#include "base/span.h"

/* The kind of a credential by its form alone. API keys of the gateway begin with "tg_". Three or
 * five parts separated by dots, which may be empty, are a token. */
enum credential_shape { SHAPE_NONE, SHAPE_API_KEY, SHAPE_TOKEN };
enum credential_shape credential_shape(struct span value);

struct jws {
	struct span signed_text;  /* "header.payload", a view of the token */
	struct span signature;	  /* decoded */
	json_t *header, *payload; /* owned; jws_clear() frees them */
};

/* Returns 0, ERR_LIMIT (more than CAP_TOKEN_BYTES), ERR_SYNTAX or ERR_NOMEM. *why is a fixed
 * phrase. */
int jws_parse(struct span token, struct arena *a, struct jws *out, const char **why);
void jws_clear(struct jws *j);

/* Decodes strict base64url into the arena. Returns 0, ERR_SYNTAX or ERR_NOMEM. */
int b64url_decode(struct span in, struct arena *a, struct span *out);

#endif
