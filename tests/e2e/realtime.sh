# Realtime sessions over WebSockets: each message is decided.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
stack_up --policy "$here/realtime.yaml"
forget
export EDGE TOKEN PROVIDER CAROL DAVE ERIN FRED GINA HUGO GO=$D/go
export LIVE=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
TOKEN=$(token)
CAROL=$(token --claims '{"sub":"carol"}') DAVE=$(token --claims '{"sub":"dave"}') ERIN=$(token --claims '{"sub":"erin"}')
FRED=$(token --claims '{"sub":"fred"}') GINA=$(token --claims '{"sub":"gina"}') HUGO=$(token --claims '{"sub":"hugo"}')
PID=$(pid_of tollgate)
export PID
node "$here/realtime.mjs" silence >"$D/silence.log" 2>&1 &
silence=$!
for part in handshakes contents resumes several stops bad; do
	node "$here/realtime.mjs" $part >"$D/$part.log" 2>&1 || failed=1
	grep -E '^(ok|not ok|skip|#)' "$D/$part.log"
	grep -q '^ok' "$D/$part.log" || not_ok "realtime.mjs $part" "$(tail -3 "$D/$part.log")"
done
# charges: the usage that the provider reported
used() {
	"$build/tollgate" quota get --person "$1" --route realtime --json -c "$D/tollgate.yaml" |
		jq -r ".[] | select(.limit == \"$2\") | \"\(.used) \(.held)\""
}
wait_for says ' 0$' used alice turns
before=$(used alice turns)
node "$here/realtime.mjs" money >"$D/money.log" 2>&1 || failed=1
grep -E '^(ok|not ok|#   )' "$D/money.log"
tokens=$(sed -n 's/^# tokens //p' "$D/money.log")
wait_for says ' 0$' used alice turns
is "turns are charged their usage, and nothing stays reserved" "$(used alice turns)" "$((${before% *} + tokens)) 0"
wait_for says ' 0$' used carol carol
is "the same if a limit ended the session" "$(used carol carol)" "$(sed -n 's/^# carol //p' "$D/money.log") 0"

# records
settled
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"\(decision\|completion\)"' >"$D/records"
id=$(jq -r 'select(.type == "completion" and .socket.turns == 4 and .identity.person == "alice") | .id' "$D/records" | tail -1)
of() { jq -r "select(.type == \"$1\" and .socket.of == \"$id\" and $2) | $3" "$D/records"; }
is "the handshake has a decision" "$(jq -r "select(.id == \"$id\" and .type == \"decision\") | .decision + .via" "$D/records")" permitrelay
is "each turn has a decision and its usage" "$(of completion .socket.turn .usage.output_tokens | xargs)" "3 5 40 1"
is "messages that only add to a turn are in the turn's decision" "$(of decision .socket.turn '.socket.with | map(.bytes > 60 and (.hmac_sha256 | length) == 64 and .rule == "default") | tostring' | xargs)" "[true] [true] [true] [true]"
is "they have no decision of their own" "$(of decision '(.socket.turn | not)' .id)" ""
own() { jq -r "select(.type == \"decision\" and .socket.of and (.socket.turn | not) and .decision == \"$1\") | .rule // empty" "$D/records" | sort -u | xargs; }
is "a redacted message has its own decision" "$(own redact)" mail
is "a denied message has its own decision" "$(own deny)" "cards"
is "messages without a turn are in the completion of the handshake" "$(jq -c 'select(.type == "completion" and .identity.person == "hugo") | [.socket.turns, (.socket.with | length)]' "$D/records")" "[0,3]"
like "audio is counted as uninspected" "$(jq -c 'select(.type == "completion" and .socket.media_in) | .socket' "$D/records")" '"media_in":8,"media_out":16'
heard=$(jq -r 'select(.type == "completion" and .socket.media_in) | .id' "$D/records" | head -1)
is "after media, a message that only adds has its own decision" "$(jq -c "select(.type == \"decision\" and .socket.of == \"$heard\" and (.socket.turn | not)) | [.decision, .rule, .socket.with]" "$D/records" | xargs)" "[permit,default,null] [deny,cards,null]"
turns_of() { jq -r "select(.type == \"completion\" and .identity.person == \"$1\" and .socket.turn and .outcome == \"complete\") | .usage.output_tokens" "$D/records" | sort | xargs; }
is "concurrent responses have a completion each, with their usage" "$(turns_of fred)" "3 3 6"
is "a transcription is a turn each time" "$(jq -r 'select(.type == "completion" and .identity.person == "gina" and .socket.turns) | .socket.turns' "$D/records")" 2

wait $silence
grep -E '^(ok|not ok|#)' "$D/silence.log"
grep -q '^not ok' "$D/silence.log" && failed=1

# A reload ends a session with its next message; a stop ends all sessions.
node "$here/realtime.mjs" stays >"$D/stays.log" 2>&1 &
wait_for says '# open' cat "$D/stays.log"
kill -HUP "$(pid_of tollgate)"
wait_for says 'event=reload.done' cat "$D/tollgate.log"
touch "$GO"
wait_for says '# closed' cat "$D/stays.log"
is "after a reload a session is closed with 1012" "$(grep -o 'closed .*' "$D/stays.log")" "closed 1012"
rm -f "$GO"
node "$here/realtime.mjs" stays >"$D/stops.log" 2>&1 &
wait_for says '# open' cat "$D/stops.log"
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for says '# closed' cat "$D/stops.log"
is "a stop closes sessions between turns with 1001" "$(grep -o 'closed .*' "$D/stops.log")" "closed 1001"
check "the daemon ends" wait_for gone "$pid"
