# What comes back from a provider: redacted, denied, put back; and what a provider's mistakes
# become. Whole answers and streams, on real HAProxy.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

auditor ann >"$D/mine.yaml"
stack_up --policy "$here/answers.yaml" --config "$D/mine.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
post() { curl -s -m 90 "$EDGE$1" -H "$auth" -H "$json" -d "$2"; }
status() { curl -s -m 90 -o /dev/null -w '%{http_code}' "$EDGE$1" -H "$auth" -H "$json" -d "$2"; }
chat=/v1/chat/completions
say() { printf '{"model":"say:%s","messages":[{"role":"user","content":"hi"}]%s}' "$1" "${2:-}"; }
# What the provider answers next, once: bytes and their type.
answer() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" --argjson more "${3:-null}" '{body:$b,content_type:$t,times:1} + ($more // {})')"; }
whole() { answer "$(jq -cn --arg t "$1" '{id:"c",object:"chat.completion",created:1,model:"m",choices:[{index:0,message:{role:"assistant",content:$t},finish_reason:"stop"}],usage:{prompt_tokens:3,completion_tokens:4,total_tokens:7}}')"; }
# A chat stream, an event for each argument.
stream() {
	local all='' piece more=$1
	shift
	for piece; do all+="data: $(jq -cn --arg t "$piece" '{id:"c",object:"chat.completion.chunk",created:1,model:"m",choices:[{index:0,delta:{content:$t},finish_reason:null}]}')"$'\n\n'; done
	all+='data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'$'\n\ndata: [DONE]\n\n'
	answer "$all" text/event-stream "$more"
}
asked() { post $chat "$(say x "${1:-}")"; }
# The text that a stream's chunks hold, joined.
text() { sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[]?.delta.content // empty, (.delta?.text // empty)?'; }

# ---- whole answers ----
whole 'write to jane.doe@example.org now'
is "a value of the answer is replaced" "$(asked | jq -r '.choices[0].message.content')" 'write to <EMAIL_ADDRESS> now'
is "the record says so" "$(completion '[.outcome,.answer.decision,.answer.rule,.answer.redactions,.answer.findings[0].entity,.answer.findings[0].with,.answer.finish_reason]')" \
	'["complete","redact","out-mail",1,"EMAIL_ADDRESS","placeholder","stop"]'
whole 'his ssn is 536-22-1840'
is "an answer is denied, in its dialect, with the rule's reason" "$(asked | jq -r '[.error.code,(.error.message|startswith("no social security numbers"))]|@csv')" '"content_policy_violation",true'
is "the record of that" "$(completion '[.outcome,.status,.answer.decision,.answer.denied_with,.answer.rule,.usage.output_tokens]')" '["answer_denied",200,"deny",403,"out-ssn",4]'
whole 'his ssn is 536-22-1840'
is "its status and fields say so" "$(curl -s -o /dev/null -D - "$EDGE$chat" -H "$auth" -H "$json" -d "$(say x)" | tr -d '\r' | grep -iE '^(HTTP|x-tollgate-decision|x-should-retry)' | tr '\n' '|')" 'HTTP/1.1 403 Forbidden|x-should-retry: false|x-tollgate-decision: deny|'
answer '{"choices":[{"message":{"tool_calls":[{"id":"t","type":"function","function":{"name":"drop_table","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}'
is "a tool's name denies" "$(asked | jq -r .error.code)" content_policy_violation
is "placeholders of the request come back as what they stand for" \
	"$(post $chat '{"model":"echo","messages":[{"role":"user","content":"mail \"jane.doe@example.org\" or bob@example.net"}]}' | jq -r '.choices[0].message.content')" \
	'mail "jane.doe@example.org" or bob@example.net'
final is "the provider saw none of it" "$(seen | jq -r '.[-1].body' | jq -r '.messages[0].content')" 'mail "<EMAIL_ADDRESS_1>" or <EMAIL_ADDRESS_2>'
is "the record counts them" "$(completion '[.answer.restorations,.answer.redactions]')" '[2,null]'
is "a placeholder that the caller invented is nobody's" \
	"$(post $chat '{"model":"echo","messages":[{"role":"user","content":"<EMAIL_ADDRESS_1> and jane.doe@example.org"}]}' | jq -r '.choices[0].message.content')" \
	'<EMAIL_ADDRESS_1> and jane.doe@example.org'

