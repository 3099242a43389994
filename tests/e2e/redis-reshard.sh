# A Redis Cluster whose slots an operator moves with redis-cli: reshard, a new node, rebalance, an emptied node.
# Limited requests continue meanwhile, and no limit admits more.
# Once: no version of HAProxy differs here.
# Late: it waits for Redis nodes.
. "$(dirname "$0")/lib.sh"
redis_server=${REDIS_SERVER:-redis-server}
command -v "$redis_server" >/dev/null || { skip "a cluster" "$redis_server is not installed"; exit 0; }
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; finish' EXIT
echo "# $("$redis_server" --version)"
port=$(free_ports 4)
at() { redis-cli -p "$((port + $1))" "${@:2}"; }
for i in 0 1 2 3; do
	mkdir -p "$D/node$i"
	"$redis_server" --port $((port + i)) --bind 127.0.0.1 --dir "$D/node$i" --save '' --cluster-enabled yes \
		--cluster-node-timeout 60000 >"$D/node$i.log" 2>&1 &
	pids+=($!)
done
for i in 0 1 2 3; do wait_for at $i ping >/dev/null 2>&1; done
cluster() { redis-cli --cluster "$@" >>"$D/cluster.log" 2>&1; }
cluster create "127.0.0.1:$port" "127.0.0.1:$((port + 1))" "127.0.0.1:$((port + 2))" --cluster-yes
whole() { for i in 0 1 2; do at $i cluster info | grep -q cluster_state:ok || return 1; done; }
check "a cluster of three nodes starts" wait_for whole
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: reshard
identity:
  - jwt: {header: authorization, demo_issuer: true}
routes:
  - {name: models, match: {path: /v1/models, methods: [GET]}, response: ignore, targets: openai}
providers:
  openai: {backend: local, dialect: openai}
default: permit
limits:
  - {name: many, per: [identity.person], requests: 100000, window: 1h}
  - {name: few, when: 'identity.team == "few"', per: [identity.person], requests: 3, window: 1h}
