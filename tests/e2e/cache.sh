# The response cache: which callers share responses, and what is stored, in each dialect, whole and as a stream. First
# in the process of one daemon, then in a Redis that two daemons share. A fault of that Redis is a cache miss.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"

json='content-type: application/json'
as() { auth="authorization: Bearer $(token "$@")"; }
# post HOST PATH BODY [curl options]
# A response is stored after its end was sent to the caller, so the caller's next request may come too early.
post() {
	req POST "$2" -H "$auth" -H "$json" -H "host: $1" "${@:4}" -d "$3"
	[ "$(cache)" != miss ] || settled
}
cache() { header x-tollgate-cache; }
count() { fetch GET "$PROVIDER/_seen?last=200" | grep -o '"ended"' | wc -l; }
# ask HOST TEXT [MEMBERS] [curl options]
ask() { post "$1" /v1/chat/completions "{\"model\":\"${model:-gpt-4o}\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]${3:-}}" "${@:4}"; }
says() { jq -c "$1" <<<"$body"; }
events() { sed -n 's/^data: //p' <<<"$body" | grep -v '^\[DONE\]' | jq -cs "$1"; }
text='[.choices[0].message.content, .choices[0].finish_reason, .usage.total_tokens]'
streamed='[([.[].choices[]?.delta.content // ""] | join("")), ([.[].choices[]?.finish_reason | select(.)] | last), ([.[].usage | select(.)] | last.total_tokens)]'
COLD=',"temperature":0'

