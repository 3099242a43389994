# The admin API on the running stack: records searched, shown and explained by children of the daemon,
# what callers may and may not say, and what becomes of a child that goes wrong.
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

# ---- one request, whose model's name is HTML and reorders what is shown ----
body='{"model":"<b>x</b>\u202ey","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$body"
id=$(header x-tollgate-id)
sleep 0.3
api "/records/search?id=$id"
is "a record is found by its id" "$code $(at '.records|length')" "200 1"
is "names come back as they are" "$(at '.records[0].model')" "$(jq -c .model <<<"$body")"
api "/records/show?id=$id"
is "decision, completion and the place in the chain" \
	"$code $(at '[.records[].type]') $(at '[.records[0]|has("seq","prev","node")]|all')" '200 ["decision","completion"] true'
until at .proof_why | grep -q null; do sleep 0.5; api "/records/show?id=$id"; done
jq -j .proof "$D/out" >"$D/proof"
"$B/tollgate" audit verify --file "$D/proof" --public-key "$AUDIT_KEY" >"$D/verified" 2>&1
is "the proof in it verifies" "$?" 0
api "/records/page?id=$id"
is "the proof as a page" "$code $(at '.page|test("^<!DOCTYPE html>")') $(at '.page|endswith("</html>\n")')" "200 true true"
api "/records/page?id=01M82ZB4A0K4X7JH0D7Y4WJ3AX"
is "no page of a record that does not exist" "$code $(at '.error|test("no such record")')" "404 true"
api "/records/explain?id=$id"
is "why it was decided so" "$code $(at .same_version)" "200 true"
api "/records/show?id=01M82ZB4A0K4X7JH0D7Y4WJ3AX"
is "no such record" "$code $(at '.error|test("no such record")')" "404 true"

# ---- pages ----
: >"$D/pages"
api '/records/search?since=31d&limit=400'
while at '.records[].id' >>"$D/pages" && after=$(at .after) && [ "$after" != null ]; do
	api "/records/search?since=31d&limit=400&after=$(jq -r . <<<"$after")"
done
api '/records/search?since=31d&count=true'
is "each is on one page" "$(sort -u "$D/pages" | wc -l) $(wc -l <"$D/pages")" "$(at '.counts[0].hits') $(at '.counts[0].hits')"
api '/records/search?since=31d&by=decision'
is "counted by a term" "$code $(at '[.counts[]|has("decision","hits")]|all')" "200 true"
api '/usage?by=team,model&since=30d'
is "usage" "$code $(at '[.rows[0]|has("team","model","cost_nanousd")]|all')" "200 true"
api '/records/report?since=30d'
is "the report" "$code $(at .records.total)" "200 $(at .records.total)"

# ---- what was read is on record, once each, with who asked ----
api '/records/search?type=read&limit=1000'
is "reads have their reader" "$(at '[.records[].peer.uid]|unique')" "[$(id -u)]"
is "and say what was asked" "$(at '[.records[]|select(.after.asked.count and .after.asked.by==null)]|length')" 1
"$B/tollgate" audit search -c "$D/tollgate.yaml" --limit 1 >/dev/null
env -i PATH="$PATH" bash -c '(exec -a "tollgate-child $$ 30" "$0" audit search -c "$1" --limit 1 --oldest); true' \
	"$B/tollgate" "$D/tollgate.yaml" >/dev/null 2>"$D/err"
sleep 0.2
api '/records/search?type=read&limit=1'
is "nobody hides a read by a child's name" "$(at '.records[0].after.asked.oldest')" true

# ---- what callers may not say ----
bad() { # NAME QUERY CODE WORDS
	api "$2"
	is "$1" "$code $(at ".error|test(\"$4\")")" "$3 true"
}
bad "an unknown parameter" '/records/search?nope=1' 400 'nope: .*accepted: at, between'
bad "a newline" '/records/search?person=a%0Ab' 400 'person: the value contains a control character'
bad "a NUL" '/records/search?person=a%00--config' 400 'person: '
bad "a value of 64 KB" "/records/search?person=$(head -c 20000 /dev/zero | tr '\0' a)" 400 'person: send a string of'
bad "a condition that is none" '/records/search?where=1%2B' 400 '--where:1:3'
bad "a limit over the most" '/records/search?limit=100000' 400 'limit: send a whole number from 1 to 1000'
bad "a dimension that is none" '/usage?by=nope' 400 'nope'
api '/records/search?person=--config=/etc/passwd&person=-c&person=--'
is "an option as a value finds nothing" "$code $(at '.records')" '200 []'
api '/records/show?id=--config=/etc/passwd'
is "nor as an operand" "$code" 404