Y
echo "redis: {url: \"redis+cluster://127.0.0.1:$port,127.0.0.1:$((port + 1))\", daemons: 2, deadline: ${REDIS_DEADLINE:-10s}}" >"$D/config.yaml"
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml" --daemons 2 --patient
is_up() { fetch GET "$ADMIN/readyz" | grep -q '^redis: up'; }
check "every node is up" wait_for is_up
for i in $(seq 40); do token --claims "{\"sub\":\"many$i\",\"team\":\"many\"}"; done >"$D/many"
for i in $(seq 300); do token --claims "{\"sub\":\"few$i\",\"team\":\"few\"}"; done >"$D/few"
# The load of forty persons, about fifty requests a second: prints time and status of each.
load() {
	while [ ! -e "$D/stop" ]; do
		while read -r t; do
			curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H "authorization: Bearer $t" "$EDGE/v1/models" | sed "s/^/$EPOCHREALTIME /" &
			sleep 0.02
		done <"$D/many"
	done >"$1"
	wait
}
# Prints how many of the requests were not 200, and for how many seconds in a row.
judged() { # FILE
	sort -n "$1" | awk '{ n++ } $2 != 200 { bad++; if (!since) since = $1; if ($1 - since > most) most = $1 - since } $2 == 200 { since = 0 }
		END { printf "%d of %d, %.1f s at most\n", bad, n, most; exit !(n >= 200 && bad * 100 <= n && most <= 1) }'
}
# Limits are reduced until both daemons know of each other.
is_whole() { ! says reduced "$build/tollgate" status -c "$D/tollgate.yaml" && ! says reduced "$build/tollgate" status -c "$D/tollgate-b.yaml"; }
check "limits are whole" wait_for is_whole
# Each of 300 persons with a limit of 3 sends requests before, during and after the moves, most of them two at once.
few() ( # N: the number of rounds; in a subshell, which waits only for its own requests
	for _ in $(seq "$1"); do
		local n=0
		while read -r t && [ ! -e "$D/stop" ]; do
			n=$((n + 1))
			for _ in 1 2; do
				curl -s -m 20 -o /dev/null -w "$n %{http_code}\n" -H "authorization: Bearer $t" "$EDGE/v1/models" >>"$D/few.codes" &
			done
			sleep 0.02
		done <"$D/few"
	done
	wait
)
moves() { # NAME COMMAND…
	local name=$1 l f
	shift
	rm -f "$D/stop"
	load "$D/load" &
	l=$!
	few 9 &
	f=$!
	sleep 1
	check "$name: redis-cli succeeds" "$@"
	sleep 5
	touch "$D/stop"
	wait $l $f
	check "$name: limited requests pass ($(judged "$D/load"))" judged "$D/load"
}
id() { at "$1" cluster myid; }
recounts() { cat "$D"/{tollgate,second}.log | grep -c quota.recounted; }
before=$(recounts)
moves "2,500 slots move" cluster reshard "127.0.0.1:$port" --cluster-from "$(id 0)" --cluster-to "$(id 1)" --cluster-slots 2500 --cluster-yes
is "2,500 slots move: no limit is counted again" "$(($(recounts) - before))" 0
joins() {
	cluster add-node "127.0.0.1:$((port + 3))" "127.0.0.1:$port" || return
	wait_for says cluster_state:ok at 3 cluster info
	cluster rebalance "127.0.0.1:$port" --cluster-use-empty-masters
}
before=$(grep -hc 'quota.recounted counters=0' "$D"/{tollgate,second}.log)
moves "a node joins" joins
is "a node joins: nothing is counted again if nothing was counted" "$(grep -hc 'quota.recounted counters=0' "$D"/{tollgate,second}.log)" "$before"
leaves() {
	local n
	n=$(at 2 cluster nodes | awk '/myself/ { for (i = 9; i <= NF; i++) { split($i, s, "-"); n += (s[2] ? s[2] : s[1]) - s[1] + 1 } print n }')
	cluster reshard "127.0.0.1:$port" --cluster-from "$(id 2)" --cluster-to "$(id 3)" --cluster-slots "$n" --cluster-yes &&
		cluster del-node "127.0.0.1:$port" "$(id 2)"
}
before=$(recounts)
moves "a node is emptied and leaves" leaves
is "a node is emptied: no limit is counted again" "$(($(recounts) - before))" 0
is "a node is emptied: no epoch is lost" "$(grep -h redis.epoch "$D"/{tollgate,second}.log)" ''
# ---- a master fails over while slots move ----
replicates() {
	at 2 cluster reset hard >/dev/null # with another id, because the other nodes ignore a forgotten one for a minute
	cluster add-node "127.0.0.1:$((port + 2))" "127.0.0.1:$port" --cluster-slave --cluster-master-id "$(id 1)" || return
	wait_for says master_link_status:up at 2 info replication
}
check "a node becomes a replica" replicates
fails_over() { # NODE
	at "$1" cluster failover >/dev/null && wait_for says role:master at "$1" info replication
}
# Not the master of a moving slot, because the other masters do not vote for its replica meanwhile.
another_fails_over() {
	local mover
	cluster reshard "127.0.0.1:$port" --cluster-from "$(id 3)" --cluster-to "$(id 0)" --cluster-slots 1500 --cluster-yes &
	mover=$!
	sleep 0.3
	fails_over 2 || return
	# redis-cli ends with an error if a node that it listed as a master is none any more.
	wait $mover || wait_for cluster fix "127.0.0.1:$port" --cluster-yes
}
moves "another master fails over" another_fails_over
rm "$D/stop"
few 1
is "no limit admitted more" "$(awk '$2 == 200 { n[$1]++ } END { for (i in n) if (n[i] > 3) print i, n[i] }' "$D/few.codes")" ''
check "the limits admitted what they should ($(grep -c ' 200$' "$D/few.codes") of 900)" test "$(grep -c ' 200$' "$D/few.codes")" -ge 895
check "each record verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
