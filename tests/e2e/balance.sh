# Workers share the load, although HAProxy sends all requests of a thread over one of its SPOP connections. With eight
# threads and four workers, no worker decides more than 1.5 times the mean. With two workers, neither is idle.
# Turns: it needs half a minute of load.
. "$(dirname "$0")/lib.sh"

decisions() { curl -s -m 10 --unix-socket "$1" http://tollgate/recent | jq -c '[.workers[].decisions]'; }
# load SOCKET: sets `shares` to the number of decisions of each worker in three seconds of load, which begin after two, so that
# connections could be moved, and `said` to the statuses of all requests
load() {
	local before pid
	EDGE=$EDGE TOKEN=$(token) STOP=$D/stop NOW=$D/now node "$root/tests/e2e/load.mjs" &
	pid=$!
	sleep 2
	before=$(decisions "$1")
	sleep 3
	shares=$(jq -nc "[$(decisions "$1"), $before] | transpose | map(.[0] - .[1])")
	touch "$D/stop"
	wait $pid
	rm "$D/stop"
	said=$(cut -d' ' -f1 "$D/now" | grep -v denied | xargs)
	echo "# $shares $said"
}
even() { jq -e "(add / length) as \$mean | $1" <<<"$shares" >/dev/null; }

# THREADS WORKERS
start() {
	printf 'workers: %s\n' "$2" >"$D/workers.yaml"
	sed "s/^global$/&\n    nbthread $1/" "$root/haproxy/haproxy.cfg" >"$D/threads.cfg"
	stack_up --config "$D/workers.yaml" --edge "$D/threads.cfg"
	socket=$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml")
}
start 8 4
load "$socket"
check "eight threads, four workers: none decides more than 1.5 times the mean" even 'max <= 1.5 * $mean'
unlike "each request gets its response while connections move" "$said" '5..|cut|timeout|refused|denied|passed'

"$root/tests/support/stack" down --dir "$D"
start 2 2
for i in 1 2 3 4 5; do
	load "$socket"
	check "two threads, two workers, start $i of HAProxy: neither worker is idle" even 'min >= 0.5 * $mean'
	haproxy_reload
done