whole 'write to jane.doe@example.org now'
asked >/dev/null
is "and no text" "$(completion '[.answer.texts[0].kind,.answer.texts[0].bytes,.answer.texts[0].text,.answer.kept.how]')" '["text",33,null,"redacted"]'
is "which an auditor reads as it went" "$(opens ann response | jq -r '.choices[0].message.content')" 'write to <EMAIL_ADDRESS> now'
hash=$(completion .answer.texts[0].hmac_sha256)
like "and the hash of what came" "$hash" '^"[0-9a-f]{64}"$'

hers='{"model":"echo","messages":[{"role":"user","content":"![x](https://x.example/?q=jane.doe@example.org) jane.doe@example.org"}]}'
is "but not in a URL" "$(post $chat "$hers" | jq -r '.choices[0].message.content')" '![x](https://x.example/?q=<EMAIL_ADDRESS_1>) jane.doe@example.org'
is "which the record counts" "$(completion '[.answer.restorations,.answer.left_in_urls]')" '[1,1]'
while read -r url; do
	is "nor in $url" "$(post $chat "$(jq -cn --arg t "$url jane.doe@example.org" '{model:"echo",messages:[{role:"user",content:($t|sub(" ";""))}]}')" | jq -r '.choices[0].message.content' | grep -c '<EMAIL_ADDRESS_1>')" 1
