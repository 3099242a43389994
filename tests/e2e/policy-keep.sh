# The stored text of the policy in force. If the journal's folder is not writable, records still refer to the text in
# force, the failure is logged once, and the daemon tries again each minute. A lost text is restored from the archive.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/skewed.bash"
# later SECONDS: sets the daemon's monotonic clock ahead
later() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=qq", 0, int(sys.argv[2]) * 10**9))' "$D/skew.a" "$1"; }
later 0
cp "$here/policy.yaml" "$D/policy.yaml"
mkdir "$D/archive"
cat >"$D/config.yaml" <<Y
workers: 1
backends: [openai, anthropic, local, ghost]
audit: {segment: 64k}
retention: {every: 100ms, archive: $D/archive}
Y
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --preload "$skew"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
log_lines() { grep -c "event=$1" "$D/tollgate.log"; }
records() { cat "$JOURNAL"/* | tr -d '\0' | jq -r 'select(.type == "policy") | .by' | tr '\n' ' '; }
is "the start is recorded" "$(records)" "start "
# ---- a lost text is restored ----

auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}'; }
archived() { find "$D/archive" -name '*.jsonl.zst' | grep -q .; }
for ((i = 0; i < 400; i++)); do ask; archived && break; done
check "a segment is archived" wait_for archived
text=$(basename "$D"/journal.policies/*)
check "the text is archived" wait_for test -f "$D/archive/$text"
rm "$D/journal.policies/$text"
tg audit restore --since 1d
like "a lost text is restored, although all segments exist" "$? $(tr '\n' ' ' <"$D/out")" "^0 here .*restored $text"

# ---- a text that cannot be stored ----

mv "$D/journal.policies" "$D/aside"
: >"$D/journal.policies"
later 3700
check "a text that cannot be stored is logged" wait_for says '^1$' log_lines policy.not_kept
later 3800
sleep 11
is "it is logged once" "$(log_lines policy.not_kept)" 1
rm "$D/journal.policies"
later 3900
check "it is stored a minute after that becomes possible" wait_for test -d "$D/journal.policies"
tg reload
is "there is no other record of a start" "$? $(records | sed 's/^start [^ ]* $/start, an order/')" "0 start, an order"
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
