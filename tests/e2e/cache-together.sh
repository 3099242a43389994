# Identical requests under way: one asks the model and the others are given its answer, on one daemon and
# on two that share a Redis; where that one fails, is cut, goes away or cannot be kept, each asks alone.
# Once: no version of HAProxy differs here.
# Long: it waits for answers that come late.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"

as() { auth="authorization: Bearer $(token "$@")"; }
count() { fetch GET "$PROVIDER/_seen?last=1000" | grep -o '"ended"' | wc -l; }
# many N HOST TEXT [MEMBERS] [PATH]: N at once; $D/many.N: what each read. curl does not send a fragment.
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
is "of twenty at once one asks the model" "$(heads http) $(($(count) - 1))" "20x200 1"
is "and says so" "$(heads x-tollgate-cache)" "19xhit 1xmiss"
is "all read the same" "$(texts)" 20
is "each under its own id" "$(jq -r .id "$D"/many/*.body | sort -u | wc -l)" 20
is "metrics say who waited" "$(wait_metrics)" "19 0"
is "the record says how long" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -c '"cache":"hit".*"cache_waited_ms":[1-9]')" 19
is "and what was not taken" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"cache":"hit"' | grep -c '"usage"')" 0
n=$(count)
many 10 own.test two ',"stream":true'
is "streams wait for one, too" "$(heads http) $(($(count) - n)) $(grep -c '^data: \[DONE\]' "$D"/many/*.body | grep -c ':1$')" "10x200 1 10"
n=$(count)
model=echo many 10 own.test "$(head -c 100000 /dev/zero | tr '\0' x)"
is "long bodies" "$(heads http) $(($(count) - n)) $(texts)" "10x200 1 10"
n=$(count)
many 8 anthropic.test three ',"max_tokens":9' /v1/messages
is "another form" "$(heads http) $(($(count) - n))" "8x200 1"
n=$(count)
many 5 own.test four &
one=$!
(as --claims '{"sub":"bob"}' && D=$D/bob && mkdir -p "$D" && many 5 own.test four && heads x-tollgate-cache >"$D/said")
wait $one
is "two callers do not wait for each other" "$(($(count) - n)) $(heads x-tollgate-cache) $(cat "$D/bob/said")" "2 4xhit 1xmiss 4xhit 1xmiss"

# ---- in vain ----
tools=',"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}}]'
n=$(count)
model=call many 6 own.test five "$tools"
is "what cannot be kept is asked by each" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "6x200 6 6xmiss"
n=$(count)
began=$(date +%s%N)
model=call many 6 own.test five "$tools"
took=$((($(date +%s%N) - began) / 1000000))
is "and soon nobody waits for it" "$(heads http) $(($(count) - n)) $(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -6 | grep -c cache_waited_ms)" "6x200 6 0"
n=$(count)
control '[{"status":500,"delay_ms":700,"times":1},{"delay_ms":700}]'
many 6 own.test six
is "where the first one fails the next one asks for the others" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "5x200 1x500 2 4xhit 2xmiss"
n=$(count)
control '[{"status":400,"delay_ms":700,"times":1},{"delay_ms":700}]'
many 6 own.test refused
is "not where the request is refused" "$(heads http) $(($(count) - n))" "5x200 1x400 6"
n=$(count)
control '[{"status":500,"delay_ms":300,"times":3},{"delay_ms":700}]'
many 8 own.test failed
is "where three in a row fail they ask alone" "$(heads http) $(($(count) - n))" "5x200 3x500 8"
n=$(count)
control '[{"status":500,"delay_ms":300,"times":3},{"delay_ms":1000}]'
many 60 few.test budget
is "as far as their caller's budget of repeats goes" "$(heads http)" "57x200 3x500"
check "and the others wait for those ($(($(count) - n)) of 60 asked)" [ $(($(count) - n)) -le 20 ]
n=$(count)
control '[{"cut_after_events":2,"chunk_ms":300,"times":1},{"delay_ms":300}]'
many 6 own.test seven ',"stream":true'
is "or is cut" "$(grep -c '^data: \[DONE\]' "$D"/many/*.body | grep -c ':1$') $(($(count) - n))" "5 2"
control '{"delay_ms":1500}'
n=$(count)
printf '{"model":"gpt-4o","temperature":0,"messages":[{"role":"user","content":"eight"}]}' >"$D/eight.json"
curl -s -m 0.7 -o /dev/null -H "$auth" -H 'content-type: application/json' -H 'host: own.test' --data-binary "@$D/eight.json" "$EDGE/v1/chat/completions" &
nap 0.3
many 6 own.test eight
is "or goes away" "$(heads http) $(texts) $(($(count) - n))" "6x200 6 2"
wait
# ---- who goes away while it waits ----
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
	check "one that goes away is let go ($size bytes)" wait_for ended
	kill -0 $one 2>/dev/null
	is "at once, and takes nothing" "$? $(last_end '[.reserved_usage, .usage]')" "0 [null,null]"
	wait $one
