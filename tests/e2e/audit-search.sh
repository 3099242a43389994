# tollgate audit search on the running stack: requests are found by person, time, model, outcome and text. The daemon
# indexes closed segments, and an index never changes a result.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cat >"$D/config.yaml" <<'Y'
workers: 1
audit: {segment: 64k}
Y
# one route has a backend of HAProxy instead of targets
sed -e 's/^  anthropic: {backend: anthropic,/  claude: {backend: anthropic,/' \
	-e 's/^    targets: \[anthropic\]/    dialect: anthropic\n    backend: anthropic/' \
	"$root/tests/support/stack-policy.yaml" >"$D/backend.yaml"
stack_up --config "$D/config.yaml" --policy "$D/backend.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
body() { printf '{"model":"%s","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}' "$1" "$2"; }
ask() { req POST "${3:-/v1/chat/completions}" -H "$auth" -H "$json" -d "$(body "$1" "$2")"; }
search() { "$B/tollgate" audit search -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
hits() { wc -l <"$D/out"; }

ask one "hello"
ask two "mail me at alice@example.com" /v1/messages
ask three "my key is AKIAIOSFODNN7EXAMPLE and $(printf 'ghp_%s' 0123456789abcdefghijABCDEFGHIJ012345)"
denied=$status
for i in $(seq 80); do
	[ "$i" = 1 ] || echo next
	printf 'url = "%s"\noutput = "/dev/null"\nheader = "%s"\nheader = "%s"\ndata = "{\\"model\\":\\"many-%s\\",\\"messages\\":[]}"\n' "$EDGE/v1/chat/completions" "$auth" "$json" "$i"
done >"$D/many"
curl -s -K "$D/many"

search --limit 0
is "all requests are found" "$(hits)" 83
search --at today --model two
is "a request is found by model" "$(hits) $(awk '{ print $2, $4, $5, $6 }' "$D/out")" "1 redact alice messages two"
search --person alice --between 'last hour..' --route messages
is "requests are found by person, route and time" "$(hits)" 1
search --class pii --outcome complete
is "fields of the decision and of the completion can be combined" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 two"
for asked in "target claude" "target claude/two" "target anthropic" "provider claude"; do
	# shellcheck disable=SC2086 # an option and its value
	search --$asked
	is "a request is found by $asked, on a route with a backend" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 two"
done
search --region us --route messages
is "a request is found by its provider's region" "$(hits)" 1
"$B/tollgate" usage -c "$D/tollgate.yaml" --by target --since 1h >"$D/out"
like "usage has the target" "$(cat "$D/out")" 'claude/two'
"$B/tollgate" audit export -c "$D/tollgate.yaml" --since 1h --provider claude 2>/dev/null >"$D/out"
is "an export has the target" "$(jq -r 'select(.type == "decision" or .type == "completion") | .target' "$D/out" | sort | uniq -c | xargs)" "2 claude"
search --decision deny --json
is "denied requests are found" "$(jq -r '[.decision, .status, .model] | join(" ")' "$D/out")" "deny $denied three"
search --where 'has(record.usage) && record.usage.output_tokens > 0 && record.model == "one"' --json
is "a request is found by a condition" "$(jq -r '.model + " " + .outcome' "$D/out")" "one complete"
search --count --by route
is "hits are counted by route" "$(tr '\n' ' ' <"$D/out")" "82 chat 1 messages "
search --at 'last tuseday'
is "an unknown word is an error" "$? $(grep -c "'tuseday' is not understood" "$D/err")" "2 1"

# ---- pages ----
: >"$D/pages"
search --limit 30
while cat "$D/out" >>"$D/pages" && after=$(sed -n 's/^more: --after //p' "$D/out") && [ -n "$after" ]; do
	search --limit 30 --after "$after"
done
is "each hit is on exactly one page" "$(grep -v ^more "$D/pages" | awk '{ print $NF }' | sort -u | wc -l) $(grep -vc ^more "$D/pages")" "83 83"

# ---- search for a text: the daemon computes its hash and records the search ----
body one hello >"$D/text"
search --text-file "$D/text"
is "a request is found by its whole body" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 one"
body one "hello?" >"$D/text"
search --text-file "$D/text"
is "a different text finds nothing" "$(hits)" 0
search --type read --json
is "the search is recorded with its user" "$(jq -r 'select(.what == "text") | [.what, .read, .peer.uid] | join(" ")' "$D/out" | sort -u)" "text search $(id -u)"

# ---- the index ----
is "there are at least three segments" "$([ "$(find "$JOURNAL" -name '*.jsonl' | wc -l)" -ge 3 ] && echo yes)" yes
rm -rf "$JOURNAL.index"
indexed() { [ "$(find "$JOURNAL.index" -name '*.idx' 2>/dev/null | wc -l)" = $(($(find "$JOURNAL" -name '*.jsonl' | wc -l) - 1)) ]; }
check "the daemon makes indexes" wait_for indexed
search --limit 0 --no-index
cp "$D/out" "$D/scanned"
search --limit 0
check "a search with indexes has the same result" cmp "$D/scanned" "$D/out"
for f in "$JOURNAL".index/*.idx; do
	printf 'XXXXXXXX' | dd of="$f" bs=1 seek=600 conv=notrunc status=none
done
search --limit 0
check "damaged indexes do not change the result" cmp "$D/scanned" "$D/out"
is "damaged indexes are reported" "$(grep -c 'rebuilt' "$D/err" | sed 's/^[1-9].*/some/')" some
for f in "$JOURNAL".index/*.idx; do truncate -s 100 "$f"; done
search --limit 0
check "truncated indexes do not change the result" cmp "$D/scanned" "$D/out"
check "the chain verifies" "$B/tollgate" audit verify -c "$D/tollgate.yaml"

# ---- a stream of records, and the journal and a stream together ----
"$B/tollgate" audit search --redis "$REDIS" --limit 0 >"$D/out" 2>"$D/err"
check "a search of the stream has the same result" cmp "$D/scanned" "$D/out"
"$B/tollgate" audit search --redis "$REDIS" --journal "$JOURNAL" --limit 0 >"$D/out" 2>"$D/err"
check "a search of both returns each record once" cmp "$D/scanned" "$D/out"

# ---- search for a text after the hash key changed ----
body one hello >"$D/text"
found() { search --text-file "$D/text"; is "$1" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 one"; }
"$B/tollgate" keygen --hash-key "$D/hash.key" >/dev/null
again_with "audit: {hash_key: \"$D/hash.key\"}"
found "a text hashed with the key that is derived from the signing key is found"
unlike "everything was searched" "$(cat "$D/err")" 'not searched'
"$B/tollgate" keygen --hash-key --rotate "$D/hash.key" >/dev/null
again_with 'workers: 1'
found "a text is found across a rotation of the hash key"
unlike "with both keys, everything was searched" "$(cat "$D/err")" 'not searched'
sed -i 1q "$D/hash.key" # the previous key is lost
found "without a key in the middle, the other texts are found"
is "the boot with the lost key is named" "$(grep -cE 'the text was not searched for: node a, boot 2: hash key [0-9a-f]{16} is not here' "$D/err") $(grep -c 'not searched' "$D/err")" "1 1"
"$B/tollgate" keygen --hash-key "$D/other.key" >/dev/null
search --text-file "$D/text" --hash-key "$D/other.key"
is "with only an unrelated key, nothing is found" "$(hits)" 0
like "boot 1 is named" "$(cat "$D/err")" 'node a, boot 1: hash key'
like "boot 3 is named" "$(cat "$D/err")" 'node a, boot 3: hash key'
exit $failed
