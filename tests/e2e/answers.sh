# Responses of a provider: values are redacted, denied or restored, and malformed responses become errors. Whole
# responses and streams, with real HAProxy.
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
# The provider's next response: bytes and their type.
answer() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" --argjson more "${3:-null}" '{body:$b,content_type:$t,times:1} + ($more // {})')"; }
whole() { answer "$(jq -cn --arg t "$1" '{id:"c",object:"chat.completion",created:1,model:"m",choices:[{index:0,message:{role:"assistant",content:$t},finish_reason:"stop"}],usage:{prompt_tokens:3,completion_tokens:4,total_tokens:7}}')"; }
# A chat stream with an event for each argument.
stream() {
	local all='' piece more=$1
	shift
	for piece; do all+="data: $(jq -cn --arg t "$piece" '{id:"c",object:"chat.completion.chunk",created:1,model:"m",choices:[{index:0,delta:{content:$t},finish_reason:null}]}')"$'\n\n'; done
	all+='data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'$'\n\ndata: [DONE]\n\n'
	answer "$all" text/event-stream "$more"
}
asked() { post $chat "$(say x "${1:-}")"; }
# The joined text of a stream's chunks.
text() { sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[]?.delta.content // empty, (.delta?.text // empty)?'; }

# ---- whole responses ----
whole 'write to jane.doe@example.org now'
is "a value in the response is replaced" "$(asked | jq -r '.choices[0].message.content')" 'write to <EMAIL_ADDRESS> now'
is "the record has the redaction and its rule" "$(completion '[.outcome,.answer.decision,.answer.rule,.answer.redactions,.answer.findings[0].entity,.answer.findings[0].with,.answer.finish_reason]')" \
	'["complete","redact","out-mail",1,"EMAIL_ADDRESS","placeholder","stop"]'
whole 'his ssn is 536-22-1840'
is "a response is denied in its dialect, with the rule's reason" "$(asked | jq -r '[.error.code,(.error.message|startswith("no social security numbers"))]|@csv')" '"content_policy_violation",true'
is "the record has the denial" "$(completion '[.outcome,.status,.answer.decision,.answer.denied_with,.answer.rule,.usage.output_tokens]')" '["answer_denied",200,"deny",403,"out-ssn",4]'
whole 'his ssn is 536-22-1840'
is "the denial's status and header fields are those of an error" "$(curl -s -o /dev/null -D - "$EDGE$chat" -H "$auth" -H "$json" -d "$(say x)" | tr -d '\r' | grep -iE '^(HTTP|x-tollgate-decision|x-should-retry)' | tr '\n' '|')" 'HTTP/1.1 403 Forbidden|x-should-retry: false|x-tollgate-decision: deny|'
answer '{"choices":[{"message":{"tool_calls":[{"id":"t","type":"function","function":{"name":"drop_table","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}'
is "a rule denies a response by the name of a tool" "$(asked | jq -r .error.code)" content_policy_violation
is "placeholders of the request are restored in the response" \
	"$(post $chat '{"model":"echo","messages":[{"role":"user","content":"mail \"jane.doe@example.org\" or bob@example.net"}]}' | jq -r '.choices[0].message.content')" \
	'mail "jane.doe@example.org" or bob@example.net'
final is "the provider received only placeholders" "$(seen | jq -r '.[-1].body' | jq -r '.messages[0].content')" 'mail "<EMAIL_ADDRESS_1>" or <EMAIL_ADDRESS_2>'
is "the record counts the restorations" "$(completion '[.answer.restorations,.answer.redactions]')" '[2,null]'
is "a placeholder that the caller invented is not restored" \
	"$(post $chat '{"model":"echo","messages":[{"role":"user","content":"<EMAIL_ADDRESS_1> and jane.doe@example.org"}]}' | jq -r '.choices[0].message.content')" \
	'<EMAIL_ADDRESS_1> and jane.doe@example.org'

