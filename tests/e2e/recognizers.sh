# External recognizers behind real HAProxy: findings of a simulated one are redacted on each path of a body. If it
# does not respond, the policy's outcome applies.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "recognizers" "node is not installed"; exit 0; }
node "$root/tests/support/recognizer.mjs" "$D/recognizer" >"$D/recognizer.log" 2>&1 &
recognizer=$!
trap 'kill $recognizer 2>/dev/null; finish' EXIT
wait_for test -s "$D/recognizer"
R=$(cat "$D/recognizer")
{
	sed -e '/^rules:/,$d' "$here/policy.yaml"
	cat <<-YAML
	detectors:
	  external:
	    - {name: ner, url: "$R/analyze", entities: [PERSON], timeout: 12s, cache: {ttl: 60s}, breaker: {failures: 1000},
	       when: 'route.name in ["chat", "messages"]'}
	    - {name: mood, url: "$R/predict", shape: json, request: '{"inputs":\$texts}', map: {toxic: TOXICITY}, class: conduct,
	       timeout: 12s, when: 'route.name == "direct"', on_failure: permit}
	    - {name: mod, url: "$R/v1/moderations", shape: openai_moderation, timeout: 12s, when: 'route.name == "legal"',
	       on_failure: redact}
	    - {name: guard, url: "$R/v1/chat/completions", shape: json, request: '{"model":"g","messages":[{"role":"user","content":\$text}]}',
	       answer: {label: /choices/0/message/content}, map: {safe: null, unsafe: UNSAFE, 'S*': null}, class: conduct, timeout: 12s,
	       when: 'route.name == "messages"', on_failure: deny, breaker: {failures: 1000}}
	    - {name: shields, url: "$R/contentsafety/text:shieldPrompt?api-version=2024-09-01", shape: json, request: '{"userPrompt":\$text,"documents":[]}',
	       answer: {label: /userPromptAnalysis/attackDetected}, map: {true: PROMPT_ATTACK, false: null}, class: conduct, timeout: 12s,
	       when: 'route.name == "messages"', on_failure: deny, breaker: {failures: 1000}}
	    - {name: lakera, url: "$R/v2/guard", shape: json, request: '{"messages":[{"role":"user","content":\$text}]}',
	       answer: {label: /flagged}, map: {true: LAKERA, false: null}, class: conduct, timeout: 12s,
	       when: 'route.name == "messages"', on_failure: deny, breaker: {failures: 1000}}
	rules:
	  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
	  - {name: conduct, when: '"conduct" in prompt.classes', deny: {reason: house rules}}
	  - {name: names, redact: {entities: [PERSON], classes: [pii, moderation]}}
	default: permit
	limits: []
	YAML
} >"$D/policy.yaml"
# one worker, because each worker has its own memory of results
{
	grep -v '^workers:' "$here/config.yaml"
	echo 'workers: 1'
} >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
rc() { curl -s "$R/_control" -d "$1" >/dev/null; }
asked() { curl -s "$R/_seen"; }
chat() { req POST /v1/chat/completions -H "$auth" -H "$json" "${@:2}" -d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
provider_got() { seen | sed 's/\\"/"/g'; }

chat '😀 李: zor blax met quuxel at a@example.com'
is "a request with persons passes" "$status" 200
like "persons after an emoji and Chinese text are replaced" "$(provider_got)" '😀 李: <PERSON_1> met <PERSON_2> at <EMAIL_ADDRESS_1>'
rc '{}'
chat '😀 李: zor blax met quuxel at a@example.com'
is "the same text is not sent to the recognizer again" "$(asked)" '{"calls":0,"texts":0}'
like "it is still redacted" "$(provider_got)" '<PERSON_1> met <PERSON_2>'
chat 'deferred zor blax' -H 'transfer-encoding: chunked'
is "a body without a length passes" "$status" 200
like "it is redacted" "$(provider_got)" 'deferred <PERSON_1>'
{ printf '{"model":"echo","messages":[{"role":"user","content":"zor blax '; for _ in $(seq 900); do printf 'words of a long history that was never asked about %s ' "$RANDOM"; done; printf '"},{"role":"user","content":"end quuxel"}]}'; } >"$D/long"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/long"
is "a long body passes" "$status" 200
unlike "it contains no name any more" "$(provider_got)" 'zor blax|quuxel'
req POST /api/direct/x -H "$auth" -H "$json" -d '{"a":"zor blax"}'
is "a recognizer of whole texts can deny" "$status" 403
req POST /api/direct/x -H "$auth" -H "$json" -d '{"a":"nobody"}'
is "a recognizer of whole texts can permit" "$status" 200
req POST /api/legal -H "$auth" -H "$json" -d '{"a":"hit quuxel","b":"fine"}'
like "a flagged text is replaced as a whole" "$(provider_got)" '"a":"<MODERATION_VIOLENCE_1>","b":"fine"'
req POST /api/relay/x -H "$auth" -H "$json" -d '{"a":"zor blax"}'
like "a route whose condition is false does not call the recognizer" "$(provider_got)" 'zor blax'

# Services that answer with a boolean or with words
ask_guards() { req POST /v1/messages -H "$auth" -H "$json" -d "{\"model\":\"echo\",\"max_tokens\":99,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
ask_guards 'a harmless text'
is "three such services find nothing in a harmless text" "$status" 200
ask_guards 'a text of quuxel'
is "they flag a bad text" "$status $(jq -r .error.message <<<"$body" | grep -c 'house rules')" '403 1'
like "each of them has found it" "$(grep -ah '"type":"decision"' "$JOURNAL"/* | tail -n 1)" '"UNSAFE".*"PROMPT_ATTACK".*"LAKERA"|"LAKERA".*"PROMPT_ATTACK".*"UNSAFE"|"PROMPT_ATTACK".*"LAKERA".*"UNSAFE"'
rc '{"mode":"unknown"}'
# check --probe asks each recognizer, too.
probe() { "$B/tollgate" check -c "$D/tollgate.yaml" --haproxy "$D/haproxy/haproxy.cfg" "$D/haproxy/tollgate.cfg" --probe 2>&1; }
out=$(probe)
is "a probe with unknown verdicts is exit 1" $? 1
is "the probe names each such service, with its line" "$(grep -c 'policy.yaml:[0-9]*:[0-9]*: probe: recognizer .*: the response has a label that is not in map' <<<"$out")" 6
rc '{}'
out=$(probe)
is "a probe with known verdicts has no error of a recognizer" "$(grep -c 'policy.yaml:.* probe: recognizer' <<<"$out")" 0
like "the probe prints the result for a harmless text" "$out" 'probe: recognizer shields, harmless text: found nothing, in [0-9]+ ms'
like "it prints the entities of a bad text" "$out" 'probe: recognizer lakera, bad text: found LAKERA, in [0-9]+ ms'
like "also by shape" "$out" 'probe: recognizer ner, bad text: found PERSON, in [0-9]+ ms'
like "also by words" "$out" 'probe: recognizer guard, bad text: found UNSAFE, in [0-9]+ ms'
rc '{"mode":"status"}'
like "the probe states why a recognizer has no response" "$(probe)" 'probe: recognizer mod, bad text: the response has status 500'
rc '{}'

# From here on, the recognizer may time out, long before the deadline of the decision, which has another code.
sed -i 's/timeout: 12s/timeout: 300ms/' "$D/policy.yaml"
reload() { curl -s -m 90 -o /dev/null -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload"; }
is "a policy with another timeout is loaded" "$(reload)" 200
for mode in hang garbage status close; do
	rc "{\"mode\":\"$mode\"}"
	chat "$mode zor blax"
	is "$mode: the outcome is a 503" "$status" 503
	like "$mode: the code is classifier_unavailable" "$body" 'classifier_unavailable'
	req POST /api/direct/x -H "$auth" -H "$json" -d "{\"a\":\"$mode zor blax\"}"
	is "$mode: a recognizer's own outcome can permit" "$status" 200
	like "$mode: the record has low_confidence" "$(tail -n 1 "$(ls "$JOURNAL"/* | tail -n 1)" | grep -ao '"low_confidence":true' || grep -ah '"low_confidence":true' "$JOURNAL"/* | tail -n 1)" 'low_confidence'
	req POST /api/legal -H "$auth" -H "$json" -d "{\"a\":\"$mode zor blax\"}"
	like "$mode: a recognizer's own outcome can replace the whole text" "$(provider_got)" '"a":"<UNCLASSIFIED_1>"'
done
# Requests with personal data are denied, others are permitted.
sed -i 's/^on_failure: {classifier: deny/on_failure: {classifier: {pii: deny, default: permit}/' "$D/policy.yaml"
is "a policy with an outcome for each class is loaded" "$(reload)" 200
rc '{"mode":"hang"}'
chat 'open zor blax'
is "hang: a request without such data passes" "$status" 200
record() { grep -ah '"type":"decision"' "$JOURNAL"/* | tail -n 1 | grep -ao '"unclassified":{[^}]*}'; }
is "the record has the outcome" "$(record)" '"unclassified":{"applied":"permit"}'
chat 'closed zor blax a@example.com'
is "hang: a request with personal data is denied" "$status" 503
like "the code is the same" "$body" 'classifier_unavailable'
is "the record has the class" "$(record)" '"unclassified":{"applied":"deny","class":"pii"}'
# This request with personal data was denied, independent of the outcome for other requests.
degraded_says() { grep -ah '"type":"degraded"' "$JOURNAL"/* | grep '"dependency":"classifier"' | grep -q '"on_failure":"permit","on_failure_by_class":{"pii":"deny"}'; }
rc '{}'
back() { chat "back zor blax $RANDOM"; [ "$status" = 200 ]; }
check "the recognizer responds again" wait_for back
degraded_in_time() { wait_for degraded_says || wait_for degraded_says; } # after a minute without failures
check "the degraded record has the outcome of each class" degraded_in_time
rc '{"mode":"unknown"}'
ask_guards 'another harmless text'
is "a verdict that the documentation does not have is no verdict" "$status" 503
like "the code is classifier_unavailable" "$body" 'classifier_unavailable'
check "the log names each service once" wait_for eval '[ "$(grep -c "recogniser.failed.*not in map" "$D/tollgate.log")" = 3 ]'
# A map without null: an unknown label counts as nothing found, but not silently.
for text in one two; do
	req POST /api/direct/x -H "$auth" -H "$json" -d "{\"a\":\"the $text harmless text\"}"
	is "a label that a map without null does not have is nothing found" "$status" 200
done
is "such responses are counted" "$(metric recognizer_unknown_total 'recognizer="mood"')" 2
is "the log names the recognizer and the label once" "$(grep -c 'event=recogniser.unknown name=mood label=LABEL_1' "$D/tollgate.log")" 1
check "the recognizer is degraded" wait_for grep -q 'event=degraded.begin part=recogniser name=mood why="it uses a label' "$D/tollgate.log"
rc '{}'
check "calls are counted" [ "$(metric recognizer_calls_total 'recognizer="ner",outcome="answered"')" -gt 3 ]
check "failures are counted" [ "$(metric recognizer_calls_total 'recognizer="ner",outcome="timeout"')" -ge 1 ]
check "remembered results are counted" [ "$(metric recognizer_texts_total 'recognizer="ner",cache="hit"')" -ge 1 ]
like "status names the recognizer" "$(curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/status")" '"recognisers":\[\{"name":"ner","answered":'
unlike "the log contains no text" "$(cat "$D/tollgate.log")" 'zor blax|quuxel'
unlike "the records contain no text" "$(cat "$JOURNAL"/*)" 'zor blax|quuxel'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
