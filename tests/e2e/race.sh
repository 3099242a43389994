# Three daemons behind one HAProxy count as one. Thousands of requests with limits of forty requests; some callers
# disconnect, some send their body slowly. Then the same with the daemons' clocks 40 s apart and stepping, and with
# each body held back.
# RACE_S: seconds of each race (5). From 30 on, 0.88 of each limit must be used, and these follow: limits in tokens, a
# stopped Redis, a Redis that restarts empty, killed daemons, a failover by Sentinels. RACE: runs only this race.
# Once: no version of HAProxy differs here.
# Long: it sends loads.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "a race" "node is not installed"; exit 0; }
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
for node in a b c; do head -c 8 /dev/zero >"$D/skew.$node"; done
# "stopped": Redis stands still for longer than any of the shipped deadlines
shipped=()
if [ "${RACE_S:-5}" -ge 30 ]; then
	echo 'redis: {deadline: 200ms}' >"$D/shipped.yaml"
	shipped=(--config "$D/shipped.yaml")
fi
clear_of day 300
stack_up --policy "$here/race.yaml" "${shipped[@]+"${shipped[@]}"}" --daemons 3 --preload "$D/skew.so"
for team in rate tokens dollars at-once clocks held stopped emptied killed failed-over; do
	declare -x "TOKEN_${team//-/_}=$(token --claims "{\"team\":\"$team\"}")"
done
export EDGE PROVIDER D B SOCKETS
node "$here/race.mjs" || failed=1
if [ "${RACE_S:-5}" -ge 30 ] && [ "${RACE:-failed-over}" = failed-over ]; then
	"$root/tests/support/stack" down --dir "$D"
	. "$here/trio.bash"
	TRIO_DOWN=500 trio_up && export TRIO=1
	stack_up --no-redis --config "$D/trio.yaml" --policy "$here/race.yaml" --daemons 3 --preload "$D/skew.so"
	node "$here/race.mjs" || failed=1
	trio_down
fi
for j in journal:audit.key.pub journal-b:audit-b.key.pub journal-c:audit-c.key.pub; do
	check "the chain in ${j%:*} verifies" verifies "$D/${j%:*}" "$D/${j#*:}"
done
exit $failed