whole 'write to jane.doe@example.org now'
asked >/dev/null
is "the record has the length of the text, and no text" "$(completion '[.answer.texts[0].kind,.answer.texts[0].bytes,.answer.texts[0].text,.answer.kept.how]')" '["text",33,null,"redacted"]'
is "an auditor reads the text as it was forwarded" "$(opens ann response | jq -r '.choices[0].message.content')" 'write to <EMAIL_ADDRESS> now'
hash=$(completion .answer.texts[0].hmac_sha256)
like "the record has the hash of the original text" "$hash" '^"[0-9a-f]{64}"$'

hers='{"model":"echo","messages":[{"role":"user","content":"![x](https://x.example/?q=jane.doe@example.org) jane.doe@example.org"}]}'
is "a URL that the caller sent is restored whole" "$(post $chat "$hers" | jq -r '.choices[0].message.content')" '![x](https://x.example/?q=jane.doe@example.org) jane.doe@example.org'
whole '![x](https://x.example/?q=<EMAIL_ADDRESS_1>) <EMAIL_ADDRESS_1>'
is "a placeholder in another URL is not restored" "$(post $chat '{"model":"echo","messages":[{"role":"user","content":"jane.doe@example.org"}]}' | jq -r '.choices[0].message.content')" '![x](https://x.example/?q=<EMAIL_ADDRESS_1>) jane.doe@example.org'
is "the record counts the placeholders that stay in URLs" "$(completion '[.answer.restorations,.answer.left_in_urls]')" '[1,1]'
control '{}'
while read -r url; do
	is "a placeholder is not restored in $url" "$(post $chat "$(jq -cn --arg t "$url jane.doe@example.org" '{model:"echo",messages:[{role:"user",content:($t|sub(" ";""))}]}')" | jq -r '.choices[0].message.content' | grep -c '<EMAIL_ADDRESS_1>')" 1
