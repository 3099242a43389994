/* Rules that the policies of the scenarios share, and a body that they permit. */
#ifndef SCENARIO_POLICY_RULES_H
#define SCENARIO_POLICY_RULES_H

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-anonymous, when: 'identity.method == \"none\"', deny: {status: 401}}\n" \
	"  - {name: no-secrets, when: '\"secret\" in prompt.classes', deny: {reason: it "      \
	"holds a secret}}\n"                                                                   \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"

#define HELLO "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

#define EMAIL                                                                                  \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"write to "          \
	"alice@example.com now\"}]}"
#define SECRET                                                                                 \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"key "               \
	"AKIAQ3EGRIXPFUSLKQLT\"}]}"

#endif
