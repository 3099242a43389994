/* Limits of an API key's own, a text each: WHAT=AMOUNT/WINDOW, as in "requests=100/1m",
 * "tokens=200000/1d", "input_tokens=…", "output_tokens=…", "usd=50/month" (of the calendar,
 * UTC); "concurrent=8" and "tokens_per_request=2000" have no window. */
#ifndef POLICY_IDENTITY_KEYLIMITS_H
#define POLICY_IDENTITY_KEYLIMITS_H

#include "policy/identity/apikeys.h"
#include "policy/policy.h"

enum { KEY_LIMITS_MAX = 8 };

/* What is wrong with it, a fixed phrase; NULL: nothing, and *out is the limit, without a name.
 */
const char *key_limit_read(struct span text, struct limit *out);
/* Those of a key, in the arena, each with a name that lives as long as the program; `n` at most
 * KEY_LIMITS_MAX. NULL: it has none, or out of memory. */
const struct limit *key_limits(const struct apikey *k, struct arena *a, size_t *n);

#endif
