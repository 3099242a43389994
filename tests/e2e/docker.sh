# The files of docker/, without Docker (make docker-test uses it). Each metric in the alerts and the dashboard exists
# in /metrics, compose and the Kubernetes example agree, and each alert has a runbook.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

printf 'anchors: [{file: "%s/notes"}]\nretention: {age: 400d}\n' "$D" >"$D/config.yaml" # the alerts on anchors and retention need these options
stack_up --config "$D/config.yaml"
# a permitted request, so that each metric has a series
req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
settled
fetch GET "$ADMIN/metrics" >"$D/metrics"
# metrics of traffic that this stack does not have (a price, a second target), from tollgate(8)
cat >>"$D/metrics" <<'EOF'
tollgate_cost_nanousd_total{route="r",provider="p",model="m"} 0
tollgate_target_attempts_total{target="p/m",cause="done"} 0
tollgate_team_cost_nanousd_total{team="t"} 0
EOF
cat >"$D/queries.py" <<'PY'
# Prints the names, labels and values in queries that /metrics does not have, a line each, and then the number of
# queries.
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
	is "$f has only metrics and labels that exist" "$(sed '$d' "$D/named")" ""
	check "$f has at least ten queries" test "$(tail -1 "$D/named")" -ge 10
done
# The check itself finds errors.
sed -e 's/sum by (route, decision)/sum by (rout)/' -e 's/by (via)/by (path)/' -e 's/{{status}}/{{code}}/' -e 's/tollgate_findings_total/tollgate_finds_total/' "$root/docker/grafana/dashboard.json" >"$D/wrong.json"
is "an unknown label or metric is reported" "$(python3 "$D/queries.py" "$D/metrics" "$D/wrong.json" | sed '$d' | grep -oE 'label (rout|path):|legend.s (code|route|decision|via) |finds_total: no such metric' | sort -u | wc -l)" 7
sed 's/status="503"/state="503"/; s/result="refused"/result="refusd"/' "$root/docker/prometheus/alerts.yml" >"$D/wrong.yml"
is "an unknown label value is reported in a selector" "$(python3 "$D/queries.py" "$D/metrics" "$D/wrong.yml" | grep -cE 'no label state|no result is refusd')" 3
# ---- compose, Kubernetes, images and configurations ----
"$root/tests/docker/agree" "$root" >"$D/agree" 2>&1
is "compose, Kubernetes and the configurations agree" "$(sed '$d' "$D/agree")" ""
check "at least 140 values are compared" test "$(tail -1 "$D/agree")" -ge 140
# The check itself finds errors: FILE, the change, the expected message
while IFS='|' read -r file change says; do
	rm -rf "$D/tree" && mkdir "$D/tree" && cp -r "$root/docker" "$root/haproxy" "$root/Makefile" "$D/tree/"
	mkdir -p "$D/tree/spoa/extract" && cp "$root/spoa/extract/cage.c" "$D/tree/spoa/extract/" && cp -r "$root/policies" "$D/tree/"
	sed -i "$change" "$D/tree/$file"
	if cmp -s "$D/tree/$file" "$root/$file"; then not_ok "$file: $change changes something"; continue; fi
	like "$file: $change" "$("$root/tests/docker/agree" "$D/tree" 2>&1)" "$says"
