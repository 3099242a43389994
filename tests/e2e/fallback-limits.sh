# The cost of attempts. Each attempt is reserved and settled once, with the price and the limits of its target. At the
# end, the limits hold exactly the usage of the last target and what other providers may have billed, to the token and
# the nano-dollar.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

# Each row has its own person and therefore its own limits, so that nothing else counts there.
for what in plain never throttled refused failed cut eof silent chain stream mid aborted final once over less full; do
	case $what in
	silent) route $what ab 'retry: {whole: 300ms}' ;;
	chain) route $what abc ;;
	*) route $what ;;
	esac
done
route fits '[{provider: @a, model: "say:from-a"}, {provider: @b, model: "dear"}]'
route slots
prices="prices: 1
as_of: 2026-11-01
providers:$(for id in plain never throttled refused failed cut eof silent chain stream mid aborted final once over less full fits slots; do
	printf '\n  a-%s: [{model: "say:*", input: 1, output: 10}]\n  b-%s: [{model: "say:*", input: 3, output: 30}, {model: dear, input: 1000, output: 1000}, {model: echo, input: 1, output: 1}]\n  c-%s: [{model: "say:*", input: 7, output: 70}]' $id $id $id
done)"
limits='
  - {name: t, per: [identity.person], tokens: 1000000, window: {calendar: month}}
  - {name: d, per: [identity.person], usd: 10, window: {calendar: month}}
  - {name: few, when: '"'identity.team == \"few\"'"', per: [identity.person], usd: 0.01, window: {calendar: month}}
  - {name: less, when: '"'identity.team == \"less\"'"', per: [identity.person], usd: 0.0011, window: {calendar: month}, at_limit: {model: echo, up_to: 1}}
  - {name: r, per: [identity.person], requests: 100, window: {calendar: month}}
  - {name: c, per: [identity.person], concurrent: 50}'
clear_of day 300
targets_up
# the amounts that limit L holds for the row's person: used and reserved
holds() { "$B/tollgate" quota get --person "p-$id" ${team:+--team "$team"} --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held] | add // 0"; }
team=
begins() {
	row "$1"
	as="authorization: Bearer $(token --claims "{\"sub\":\"p-$1\",\"team\":\"${team:-red}\"}")"
}
# spent NAME TOKENS NANODOLLARS: checks the exact sums; also one request, and none in flight
spent() {
	settled
	is "$1: tokens" "$(holds t)" "$2"
	is "$1: dollars" "$(holds d)" "$3"
	is "$1: one request, none in flight" "$(holds r) $(holds c)" "1 0"
}
# The share of one attempt: the provider reports one token each for prompt and response.
usage='{"usage":{"prompt_tokens":100,"completion_tokens":20}}'
a=$((100 * 1000 + 20 * 10000)) b=$((100 * 3000 + 20 * 30000)) c=$((100 * 7000 + 20 * 70000))
also() { jq -c ". + $usage" <<<"$1"; }
costs() { completion '[.attempts[] | "\(.target[0:1]) \(.tokens // 0) \(.cost // 0)\(if .maybe_billed then " maybe" else "" end)"] | join(", ")' | tr -d '"'; }

begins plain
faults "$usage"
ask
spent "the first target answers" 120 $a

for what in never throttled refused failed; do
	begins $what
	faults "$usage"
	case $what in
	never) provider stop 1 ;;
	throttled) fault 1 '{"fault":"rate"}' ;;
	refused) fault 1 '{"fault":"model"}' ;;
	failed) fault 1 '{"status":500}' ;;
	esac
	ask
	[ $what != never ] || provider start 1
	is "$what: the next target answers" "$status $from" "200 b"
	spent "$what, then a response: the usage at that target" 120 $b
done

# ---- perhaps billed: the reservation stays ----
# reserved: the tokens of the row's first attempt, that is the sum without b's response
for what in cut eof silent; do
	begins $what
	faults "$usage"
	case $what in
	cut) fault 1 '{"wire":"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"}' ;;
	eof) fault 1 '{"cut_after_bytes":0}' ;;
	silent) fault 1 '{"delay_ms":3600000}' ;;
	esac
	if [ $what = cut ]; then ask_stream ',"max_tokens":50'; else ask ',"max_tokens":50'; fi
	release
	settled
	is "$what: the next target answers" "$status $from" "200 b"
	like "$what: each attempt that may have been billed is recorded as such" "$(costs)" '^(a [0-9]+ [0-9.]+ maybe, )+b 120 '
	tries=$(completion '[.attempts[] | select(.maybe_billed)] | length')
	over=$(($(holds t) - 120))
	check "$what: prompt and cap of 50 stay reserved for each ($over of $tries)" test $over -ge $((tries * 51)) -a $over -le $((tries * 70))
	# 50 of each at the price of output, the rest at the price of input
	prompt=$((over - tries * 50))
	spent "$what: by the target's own price" $((120 + over)) $((b + tries * 50 * 10000 + prompt * 1000))
	[ $what = eof ] || is "$what: one attempt" "$tries" 1
