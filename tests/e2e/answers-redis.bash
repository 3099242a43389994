# A Redis of its own for answers, for a test in shell that has read lib.sh.
#
#   answers_redis WHAT [OPTIONS…]  starts it at $port, by $redis_server where that is another one: the check that WHAT
#                                  comes up. $redis_pid; it and $beside, other processes, end with the test
#   redis …                        asks it
#
# $evicting: the options of one that docs/cache.md advises.
evicting='--maxmemory 32mb --maxmemory-policy allkeys-lfu'
port=$(free_ports 2) redis_server=redis-server redis_pid='' beside=''
redis() { redis-cli -p "$port" "$@"; }
answers_redis_is_up() { [ "$(redis ping 2>/dev/null)" = PONG ]; }
trap '{ kill -CONT $redis_pid && kill $redis_pid; kill $beside; } 2>/dev/null; finish' EXIT
answers_redis() {
	$redis_server --port "$port" --bind 127.0.0.1 --save '' --appendonly no "${@:2}" >"$D/answers-redis.log" 2>&1 &
	redis_pid=$!
	check "$1 comes up" wait_for answers_redis_is_up
}
