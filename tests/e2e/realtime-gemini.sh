# Gemini Live: several calls in one event, usage in any event, files next to audio. And pages that may open a
# WebSocket.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
stack_up --policy "$here/realtime-gemini.yaml"
export EDGE TOKEN CAROL LIVE=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
TOKEN=$(token)
CAROL=$(token --claims '{"sub":"carol"}')
node "$here/realtime-gemini.mjs" >"$D/gemini.log" 2>&1 || failed=1
grep -E '^(ok|not ok|#)' "$D/gemini.log"
grep -q '^ok' "$D/gemini.log" || not_ok "realtime-gemini.mjs" "$(tail -3 "$D/gemini.log")"
used() { "$build/tollgate" quota get --person carol --route live --json -c "$D/tollgate.yaml" | jq -r '.[] | "\(.used) \(.held)"'; }
wait_for says ' 0$' used
is "a turn is charged its last usage" "$(used)" "40 0"
settled
cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"completion"' >"$D/records"
is "it is one turn" "$(jq -r 'select(.identity.person == "carol" and .socket.turn) | "\(.outcome) \(.usage.input_tokens) \(.usage.output_tokens)"' "$D/records")" "complete 20 20"
