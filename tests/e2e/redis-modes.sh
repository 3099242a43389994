# Redis as people run it: a user of its own with a password file, TLS that HAProxy speaks
# (haproxy/redis-tls.cfg), a Sentinel trio with a failover. Limits, data of the policy and the
# mirror of the records go the same way.
# Once: one HAProxy is enough.
. "$(dirname "$0")/lib.sh"
redis_server=${REDIS_SERVER:-redis-server}
command -v "$redis_server" >/dev/null || { skip "Redis' modes" "$redis_server is not installed"; exit 0; }
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; finish' EXIT
echo "# $("$redis_server" --version)"
port=$(($(free_ports 8) - 1))
next() { port=$((port + 1)); }
cd "$D" || exit 1

# redis NAME PORT [more of redis.conf]: a server in D/NAME
redis() {
	mkdir -p "$D/$1"
	printf 'port %s\nbind 127.0.0.1\ndir %s\nsave ""\n%s\n' "$2" "$D/$1" "${3:-}" >"$D/$1/redis.conf"
	"$redis_server" "$D/$1/redis.conf" ${4:-} >>"$D/$1.log" 2>&1 &
	pids+=($!)
	declare -g "pid_$1=$!"
	wait_for redis-cli -p "$2" ping >/dev/null 2>&1
}
# The rule of docs/redis.md, with names of ours.
rule=$(sed -n 's/^ *ACL SETUSER tollgate //p' "$root/docs/redis.md" | sed 's/>PASSWORD/>first/')
acl="user default off
user tollgate $rule %R~acme:*
user admin on >admin ~* &* +@all"
admin() { redis-cli --no-auth-warning -p "$1" --user admin -a admin "${@:2}"; }
incident_policy 'has(data.incidents.level)'
is_up() { ready | grep -q '^redis: up'; }
mirrored() { # PORT: the stream there holds every record
	[ "$(metric audit_stream_behind_records)" = 0 ] && [ "$(admin "$1" xlen "tollgate:audit:$node")" -gt 3 ]
}

# ---- TLS by HAProxy, a user with what it needs and no more ----

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=redis.test \
	-addext subjectAltName=DNS:redis.test -keyout server.key -out server.pem 2>openssl.log
next; plain=$port; next; tls=$port
redis tls_server $plain "$acl
tls-port $tls
tls-cert-file $D/server.pem
tls-key-file $D/server.key
tls-ca-cert-file $D/server.pem
tls-auth-clients no"
sed -e "s#unix@/run/tollgate/redis-tls.sock.*#unix@$D/redis-tls.sock mode 600#" \
	-e "s#redis.example.com:6380#127.0.0.1:$tls#; s#redis.example.com#redis.test#g" \
	-e "s#/etc/ssl/certs/ca-certificates.crt#$D/server.pem#" "$root/haproxy/redis-tls.cfg" >redis-tls.cfg
unlike "the lines to edit were found" "$(grep -v '^ *#' redis-tls.cfg)" 'example|/run/|/etc/'
"${HAPROXY_BIN:-haproxy}" -db -f redis-tls.cfg >haproxy-tls.log 2>&1 &
pids+=($!)
(umask 077; echo first >password)
cat >config.yaml <<-YAML
	backends: [openai, anthropic, local, ghost]
	redis: {url: "unix:$D/redis-tls.sock", user: tollgate, password_file: $D/password}
YAML
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
check "Redis is up through TLS" wait_for is_up
models alice; one=$status
models alice; two=$status
models alice
is "a limit of two counts there" "$one $two $status" "200 200 429"
check "its counters are in that Redis" test "$(admin $plain --scan --pattern 'tollgate:q:*' | wc -l)" -gt 0
admin $plain hset acme:incidents level high >/dev/null
incident() { models bob; [ "$status" = 403 ]; }
check "data of the policy is read there" wait_for incident
admin $plain del acme:incidents >/dev/null
check "the records are mirrored there" wait_for mirrored $plain
like "connections have a name" "$(admin $plain client list)" "name=tollgate-$node "
like "and the user's" "$(admin $plain client list)" "user=tollgate"
(umask 077; echo second >password)
admin $plain acl setuser tollgate resetpass '>second' >/dev/null
admin $plain client kill type normal skipme yes >/dev/null
carol() { models "carol$RANDOM"; [ "$status" = 200 ]; }
check "another password, without a restart: requests go on" wait_for carol
check "and Redis is up" wait_for is_up
unlike "no log holds a password" "$(cat "$D"/tollgate.log)" 'first|second'

