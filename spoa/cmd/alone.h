/* A policy that a command reads by itself, without a daemon. */
#ifndef CMD_ALONE_H
#define CMD_ALONE_H

#include <jansson.h>

#include "policy/own.h"

/* A policy without what only a daemon needs (keys). */
struct policy_alone {
	struct arena a;
	struct detect_rules *rules;
	const struct policy *p;
	const char *version; /* as the records of its decisions have it */
	json_t *searched;    /* names of entities, by the hash that decisions say */
};
/* `policy` NULL: the one that the configuration names; `config` NULL: the usual one,
 * where there is one. False after a message that begins with `what`. policy_alone_free
 * in either case. */
bool policy_alone_load(
	struct policy_alone *out, const char *what, const char *config, const char *policy);
void policy_alone_free(struct policy_alone *p);
struct kept_places;
/* Replaces the policy of *p, which may be loaded or not, by the text of a version that is kept
 * beside a journal, and with `hash` not NULL has that SHA-256. What *p searched for stays. 0;
 * ERR_NOTFOUND: no text of the version is kept; ERR_AUTH: the text was changed; another error. In each case *why says so, and *p is as
 * it was. */
int policy_alone_kept(struct policy_alone *p, const char *config, const struct kept_places *places,
	const char *version, const char *hash, struct buf *why);

#endif
