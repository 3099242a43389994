# After a history of kills, restarts, stops and losses of data, the counters of limits equal the responses: on one Redis,
# with Sentinel, on a cluster, and on a cluster with replicas. Two daemons count together.
# SEED: draws histories instead of the shipped ones, with STEPS steps each (10). STORES: which of one, sentinel, cluster,
# replicas.
# Once: the result depends only on the daemon.
# Late: it starts the daemons some forty times.
. "$(dirname "$0")/lib.sh"
. "$here/trio.bash"
. "$here/cluster.bash"
command -v node >/dev/null || { skip "histories of limits" "node is not installed"; exit 0; }
trap 'cluster_down; D=$all/sentinel; trio_down; D=$all; finish' EXIT
declare -A plan=(
	[one]='kill_busy restarts_meanwhile kill_again'
	[sentinel]='kill fails_over kill_busy kill_both'
	[cluster]='slots_move kill kill kill_both kill_again slots_move_meanwhile kill_busy store_restarts restart kill kill stops kill'
	[replicas]='master_dies kill master_dies_busy kill_busy slots_move kill_both stops_long kill'
)
drawn=(kill kill_again kill_both kill_busy kill_late restart store_restarts restarts_meanwhile stops fails_over slots_move slots_move_meanwhile
	master_dies master_dies_busy)
RANDOM=${SEED:-1}
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: history
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
  - {name: team, per: [identity.team], requests: 1000000, window: {calendar: week}}
  - {name: tokens, per: [identity.person], tokens: 1000000000, window: {calendar: month}}
  - {name: at-once, per: [identity.person], concurrent: 1000}
Y
names=(tollgate second) files=('' -b) people=(ann bob cat dan eve fay gus hal)
all=$D

