# The daemon is killed and stopped under load, and HAProxy is reloaded under load. No request passes without
# inspection, and each accepted request gets its response.
# Long: it sends load for seconds.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "load" "node is not installed"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
export TOKEN EDGE

# load_begin, load_end; so_many STATUS N: waits for N more responses with this status
load_begin() {
	rm -f "$D/enough"
	: >"$D/load.txt"
	STOP=$D/enough NOW=$D/load.txt node "$here/load.mjs" &
	lp=$!
}
load_end() { touch "$D/enough"; wait $lp; }
has_said() { [ "$(said "$1")" -ge "$2" ]; }
so_many() { wait_for has_said "$1" $(($(said "$1") + $2)); }
said() { sed -n "s/^$1 //p" "$D/load.txt" | grep . || echo 0; }
only() { # NAME STATUSES: checks that no other statuses occurred
	local other
	other=$(grep -vE "^($2) " "$D/load.txt" | tr '\n' ' ')
	if [ -z "$other" ]; then ok "$1"; else not_ok "$1" "also: $other"; fi
}
leaks() { seen 1000 | grep -cE 'AKIAQ3EGRTZK7VXW2YUB|jane.doe'; }

load_begin
so_many 200 100
load_end
only "without a fault: requests are permitted or denied, nothing else" '200|403'

as_shipped # without a daemon for a second, requests get 503

# The daemon is killed.
load_begin
so_many 200 100
killed tollgate
so_many 503 16
daemon_start
wait_for is_ready
so_many 200 100
load_end
only "the daemon is killed under load: 200, 403 and 503, except for cut connections" '200|403|503|cut|refused'
check "some requests arrive while there is no daemon" test "$(said 503)" -gt 0
final is "none of them passes without inspection" "$(leaks)" 0
passes() { req POST "$1" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d "$2"; [ "$status" = 200 ]; }
check "when the daemon is back, requests pass" wait_for passes /api/direct/after '{}'
check "the journal verifies after the kill" verifies "$JOURNAL" "$AUDIT_KEY"

# The daemon is stopped: it answers the accepted requests, then ends.
load_begin
so_many 200 100
old=$(pid_of tollgate)
kill -TERM "$old"
check "the daemon ends after SIGTERM under load" wait_for gone "$old"
daemon_start
so_many 200 100
load_end
only "the daemon is stopped under load: 200, 403 and 503" '200|403|503'
final is "no request passes without inspection" "$(leaks)" 0
check "the journal verifies after the stop" verifies "$JOURNAL" "$AUDIT_KEY"

# There is no daemon.
wait_for is_ready
killed tollgate
wait_for gone "$(pid_of tollgate)"
req POST /api/direct/dead -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{}'
is "without a daemon, the status is 503" "$status" 503
like "the 503 is JSON, with Retry-After" "$head$body" 'retry-after: 1.*|gateway_unavailable'
req POST /v1/chat/completions -H 'content-type: application/json' -d '{}'
is "without a daemon, each route returns 503" "$status" 503
unlike "no request reaches the provider" "$(seen)" '/api/direct/dead'
daemon_start
wait_for passes /api/direct/again '{}' # HAProxy has found the daemon; it has no connection to the relay yet

# The relay's socket is missing before HAProxy has a connection to it. A 503 must not need another listener.
mkdir "$SOCKETS/away" && mv "$SOCKETS"/relay*.sock "$SOCKETS/away"
req POST /v1/chat/completions -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"model":"echo","messages":[]}'
is "without a relay, the status is 503" "$status" 503
like "the 503 comes at once, with the decision's id" "$head" '^x-tollgate-id: .'
like "the 503 has Retry-After, and is JSON" "$(header retry-after) $body" '^1 .*gateway_unavailable'
mv "$SOCKETS/away"/* "$SOCKETS"
req POST /v1/chat/completions -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"hi"}]}'
is "when the relay's socket is back, it is used again" "$status" 200
unlike "HAProxy's files use no abstract socket, which another user could create first" "$(cat "$root"/haproxy/*.cfg)" 'abns@'

# HAProxy is reloaded.
sed -i 's/^\( *timeout processing\) .*/\1 20s/' "$D/haproxy/spoe.cfg"
load_begin
for n in 1 2 3; do
	so_many 200 50
	check "HAProxy is reloaded: $n" haproxy_reload # a second reload during the first would count as one
done
so_many 200 100
load_end
only "HAProxy is reloaded under load: each accepted request gets a response" '200|403|refused'
kill -HUP "$(pid_of tollgate)"
check "the policy reloads" wait_for says '^1$' metric reloads_total 'result="ok"'
