# A person is erased during a stream and two WebSockets of that person. The person's name does not return to the file
# of shares, no hash or response of the stream is stored, and the sessions end before a record has a new pseudonym.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/answers-redis.bash"
cat >"$D/mine.yaml" <<Y
audit: {persons: pseudonym}
cache: {redis: "redis://127.0.0.1:$port"}
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: in-progress
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
  tools: {backend: local, dialect: mcp}
routes:
  - {name: tools, match: {path: /mcp}, targets: tools}
  - {name: responses, match: {path: /v1/responses}, targets: openai, response: [restore]}
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, response: [meter, record],
     record: {prompt: redacted, response: redacted, tools: redacted}, cache: {exact: {ttl: 1h, per: org, temperature: 1}}}
  - {name: realtime, match: {path: /v1/realtime}, targets: openai, response: [meter, record], websocket: true, record: {prompt: full}}
rules:
  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}
default: permit
Y
answers_redis "a Redis for responses" $evicting
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
declare -A bearer
for who in alice bob; do bearer[$who]="authorization: Bearer $(token --claims "{\"sub\":\"$who\"}")"; done
post() { # PERSON TEXT [HEADER]
	req POST /v1/chat/completions ${3:+-H "$3"} -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
	id=$(header x-tollgate-id)
}
lines() { cat "$JOURNAL"/*.jsonl | tr -d '\0'; }
record() { lines | jq -c "select(.id == \"$2\" and .type == \"$1\")"; } # TYPE ID
hashes() { jq -r '.. | .hmac_sha256? // empty'; }
holders() { awk '$1 == "share" && NF == 5 { print $4 }' "$JOURNAL.shares" | while read -r h; do base64 -d <<<"$h" && echo; done | sort | paste -sd' '; }
stored() { redis keys 'tollgate:cache:*' | grep -vc asks; }
slow_stream() { # PERSON TEXT: its events are a tenth of a second apart; $id
	control '{"chunk_ms":100,"chunk_bytes":200,"times":1}'
	rm -f "$D/$1.head"
	curl -s -o "$D/$1.body" -D "$D/$1.head" "$EDGE/v1/chat/completions" -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" &
	stream=$!
	begun() { id=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/$1.head" 2>/dev/null) && [ -n "$id" ]; }
	check "a stream of $1 is in progress" wait_for begun "$1"
}
has_completion() { [ -n "$(record completion "$1")" ]; }
text=$(printf 'word-%s ' $(seq 40))

# ---- without an erasure, the stream is recorded and stored ----
slow_stream bob "$text"
wait $stream
check "bob's stream has its record" wait_for has_completion "$id"
like "the record has hashes" "$(record completion "$id" | hashes | wc -l)" '^[1-9]'
is "the response is in the cache" "$(stored)" 1

# ---- a stream ----
redis flushall >/dev/null
slow_stream alice "$text"
one=$id
is "both persons have a share" "$(holders)" "alice bob"
audit erase --person alice --why asked >"$D/out"
is "alice is erased during the stream" "$?" 0
is "alice's name is gone" "$(holders)" bob
check "alice's stream is still in progress" kill -0 $stream
wait $stream
like "the stream ends normally" "$(tail -c 20 "$D/alice.body")" 'DONE'
check "the stream has its record" wait_for has_completion "$one"
is "alice's name is still gone" "$(holders)" bob
is "no response of alice is in the cache" "$(stored)" 0
is "the record has no hash and no content" "$(record completion "$one" | hashes)$(record completion "$one" | jq -c '.. | .kept? // empty')" ""
is "the record has erased: true" "$(record completion "$one" | jq -c .erased)" true
is "the record has the pseudonym of its decision" "$(record completion "$one" | jq -r .identity.person)" "$(record decision "$one" | jq -r .identity.person)"
post bob "$text"
is "the same request of another person does not get the response" "$(header x-tollgate-cache)" miss

# ---- new requests of the erased person cannot be linked to the old ones ----
post alice "$text"
settled
two=$id
check "the person has another pseudonym" [ "$(record decision "$two" | jq -r .identity.person)" != "$(record decision "$one" | jq -r .identity.person)" ]
both() { for i in "$@"; do lines | jq -c "select(.id == \"$i\")"; done | hashes | sort; }
is "no hash equals one of an earlier record" "$(comm -12 <(both "$one") <(both "$two"))" ""
is "new texts are stored as usual" "$(record decision "$two" | jq -c '.prompt.kept.how, .erased')" "$(printf '"redacted"\nnull')"

# ---- the person is erased and sends a new request before the stream ends ----
slow_stream alice "$text again"
three=$id
audit erase --person alice --why asked >"$D/out"
post alice "$text again" "cache-control: no-store" # does not wait for the stream
four=$id
check "the new request passes before the stream ends" kill -0 $stream
wait $stream
check "the stream has its record" wait_for has_completion "$three"
settled
is "it has no hash under the new share" "$(comm -12 <(both "$three") <(both "$four"))" ""
is "its completion has no hash at all" "$(record completion "$three" | hashes)" ""
like "the new request has hashes" "$(record completion "$four" | hashes | wc -l)" '^[1-9]'

# ---- the placeholders of a conversation that begins with this response ----
tables() { redis-cli -s "${REDIS#unix:}" keys 'tollgate:kept:*' | grep -c .; }
respond() {
	curl -s -o "$D/response" "$EDGE/v1/responses" -H "${bearer[alice]}" -H 'content-type: application/json' \
		-d '{"model":"echo","input":"mail anna@example.com"}'
}
respond
check "without an erasure, tables of placeholders are stored" [ "$(tables)" -gt 0 ]
control '{"delay_ms":3000,"times":1}'
forget
respond &
responds=$!
check "a request is at the provider" under_way 1
audit erase --person alice --why asked >"$D/out"
is "all tables are deleted" "$(tables)" 0
check "the provider has not responded yet" at_provider 1
wait $responds
like "the response arrives" "$(cat "$D/response")" 'anna@example.com'
is "no table is stored for the response" "$(tables)" 0

# ---- an MCP session continues: its hash changes ----
call() { # BODY [SESSION]
	req POST /mcp -H "${bearer[alice]}" -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \
		${2:+-H "mcp-session-id: $2"} -d "$1"
	settled
}
jq -n '{body: ({jsonrpc: "2.0", id: 1, result: {protocolVersion: "2025-06-18", capabilities: {}, serverInfo: {name: "s", version: "1"}}} | tojson),
	content_type: "application/json", headers: {"mcp-session-id": "one-session"}, times: 1}' | curl -s -o /dev/null "$PROVIDER/_control" -d @-
call '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
session=$(header mcp-session-id)
for i in 1 2 3; do
	[ $i != 3 ] || audit erase --person alice --why asked >"$D/out"
	control '{"body":"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}","content_type":"application/json","times":1}'
	call '{"jsonrpc":"2.0","id":1,"method":"ping"}' "$session"
	lines | jq -r 'select(.type == "decision" and .route == "tools") | .session // "none"' | tail -1
done >"$D/sessions"
is "the session has one hash before the erasure, and another one after it" "$(grep -c '^[0-9a-f]\{64\}$' "$D/sessions") $(uniq -c "$D/sessions" | awk '{ printf "%s ", $1 }')" "3 2 1 "

# ---- WebSockets ----
if command -v node >/dev/null; then
	export EDGE GO=$D/go TOKEN=${bearer[alice]#*Bearer } BOB=${bearer[bob]#*Bearer }
	node "$here/erase-in-progress.mjs" >"$D/sockets.log" 2>&1 &
	node=$!
	check "the WebSocket sessions are open" wait_for says '# open' cat "$D/sockets.log"
	wait_for says '"socket"' lines
	audit erase --person alice --why asked >"$D/out"
	touch "$GO"
	wait $node
	grep -E '^(ok|not ok|#   )' "$D/sockets.log"
	grep -q '^not ok' "$D/sockets.log" && failed=1
	grep -q '^# ended' "$D/sockets.log" || not_ok "erase-in-progress.mjs" "$(tail -3 "$D/sockets.log")"
	settled
	lines | jq -c 'select(.socket) | .socket.of // .id' | sort -u | while read -r of; do
		lines | jq -r "select(.socket.of == $of or .id == $of) | .identity.person" | sort -u | wc -l
	done | sort -u >"$D/persons"
	is "no session has records under two pseudonyms" "$(paste -sd' ' "$D/persons")" 1
	is "the name is still gone" "$(holders)" bob
else
	skip "WebSockets" "node is not installed"
fi
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
