# Checkpoints of a running daemon: under load, without requests, with the clock set back, after a kill. Damaged hash
# files, a folder that is not writable, and two daemons with the same origin.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
for node in a b; do head -c 8 /dev/zero >"$D/skew.$node"; done
cat >"$D/config.yaml" <<'Y'
workers: 1
audit: {origin: logs.example/one}
Y
stack_up --config "$D/config.yaml" --daemons 2 --preload "$D/skew.so"
auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'; }
checkpoints() { cat "${1:-$JOURNAL}"/*.jsonl | tr -d '\0' | grep '"type":"checkpoint"'; }
count() { checkpoints "$@" | wc -l; }
more() { [ "$(count "${2:-}")" -gt "$1" ]; }
verified() { "$build/tollgate" audit verify --journal "$1" --public-key "$2" >"$D/verify.log" 2>&1 || { sed 's/^/#   /' "$D/verify.log"; false; }; }
# Succeeds if the newest checkpoint covers each decision and completion.
covered() {
	cat "$JOURNAL"/*.jsonl | tr -d '\0' | awk '
		match($0, /"seq":[0-9]+,"prev"/) { seq = substr($0, RSTART + 6, RLENGTH - 13) + 0 }
		/"type":"(decision|completion)"/ { last = seq }
		/"type":"checkpoint"/ && match($0, /"size":[0-9]+/) { size = substr($0, RSTART + 7, RLENGTH - 7) + 0 }
		END { exit !(last && size >= last) }'
}

# ---- with requests, then without ----
for _ in 1 2 3 4 5 6; do ask; done
is "requests pass" "$status" 200
check "all records are soon covered" wait_for covered
like "a checkpoint has the configured origin" "$(checkpoints | tail -1)" '"origin":"logs.example/one","size":[0-9]+,"root":"[0-9a-f]{64}","note":"logs.example/one\\n'
at=$(count)
check "a daemon without requests still writes checkpoints" wait_for more "$at"
is "audit list does not show them" "$("$build/tollgate" audit list -c "$D/tollgate.yaml" --since 1h | grep -c checkpoint)" 0
check "a metric counts them" test "$(metric audit_checkpoints_total)" -ge "$at"
is "a metric reports that the tree is ready" "$(metric audit_tree_up)" 1
like "status reports that the tree is ready" "$("$build/tollgate" status -c "$D/tollgate.yaml" --json)" '"tree": *"ready"'

# ---- the clock is set back by an hour ----
python3 -c 'import struct; open("'"$D"'/skew.a", "r+b").write(struct.pack("=q", -3600 * 10**9))'
at=$(count)
for _ in 1 2 3 4; do ask; done
check "after the clock is set back, checkpoints are not delayed" wait_for more "$at"
check "they cover the new records" wait_for covered
check "all records verify" verified "$JOURNAL" "$D/audit.key.pub"

# ---- a kill, and damaged hash files ----
killed tollgate
check "the hash files are next to the journal" test -s "$JOURNAL.tree/a.0"
alter "$JOURNAL.tree/a.0" 70
daemon_start
answers() { ask; [ "$status" = 200 ]; }
check "the daemon is ready again" wait_for answers
in_files() { [ "$(metric audit_tree_behind_records)" = 0 ] && [ "$(metric audit_tree_errors_total)" -gt 0 ]; }
check "damaged hash files are written again" wait_for in_files
logged() { grep -q "event=$1" "$D/tollgate.log"; }
check "the log reports it" wait_for logged audit.tree_mended
check "all records still verify" verified "$JOURNAL" "$D/audit.key.pub"

# ---- a folder that is not writable ----
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
rm -r "$JOURNAL.tree"
echo >"$JOURNAL.tree"
daemon_start
check "without hash files, the daemon serves requests" wait_for answers
stuck() { [ "$(metric audit_tree_up)" = 0 ]; }
check "the daemon reports that they are missing" wait_for stuck
at=$(count)
ask
is "no request waits for them" "$status" 200
check "checkpoints are still written" wait_for more "$at"
like "status reports the missing hash files" "$("$build/tollgate" status -c "$D/tollgate.yaml")" 'audit tree: its hash files'

# ---- two daemons with the same origin ----
note() { checkpoints "$1" | tail -1 | jq -j .note; }
check "the other daemon has checkpoints" wait_for more 0 "$D/journal-b"
note "$D/journal-b" >"$D/note.b"
is "it has the same origin" "$(head -1 "$D/note.b")" logs.example/one
by_note() { "$build/tollgate" audit verify --journal "$JOURNAL" --public-key "$D/audit.key.pub" --public-key "$D/audit-b.key.pub" --note "$1" >"$D/said" 2>&1; }
is "its checkpoint does not verify for this journal" "$(by_note "$D/note.b"; echo $?)" 1
like "the error states that it is of another log" "$(cat "$D/said")" 'why="(cut|fork)'
note "$JOURNAL" >"$D/note.a"
check "the journal's own checkpoint verifies" by_note "$D/note.a"
exit $failed
