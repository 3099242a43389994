# /metrics by route, provider, model and decision, and the histograms of stages. Callers cannot fill them with labels:
# unusual model names, more models than the limit, and a reload that renames a route.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
echo 'workers: 1' >"$D/one.yaml"
stack_up --policy "$D/mine.yaml" --config "$D/one.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
scrape() { fetch GET "$ADMIN/metrics" >"$D/metrics"; }
is "without tokens, a scraper may use any host name at admin.tcp" "$(curl -s -o /dev/null -w '%{http_code}' -H 'host: gw.example.com:9464' "$ADMIN/metrics")" 200
value() { awk -v n="tollgate_$1" '$1 == n { print $2; f = 1 } END { if (!f) print 0 }' "$D/metrics"; }
decisions() { value "route_decisions_total{route=\"$1\",provider=\"$2\",model=\"$3\",decision=\"$4\"}"; }

ask gpt-4o hello
ask gpt-4o hello
ask gpt-4o 'write to jane.doe@example.com'
req POST /v1/messages -H "$auth" -H "$json" -d '{"model":"claude-3-5-sonnet-20241022","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
req POST /v1/chat/completions -H "$json" -d '{"model":"gpt-4o","messages":[]}'
req POST /v1/chat/completions -H "$json" -d '{"model":"never-permitted","messages":[]}'
req POST /nowhere
ask jane.doe@example.com hi
ask 'say:my secret words' hi
settled
scrape
is "permitted requests are counted by route, provider and model" "$(decisions chat openai gpt-4o permit)" 2
is "redacted requests are counted" "$(decisions chat openai gpt-4o redact)" 1
is "a denied request has its model's name if the model was permitted before" "$(decisions chat openai gpt-4o deny)" 1
is "another provider's requests are counted separately" "$(decisions messages anthropic claude-3-5-sonnet-20241022 permit)" 1
is "requests without a route are counted" "$(decisions - - - deny)" 1
is "the sum is the number of all decisions" "$(awk '/^tollgate_route_decisions_total/ { a += $NF } /^tollgate_decisions_total/ { b += $NF } END { print a - b, (a > 8) }' "$D/metrics")" "0 1"
is "the tokens of a model are counted" "$(value 'route_tokens_total{route="chat",provider="openai",model="gpt-4o",type="output"}')" "$(awk '/^tollgate_route_tokens_total.*gpt-4o.*output/ { a += $NF } END { print a + 0 }' "$D/metrics")"
check "their sum is the number of all tokens" test "$(awk '/^tollgate_route_tokens_total/ { a += $NF } /^tollgate_tokens_total/ { b += $NF } END { print (a == b && a > 0) }' "$D/metrics")" = 1
unlike "no label contains a text or a model that was never permitted" "$(cat "$D/metrics")" 'jane|secret words|never-permitted'
check "models without a label are counted as other" test "$(awk '/^tollgate_route_decisions_total.*model="other"/ { a += $NF } END { print a + 0 }' "$D/metrics")" -ge 2
is "the limit of labels was not the reason" "$(value labels_over_total)" 0

for stage in match identity read classify policy rewrite quota audit total; do
	check "the time of $stage is measured" test "$(value "stage_seconds_count{stage=\"$stage\"}")" -ge 5
done
# For a relayed request, the audit continues after the decision.
check "buckets grow, end at the count, and the stages before the audit are within the total" python3 - "$D/metrics" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
sums = {}
for stage in re.findall(r'stage_seconds_count\{stage="(\w+)"', text):
    b = [int(v) for v in re.findall(r'stage_seconds_bucket\{stage="%s",le="[^"]*"\} (\d+)' % stage, text)]
    le = re.findall(r'stage_seconds_bucket\{stage="%s",le="([^"]*)"\}' % stage, text)
    n = int(re.search(r'stage_seconds_count\{stage="%s"\} (\d+)' % stage, text)[1])
    sums[stage] = float(re.search(r'stage_seconds_sum\{stage="%s"\} (\S+)' % stage, text)[1])
    assert b == sorted(b) and b[-1] == n and le[-1] == "+Inf" and len(le) == 17, (stage, b, n)
    assert [float(x) for x in le[:-1]] == sorted(float(x) for x in le[:-1]), le
total, audit = sums.pop("total"), sums.pop("audit")
assert sum(sums.values()) <= total + 0.001 and 0 < sum(sums.values()) + audit, (sums, audit, total)
PY
if command -v promtool >/dev/null; then
	promtool check metrics <"$D/metrics" >"$D/prom" 2>&1
	is "promtool reads the metrics without a complaint" "$? $(cat "$D/prom")" "0 "
else
	skip "promtool reads the metrics without a complaint" "no promtool"
fi

