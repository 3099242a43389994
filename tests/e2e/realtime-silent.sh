# A provider that does not respond to a session's handshake: the daemon gives up in time.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "silent providers" "node is not installed"; exit 0; }
# accepts connections and sends nothing, or closes at once
node -e 'const s = require("net").createServer(c => c.on("error", () => {})); s.listen(0, "127.0.0.1", () => {
	const t = require("net").createServer(c => { c.on("error", () => {}); c.once("data", () => c.destroy()) }); t.listen(0, "127.0.0.1", () =>
	console.log("port=" + s.address().port + "\ncuts=" + t.address().port)) })' >"$D/ports" 2>"$D/server.log" &
served=$!
wait_for grep -qs cuts= "$D/ports"
eval "$(cat "$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend silent from provider\n    server s 127.0.0.1:%s\n' "$port"
	printf '\nbackend cuts from provider\n    server s 127.0.0.1:%s\n' "$cuts"
	printf '\nbackend nobody from provider\n    timeout connect 1s\n    server s 127.0.0.1:1\n'
} >"$D/edge.cfg"
echo 'backends: [silent, cuts, nobody]' >"$D/mine.yaml"
cat >"$D/silent.yaml" <<'Y'
tollgate: 1
name: silent
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  silent: {backend: silent, dialect: openai}
  cuts: {backend: cuts, dialect: openai}
  nobody: {backend: nobody, dialect: openai}
routes:
  - {name: soon, match: {path: /v1/realtime, host: soon.example}, targets: silent, response: [meter], websocket: true, retry: {first_byte: 1s}}
  - {name: cuts, match: {path: /v1/realtime, host: cuts.example}, targets: cuts, response: [meter], websocket: true}
  - {name: nobody, match: {path: /v1/realtime, host: nobody.example}, targets: nobody, response: [meter], websocket: true}
  - {name: late, match: {path: /v1/realtime}, targets: silent, response: [meter], websocket: true}
limits:
  - {name: tokens, per: [identity.person], tokens: 100000, window: 1h}
output_default: {"*": 500}
default: permit
Y
stack_up --edge "$D/edge.cfg" --policy "$D/silent.yaml" --config "$D/mine.yaml"
note_pid $served server
auth="authorization: Bearer $(token)"
shakes() { # HOST: sets the status, and the number of whole seconds that it took
	local begun=$EPOCHREALTIME
	TIMEOUT=30 req GET /v1/realtime?model=m --http1.1 -H "$auth" -H "host: $1" -H 'connection: upgrade' -H 'upgrade: websocket' \
		-H 'sec-websocket-version: 13' -H 'sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg=='
	took=$(((${EPOCHREALTIME/./} - ${begun/./}) / 1000000))
}
shakes soon.example
is "a silent provider: the daemon gives up after first_byte" "$status $(jq -r .error.code <<<"$body") $took" "503 provider_timeout 1"
shakes late.example
is "a silent provider: without first_byte the limit is ten seconds" "$status $(jq -r .error.code <<<"$body") $took" "503 provider_timeout 10"
shakes nobody.example
like "an unreachable provider: the daemon gives up at once" "$status $took" '^50[23] [01]$'
shakes cuts.example
like "a provider that closes: the daemon gives up at once" "$status $took" '^50[23] [01]$'
settled
completions() { cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"completion"' | jq -c "select(.route == \"$1\") | $2"; }
is "the record states that the response was late" "$(completions soon '[.outcome, .why]')" '["provider_abort","the provider did not answer in time"]'
is "the record has no turn" "$(completions soon '.socket.turns // 0')" 0
used() { "$build/tollgate" quota get --person alice --json -c "$D/tollgate.yaml" | jq -r '.[] | "\(.used) \(.held)"'; }
check "sessions that did not begin are not charged" wait_for eval '[ "$(used)" = "0 0" ]' || used
exit $failed
