# A Redis Cluster of three masters. Source it after lib.sh. D/cluster.yaml is the part of tollgate.yaml that names it.
# Each node's process is in cluster_pids, its port is cluster_port plus its number. CLUSTER_DOWN: after how many ms
# without a reply a node counts as lost (60000).
# shellcheck shell=bash disable=SC2034
cluster_pids=()
cluster_at() { redis-cli -p "$((cluster_port + $1))" "${@:2}"; }
cluster_whole() { local i; for i in 0 1 2; do cluster_at $i cluster info | grep -q cluster_state:ok || return 1; done; }
cluster_up() {
	local i
	cluster_port=$(free_ports 3)
	for i in 0 1 2; do
		mkdir -p "$D/node$i"
		printf '%s\n' "port $((cluster_port + i))" 'bind 127.0.0.1' "dir $D/node$i" 'save ""' 'cluster-enabled yes' \
			"cluster-node-timeout ${CLUSTER_DOWN:-60000}" 'cluster-require-full-coverage no' >"$D/node$i/redis.conf"
		redis-server "$D/node$i/redis.conf" >"$D/node$i.log" 2>&1 &
		cluster_pids+=($!)
	done
	for i in 0 1 2; do wait_for cluster_at $i ping >/dev/null 2>&1; done
	redis-cli --cluster create "127.0.0.1:$cluster_port" "127.0.0.1:$((cluster_port + 1))" \
		"127.0.0.1:$((cluster_port + 2))" --cluster-yes >"$D/create.log" 2>&1
	printf 'redis: {url: "redis+cluster://127.0.0.1:%s,127.0.0.1:%s"}\n' "$cluster_port" $((cluster_port + 1)) >"$D/cluster.yaml"
	wait_for cluster_whole
}
cluster_down() { [ ${#cluster_pids[@]} = 0 ] || kill "${cluster_pids[@]}" 2>/dev/null; cluster_pids=(); }
