# The response cache on a Redis cluster of three nodes, and on a master that Sentinels name. Two daemons share it. The
# test covers identical requests, vectors, purges, a slot that moves, a lost node and a failover.
# Once: no version of HAProxy differs here.
# Long: it waits for Redis nodes.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
server=$("$root/tests/support/redis8" "$build") && vectors=1 || { server=redis-server; vectors=; }
command -v redis-server >/dev/null || { skip "the cache's modes" "redis-server is not installed"; exit 0; }
declare -A pid
trap 'kill "${pid[@]}" 2>/dev/null; finish' EXIT
port=$(free_ports 6)
at() { redis-cli --no-auth-warning --user admin -a admin -p "$((port + $1))" "${@:2}"; }
every() { for i in 0 1 2; do at $i "$@"; done; }
names() { every --scan --pattern 'tollgate:cache:*' | grep -v asks | sort; }
kept() { [ "$(names | wc -l)" -ge "$1" ]; }
none_left() { [ -z "$(every --scan --pattern 'tollgate:cache:*' | grep -v asks)" ]; }
endless() { names | while read -r k; do at 0 -c pttl "$k"; done | grep -c '^-1$'; }
# node NUMBER CONF…: starts a server at that port
node() {
	mkdir -p "$D/node$1"
	printf '%s\n' "port $((port + $1))" "bind 127.0.0.1" "dir $D/node$1" 'save ""' "user default off" \
		"user admin on >admin ~* &* +@all" "${@:2}" >"$D/node$1/redis.conf"
	$server "$D/node$1/redis.conf" ${sentinel:-} >>"$D/node$1.log" 2>&1 &
	pid[$1]=$!
	answers() { at "$1" ping 2>/dev/null | grep -q PONG; }
	wait_for answers "$1"
}
rule=$(sed -n 's/^ *ACL SETUSER tollgate //p' "$root/docs/redis.md" | sed 's/>PASSWORD/>first/')
more=$(sed -n 's/^.*The user needs `\([^`]*\)` too.*/\1/p' "$root/docs/redis.md")
user="user tollgate $rule $more $([ -z "$vectors" ] || sed -n 's/.*semantic cache.*add `\([^`]*\)`.*/\1/p' "$root/docs/redis.md")"
(umask 077; echo first >"$D/password")
{ cat <<'Y'; [ -z "$vectors" ] || echo '     semantic: {embeddings: chat/words, similarity: 0.8},'; cat <<'Y2'; } >"$D/policy.yaml"
tollgate: 1
name: modes
on_failure: {classifier: deny, quota: deny, audit: deny, unreadable: deny}
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  chat: {backend: local, dialect: openai, breaker: {failures: 1000}}
routes:
  - name: chat
    match: {api: openai}
    targets: [chat]
    response: [meter, restore]
    cache: {
Y
     exact: {ttl: 1h, per: team, temperature: true}, near: true}
