# The policy in force changes: with policy_watch by the change of a file that it includes, by a call of the
# admin server; a bad one changes nothing and is said to be.
# Once: no HAProxy is reloaded here.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/policy"
policy=$D/policy/policy.yaml
more=$D/policy/more.yaml
sed 's/^name: .*/&\ninclude: more.yaml/' "$root/tests/support/stack-policy.yaml" >"$policy"
echo "rules: []" >"$more"
echo "policy_watch: true" >"$D/watch.yaml"
stack_up --policy "$policy" --config "$D/watch.yaml"
admin() { curl -s -m 90 -H "authorization: Bearer $ADMIN_TOKEN" "$@"; }
in_force() { admin "$ADMIN/status" | sed 's/.*"policy":"\([^"]*\)".*/\1/'; }
# waits until the command's output matches
until_like() { wait_for says "$@"; }
put() { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }
models() { req GET /v1/models -H "authorization: Bearer $(token)"; }

like "no reload yet" "$(admin "$ADMIN/status")" '"last_reload":null'
socket=${REDIS#unix:}
socket=${socket%/*}/admin.sock # beside Redis'
models
is "served at first" "$status" 200
first=$(in_force)
put "$more" 'rules: [{name: closed, deny: {status: 451}}]'
check "an included file that changes is read" until_like '"by":"file .*more.yaml","result":"done"' admin "$ADMIN/status"
models
is "and obeyed" "$status" 451
second=$(in_force)
check "its version is another" test "$first" != "$second"
put "$more" 'rules: [{name: closed, when: "identity.persn == 1", deny: true}]'
check "a bad one is refused" until_like '"result":"refused"' admin "$ADMIN/status"
like "with file, line and column" "$(admin "$ADMIN/status")" 'more.yaml:1:31: when: identity.persn: no such field; did you mean identity.person'
is "the one in force stays" "$(in_force)" "$second"
models
is "and decides" "$status" 451

is "no token, no reload" "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$ADMIN/reload")" 401
is "GET changes nothing" "$(admin -o /dev/null -w '%{http_code}' "$ADMIN/reload")" 405
is "a reload of a bad one is a 422" "$(admin -o "$D/answer" -w '%{http_code}' -X POST "$ADMIN/reload")" 422
like "that says why" "$(cat "$D/answer")" '"by":"admin.token_file","result":"refused","errors_total":1,"errors":\[".*more.yaml:1:31: '
check "by the socket too" test "$(curl -s -m 90 --unix-socket "$socket" -o /dev/null -w '%{http_code}' -X POST http://x/reload)" = 422
by() { admin "$ADMIN/status" | jq -r .last_reload.by; }
of_record() { "$build/tollgate" audit export --journal "$JOURNAL" | jq -r 'select(.what == "configuration") | .by' | tail -1; }
is "by the user that the kernel names" "$(by)" "$(id -un)"
is "as its record says" "$(by)" "$(of_record)"
kill -HUP "$(pid_of tollgate)"
check "a signal is one" until_like '"by":"signal SIGHUP"' admin "$ADMIN/status"
put "$more" 'rules: []'
policies() { "$build/tollgate" audit export --journal "$JOURNAL" | grep '"type":"policy"'; }
is "each that came into force has a record" "$(policies | wc -l)" 2
like "which says what is searched" "$(policies | tail -1)" "\"policy\":\"$second\".*\"searched\":\"[0-9a-f]{16}\",\"entities\":\\[\"[A-Z]"
like "and decisions have its hash" "$("$build/tollgate" audit export --journal "$JOURNAL" | grep '"type":"decision"' | tail -1)" \
	"$(policies | tail -1 | grep -o '"searched":"[^"]*"')"
is "a good one is done" "$(admin -o "$D/answer" -w '%{http_code}' -X POST "$ADMIN/reload")" 200
is "and in force when the answer comes" "$(in_force)" "$first"
# what came before has been read once this one has
reloads() { metric reloads_total 'result="ok"'; }
put "$more" 'rules: [{name: again, when: "false", tag: x}]'
is_another() { [ "$(in_force)" != "$1" ]; }
check "the next change is read" wait_for is_another "$first"
before=$(reloads)
touch "$D/policy/unrelated.yaml"
sleep 1.2
another=$(in_force)
put "$more" 'rules: [{name: again, when: "false", tag: y}]'
wait_for is_another "$another"
is "other files do not count" "$(reloads)" "$((before + 1))"
like "the log says what reloaded" "$(grep reload.done "$D/tollgate.log")" 'by="?file .*more.yaml'
unlike "nothing waits for a restart" "$("$B/tollgate" reload -c "$D/tollgate.yaml")" restart
echo 'node: renamed' >"$D/.over.yaml"
"$build/stackhelp" merge "$D/tollgate.yaml" "$D/.over.yaml" >"$D/.whole.yaml" && mv "$D/.whole.yaml" "$D/tollgate.yaml"
like "what does is named" "$("$B/tollgate" reload -c "$D/tollgate.yaml")" '^node: changed in the file; takes effect after a restart'