done <<'EOF'
docker/kubernetes.yaml|s#mountPath: /run/tollgate#mountPath: /run/tollgat#|volumes: .*
docker/kubernetes.yaml|s#containerPort: 8080#containerPort: 8081#|ports of haproxy
docker/kubernetes.yaml|s#image: tollgate-haproxy:[0-9.]*#image: haproxy#|haproxy: image
docker/kubernetes.yaml|s#runAsUser: 990#runAsUser: 99#|user of haproxy
docker/kubernetes.yaml|s#\[990, 991\]#[990, 992]#|groups of the pod
docker/kubernetes.yaml|s#LOCAL_API_KEY: sk#API_KEY: sk#|haproxy: variables
docker/kubernetes.yaml|s#local:8001"#local:8000"#|haproxy: PROVIDER
docker/kubernetes.yaml|s#port: 6379, targetPort#port: 6380, targetPort#|redis in Kubernetes
docker/kubernetes.yaml|s#path: /healthz, port: health#path: /healthz, port: healthy#|the port of readinessProbe
docker/kubernetes.yaml|s#readOnlyRootFilesystem: true#readOnlyRootFilesystem: false#|read-only root
docker/compose.yaml|s#- sockets:/tollgate#- sockets:/sockets#|tollgate: volumes
docker/compose.yaml|s#  cap_drop: \[ALL\]#  cap_drop: []#|capabilities
docker/compose.yaml|/^  grafana:/,/^$/s#<<: .hardened#restart: always#|compose, grafana: cap_drop
docker/compose.yaml|s#:-0\.[0-9.]*}#:-9.9}#|VERSION of compose
docker/tollgate.yaml|s#tollgate-extract/extract.sock#tollgate/extract.sock#|where tollgate asks extract
docker/compose.yaml|/^  extract:/,/^$/s#- extract:/run/tollgate-extract#- run:/run/tollgate#|extract shares its socket's folder alone
docker/extract-seccomp.json|s#"pread64", ##|what the profile of extract lacks
docker/compose.yaml|s#network_mode: none#network_mode: bridge#|extract has no network
docker/tollgate.yaml|s#0.0.0.0:9464#0.0.0.0:9465#|the metrics' port
docker/tollgate.yaml|s#/tollgate/relay.sock#/sockets/relay.sock#|is in a volume of tollgate
docker/haproxy.Dockerfile|s#-g 991 tollgate#-g 992 tollgate#|group tollgate
docker/health.cfg|s#:8405#:8406#|HAProxy's ports
docker/prometheus/prometheus.yml|s#:9464#:9999#|what Prometheus scrapes
haproxy/haproxy.cfg|s#bind :8080#bind :8088#|HAProxy's ports
haproxy/tollgate.cfg|s#presetenv TOLLGATE_SOCKETS /tollgate#presetenv TOLLGATE_SOCKETS /run#|is in a volume of haproxy
docker/kubernetes.yaml|s#^    maxmemory 700mb#    maxmemory 2gb#|Redis' maxmemory is 80 % of
docker/compose.yaml|s#--maxmemory, 700mb#--maxmemory, 300mb#|Redis' maxmemory: 
docker/compose.yaml|s#noeviction#allkeys-lru#|Redis' maxmemory-policy
docker/compose.yaml|/^  redis:/,/^$/s#mem_limit: 1g#mem_limit: 2g#|redis: memory
docker/compose.yaml|/^  haproxy:/,/^$/s#mem_limit: 1g#mem_limit: 512m#|HAProxy's maxconn fits
docker/compose.yaml|/^  tollgate:/,/^$/s#mem_limit: 512m#mem_swappiness: 1#|tollgate: memory
docker/compose.yaml|s#redis-server, /secret/redis.conf, #redis-server, #|Redis' configuration is in
docker/edge.sed|s#maxconn 768#maxconn 4000#|HAProxy's maxconn fits
docker/edge.sed|/maxconn/d|HAProxy has a maxconn
policies/tollgate.yaml|s#stream_bytes: 256m#stream_bytes: 1g#|holds the streams of two nodes
Makefile|s#^VERSION := .*#VERSION := 9.9#|VERSION of docker/Dockerfile
EOF

# ---- the Helm chart gives the manifest ----
"$root/tests/docker/chart" "$root" >"$D/chart" 2>&1
is "with its default values, the Helm chart gives the objects of kubernetes.yaml" "$(sed '$d' "$D/chart")" ""
check "at least ten objects are compared" test "$(tail -1 "$D/chart")" -ge 10
while IFS='|' read -r file change says; do
	rm -rf "$D/tree" && mkdir "$D/tree" && cp -r "$root/docker" "$root/Makefile" "$D/tree/" && sed -i "$change" "$D/tree/$file"
	if cmp -s "$D/tree/$file" "$root/$file"; then not_ok "$file: $change changes something"; continue; fi
	like "$file: $change" "$("$root/tests/docker/chart" "$D/tree" 2>&1)" "$says"
done <<'EOF'
docker/kubernetes.yaml|s#runAsUser: 990#runAsUser: 99#|default values: StatefulSet edge differs
docker/chart/values.yaml|s#^  journal: 20Gi#  journal: 2Gi#|default values: StatefulSet edge differs
docker/chart/templates/tollgate.yaml|s#{{ .Values.replicas . quote }}#"1"#;s#{{ .Values.replicas }}#1#|no template uses replicas
docker/chart/templates/tollgate.yaml|s#maxmemory {{ .Values.redis.maxmemory }}#maxmemory 700mb#|no template uses redis.maxmemory
docker/chart/templates/tollgate.yaml|s#{{ .Values.redis.storage }}#{{ .Values.redis.disk }}#|redis.disk: no such value
docker/chart/values.yaml|$a extra: 1|no template uses extra
docker/chart/Chart.yaml|s#^appVersion: .*#appVersion: "9.9"#|appVersion is 9.9
EOF

