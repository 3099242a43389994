# Commands that read sealed texts while the daemon runs: verify --texts, the report, a person's own view, a search by
# name with pseudonyms in records; then the same after an erasure.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

cat >"$D/mine.yaml" <<Y
$(auditor ann)
audit: {persons: pseudonym}
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: sealed
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: service-account}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: kept, match: {path: /v1/chat/completions, host: kept.example}, targets: openai, record: {prompt: full, response: full}}
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
json='content-type: application/json'
alice=$(token --claims '{"sub":"alice"}') bob=$(token --claims '{"sub":"bob"}')
say() { jq -cn --arg t "$1" '{model:"echo",messages:[{role:"user",content:$t}]}'; }
post() { # WHO HOST TEXT
	req POST /v1/chat/completions -H "authorization: Bearer $1" -H "$json" -H "host: $2" -d "$(say "$3")"
	id=$(header x-tollgate-id)
}
audit() { "$B/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
joined() { paste -sd' '; }
lines() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep "$@"; }
post "$alice" kept.example '<b>what of my loan</b>'
hers=$id
is "the texts of a request are kept" "$status" 200
post "$bob" kept.example 'something of his own'
his=$id
post "$alice" else.example 'nothing of this is kept'
settled

# ---- compared with the records ----
out=$(audit verify --texts | joined; exit "${PIPESTATUS[0]}")
like "each text equals its record" "$? $out" '^0 .*ok source=texts texts=4 bytes=[0-9]+ cut=0 trimmed=0 bad=0$'
file=$(ls "$JOURNAL.texts" | head -1)
cp "$JOURNAL.texts/$file" "$D/as-it-was"
alter "$JOURNAL.texts/$file" $((128 + 16 + 3))
out=$(audit verify --texts | joined; exit "${PIPESTATUS[0]}")
like "an altered text is named with record, part and file" "$? $out" "^1 .*source=texts seq=[0-9]+ id=$hers part=prompt file=$file why="
cp "$D/as-it-was" "$JOURNAL.texts/$file"
is "the report has the sealed and the unsealed texts by route" \
	"$(audit report --json | jq -c '.texts|[.prompts_kept,.answers_kept,.prompts_not_kept,.by_route.kept.prompts_kept,.by_route.chat.prompts_not_kept,(.prompts_sealed_bytes>0)]')" '[2,2,1,2,1,true]'

# ---- search by name ----
is "no record contains the name" "$(lines -c '"person":"alice"')" 0
found=$(audit search --person alice --json | jq -rs 'map(.id // .record.id)|sort|join(" ")')
is "search --person finds the pseudonym's records" "$found" "$(printf '%s\n' "$hers" "$id" | sort | paste -sd' ')"
is "audit list --person finds them" "$(audit list --person alice --since 1h | wc -l)" 2
lines '"what":"pseudonym"' >"$D/asked"
socket=$(sed -n 's/.*unix@\(.*admin.sock\).*/\1/p' "$D/tollgate.yaml")
is "the console's search finds them" "$(curl -s --unix-socket "$socket" 'http://t/records/search?person=alice' | jq '.records|length')" 2
like "the reader is recorded" "$(wc -l <"$D/asked")" '^[1-9]$'
is "the records of reads and searches do not contain the name" "$(lines '"type":"read"' | grep -c alice)" 0
say '<b>what of my loan</b>' | tr -d '\n' >"$D/text"
is "a search for a text without the person finds nothing" "$(audit search --text-file "$D/text" --json | wc -l)" 0
like "the command explains that hashes are made for each person" "$(cat "$D/err")" 'hashes of sealed texts are different for each person'
is "a search for a text with the person finds it" "$(audit search --text-file "$D/text" --person alice --json | jq -r '.id // .record.id')" "$hers"

