# `tollgate upgrade` is interrupted (Ctrl-C) at several moments: exactly one instance decides afterwards, and requests pass.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack
instances() { pgrep -fc "^$build/tollgate serve -c $D/tollgate.yaml"; }
one_is_left() { [ "$(instances)" = 1 ]; }
begun() { grep -ahc 'upgrade.begun' "$D"/*.log | awk '{ n += $1 } END { print n }'; }
command_runs() { pgrep -f "^$build/tollgate upgrade -c $D/tollgate.yaml" >/dev/null; }
# A program that joins a second after its start, as with a long journal.
cat >"$D/slow" <<END
#!/bin/sh
sleep 1
exec "$build/tollgate" "\$@"
END
chmod +x "$D/slow"

# interrupt: ends the command, with SIGTERM, because background jobs of a shell ignore SIGINT
interrupt() {
	pkill -TERM -f "^$build/tollgate upgrade -c $D/tollgate.yaml"
	wait "$waiting" 2>/dev/null
}
# after MOMENT: the checks after an interruption
after() {
	wait_for one_is_left || { not_ok "interrupted $1: one instance is left"; exit 1; }
	ok "interrupted $1: one instance is left"
	answers=
	for i in {1..20}; do answers+="$(answered) "; done
	is "interrupted $1: requests pass" "$(tr ' ' '\n' <<<"$answers" | grep -c 200)" 20
	check "interrupted $1: its sockets exist" test -S "$SOCKETS/agent.sock" -a -S "$SOCKETS/agent.sock.hand" -a -S "$SOCKETS/admin.sock"
	note_instances
}

NEW_PROGRAM=$D/slow upgrade &
waiting=$!
wait_for command_runs
sleep 0.3
interrupt
after "before the new instance joins"

# The new instance has the sockets and waits for entries of Redis.
before=$(begun)
joined() { [ "$(begun)" -gt "$before" ]; }
kill -STOP "$(pid_of redis)"
upgrade &
waiting=$!
check "the new instance has joined" wait_for joined
interrupt
kill -CONT "$(pid_of redis)"
after "while the new instance starts"
is "the older instance decides" "$(node_of)" a

for ms in 50 100 150 200 250 300 400 500; do
	upgrade &
	waiting=$!
	sleep "$(printf '0.%03d' $ms)"
	interrupt
	after "after $ms ms"
done
check "an upgrade is possible afterwards" upgrade
for j in "$D/journal:$D/audit.key.pub" "$D/journal-b:$D/audit-b.key.pub"; do
	check "the chain in ${j%%:*} verifies" verifies "${j%%:*}" "${j#*:}"
done
is "no request was decided twice" "$(decided_twice)" 0
