# Sound in realtime sessions is judged by its transcript.
# Once: HAProxy's version does not matter.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "sound in sessions" "node is not installed"; exit 0; }
export KNOWN=$D/known
: >"$KNOWN"
node "$root/tests/support/transcriber.mjs" "$D/transcriber" "$KNOWN" >"$D/transcriber.log" 2>&1 &
transcriber=$!
trap 'kill $transcriber 2>/dev/null; finish' EXIT
wait_for test -s "$D/transcriber"
sed "s|TRANSCRIBER|$(cat "$D/transcriber")|" "$here/realtime-voice.yaml" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
export EDGE TOKEN PROVIDER LIVE=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
TOKEN=$(token)
node "$here/realtime-voice.mjs" >"$D/voice.log" 2>&1 || failed=1
grep -E '^(ok|not ok|#)' "$D/voice.log"
grep -q '^ok' "$D/voice.log" || not_ok "realtime-voice.mjs" "$(tail -3 "$D/voice.log")"

settled
is "a denied turn is recorded with its speech" "$(journals | grep '"type":"decision"' | jq -c 'select(.route == "required" and .rule == "cards") | [.prompt.speech, .prompt.files[0].seconds, .prompt.files[0].found]' | head -1)" '[["transcribed","english"],1,["CREDIT_CARD 0:00"]]'
is "a transcript has the role user" "$(journals | grep '"type":"decision"' | jq -c 'select(.route == "judged" and .rule == "cards") | [.entities.CREDIT_CARD.roles, .evasion]' | sort -u)" '[["user"],null]'
