# Two daemons and a Redis: each knows the state of targets that the other found, also an operator's order, after a
# restart and after Redis was unreachable. One probe is sent for both. BerriAI/litellm PR#35104: through Redis, a
# failed target had no wait, or a wrong one.
# Once: no version of HAProxy differs here.
# Late: it waits for daemons to share states.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
provider_more='breaker: {failures: 4, open: 20s}' route fails ab
provider_more='breaker: {failures: 4, open: 3s}' route probe ab
route callers ab
route hand ab
route away ab
route soon ab
targets_up --second
pid_b=''
targets_down() {
	[ -z "$pid_b" ] || kill "$pid_b"
	finish
}

list() { "$B/tollgate" target list --json -c "$D/tollgate${1:+-$1}.yaml" 2>/dev/null; }
# state ID [b]: prints the state of the row's first target at a daemon
state() { list "${2:-}" | jq -r --arg t "a-$1/say:from-a" '.[] | select(.target == $t) | .state'; }
in_both() { [ "$(state "$1") $(state "$1" b)" = "$2 $2" ]; }
in_one() { state "$1"; state "$1" b; }
said_in() { cat "$D/tollgate.log" "$D/second.log" "$D"/again*.log 2>/dev/null | grep -c "event=$1"; }
by_hand() { "$B/tollgate" target "$1" "a-$2" -c "$D/tollgate${3:+-$3}.yaml" >/dev/null 2>&1; }
some() { local i; for ((i = 0; i < $1; i++)); do ask; done; }
first_had() { asked | cut -d ' ' -f1; }

# ---- failures ----
row fails
fault 1 '{"status":500}'
until in_one fails | grep -q open; do ask; done
is "a target fails at one daemon" "$(said_in 'target.open target=a-fails')" 1
check "its breaker is open at both" wait_for in_both fails open
is "the other daemon learned it through Redis" "$(said_in 'target.open target=a-fails') $(said_in 'target.told target=a-fails')" "1 1"
had=$(first_had)
some 12
is "neither sends requests to it" "$(first_had) $status $from" "$had 200 b"
left() { list "$1" | jq '.[] | select(.target == "a-fails/say:from-a") | .back_in_s'; }
a=$(left '') b=$(left b)
check "both have the same remaining time ($a s, $b s)" awk -v a="$a" -v b="$b" 'BEGIN { exit !(a - b < 5 && b - a < 5) }'

# ---- probes ----
row probe
fault 1 '{"status":500}'
until in_one probe | grep -q open; do ask; done
wait_for in_both probe open
fault 1 '{"delay_ms":8000,"text":"late"}'
had=$(first_had)
probed() { for _ in 1 2 3 4 5 6; do curl -s -m 30 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: probe.test' -d "$(body_of)" "$EDGE/v1/chat/completions" & done; [ "$(first_had)" -gt "$had" ]; }
id=probe
check "after that time, one request is a probe" wait_for probed
for _ in 1 2 3 4 5 6 7 8; do
	curl -s -m 30 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: probe.test' -d "$(body_of)" "$EDGE/v1/chat/completions" &
	sleep 0.3
done
is "only one of the daemons sends it" "$(first_had)" $((had + 1))
row probe
closed() { some 4; in_both probe ramp || in_both probe closed; }
check "a successful probe closes the breaker at both" wait_for closed

# ---- one failing caller, at both daemons ----
row callers
for n in 1 2; do fault $n '{"only":"schema","status":500}'; done
mallory="authorization: Bearer $(token --claims '{"sub":"mallory"}')"
bob="authorization: Bearer $(token --claims '{"sub":"bob"}')"
for _ in {1..30}; do
	for _ in 1 2 3; do as=$mallory ask ',"metadata":{"a":"schema"}'; done
	as=$bob ask
	echo "$status $from"
done >"$D/callers"
is "counts as one caller: the other caller's requests succeed" "$(sort "$D/callers" | uniq -c | sed 's/^ *//')" "30 200 a"
like "the daemons share the callers in Redis" "$(redis get 'tollgate:{targets}:callers:a-callers/say:from-a')" '^1 [0-9]*:[0-9]*:[0-9]* [0-9]*:[0-9]*:[0-9]*$'

# ---- an operator's orders ----
row hand
by_hand eject hand
check "a target ejected at one is ejected at both" wait_for in_both hand ejected
some 8
is "neither sends requests to it then" "$(asked)" "0 8 0"
killed second
"$B/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >"$D/again-b.log" 2>&1 &
pid_b=$!
is_up() { [ -n "$(state hand b)" ]; }
wait_for is_up
is "a restarted daemon knows the ejection" "$(state hand b)" ejected
by_hand admit hand b
check "a target readmitted at the other returns at both" wait_for in_both hand closed
ask
is "it gets requests" "$from" a

# ---- two orders, one at each daemon: the last one holds, for a provider or for one of its models ----
row soon
settle_soon() { sleep 2.2; wait_for in_both soon "$1" && sleep 1.1 && in_both soon "$1"; } # at least two intervals, and the state stays
for pause in 0 0.3 0.9; do
	for names in 'soon soon' 'soon soon/say:from-a' 'soon/say:from-a soon' 'soon/say:from-a soon/say:from-a'; do
		read -r first then <<<"$names"
		by_hand eject "$first"
		sleep $pause
		by_hand admit "$then" b
		check "$first ejected at one and $then admitted at the other after $pause s: admitted at both" settle_soon closed
	done
	by_hand admit soon b
	sleep $pause
	by_hand eject soon
	check "admitted at one and ejected at the other after $pause s: ejected at both" settle_soon ejected
	by_hand admit soon
	wait_for in_both soon closed
done

# ---- Redis is unreachable ----
row away
redis_away
check "the log reports that Redis is unreachable" wait_for grep -q 'event=target.alone' "$D/tollgate.log"
by_hand eject away
is "an order holds at this daemon only" "$(state away) $(state away b)" "ejected closed"
redis_back
check "when Redis is back, it holds at both" wait_for in_both away ejected
is "no daemon wrote a state that the other cannot read" "$(metric target_facts_refused_total)" 0
exit $failed
