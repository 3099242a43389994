# What users of other gateways complain of in public, each as a test of ours; the names of the
# checks are the complaints, with the thread where somebody had it.
# Once: what HAProxy's versions do differently is asked elsewhere.
. "$(dirname "$0")/lib.sh"

clear_of day 120
echo 'workers: 1' >"$D/config.yaml" # what one settles the next one sees
stack_up --policy "$here/complaints.yaml" --config "$D/config.yaml"
json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "$1")"; }
as '{"sub":"ann"}'
chat() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "$1"; }
messages() { req POST /v1/messages -H "$auth" -H "$json" -d "$1"; }
responses() { req POST /v1/responses -H "$auth" -H "$json" -d "$1"; }
gemini() { req POST "/v1beta/models/$1" -H "$auth" -H "$json" -d "$2"; }
CARD='4111 1111 1111 1111'
user() { echo "\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]"; }
# What a stream's text comes to.
said() { grep -a '^data: {' <<<"$body" | sed 's/^data: //' | jq -rj '.choices[0].delta.content? // .delta.text? // (if .type == "response.output_text.delta" then .delta else "" end) // ""'; }

# ---- streams ----
for stream in false true; do
	chat "{\"model\":\"echo\",\"stream\":$stream,$(user "pay $CARD, please")}"
	like "stream $stream: what is found in an answer is replaced (litellm#35257 chat)" "$body" 'CREDIT_CARD'
	unlike "and never passes (litellm#35257 chat)" "$body" '4111'
	is "and the record says who read it (litellm#35257 chat)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
	messages "{\"model\":\"echo\",\"max_tokens\":99,\"stream\":$stream,$(user "pay $CARD, please")}"
	unlike "stream $stream: nor on another dialect (litellm#35257 messages)" "$body" '4111'
	is "which is read as well (litellm#35257 messages)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
	responses "{\"model\":\"echo\",\"stream\":$stream,\"input\":\"pay $CARD, please\"}"
	unlike "stream $stream: nor on a third (litellm#35257 responses)" "$body" '4111'
	is "which is read too (litellm#35257 responses)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
done
chat "{\"model\":\"echo\",\"stream\":true,$(user "pay $CARD, please, by noon")}"
is "a redacted stream has all its other text (agentgateway#2956, #3603)" "$(said)" 'pay <CREDIT_CARD>, please, by noon'
like "and its end (agentgateway#2956, #3603)" "$body" 'data: \[DONE\]'
chat "{\"model\":\"echo\",\"stream\":false,$(user "about Project Falcon")}"
is "an answer is denied whole (aisix#204)" "$status" 403
chat "{\"model\":\"echo\",\"stream\":true,$(user "about Project Falcon")}"
like "and as a stream (aisix#204)" "$body" 'not of that project'
unlike "of which nothing is said (aisix#204)" "$body" 'Falcon|\[DONE\]'
chat "{\"model\":\"echo\",\"stream\":true,$(user "mail a@example.com,b@example.org; card $CARD. SSN 219-09-9999! ok")}"
is "spans side by side eat no punctuation (litellm PR#42133)" "$(said)" 'mail a@example.com,b@example.org; card <CREDIT_CARD>. SSN <US_SSN>! ok'
unlike "placeholders are made whole where they stand (litellm PR#24291)" "$(said)" 'EMAIL_ADDRESS'
like "though the provider saw others (litellm PR#24291)" "$(seen | jq -r '.[0].body')" '<EMAIL_ADDRESS_1>,<EMAIL_ADDRESS_2>'
tool='"tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object","properties":{"text":{"type":"string"}}}}}]'
chat "{\"model\":\"call\",\"stream\":true,$tool,$(user "card $CARD")}"
unlike "arguments of tools are read as they stream (litellm PR#38721)" "$(tr -d '"{}' <<<"$body")" '4111'
like "and are called (litellm PR#38721)" "$body" 'CREDIT_CARD'
unlike "no log has what was found (litellm#35951)" "$(cat "$D"/tollgate.log "$D"/haproxy.log "$JOURNAL"/* | tr -d '\0')" '4111 ?1111|[ab]@example|219-09-9999'

