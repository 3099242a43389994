# Identical concurrent requests: one is sent to the provider, and the others receive its response, on one daemon and
# on two that share a Redis. If that one fails, is cut, is canceled or cannot be stored, each request is sent by
# itself.
# Once: no version of HAProxy differs here.
# Late: it waits for late responses.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"

as() { auth="authorization: Bearer $(token "$@")"; }
count() { fetch GET "$PROVIDER/_seen?last=1000" | grep -o '"ended"' | wc -l; }
# many N HOST TEXT [MEMBERS] [PATH]: sends N at the same time; $D/many/N has what each received. curl does not send a
# fragment.
many() {
	rm -rf "$D/many" && mkdir "$D/many"
	printf '{"model":"%s","temperature":0,"messages":[{"role":"user","content":"%s"}]%s}' "${model:-gpt-4o}" "$3" "${4:-}" >"$D/many.json"
	curl -s -Z --parallel-immediate --parallel-max "$1" -m 60 -H "$auth" -H 'content-type: application/json' -H "host: $2" \
		--data-binary "@$D/many.json" -D "$D/many/#1.head" -o "$D/many/#1.body" "$EDGE${5:-/v1/chat/completions}#[1-$1]" 2>"$D/many.err"
}
heads() { cat "$D"/many/*.head | tr -d '\r' | awk -v n="$1" 'tolower($1) ~ "^" n { print $2 }' | sort | uniq -c | awk '{ print $1 "x" $2 }' | paste -sd' '; }
texts() { for f in "$D"/many/*.body; do jq -c '.choices[0].message.content' "$f"; done | sort | uniq -c | awk '{ print $1 }'; }
wait_metrics() { echo "$(metric cache_waits_total 'outcome="hit"') $(metric cache_waits_total 'outcome="alone"')"; }

stack_up --policy "$here/cache.yaml"
as
control '{"delay_ms":700}'
many 1 own.test warm
many 20 own.test one
is "of twenty concurrent requests one is sent to the provider" "$(heads http) $(($(count) - 1))" "20x200 1"
is "the header fields name one miss and 19 hits" "$(heads x-tollgate-cache)" "19xhit 1xmiss"
is "all responses have the same text" "$(texts)" 20
is "each response has its own id" "$(jq -r .id "$D"/many/*.body | sort -u | wc -l)" 20
is "metrics count the requests that waited" "$(wait_metrics)" "19 0"
is "the records have the time of the wait" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -c '"cache":"hit".*"cache_waited_ms":[1-9]')" 19
is "the records of hits have no usage" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"cache":"hit"' | grep -c '"usage"')" 0
n=$(count)
many 10 own.test two ',"stream":true'
is "identical streams wait for one request" "$(heads http) $(($(count) - n)) $(grep -c '^data: \[DONE\]' "$D"/many/*.body | grep -c ':1$')" "10x200 1 10"
n=$(count)
model=echo many 10 own.test "$(head -c 100000 /dev/zero | tr '\0' x)"
is "identical long bodies wait for one request" "$(heads http) $(($(count) - n)) $(texts)" "10x200 1 10"
n=$(count)
many 8 anthropic.test three ',"max_tokens":9' /v1/messages
is "identical requests of another dialect wait for one request" "$(heads http) $(($(count) - n))" "8x200 1"
n=$(count)
many 5 own.test four &
one=$!
(as --claims '{"sub":"bob"}' && D=$D/bob && mkdir -p "$D" && many 5 own.test four && heads x-tollgate-cache >"$D/said")
wait $one
is "requests of two callers do not wait for each other" "$(($(count) - n)) $(heads x-tollgate-cache) $(cat "$D/bob/said")" "2 4xhit 1xmiss 4xhit 1xmiss"

# ---- waits without a result ----
tools=',"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}}]'
n=$(count)
model=call many 6 own.test five "$tools"
is "if the response cannot be stored, each request is sent by itself" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "6x200 6 6xmiss"
n=$(count)
began=$(date +%s%N)
model=call many 6 own.test five "$tools"
took=$((($(date +%s%N) - began) / 1000000))
is "later requests do not wait any more" "$(heads http) $(($(count) - n)) $(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -6 | grep -c cache_waited_ms)" "6x200 6 0"
n=$(count)
control '[{"status":500,"delay_ms":700,"times":1},{"delay_ms":700}]'
many 6 own.test six
is "if the first request fails, the next one is sent for the others" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "5x200 1x500 2 4xhit 2xmiss"
n=$(count)
control '[{"status":400,"delay_ms":700,"times":1},{"delay_ms":700}]'
many 6 own.test refused
is "if the request itself is invalid, each is sent by itself" "$(heads http) $(($(count) - n))" "5x200 1x400 6"
n=$(count)
control '[{"status":500,"delay_ms":300,"times":3},{"delay_ms":700}]'
many 8 own.test failed
is "after three failures in a row, each is sent by itself" "$(heads http) $(($(count) - n))" "5x200 3x500 8"
n=$(count)
control '[{"status":500,"delay_ms":300,"times":3},{"delay_ms":1000}]'
many 60 few.test budget
is "the caller's retry budget limits such requests" "$(heads http)" "57x200 3x500"
check "the others wait for these ($(($(count) - n)) of 60 asked)" [ $(($(count) - n)) -le 20 ]
n=$(count)
control '[{"cut_after_events":2,"chunk_ms":300,"times":1},{"delay_ms":300}]'
many 6 own.test seven ',"stream":true'
is "if the first stream is cut, the next one is sent" "$(grep -c '^data: \[DONE\]' "$D"/many/*.body | grep -c ':1$') $(($(count) - n))" "5 2"
control '{"delay_ms":1500}'
n=$(count)
printf '{"model":"gpt-4o","temperature":0,"messages":[{"role":"user","content":"eight"}]}' >"$D/eight.json"
curl -s -m 0.7 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: own.test' --data-binary "@$D/eight.json" "$EDGE/v1/chat/completions" &
nap 0.3
many 6 own.test eight
is "if the first caller leaves, the next request is sent" "$(heads http) $(texts) $(($(count) - n))" "6x200 6 2"
wait
# ---- a waiting caller leaves ----
control '{"delay_ms":3000}'
last_end() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -1 | jq -c "$1"; }
for size in 10 400000; do
	{ printf '{"model":"gpt-4o","temperature":0,"messages":[{"role":"user","content":"left '; head -c $size /dev/zero | tr '\0' x; printf '"}]}'; } >"$D/left.json"
	post_left() { curl -s -m "$1" -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: own.test' --data-binary "@$D/left.json" "$EDGE/v1/chat/completions"; }
	post_left 20 &
	one=$!
	nap 0.5
	post_left 0.7
	ended() { [ "$(last_end .outcome)" = '"never_sent"' ]; }
	check "a waiting request ends when its caller leaves ($size bytes)" wait_for ended
	kill -0 $one 2>/dev/null
	is "it ends at once, and costs nothing" "$? $(last_end '[.reserved_usage, .usage]')" "0 [null,null]"
	wait $one
done
control '{"event_chars":30000,"chunk_ms":100}'
n=$(count)
began=$(date +%s%N)
model=echo many 3 own.test "$(head -c 1000000 /dev/zero | tr '\0' x)" ',"stream":true'
took=$((($(date +%s%N) - began) / 1000000))
is "if the response is too long to store, each request is sent by itself" "$(heads http) $(($(count) - n))" "3x200 3"
check "that is decided before the response ends ($took ms)" [ $took -lt 6000 ]

control '[{"delay_ms":20000,"times":1},{}]'
n=$(count)
began=$EPOCHSECONDS
many 4 hang.test nine
took=$((EPOCHSECONDS - began))
is "if the first request hangs, the others wait for a part of their time, then are sent" "$(heads http | grep -o '3x200') $(($(count) - n))" "3x200 4"
check "they finish within their own time ($took s)" [ $took -le 10 ]
control '{}'

# ---- five hundred ----
n=$(count)
control '{"delay_ms":3000}'
many 500 own.test stampede
control '{}'
is "of five hundred identical requests, all get a response" "$(heads http) $(texts)" "500x200 500"
check "at most three of them are sent ($(($(count) - n)) times)" [ $(($(count) - n)) -le 3 ]
"$root/tests/support/stack" down --dir "$D"

# ---- two daemons ----
answers_redis "a Redis for responses" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s"}\n' "$port" >"$D/config.yaml"
stack_up --policy "$here/cache.yaml" --config "$D/config.yaml" --second
as
control '{"delay_ms":2500}' # longer than a claim in Redis lasts that is not renewed
many 20 own.test ten
is "of twenty requests on two daemons one is sent" "$(heads http) $(count) $(heads x-tollgate-cache) $(texts)" "20x200 1 19xhit 1xmiss 20"
gone() { [ -z "$(redis keys '*:asks')" ]; }
check "no claim is left in Redis" wait_for gone
n=$(count)
model=call many 6 own.test vain "$tools"
is "if the response cannot be stored, each of both daemons sends its requests" "$(heads http) $(($(count) - n)) $(redis get "$(redis keys '*:asks' | head -1)")" "6x200 6 -1"
n=$(count)
control '[{"status":500,"delay_ms":1500,"times":1},{"delay_ms":700}]'
many 12 own.test fails-away
is "if the first fails, the next one of either daemon is sent" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "11x200 1x500 2 10xhit 2xmiss"
redis flushall >/dev/null
control '{"delay_ms":2500}'
many 1 own.test another &
one=$!
claim() { redis keys '*:asks'; }
claimed() { [ -n "$(claim)" ]; }
check "the leading request has a claim in Redis" wait_for claimed
others=$(claim)
redis set "$others" 77 px 60000 >/dev/null
wait $one
nap 0.3
is "a daemon deletes only its own claim" "$(heads http) $(redis get "$others")" "1x200 77"
redis del "$others" >/dev/null
n=$(count)
control '{"delay_ms":1500}'
many 10 own.test eleven &
one=$!
nap 0.7
kill $redis_pid
wait $redis_pid 2>/dev/null
wait $one
is "if Redis is lost while they wait, all get a response" "$(heads http) $(texts)" "10x200 10"
n=$(count)
many 10 own.test twelve
is "if Redis is unreachable, each daemon sends one request" "$(heads http) $(texts)" "10x200 10"