# OpenMetrics has the same metrics, for a scraper that requests it. A bucket's exemplar names a request with a trace.
trace=4bf92f3577b34da6a3ce929d0e0e4736
req POST /v1/chat/completions -H "$auth" -H "$json" -H "traceparent: 00-$trace-00f067aa0ba902b7-01" -d '{"model":"gpt-4o","messages":[{"role":"user","content":"traced"}]}'
settled
curl -s -D "$D/head" -H 'accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "$ADMIN/metrics" >"$D/open"
like "OpenMetrics has its content type" "$(cat "$D/head")" 'application/openmetrics-text; version=1.0.0; charset=utf-8'
is "OpenMetrics has its end marker" "$(tail -1 "$D/open")" '# EOF'
like "an exemplar has the trace and the decision" "$(grep 'stage_seconds_bucket{stage="total"' "$D/open")" "# \\{trace_id=\"$trace\",decision_id=\"[0-9A-Z]{26}\"\\} 0\\.[0-9]+ [0-9]+"
scrape
unlike "the text format has neither exemplars nor an end marker" "$(cat "$D/metrics")" "$trace|# EOF"
is "both formats have the same samples" "$(grep -v '^#' "$D/open" | sed 's/[{ ].*//' | sort -u)" "$(grep -v '^#' "$D/metrics" | sed 's/[{ ].*//' | sort -u)"
if command -v prometheus >/dev/null; then
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: t, static_configs: [{targets: ["%s"]}]}]\n' "${ADMIN#http://}" >"$D/prometheus.yml"
	timeout 60 prometheus --config.file="$D/prometheus.yml" --storage.tsdb.path="$D/tsdb" --web.listen-address="127.0.0.1:$port" --enable-feature=exemplar-storage >"$D/prometheus.log" 2>&1 &
	prometheus=$!
	for _ in $(seq 40); do
		curl -s "http://127.0.0.1:$port/api/v1/query_exemplars?query=tollgate_stage_seconds_bucket&start=0&end=9999999999" >"$D/exemplars"
		grep -q "$trace" "$D/exemplars" && break
		sleep 0.5
	done
	like "Prometheus reads OpenMetrics, and returns the exemplar" "$(cat "$D/exemplars")" "$trace"
	is "Prometheus reports the target as up" "$(curl -s "http://127.0.0.1:$port/api/v1/query?query=up" | jq -r '.data.result[0].value[1]')" 1
	kill "$prometheus" && wait "$prometheus"
else
	skip "Prometheus reads OpenMetrics, and returns the exemplar" "no prometheus"
fi

# A body that the relay reads: the steps run twice, for one decision.
before=$(decisions chat openai gpt-4o permit) runs=$(value 'stage_seconds_count{stage="total"}') read=$(value 'stage_seconds_count{stage="read"}')
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'transfer-encoding: chunked' -d '{"model":"gpt-4o","messages":[{"role":"user","content":"in pieces"}]}'
settled
scrape
is "a deferred body counts as one decision" "$(($(decisions chat openai gpt-4o permit) - before))" 1
is "its steps run twice" "$(($(value 'stage_seconds_count{stage="total"}') - runs))" 2
is "its body is inspected once" "$(($(value 'stage_seconds_count{stage="read"}') - read))" 1

# labels of an earlier policy
policy=$(sed -n 's/^policy: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$D/tollgate.yaml")
sed -i 's/name: chat\b/name: talk/' "$policy"
"$B/tollgate" reload -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "a policy with a renamed route is loaded" "$?" 0
ask gpt-4o hello
scrape
is "the new name is counted" "$(decisions talk openai gpt-4o permit)" 1
is "the old name keeps its count" "$(decisions chat openai gpt-4o permit)" 4

# A policy whose rules use no personal data does not search for it.
sed -i '/name: pii,/d' "$policy"
"$B/tollgate" reload -c "$D/tollgate.yaml" >"$D/out" 2>&1
ask jane.doe@example.com hi
is "a model that no rule names is permitted" "$status" 200
scrape
unlike "its name is still no label" "$(cat "$D/metrics")" 'jane'

# more models than the limit of labels
for i in $(seq 140); do
	echo "next"
	echo "url = \"$EDGE/v1/chat/completions\""
	printf 'output = "%s"\nheader = "%s"\nheader = "%s"\ndata = "{\\"model\\":\\"model-%s\\",\\"messages\\":[]}"\n' /dev/null "$auth" "$json" "$i"
done | sed 1d >"$D/many"
curl -s -K "$D/many"
settled
scrape
is "128 models have a label" "$(grep -o 'model="[^"]*"' "$D/metrics" | grep -vE '"(other|-)"' | sort -u | wc -l)" 128
is "a metric counts those beyond the limit" "$(value labels_over_total)" 14
check "they are counted as other" test "$(decisions talk openai other permit)" -ge 15
is "the sum is still the number of all decisions" "$(awk '/^tollgate_route_decisions_total/ { a += $NF } /^tollgate_decisions_total/ { b += $NF } END { print a - b }' "$D/metrics")" 0
exit $failed
