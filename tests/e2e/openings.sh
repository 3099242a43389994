# The kept texts of nine dialects, whole and streamed, opened by `tollgate audit open`, by the program of
# docs/evidence.md, and by the console in a browser. Each opens the bytes that the provider received and sent. After
# an erasure, none opens them.
# Once: no version of HAProxy differs here.
# Late: it uses a browser.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
command -v node >/dev/null || { skip "kept texts are opened in three ways" "node is not installed"; exit 0; }
browser=1
if [ ! -x $CHROMIUM ] || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ] || ! npm_packages console "texts opened in the browser"; then
	skip "texts opened in the browser" "no chromium-headless-shell, no Node 20, or no packages"
	browser=''
fi

# ---- auditors, and a policy that keeps texts ----
export PASSPHRASE='a word, of ann'
auditor_key ann "$PASSPHRASE"
auditor_key safe
auditor_key other
echo "$PASSPHRASE" >"$D/ann.pass"
chmod 600 "$D/ann.pass"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
chmod 600 "$D/admin.key"
tls=$(free_ports 1)
token_of() { "$build/tollgate" admin-token new "$1" --roles "$2" --tokens "$D/admin.tokens"; }
ALL=$(token_of ann viewer,auditor)
cat >"$D/mine.yaml" <<Y
seal: {auditors: [$(auditor_entry ann), $(auditor_entry safe)]}
console: {open: true}
admin: {console: true, tokens: "$D/admin.tokens", tls: {listen: "127.0.0.1:$tls", certificate: "$D/admin.crt", key: "$D/admin.key"}}
Y
kept='record: {prompt: redacted, response: full, tools: full}'
cat >"$D/policy.yaml" <<Y
tollgate: 1
name: openings
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: service-account}
providers:
$(for p in gemini bedrock cohere mistral ollama tgi anthropic; do echo "  $p: {backend: local, dialect: $p}"; done)
  openai: {backend: local, dialect: openai}
routes:
$(for p in gemini bedrock cohere mistral ollama tgi anthropic openai; do
	echo "  - {name: $p, match: {api: $p$([ $p != mistral ] || echo ', path_prefix: /mistral')}, targets: $p, $kept}"
done)
rules:
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
auth="authorization: Bearer $(token --claims '{"sub":"alice"}')"
bobs="authorization: Bearer $(token --claims '{"sub":"bob"}')"

# ---- nine dialects ----
mkdir "$D/want"
: >"$D/ids"
# asked NAME AUTH PATH BODY TYPE [RESPONSE]: sends a request. The provider returns RESPONSE or its normal response,
# byte for byte. D/want has what it received and sent.
asked() {
	if [ -n "${6:-}" ]; then printf '%s' "$6" >"$D/answer"; else curl -s -o "$D/answer" "$PROVIDER$3" -H 'content-type: application/json' -d "@$4"; fi
	jq -cn --rawfile b <(base64 -w0 "$D/answer") --arg t "$5" '{body_base64: $b, content_type: $t, chunk_bytes: 700, times: 1}' | curl -s -o /dev/null "$PROVIDER/_control" -d @-
	status=$(curl -s -o "$D/got" -D "$D/head" -w '%{http_code}' "$EDGE$3" -H "$2" -H 'content-type: application/json' -d "@$4")
	id=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/head")
	cp "$D/answer" "$D/want/$id.response"
	seen | jq -j '.[0].body' >"$D/want/$id.prompt"
	echo "$id" >>"$D/ids"
	is "$1" "$status $([ -s "$D/want/$id.response" ] && echo answered) $(grep -c EMAIL_ADDRESS "$D/want/$id.prompt")" "200 answered 1"
}
json=application/json sse=text/event-stream
say='say jane.doe@example.com ä\u2028 \"x\"'
chat='"model":"echo","messages":[{"role":"user","content":"'$say'"}]'
parts='"messages":[{"role":"user","content":[{"text":"'$say'"}]}]'
contents='"contents":[{"role":"user","parts":[{"text":"'$say'"}]}]'
while IFS='|' read -r name path type body; do
	printf '%s' "$body" >"$D/body"
	asked "$name" "$auth" "$path" "$D/body" "$type"
