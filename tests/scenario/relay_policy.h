/* The policy of the scenarios of the relay's side, whose chat route meters. */
#ifndef SCENARIO_RELAY_POLICY_H
#define SCENARIO_RELAY_POLICY_H

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai, response: [meter]}\n"                                        \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-anonymous, when: 'identity.method == \"none\"', deny: {status: 401}}\n" \
	"  - {name: no-secrets, when: '\"secret\" in prompt.classes', deny: {reason: it "      \
	"holds a secret}}\n"                                                                   \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"
#define LIMITS                                                                                 \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"              \
	"  - {name: tokens, per: [identity.person], tokens: 1000, window: 1m}\n"               \
	"output_default: 100\n"
#define POLICY ROUTES RULES LIMITS

#define HELLO "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

#endif
