# External recognizers behind real HAProxy: what a simulated one finds is redacted,
# whatever way the body takes; its silence is the policy's outcome.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "recognisers" "node is not installed"; exit 0; }
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
	rules:
	  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
	  - {name: conduct, when: '"conduct" in prompt.classes', deny: {reason: house rules}}
	  - {name: names, redact: {entities: [PERSON], classes: [pii, moderation]}}
	default: permit
	limits: []
	YAML
} >"$D/policy.yaml"
# one worker: each has a memory of its own
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
is "a person is redacted" "$status" 200
like "where it stands, behind an emoji and Chinese" "$(provider_got)" '😀 李: <PERSON_1> met <PERSON_2> at <EMAIL_ADDRESS_1>'
rc '{}'
chat '😀 李: zor blax met quuxel at a@example.com'
is "the same again asks nobody" "$(asked)" '{"calls":0,"texts":0}'
like "and is redacted all the same" "$(provider_got)" '<PERSON_1> met <PERSON_2>'
chat 'deferred zor blax' -H 'transfer-encoding: chunked'
is "a body without length" "$status" 200
like "is redacted too" "$(provider_got)" 'deferred <PERSON_1>'
{ printf '{"model":"echo","messages":[{"role":"user","content":"zor blax '; for _ in $(seq 900); do printf 'words of a long history that was never asked about %s ' "$RANDOM"; done; printf '"},{"role":"user","content":"end quuxel"}]}'; } >"$D/long"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/long"
is "a long body" "$status" 200
unlike "has no name left" "$(provider_got)" 'zor blax|quuxel'
req POST /api/direct/x -H "$auth" -H "$json" -d '{"a":"zor blax"}'
is "a classifier of whole texts denies by its class" "$status" 403
req POST /api/direct/x -H "$auth" -H "$json" -d '{"a":"nobody"}'
is "and permits" "$status" 200
req POST /api/legal -H "$auth" -H "$json" -d '{"a":"hit quuxel","b":"fine"}'
like "a flagged text is redacted whole" "$(provider_got)" '"a":"<MODERATION_VIOLENCE_1>","b":"fine"'
req POST /api/relay/x -H "$auth" -H "$json" -d '{"a":"zor blax"}'
like "a route whose condition does not hold does not pay" "$(provider_got)" 'zor blax'

# From here it may be late, and is given up: long before the decision, which would be another code.
sed -i 's/timeout: 12s/timeout: 300ms/' "$D/policy.yaml"
reload() { curl -s -m 90 -o /dev/null -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload"; }
is "its timeout is another" "$(reload)" 200
for mode in hang garbage status close; do
	rc "{\"mode\":\"$mode\"}"
	chat "$mode zor blax"
	is "$mode: 503" "$status" 503
	like "$mode: the code says so" "$body" 'classifier_unavailable'
	req POST /api/direct/x -H "$auth" -H "$json" -d "{\"a\":\"$mode zor blax\"}"
	is "$mode: permitted where its own outcome says so" "$status" 200
	like "$mode: the record says low confidence" "$(tail -n 1 "$(ls "$JOURNAL"/* | tail -n 1)" | grep -ao '"low_confidence":true' || grep -ah '"low_confidence":true' "$JOURNAL"/* | tail -n 1)" 'low_confidence'
	req POST /api/legal -H "$auth" -H "$json" -d "{\"a\":\"$mode zor blax\"}"
	like "$mode: redacted whole where that one's says so" "$(provider_got)" '"a":"<UNCLASSIFIED_1>"'
done
# Closed where personal data is, open elsewhere.
sed -i 's/^on_failure: {classifier: deny/on_failure: {classifier: {pii: deny, default: permit}/' "$D/policy.yaml"
is "an outcome for a class" "$(reload)" 200
rc '{"mode":"hang"}'
chat 'open zor blax'
is "hang: nothing of the class passes" "$status" 200
record() { grep -ah '"type":"decision"' "$JOURNAL"/* | tail -n 1 | grep -ao '"unclassified":{[^}]*}'; }
is "and the record says by what" "$(record)" '"unclassified":{"applied":"permit"}'
chat 'closed zor blax a@example.com'
is "hang: something of it does not" "$status" 503
like "by the same code" "$body" 'classifier_unavailable'
is "its record names the class" "$(record)" '"unclassified":{"applied":"deny","class":"pii"}'
# A request with personal data was denied then, whatever the policy says of all others.
degraded_says() { grep -ah '"type":"degraded"' "$JOURNAL"/* | grep '"dependency":"classifier"' | grep -q '"on_failure":"permit","on_failure_by_class":{"pii":"deny"}'; }
rc '{}'
back() { chat "back zor blax $RANDOM"; [ "$status" = 200 ]; }
check "it answers again" wait_for back
degraded_in_time() { wait_for degraded_says || wait_for degraded_says; } # after a healthy minute
check "the degraded record has the outcome of each class" degraded_in_time
check "its calls are counted" [ "$(metric recognizer_calls_total 'recognizer="ner",outcome="answered"')" -gt 3 ]
check "its failures too" [ "$(metric recognizer_calls_total 'recognizer="ner",outcome="timeout"')" -ge 1 ]
check "and what was remembered" [ "$(metric recognizer_texts_total 'recognizer="ner",cache="hit"')" -ge 1 ]
like "status names it" "$(curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/status")" '"recognisers":\[\{"name":"ner","answered":'
unlike "no text in the log" "$(cat "$D/tollgate.log")" 'zor blax|quuxel'
unlike "none in the records" "$(cat "$JOURNAL"/*)" 'zor blax|quuxel'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