# ---- sizes ----
for kb in 33 64 65 640 1024 2048; do
	{ printf '{"model":"echo","stream":true,%s' '"messages":[{"role":"user","content":"card '"$CARD"' '
	head -c $((kb * 1024)) /dev/zero | tr '\0' 'x'
	printf ' to a@example.com"}]}'; } >"$D/big.json"
	req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/big.json"
	is "$kb KB pass (ai-gateway#827, #1209, #805)" "$status" 200
	unlike "$kb KB are read to their end (coraza-spoa#287, #194)" "$(seen | jq -r '.[0].body')" 'example\.com'
	unlike "$kb KB of an answer too (coraza-spoa#287)" "$body" '4111'
done
daemon=$(for p in $PIDS; do [ "$(cat /proc/"$p"/comm)" = tollgate ] && echo "$p"; done | head -1)
check "and memory is what it was (coraza-spoa#97)" test "$(awk '/VmRSS/ { print $2 }' /proc/"$daemon"/status)" -lt 200000
curl -s -o "$D/body" -w '%{http_code}' -m 90 -X PROPFIND -H "$auth" "$EDGE/v1/chat/completions" -d x >"$D/status"
is "an odd method is answered at once, and not passed (spoa-bouncer#67)" "$(cat "$D/status")" 404

# ---- faults in the middle ----
control '{"status":400,"times":1}'
chat "{\"model\":\"echo\",\"stream\":true,$(user hi)}"
is "a 4xx instead of a stream is an answer (litellm#26015)" "$status" 400
ticks() { awk '{ print $14 + $15 }' /proc/"$daemon"/stat; }
before=$(ticks)
sleep 1
check "and no CPU spins (litellm#26015)" test $(($(ticks) - before)) -lt 20
control '{"hold_after_events":4,"times":1}'
forget
: >"$D/stream"
curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "{\"model\":\"echo\",\"stream\":true,$(user 'where the river bends there is an old mill')}" >"$D/stream" &
check "a stream is not gathered: its first word comes before its last is sent (Kong#14425)" wait_for grep -q where "$D/stream"
release
wait $!
like "which comes too" "$(cat "$D/stream")" mill

