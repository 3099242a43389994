# Four daemons become three and five while requests arrive: no request is refused, no limit counts too little, and the
# daemons learn how many they are without a restart. One of them is killed and retired with its journal.
# Once: the result depends only on the daemon.
# Late: it starts five daemons, and waits until a killed one counts as away.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "a fleet that grows and shrinks" "node is not installed"; exit 0; }
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: fleet
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {backend: openai, dialect: openai}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, response: [meter, record], targets: openai}
  - {name: models, match: {methods: [GET], path: /v1/models}, response: ignore, targets: openai}
default: permit
limits:
  - {name: day, per: [identity.person], requests: 1000000, window: {calendar: day}}
  - {name: rolling, per: [identity.person], requests: 1000000, window: 10h}
  - {name: tokens, per: [identity.person], tokens: 1000000000, window: {calendar: month}}
  - {name: at-once, per: [identity.person], concurrent: 1000}
Y
echo 'redis: {daemons: 20, deadline: 10s}' >"$D/config.yaml"
people=(ann bob cat dan)
names=(tollgate second third fourth fifth) files=('' -b -c -d -e) nodes=(a b c d e)
clear_of day 600
# redis.daemons is a bound far above the number of daemons
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --patient --daemons 5
export D EDGE
tg() { local of=$1; shift; "$build/tollgate" "$@" -c "$D/tollgate$of.yaml" 2>"$D/err"; }
states() { tg "${1:-}" node list --json | jq -r '[.[] | "\(.node) \(.state)"] | join(", ")'; }
in_state() { [ "$(states)" = "$1" ]; }
control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
for p in "${people[@]}"; do echo "$p $(token --claims "{\"sub\":\"$p\"}")"; done >"$D/people"

# ---- the load, and what it took ----
declare -A answered chats unsure
begin_load() { rm -f "$D/stop"; node "$here/limits-history.mjs" 0 6 >"$D/load" & loading=$!; }
end_load() {
	local p ok chat no
	touch "$D/stop"
	wait "$loading"
	took=0 failures=0
	while read -r p ok chat no; do
		answered[$p]=$((${answered[$p]:-0} + ok)) chats[$p]=$((${chats[$p]:-0} + chat)) unsure[$p]=$((${unsure[$p]:-0} + no))
		took=$((took + ok)) failures=$((failures + no))
	done <"$D/load"
}
kept() { tg '' quota get --person "$1" --json | jq -r '[.[] | .used + .held] | join(" ")'; }
# equal: each count is what the responses took. A request whose daemon was killed is counted or not.
equal() {
	local p i count want most
	wrong=''
	for p in "${people[@]}"; do
		read -ra count < <(kept "$p")
		want=("${answered[$p]}" "${answered[$p]}" $((30 * chats[$p])) 0)
		most=("${unsure[$p]}" "${unsure[$p]}" $((200 * unsure[$p])) 0)
		for i in 0 1 2 3; do
			[ "${count[i]:--1}" -ge "${want[i]}" ] && [ "${count[i]}" -le $((want[i] + most[i])) ] && continue
			wrong="$wrong $p: ${count[*]:-none}, not ${want[*]}, at most ${most[*]} more;"
			break
		done
	done
	[ ! "$wrong" ]
}
counts() { if wait_for equal; then ok "$1"; else not_ok "$1" "$wrong"; fi; }
start() { # N
	setsid "$build/tollgate" serve -c "$D/tollgate${files[$1]}.yaml" </dev/null >>"$D/${names[$1]}.log" 2>&1 &
	note_pid $! "${names[$1]}"
	disown $!
}
# whole: no daemon reports that daemons are missing, or more than it knows, or that limits are reduced
whole() { local of; for of in "$@"; do tg "$of" status | grep -qE '^(degraded: daemons|daemons:|redis: rolling)' && return 1; done; return 0; }

# ---- five are set up, and the fifth is stopped and retired: four ----
check "five daemons are ready" wait_for in_state 'a ready, b ready, c ready, d ready, e ready'
check "none reports missing daemons or reduces limits, though redis.daemons is 20" wait_for whole '' -b -c -d -e
pid=$(pid_of fifth)
kill -TERM "$pid"
wait_for gone "$pid"
check "a daemon that was stopped is listed as stopped" wait_for in_state 'a ready, b ready, c ready, d ready, e stopped'
retire_e() { tg '' node retire e --why "not needed yet" >/dev/null; }
check "a stopped node is retired" retire_e
begin_load
sleep 2
end_load
is "four daemons answer each request ($took)" "$failures" 0
counts "with four daemons, the counts equal the responses"

