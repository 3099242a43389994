# The operator's commands on a running daemon: status, reload, audit list, key, and decide with the files that the
# configuration names.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
stack_up --policy "$D/mine.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
strangers() { fetch GET "$ADMIN/metrics" | sed -n 's/^tollgate_audit_strangers //p'; }
tg_status() { tg status; cat "$D/out"; }
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }

tg status
is "status of a ready daemon is exit 0" "$? $(tail -1 "$D/out")" "0 ready"
like "status has policy and Redis" "$(cat "$D/out")" '^policy: [a-z0-9-]+@[0-9a-f]+'
tg status --json
like "status as JSON has ready" "$(cat "$D/out")" '"ready": ?true'
policy=$(sed -n 's/^policy: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$D/tollgate.yaml")
[ -w "$policy" ] || policy=$D/policy.yaml
cp "$policy" "$D/good.yaml"
printf 'nonsense: true\n' >>"$policy"
tg reload
is "an invalid policy is refused" "$?" 1
like "the error has its line" "$(cat "$D/err")" ':[0-9]+:1: nonsense: unknown key'
like "the loaded policy stays in force" "$(cat "$D/err")" 'stays in force'
cp "$D/good.yaml" "$policy"
tg reload
is "a valid policy is loaded" "$?" 0
like "the command prints its name" "$(cat "$D/out")" '^reloaded: policy [a-z0-9-]+@'

ask 'hello'
ask 'write to jane.doe@example.com'
req POST /v1/chat/completions -H "$json" -d '{"model":"m","messages":[]}'
settled
tg audit list
is "audit list has a line for each decision" "$(grep -c . "$D/out")" 3
tg audit list --decision redact
like "--decision selects redacted requests" "$(cat "$D/out")" 'Z redact +alice [a-z]+ m [a-z-]+ pii 0[0-9A-Z]+$'
is "it selects no others" "$(grep -c . "$D/out")" 1
tg audit list --person nobody
is "an unknown person has no records" "$? $(grep -c . "$D/out")" "0 0"
tg audit list --class pii --since 5m --until 2099-01-01
is "--class and --since select records" "$(grep -c . "$D/out")" 1
tg audit list --until 1h
is "--until an hour ago selects nothing" "$(grep -c . "$D/out")" 0
tg audit list --json --decision deny
like "--json prints records" "$(cat "$D/out")" '^\{"v":1,.*"decision":"deny"'
tg audit list --since soon
is "an invalid time is refused" "$? $(cut -d: -f1-3 "$D/err")" "2 tollgate: audit list: --since"
"$B/tollgate" audit list -c "$D/tollgate.yaml" --since 0s --follow >"$D/follow" 2>&1 &
follower=$!
shown() { ask 'and another'; sleep 0.2; [ -s "$D/follow" ]; } # the command may not have started yet
check "--follow shows a new record" wait_for shown
kill $follower
is "--follow shows no earlier records" "$(grep -vc ' permit ' "$D/follow")" 0
unlike "--follow shows no text of a prompt" "$(cat "$D/follow")" another

trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
for bad in "" 00-00000000000000000000000000000000-00f067aa0ba902b7-01 ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 \
	00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01 "$trace-more" 'jane.doe@example.com'; do
	req POST /v1/chat/completions -H "$auth" -H "$json" -H "traceparent: $bad" -d '{"model":"untraced","messages":[]}'
done
req POST /v1/chat/completions -H "$auth" -H "$json" -H "traceparent: $trace" -d '{"model":"traced","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
like "the provider receives traceparent" "$(seen)" "\"traceparent\":\"$trace\""
settled
tg audit list --json
is "its record has the trace, no other record has it" "$(grep -o '"model":"[a-z]*traced"[^}]*}.*"request":{[^}]*"traceparent":"[^"]*"' "$D/out" | grep -o '"model":"[a-z]*"' | sort | uniq -c | tr -s ' ')" ' 1 "model":"traced"'
id=$(header x-tollgate-id)
is "its completion has the trace" "$(grep -ah '"type":"completion"' "$JOURNAL"/* | grep -c "\"id\":\"$id\".*\"traceparent\":\"$trace\"")" 1
is "no other completion has it" "$(grep -ah '"type":"completion"' "$JOURNAL"/* | grep -c traceparent)" 1
req GET /v1/models -H "$auth" -H "traceparent: $trace"
req POST /v1/chat/completions -H "$json" -H "traceparent: $trace" -d '{"model":"m","messages":[]}'
req GET /v1/models -H "$auth" -H "traceparent: $trace" -H "traceparent: $trace"
traced() { grep -o "tollgate=[a-z]*/[a-z-]*/[0-9A-Z]*/[^ ]* trace=$trace" "$D/haproxy.log" | cut -d/ -f1,2 | tr '\n' ' '; }
check "HAProxy's log has the trace: relayed, direct, denied" wait_for says '^tollgate=redact/relay tollgate=permit/direct tollgate=deny/- $' traced
unlike "an invalid traceparent is not logged" "$(grep -o 'trace=.*' "$D/haproxy.log")" 'ff-|00000000000000000|4BF92|more|jane'

for h in 'authorization: Bearer sk-proj-abcdef' 'x-api-key: sk-ant-api03-abc' 'x-goog-api-key: AIzaSyA'; do
	req POST /v1/chat/completions -H "$h" -H "$json" -d '{"model":"m","messages":[]}'
	like "a provider's key is reported as one: ${h%%:*}" "$status $body" "^401 .*this is a provider's API key; use a tg_ key of this gateway"
	unlike "the provider's key is not printed" "$body" "${h##* }"
done
req POST /v1/chat/completions -H 'x-api-key: sk-ant-api03-abc' -H "$json" -d '{"model":"m","messages":[]}'
like "a rule's own reason comes first" "$status $body" "^401 .*$(sed -n 's/.*status: 401, reason: \([a-z ]*\).*/\1/p' "$policy" | head -1); this is a provider's API key"
sed -i 's/^rules:$/&\n  - {name: own-401, when: '"'model.name == \"mine\"'"', deny: {status: 401, reason: sign in anew}}/' "$policy"
tg reload
is "a rule that denies with 401 is loaded" "$?" 0
req POST /v1/chat/completions -H "$auth" -H 'x-api-key: sk-ant-api03-abc' -H "$json" -d '{"model":"mine","messages":[]}'
like "an identified caller gets only the rule's reason" "$status $body" '^401 .*sign in anew'
unlike "another credential does not change that" "$body" "provider's key"
cp "$D/good.yaml" "$policy"
tg reload
req POST /v1/chat/completions -H "$json" -d '{"model":"m","messages":[]}'
unlike "without a credential, no provider's key is mentioned" "$body" "provider's key"

# ---- a Redis that responds but refuses writes ----
for fault in 'config set maxmemory 1|config set maxmemory 0|memory is full' 'config set min-replicas-to-write 1|config set min-replicas-to-write 0|too few replicas' \
	'acl setuser tollgate -@write|acl setuser tollgate +@write|its ACL does not permit'; do
	IFS='|' read -r on off says <<<"$fault"
	# shellcheck disable=SC2086
	redis $on >"$D/redis" 2>&1
	check "status reports it: $says" wait_for says "^redis: refuses writes: .*$says" tg_status
	is "status is exit 1" "$(tg status; echo "$? $(tail -1 "$D/out")")" "1 not ready"
	is "readyz is 503" "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN/readyz")" 503
	is "metrics report it" "$(fetch GET "$ADMIN/metrics" | grep -E '^tollgate_(redis_up|redis_writable|ready) ' | tr '\n' ' ')" "tollgate_redis_up 1 tollgate_redis_writable 0 tollgate_ready 0 "
	check "the log has Redis' reason" wait_for grep -q "event=redis.refuses .*$says" "$D/tollgate.log"
	is "it is logged once" "$(grep -c "event=redis.refuses .*$says" "$D/tollgate.log")" 1
	ask hello
	is "a request with a limit is refused" "$status" 503
	# shellcheck disable=SC2086
	redis $off >"$D/redis" 2>&1
	check "it recovers without a restart" wait_for says '^redis: up$' tg_status