done <<T
chat completions|/v1/chat/completions|$json|{$chat}
chat completions, streamed|/v1/chat/completions|$sse|{$chat,"stream":true}
responses|/v1/responses|$json|{"model":"echo","input":"$say"}
responses, streamed|/v1/responses|$sse|{"model":"echo","input":"$say","stream":true}
anthropic|/v1/messages|$json|{$chat,"max_tokens":64}
anthropic, streamed|/v1/messages|$sse|{$chat,"max_tokens":64,"stream":true}
gemini|/v1beta/models/echo:generateContent|$json|{$contents}
gemini, streamed|/v1beta/models/echo:streamGenerateContent?alt=sse|$sse|{$contents}
bedrock|/model/echo/converse|$json|{$parts}
bedrock, streamed|/model/echo/converse-stream|application/vnd.amazon.eventstream|{$parts}
cohere|/v2/chat|$json|{$chat}
cohere, streamed|/v2/chat|$sse|{$chat,"stream":true}
mistral|/mistral/v1/chat/completions|$json|{$chat}
mistral, streamed|/mistral/v1/chat/completions|$sse|{$chat,"stream":true}
ollama|/api/chat|$json|{$chat,"stream":false}
ollama, streamed|/api/chat|application/x-ndjson|{$chat}
tgi|/generate|$json|{"inputs":"$say"}
tgi, streamed|/generate_stream|$sse|{"inputs":"$say"}
T
# several segments in prompt and response
long=$(head -c 150000 /dev/zero | tr '\0' x)
printf '{"model":"echo","messages":[{"role":"user","content":"jane.doe@example.com %s"}]}' "$long" >"$D/body"
asked "longer than one part" "$auth" /v1/chat/completions "$D/body" $json
long_id=$id
printf '{%s}' "$chat" >"$D/body"
asked "another person" "$bobs" /v1/chat/completions "$D/body" $json
bobs_id=$id
# a tool call in a response
printf '{%s}' "$chat" >"$D/body"
asked "a response with a tool call" "$auth" /v1/chat/completions "$D/body" $json '{"id":"c","object":"chat.completion","model":"echo","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"pay","arguments":"{\"to\": \"<b>ann</b>\"}"}}]}}]}'
tool_id=$id
echo '{"by":"answer","tool":"pay","arguments":"{\"to\": \"<b>ann</b>\"}"}' >"$D/want/$id.tools"
curl -s -o /dev/null "$PROVIDER/_control" -d '{}'
settled