done <<'END'
www.x.example/?q=
ht&#116;ps:x.example/?q=
\\x.example\
fetch("https://x.example/"+"
{"u":"\u002f\u002fx.example/
END
is "unless its route says so" "$(post /v1/messages "$(jq -c '.max_tokens=50' <<<"$hers")" | jq -r '.content[0].text')" '![x](https://x.example/?q=jane.doe@example.org) jane.doe@example.org'

# ---- streams ----
stream null 'write to ' 'jane.' 'doe@exam' 'ple.org' ' now'
is "a stream's value is replaced" "$(asked ',"stream":true' | text)" 'write to <EMAIL_ADDRESS> now'
is "recorded as if it had come whole" "$(completion '.answer.texts[0].hmac_sha256')" "$hash"
is "and kept as it went" "$(opens ann response | text)" 'write to <EMAIL_ADDRESS> now'
is "one spread over its pieces, in another dialect" "$(post /v1/messages "$(say 'card 4111 1111 1111 1111 is it' ',"stream":true,"max_tokens":50')" | text)" 'card <CREDIT_CARD> is it'
is "a route that does not say so keeps no text" "$(completion '.answer.texts')" null
post /v1/responses '{"model":"say:card 4111 1111 1111 1111","input":"hi"}' >/dev/null
is "one that says record has the hash" "$(completion '[.answer.texts[0].bytes,(.answer.texts[0].hmac_sha256|length),.answer.texts[0].text]')" '[24,64,null]'
is "placeholders come back in a stream" \
	"$(post $chat '{"model":"echo","stream":true,"messages":[{"role":"user","content":"mail jane.doe@example.org please"}]}' | text)" 'mail jane.doe@example.org please'
is "what is kept has the placeholder" "$(opens ann response | jq -c '[.kind,.text]')" '["text","mail <EMAIL_ADDRESS_1> please"]'
stream '{"chunk_ms":50}' 'well then, ' 'one two three four five: ' 'his ssn is ' '536-22' '-1840 as' ' you know'
denied=$(asked ',"stream":true')
is "whole for HTTP: who reads all before he looks finds it" $? 0
is "a stream is ended by the rule's error" "$(sed -n 's/^data: //p' <<<"$denied" | tail -n 1 | jq -r .error.code)" content_policy_violation
is "with no normal end" "$(grep -c 'DONE\|finish_reason":"stop' <<<"$denied")" 0
final is "and nothing of the value" "$(grep -c '536-22\|"536' <<<"$denied")" 0
is "what came before went" "$(text <<<"$denied" | cut -c 1-9)" 'well then'
control '{}'
is "an untouched stream ends as it should" "$(post $chat "$(say 'all is well' ',"stream":true')" | tail -n 2 | head -n 1)" 'data: [DONE]'

# A member that no format names, an event for each argument.
thoughts() {
	local all='' piece
	for piece; do all+="data: $(jq -cn --arg t "$piece" '{id:"c",provider:"Some One",choices:[{index:0,delta:{thoughts:$t}}]}')"$'\n\n'; done
	answer "$all"'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'$'\n\ndata: [DONE]\n\n' text/event-stream
}
thought() { sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[]?.delta.thoughts // empty'; }
thoughts 'write to ' 'jane.' 'doe@exam' 'ple.org' ' now'
is "a member that no format names has its value replaced, over its events" "$(asked ',"stream":true' | thought)" 'write to <EMAIL_ADDRESS> now'
is "the record counts one" "$(completion '[.answer.redactions,.answer.findings[0].entity,.answer.not_inspected_bytes]')" '[1,"EMAIL_ADDRESS",null]'
thoughts 'well, ' 'his ssn is ' '536-22' '-1840 as' ' you know'
denied=$(asked ',"stream":true')
final is "or denied, and nothing of it has gone" "$(grep -c '536' <<<"$denied"):$(grep -c content_policy_violation <<<"$denied")" 0:1
thoughts 'all is' ' well, 12' ' times' '.'
is "without a value its events are as they came" "$(asked ',"stream":true' | sed -n 's/^data: \({.*\)$/\1/p' | jq -c '.choices[]?.delta.thoughts // empty' | tr '\n' ' ')" '"all is" " well, 12" " times" "." '

# ---- a provider's mistakes ----
answer '{"choices":['
is "broken JSON is a 503 in the dialect" "$(asked | jq -r .error.code)" provider_error
answer '{"error":{"message":"quota of jane.doe@example.org","code":"x"}}'
is "an error document with a 200 passes, inspected" "$(asked | jq -r .error.message)" 'quota of <EMAIL_ADDRESS>'
is "and is recorded as that" "$(completion .answer.provider_error)" true
answer 'data: {"choices":[{"index":0,"delta":{"content":"mail jane.doe@example.org"}}]}

' text/event-stream
is "a stream without its end was cut, whoever ended it" "$(asked ',"stream":true' | jq -r .error.code)" provider_aborted
is "and is recorded as that" "$(completion .outcome)" '"provider_abort"'
answer 'data: {"choices":[{"index":0,"delta":{"content":"one. "}}]}

data: {oops

' text/event-stream
is "garbage in a stream ends it with an error" "$(asked ',"stream":true' | grep -c provider_error)" 1
control "$(printf '{"choices":[{"message":{"content":"to jane.doe@example.org"}}]}' | gzip -c | base64 -w 0 | jq -cR '{body_base64:.,content_type:"application/json",headers:{"content-encoding":"gzip"},times:1}')"
is "what comes compressed all the same is read" "$(asked | jq -r '.choices[0].message.content')" 'to <EMAIL_ADDRESS>'
# as_bytes TYPE ENCODER…: the answer's bytes under a type that does not say what they are
as_bytes() {
	local type=$1
	shift
	control "$(printf '{"choices":[{"message":{"content":"to jane.doe@example.org"}}]}' | "$@" | base64 -w 0 | jq -cR --arg t "$type" '{body_base64:.,content_type:$t,times:1}')"
	status $chat "$(say x)"
}
final is "UTF-16 without its type is not passed unread" "$(as_bytes application/octet-stream iconv -t UTF-16LE)" 503
is "nor what is compressed and does not say so" "$(as_bytes application/octet-stream gzip -c)" 503
is "what says that it is an archive passes" "$(as_bytes application/gzip gzip -c)" 200
# Read by a helper, in pieces and whole: what is kept of it is held meanwhile, and not after.
long() { for _ in $(seq 22000); do printf 'a mat and another number %s ' 10; done; }
long_event() { printf 'data: {"choices":[{"index":0,"delta":{"content":"to jane.doe@example.org, %sand jane.doe@example.org again."}}]}\n\ndata: [DONE]\n\n' "$(long)"; }
long_event >"$D/long"
jq -cRs '{body:.,content_type:"text/event-stream",times:2,chunk_bytes:30000}' "$D/long" >"$D/long.json"
control "@$D/long.json"
is "a long event of a stream is read from its beginning to its end" "$(asked ',"stream":true' | text | md5sum)" "$(printf %s "to <EMAIL_ADDRESS>, $(long)and <EMAIL_ADDRESS> again." | md5sum)"
asked ',"stream":true' | head -c 10 >"$D/.said"
check "nothing of it is held after it" wait_for says '^0$' metric held_bytes
control "$(head -c 3000000 /dev/zero | tr '\0' x | jq -cRs '{body:("data: {\"choices\":[{\"delta\":{\"content\":\"" + . + "\"}}]}\n\n"),content_type:"text/event-stream",times:1}' >/tmp/tg-big.$$; echo @/tmp/tg-big.$$)"
final is "an event over its cap is not passed unread" "$(asked ',"stream":true' | grep -c xxxx)" 0
rm -f /tmp/tg-big.$$
control '{}'
is "and the next request is served" "$(status $chat "$(say fine)")" 200
exit $failed
