# A Redis with a replica and three Sentinels that fail it over. Source it after lib.sh. D/m1 and D/m2 have redis.conf
# and pid of each server. D/trio.yaml is the part of tollgate.yaml that names the Sentinels. TRIO_DOWN: after how many
# ms without a reply a master counts as lost (60000).
# shellcheck shell=bash disable=SC2034
trio_server() { # NAME PORT CONF [--sentinel]
	mkdir -p "$D/$1"
	printf 'port %s\nbind 127.0.0.1\ndir %s\npidfile %s\n%s\n' "$2" "$D/$1" "$D/$1/pid" "$3" >"$D/$1/redis.conf"
	redis-server "$D/$1/redis.conf" ${4:-} >>"$D/$1.log" 2>&1 &
	trio_await redis-cli -p "$2" ping
}
trio_await() { for _ in $(seq 1200); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }
trio_knows() { redis-cli -p "$1" sentinel ckquorum m | grep -q '^OK 3' && redis-cli -p "$1" info sentinel | grep -q slaves=1; }
trio_up() {
	local port list='' i
	port=$(free_ports 5)
	trio_server m1 "$port" 'save ""'
	trio_server m2 $((port + 1)) "save \"\"
replicaof 127.0.0.1 $port"
	for i in 1 2 3; do
		trio_server "s$i" $((port + 1 + i)) "sentinel monitor m 127.0.0.1 $port 2
sentinel down-after-milliseconds m ${TRIO_DOWN:-60000}
sentinel failover-timeout m 3000" --sentinel
		list=$list${list:+,}127.0.0.1:$((port + 1 + i))
	done
	printf 'redis: {url: "redis+sentinel://%s/m"}\n' "$list" >"$D/trio.yaml"
	for i in 1 2 3; do trio_await trio_knows $((port + 1 + i)) || return 1; done
}
trio_down() {
	local f
	for f in "$D"/[ms][123]/pid; do
		[ -s "$f" ] && kill "$(cat "$f")" 2>/dev/null
	done
}
