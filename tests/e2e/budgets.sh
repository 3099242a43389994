# Budgets: each line of tests/e2e/budgets.yaml on HAProxy, Redis and the simulated provider.
. "$(dirname "$0")/lib.sh"

stack_up --policy "$here/budgets.yaml"
json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "$1")"; }
# ask [MODEL [MAX_TOKENS [TEXT [MEMBERS]]]] [-- CURL OPTIONS]
ask() {
	local model=${1:-m} cap=${2:-5} text=${3:-hi} more=${4:-}
	shift $(($# < 4 ? $# : 4))
	req POST /v1/chat/completions -H "$auth" -H "$json" "$@" \
		-d "{\"model\":\"$model\",\"max_tokens\":$cap,\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"$text\"}]$more}"
}
code() { sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' <<<"$body"; }

# ---- "2,000 tokens a message" ----
as '{"sub":"ann"}'
ask m 1900
is "a message of 2,000 tokens passes" "$status" 200
ask m 2000
is "a longer one never can: 403" "$status $(code)" "403 limit_unreachable"
like "the limit is named" "$body" 'the limit message is 2000 a request'
is "no SDK repeats it" "$(header x-should-retry)" false
ask m 5 "$(head -c 6500 /dev/zero | tr '\0' a)"
is "nor one whose text is long" "$status $(code)" "403 limit_unreachable"
ask m 1900 hi ',"n":2'
is "choices multiply" "$status $(code)" "403 limit_unreachable"

# ---- so many tokens a conversation ----
as '{"sub":"bob","team":"talk"}'
control '{"usage":{"prompt_tokens":400,"completion_tokens":400,"total_tokens":800}}'
ask m 100 one
is "a conversation begins" "$status" 200
ask m 100 two
is "another is counted apart" "$status" 200
ask m 500 one
is "the first has no room left" "$status $(code)" "429 rate_limit_exceeded"
like "and is named" "$body" 'limit talk'
ask m 500 one '' -H 'x-chat: 7'
is "a header names another" "$status" 200
ask m 500 other '' -H 'x-chat: 7'
is "whatever is said in it" "$status" 429
ask m 500 one ',"prompt_cache_key":"k"'
is "the body's own name" "$status" 200
ask m 500 other ',"metadata":{"session_id":"s"}'
is "or one in its metadata" "$status" 200
ask m 500 another ',"metadata":{"session_id":"s"}'
is "which is the same" "$status" 429
as '{"sub":"bert","team":"talk"}'
ask m 500 one '' -H 'x-chat: 7'
is "another person's is another" "$status" 200
control '{}'

# ---- a list counts once for each member ----
as '{"sub":"cal","team":"roles","roles":["red","blue"]}'
for _ in 1 2 3; do ask; done
is "three requests in two roles" "$status" 200
ask
is "the fourth is over" "$status $(code)" "429 rate_limit_exceeded"
as '{"sub":"cid","team":"roles","roles":["blue","green"]}'
ask
is "whoever shares one of them too" "$status" 429
as '{"sub":"cat","team":"roles","roles":["green"]}'
ask
is "the refusal took nothing of the other" "$status $(header x-ratelimit-remaining-requests)" "200 2"
as '{"sub":"coy","team":"roles","roles":[]}'
ask
is "who has none is not counted" "$status $(header x-ratelimit-limit-requests)" "200 "
