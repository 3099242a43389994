/* What limits make of a request, besides the counting, which is quota/'s: which conversation
 * it belongs to, which of them apply now. Called by steps. */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include "gate/request.h"

/* policy_limits(), with the amounts that were given at run time and the limits of the API key's
 * own; in the request's arena. */
int request_limits(struct request *r, const struct policy_facts *f,
	struct policy_limit_hit **hits, size_t *n);
/* found.conversation, where the policy reads it and the body is whole. */
void request_conversation(struct request *r);

#endif
