# What the law asks of a record: who read it, what a route is for, when the gateway ran degraded, and evidence
# of a time (audit report). On the running stack. Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

stack_up
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
tg() { "$B/tollgate" "$@" >"$D/out" 2>"$D/err"; }
audit() { tg audit "$1" -c "$D/tollgate.yaml" "${@:2}"; }
# reads: how many records of type read there are; read_is JQ: of the newest one
lines() { cat "$JOURNAL"/*.jsonl | tr -d '\0'; }
reads() { lines | grep -c '"type":"read"'; }
last_read() { lines | grep '"type":"read"' | tail -1 | jq -c "$1"; }

ask hello
id=$(header x-tollgate-id)
ask 'my mail is ann@example.com'

# ---- who read ----
audit list --person alice --since 1h --json
is "a listing is recorded: which command, for what, how many, who" \
	"$(last_read '[.what, .read, .after.asked.person, .after.records, .peer.uid]')" "[\"records\",\"audit list\",\"alice\",$(wc -l <"$D/out"),$(id -u)]"
like "the time that was meant by 1h is in it" "$(last_read .after.asked.from)" '^"20..-..-..T'
is "nothing is said then" "$(cat "$D/err")" ""
audit show "$id"
is "show" "$(last_read '[.read, .after.asked.operands[0], .after.records]')" "[\"audit show\",\"$id\",2]"
audit explain "$id"
is "explain" "$(last_read '[.read, .after.asked.operands[0]]')" "[\"audit explain\",\"$id\"]"
audit show "$id" --proof=decision
is "a proof" "$(last_read '[.read, .after.asked.proof, .after.records]')" '["audit show","decision",1]'
audit search --at today --person alice
is "search" "$(last_read '[.read, .after.asked.person, .after.asked.at, .after.records]')" '["audit search",["alice"],"today",2]'
audit export
is "export" "$(last_read '[.read, .after.records > 6]')" '["audit export",true]'
tg usage --by person -c "$D/tollgate.yaml"
is "usage" "$(last_read '[.read, .after.asked.by]')" '["usage","person"]'
audit verify
is "verify, and what came of it" "$(last_read '[.read, .after.asked.holds]')" '["audit verify",true]'
audit search --text 'a text that nobody sent'
is "a text is never in it, its keyed hash is in the record before" \
	"$(lines | grep '"type":"read"' | tail -2 | jq -c '[.what, (.after.asked // {} | has("text"))]' | tr '\n' ' ')" '["text",false] ["records",false] '
audit list --outcome nonsense
n=$(reads)
is "a command that read nothing is not recorded" "$(last_read .read)" '"audit search"'

# the reader goes away in the midst, and --follow
for i in 1 2 3 4 5 6 7 8; do ask "again $i"; done
"$B/tollgate" audit export -c "$D/tollgate.yaml" 2>"$D/err" | head -c 1 >/dev/null
is "head closes the pipe: told all the same" "$(reads) $(last_read .read)" "$((n + 1)) \"audit export\""
"$B/tollgate" audit list --follow -c "$D/tollgate.yaml" >"$D/follow" 2>&1 &
follower=$!
begun() { [ "$(last_read .after.follow)" = '"begin"' ] && [ "$(wc -l <"$D/follow")" = 10 ]; }
check "--follow is recorded at its begin" wait_for begun
n=$(reads)
ask 'one more'
shows() { [ "$(wc -l <"$D/follow")" = 11 ]; }
wait_for shows
kill -TERM "$follower"
wait "$follower"
is "and when it is ended, by a signal too; never for itself" "$(reads) $(last_read '[.after.follow, .after.records]')" "$((n + 1)) [\"end\",11]"

# what is no such call is refused, and not recorded
n=$(reads)
socket=$(sed -n 's/.*unix@\([^"]*admin\.sock\).*/\1/p' "$D/tollgate.yaml")
say() { curl -s -o /dev/null -w '%{http_code} ' --unix-socket "$socket" -d "$1" http://tollgate/audit/read; }
is "another caller's mistakes" "$(say '{"command":"audit list"}')$(say '{"command":"a\"b","asked":{},"records":1}')$(say '{"command":"x","asked":[],"records":1}')$(
	say '{"command":"x","asked":{},"records":-1}')$(say '{"command":"x","asked":{},"records":1,"follow":"on"}')$(say '{"command":"x","asked":{},"records":1,"by":7}')$(reads)" \
	"400 400 400 400 400 400 $n"

# where nobody can be told
n=$(reads)
mkdir "$D/copy" && cp "$JOURNAL"/*.jsonl "$D/copy/"
audit list --journal "$D/copy"
is "another folder: shown, not recorded, said" "$? $(wc -l <"$D/out") $(grep -c 'not recorded: .*/copy is not of the daemon' "$D/err") $(reads)" "0 11 1 $n"
audit list --file "$(ls "$D"/copy/*.jsonl | head -1)"
is "a file" "$? $(wc -l <"$D/out") $(grep -c 'not recorded' "$D/err") $(reads)" "0 11 1 $n"
tg audit list --journal "$JOURNAL" -c "$D/tollgate.yaml"
is "its own folder, named" "$? $(cat "$D/err") $(reads)" "0  $((n + 1))"
(cd / && env -u TOLLGATE_CONFIG "$B/tollgate" audit list --journal "$JOURNAL" >"$D/out" 2>"$D/err")
like "without a configuration" "$(cat "$D/err")" '^tollgate: audit list: not recorded: '
like "a listing says no more than that" "$(wc -l <"$D/err")" '^1$'
is "the journal verifies" "$("$B/tollgate" audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY" | cut -d' ' -f1)" ok
sed 's|/admin\.sock|/nobody.sock|' "$D/tollgate.yaml" >"$D/away.yaml"
tg audit list -c "$D/away.yaml"
is "a daemon that is away fails no read" "$? $(wc -l <"$D/out") $(grep -c 'not recorded: .*the daemon is not running' "$D/err")" "0 11 1"
exit $failed
