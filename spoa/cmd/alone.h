/* A policy that a command loads by itself, without a daemon. */
#ifndef CMD_ALONE_H
#define CMD_ALONE_H

#include <jansson.h>

#include "policy/own.h"

/* A policy, without the parts that only a daemon needs (keys). Owned by the command; freed
 * by policy_alone_free(). */
struct policy_alone {
	struct arena a;
	struct detect_rules *rules;
	const struct policy *p;
	const char *version; /* the version label, as in the records of its decisions */
	json_t *searched;    /* an object: names of entities by the hash that decisions record;
			      * NULL: none were read */
	/* an object: recorded_meanings() of each version whose decisions were read; NULL: not
	 * looked up */
	json_t *meant;
};
/* Loads the policy file `policy`. If `policy` is NULL, the configuration names the file; if
 * `config` is NULL too, the usual configuration file is used if it exists. Returns false
 * after a message that begins with `what`. Call policy_alone_free() in either case. */
bool policy_alone_load(
	struct policy_alone *out, const char *what, const char *config, const char *policy);
void policy_alone_free(struct policy_alone *p);
struct kept_places;
/* Replaces the policy of *p, which may be empty, by the kept text of `version` next to a
 * journal. If `hash` is not NULL, the text must have this SHA-256 (hex). The member
 * `searched` is kept. Returns 0; ERR_NOTFOUND if no text of the version is kept; ERR_AUTH
 * if the text was changed; or another error. After an error, *why states the reason and *p
 * is unchanged. */
int policy_alone_kept(struct policy_alone *p, const char *config, const struct kept_places *places,
	const char *version, const char *hash, struct buf *why);

#endif
