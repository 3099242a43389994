# tollgate audit list: the records and columns that it shows, across segments, restarts and several nodes in one
# folder, and with --follow.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cat >"$D/config.yaml" <<'Y'
workers: 1
audit: {segment: 64k}
Y
stack_up --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST "${2:-/v1/chat/completions}" -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"; }
list() { "$B/tollgate" audit list "$@" >"$D/out" 2>"$D/err"; }
follow() { # FILE ARGUMENTS…
	local to=$1
	shift
	"$B/tollgate" audit list --follow "$@" >"$D/$to" 2>>"$D/follow.err" &
	: >>"$D/$to"
	followers+=($!)
}
followers=()
has_lines() { [ "$(wc -l <"$D/$1")" -ge "$2" ]; }
lines() { wait_for has_lines "$@"; } # FILE COUNT

# ---- a daemon's own journal: routes, rotation, a restart ----
follow live -c "$D/tollgate.yaml" --since 1h
follow routes -c "$D/tollgate.yaml" --since 1h --route messages
ask one
ask two /v1/messages
check "new records are shown when they arrive" lines live 2
list -c "$D/tollgate.yaml" --route messages
is "--route selects the records of a route" "$(wc -l <"$D/out") $(awk '{ print $4, $5 }' "$D/out")" "1 messages two"
list -c "$D/tollgate.yaml" --route mess
is "--route compares whole names" "$(wc -l <"$D/out")" 0
for i in $(seq 80); do
	[ "$i" = 1 ] || echo next
	printf 'url = "%s"\noutput = "/dev/null"\nheader = "%s"\nheader = "%s"\ndata = "{\\"model\\":\\"many-%s\\",\\"messages\\":[]}"\n' "$EDGE/v1/chat/completions" "$auth" "$json" "$i"
done >"$D/many"
curl -s -K "$D/many"
check "records of later segments are followed" lines live 82
check "there are at least three segments" test "$(find "$JOURNAL" -name '*.jsonl' | wc -l)" -ge 3
is "each record is shown exactly once" "$(grep -o ' many-[0-9]*' "$D/live" | sort -u | wc -l) $(wc -l <"$D/live")" "80 82"
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
"$B/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
again=$!
back() { ask after-restart; [ "$status" = 200 ]; }
check "the daemon is ready again" wait_for back
wait_for grep -q after-restart "$D/live"
is "records after a restart are followed" "$(grep -c ' after-restart ' "$D/live")" 1
is "--route works across segments" "$(grep -vc ' messages ' "$D/routes") $(wc -l <"$D/routes")" "0 1"
list -c "$D/tollgate.yaml"
is "the followed records are the listed ones" "$(sort "$D/out")" "$(sort "$D/live")"
kill "$again"
wait "$again"

# ---- several nodes in one folder ----
J=$D/nodes
mkdir "$J"
cat >"$D/segment.py" <<'PY'
# segment.py FILE [+]NODE BOOT FIRST ID@AGE_S…: writes records as the daemon does; + appends to FILE
import sys, datetime
file, node, boot, first = sys.argv[1:5]
with open(file, "ab") as f:
    for i, spec in enumerate(sys.argv[5:]):
        id, age = spec.split("@")
        t = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=float(age))
        t = t.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
        f.write(('{"v":1,"node":"%s","boot":%s,"seq":%d,"prev":"%064d","time":"%s","type":"decision","id":"%s","decided_at":"%s","decision":"permit","rule":"r","route":"chat","model":"m","classes":[],"identity":{"method":"jwt","person":"alice"}}\n'
            % (node, boot, int(first) + i, 0, t, id, t)).encode())
PY
segment() { python3 "$D/segment.py" "$J/$1-$(printf '%08d-%016d' "$2" "$3").jsonl" "$1" "$2" "$3" "${@:4}"; }
ids() { awk '{ print $NF }' "$1" | tr '\n' ' '; }
segment a 1 1 a1@7200 a2@7100
segment a 1 3 a3@6000 a4@1800
segment b 1 1 b1@7200 b2@1600 # the clock of this boot is behind
segment b 1 3 b3@6000 b4@1700
segment b 2 5 b5@60
segment c 1 1 c1@50
echo 'notes of the operator' >"$J/README"
list --journal "$J"
is "all records are listed, node by node" "$(ids "$D/out")" "a1 a2 a3 a4 b1 b2 b3 b4 b5 c1 "
list --journal "$J" --since 1h
is "--since finds each record, in whatever order the segments began" "$(ids "$D/out")" "a4 b2 b4 b5 c1 "
list --journal "$J" --since 'last 60 minutes' --until now
is "--since accepts the times of audit search" "$(ids "$D/out")" "a4 b2 b4 b5 c1 "
list --journal "$J" --since 3h --until 1h
is "--until ends at the given time" "$(ids "$D/out")" "a1 a2 a3 b1 b3 "
follow all --journal "$J" --since 10m
check "existing records are shown first" lines all 2
segment a 1 3 a5@0
segment b 2 5 b6@0
segment c 1 1 c2@0
check "all nodes are followed" lines all 5
segment a 1 6 a6@0
segment c 2 3 c3@0
check "the next segments and boots of the nodes are followed" lines all 7
segment d 1 1 d1@0
segment a 1 6 a7@0
check "a node that appears later is followed" lines all 9
printf '{"v":1,"node":"b","boot":2' >>"$J/b-00000002-0000000000000005.jsonl"
head -c 4096 /dev/zero >"$J/e-00000001-0000000000000001.jsonl"
segment a 1 8 a8@0
check "an incomplete line and NUL bytes are skipped until the line is complete" lines all 10
mv "$J/c-00000001-0000000000000001.jsonl" "$D/"
segment d 1 1 d2@0
check "a segment that is moved away does not end the command" lines all 11
is "each record is shown exactly once over all nodes" "$(ids "$D/all" | tr ' ' '\n' | sort | tr '\n' ' ')" "a5 a6 a7 a8 b5 b6 c1 c2 c3 d1 d2 "
kill "${followers[@]}"

# ---- safe output ----
printf '{"v":1,"node":"z","boot":1,"seq":1,"prev":"x","time":"2026-01-01T00:00:00.000000000Z","type":"decision","id":"z1","decided_at":"2026-01-01T00:00:00.000000000Z","decision":"permit","model":"\\u001b]0;owned\\u0007","identity":{"person":"\\u009b31m\\u202e"},"classes":["a","b"]}\n' >"$J/z-00000001-0000000000000001.jsonl"
printf '{"v":1,"node":"y","boot":1,"seq":1,"prev":"x","time":"2026-01-01T00:00:00.000000000Z","type":"decision","id":"y1","decided_at":"2026-01-01T00:00:00.000000000Z","decision":"permit","identity":{"person":"o\\"hara\\\\ J\303\274rgen"},"classes":[]}\n' >"$J/y-00000001-0000000000000001.jsonl"
list --journal "$J" --person "$(printf 'o"hara\\ J\303\274rgen')"
is "--person finds a name that JSON escapes" "$(ids "$D/out")" "y1 "
list --journal "$J" --class b
is "--class selects records" "$(ids "$D/out")" "z1 "
list --journal "$J" --person alice --since 10m
check "--person selects at least nine records" test "$(wc -l <"$D/out")" -ge 9
list --journal "$J"
is "an escape sequence in a name is replaced on a terminal" "$(tail -1 "$D/out")" "2026-01-01T00:00:00.000Z permit ?31m? - ?]0;owned? - a,b z1"
exit $failed
