# A collector receives metrics and traces by OTLP, with the fields of opentelemetry-proto (otlp.mjs checks them). Its
# responses never affect a request, and are counted. No text and no person is sent.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "a collector" "node is not installed"; exit 0; }
C=$D/collector
mkdir -p "$C"
node "$here/otlp.mjs" "$C" >"$D/port" 2>"$D/collector.log" &
collector=$!
wait_for test -s "$D/port"
printf '# of the collector\nx-key: s3cr3t-one\n' >"$D/headers"
chmod 600 "$D/headers"
cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
cat >"$D/one.yaml" <<YAML
workers: 1
telemetry: {otlp: {url: "http://127.0.0.1:$(<"$D/port")/in/", headers_file: "$D/headers", ratio: 1, metrics_every: 1s}}
YAML
stack_up --policy "$D/mine.yaml" --config "$D/one.yaml"
note_pid $collector collector
auth="authorization: Bearer $(token)"
json='content-type: application/json'
trace=4bf92f3577b34da6a3ce929d0e0e4736
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" "${@:2}" -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
mode() { echo "$1" >"$C/mode"; }
scrape() { fetch GET "$ADMIN/metrics" >"$D/metrics"; }
value() { awk -v n="tollgate_telemetry_$1_total{result=\"$2\"}" '$1 == n { print $2; f = 1 } END { if (!f) print 0 }' "$D/metrics"; }
counted() { scrape; [ "$(value "$1" "$2")" -ge "$3" ]; }
spans() { cat "$C"/traces.[0-9]* 2>/dev/null | jq -c '.resourceSpans[].scopeSpans[].spans[]'; }
attr() { jq -r --arg k "$1" '.attributes[] | select(.key == $k) | .value | (.stringValue // .intValue // .doubleValue)'; }
has_span() { [ -n "$(spans | jq -c "select($1)")" ]; }

# ---- spans ----
ask 'my secret plan for jane.doe@example.com' -H "traceparent: 00-$trace-00f067aa0ba902b7-01"
ask 'not sampled by its caller' -H "traceparent: 00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-00"
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'transfer-encoding: chunked' -d '{"model":"gpt-4o","messages":[{"role":"user","content":"in pieces"}]}'
req POST /v1/chat/completions -H "$json" -d '{"model":"gpt-4o","messages":[]}'
settled
wait_for has_span ".traceId == \"$trace\" and .kind == 3"
check "the caller's trace has a decision and an attempt" test "$(spans | jq -c "select(.traceId == \"$trace\")" | wc -l)" -ge 2
decision=$(spans | jq -c "select(.traceId == \"$trace\" and .kind == 2)")
is "the decision's parent is the caller's span" "$(jq -r .parentSpanId <<<"$decision")" 00f067aa0ba902b7
is "the attempt's parent is the decision" "$(spans | jq -r "select(.traceId == \"$trace\" and .kind == 3) | .parentSpanId")" "$(jq -r .spanId <<<"$decision")"
like "the stages are events of the decision" "$(jq -r '.events[].name' <<<"$decision" | tr '\n' ' ')" 'stage match .*stage policy .*stage audit'
id=$(attr tollgate.decision.id <<<"$decision")
check "the decision's id is in the record" "$build/tollgate" audit show "$id" -c "$D/tollgate.yaml" >/dev/null
attempt=$(spans | jq -c "select(.traceId == \"$trace\" and .kind == 3)")
is "an attempt has provider, operation and model" "$(for k in gen_ai.provider.name gen_ai.operation.name gen_ai.request.model http.response.status_code; do attr $k <<<"$attempt"; done | tr '\n' ' ')" "openai chat gpt-4o 200 "
check "an attempt has tokens" test "$(attr gen_ai.usage.input_tokens <<<"$attempt")" -gt 0
unlike "a trace that its caller did not sample is not sent" "$(spans)" aaaaaaaaaaaaaaaa
denied() { has_span '.attributes[] | select(.key == "tollgate.decision" and .value.stringValue == "deny")'; }
check "a denial without a trace has a trace of its own" wait_for denied
unlike "no span contains a text, a person or a credential" "$(cat "$C"/traces.* "$C"/metrics.* 2>/dev/null)" 'secret plan|jane|alice|in pieces|s3cr3t'

