/* The request headers that may carry a caller's credential or account, and that
 * no provider may see (design: the caller's credentials never reach a provider).
 * The shipped HAProxy files delete this very list on the direct path, the gate on
 * the relay path: a test compares them. */
#ifndef POLICY_CREDENTIALS_H
#define POLICY_CREDENTIALS_H

#include "base/span.h"

/* Lower case, ends with NULL. */
extern const char *const credential_headers[];
extern const size_t credential_header_count;

/* Query parameters that carry one, lower case, ends with NULL. */
extern const char *const credential_parameters[];

/* Any case. */
bool credential_header(struct span name);

#endif
