# The boot record names the SHA-256 of the program and of the files that decide; `audit verify --program` compares programs
# with all boot records of a journal.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
stack_up --no-redis
verify() { "$B/tollgate" audit verify -c "$D/tollgate.yaml" "$@" 2>&1; }
exits() { verify "$@" >/dev/null; echo $?; }
boots() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"boot"'; }
measured() { boots | tail -n 1 | jq -r --arg what "$1" '.measured[] | select(.what == $what) | .sha256'; }
sha() { sha256sum "$1" | cut -d' ' -f1; }

policy=$(sed -n 's/^policy: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$D/tollgate.yaml")
is "the record has the hash of the program" "$(measured program)" "$(sha "$B/tollgate")"
is "the record has the hash of tollgate.yaml" "$(measured config)" "$(sha "$D/tollgate.yaml")"
is "the record has the hash of the policy" "$(measured policy)" "$(sha "$policy")"
is "the record has the commit that the program prints" "$(boots | jq -r .commit)" "$("$B/tollgate" version | sed -n 's/^commit //p')"
is "the record has the build id of the program" "$(boots | jq -r .build_id)" "$(readelf -n "$B/tollgate" | sed -n 's/.*Build ID: //p')"
is "the record has the version of the policy" "$(boots | jq -r '.measured[] | select(.what == "policy").version')" \
	"$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"policy"' | jq -r .policy_version)"

like "the program is the one in the records" "$(verify --program "$B/tollgate")" '^ok node=[^ ]+ source=program boots=1 same=1 unstated=0$'
is "the exit code is 0" "$(exits --program "$B/tollgate")" 0
cp "$B/tollgate" "$D/changed" && alter "$D/changed" 100000
like "a program with a changed byte is reported as another program" "$(verify --program "$D/changed")" '^bad node=[^ ]+ source=program seq=1 why="another program: boot 1 ran commit [^ ]+, SHA-256 [0-9a-f]{64}"'
is "the exit code is 1" "$(exits --program "$D/changed")" 1
is "a file that cannot be read is exit code 2" "$(exits --program "$D/nothing")" 2
is "JSON has the same result" "$(verify --json --program "$B/tollgate" | jq -c 'select(.source == "program") | [.ok, .boots, .same, .unstated]')" '[true,1,1,0]'
is "JSON has the failure" "$(verify --json --program "$D/changed" | jq -c 'select(.source == "program") | [.ok, .seq]')" '[false,1]'

# ---- an upgrade: a second program ----
cp "$B/tollgate" "$D/second" && printf x >>"$D/second"
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
"$D/second" serve -c "$D/tollgate.yaml" </dev/null >>"$D/second.log" 2>&1 &
note_pid $! second
wait_for is_ready
is "the second boot names the second program" "$(measured program)" "$(sha "$D/second")"
like "the first program alone does not match all boot records" "$(verify --program "$B/tollgate")" 'why="another program: boot 2 ran '
like "both programs match all boot records" "$(verify --program "$B/tollgate" --program "$D/second")" '^ok .*source=program boots=2 same=2 unstated=0$'
"$B/tollgate" audit export -c "$D/tollgate.yaml" >"$D/all.jsonl"
like "an exported file verifies the same way" "$("$B/tollgate" audit verify --file "$D/all.jsonl" --public-key "$AUDIT_KEY" --program "$D/second" --program "$B/tollgate")" 'source=program boots=2 same=2'
exit $failed
