/* Identity by signed headers: a gateway in front says who asks and signs it with a key
 * that it shares with us.
 *
 *   <prefix>person, -agent, -department, -team, -tier, -roles (a,b), -clearance (a whole
 *   number), -timestamp (seconds since 1970), -nonce (16 to 128 characters), -key (which
 *   key; not needed where there is one); any other is an attribute.
 *
 * The signature is HMAC-SHA-256, in hex or base64, over these lines, each ended by \n:
 *
 *   tollgate-v1
 *   METHOD
 *   PATH[?QUERY]              as sent
 *   name:value                of every header with the prefix but the signature, names in
 *                             lower case, sorted, values without blanks around them
 */
#ifndef POLICY_IDENTITY_SIGNED_H
#define POLICY_IDENTITY_SIGNED_H

#include "policy/identity/identity.h"

struct hmac_keys;

/* keys: [{id, secret: file:PATH or ${NAME}}]. NULL with *d filled. */
struct hmac_keys *hmac_keys_load(const char *file, struct diag *d);
void hmac_keys_free(struct hmac_keys **k);

/* SIGNED_NOT_HERE: no header of the entry's prefix; else as identity_verify(). */
enum { SIGNED_NOT_HERE = 100 };
int signed_verify(const struct identity_entry *e, const struct hmac_keys *k,
	struct credentials *c, int64_t now_s, struct arena *a, struct identity *out,
	const char **why);

#endif
