# Placeholders of realtime sessions: they last as long as the session, and each stands for one value.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "placeholders of sessions" "node is not installed"; exit 0; }
stack_up --policy "$here/realtime-restore.yaml"
export EDGE TOKEN PROVIDER
export LIVE=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
TOKEN=$(token)
for part in restores order; do
	node "$here/realtime.mjs" $part >"$D/$part.log" 2>&1 || failed=1
	grep -E '^(ok|not ok|skip|#)' "$D/$part.log"
	grep -q '^ok' "$D/$part.log" || not_ok "realtime.mjs $part" "$(tail -3 "$D/$part.log")"
done
settled
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
unlike "the journal contains no value" "$(cat "$JOURNAL"/* | tr -d '\0')" '@corp.example'
exit $failed
