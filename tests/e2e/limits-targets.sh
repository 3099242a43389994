# A limit that leaves no room at one target: the next one is asked where it does not count there, or
# takes less. What was reserved for the one that was left is given back, to the token and the
# nano-dollar; only where none is left the caller is refused.
# Once: no version of HAProxy differs here.
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
# what limit L holds of the row's person, used and held
holds() { "$B/tollgate" quota get --person "p-$id" --team "$team" --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held] | add // 0"; }
begins() {
	row "$1"
	team=${2:-red}
	as="authorization: Bearer $(token --claims "{\"sub\":\"p-$1\",\"team\":\"$team\"}")"
}
decision() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | grep "$(header x-tollgate-id)" | tail -1 | jq -c "$1"; }
left() { decision '[.candidates[] | "\(.target[0:1]) \(.fate)\(if .out then " \(.out)" else "" end)\(if .state then " \(.state)" else "" end)"] | join(", ")' | tr -d '"'; }
usage='{"usage":{"prompt_tokens":100,"completion_tokens":20}}'

# ---- a provider's own budget, in each dialect, whole and streamed ----
for d in $dialects; do
	begins "$d-own"
	faults "$usage"
	for _ in 1 2 3 4 5 6; do ask; settled; [ "$from" = a ] || break; done
	is "$d: its budget is spent: the next one answers" "$status $from" "200 b"
	is "$d: the record says why" "$(left)" "a out limit own-$d, b chosen"
	is "$d: one attempt" "$(said)" "b 1"
	ask_stream
	is "$d: a stream too" "$status $from" "200 b"
done
settled
check "what it takes is its price there" test "$(holds d)" -gt 0

# ---- a caller's budget that the dear one does not fit ----
begins dear little
faults "$usage"
ask
settled
is "the cheaper one answers" "$status $from $(asked)" "200 b 0 1 0"
is "at its price, once" "$(holds little) $(holds d) $(holds r) $(holds c)" "$((100 * 3000 + 20 * 30000)) $((100 * 3000 + 20 * 30000)) 1 0"
is "the record says so" "$(left)" "a out limit little, b chosen"
begins dearer little
faults "$usage"
ask
settled
is "the third one, where two are too dear" "$status $from $(asked)" "200 c 0 0 1"
is "at its price, once: three" "$(holds little) $(holds r) $(holds c)" "$((100 * 1000 + 20 * 10000)) 1 0"
is "the record names both" "$(left)" "a out limit little, b out limit little, c chosen"
ask ',"max_tokens":2000000'
settled
is "none is cheap enough: refused as before" "$status $(asked)" "403 0 0 1"
like "by its words" "$body" 'limit_unreachable'
is "and nothing is held" "$(holds little) $(holds r) $(holds c)" "$((100 * 1000 + 20 * 10000)) 1 0"

begins unpriced
ask
is "no price at one: the next one answers" "$status $from" "200 b"
is "no price at one: the record" "$(left)" "a out limit priced, b chosen"

begins message
ask ',"max_tokens":50'
is "too long a message for one: the next one answers" "$status $from" "200 b"

# ---- none is left: as before, after which it may soonest come again ----
begins both
faults "$usage"
ask
ask
settled
is "the other one, once" "$status $from" "200 b"
ask
settled
is "both are spent: 429" "$status $(asked)" "429 1 1 0"
is "by the one that has room first" "$(header x-should-retry) $(jq -r .error.code <<<"$body")" "false rate_limit_exceeded"
check "in an hour" test "$(header retry-after)" -le 4000
is "nothing is charged for it" "$(holds r) $(holds c)" "2 0"
refused_before=$(metric quota_refused_total)
ask
is "one refusal is one" "$(metric quota_refused_total)" $((refused_before + 1))

# ---- what would be the same at the other one ----
begins rates
ask
ask
is "a rate that counts everywhere: refused" "$status $(asked)" "429 1 0 0"

begins each
for want in a b; do
	ask
	is "each has its own: $want" "$status $from" "200 $want"
done
ask
is "each has its own: 429" "$status" 429

# ---- at once ----
begins busy
fault 1 '{"hold_after_content":0}'
ask_stream >/dev/null &
under_way 1
ask
is "as many as may be at once: the other one" "$status $from" "200 b"
release
wait $!
settled
is "and none under way after it" "$(holds c)" 0
fault 1 '{}'
ask
is "the first one again" "$status $from" "200 a"

# ---- after an attempt that failed ----
begins later
ask
fault 1 '{"status":500}'
ask
is "after one that failed" "$status $from" "200 b"
ask
settled
is "after one that failed a target with no room is passed over" "$status $from" "200 c"
is "no attempt of it" "$(attempts)" "a perhaps_billed 500, c done 200"
is "requests are callers'" "$(holds r) $(holds c)" "3 0"

begins falls
for want in from-a small from-b; do
	ask
	is "at_limit comes first: $want" "$status $(jq -r '.choices[0].message.content' <<<"$body")" "200 $want"
done

# ---- another amount, by a running daemon ----
begins given
ask
ask
is "spent" "$from" b
"$B/tollgate" limit set a-given --for everyone --to 2 -c "$D/tollgate.yaml" >/dev/null
is_first() { ask; [ "$from" = a ]; }
check "with a larger amount the first one again" wait_for is_first
ask
is "and no longer" "$from" b

# ---- a body that comes after its head ----
begins long
long=",\"user\":\"$(printf '%0100000d' 0 | tr 0 y)\""
ask "$long"
is "a long body" "$status $from" "200 a"
ask "$long"
settled
is "a long body: the other one" "$status $from" "200 b"
is "once" "$(holds r) $(holds c)" "2 0"

begins direct
for want in a b b; do
	ask
	is "without attempts: $want" "$status $from" "200 $want"
done

# ---- the other one is left alone ----
begins ill
fault 2 '{"status":500}'
ask
fault 1 '{"status":500}'
ask
is "both fail" "$status" 500
ask
like "no room at one, the other one is out: refused" "$status" '^(429|503)$'
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