done
is "the recovery is logged" "$(grep -c 'event=redis.takes' "$D/tollgate.log")" 3
clock=$(fetch GET "$ADMIN/metrics" | sed -n 's/^tollgate_clock_ahead_seconds //p')
check "the clock agrees with Redis" awk -v s="$clock" 'BEGIN { exit !(s != "" && s < 5 && s > -5) }'
tg status
unlike "status does not mention the clock" "$(cat "$D/out")" '^clock:'

echo '{"path":"/v1/chat/completions","identity":{"person":"alice"},"headers":{"content-type":"application/json"},"body":"{\"model\":\"m\",\"messages\":[]}"}' >"$D/request"
"$B/tollgate" decide -c "$D/tollgate.yaml" <"$D/request" >"$D/out" 2>"$D/err"
like "decide uses the policy of the configuration" "$(cat "$D/out")" '"decision": "permit"'

# ---- files that stop the next start ----
tg audit verify
final is "the journal verifies without a message" "$? $(cat "$D/err")" "0 "
for name in notes.txt "$(basename "$(find "$JOURNAL" -name '*.jsonl' | sort | tail -1)").bak" other-00000001-0000000000000001.jsonl; do
	: >"$JOURNAL/$name"
	tg check
	is "check reports $name" "$? $(grep -c "tollgate.yaml:[0-9]*:[0-9]*: audit.journal: .*/$name: not a segment of node a: the daemon does not start" "$D/err")" "1 1"
	tg audit verify
	like "verify reports it too" "$(cat "$D/err")" "^tollgate: audit verify: .*/$name: not a segment of node a: the daemon does not start with it here; move it away\$"
	check "status reports it" wait_for says '^audit: a file in the journal.s folder is not a segment' tg_status
	is "the log reports it, and a metric" "$(grep -c "event=audit.stranger .*/$name: not a segment" "$D/tollgate.log") $(fetch GET "$ADMIN/metrics" | sed -n 's/^tollgate_audit_strangers //p')" "1 1"
	rm "$JOURNAL/$name"
	check "the metric is 0 after the file is removed" wait_for says '^0$' strangers
