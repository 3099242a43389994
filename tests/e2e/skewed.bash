# Daemons whose wall clock a test sets while they run: those of  stack_up … --preload "$skew"
skew=$D/skew.so
${CC:-cc} -shared -fPIC -o "$skew" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
for node in a b; do head -c 8 /dev/zero >"$D/skew.$node"; done
# clock NODE SECONDS: that node's clock is off by so much from now on
clock() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2]) * 10**9))' "$D/skew.$1" "$2"; }
# daemon NODE: it starts again, and is ready
daemon() {
	local suffix='' name=tollgate
	[ "$1" = a ] || { suffix=-$1 name=second; }
	SKEW_FILE=$D/skew.$1 LD_PRELOAD=$skew setsid "$build/tollgate" serve -c "$D/tollgate$suffix.yaml" </dev/null >>"$D/$name.log" 2>&1 &
	note_pid $! $name
	wait_for says 'ready|degraded|tollgate' "$build/tollgate" status -c "$D/tollgate$suffix.yaml"
}
# stopped NAME: tollgate or second ends
stopped() {
	local pid
	pid=$(pid_of "$1")
	kill -TERM "$pid"
	wait_for gone "$pid"
}
