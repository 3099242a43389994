/* Identity by signed headers: a gateway in front of this one names the caller and signs the
 * headers with a shared key.
 *
 *   <prefix>person, -agent, -department, -team, -tier, -roles (a,b), -clearance (a whole
 *   number), -timestamp (seconds since 1970), -nonce (16 to 128 characters), -key (the key's
 *   id; optional if there is one key); any other header is an attribute.
 *
 * The signature is HMAC-SHA-256, in hex or base64, over these lines, each ended by \
 * :
 *
 *   tollgate-v1
 *   METHOD
 *   PATH[?QUERY]              as sent
 *   name:value                of every header with the prefix except the signature, names in
 *                             lower case, sorted, values without spaces around them */
#ifndef POLICY_IDENTITY_SIGNED_H
#define POLICY_IDENTITY_SIGNED_H

#include "policy/identity/identity.h"
#include "policy/identity_entry.h"

struct hmac_keys;

/* Reads a file: keys: [{id, secret: file:PATH or ${NAME}}]. Returns NULL with errors in *d. */
struct hmac_keys *hmac_keys_load(const char *file, struct diag *d);
void hmac_keys_free(struct hmac_keys **k);

/* SIGNED_NOT_HERE: no header has the entry's prefix. Other results as for identity_verify(). */
enum { SIGNED_NOT_HERE = 100 };
int signed_verify(const struct identity_entry *e, const struct hmac_keys *k,
	struct credentials *c, int64_t now_s, struct arena *a, struct identity *out,
	const char **why);

#endif
