/* The checks of a token that an identity provider returned for a caller's, and its facts for the
 * record. */
#ifndef GATE_AUTH_CALLER_CLAIMS_H
#define GATE_AUTH_CALLER_CLAIMS_H

#include <jansson.h>

#include "gate/auth/caller_token.h"
#include "gate/auth/token.h"

/* Checks the token that was exchanged for `subject`: person, audience, scope and life. `body`
 * is the whole response, whose token is *t. A token that is no JWT is checked by the response's
 * scope and expires_in alone. Returns NULL, or a constant phrase that names the mistake. Fills
 * in *out. */
const char *caller_claims_wrong(const struct provider_credential *c, struct span subject,
	const struct token_answer *t, const json_t *body, int64_t now_s,
	struct caller_token_facts *out);

#endif