# ---- metrics ----
points() { jq -c '.resourceMetrics[].scopeMetrics[].metrics[]' "$(ls -v "$C"/metrics.[0-9]* | tail -1)"; }
gen_ai() { [ -n "$(points | jq -c 'select(.name == "gen_ai.client.operation.duration")')" ]; }
check "GenAI metrics are sent" wait_for gen_ai
like "all four GenAI metrics with values are sent" "$(points | jq -r .name | sort -u | tr '\n' ' ')" 'gen_ai.client.operation.duration gen_ai.client.token.usage.*tollgate.decisions .*tollgate.stage '
same() {
	scrape
	sleep 1.5
	points >"$D/points"
	[ "$(jq -r 'select(.name == "tollgate.decisions") | .sum.dataPoints[] | select(.attributes[0].value.stringValue == "deny") | .asInt' "$D/points")" = "$(awk '/^tollgate_decisions_total{decision="deny"}/ { print $2 }' "$D/metrics")" ]
}
check "a counter equals that of /metrics" wait_for same
scrape
# the admin server adds a metric of its own to its page
is "each family of /metrics is sent, except that one" "$(awk '/^# TYPE/ { f = $3; t = $4 } !/^#/ && f { sub(/^tollgate_/, "", f); if (t == "counter") sub(/_total$/, "", f); sub(/_(seconds|bytes|ratio)$/, "", f); print "tollgate." f; f = "" }' "$D/metrics" | sort -u | grep -vx tollgate.admin_sessions)" "$(jq -r .name "$D/points" | grep ^tollgate | sort -u)"
like "an exemplar has the trace" "$(jq -c 'select(.name == "tollgate.stage") | .histogram.dataPoints[].exemplars[]?' "$D/points")" "$trace"
is "otlp.mjs found no error" "$(cat "$C/wrong" 2>/dev/null)" ""
like "the collector's key is sent" "$(cat "$C/log")" 'POST /in/v1/traces ok plain s3cr3t-one'
printf 'x-key: s3cr3t-two\n' >"$D/headers.new"
chmod 600 "$D/headers.new"
mv "$D/headers.new" "$D/headers"
rotated() { grep -q s3cr3t-two "$C/log"; }
check "a changed key is used without a restart" wait_for rotated

# ---- failing collectors ----
for row in 'refuse refused' 'html unread' 'garbage unread' 'redirect refused' 'huge unread' 'partial rejected'; do
	read -r how result <<<"$row"
	scrape
	before=$(value spans "$result")
	mode "$how"
	ask "while the collector is $how"
	is "$how: a request is not affected" "$status" 200
	settled
	check "$how: counted as $result" wait_for counted spans "$result" $((before + 1))
done
is "a redirect is not followed" "$(grep -c elsewhere "$C/log")" 0
mode busy
ask "while it is busy"
settled
n=$(cat "$C"/traces.[0-9]* | wc -c)
asked() { [ "$(grep -c 'v1/traces busy' "$C/log")" -ge 2 ]; }
check "busy: the daemon sends it again" wait_for asked
mode empty
more() { [ "$(cat "$C"/traces.[0-9]* | wc -c)" -gt "$n" ]; }
check "the collector accepts it then, with an empty response" wait_for more
mode later
later() { grep -q 'v1/metrics later' "$C/log"; }
check "later: metrics are not sent for a while" wait_for later
sleep 3
is "they are not sent earlier, although each second has new values" "$(grep -c 'v1/metrics later' "$C/log")" 1
mode hang
ask "while it hangs"
is "hang: a request is not affected" "$status" 200
settled
like "the failure is logged at most four times" "$(grep -c 'telemetry.failing' "$D/tollgate.log")" '^[1-4]$'
unlike "the log does not contain the key" "$(cat "$D/tollgate.log")" 's3cr3t'
start=$EPOCHREALTIME
kill -TERM "$(pgrep -f "tollgate serve -c $D/tollgate.yaml")"
gone() { ! pgrep -f "tollgate serve -c $D/tollgate.yaml" >/dev/null; }
check "the daemon stops although the collector hangs" wait_for gone
echo "# stopped after $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"
is "finally otlp.mjs found no error" "$(cat "$C/wrong" 2>/dev/null)" ""
