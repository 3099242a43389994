# A network or an attacker that alters 5 % of Redis' replies: the daemon does not crash, its memory does not grow, and
# no limit admits more.
# ALTERED_S: seconds of the load (10; the long stage uses 600). ALTERED_RATE: the share of altered packets (0.05).
# Prints the daemon's memory, its open files and the number of keys in Redis each minute.
# Once: no version of HAProxy differs here.
# Long: it sends load.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"
command -v node >/dev/null || { skip "altered replies" "node is not installed"; exit 0; }
seconds=${ALTERED_S:-10} limit=20 persons=$((2 * seconds))
cat >"$D/policy.yaml" <<Y
tollgate: 1
name: altered
identity:
  - jwt: {header: authorization, demo_issuer: true}
routes:
  - {name: models, match: {path: /v1/models, methods: [GET]}, response: ignore, targets: openai}
providers:
  openai: {backend: local, dialect: openai}
default: permit
limits:
  - {name: few, per: [identity.person], requests: $limit, window: 1h}
Y
answers_redis "a Redis"
echo "redis: {url: \"redis://127.0.0.1:$((port + 1))\", daemons: 1}" >"$D/config.yaml"
mkfifo "$D/begin"
node "$here/redis-altered.mjs" $((port + 1)) "$port" "$seconds" "$D" $limit <"$D/begin" >"$D/load" 2>"$D/load.err" &
beside=$!
exec 9>"$D/begin"
check "a proxy in front of Redis starts" wait_for grep -q listening "$D/load"
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
for ((i = 0; i < persons; i++)); do token --ttl 86400 --claims "{\"sub\":\"p$i\"}"; done >"$D/tokens"
is_up() { fetch GET "$ADMIN/readyz" | grep -q '^redis: up'; }
check "Redis is up" wait_for is_up
pid=$(pid_of tollgate)
memory() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
measured() {
	for ((m = 0; ; m++)); do
		echo "# minute $m: $(memory) KB, $(ls "/proc/$pid/fd" | wc -l) files, $(redis-cli -p "$port" dbsize) keys"
		sleep 60
	done
}
echo "$EDGE" >&9
check "each person sent a request before" wait_for grep -q begins "$D/load"
measured &
measures=$!
sleep $((seconds / 2))
before=$(memory)
wait $beside
kill $measures
load=$(tail -n 1 "$D/load")
check "bytes were changed and requests admitted: $load" says true jq '.altered > 5 and .statuses["200"] > 20' <(echo "$load")
check "the limit was reached" says true jq '.reached > 0 and .statuses["429"] > 0' <(echo "$load")
check "the daemon is the same process" kill -0 "$pid"
check "its memory does not grow in the second half ($before KB, then $(memory) KB)" [ $(($(memory) - before)) -lt 16384 ]
is "no limit admitted more" "$(jq .over <<<"$load")" 0
