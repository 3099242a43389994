# The signing key is replaced on a running stack. The old and the new key sign checkpoints for thirty days, and proofs
# and notes of both times verify with the first public key. A witness that does not know the new key refuses
# later, and continues when it knows it. An offline root key revokes a key. A reload with an unreadable key file is
# refused as a whole.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
head -c 8 /dev/zero >"$D/skew.a"
"$build/tollgate" keygen --root "$D/root.key" >/dev/null
"$build/tollgate" keygen "$D/w-audit.key" >/dev/null
"$build/tollgate" keygen "$D/witness.key" >/dev/null
"$build/tollgate" keygen "$D/audit.key" >/dev/null
"$build/tollgate" keygen --hash-key "$D/hash.key" >/dev/null
cp "$D/audit.key.pub" "$D/first.pub"
cp "$D/audit.key.pub" "$D/theirs.pub" # the public key that the witness knows
: >"$D/stated"
cp "$root/tests/support/stack-policy.yaml" "$D/policy.yaml"
cat >"$D/config.yaml" <<Y
workers: 1
audit: {hash_key: "$D/hash.key", root: "$D/root.key.pub", key_statements: "$D/stated"}
anchors: [{witness: "unix:$D/witness.sock:/", key: "$D/witness.key.pub", every: 1s}]
Y
cat >"$D/w.yaml" <<Y
node: w
backends: [openai, anthropic, local]
policy: "$D/policy.yaml"
demo_issuer: "$D/issuer.yaml"
agent: {listen: "unix@$D/w-agent.sock"}
relay: {listen: "unix@$D/w-relay.sock", egress: "unix@$D/w-inner.sock"}
admin: {listen: "unix@$D/w-admin.sock"}
audit: {journal: "$D/w-journal", key: "$D/w-audit.key"}
witness: {listen: "unix@$D/witness.sock", key: "$D/witness.key", logs: [{origin: tollgate/a, key: "$D/theirs.pub"}]}
Y
stack_up --no-redis --config "$D/config.yaml" --policy "$D/policy.yaml" --preload "$D/skew.so"
setsid "$build/tollgate" serve -c "$D/w.yaml" </dev/null >"$D/w.log" 2>&1 &
note_pid $! witness
wait_for test -S "$D/witness.sock" || { not_ok "the witness listens" "$(cat "$D/w.log")"; exit 1; }
auth="authorization: Bearer $(token --ttl 8000000)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'; }
tg() { local verb=$1; shift; "$build/tollgate" "$verb" "$@" -c "$D/tollgate.yaml"; }
status() { tg status --json; }
signs() { status | jq -r '.. | objects | select(has("signs")) | .signs' | head -1; }
records() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep "\"type\":\"$1\"" | jq -c "select(${2:-true})"; }
last_seq() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -v '^{"v":1,"commit"' | tail -1 | jq .seq; }
newest_note() { records checkpoint | tail -1 | jq -j .note; }
signatures() { newest_note | grep -c '^— '; }
signed_by() { [ "$(signatures)" = "$1" ]; }
anchored() { [ "$(records anchor '.result=="taken"' | tail -1 | jq .size)" -ge "$1" ] 2>/dev/null; }
by() { # KEY [option…]
	local key=$1
	shift
	tg audit verify --public-key "$D/$key" "$@" >"$D/said" 2>&1 || { sed 's/^/#   /' "$D/said"; false; }
}
proof() { tg audit show --seq "$1" --proof >"$D/proof.$2" 2>"$D/proof.err"; }
key_id() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | sha256sum | cut -c1-16; }

ask
is "a request passes" "$status" 200
first=$(signs) before=$(last_seq)
check "a record has its proof" wait_for proof "$before" before
newest_note >"$D/note.before"
check "the witness cosigns" wait_for anchored "$before"

# ---- an unreadable key file ----
mv "$D/audit.key" "$D/audit.key.away"
sed -i 's/^name: .*/name: changed/' "$D/policy.yaml"
said=$(tg reload 2>&1) && code=0 || code=$?
is "without the key file, a reload is refused" $code 1
like "the error names the file" "$said" 'audit.key: .*audit.key: No such file'
like "the error states that nothing of the reload takes effect" "$said" "no change of this reload takes effect, key $first continues to sign"
unlike "the policy of this reload is not in force" "$(status)" '"policy": *"changed@'
ask
is "the daemon continues with the first key" "$status $(signs)" "200 $first"
like "status has the error" "$(status | jq -c .last_reload)" 'No such file'
mv "$D/audit.key.away" "$D/audit.key"
check "with the file, the reload succeeds" tg reload
like "the policy of the reload is in force" "$(status)" '"policy": *"changed@'

# ---- the rotation ----
"$build/tollgate" keygen --rotate "$D/audit.key" >/dev/null
check "a reload replaces the key" tg reload
new_signs() { [ "$(signs)" != "$first" ]; }
check "the new key signs" wait_for new_signs
second=$(signs)
ask
after=$(last_seq)
check "a record after the rotation has its proof" wait_for proof "$after" after
check "both keys sign checkpoints" wait_for signed_by 2
newest_note >"$D/note.after"
cp "$D/audit.key.pub" "$D/both.pub"
openssl pkey -in "$D/audit.key" -pubout >"$D/second.pub"
for key in first.pub second.pub; do
	for when in before after; do
		check "the proof from $when verifies by $key" by $key --file "$D/proof.$when"
		check "the log continues the note from $when, by $key" by $key --journal "$JOURNAL" --note "$D/note.$when"
	done
