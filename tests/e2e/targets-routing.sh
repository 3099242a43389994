# The choice of a target: order, groups, weights, price and latency. Targets that fail, ask to wait or have no room
# are avoided for the right time, and others are not. Cases from other gateways have the name of their issue.
# Once: no version of HAProxy differs here.
# Long: it sends many requests one after the other.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

dialects='openai anthropic gemini bedrock cohere ollama'
route left-alone abc
route longer
route shorter
dialect=anthropic route credit
route cooled
route aborted
provider_more='concurrent: 1'
for dialect in $dialects; do route "room-$dialect"; done
dialect=openai
route room-responses
route room-embeddings
route queue a
provider_more=''
dialect=anthropic route counted
route cap abc 'retry: {attempts: 2}'
route failed-key '[{provider: @a, model: "say:from-a", weight: 100}, {provider: @b, model: "say:from-b"}]' 'choose: {by: weight}'
route groups '[{provider: @a, model: "say:from-a"}, {provider: @b, model: "say:from-b"}, {provider: @c, model: "say:from-c", priority: 2}]'
route second-group '[{provider: @a, model: "say:from-a"}, {provider: @b, model: "say:from-b", priority: 2}]'
route weight '[{provider: @a, model: "say:from-a", weight: 3}, {provider: @b, model: "say:from-b"}]' 'choose: {by: weight}'
route zero '[{provider: @a, model: "say:from-a", priority: 2}, {provider: @b, model: "say:from-b", priority: 1}]'
route identity abc 'choose: {by: weight, sticky: identity}'
route conversation abc 'choose: {by: weight, sticky: conversation}'
route price ab 'choose: {by: price}'
route latency ab 'choose: {by: latency}'
provider_more='breaker: {failures: 2, open: 1s}'
route breaker
route callers
provider_more='breaker: {failures: 1, open: 500ms}'
route soon
provider_more=''
route alone a 'retry: {attempts: 1}'
route burst
route budget
route secret
prices='prices: 1
as_of: 2026-11-01
providers:
  a-price: [{model: "say:*", input: 2, output: 10}]
  b-price: [{model: "say:*", input: 1, output: 5}]'