done

begins chain
faults "$usage"
fault 1 '{"fault":"rate"}'
fault 2 '{"status":500}'
ask
is "two targets fail, the third answers" "$status $from" "200 c"
spent "two targets fail, the third answers" 120 $c
like "the record has the cost of each attempt" "$(costs)" '^a 0 0, b 0 0, c 120 [0-9.]+$'

begins stream
faults "$usage"
fault 1 "$(also '{"error_after_content":0,"fault":"overloaded"}')"
ask_stream ',"stream_options":{"include_usage":true}'
is "an error before a stream's content: the next target answers" "$status $from" "200 b"
spent "an error before the content of a stream: the usage at the other target" 120 $b
begins over
faults '{"error_after_content":0,"fault":"overloaded"}'
ask_stream
is "all targets fail before a stream's content" "$status $(asked)" "200 1 1 0"
spent "all fail before the content of a stream: only the request" 0 0
begins mid
fault 1 '{"error_after_content":1,"fault":"overloaded"}'
ask_stream
settled
is "an error after a stream's content: no other target is used" "$from $(asked)" "a 1 0 0"
is "one request is counted, none is in flight" "$(holds r) $(holds c)" "1 0"
check "the observed output is charged" test "$(holds t)" -gt 0

begins final
faults '{"status":400}'
ask
spent "the caller's own mistake" 0 0
begins once
faults '{"status":503}'
ask
is "all targets fail" "$status $(asked)" "503 1 1 0"
spent "all fail: only the request" 0 0

begins aborted
fault 1 '{"delay_ms":3600000}'
TIMEOUT=0.5 ask ',"max_tokens":50'
release
settled
is "the caller leaves: no other target is used" "$(asked)" "1 0 0"
like "the record has aborted" "$(attempts)" '^a aborted'

# ---- the next attempt exceeds a limit ----
team=few
begins fits
faults "$usage"
fault 1 '{"fault":"rate"}'
ask ',"max_tokens":50'
is "the next target costs more than is left: the first response is forwarded" "$status $(jq -r .error.code <<<"$body") $(asked)" "429 rate_limit_exceeded 1 0 0"
spent "the next target costs more than is left" 0 0
team=

# ---- a cheaper model because of a limit ----
team=less
begins less
faults "$usage"
fault 1 '{"fault":"rate"}'
ask ',"max_tokens":100'
is "the next target is over its limit: a cheaper model is used there" "$status $(asked) $(sent_to 2 .body | jq -r . | jq -r .model)" "200 1 1 0 echo"
is "the caller gets the name of that target" "$(header x-tollgate-target)" b-less/echo
is "the record names that target" "$(completion '[.attempts[].target]')" '["a-less/say:from-a","b-less/echo"]'
spent "a cheaper model: at its price" 120 $((100 * 1000 + 20 * 1000))
team=

begins slots
fault 1 '{"fault":"rate"}'
for _ in 1 2 3; do ask; done
settled
is "the limit counts requests, not attempts" "$(holds r) $(holds c)" "3 0"
is "the header fields count requests too" "$(header x-ratelimit-remaining-requests)" 97
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"

# ---- the journal's disk is full during the first attempt ----
begins full
fault 1 "$(also '{"delay_ms":3600000,"status":500}')"
fault 2 "$usage"
ask >"$D/asks" &
under_way 1
pid=$(pid_of tollgate)
prlimit --pid="$pid" --fsize=1:unlimited
release
wait $!
is "an attempt that cannot be recorded is not sent" "$(asked)" "1 0 0"
prlimit --pid="$pid" --fsize=unlimited:unlimited
is_nothing() { [ "$(holds t) $(holds d) $(holds c)" = "0 0 0" ]; }
check "the failed attempt's reservation is released without a completion" wait_for is_nothing
exit $failed
