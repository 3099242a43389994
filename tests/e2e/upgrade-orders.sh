# Commands during `tollgate upgrade`. A policy that is put in force while the new instance starts stays in force.
# Until the new instance decides, the older one answers commands. While the older one completes its requests, orders
# reach the new one. Listeners that the configuration no longer has are closed.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
policy=$D/policy.yaml
cp "$here/policy.yaml" "$policy"
upgrade_stack "$policy"
others_gone() { [ "$(pgrep -fc "^$build/tollgate serve -c $D/tollgate.yaml")" -le 1 ]; }
begun() { grep -ahc 'upgrade.begun' "$D"/*.log | awk '{ n += $1 } END { print n }'; }
joined() { [ "$(begun)" -gt "$before" ]; }
in_force() { "$build/tollgate" status -c "$D/tollgate.yaml" --json | jq -r .policy; }
# begin_upgrade: starts an upgrade whose new instance waits for Redis
begin_upgrade() {
	before=$(begun)
	kill -STOP "$(pid_of redis)"
	upgrade &
	waiting=$!
	wait_for joined
}
first=$(in_force)

begin_upgrade
sed -i 's/^name: e2e/name: again/' "$policy"
check "a reload succeeds while the new instance starts" "$build/tollgate" reload -c "$D/tollgate.yaml"
second=$(in_force)
like "the reload puts another policy in force" "$first $second" '^e2e@.* again@'
nodes=
# The new instance waits for Redis in several places, up to 3 s in the last one.
until=$((${EPOCHREALTIME/[.,]/} + 3000000))
while [ ${EPOCHREALTIME/[.,]/} -lt $until ]; do
	nodes+="$(node_of) "
	nap 0.05
done
kill -CONT "$(pid_of redis)"
check "the upgrade returns 0" wait $waiting
is "the older instance answered every command until then" "$(tr ' ' '\n' <<<"$nodes" | sort -u | xargs)" a
is "the new instance decides" "$(node_of)" a_b
is "the policy of the reload is in force" "$(in_force)" "$second"
check "requests pass" served
check "the older instance ends" wait_for others_gone

# An order that was refused while the new instance starts: the files are invalid, and the new instance takes the policy
# that the older one has in force.
begin_upgrade
cp "$policy" "$D/good.yaml"
echo 'nonsense: [' >>"$policy"
"$build/tollgate" reload -c "$D/tollgate.yaml" >/dev/null 2>&1 && code=0 || code=$?
is "a refused reload is exit 1" "$code" 1
kill -CONT "$(pid_of redis)"
wait $waiting && code=0 || code=$?
is "an upgrade with invalid files on disk is exit 0" "$code" 0
check "one instance is left" wait_for others_gone
is "the new one decides by the policy that was in force" "$(node_of) $(in_force)" "a $second"
mv "$D/good.yaml" "$policy"
"$build/tollgate" reload -c "$D/tollgate.yaml" >/dev/null

# While the older instance completes its requests, orders reach the new one.
control '{"hold_after_events":2}'
curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$stream" >"$D/stream" &
stream_pid=$!
came() { [ "$(grep -c '^data: ' "$D/stream")" -ge 2 ]; }
check "a stream is open" wait_for came
control '{}'
members() { redis hkeys 'tollgate:{group}:policies' | sort | xargs; }
# a command that connected to the older instance before the upgrade, and sends its order after it
python3 - "$SOCKETS/admin.sock" "$D/order" >"$D/ordered" <<-'PY' &
	import http.client, os, socket, sys, time
	c = http.client.HTTPConnection("tollgate")
	c.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
	c.sock.connect(sys.argv[1])
	c.request("GET", "/healthz")
	c.getresponse().read()
	print("connected", flush=True)
	while not os.path.exists(sys.argv[2]):
	    time.sleep(0.05)
	c.request("POST", "/reload", '{"reason": "late"}', {"content-type": "application/json"})
	r = c.getresponse()
	print(r.status, r.read().decode())
PY
command=$!
wait_for grep -q connected "$D/ordered"
check "an upgrade while the stream is open" upgrade
touch "$D/order"
wait $command
like "an order that reaches the older instance must be repeated" "$(cat "$D/ordered")" '422 .*"result":"repeat".*the other instance decides: repeat the order'
sed -i 's/^name: again/name: drained/' "$policy"
"$build/tollgate" policy apply -c "$D/tollgate.yaml" --why 'during the drain' --yes >"$D/out" 2>&1 && code=0 || code=$?
like "policy apply right after the upgrade returns 0" "$code $(tr '\n' ' ' <"$D/out")" '^0 '
unlike "policy apply does not list the older instance" "$(cat "$D/out")" 'node a(_b)?: .* in force, from the same file'
like "the policy is in force" "$(in_force)" '^drained@'
check "other daemons see one instance of the daemon in Redis" wait_for says "^$(node_of)\$" members
sleep 2
is "the older instance does not write its field in Redis again" "$(members) $(deciding | wc -l)" "$(node_of) 2"
release
wait $stream_pid
check "the older instance ends" wait_for others_gone

cp "$D/tollgate.yaml" "$D/good.yaml"
echo 'nonsense: 1' >>"$D/tollgate.yaml"
upgrade && code=0 || code=$?
is "an upgrade with errors in tollgate.yaml is exit 1" "$code" 1
like "the message has the reason" "$said" 'tollgate.yaml has mistakes'
check "requests still pass" served
mv "$D/good.yaml" "$D/tollgate.yaml"

listens() { curl -s -m 5 -o /dev/null "$ADMIN/healthz"; }
check "admin.tcp is open" listens
sed -i '/^  tcp: "127.0.0.1:[0-9]*"/d' "$D/tollgate.yaml"
check "an upgrade without admin.tcp" upgrade
check "the older instance ends" wait_for others_gone
check "the port is closed" eval '! listens'
