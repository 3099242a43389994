# Model aliases: the model that is sent, and the name that the response, the list of models and the record contain,
# also if the first target fails. Then canaries, and requests that must stay on an internal target.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$here/aliases.yaml" "$D/policy.yaml"
key_line() { "$build/tollgate" key new --keys "$D/keys.yaml" "$@" | tail -1; }
key=$(key_line --person kim --models fast)
stack_up --policy "$D/policy.yaml" --providers 2
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "host: ${host:-ai.example.com}" -H "${who:-$auth}" -H "$json" "${@:3}" -d "{\"model\":\"$1\"${2:-},\"messages\":[{\"role\":\"user\",\"content\":\"${text:-hello}\"}]}"; }
one() { fetch POST "$PROVIDER/_control" "$1" >/dev/null; }
sent() { fetch GET "$1/_seen?last=1" | sed 's/\\"/"/g' | grep -o '"model":"[^"]*"' | head -1; }
last() { cat "$D"/journal/*.jsonl 2>/dev/null | tr -d '\0' | grep "\"type\":\"$1\"" | tail -1; }
said() { grep -oE '"(model|modelVersion)": ?"[^"]*"' <<<"$body" | sort -u | tr '\n' ' '; }

ask fast
is "the first target receives its own model name" "$status $(sent "$PROVIDER")" '200 "model":"small-1"'
is "the response contains the requested name" "$(said)" '"model":"fast" '
like "the record contains both names" "$(last decision)" '"model":"small-1".*"requested_model":"fast"'
ask fast ',"stream":true'
is "each event of a stream contains the requested name" "$status $(said)" '200 "model":"fast" '
one '{"status":503}'
ask fast
is "if the first target fails, the second receives its own model name" "$status $(sent "$PROVIDER_2")" '200 "model":"small-2"'
is "the response of the second target contains the requested name" "$(said)" '"model":"fast" '
ask fast ',"stream":true'
is "a stream of the second target contains the requested name" "$status $(said)" '200 "model":"fast" '
one '{}'
host=plain.example.com
ask fast
is "on a route that does not inspect responses, the response contains the requested name too" "$status $(sent "$PROVIDER") $(said)" '200 "model":"small-1" "model":"fast" '
ask fast ',"stream":true'
is "on that route, each event contains the requested name" "$status $(said)" '200 "model":"fast" '
ask elsewhere
is "a model name that is no alias is forwarded unchanged" "$status $(sent "$PROVIDER") $(said)" '200 "model":"elsewhere" "model":"elsewhere" '
host=
ask secret-model
is "a rule can deny an alias" "$status" 403
ask small-1
is "a rule can deny a model name" "$status" 403
who="x-api-key: $key"
ask fast
is "a key for the alias may use it" "$status" 200
ask other
is "a key for the alias may not use another model" "$status" 403
who=
req GET /v1/models -H "$auth"
like "the list of models has what the caller may use" "$body" '"id":"fast".*"id":"canary"'
unlike "the list of models has neither models that rules deny nor models without a target on the route" "$body" 'secret-model|elsewhere'
req GET /v1/models/fast -H "$auth"
is "a model's card has the requested name" "$status $(grep -o '"id":"[^"]*"' <<<"$body")" '200 "id":"fast"'
req GET /v1/models -H "x-api-key: $key"
is "the list for a key has only the key's models" "$(grep -o '"id":"[^"]*"' <<<"$body" | tr '\n' ' ')" '"id":"fast" '

# A canary is chosen by conversation, and a conversation keeps its target.
went() { ask canary '' -H "x-chat: $1"; header x-tollgate-target; }
all=$(for i in $(seq 60); do went "c$i"; done)
check "some conversations use the new target" grep -q two/new <<<"$all"
check "more conversations use the old target" [ "$(grep -c one/old <<<"$all")" -gt "$(grep -c two/new <<<"$all")" ]
is "each conversation keeps its target" "$(for i in $(seq 60); do went "c$i"; done)" "$all"

# Data that must stay on an internal target: 403 if the route has no such target, 503 if the target is down.
host=house.example.com text='write to a@example.com'
ask m
is "data that must stay inside is sent to the internal target" "$status $(sent "$PROVIDER_2")" '200 "model":"m"'
"$build/tollgate" target eject two -c "$D/tollgate.yaml" 2>/dev/null
ask m
is "if the internal target is down, the status is 503" "$status" 503
like "the 503 has the code provider_unavailable" "$body" provider_unavailable
host=plain.example.com
ask m
is "if the route has no internal target, the status is 403" "$status" 403

# The replay of the record chooses the same targets.
like "policy replay makes the same decisions" "$("$build/tollgate" policy replay -c "$D/tollgate.yaml" --policy "$D/policy.yaml")" ' the same, 0 different'
