/* What the file of a credential says: read whole, checked, and wiped when it is over. Messages
 * name file and mistake, never what is in it. */
#ifndef GATE_AUTH_MATERIAL_H
#define GATE_AUTH_MATERIAL_H

#include <openssl/evp.h>

#include "gate/auth/sigv4.h"
#include "policy/config/credentials.h"

struct material {
	struct arena a;		/* of the texts; wiped */
	struct sigv4_keys keys; /* sigv4 */
	struct span text;	/* entra: the secret; a key file: the header's value */
	EVP_PKEY *key;		/* vertex: RSA */
	struct span email, kid, token_uri;
	unsigned char hash[SHA256_BYTES]; /* of the file: whether it has changed */
};

/* 0, or negative with the file and what is wrong in *why. material_free() in either case. */
int material_read(const struct provider_credential *c, struct material *m, struct buf *why);
void material_free(struct material *m);

/* The parsers, which know no file. 0, or negative with a fixed phrase in *why. */
int material_parse(const struct provider_credential *c, struct span text, struct material *m,
	const char **why);

#endif
