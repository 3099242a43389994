/* The policy and the bodies that scenarios of the gate share. */
#ifndef SCENARIO_GATE_POLICY_H
#define SCENARIO_GATE_POLICY_H

#include "scenario/policy_rules.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai, reserve: estimate}\n"                                                           \
	"  - {name: metered, match: {methods: [POST], path: /v1/metered}, dialect: openai, "   \
	"backend: openai, response: [meter], reserve: estimate}\n"                                                \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define LIMITS                                                                                 \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"              \
	"  - {name: tokens, per: [identity.person], tokens: 10000, window: 1m}\n"              \
	"output_default: 100\n"
#define POLICY ROUTES RULES LIMITS

#endif
