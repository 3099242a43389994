# A limit that is used up at one target. The next target is used if the limit does not count there, or if its cost is
# lower. The reservation of the first is released, to the token and the nano-dollar. The caller is refused only if no
# target is left.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

dialects='openai anthropic gemini bedrock cohere mistral ollama'
ids='dear dearer unpriced message both busy each later falls given rates long'
for dialect in $dialects; do route "$dialect-own"; done
dialect=openai
for what in dear unpriced message both busy each falls given rates long; do route $what; done
for what in dearer later; do route $what abc; done
provider_more='breaker: {failures: 1, open: 60s}' route ill
route direct ab 'via: direct'
prices="prices: 1
as_of: 2026-11-01
providers:$(for id in $ids direct ill; do
	printf '\n  a-%s: [%s{model: "other", input: 1000, output: 1000}]' $id "$(case $id in unpriced) ;; long) echo '{model: "say:*", input: 1, output: 10}, ' ;; *) echo '{model: "say:*", input: 1000, output: 10000}, ' ;; esac)"
	printf '\n  b-%s: [{model: "say:*", input: %s}]\n  c-%s: [{model: "say:*", input: 1, output: 10}]' $id "$([ $id = dearer ] && echo 900, output: 9000 || echo 3, output: 30)" $id
done
for d in $dialects; do printf '\n  a-%s-own: [{model: "*", input: 1, output: 10}]\n  b-%s-own: [{model: "*", input: 3, output: 30}]' $d $d; done)"
policy_more='' limits="
  - {name: d, per: [identity.person], usd: 10, window: {calendar: month}}
  - {name: r, per: [identity.person], requests: 100, window: {calendar: month}}
  - {name: c, per: [identity.person], concurrent: 50}
  - {name: little, when: 'identity.team == \"little\"', per: [identity.person], usd: 0.01, window: {calendar: month}}
  - {name: priced, when: 'route.name == \"unpriced\"', per: [identity.person], usd: 1, window: {calendar: month}}
  - {name: short, when: 'target.name == \"a-message\"', tokens_per_request: 20}
  - {name: a-both, when: 'target.name == \"a-both\"', tokens: 200, window: {calendar: month}}
  - {name: b-both, when: 'target.name == \"b-both\"', requests: 1, window: 1h}
  - {name: a-busy, when: 'target.name == \"a-busy\"', concurrent: 1}
  - {name: each, when: 'route.name == \"each\"', per: [target.name], requests: 1, window: {calendar: month}}
  - {name: b-later, when: 'target.name == \"b-later\"', requests: 1, window: {calendar: month}}
  - {name: a-falls, when: 'target.name == \"a-falls\"', requests: 1, window: {calendar: month}, at_limit: {model: 'say:small', up_to: 2}}
  - {name: a-given, when: 'target.name == \"a-given\"', requests: 1, window: {calendar: month}}
  - {name: rates, when: 'route.name == \"rates\"', per: [identity.person], requests: 1, window: 1h}
  - {name: a-long, when: 'target.name == \"a-long\"', requests: 1, window: {calendar: month}}
  - {name: a-direct, when: 'target.name == \"a-direct\"', requests: 1, window: {calendar: month}}
  - {name: a-ill, when: 'target.name == \"a-ill\"', requests: 1, window: {calendar: month}}$(for d in $dialects; do printf "\n  - {name: own-%s, when: 'target.name == \"a-%s-own\"', usd: 0.001, window: {calendar: month}}" $d $d; done)"
clear_of day 300
targets_up
team=red
# the amounts that limit L holds for the row's person, used and reserved
holds() { "$B/tollgate" quota get --person "p-$id" --team "$team" --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held] | add // 0"; }
begins() {
	row "$1"
	team=${2:-red}
	as="authorization: Bearer $(token --claims "{\"sub\":\"p-$1\",\"team\":\"$team\"}")"
}
decision() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | grep "$(header x-tollgate-id)" | tail -1 | jq -c "$1"; }
left() { decision '[.candidates[] | "\(.target[0:1]) \(.fate)\(if .out then " \(.out)" else "" end)\(if .state then " \(.state)" else "" end)"] | join(", ")' | tr -d '"'; }
usage='{"usage":{"prompt_tokens":100,"completion_tokens":20}}'

# ---- a provider's own budget, in each dialect, whole and as a stream ----
for d in $dialects; do
	begins "$d-own"
	faults "$usage"
	for _ in 1 2 3 4 5 6; do ask; settled; [ "$from" = a ] || break; done
	is "$d: if one provider's budget is used up, the next target answers" "$status $from" "200 b"
	is "$d: the record has the reason" "$(left)" "a out limit own-$d, b chosen"
	is "$d: there is one attempt" "$(said)" "b 1"
	ask_stream
	is "$d: the same with a stream" "$status $from" "200 b"
