# Defects that users of other gateways reported in public. The name of each check is the correct behavior, with the
# public thread.
# Once: other tests cover the differences between HAProxy's versions.
. "$(dirname "$0")/lib.sh"

clear_of day 120
echo 'workers: 1' >"$D/config.yaml" # one worker: a settlement is visible to the next request
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
# The joined text of a stream.
said() { grep -a '^data: {' <<<"$body" | sed 's/^data: //' | jq -rj '.choices[0].delta.content? // .delta.text? // (if .type == "response.output_text.delta" then .delta else "" end) // ""'; }

# ---- streams ----
for stream in false true; do
	chat "{\"model\":\"echo\",\"stream\":$stream,$(user "pay $CARD, please")}"
	like "stream $stream: a value in a response is replaced (litellm#35257 chat)" "$body" 'CREDIT_CARD'
	unlike "the value is never forwarded (litellm#35257 chat)" "$body" '4111'
	is "the record states that the response was inspected (litellm#35257 chat)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
	messages "{\"model\":\"echo\",\"max_tokens\":99,\"stream\":$stream,$(user "pay $CARD, please")}"
	unlike "stream $stream: the value is not forwarded in another dialect (litellm#35257 messages)" "$body" '4111'
	is "that response was inspected too (litellm#35257 messages)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
	responses "{\"model\":\"echo\",\"stream\":$stream,\"input\":\"pay $CARD, please\"}"
	unlike "stream $stream: the value is not forwarded in a third dialect (litellm#35257 responses)" "$body" '4111'
	is "that response was inspected too (litellm#35257 responses)" "$(completion '[.answer.inspected,.answer.findings[0].entity]')" '[true,"CREDIT_CARD"]'
done
chat "{\"model\":\"echo\",\"stream\":true,$(user "pay $CARD, please, by noon")}"
is "a redacted stream keeps all other text (agentgateway#2956, #3603)" "$(said)" 'pay <CREDIT_CARD>, please, by noon'
like "a redacted stream has its normal end (agentgateway#2956, #3603)" "$body" 'data: \[DONE\]'
chat "{\"model\":\"echo\",\"stream\":false,$(user "about Project Falcon")}"
is "a whole response is denied (aisix#204)" "$status" 403
chat "{\"model\":\"echo\",\"stream\":true,$(user "about Project Falcon")}"
like "a stream is denied with the rule's reason (aisix#204)" "$body" 'not of that project'
unlike "the denied stream contains no part of the text (aisix#204)" "$body" 'Falcon|\[DONE\]'
chat "{\"model\":\"echo\",\"stream\":true,$(user "mail a@example.com,b@example.org; card $CARD. SSN 219-09-9999! ok")}"
is "punctuation between values is kept (litellm PR#42133)" "$(said)" 'mail a@example.com,b@example.org; card <CREDIT_CARD>. SSN <US_SSN>! ok'
unlike "placeholders are restored completely (litellm PR#24291)" "$(said)" 'EMAIL_ADDRESS'
like "the provider received other placeholders (litellm PR#24291)" "$(seen | jq -r '.[0].body')" '<EMAIL_ADDRESS_1>,<EMAIL_ADDRESS_2>'
tool='"tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object","properties":{"text":{"type":"string"}}}}}]'
chat "{\"model\":\"call\",\"stream\":true,$tool,$(user "card $CARD")}"
unlike "streamed arguments of tool calls are inspected (litellm PR#38721)" "$(tr -d '"{}' <<<"$body")" '4111'
like "a value in the arguments is replaced (litellm PR#38721)" "$body" 'CREDIT_CARD'
unlike "no log contains a value (litellm#35951)" "$(cat "$D"/tollgate.log "$D"/haproxy.log "$JOURNAL"/* | tr -d '\0')" '4111 ?1111|[ab]@example|219-09-9999'

# ---- large bodies ----
for kb in 33 64 65 640 1024 2048; do
	{ printf '{"model":"echo","stream":true,%s' '"messages":[{"role":"user","content":"card '"$CARD"' '
	head -c $((kb * 1024)) /dev/zero | tr '\0' 'x'
	printf ' to a@example.com"}]}'; } >"$D/big.json"
	req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/big.json"
	is "a request of $kb KB passes (ai-gateway#827, #1209, #805)" "$status" 200
	unlike "a request of $kb KB is inspected to its end (coraza-spoa#287, #194)" "$(seen | jq -r '.[0].body')" 'example\.com'
	unlike "a response of $kb KB is inspected to its end (coraza-spoa#287)" "$body" '4111'
