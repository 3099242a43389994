# Proofs on a running stack. A file with a record and its proof is verified by tollgate without the journal, and by
# the script of docs/evidence.md without tollgate. An old checkpoint detects a truncated log and a restored older
# copy.
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
check "after a second, a proof is available" wait_for prove "$id" --proof
like "it verifies without the journal" "$(holds)" '^ok node=[^ ]+ source=proof seq=[0-9]+ time=[^ ]+ type=decision origin=tollgate/[^ ]+ size=[0-9]+ key=[0-9a-f]+$'
like "it verifies with openssl and sh" "$(by_hand)" '^yes: record [0-9]+ of [0-9]+ in the log of tollgate/'
like "the script prints the record" "$(by_hand)" "\"id\":\"$id\""
settled
check "a completion has a proof" wait_for prove "$id" --proof=completion
like "it verifies with the script" "$(by_hand)" '"type":"completion"'
check "a receipt leads to a proof" wait_for prove --receipt "$receipt" --proof
like "it is the proof of the decision" "$(holds)" 'type=decision'
cp "$D/proof" "$D/whole"
sed 's/^\(record ..............................\)./\1x/' "$D/whole" >"$D/proof"
like "a changed record does not verify" "$(holds)" '^bad '
like "a changed record does not verify with the script" "$(by_hand)" '^no: '
ask another
like "a record that no checkpoint covers yet is reported" "$(audit show "$(header x-tollgate-id)" --proof --journal "$JOURNAL")" 'no checkpoint covers it yet|^record '

# ---- an old checkpoint ----
for i in $(seq 20); do ask "more $i"; done
settled
last=$(header x-tollgate-id)
check "a checkpoint covers the last record" wait_for prove "$last" --proof
cp "$D/proof" "$D/kept"
cp -r "$JOURNAL" "$D/copy"
for i in $(seq 40); do ask "later $i"; done
settled
last=$(header x-tollgate-id)
check "a checkpoint covers later records" wait_for prove "$last" --proof
cp "$D/proof" "$D/newer"
against() { audit verify --journal "$1" --note "$2" --public-key "$AUDIT_KEY" | grep source=note; }
like "the current log continues the old checkpoint" "$(against "$JOURNAL" "$D/kept")" '^ok '
like "the current log continues the newer checkpoint" "$(against "$JOURNAL" "$D/newer")" '^ok '
like "a truncated copy verifies by itself" "$(audit verify --journal "$D/copy" --public-key "$AUDIT_KEY")" '^ok '
like "the newer checkpoint detects the missing end" "$(against "$D/copy" "$D/newer")" '^bad .*why="cut: the log ends with record'
like "an older checkpoint does not detect it" "$(against "$D/copy" "$D/kept")" '^ok '

# A daemon continues with the older copy.
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
like "each checkpoint of the chain holds" "$(audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY")" '^ok .* checkpoints=[1-9]'
mv "$JOURNAL" "$D/true"
mv "$D/copy" "$JOURNAL"
rm -rf "$JOURNAL.head"
cp -r "$JOURNAL.tree" "$D/tree"
daemon_start
back() { ask again; [ "$status" = 200 ]; }
check "a daemon starts with an older copy" wait_for back
for i in $(seq 60); do ask "other $i"; done
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
like "that chain verifies" "$(audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY")" '^ok '
like "the newer checkpoint detects another history" "$(against "$JOURNAL" "$D/newer")" '^bad .*why="fork: '
rm -rf "$JOURNAL.tree"
mv "$D/tree" "$JOURNAL.tree"
like "a restored older copy is reported by its tree, if that is newer" "$(against "$JOURNAL" "$D/newer")" \
	'^bad .*why="fork: an older copy that ended with record [0-9]+ was put back'
exit $failed