done
settled
check "the charge is the price at that target" test "$(holds d)" -gt 0

# ---- a caller's budget that the more expensive target exceeds ----
begins dear little
faults "$usage"
ask
settled
is "the cheaper target answers" "$status $from $(asked)" "200 b 0 1 0"
is "its price is charged once" "$(holds little) $(holds d) $(holds r) $(holds c)" "$((100 * 3000 + 20 * 30000)) $((100 * 3000 + 20 * 30000)) 1 0"
is "the record has the limit" "$(left)" "a out limit little, b chosen"
begins dearer little
faults "$usage"
ask
settled
is "if two targets are too expensive, the third answers" "$status $from $(asked)" "200 c 0 0 1"
is "the price of the third is charged once" "$(holds little) $(holds r) $(holds c)" "$((100 * 1000 + 20 * 10000)) 1 0"
is "the record has both targets that were passed over" "$(left)" "a out limit little, b out limit little, c chosen"
ask ',"max_tokens":2000000'
settled
is "if no target is cheap enough, the request is refused" "$status $(asked)" "403 0 0 1"
like "the refusal has the code limit_unreachable" "$body" 'limit_unreachable'
is "no reservation is left" "$(holds little) $(holds r) $(holds c)" "$((100 * 1000 + 20 * 10000)) 1 0"

begins unpriced
ask
is "a target without a price: the next target answers" "$status $from" "200 b"
is "a target without a price: the record has the limit" "$(left)" "a out limit priced, b chosen"

begins message
ask ',"max_tokens":50'
is "a prompt that is too long for one target: the next target answers" "$status $from" "200 b"

# ---- no target is left: Retry-After is the soonest of both ----
begins both
faults "$usage"
ask
ask
settled
is "the second target answers one request" "$status $from" "200 b"
ask
settled
is "both budgets are used up: 429" "$status $(asked)" "429 1 1 0"
is "the code is that of the limit that ends first" "$(header x-should-retry) $(jq -r .error.code <<<"$body")" "false rate_limit_exceeded"
check "Retry-After is at most an hour" test "$(header retry-after)" -le 4000
is "nothing is charged for the refusal" "$(holds r) $(holds c)" "2 0"
refused_before=$(metric quota_refused_total)
ask
is "the metric counts one refusal" "$(metric quota_refused_total)" $((refused_before + 1))

# ---- limits that are the same at each target ----
begins rates
ask
ask
is "a limit that counts at all targets: refused" "$status $(asked)" "429 1 0 0"

begins each
for want in a b; do
	ask
	is "a limit that counts for each target: $want" "$status $from" "200 $want"
done
ask
is "a limit that counts for each target: 429" "$status" 429

# ---- concurrent requests ----
begins busy
fault 1 '{"hold_after_content":0}'
ask_stream >/dev/null &
under_way 1
ask
is "a target at its limit of concurrent requests: the other target answers" "$status $from" "200 b"
release
wait $!
settled
is "afterwards none is in flight" "$(holds c)" 0
fault 1 '{}'
ask
is "afterwards the first target answers again" "$status $from" "200 a"

# ---- after a failed attempt ----
begins later
ask
fault 1 '{"status":500}'
ask
is "after a failed attempt, the next target answers" "$status $from" "200 b"
ask
settled
is "after a failed attempt, a target without budget is passed over" "$status $from" "200 c"
is "the target that was passed over has no attempt" "$(attempts)" "a perhaps_billed 500, c done 200"
is "the limit counts requests, not attempts" "$(holds r) $(holds c)" "3 0"

begins falls
for want in from-a small from-b; do
	ask
	is "at_limit applies first: $want" "$status $(jq -r '.choices[0].message.content' <<<"$body")" "200 $want"
done

# ---- a changed amount in a running daemon ----
begins given
ask
ask
is "the first target's budget is used up" "$from" b
"$B/tollgate" limit set a-given --for everyone --to 2 -c "$D/tollgate.yaml" >/dev/null
is_first() { ask; [ "$from" = a ]; }
check "with a larger amount, the first target answers again" wait_for is_first
ask
is "until that is used up too" "$from" b

# ---- a body that arrives after its head ----
begins long
long=",\"user\":\"$(printf '%0100000d' 0 | tr 0 y)\""
ask "$long"
is "a long body: the first target answers" "$status $from" "200 a"
ask "$long"
settled
is "a long body: the other target answers" "$status $from" "200 b"
is "each is counted once" "$(holds r) $(holds c)" "2 0"

begins direct
for want in a b b; do
	ask
	is "with one attempt: $want" "$status $from" "200 $want"
done

# ---- the other target is unhealthy ----
begins ill
fault 2 '{"status":500}'
ask
fault 1 '{"status":500}'
ask
is "both targets fail" "$status" 500
ask
like "no budget at one target, the other is unhealthy: refused" "$status" '^(429|503)$'
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
