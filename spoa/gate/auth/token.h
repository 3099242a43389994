/* OAuth 2.0 tokens (RFC 6749): the request to a token endpoint, and its response. */
#ifndef GATE_AUTH_TOKEN_H
#define GATE_AUTH_TOKEN_H

#include "gate/auth/material.h"

/* a longer lifetime is treated as a mistake: no known endpoint grants it */
enum { TOKEN_SECONDS_MAX = 2 * 86400 };

/* Writes the form for a service account (RFC 7523 2.1: an assertion signed with RS256) or for
 * client credentials (RFC 6749 4.4.2). The form holds a secret. `now_s`: wall clock in
 * seconds. Returns 0, ERR_NOMEM, or ERR_AUTH if the key cannot sign. */
int token_form(const struct provider_credential *c, const struct material *m, int64_t now_s,
	struct buf *out);
/* Writes the form that exchanges a caller's token: RFC 8693 2.1, or the on-behalf-of grant of
 * Microsoft Entra ID ("OAuth 2.0 On-Behalf-Of flow": RFC 7523 2.1 with requested_token_use). The
 * form holds secrets. `actor` may be empty. Returns 0 or ERR_NOMEM. */
int token_exchange_form(const struct provider_credential *c, const struct material *m,
	struct span subject, struct span actor, struct buf *out);
/* Appends the signature of `text` in base64url: RSA PKCS #1 v1.5 with SHA-256 (RFC 7518 3.3).
 * Returns 0, ERR_NOMEM, or ERR_AUTH if the key cannot sign. */
int token_sign(EVP_PKEY *key, struct span text, struct buf *out);

struct token_answer {
	struct span token; /* a view of the body or of the arena */
	uint64_t seconds;  /* lifetime, 1 to TOKEN_SECONDS_MAX */
};
/* Reads the body of a 200 response (RFC 6749 5.1). Returns 0, or a negative error with a
 * constant phrase in *why. */
int token_answer(struct span body, struct arena *a, struct token_answer *out, const char **why);
/* Returns the error code of a refusal (RFC 6749 5.2) if it is one that we know, otherwise
 * NULL. */
const char *token_refusal(struct span body, struct arena *a);

#endif