# ---- each alert has a section in docs/alerts.md ----
is "every alert has a runbook" "$("$root/tests/docker/runbooks" "$root/docker/prometheus/alerts.yml" "$root/docs/alerts.md" 2>&1)" ""
sed 's/^### TollgateMirrorLag/### TollgateMirrorLags/' "$root/docs/alerts.md" >"$D/page.md"
like "a missing runbook is reported" "$("$root/tests/docker/runbooks" "$root/docker/prometheus/alerts.yml" "$D/page.md")" '^TollgateMirrorLag: .*no such section'
if command -v promtool >/dev/null; then
	is "alerts fire when they should" "$(promtool test rules "$root"/tests/docker/alerts_*test.yml >"$D/promtool" 2>&1; echo $?)" 0
else
	skip "alerts fire when they should" "promtool is not installed (Debian package prometheus)"
fi
gauges() { echo "$(metric ready) $(metric audit_stream_behind_records)"; }
check "a daemon with Redis is ready, and its stream is up to date" wait_for says '^1 0$' gauges
redis_away
for _ in 1 2 3 4 5; do req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'; done
check "without Redis, the daemon is not ready, and the stream falls behind" wait_for says '^0 [1-9]' gauges
redis_back
check "when Redis is back, the daemon is ready and the stream catches up" wait_for says '^1 0$' gauges
# ---- setup, a pod's init container: it copies what replicas share; only the daemon can read a password's file ----
mkdir -p "$D/etc" "$D/shared" "$D/bin"
ln -s "$build/tollgate" "$D/bin/tollgate"
"$build/tollgate" keygen --secret "$D/shared/state.key" >/dev/null
echo of-redis >"$D/shared/redis.password"
chmod 644 "$D/shared/redis.password"
sed -e "s#/etc/tollgate#$D/etc#g" -e "s#/shared/#$D/shared/#g" -e "s#/usr/share/tollgate/container#$root/docker#g" "$root/docker/setup" >"$D/setup"
setup() { PATH=$D/bin:$PATH REDIS_URL=redis://redis.edges.svc.cluster.local DAEMONS=2 sh "$D/setup" 2>&1; }
like "setup writes the files that a pod needs" "$(setup | tr "\n" " "; echo "exit ${PIPESTATUS[0]}")" 'tg_[0-9a-z]*_.*exit 0'
like "the configuration has Redis' full name, the password, and the number of daemons" "$(grep '^redis:' "$D/etc/tollgate.yaml")" \
	'^redis: \{url: "redis://redis\.edges\.svc\.cluster\.local", password_file: redis\.password, daemons: 2\}$'
is "the keys are those of the Secret, and only the daemon can read them" \
	"$(cmp "$D/etc/state.key" "$D/shared/state.key" && stat -c %a "$D/etc/state.key" "$D/etc/redis.password" | xargs)" "600 600"
echo changed >"$D/shared/redis.password"
before=$(cat "$D/etc/audit.key" "$D/etc/keys.yaml" "$D/etc/tollgate.yaml" | sha256sum)
unlike "the next start does not create keys again" "$(setup)" tg_
is "a changed password is copied" "$(cat "$D/etc/redis.password") $(cat "$D/etc/audit.key" "$D/etc/keys.yaml" "$D/etc/tollgate.yaml" | sha256sum)" "changed $before"
# compose: the password is made once, for Redis and for the daemon
sed "s#/secret#$D/secret#g" "$D/setup" >"$D/setup.compose" && mkdir "$D/secret" && rm -r "$D/shared" "$D/etc/redis.password"
sed -i 's#, password_file: redis.password##' "$D/etc/tollgate.yaml"
compose_setup() { PATH=$D/bin:$PATH sh "$D/setup.compose" >/dev/null 2>&1; cat "$D/secret/redis.conf" "$D/etc/redis.password" | tr '\n' ' '; grep '^redis:' "$D/etc/tollgate.yaml"; }
made=$(compose_setup)
like "compose: Redis and the daemon get the same password, and an earlier configuration names it" "$made" \
	'^requirepass ([0-9a-f]{64}) \1 redis: \{url: "redis://redis\.edges\.svc\.cluster\.local", password_file: redis\.password, daemons: 2\}$'
is "compose: the next start makes no other password" "$(compose_setup)" "$made"
is "compose: other containers can read only Redis' file" "$(stat -c %a "$D/secret/redis.conf" "$D/etc/redis.password" | xargs)" "644 600"
exit $failed