done
check "the witness, which knows the old key, continues" wait_for anchored "$after"

# ---- thirty days later ----
python3 -c 'import struct; open("'"$D"'/skew.a", "r+b").write(struct.pack("=q", 31 * 86400 * 10**9))'
check "after thirty days, only the new key signs" wait_for signed_by 1
ask
late=$(last_seq)
check "a witness that does not know the new key refuses" wait_for says '"state": *"refused"' status
like "status reports it" "$(tg status)" "^anchor witness .*the witness has no key that verifies this log's signature \(403\): after a rotation, add the new public key"
check "a record reports it" test -n "$(records anchor '.result=="refused"')"
cat "$D/second.pub" >>"$D/theirs.pub"
check "when the witness knows the new key, it continues" wait_for anchored "$late"
check "the proofs still verify with the first key" proof "$late" late
check "they verify with the statements in JOURNAL.keys" by first.pub --file "$D/proof.late"
is "without the statements they do not verify" "$("$build/tollgate" audit verify --file "$D/proof.late" --public-key "$D/first.pub" -c /dev/null >"$D/said" 2>&1; echo $?)" 1
like "verify names the reason" "$(cat "$D/said")" 'wrong key: the checkpoint is signed by none of the keys'
check "a copy of the statements is sufficient" by first.pub --file "$D/proof.late" --statement "$JOURNAL.keys"

# ---- the root key ----
"$build/tollgate" keygen --rotate "$D/audit.key" >/dev/null
check "the key is replaced again" tg reload
third_signs() { [ "$(signs)" != "$second" ]; }
wait_for third_signs
third=$(signs) from=$(($(last_seq) + 1))
"$build/tollgate" audit key revoke "$second" --root-key "$D/root.key" --node a --from $from >>"$D/stated"
# as in docs/evidence.md: by openssl pkeyutl, with a file of one statement
by_hand=$(sed -n 's/^    \(head -n 1 S\|openssl pkeyutl .*root.pub\)/\1/p' "$root/docs/evidence.md")
is "a statement can be verified by hand" "$(cd "$D" && cp stated S && cp root.key.pub root.pub && bash -ec "$by_hand" 2>&1 | tail -1)" "Signature Verified Successfully"
check "a reload loads a revocation" tg reload
revoked() { [ -n "$(records key '.change=="revoke"')" ]; }
check "the revocation is recorded" wait_for revoked
ask
check "everything verifies after the revocation" by first.pub --journal "$JOURNAL" --root "$D/root.key.pub" --statement "$D/stated"
check "a proof that the revoked key signed earlier verifies" by first.pub --file "$D/proof.late" --root "$D/root.key.pub" --statement "$D/stated"
"$build/tollgate" audit key revoke "$second" --root-key "$D/root.key" --node a --from "$after" >"$D/earlier"
is "if the key is revoked from an earlier record on, that proof does not verify" "$(by first.pub --file "$D/proof.late" --root "$D/root.key.pub" --statement "$D/earlier" >/dev/null; echo $?)" 1
like "the error names the key" "$(cat "$D/said")" "signed by $second, which is revoked from record $after on"
is "the journal does not verify either" "$(by first.pub --journal "$JOURNAL" --root "$D/root.key.pub" --statement "$D/earlier" >/dev/null; echo $?)" 1
like "verify names the first such record" "$(cat "$D/said")" "seq=[0-9]+ why=\"wrong key: its commit is signed by $second, which is revoked from record $after on"
said=$("$build/tollgate" audit key certify "$D/audit.key.pub" --root-key "$D/root.key" --node a 2>&1)
like "a file with several keys is refused, and the error explains how to extract one" "$?: $said" '^2: .*openssl pkey -pubin -in FILE -out NEW$'
cp "$D/audit.key" "$D/audit.key.third"
cp "$D/audit.key.old" "$D/audit.key"
said=$(tg reload 2>&1) && code=0 || code=$?
like "a reload with the revoked key is refused" "$code $(tr "\n" " " <<<"$said")" "^1 .*key $second is revoked: name another key; key $third continues to sign"
cp "$D/audit.key.third" "$D/audit.key"

# ---- check ----
checked() { # NAME YAML REGEX
	echo "$2" >"$D/over.yaml"
	"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/checked.yaml"
	like "$1" "$("$build/tollgate" check -c "$D/checked.yaml" 2>&1; echo "exit $?")" "$3"
}
checked "check accepts the whole configuration" 'workers: 1' '^exit 0'
checked "check detects that previous_key is the current key" "audit: {previous_key: \"$D/audit.key\"}" 'audit.previous_key: .*is the same key as audit.key'
checked "check names a missing previous_key" "audit: {previous_key: \"$D/nowhere\"}" 'audit.previous_key: .*nowhere: No such file'
sed 's/ from=[0-9]*/ from=1/' "$D/stated" >"$D/forged"
checked "check verifies the root key's statements" "audit: {key_statements: \"$D/forged\"}" 'audit.key_statements: .*statement 1 is not signed by the key in audit.root'
exit $failed
