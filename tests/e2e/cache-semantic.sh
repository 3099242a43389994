# Responses to requests with the same meaning, found by vectors in a Redis with vector sets. The test covers hits,
# values that must be equal, costs, and failures of embeddings and Redis, which are misses.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"
redis_server=$("$root/tests/support/redis8" "$build") || { skip "cache-semantic.sh" "no Redis with vector sets is available"; exit 0; }
answers_redis "a Redis with vector sets" $evicting
cat >"$D/prices.yaml" <<'Y'
prices: 1
providers:
  openai:
    - {model: "gpt-4o*", input: 2, output: 10}
    - {model: words, input: 1, output: 0}
    - {model: echo, input: 2, output: 10}
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: semantic
on_failure: {classifier: deny, quota: deny, audit: deny, unreadable: deny}
identity:
  - jwt: {header: authorization, demo_issuer: true}
prices: prices.yaml
classes:
  pii: {without: [PERSON, LOCATION, ORGANIZATION, NRP]}
providers:
  chat: {backend: local, dialect: openai, prices: openai, breaker: {failures: 1000}}
  vectors: {backend: local, dialect: openai, prices: openai, breaker: {failures: 1000}}
routes:
  - name: chat
    match: {api: openai}
    targets: [chat]
    response: [meter, restore]
    cache: {exact: {ttl: 1h, per: team, temperature: true}, semantic: {embeddings: vectors/words, similarity: 0.8}}
rules:
  - {name: outside, when: '"pii" in prompt.classes', redact: {classes: [pii]}}
default: permit
limits:
  - {name: tokens, per: [identity.person], tokens: 600000000, window: 1m}
  - {name: money, per: [identity.person], usd: 1000, window: 1d}
output_default: 4096
Y
# the ACL user of docs/redis.md
more=$(sed -n 's/.*semantic cache.*add `\([^`]*\)`.*/\1/p' "$root/docs/redis.md")
rule=$(sed -n 's/^ *ACL SETUSER tollgate //p' "$root/docs/redis.md" | sed 's/>PASSWORD/>first/')
redis acl setuser tollgate $rule $more >/dev/null
(umask 077; echo first >"$D/password")
printf 'cache: {redis: "redis://tollgate@127.0.0.1:%s", password_file: %s}\n' "$port" "$D/password" >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
as() { auth="authorization: Bearer $(token "$@")"; }
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' "${@:2}" -d "{\"model\":\"${model:-gpt-4o}\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
cache() { header x-tollgate-cache; }
stored() { [ "$(redis keys 'tollgate:cache:*' | grep -v asks | grep -c '^tollgate')" -ge "$1" ]; }

# ---- hits ----
as
one='How do I reset the password of my account at the shop'
model=echo ask "$one for jane.doe@example.com"
is "the first request is sent to the provider" "$status $(cache) $(completion '[.cache_by, .cache_embedded_tokens > 0]')" "200 miss [null,true]"
wait_for stored 2
model=echo ask "For john@example.org: at the shop how do I reset the password of my account"
is "a request with one more sign is a miss" "$(cache)" miss
as --claims '{"sub":"bob"}'
other='Can you tell me how I reset the password of my account at the shop'
model=echo ask "$other for john@example.org"
is "a request of the same team in other words is a hit, with its own values restored" "$status $(cache) $(jq -r '.choices[0].message.content' <<<"$body")" "200 hit; semantic $one for john@example.org"
is "the record has the kind of hit and the distance" "$(completion '[.cache, .cache_by, (.cache_distance < 0.2), .usage, (.saved.input_tokens > 0), (.cache_embedded_tokens > 0), (.cache_embedded_nanousd > 0)]')" \
	'["hit","semantic",true,null,true,true,true]'
is "the hit is charged for its vector only" "$(completion '[.settled[] | split(",") | .[-1] | tonumber] | sort | map(. > 0)') $(completion '.cache_embedded_tokens as $t | [.settled[] | split(",") | .[-1] | tonumber] | index($t) != null')" \
	'[true,true] true'
asked=$(metric cache_embeddings_total 'outcome="ok"')
model=echo ask "$other for john@example.org"
is "the same request again is an exact hit, and its record has the original kind" "$(cache) $(completion '[.cache_by, .cache_embedded_tokens]') $(($(metric cache_embeddings_total 'outcome="ok"') - asked))" 'hit; semantic ["semantic",null] 0'
is "metrics count the semantic hits" "$(metric cache_semantic_hits_total) $(($(metric cache_embeddings_total 'outcome="ok"') >= 2))" "2 1"
is "cache stats tells exact, near and semantic hits apart" "$("$build/tollgate" cache stats -c "$D/tollgate.yaml" | grep -E '^(exact|near|semantic) hits' | tr -s ' ' | tr '\n' ,)" "exact hits 0,near hits 0,semantic hits 2,"
is "the texts sent to the embeddings provider are redacted" "$(fetch GET "$PROVIDER/_seen?last=9" | grep -c 'example.com\|example.org')" 0
as