stack_up --policy "$here/cache.yaml"
as
# ---- an identical request ----
ask own.test 'one' "$COLD"
is "the first request is sent to the provider" "$status $(cache) $(count)" "200 miss 1"
first=$(says "$text")
ask own.test 'one' "$COLD"
is "the second request is answered from the cache" "$status $(cache) $(count) $(header age | grep -cE '^[0-9]+$')" "200 hit 1 1"
is "the stored response has the same text" "$(says "$text")" "$first"
is "the stored response has an id of its own" "$(says .id)" "\"chatcmpl-$(header x-tollgate-id)\""
is "the record has the hit and the savings" "$(completion '[.outcome, .cache, .saved.input_tokens, .saved.output_tokens, .usage]')" '["complete","hit",1,9,null]'
is "limits count only a request" "$(completion '[.settled[] | split(",") | [(.[0] | split("{")[1] | split(":")[0]), .[-1]]]')" '[["requests","1"]]'
is "explain shows the hit" "$("$build/tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" 2>&1 | grep '^cache')" \
	"cache: hit, $(header age) s old, 1 input and 9 output tokens saved"
ask own.test 'one' "$COLD,\"stream\":true,\"stream_options\":{\"include_usage\":true}"
is "a stored whole response can be returned as a stream" "$status $(cache) $(count) $(events "$streamed")" "200 hit 1 $first"
is "that stream has its normal end" "$(tail -1 <<<"$body") $(header content-type)" "data: [DONE] text/event-stream"
ask own.test 'two' "$COLD,\"stream\":true"
ask own.test 'two' "$COLD"
is "a stored stream can be returned as a whole response" "$(cache) $(count) $(says '[.choices[0].message.content, .choices[0].finish_reason]')" "hit 2 $(jq -c '.[:2]' <<<"$first")"
is "metrics count hits and stored responses" "$(metric cache_requests_total 'result="hit"') $(metric cache_kept_total)" "3 2"

# ---- requests that differ ----
n=$(count)
while IFS='|' read -r name body_members headers; do
	ask own.test 'one' "$COLD$body_members" ${headers:+-H "$headers"}
	is "a request with $name is a miss" "$(cache)" miss
done <<'T'
a cap|,"max_tokens":7|
a seed|,"seed":1|
a stop|,"stop":["x"]|
a tool|,"tools":[{"type":"function","function":{"name":"f"}}]|
a schema|,"response_format":{"type":"json_object"}|
a project||openai-project: p
a deployment||azureml-model-deployment: blue
another deployment||azureml-model-deployment: green
a model of SageMaker's||x-amzn-sagemaker-target-model: b.tar.gz
a language||accept-language: de
T
model=gpt-4o-mini ask own.test 'one' "$COLD"
is "a request for another model is a miss" "$(cache)" miss
ask own.test 'one ' "$COLD"
is "a request with one more space is a miss" "$(cache)" miss
ask own.test 'one' "$COLD,\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"prompt_cache_key\":\"k\""
is "a field that does not affect the response is ignored" "$(cache)" hit
post own.test /v1/chat/completions '{ "temperature" : 0 , "messages":[ {"role":"user", "content":"one"} ], "model":"gpt-4o" }'
is "spaces and the order of fields are ignored" "$(cache)" hit
ask own.test 'one' "$COLD" -H 'user-agent: OpenAI/Python 2.8.0' -H 'x-stainless-retry-count: 1' -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' \
	-H 'baggage: sentry-trace_id=4bf92f, sentry-public_key=1' -H 'x-request-id: r1' -H 'x-forwarded-for: 192.0.2.1' -H 'accept-encoding: gzip, br' \
	-H 'cookie: proxy=1' -H 'accept: application/json, text/event-stream;q=0.9' -H 'accept-language: *'
is "header fields that clients and proxies add are ignored" "$(cache)" hit

ask own.test 'one' "$COLD" -H 'transfer-encoding: chunked'
is "a chunked body finds a stored response" "$status $(cache) $(says "$text")" "200 hit $first"
long=$(head -c 200000 /dev/zero | tr '\0' x)
printf '{"model":"echo","temperature":0,"messages":[{"role":"user","content":"%s"}]}' "$long" >"$D/long.json"
for i in 1 2; do req POST /v1/chat/completions -H "$auth" -H "$json" -H 'host: own.test' --data-binary "@$D/long.json"; done
is "a long request finds a long response" "$status $(cache) $(says '.choices[0].message.content | length')" "200 hit 200000"
sed -i 's/temperature/stream":true,"temperature/' "$D/long.json"
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'host: own.test' --data-binary "@$D/long.json"
is "a long response can be returned as a stream" "$status $(cache) $(events '[.[].choices[]?.delta.content // ""] | join("") | length')" "200 hit 200000"

# ---- requests without a cache ----
while IFS='|' read -r name members; do
	ask own.test 'three' "$members"
	ask own.test 'three' "$members"
	is "$name does not use the cache" "$status $(cache)" "200 off"
done <<'T'
a request without temperature|
a temperature of 0.5|,"temperature":0.5
several choices|,"temperature":0,"n":2
a response that the provider stores|,"temperature":0,"store":true
an unknown field|,"temperature":0,"novel":1
T
for i in 1 2; do ask own.test 'one' "$COLD" -H 'x-model-override: large'; done
is "an unknown header field turns the cache off" "$(cache) $(completion .cache_why)" 'off "the header field x-model-override is not known"'
for i in 1 2; do ask own.test 'one' "$COLD" -H 'x-not-sent: large'; done
is "but not a header field that the provider does not receive" "$(cache)" hit
for one in 'x-app-version: 1' 'x-app-version: 2'; do ask listed.test 'one' "$COLD" -H "$one"; done
is "a header field that the route ignores changes nothing" "$(cache)" hit
for one in 1 1 2; do ask listed.test 'one' "$COLD" -H "x-tenant: $one" && seen_tenants+="$(cache) "; done
is "a header field that the route keys separates entries" "$seen_tenants" "miss hit miss "
ask own.test 'three' "$COLD" -H 'cache-control: no-store'
is "no-store turns the cache off" "$(cache) $(completion .cache_why)" 'off "no-store"'
ask own.test 'one' "$COLD" -H 'cache-control: no-cache'
is "no-cache sends the request to the provider" "$(cache)" miss
ask own.test 'one' "$COLD" -H 'cache-control: max-age=0'
is "max-age=0 sends the request to the provider" "$(cache)" miss
ask own.test 'one' "$COLD" -H 'cache-control: max-age=600'
is "an entry that is younger than max-age is returned" "$(cache)" hit
errors=0
for say in '{"status":500}' '{"status":429}' '{"body":"{\"choices\":[]}"}'; do
	control "$say"
	ask own.test "error $((errors += 1))" "$COLD"
	control '{}'
	ask own.test "error $errors" "$COLD"
	is "a failed response is not stored ($say)" "$status $(cache)" "200 miss"
done
said() { jq -nc --arg m "$1" '{body: ("{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," + $m)}'; }
while IFS='|' read -r name answer; do
	control "$(said "$answer")"
	ask own.test "not this: $name" "$COLD"
	was=$status
	control '{}'
	ask own.test "not this: $name" "$COLD"
	is "a response with $name is not stored" "$was $status $(cache)" "200 200 miss"
done <<'T'
a refusal|"content":null,"refusal":"I cannot"},"finish_reason":"stop"}]}
an error next to the text|"content":"half"},"finish_reason":"stop"}],"error":{"message":"overloaded"}}
an end because of its length|"content":"half"},"finish_reason":"length"}]}
T
ask own.test 'one' "$COLD" -H 'cache-control: max-age=0, max-age=600'
is "the smaller of two ages applies" "$(cache)" miss
model=call ask own.test 'four' "$COLD,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}}}}]"
model=call ask own.test 'four' "$COLD,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}}}}]"
is "a tool call is not stored" "$(cache) $(says '.choices[0].finish_reason')" 'miss "tool_calls"'
for i in 1 2; do model=call ask team.test 'four' "$COLD,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}}}}]"; done
is "a route can store tool calls" "$(cache) $(says '.choices[0].message.tool_calls[0].function.name')" 'hit "f"'

