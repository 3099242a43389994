# The operator's view of the response cache: its contents, hits and savings, and purges, in the process of one daemon
# and in a Redis that two daemons share. Checks the roles, and that usage and report add up to the records.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"

json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "{\"sub\":\"$1\",\"team\":\"$2\"}")"; }
# ask HOST TEXT: sends a request to a model that has a price
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: $1.test" -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
cache() { "$B/tollgate" cache "$@" -c "${config:-$D/tollgate.yaml}" >"$D/out" 2>"$D/err"; }
got() { echo "$? $(cat "$D/out")$(cat "$D/err")"; }
stat() { cache stats --json && jq -c "[.$1] | flatten(1)" "$D/out"; }
records() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep "\"type\":\"$1\""; }
# kept N: succeeds if the cache has N entries, in the process or in Redis
kept() { [ "$(stat entries)" = "[$1]" ]; }
# Six responses for two people on two routes; two of anna's are on the first route.
fill() {
	for who in anna ben; do
		as $who blue
		for host in one two; do ask $host "about $who"; done
	done
	as anna blue
	ask one 'about more'
	as eve green
	ask two 'about eve'
}
# is_there HOST TEXT hit|miss NAME: checks whether the cache has the response; sends the request once
is_there() { ask "$1" "$2"; is "$4" "$status $(header x-tollgate-cache)" "200 $3"; }

# ---- in the daemon's process ----
TOKEN=$("$build/tollgate" admin-token new vera --roles viewer,auditor --tokens "$D/admin.tokens")
printf 'admin: {tokens: "%s/admin.tokens"}\nworkers: 2\n' "$D" >"$D/config.yaml"
cp "$here/costs.prices.yaml" "$D/"
cp "$here/cache-purge.yaml" "$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
sock=$(sed -n "s#^ *listen: *\"unix@\(.*/admin.sock\)\"#\1#p" "$D/tollgate.yaml")
api() { curl -s -m 60 -w ' %{http_code}' --unix-socket "$sock" "$@" | tr -d '\n'; }
by_token() { api -H "authorization: Bearer $TOKEN" "$@"; }

is "the cache is empty at first" "$(stat 'where,.entries,.bytes,.max_bytes,.routes,.hits,.misses')" '["process",0,0,67108864,2,0,0]'
fill
fill
check "each response is stored" kept 6
is "hits and misses are counted" "$(stat 'hits,.misses,.off,.kept,.failures')" '[6,6,0,6,0]'
cache stats
like "cache stats prints them for people" "$(got | tr '\n' ' ')" '^0 where +this process .*entries +6 .*saved US dollars +0\.000[0-9]+ $'

