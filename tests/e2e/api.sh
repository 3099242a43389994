# The admin API of the running stack. Children of the daemon search, show and explain records. The test checks which
# values a request may contain, and what happens if a child fails.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cat >"$D/config.yaml" <<'Y'
workers: 1
Y
stack_up --config "$D/config.yaml" --records 2000
auth="authorization: Bearer $(token)"
json='content-type: application/json'
sock=$(sed -n '/^admin:/,$s/^ *listen: *"unix@\(.*\)"/\1/p' "$D/tollgate.yaml")
api() { code=$(curl -s --max-time 60 -o "$D/out" -D "$D/head" -w '%{http_code}' --unix-socket "$sock" "http://localhost$@"); }
at() { jq -c "$1" "$D/out"; }

# ---- one request; the model's name contains HTML and characters that reverse the direction of text ----
body='{"model":"<b>x</b>\u202ey","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$body"
id=$(header x-tollgate-id)
sleep 0.3
api "/records/search?id=$id"
is "a record is found by its id" "$code $(at '.records|length')" "200 1"
is "names are returned unchanged" "$(at '.records[0].model')" "$(jq -c .model <<<"$body")"
api "/records/show?id=$id"
is "a record has the decision, the completion and the place in the chain" \
	"$code $(at '[.records[].type]') $(at '[.records[0]|has("seq","prev","node")]|all')" '200 ["decision","completion"] true'
until at .proof_why | grep -q null; do sleep 0.5; api "/records/show?id=$id"; done
jq -j .proof "$D/out" >"$D/proof"
"$B/tollgate" audit verify --file "$D/proof" --public-key "$AUDIT_KEY" >"$D/verified" 2>&1
is "the proof in the record verifies" "$?" 0
api "/records/page?id=$id"
is "the proof is available as a page" "$code $(at '.page|test("^<!DOCTYPE html>")') $(at '.page|endswith("</html>\n")')" "200 true true"
api "/records/page?id=01M82ZB4A0K4X7JH0D7Y4WJ3AX"
is "there is no proof page for an unknown record" "$code $(at '.error|test("no such record")')" "404 true"
api "/records/explain?id=$id"
is "explain evaluates the rules of the same version" "$code $(at .same_version)" "200 true"
api "/records/show?id=01M82ZB4A0K4X7JH0D7Y4WJ3AX"
is "explain of an unknown record is 404" "$code $(at '.error|test("no such record")')" "404 true"

# ---- pages ----
: >"$D/pages"
api '/records/search?since=31d&limit=400'
while at '.records[].id' >>"$D/pages" && after=$(at .after) && [ "$after" != null ]; do
	api "/records/search?since=31d&limit=400&after=$(jq -r . <<<"$after")"
done
api '/records/search?since=31d&count=true'
is "each record is on exactly one page" "$(sort -u "$D/pages" | wc -l) $(wc -l <"$D/pages")" "$(at '.counts[0].hits') $(at '.counts[0].hits')"
api '/records/search?since=31d&by=decision'
is "records are counted by a field" "$code $(at '[.counts[]|has("decision","hits")]|all')" "200 true"
api '/usage?by=team,model&since=30d'
is "usage is returned by team and model" "$code $(at '[.rows[0]|has("team","model","cost_nanousd")]|all')" "200 true"
api '/records/report?since=30d'
is "the report is returned" "$code $(at .records.total)" "200 $(at .records.total)"

# ---- each read is recorded once, with its reader ----
api '/records/search?type=read&limit=1000'
is "the records of reads name the user" "$(at '[.records[].peer.uid]|unique')" "[$(id -u)]"
is "the records of reads contain the query" "$(at '[.records[]|select(.after.asked.count and .after.asked.by==null)]|length')" 1
"$B/tollgate" audit search -c "$D/tollgate.yaml" --limit 1 >/dev/null
env -i PATH="$PATH" bash -c '(exec -a "tollgate-child $$ 30" "$0" audit search -c "$1" --limit 1 --oldest); true' \
	"$B/tollgate" "$D/tollgate.yaml" >/dev/null 2>"$D/err"
sleep 0.2
api '/records/search?type=read&limit=1'
is "a child's name in the query does not hide a read" "$(at '.records[0].after.asked.oldest')" true

# ---- values that a request may not contain ----
bad() { # NAME QUERY CODE WORDS
	api "$2"
	is "$1" "$code $(at ".error|test(\"$4\")")" "$3 true"
}
bad "an unknown parameter" '/records/search?nope=1' 400 'nope: .*accepted: at, between'
bad "a newline" '/records/search?person=a%0Ab' 400 'person: the value contains a control character'
bad "a NUL" '/records/search?person=a%00--config' 400 'person: '
bad "a value of 64 KB" "/records/search?person=$(head -c 20000 /dev/zero | tr '\0' a)" 400 'person: send a string of'
bad "an invalid condition" '/records/search?where=1%2B' 400 '--where:1:3'
bad "a limit over the maximum" '/records/search?limit=100000' 400 'limit: send a whole number from 1 to 1000'
bad "an unknown dimension" '/usage?by=nope' 400 'nope'
api '/records/search?person=--config=/etc/passwd&person=-c&person=--'
is "a value that looks like an option finds nothing" "$code $(at '.records')" '200 []'
api '/records/show?id=--config=/etc/passwd'
is "an id that looks like an option is 404" "$code" 404

