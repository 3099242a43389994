# What a provider or a caller breaks off, and what is charged for it then: the dialect's error for the
# caller, a reservation that is settled, a record that says what happened.
# Long: what hangs is waited out.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

{ echo 'workers: 1' && auditor ann; } >"$D/config.yaml" # what one settles the next one sees
stack_up --policy "$here/answer-faults.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat=/v1/chat/completions
# The body of a request: the model, whether it streams.
ask() { jq -cn --arg m "${1:-gpt-4o}" --argjson s "${2:-true}" '{model:$m,stream:$s,max_tokens:5000,messages:[{role:"user",content:"hi"}]}'; }
post() { curl -sN -m 90 "$EDGE$1" -H "$auth" -H "$json" ${host:+-H "host: $host"} -d "$2"; }
host=
# leaves BODY COMMAND…: asks, and goes once the command succeeds; what came is in $D/.said
leaves() {
	: >"$D/.said"
	curl -sN -m 90 "$EDGE$chat" -H "$auth" -H "$json" -d "$1" >"$D/.said" &
	local asking=$!
	wait_for "${@:2}"
	kill $asking
	wait $asking
}
events_came() { [ "$(grep -c '^data: ' "$D/.said")" -ge "$1" ]; }
# What the provider answers next, once: bytes, their type, more of /_control.
answer() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" --argjson more "${3:-null}" '{body:$b,content_type:$t,times:1} + ($more // {})')"; }
nl='
'
event() { jq -cn --arg t "$1" '{id:"c",object:"chat.completion.chunk",created:1,model:"m",choices:[{index:0,delta:{content:$t},finish_reason:null}]}'; }
# A chat stream's bytes, an event for each argument.
events() { local t; for t; do printf 'data: %s\n\n' "$(event "$t")"; done; }
stop='{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
ended="data: $stop$nl${nl}data: [DONE]$nl$nl"
# Tokens that are left of the limit, as a request that is asked now sees it: always the same request,
# and the second of two, which is reserved by its length (the first is counted where nothing was
# asked for a minute).
left() {
	local i
	for i in 1 2; do
		settled
		control '{}'
		curl -s -o /dev/null -D "$D/.left" "$EDGE$chat" -H "$auth" -H "$json" -d "$(ask '' false | jq -c '.model="say:x"|.max_tokens=10')"
	done
	tr -d '\r' <"$D/.left" | sed -n 's/^x-ratelimit-remaining-tokens: //Ip'
}
probe=$(left)
probe=$((probe - $(left)))
# What it costs to ask for $1, with the completion's $record. Who is impatient goes once $3 succeeds.
charged() {
	local before
	before=$(left)
	forget
	control "$2"
	if [ $# -gt 2 ]; then leaves "$(ask "$1")" "${@:3}"; else post $chat "$(ask "$1")" >"$D/.said"; fi
	record=$(completion '[.outcome,.estimated_usage.output_tokens]')
	cost=$((before - $(left) - probe))
}

# ---- streams without usage ----
body() { jq -cn --arg b "$1" --argjson more "${2:-null}" '{body:$b,content_type:"text/event-stream",times:1} + ($more // {})'; }
twenty='a cat sat on a mat. '
charged gpt-4o "$(body "$(events "$twenty" "$twenty")$nl$nl$ended")"
is "a stream that ends without usage costs at most what was seen" "$record" '["complete",40]'
input=$((cost - 40))
check "and what was asked" test $input -gt 0 -a $input -lt 60
charged o3-new "$(body "$(events "$twenty" "$twenty")$nl$nl$ended")"
is "what was reserved, of a model that may reason unseen" "$record $cost" "[\"complete\",null] $((input + 5000))"
charged gpt-4o "$(body "$(events "$twenty" "$twenty" "$twenty")$nl$nl$ended" '{"cut_after_bytes":400}')"
is "one that the provider cuts" "$record $cost" "[\"provider_abort\",40] $((input + 40))"
like "its caller has the error event" "$(cat "$D/.said")" '"code":"provider_'
unlike "and no normal end" "$(cat "$D/.said")" DONE
charged gpt-4o "$(body "$(events "$twenty" "$twenty" "$twenty" "$twenty")$nl$nl$ended" '{"hold_after_events":2}')" events_came 2
is "one that its caller leaves" "$record $cost" "[\"client_abort\",40] $((input + 40))"
charged gpt-4o '{"delay_ms":60000,"times":1}' at_provider 1
is "nothing came yet: what was reserved" "$record $cost" "[\"client_abort\",null] $((input + 5000))"

# ---- what breaks ----
# ask_with CONTROL [stream]: the answer's bytes in $D/.said, its status in $status, curl's own in $ended_with
ask_with() {
	control "$1"
	status=$(curl -s -m 90 -o "$D/.said" -w '%{http_code}' "$EDGE$chat" -H "$auth" -H "$json" ${host:+-H "host: $host"} -d "$(ask gpt-4o "${2:-false}")")
	ended_with=$?
}
code() { jq -r .error.code "$D/.said" 2>/dev/null; }
# ---- MCP ----
# Its client waits for a message with its request's id.
rpc_event() { printf 'event: message\ndata: %s\n\n' "$1"; }
told=$(rpc_event '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
result=$(rpc_event '{"jsonrpc":"2.0","id":"c-7","result":{"content":[{"type":"text","text":"his ssn is 536-22-1840 ok"}]}}')
call='{"method":"tools/call","params":{"name":"find","arguments":{"id":99}},"jsonrpc":"2.0","id":"c-7"}'
# The ids and codes of the errors in a stream.
rpc_errors() { sed -n 's/^data: //p' "$D/.said" | jq -c 'select(.error)|[.jsonrpc,.id,.error.code,.error.data.code]' | paste -sd ' '; }
# mcp BODY: the tool's result is denied after its head has gone
mcp() {
	answer "$told$nl$nl$told$nl$nl$told$nl$nl$told$nl$nl$result$nl$nl" text/event-stream '{"chunk_ms":50}'
	status=$(curl -sN -m 30 -o "$D/.said" -w '%{http_code}' "$EDGE/mcp" -H "$auth" -H "$json" -H 'accept: application/json, text/event-stream' -d "$1")
}
mcp "$call"
is "a tool's result that is denied in a stream is its call's error" "$status $(rpc_errors)" '200 ["2.0","c-7",-32010,"content_policy_violation"]'
unlike "and not the result" "$(cat "$D/.said")" 536-22
mcp "[$call,{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"},{\"id\":8,\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]"
is "a batch's calls have one each" "$(rpc_errors)" '["2.0","c-7",-32010,"content_policy_violation"] ["2.0",8,-32010,"content_policy_violation"]'
mcp '{"id":"c-7","query":"x"}'
unlike "what is no JSON-RPC has none" "$(rpc_errors)" 2.0
answer "$told$nl$nl$told$nl$nl$told$nl$nl$told$nl$nl$result$nl$nl" text/event-stream '{"chunk_ms":50,"cut_after_bytes":450}'
curl -sN -m 30 -o "$D/.said" "$EDGE/mcp" -H "$auth" -H "$json" -d "$call"
like "one that the server breaks off has it too" "$(rpc_errors)" '^."2.0","c-7",-32010,"provider_'

# The code of a stream's error event, which is the last one.
event_code() { sed -n 's/^data: //p' "$D/.said" | tail -n 1 | jq -r .error.code; }
text() { sed -n 's/^data: \({.*\)$/\1/p' "$D/.said" | jq -j '.choices[]?.delta.content // empty'; }
raw() { jq -cn --arg w "$1" --argjson more "${2:-null}" '{wire:$w,times:1} + ($more // {})'; }
crlf=$'\r\n'
head="HTTP/1.1 200 OK${crlf}content-type: application/json${crlf}"
mail='{"choices":[{"index":0,"message":{"content":"to jane.doe@example.org"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'

ask_with "$(raw "${head}content-length: 500$crlf$crlf$mail")"
is "a whole answer that ends too early is the dialect's error" "$status $(code)" '503 provider_aborted'
is "of which nothing goes, recorded as that" "$(grep -c jane "$D/.said") $(completion '[.outcome,.answer.decision]')" '0 ["provider_abort",null]'
ask_with "$(raw "${head}content-length: 500$crlf$crlf$mail" '{"reset":true}')"
is "so is one that the provider resets" "$status $(code)" '503 provider_aborted'
ask_with '{"cut_after_bytes":0,"times":1}'
like "a provider that closes before its answer" "$status" '^50[234]$'
# On a connection of its own HAProxy says that it closed, on one that was used before it closes too.
unheard() { completion '[.outcome,.reserved_usage,.usage_unknown]'; }
for before in '{}' '{"cut_after_bytes":0,"times":1}' '{}'; do
	ask_with "$before"
	ask_with '{"cut_after_bytes":0,"times":1}'
	is "it costs nothing but the request, after $before" "$(unheard)" '["provider_abort",null,null]'
done
ask_with "$(raw "${head}content-length: 5${crlf}content-length: 500$crlf$crlf$mail")"
is "two lengths are no answer, and the dialect's error" "$status $(code) $(grep -c jane "$D/.said")" '503 provider_unavailable 0'
is "recorded as that" "$(completion '[.outcome,.status]')" '["provider_abort",503]'
ask_with "$(raw "this is no HTTP$crlf$crlf")"
is "neither is what is no HTTP" "$status $(code)" '503 provider_unavailable'
control "$(raw "this is no HTTP$crlf$crlf")"
said=$(curl -s -m 90 "$EDGE/v1beta/models/gemini-2.0-flash:generateContent" -H "$auth" -H "$json" -d '{"contents":[{"parts":[{"text":"hi"}]}]}')
is "in another dialect as that says it" "$(jq -r '"\(.error.code) \(.error.status)"' <<<"$said")" '503 UNAVAILABLE'

# What broke is not asked again. `stays`: the provider would go on with it, and HAProxy does not.
opened() { metric relay_connections_total 'side="egress"'; }
# Whether the next request has a connection of the relay's to itself.
asks_anew() {
	local before
	before=$(opened)
	ask_with '{}'
	[ "$status $(($(opened) - before))" = "200 $1" ]
}
check "a connection is asked again" wait_for asks_anew 0
providers() { seen 2 | jq -c 'map(.connection) | unique | length'; }
for wire in "this is no HTTP$crlf$crlf" "${head}content-length: 5${crlf}content-length: 500$crlf$crlf$mail"; do
	ask_with "$(raw "$wire" '{"stays":true}')"
	check "but not after ${wire%%$crlf*}" asks_anew 1
	is "nor is the provider's" "$(providers)" 2
done
ask_with "$(raw "${head}content-length: 500$crlf$crlf$mail")"
check "nor after an answer that was cut" asks_anew 1
ask_with "$(raw "${head}content-length: 5$crlf$crlf$mail" '{"stays":true}')"
is "nor is a provider's that says more than it counted" "$(asks_anew 0; providers)" 2

# Answers that do not wait for the request: it is larger than what one read takes.
head -c 3000000 /dev/zero | tr '\0' ' ' | jq -cRs '{model:"gpt-4o",max_tokens:5000,messages:[{role:"user",content:("hi" + .)}]}' >"$D/.large"
large() { # CONTROL
	local before
	before=$(left)
	control "$(jq -c '. + {at_head:true}' <<<"$1")"
	status=$(curl -s -m 90 -o "$D/.said" -w '%{http_code}' "$EDGE$chat" -H "$auth" -H "$json" --data-binary "@$D/.large")
	record=$(completion '[.outcome,.status,.usage.output_tokens]')
	check "it had not read it" test "$(seen | jq '.[0].body | length')" -lt 1000000
	cost=$((before - $(left) - probe))
}
large "$(jq -cn --arg b "$mail" '{body:$b,times:1}')"
is "a response arrived before the request was sent is sent is one" "$status $(jq -r '.choices[0].message.content' "$D/.said")" '200 to <EMAIL_ADDRESS>'
is "settled at what it says" "$record $cost" '["complete",200,4] 7'
busy='{"error":{"message":"too large for jane.doe@example.org","type":"invalid_request_error"}}'
large "$(raw "HTTP/1.1 413 Content Too Large${crlf}content-type: application/json${crlf}connection: close${crlf}content-length: ${#busy}$crlf$crlf$busy")"
is "so is a refusal before which it closes" "$status $(jq -r .error.message "$D/.said")" '413 too large for <EMAIL_ADDRESS>'
is "which costs nothing" "$record $cost" '["complete",413,null] 0'
# HAProxy may take it for a connection that failed, and try again
large '{"cut_after_bytes":0,"reset":true}'
like "who closes without one has not answered" "$status $(code) $record" '^503 provider_(aborted|unavailable) \["provider_abort",(503|null),null\]$'
is "after which the next one is served" "$(ask_with '{}'; echo "$status")" 200

ask_with "$(raw "${head}transfer-encoding: chunked${crlf}trailer: x-note$crlf$crlf$(printf '%x' ${#mail})$crlf$mail${crlf}0${crlf}x-note: jane.doe@example.org$crlf$crlf")"
is "trailers stay behind" "$status $(grep -c 'example.org' "$D/.said") $(jq -r '.choices[0].message.content' "$D/.said")" '200 0 to <EMAIL_ADDRESS>'

# A stream: of each what was whole before it goes, its error event, no normal end.
broken() { # NAME CODE TEXT
	is "$1" "$(event_code) $(text)" "$2 $3"
	final is "$1: no normal end, nothing of what was held" "$(grep -cE 'DONE|finish_reason":"stop|jane|536' "$D/.said")" 0
}
say=$(events 'it is. ' 'to jane.' 'doe@exam')
ask_with "$(body "$say$nl$nl$ended" '{"cut_after_bytes":420}')" true
broken "a stream cut in the middle of an event" provider_aborted 'it is. to '
is "is cut, for HTTP too" $ended_with 18
is "and so recorded" "$(completion '[.outcome,.answer.streamed,.answer.kept.cut]')" '["provider_abort",true,true]'
like "what came is kept" "$(opens ann response)" 'it is'
ask_with "$(body "$say$nl$nl")" true
is "one that ends between events was cut" "$status $(code)" '503 provider_aborted'
ask_with "$(body "$say$nl$nl" '{"chunk_bytes":260,"chunk_ms":300}')" true
broken "and after something of it went" provider_aborted 'it is. to '
is "is so recorded" "$(completion .outcome)" '"provider_abort"'
ask_with "$(body "$say$nl$nl" '{"headers":{"content-encoding":"gzip"}}')" true
is "one that says it is compressed is refused" "$status $(code)" '503 classifier_unavailable'
head -c 10000000 /dev/zero | tr '\0' x | jq -cRs --arg s "$say" '{body:($s + "\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"" + . + "\"}}]}\n\n"),content_type:"text/event-stream",times:1}' >"$D/.big"
ask_with "@$D/.big" true
broken "an event of ten megabytes" classifier_unavailable 'it is. to '
is "the record says how much was not inspected" "$(completion '[.outcome,(.answer.not_inspected_bytes > 1000000),.answer.not_inspected_why]')" '["answer_denied",true,"an event is longer than the gateway holds"]'
head -c 10000000 /dev/zero | tr '\0' x | jq -cRs '{body:("data: {\"choices\":[{\"delta\":{\"content\":\"" + . + "\"}}]}\n\n"),content_type:"text/event-stream",times:1}' >"$D/.big"
ask_with "@$D/.big" true
is "as the first one it is the dialect's error, with its status" "$status $(code)" '503 classifier_unavailable'
host=short.example # a route with a deadline of three seconds
ask_with "$(body "$(events 'it is. ')$nl$nl$(events 'to jane.doe@ex')$nl$nl" '{"chunk_ms":60000}')" true
broken "one that never ends is ended by the deadline" provider_timeout 'it is. '
like "and so recorded" "$(completion '[.outcome,.why]')" 'provider_abort.*(deadline|time)'
ask_with '{"delay_ms":60000,"times":1}'
like "a whole answer that never comes likewise" "$status $(code)" '^50[34] '
host=

# Bedrock's frames: the second one's checksum is wrong, or it is cut.
frames() { python3 -c '
import base64, json, struct, sys, zlib
def frame(kind, payload):
    h = b"".join(bytes([len(k)]) + k + b"\x07" + struct.pack(">H", len(v)) + v for k, v in
        ((b":event-type", kind), (b":content-type", b"application/json"), (b":message-type", b"event")))
    b = struct.pack(">II", 16 + len(h) + len(payload), len(h))
    b += struct.pack(">I", zlib.crc32(b)) + h + payload
    return b + struct.pack(">I", zlib.crc32(b))
out = [frame(b"contentBlockDelta", json.dumps({"contentBlockIndex": 0, "delta": {"text": t}}).encode()) for t in ("it is. ", "and more. ")]
if sys.argv[1] == "crc": out[1] = out[1][:-1] + bytes([out[1][-1] ^ 1])
if sys.argv[1] == "cut": out[1] = out[1][:40]
print(json.dumps({"body_base64": base64.b64encode(b"".join(out)).decode(), "content_type": "application/vnd.amazon.eventstream", "times": 1, "chunk_ms": 200}))' "$1"; }
for how in crc cut; do
	control "$(frames $how)"
	curl -s -m 90 -o "$D/.said" "$EDGE/model/us.amazon.nova-pro-v1%3A0/converse-stream" -H "$auth" -H "$json" -d '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
	is "a frame that is $how: what was before it, and an exception" "$(tr -d '\0' <"$D/.said" | grep -ac 'it is\.') $(tr -d '\0' <"$D/.said" | grep -ac 'and more') $(tr -d '\0' <"$D/.said" | grep -aoc ':exception-type')" '1 0 1'
	is "$how: recorded, settled at what was seen" "$(completion '[.outcome,.estimated_usage.output_tokens]')" '["provider_abort",7]'
	check "$how: its connection is not asked again" asks_anew 1
done

# ---- answers that count nothing: what was asked; of counting, nothing ----
for verb in embedContent batchEmbedContents countTokens; do
	before=$(left)
	curl -s -m 90 -o "$D/.said" "$EDGE/v1beta/models/gemini-embedding-001:$verb" -H "$auth" -H "$json" -d '{"content":{"parts":[{"text":"one two three"}]},"requests":[{"content":{"parts":[{"text":"one two three"}]}}],"contents":[{"parts":[{"text":"one two three"}]}]}'
	cost=$((before - $(left) - probe))
	if [ $verb = countTokens ]; then is "Gemini's $verb costs nothing" $cost 0
	else check "Gemini's $verb costs what was asked, $cost" test $cost -gt 0 -a $cost -lt 100; fi
done

# ---- answers without a body ----
for status in 204 304; do
	control "{\"status\":$status,\"times\":1}"
	is "a $status passes as it is" "$(curl -s -m 90 -o /dev/null -w '%{http_code} %{size_download}' "$EDGE$chat" -H "$auth" -H "$json" -d "$(ask gpt-4o false)")" "$status 0"
done
answer '{"choices":[]}'
is "HEAD has a head" "$(curl -s -m 90 -I -o /dev/null -w '%{http_code} %{size_download}' "$EDGE/v1/chat/completions/x" -H "$auth")" '200 0'
control "$(raw "HTTP/1.1 206 Partial Content${crlf}content-type: text/plain${crlf}content-range: bytes 0-23/100${crlf}content-length: 24$crlf${crlf}to jane.doe@example.org.")"
is "a part of a file is inspected" "$(curl -s -m 90 "$EDGE/v1/files/x/content" -H "$auth" -H 'range: bytes=0-23')" 'to <EMAIL_ADDRESS>.'

# ---- an answer that was made before: inspected like one, and nothing is counted twice ----
tokens() { echo "$(metric tokens_total 'type="input"') $(metric tokens_total 'type="output"')"; }
counted=$(tokens)
answer '{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"to jane.doe@example.org"}]},{"type":"function_call","name":"f","arguments":"{}"}],"usage":{"input_tokens":30,"output_tokens":40,"total_tokens":70}}'
is "a stored answer is inspected" "$(curl -s -m 90 "$EDGE/v1/responses/resp_1" -H "$auth" | jq -r '.output[0].content[0].text')" 'to <EMAIL_ADDRESS>'
is "in its own words, and recorded as stored" "$(completion '[.stored,.usage,.answer.tool_calls,.answer.finish_reason]')" '[true,null,["f"],"completed"]'
is "its tokens are not counted again" "$(tokens)" "$counted"
check "as those of others were" test "${counted%% *}" -gt 0

# ---- an error document costs nothing ----
charged gpt-4o '{"body":"{\"error\":{\"message\":\"busy\"}}","content_type":"application/json","times":1}'
is "an error document with a 200 costs no tokens" "$cost" 0
control '{}'
is "and the next request is served" "$(post $chat "$(ask gpt-4o false)" | jq -r '.choices|length')" 1

# ---- the caller leaves, the policy is reloaded, the daemon is told to stop, under way ----
slow_stream() { body "$(events 'well now. ' 'to jane.' 'doe@example.org now. ' 'and on.')$nl$nl$ended" '{"chunk_ms":60000}'; }
whole="{\"choices\":[{\"index\":0,$nl$nl\"message\":{\"content\":\"to jane.doe@example.org\"},$nl$nl\"finish_reason\":\"stop\"}]}"
slow_whole() { jq -cn --arg b "$whole" '{body:$b,content_type:"application/json",chunk_ms:60000,times:1}'; }
control "$(slow_whole)"
forget
leaves "$(ask gpt-4o false)" at_provider 1
is "a caller that leaves while all is withheld has had nothing" "$(wc -c <"$D/.said") $(completion '[.outcome,.estimated_usage]')" '0 ["client_abort",null]'
both_under_way() { # what happens meanwhile
	local asking
	forget
	control "$(slow_whole)"
	post $chat "$(ask gpt-4o false)" >"$D/.whole" &
	asking=$!
	under_way 1
	control "$(slow_stream)"
	: >"$D/.said"
	post $chat "$(ask gpt-4o true)" >"$D/.said" &
	asking="$asking $!"
	under_way 2
	wait_for events_came 1
	"$@"
	release
	# shellcheck disable=SC2086
	wait $asking
}
reload() { reloaded=$(curl -s -m 90 -o /dev/null -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload"); }
both_under_way reload
is "a reload ends neither an answer that is withheld" "$reloaded $(jq -r '.choices[0].message.content' "$D/.whole")" '200 to <EMAIL_ADDRESS>'
is "nor a stream" "$(text) $(grep -c DONE "$D/.said")" 'well now. to <EMAIL_ADDRESS> now. and on. 1'
stop() { kill -TERM "$(awk '$3 == "tollgate" { p = $1 } END { print p }' "$D/.pids")"; }
both_under_way stop
is "nor does a stop, an answer" "$(jq -r '.choices[0].message.content' "$D/.whole")" 'to <EMAIL_ADDRESS>'
is "nor a stream" "$(text) $(grep -c DONE "$D/.said")" 'well now. to <EMAIL_ADDRESS> now. and on. 1'
wait_for grep -q event=stopped "$D/tollgate.log"
like "then the daemon ends" "$(tail -n 1 "$D/tollgate.log")" 'event=stopped'
is "and both are on record" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -n 2 | jq -r .outcome | tr '\n' ' ')" 'complete complete '
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
