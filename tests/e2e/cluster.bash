# A Redis Cluster of three masters. Source it after lib.sh. D/cluster.yaml is the part of tollgate.yaml that names it.
# Each node's process is in cluster_pids, its port is cluster_port plus its number. CLUSTER_DOWN: after how many ms
# without a reply a node counts as lost (60000). CLUSTER_REPLICAS: replicas of each master (0).
# shellcheck shell=bash disable=SC2034
cluster_pids=()
cluster_at() { redis-cli -p "$((cluster_port + $1))" "${@:2}"; }
cluster_n=3
# cluster_whole: every node that runs serves, and has all slots
cluster_whole() { local i; for ((i = 0; i < cluster_n; i++)); do cluster_at $i cluster info | grep -q cluster_state:ok || return 1; done; }
# cluster_masters: prints the number of each node that is a master with slots
cluster_masters() {
	local i
	for ((i = 0; i < cluster_n; i++)); do
		cluster_at $i cluster nodes 2>/dev/null | awk '$3 ~ /myself/ && $3 ~ /master/ && NF > 8 { found = 1 } END { exit !found }' && echo $i
	done
}
cluster_start() { # I
	redis-server "$D/node$1/redis.conf" >>"$D/node$1.log" 2>&1 &
	cluster_pids[$1]=$!
}
cluster_up() {
	local i urls=()
	cluster_n=$((3 + 3 * ${CLUSTER_REPLICAS:-0}))
	cluster_port=$(free_ports $cluster_n)
	for ((i = 0; i < cluster_n; i++)); do
		mkdir -p "$D/node$i"
		printf '%s\n' "port $((cluster_port + i))" 'bind 127.0.0.1' "dir $D/node$i" 'save ""' 'cluster-enabled yes' \
			"cluster-node-timeout ${CLUSTER_DOWN:-60000}" 'cluster-require-full-coverage no' >"$D/node$i/redis.conf"
		cluster_start $i
		urls+=("127.0.0.1:$((cluster_port + i))")
	done
	for ((i = 0; i < cluster_n; i++)); do wait_for cluster_at $i ping >/dev/null 2>&1; done
	redis-cli --cluster create "${urls[@]}" --cluster-replicas "${CLUSTER_REPLICAS:-0}" --cluster-yes >"$D/create.log" 2>&1
	printf 'redis: {url: "redis+cluster://127.0.0.1:%s,127.0.0.1:%s"}\n' "$cluster_port" $((cluster_port + 1)) >"$D/cluster.yaml"
	wait_for cluster_whole
}
cluster_down() { [ ${#cluster_pids[@]} = 0 ] || kill "${cluster_pids[@]}" 2>/dev/null; cluster_pids=(); }
