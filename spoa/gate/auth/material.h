/* Reads and checks the file of a credential. The text is erased from memory afterwards.
 * Messages name the file and the mistake, never the content. */
#ifndef GATE_AUTH_MATERIAL_H
#define GATE_AUTH_MATERIAL_H

#include <openssl/evp.h>

#include "gate/auth/sigv4.h"
#include "policy/config/credentials.h"

struct material {
	struct arena a;		/* holds the texts; erased */
	struct sigv4_keys keys; /* BY_SIGV4 */
	/* BY_ENTRA, BY_EXCHANGE, BY_ON_BEHALF: the client secret; BY_FILE: the value of the
	 * header */
	struct span text;
	EVP_PKEY *key;		/* BY_VERTEX: an RSA key */
	struct span email, kid, token_uri;
	/* hash of the file's bytes, which shows whether the file has changed */
	unsigned char hash[SHA256_BYTES];
};

/* Reads c->file. Returns 0, or a negative error with the file's name and the mistake in *why.
 * Call material_free() in both cases. */
int material_read(const struct provider_credential *c, struct material *m, struct buf *why);
void material_free(struct material *m);

/* Parses the text of such a file. Returns 0, or a negative error with a constant phrase in
 * *why. Call material_free() in both cases. */
int material_parse(const struct provider_credential *c, struct span text, struct material *m,
	const char **why);

#endif