policy_more='unknown_price: {input: 1, output: 1}'
rules='
  - {name: not-there, when: '"'route.name == \"secret\" && target.name == \"a-secret\"'"', deny: {status: 403, reason: not there}}'
targets_up
ask_times() { local i; for ((i = 0; i < $1; i++)); do ask "${@:2}"; echo "$status $from"; done; }
rate_for() { echo "{\"fault\":\"rate\",\"headers\":{\"retry-after\":\"$1\"}}"; }

# ---- a target that asks to wait ----
row left-alone # BerriAI/litellm#32574
fault 1 "$(rate_for 60)"
fault 2 "$(rate_for 60)"
ask
is "two targets ask to wait, the third answers" "$status $from $(asked)" "200 c 1 1 1"
ask
is "both are avoided by the next request, not only the first" "$status $from $(asked)" "200 c 1 1 2"

row longer # BerriAI/litellm#40130
fault 1 "[$(rate_for 1 | sed 's/^{/{"times":1,"delay_ms":1000,/'),$(rate_for 60 | sed 's/^{/{"times":1,"delay_ms":1300,/')]"
ask & ask & wait
is "both targets had requests at the same time" "$(asked)" "2 2 0"
row_began=$EPOCHSECONDS
row shorter
fault 1 "[$(rate_for 60 | sed 's/^{/{"times":1,"delay_ms":1000,/'),$(rate_for 1 | sed 's/^{/{"times":1,"delay_ms":1300,/')]"
ask & ask & wait
sleep 1.6 # longer than the wait of one second
id=shorter
ask
is "the longer wait applies if it was asked for first" "$status $from $(asked)" "200 b 2 3 0"
id=longer
fault 1 '{}'
ask
is "the longer wait applies if it was asked for later" "$status $from $((EPOCHSECONDS - row_began < 50))" "200 b 1"

row cooled # BerriAI/litellm#27823
faults "$(rate_for 30)"
ask
is "all targets ask to wait: the last response is forwarded" "$status $(header retry-after) $(asked)" "429 30 1 1 0"
ask
is "then no target gets a request" "$status $(jq -r .error.code <<<"$body") $(asked)" "503 provider_unavailable 1 1 0"
like "the caller gets Retry-After" "$(header retry-after)" '^([12]?[0-9]|30)$'
like "the response names no target" "$(said)" '^ *0?$'

row credit # BerriAI/litellm PR#16092
fault 1 '{"fault":"credit"}'
ask
is "a 400 about missing credit: the next target answers" "$status $from $(attempts)" "200 b a refused_us 400, b done 200"
for _ in 1 2 3; do ask; done
is "a target without credit gets no further requests" "$status $from $(asked)" "200 b 1 4 0"

row failed-key # higress-group/higress#1776
fault 1 '{"status":500}'
is "a retry never uses a target that failed before" "$(ask_times 3 | sort -u)" "200 b"
is "each target had one attempt" "$(($(asked | cut -d ' ' -f1) <= 3)) $(asked | cut -d ' ' -f2)" "1 3"

row cap # maximhq/bifrost#5876
fault 1 "$(rate_for 60)"
fault 2 "$(rate_for 60)"
ask
is "two attempts are permitted, and both fail" "$status $(asked)" "429 1 1 0"
ask
is "an avoided target does not use up an attempt" "$status $from $(said) $(asked)" "200 c c 1 1 1 1"

# ---- groups ----
row groups # kgateway-dev/kgateway#11116
fault 1 '{"status":503}'
fault 2 '{"status":500}'
ask
is "the second group is used if no target of the first is left" "$status $from $(asked)" "200 c 1 1 1"
row second-group # agentgateway/agentgateway PR#3462
fault 1 '{"status":500,"times":1}'
ask
is "one failure is enough, and ejects no target" "$status $from" "200 b"
ask
is "the next request uses the first group again" "$status $from $(asked)" "200 a 2 1 0"
row zero
ask
is "the order is that of groups, not of the list" "$from $(asked)" "b 0 1 0"
row secret
fault 2 '{"status":500}'
ask
is "a target that a rule denies is used neither first nor as the next" "$status $(asked)" "500 0 2 0"
is "the request has one completion" "$(completion .decision_of >/dev/null; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -c 'b-secret/')" 1

# ---- weights, price, latency ----
row weight
ask_times 60 >"$D/drawn"
is "all requests succeed" "$(grep -c '^200 [ab]$' "$D/drawn")" 60
read -r a b _ <<<"$(asked)"
check "by weight: about three in four requests use the first target ($a, $b)" test "$b" -ge 3 -a "$a" -gt "$b"
row identity
is "requests of one person use the same target" "$(ask_times 8 | sort -u | wc -l)" 1
row conversation
turn='[{"role":"system","content":"You help."},{"role":"user","content":"how are you"}'
for more in ']' ',{"role":"assistant","content":"well"},{"role":"user","content":"and now"}]' ',{"role":"assistant","content":"well"},{"role":"user","content":"and now"},{"role":"assistant","content":"well"},{"role":"user","content":"again"}]'; do
	for _ in 1 2 3; do ask_body "{\"model\":\"m\",\"messages\":$turn$more}"; echo "$from"; done
done | sort | uniq -c >"$D/drawn"
is "a conversation keeps its target" "$(wc -l <"$D/drawn")" 1
row price
is "by price: the cheaper target is used" "$(ask_times 3 | sort -u)" "200 b"
fault 2 '{"status":503}'
ask
is "the more expensive target is used if that fails" "$status $from" "200 a"
row latency
fault 1 '{"delay_ms":1300}' # a target without requests counts as one that takes a second
ask_times 2 >/dev/null
ask_times 4 >"$D/drawn"
check "by latency: the faster target is used" test "$(grep -c 'b$' "$D/drawn")" -ge 3

# ---- failing targets are avoided, and return ----
row breaker
fault 1 '{"status":500,"times":2}'
is "after each of two failures, the other target answers" "$(ask_times 2 | sort -u) $(asked)" "200 b 2 2 0"
ask
is "then the target is avoided" "$status $from $(asked)" "200 b 2 3 0"
back() { ask; [ "$from" = a ]; }
check "after its wait, it gets requests again" wait_for back
row soon # agent.deadline lasts longer
faults '{"status":500}'
ask
is "both targets fail, and are avoided" "$status $(asked)" "500 1 1 0"
faults '{}'
ask
is "the first target that returns before the deadline is used" "$status $(asked | tr ' ' '\n' | sort | paste -sd ' ')" "200 0 1 2"
row callers
fault 1 '{"status":400}'
is "the caller's errors are returned" "$(ask_times 6 | sort -u)" "400 "
fault 1 '{}'
ask
is "after the caller's errors, the target is still used" "$status $from" "200 a"
row alone
fault 1 '{"status":500}'
is "the only target is used, even if it fails" "$(ask_times 8 | sort -u) $(asked)" "500  8 0 0"
row burst # superagent-ai/superagent#1145
fault 1 '{"fault":"rate","times":3}'
is "after a refusal without Retry-After, the other target answers" "$(ask_times 3 | sort -u)" "200 b"
ask
is "after refusals without Retry-After, the first target is still used" "$status $from" "200 a"
row budget
fault 1 '{"fault":"rate"}'
ask_times 8 >"$D/drawn"
is "with few requests, each failure is tried again by the next request" "$(grep -c '200 b' "$D/drawn") $(asked | cut -d ' ' -f2)" "8 8"
row counted # router-for-me/CLIProxyAPI#4410
fault 1 '{"only":"count_tokens","status":404}'
path=/v1/messages/count_tokens
is "a 404 of a provider without token counting is returned" "$(ask_times 8 | sort -u)" "404 "
path=
ask
is "that provider still answers messages" "$status $from" "200 a"

# ---- limits of concurrent requests ----
# held_by COMMAND…: runs it while the first provider has a request in flight
held_by() {
	fault 1 '{"delay_ms":3600000}'
	"$@" >/dev/null 2>&1 &
	asking=$!
	under_way 1
	fault 1 '{}'
}
let_go() {
	release
	wait $asking
}
room() { # NAME COMMAND…
	local name=$1
	shift
	held_by "$@"
	"$@"
	is "$name: no room, the next target answers" "$status $(said | cut -c1) $(asked)" "200 b 1 1 0"
	let_go
	"$@"
	is "$name: room again" "$status $(said | cut -c1) $(asked)" "200 a 2 1 0"
}
for d in $dialects; do # api7/aisix#715
	row "room-$d"
	room "$d" ask
	room_again() { room "$d, streamed" ask_stream; }
	row "room-$d"
	room_again
done
path=/v1/responses
row room-responses
room responses ask_body '{"model":"m","input":"hi"}'
path=/v1/embeddings
row room-embeddings
room embeddings ask_body '{"model":"m","input":"hi"}'
path=

row aborted # BerriAI/litellm#39322
fault 1 '{"delay_ms":3600000}'
under_way_is() { "$B/tollgate" target list -c "$D/tollgate.yaml" | grep -qE "^a-aborted/say:from-a +closed +$1 "; }
asking=()
for _ in 1 2 3 4; do
	TIMEOUT=2 ask &
	asking+=($!)
done
check "four requests are in flight" wait_for under_way_is 4
wait "${asking[@]}"
check "after their callers left, none is in flight" wait_for under_way_is 0
fault 1 '{}'
ask
is "the target gets requests as before" "$status $from" "200 a"

row queue
held_by ask
ask >/dev/null &
waiting=$!
sleep 0.3
is "without another target, a request waits for room" "$(asked)" "1 0 0"
let_go
wait $waiting
settled
is "it is sent when there is room" "$(asked)" "2 0 0"
exit $failed
