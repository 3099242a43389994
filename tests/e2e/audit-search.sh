# tollgate audit search on the running stack: what was asked is found by who, when, which model, how
# it ended and by its text; the daemon indexes closed segments, and no index changes an answer.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cat >"$D/config.yaml" <<'Y'
workers: 1
audit: {segment: 64k}
Y
# one route names a backend of HAProxy in place of targets
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
is "all of them" "$(hits)" 83
search --at today --model two
is "by model" "$(hits) $(awk '{ print $2, $4, $5, $6 }' "$D/out")" "1 redact alice messages two"
search --person alice --between 'last hour..' --route messages
is "by person, route and time" "$(hits)" 1
search --class pii --outcome complete
is "of decision and completion together" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 two"
for asked in "target claude" "target claude/two" "target anthropic" "provider claude"; do
	# shellcheck disable=SC2086 # an option and its value
	search --$asked
	is "by $asked, of a route that names a backend" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 two"
done
search --region us --route messages
is "by its provider's region" "$(hits)" 1
"$B/tollgate" usage -c "$D/tollgate.yaml" --by target --since 1h >"$D/out"
like "usage has it" "$(cat "$D/out")" 'claude/two'
"$B/tollgate" audit export -c "$D/tollgate.yaml" --since 1h --provider claude 2>/dev/null >"$D/out"
is "and an export" "$(jq -r 'select(.type == "decision" or .type == "completion") | .target' "$D/out" | sort | uniq -c | xargs)" "2 claude"
search --decision deny --json
is "what was denied" "$(jq -r '[.decision, .status, .model] | join(" ")' "$D/out")" "deny $denied three"
search --where 'has(record.usage) && record.usage.output_tokens > 0 && record.model == "one"' --json
is "by a condition" "$(jq -r '.model + " " + .outcome' "$D/out")" "one complete"
search --count --by route
is "counted" "$(tr '\n' ' ' <"$D/out")" "82 chat 1 messages "
search --at 'last tuseday'
is "words that mean nothing" "$? $(grep -c "'tuseday' is not understood" "$D/err")" "2 1"

# ---- pages ----
: >"$D/pages"
search --limit 30
while cat "$D/out" >>"$D/pages" && after=$(sed -n 's/^more: --after //p' "$D/out") && [ -n "$after" ]; do
	search --limit 30 --after "$after"
done
is "each on one page" "$(grep -v ^more "$D/pages" | awk '{ print $NF }' | sort -u | wc -l) $(grep -vc ^more "$D/pages")" "83 83"

# ---- by its text: through the daemon, which records it ----
body one hello >"$D/text"
search --text-file "$D/text"
is "by the whole body" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 one"
body one "hello?" >"$D/text"
search --text-file "$D/text"
is "another text is none" "$(hits)" 0
search --type read --json
is "who asked is a record" "$(jq -r 'select(.what == "text") | [.what, .read, .peer.uid] | join(" ")' "$D/out" | sort -u)" "text search $(id -u)"

# ---- the index ----
is "there are closed segments" "$([ "$(find "$JOURNAL" -name '*.jsonl' | wc -l)" -ge 3 ] && echo yes)" yes
rm -rf "$JOURNAL.index"
indexed() { [ "$(find "$JOURNAL.index" -name '*.idx' 2>/dev/null | wc -l)" = $(($(find "$JOURNAL" -name '*.jsonl' | wc -l) - 1)) ]; }
check "the daemon makes indexes" wait_for indexed
search --limit 0 --no-index
cp "$D/out" "$D/scanned"
search --limit 0
check "which change no answer" cmp "$D/scanned" "$D/out"
for f in "$JOURNAL".index/*.idx; do
	printf 'XXXXXXXX' | dd of="$f" bs=1 seek=600 conv=notrunc status=none
done
search --limit 0
check "nor do damaged ones" cmp "$D/scanned" "$D/out"
is "which are named" "$(grep -c 'rebuilt' "$D/err" | sed 's/^[1-9].*/some/')" some
for f in "$JOURNAL".index/*.idx; do truncate -s 100 "$f"; done
search --limit 0
check "nor cut ones" cmp "$D/scanned" "$D/out"
check "the chain holds" "$B/tollgate" audit verify -c "$D/tollgate.yaml"

# ---- the stream, and both as one line of time ----
"$B/tollgate" audit search --redis "$REDIS" --limit 0 >"$D/out" 2>"$D/err"
check "the stream is searched" cmp "$D/scanned" "$D/out"
"$B/tollgate" audit search --redis "$REDIS" --journal "$JOURNAL" --limit 0 >"$D/out" 2>"$D/err"
check "each record once" cmp "$D/scanned" "$D/out"

# ---- by its text, over other hash keys ----
body one hello >"$D/text"
found() { search --text-file "$D/text"; is "$1" "$(hits) $(awk '{ print $6 }' "$D/out")" "1 one"; }
"$B/tollgate" keygen --hash-key "$D/hash.key" >/dev/null
again_with "audit: {hash_key: \"$D/hash.key\"}"
found "what was hashed with the key that followed from the signing key's is found"
unlike "and all was searched" "$(cat "$D/err")" 'not searched'
"$B/tollgate" keygen --hash-key --rotate "$D/hash.key" >/dev/null
again_with 'workers: 1'
found "over a rotation of the hash key, too"
unlike "which is searched whole" "$(cat "$D/err")" 'not searched'
sed -i 1q "$D/hash.key" # the one before is gone
found "without a key between the rest is found"
is "and the boot that had it is named" "$(grep -cE 'the text was not searched for: node a, boot 2: hash key [0-9a-f]{16} is not here' "$D/err") $(grep -c 'not searched' "$D/err")" "1 1"
"$B/tollgate" keygen --hash-key "$D/other.key" >/dev/null
search --text-file "$D/text" --hash-key "$D/other.key"
is "with another key alone nothing is found" "$(hits)" 0
like "and every boot is named" "$(cat "$D/err")" 'node a, boot 1: hash key'
like "each" "$(cat "$D/err")" 'node a, boot 3: hash key'
exit $failed
