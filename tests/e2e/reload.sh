# A policy is loaded again: with policy_watch if an included file changes, or by a request to the admin server. An
# invalid policy changes nothing and is reported.
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
# repeats the command until its output matches
until_like() { wait_for says "$@"; }
put() { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }
models() { req GET /v1/models -H "authorization: Bearer $(token)"; }

like "at first there was no reload" "$(admin "$ADMIN/status")" '"last_reload":null'
socket=${REDIS#unix:}
socket=${socket%/*}/admin.sock # next to the socket of Redis
models
is "the first policy permits" "$status" 200
first=$(in_force)
put "$more" 'rules: [{name: closed, deny: {status: 451}}]'
check "a changed included file is loaded" until_like '"by":"file .*more.yaml","result":"done"' admin "$ADMIN/status"
all_workers() { admin "$ADMIN/status" | jq -e '.workers > 0 and .workers_current == .workers' >/dev/null; }
check "all workers use it" wait_for all_workers
models
is "the changed policy denies" "$status" 451
second=$(in_force)
check "it has another version" test "$first" != "$second"
put "$more" 'rules: [{name: closed, when: "identity.persn == 1", deny: true}]'
check "an invalid policy is refused" until_like '"result":"refused"' admin "$ADMIN/status"
like "the error has file, line and column" "$(admin "$ADMIN/status")" 'more.yaml:1:31: when: identity.persn: no such field; did you mean identity.person'
is "the previous policy stays in force" "$(in_force)" "$second"
models
is "the previous policy decides" "$status" 451

is "a reload without a token is 401" "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$ADMIN/reload")" 401
is "GET is 405" "$(admin -o /dev/null -w '%{http_code}' "$ADMIN/reload")" 405
is "a reload of an invalid policy is 422" "$(admin -o "$D/answer" -w '%{http_code}' -X POST "$ADMIN/reload")" 422
like "the response has the error" "$(cat "$D/answer")" '"by":"admin.token_file","result":"refused","errors_total":1,"errors":\[".*more.yaml:1:31: '
check "a reload over the socket is refused as well" test "$(curl -s -m 90 --unix-socket "$socket" -o /dev/null -w '%{http_code}' -X POST http://x/reload)" = 422
by() { admin "$ADMIN/status" | jq -r .last_reload.by; }
of_record() { "$build/tollgate" audit export --journal "$JOURNAL" | jq -r 'select(.what == "configuration") | .by' | tail -1; }
is "the reload names the user of the socket" "$(by)" "$(id -un)"
is "the record names the user too" "$(by)" "$(of_record)"
kill -HUP "$(pid_of tollgate)"
check "SIGHUP reloads" until_like '"by":"signal SIGHUP"' admin "$ADMIN/status"
put "$more" 'rules: []'
policies() { "$build/tollgate" audit export --journal "$JOURNAL" | grep '"type":"policy"'; }
is "each policy in force has a record" "$(policies | wc -l)" 2
like "the record has the hash of the searched entities" "$(policies | tail -1)" "\"policy\":\"$second\".*\"searched\":\"[0-9a-f]{16}\",\"entities\":\\[\"[A-Z]"
like "decisions have the same hash" "$("$build/tollgate" audit export --journal "$JOURNAL" | grep '"type":"decision"' | tail -1)" \
	"$(policies | tail -1 | grep -o '"searched":"[^"]*"')"
is "a reload of a valid policy is 200" "$(admin -o "$D/answer" -w '%{http_code}' -X POST "$ADMIN/reload")" 200
is "the policy is in force when the response arrives" "$(in_force)" "$first"
# Earlier changes have been handled when this one has been.
reloads() { metric reloads_total 'result="ok"'; }
put "$more" 'rules: [{name: again, when: "false", tag: x}]'
is_another() { [ "$(in_force)" != "$1" ]; }
check "the next change is loaded" wait_for is_another "$first"
before=$(reloads)
touch "$D/policy/unrelated.yaml"
sleep 1.2
another=$(in_force)
put "$more" 'rules: [{name: again, when: "false", tag: y}]'
wait_for is_another "$another"
is "other files do not cause a reload" "$(reloads)" "$((before + 1))"
like "the log names the file" "$(grep reload.done "$D/tollgate.log")" 'by="?file .*more.yaml'
unlike "no change needs a restart" "$("$B/tollgate" reload -c "$D/tollgate.yaml")" restart
echo 'node: renamed' >"$D/.over.yaml"
"$build/stackhelp" merge "$D/tollgate.yaml" "$D/.over.yaml" >"$D/.whole.yaml" && mv "$D/.whole.yaml" "$D/tollgate.yaml"
like "a change that needs a restart is reported" "$("$B/tollgate" reload -c "$D/tollgate.yaml")" '^node: changed in the file; takes effect after a restart'
