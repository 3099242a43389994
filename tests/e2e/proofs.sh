# Proofs on a running stack: a record with its proof in one file, verified by tollgate without the journal
# and by the script of docs/evidence.md without tollgate; an old checkpoint against a log that was cut, or
# put back as an older copy.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

printf 'workers: 1\naudit: {segment: 64k}\n' >"$D/config.yaml"
sed 's|name: chat$|name: chat\n    record: {receipt: true}|' "$root/tests/support/stack-policy.yaml" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
audit() { "$B/tollgate" audit "$@" 2>&1; }
prove() { "$B/tollgate" audit show "$@" --journal "$JOURNAL" >"$D/proof" 2>"$D/said"; }
holds() { audit verify --file "$D/proof" --public-key "$AUDIT_KEY"; }
awk '/^## / { mine = $0 == "## Prove one record" } /^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' \
	"$root/docs/evidence.md" >"$D/prove.sh"
by_hand() { sh "$D/prove.sh" "$D/proof" "$AUDIT_KEY" 2>&1; }

# ---- one record ----
ask hello
id=$(header x-tollgate-id)
receipt=$(header x-tollgate-receipt)
check "a second later there is a proof" wait_for prove "$id" --proof
like "it holds without the journal" "$(holds)" '^ok node=[^ ]+ source=proof seq=[0-9]+ time=[^ ]+ type=decision origin=tollgate/[^ ]+ size=[0-9]+ key=[0-9a-f]+$'
like "by openssl and sh too" "$(by_hand)" '^yes: record [0-9]+ of [0-9]+ in the log of tollgate/'
like "with the record itself" "$(by_hand)" "\"id\":\"$id\""
settled
check "of the answer" wait_for prove "$id" --proof=completion
like "likewise" "$(by_hand)" '"type":"completion"'
check "by the receipt" wait_for prove --receipt "$receipt" --proof
like "it is the decision" "$(holds)" 'type=decision'
cp "$D/proof" "$D/whole"
sed 's/^\(record ..............................\)./\1x/' "$D/whole" >"$D/proof"
like "a changed record is no record of the log" "$(holds)" '^bad '
like "nor by hand" "$(by_hand)" '^no: '
ask another
like "what is too new is told so, or is there" "$(audit show "$(header x-tollgate-id)" --proof --journal "$JOURNAL")" 'no checkpoint covers it yet|^record '

# ---- an old checkpoint ----
for i in $(seq 20); do ask "more $i"; done
settled
last=$(header x-tollgate-id)
check "the last is covered" wait_for prove "$last" --proof
cp "$D/proof" "$D/kept"
cp -r "$JOURNAL" "$D/copy"
for i in $(seq 40); do ask "later $i"; done
settled
last=$(header x-tollgate-id)
check "and later ones" wait_for prove "$last" --proof
cp "$D/proof" "$D/newer"
against() { audit verify --journal "$1" --note "$2" --public-key "$AUDIT_KEY" | grep source=note; }
like "today's log continues the old checkpoint" "$(against "$JOURNAL" "$D/kept")" '^ok '
like "and the newer one" "$(against "$JOURNAL" "$D/newer")" '^ok '
like "the copy alone verifies" "$(audit verify --journal "$D/copy" --public-key "$AUDIT_KEY")" '^ok '
like "but its end is missing" "$(against "$D/copy" "$D/newer")" '^bad .*why="cut: the log ends with record'
like "an older checkpoint does not see that" "$(against "$D/copy" "$D/kept")" '^ok '

# a daemon goes on with the older copy
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
like "every checkpoint of the chain holds" "$(audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY")" '^ok .* checkpoints=[1-9]'
mv "$JOURNAL" "$D/true"
mv "$D/copy" "$JOURNAL"
rm -rf "$JOURNAL.head"
cp -r "$JOURNAL.tree" "$D/tree"
daemon_start
back() { ask again; [ "$status" = 200 ]; }
check "a daemon starts on an older copy" wait_for back
for i in $(seq 60); do ask "other $i"; done
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
like "it verifies" "$(audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY")" '^ok '
like "and is another history" "$(against "$JOURNAL" "$D/newer")" '^bad .*why="fork: '
rm -rf "$JOURNAL.tree"
mv "$D/tree" "$JOURNAL.tree"
like "an older copy that was put back, where the tree of before is there" "$(against "$JOURNAL" "$D/newer")" \
	'^bad .*why="fork: an older copy that ended with record [0-9]+ was put back'
exit $failed
