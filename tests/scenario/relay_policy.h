/* The policy for scenarios of the gate's relay side. Its chat route meters. */
#ifndef SCENARIO_RELAY_POLICY_H
#define SCENARIO_RELAY_POLICY_H

#include "scenario/gate_stage.h"
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

#define LARGE	 "{\"model\":\"m\",\"max_tokens\":900,\"messages\":[]}"
#define LEN(s)	 ((int64_t)sizeof(s) - 1)
/* Tokens reserved for `hello`: the request's cap of 100, the prompt estimated by its bytes for
 * an unknown model ((4 + 5) x 1.7 / 3), the message and the reply. */
#define RESERVED (100 + 6 + 5 + 3)

static const struct note hello = { .person = "alice", .body = HELLO };
static const struct note deferred = { .person = "alice",
	.body = HELLO,
	.no_length = true,
	.headers = { "transfer-encoding: chunked" } };

#endif