default: permit
output_default: 4096
Y2
as() { auth="authorization: Bearer $(token "$@")"; }
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d "{\"model\":\"${model:-gpt-4o}\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]${2:-}}"; }
cache() { header x-tollgate-cache; }
count() { fetch GET "$PROVIDER/_seen?last=1000" | grep -o '"path":"/v1/chat[^"]*"' | wc -l; }
many() { # N TEXT [MEMBERS]
	rm -rf "$D/many" && mkdir "$D/many"
	printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]%s}' "${model:-gpt-4o}" "$2" "${3:-}" >"$D/many.json"
	curl -s -Z --parallel-immediate --parallel-max "$1" -m 60 -H "$auth" -H 'content-type: application/json' \
		--data-binary "@$D/many.json" -D "$D/many/#1.head" -o "$D/many/#1.body" "$EDGE/v1/chat/completions#[1-$1]" 2>"$D/many.err"
}
heads() { cat "$D"/many/*.head | tr -d '\r' | awk -v n="$1" 'tolower($1) ~ "^" n { print $2 }' | sort | uniq -c | awk '{ print $1 "x" $2 }' | paste -sd' '; }
by_meaning() { echo $(($(metric cache_semantic_hits_total) + $(metric cache_semantic_hits_total '' "$ADMIN_B"))); }
is_hit() { ask "$1"; [ "$status $(cache)" = "200 hit" ]; }
# repeats a request until one of the two daemons returns a stored response
is_shared() { for _ in 1 2 3 4; do is_hit "$1" || return 1; done; }
# cache_works WHAT: checks all functions of the cache
cache_works() {
	as --claims '{"sub":"ann"}'
	warm() { n=$((${n:-0} + 1)); ask "warm $n"; is_hit "warm $n"; }
	check "$1: a response is stored and returned" wait_for warm
	for i in 1 2 3 4 5 6 7 8 9; do ask "text $i"; done
	wait_for kept 9
	missing=
	for i in 1 2 3 4 5 6 7 8 9; do check_hit() { is_hit "text $i"; }; wait_for check_hit || missing="$missing $i"; done
	is "$1: nine further responses are stored and returned" "$missing" ""
	check "$1: both daemons return them" wait_for is_shared "text 3"
	is "$1: each entry expires" "$(endless)" 0
	control '{"delay_ms":2500}'
	was=$(count)
	many 12 "at once"
	is "$1: of twelve identical requests, one is sent to the provider" "$(heads http) $(heads x-tollgate-cache) $(($(count) - was))" "12x200 11xhit 1xmiss 1"
	control '[{"only":"/v1/chat","status":500,"delay_ms":1500,"times":1},{"delay_ms":700}]'
	was=$(count)
	many 12 "one fails"
	is "$1: if that one fails, the next is sent" "$(heads http) $(($(count) - was))" "11x200 1x500 2"
	control '{}'
	if [ "$vectors" ]; then
		ask "Where is the key of the boathouse in this village"
		sets() { for k in $(names); do at 0 -c type "$k"; done | grep -q vectorset; }
		check "$1: a vector is stored" wait_for sets
		were=$(by_meaning)
		ask "Please tell me where is the key of the boathouse in this village"
		is "$1: a request with the same meaning is found" "$(cache) $(($(by_meaning) - were))" "hit; semantic 1"
		is "$1: a set of vectors expires" "$(endless)" 0
	fi
	as --claims '{"sub":"ben"}'
	ask "text of ben"
	"$build/tollgate" cache purge --person ann -c "$D/tollgate.yaml" >"$D/purged" 2>&1
	check "$1: a purge of one person ($(cat "$D/purged"))" grep -q '^[1-9][0-9]* purged' "$D/purged"
	check "$1: the purge keeps other persons' responses" is_hit "text of ben"
	ask "text 3"
	is "$1: the person's responses are deleted" "$status $(cache)" "200 miss"
	"$build/tollgate" cache purge --all -c "$D/tollgate.yaml" >"$D/purged" 2>&1
	check "$1: a purge of everything leaves nothing" wait_for none_left
	"$build/tollgate" check -c "$D/tollgate.yaml" >"$D/check" 2>&1
	is "$1: check reports no problem" "$? $(grep -c 'cache.redis' "$D/check")" "0 0"
}

# ---- a cluster ----
for i in 0 1 2; do node $i "cluster-enabled yes" "cluster-node-timeout 60000" "cluster-require-full-coverage no" "maxmemory 32mb" "maxmemory-policy allkeys-lfu" "$user"; done
redis-cli --no-auth-warning --user admin -a admin --cluster create "127.0.0.1:$port" "127.0.0.1:$((port + 1))" \
	"127.0.0.1:$((port + 2))" --cluster-yes >"$D/create.log" 2>&1
whole() { for i in 0 1 2; do at $i cluster info | grep -q cluster_state:ok || return 1; done; }
check "a cluster of three nodes starts" wait_for whole
printf 'cache: {redis: "redis+cluster://tollgate@127.0.0.1:%s,127.0.0.1:%s", password_file: %s}\n' "$port" $((port + 1)) "$D/password" >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --second
cache_works "a cluster"
as
for i in 1 2 3 4 5 6 7 8 9; do ask "spread $i"; done
spread() { [ "$(every dbsize | grep -vc '^0$')" = 3 ]; }
check "each node has entries" wait_for spread

# A slot moves to another node.
key=$(at 0 --scan --pattern 'tollgate:cache:*' | grep -v asks | head -1)
slot=$(at 0 cluster keyslot "$key")
to=$(at 1 cluster myid)
at 1 cluster setslot "$slot" importing "$(at 0 cluster myid)" >/dev/null
at 0 cluster setslot "$slot" migrating "$to" >/dev/null
at 0 migrate 127.0.0.1 $((port + 1)) "$key" 0 1000 auth2 admin admin >/dev/null
hits=0
for i in 1 2 3 4 5 6 7 8 9; do is_hit "spread $i" && hits=$((hits + 1)); done
for i in 1 0 2; do at $i cluster setslot "$slot" node "$to" >/dev/null; done
for i in 1 2 3 4 5 6 7 8 9; do is_hit "spread $i" && hits=$((hits + 1)); done
check "an entry is found while its slot moves, and afterwards ($hits of 18)" [ $hits -ge 17 ]

# A node is lost.
kill -9 "${pid[2]}"; wait "${pid[2]}" 2>/dev/null
wrong=
for i in 1 2 3 4 5 6 7 8 9; do ask "spread $i"; [ "$status" = 200 ] || wrong="$wrong $i:$status"; done
is "a lost node causes no error" "$wrong" ""
many 6 "while one is lost"
is "a lost node causes no error for identical requests" "$(heads http)" "6x200"
"$build/tollgate" cache purge --all -c "$D/tollgate.yaml" >"$D/purged" 2>&1
is "a purge reports that a node is unreachable" "$?" 2
"$root/tests/support/stack" down --dir "$D"
kill "${pid[0]}" "${pid[1]}"
wait "${pid[0]}" "${pid[1]}" 2>/dev/null

# ---- Sentinel ----
every() { at "$master" "$@"; }
master=3
node 3 "maxmemory 32mb" "maxmemory-policy allkeys-lfu" "$user"
node 4 "maxmemory 32mb" "maxmemory-policy allkeys-lfu" "masteruser admin" "masterauth admin" "replicaof 127.0.0.1 $((port + 3))" "$user"
printf '%s\n' "port $((port + 5))" "bind 127.0.0.1" "dir $D" "sentinel monitor m 127.0.0.1 $((port + 3)) 1" "sentinel auth-user m admin" \
	"sentinel auth-pass m admin" "sentinel down-after-milliseconds m 60000" "sentinel failover-timeout m 3000" >"$D/sentinel.conf"
redis-server "$D/sentinel.conf" --sentinel >"$D/sentinel.log" 2>&1 &
pid[5]=$!
quorum() { redis-cli -p $((port + 5)) sentinel ckquorum m 2>/dev/null | grep -q '^OK' && redis-cli -p $((port + 5)) info sentinel | grep -q slaves=1; }
check "a Sentinel reports a master and its replica" wait_for quorum
printf 'cache: {redis: "redis+sentinel://127.0.0.1:%s/m"}\n' $((port + 5)) >"$D/config.yaml"
sed -i 's|m"}|m", password_file: '"$D"'/password}|' "$D/config.yaml"
sed -i 's|sentinel://|sentinel://tollgate@|' "$D/config.yaml"
at() { redis-cli --no-auth-warning --user admin -a admin -p "$((port + master))" "${@:2}"; }
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --second
cache_works "Sentinel"
as
ask "before the failover"
check "a response is stored" wait_for kept 1
redis-cli -p $((port + 5)) sentinel set m down-after-milliseconds 500 >/dev/null
kill -9 "${pid[3]}"; wait "${pid[3]}" 2>/dev/null
ask "while nobody is master"
is "a lost master is a miss" "$status $(cache)" "200 miss"
master=4
check "the promoted replica has the response" wait_for is_hit "before the failover"
