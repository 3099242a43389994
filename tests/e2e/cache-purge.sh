# What an operator sees of the cache of answers: what it has, gave and saved; what he purges from it, in the process of one
# daemon and in a Redis that two share; who may; and that usage and report add up to the records.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"

json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "{\"sub\":\"$1\",\"team\":\"$2\"}")"; }
# ask HOST TEXT: an answer of a model that has a price
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: $1.test" -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
cache() { "$B/tollgate" cache "$@" -c "${config:-$D/tollgate.yaml}" >"$D/out" 2>"$D/err"; }
got() { echo "$? $(cat "$D/out")$(cat "$D/err")"; }
stat() { cache stats --json && jq -c "[.$1] | flatten(1)" "$D/out"; }
records() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep "\"type\":\"$1\""; }
# kept N: so many entries are there, wherever they are
kept() { [ "$(stat entries)" = "[$1]" ]; }
# six answers: two people, two routes; anna's on the first are two
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
# is_there HOST TEXT hit|miss NAME: and it is asked for but once
is_there() { ask "$1" "$2"; is "$4" "$status $(header x-tollgate-cache)" "200 $3"; }

# ---- in the process ----
TOKEN=$("$build/tollgate" admin-token new vera --roles viewer,auditor --tokens "$D/admin.tokens")
printf 'admin: {tokens: "%s/admin.tokens"}\nworkers: 2\n' "$D" >"$D/config.yaml"
cp "$here/costs.prices.yaml" "$D/"
cp "$here/cache-purge.yaml" "$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
sock=$(sed -n "s#^ *listen: *\"unix@\(.*/admin.sock\)\"#\1#p" "$D/tollgate.yaml")
api() { curl -s -m 60 -w ' %{http_code}' --unix-socket "$sock" "$@" | tr -d '\n'; }
by_token() { api -H "authorization: Bearer $TOKEN" "$@"; }

is "nothing is there at first" "$(stat 'where,.entries,.bytes,.max_bytes,.routes,.hits,.misses')" '["process",0,0,67108864,2,0,0]'
fill
fill
check "each answer is kept" kept 6
is "and what was given again is counted" "$(stat 'hits,.misses,.off,.kept,.failures')" '[6,6,0,6,0]'
cache stats
like "people read it" "$(got | tr '\n' ' ')" '^0 where +this process .*entries +6 .*saved US dollars +0\.000[0-9]+ $'