# ---- counters and responses ----
declare -A answered chats unsure base
refunds=0
quota() { "$build/tollgate" quota get --person "$1" --team "t-$1" --json -c "$D/tollgate.yaml" 2>"$D/quota.err"; }
# kept PERSON: prints the count of each limit; ?: its node did not answer
kept() { quota "$1" | jq -r '[.[] | if .used then .used + .held else "?" end] | join(" ")'; }
take() { # FILE: adds the responses of a load
	local p ok chat no
	while read -r p ok chat no; do
		answered[$p]=$((${answered[$p]:-0} + ok)) chats[$p]=$((${chats[$p]:-0} + chat)) unsure[$p]=$((${unsure[$p]:-0} + no))
	done <"$1"
}
load() { node "$here/limits-history.mjs" "$1" 8 >"$D/load" && take "$D/load"; }
begin_load() { rm -f "$D/stop"; node "$here/limits-history.mjs" 0 4 >"$D/load" & loading=$!; }
end_load() { touch "$D/stop"; wait "$loading"; take "$D/load"; }
# equal: each count is what the responses took. If a request's daemon was killed, it is counted or not. Each chat took
# 30 tokens, and an unsettled one less than 200. Refunds that a master confirmed and did not replicate before it died
# stay counted: at most those of the requests of a load at one time (refunds).
equal() {
	local p i want most count
	wrong=''
	for p in "${people[@]}"; do
		read -ra count < <(kept "$p")
		want=("${answered[$p]}" "${answered[$p]}" "${answered[$p]}" $((30 * chats[$p])) 0)
		most=("${unsure[$p]}" "${unsure[$p]}" "${unsure[$p]}" $((200 * (unsure[$p] + refunds))) "$refunds")
		for i in 0 1 2 3 4; do
			[ $i = 4 ] || want[i]=$((want[i] + ${base[$p.$i]:-0}))
			[ "${count[i]:--1}" -ge "${want[i]}" ] && [ "${count[i]}" -le $((want[i] + most[i])) ] && continue
			wrong="$wrong $p: ${count[*]:-none}, not ${want[*]}, at most ${most[*]} more;"
			break
		done
	done
	[ ! "$wrong" ]
}
# take_as_base: later counts include what is counted now
take_as_base() {
	local p i count
	all_kept() { read -ra count < <(kept "$1") && [ ${#count[@]} = 5 ] && [[ "${count[*]}" != *\?* ]]; }
	for p in "${people[@]}"; do
		wait_for all_kept "$p"
		for i in 0 1 2 3 4; do base[$p.$i]=${count[i]:-0}; done
		answered[$p]=0 chats[$p]=0 unsure[$p]=0
	done
}

# ---- daemons and stores ----
start() { # N
	setsid "$build/tollgate" serve -c "$D/tollgate${files[$1]}.yaml" </dev/null >>"$D/${names[$1]}.log" 2>&1 &
	note_pid $! "${names[$1]}"
	disown $!
}
kill_daemon() { killed "${names[$1]}" 2>/dev/null; }
stop_daemon() { local pid; pid=$(pid_of "${names[$1]}"); kill -TERM "$pid"; wait_for gone "$pid"; }
# usable: both daemons count in Redis, and HAProxy sends requests to them
usable() {
	local n
	for n in "$ADMIN" "$ADMIN_B"; do fetch GET "$n/readyz" >"$D/ready" && grep -q '^redis: up' "$D/ready" || return 1; done
	for n in 1 2 3 4 5 6; do
		req GET /v1/models -H "authorization: Bearer $other"
		[ "$status" = 200 ] || return 1
	done
}
stack() { stack_up --policy "$all/policy.yaml" --patient --second "$@"; }
with_store() { # FILE
	echo 'redis: {deadline: 10s}' >"$D/patient.yaml"
	"$build/stackhelp" merge "$D/patient.yaml" "$1" >"$D/both.yaml"
	stack --no-redis --config "$D/both.yaml"
}
one_up() { stack; }
one_restarts() { redis flushall >/dev/null; }
one_signal() { kill "-$1" "$(pid_of redis)"; }
one_down() { :; }
sentinel_port() { sed -n 's/^port //p' "$D/s1/redis.conf" | head -1; }
trio_master() { redis-cli -p "$(sentinel_port)" sentinel get-master-addr-by-name m | sed -n 2p; }
sentinel_up() { trio_up && with_store "$D/trio.yaml"; }
sentinel_restarts() { redis-cli -p "$(trio_master)" flushall >/dev/null; }
sentinel_signal() { kill "-$1" "$(cat "$D/m1/pid")" "$(cat "$D/m2/pid")"; }
sentinel_down() { trio_down; }
cluster_store_up() { cluster_up && with_store "$D/cluster.yaml"; }
a_master() { cluster_masters | shuf -n 1 --random-source=<(yes "$RANDOM"); }
cluster_restarts() { # one of the masters loses its data
	local i
	i=$(a_master)
	kill -9 "${cluster_pids[i]}"
	wait "${cluster_pids[i]}" 2>/dev/null
	cluster_start "$i"
	wait_for cluster_whole 2>/dev/null
}
cluster_signal() { kill "-$1" "${cluster_pids[@]}"; }
replicas_up() { CLUSTER_REPLICAS=1 CLUSTER_DOWN=2000 cluster_up && with_store "$D/cluster.yaml"; }
replicas_restarts() { cluster_restarts; }
replicas_signal() { cluster_signal "$1"; }
replicas_down() { cluster_down; }

# ---- steps of a history ----
either() { n=$((RANDOM % 2)); }
step_kill() { either; kill_daemon $n; start $n; }
step_kill_again() { step_kill; wait_for usable; kill_daemon $n; start $n; }
step_kill_both() { kill_daemon 0; kill_daemon 1; start 0; start 1; }
step_kill_busy() { either; begin_load; sleep 0.5; kill_daemon $n; start $n; wait_for usable; end_load; }
step_kill_late() { either; kill_daemon $n; load 2; start $n; }
step_restart() { either; stop_daemon $n; start $n; }
step_store_restarts() { "${store}_restarts"; }
step_restarts_meanwhile() { either; kill_daemon $n; "${store}_restarts"; start $n; }
step_stops() { "${store}_signal" STOP; sleep "${STOPPED_S:-2}"; "${store}_signal" CONT; }
step_fails_over() {
	local was
	[ $store = sentinel ] || return 0
	was=$(trio_master)
	redis-cli -p "$(sentinel_port)" sentinel failover m >/dev/null
	another() { [ "$(trio_master)" != "$was" ]; }
	wait_for another
}
step_slots_move() {
	local i masters
	[ $store = cluster ] || [ $store = replicas ] || return 0
	read -ra masters < <(cluster_masters | tr '\n' ' ')
	i=$((RANDOM % ${#masters[@]}))
	redis-cli --cluster reshard "127.0.0.1:$((cluster_port + masters[0]))" --cluster-from "$(cluster_at "${masters[i]}" cluster myid)" \
		--cluster-to "$(cluster_at "${masters[(i + 1) % ${#masters[@]}]}" cluster myid)" --cluster-slots 2000 --cluster-yes >"$D/reshard.log" 2>&1
	wait_for cluster_whole
}
# a master is killed, its replica takes its place, and it returns as a replica
step_master_dies() {
	local i
	[ $store = replicas ] || return 0
	i=$(a_master)
	kill -9 "${cluster_pids[i]}"
	wait "${cluster_pids[i]}" 2>/dev/null
	taken_over() { [ "$(cluster_masters | wc -l)" = 3 ] && ! cluster_masters | grep -qx "$i"; }
	wait_for taken_over
	cluster_start "$i"
	in_step() { cluster_whole && cluster_at "$i" info replication | grep -q '^master_link_status:up'; }
	wait_for in_step 2>/dev/null
}
step_master_dies_busy() { refunds=4; begin_load; sleep 0.5; step_master_dies; wait_for usable; end_load; }
step_stops_long() { STOPPED_S=20 step_stops; wait_for cluster_whole; }
step_slots_move_meanwhile() { either; kill_daemon $n; step_slots_move; start $n; }

clear_of day 900
for store in ${STORES:-one sentinel cluster replicas}; do
	D=$all/$store
	mkdir "$D"
	if [ $store = cluster ]; then cluster_store_up; else ${store}_up; fi
	. "$D/env"
	export D EDGE
	control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
	answered=() chats=() unsure=() base=() refunds=0
	for p in "${people[@]}"; do echo "$p $(token --claims "{\"sub\":\"$p\",\"team\":\"t-$p\"}")"; done >"$D/people"
	other=$(token --claims '{"sub":"ian","team":"t-ian"}')
	wait_for usable
	load 4
	check "$store: the counts equal the responses at first" wait_for equal
	read -ra steps <<<"${plan[$store]}"
	[ -z "${SEED:-}" ] || steps=($(for ((i = 0; i < ${STEPS:-10}; i++)); do echo "${drawn[RANDOM % ${#drawn[@]}]}"; done))
	for ((k = 1; k <= ${#steps[@]}; k++)); do
		take_as_base
		step_${steps[k - 1]} 2>/dev/null
		wait_for usable
		load 2
		end=$((SECONDS + ${WAIT_S:-20}))
		until equal || [ $SECONDS -gt $end ]; do sleep 0.3; done
		name="$store, step $k, ${steps[k - 1]}: the counts equal the responses"
		if [ "$wrong" ]; then not_ok "$name" "$wrong"; else ok "$name"; fi
	done
	"$root/tests/support/stack" down --dir "$D" >/dev/null 2>&1
	if [ $store = cluster ]; then cluster_down; else ${store}_down; fi
done
D=$all
exit $failed
