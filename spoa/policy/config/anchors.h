/* `anchors` and `witness.logs` of tollgate.yaml: where checkpoints are taken to, and whose
 * checkpoints this daemon cosigns. Files are named here and read elsewhere (anchors/). */
#ifndef POLICY_CONFIG_ANCHORS_H
#define POLICY_CONFIG_ANCHORS_H

#include "policy/config/fields.h"

enum anchor_kind {
	ANCHOR_FILE,
	ANCHOR_SYSLOG,
	ANCHOR_URL,
	ANCHOR_TSA,
	ANCHOR_WITNESS,
	ANCHOR_KINDS
};
extern const char *const anchor_words[ANCHOR_KINDS + 1]; /* "file", …, NULL */

/* Texts are NULL where they are not given. */
struct anchor_place {
	enum anchor_kind kind;
	const struct yaml_node *at; /* for errors */
	const char *place;	    /* a file, or an address as written */
	const char *ca;		    /* tsa: whose certificates its tokens may have */
	const char *tls_ca;	    /* PEM; NULL: the system's */
	const char *key;	    /* witness: its public key */
	uint64_t every_us;
};

struct witness_log {
	const struct yaml_node *at;
	const char *origin, *key; /* file of public keys */
};

extern const struct section anchor_section;
/* Every mistake goes to *d; *count of them are in the arena. */
void anchors_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct anchor_place **out, size_t *count);

#endif
