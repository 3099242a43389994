# Provider errors as an operator sees them: statuses and failures, latencies, requests in flight. In status, top, the
# log, /metrics and audit list --outcome.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
stack_up --policy "$D/mine.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
tg_status() { tg status; cat "$D/out"; }
auth="authorization: Bearer $(token)"
errors=0
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]${1:-}}"; }
answers() { metric "provider_answers_total{provider=\"openai\",status=\"$1\"}"; }

ask
settled
is "a successful response is counted" "$status $(answers 200)" "200 1"
unlike "it is no error" "$(tg_status)" 'last error'
is "the list of errors is empty" "$(tg audit list --outcome error; wc -l <"$D/out")" 0

while IFS='|' read -r answer stream expect says; do
	control "$answer"
	ask "$stream"
	id=$(header x-tollgate-id)
	[ -n "$id" ] || id=$(sed -n 's/.*\b\(01[0-9A-Z]\{24\}\)\b.*/\1/p' <<<"$body" | head -1)
	control '{}'
	settled
	is "$expect is counted by provider" "$(answers "$expect")" 1
	check "a log line explains it: $says" grep -qE "event=provider.failing provider=openai status=$expect means=\"[^\"]*$says" "$D/tollgate.log"
	like "status has it as the last error" "$(tg_status)" "^provider openai: .*; last error $expect at 20[-0-9T:.]+Z: .*$says"
	tg audit list --outcome error
	is "audit list has it" "$(grep -c . "$D/out")" $((++errors))
	tg top --json
	is "top has it" "$(grep -o "\"answer\": *\"$expect\"" "$D/out" | wc -l)" 1
