# After `tollgate upgrade`, the instance that decides keeps the journal of the other one, which does not run. The end of
# that journal is copied to the Redis Stream and anchored, its segments are archived and trimmed, its sealed texts
# are trimmed, and erasures reach its file of shares. Both chains verify, and both instances can run again.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/upgrade.bash"
cat >"$D/p.yaml" <<'Y'
tollgate: 1
name: keeps
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], record: {prompt: full, response: full}}
default: permit
Y
{
	auditor ann
	cat <<-Y
		audit: {segment: 64k}
		anchors: [{file: "$D/anchors.txt", every: 1h}]
		retention: {age: 20s, below_six_months: true, every: 200ms}
	Y
} >"$D/mine.yaml"
mkdir "$D/archive"
upgrade_stack "$D/p.yaml" --config "$D/mine.yaml"
say() { # PERSON TEXT: sets $id
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H "$json" \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
	id=$(header x-tollgate-id)
}
cli() { "$build/tollgate" "$@" -c "$D/tollgate.yaml" 2>&1; }
opens() { cli audit open "$1" --key "$D/ann.key" --part prompt; }
one_runs() { [ "$(deciding | wc -l)" = 1 ]; }
lines_of() { cat "$D/$1"/*.jsonl 2>/dev/null | tr -d '\0'; }
records() { lines_of "$1" | jq -c "select(.type == \"$2\")"; }
last_of() { lines_of "$1" | jq -s 'map(select(.seq)) | last.seq'; }
in_stream() { redis xrevrange "tollgate:audit:$1" + - COUNT 1 | grep -o '"seq":[0-9]*' | tail -1 | cut -d: -f2; }
copied() { [ -n "$(in_stream "$1")" ] && [ "$(in_stream "$1")" = "$(last_of "$2")" ]; }
verified() { cli audit verify; }

for i in {1..40}; do say ann "text $i"; done
say zoe 'told by zoe'
zoe=$id
settled
check "the second instance takes over" upgrade
check "the first instance ends" wait_for one_runs
adopted() { records journal boot | jq -r .written_by | grep -q '^a_b$'; }
check "it closes the chain of the first one, with its name" wait_for adopted
check "the Redis Stream has the end of that chain" wait_for copied a journal
boot=$(records journal boot | jq -s 'map(select(.written_by)) | last.seq')
anchored=$(awk '/^tollgate\/a$/ { getline; n = $1 } END { print n + 0 }' "$D/anchors.txt")
check "the anchors have the end of that chain, too: $anchored records of at least $boot" test "$anchored" -ge "$boot"
unlike "a search says nothing of records that do not belong to the daemon" "$(cli audit search --id "$zoe")" 'not recorded'

"$build/tollgate" audit erase --person zoe --why 'asked for it' -c "$D/tollgate.yaml" >"$D/erase.out" 2>&1
erased_in() { records journal erase | grep -q '"erasure"'; }
check "an erasure reaches the shares of the first instance" wait_for erased_in
like "its record names the person's pseudonym" "$(records journal erase | tail -1)" '"pseudonyms":\["p_'
like "a text of the first instance does not open" "$(opens "$zoe")" 'erased'

trimmed() { records journal trim | grep -q '"why":"age"'; }
check "when they are old enough, they are trimmed, by a record in their chain" wait_for trimmed
texts_gone() { [ -z "$(find "$D/journal.texts" -name 'a-*')" ]; }
check "so are the sealed texts, the newest file included" wait_for texts_gone
like "both chains verify" "$(verified | grep -c '^ok ')" '^2$'
unlike "no part is degraded" "$(cli status | sed '/anchor/d')" '^degraded'

sed -i "s|^  every: 200ms|&\n  archive: $D/archive|" "$D/tollgate.yaml"
check "the first instance takes over again" upgrade
check "the second instance ends" wait_for one_runs
say ann 'told again'
is "it serves" "$status" 200
settled
like "its texts open" "$(opens "$id")" 'told again'
back() { records journal-b boot | jq -r .written_by | grep -q '^a$'; }
check "it closes the chain of the second one" wait_for back
archived() { [ -n "$(find "$D/archive" -name 'a_b-*.jsonl.zst')" ]; }
check "segments of the second one are archived" wait_for archived
like "both chains verify again" "$(verified | grep -c '^ok ')" '^2$'
exit $failed
