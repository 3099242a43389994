# /metrics by route, provider, model and decision, the stages' histograms, and what callers
# can do to them: names that are no names, more models than there is room for, a reload that
# renames routes.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
echo 'workers: 1' >"$D/one.yaml"
stack_up --policy "$D/mine.yaml" --config "$D/one.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
scrape() { fetch GET "$ADMIN/metrics" >"$D/metrics"; }
is "a scraper may call admin.tcp by any name, where there are no tokens" "$(curl -s -o /dev/null -w '%{http_code}' -H 'host: gw.example.com:9464' "$ADMIN/metrics")" 200
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
is "permitted, by route, provider and model" "$(decisions chat openai gpt-4o permit)" 2
is "redacted" "$(decisions chat openai gpt-4o redact)" 1
is "denied, with a model that was permitted before" "$(decisions chat openai gpt-4o deny)" 1
is "another provider's" "$(decisions messages anthropic claude-3-5-sonnet-20241022 permit)" 1
is "no route" "$(decisions - - - deny)" 1
is "their sum is that of all decisions" "$(awk '/^tollgate_route_decisions_total/ { a += $NF } /^tollgate_decisions_total/ { b += $NF } END { print a - b, (a > 8) }' "$D/metrics")" "0 1"
is "tokens of a model" "$(value 'route_tokens_total{route="chat",provider="openai",model="gpt-4o",type="output"}')" "$(awk '/^tollgate_route_tokens_total.*gpt-4o.*output/ { a += $NF } END { print a + 0 }' "$D/metrics")"
check "and all of them are the provider's" test "$(awk '/^tollgate_route_tokens_total/ { a += $NF } /^tollgate_tokens_total/ { b += $NF } END { print (a == b && a > 0) }' "$D/metrics")" = 1
unlike "no name that is text, and none that was only tried" "$(cat "$D/metrics")" 'jane|secret words|never-permitted'
check "they are other" test "$(awk '/^tollgate_route_decisions_total.*model="other"/ { a += $NF } END { print a + 0 }' "$D/metrics")" -ge 2
is "which is not for want of room" "$(value labels_over_total)" 0

for stage in match identity read classify policy rewrite quota audit total; do
	check "time of $stage" test "$(value "stage_seconds_count{stage=\"$stage\"}")" -ge 5
done
# The audit of what the relay carries goes on after the decision.
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
	is "promtool can read all of it, and has nothing to say of it" "$? $(cat "$D/prom")" "0 "
else
	skip "promtool can read all of it, and has nothing to say of it" "no promtool"
fi

# OpenMetrics is the same list, for who asks for it; a request with a trace is found from a bucket
trace=4bf92f3577b34da6a3ce929d0e0e4736
req POST /v1/chat/completions -H "$auth" -H "$json" -H "traceparent: 00-$trace-00f067aa0ba902b7-01" -d '{"model":"gpt-4o","messages":[{"role":"user","content":"traced"}]}'
settled
curl -s -D "$D/head" -H 'accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "$ADMIN/metrics" >"$D/open"
like "OpenMetrics has its type" "$(cat "$D/head")" 'application/openmetrics-text; version=1.0.0; charset=utf-8'
is "and its end" "$(tail -1 "$D/open")" '# EOF'
like "an exemplar has trace and decision" "$(grep 'stage_seconds_bucket{stage="total"' "$D/open")" "# \\{trace_id=\"$trace\",decision_id=\"[0-9A-Z]{26}\"\\} 0\\.[0-9]+ [0-9]+"
scrape
unlike "the text format has none" "$(cat "$D/metrics")" "$trace|# EOF"
is "and the same samples" "$(grep -v '^#' "$D/open" | sed 's/[{ ].*//' | sort -u)" "$(grep -v '^#' "$D/metrics" | sed 's/[{ ].*//' | sort -u)"
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
	like "Prometheus takes it, and shows the exemplar" "$(cat "$D/exemplars")" "$trace"
	is "and calls the target up" "$(curl -s "http://127.0.0.1:$port/api/v1/query?query=up" | jq -r '.data.result[0].value[1]')" 1
	kill "$prometheus" && wait "$prometheus"
else
	skip "Prometheus takes it, and shows the exemplar" "no prometheus"
fi

# a body that the relay reads: two runs, one decision
before=$(decisions chat openai gpt-4o permit) runs=$(value 'stage_seconds_count{stage="total"}') read=$(value 'stage_seconds_count{stage="read"}')
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'transfer-encoding: chunked' -d '{"model":"gpt-4o","messages":[{"role":"user","content":"in pieces"}]}'
settled
scrape
is "a deferred body is one decision" "$(($(decisions chat openai gpt-4o permit) - before))" 1
is "of two runs" "$(($(value 'stage_seconds_count{stage="total"}') - runs))" 2
is "and is read once" "$(($(value 'stage_seconds_count{stage="read"}') - read))" 1

# names that the policy no longer has
policy=$(sed -n 's/^policy: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$D/tollgate.yaml")
sed -i 's/name: chat\b/name: talk/' "$policy"
"$B/tollgate" reload -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "reloaded with a route renamed" "$?" 0
ask gpt-4o hello
scrape
is "the new name counts" "$(decisions talk openai gpt-4o permit)" 1
is "the old one stays as it was" "$(decisions chat openai gpt-4o permit)" 4

# a policy that does not mind personal data does not search for it
sed -i '/name: pii,/d' "$policy"
"$B/tollgate" reload -c "$D/tollgate.yaml" >"$D/out" 2>&1
ask jane.doe@example.com hi
is "a model that no rule minds is permitted" "$status" 200
scrape
unlike "and no label all the same" "$(cat "$D/metrics")" 'jane'

# more models than there is room for
for i in $(seq 140); do
	echo "next"
	echo "url = \"$EDGE/v1/chat/completions\""
	printf 'output = "%s"\nheader = "%s"\nheader = "%s"\ndata = "{\\"model\\":\\"model-%s\\",\\"messages\\":[]}"\n' /dev/null "$auth" "$json" "$i"
done | sed 1d >"$D/many"
curl -s -K "$D/many"
settled
scrape
is "128 models have a name" "$(grep -o 'model="[^"]*"' "$D/metrics" | grep -vE '"(other|-)"' | sort -u | wc -l)" 128
is "and those beyond are counted" "$(value labels_over_total)" 14
check "as other" test "$(decisions talk openai other permit)" -ge 15
is "the sum still holds" "$(awk '/^tollgate_route_decisions_total/ { a += $NF } /^tollgate_decisions_total/ { b += $NF } END { print a - b }' "$D/metrics")" 0
exit $failed
