# The places in which a person's name and the text of requests occur, with pseudonyms for persons and routes that keep
# everything: journal, stream, index, texts, state file, logs, /metrics, OTLP, webhooks, each page of the admin API.
# And the roles that may open texts.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
command -v node >/dev/null || { skip "texts and names are not written" "node is not installed"; exit 0; }

token_of() { "$build/tollgate" admin-token new "$1" --roles "$1" --tokens "$D/admin.tokens" 2>/dev/null; }
viewer=$(token_of viewer) operator=$(token_of operator) auditor=$(token_of auditor)
mkdir "$D/collector" "$D/hooks"
node "$here/otlp.mjs" "$D/collector" >"$D/port" 2>"$D/collector.log" & collector=$!
secret=whsec_$(openssl rand -base64 32)
(umask 077 && echo "$secret" >"$D/notify.secret")
node "$here/notify.mjs" "$D/hooks" "$secret" >"$D/hook.port" 2>"$D/hooks.log" & hooks=$!
wait_for test -s "$D/port" -a -s "$D/hook.port"
printf 'x-key: s3cr3t-one\n' >"$D/headers"
chmod 600 "$D/headers"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext 'subjectAltName=IP:127.0.0.1' -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
chmod 600 "$D/admin.key"
tls=$(free_ports 1)
cat >"$D/mine.yaml" <<Y
log: {level: debug}
$(auditor ann)
audit: {persons: pseudonym}
admin: {console: true, tokens: "$D/admin.tokens", tls: {listen: "127.0.0.1:$tls", certificate: "$D/admin.crt", key: "$D/admin.key"}}
telemetry: {otlp: {url: "http://127.0.0.1:$(<"$D/port")/in/", headers_file: "$D/headers", ratio: 1, metrics_every: 1s}}
notify: {url: "http://127.0.0.1:$(<"$D/hook.port")/", secret_file: "$D/notify.secret"}
Y
kept='record: {prompt: full, response: full, tools: full}'
cat >"$D/policy.yaml" <<Y
tollgate: 1
name: private
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: nobody}
providers:
  one: {backend: local, dialect: openai}
  two: {backend: local_2, dialect: openai}
routes:
  - {name: cached, match: {host: cached.test, api: openai}, targets: one, response: [meter, restore], cache: {exact: {ttl: 1h, temperature: 1}}, $kept}
  - {name: falls, match: {host: falls.test, api: openai}, targets: [one, two], $kept}
  - {name: kept, match: {api: openai}, targets: one, response: [meter, inspect], $kept}
rules:
  - {name: no-secret, when: '"US_SSN" in prompt.entities', deny: {reason: no numbers}}
  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}
default: permit
limits:
  - {name: few, per: [identity.person], requests: 10, window: 1h, soft: 50%}
  - {name: tokens, per: [identity.person], tokens: 1000000, window: 1h}
  - {name: both, per: [model.name, identity.person], tokens: 1000000, window: {calendar: month}}
  - {name: all, per: [model.name], tokens: 1000000, window: 1h}
  - {name: talk, tokens_per_conversation: 1000000}
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --providers 2
note_pid $collector collector
note_pid $hooks hooks
name=Zwetlana.Quux
marker=Falkenauge
auth="authorization: Bearer $(token --claims "{\"sub\":\"$name\",\"email\":\"$name@example.com\",\"name\":\"$name\",\"preferred_username\":\"$name\"}")"
json='content-type: application/json'
post() { req POST /v1/chat/completions -H "host: $1" -H "$auth" -H "$json" -d "{\"model\":\"${model:-echo}\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]${3:-}}"; }
socket=$(sed -n 's/.*unix@\(.*admin.sock\).*/\1/p' "$D/tollgate.yaml")
curl -sN --unix-socket "$socket" http://t/decisions/live >"$D/live" 2>/dev/null &
note_pid $! live
post kept.test "$marker of jane.doe@example.com"
first=$(header x-tollgate-id)
post kept.test "$marker" ',"stream":true'
post kept.test "$marker 536-22-1840"
for i in 1 2; do post cached.test "$marker again"; settled; done
control '{"fault":"overloaded","times":1}'
post falls.test "$marker falls"
control '{"cut_after_bytes":0,"times":2}' # HAProxy tries once more
post falls.test "$marker falls, and may be billed"
control '{}'
for i in 1 2 3 4 5; do post kept.test "$marker"; done
is "a limit refuses a request" "$status" 429
settled
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
opened() { audit open "$first" --key "$D/ann.key" --part prompt --reason drill >"$D/text" 2>"$D/err"; }
check "a text opens" wait_for opened
is "the record contains no claims of the token" \
	"$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | jq -c "select(.type == \"decision\" and .id == \"$first\") | [.identity.attributes, (.identity.attributes_total > 3), (.not_held | contains([\"identity.attributes\"]))]")" '[null,true,true]'

