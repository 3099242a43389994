# Redis with a user of its own and a password file, with TLS by HAProxy (haproxy/redis-tls.cfg), and with a Sentinel
# trio and a failover. Limits, external data of the policy and the stream of records use the same connection.
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

# redis NAME PORT [more of redis.conf]: starts a server in D/NAME
redis() {
	mkdir -p "$D/$1"
	printf 'port %s\nbind 127.0.0.1\ndir %s\nsave ""\n%s\n' "$2" "$D/$1" "${3:-}" >"$D/$1/redis.conf"
	"$redis_server" "$D/$1/redis.conf" ${4:-} >>"$D/$1.log" 2>&1 &
	pids+=($!)
	declare -g "pid_$1=$!"
	wait_for redis-cli -p "$2" ping >/dev/null 2>&1
}
# The ACL rule of docs/redis.md, with the names of this test.
rule=$(sed -n 's/^ *ACL SETUSER tollgate //p' "$root/docs/redis.md" | sed 's/>PASSWORD/>first/')
acl="user default off
user tollgate $rule %R~acme:*
user admin on >admin ~* &* +@all"
admin() { redis-cli --no-auth-warning -p "$1" --user admin -a admin "${@:2}"; }
incident_policy 'has(data.incidents.level)'
is_up() { ready | grep -q '^redis: up'; }
mirrored() { # PORT: succeeds if the stream there has each record
	[ "$(metric audit_stream_behind_records)" = 0 ] && [ "$(admin "$1" xlen "tollgate:audit:$node")" -gt 3 ]
}

# ---- TLS by HAProxy, with a user that has only the necessary permissions ----

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
unlike "the lines of the file that must be edited were found" "$(grep -v '^ *#' redis-tls.cfg)" 'example|/run/|/etc/'
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
is "a limit of two requests applies" "$one $two $status" "200 200 429"
check "its counters are in that Redis" test "$(admin $plain --scan --pattern 'tollgate:q:*' | wc -l)" -gt 0
admin $plain hset acme:incidents level high >/dev/null
incident() { models bob; [ "$status" = 403 ]; }
check "external data of the policy is read there" wait_for incident
admin $plain del acme:incidents >/dev/null
check "the records are written to the stream there" wait_for mirrored $plain
like "connections have the node's name" "$(admin $plain client list)" "name=tollgate-$node "
like "connections use the user" "$(admin $plain client list)" "user=tollgate"
(umask 077; echo second >password)
admin $plain acl setuser tollgate resetpass '>second' >/dev/null
admin $plain client kill type normal skipme yes >/dev/null
carol() { models "carol$RANDOM"; [ "$status" = 200 ]; }
check "a changed password needs no restart: requests pass" wait_for carol
check "Redis is up with the changed password" wait_for is_up
unlike "no log contains a password" "$(cat "$D"/tollgate.log)" 'first|second'

# ---- TLS by the daemon, if hiredis supports it ----

if "$build/tollgate" version | grep -q '^hiredis .* with TLS'; then
	"$root/tests/support/stack" down --dir "$D"
	cat >config.yaml <<-YAML
		backends: [openai, anthropic, local, ghost]
		redis: {url: "rediss://127.0.0.1:$tls", user: tollgate, password_file: $D/password, ca: server.pem, server_name: redis.test}
	YAML
	sed -i "s#ca: server.pem#ca: $D/server.pem#" config.yaml
	stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
	check "Redis is up with TLS by the daemon" wait_for is_up
	models gina; one=$status
	models gina; two=$status
	models gina
	is "a limit of two requests applies with it" "$one $two $status" "200 200 429"
	"$root/tests/support/stack" down --dir "$D"
	cat >config.yaml <<-YAML
		backends: [openai, anthropic, local, ghost]
		redis: {url: "unix:$D/redis-tls.sock", user: tollgate, password_file: $D/password}
	YAML
	stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml"
else
	skip "rediss://, TLS by the daemon" "$("$build/tollgate" version | grep '^hiredis')"
fi

# ---- a server that HAProxy must refuse ----

sed -i 's/sni str(redis.test)/sni str(other.test)/' redis-tls.cfg
kill "${pids[-1]}"; wait "${pids[-1]}" 2>/dev/null
"${HAPROXY_BIN:-haproxy}" -db -f redis-tls.cfg >haproxy-tls.log 2>&1 &
pids+=($!)
dave() { models dave; [ "$status" = 503 ]; }
check "a server with another name in its certificate is refused: 503" wait_for dave
like "the code names the part" "$body" "(data|quota)_unavailable"
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
check "the master that the Sentinels name is used" wait_for is_up
models erin; one=$status
models erin; two=$status
models erin
is "a limit applies" "$one $two $status" "200 200 429"
kim_and_lee
check "its counters are on the master" test "$(admin $a --scan --pattern 'tollgate:q:*' | wc -l)" -gt 0
# From now on, a master that does not respond counts as lost.
for i in 0 1 2; do redis-cli -p $((port - i)) sentinel set m down-after-milliseconds 500 >/dev/null; done
kill -9 "$pid_m1"; wait "$pid_m1" 2>/dev/null
gone_master() { models frank; [ "$status" = 503 ]; }
check "a lost master is a 503" wait_for gone_master
check "the promoted replica is found" wait_for is_up
counts() { models "fay$RANDOM"; [ "$status" = 200 ]; }
check "limits apply again" wait_for counts
check "records are written to the stream again" wait_for mirrored $b
check "the replica has the key and its usage" key_is "$kim" 429
check "a revoked key stays revoked" key_is "$lee" 401
like "the override is there too" "$(limit list)" 'few +person=kim +4 '
mia=$(key new --person mia)
check "a key can be created there" key_is "$mia" 200
key revoke "$(cut -d_ -f2 <<<"$mia")" >/dev/null
check "the key can be revoked" key_is "$mia" 401
like "the entry is in that Redis" "$(admin $b hkeys 'tollgate:{live}:entries')" "$(cut -d_ -f2 <<<"$mia")"
check "each record verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