parts_of() { ls "$D/want" | sed -n "s/^$1\.//p"; }
# ---- tollgate audit open ----
audit() { "$B/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
open_by() { audit open "$1" --key "$D/$2.key" ${3:+--passphrase-file "$D/$3"} --part "$4" --reason "a drill" 2>"$D/err"; }
covered() { open_by "$tool_id" ann ann.pass tools >"$D/text"; } # within a second, a checkpoint covers it
check "a checkpoint covers the last record" wait_for covered
bad=''
while read -r id; do
	for part in $(parts_of "$id"); do
		open_by "$id" ann ann.pass $part >"$D/text"
		cmp -s "$D/text" "$D/want/$id.$part" || bad="$bad $id.$part"
	done
done <"$D/ids"
is "audit open returns what the provider received and sent" "$bad" ""
open_by "$long_id" safe '' prompt >"$D/text"
check "the other auditor's key opens it too" cmp "$D/text" "$D/want/$long_id.prompt"

# ---- the program of docs/evidence.md ----
awk '/^## / { mine = $0 == "## Open sealed content" } /^```$/ { code = 0 } mine && code; /^```js$/ { code = 1 }' "$root/docs/evidence.md" >"$D/open.mjs"
check "docs/evidence.md: the program has thirty lines" test "$(wc -l <"$D/open.mjs")" -eq 30 -a "$(wc -L <"$D/open.mjs")" -le 120
awk '/^## / { mine = $0 == "## Open sealed content" } mine && /^    [^ ]/ { print substr($0, 5) }' "$root/docs/evidence.md" >"$D/lines.sh"
shares=$JOURNAL.shares
by_hand() { # ID KEY PART: writes the text into D/text
	local type=decision
	[ "$3" = prompt ] || type=completion
	(cd "$D" && lines_of "$type" "$1") || return 1
	share=$(grep "^share $(jq -r "(.prompt.kept // .answer.kept).share" "$D/record") " "$shares" | cut -d' ' -f3)
	(cd "$D" && node --no-warnings open.mjs record seal "$share" "$2.key" "$JOURNAL.texts" "$3" >text 2>err)
}
lines_of() { # TYPE ID: prints the lines of the page's commands for this record
	ln -sfn "$JOURNAL" JOURNAL
	sed "s/\"type\":\"decision\"/\"type\":\"$1\"/; s/\"id\":\"ID\"/\"id\":\"$2\"/" "$D/lines.sh" >"$D/these.sh"
	bash "$D/these.sh" 2>/dev/null
	[ -s record ] && [ -s seal ]
}
bad=''
while read -r id; do
	for part in $(parts_of "$id"); do
		by_hand "$id" ann $part && cmp -s "$D/text" "$D/want/$id.$part" || bad="$bad $id.$part"
	done
done <"$D/ids"
is "the program of docs/evidence.md returns the same" "$bad" ""
check "it accepts a key without a passphrase" by_hand "$long_id" safe prompt
alter "$JOURNAL.texts/$(ls "$JOURNAL.texts" | head -1)" $((128 + 16 + 3))
by_hand "$(head -1 "$D/ids")" ann prompt
is "an altered ciphertext is not opened" "$? $(grep -c '^Error: this is not the ciphertext that the record names' "$D/err")" "1 1"
alter "$JOURNAL.texts/$(ls "$JOURNAL.texts" | head -1)" $((128 + 16 + 3))
check "the original ciphertext is opened" by_hand "$(head -1 "$D/ids")" ann prompt

# ---- the console ----
in_browser() { # STATE: open or erased
	[ -n "$browser" ] || return 0
	CONSOLE=https://localhost:$tls TOKEN=$ALL STATE=$1 WANT=$D/want IDS=$D/ids KEYS=$D GONE=$bobs_id timeout 300 node "$build/console/openings.mjs" >"$D/console.log" 2>&1 ||
		grep -q '^not ok' "$D/console.log" || echo "not ok - openings.mjs ends" >>"$D/console.log"
	cat "$D/console.log"
	if grep -q '^not ok' "$D/console.log"; then failed=1; fi
}
in_browser open
opened() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"read"' | grep -c '"read":"open"'; }
like "each opening is recorded" "$(opened)" '^[1-9][0-9]*$'
for key in ann safe; do
	sed '1d;$d' "$D/$key.key" | head -1 >"$D/secret"
	is "the private key of $key never reached the daemon" "$(grep -rlFf "$D/secret" "$JOURNAL" "$D"/*.log | wc -l)" 0
done

# ---- a person is erased ----
audit erase --person alice --why 'she asked' --ticket DSR-1 >"$D/out" 2>"$D/err"
is "audit erase succeeds" "$?" 0
gone() { audit erase --status >/dev/null 2>&1; }
check "each node completes the erasure" wait_for gone
head -1 "$D/ids" >"$D/first"
id=$(cat "$D/first")
open_by "$id" ann ann.pass prompt >"$D/text"
like "the first auditor's key cannot open the person's texts" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*erased'
open_by "$id" safe '' response >"$D/text"
like "the second auditor's key cannot open them either" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*erased'
like "the person's share in the file is overwritten" "$(by_hand "$id" ann prompt; echo "$? $share")" '^1 x+$'
open_by "$bobs_id" ann ann.pass prompt >"$D/text"
check "another person's text can still be opened" cmp "$D/text" "$D/want/$bobs_id.prompt"
cp "$D/ids" "$D/all"
in_browser erased
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
printf '{%s}' "$chat" >"$D/body"
asked "new texts of an erased person" "$auth" /v1/chat/completions "$D/body" $json
settled
covered() { open_by "$id" ann ann.pass prompt >"$D/text"; } # within a second, a checkpoint covers it
check "a new text of the erased person is opened" wait_for covered
check "it is the new text, under a new share" cmp "$D/text" "$D/want/$id.prompt"
exit $failed
