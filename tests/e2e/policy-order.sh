# A policy is put in force by an order, its text is stored, and a decision is explained by the text that decided it.
# An edited file changes nothing. Covers apply, back, history and show, a stored text that is missing or changed, and
# two concurrent orders.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
cp "$here/policy.yaml" "$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$here/config.yaml"
: >"$D/keys.yaml" # no keys yet
auth="authorization: Bearer $(token)"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
status_says() { tg status && matches "$(cat "$D/out")" "$1"; }
ask() {
	req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' \
		-d '{"model":"gpt-4o","messages":[{"role":"user","content":"the key is AKIAIOSFODNN7EXAMPLQ and the mail jane.doe@example.com"}]}'
	id=$(header x-tollgate-id)
}
version() { header x-tollgate-policy; }
rules() { # prints a policy with these rules
	sed -e 's/^  - none: /  - api_key: {header: x-api-key, keys: keys.yaml}\n&/' -e '/^rules:/,/^default:/d' "$here/policy.yaml"
	printf 'rules:\n%s\ndefault: permit\n' "$1"
}
secrets='  - {name: no-secrets, when: "\"secret\" in prompt.classes", deny: {reason: the prompt contains a secret}}'
pii='  - {name: pii, when: "\"pii\" in prompt.classes", redact: {classes: [pii]}}'
rules "$secrets
$pii" >"$D/first.yaml"
rules "$pii" >"$D/second.yaml"

# ---- a saved file changes nothing ----

