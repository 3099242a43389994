# Checkpoints of a running daemon: under load, idle, with the clock set back, over a kill; hash
# files that are harmed; a folder that cannot be written; two daemons under one origin.
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
# The newest one covers every decision and completion.
covered() {
	cat "$JOURNAL"/*.jsonl | tr -d '\0' | awk '
		match($0, /"seq":[0-9]+,"prev"/) { seq = substr($0, RSTART + 6, RLENGTH - 13) + 0 }
		/"type":"(decision|completion)"/ { last = seq }
		/"type":"checkpoint"/ && match($0, /"size":[0-9]+/) { size = substr($0, RSTART + 7, RLENGTH - 7) + 0 }
		END { exit !(last && size >= last) }'
}

# ---- records, then none ----
for _ in 1 2 3 4 5 6; do ask; done
is "requests pass" "$status" 200
check "all records are covered soon" wait_for covered
like "under the origin that was named" "$(checkpoints | tail -1)" '"origin":"logs.example/one","size":[0-9]+,"root":"[0-9a-f]{64}","note":"logs.example/one\\n'
at=$(count)
check "an idle daemon goes on writing them" wait_for more "$at"
is "the list of decisions has none" "$("$build/tollgate" audit list -c "$D/tollgate.yaml" --since 1h | grep -c checkpoint)" 0
check "metrics count them" test "$(metric audit_checkpoints_total)" -ge "$at"
is "the tree is known" "$(metric audit_tree_up)" 1
like "status, too" "$("$build/tollgate" status -c "$D/tollgate.yaml" --json)" '"tree": *"ready"'

# ---- the clock is set back by an hour ----
python3 -c 'import struct; open("'"$D"'/skew.a", "r+b").write(struct.pack("=q", -3600 * 10**9))'
at=$(count)
for _ in 1 2 3 4; do ask; done
check "a clock that is set back delays none" wait_for more "$at"
check "which cover what came" wait_for covered
check "and all verify" verified "$JOURNAL" "$D/audit.key.pub"

# ---- killed, and the hash files harmed ----
killed tollgate
check "hash files are next to the journal" test -s "$JOURNAL.tree/a.0"
alter "$JOURNAL.tree/a.0" 70
daemon_start
answers() { ask; [ "$status" = 200 ]; }
check "it is back" wait_for answers
in_files() { [ "$(metric audit_tree_behind_records)" = 0 ] && [ "$(metric audit_tree_errors_total)" -gt 0 ]; }
check "what was harmed is made again" wait_for in_files
logged() { grep -q "event=$1" "$D/tollgate.log"; }
check "which the log says" wait_for logged audit.tree_mended
check "and all verify still" verified "$JOURNAL" "$D/audit.key.pub"

# ---- a folder that cannot be written ----
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
rm -r "$JOURNAL.tree"
echo >"$JOURNAL.tree"
daemon_start
check "without hash files it serves" wait_for answers
stuck() { [ "$(metric audit_tree_up)" = 0 ]; }
check "and says that it has none" wait_for stuck
at=$(count)
ask
is "no request waits for them" "$status" 200
check "nor a checkpoint" wait_for more "$at"
like "status says so" "$("$build/tollgate" status -c "$D/tollgate.yaml")" 'audit tree: its hash files'

# ---- two daemons under one origin ----
note() { checkpoints "$1" | tail -1 | jq -j .note; }
check "the other daemon has checkpoints too" wait_for more 0 "$D/journal-b"
note "$D/journal-b" >"$D/note.b"
is "under the same origin" "$(head -1 "$D/note.b")" logs.example/one
by_note() { "$build/tollgate" audit verify --journal "$JOURNAL" --public-key "$D/audit.key.pub" --public-key "$D/audit-b.key.pub" --note "$1" >"$D/said" 2>&1; }
is "which are not of this journal" "$(by_note "$D/note.b"; echo $?)" 1
like "and are said to be another log's" "$(cat "$D/said")" 'why="(cut|fork)'
note "$JOURNAL" >"$D/note.a"
check "its own are" by_note "$D/note.a"
exit $failed