# ---- callers ----
as --claims '{"sub":"bob"}'
ask own.test 'one' "$COLD"
is "another caller's request is a miss" "$(cache)" miss
as --claims '{"sub":"carol","team":"blue"}'
ask team.test 'shared'
as --claims '{"sub":"dan","team":"blue"}'
ask team.test 'shared'
is "on a route shared by team, a member's request is a hit" "$(cache)" hit
as --claims '{"sub":"eve","team":"green"}'
ask team.test 'shared'
is "another team's request is a miss" "$(cache)" miss
ask org.test 'shared'
as
ask org.test 'shared'
is "all callers of an issuer share responses without personal data" "$(cache)" hit
ask org.test 'write to alice@example.com'
as --claims '{"sub":"bob"}'
ask org.test 'write to alice@example.com'
is "callers do not share other responses" "$(cache)" miss

# ---- known defects of other gateways ----
as --claims '{"sub":"carol","team":"blue"}'
ask org.test 'stories'
as --claims '{"sub":"eve","team":"orange"}'
ask org.test 'stories'
is "GoModel#971: the rules on responses apply to a hit" "$status $(completion .cache) $(says .error.code)" '403 "hit" "content_policy_violation"'
as --claims '{"sub":"eve","team":"orange","iss":"https://other"}'
ask org.test 'stories'
check "litellm#29955, OmniRoute#3740: callers of another issuer do not share responses" [ "$(cache)" != hit ]
as
kept=$(metric cache_kept_total)
ask own.test 'one' "$COLD"
is "tensorzero#2988: a hit is not stored again" "$(cache) $(($(metric cache_kept_total) - kept))" "hit 0"
post own.test /v1/chat/completions '{"model":"gpt-4o","temperature":0,"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"one"}]}'
is "semantic-router#3423: another system prompt is a miss" "$(cache)" miss
ask own.test 'one' "$COLD,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"
is "llmgateway#3747: other tools are a miss" "$(cache)" miss
n=$(count)
for text in 'what is one and one' 'what is one and two' 'what is two and one' 'What is one and one'; do ask own.test "$text" "$COLD"; seen_as+="$(cache) "; done
is "litellm#12234: each question gets its own response" "$seen_as$(($(count) - n))" "miss miss miss miss 4"
control '{"cut_after_events":3,"times":1}'
ask own.test 'cut' "$COLD,\"stream\":true"
ask own.test 'cut' "$COLD,\"stream\":true"
is "freellmapi#1098: a truncated response is not stored" "$(cache)" miss
control '{"chunk_ms":300,"times":1}'
curl -s -m 0.5 -o /dev/null -H "$auth" -H "$json" -H 'host: own.test' -d '{"model":"gpt-4o","temperature":0,"stream":true,"messages":[{"role":"user","content":"left"}]}' "$EDGE/v1/chat/completions"
all_settled
control '{}'
ask own.test 'left' "$COLD,\"stream\":true"
is "a response that its caller left is not stored" "$(cache)" miss
ask own.test 'one' "$COLD" -H 'x-tollgate-cache: hit'
is "bifrost#5769: other cache header fields of a caller have no effect" "$(cache) $(completion .cache_age_s | grep -c '^[0-9]')" "hit 1"