saved() { jq -sc 'map(.saved // {}) | [(map(select(. != {})) | length), (map(.input_tokens // 0) | add), (map(.output_tokens // 0) | add), (map(.cost_nanousd // 0) | add)]'; }
sum=$(records completion | saved)
like "records have what it saved" "$sum" '^\[6,[1-9][0-9]*,[1-9][0-9]*,[1-9][0-9]*\]$'
is "stats add up to them" "$(stat 'hits,.saved_input_tokens,.saved_output_tokens,.saved_nanousd')" "$sum"
sums='[.cache_hits, .saved_input_tokens, .saved_output_tokens, .saved_nanousd]'
usage() { "$B/tollgate" usage -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
usage --by person --json
is "usage does" "$(jq -c ".total | $sums" "$D/out")" "$sum"
is "by person, too" "$(jq -c '[.rows[] | [.person, .cache_hits, .requests]] | sort' "$D/out")" '[["anna",3,6],["ben",2,4],["eve",1,2]]'
is "and what was used is without it" "$(jq -c '[.total.input_tokens, .total.cost_nanousd]' "$D/out")" "$(records completion | jq -sc '[(map(.usage.input_tokens // 0) | add), (map(.cost_nanousd // 0) | add)]')"
usage --by route --csv
is "by route, as CSV" "$(awk -F, -v OFS=, '/^"(one|two)"/ { print $1, $(NF - 23) }' "$D/out" | sort | tr -d '\r' | paste -sd' ')" '"one",3 "two",3'
usage --by team
like "people read of it" "$(cat "$D/out")" '^team .* hits +saved in +saved out +saved dollars +US dollars +written +cached %
blue .*
total .* 6 +[1-9]'
"$B/tollgate" audit report -c "$D/tollgate.yaml" --json >"$D/report" 2>"$D/err"
is "the report does" "$(jq -c '.cache | [.hits, .saved_input_tokens, .saved_output_tokens, .saved_cost_nanousd]' "$D/report")" "$sum"
is "by route" "$(jq -c '[.cache.by_route | to_entries[] | .key, .value.hits]' "$D/report")" '["one",3,"two",3]'
"$B/tollgate" audit report -c "$D/tollgate.yaml" --article 12 >"$D/report" 2>"$D/err"
like "in words" "$(cat "$D/report")" 'Responses from the cache, and what they saved
.*hits: 6'
is "the console's page has it" "$(by_token "http://x/now" | sed 's/ [0-9]*$//' | jq -c '.cache | [.hits, .saved_input_tokens, .saved_output_tokens, .saved_nanousd]')" "$sum"

# ---- who may, and what he must say ----
cache purge
is "a purge says what" "$(got)" "2 tollgate: cache: purge: give --route, --person or --older, or --all for all entries"
cache purge --all --route one
like "and not two things" "$(got)" '^2 tollgate: cache: purge: --all cannot be combined with --route'
cache purge --older soon
like "nor an age that is none" "$(got)" '^2 tollgate: cache: older: send a duration such as 24h'
like "so does a script" "$(api -d '{}' http://x/cache/purge)" 'give one or more of route, person and older.* 400$'
like "and not all of some" "$(api -d '{"all":true,"person":"anna"}' http://x/cache/purge)" ' 400$'
like "who may only look looks" "$(by_token http://x/cache)" '"entries":6,.* 200$'
like "and purges nothing" "$(by_token -d '{"all":true}' http://x/cache/purge)" 'needs the role operator.* 403$'
check "all is there" kept 6
is "and no record says otherwise" "$(records change | grep -c '"what":"cache"')" 0

# ---- what goes, here and then in a Redis ----
purges() { # WHERE
	cache purge --route one --reason 'a wrong answer' --by me
	is "$1: of a route" "$(got)" "0 3 purged"
	like "$1: as its record says" "$(records change | grep '"what":"cache"' | tail -1)" '"change":"purge","id":"route","by":"[^"]+","claimed":"me","reason":"a wrong answer","peer":\{"uid":.*"after":\{.*"route":"one"'
	as anna blue
	is_there two 'about anna' hit "$1: one of another stays"
	is_there one 'about anna' miss "$1: the next one asks the model"
	is_there one 'about anna' hit "$1: and is kept"
	wait_for kept 4
	cache purge --person anna
	is "$1: of a person" "$(got)" "0 2 purged"
	is_there one 'about anna' miss "$1: hers are gone"
	as ben blue
	is_there two 'about ben' hit "$1: others' stay"
	wait_for kept 3
	cache purge --older 10m
	is "$1: nothing is so old" "$(got)" "0 0 purged"
	nap 1.2
	as ben blue
	ask one 'about news'
	wait_for kept 4
	cache purge --older 1s
	is "$1: what is older" "$(got)" "0 3 purged"
	is_there one 'about news' hit "$1: not what is new"
	fill
	wait_for kept 7
	cache purge --route two --person ben
	is "$1: both must be so" "$(got)" "0 1 purged"
	cache purge --route twoo
	is "$1: a route that is none is said" "$(got)" "0 0 purgedtollgate: cache: the policy in force has no route twoo, did you mean two?; if an earlier policy had it, its entries were purged"
	cache purge --all --json
	is "$1: all" "$? $(jq -c '[.id, .purged, .failed, has("record")]' "$D/out")" '0 ["all",6,0,true]'
	check "$1: none is left" kept 0
}
purges "in the process"
is "and none of it says a name in the log" "$(grep -c 'anna' "$D/tollgate.log")" 0
"$root/tests/support/stack" down --dir "$D"

# ---- a Redis that two daemons share ----
kept() { [ "$(redis --scan --pattern 'tollgate:cache:*' | grep -vc ':asks$')" = "$1" ]; }
answers_redis "a Redis for answers" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s"}\n' "$port" >>"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --second
fill
wait_for kept 6
is "what that Redis says of itself" "$(stat 'where,.redis,.keys,.max_bytes,.maxmemory_policy')" "[\"redis\",\"redis://127.0.0.1:$port/0\",$(redis dbsize),33554432,\"allkeys-lfu\"]"
purges "in a Redis"
fill
wait_for kept 6
redis set not:ours 1 >/dev/null
name() { printf 'tollgate:cache:%064d' "$1"; }
redis set "$(name 1)" 1 >/dev/null
redis hset "$(name 2)" e x >/dev/null
redis rpush "$(name 3)" x >/dev/null
redis set "$(name 4):asks" 1 >/dev/null # of somebody who asks the model now
is "nobody is told that it should not evict" "$(grep -hc redis.evicts "$D/tollgate.log" "$D/second.log" | paste -sd' ')" "0 0"
config=$D/tollgate-b.yaml
cache purge --route one
is "by the other daemon, too, and what nobody can read" "$(got)" "0 6 purged"
cache purge --all
is "names that are no entries' stay" "$(got) $(redis exists not:ours "$(name 4):asks")" "0 3 purged 2"
redis del "$(name 4):asks" >/dev/null
unset config
for i in $(seq 1 3000); do echo "SET $(name "$i") $i"; done | redis >/dev/null
cache purge --all
is "many" "$(got) $(redis exists not:ours)" "0 3000 purged 1"
fill
wait_for kept 6
redis acl setuser default -get >/dev/null
cache purge --route one
like "what cannot be read is said" "$(got)" "^2 0 purgedtollgate: cache: 6 could not be read or deleted: .*permission"
redis acl setuser default +get >/dev/null
check "and stays" kept 6
kill -STOP $redis_pid
cache purge --all
like "one that stands still" "$(got)" '^2 tollgate: cache: nothing was purged, because the Redis of the response cache does not respond: .*no reply in time'
kill -CONT $redis_pid
before=$(records change | grep -c '"what":"cache"')
kill $redis_pid
wait $redis_pid 2>/dev/null
cache purge --all
like "one that is away" "$(got)" '^2 tollgate: cache: nothing was purged, because the Redis of the response cache does not respond: 127.0.0.1:.*refused'
is "has no record" "$(records change | grep -c '"what":"cache"')" "$before"
cache stats
like "what is known without it" "$(got | tr '\n' ' ')" '^2 where +Redis .*, away.*keys in its database +- .*kept +[1-9].*tollgate: cache: Redis is away: '
