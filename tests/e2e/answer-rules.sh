# Rules on responses: their effect on whole responses and streams, the result of `tollgate decide` for the same
# responses, and what `audit explain` and `policy replay` read from the journal.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

. "$here/auditor.bash"
auditor ann >"$D/mine.yaml"
stack_up --policy "$here/answer-rules.yaml" --config "$D/mine.yaml"
json='content-type: application/json'
tollgate=$build/tollgate
chat=/v1/chat/completions
alice=$(token) carol=$(token --claims '{"sub":"carol"}')
say() { jq -cn --arg t "$1" '{model:"echo",messages:[{role:"user",content:$t}]} + $more' --argjson more "${2:-{\}}"; }
post() { req POST $chat -H "authorization: Bearer $1" -H "$json" -d "$2"; }
content() { jq -r '.choices[0].message.content' <<<"$body"; }
text() { sed -n 's/^data: \({.*\)$/\1/p' <<<"$body" | jq -j '.choices[]?.delta.content // empty'; }
stream='{"stream":true}'
# The completion of the last request. Waits until it is written.
last() {
	settled
	cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -c "$1"
}

# ---- effects ----
post "$alice" "$(say 'his ssn is 536-22-1840')"
is "a whole response is denied with the rule's status" "$status" 451
like "the denial contains the rule's reason" "$body" 'no social security numbers'
unlike "the denial does not contain the value" "$body" '536-22'
post "$alice" "$(say 'his ssn is 536-22-1840 ok' "$stream")"
like "a denied stream ends with its error event" "$body" 'content_policy_violation'
unlike "the denied stream has no normal end" "$body" 'DONE'
unlike "the denied stream contains no part of the value" "$body" '536-'
post "$alice" "$(say 'paid with 4111 1111 1111 1111 today')"
is "a card number keeps four digits" "$(content)" 'paid with **** **** **** 1111 today'
post "$alice" "$(say 'paid with 4111 1111 1111 1111 today' "$stream")"
is "a card number keeps four digits in a stream" "$(text)" 'paid with **** **** **** 1111 today'
post "$carol" "$(say 'paid with 4111 1111 1111 1111 today')"
is "a person in the rule's exception gets the whole card number" "$(content)" 'paid with 4111 1111 1111 1111 today'
post "$carol" "$(say 'paid with 4111 1111 1111 1111 today' "$stream")"
is "that person gets the whole card number in a stream too" "$(text)" 'paid with 4111 1111 1111 1111 today'
post "$alice" "$(say 'pay to DE89370400440532013000')"
is "a rule in shadow mode does not change the response" "$status $(content)" '200 pay to DE89370400440532013000'
is "the record has the shadow rule's decision" "$(last '[.answer.decision,.answer.would,.answer.would_rule]')" '["permit","deny","out-iban"]'
long=$(printf 'word %.0s' {1..120})
post "$alice" "$(say "$long")"
is "a whole response that is too long is denied" "$status" 403
post "$alice" "$(say "$long" "$stream")"
like "a stream that is too long is denied at the end of its block" "$body" 'too long'
unlike "that stream has no normal end" "$body" 'DONE'
post "$alice" '{"model":"say:fine","messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "a rule reads the request and the finish reason, and adds a tag" "$(last .answer.tags)" '["told"]'
post "$alice" '{"model":"say:fine","stream":true,"messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "the rule adds the tag to a stream too" "$(last .answer.tags)" '["told"]'
req POST $chat -H "authorization: Bearer $alice" -H "$json" -H 'transfer-encoding: chunked' \
	-d '{"model":"say:fine","messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "the rule adds the tag if the body arrives after the head" "$(last .answer.tags)" '["told"]'
# A rule can read the request's content in any case: however the body arrived, and whatever the steps did with it.
for n in 10 400000; do
	head -c $n /dev/zero | tr '\0' x | fold -w 60 >"$D/filler"
	jq -cn --rawfile t "$D/filler" \
		'{seed:8,tools:[],model:"say:fine",messages:[{role:"user",content:("mail jane@example.com " + $t)}]}' >"$D/asked.json"
	gzip -kf "$D/asked.json"
	while IFS='|' read -r name more; do
		# shellcheck disable=SC2086
		req POST $chat -H "authorization: Bearer $alice" -H "$json" -H expect: $more
		is "a rule on responses reads a request of $n bytes, $name" "$status" 451
	done <<-T
	as it is|--data-binary @$D/asked.json
	in gzip|-H content-encoding:gzip --data-binary @$D/asked.json.gz
	in gzip and chunks|-H content-encoding:gzip -H transfer-encoding:chunked --data-binary @$D/asked.json.gz
	T
done
post "$alice" '{"model":"asked","seed":7,"messages":[{"role":"user","content":"hi"}]}'
is "model.name is the requested model" "$(last .answer.tags)" '["swapped"]'
req GET /v1/models -H "authorization: Bearer $alice"
via=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -r .via)
is "a route without a rule on responses uses the direct path" "$status $via" '200 direct'

# Two choices: text that was read before the first one ended still counts at the end of the second.
chunk() { printf 'data: {"id":"c","choices":[{"index":%s,"delta":{%s},"finish_reason":%s}]}\n\n' "$1" "$2" "$3"; }
fetch POST "$PROVIDER/_control" "$(jq -cn --arg b "$(chunk 0 '"content":"a"' null; chunk 0 '' '"length"'; chunk 1 '"content":"b"' null; chunk 1 '' '"stop"'; printf 'data: [DONE]\n\nx')" '{body:($b|rtrimstr("x")),content_type:"text/event-stream",times:1}')" >/dev/null
post "$alice" '{"model":"say:fine","stream":true,"n":2,"messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "the tags are those of the whole stream" "$(last '[.answer.tags,.answer.verdict.tags,.answer.finish_reason]')" '[["cut","told"],["told"],"stop"]'

