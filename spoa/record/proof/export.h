/* The signed manifest of an exported file, one line:
 *
 *	{"v":1,"export":OBJECT,"key":ID,"sig":BASE64}
 *
 * as a commit's line (record/journal/chain.h): the signature is Ed25519 over the bytes of OBJECT, braces
 * included. OBJECT begins with "format", a commit's with "node", and has no newline: so it is
 * neither a commit nor a checkpoint, whatever is in it. Its members:
 *
 *	format made since until terms file{name,bytes,sha256} records types{TYPE:N}
 *	chains[{node,first,last,records,head,checkpoint}]
 *
 * since, until: RFC 3339 or null; head: the hash of record `last`; checkpoint: the newest note
 * (record/proof/note.h) of that node that was read, or null. Reads what others wrote. Pure. */
#ifndef RECORD_PROOF_EXPORT_H
#define RECORD_PROOF_EXPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "record/journal/signkey.h"

#define EXPORT_OBJECT_MAX   (32u << 10) /* bytes of it: a larger one is neither made nor read */
#define EXPORT_MANIFEST_MAX (EXPORT_OBJECT_MAX + 256)
#define EXPORT_CHAINS_MAX   64
#define EXPORT_NAME_MAX	    255

/* OBJECT with all its members as they have to be, the caller's; NULL with a sentence in *why.
 */
json_t *export_object(struct span text, struct buf *why);
/* Appends the line. */
void export_sign(struct buf *out, struct span object, const struct signkey *key);

struct export_manifest {
	struct span object; /* views into the line */
	struct span key;
	unsigned char sig[SIGNKEY_SIG_BYTES];
};
/* 0 or ERR_SYNTAX with *why; the object is not looked into. */
int export_manifest_parse(struct span file, struct export_manifest *out, struct buf *why);
/* Which of the keys signed it; NULL: none, or it does not hold. */
const struct pubkey *export_signer(
	const struct export_manifest *m, const struct pubkey *keys, size_t n);

#endif