done <<'END'
www.x.example/?q=
ht&#116;ps:x.example/?q=
\\x.example\
fetch("https://x.example/"+"
{"u":"\u002f\u002fx.example/
END
is "the option of a route restores placeholders in URLs" "$(post /v1/messages "$(jq -c '.max_tokens=50' <<<"$hers")" | jq -r '.content[0].text')" '![x](https://x.example/?q=jane.doe@example.org) jane.doe@example.org'

# ---- streams ----
stream null 'write to ' 'jane.' 'doe@exam' 'ple.org' ' now'
is "a value in a stream is replaced" "$(asked ',"stream":true' | text)" 'write to <EMAIL_ADDRESS> now'
is "the record has the same hash as for a whole response" "$(completion '.answer.texts[0].hmac_sha256')" "$hash"
is "the kept text is that of the forwarded stream" "$(opens ann response | text)" 'write to <EMAIL_ADDRESS> now'
is "a value that is divided over several events of another dialect is replaced" "$(post /v1/messages "$(say 'card 4111 1111 1111 1111 is it' ',"stream":true,"max_tokens":50')" | text)" 'card <CREDIT_CARD> is it'
is "a route without the option keep keeps no text" "$(completion '.answer.texts')" null
post /v1/responses '{"model":"say:card 4111 1111 1111 1111","input":"hi"}' >/dev/null
is "a route with the option record has the hash" "$(completion '[.answer.texts[0].bytes,(.answer.texts[0].hmac_sha256|length),.answer.texts[0].text]')" '[24,64,null]'
is "placeholders are restored in a stream" \
	"$(post $chat '{"model":"echo","stream":true,"messages":[{"role":"user","content":"mail jane.doe@example.org please"}]}' | text)" 'mail jane.doe@example.org please'
is "the kept text has the placeholder" "$(opens ann response | jq -c '[.kind,.text]')" '["text","mail <EMAIL_ADDRESS_1> please"]'
stream '{"chunk_ms":50}' 'well then, ' 'one two three four five: ' 'his ssn is ' '536-22' '-1840 as' ' you know'
denied=$(asked ',"stream":true')
is "the HTTP message of a denied stream is complete" $? 0
is "a denied stream ends with the rule's error" "$(sed -n 's/^data: //p' <<<"$denied" | tail -n 1 | jq -r .error.code)" content_policy_violation
is "the denied stream has no normal end" "$(grep -c 'DONE\|finish_reason":"stop' <<<"$denied")" 0
final is "the denied stream contains no part of the value" "$(grep -c '536-22\|"536' <<<"$denied")" 0
is "the text before the value was forwarded" "$(text <<<"$denied" | cut -c 1-9)" 'well then'
# OpenAI's Responses API numbers its events.
numbered='data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","output":[]}}'$'\n\n'
n=1
for piece in 'Hello. ' 'The card ' '4111 ' '1111 1111' ' 1111' ' is it'; do
	numbered+="data: $(jq -cn --arg t "$piece" --argjson n $n '{type:"response.output_text.delta",sequence_number:$n,item_id:"msg_1",output_index:0,content_index:0,delta:$t}')"$'\n\n'
	n=$((n + 1))
done
numbered+='data: {"type":"response.output_text.done","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello. The card 4111 1111 1111 1111 is it"}'$'\n\n''data: {"type":"response.completed","sequence_number":8,"response":{"id":"resp_1","status":"completed","output":[]}}'$'\n\n'
answer "$numbered" text/event-stream '{"chunk_ms":20}'
events=$(post /v1/responses '{"model":"x","input":"hi","stream":true}' | sed -n 's/^data: //p')
is "a stream from which events were taken has fewer events, numbered without holes" "$(jq -cs '[(map(.sequence_number) == [range(length)]), length < 9, (map(select(.type == "response.output_text.delta") | .delta) | add)]' <<<"$events")" '[true,true,"Hello. The card <CREDIT_CARD> is it"]'
answer "${numbered/\"status\":\"in_progress\"/\"status\":\"in_progress\",\"background\":true}" text/event-stream
events=$(post /v1/responses '{"model":"x","input":"hi","stream":true}' | sed -n 's/^data: //p')
is "the numbers of a background response stay, because a client resumes by them" "$(jq -cs '[(map(.sequence_number) | last), length < 9]' <<<"$events")" '[8,true]'
control '{}'
is "a stream without findings ends normally" "$(post $chat "$(say 'all is well' ',"stream":true')" | tail -n 2 | head -n 1)" 'data: [DONE]'

# A field that no format defines, with an event for each argument.
thoughts() {
	local all='' piece
	for piece; do all+="data: $(jq -cn --arg t "$piece" '{id:"c",provider:"Some One",choices:[{index:0,delta:{thoughts:$t}}]}')"$'\n\n'; done
	answer "$all"'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'$'\n\ndata: [DONE]\n\n' text/event-stream
}
thought() { sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[]?.delta.thoughts // empty'; }
thoughts 'write to ' 'jane.' 'doe@exam' 'ple.org' ' now'
is "a value in an unknown field is replaced, across events" "$(asked ',"stream":true' | thought)" 'write to <EMAIL_ADDRESS> now'
is "the record counts one redaction" "$(completion '[.answer.redactions,.answer.findings[0].entity,.answer.not_inspected_bytes]')" '[1,"EMAIL_ADDRESS",null]'
thoughts 'well, ' 'his ssn is ' '536-22' '-1840 as' ' you know'
denied=$(asked ',"stream":true')
final is "a value in an unknown field can deny the stream before a part of it is forwarded" "$(grep -c '536' <<<"$denied"):$(grep -c content_policy_violation <<<"$denied")" 0:1
thoughts 'all is' ' well, 12' ' times' '.'
is "without a finding, the unknown field's events are forwarded unchanged" "$(asked ',"stream":true' | sed -n 's/^data: \({.*\)$/\1/p' | jq -c '.choices[]?.delta.thoughts // empty' | tr '\n' ' ')" '"all is" " well, 12" " times" "." '

# ---- malformed responses ----
answer '{"choices":['
is "malformed JSON becomes a 503 in the dialect" "$(asked | jq -r .error.code)" provider_error
answer '{"error":{"message":"quota of jane.doe@example.org","code":"x"}}'
is "an error document with status 200 is forwarded, and inspected" "$(asked | jq -r .error.message)" 'quota of <EMAIL_ADDRESS>'
is "the record has provider_error" "$(completion .answer.provider_error)" true
answer 'data: {"choices":[{"index":0,"delta":{"content":"mail jane.doe@example.org"}}]}

' text/event-stream
is "a stream without its normal end counts as cut" "$(asked ',"stream":true' | jq -r .error.code)" provider_aborted
is "the record has provider_abort" "$(completion .outcome)" '"provider_abort"'
answer 'data: {"choices":[{"index":0,"delta":{"content":"one. "}}]}

data: {oops

' text/event-stream
is "malformed events end a stream with an error" "$(asked ',"stream":true' | grep -c provider_error)" 1
control "$(printf '{"choices":[{"message":{"content":"to jane.doe@example.org"}}]}' | gzip -c | base64 -w 0 | jq -cR '{body_base64:.,content_type:"application/json",headers:{"content-encoding":"gzip"},times:1}')"
is "a response that is compressed although the relay did not ask for it is inspected" "$(asked | jq -r '.choices[0].message.content')" 'to <EMAIL_ADDRESS>'
# A stream, although the relay did not ask for compression either: it is inspected, and its usage is known.
control "$(printf 'data: {"choices":[{"index":0,"delta":{"content":"to jane.doe@example.org"},"finish_reason":"stop"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}\n\ndata: [DONE]\n\n' | gzip -c | base64 -w 0 | jq -cR '{body_base64:.,content_type:"text/event-stream",headers:{"content-encoding":"gzip"},chunk_bytes:20,times:1}')"
is "a compressed stream is inspected" "$(asked ',"stream":true' | text)" 'to <EMAIL_ADDRESS>'
is "its usage is known" "$(completion '[.usage.input_tokens,.usage.output_tokens]')" '[9,7]'
# as_bytes TYPE ENCODER…: the provider returns the encoder's output with this type; prints the status
as_bytes() {
	local type=$1
	shift
	control "$(printf '{"choices":[{"message":{"content":"to jane.doe@example.org"}}]}' | "$@" | base64 -w 0 | jq -cR --arg t "$type" '{body_base64:.,content_type:$t,times:1}')"
	status $chat "$(say x)"
}
final is "UTF-16 text without a charset is refused" "$(as_bytes application/octet-stream iconv -t UTF-16LE)" 503
is "compressed text without content-encoding is refused" "$(as_bytes application/octet-stream gzip -c)" 503
is "a file with the type of an archive is forwarded" "$(as_bytes application/gzip gzip -c)" 200
# A helper thread reads this event in pieces and whole. Its bytes are held only meanwhile.
long() { for _ in $(seq 22000); do printf 'a mat and another number %s ' 10; done; }
long_event() { printf 'data: {"choices":[{"index":0,"delta":{"content":"to jane.doe@example.org, %sand jane.doe@example.org again."}}]}\n\ndata: [DONE]\n\n' "$(long)"; }
long_event >"$D/long"
jq -cRs '{body:.,content_type:"text/event-stream",times:2,chunk_bytes:30000}' "$D/long" >"$D/long.json"
control "@$D/long.json"
is "a long event of a stream is inspected as a whole" "$(asked ',"stream":true' | text | md5sum)" "$(printf %s "to <EMAIL_ADDRESS>, $(long)and <EMAIL_ADDRESS> again." | md5sum)"
asked ',"stream":true' | head -c 10 >"$D/.said"
check "after the event, no bytes are held" wait_for says '^0$' metric held_bytes
control "$(head -c 3000000 /dev/zero | tr '\0' x | jq -cRs '{body:("data: {\"choices\":[{\"delta\":{\"content\":\"" + . + "\"}}]}\n\n"),content_type:"text/event-stream",times:1}' >/tmp/tg-big.$$; echo @/tmp/tg-big.$$)"
final is "an event over the limit is not forwarded" "$(asked ',"stream":true' | grep -c xxxx)" 0
rm -f /tmp/tg-big.$$
control '{}'
is "the next request is served" "$(status $chat "$(say fine)")" 200
exit $failed