# ---- tollgate decide ----
decide() {
	jq -n --arg t "$1" '{path:"/v1/chat/completions",headers:{"content-type":"application/json"},identity:{person:"alice"},
		body:({model:"m",messages:[{role:"user",content:"hi"}]}|tojson),
		response:{body:({choices:[{index:0,finish_reason:"stop",message:{role:"assistant",content:$t}}]}|tojson)}}' |
		"$tollgate" decide -c "$D/tollgate.yaml" | jq -c "$2"
}
is "decide denies the same response" "$(decide 'his ssn is 536-22-1840' '[.decision,.response.decision,.response.status,.response.rule]')" '["permit","deny",451,"out-ssn"]'
is "decide redacts the same response" "$(decide 'paid with 4111 1111 1111 1111 today' '.response.body|fromjson|.choices[0].message.content')" '"paid with **** **** **** 1111 today"'

# ---- the journal ----
# If rules read a tool call's arguments, these are sealed where the route keeps texts. Replay with the auditor's key
# judges them again, if no value was found in them.
again() { "$tollgate" policy replay -c "$D/tollgate.yaml" --journal "$JOURNAL" "$@"; }
key=(--key "$D/ann.key" --reason "a drill")
pay() {
	control "$(jq -cn --arg a "$1" '{body:({choices:[{index:0,message:{role:"assistant",tool_calls:[{id:"t",type:"function",function:{name:"pay",arguments:$a}}]},finish_reason:"tool_calls"}]}|tojson),content_type:"application/json",times:1}')"
	post "$alice" '{"model":"say:fine","messages":[{"role":"user","content":"hi"}]}'
}
pay '{"amount":50}'
is "a rule reads a tool call's arguments, and no record contains them" "$(last '[.answer.tags,.answer.verdict.tool_arguments,.tools_kept.how,.tools_kept.form]')" '[["much"],null,"redacted","texts"]'
like "without the key, replay does not compare the arguments" "$(again)" 'not compared 1: arguments of tool calls are unknown: they are sealed'
like "with the key, replay compares the arguments" "$(again "${key[@]}")" ' the same, 0 different$'
like "the journal records that a share was opened" "$(cat "$JOURNAL"/* | tr -d '\0' | grep -c '"read":"open"')" '^1$'
like "without the key, explain shows that the arguments are sealed" "$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml")" 'not held: tool.arguments: they are sealed'
like "with the key, explain shows the arguments" "$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" "${key[@]}")" 'tool.arguments was {"amount":50}'
pay '{"amount":5,"to":"4111 1111 1111 1111"}'
is "a value is found and redacted in the arguments" "$(last '[.answer.tags,.answer.redactions]')" '[null,1]'
like "if a value was redacted, replay cannot compare the arguments" "$(again "${key[@]}")" 'not compared 1: arguments of tool calls are unknown'
post "$alice" "$(say 'his ssn is 536-22-1840')"
last .id >/dev/null
told=$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml")
like "explain names the rule that denied the response" "$told" 'matched +out-ssn matched: .*response.entities was \["NATIONAL_ID", ?"TAX_ID", ?"US_SSN"\].*it denies with 451'
like "explain evaluates the rules again with the same result" "$told" 'response: deny by out-ssn, rules evaluated at: whole'
replay=$(again "${key[@]}")
like "replay evaluates the rules for each response" "$replay" '^2[0-9] answers: (2[0-9]) the same, 0 different, 1 not compared$'
sed 's/status: 451/status: 403/' "$here/answer-rules.yaml" >"$D/other.yaml"
cp "$here/answer-rules.people.yaml" "$D/"
like "replay counts the differences under another policy" "$("$tollgate" policy replay -c "$D/tollgate.yaml" --policy "$D/other.yaml" --journal "$JOURNAL")" 'status 451 → 403'
checked=$("$tollgate" check -c "$D/tollgate.yaml")

# ---- the head ----
noted() {
	control "$(jq -cn --arg v "$1" --argjson s "${3:-200}" '{headers:{"x-note":$v},status:$s,times:1}')"
	post "$alice" "$(say fine "${2:-{\}}")"
}
noted 'paid with 4111 1111 1111 1111'
is "a value in a header field of the response is replaced" "$status $(header x-note) $(content)" '200 paid with **** **** **** 1111 fine'
noted 'paid with 4111 1111 1111 1111' "$stream"
is "a value in a header field of a stream is replaced" "$status $(header x-note) $(text)" '200 paid with **** **** **** 1111 fine'
noted 'his ssn is 536-22-1840' "$stream"
is "a value in a header field can deny the response before it begins" "$status $(header x-note) $(jq -r .error.code <<<"$body")" '451  content_policy_violation'
noted 'paid with 4111 1111 1111 1111' '{}' 204
is "a value in the head of a 204 response is replaced" "$status $(header x-note)" '204 paid with **** **** **** 1111'
is "the record of the 204 has the redaction" "$(last '[.answer.redactions,.status]')" '[1,204]'
noted 'his ssn is 536-22-1840' '{}' 204
is "a value in the head of a 204 response can deny it" "$status $(header x-note) $(jq -r .error.code <<<"$body")" '451  content_policy_violation'
exit $failed
