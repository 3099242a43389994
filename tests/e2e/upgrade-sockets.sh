# WebSockets stay open during an upgrade: the older instance serves them until their clients close them.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
sed 's/, concurrent: 3//' "$here/realtime.yaml" >"$D/sockets.yaml"
stack_up --policy "$D/sockets.yaml"
export EDGE PROVIDER GO=$D/go TOKEN
TOKEN=$(token)
older=$(pid_of tollgate)
node "$here/realtime.mjs" handed >"$D/handed.log" 2>&1 &
node=$!
check "fifty sessions are open" wait_for says '# open' cat "$D/handed.log"
check "an upgrade returns 0" upgrade
touch "$GO"
wait $node || failed=1
grep -E '^(ok|not ok|#   )' "$D/handed.log"
check "the older instance then stops" wait_for gone "$older"
check "its chain verifies" verifies "$D/journal" "$D/audit.key.pub"
is "its chain has the completion of each session" "$(all_settled && echo all)" all

# without Redis
"$root/tests/support/stack" down --dir "$D"
stack_up --policy "$D/sockets.yaml" --no-redis
upgrade && code=0 || code=$?
is "without Redis an upgrade is exit 1" "$code" 1
like "the message has the reason" "$said" 'redis.url is not set'
