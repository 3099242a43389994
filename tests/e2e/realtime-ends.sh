# If a caller's key, token or limit ends, the session ends: with the next message that is decided, or with the next
# response that the provider begins by itself. Either of two daemons resumes a session that the other began.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
mkdir -p "$D/p"
cp "$here/realtime-ends.yaml" "$D/p/policy.yaml"
FILED=$("$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" 2>"$D/file.id")
stack_up --policy "$D/p/policy.yaml" --second
export EDGE PROVIDER GO=$D/go LIVE=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
TOKEN=$(token) TEXT=$(key new --person text) AUDIO=$(key new --person audio) GEMINI=$(key new --person gemini)
MODELS=$(key new --person models --models 'gpt-*') TEAM=$(key new --person team) STAYS=$(key new --person stays --models 'gpt-*')
LIMITED=$(key new --person limited)
export TOKEN TEXT AUDIO GEMINI MODELS TEAM STAYS LIMITED FILED
synced
export SHORT
SHORT=$(token --ttl 6 --claims '{"sub":"short"}')
node "$here/realtime.mjs" ends >"$D/ends.log" 2>&1 &
node=$!
id_of() { cut -d_ -f2 <<<"$1"; }
check "the sessions are open" wait_for says '# open' cat "$D/ends.log"
forget
for k in "$TEXT" "$AUDIO" "$GEMINI"; do key revoke "$(id_of "$k")" >/dev/null || not_ok "a key is revoked" "$(cat "$D/key.err")"; done
key revoke "$(sed -n 's/.*key \([0-9a-z]*\) of.*/\1/p' "$D/file.id")" >/dev/null || not_ok "a key of a file is revoked" "$(cat "$D/key.err")"
key change "$(id_of "$MODELS")" --models 'claude-*' >/dev/null || not_ok "a key's models are changed" "$(cat "$D/key.err")"
key change "$(id_of "$TEAM")" --team barred >/dev/null || not_ok "a key's team is changed" "$(cat "$D/key.err")"
limit set turns --for person=limited --to 0 >/dev/null || not_ok "a limit is set" "$(cat "$D/key.err")"
synced
touch "$GO"
wait $node
grep -E '^(ok|not ok|#   )' "$D/ends.log"
grep -q '^not ok' "$D/ends.log" && failed=1
grep -q '# ended' "$D/ends.log" || not_ok "realtime.mjs ends" "$(tail -3 "$D/ends.log")"
unlike "no later message reached a provider" "$(seen 200)" 'after all'

# the records of these sessions
settled
cat "$JOURNAL"/* "$D"/journal-b/* 2>/dev/null | tr -d '\0' | grep -a '"type":"\(decision\|completion\)"' >"$D/records"
said() { jq -r "select(.type == \"decision\" and .status == 401 and .identity.person == \"$1\" and .socket.of) | .code + \": \" + .reason" "$D/records"; }
for who in text audio gemini filed; do is "$who: the record has the reason" "$(said $who)" "invalid_credentials: the API key is revoked"; done
is "short: the record has the reason" "$(said short)" "invalid_credentials: the token has expired"
like "the completion has the reason why the session ended" "$(jq -c 'select(.type == "completion" and .identity.person == "audio" and .socket.turns) | [.outcome, .why]' "$D/records")" \
	'answer_denied.*the credential is no longer valid'

# Either daemon resumes a session, because both have the same state_key.
rm -f "$GO"
node "$here/realtime.mjs" elsewhere >"$D/elsewhere.log" 2>&1 &
node=$!
check "sessions return handles" wait_for says '# handles' cat "$D/elsewhere.log"
settled
begun() { cat "$1"/* | tr -d '\0' | grep -a '"type":"decision"' | jq -r 'select(.route == "live" and (.socket | not)) | .id' | wc -l; }
check "both daemons have sessions" test "$(begun "$JOURNAL")" -gt 0 -a "$(begun "$D/journal-b")" -gt 0
killed second
touch "$GO"
wait $node
grep -E '^(ok|not ok|#   )' "$D/elsewhere.log" || not_ok "realtime.mjs elsewhere" "$(tail -3 "$D/elsewhere.log")"
grep -q '^not ok' "$D/elsewhere.log" && failed=1
exit $failed