done
tg check
is "verify succeeds after the file is moved away" "$?" 0

# ---- messages about mistakes ----
for words in 'help check' '--help check' '-h check' 'check --help'; do
	# shellcheck disable=SC2086
	"$B/tollgate" $words >"$D/out" 2>"$D/err"
	is "$words" "$? $(head -1 "$D/out" | cut -c1-37) $(cat "$D/err")" "0 usage: tollgate check [-c FILE] [--po "
done
"$B/tollgate" help nonsense >"$D/out" 2>"$D/err"
is "help of an unknown command is an error" "$? $(cat "$D/err")" "2 tollgate: nonsense: no such command; see tollgate --help"
for list in 'a,' ',' ',a' 'a,,b' 'a, ,b'; do
	for option in models scopes roles limits; do
		"$B/tollgate" key new --keys "$D/half.yaml" --person p --$option "$list" >"$D/out" 2>"$D/err"
		is "a list with an empty name creates no key: --$option '$list'" "$? $(cat "$D/out")$(grep -c "^tollgate: key: --$option .*a name is missing" "$D/err")" "2 1"
	done
done
check "no key file is written" test ! -e "$D/half.yaml"
like "each build prints its commit" "$("$B/tollgate" version)" '^commit ([0-9a-f]{12}(\+changed)?|unknown)$'
for command in status check 'audit list' 'audit verify' 'usage --by team' 'key list' 'limit list' 'prices check' serve; do
	# shellcheck disable=SC2086
	"$B/tollgate" $command -c "$D/none.yaml" >"$D/out" 2>"$D/err"
	like "a missing configuration is reported: $command" "$? $(cat "$D/err")" "^2 tollgate: [a-z ]+: $D/none.yaml: No such file or directory\$"
done
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	mkdir "$D/closed" && cp "$D/tollgate.yaml" "$D/closed/" && chmod 700 "$D/closed" && chmod 755 "$D"
	cp "$B/tollgate" "/tmp/tgoperator.$$"
	for command in status check 'audit list' 'key list' 'prices check'; do
		# shellcheck disable=SC2086
		setpriv --reuid=65534 --regid=65534 --clear-groups "/tmp/tgoperator.$$" $command -c "$D/closed/tollgate.yaml" >"$D/out" 2>"$D/err"
		like "a configuration without read permission is reported: $command" "$? $(cat "$D/err")" "^2 tollgate: [a-z ]+: $D/closed/tollgate.yaml: Permission denied: run this as root"
	done
	rm -f "/tmp/tgoperator.$$"
else
	skip "a configuration without read permission is reported" "not root, or no setpriv"
fi
python3 - "$D/left.sock" <<'PY'
import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])
PY
sed "s#unix@[^ \"]*admin[^ \"]*.sock#unix@$D/left.sock#" "$D/tollgate.yaml" >"$D/left.yaml"
for command in status top reload 'limit list'; do
	# shellcheck disable=SC2086
	"$B/tollgate" $command -c "$D/left.yaml" >"$D/out" 2>"$D/err"
	like "a socket without a daemon is reported: $command" "$? $(cat "$D/err")" "^2 tollgate: [a-z ]+: $D/left.sock: no process listens on this socket; .*systemctl status tollgate\$"
done
python3 - "$D/mute.sock" <<'PY' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
while True: c = s.accept()[0]; c.recv(65536); time.sleep(100)
PY
mute=$!
wait_for test -S "$D/mute.sock"
sed "s#left.sock#mute.sock#" "$D/left.yaml" >"$D/mute.yaml"
for command in status top; do
	"$B/tollgate" $command -c "$D/mute.yaml" >"$D/out" 2>"$D/err"
	like "a daemon that stands still is reported: $command" "$? $(cat "$D/err")" "^2 tollgate: $command: $D/mute.sock: no response: the daemon hangs"
done
kill $mute

"$root/tests/support/stack" down --dir "$D"
: >"$JOURNAL/notes.txt"
"$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "the start refuses that journal too" "$? $(grep -c '/notes.txt: not a segment of node a: .*move it away' "$D/out")" "2 1"
tg status
is "without a daemon, status is exit 2" "$?" 2
like "the error asks whether tollgate is running" "$(cat "$D/err")" 'is tollgate running'
exit $failed