"$build/tollgate" usage -c "$D/tollgate.yaml" --by person --json >"$D/usage"
is "usage has the costs of vectors" "$(jq -c '.total | [.embedded_tokens, .embedded_nanousd]' "$D/usage")" \
	"$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | jq -sc '[(map(.cache_embedded_tokens // 0) | add), (map(.cache_embedded_nanousd // 0) | add)]')"
is "cache stats has the costs of vectors" "$("$build/tollgate" cache stats -c "$D/tollgate.yaml" --json | jq -c '[.embedded_tokens, .embedded_nanousd]')" "$(jq -c '.total | [.embedded_tokens, .embedded_nanousd]' "$D/usage")"
# ---- values that must be equal ----
base='Please tell me how far it is from the old harbour to the station of Anna Berg for 4 people'
ask "$base"
sets() { redis keys 'tollgate:cache:*' | while read -r k; do redis type "$k"; done | grep -c vectorset; }
more() { [ "$(sets)" -ge 2 ]; }
wait_for more
while IFS='|' read -r name text; do
	ask "$text"
	is "$name is another question, and a miss" "$status $(cache)" "200 miss"
done <<'T'
another number|Please tell me how far it is from the old harbour to the station of Anna Berg for 5 people
a unit|Please tell me how far it is from the old harbour to the station of Anna Berg for 4 horses
a name|Please tell me how far it is from the old harbour to the station of Anna Berger for 4 people
a "not"|Please tell me how far it is not from the old harbour to the station of Anna Berg for 4 people
a word that reverses the meaning|Please tell me how far it is from the new harbour to the station of Anna Berg for 4 people
a synonym|Please tell me how far it is from the old port to the station of Anna Berg for 4 people
quotes|Please tell me how far it is from the 'old harbour' to the station of Anna Berg for 4 people
other words|Please tell me how wide it is from the old bridge to the church of Anna Berg for 4 people
T
ask "Can you tell me how far is it from the old harbour to the station of Anna Berg for 4 people"
is "other words with the same meaning are a hit" "$(cache) $(completion .cache_by)" 'hit; semantic "semantic"'
as --claims '{"sub":"eve","team":"green"}'
ask "Can you tell me how far is it from the old harbour to the station of Anna Berg for 4 people"
is "another team gets a miss" "$(cache)" miss
as
req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"$base\"}]}"
is "another system prompt is a miss" "$(cache)" miss

# ---- failures are misses ----
redis acl setuser tollgate -pexpire >/dev/null
was=$(redis dbsize)
ask "Where is the lock of the boathouse in this village"
kept_one() { [ "$(redis dbsize)" -gt "$was" ]; }
wait_for kept_one
endless() { for k in $(redis keys 'tollgate:cache:*'); do redis pttl "$k"; done | grep -c '^-1$'; }
is "each key in Redis expires" "$(endless)" 0
redis acl setuser tollgate +pexpire >/dev/null
entry=$(for k in $(redis keys "tollgate:cache:*" | grep -v asks); do [ "$(redis type "$k")" = string ] && echo "$k"; done)
for k in $entry; do redis del "$k" >/dev/null; done
cards() { for k in $(redis keys 'tollgate:cache:*'); do [ "$(redis type "$k")" != vectorset ] || redis vcard "$k"; done | awk '{ n += $1 } END { print n + 0 }'; }
was=$(cards)
control '[{"only":"/v1/chat","status":500,"times":1},{}]'
ask "Could you tell me how far is it from the old harbour to the station of Anna Berg for 4 people"
is "if the stored response is gone, the request is a miss" "$status $(cache)" "500 miss"
fewer() { [ "$(cards)" -lt "$was" ]; }
check "the vector of a lost response is deleted" wait_for fewer
control '{}'
control '[{"only":"/v1/embeddings","status":500,"times":1},{}]'
ask "Where is the key of the cellar in this house"
is "a failed embeddings request is a miss" "$status $(cache) $(metric cache_embeddings_total 'outcome="failed"')" "200 miss 1"
control '[{"only":"/v1/embeddings","body":"{\"data\":[{\"embedding\":[1,\"x\"]}]}","times":1},{}]'
ask "Where is the key of the garden in this house"
is "a malformed vector is a miss" "$status $(cache) $(metric cache_embeddings_total 'outcome="failed"')" "200 miss 2"
control '[{"only":"/v1/embeddings","delay_ms":8000,"times":1},{}]'
began=$(date +%s%N)
ask "Where is the key of the attic in this house"
took=$((($(date +%s%N) - began) / 1000000))
is "a late embeddings response is a miss" "$status $(cache)" "200 miss"
check "the wait for embeddings is limited ($took ms)" [ $took -lt 5000 ]
control '{}'
ask "Where is the key of the stable in this house"
wait_for stored 1
for k in $(redis keys 'tollgate:cache:*'); do [ "$(redis type "$k")" != vectorset ] || { redis del "$k" >/dev/null; redis set "$k" text >/dev/null; }; done
was=$(metric cache_failures_total)
ask "Please tell me where is the key of the stable in this house"
is "a key of the wrong type is a miss" "$status $(cache) $(($(metric cache_failures_total) > was))" "200 miss 1"
"$build/tollgate" cache purge --older 1s -c "$D/tollgate.yaml" >"$D/purged" 2>&1
sleep 1.1
"$build/tollgate" cache purge --all -c "$D/tollgate.yaml" >"$D/purged" 2>&1
is "a purge also deletes the sets of vectors" "$(redis keys 'tollgate:cache:*' | grep -v asks | grep -c '^tollgate')" 0
kill $redis_pid
wait $redis_pid 2>/dev/null
ask "Where is the key of the kitchen in this house"
is "an unreachable Redis is a miss" "$status $(cache)" "200 miss"

