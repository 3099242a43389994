# Starts a Redis for the response cache. Source this file after lib.sh.
#
#   answers_redis WHAT [OPTIONS…]  starts a Redis at $port with the program $redis_server. The check is named "WHAT starts".
#                                  The processes $redis_pid and $beside end with the test.
#   redis …                        sends a command to it
#
# $evicting: the options of a Redis that evicts, as docs/cache.md advises.
evicting='--maxmemory 32mb --maxmemory-policy allkeys-lfu'
port=$(free_ports 2) redis_server=redis-server redis_pid='' beside=''
redis() { redis-cli -p "$port" "$@"; }
answers_redis_is_up() { [ "$(redis ping 2>/dev/null)" = PONG ]; }
trap '{ kill -CONT $redis_pid && kill $redis_pid; kill $beside; } 2>/dev/null; finish' EXIT
answers_redis() {
	$redis_server --port "$port" --bind 127.0.0.1 --save '' --appendonly no "${@:2}" >"$D/answers-redis.log" 2>&1 &
	redis_pid=$!
	check "$1 starts" wait_for answers_redis_is_up
}
