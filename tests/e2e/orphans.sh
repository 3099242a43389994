# A daemon killed with requests under way: what they reserved is settled when it is back, on
# Redis; what was used is counted again where the counts ended with it, in process or on a Redis
# that was emptied meanwhile. So it is where persons are pseudonyms, and records do not name their counters.
# Once: what is asked is the daemon's.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

# used, held and left of each limit, as the operator sees them
quota() { "$build/tollgate" quota get --person ann --json -c "$D/tollgate.yaml" 2>"$D/err"; }
of() { quota | jq -c ".[] | select(.limit == \"$1\") | [.used, .held]"; }
last() { cat "$JOURNAL"/* | tr -d '\0' | grep "\"type\":\"$2\"" | tail -1 | jq -c "$1"; }
ask() { # MAX_TOKENS
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims '{"sub":"ann"}')" \
		-H 'content-type: application/json' \
		-d "{\"model\":\"m\",\"stream\":true,\"max_tokens\":$1,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
}
killed_and_back() { # [emptied]
	local pid
	for pid in $PIDS $again; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tollgate ] && kill -9 "$pid"
	done
	for pid in $PIDS $again; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tollgate ] && wait_for gone "$pid"
	done
	[ -n "${1-}" ] && redis-cli -s "${REDIS#unix:}" FLUSHALL >/dev/null
	"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 &
	again=$!
	wait_for curl -sf -o "$D/ready" "$ADMIN/readyz"
}

clear_of day 120
all=$D
hash=$(printf 3:annt | sha256sum | cut -c 1-24) # of a counter of her tokens
for store in redis sealed process; do
	D=$all/$store
	mkdir "$D"
	if [ $store = redis ]; then stack_up --policy "$here/orphans.yaml"
	elif [ $store = sealed ]; then
		{ auditor judge; echo 'audit: {persons: pseudonym}'; } >"$D/mine.yaml"
		stack_up --policy "$here/orphans.yaml" --config "$D/mine.yaml"
	else stack_up --no-redis --policy "$here/orphans.yaml"; fi
	again=
	control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
	ask 100
	settled
	is "$store: an answer is settled at its usage" "$status $(of month) $(of dropped)" "200 [30,0] [30,0]"
	forget
	control '{"hold_after_events":3}'
	(ask 1000) &
	slow=$!
	under_way 1
	held=$(of month | jq '.[1]')
	check "$store: one under way is held" [ "${held:-0}" -ge 1000 ]
	is "$store: and in flight" "$(of at-once)" "[0,1]"
	killed_and_back
	wait "$slow" 2>/dev/null
	settled
	is "$store: killed, it is settled at its reservation" "$(of month)" "[$((30 + held)),0]"
	is "$store: also where orphans are dropped with their host" "$(of dropped)" "[$((30 + held)),0]"
	is "$store: and no more in flight" "$(of at-once)" "[0,0]"
	is "$store: its completion says so" "$(last .outcome completion)" '"orphaned"'
	killed_and_back
	named() { cat "$JOURNAL"/* | tr -d '\0' | grep -c "$hash"; }
	case $store in
		sealed) is "$store: no record has a hash of her name" "$(named)" 0 ;;
		*) like "$store: records name counters by what Redis calls them" "$(named)" '^[1-9]' ;;
	esac
	is "$store: once, whoever is killed again" "$(of month)" "[$((30 + held)),0]"
	is "$store: an hour that rolls goes on too" "$(of hour)" "[$((30 + held)),0]"
	if [ $store != process ]; then
		killed_and_back emptied
		is "$store: emptied while it was away, all is counted again" "$(of month) $(of dropped) $(of hour)" \
			"[$((30 + held)),0] [$((30 + held)),0] [$((30 + held)),0]"
		control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
		found() { ask 100; [ "$status" = 200 ]; }
		wait_for found # by HAProxy
		counted() { [ "$(of month)" = "[$((60 + held)),0]" ]; }
		wait_for counted
		is "$store: and goes on from there" "$status $(of month)" "200 [$((60 + held)),0]"
	fi
	if [ $store = sealed ]; then
		"$build/tollgate" audit erase --person ann --why 'asked' -c "$D/tollgate.yaml" >"$D/out" 2>&1
		is "$store: she is erased" $? 0
		is "$store: and what she used still counts" "$(of month)" "[$((60 + held)),0]"
		killed_and_back emptied
		is "$store: but from her records nobody counts it again" "$(of month)" "[0,0]"
		like "$store: which is said" "$(grep event=quota.unnamed "$D/tollgate.log" | tail -1)" 'charges=[1-9]'
	fi
	check "$store: the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
	[ -n "$again" ] && kill "$again" && wait "$again" 2>/dev/null
	"$root/tests/support/stack" down --dir "$D" >/dev/null 2>&1
done
D=$all