# ---- the person's own view ----
out=$(audit subject --person alice --key "$D/ann.key" --reason DSR-7 --out "$D/subject" | joined; exit "${PIPESTATUS[0]}")
like "the view has the decisions and texts" "$? $out" '^0 .*subject decisions=2 texts_open=2 texts_not_kept=1$'
is "the view has the prompt as it was sent" "$(jq -r 'select(.id=="'"$hers"'").texts[]|select(.part=="prompt").text' "$D/subject/decisions.jsonl")" "$(cat "$D/text")"
is "the view has no text of another person" "$(grep -c "$his" "$D/subject/decisions.jsonl" "$D/subject/index.html" | paste -sd' ')" "$D/subject/decisions.jsonl:0 $D/subject/index.html:0"
timeless() { sed -E 's/[0-9-]{10}T[0-9:.]+Z/TIME/' | paste -sd' '; }
is "the view's page shows who wrote what and when" "$(grep -A1 '<h4>user, ' "$D/subject/index.html" | timeless)" '<h4>user, TIME</h4> <pre dir="auto">&#60;b&#62;what of my loan&#60;/b&#62;</pre>'
is "and no JSON of the request" "$(sed '/<details>/,/<.details>/d' "$D/subject/index.html" | grep -c 'messages')" 0
audit open "$hers" --key "$D/ann.key" --part prompt --reason DSR-6 >"$D/piped"
is "audit open writes the text as it was sent into a file" "$(cat "$D/piped")" "$(cat "$D/text")"
python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$B/tollgate" audit open "$hers" --key "$D/ann.key" --part prompt --reason DSR-6 -c "$D/tollgate.yaml" </dev/null | tr -d '\r' >"$D/shown"
is "on a terminal, it shows who wrote what and when" "$(grep -v '^tollgate: ' "$D/shown" | timeless)" '[user, TIME] <b>what of my loan</b>'
is "the view's page contains no script" "$(grep -c '<script\|<b>' "$D/subject/index.html") $(grep -c '&#60;b&#62;what of my loan' "$D/subject/index.html")" "0 2"
for f in decisions.jsonl index.html; do
	check "$f is signed and verifies" audit verify --manifest "$D/subject/$f.manifest"
done
like "the use of the share is recorded" "$(lines '"read":"open"' | grep -c 'DSR-7')" '^1$'
audit subject --person alice --key "$D/ann.key" --out "$D/subject" >/dev/null
like "an existing folder is not overwritten" "$? $(cat "$D/err")" '^2 .*is not overwritten'

# ---- after an erasure ----
audit erase --person alice --why 'she asked' >"$D/out"
is "the person is erased" "$?" 0
out=$(audit subject --person bob --key "$D/ann.key" --reason DSR-8 --out "$D/his" | joined; exit "${PIPESTATUS[0]}")
like "another person's texts open as before" "$? $out" '^0 .*texts_open=2'
is "a search by name finds nothing any more" "$(audit search --person alice --json | wc -l)" 0
out=$(audit verify --texts | joined; exit "${PIPESTATUS[0]}")
like "the chain and the ciphertexts verify as before" "$? $out" '^0 .*ok source=texts texts=4 bytes=[0-9]+ cut=0 trimmed=0 bad=0$'

# ---- a rule that reads the person cannot be evaluated on a pseudonym ----
sed 's/^default: permit/rules: [{name: bobs, when: '"'identity.person == \"bob\"'"', deny: {reason: no}}]\n&/' "$D/policy.yaml" >"$D/persons.yaml"
out=$("$B/tollgate" policy replay --policy "$D/persons.yaml" --json -c "$D/tollgate.yaml" 2>"$D/err")
like "replay states the reason" "$(tr -d '\n' <<<"$out")" '"identity.person was not recorded, and a rule reads it": 3'

# ---- the file of shares is lost ----
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
mv "$JOURNAL.shares" "$D/shares.away"
daemon_start
check "without its file of shares, the daemon serves requests" wait_for is_ready
check "readyz reports the loss" wait_for says 'shares of texts are lost' curl -s "$ADMIN/readyz"
like "an alarm is recorded" "$(lines '"how":"shares_lost"' | tail -1)" '"type":"alarm"'
audit open "$his" --key "$D/ann.key" --part prompt --reason 'a drill' >"$D/text"
like "texts sealed under a lost share do not open" "$? $(wc -c <"$D/text") $(tail -1 "$D/err")" '^1 0 .*: lost: '
answered() { post "$bob" kept.example 'something new'; [ "$status" = 200 ]; }
check "new requests are served" wait_for answered
settled
new_opens() { audit open "$id" --key "$D/ann.key" --part prompt --reason 'a drill' >"$D/text"; }
check "new texts open" wait_for new_opens
like "the ciphertexts verify" "$(audit verify --texts | tail -1)" '^ok source=texts .* bad=0$'
exit $failed
