# A node keeps its name if its host is renamed: three starts of the container's files on the same volumes, and a
# gateway on a machine that is renamed. Each host name is set in a UTS namespace.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

# "${on[@]}" NAME COMMAND…: runs the command on a host of that name; the process number is that of the command
on=(unshare -u sh -c 'echo "$1" >/proc/sys/kernel/hostname; shift; exec "$@"' sh)
if [ "$("${on[@]}" life-1 uname -n 2>"$D/unshare.log")" != life-1 ]; then
	skip "a node keeps its name" "no UTS namespace can be made here: $(tail -1 "$D/unshare.log")"
	exit 0
fi
nodes_of() { "$B/tollgate" audit verify --journal "$1" --public-key "$2" 2>&1 | sed -n 's/^ok node=\([^ ]*\) .*boots=\([0-9]*\) .*/\1 \2/p'; }

# ---- a renamed machine ----
stack_up
renamed() { # NAME: ends the daemon and starts it on a host of that name; returns 1 if it does not start
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
rm -f "$JOURNAL.node" # as a version left it that did not store the name
sed -i '/^"\?node"\?: /d' "$D/tollgate.yaml"
check "without node: the daemon with an older journal starts on a host of another name" renamed green
is "it uses the name of the newest segment" "$(cat "$JOURNAL.node" 2>&1)" a
check "it starts on a third host" renamed blue
check "it serves requests there" wait_for serves
is "it continues the same chain" "$(cd "$JOURNAL" && printf '%s\n' * | sed 's/-.*//' | sort -u)" a
like "audit list reads the journal" "$("$B/tollgate" audit list --json -c "$D/tollgate.yaml" 2>&1 | tail -1)" '"node": ?"a"'
like "check accepts the journal" "$("$B/tollgate" check -c "$D/tollgate.yaml" 2>&1; echo "exit $?")" 'exit 0$'
is "the chain verifies" "$(nodes_of "$JOURNAL" "$AUDIT_KEY")" "a 3"
"${on[@]}" red timeout 60 "$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/second.out" 2>&1
is "a second daemon of the same name is refused" "$? $(grep -c 'another daemon' "$D/second.out")" "2 1"

# ---- an explicit name ----
echo 'node: b' >>"$D/tollgate.yaml"
"$B/tollgate" check -c "$D/tollgate.yaml" >"$D/out" 2>&1
like "check reports that the journal is another node's, and what to do" "$? $(cat "$D/out")" '^1 .*not a segment of node b: .*the journal is of node a: set node: a in tollgate.yaml, or another audit.journal'
kill -TERM "$(pid_of tollgate)"
wait_for gone "$(pid_of tollgate)"
timeout 60 "$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "the daemon does not start" "$? $(grep -c 'the journal is of node a: set node: a' "$D/out") $(cat "$JOURNAL.node")" "2 1 a"

# ---- docker/: `docker compose up` three times, with a new container each time ----
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
	like "container $id: Redis' list of clients has the name of the first one" "$(redis-cli -s "$D/c/redis.sock" client list)" 'name=tollgate-3f1c9a2be7d0 '
	kill -TERM $pid 2>/dev/null
	wait_for gone $pid
done
is "all three starts are in the same chain" "$(nodes_of "$D/c/lib/journal" "$D/c/etc/audit.key.pub")" "3f1c9a2be7d0 3"
is "all three starts use the same stream of Redis" "$(redis-cli -s "$D/c/redis.sock" keys 'tollgate:audit:*')" "tollgate:audit:3f1c9a2be7d0"
exit $failed
