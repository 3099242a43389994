# Realtime sessions: events that a provider may send at any time, and requests of the client meanwhile. The test's own
# provider sends what the client asks for.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
mkdir -p "$D/p"
cp "$here/realtime-told.yaml" "$D/p/policy.yaml"
stack_up --policy "$D/p/policy.yaml"
export EDGE TOKEN PROVIDER GO=$D/go TOLLGATE="$build/tollgate -c $D/tollgate.yaml"
TOKEN=$(token)
for who in money little errors words gemini written paced half reload; do export "T_$who=$(token --claims "{\"sub\":\"$who\"}")"; done
node "$here/realtime-told.mjs" >"$D/told.log" 2>&1 &
node=$!
check "the provider listens" wait_for says '# port' cat "$D/told.log"
sed -i "s#^\( *server local\) .*#\1 127.0.0.1:$(sed -n 's/^# port //p' "$D/told.log")#" "$D/haproxy/haproxy.cfg"
haproxy_reload
touch "$GO"
check "sessions wait for a reload" wait_for says '# reload' cat "$D/told.log"
kill -HUP "$(pid_of tollgate)"
wait_for says 'event=reload.done' cat "$D/tollgate.log"
touch "$GO.reloaded"
wait $node
grep -E '^(ok|not ok|#   )' "$D/told.log"
grep -q '^not ok' "$D/told.log" && failed=1
grep -q '^# ended' "$D/told.log" || not_ok "realtime-told.mjs" "$(tail -3 "$D/told.log")"
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
settled
# Findings outside of a response are in the session's completion.
cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"completion"' >"$D/records"
ended() { jq -c "select(.socket.turns != null and .outcome == \"answer_denied\" and .identity.person == \"$1\") | [.answer.decision, .answer.rule, .socket.redactions]" "$D/records"; }
is "a denied error event is in the session's completion" "$(ended errors)" '["deny","out-ssn",null]'
is "a text that was redacted and then denied is in the session's completion" "$(ended words | grep -c '^\["deny","out-ssn",1\]$')" 1
