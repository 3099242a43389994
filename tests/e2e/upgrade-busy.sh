# `tollgate upgrade` with 1,000 open streams, during a rotation of the signing key, and while segments are archived.
# Late: it waits for many streams.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
mkdir "$D/archive"
cat >"$D/busy.yaml" <<Y
backends: [openai, anthropic, local, ghost]
audit: {segment: 64k}
redis: {daemons: 1}
retention: {archive: "$D/archive", every: 50ms}
Y
"$build/tollgate" keygen "$D/audit.key" >/dev/null
cp "$D/audit.key.pub" "$D/first.pub"
upgrade_stack "$here/policy.yaml" --config "$D/busy.yaml"
others_gone() { [ "$(pgrep -fc "^$build/tollgate serve -c $D/tollgate.yaml")" -le 1 ]; }
loaded() { [ -s "$D/load.txt" ]; }

# ---- 1,000 streams ----
control '{"hold_after_events":2}'
EDGE=$EDGE TOKEN=$(token) N=1000 NOW=$D/streams.txt node "$here/streams.mjs" &
streaming=$!
open() { [ "$(cat "$D/streams.txt" 2>/dev/null)" = open ]; }
check "1,000 streams are open" wait_for open
control '{}'
load_begin
wait_for loaded
check "an upgrade returns 0" upgrade
is "the new instance decides" "$(node_of)" a_b
sleep 7 # more daemons than redis.daemons would be reported after 5 s
is "the two instances count as one of redis.daemons" "$(grep -ah quota.daemons "$D"/*.log)" ""
unlike "status does not report more daemons than redis.daemons" "$("$build/tollgate" status -c "$D/tollgate.yaml")" 'more than redis.daemons'
release
wait $streaming
is "each stream ends whole" "$(cat "$D/streams.txt")" 'whole 1000 of 1000, statuses {"200":1000}'
check "the older instance then stops" wait_for others_gone

# ---- the key is rotated while the new instance starts; segments are closed and archived meanwhile ----
for i in 1 2; do
	rotated=$D/audit$([ "$(node_of)" = a ] || echo -b).key
	upgrade &
	waiting=$!
	"$build/tollgate" keygen --rotate "$rotated" >"$D/rotate.log" 2>&1 || not_ok "a key is rotated" "$(cat "$D/rotate.log")"
	"$build/tollgate" reload -c "$D/tollgate.yaml" >/dev/null 2>&1 # either instance may answer, or none
	check "upgrade $i during a rotation returns 0" wait $waiting
	note_instances
	check "upgrade $i: the older instance stops" wait_for others_gone
done
load_end
is "no request is refused" "$(refused)" 0
echo "# $(tr '\n' ' ' <"$D/load.txt")"
grep -aho 'upgrade.passed .*' "$D"/*.log | sed 's/^/# /'
archived() { [ "$(ls "$D/archive" | grep -c "$1")" -ge 2 ]; }
ls "$D/archive" | sed 's/^/# /' | head -4
check "segments of the first instance are archived" wait_for archived '^a-'
check "segments of the second instance are archived" wait_for archived '^a_b-'
check "the first chain verifies by the first key" verifies "$D/journal" "$D/first.pub"
is "audit verify covers both chains" "$("$build/tollgate" audit verify -c "$D/tollgate.yaml" 2>"$D/err" | grep -c '^ok node=')" 2
twice() { "$build/tollgate" audit list -c "$D/tollgate.yaml" --json | jq -r 'select(.type == "decision") | .id' | sort | uniq -d | wc -l; }
is "no request was decided twice" "$(twice)" 0