# ---- check ----
"$build/tollgate" check -c "$D/tollgate.yaml" --policy "$D/policy.yaml" >"$D/check" 2>&1
sed '/^cache:/,/^[a-z]/{/^cache:/d;/^  /d}' "$D/tollgate.yaml" >"$D/none.yaml"
"$build/tollgate" check -c "$D/none.yaml" >"$D/check" 2>&1
is "without cache.redis, check reports that it is needed" "$? $(grep -c 'semantic: needs a Redis with vector sets' "$D/check")" "1 1"
while IFS='|' read -r what change says; do
	sed "$change" "$D/policy.yaml" >"$D/wrong.yaml"
	cp "$D/prices.yaml" "$D/" 2>/dev/null
	sed "s|^policy: .*|policy: $D/wrong.yaml|" "$D/tollgate.yaml" >"$D/wrong-config.yaml"
	like "check reports: $what" "$("$build/tollgate" check -c "$D/wrong-config.yaml" 2>&1)" "$says"
done <<'T'
an unknown provider|s,vectors/words,vector/words,|no provider vector
no model|s,vectors/words,vectors,|PROVIDER/MODEL is expected
an external provider|s,^  chat: {,&external: false\, ,|rules evaluate the target alone
another dialect|s,vectors: {backend: local. dialect: openai,vectors: {backend: local\, dialect: cohere,;s,vectors: {backend: local\, dialect: openai,vectors: {backend: local\, dialect: cohere,|does not have dialect: openai
T
old=$((port + 1))
if [ "$redis_server" != redis-server ]; then
	redis-server --port "$old" --bind 127.0.0.1 --save '' --appendonly no >"$D/redis7.log" 2>&1 &
	beside=$!
	old_up() { [ "$(redis-cli -p "$old" ping 2>/dev/null)" = PONG ]; }
	wait_for old_up
	sed "s/tollgate@127.0.0.1:$port/127.0.0.1:$old/; /password_file:/d" "$D/tollgate.yaml" >"$D/old.yaml"
	"$build/tollgate" check -c "$D/old.yaml" >"$D/check" 2>&1
	is "check refuses a Redis without vector sets" "$? $(grep -c 'cache.redis: route .* has cache.semantic, which needs vector sets' "$D/check")" "1 1"
fi
"$root/tests/support/stack" down --dir "$D"

# ---- a caller's share ----
answers_redis "a Redis for few responses" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s", max_bytes: 512k}\n' "$port" >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
as
control "$(jq -nc '{only: "/v1/embeddings", body: ({data: [{embedding: [range(4000) | 0.5]}]} | tostring)}')"
for i in 1 2 3 4 5 6 7 8 9; do ask "Where is the key of the house number $i in this street"; done
sets() { for k in $(redis keys 'tollgate:cache:*'); do redis type "$k"; done | grep -c vectorset; }
few() { [ "$(sets)" = 3 ]; }
check "vectors of 16 KB count in a share of 64 KB" wait_for few
# ---- the person of a found response ----
redis flushall >/dev/null
control '{}'
strings() { for k in $(redis keys 'tollgate:cache:*' | grep -v asks); do redis type "$k"; done | grep -c string; }
kept() { [ "$(strings)" = "$1" ]; }
as --claims '{"sub":"ann"}'
ask "Where is the key of the boathouse in this village"
wait_for kept 1
as --claims '{"sub":"bob"}'
ask "Please tell me where is the key of the boathouse in this village"
is "another person's response is a semantic hit" "$(cache) $(completion .cache_by)" 'hit; semantic "semantic"'
check "the response is stored for the second person too" wait_for kept 2
"$build/tollgate" cache purge --person bob -c "$D/tollgate.yaml" >"$D/purged" 2>&1
is "it refers to the first person's entry" "$(strings)" 2
"$build/tollgate" cache purge --person ann -c "$D/tollgate.yaml" >"$D/purged" 2>&1
is "it is deleted with that entry" "$(strings)" 0
