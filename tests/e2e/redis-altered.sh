# A network, or an attacker, that changes 5 % of what Redis sends: the daemon does not end, its memory does not grow,
# and no limit lets more through.
# ALTERED_S: seconds of it (10; a long ring has 600). ALTERED_RATE: which part of the packets is changed (0.05).
# Prints each minute how much memory the daemon has, its open files and the keys in Redis.
# Once: no version of HAProxy differs here.
# Long: load.
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
check "a proxy in front of Redis comes up" wait_for grep -q listening "$D/load"
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
check "each person asked before" wait_for grep -q begins "$D/load"
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
is "no limit let more through" "$(jq .over <<<"$load")" 0
