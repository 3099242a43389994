/* `observe`: hosts of a cutover, whose callers without a key of ours pass until a date (design
 * rule 15). Which requests those are; what becomes of them is the gate's. */
#ifndef POLICY_IDENTITY_OBSERVE_H
#define POLICY_IDENTITY_OBSERVE_H

#include "policy/identity/identity.h"

enum { OBSERVE_DAYS_NEAR = 7 };

/* Whether the policy observes that host now. `host` without port, lower case. */
bool observe_host(const struct policy *p, struct span host, int64_t now_wall_ns);

/* Whether the caller shows a credential of ours, by its shape, verified or not: an API key in
 * any header field, in path or query, or what begins as one where credentials are; a token
 * with the issuer of an entry, wherever it is; a field of an entry of signed headers; a
 * certificate where an entry is for them. */
bool observe_shows_ours(const struct policy *p, const struct credentials *c, struct arena *a);

enum observe_state { OBSERVE_NONE, OBSERVE_ON, OBSERVE_NEAR, OBSERVE_OVER };
/* NEAR: it ends within OBSERVE_DAYS_NEAR days. *days: whole ones that are left, at least 0. */
enum observe_state observe_state(const struct policy *p, int64_t now_wall_ns, int64_t *days);
/* A sentence about it, for start, readiness and notes; nothing where nothing is observed. */
void observe_says(const struct policy *p, int64_t now_wall_ns, struct buf *out);

#endif
