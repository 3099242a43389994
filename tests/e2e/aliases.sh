# Names that stand for targets: what is sent, what the answer, the list of models and the record
# say, also where the first target fails; canaries; what stays in the house, and is down.
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
is "the first target gets its own model" "$status $(sent "$PROVIDER")" '200 "model":"small-1"'
is "the answer says what was asked for" "$(said)" '"model":"fast" '
like "the record both" "$(last decision)" '"model":"small-1".*"requested_model":"fast"'
ask fast ',"stream":true'
is "so does each event" "$status $(said)" '200 "model":"fast" '
one '{"status":503}'
ask fast
is "where it fails the second one's is sent" "$status $(sent "$PROVIDER_2")" '200 "model":"small-2"'
is "and the answer says the same" "$(said)" '"model":"fast" '
ask fast ',"stream":true'
is "streamed too" "$status $(said)" '200 "model":"fast" '
one '{}'
host=plain.example.com
ask fast
is "a route that reads no answers says it as well" "$status $(sent "$PROVIDER") $(said)" '200 "model":"small-1" "model":"fast" '
ask fast ',"stream":true'
is "in each event" "$status $(said)" '200 "model":"fast" '
ask elsewhere
is "a name of other providers is sent on as it is" "$status $(sent "$PROVIDER") $(said)" '200 "model":"elsewhere" "model":"elsewhere" '
host=
ask secret-model
is "rules know it" "$status" 403
ask small-1
is "and names of models as such" "$status" 403
who="x-api-key: $key"
ask fast
is "a key for the name has it" "$status" 200
ask other
is "and no other" "$status" 403
who=
req GET /v1/models -H "$auth"
like "lists of models hold what the caller may use" "$body" '"id":"fast".*"id":"canary"'
unlike "and not what rules deny, or the route has nothing of" "$body" 'secret-model|elsewhere'
req GET /v1/models/fast -H "$auth"
is "a model's card is called by the name that was asked" "$status $(grep -o '"id":"[^"]*"' <<<"$body")" '200 "id":"fast"'
req GET /v1/models -H "x-api-key: $key"
is "a key's list is of its models" "$(grep -o '"id":"[^"]*"' <<<"$body" | tr '\n' ' ')" '"id":"fast" '

# A canary: by conversation, and stays.
went() { ask canary '' -H "x-chat: $1"; header x-tollgate-target; }
all=$(for i in $(seq 60); do went "c$i"; done)
check "some go to the new one" grep -q two/new <<<"$all"
check "more do not" [ "$(grep -c one/old <<<"$all")" -gt "$(grep -c two/new <<<"$all")" ]
is "each conversation stays where it is" "$(for i in $(seq 60); do went "c$i"; done)" "$all"

# In the house: denied where nothing is left, 503 where what is left is down.
host=house.example.com text='write to a@example.com'
ask m
is "what must not leave the house stays in" "$status $(sent "$PROVIDER_2")" '200 "model":"m"'
"$build/tollgate" target eject two -c "$D/tollgate.yaml" 2>/dev/null
ask m
is "and is a 503 where that is down" "$status" 503
like "by its code" "$body" provider_unavailable
host=plain.example.com
ask m
is "where there is nothing in the house a 403" "$status" 403

# Asked again of the record, each goes where it went.
like "replay decides the same" "$("$build/tollgate" policy replay -c "$D/tollgate.yaml" --policy "$D/policy.yaml")" ' the same, 0 different'
