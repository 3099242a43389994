# Limits, external data of the policy and the stream of records on a Redis Cluster of three nodes. A slot moves, and a
# node is lost.
# Once: no version of HAProxy differs here.
# Long: it waits for Redis nodes.
. "$(dirname "$0")/lib.sh"
redis_server=${REDIS_SERVER:-redis-server}
command -v "$redis_server" >/dev/null || { skip "a cluster" "$redis_server is not installed"; exit 0; }
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; finish' EXIT
echo "# $("$redis_server" --version)"
port=$(free_ports 3)
at() { redis-cli --no-auth-warning --user admin -a admin -p "$((port + $1))" "${@:2}"; }
rule=$(sed -n 's/^ *ACL SETUSER tollgate //p' "$root/docs/redis.md" | sed 's/>PASSWORD/>first/')
more=$(sed -n 's/^.*The user needs `\([^`]*\)` too.*/\1/p' "$root/docs/redis.md")
for i in 0 1 2; do
	mkdir -p "$D/node$i"
	cat >"$D/node$i/redis.conf" <<-CONF
		port $((port + i))
		bind 127.0.0.1
		dir $D/node$i
		save ""
		cluster-enabled yes
		cluster-node-timeout 1000
		cluster-require-full-coverage no
		user default off
		user tollgate $rule $more %R~acme:*
		user admin on >admin ~* &* +@all
	CONF
	"$redis_server" "$D/node$i/redis.conf" >"$D/node$i.log" 2>&1 &
	pids+=($!)
done
for i in 0 1 2; do wait_for at $i ping >/dev/null 2>&1; done
redis-cli --no-auth-warning --user admin -a admin --cluster create "127.0.0.1:$port" "127.0.0.1:$((port + 1))" \
	"127.0.0.1:$((port + 2))" --cluster-yes >"$D/create.log" 2>&1
whole() { for i in 0 1 2; do at $i cluster info | grep -q cluster_state:ok || return 1; done; }
check "a cluster of three nodes starts" wait_for whole
# From now on, a node that does not respond does not count as lost.
for i in 0 1 2; do at $i config set cluster-node-timeout 60000 >/dev/null; done
(umask 077; echo first >"$D/password")
cat >"$D/config.yaml" <<-YAML
	backends: [openai, anthropic, local, ghost]
	redis: {url: "redis+cluster://127.0.0.1:$port,127.0.0.1:$((port + 1))", user: tollgate, password_file: $D/password}
YAML
incident_policy 'has(data.incidents.level) && identity.person == "g"'
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
is_up() { fetch GET "$ADMIN/readyz" | grep -q '^redis: up'; }
check "every node is up" wait_for is_up
wrong=
for who in a b c d e f; do
	models $who; one=$status
	models $who; two=$status
	models $who
	[ "$one $two $status" = "200 200 429" ] || wrong="$wrong $who: $one $two $status"
done
is "a limit of two counts for each of six people" "$wrong" ""
spread=0
for i in 0 1 2; do [ "$(at $i --scan --pattern 'tollgate:q:*' | wc -l)" -gt 0 ] && spread=$((spread + 1)); done
check "their counters are on several nodes: $spread" test $spread -ge 2
at 0 -c hset acme:incidents level high >/dev/null
incident() { models g; [ "$status" = 403 ]; }
check "external data of the policy is read from its node" wait_for incident
at 0 -c del acme:incidents >/dev/null
mirrored() { [ "$(metric audit_stream_behind_records)" = 0 ]; }
check "the records are written to the stream" wait_for mirrored
cd "$D" || exit 1
final check "the stream of each node verifies, with the user of the configuration" "$build/tollgate" audit verify -c "$D/tollgate.yaml" \
	--redis "redis+cluster://127.0.0.1:$port,127.0.0.1:$((port + 1))" --journal "$JOURNAL" --public-key "$AUDIT_KEY"

# ---- keys and overrides at run time ----

kim_and_lee
like "the entries are on one node" "$(for i in 0 1 2; do at $i exists 'tollgate:{live}:entries'; done 2>/dev/null | grep . | sort | tr '\n' ' ')" '^1 MOVED.*MOVED'

# ---- a slot moves during requests ----

key=$(at 0 --scan --pattern 'tollgate:q:*few*' | head -1)
slot=$(at 0 cluster keyslot "$key")
to=$(at 1 cluster myid)
codes() {
	for i in $(seq 120); do
		curl -s -m 90 -o /dev/null -w '%{http_code}\n' -H "authorization: Bearer $many" "$EDGE/v1/models"
	done | sort | uniq -c | tr -s ' \n' ' '
}
many=$(token --claims '{"sub":"many"}')
codes >"$D/codes" &
load=$!
at 1 cluster setslot "$slot" importing "$(at 0 cluster myid)" >/dev/null
at 0 cluster setslot "$slot" migrating "$to" >/dev/null
for k in $(at 0 cluster getkeysinslot "$slot" 1000); do
	at 0 migrate 127.0.0.1 $((port + 1)) "$k" 0 1000 auth2 admin admin >/dev/null
	sleep 0.02
done
models a
for i in 1 0 2; do at $i cluster setslot "$slot" node "$to" >/dev/null; done
models h
wait $load
is "no request failed meanwhile" "$(cat "$D/codes")" " 120 200 "
is "a person without requests in between still has the earlier count" "$status" 200
live=$(at 0 cluster keyslot 'tollgate:{live}:entries')
at 1 cluster setslot "$live" importing "$(at 0 cluster myid)" >/dev/null
at 0 cluster setslot "$live" migrating "$to" >/dev/null
for k in $(at 0 cluster getkeysinslot "$live" 1000); do
	at 0 migrate 127.0.0.1 $((port + 1)) "$k" 0 1000 auth2 admin admin >/dev/null
done
for i in 1 0 2; do at $i cluster setslot "$live" node "$to" >/dev/null; done
mia=$(key new --person mia)
check "a key is created on the node that has the entries now" key_is "$mia" 200
like "the list also has the earlier keys" "$(key list | tr '\n' ' ')" ' kim .* mia | mia .* kim '
there() { [ "$(at 1 hexists 'tollgate:{live}:entries' "key:$(cut -d_ -f2 <<<"$mia")")" = 1 ]; }
check "the entry is on that node" wait_for there

# ---- a node is lost ----

kill -9 "${pids[2]}"; wait "${pids[2]}" 2>/dev/null
got=
for who in $(seq 12); do
	models "p$who"
	got="$got $status"
done
like "limits on the other nodes still apply" "$got" ' 200'
like "limits on the lost node are refused with 503" "$got" ' 503'
unlike "no other status occurs" "$got" ' (4|500|502|504)'
check "each record verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
