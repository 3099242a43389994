/* What limits make of a request, besides the counting, which is quota/'s: which conversation
 * it belongs to. Called by steps. */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include "gate/request.h"

/* found.conversation, where the policy reads it and the body is whole. */
void request_conversation(struct request *r);

#endif