# ---- verification of the whole chain ----
api /records/verify
is "before the first verification, the state of the chain is returned" "$code $(at '[.running,.last,(.state|has("audit","anchors"))]')" '200 [false,null,true,true]'
api /records/verify -X POST -H "$json" -d '{}'
is "a verification begins" "$code $(at .running)" "202 true"
verified() { api /records/verify && [ "$(at .running)" = false ]; }
wait_for verified
is "the result of the verification is kept" "$(at '[.last.holds,.last.chains[0].ok,.last.chains[0].node]')" '[true,true,"a"]'
api '/records/search?type=read&limit=1000'
is "the record names the user who verified" "$(at '[.records[]|select(.read=="audit verify")|.peer.uid]')" "[$(id -u)]"

# ---- policies ----
policy=$(sed -n 's/^policy: "\(.*\)"/\1/p' "$D/tollgate.yaml")
api /policy
is "the policy in force is returned" "$code $(at '[.name,.mode,.text_is_newer,(.rules|length),.rules[0].name]')" '200 ["stack","enforce",false,3,"no-anonymous"]'
is "its text is returned" "$(at .text)" "$(jq -Rsc . <"$policy")"
api /policy/versions
is "the versions of the policy are listed" "$code $(at '.versions[0].policy')" "200 $("$B/tollgate" status -c "$D/tollgate.yaml" --json | jq -c .policy)"
version=$("$B/tollgate" status -c "$D/tollgate.yaml" --json | jq -r .policy_version)
api "/policy/text?version=$version"
is "the kept text of a version is returned" "$code $(at .text)" "200 $(jq -Rsc . <"$policy")"
api "/policy/text?version=0123456789abcdef"
is "a version that was never in force is 404" "$code" 404
api "/policy/text?version=--journal=/etc"
is "an option in place of a version is 404" "$code" 404
for path in /status%00 /status%00/x '/%00' '/audit/x%00y?a=b'; do
	code=$(curl -s -m 10 --path-as-is -o "$D/nul" -w '%{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN$path")
	is "a path with a NUL byte is refused: $path" "$code $(jq -r .error "$D/nul")" "400 the path contains a NUL byte: remove %00"
done
post() { # PATH JQ-PROGRAM
	jq -nc --rawfile p "$policy" "$2" >"$D/asked"
	api "$1" -H "$json" --data-binary "@$D/asked"
}
post /policy/check '{policy: $p}'
is "a valid policy is accepted" "$code $(at '[.valid,.errors]')" "200 [true,[]]"
post /policy/check '{policy: ($p + "nonsense: 1\n")}'
is "a policy with a mistake returns the position of the mistake" "$code $(at '[.valid,.errors[0].line,.errors[0].column]')" "200 [false,$(($(wc -l <"$policy") + 1)),1]"
post /policy/check "{policy: (\$p + \"include: [$D/admin.token]\\n\")}"
is "a policy cannot include files of the daemon" "$code $(grep -c 'Permission denied' "$D/out") $(grep -c "$(cat "$D/admin.token")" "$D/out")" "200 1 0"
for file in tollgate.yaml issuer.yaml jwks.json; do
	post /policy/check "{policy: (\$p | sub(\"classes: *#[^\\n]*\"; \"classes:\\n  own: {dictionary: '$D/$file'}\"))}"
	like "a policy cannot use $file as a dictionary" "$code $(at '[.valid,.errors[0].message]')" '200 \[false,".*dictionary: .*Permission denied'
done
ask='{path:"/v1/chat/completions",headers:{},identity:{person:"bob"},body:"{\"model\":\"m\",\"messages\":[]}"}'
post /policy/decide "{request: $ask}"
is "a request is decided under the policy in force" "$code $(at '[.decision,(.explain|has("rules"))]')" '200 ["permit",true]'
post /policy/decide "{request: $ask, policy: (\$p | sub(\"identity.method == .none.\"; \"true\"))}"
is "a request is decided under another policy" "$code $(at '[.decision,.rule]')" '200 ["deny","no-anonymous"]'
post /policy/replay '{policy: ($p | sub("no-anonymous"; "renamed")), since: "1h"}'
is "records are evaluated under another policy" "$code $(at 'has("total","different")' | sort -u)" "200 true"
bad_post() {
	post "$2" "$3"
	is "$1" "$code $(at ".error|test(\"$5\")")" "$4 true"
}
bad_post "a request that is no object" /policy/decide '{request: 1}' 400 'request: send an object'
bad_post "a request without a path" /policy/decide '{request: {}}' 400 'path is missing'
bad_post "an unknown field" /policy/check '{policy: $p, journal: "/etc"}' 400 'journal: .*accepted: policy'

# ---- too many concurrent requests ----
for i in $(seq 60); do
	curl -s -o /dev/null -D "$D/many.$i" -w '%{http_code}\n' --max-time 60 --unix-socket "$sock" "http://localhost/usage?by=team&since=30d" &
done >"$D/codes"
for i in $(seq 300); do [ "$(wc -l <"$D/codes")" = 60 ] && break; sleep 0.2; done
is "some requests succeed and the others get 503" "$(sort -u "$D/codes" | tr '\n' ' ')" "200 503 "
is "each 503 has a retry-after field" "$(cat "$D"/many.* | grep -ci '^retry-after: 5')" "$(grep -c 503 "$D/codes")"

# ---- more requests than one caller's share ----
flood='{"command":"audit flood","records":2,"asked":{"x":"'$(head -c 20000 /dev/zero | tr '\0' x)'"}}'
printf %s "$flood" >"$D/flood"
began=$SECONDS
curl -s -o "$D/flood.out" -w '%{http_code}\n' --unix-socket "$sock" -H "$json" --data-binary "@$D/flood" "http://localhost/audit/read?[1-400]" | sort | uniq -c >"$D/codes"
is "every read is answered" "$(awk '{ print $2, $1 }' "$D/codes")" "200 400"
sleep 1.5
took=$((SECONDS - began + 1))
"$B/tollgate" audit export -c "$D/tollgate.yaml" --type read >"$D/reads"
bytes=$(grep '"audit flood"' "$D/reads" | wc -c)
check "few records are written for many reads ($bytes bytes in $took s)" test "$bytes" -lt $((60000 + 3000 * took))
is "the records count each read" "$(jq -s 'map(if .read == "several" then .after.commands["audit flood"] // 0 elif .read == "audit flood" then 1 else 0 end) | add' "$D/reads")" 400
is "the records name the user" "$(jq -s 'map(select(.read == "several").peer.uid) | unique' "$D/reads" | tr -d ' \n')" "[$(id -u)]"
req POST /v1/chat/completions -H "$auth" -H "$json" -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
is "requests are served meanwhile" "$status" 200
keys() { curl -s --unix-socket "$sock" http://localhost/keys | jq '.keys|length'; }
api /keys/new -H "$json" -d '{"person":"rolled"}'
before=$(keys)
curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$sock" -H "$json" -d "{\"id\":$(at .id)}" "http://localhost/keys/rotate?[1-300]" >"$D/codes"
is "changes over the share are refused" "$(sort -u "$D/codes" | tr '\n' ' ')" "200 429 "
is "each change is applied completely or not at all" "$(($(keys) - before))" "$(grep -c 200 "$D/codes")"
api /keys/revoke -H "$json" -d "{\"id\":$(at .id)}"
is "a request that removes a key is served at once, and recorded" "$code $(at 'has("record")')" "200 true"
like "a command waits for its turn" "$(key new --person late)" '^tg_'

# ---- system calls of the shipped unit ----
expand() {
	systemd-analyze syscall-filter "$1" | sed -n 's/^    //p' | grep -v '^#' | while read -r name; do
		case $name in @*) expand "$name" ;; *) echo "$name" ;; esac
	done
}
daemon=$(awk '/ tollgate$/ { print $1 }' "$D/.pids")
if ! command -v strace >/dev/null || ! systemd-analyze syscall-filter @system-service >/dev/null 2>&1 ||
	nm "$B/tollgate" | grep -q __asan_init; then
	skip "the children need only system calls that the unit allows" "no strace, no systemd-analyze, or a sanitized build"
else
	: >"$D/allowed"
	while read -r what; do
		names=$(case ${what#\~} in @*) expand "${what#\~}" ;; *) echo "${what#\~}" ;; esac)
		case $what in
		\~*) grep -vxF "$names" "$D/allowed" >"$D/allowed.new" ;;
		*) sort -u "$D/allowed" - <<<"$names" >"$D/allowed.new" ;;
		esac
		mv "$D/allowed.new" "$D/allowed"
	done < <(sed -n 's/^SystemCallFilter=//p' "$root/docs/tollgate.service")
	echo clock_adjtime >>"$D/allowed" # the daemon itself calls this once a minute; the unit refuses it, and the record then has null
	timeout 120 strace -f -qq -o "$D/calls" -p "$daemon" 2>"$D/strace.err" &
	tracer=$!
	wait_for test -s "$D/calls"
	api '/records/search?limit=1'
	seen=$code
	api "/records/explain?id=$id"
	post /policy/decide "{request: $ask}"
	seen="$seen $code"
	kill "$tracer"
	wait "$tracer" 2>/dev/null
	is "the children were traced" "$seen $(grep -c 'execve("/proc/self/exe"' "$D/calls")" "200 200 3"
	is "the children need only system calls that the unit allows" \
		"$(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$D/calls" | sort -u | grep -vxFf "$D/allowed" | tr '\n' ' ')" ""
fi
