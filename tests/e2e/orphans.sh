# A daemon is killed with requests in flight. After the next start, their reservations are settled in Redis. Usage is
# counted again if its counters were lost, in the process or because Redis was emptied meanwhile. The same with
# pseudonyms of persons, for which records do not name the counters.
# Once: the result depends only on the daemon.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

# the used, reserved and remaining amount of each limit, as an operator sees them
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
hash=$(printf 3:annt | sha256sum | cut -c 1-24) # the hash in the name of her counter of tokens
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
	is "$store: a response is settled at its usage" "$status $(of month) $(of dropped)" "200 [30,0] [30,0]"
	forget
	control '{"hold_after_events":3}'
	(ask 1000) &
	slow=$!
	under_way 1
	held=$(of month | jq '.[1]')
	check "$store: the tokens of a request in flight are reserved" [ "${held:-0}" -ge 1000 ]
	is "$store: the request is in flight" "$(of at-once)" "[0,1]"
	killed_and_back
	wait "$slow" 2>/dev/null
	settled
	is "$store: after a kill, the request is settled at its reservation" "$(of month)" "[$((30 + held)),0]"
	is "$store: also under a limit that drops orphans of a host" "$(of dropped)" "[$((30 + held)),0]"
	is "$store: no request is in flight any more" "$(of at-once)" "[0,0]"
	is "$store: the completion has the outcome orphaned" "$(last .outcome completion)" '"orphaned"'
	killed_and_back
	named() { cat "$JOURNAL"/* | tr -d '\0' | grep -c "$hash"; }
	case $store in
		sealed) is "$store: no record has a hash of the person's name" "$(named)" 0 ;;
		*) like "$store: records have the counters' names in Redis" "$(named)" '^[1-9]' ;;
	esac
	is "$store: a second kill does not count it again" "$(of month)" "[$((30 + held)),0]"
	is "$store: a rolling hour keeps its count" "$(of hour)" "[$((30 + held)),0]"
	if [ $store != process ]; then
		killed_and_back emptied
		is "$store: after Redis was emptied meanwhile, all usage is counted again" "$(of month) $(of dropped) $(of hour)" \
			"[$((30 + held)),0] [$((30 + held)),0] [$((30 + held)),0]"
		control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
		found() { ask 100; [ "$status" = 200 ]; }
		wait_for found # through HAProxy
		counted() { [ "$(of month)" = "[$((60 + held)),0]" ]; }
		wait_for counted
		is "$store: the next request adds to it" "$status $(of month)" "200 [$((60 + held)),0]"
	fi
	if [ $store = sealed ]; then
		"$build/tollgate" audit erase --person ann --why 'asked' -c "$D/tollgate.yaml" >"$D/out" 2>&1
		is "$store: the person is erased" $? 0
		is "$store: the earlier usage still counts" "$(of month)" "[$((60 + held)),0]"
		killed_and_back emptied
		is "$store: it cannot be counted again from the records" "$(of month)" "[0,0]"
		like "$store: the log reports it" "$(grep event=quota.unnamed "$D/tollgate.log" | tail -1)" 'charges=[1-9]'
	fi
	check "$store: the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
	[ -n "$again" ] && kill "$again" && wait "$again" 2>/dev/null
	"$root/tests/support/stack" down --dir "$D" >/dev/null 2>&1
done
D=$all
