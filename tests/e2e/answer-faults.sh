# What a provider or a caller breaks off, and what is charged for it then: the dialect's error for the
# caller, a reservation that is settled, a record that says what happened.
. "$(dirname "$0")/lib.sh"

stack_up --policy "$here/answers.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat=/v1/chat/completions
# The body of a request: the model, whether it streams.
ask() { jq -cn --arg m "${1:-gpt-4o}" --argjson s "${2:-true}" '{model:$m,stream:$s,max_tokens:5000,messages:[{role:"user",content:"hi"}]}'; }
post() { curl -s -m "${TIMEOUT:-20}" "$EDGE$1" -H "$auth" -H "$json" -d "$2"; }
# What the provider answers next, once: bytes, their type, more of /_control.
answer() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" --argjson more "${3:-null}" '{body:$b,content_type:$t,times:1} + ($more // {})')"; }
nl='
'
event() { jq -cn --arg t "$1" '{id:"c",object:"chat.completion.chunk",created:1,model:"m",choices:[{index:0,delta:{content:$t},finish_reason:null}]}'; }
# A chat stream's bytes, an event for each argument.
events() { local t; for t; do printf 'data: %s\n\n' "$(event "$t")"; done; }
stop='{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
ended="data: $stop$nl${nl}data: [DONE]$nl$nl"
last() { sleep 0.3; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -1 | jq -c "$1"; }
# Tokens that are left of the limit, as a request that is asked now sees it: always the same request.
left() {
	control '{}'
	curl -s -o /dev/null -D - "$EDGE$chat" -H "$auth" -H "$json" -d "$(ask '' false | jq -c '.model="say:x"|.max_tokens=10')" | tr -d '\r' | sed -n 's/^x-ratelimit-remaining-tokens: //Ip'
}
probe=$(left)
probe=$((probe - $(left)))
# What it costs to ask for $1, with the completion's $record.
charged() {
	local before
	before=$(left)
	control "$2"
	TIMEOUT=${3:-20} post $chat "$(ask "$1")" >"$D/.said"
	record=$(last '[.outcome,.estimated_usage.output_tokens]')
	cost=$((before - $(left) - probe))
}

# ---- streams without usage ----
body() { jq -cn --arg b "$1" --argjson more "${2:-null}" '{body:$b,content_type:"text/event-stream",times:1} + ($more // {})'; }
twenty='one two three four. '
charged gpt-4o "$(body "$(events "$twenty" "$twenty")$nl$nl$ended")"
is "a stream that ends without usage costs at most what was seen" "$record" '["complete",40]'
input=$((cost - 40))
check "and what was asked" test $input -gt 20 -a $input -lt 60
charged o3-new "$(body "$(events "$twenty" "$twenty")$nl$nl$ended")"
is "what was reserved, of a model that may reason unseen" "$record $cost" "[\"complete\",null] $((input + 5000))"
charged gpt-4o "$(body "$(events "$twenty" "$twenty" "$twenty")$nl$nl$ended" '{"cut_after_bytes":400}')"
is "one that the provider cuts" "$record $cost" "[\"provider_abort\",40] $((input + 40))"
like "its caller has the error event" "$(cat "$D/.said")" '"code":"provider_'
unlike "and no normal end" "$(cat "$D/.said")" DONE
charged gpt-4o "$(body "$(events "$twenty" "$twenty" "$twenty" "$twenty")$nl$nl$ended" '{"chunk_ms":1000}')" 1.5
is "one that its caller leaves" "$record $cost" "[\"client_abort\",40] $((input + 40))"
charged gpt-4o '{"delay_ms":3000,"times":1}' 0.5
is "nothing came yet: what was reserved" "$record $cost" "[\"client_abort\",null] $((input + 5000))"
exit $failed
