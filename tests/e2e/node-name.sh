# A node keeps its name if its host gets another one: three starts of the container's own files on one set
# of volumes, and a gateway on a machine that is renamed, each host name in a UTS namespace of its own.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

# "${on[@]}" NAME COMMAND…: the command runs on a host of that name; its process keeps its number
on=(unshare -u sh -c 'echo "$1" >/proc/sys/kernel/hostname; shift; exec "$@"' sh)
if [ "$("${on[@]}" life-1 uname -n 2>"$D/unshare.log")" != life-1 ]; then
	skip "a node keeps its name" "no UTS namespace can be made here: $(tail -1 "$D/unshare.log")"
	exit 0
fi
nodes_of() { "$B/tollgate" audit verify --journal "$1" --public-key "$2" 2>&1 | sed -n 's/^ok node=\([^ ]*\) .*boots=\([0-9]*\) .*/\1 \2/p'; }

# ---- a machine that is renamed ----
stack_up
renamed() { # NAME: the daemon ends and starts on a host of that name; 1: it does not start
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
	"${on[@]}" "$1" setsid "$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
	note_pid $! tollgate
	wait_for eval "is_ready || gone $!"
	is_ready
}
serves() { req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}' && [ "$status" = 200 ]; }
check "node a serves" wait_for serves
rm -f "$JOURNAL.node" # as a version that kept no name left the journal
sed -i '/^"\?node"\?: /d' "$D/tollgate.yaml"
check "without node: the daemon of an older journal starts on a host of another name" renamed green
is "it has the name of the newest segment" "$(cat "$JOURNAL.node" 2>&1)" a
check "and on a third host" renamed blue
check "where it serves" wait_for serves
is "and writes the same chain" "$(cd "$JOURNAL" && printf '%s\n' * | sed 's/-.*//' | sort -u)" a
like "audit list reads it" "$("$B/tollgate" audit list --json -c "$D/tollgate.yaml" 2>&1 | tail -1)" '"node": ?"a"'
like "so does check" "$("$B/tollgate" check -c "$D/tollgate.yaml" 2>&1; echo "exit $?")" 'exit 0$'
is "and the chain verifies" "$(nodes_of "$JOURNAL" "$AUDIT_KEY")" "a 3"
"${on[@]}" red timeout 60 "$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/second.out" 2>&1
is "a second daemon of that name is refused" "$? $(grep -c 'another daemon' "$D/second.out")" "2 1"

# ---- a name that is set counts ----
echo 'node: b' >>"$D/tollgate.yaml"
"$B/tollgate" check -c "$D/tollgate.yaml" >"$D/out" 2>&1
like "check reports that the journal is another node's, and what to do" "$? $(cat "$D/out")" '^1 .*not a segment of node b: .*the journal is of node a: set node: a in tollgate.yaml, or another audit.journal'
kill -TERM "$(pid_of tollgate)"
wait_for gone "$(pid_of tollgate)"
timeout 60 "$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "and the daemon does not start" "$? $(grep -c 'the journal is of node a: set node: a' "$D/out") $(cat "$JOURNAL.node")" "2 1 a"

# ---- docker/: what `docker compose up` starts three times, with a new container each time ----
mkdir -p "$D/c/etc" "$D/c/lib" "$D/c/run" "$D/c/share"
in_here() { sed -e "s#/etc/tollgate#$D/c/etc#g; s#/var/lib/tollgate#$D/c/lib#g; s#/run/tollgate#$D/c/run#g; s#unix@/tollgate/#unix@$D/c/run/#g" -e "s#/usr/share/tollgate/container#$D/c/share#g; /^group: /d; /^  tcp: /d"; }
for f in tollgate.yaml policy.yaml setup; do in_here <"$root/docker/$f" >"$D/c/share/$f"; done
setsid redis-server --port 0 --unixsocket "$D/c/redis.sock" --save '' --appendonly no --dir "$D/c" >"$D/c/redis.log" 2>&1 &
note_pid $! redis
wait_for test -S "$D/c/redis.sock"
contained() { "$B/tollgate" status -c "$D/c/etc/tollgate.yaml" >"$D/c/status" 2>&1; }
for id in 3f1c9a2be7d0 8d02b6fe4411 c0ffee15900d; do
	PATH=$B:$PATH REDIS_URL=unix:$D/c/redis.sock "${on[@]}" $id sh "$D/c/share/setup" >"$D/c/setup.log" 2>&1
	is "container $id: setup succeeds" "$? $(grep -c 'not a segment' "$D/c/setup.log")" "0 0"
	"${on[@]}" $id setsid "$B/tollgate" serve -c "$D/c/etc/tollgate.yaml" </dev/null >>"$D/c/log" 2>&1 &
	pid=$!
	note_pid $pid contained
	check "container $id: the gateway starts" wait_for eval "contained || gone $pid"
	like "container $id: status has the name of the first one" "$(cat "$D/c/status")" 'node[ =:]+3f1c9a2be7d0'
	like "container $id: so has Redis' list of clients" "$(redis-cli -s "$D/c/redis.sock" client list)" 'name=tollgate-3f1c9a2be7d0 '
	kill -TERM $pid 2>/dev/null
	wait_for gone $pid
done
is "all three starts are in one chain" "$(nodes_of "$D/c/lib/journal" "$D/c/etc/audit.key.pub")" "3f1c9a2be7d0 3"
is "and in one stream of Redis" "$(redis-cli -s "$D/c/redis.sock" keys 'tollgate:audit:*')" "tollgate:audit:3f1c9a2be7d0"
exit $failed