done
daemon=$(for p in $PIDS; do [ "$(cat /proc/"$p"/comm)" = tollgate ] && echo "$p"; done | head -1)
check "memory use stays below 200 MB (coraza-spoa#97)" test "$(awk '/VmRSS/ { print $2 }' /proc/"$daemon"/status)" -lt 200000
curl -s -o "$D/body" -w '%{http_code}' -m 90 -X PROPFIND -H "$auth" "$EDGE/v1/chat/completions" -d x >"$D/status"
is "an unknown method gets a response at once, and is not forwarded (spoa-bouncer#67)" "$(cat "$D/status")" 404

# ---- faults during a request ----
control '{"status":400,"times":1}'
chat "{\"model\":\"echo\",\"stream\":true,$(user hi)}"
is "a 4xx in place of a stream is forwarded (litellm#26015)" "$status" 400
ticks() { awk '{ print $14 + $15 }' /proc/"$daemon"/stat; }
before=$(ticks)
sleep 1
check "the daemon uses no CPU afterwards (litellm#26015)" test $(($(ticks) - before)) -lt 20
control '{"hold_after_events":4,"times":1}'
forget
: >"$D/stream"
curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "{\"model\":\"echo\",\"stream\":true,$(user 'where the river bends there is an old mill')}" >"$D/stream" &
check "a stream is not buffered: its first word arrives before its last is sent (Kong#14425)" wait_for grep -q where "$D/stream"
release
wait $!
like "the last word arrives too (Kong#14425)" "$(cat "$D/stream")" mill

