# What providers do, as the operator sees it: their statuses and failures, how soon they answer,
# what is under way; in status, top, the log, /metrics and audit list --outcome.
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
is "an answer" "$status $(answers 200)" "200 1"
unlike "is no error" "$(tg_status)" 'last error'
is "nor in the list" "$(tg audit list --outcome error; wc -l <"$D/out")" 0

while IFS='|' read -r answer stream expect says; do
	control "$answer"
	ask "$stream"
	id=$(header x-tollgate-id)
	[ -n "$id" ] || id=$(sed -n 's/.*\b\(01[0-9A-Z]\{24\}\)\b.*/\1/p' <<<"$body" | head -1)
	control '{}'
	settled
	is "$expect is counted by provider" "$(answers "$expect")" 1
	check "one log line says what it means: $says" grep -qE "event=provider.failing provider=openai status=$expect means=\"[^\"]*$says" "$D/tollgate.log"
	like "status says it is the last error" "$(tg_status)" "^provider openai: .*; last error $expect at 20[-0-9T:.]+Z: .*$says"
	tg audit list --outcome error
	is "the list has it" "$(grep -c . "$D/out")" $((++errors))
	tg top --json
	is "top, too" "$(grep -o "\"answer\": *\"$expect\"" "$D/out" | wc -l)" 1
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
{"body":"{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}","content_type":"application/json","times":1}||error_in_answer|with the status of a success
T
control '{"status":418,"times":1}'
ask
settled
is "a caller's mistake is counted" "$(answers 418)" 1
unlike "and is no fault of the provider's" "$(grep provider.failing "$D/tollgate.log")" 'status=418'
ask
settled
like "an answer after it is said" "$(tg_status)" '^provider openai: .*; a response has succeeded since$'
control '{"status":401,"times":3}'
for _ in 1 2 3; do ask; done
control '{}'
settled
is "each is counted" "$(answers 401)" 4
# One list of what is wrong: /readyz, status, /now; a success ends it.
wrong() { curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/readyz" | grep '^degraded: '; }
check "readyz says it" wait_for says '^degraded: providers: openai returns 401: the provider rejects the key' wrong
like "so does status" "$("$B/tollgate" status -c "$D/tollgate.yaml")" 'degraded: providers: openai returns 401'
check "and the log is not full of them" test "$(grep -c 'event=provider.failing.*status=401' "$D/tollgate.log")" -le 2

tg audit list --outcome 401
is "by status" "$(wc -l <"$D/out")" 4
like "with who, where and which" "$(cat "$D/out")" '^20[-0-9T:.]+Z complete +401 alice chat openai m - 01[0-9A-Z]+$'
tg audit list --outcome 402,5xx
is "by several, and classes" "$(awk '{ print $3 }' "$D/out" | sort | tr '\n' ' ')" "402 500 502 503 529 "
tg audit list --outcome provider_aborted,error_in_answer
is "and by the words of the metrics" "$(wc -l <"$D/out")" 2
tg audit list --outcome provider_abort
like "by how it ended" "$(cat "$D/out")" ' provider_abort 200 alice chat openai m the_provider_closed_before_the_end_of_its_response '
tg audit list --outcome 401 --person nobody
is "of a person" "$(wc -l <"$D/out")" 0
tg audit list --outcome 401 --json --route chat --since 1h
is "as records" "$(grep -c '"type":"completion".*"status":401' "$D/out")" 4
for bad in nope 40 4x x 401, ,401 600 ''; do
	tg audit list --outcome "$bad"
	is "no outcome: '$bad'" "$? $(cut -d: -f1-3 "$D/err")" "2 tollgate: audit list: --outcome"
done
for bad in DROP defer denied ''; do
	tg audit list --decision "$bad"
	is "no decision: '$bad'" "$? $(cut -c1-100 "$D/err")" "2 tollgate: audit list: --decision: $bad: give permit, redact, deny or observed"
done
tg audit list --outcome error --decision permit
is "the two are of different records" "$?" 2

# ---- how soon ----
control '{"delay_ms":700,"times":1}'
ask ',"stream":true'
control '{}'
settled
check "the time to the first byte is a histogram" test "$(metric 'provider_first_byte_seconds_bucket{provider="openai",kind="streamed",le="0.5"}')" -lt "$(metric 'provider_first_byte_seconds_count{provider="openai",kind="streamed"}')"
check "so is the time to the first token" test "$(metric 'provider_first_token_seconds_bucket{provider="openai",le="0.5"}')" -lt "$(metric 'provider_first_token_seconds_count{provider="openai"}')"
check "and the total time" test "$(metric 'provider_total_seconds_bucket{provider="openai",kind="streamed",le="0.5"}')" -lt "$(metric 'provider_total_seconds_count{provider="openai",kind="streamed"}')"
like "status says the longest" "$(tg_status)" '^provider openai: .*, first byte after ([1-9][0-9]*\.[0-9]{3}|0\.[7-9][0-9]{2}) s at most in the last two minutes'

# ---- under way ----
control '{"delay_ms":3000,"times":2}'
for _ in 1 2; do
	curl -s -o /dev/null "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -d '{"model":"slow","messages":[]}' &
	slow+=($!)
done
two() { [ "$(metric 'provider_requests_in_flight{provider="openai"}')" = 2 ]; }
check "two are under way there" wait_for two
like "status says so" "$(tg_status)" '^provider openai: 2 in progress'
in_all() { grep -qE '^[2-9] requests in progress$' <<<"$(tg_status)"; }
check "and how many in all" wait_for in_all # workers say it every 50 ms
tg top --json
is "top shows which" "$(grep -o '"answer": *"under way"' "$D/out" | wc -l)" 2
kill "${slow[0]}"
one() { [ "$(metric 'provider_requests_in_flight{provider="openai"}')" = 1 ]; }
check "a client that goes away ends its own" wait_for one
tg top --json
like "which top says" "$(cat "$D/out")" '"answer": *"client_abort"'
wait "${slow[1]}"
control '{}'
settled
is "none is left" "$(metric 'provider_requests_in_flight{provider="openai"}')" 0

killed mockllm
ask
settled
like "a provider that is gone" "$status $(answers provider_unavailable)" '^50[234] [1-9]'
like "is told so" "$body" 'the provider could not be reached \(decision'
tg audit list --outcome never_sent
like "and nothing was sent there" "$(tail -n 1 "$D/out")" ' never_sent +503 alice chat openai m '
exit $failed