# ---- the whole chain ----
api /records/verify
is "no verification yet, but the chain's state" "$code $(at '[.running,.last,(.state|has("audit","anchors"))]')" '200 [false,null,true,true]'
api /records/verify -X POST -H "$json" -d '{}'
is "one begins" "$code $(at .running)" "202 true"
verified() { api /records/verify && [ "$(at .running)" = false ]; }
wait_for verified
is "and its result is kept" "$(at '[.last.holds,.last.chains[0].ok,.last.chains[0].node]')" '[true,true,"a"]'
api '/records/search?type=read&limit=1000'
is "who verified is on record" "$(at '[.records[]|select(.read=="audit verify")|.peer.uid]')" "[$(id -u)]"

# ---- policies ----
policy=$(sed -n 's/^policy: "\(.*\)"/\1/p' "$D/tollgate.yaml")
api /policy
is "the policy in force" "$code $(at '[.name,.mode,.text_is_newer,(.rules|length),.rules[0].name]')" '200 ["stack","enforce",false,3,"no-anonymous"]'
is "and its text" "$(at .text)" "$(jq -Rsc . <"$policy")"
api /policy/versions
is "versions" "$code $(at '.versions[0].policy')" "200 $("$B/tollgate" status -c "$D/tollgate.yaml" --json | jq -c .policy)"
version=$("$B/tollgate" status -c "$D/tollgate.yaml" --json | jq -r .policy_version)
api "/policy/text?version=$version"
is "the kept text of a version" "$code $(at .text)" "200 $(jq -Rsc . <"$policy")"
api "/policy/text?version=0123456789abcdef"
is "a version that was never in force" "$code" 404
api "/policy/text?version=--journal=/etc"
is "a version is no option" "$code" 404
post() { # PATH JQ-PROGRAM
	jq -nc --rawfile p "$policy" "$2" >"$D/asked"
	api "$1" -H "$json" --data-binary "@$D/asked"
}
post /policy/check '{policy: $p}'
is "a text that is valid" "$code $(at '[.valid,.errors]')" "200 [true,[]]"
post /policy/check '{policy: ($p + "nonsense: 1\n")}'
is "one with a mistake says where" "$code $(at '[.valid,.errors[0].line,.errors[0].column]')" "200 [false,$(($(wc -l <"$policy") + 1)),1]"
post /policy/check "{policy: (\$p + \"include: [$D/admin.token]\\n\")}"
is "a text cannot have other files read" "$code $(grep -c 'Permission denied' "$D/out") $(grep -c "$(cat "$D/admin.token")" "$D/out")" "200 1 0"
for file in tollgate.yaml issuer.yaml jwks.json; do
	post /policy/check "{policy: (\$p | sub(\"classes: *#[^\\n]*\"; \"classes:\\n  own: {dictionary: '$D/$file'}\"))}"
	like "nor is $file, which is read, a dictionary" "$code $(at '[.valid,.errors[0].message]')" '200 \[false,".*dictionary: .*Permission denied'
done
ask='{path:"/v1/chat/completions",headers:{},identity:{person:"bob"},body:"{\"model\":\"m\",\"messages\":[]}"}'
post /policy/decide "{request: $ask}"
is "a request tried in force" "$code $(at '[.decision,(.explain|has("rules"))]')" '200 ["permit",true]'
post /policy/decide "{request: $ask, policy: (\$p | sub(\"identity.method == .none.\"; \"true\"))}"
is "and under another text" "$code $(at '[.decision,.rule]')" '200 ["deny","no-anonymous"]'
post /policy/replay '{policy: ($p | sub("no-anonymous"; "renamed")), since: "1h"}'
is "records under another text" "$code $(at 'has("total","different")' | sort -u)" "200 true"
bad_post() {
	post "$2" "$3"
	is "$1" "$code $(at ".error|test(\"$5\")")" "$4 true"
}
bad_post "a request that is none" /policy/decide '{request: 1}' 400 'request: send an object'
bad_post "a request without a path" /policy/decide '{request: {}}' 400 'path is missing'
bad_post "an unknown member" /policy/check '{policy: $p, journal: "/etc"}' 400 'journal: .*accepted: policy'

