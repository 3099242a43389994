# Two daemons and a Redis: what one finds out of a target the other knows; by hand too, over a restart and
# while Redis was away; one probe of both. BerriAI/litellm PR#35104: what failed was never cooled, or for
# another time than was left, on its way through Redis.
# Once: no version of HAProxy differs here.
# Late: what is told is waited for.
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
# state ID [b]: of the row's first target, as a daemon has it
state() { list "${2:-}" | jq -r --arg t "a-$1/say:from-a" '.[] | select(.target == $t) | .state'; }
in_both() { [ "$(state "$1") $(state "$1" b)" = "$2 $2" ]; }
in_one() { state "$1"; state "$1" b; }
said_in() { cat "$D/tollgate.log" "$D/second.log" "$D"/again*.log 2>/dev/null | grep -c "event=$1"; }
by_hand() { "$B/tollgate" target "$1" "a-$2" -c "$D/tollgate${3:+-$3}.yaml" >/dev/null 2>&1; }
some() { local i; for ((i = 0; i < $1; i++)); do ask; done; }
first_had() { asked | cut -d ' ' -f1; }

# ---- what one finds out ----
row fails
fault 1 '{"status":500}'
until in_one fails | grep -q open; do ask; done
is "a target fails for one" "$(said_in 'target.open target=a-fails')" 1
check "and is open for both" wait_for in_both fails open
is "the other one was told" "$(said_in 'target.open target=a-fails') $(said_in 'target.told target=a-fails')" "1 1"
had=$(first_had)
some 12
is "neither asks it" "$(first_had) $status $from" "$had 200 b"
left() { list "$1" | jq '.[] | select(.target == "a-fails/say:from-a") | .back_in_s'; }
a=$(left '') b=$(left b)
check "as long as is left of its time ($a s, $b s)" awk -v a="$a" -v b="$b" 'BEGIN { exit !(a - b < 5 && b - a < 5) }'

# ---- one probe ----
row probe
fault 1 '{"status":500}'
until in_one probe | grep -q open; do ask; done
wait_for in_both probe open
fault 1 '{"delay_ms":8000,"text":"late"}'
had=$(first_had)
probed() { for _ in 1 2 3 4 5 6; do curl -s -m 30 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: probe.test' -d "$(body_of)" "$EDGE/v1/chat/completions" & done; [ "$(first_had)" -gt "$had" ]; }
id=probe
check "when its time is over one request tries it" wait_for probed
for _ in 1 2 3 4 5 6 7 8; do
	curl -s -m 30 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: probe.test' -d "$(body_of)" "$EDGE/v1/chat/completions" &
	sleep 0.3
done
is "of both daemons one" "$(first_had)" $((had + 1))
row probe
closed() { some 4; in_both probe ramp || in_both probe closed; }
check "what comes through closes it for both" wait_for closed

# ---- one who fails, at both daemons ----
row callers
for n in 1 2; do fault $n '{"only":"schema","status":500}'; done
mallory="authorization: Bearer $(token --claims '{"sub":"mallory"}')"
bob="authorization: Bearer $(token --claims '{"sub":"bob"}')"
for _ in {1..30}; do
	for _ in 1 2 3; do as=$mallory ask ',"metadata":{"a":"schema"}'; done
	as=$bob ask
	echo "$status $from"
done >"$D/callers"
is "is one caller: the other one has each of his answers" "$(sort "$D/callers" | uniq -c | sed 's/^ *//')" "30 200 a"
like "they tell each other who asked" "$(redis get 'tollgate:{targets}:callers:a-callers/say:from-a')" '^1 [0-9]*:[0-9]*:[0-9]* [0-9]*:[0-9]*:[0-9]*$'

# ---- by hand ----
row hand
by_hand eject hand
check "what is ejected at one is ejected at both" wait_for in_both hand ejected
some 8
is "neither asks it" "$(asked)" "0 8 0"
killed second
"$B/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >"$D/again-b.log" 2>&1 &
pid_b=$!
is_up() { [ -n "$(state hand b)" ]; }
wait_for is_up
is "nor one that was killed and starts" "$(state hand b)" ejected
by_hand admit hand b
check "what the other admits comes back at both" wait_for in_both hand closed
ask
is "and is asked" "$from" a

# ---- one after the other, at the two daemons: what is said last holds, of a provider or of one of its models ----
row soon
settle_soon() { sleep 2.2; wait_for in_both soon "$1" && sleep 1.1 && in_both soon "$1"; } # two turns at least, and it stays
for pause in 0 0.3 0.9; do
	for names in 'soon soon' 'soon soon/say:from-a' 'soon/say:from-a soon' 'soon/say:from-a soon/say:from-a'; do
		read -r first then <<<"$names"
		by_hand eject "$first"
		sleep $pause
		by_hand admit "$then" b
		check "$first ejected at one and $then admitted at the other after $pause s: in at both" settle_soon closed
	done
	by_hand admit soon b
	sleep $pause
	by_hand eject soon
	check "admitted at one and ejected at the other after $pause s: out at both" settle_soon ejected
	by_hand admit soon
	wait_for in_both soon closed
done

# ---- Redis away ----
row away
redis_away
check "Redis away" wait_for grep -q 'event=target.alone' "$D/tollgate.log"
by_hand eject away
is "what is said by hand holds here" "$(state away) $(state away b)" "ejected closed"
redis_back
check "and on all when it is back" wait_for in_both away ejected
is "no daemon wrote what another cannot read" "$(metric target_facts_refused_total)" 0
exit $failed
