# What make docker-test does for real is held together here: every metric that the alerts and
# the dashboard name is one that /metrics has; compose and the Kubernetes example agree.
. "$(dirname "$0")/lib.sh"

stack_up
# one permitted, so that there is a series of each
req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
sleep 0.3
curl -s "$ADMIN/metrics" >"$D/metrics"
cat >"$D/queries.py" <<'PY'
# Names, labels and their values in queries that /metrics has not, a line each; then how many
# queries were looked at.
import json, re, sys
have, file = open(sys.argv[1]).read(), sys.argv[2]
labels = {}  # metric: {label: values}
for name, inside in re.findall(r'^(tollgate_\w+)(?:\{(.*)\})? \S+$', have, re.M):
    of = labels.setdefault(name, {"job": None, "instance": None})
    for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inside): of.setdefault(label, set()).add(value)
if file.endswith(".json"):
    queries = [(t["expr"], t.get("legendFormat", "")) for p in json.load(open(file))["panels"] for t in p["targets"]]
else:
    queries = [(e, "") for e in re.findall(r"^\s*expr: '(.*)'$", open(file).read(), re.M)]
for expr, legend in queries:
    used = re.findall(r'(tollgate_\w+)(?:\{([^}]*)\})?', expr)
    known = set()
    for name, inside in used:
        if name not in labels:
            print(f"{name}: no such metric: {expr}")
            continue
        known |= set(labels[name])
        for label, op, value in re.findall(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"', inside):
            if label not in labels[name]: print(f"{name} has no label {label}: {expr}")
            elif labels[name][label] is not None and op in ("=", "!=") and value not in labels[name][label] | {"permit", "redact", "deny", "observed"}:
                print(f"{name}: no {label} is {value}: {expr}")
    groups = re.findall(r'\b(?:by|on)\s*\(([^)]*)\)', expr)
    by = {l.strip() for g in groups for l in g.split(",") if l.strip()}
    for label in by - known: print(f"no metric has the label {label}: {expr}")
    for label in re.findall(r'\{\{\s*(\w+)\s*\}\}', legend):
        if label not in (by if re.search(r'\b(sum|avg|max|min|count)\b', expr) else known): print(f"the legend's {label} is not in: {expr}")
print(len(queries))
PY
for f in docker/prometheus/alerts.yml docker/grafana/dashboard.json; do
	python3 "$D/queries.py" "$D/metrics" "$root/$f" >"$D/named" 2>&1
	is "$f names metrics and labels that there are" "$(sed '$d' "$D/named")" ""
	check "$f names some" test "$(tail -1 "$D/named")" -ge 10
done
# and the test notices
sed -e 's/sum by (route, decision)/sum by (rout)/' -e 's/by (via)/by (path)/' -e 's/{{status}}/{{code}}/' -e 's/tollgate_findings_total/tollgate_finds_total/' "$root/docker/grafana/dashboard.json" >"$D/wrong.json"
is "what is wrong is named" "$(python3 "$D/queries.py" "$D/metrics" "$D/wrong.json" | sed '$d' | grep -oE 'label (rout|path):|legend.s (code|route|decision|via) |finds_total: no such metric' | sort -u | wc -l)" 7
sed 's/status="503"/state="503"/; s/result="refused"/result="refusd"/' "$root/docker/prometheus/alerts.yml" >"$D/wrong.yml"
is "in a selector too" "$(python3 "$D/queries.py" "$D/metrics" "$D/wrong.yml" | grep -cE 'no label state|no result is refusd')" 2
k=$root/docker/kubernetes.yaml
for word in /tollgate/agent.sock 8080 9464 /run/tollgate /var/lib/tollgate /etc/tollgate tollgate-haproxy tollgate-setup; do
	like "kubernetes.yaml and the images agree on $word" "$(cat "$k")" "$word"
	like "as do the container files" "$(cat "$root"/docker/Dockerfile "$root"/docker/haproxy.Dockerfile "$root"/docker/compose.yaml "$root"/docker/tollgate.yaml)" "${word#tollgate-}"
done
for id in 990 991; do
	like "group $id is the same in both images" "$(grep -c "groupadd.* -g $id" "$root/docker/Dockerfile" "$root/docker/haproxy.Dockerfile" | tr '\n' ' ')" ':[1-9].*:[1-9]'
	like "and in Kubernetes" "$(cat "$k")" "$id"
done
exit $failed