done <<'T'
{"status":401,"times":1}||401|rejects the key
{"status":402,"times":1}||402|no credit left
{"status":403,"times":1}||403|does not permit the request
{"status":429,"times":1}||429|limits the rate
{"status":500,"times":1}||500|the provider has a server error
{"status":502,"times":1}|,"stream":true|502|the provider has a server error
{"status":503,"times":1}||503|the provider has a server error
{"status":529,"times":1}||529|overloaded
{"cut_after_bytes":40,"times":1}||provider_aborted|closes the connection before
{"body":"{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}","content_type":"application/json","times":1}||error_in_answer|has a success status
T
control '{"status":418,"times":1}'
ask
settled
is "an error of the caller is counted" "$(answers 418)" 1
unlike "it is no failure of the provider" "$(grep provider.failing "$D/tollgate.log")" 'status=418'
ask
settled
like "status reports a later success" "$(tg_status)" '^provider openai: .*; a response has succeeded since$'
control '{"status":401,"times":3}'
for _ in 1 2 3; do ask; done
control '{}'
settled
is "each error is counted" "$(answers 401)" 4
# /readyz, status and /now report the same failures; a success ends them.
wrong() { curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/readyz" | grep '^degraded: '; }
check "readyz reports the failure" wait_for says '^degraded: providers: openai returns 401: the provider rejects the key' wrong
like "status reports the failure" "$("$B/tollgate" status -c "$D/tollgate.yaml")" 'degraded: providers: openai returns 401'
check "the log has few lines about it" test "$(grep -c 'event=provider.failing.*status=401' "$D/tollgate.log")" -le 2

tg audit list --outcome 401
is "audit list selects by status" "$(wc -l <"$D/out")" 4
like "a line has person, route, provider and model" "$(cat "$D/out")" '^20[-0-9T:.]+Z complete +401 alice chat openai m - 01[0-9A-Z]+$'
tg audit list --outcome 402,5xx
is "audit list selects by several statuses and classes" "$(awk '{ print $3 }' "$D/out" | sort | tr '\n' ' ')" "402 500 502 503 529 "
tg audit list --outcome provider_aborted,error_in_answer
is "audit list selects by the names of the metrics" "$(wc -l <"$D/out")" 2
tg audit list --outcome provider_abort
like "audit list selects by outcome" "$(cat "$D/out")" ' provider_abort 200 alice chat openai m the_provider_closed_before_the_end_of_its_response '
tg audit list --outcome 401 --person nobody
is "audit list selects by person too" "$(wc -l <"$D/out")" 0
tg audit list --outcome 401 --json --route chat --since 1h
is "--json prints records" "$(grep -c '"type":"completion".*"status":401' "$D/out")" 4
for bad in nope 40 4x x 401, ,401 600 ''; do
	tg audit list --outcome "$bad"
	is "an invalid outcome is refused: '$bad'" "$? $(cut -d: -f1-3 "$D/err")" "2 tollgate: audit list: --outcome"
done
for bad in DROP defer denied ''; do
	tg audit list --decision "$bad"
	is "an invalid decision is refused: '$bad'" "$? $(cut -c1-100 "$D/err")" "2 tollgate: audit list: --decision: $bad: give permit, redact, deny or observed"
done
tg audit list --outcome error --decision permit
is "--outcome and --decision cannot be combined" "$?" 2

# ---- latencies ----
control '{"delay_ms":700,"times":1}'
ask ',"stream":true'
control '{}'
settled
check "the time to the first byte is a histogram" test "$(metric 'provider_first_byte_seconds_bucket{provider="openai",kind="streamed",le="0.5"}')" -lt "$(metric 'provider_first_byte_seconds_count{provider="openai",kind="streamed"}')"
check "the time to the first token is a histogram" test "$(metric 'provider_first_token_seconds_bucket{provider="openai",le="0.5"}')" -lt "$(metric 'provider_first_token_seconds_count{provider="openai"}')"
check "the total time is a histogram" test "$(metric 'provider_total_seconds_bucket{provider="openai",kind="streamed",le="0.5"}')" -lt "$(metric 'provider_total_seconds_count{provider="openai",kind="streamed"}')"
like "status has the longest time" "$(tg_status)" '^provider openai: .*, first byte after ([1-9][0-9]*\.[0-9]{3}|0\.[7-9][0-9]{2}) s at most in the last two minutes'

# ---- requests in flight ----
control '{"delay_ms":3000,"times":2}'
for _ in 1 2; do
	curl -s -o /dev/null "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -d '{"model":"slow","messages":[]}' &
	slow+=($!)
done
two() { [ "$(metric 'provider_requests_in_flight{provider="openai"}')" = 2 ]; }
check "two requests are in flight" wait_for two
like "status has their number" "$(tg_status)" '^provider openai: 2 in progress'
in_all() { grep -qE "^[2-9] requests in progress, 2 wait for a provider's response, the oldest [0-9]+ s for openai/slow, route [a-z-]+, id [0-9A-Z]{26}\$" <<<"$(tg_status)"; }
check "status has the total number, and the oldest of those that wait for the provider" wait_for in_all # workers report it every 50 ms
tg top --json
is "top has both, the oldest first" "$(jq -c '.awaited | [.requests, (.oldest | length), (.oldest[0].seconds >= .oldest[1].seconds), .oldest[0].provider]' "$D/out")" '[2,2,true,"openai"]'
is "top shows which are in flight" "$(grep -o '"answer": *"under way"' "$D/out" | wc -l)" 2
kill "${slow[0]}"
one() { [ "$(metric 'provider_requests_in_flight{provider="openai"}')" = 1 ]; }
check "a client that disconnects ends its request" wait_for one
tg top --json
like "top shows the canceled request" "$(cat "$D/out")" '"answer": *"client_abort"'
wait "${slow[1]}"
control '{}'
settled
tg top --json
is "afterwards none waits" "$(jq -c '.awaited' "$D/out")" '{"requests":0,"oldest":[]}'
is "afterwards none is in flight" "$(metric 'provider_requests_in_flight{provider="openai"}')" 0

killed mockllm
ask
settled
like "a provider that is unreachable is counted" "$status $(answers provider_unavailable)" '^50[234] [1-9]'
like "the error explains it" "$body" 'the provider could not be reached \(decision'
tg audit list --outcome never_sent
like "audit list has never_sent" "$(tail -n 1 "$D/out")" ' never_sent +503 alice chat openai m '
exit $failed
