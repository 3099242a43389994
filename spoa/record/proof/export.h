/* The signed manifest of an exported file, one line:
 *
 *	{"v":1,"export":OBJECT,"key":ID,"sig":BASE64}
 *
 * As in a commit's line (record/journal/chain.h), the signature is Ed25519 over the bytes of
 * OBJECT with its braces. OBJECT begins with "format" and has no newline. A commit's object
 * begins with "node", so a manifest's signature can never be taken for that of a commit or a
 * checkpoint. The members of OBJECT:
 *
 *	format made since until terms file{name,bytes,sha256} records types{TYPE:N}
 *	chains[{node,first,last,records,head,checkpoint}]
 *
 * since and until are RFC 3339 or null. head is the hash of record `last`. checkpoint is the
 * newest note (record/proof/note.h) of that node that was read, or null. Other people may
 * have written the manifest. These functions use no file and no clock. */
#ifndef RECORD_PROOF_EXPORT_H
#define RECORD_PROOF_EXPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "record/journal/signkey.h"

/* bytes of OBJECT; a larger one is neither made nor read */
#define EXPORT_OBJECT_MAX   (32u << 10)
#define EXPORT_MANIFEST_MAX (EXPORT_OBJECT_MAX + 256)
#define EXPORT_CHAINS_MAX   64
#define EXPORT_NAME_MAX	    255

/* Parses OBJECT and checks all its members. Returns an object that the caller owns, or NULL
 * with the reason in *why. */
json_t *export_object(struct span text, struct buf *why);
/* Appends the signed line for OBJECT. */
void export_sign(struct buf *out, struct span object, const struct signkey *key);

/* A parsed line. Borrows from it. */
struct export_manifest {
	struct span object; /* OBJECT */
	/* the key's id */
	struct span key;
	unsigned char sig[SIGNKEY_SIG_BYTES];
};
/* Parses the line without looking into OBJECT. Returns 0, or ERR_SYNTAX with the reason in
 * *why. */
int export_manifest_parse(struct span file, struct export_manifest *out, struct buf *why);
/* Returns the key that signed the manifest, or NULL if none of the keys did or the signature
 * does not verify. */
const struct pubkey *export_signer(
	const struct export_manifest *m, const struct pubkey *keys, size_t n);

#endif
