/* The own limits of an API key, a string each: WHAT=AMOUNT/WINDOW, as in "requests=100/1m",
 * "tokens=200000/1d", "input_tokens=…", "output_tokens=…", "usd=50/month" (a calendar month in
 * UTC). "concurrent=8" and "tokens_per_request=2000" have no window. */
#ifndef POLICY_IDENTITY_KEYLIMITS_H
#define POLICY_IDENTITY_KEYLIMITS_H

#include "policy/identity/apikeys.h"
#include "policy/limit.h"

enum { KEY_LIMITS_MAX = 8 };

/* Reads one limit. Returns NULL with *out filled, except for its name, or a fixed phrase that
 * states the error. */
const char *key_limit_read(struct span text, struct limit *out);
/* Returns the limits of a key in the arena. Each has a name that lives as long as the program.
 * *n is at most KEY_LIMITS_MAX. NULL: none, or out of memory. */
const struct limit *key_limits(const struct apikey *k, struct arena *a, size_t *n);

#endif
