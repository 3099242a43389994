# Upgrades in a row. Each is followed by an event that a seed draws. Redis loses its data or its last writes, or is away. All
# instances are killed, and the first one starts, as at a reboot. A text of an earlier round is opened. A person's texts are
# erased. A key is made or revoked. A signing key is rotated. A witness cosigns. After each event, the node is compared with
# a ledger of the test's own: usage by person, keys that pass, texts that open, records that are found, and both chains.
# Once: HAProxy does not affect the result.
# Late: twenty upgrades.
# SEED: another sequence (the day of the year). ROUNDS: how many (20).
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/upgrade.bash"
RANDOM=${SEED:=$(date +%-j)}
echo "# SEED=$SEED"
cat >"$D/p.yaml" <<'Y'
tollgate: 1
name: sweep
identity:
  - api_key: {header: x-api-key, keys: keys.yaml}
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], response: [meter], record: {prompt: full}}
default: permit
limits:
  - {name: month, per: [identity.person], requests: 1000, window: {calendar: month}}
  - {name: at-once, per: [identity.person], concurrent: 2}
Y
"$build/tollgate" key new --person filed --keys "$D/keys.yaml" >/dev/null 2>&1
"$build/tollgate" keygen "$D/audit.key" >/dev/null
"$build/tollgate" keygen --hash-key "$D/hash.key" --from "$D/audit.key" >/dev/null
{
	auditor ann
	printf 'retention: {age: 200d, every: 1s}\naudit: {hash_key: "%s"}\n' "$D/hash.key"
} >"$D/mine.yaml"
clear_of day 400
upgrade_stack "$D/p.yaml" --config "$D/mine.yaml"
# The witness: a second daemon, which cosigns the checkpoints of both instances
node=a
. "$here/witness.bash"
known() { # adds the keys that sign now to those that the witness knows
	cat "$D"/audit*.key.pub >>"$D/log.pub"
	[ ! -S "$D/witness.sock" ] || "$build/tollgate" reload -c "$D/w.yaml" >"$D/known.log" 2>&1 || wrong "the witness's keys: $(cat "$D/known.log")"
}
sed -i "s#audit.key.pub\\(\"*}\\)#log.pub\\1#" "$D/w.yaml"
known
"$build/tollgate" serve -c "$D/w.yaml" </dev/null >"$D/w.log" 2>&1 &
note_pid $! witness
check "the witness listens" wait_for test -S "$D/witness.sock"
printf 'anchors: [{witness: "unix:%s/witness.sock:/", key: "%s/witness.key.pub", every: 1s}]\n' "$D" "$D" >>"$D/tollgate.yaml"
cli() { "$build/tollgate" "$@" -c "$D/tollgate.yaml" 2>&1; }
people=(ann bob cyd)
declare -A sent=([ann]=0 [bob]=0 [cyd]=0) text=() erased=()
decisions=0 wrong=0 round=0 event='the start'
wrong() {
	wrong=$((wrong + 1))
	echo "# round $round, $event: $1"
}
ask() { # PERSON: one request, whose text names it
	local words="told by $1 in round $round, number $decisions"
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H "$json" \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$words\"}]}"
	[ "$status" = 200 ] || { wrong "a request of $1 got $status: ${body:0:200}"; return; }
	decisions=$((decisions + 1))
	sent[$1]=$((${sent[$1]} + 1))
	text[$(header x-tollgate-id)]="$1|$words"
}
used() { "$build/tollgate" quota get --person "$1" --json -c "$D/tollgate.yaml" 2>"$D/err" | jq -c '[.[] | .used]'; }
counts() { [ "$(used "$1")" = "[${sent[$1]},0]" ]; }
code() { curl -s -m 90 -o "$D/answer" -w '%{http_code}' -H "x-api-key: $1" -H "$json" -d '{"model":"echo","messages":[]}' "$EDGE/v1/chat/completions"; }
answers() { [ "$(code "$1")" = "$2" ]; }
cosigned() { grep -c event=witness.cosigned "$D/w.log"; }
a_text() { local ids=("${!text[@]}"); echo "${ids[RANDOM % ${#ids[@]}]}"; }
opens() { # ID: its text, as the ledger has it
	local person=${text[$1]%%|*} words=${text[$1]#*|} said
	said=$(cli audit open "$1" --key "$D/ann.key" --part prompt)
	if [ "${erased[$person]-}" ] && [[ ${erased[$person]} == *" $1 "* ]]; then
		[[ $said == *erased* && $said != *"$words"* ]]
	else
		[[ $said == *"$words"* ]]
	fi
}
kill_all() {
	local pid
	for pid in $(deciding); do
		echo "$pid tollgate" >>"$D/.killed"
		kill -KILL "$pid"
		wait_for gone "$pid"
	done
}
reboot() {
	kill_all
	[ $((RANDOM % 2)) = 0 ] || redis flushall >/dev/null
	daemon_start
	wait_for is_ready
	wait_for served # as the token's own person, who is not compared
}
# Redis loses its last writes, as in a fail-over to a replica that was behind.
lose_writes() {
	local p pid
	redis config set dir "$D" >/dev/null
	redis save >/dev/null
	for p in "${people[@]}"; do ask "$p"; done
	pid=$(pid_of redis)
	echo "$pid redis" >>"$D/.killed"
	kill -KILL "$pid"
	wait_for gone "$pid"
	redis-server "$D/redis.conf" --dir "$D" </dev/null >>"$D/redis.log" 2>&1 &
	note_pid $! redis
	wait_for redis ping >/dev/null 2>&1
	grep -q "DB loaded from disk" "$D/redis.log" || wrong "Redis has not read its file"
	wait_for served
}
one_runs() { [ "$(deciding | wc -l)" = 1 ]; }
keys=() revoked=()
events=(${EVENTS:-loses_data loses_writes restarts_redis reboots opens_texts erases makes_key revokes rotates witnesses})
for ((round = 1; round <= ${ROUNDS:-20}; round++)); do
	event='the upgrade'
	for p in "${people[@]}"; do for i in 1 2; do ask "$p"; done; done
	upgrade || wrong "upgrade prints: $(tail -n 2 <<<"$said")"
	wait_for one_runs
	[ $round != 1 ] || known
	ask "${people[RANDOM % 3]}"
	event=${events[RANDOM % ${#events[@]}]}
	echo "# round $round: $event"
	case $event in
	loses_data) redis flushall >/dev/null ;;
	loses_writes) lose_writes ;;
	restarts_redis) redis_away && redis_back ;;
	reboots) reboot ;;
	opens_texts) for i in 1 2 3; do id=$(a_text); wait_for opens "$id" || wrong "the text of $id: $(cli audit open "$id" --key "$D/ann.key" --part prompt | head -c 300)"; done ;;
	erases)
		p=${people[RANDOM % 3]}
		settled
		cli audit erase --person "$p" --why sweep >"$D/erase.out" || wrong "erase: $(tail -n 1 "$D/erase.out")"
		erased[$p]=" "
		for id in "${!text[@]}"; do [ "${text[$id]%%|*}" != "$p" ] || erased[$p]+="$id "; done
		;;
	makes_key) keys+=("$(key new --person key --by ops --reason sweep)") ;;
	revokes)
		[ ${#keys[@]} = 0 ] || {
			key revoke "$(cut -d_ -f2 <<<"${keys[-1]}")" --by ops --reason sweep >/dev/null
			revoked+=("${keys[-1]}")
			unset 'keys[-1]'
		}
		;;
	rotates)
		"$build/tollgate" keygen --rotate "$D/audit$([ "$(node_of)" = a ] || echo -b).key" >"$D/rotate.log" 2>&1 &&
			cli reload >"$D/reload.log" || wrong "rotation: $(cat "$D/reload.log")"
		known
		;;
	witnesses)
		cli audit verify >"$D/verify.out" || wrong "verify: $(grep -v '^ok' "$D/verify.out" | head -3)"
		before=$(cosigned)
		more() { [ "$(cosigned)" -gt "$before" ]; }
		wait_for more || wrong "the witness cosigns no more: $(tail -n 2 "$D/w.log")"
		;;
	esac
	for p in "${people[@]}"; do wait_for counts "$p" || wrong "$p used $(used "$p"), and sent ${sent[$p]}"; done
	for k in "${keys[@]}"; do wait_for answers "$k" 200 || wrong "a key that nobody revoked gets $(code "$k")"; done
	for k in "${revoked[@]}"; do wait_for answers "$k" 401 || wrong "a revoked key gets $(code "$k")"; done
	id=$(a_text)
	wait_for opens "$id" || wrong "the text of $id (${text[$id]}): $(cli audit open "$id" --key "$D/ann.key" --part prompt | head -c 300)"
	n=$(cli audit list --person "${people[0]}" --json | grep -c '"type":"decision"\|"id"')
	[ "$n" -ge "${sent[${people[0]}]}" ] || wrong "$n records of ${people[0]} are found, and ${sent[${people[0]}]} were sent"
done
is "after each of the rounds the node has the numbers of the ledger" "$wrong" 0
is "no request was decided twice" "$(decided_twice)" 0
is "the witness refused no checkpoint of either instance" \
	"$(grep -o 'event=witness.[a-z]* origin=[^ ]*' "$D/w.log" | sort -u | xargs)" \
	'event=witness.cosigned origin=tollgate/a event=witness.cosigned origin=tollgate/a_b'
settled
like "both chains verify, and the witness's" "$(cli audit verify | grep -c '^ok ')" '^3$'
