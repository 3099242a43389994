# Twenty concurrent streams with a megabyte of digits each, a text that a dozen detectors could wait for. The daemon
# holds little of them, all end, and no text changes its place.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
STREAMS=20 EVENTS=250 HELD=$((8 << 20))

cat >"$D/policy.yaml" <<'EOT'
tollgate: 1
name: digits
identity:
  - jwt: {header: authorization, demo_issuer: true}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: openai, backend: openai, response: [meter, inspect],
     on_failure: {classifier: permit}}
rules:
  - {name: out, phase: response, redact: {entities: [CREDIT_CARD, US_SSN, IBAN_CODE, PHONE_NUMBER, EMAIL_ADDRESS]}}
default: permit
EOT
printf 'limits: {body: 1m, held: %d, held_per_identity: %d}\n' $HELD $HELD >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"

# The text is the same in each stream. The digits at a position are that position.
python3 - "$EVENTS" "$D" <<'EOT'
import json, sys
events, where = int(sys.argv[1]), sys.argv[2]
texts = ["So be it: "] + ["".join("%08d" % (e * 512 + i) for i in range(512)) for e in range(events)] + [" and to jane.doe@example.org, the end."]
event = lambda t: 'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % t
body = "".join(map(event, texts)) + 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
json.dump({"body": body, "content_type": "text/event-stream", "chunk_bytes": 30000}, open(where + "/digits.json", "w"))
open(where + "/want", "w").write("".join(texts).replace("jane.doe@example.org", "<EMAIL_ADDRESS>"))
EOT
control "@$D/digits.json"
said() { sed -n 's/^data: //p' "$1" | grep -v '^\[DONE\]$' | jq -rj '.choices[0].delta.content // empty'; }

while :; do metric held_bytes; done >"$D/held" &
watching=$!
asking=()
for i in $(seq $STREAMS); do
	curl -sN -m 300 -o "$D/got.$i" -w '%{http_code} %{exitcode}\n' -H "$auth" -H 'content-type: application/json' "$EDGE/v1/chat/completions" \
		-d '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"count"}]}' >"$D/status.$i" &
	asking+=($!)
done
wait "${asking[@]}"
kill $watching
wait $watching 2>/dev/null

is "all streams arrive with their end" "$(sort "$D"/status.* | uniq -c | xargs) $(cat "$D"/got.* | grep -c '^data: \[DONE\]$')" "$STREAMS 200 0 $STREAMS"
alike=0
for i in $(seq $STREAMS); do said "$D/got.$i" | cmp -s - "$D/want" && alike=$((alike + 1)); done
is "each stream has its whole text in order, and the value after it is replaced" $alike $STREAMS
most=$(sort -n "$D/held" | tail -n 1)
check "the bytes held for all streams stay below the limit, $most of $HELD" test "$most" -le $HELD
check "after the streams, no bytes are held" wait_for says '^0$' metric held_bytes
settled
is "each stream has its completion" "$(cat "$JOURNAL"/* | tr -d '\0' | grep -c '"type":"completion".*"outcome":"complete"')" $STREAMS
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
