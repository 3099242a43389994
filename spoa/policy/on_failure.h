/* `on_failure`: the decision on a request for which a part of the gateway cannot answer. The
 * policy has one, and each route has its own. Borrows from the policy's arena. */
#ifndef POLICY_ON_FAILURE_H
#define POLICY_ON_FAILURE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/effect.h"

/* An outcome of on_failure.classifier for requests in which a class was found. */
struct class_outcome {
	size_t class; /* index of policy.classes */
	enum outcome outcome;
};

/* on_failure: decisions on requests for which a part cannot answer. */
struct on_failure {
	/* `classifier` applies if no class of by_class was found; otherwise the strictest of
	 * those */
	enum outcome classifier, quota, audit, unreadable;
	const struct class_outcome *by_class;
	size_t nby_class;
	/* quota: {local: 10%}: like share and peers of a limit; 0: not set */
	uint64_t quota_share, quota_peers;
	enum signed_reasoning signed_reasoning;
};

#endif