saved() { jq -sc 'map(.saved // {}) | [(map(select(. != {})) | length), (map(.input_tokens // 0) | add), (map(.output_tokens // 0) | add), (map(.cost_nanousd // 0) | add)]'; }
sum=$(records completion | saved)
like "the records have the savings" "$sum" '^\[6,[1-9][0-9]*,[1-9][0-9]*,[1-9][0-9]*\]$'
is "the cache's statistics equal the sum of the records" "$(stat 'hits,.saved_input_tokens,.saved_output_tokens,.saved_nanousd')" "$sum"
sums='[.cache_hits, .saved_input_tokens, .saved_output_tokens, .saved_nanousd]'
usage() { "$B/tollgate" usage -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
usage --by person --json
is "usage equals the sum of the records" "$(jq -c ".total | $sums" "$D/out")" "$sum"
is "usage by person has the hits" "$(jq -c '[.rows[] | [.person, .cache_hits, .requests]] | sort' "$D/out")" '[["anna",3,6],["ben",2,4],["eve",1,2]]'
is "usage does not count savings as use" "$(jq -c '[.total.input_tokens, .total.cost_nanousd]' "$D/out")" "$(records completion | jq -sc '[(map(.usage.input_tokens // 0) | add), (map(.cost_nanousd // 0) | add)]')"
usage --by route --csv
is "usage by route has the hits, as CSV" "$(awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "cache_hits") at = i } /^"(one|two)"/ { print $1, $at }' "$D/out" | sort | tr -d '\r' | paste -sd' ')" '"one",3 "two",3'
usage --by team
like "usage prints the savings for people" "$(cat "$D/out")" '^team .* hits +saved in +saved out +saved dollars +US dollars +written +cached %
blue .*
total .* 6 +[1-9]'
"$B/tollgate" audit report -c "$D/tollgate.yaml" --json >"$D/report" 2>"$D/err"
is "the report equals the sum of the records" "$(jq -c '.cache | [.hits, .saved_input_tokens, .saved_output_tokens, .saved_cost_nanousd]' "$D/report")" "$sum"
is "the report has the hits by route" "$(jq -c '[.cache.by_route | to_entries[] | .key, .value.hits]' "$D/report")" '["one",3,"two",3]'
"$B/tollgate" audit report -c "$D/tollgate.yaml" --article 12 >"$D/report" 2>"$D/err"
like "the report prints the savings for people" "$(cat "$D/report")" 'Responses from the cache, and what they saved
.*hits: 6'
is "the console's data has the savings" "$(by_token "http://x/now" | sed 's/ [0-9]*$//' | jq -c '.cache | [.hits, .saved_input_tokens, .saved_output_tokens, .saved_nanousd]')" "$sum"

# ---- roles and arguments of a purge ----
cache purge
is "a purge needs an argument" "$(got)" "2 tollgate: cache: purge: give --route, --person or --older, or --all for all entries"
cache purge --all --route one
like "--all cannot be combined with others" "$(got)" '^2 tollgate: cache: purge: --all cannot be combined with --route'
cache purge --older soon
like "an age must be a duration" "$(got)" '^2 tollgate: cache: older: send a duration such as 24h'
like "the admin API needs an argument too" "$(api -d '{}' http://x/cache/purge)" 'give one or more of route, person and older.* 400$'
like "the admin API does not combine all with others" "$(api -d '{"all":true,"person":"anna"}' http://x/cache/purge)" ' 400$'
like "a reader can see the statistics" "$(by_token http://x/cache)" '"entries":6,.* 200$'
like "a reader cannot purge" "$(by_token -d '{"all":true}' http://x/cache/purge)" 'needs the role operator.* 403$'
check "nothing was purged" kept 6
is "no purge was recorded" "$(records change | grep -c '"what":"cache"')" 0

# ---- purges, first in the process and later in Redis ----
purges() { # WHERE
	cache purge --route one --reason 'a wrong answer' --by me
	is "$1: a purge by route" "$(got)" "0 3 purged"
	like "$1: the purge is recorded" "$(records change | grep '"what":"cache"' | tail -1)" '"change":"purge","id":"route","by":"[^"]+","claimed":"me","reason":"a wrong answer","peer":\{"uid":.*"after":\{.*"route":"one"'
	as anna blue
	is_there two 'about anna' hit "$1: one of another stays"
	is_there one 'about anna' miss "$1: the next one asks the model"
	is_there one 'about anna' hit "$1: and is kept"
	wait_for kept 4
	cache purge --person anna
	is "$1: a purge by person" "$(got)" "0 2 purged"
	is_there one 'about anna' miss "$1: hers are gone"
	as ben blue
	is_there two 'about ben' hit "$1: others' stay"
	wait_for kept 3
	cache purge --older 10m
	is "$1: a purge by age finds no entry that is old enough" "$(got)" "0 0 purged"
	nap 1.2
	as ben blue
	ask one 'about news'
	wait_for kept 4
	cache purge --older 1s
	is "$1: a purge by age" "$(got)" "0 3 purged"
	is_there one 'about news' hit "$1: not what is new"
	fill
	wait_for kept 7
	cache purge --route two --person ben
	is "$1: a purge by several conditions needs all of them" "$(got)" "0 1 purged"
	cache purge --route twoo
	is "$1: an unknown route is reported" "$(got)" "0 0 purgedtollgate: cache: the policy in force has no route twoo, did you mean two?; if an earlier policy had it, its entries were purged"
	cache purge --all --json
	is "$1: a purge of everything" "$? $(jq -c '[.id, .purged, .failed, has("record")]' "$D/out")" '0 ["all",6,0,true]'
	check "$1: the cache is empty" kept 0
}
purges "in the process"
is "the log contains no person's name" "$(grep -c 'anna' "$D/tollgate.log")" 0
"$root/tests/support/stack" down --dir "$D"

# ---- a Redis that two daemons share ----
kept() { [ "$(redis --scan --pattern 'tollgate:cache:*' | grep -vc ':asks$')" = "$1" ]; }
answers_redis "a Redis for responses" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s"}\n' "$port" >>"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --second
fill
wait_for kept 6
is "the statistics name Redis and its memory policy" "$(stat 'where,.redis,.keys,.max_bytes,.maxmemory_policy')" "[\"redis\",\"redis://127.0.0.1:$port/0\",$(redis dbsize),33554432,\"allkeys-lfu\"]"
purges "in a Redis"
fill
wait_for kept 6
redis set not:ours 1 >/dev/null
name() { printf 'tollgate:cache:%064d' "$1"; }
redis set "$(name 1)" 1 >/dev/null
redis hset "$(name 2)" e x >/dev/null
redis rpush "$(name 3)" x >/dev/null
redis set "$(name 4):asks" 1 >/dev/null # as if another daemon waited for the provider
is "no log entry advises against eviction" "$(grep -hc redis.evicts "$D/tollgate.log" "$D/second.log" | paste -sd' ')" "0 0"
config=$D/tollgate-b.yaml
cache purge --route one
is "the second daemon purges, also entries that are not readable" "$(got)" "0 6 purged"
cache purge --all
is "other keys in Redis stay" "$(got) $(redis exists not:ours "$(name 4):asks")" "0 3 purged 2"
redis del "$(name 4):asks" >/dev/null
unset config
for i in $(seq 1 3000); do echo "SET $(name "$i") $i"; done | redis >/dev/null
cache purge --all
is "many entries are purged" "$(got) $(redis exists not:ours)" "0 3000 purged 1"
fill
wait_for kept 6
redis acl setuser default -get >/dev/null
cache purge --route one
like "entries that Redis does not permit to delete are reported" "$(got)" "^2 0 purgedtollgate: cache: 6 could not be read or deleted: .*permission"
redis acl setuser default +get >/dev/null
check "those entries stay" kept 6
kill -STOP $redis_pid
cache purge --all
like "a Redis that stands still is reported" "$(got)" '^2 tollgate: cache: nothing was purged, because the Redis of the response cache does not respond: .*no reply in time'
kill -CONT $redis_pid
before=$(records change | grep -c '"what":"cache"')
kill $redis_pid
wait $redis_pid 2>/dev/null
cache purge --all
like "an unreachable Redis is reported" "$(got)" '^2 tollgate: cache: nothing was purged, because the Redis of the response cache does not respond: 127.0.0.1:.*refused'
is "a failed purge is not recorded" "$(records change | grep -c '"what":"cache"')" "$before"
cache stats
like "the statistics without Redis have the daemon's own numbers" "$(got | tr '\n' ' ')" '^2 where +Redis .*, away.*keys in its database +- .*kept +[1-9].*tollgate: cache: Redis is away: '
