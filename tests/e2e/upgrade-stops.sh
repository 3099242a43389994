# Either instance is killed at each message of the hand-over and started again, as systemd does. One instance decides,
# nothing passes without inspection, no request is decided twice, and both chains verify. If the new one is killed
# before it decides, no request is refused.
# Late: it starts the daemon some fifteen times.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack
serving="^$build/(stops/)?tollgate serve -c $D/tollgate.yaml"
one_is_left() { [ "$(pgrep -fc "$serving")" = 1 ]; }
# begin INSTANCE [POINT]: starts it; it is killed at this point
begin() {
	local program=$build/tollgate
	[ $# = 1 ] || program=$build/stops/tollgate
	TG_STOP_AT=${2:-} "$program" serve -c "$D/tollgate.yaml" --instance "$1" >>"$D/tollgate.log" 2>&1 </dev/null 9>&- &
	note_pid $! instance # an instance that ends with exit code 3 has not crashed
	begun=$!
}
name_of() { if [ "$(node_of)" = a ]; then echo a; else echo b; fi; }
other_of() { if [ "$1" = a ]; then echo b; else echo a; fi; }
# decided_by INSTANCE: an instance decides; starts INSTANCE again if it ended, as systemd does: the older instance may still
# listen on the socket, and then a start is refused
decided_by() {
	served && return
	kill -0 "$begun" 2>/dev/null || begin "$1"
	return 1
}
# after WHAT INSTANCE: starts the killed instance again
after() {
	begin "$2"
	check "$1: an instance decides" wait_for decided_by "$2"
	wait_for one_is_left || { not_ok "$1: one instance is left"; exit 1; }
	check "$1: that instance decides" served
}
# killed_new POINT: the new instance is killed there
killed_new() {
	local new
	new=$(other_of "$(name_of)")
	printf '#!/bin/sh\nTG_STOP_AT=%s exec "%s" "$@"\n' "$1" "$build/stops/tollgate" >"$D/stopped"
	chmod +x "$D/stopped"
	NEW_PROGRAM=$D/stopped upgrade && code=0 || code=$?
	after "the new instance is killed at ${1#hand-}" "$new"
}
# killed_old POINT: the deciding instance is killed there
killed_old() {
	local old
	kill -TERM "$(pgrep -f "$serving")"
	none_is_left() { [ "$(pgrep -fc "$serving")" = 0 ]; }
	wait_for none_is_left
	begin a "$1"
	old=$begun
	wait_for served
	upgrade
	wait_for gone "$old" || { not_ok "the older instance is killed at ${1#hand-}"; exit 1; }
	after "the older instance is killed at ${1#hand-}" a
}
loaded() { [ -s "$D/load.txt" ]; }

load_begin
wait_for loaded
for point in sent-join received-socket received-sockets sent-take received-connection:3 received-go; do
	killed_new "hand-$point"
	is "the command is exit 1" "$code" 1
done
load_end
is "no request is refused" "$(refused)" 0
load_begin
wait_for loaded
killed_new hand-sent-decides
for point in received-join sent-socket sent-sockets received-take sent-connection:3 sent-go received-decides; do
	killed_old "hand-$point"
done
load_end
echo "# $(tr '\n' ' ' <"$D/load.txt")"
is "nothing passes without inspection" "$(grep -c '^passed' "$D/load.txt")" 0
for j in "$D/journal:$D/audit.key.pub" "$D/journal-b:$D/audit-b.key.pub"; do
	check "the chain in ${j%%:*} verifies" verifies "${j%%:*}" "${j#*:}"
done
is "no request was decided twice" "$(decided_twice)" 0
