/* The policy of the scenarios of the relay's side, whose chat route meters. */
#ifndef SCENARIO_RELAY_POLICY_H
#define SCENARIO_RELAY_POLICY_H

#include "scenario/policy_rules.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai, response: [meter], reserve: estimate}\n"                                        \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define LIMITS                                                                                 \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"              \
	"  - {name: tokens, per: [identity.person], tokens: 1000, window: 1m}\n"               \
	"output_default: 100\n"
#define POLICY ROUTES RULES LIMITS

#endif
