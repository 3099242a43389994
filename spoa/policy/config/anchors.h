/* `anchors` and `witness.logs` of tollgate.yaml: the places to which checkpoints are sent, and
 * the logs whose checkpoints this daemon cosigns. Files are only named here; record/ reads
 * them. */
#ifndef POLICY_CONFIG_ANCHORS_H
#define POLICY_CONFIG_ANCHORS_H

#include "policy/config/fields.h"

/* The order of anchor_words. */
enum anchor_kind {
	ANCHOR_FILE,
	ANCHOR_SYSLOG,
	ANCHOR_URL,
	ANCHOR_TSA,
	ANCHOR_WITNESS,
	ANCHOR_KINDS
};
extern const char *const anchor_words[ANCHOR_KINDS + 1]; /* "file", …, NULL */

/* One row of `anchors`. Optional strings are NULL if they are not set. All strings live in the
 * configuration's arena. */
struct anchor_place {
	enum anchor_kind kind;
	const struct yaml_node *at; /* node that errors name */
	const char *place;	    /* path of a file, or an address as written */
	const char *ca;		    /* tsa: authorities of the time stamps' certificates */
	/* authorities of the server's certificate, PEM; NULL: the system's */
	const char *tls_ca;
	const char *key;   /* witness: file of its public key */
	uint64_t every_us; /* between two checkpoints; default 60 s */
};

/* One row of witness.logs. */
struct witness_log {
	const struct yaml_node *at;
	const char *origin, *key; /* name of the log; file of its public keys */
};

extern const struct section anchor_section;

#endif