# ---- audit ----
n() { cat "$JOURNAL"/* | tr -d '\0' | grep -c "\"type\":\"$1\""; }
settled
decisions=$(n decision) completions=$(n completion)
for i in 1 2 3 4 5 6 7 8 9; do chat "{\"model\":\"echo\",$(user "$i")}"; done
settled
is "nine requests, nine records (litellm#13280)" "$(($(n decision) - decisions)) $(($(n completion) - completions))" '9 9'
gemini echo:streamGenerateContent '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
is "of every dialect (litellm#36426)" "$(completion '[.route,.usage.input_tokens]')" '["gemini",1]'

# ---- budgets ----
as '{"sub":"rae","team":"race"}'
many() { # N BODY: their statuses, all at the same time
	seq "$1" | xargs -P "$1" -I{} curl -s -m 90 -o "$D/many.{}" -w '%{http_code}\n' -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$2"
}
control '{"delay_ms":400,"usage":{"prompt_tokens":20,"completion_tokens":980,"total_tokens":1000}}'
many 24 "{\"model\":\"echo\",\"max_tokens\":980,$(user hi)}" >"$D/race"
passed=$(grep -c 200 "$D/race")
check "many at once are not all let in (higress#2464, litellm#34732): $passed of 24" test "$passed" -ge 1 -a "$passed" -le 4
is "the others are over the limit (litellm#34732)" "$(grep -vc '200\|429' "$D/race")" 0
control '{}'
as '{"sub":"lea","team":"leak"}'
control '{"status":500,"times":6}'
for _ in 1 2 3 4 5 6; do chat "{\"model\":\"echo\",\"max_tokens\":900,$(user hi)}"; done
chat "{\"model\":\"echo\",\"max_tokens\":900,$(user hi)}"
is "what failed holds nothing back (litellm#27639, #36926)" "$status" 200
for _ in $(seq 12); do
	timeout 0.05 curl -s -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "{\"model\":\"echo\",\"max_tokens\":1,$(user hi)}" >/dev/null
done
settled
chat "{\"model\":\"echo\",\"max_tokens\":700,$(user hi)}"
is "nor what was given up (litellm#27639)" "$status" 200
used=$(completion '.usage.input_tokens + .usage.output_tokens')
left=$(header x-ratelimit-remaining-tokens)
chat "{\"model\":\"echo\",\"max_tokens\":5,$(user hi)}"
check "counters do not drift: a reservation comes back but for what was used (litellm#30460)" test "$(header x-ratelimit-remaining-tokens)" -gt "$left"
is "which is little" "$used" 2
as '{"sub":"ray","team":"rate"}'
chat "{\"model\":\"echo\",$(user hi)}"; chat "{\"model\":\"echo\",$(user hi)}"
messages "{\"model\":\"echo\",\"max_tokens\":9,$(user hi)}"
is "no other route goes around a limit (bifrost#2873)" "$status" 429
like "a 429 says what is left (agentgateway#1313)" "$(header x-ratelimit-limit-requests) $(header x-ratelimit-remaining-requests) $(header retry-after)" '^2 0 [1-9]'
as '{"sub":"ann"}'
control '{"usage":{"prompt_tokens":500,"completion_tokens":250,"total_tokens":750}}'
chat "{\"model\":\"echo\",\"stream\":true,$(user hi)}"
is "a stream's tokens count once (higress#2187, #1080)" "$(completion '[.usage.input_tokens,.usage.output_tokens]')" '[500,250]'
unlike "and the caller, who has not asked for them, does not see them (higress#1080)" "$body" '"usage":\{'
control '{}'

# ---- cost: nano-dollars; a million tokens of input cost 10 dollars, cached 1, written to a cache 12.5, output 100 ----
EIGHT='one two three four five six seven eight' # of which the model `cached` has four in a cache and writes two
for stream in false true; do
	chat "{\"model\":\"cached\",\"stream\":$stream,$(user "$EIGHT")}"
	is "stream $stream: cached tokens are not dropped (litellm#36083, #36168)" "$(completion .usage.cached_tokens)" 4
	is "nor billed in full (litellm#11789)" "$(completion .cost_nanousd)" $((2 * 10000 + 4 * 1000 + 2 * 12500 + 8 * 100000))
	messages "{\"model\":\"cached\",\"max_tokens\":99,\"stream\":$stream,$(user "$EIGHT")}"
	is "stream $stream: what is written to a cache has its own price (litellm#42663)" "$(completion .cost_nanousd)" $((2 * 10000 + 4 * 1000 + 2 * 12500 + 8 * 100000))
done
for verb in generateContent streamGenerateContent 'streamGenerateContent?alt=sse'; do
	gemini "cached:$verb" "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"$EIGHT\"}]}]}"
	is "$verb: cached tokens count once (litellm#14849)" "$(completion '[.usage.input_tokens,.usage.cached_tokens,.cost_nanousd]')" "[8,4,$((4 * 10000 + 4 * 1000 + 8 * 100000))]"
done

# ---- Redis away ----
again_with 'redis: {deadline: 1s}'
back() { chat "{\"model\":\"echo\",$(user hi)}"; [ "$status" = 200 ]; }
wait_for back
redis=$(pid_of redis)
kill -STOP "$redis"
chat "{\"model\":\"echo\",$(user hi)}"
is "Redis that hangs hangs no request: it is refused (litellm PR#35273)" "$status" 503
# by Redis' deadline: the one of the decision, 18 times as long, and HAProxy's are other codes
like "on time (litellm PR#35273)" "$body" '"quota_unavailable"'
ready() { [ "$(curl -s -o "$D/ready" -w '%{http_code}' "$ADMIN/readyz")" = "$1" ]; }
check "and readiness says so (litellm PR#35273)" wait_for ready 503
kill -CONT "$redis"
check "it is back without a restart (litellm#42653)" wait_for back
as '{"sub":"ray","team":"rate"}'
not_away() { chat "{\"model\":\"echo\",$(user hi)}"; [ "$status" != 503 ]; }
wait_for not_away
is "with what was counted before (litellm#42653, #34733)" "$status" 429