# ---- requests for the person by name ----
page() { curl -s --unix-socket "$socket" "http://t$1" >"$D/page.$(tr -c 'a-z0-9\n' _ <<<"${2:-$1}")"; }
"$build/tollgate" cache purge --person "$name" --reason 'a mistake' -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "the person's responses are purged from the cache" $? 0
audit search --person "$name" --json >"$D/page.found" 2>&1
like "a search by name finds the person's records" "$(grep -c . "$D/page.found")" '^[1-9]'
page "/records/search?person=$name" by_name
page "/usage?by=person&match=$name" used
rm "$D"/page.used
curl -s -m 1 --unix-socket "$socket" "http://t/decisions/live?person=$name" >"$D/out"
audit list --person "$name" >"$D/out" 2>&1
audit export --person "$name" --out "$D/hers.jsonl" >"$D/out" 2>&1
is "the person's records are exported" $? 0
rm "$D"/hers.jsonl*
audit subject --person "$name" --key "$D/ann.key" --reason drill --out "$D/hers" >"$D/out" 2>&1
like "the person's own view is created" "$? $(tail -1 "$D/out")" '^0 .*texts_open=[1-9]'
rm -r "$D/hers"
redis config set rdbcompression no >"$D/out"
redis --rdb "$D/redis.rdb" >"$D/out" 2>&1 # all data of Redis, before a key and an override contain the name
like "all keys of Redis are checked" "$(grep -ac tollgate "$D/redis.rdb")" '^[1-9]'
limit set few --for person="$name" --to 5000 --reason 'for a while' >"$D/out" 2>&1
is "an override is set for the person" $? 0
key new --person "$name" >"$D/out" 2>&1
is "a key is created for the person" $? 0
page /keys own_keys
rm "$D"/page.*own_keys
"$build/tollgate" quota get --person "$name" -c "$D/tollgate.yaml" >"$D/out" 2>&1
settled
word=$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -o '"person":"p_[0-9a-f]*"' | head -1 | cut -d'"' -f4)
like "the person has a pseudonym" "$word" '^p_[0-9a-f]{32}$'
for p in /status /recent /limits/near /limits/fullest /trends?by=person /targets /cache /notify /usage?by=person,team /usage?by=day /now /log /policy/rules /models /series /metrics /readyz \
	/records/search /records/report "/records/show?id=$first" "/records/explain?id=$first" /records/verify /audit/erasures /policy/shadow; do page "$p"; done