# ---- redacted values ----
as --claims '{"sub":"carol","team":"blue"}'
model=echo ask team.test 'write to carol@example.com'
is "a redacted value is restored" "$(cache) $(says '.choices[0].message.content')" 'miss "write to carol@example.com"'
as --claims '{"sub":"dan","team":"blue"}'
model=echo ask team.test 'write to dan@example.org'
is "a hit restores the value of its own request" "$(cache) $(says '.choices[0].message.content')" 'hit "write to dan@example.org"'
model=echo ask team.test 'write to dan@example.org' ',"stream":true'
is "a stream from the cache restores it too" "$(cache) $(events '[.[].choices[]?.delta.content // ""] | join("")')" 'hit "write to dan@example.org"'
model=secret ask team.test 'shared'
is "a rule can deny a stored response" "$status $(says .error.code)" '403 "content_policy_violation"'

# ---- similar prompts ----
long='Explain how a lock of a canal works and why its gates point against the water for'
model=echo ask near.test "$long jane.doe@example.com"
is "the first prompt on a route with near is a miss" "$(cache) $(completion .cache_by)" "miss null"
model=echo ask near.test "Please explain${long#Explain} john@example.org"
is "a prompt without a polite phrase is a near hit, with its own values" "$(cache) $(completion '[.cache_by, (.cache_distance > 0 and .cache_distance < 0.1)]') $(says '.choices[0].message.content')" \
	"hit; near [\"near\",true] \"$long john@example.org\""
is "metrics count the near hit" "$(metric cache_near_hits_total)" 1
while IFS='|' read -r name prompt; do
	model=echo ask near.test "$prompt"
	is "$name is not near" "$(cache)" miss
done <<T
a "not"|Please explain how a lock of a canal does not work and why its gates point against the water for john@example.org
a digit|Please explain how a lock of a canal works and why its 2 gates point against the water for john@example.org
another order|Please explain how a canal of a lock works and why its gates point against the water for john@example.org
one more placeholder|$long john@example.org, jane@example.org
T
as --claims '{"sub":"eve","team":"green"}'
model=echo ask near.test "Please explain${long#Explain} john@example.org"
is "another team's prompt is not near" "$(cache)" miss
as

# ---- each dialect ----
as
message='{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"five"}]'
contents='{"contents":[{"role":"user","parts":[{"text":"five"}]}]}'
converse='{"messages":[{"role":"user","content":[{"text":"five"}]}]}'
response='{"model":"m","input":"five","store":false'
while IFS='|' read -r name host path whole stream_path stream want; do
	post "$host" "$path" "$whole"
	[ "$status $(cache)" = "200 miss" ] || is "$name: the first request is a miss" "$status $(cache)" "200 miss"
	was=$(says "$want")
	post "$host" "$path" "$whole"
	is "$name: a whole response from a stored whole response" "$status $(cache) $(says "$want")" "200 hit $was"
	n=$(count)
	post "$host" "$stream_path" "$stream"
	is "$name: a stream from a stored whole response" "$status $(cache) $(grep -ac simulated <<<"$body") $(($(count) - n))" "200 hit $(case $name in responses) echo 5 ;; *) echo 1 ;; esac) 0"
