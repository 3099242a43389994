/* `observe`: hosts of a cutover, whose callers without a key of ours are passed until a date.
 * These functions find out which requests are meant; the gate passes them. */
#ifndef POLICY_IDENTITY_OBSERVE_H
#define POLICY_IDENTITY_OBSERVE_H

#include "policy/identity/identity.h"

enum { OBSERVE_DAYS_NEAR = 7 }; /* days before the end */

/* Returns true if the policy observes the host now. `host` has no port and is in lower case. */
bool observe_host(const struct policy *p, struct span host, int64_t now_wall_ns);

/* Returns true if the caller shows a credential of ours by its shape, valid or not. These
 * credentials count: an API key in any header field, path or query, and a text that begins like a
 * key in a place for credentials. A token of an entry's issuer counts anywhere. A header of an
 * entry for signed headers counts, and a certificate if an entry is for certificates. */
bool observe_shows_ours(const struct policy *p, const struct credentials *c, struct arena *a);

enum observe_state { OBSERVE_NONE, OBSERVE_ON, OBSERVE_NEAR, OBSERVE_OVER };
/* OBSERVE_NEAR: the end is less than OBSERVE_DAYS_NEAR days away. *days: whole days left, at
 * least 0. */
enum observe_state observe_state(const struct policy *p, int64_t now_wall_ns, int64_t *days);
/* Appends a sentence about the observation, for the start, readiness and notes. Appends nothing
 * if no host is observed. */
void observe_says(const struct policy *p, int64_t now_wall_ns, struct buf *out);

#endif