cp "$D/first.yaml" "$D/policy.yaml"
tg reload
is "the first policy is ordered" "$?" 0
ask
is "the first policy denies a secret" "$status" 403
denied=$id first=$(version)
cp "$D/second.yaml" "$D/policy.yaml"
check "status names the rule that the saved file lacks" wait_for status_says 'policy: the file differs from what is in force since 20[^ ]*: rules no-secrets \(removed\)'
is "a metric reports it too" "$(metric policy_differs)" 1
ask
is "the saved file is not in force" "$status $(version)" "403 $first"
echo >>"$D/jwks.json"
check "a changed key set is loaded" wait_for grep -q 'event=reload.done .*jwks.json' "$D/tollgate.log"
ask
is "the saved file is still not in force" "$status $(version)" "403 $first"
check "status still names the rule" status_says 'rules no-secrets'
echo 'rules: [' >>"$D/policy.yaml"
check "a file that cannot be loaded is reported with its line" wait_for status_says 'the file cannot be loaded: .*policy.yaml:[0-9]+:'
tg reload
is "an order to load it is refused" "$?" 1
reloads=$(metric reloads_total 'result="ok"')
echo >>"$D/jwks.json"
check "a changed key set is loaded again" wait_for says "^$((reloads + 1))\$" metric reloads_total 'result="ok"'
check "the refused order is still reported" wait_for status_says 'last reload was refused: .*policy.yaml'
# a key is rotated beside the half-edited policy
made=$("$B/tollgate" key new --keys "$D/keys.yaml" --person kim 2>"$D/err") old=${made#tg_}
tg key rotate "${old%%_*}"
like "without --keys, a policy with a mistake is an error that names the option" "$? $(tail -1 "$D/out")" '^2 .*name their file with --keys$'
rotated=$("$B/tollgate" key rotate --keys "$D/keys.yaml" "${old%%_*}" --overlap 1h 2>"$D/err")
is "with --keys, the key is rotated" "$?" 0
by_key() { curl -s -o /dev/null -w '%{http_code} %header{x-tollgate-policy}' "$EDGE/v1/models" -H "x-api-key: $1"; }
check "the new key is accepted, under the policy in force" wait_for says "^200 $first\$" by_key "$rotated"
is "the old key is accepted until the overlap ends" "$(by_key "$made")" "200 $first"
cp "$D/first.yaml" "$D/policy.yaml"
check "a restored file is no difference" wait_for says '^0$' metric policy_differs

# ---- apply ----

tg policy apply "$D/second.yaml"
is "an order without a reason is refused" "$?" 2
tg policy apply "$D/second.yaml" --why 'false alarms' </dev/null
is "without a terminal and --yes nothing is changed" "$? $(cmp "$D/first.yaml" "$D/policy.yaml" && echo same)" '1 same'
like "the change was printed" "$(cat "$D/out")" 'changes: rules no-secrets \(removed\)'
tg policy apply "$D/second.yaml" --why 'false alarms' --yes
is "the second policy is put in force" "$?" 0
like "it is in force in each worker" "$(cat "$D/out")" 'is in force in ([0-9]+) of \1 workers'
like "the effect on the last day's requests was printed" "$(cat "$D/out")" 'deny'
ask
is "the next request is decided by it" "$status" 200
second=$(version) permitted=$id
tg policy apply "$D/second.yaml" --why 'again' --yes
is "a second apply keeps it" "$?" 0
sed 's/redact:/ruddle:/' "$D/second.yaml" >"$D/wrong.yaml"
tg policy apply "$D/wrong.yaml" --why 'wrong' --yes
is "a policy with a mistake is refused" "$?" 1
like "the error has the mistake's position" "$(cat "$D/out")" 'policy.yaml:[0-9]+:[0-9]+: .*ruddle'
is "the file is unchanged" "$(cmp "$D/second.yaml" "$D/policy.yaml" && echo same)" same
mkdir -p "$D/tests"
cat >"$D/tests/policy.yaml" <<-'YAML'
	policy: ../policy.yaml
	cases:
	  - name: mail is redacted
	    request: {method: POST, path: /v1/chat/completions, prompt: to ann@example.com}
	    identity: {method: jwt, person: ann}
	    expect: {decision: redact}
YAML
rules "$secrets" >"$D/third.yaml"
tg policy apply "$D/third.yaml" --why 'no redaction' --yes
code=$?
like "tests next to the policy are run" "$(cat "$D/out")" 'not ok 1 .*mail is redacted'
is "a policy that fails them is not put in force" "$code $(cmp "$D/second.yaml" "$D/policy.yaml" && echo same)" '1 same'
rm -r "$D/tests"
exec 8<"$D"
flock 8
tg policy apply "$D/first.yaml" --why 'at once' --yes
code=$?
like "a second order at the same time is refused" "$code $(cat "$D/out")" '^2 .*another `tollgate policy apply` is in progress'
exec 8<&-

# ---- explanations by the text that decided ----

tg audit explain "$denied"
is "a denial under the first policy is explained" "$?" 0
like "the explanation names its rule" "$(cat "$D/out")" 'matched +no-secrets'
like "the explanation states that this policy decided" "$(cat "$D/out")" 'the policy that decided'
tg audit explain "$permitted"
unlike "a decision under the second policy is explained by the second" "$(cat "$D/out")" no-secrets
tg policy show "$first"
check "the text of a version is printed" cmp "$D/out" "$D/first.yaml"
tg policy history
like "the history has user, reason and change" "$(tr '\n' '~' <"$D/out")" 'why +false alarms~ +changed +rules no-secrets \(removed\)'
entries=$(grep -c '^20' "$D/out")
tg policy apply --why $'first line\n2026-01-01T00:00:00Z  forged@000000000000  (node a)\r\n    by       nobody' --yes
tg policy history
is "a reason with line ends forges no entry" "$(grep -c '^20' "$D/out") $(grep -c '^ *by *nobody' "$D/out")" "$((entries)) 0"
tg policy back --why 'the alarms were true'
is "back asks for confirmation" "$?" 1
tg policy back --why 'the alarms were true' --yes
is "back restores the previous version" "$?" 0
check "the file is the first again" cmp "$D/first.yaml" "$D/policy.yaml"
ask
is "the first policy is in force" "$status $(version)" "403 $first"
tg policy back "${second#*@}" --why 'to a version by its name' --yes
ask
is "back restores a version by its name" "$status $(version)" "200 $second"
tg policy show nonesuch
is "an unknown version is refused" "$?" 1

# ---- a text stored by the other instance of a hand-over ----

mkdir "$D/journal-b"
mv "$D/journal.policies" "$D/journal-b.policies"
tg audit explain "$denied"
like "a decision is explained by the other instance's text" "$? $(tr '\n' ' ' <"$D/out")" '^0 .*the policy that decided'
tg policy show "$first"
check "that text is printed" cmp "$D/out" "$D/first.yaml"
tg policy history
like "the history names what changed" "$(cat "$D/out")" 'changed +rules no-secrets'
tg policy back "$first" --why 'from the other instance' --yes
is "back finds it" "$? $(cmp "$D/first.yaml" "$D/policy.yaml" && echo same)" '0 same'
tg policy back "$second" --why 'and again' --yes
cp -n "$D"/journal.policies/* "$D/journal-b.policies/"
rm -r "$D/journal.policies" "$D/journal-b"
mv "$D/journal-b.policies" "$D/journal.policies"

# ---- a stored text that is missing or changed ----

check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
kept=("$D/journal.policies/$(jq -rR 'fromjson? | select(.type == "policy" and (.policy == "'"$first"'")) | .policy_version[:16]' <(tr -d '\0' <"$JOURNAL"/*) | head -1)"-*)
is "a text is stored once, however often it was in force" "${#kept[@]}" 1
mv "${kept[0]}" "$D/aside"
tg audit explain "$denied"
is "with a missing text, explain fails" "$?" 1
like "explain reports it, and uses no other policy" "$(cat "$D/out")" "decided by policy $first, whose text is not available"
"$B/tollgate" audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY" >"$D/out" 2>&1
like "verify reports it" "$? $(tr '\n' ' ' <"$D/out")" '^1 .*bad source=policies'
cp "$D/aside" "${kept[0]}"
alter "${kept[0]}" 500
tg audit explain "$denied"
like "a changed text is reported" "$? $(cat "$D/out")" '^1 .*was changed'
# A different text, with a valid name of its own, is not the text that the record names.
other=$(ls "$D/journal.policies/${second#*@}"*)
cp "$other" "$D/journal.policies/$(basename "${kept[0]}" | cut -c1-16)-$(basename "$other" | cut -c18-)"
rm "${kept[0]}"
tg audit explain "$denied"
is "another text in its place is refused" "$?" 1
mv "$D/aside" "${kept[0]}"
check "after the text is restored, the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