done <<T
messages|anthropic.test|/v1/messages|$message}|/v1/messages|$message,"stream":true}|[.content[0].text, .stop_reason, .usage.output_tokens]
responses|responses.test|/v1/responses|$response}|/v1/responses|$response,"stream":true}|[.output[0].content[0].text, .status, .usage.output_tokens]
generate|gemini.test|/v1beta/models/m:generateContent|$contents|/v1beta/models/m:streamGenerateContent?alt=sse|$contents|[.candidates[0].content.parts[0].text, .candidates[0].finishReason, .usageMetadata.candidatesTokenCount]
a JSON list|gemini.test|/v1beta/models/l:generateContent|$contents|/v1beta/models/l:streamGenerateContent|$contents|[.candidates[0].content.parts[0].text, .candidates[0].finishReason]
converse|bedrock.test|/model/m/converse|$converse|/model/m/converse-stream|$converse|[.output.message.content[0].text, .stopReason, .usage.outputTokens]
translated|translated.test|/v1/messages|$message}|/v1/messages|$message,"stream":true}|[.content[0].text, .stop_reason, .usage.output_tokens]
T
control '{"body":"{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"hi\"}]}],\"metadata\":{\"case\":\"first\"},\"user\":\"u1\"}"}'
post responses.test /v1/responses '{"model":"m","input":"six","store":false,"user":"u1","metadata":{"case":"first"}}'
post responses.test /v1/responses '{"model":"m","input":"six","store":false,"metadata":{"case":"second"}}'
is "fields that the response repeats from the request are those of the new request" "$status $(cache) $(says '[.output[0].content[0].text, .metadata.case, .user]')" '200 hit ["hi","second",null]'
control '{}'
# Requests of different dialects share an entry if translation makes the same request of them.
post both.test /v1/chat/completions "${message/max_tokens/max_completion_tokens}}"
was=$(says '.choices[0].message.content')
is "the first request, of chat completions, is a miss" "$status $(cache)" "200 miss"
post both.test /v1/responses '{"model":"m","input":"five","store":false,"max_output_tokens":50}'
is "the same request of the responses API is a hit" "$status $(cache) $(says '.output[0].content[0].text')" "200 hit $was"
ask short.test 'brief'
sleep 1.1
ask short.test 'brief'
is "an expired response is not returned" "$(cache)" miss
ask none.test 'one' "$COLD"
is "a route without a cache adds no header field" "$(cache)" ''
"$root/tests/support/stack" down --dir "$D"

