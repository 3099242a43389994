# Three daemons behind one HAProxy, 64 connections, and three targets of which one fails now and then. Limits in
# tokens and dollars are exact to the nano-dollar, by the daemons' records and by the providers' bills. One provider
# has the Messages API: its requests are translated, and charged once. Then a storm: one of three targets always
# fails, and the others get retries only within the retry budget.
# RACE_S: seconds of each load (2); it may end earlier if enough requests were sent.
# Once: no version of HAProxy differs here.
# Long: it sends a load, and a storm.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
command -v node >/dev/null || { skip "a race" "node is not installed"; exit 0; }

other=([c]=anthropic)
provider_more='breaker: {failures: 20, open: 50ms}' route race '[{provider: @a, model: "say:from-a"}, {provider: @b, model: "say:from-b"}, {provider: @c, model: "say:from-c"}]' 'choose: {by: weight}, retry: {attempts: 3, first_byte: 2s, whole: 2s}'
other=()
route storm '[{provider: @a, model: "say:from-a"}, {provider: @b, model: "say:from-b"}, {provider: @c, model: "say:from-c"}]' 'choose: {by: weight}'
# Only few of its requests fail, so its circuit breaker stays closed and only the budget limits retries.
provider_more='breaker: {failures: 1000, open: 1s}' route some '[{provider: @a, model: "say:from-a", weight: 8}, {provider: @b, model: "say:from-b"}, {provider: @c, model: "say:from-c"}]' 'choose: {by: weight}'
prices="prices: 1
as_of: 2026-11-01
providers:$(for id in race storm some; do printf '\n  a-%s: [{model: "say:*", input: 1, output: 10}]\n  b-%s: [{model: "say:*", input: 3, output: 30}]\n  c-%s: [{model: "say:*", input: 7, output: 70}]' $id $id $id; done)"
limits='
  - {name: tokens, when: '"'identity.team == \"tokens\"'"', per: [identity.team], tokens: 60000, window: {calendar: month}}
  - {name: dollars, when: '"'identity.team == \"dollars\"'"', per: [identity.team], usd: 1.5, window: {calendar: month}}'
clear_of day 300
targets_up --daemons 3
for team in tokens dollars storm; do declare -x "TOKEN_$team=$(token --claims "{\"team\":\"$team\"}")"; done
held() { "$B/tollgate" quota get --team "$1" --person alice --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held] | add // 0"; }
export EDGE PROVIDER PROVIDER_2 PROVIDER_3 D B root
part() { PART=$1 node "$here/race-targets.mjs" >"$D/part.log" || failed=1; cat "$D/part.log"; }
for team in tokens dollars; do
	part $team
	want=$(sed -n "s/^# sum: //p" "$D/part.log")
	is_spent() { [ "$(held $team)" = "$want" ]; }
	check "$team: the limit has the sum of all attempts: $want" wait_for is_spent
done
part storm
part some
for j in journal:audit.key.pub journal-b:audit-b.key.pub journal-c:audit-c.key.pub; do
	check "the chain in ${j%:*} verifies" verifies "$D/${j%:*}" "$D/${j#*:}"
done
exit $failed
