# The console's views of records show those of all daemons of this machine, and name the daemons of the group whose
# records are elsewhere, with a link to their consoles. Now shows one daemon, names all others, and has the work of each.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
what="views that name other daemons"
if ! command -v node >/dev/null || [ ! -x $CHROMIUM ] || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	skip "$what" "no chromium-headless-shell or no Node 20"
	exit 0
fi
npm_packages console "$what" || exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
	-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
chmod 600 "$D/admin.key"
tls=$(free_ports 1)
token=$("$build/tollgate" admin-token new olga --roles operator,auditor --tokens "$D/admin.tokens")
console="admin: {console: true, tokens: \"$D/admin.tokens\", tls: {listen: \"127.0.0.1:$tls\", certificate: \"$D/admin.crt\", key: \"$D/admin.key\"}}"
stack_up --daemons 2
again_with "$console"
ask() { req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'; }
ask ann
# the second daemon decides alone for a moment, so that a request of its own is shown
kill -STOP "$(pid_of tollgate)"
alone() { TIMEOUT=3 ask bob; [ "$status" = 200 ]; }
check "the second daemon decides" wait_for alone
# and keeps a request whose provider does not respond. Until HAProxy's checks find the stopped daemon, it gets every other
# request, which ends within a second, and is sent again.
control '{"delay_ms":200000}'
asking=
b_waits() {
	kill -0 $asking 2>/dev/null || { TIMEOUT=200 ask cat & asking=$!; }
	[ "$("$build/tollgate" status --json -c "$D/tollgate-b.yaml" | jq '.awaited.requests')" = 1 ]
}
check "a request waits at the second daemon" wait_for b_waits
kill -CONT "$(pid_of tollgate)"
waits=$("$build/tollgate" status --json -c "$D/tollgate-b.yaml" | jq -r '.awaited.oldest[0].id')
work() { "$build/tollgate" status --all --json -c "$D/tollgate.yaml" | jq -c '[.nodes[] | [.node, .requests_in_flight, .awaited, .oldest_id]]'; }
shows_work() { [ "$(work)" = "[[\"a\",0,0,null],[\"b\",1,1,\"$waits\"]]" ]; }
check "status --all has the requests in progress of each daemon, and the one that waits longest" wait_for shows_work
id=$(cat "$D/journal-b"/*.jsonl | tr -d '\0' | grep -m1 '"type":"decision"' | jq -r .id)
# the fields of two daemons elsewhere, as group.h describes them
while sleep 1; do
	redis-cli -s "${REDIS#unix:}" hset 'tollgate:{group}:policies' \
		far "{\"policy\":\"p\",\"policy_version\":\"v\",\"file\":\"other 1:2 p.yaml\",\"daemon\":\"far\",\"console\":\"https://far.example:9443/console/\",\"at\":$(date +%s)}" \
		foe "{\"policy\":\"p\",\"policy_version\":\"v\",\"file\":\"\",\"daemon\":\"foe\",\"console\":\"javascript:alert(1)//https://x/console/\",\"at\":$(($(date +%s) - 60))}" >/dev/null
done &
second=$!
knows_others() { [ "$("$build/tollgate" status --json -c "$D/tollgate.yaml" | jq -c '[.members[].node] - ["a", "b"]')" = '["far","foe"]' ]; }
check "the first daemon knows the other two" wait_for knows_others
CONSOLE=https://localhost:$tls TOKEN=$token ID=$id WAITS=$waits FACES=${FACES:-} timeout 240 node "$build/console/elsewhere.mjs" >"$D/console.log" 2>&1
kill "$second" "$asking"
cat "$D/console.log"
if ! grep -q '^ok' "$D/console.log" || grep -q '^not ok' "$D/console.log"; then failed=1; fi
exit $failed
