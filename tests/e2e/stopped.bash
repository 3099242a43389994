# A daemon that ends at a named point of its code (base/stops.h).

ended() {
	killed tollgate
	wait_for gone "$(pid_of tollgate)"
}
# ends_at POINT[:N] [COMMAND…]: starts a daemon that ends when it passes the point for the N-th time, and runs the
# command when the daemon is ready. Returns the daemon's exit status, or 255 if it does not end.
ends_at() {
	local point=$1 pid end=$((EPOCHSECONDS + 60))
	shift
	TG_STOP_AT=$point setsid "$build/stops/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
	pid=$!
	note_pid $pid tollgate
	if [ $# -gt 0 ]; then
		until gone $pid || curl -sf -o /dev/null "$ADMIN/readyz"; do [ $EPOCHSECONDS -lt $end ] || break; sleep 0.02; done
		"$@" >"$D/command.log" 2>&1
	fi
	until gone $pid; do
		if [ $EPOCHSECONDS -ge $end ]; then
			not_ok "a daemon ends at $point" "it goes on; $("$build/tollgate" status -c "$D/tollgate.yaml" | grep -i 'audit\|retention')" "$(tail -3 "$D/tollgate.log")"
			ended
			return 255
		fi
		sleep 0.02
	done
	echo "$pid tollgate" >>"$D/.killed"
	wait $pid 2>/dev/null
}