done
control '{"event_chars":30000,"chunk_ms":100}'
n=$(count)
began=$(date +%s%N)
model=echo many 3 own.test "$(head -c 1000000 /dev/zero | tr '\0' x)" ',"stream":true'
took=$((($(date +%s%N) - began) / 1000000))
is "what is too long is asked by each" "$(heads http) $(($(count) - n))" "3x200 3"
check "as soon as that is known ($took ms)" [ $took -lt 6000 ]

control '[{"delay_ms":20000,"times":1},{}]'
n=$(count)
began=$EPOCHSECONDS
many 4 hang.test nine
took=$((EPOCHSECONDS - began))
is "or hangs: a part of their own time, then alone" "$(heads http | grep -o '3x200') $(($(count) - n))" "3x200 4"
check "in their own time ($took s)" [ $took -le 10 ]
control '{}'

# ---- five hundred ----
n=$(count)
control '{"delay_ms":3000}'
many 500 own.test stampede
control '{}'
is "of five hundred few ask" "$(heads http) $(texts)" "500x200 500"
check "the model ($(($(count) - n)) times)" [ $(($(count) - n)) -le 3 ]
"$root/tests/support/stack" down --dir "$D"

# ---- two daemons ----
answers_redis "a Redis for answers" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s"}\n' "$port" >"$D/config.yaml"
stack_up --policy "$here/cache.yaml" --config "$D/config.yaml" --second
as
control '{"delay_ms":2500}' # longer than a leader's word lasts that is not renewed
many 20 own.test ten
is "of twenty on two daemons one asks" "$(heads http) $(count) $(heads x-tollgate-cache) $(texts)" "20x200 1 19xhit 1xmiss 20"
gone() { [ -z "$(redis keys '*:asks')" ]; }
check "nothing is left of the flight" wait_for gone
n=$(count)
model=call many 6 own.test vain "$tools"
is "what cannot be kept is asked by each, on two daemons too" "$(heads http) $(($(count) - n)) $(redis get "$(redis keys '*:asks' | head -1)")" "6x200 6 -1"
n=$(count)
control '[{"status":500,"delay_ms":1500,"times":1},{"delay_ms":700}]'
many 12 own.test fails-away
is "and where one fails the next one of either asks" "$(heads http) $(($(count) - n)) $(heads x-tollgate-cache)" "11x200 1x500 2 10xhit 2xmiss"
redis flushall >/dev/null
control '{"delay_ms":2500}'
many 1 own.test another &
one=$!
claim() { redis keys '*:asks'; }
claimed() { [ -n "$(claim)" ]; }
check "who asks says so" wait_for claimed
others=$(claim)
redis set "$others" 77 px 60000 >/dev/null
wait $one
nap 0.3
is "and takes back no word but its own" "$(heads http) $(redis get "$others")" "1x200 77"
redis del "$others" >/dev/null
n=$(count)
control '{"delay_ms":1500}'
many 10 own.test eleven &
one=$!
nap 0.7
kill $redis_pid
wait $redis_pid 2>/dev/null
wait $one
is "a Redis that goes away while they wait" "$(heads http) $(texts)" "10x200 10"
n=$(count)
many 10 own.test twelve
is "one that is away: each daemon for itself" "$(heads http) $(texts)" "10x200 10"