# ---- audit ----
n() { cat "$JOURNAL"/* | tr -d '\0' | grep -c "\"type\":\"$1\""; }
settled
decisions=$(n decision) completions=$(n completion)
for i in 1 2 3 4 5 6 7 8 9; do chat "{\"model\":\"echo\",$(user "$i")}"; done
settled
is "nine requests have nine records (litellm#13280)" "$(($(n decision) - decisions)) $(($(n completion) - completions))" '9 9'
gemini echo:streamGenerateContent '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
is "each dialect's usage is recorded (litellm#36426)" "$(completion '[.route,.usage.input_tokens]')" '["gemini",1]'

# ---- budgets ----
as '{"sub":"rae","team":"race"}'
many() { # N BODY: prints the statuses of N concurrent requests
	seq "$1" | xargs -P "$1" -I{} curl -s -m 90 -o "$D/many.{}" -w '%{http_code}\n' -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$2"
}
control '{"delay_ms":400,"usage":{"prompt_tokens":20,"completion_tokens":980,"total_tokens":1000}}'
many 24 "{\"model\":\"echo\",\"max_tokens\":980,$(user hi)}" >"$D/race"
passed=$(grep -c 200 "$D/race")
check "concurrent requests cannot exceed a limit (higress#2464, litellm#34732): $passed of 24" test "$passed" -ge 1 -a "$passed" -le 4
is "the other requests get 429 (litellm#34732)" "$(grep -vc '200\|429' "$D/race")" 0
control '{}'
as '{"sub":"lea","team":"leak"}'
control '{"status":500,"times":6}'
for _ in 1 2 3 4 5 6; do chat "{\"model\":\"echo\",\"max_tokens\":900,$(user hi)}"; done
chat "{\"model\":\"echo\",\"max_tokens\":900,$(user hi)}"
is "failed requests keep no reservation (litellm#27639, #36926)" "$status" 200
for _ in $(seq 12); do
	timeout 0.05 curl -s -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "{\"model\":\"echo\",\"max_tokens\":1,$(user hi)}" >/dev/null
done
settled
chat "{\"model\":\"echo\",\"max_tokens\":700,$(user hi)}"
is "canceled requests keep no reservation (litellm#27639)" "$status" 200
used=$(completion '.usage.input_tokens + .usage.output_tokens')
left=$(header x-ratelimit-remaining-tokens)
chat "{\"model\":\"echo\",\"max_tokens\":5,$(user hi)}"
check "counters do not drift: a settled reservation is released (litellm#30460)" test "$(header x-ratelimit-remaining-tokens)" -gt "$left"
is "only the usage is counted (litellm#30460)" "$used" 2
as '{"sub":"sam","team":"stop"}'
for n in 1 2 3 4 5 6; do
	control '{"hold_after_events":12,"times":1}'
	: >"$D/stream"
	curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "{\"model\":\"echo\",\"max_tokens\":32000,\"stream\":true,$(user 'where the river bends there is an old mill and a garden with apple trees')}" >"$D/stream" &
	wait_for grep -q mill "$D/stream"
	kill $!
	wait $! 2>/dev/null
done
release
settled
control '{}'
chat "{\"model\":\"echo\",\"max_tokens\":32000,$(user hi)}"
is "after six stops of a caller with the cap of a current model, the seventh request passes (litellm#27639)" "$status" 200
left=$(header x-ratelimit-remaining-tokens)
check "a stopped stream is charged what it can have used, not its cap: $left of 200000 tokens are left" test "$left" -gt 160000 -a "$left" -lt 199900
like "usage has the tokens that were charged" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person --since 1h --json | jq -c '.rows[] | select(.person == "sam") | [.unknown_usage, .estimated_output_tokens > 60]')" '^\[6,true\]'
as '{"sub":"ray","team":"rate"}'
chat "{\"model\":\"echo\",$(user hi)}"; chat "{\"model\":\"echo\",$(user hi)}"
messages "{\"model\":\"echo\",\"max_tokens\":9,$(user hi)}"
is "another route does not avoid a limit (bifrost#2873)" "$status" 429
like "a 429 states limit and remainder (agentgateway#1313)" "$(header x-ratelimit-limit-requests) $(header x-ratelimit-remaining-requests) $(header retry-after)" '^2 0 [1-9]'
as '{"sub":"ann"}'
control '{"usage":{"prompt_tokens":500,"completion_tokens":250,"total_tokens":750}}'
chat "{\"model\":\"echo\",\"stream\":true,$(user hi)}"
is "a stream's tokens are counted once (higress#2187, #1080)" "$(completion '[.usage.input_tokens,.usage.output_tokens]')" '[500,250]'
unlike "a caller that did not ask for usage gets none (higress#1080)" "$body" '"usage":\{'
control '{}'

# ---- cost in nano-dollars; a million input tokens cost 10 dollars, cached 1, written to a cache 12.5, output 100
# ----
EIGHT='one two three four five six seven eight' # the model `cached` has four of these words in a cache, and writes two
for stream in false true; do
	chat "{\"model\":\"cached\",\"stream\":$stream,$(user "$EIGHT")}"
	is "stream $stream: cached tokens are recorded (litellm#36083, #36168)" "$(completion .usage.cached_tokens)" 4
	is "cached tokens have their own price (litellm#11789)" "$(completion .cost_nanousd)" $((2 * 10000 + 4 * 1000 + 2 * 12500 + 8 * 100000))
	messages "{\"model\":\"cached\",\"max_tokens\":99,\"stream\":$stream,$(user "$EIGHT")}"
	is "stream $stream: tokens written to a cache have their own price (litellm#42663)" "$(completion .cost_nanousd)" $((2 * 10000 + 4 * 1000 + 2 * 12500 + 8 * 100000))
done
for verb in generateContent streamGenerateContent 'streamGenerateContent?alt=sse'; do
	gemini "cached:$verb" "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"$EIGHT\"}]}]}"
	is "$verb: cached tokens count once (litellm#14849)" "$(completion '[.usage.input_tokens,.usage.cached_tokens,.cost_nanousd]')" "[8,4,$((4 * 10000 + 4 * 1000 + 8 * 100000))]"
done

# ---- Redis is unreachable ----
again_with 'redis: {deadline: 1s}'
back() { chat "{\"model\":\"echo\",$(user hi)}"; [ "$status" = 200 ]; }
wait_for back
redis=$(pid_of redis)
kill -STOP "$redis"
chat "{\"model\":\"echo\",$(user hi)}"
is "a Redis that hangs does not delay requests: they are refused (litellm PR#35273)" "$status" 503
# The code is that of Redis' deadline. The deadlines of the decision (18 times as long) and of HAProxy have other
# codes.
like "the refusal comes at Redis' deadline (litellm PR#35273)" "$body" '"quota_unavailable"'
ready() { [ "$(curl -s -o "$D/ready" -w '%{http_code}' "$ADMIN/readyz")" = "$1" ]; }
check "readyz reports it (litellm PR#35273)" wait_for ready 503
kill -CONT "$redis"
check "requests pass again without a restart (litellm#42653)" wait_for back
as '{"sub":"ray","team":"rate"}'
not_away() { chat "{\"model\":\"echo\",$(user hi)}"; [ "$status" != 503 ]; }
wait_for not_away
is "earlier requests still count (litellm#42653, #34733)" "$status" 429
