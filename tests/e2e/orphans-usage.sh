# A daemon is killed. Afterwards, the usage that limits have of each person equals tollgate usage, to the nano-dollar,
# by person, team, target, model and route, also for requests at a second target. Under load, a request may be killed
# between its charge and its record, or between its record and its settlement. Limits and usage then differ by that
# request, but the sums of usage still agree.
# Once: the result depends only on the daemon.
# Long: it kills the daemon under load, repeatedly.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
ROUNDS=${ROUNDS:-4}
prices="prices: 1
as_of: 2026-11-01
providers:$(for id in plain chain; do printf '\n  a-%s: [{model: "say:*", input: 1, output: 10}]\n  b-%s: [{model: "say:*", input: 3, output: 30}]\n  c-%s: [{model: "say:*", input: 7, output: 70}]' $id $id $id; done)"
provider_more='breaker: {failures: 1000}' route plain
provider_more='breaker: {failures: 1000}' route chain abc
limits='
  - {name: d, per: [identity.person], usd: 1000, window: {calendar: month}}
  - {name: team, per: [identity.team], usd: 1000, window: {calendar: month}}
  - {name: c, per: [identity.person], concurrent: 100}'
clear_of day 300
targets_up
people='ann bob cat dan eve fay'
team_of() { case $1 in ann | bob | cat) echo red ;; *) echo blue ;; esac; }
for p in $people; do declare "as_$p=authorization: Bearer $(token --claims "{\"sub\":\"$p\",\"team\":\"$(team_of "$p")\"}")"; done
again=''
targets_down() {
	[ -z "$again" ] || kill "$again" 2>/dev/null
	finish
}
usage() { "$B/tollgate" usage -c "$D/tollgate.yaml" --json "$@" 2>/dev/null; }
spent_by() { usage --by "$@" | jq -c '[.rows[] | {(.[keys_unsorted[0]] // "none"): (.cost_nanousd + .estimated_nanousd)}] | add // {} | del(.[] | select(. == 0))'; }
kept_by_person() {
	local p
	for p in $people; do
		"$B/tollgate" quota get --person "$p" --team "$(team_of "$p")" --json -c "$D/tollgate.yaml" |
			jq -c "{\"$p\": ([.[] | select(.limit == \"d\") | .used + .held] | add // 0)}"
	done | jq -sc 'add | del(.[] | select(. == 0))'
}
sorted() { jq -cS . <<<"$1"; }
in_all() { jq '[.[]] | add // 0' <<<"$1"; }
kill_it() {
	[ "$again" ] || { killed tollgate; return; }
	kill -9 "$again"
	wait_for gone "$again"
}
back() {
	"$B/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
	again=$!
	wait_for curl -sf -o "$D/ready" "$ADMIN/readyz"
	as=$as_ann id=plain
	answers() { ask ',"max_tokens":50'; [ "$status" = 200 ]; }
	wait_for answers # through HAProxy
}
one_of() { local v=($1); echo "${v[$((RANDOM % ${#v[@]}))]}"; }
load() { # sends requests as one client, until the file stop exists
	local id who
	RANDOM=$1
	while [ ! -e "$D/stop" ]; do
		id=$(one_of 'plain chain')
		[ $((RANDOM % 8)) != 0 ] || fault 1 "{$usage_is,\"status\":500,\"delay_ms\":20,\"times\":1}"
		who=as_$(one_of "$people")
		curl -s -m 2 -o /dev/null -H "${!who}" -H 'content-type: application/json' -H "host: $id.test" \
			-d "$(body_of "$(one_of 'x y' | tr -d y)" ',"max_tokens":50')" "$EDGE/v1/chat/completions"
	done
}
agree() { # NAME
	local by
	settled
	spent=$(sorted "$(spent_by person)")
	for by in team target model route provider; do
		is "$1: the sum by $by equals the sum by person" "$(in_all "$(spent_by $by)")" "$(in_all "$spent")"
	done
	is "$1: the lines by person and target are the same without an index" "$(sorted "$(usage --by person,target --no-index | jq -c '.rows')")" "$(sorted "$(usage --by person,target | jq -c '.rows')")"
	is "$1: each row has a name" "$(usage --by person,target,model,route | jq '[.rows[] | select(.person == null or .target == null or .model == null or .route == null)] | length')" 0
	is "$1: each row with costs has requests" "$(usage --by target | jq '[.rows[] | select(.requests == 0)] | length')" 0
}

# ---- requests killed at known places ----
row plain
has_had() { [ "$(asked | cut -d " " -f "$1")" -ge "$2" ]; } # PROVIDER N: succeeds if the provider had N requests
aside() { # WHO ID STREAM: sends a request, and does not wait for the response
	local who=as_$1
	curl -s -m 30 -o /dev/null -H "${!who}" -H 'content-type: application/json' -H "host: $2.test" \
		-d "$(id=$2 body_of "${3:-}" ',"max_tokens":50')" "$EDGE/v1/chat/completions" &
	clients="$clients $!"
}
usage_is='"usage":{"prompt_tokens":100,"completion_tokens":20}'
clients=''
faults "{$usage_is}"
aside ann plain
wait_for has_had 1 1
fault 1 '{"status":500}'
fault 2 '{"hold_after_events":1}'
aside bob chain 1
check "a request is at its second target" wait_for has_had 2 1
fault 1 '{"fault":"overloaded"}'
fault 2 '{"status":500}'
fault 3 '{"delay_ms":3600000}'
aside dan chain
check "a request is at its third target" wait_for has_had 3 1
fault 1 '{"cut_after_bytes":0}'
fault 2 '{"delay_ms":3600000}'
aside fay plain
check "a request is at its second target, and the first may have billed it" wait_for has_had 2 3
fault 1 '{"hold_after_events":1}'
aside cat plain 1
check "a request has begun its response" wait_for has_had 1 5
fault 1 '{"delay_ms":3600000}'
aside eve plain
check "a request has no response yet" wait_for has_had 1 6
sleep 0.3
kill_it
kill $clients 2>/dev/null
wait $clients 2>/dev/null
row plain
back
is "each of them is recorded as orphaned" "$(cat "$JOURNAL"/* | tr -d '\0' | grep -c '"outcome":"orphaned"')" 5
agree "streams, and second attempts, in flight"
is "usage by person equals quota, to the nano-dollar" "$spent" "$(sorted "$(kept_by_person)")"
like "the request at its second target is charged there" "$(spent_by target)" 'b-chain/say:from-b'

# ---- under load ----
SEED=${SEED:-7} RANDOM=$SEED
faults "{$usage_is,\"delay_ms\":30}"
for ((round = 1; round <= ROUNDS; round++)); do
	rm -f "$D/stop"
	clients=''
	for n in 1 2 3 4 5 6; do load $((SEED * 100 + round * 10 + n)) & clients="$clients $!"; done
	sleep "0.$((RANDOM % 900 + 100))"
	kill_it
	touch "$D/stop"
	wait $clients
	back
	agree "killed under load, round $round"
done
[ -z "${KEEP:-}" ] || cp -r "$JOURNAL" "$KEEP"
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