# ---- too many at once ----
for i in $(seq 60); do
	curl -s -o /dev/null -D "$D/many.$i" -w '%{http_code}\n' --max-time 60 --unix-socket "$sock" "http://localhost/usage?by=team&since=30d" &
done >"$D/codes"
for i in $(seq 300); do [ "$(wc -l <"$D/codes")" = 60 ] && break; sleep 0.2; done
is "some are answered and the rest are told to come again" "$(sort -u "$D/codes" | tr '\n' ' ')" "200 503 "
is "and when" "$(cat "$D"/many.* | grep -ci '^retry-after: 5')" "$(grep -c 503 "$D/codes")"

# ---- more than one caller's share ----
flood='{"command":"audit flood","records":2,"asked":{"x":"'$(head -c 20000 /dev/zero | tr '\0' x)'"}}'
printf %s "$flood" >"$D/flood"
began=$SECONDS
curl -s -o "$D/flood.out" -w '%{http_code}\n' --unix-socket "$sock" -H "$json" --data-binary "@$D/flood" "http://localhost/audit/read?[1-400]" | sort | uniq -c >"$D/codes"
is "all that is read is taken" "$(awk '{ print $2, $1 }' "$D/codes")" "200 400"
sleep 1.5
took=$((SECONDS - began + 1))
"$B/tollgate" audit export -c "$D/tollgate.yaml" --type read >"$D/reads"
bytes=$(grep '"audit flood"' "$D/reads" | wc -c)
check "into few records ($bytes bytes in $took s)" test "$bytes" -lt $((60000 + 3000 * took))
is "of which none is lost" "$(jq -s 'map(if .read == "several" then .after.commands["audit flood"] // 0 elif .read == "audit flood" then 1 else 0 end) | add' "$D/reads")" 400
is "with the caller's name" "$(jq -s 'map(select(.read == "several").peer.uid) | unique' "$D/reads" | tr -d ' \n')" "[$(id -u)]"
req POST /v1/chat/completions -H "$auth" -H "$json" -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
is "and requests go on" "$status" 200
keys() { curl -s --unix-socket "$sock" http://localhost/keys | jq '.keys|length'; }
api /keys/new -H "$json" -d '{"person":"rolled"}'
before=$(keys)
curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$sock" -H "$json" -d "{\"id\":$(at .id)}" "http://localhost/keys/rotate?[1-300]" >"$D/codes"
is "changes over the share are refused" "$(sort -u "$D/codes" | tr '\n' ' ')" "200 429 "
is "each whole or not at all" "$(($(keys) - before))" "$(grep -c 200 "$D/codes")"
api /keys/revoke -H "$json" -d "{\"id\":$(at .id)}"
is "what ends something is done at once, and recorded" "$code $(at 'has("record")')" "200 true"
like "a command waits for its turn" "$(key new --person late)" '^tg_'

# ---- under the shipped unit ----
expand() {
	systemd-analyze syscall-filter "$1" | sed -n 's/^    //p' | grep -v '^#' | while read -r name; do
		case $name in @*) expand "$name" ;; *) echo "$name" ;; esac
	done
}
daemon=$(awk '/ tollgate$/ { print $1 }' "$D/.pids")
if ! command -v strace >/dev/null || ! systemd-analyze syscall-filter @system-service >/dev/null 2>&1 ||
	nm "$B/tollgate" | grep -q __asan_init; then
	skip "children do with the system calls that the unit allows" "no strace, no systemd-analyze, or a sanitized build"
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
	echo clock_adjtime >>"$D/allowed" # the daemon's own, once a minute: refused under the unit, and the record says null
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
	is "they were traced" "$seen $(grep -c 'execve("/proc/self/exe"' "$D/calls")" "200 200 3"
	is "children do with the system calls that the unit allows" \
		"$(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$D/calls" | sort -u | grep -vxFf "$D/allowed" | tr '\n' ' ')" ""
fi
