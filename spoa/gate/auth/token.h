/* Tokens of OAuth 2.0 (RFC 6749): what is sent to their endpoint, and what it answers. */
#ifndef GATE_AUTH_TOKEN_H
#define GATE_AUTH_TOKEN_H

#include "gate/auth/material.h"

enum { TOKEN_SECONDS_MAX = 2 * 86400 }; /* longer is a lie: no endpoint gives it */

/* The form for a service account (RFC 7523 2.1, an assertion signed with RS256) or client
 * credentials (RFC 6749 4.4.2). Holds a secret. 0 or ERR_NOMEM; ERR_AUTH: the key does not
 * sign. */
int token_form(const struct provider_credential *c, const struct material *m, int64_t now_s,
	struct buf *out);
/* Signs with RSA PKCS #1 v1.5 and SHA-256 (RFC 7518 3.3), base64url. */
int token_sign(EVP_PKEY *key, struct span text, struct buf *out);

struct token_answer {
	struct span token; /* a view of the body or the arena */
	uint64_t seconds;  /* that it is good for */
};
/* A body of 200 (RFC 6749 5.1). 0, or negative with a fixed phrase in *why. */
int token_answer(struct span body, struct arena *a, struct token_answer *out, const char **why);
/* The code of a refusal (RFC 6749 5.2), of those that we know; NULL: none of them. */
const char *token_refusal(struct span body, struct arena *a);

#endif
