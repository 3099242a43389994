# The stream of live decisions. A viewer sees each record once, across segments and a restart of the daemon, under
# load. A viewer that never reads is disconnected. A thousand concurrent viewers do not affect others.
# Once: HAProxy does not affect the result.
# Long: it sends load, and opens a thousand connections.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
printf 'workers: 2\naudit: {segment: 64k}\n' >"$D/live.yaml"
stack_up --config "$D/live.yaml"
sock=$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml")
by_socket() { curl -s -m 60 --unix-socket "$sock" "$@"; }
metric() { fetch GET "$ADMIN/metrics" | sed -n "s/^tollgate_$1 //p"; }
ask() { req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' \
	-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }

cat >"$D/look.py" <<'PY'
# look.py SOCKET DIR [never]: reads events until DIR/looked exists and no event arrives; reconnects as a browser does.
# Writes a line "SEQ KIND" for each into DIR/events. never: sends the request, and reads nothing.
import os, socket, sys, time
path, out, never = sys.argv[1], sys.argv[2], len(sys.argv) > 3
last, events = "", open(out + "/events", "a") if not never else None
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b"GET /decisions/live?after=0 HTTP/1.1\r\nHost: tollgate\r\n" +
        (b"Last-Event-ID: " + last.encode() + b"\r\n" if last else b"") + b"\r\n")
    return s
def chunks(s):
    got = b""
    while b"\r\n\r\n" not in got:
        more = s.recv(65536)
        if not more: return
        got += more
    head, got = got.split(b"\r\n\r\n", 1)
    if b" 200 " not in head.split(b"\r\n")[0]: return
    while True:
        while b"\r\n" not in got:
            more = s.recv(65536)
            if not more: return
            got += more
        n, rest = got.split(b"\r\n", 1)
        n = int(n, 16)
        while len(rest) < n + 2:
            more = s.recv(65536)
            if not more: return
            rest += more
        yield rest[:n]
        got = rest[n + 2:]
        if not n: return
if never:
    s = connect()
    while not os.path.exists(out + "/never-ends"): time.sleep(0.1)
    sys.exit()
idle = 0
while True:
    text = ""
    try:
        s = connect()
        s.settimeout(1)
        for c in chunks(s):
            text += c.decode("ascii")
            while "\n\n" in text:
                one, text = text.split("\n\n", 1)
                fields = dict(l.split(": ", 1) for l in one.split("\n") if ": " in l and l[0] != ":")
                if "id" in fields: last = fields["id"]
                if "event" in fields: print(fields["id"].split("/")[1], fields["event"], file=events, flush=True)
    except OSError:
        pass
    if os.path.exists(out + "/looked"): break
    time.sleep(0.05)
PY
cat >"$D/same.py" <<'PY'
# same.py JOURNAL EVENTS: checks that each decision and completion occurs once, in order
import glob, json, sys
want = []
for f in sorted(glob.glob(sys.argv[1] + "/*.jsonl")):
    for line in open(f, "rb").read().rstrip(b"\0").split(b"\n"):
        if line.startswith(b'{"v":1,"node"'):
            r = json.loads(line)
            if r["type"] in ("decision", "completion"): want.append("%d %s" % (r["seq"], r["type"]))
got = open(sys.argv[2]).read().split("\n")[:-1]
print(len(want), "records,", len(got), "events,", len(glob.glob(sys.argv[1] + "/*.jsonl")), "segments")
sys.exit(want != got)
PY
: >"$D/events"
records() { python3 "$D/same.py" "$D/journal" "$D/events" | cut -d' ' -f1; }

