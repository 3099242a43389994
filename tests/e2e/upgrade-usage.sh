# After `tollgate upgrade`, the instance that decides counts the usage of both instances: if Redis loses its data,
# if an instance was killed with requests in flight, and after a reboot. Nothing is counted or recorded twice.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
cat >"$D/p.yaml" <<'Y'
tollgate: 1
name: both
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], response: [meter]}
default: permit
limits:
  - {name: month, per: [identity.person], requests: 100, window: {calendar: month}}
  - {name: at-once, per: [identity.person], concurrent: 2}
Y
clear_of day 120
upgrade_stack "$D/p.yaml"
used() { "$build/tollgate" quota get --person ann --json -c "$D/tollgate.yaml" 2>"$D/err" | jq -c '[.[] | .used]'; }
uses() { [ "$(used)" = "$1" ]; }
ask() { req POST /v1/chat/completions -H "authorization: Bearer $(token --claims '{"sub":"ann"}')" -H "$json" "$@"; }
asks() { # N: asks so many times; prints the statuses that occurred
	local i all=
	for ((i = 0; i < $1; i++)); do
		ask -d '{"model":"echo","messages":[{"role":"user","content":"hi"}]}'
		all+="$status "
	done
	tr ' ' '\n' <<<"$all" | sort -u | xargs
}
lost() { # Redis loses its data; the daemon has noticed when it answers again
	redis flushall >/dev/null
}
one_runs() { [ "$(deciding | wc -l)" = 1 ]; }
orphans() { cat "$D"/journal*/*.jsonl | tr -d '\0' | jq -r 'select(.outcome == "orphaned") | .id' | sort; }
orphaned() { [ "$(orphans | wc -l)" = "$1" ]; }
slow() { # N: so many streams stay in flight
	local i
	control '{"hold_after_events":2}'
	for ((i = 0; i < $1; i++)); do
		curl -sN -m 90 -H "authorization: Bearer $(token --claims '{"sub":"ann"}')" -H "$json" \
			-d "$stream" "$EDGE/v1/chat/completions" >"$D/stream.$i" &
	done
	streams_came() { [ "$(cat "$D"/stream.* 2>/dev/null | grep -c '^data: ')" -ge $((2 * $1)) ]; }
	wait_for streams_came "$1" 
	control '{}'
}
kill_all() { # kill -9 of all instances, as a reboot
	local pid
	for pid in $(deciding); do
		echo "$pid tollgate" >>"$D/.killed"
		kill -KILL "$pid"
		wait_for gone "$pid"
	done
}

is "ninety requests pass" "$(asks 90)" 200
check "the second instance takes over" upgrade
check "the first instance ends" wait_for one_runs
lost
check "the second instance counts the usage of the first one again" wait_for uses '[90,0]'
is "nine more pass" "$(asks 9)" 200
check "the first instance takes over" upgrade
check "the second instance ends" wait_for one_runs
check "it counts as much" wait_for uses '[99,0]'
lost
check "after another loss, the first instance counts both" wait_for uses '[99,0]'
near() { cat "$D"/tollgate.log "$D"/upgrade.*.log | sed -n 's/.*event=limit.near limit=month reached_percent=\([0-9]*\).*/\1/p' | sort | xargs; }
is "each level of the limit was reported once, by one of the instances" "$(near)" '80 90'
is "one more passes, and then none" "$(asks 1) $(asks 1)" "200 429"

kill_all
lost
daemon_start
check "after a reboot, the first instance decides" wait_for is_ready
check "it counts both journals, nothing twice" wait_for uses '[100,0]'

# An older instance is killed while its streams end: its slots of `concurrent` are free at once.
daemon_restart_month() { # usage begins at 0
	kill_all
	lost
	rm -rf "$D"/journal*
	daemon_start
	wait_for is_ready
}
daemon_restart_month
first_passes() { [ "$(asks 1)" = 200 ]; }
check "a request passes" wait_for first_passes
slow 2
is "two streams take both slots" "$(asks 1)" 429
old=$(deciding)
check "the second instance takes over while the first one has two streams" upgrade
is "the slots are still taken" "$(asks 1)" 429
echo "$old tollgate" >>"$D/.killed"
kill -KILL "$old"
wait_for gone "$old"
passes() { [ "$(asks 1)" = 200 ]; }
check "the first instance is killed: a request passes" wait_for passes
check "both of its requests are recorded as orphaned" wait_for orphaned 2
like "in the journal of the instance that decides" "$(grep -lc '"outcome":"orphaned"' "$D"/journal*/*.jsonl)" '^[^ ]*/journal-b/[^ ]*$'
is "both slots are free" "$(used)" '[4,0]'
release
check "the first instance takes over again" upgrade
check "the second instance ends" wait_for one_runs
is "it records no orphan a second time" "$(orphans | wc -l)" 2
lost
check "it counts the same" wait_for uses '[4,0]'
kill_all
lost
daemon_start
check "after a reboot, the first instance decides" wait_for is_ready
check "it counts the same" wait_for uses '[4,0]'
is "no orphan is recorded a second time" "$(orphans | wc -l)" 2
for one in '' -b; do
	check "journal$one verifies" verifies "$D/journal$one" "$D/audit$one.key.pub"
done
