# Rules on answers: what they do to whole answers and to streams, what decide says of the same
# answers, and what audit explain and policy replay read back from the journal.
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
# The completion of the last request, once it is written.
last() {
	settled
	cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -c "$1"
}

# ---- what it does ----
post "$alice" "$(say 'his ssn is 536-22-1840')"
is "a whole answer is denied with the rule's status" "$status" 451
like "and reason" "$body" 'no social security numbers'
unlike "and without the value" "$body" '536-22'
post "$alice" "$(say 'his ssn is 536-22-1840 ok' "$stream")"
like "a stream ends with its error event" "$body" 'content_policy_violation'
unlike "and no normal end" "$body" 'DONE'
unlike "nor any of the value" "$body" '536-'
post "$alice" "$(say 'paid with 4111 1111 1111 1111 today')"
is "a card keeps four digits" "$(content)" 'paid with **** **** **** 1111 today'
post "$alice" "$(say 'paid with 4111 1111 1111 1111 today' "$stream")"
is "in a stream too" "$(text)" 'paid with **** **** **** 1111 today'
post "$carol" "$(say 'paid with 4111 1111 1111 1111 today')"
is "not for whom the data excepts" "$(content)" 'paid with 4111 1111 1111 1111 today'
post "$carol" "$(say 'paid with 4111 1111 1111 1111 today' "$stream")"
is "in a stream either" "$(text)" 'paid with 4111 1111 1111 1111 today'
post "$alice" "$(say 'pay to DE89370400440532013000')"
is "a rule in shadow lets it pass" "$status $(content)" '200 pay to DE89370400440532013000'
is "and is recorded" "$(last '[.answer.decision,.answer.would,.answer.would_rule]')" '["permit","deny","out-iban"]'
long=$(printf 'word %.0s' {1..120})
post "$alice" "$(say "$long")"
is "a whole answer that is too long is denied" "$status" 403
post "$alice" "$(say "$long" "$stream")"
like "a stream at its block's end" "$body" 'too long'
unlike "which has no normal end" "$body" 'DONE'
post "$alice" '{"model":"say:fine","messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "a tag by the request and the finish reason" "$(last .answer.tags)" '["told"]'
post "$alice" '{"model":"say:fine","stream":true,"messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "in a stream too" "$(last .answer.tags)" '["told"]'
req POST $chat -H "authorization: Bearer $alice" -H "$json" -H 'transfer-encoding: chunked' \
	-d '{"model":"say:fine","messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "nor does it matter that the body came late" "$(last .answer.tags)" '["told"]'
# What a rule reads of the request is there, however the body came, and whatever became of it.
for n in 10 400000; do
	head -c $n /dev/zero | tr '\0' x | fold -w 60 >"$D/filler"
	jq -cn --rawfile t "$D/filler" \
		'{seed:8,tools:[],model:"say:fine",messages:[{role:"user",content:("mail jane@example.com " + $t)}]}' >"$D/asked.json"
	gzip -kf "$D/asked.json"
	while IFS='|' read -r name more; do
		# shellcheck disable=SC2086
		req POST $chat -H "authorization: Bearer $alice" -H "$json" -H expect: $more
		is "a rule on answers reads a request of $n bytes, $name" "$status" 451
	done <<-T
	as it is|--data-binary @$D/asked.json
	in gzip|-H content-encoding:gzip --data-binary @$D/asked.json.gz
	in gzip and chunks|-H content-encoding:gzip -H transfer-encoding:chunked --data-binary @$D/asked.json.gz
	T
done
post "$alice" '{"model":"asked","seed":7,"messages":[{"role":"user","content":"hi"}]}'
is "model.name is the one that was asked for" "$(last .answer.tags)" '["swapped"]'
req GET /v1/models -H "authorization: Bearer $alice"
via=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -r .via)
is "a route that no rule may reach goes direct" "$status $via" '200 direct'

# Two choices: what was said when the first one ended is not forgotten at the second one's end.
chunk() { printf 'data: {"id":"c","choices":[{"index":%s,"delta":{%s},"finish_reason":%s}]}\n\n' "$1" "$2" "$3"; }
fetch POST "$PROVIDER/_control" "$(jq -cn --arg b "$(chunk 0 '"content":"a"' null; chunk 0 '' '"length"'; chunk 1 '"content":"b"' null; chunk 1 '' '"stop"'; printf 'data: [DONE]\n\nx')" '{body:($b|rtrimstr("x")),content_type:"text/event-stream",times:1}')" >/dev/null
post "$alice" '{"model":"say:fine","stream":true,"n":2,"messages":[{"role":"user","content":"mail jane@example.com"}]}'
is "the tags are those of all of a stream" "$(last '[.answer.tags,.answer.verdict.tags,.answer.finish_reason]')" '[["cut","told"],["told"],"stop"]'