# ---- TLS of our own, where hiredis has it ----

if "$build/tollgate" version | grep -q '^hiredis .* with TLS'; then
	"$root/tests/support/stack" down --dir "$D"
	cat >config.yaml <<-YAML
		backends: [openai, anthropic, local, ghost]
		redis: {url: "rediss://127.0.0.1:$tls", user: tollgate, password_file: $D/password, ca: server.pem, server_name: redis.test}
	YAML
	sed -i "s#ca: server.pem#ca: $D/server.pem#" config.yaml
	stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
	check "Redis is up through TLS of our own" wait_for is_up
	models gina; one=$status
	models gina; two=$status
	models gina
	is "a limit of two counts there" "$one $two $status" "200 200 429"
	"$root/tests/support/stack" down --dir "$D"
	cat >config.yaml <<-YAML
		backends: [openai, anthropic, local, ghost]
		redis: {url: "unix:$D/redis-tls.sock", user: tollgate, password_file: $D/password}
	YAML
	stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
else
	skip "rediss:// of our own" "$("$build/tollgate" version | grep '^hiredis')"
fi

# ---- a server that HAProxy must not trust ----

sed -i 's/sni str(redis.test)/sni str(other.test)/' redis-tls.cfg
kill "${pids[-1]}"; wait "${pids[-1]}" 2>/dev/null
"${HAPROXY_BIN:-haproxy}" -db -f redis-tls.cfg >haproxy-tls.log 2>&1 &
pids+=($!)
dave() { models dave; [ "$status" = 503 ]; }
check "one with another name in its certificate is not talked to: 503" wait_for dave
like "that says so" "$body" "(data|quota)_unavailable"
"$root/tests/support/stack" down --dir "$D"

# ---- Sentinel ----

next; a=$port; next; b=$port
redis m1 $a "$acl
masteruser admin
masterauth admin"
redis m2 $b "$acl
masteruser admin
masterauth admin
replicaof 127.0.0.1 $a"
linked() { admin $b info replication | grep -q master_link_status:up; }
wait_for linked
list=
for i in 1 2 3; do
	next
	redis "s$i" $port "sentinel monitor m 127.0.0.1 $a 2
sentinel auth-user m admin
sentinel auth-pass m admin
sentinel down-after-milliseconds m 60000
sentinel failover-timeout m 3000" --sentinel
	list=$list${list:+,}127.0.0.1:$port
done
quorum() { redis-cli -p "$port" sentinel ckquorum m | grep -q '^OK 3' && redis-cli -p $((port - 2)) info sentinel | grep -q slaves=1; }
wait_for quorum
cat >config.yaml <<-YAML
	backends: [openai, anthropic, local, ghost]
	redis: {url: "redis+sentinel://$list/m", user: tollgate, password_file: $D/password}
YAML
(umask 077; echo first >password)
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
check "the master that Sentinels name is up" wait_for is_up
models erin; one=$status
models erin; two=$status
models erin
is "a limit counts" "$one $two $status" "200 200 429"
kim_and_lee
check "on the master" test "$(admin $a --scan --pattern 'tollgate:q:*' | wc -l)" -gt 0
# only now is a master that is silent taken for lost
for i in 0 1 2; do redis-cli -p $((port - i)) sentinel set m down-after-milliseconds 500 >/dev/null; done
kill -9 "$pid_m1"; wait "$pid_m1" 2>/dev/null
gone_master() { models frank; [ "$status" = 503 ]; }
check "the master is gone: 503" wait_for gone_master
check "its replica is found" wait_for is_up
counts() { models "fay$RANDOM"; [ "$status" = 200 ]; }
check "and limits count again" wait_for counts
check "the records follow" wait_for mirrored $b
check "the replica has the key, and what she used is counted there" key_is "$kim" 429
check "and what was revoked stays so" key_is "$lee" 401
like "the other amount is there too" "$(limit list)" 'few +person=kim +4 '
mia=$(key new --person mia)
check "a key is made there" key_is "$mia" 200
key revoke "$(cut -d_ -f2 <<<"$mia")" >/dev/null
check "and revoked" key_is "$mia" 401
like "it is in that Redis" "$(admin $b hkeys 'tollgate:{live}:entries')" "$(cut -d_ -f2 <<<"$mia")"
check "every record verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