# ---- a Redis for the cache, and two daemons ----
answers_redis "a Redis for responses" $evicting
printf 'cache: {redis: "redis://127.0.0.1:%s"}\n' "$port" >"$D/config.yaml"
stack_up --policy "$here/cache.yaml" --config "$D/config.yaml" --second
as
# If the machine is slow, Redis may reply too late. That is a miss, which both daemons count.
late() { echo $(($(metric cache_failures_total) + $(metric cache_failures_total '' "$ADMIN_B"))); }
# is_far HOW: repeats the request; succeeds if the cache's header field is HOW
is_far() { ask own.test 'far' "$COLD"; [ "$(cache)" = "$1" ]; }
is_kept() { [ "$(redis dbsize)" -ge 1 ]; }
check "the first request is sent to the provider, and stored" is_far miss
check "the response is stored in Redis" wait_for is_kept
for i in 1 2 3 4 5; do check "two daemons share stored responses, $i" wait_for is_far hit; done
is "the provider gets no further request" "$(($(count) - $(late)))" 1
key=$(redis keys 'tollgate:cache:*')
is "the names of keys are hashes" "$(grep -cE '^tollgate:cache:[0-9a-f]{64}$' <<<"$key")" 1
check "the stored values are encrypted" eval '! redis get "$key" | grep -qa simulated'
check "the entry expires after the route's ttl" [ "$(redis pttl "$key")" -gt 3000000 ]
ask own.test 'near' "$COLD"
other=$(redis keys 'tollgate:cache:*' | grep -v "$key")
redis --raw eval "redis.call('set', KEYS[2], redis.call('get', KEYS[1]))" 2 "$key" "$other" >/dev/null
ask own.test 'near' "$COLD"
is "an entry that was moved to another key is a miss" "$status $(cache)" "200 miss"
redis eval "local v = redis.call('get', KEYS[1]); redis.call('set', KEYS[1], string.sub(v, 1, 60) .. string.char((string.byte(v, 61) + 1) % 256) .. string.sub(v, 62))" 1 "$key" >/dev/null
ask own.test 'far' "$COLD"
is "an entry that was altered is a miss" "$status $(cache)" "200 miss"
redis set "$key" short >/dev/null
ask own.test 'far' "$COLD"
is "an entry that was truncated is a miss" "$status $(cache)" "200 miss"
redis del "$key" >/dev/null
redis hset "$key" e text >/dev/null
ask own.test 'far' "$COLD"
is "another value in place of an entry is a miss" "$status $(cache)" "200 miss"
ends() { [ "$(redis pttl "$key")" -gt 3000000 ]; }
check "the next response replaces that value" wait_for ends
redis flushall >/dev/null
redis acl setuser default -pexpire >/dev/null
ask own.test 'far' "$COLD"
ends_soon() { [ "$(redis pttl "$(redis keys 'tollgate:cache:*' | grep -v asks)")" -gt 0 ]; }
check "a response has a ttl from its first moment" wait_for ends_soon
redis acl setuser default +pexpire >/dev/null
redis flushall >/dev/null
model=echo ask own.test "$(head -c 1750 /dev/zero | tr '\0' x)" "$COLD"
one_there() { [ "$(redis dbsize)" -ge 1 ] && size=$(redis memory usage "$(redis keys 'tollgate:cache:*' | grep -v asks)") && [ -n "$size" ]; }
check "an entry of 2 KB is stored" wait_for one_there
check "it takes $size bytes for a response of ${#body}" [ "$size" -le 3072 ]
kill -STOP $redis_pid
n=$(count)
began=$(date +%s%N)
ask own.test 'near' "$COLD"
took=$((($(date +%s%N) - began) / 1000000))
is "a Redis that stands still is a miss" "$status $(cache) $(($(count) - n))" "200 miss 1"
check "the miss comes sooner than the deadline of limits ($took ms)" [ $took -lt 8000 ]
kill -CONT $redis_pid
kill $redis_pid
wait $redis_pid 2>/dev/null
ask own.test 'near' "$COLD"
is "an unreachable Redis is a miss" "$status $(cache)" "200 miss"
"$root/tests/support/stack" down --dir "$D"

# ---- a Redis that does not evict, as limits need ----
answers_redis "a Redis for responses that does not evict"
printf 'cache: {redis: "redis://localhost:%s/1", max_bytes: 64m}\n' "$port" >"$D/config.yaml"
stack_up --policy "$here/cache.yaml" --config "$D/config.yaml"
as
has_room() { ask own.test "room $((n += 1))" "$COLD"; ask own.test "room $n" "$COLD"; [ "$(cache)" = hit ]; }
check "responses are stored there too" wait_for has_room
sed "s|url: .*|url: redis://127.0.0.1:$port|; /^  user:/d; /^  password_file:/d" "$D/tollgate.yaml" >"$D/one.yaml"
redis config set maxmemory 100mb >/dev/null
redis config set maxmemory-policy volatile-lru >/dev/null
"$build/tollgate" check -c "$D/one.yaml" >"$D/check" 2>&1
is "check refuses a shared Redis that evicts" "$? $(grep -c 'cache.redis: is the same server as redis.url, and its maxmemory-policy is volatile-lru' "$D/check")" "1 1"
redis config set maxmemory-policy noeviction >/dev/null
"$build/tollgate" check -c "$D/one.yaml" >"$D/check" 2>&1
is "check accepts a shared Redis that does not evict" "$? $(grep -c 'cache.redis' "$D/check")" "0 0"
redis setrange ballast 79999999 x >/dev/null # a script's string would stay in its interpreter's memory
is_over() { ask own.test "over $((n += 1))" "$COLD"; ask own.test "over $n" "$COLD"; [ "$(cache)" = miss ]; }
check "above cache.max_bytes of Redis' memory no response is stored" wait_for is_over
redis del ballast >/dev/null
check "below cache.max_bytes responses are stored again" wait_for has_room