# ---- events ----
ask mymodel 'my card is 4111 1111 1111 1111, jane.doe@example.com'
id=$(header x-tollgate-id)
seen_once() { by_socket -m 2 -N "http://x/decisions/live?after=0&$1"; }
check "a decision is an event" wait_for eval 'seen_once model=mymodel >"$D/one"; grep -q "\"id\":\"$id\"" "$D/one"'
like "it has kind, position and reason" "$(tr '\n' '~' <"$D/one")" '~id: [^/]+/[0-9]+~event: decision~data: \{"seq":[0-9]+,[^~]*"person":"alice"[^~]*"decision":"[a-z]+"'
unlike "it contains no text of a prompt" "$(cat "$D/one")" '4111|jane'
is "events that do not match the filter are left out" "$(seen_once model=other | grep -c '^event')" 0
is "an unknown filter is refused" "$(by_socket -o /dev/null -w '%{http_code}' "http://x/decisions/live?decision=perhaps")" 400
is "an invalid position is refused" "$(by_socket -o /dev/null -w '%{http_code}' -H 'Last-Event-ID: a b/1' http://x/decisions/live)" 400
like "a position of another node is reported as a gap" "$(by_socket -m 1 -N -H 'Last-Event-ID: elsewhere/1' http://x/decisions/live)" '^event: gap'
is "the stream is not available over TCP" "$(curl -s -o /dev/null -w '%{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/decisions/live")" 403
reads() { cat "$D"/journal/*.jsonl | tr -d '\0' | grep '"type":"read"'; }
check "the begin of a view is recorded, with its filter" wait_for says '"read":"decisions live".*"model":"mymodel".*"follow":"begin"' reads
check "the end of a view is recorded, with the number of events" wait_for says '"read":"decisions live".*"follow":"end","records":[1-9]' reads

# ---- /now ----
now() { by_socket http://x/now; }
is "now: the daemon is ready" "$(now | jq -c '[.ready, .degraded, (.parts | map(.part) | index("redis") != null), (.audit.records > 0), .mirror_behind >= 0]')" '[true,[],true,true,true]'
like "now has the rates by route" "$(now | jq -c '.now.rates[] | select(.by == "route")')" '"name":"chat","requests_per_s":[0-9.]+'
like "series have their step" "$(by_socket 'http://x/series?window=10m&by=total' | jq -c '[.step_s, .series[0].by]')" '^\[10,"total"\]$'
trends() { by_socket 'http://x/trends?range=24h&by=rule' | jq -c '[.step_s, .steps, .daemons[0].missing, .alone]'; }
like "trends: a day has steps of five minutes" "$(trends)" '^\[300,288,false,'
# The daemon writes its trends to Redis within ten seconds of its start. Until then, it shows itself alone.
check "trends: those of all daemons, when this daemon has written its own" wait_for says '^\[300,288,false,false\]$' trends
is "an unknown range is refused" "$(by_socket -o /dev/null -w '%{http_code}' 'http://x/trends?range=2h')" 400
is "series have at most an hour" "$(by_socket -o /dev/null -w '%{http_code}' 'http://x/series?window=2h')" 400

# ---- rules, models, limits, log ----
rules() { by_socket http://x/policy/rules; }
like "rules: each has its number and its last use" "$(rules | jq -c '[(.rules | length > 0), (.rules | map(select(.last != null)) | length > 0), (.rules | map(select(.last == null)) | length > 0)]')" 'true,true,true'
is "rules have the count since the policy was put in force" "$(rules | jq '[.rules[] | .since_start == .since_version] | all')" true
like "models have their tokens" "$(by_socket http://x/models | jq -c '.models[] | select(.model == "mymodel")')" '"permit":[0-9]+'
is "no person is near a limit" "$(by_socket http://x/limits/near | jq -c .)" '{"total":0,"near":[]}'
is "tollgate log prints the level" "$("$B/tollgate" log -c "$D/tollgate.yaml")" info
like "another level can be set for a time" "$("$B/tollgate" log debug --for 2s --by joe -c "$D/tollgate.yaml")" '^debug until 20[0-9T:-]+Z$'
level() { "$B/tollgate" log -c "$D/tollgate.yaml"; }
check "it ends by itself" wait_for says '^info$' level
check "the change is recorded" wait_for eval 'cat "$D"/journal/*.jsonl | tr -d "\0" | grep -q "\"what\":\"log\",\"change\":\"level\",\"id\":\"debug\",.*\"claimed\":\"joe\""'
is "an unknown level is refused" "$("$B/tollgate" log loud -c "$D/tollgate.yaml" >/dev/null 2>"$D/err"; echo "$? $(cat "$D/err")")" "2 tollgate: log: level: send one of error, warn, info, debug"

# ---- under load, across segments and a restart ----
python3 "$D/look.py" "$sock" "$D" </dev/null &
looking=$!
export EDGE
TOKEN=$(token) STOP=$D/enough NOW=$D/load.txt node "$here/load.mjs" &
load=$!
more_than() { [ "$(records)" -gt "$1" ]; }
check "requests are sent" wait_for more_than 400
pid=$(pid_of tollgate)
kill -TERM "$pid"
check "the daemon ends although a viewer is connected" wait_for gone "$pid"
"$B/tollgate" serve -c "$D/tollgate.yaml" </dev/null >"$D/again.log" 2>&1 &
pid=$!
note_pid "$pid" again
check "the daemon is ready again" wait_for says ok curl -s "$ADMIN/healthz"
python3 "$D/look.py" "$sock" "$D" never </dev/null &
never=$!
n=$(records)
check "the daemon decides again" wait_for more_than $((n + 1500))
check "the series contain the load" wait_for eval 'by_socket "http://x/series?by=model" | jq -e ".series[] | select(.name == \"echo\") | .permit | add > 50" >/dev/null'
touch "$D/enough"
wait "$load"
caught_up() { python3 "$D/same.py" "$D/journal" "$D/events" >"$D/same.txt"; }
final check "each record arrived once and in order" wait_for caught_up
echo "# $(cat "$D/same.txt")"
unlike "there was no gap" "$(cat "$D/events")" gap

# ---- a thousand viewers ----
cat >"$D/crowd.py" <<'PY'
# crowd.py SOCKET DIR N: opens N views and keeps the connections; DIR/crowd has the number for each status
import collections, os, resource, select, socket, sys, time
path, out, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held, said = [], collections.Counter()
for i in range(n):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    s.sendall(b"GET /decisions/live?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
    held.append(s)
for s in held:
    head = b""
    while b"\r\n\r\n" not in head:
        more = s.recv(4096)
        if not more: break
        head += more
    said[head[9:12].decode()] += 1
    if head[9:12] == b"503" and b"Retry-After: 5" not in head.replace(b"retry-after", b"Retry-After"): said["no retry-after"] += 1
open(out + "/crowd.new", "w").write(" ".join("%s:%d" % k for k in sorted(said.items())) + "\n")
os.rename(out + "/crowd.new", out + "/crowd")
while not os.path.exists(out + "/crowd-ends"): time.sleep(0.05)
PY
resident() { grep VmRSS "/proc/$pid/status" | tr -s '\t ' ' '; }
before=$(resident)
python3 "$D/crowd.py" "$sock" "$D" 1000 </dev/null &
crowd=$!
for i in 1 2 3; do
	is "metrics are served meanwhile ($i)" "$(by_socket -o /dev/null -w '%{http_code}' http://x/metrics)" 200
	is "healthz is served meanwhile ($i)" "$(by_socket http://x/healthz)" ok
	check "status is served meanwhile ($i)" "$B/tollgate" status -c "$D/tollgate.yaml" >/dev/null
done
check "each viewer gets a response" wait_for test -f "$D/crowd"
like "viewers over the caller's share get 503 with Retry-After" "$(cat "$D/crowd")" '^200:[1-8] 503:99[0-9]$'
check "a metric counts the refused viewers" [ "$(metric decision_viewers_refused_total)" -ge 930 ]
is "requests are decided as before" "$(ask mymodel hi; echo "$status")" 200
echo "# resident before: $before; them: $(resident)"
touch "$D/crowd-ends"
wait "$crowd"
check "after they left, a viewer is admitted again" wait_for says '^event: ' by_socket -m 1 -N "http://x/decisions/live?after=0"

# ---- a viewer that never reads ----
check "a viewer that never reads is disconnected and counted" wait_for eval '[ "$(metric decision_viewers_dropped_total)" -ge 1 ]'
touch "$D/never-ends" "$D/looked"
wait "$never"
kill "$looking" 2>/dev/null
wait "$looking" 2>/dev/null
check "the journal verifies" "$B/tollgate" audit verify -c "$D/tollgate.yaml" >/dev/null