curl -s -H 'accept: application/openmetrics-text' --unix-socket "$socket" http://t/metrics >"$D/page.exemplars"
audit report --json >"$D/page.report" 2>&1
audit export >"$D/page.export" 2>/dev/null
audit export --format ocsf >"$D/page.ocsf" 2>/dev/null
redis --raw xrange tollgate:audit:a - + >"$D/page.stream" 2>&1
redis --raw keys '*' >"$D/page.redis"
exported() { [ -n "$(ls "$D"/collector/traces.* 2>/dev/null)" ] && [ -n "$(ls "$D"/collector/metrics.* 2>/dev/null)" ] && [ -s "$D/hooks/bodies" ]; }
check "spans, metrics and webhooks were sent" wait_for exported
for f in live page._recent page._limits_near page.export page.ocsf page.stream; do like "$f contains the pseudonym" "$(grep -aocE 'p_[0-9a-f]{32}' "$D/$f")" '^[1-9]'; done
holders() { # WHAT: prints the files that contain it, except those that must: the provider's, the policy's token, the shares
	grep -raFli "$1" "$D" 2>/dev/null | sed "s#^$D/##" | grep -vE '^(text|out|\.[0-9]+\.(head|body)|policy.yaml|mockllm.*|journal\.(shares|live))$' | sort | paste -sd' '
}
is "no file contains the text" "$(holders "$marker")" ""
is "no file contains the name" "$(holders "$name")" ""
# Redis' counters have a hash of the name during the window. Records contain none, except of a limit for the person.
hashes() { # FILE
	local of=${#name}:$name
	for of in "${of}r" "${of}t" "4:echo${of}t" "4:echot"; do grep -ac "$(printf %s "$of" | sha256sum | cut -c 1-24)" "$1"; done | paste -sd' '
}
like "Redis names counters by hashes" "$(hashes "$D/page.redis")" '^[1-9] [1-9] [1-9] [1-9]$'
cat "$JOURNAL"/*.jsonl | tr -d '\0' >"$D/lines"
for f in lines page.stream page.export; do like "$f: no hash of the name occurs" "$(hashes "$D/$f")" '^0 0 0 [1-9]'; done
for c in few tokens both talk; do like "the limit $c is counted" "$(grep -c "tollgate:q:{$c:~" "$D/lines")" '^[1-9]'; done
for of in "${#name}:${name}r" "${#name}:${name}t" "4:echo${#name}:${name}t"; do
	is "no other file contains a hash of the name" "$(holders "$(printf %s "$of" | sha256sum | cut -c 1-24)" | sed 's/page.redis//; s/redis.rdb//; s/ //g')" ""
done
like "the settled amounts of an attempt contain no hash either" "$(jq -c 'select(.type == "attempt") | .settled' "$D/lines")" '\{tokens:~'
# A conversation's hash depends on the person's share too.
talks() { jq -r 'select(.type == "decision" and .route == "cached") | .request.conversation' "$D/lines" | sort -u; }
talked=$(talks)
like "a conversation has one hash" "$talked" '^[0-9a-f]{32}$'
is "these pages contain only the pseudonym" "$(grep -c "$word" "$D/live" "$D/page._recent" "$D/page._limits_near" | grep -c ':0')" 0

# ---- roles ----
as() { curl -s -o "$D/out" -w '%{http_code}' -H "authorization: Bearer ${!1}" -H 'content-type: application/json' --cacert "$D/admin.crt" -X "$2" "https://127.0.0.1:$tls$3" ${4:+-d "$4"}; }
while read -r method path body; do
	is "$path is permitted for auditors only" "$(as viewer $method $path "$body") $(as operator $method $path "$body")" "403 403"
done <<T
POST /audit/share {"id":"$first","part":"prompt","share":1,"reason":"x"}
POST /audit/opening {"id":"$first","reason":"x"}
POST /audit/erase {"person":"$name","why":"x"}
POST /audit/pseudonym {"person":"$name"}
POST /audit/text {"text":"x"}
GET /audit/erasures
GET /records/show?id=$first
GET /decisions/live
T
is "the console opens nothing unless the configuration permits it" "$(as auditor POST /audit/opening "{\"id\":\"$first\",\"reason\":\"x\"}")" 404
n=$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"')
is "a share that was never given is refused" "$(as auditor POST /audit/share "{\"id\":\"$first\",\"part\":\"prompt\",\"share\":99,\"reason\":\"x\"}")" 404
for bad in 0 -1 9007199254740992 18446744073709551616 1.5 '"1"' null '[]'; do
	like "an invalid share is refused: $bad" "$(as auditor POST /audit/share "{\"id\":\"$first\",\"part\":\"prompt\",\"share\":$bad,\"reason\":\"x\"}")" '^40[04]$'
done
huge=$(head -c 70000 /dev/zero | tr '\0' x)
for bad in "{\"id\":\"$huge\",\"part\":\"prompt\",\"share\":1,\"reason\":\"x\"}" "{\"id\":\"$first\",\"part\":\"all\",\"share\":1,\"reason\":\"x\"}" "{\"part\":\"prompt\",\"share\":1,\"reason\":\"x\"}"; do
	printf %s "$bad" >"$D/bad"
	like "no share is returned for ${bad:0:20}…${bad: -50}" "$(as auditor POST /audit/share "@$D/bad")" '^4[01][0-9]$'
done
is "refused openings are not recorded" "$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"')" "$n"
while read -r path body; do like "$path refuses $body" "$(as auditor POST $path "$body")" '^400$'; done <<'T'
/audit/erase {}
/audit/erase {"person":"","why":"x"}
/audit/erase {"person":"Somebody"}
/audit/erase {"person":["a"],"why":"x"}
/audit/erase {"person":"a","why":7}
/audit/pseudonym {}
/audit/pseudonym {"person":""}
/audit/pseudonym {"person":5}
T
is "nothing was erased" "$(as auditor GET /audit/erasures) $(jq -c .erasures "$D/out")" "200 []"
share=$(as auditor POST /audit/share "{\"id\":\"$first\",\"part\":\"prompt\",\"share\":1,\"reason\":\"x\"}")
is "a share is returned, and that is recorded" "$share $(($(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"') - n))" "200 1"

n=$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"')
many=()
for _ in $(seq 100); do many+=(-o /dev/null "https://127.0.0.1:$tls/audit/share"); done
# over one connection, in less than a minute on any machine
curl -s -w '%{http_code}\n' -H "authorization: Bearer $auditor" -H 'content-type: application/json' --cacert "$D/admin.crt" \
	-d "{\"id\":\"$first\",\"part\":\"prompt\",\"share\":1,\"reason\":\"x\"}" "${many[@]}" >"$D/given"
like "a caller who requests many shares gets 429" "$(grep -c '^429$' "$D/given") $(grep -vcE '^(200|429)$' "$D/given")" '^[1-9][0-9]* 0$'
is "each share that was returned is recorded" "$(($(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"') - n))" "$(grep -c '^200$' "$D/given")"

# ---- a view of a person is only signed if it is complete ----
subject() { audit subject --person "$name" --key "$D/ann.key" --reason drill --out "$D/subject" "$@" >"$D/out" 2>&1; }
cp "$JOURNAL.shares" "$D/open.shares" && chmod 644 "$D/open.shares"
subject --shares "$D/open.shares"
is "if the file of shares cannot be read, no view is signed" "$? $(ls "$D/subject" 2>/dev/null | wc -l)" "2 0"
rm "$D/open.shares"
mkdir "$D/altered"
cp "$JOURNAL"/*.jsonl "$D/altered/"
sed -i 's/"decision":"permit"/"decision":"deny"/' "$D/altered"/*.jsonl
subject --journal "$D/altered" --shares "$JOURNAL.shares"
like "if records do not verify, no view is signed" "$? $(ls "$D/subject" 2>/dev/null | wc -l) $(tail -1 "$D/out")" '^1 0 .*does not verify: .*nothing is written'

# ---- the person is erased ----
audit erase --person "$name" --why 'she asked' >"$D/out" 2>&1
is "the erasure succeeds" $? 0
audit open "$first" --key "$D/ann.key" --reason drill >"$D/text" 2>"$D/err"
is "no text opens" "$? $(wc -c <"$D/text")" "1 0"
audit subject --person "$name" --key "$D/ann.key" --reason drill --out "$D/subject" >"$D/out" 2>&1
like "the person's view has no decisions" "$(cat "$D/out")" 'decisions=0|no share|nothing'
rm -rf "$D/subject"
printf '{"model":"echo","messages":[{"role":"user","content":"%s of jane.doe@example.com"}]}' $marker >"$D/asked"
audit search --text-file "$D/asked" --person "$name" --json >"$D/page.found" 2>"$D/err"
is "a search for a text does not find the person" "$(grep -c '"id"' "$D/page.found")" 0
rm "$D/asked"
post cached.test "$marker again"
is "a purged response is not returned" "$(header x-tollgate-cache)" miss
settled
cat "$JOURNAL"/*.jsonl | tr -d '\0' >"$D/lines"
is "after the erasure, the same conversation has another hash" "$(talks | grep -c .) $(talks | grep -cx "$talked")" "2 1"
is "still no file contains the text" "$(holders "$marker")" ""
is "still no file contains the name" "$(holders "$name")" ""
check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
