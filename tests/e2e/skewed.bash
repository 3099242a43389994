# Daemons whose wall clock a test sets while they run. Start them with: stack_up … --preload "$skew"
skew=$D/skew.so
${CC:-cc} -shared -fPIC -o "$skew" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
for node in a b; do head -c 8 /dev/zero >"$D/skew.$node"; done
# clock NODE SECONDS: the node's clock is wrong by so many seconds from now on
clock() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2]) * 10**9))' "$D/skew.$1" "$2"; }
# daemon NODE: starts the daemon again, and waits until it is ready
daemon() {
	local suffix='' name=tollgate
	[ "$1" = a ] || { suffix=-$1 name=second; }
	SKEW_FILE=$D/skew.$1 LD_PRELOAD=$skew setsid "$build/tollgate" serve -c "$D/tollgate$suffix.yaml" </dev/null >>"$D/$name.log" 2>&1 &
	note_pid $! $name
	wait_for says 'ready|degraded|tollgate' "$build/tollgate" status -c "$D/tollgate$suffix.yaml"
}
# stopped NAME: ends the daemon "tollgate" or "second"
stopped() {
	local pid
	pid=$(pid_of "$1")
	kill -TERM "$pid"
	wait_for gone "$pid"
}
