/* Compares the rights of an API key with a policy: a scope has to be the name of a route, and a
 * pattern of models should match a model that the policy names. `key` and `check` report what
 * does not fit. The functions only read the policy; any thread. */
#ifndef POLICY_ADVICE_KEYS_H
#define POLICY_ADVICE_KEYS_H

#include "base/buf.h"

struct policy;

/* Returns true if the policy has a route of this name. Otherwise appends the reason to *why,
 * with the names of the routes. */
bool policy_key_scope(const struct policy *p, struct span scope, struct buf *why);
/* Returns true if the pattern may match a model that the policy names: in `models`, in a target,
 * in its price list or in `output_default`; or if the policy names none. Otherwise appends the
 * reason to *why. Requests for other models reach a provider too, so this is no mistake. */
bool policy_key_model(const struct policy *p, struct span pattern, struct buf *why);

#endif