# ---- what decide says of the same ----
decide() {
	jq -n --arg t "$1" '{path:"/v1/chat/completions",headers:{"content-type":"application/json"},identity:{person:"alice"},
		body:({model:"m",messages:[{role:"user",content:"hi"}]}|tojson),
		response:{body:({choices:[{index:0,finish_reason:"stop",message:{role:"assistant",content:$t}}]}|tojson)}}' |
		"$tollgate" decide -c "$D/tollgate.yaml" | jq -c "$2"
}
is "decide denies it too" "$(decide 'his ssn is 536-22-1840' '[.decision,.response.decision,.response.status,.response.rule]')" '["permit","deny",451,"out-ssn"]'
is "and redacts it alike" "$(decide 'paid with 4111 1111 1111 1111 today' '.response.body|fromjson|.choices[0].message.content')" '"paid with **** **** **** 1111 today"'

# ---- what the journal says ----
# Arguments that rules read are sealed where the route keeps them; where nothing was found they are judged again, by a key.
again() { "$tollgate" policy replay -c "$D/tollgate.yaml" --journal "$JOURNAL" "$@"; }
key=(--key "$D/ann.key" --reason "a drill")
pay() {
	control "$(jq -cn --arg a "$1" '{body:({choices:[{index:0,message:{role:"assistant",tool_calls:[{id:"t",type:"function",function:{name:"pay",arguments:$a}}]},finish_reason:"tool_calls"}]}|tojson),content_type:"application/json",times:1}')"
	post "$alice" '{"model":"say:fine","messages":[{"role":"user","content":"hi"}]}'
}
pay '{"amount":50}'
is "a rule reads arguments, and no record has them" "$(last '[.answer.tags,.answer.verdict.tool_arguments,.tools_kept.how,.tools_kept.form]')" '[["much"],null,"redacted","texts"]'
like "without a key they are not held" "$(again)" 'not compared 1: arguments of tool calls are unknown: they are sealed'
like "with it replay judges them again" "$(again "${key[@]}")" ' the same, 0 different$'
like "by a share that is on record" "$(cat "$JOURNAL"/* | tr -d '\0' | grep -c '"read":"open"')" '^1$'
like "explain says what is not held" "$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml")" 'not held: tool.arguments: they are sealed'
like "and with the key what it was" "$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" "${key[@]}")" 'tool.arguments was {"amount":50}'
pay '{"amount":5,"to":"4111 1111 1111 1111"}'
is "something was found in the answer" "$(last '[.answer.tags,.answer.redactions]')" '[null,1]'
like "then they are not as rules read them" "$(again "${key[@]}")" 'not compared 1: arguments of tool calls are unknown'
post "$alice" "$(say 'his ssn is 536-22-1840')"
last .id >/dev/null
told=$("$tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml")
like "explain tells the rule that denied the answer" "$told" 'matched +out-ssn matched: .*response.entities was \["US_SSN"\].*it denies with 451'
like "and that it comes out the same again" "$told" 'answer: deny by out-ssn, rules evaluated at: whole'
replay=$(again "${key[@]}")
like "replay judges every answer again" "$replay" '^2[0-9] answers: (2[0-9]) the same, 0 different, 1 not compared$'
sed 's/status: 451/status: 403/' "$here/answer-rules.yaml" >"$D/other.yaml"
cp "$here/answer-rules.people.yaml" "$D/"
like "and counts what another policy would do" "$("$tollgate" policy replay -c "$D/tollgate.yaml" --policy "$D/other.yaml" --journal "$JOURNAL")" 'status 451 → 403'
checked=$("$tollgate" check -c "$D/tollgate.yaml")

# ---- the head ----
noted() {
	control "$(jq -cn --arg v "$1" --argjson s "${3:-200}" '{headers:{"x-note":$v},status:$s,times:1}')"
	post "$alice" "$(say fine "${2:-{\}}")"
}
noted 'paid with 4111 1111 1111 1111'
is "what is found in a field of the head is replaced" "$status $(header x-note) $(content)" '200 paid with **** **** **** 1111 fine'
noted 'paid with 4111 1111 1111 1111' "$stream"
is "of a stream too" "$status $(header x-note) $(text)" '200 paid with **** **** **** 1111 fine'
noted 'his ssn is 536-22-1840' "$stream"
is "or the answer is denied before it began" "$status $(header x-note) $(jq -r .error.code <<<"$body")" '451  content_policy_violation'
noted 'paid with 4111 1111 1111 1111' '{}' 204
is "so it is where no body follows" "$status $(header x-note)" '204 paid with **** **** **** 1111'
is "and its record says so" "$(last '[.answer.redactions,.status]')" '[1,204]'
noted 'his ssn is 536-22-1840' '{}' 204
is "which is denied too" "$status $(header x-note) $(jq -r .error.code <<<"$body")" '451  content_policy_violation'
exit $failed