# ---- four become three under load ----
begin_load
sleep 1
killed fourth
check "the killed daemon is listed as away" wait_for in_state 'a ready, b ready, c ready, d away, e retired'
misses() { tg "$1" status | grep -q '^degraded: daemons: 3 of 4 daemons use this Redis: d is away'; }
check "a daemon reports which one is away" wait_for misses -b
check "and so does another one" wait_for misses -c
said=$(tg -b node retire d --why "its machine is lost" --journal "$D/journal-d")
like "its node is retired with its journal" "$? ${said//$'\n'/ }" '^0 holds: [0-9]+ requests without an end were settled'
check "then no daemon misses it" wait_for whole '' -b -c
end_load
like "three daemons answer the others ($took, $failures that the killed daemon had)" "$failures" '^[0-9]{1,2}$'
counts "with three daemons, the counts equal the responses"
begin_load
sleep 1
end_load
is "three daemons answer each request ($took)" "$failures" 0

# ---- one restarts while two run; it waits for nobody, although redis.daemons is 20 ----
pid=$(pid_of third)
kill -TERM "$pid"
wait_for gone "$pid"
start 2
began=${EPOCHREALTIME/./}
is_ready() { fetch GET "$ADMIN_C/readyz" >"$D/ready"; tail -1 "$D/ready" | grep -qx ready; }
check "a restarted daemon is ready" wait_for is_ready
echo "# ready after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
check "and listed" wait_for in_state 'a ready, b ready, c ready, d retired, e retired'
check "and uses whole limits" whole -c

# ---- three become five under load ----
begin_load
decided() { cat "$D"/journal-[de]/*.jsonl | tr -d '\0' | grep -c '"type":"decision"'; }
before=$(decided)
start 3
start 4
retired() { tg -d status | grep -q '^retired: node d ' && tg -e status | grep -q '^retired: node e '; }
check "daemons of retired nodes report this" wait_for retired
sleep 1
is "and get no requests" "$(decided)" "$before"
check "the node of the lost machine is admitted" tg '' node admit d --why repaired
check "the node that was not needed is admitted" tg -b node admit e --why "needed now"
check "five daemons are ready again, without a restart of the three" wait_for in_state 'a ready, b ready, c ready, d ready, e ready'
asked() { [ "$(tg '' node list --json | jq '[.[] | select(.requests_per_minute > 0)] | length')" = 5 ]; }
check "each of the five gets requests" wait_for asked
end_load
is "five daemons answer each request ($took)" "$failures" 0
counts "with five daemons, the counts equal the responses"
check "none reports missing daemons" wait_for whole '' -b -c -d -e
# a settlement by another daemon is not repeated at the start of the node
like "in-flight counts are not below zero" "$(kept ann)" ' 0$'
# ---- a node with requests in progress is retired with its journal, and returns ----
control '{"delay_ms":60000}'
eve="authorization: Bearer $(token --claims '{"sub":"eve"}')"
begin_requests() {
	for _ in 1 2 3 4 5 6; do
		curl -s -m 100 -o /dev/null -H "$eve" -H 'content-type: application/json' \
			-d '{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}' "$EDGE/v1/chat/completions" &
	done
}
flight() { tg "$1" status --json | jq .requests_in_flight; }
in_flight() { # a daemon other than the first has requests in progress
	local k
	for k in 1 2 3 4; do busy=$k; [ "$(flight "${files[k]}")" -gt 0 ] && return; done
	return 1
}
held() { tg '' quota get --person eve --json | jq -c '[.[] | select(.limit == "tokens" or .limit == "at-once") | [.used, .held]]'; }
begin_requests
six() { [ "$(held | jq '.[1][1]')" = 6 ]; }
check "six requests are in progress" wait_for six
check "some at another daemon" wait_for in_flight
open=$(flight "${files[busy]}") tokens=$(held | jq '.[0][1]')
echo "# ${nodes[busy]} has $open of them; $tokens tokens are reserved"
killed "${names[busy]}"
away() { states | grep -q "${nodes[busy]} away"; }
wait_for away
is "its reservations are kept while it is away" "$(held)" "[[0,$tokens],[0,6]]"
said=$(tg '' node retire "${nodes[busy]}" --why lost --journal "$D/journal${files[busy]}")
like "a retirement with its journal settles them" "$? ${said//$'\n'/ }" "^0 holds: $open requests without an end were settled"
# each request reserves what its estimate was, so what is used now is the sum of the records of the killed daemon
taken=$(cat "$D/journal${files[busy]}"/*.jsonl | tr -d '\0' | grep '"type":"decision"' | jq -s '[.[] | select(.identity.person == "eve") | .limits[] | select(.limit == "tokens") | .taken] | add')
settled_now() { [ "$(held)" = "[[$taken,$((tokens - taken))],[0,$((6 - open))]]" ]; }
check "their tokens are used ($taken of $tokens), and their slots are free" wait_for settled_now
start "$busy"
is_retired() { tg "${files[busy]}" status | grep -q '^retired: '; }
wait_for is_retired
tg '' node admit "${nodes[busy]}" --why repaired >/dev/null
is_back() { states | grep -q "${nodes[busy]} ready"; }
check "the node returns" wait_for is_back
check "and does not settle them again" settled_now
control '{}'

for n in 0 1 2 3 4; do
	j=$D/journal${files[n]}
	check "the chain of ${nodes[n]} verifies" verifies "$j" "$D/audit${files[n]}.key.pub"
done
exit $failed
