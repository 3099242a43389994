# Faults while a policy is put in force: an order whose outcome is unknown, files that were added or
# removed since a version, and a command that is killed at each step.
# Once: no version of HAProxy differs here.
# Late: it orders a policy some thirty times.
. "$(dirname "$0")/lib.sh"
mkdir "$D/p"
rules() { # the whole policy, with these rules
	sed '/^rules:/,/^default:/d' "$here/policy.yaml"
	printf 'rules:\n%s\ndefault: permit\n' "$1"
}
secrets='  - {name: no-secrets, when: "\"secret\" in prompt.classes", deny: {reason: the prompt contains a secret}}'
pii='  - {name: pii, when: "\"pii\" in prompt.classes", redact: {classes: [pii]}}'
night='  - {name: night, when: "now.getHours(\"Europe/Berlin\") > 24", deny: {reason: closed}}'
rules "$pii
$night" >"$D/p/10.yaml"
stack_up --policy "$D/p" --config "$here/config.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
in_force() { "$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -r .policy_version; }
first=$(in_force)

# ---- an order whose outcome is unknown ----

daemon=$(sed -n 's/.*"unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml" | head -1)
[ -n "$daemon" ] || daemon=$(grep -o 'unix@[^", ]*admin[^", ]*' "$D/tollgate.yaml" | head -1 | cut -d@ -f2)
echo through >"$D/mode"
node "$here/order-proxy.mjs" "$D/proxy.sock" "$daemon" "$D/mode" >"$D/proxy.log" 2>&1 &
note_pid $! proxy
sed "s#$daemon#$D/proxy.sock#" "$D/tollgate.yaml" >"$D/proxied.yaml"
wait_for test -S "$D/proxy.sock"
proxied() { "$B/tollgate" "$@" -c "$D/proxied.yaml" >"$D/out" 2>&1; }

printf 'rules:\n%s\n' "$secrets" >"$D/p/20.yaml"
proxied policy apply --why 'no secrets' --yes
is "the second policy is put in force through the proxy" "$?" 0
second=$(in_force)
rm "$D/p/20.yaml"
tg policy apply --why 'secrets again' --yes
is "the first policy is put in force again" "$? $(in_force)" "0 $first"

# ORDER EXIT VERSION FILE: `policy back` to the second version, which writes the file p/20.yaml again
# clang-format off
while read -r order code version file; do
	echo "$order" >"$D/mode"
	proxied policy back "$second" --why "$order" --yes
	is "an order that is $order: exit code, version in force, new file" \
		"$? $(in_force) $([ -e "$D/p/20.yaml" ] && echo stays || echo removed)" "$code $version $file"
	[ "$order" != unknown ] || like "the message names the policy in force" "$(tr '\n' ' ' <"$D/out")" "it is unknown whether .*in force is still [^ ]*${first:0:12}"
	[ "$order" != handed ] || like "the message names the command that repeats the order" "$(tr '\n' ' ' <"$D/out")" 'Repeat the order with `tollgate policy apply --why TEXT`'
	rm -f "$D/p/20.yaml"
	tg policy apply --why 'the first again' --yes
done <<-ROWS
	refused 1 $first removed
	handed 2 $first stays
	unknown 2 $first stays
	lost 2 $first stays
	carried 0 $second stays
ROWS
echo through >"$D/mode"

# ---- back to a version whose files were added to, removed or replaced since ----

printf 'rules:\n%s\n' "$secrets" >"$D/p/20.yaml"
tg policy back "$first" --why 'a file was added' --yes
is "a file that was added since: back exits with 1, and changes nothing" "$? $(in_force)" "1 $first"
like "the message names the file" "$(cat "$D/out")" "p/20.yaml: version ${first:0:12} does not have this file"
tg policy apply --why 'the second' --yes
rm "$D/p/20.yaml"
echo '# a comment' >>"$D/p/10.yaml"
tg policy apply --why 'the first, with a comment' --yes
# Another text under the version of the second policy, newer than the text that was in force.
kept=$(ls "$D/journal.policies/${second:0:16}-"*)
zstd -dqc "$kept" | sed 's/the prompt contains a secret/the prompt contains no secret/; s/"bytes":\([0-9]*\)/"bytes":\1/' >"$D/forged"
old=$(zstd -dqc "$kept" | head -1 | jq '.files[] | select(.name | endswith("20.yaml")).bytes')
sed -i "1s/\"bytes\":$old}/\"bytes\":$((old + 1))}/" "$D/forged"
zstd -q "$D/forged" -o "$D/journal.policies/${second:0:16}-$(sha256sum <"$D/forged" | cut -d' ' -f1).policy.zst"
tg policy back "$second" --why 'the text of the record' --yes
is "back writes a file that was removed" "$? $(in_force)" "0 $second"
like "the file has the text that was in force, not a newer text of the same version" "$(cat "$D/p/20.yaml")" 'contains a secret'
like "back prints each file that it writes" "$(tr '\n' ' ' <"$D/out")" 'writes [^ ]*/p/10.yaml writes [^ ]*/p/20.yaml \(a new file\)'

# ---- a linked file ----

mv "$D/p/10.yaml" "$D/linked.yaml"
ln -s ../linked.yaml "$D/p/10.yaml"
sed -i '1s/^/# linked\n/' "$D/linked.yaml"
sed -i 's/name: pii/name: personal/' "$D/linked.yaml"
tg policy apply --why 'through a link' --yes
tg policy back "$second" --why 'through a link' --yes
is "back writes the file that a link leads to" "$? $(in_force) $(readlink "$D/p/10.yaml") $(grep -c 'name: pii' "$D/linked.yaml")" "0 $second ../linked.yaml 1"

# ---- orders at the same time ----

for i in 1 2 3 4 5; do
	kill -HUP "$(pid_of tollgate)"
	curl -s -m 90 -o /dev/null -X POST -H "authorization: Bearer $ADMIN_TOKEN" -H 'content-type: application/json' -d "{\"reason\":\"by one $i\"}" "$ADMIN/reload" &
	one=$!
	curl -s -o /dev/null --unix-socket "$daemon" -X POST -H 'content-type: application/json' -d "{\"reason\":\"by another $i\"}" http://x/reload
	wait $one
	sleep 0.5
done
reasons() { cat "$JOURNAL"/* | tr -d '\0' | grep -o '"type":"policy".*"why":"by [^"]*"' | sed 's/.*"why"://' | sort | uniq -c | awk '{ print $1 }' | tr -d '\n'; }
check "each of ten orders at the same time has a record of its own" wait_for says '^1111111111$' reasons

# ---- files of other owners ----

tg policy show "$second"
is "the files of a version do not include the system's time zones" "$? $(grep -c TZif "$D/out")" "0 0"
mkdir "$D/elsewhere"
echo 'Rosebud' >"$D/elsewhere/names.txt"
echo "classes: {customers: {dictionary: $D/elsewhere/names.txt}}" >"$D/p/30.yaml"
tg policy apply --why 'a dictionary elsewhere' --yes
is "a policy with a dictionary in another folder is put in force" "$?" 0
third=$(in_force)
echo 'Xanadu' >"$D/elsewhere/names.txt"
tg policy apply --why 'other names' --yes
tg policy back "$third" --why 'the names before' --yes
is "back writes no file that is outside of the policy's folder" "$? $(cat "$D/elsewhere/names.txt")" "1 Xanadu"
like "the message names the file" "$(cat "$D/out")" "elsewhere/names.txt: differs from version ${third:0:12} but is not written"

# A program with other detection rules, as after an upgrade
LC_ALL=C sed 's/transit, bank, wire, ach\]/transit, bank, wire, acx]/' "$B/tollgate" >"$D/upgraded"
chmod +x "$D/upgraded"
echo '# edited' >>"$D/p/30.yaml"
before=$(in_force)
"$D/upgraded" policy back "$third" --why 'the names before' --yes -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "after an upgrade, back does not put the remaining files in force" "$? $(in_force) $(tail -n1 "$D/p/30.yaml")" "1 $before # edited"
unlike "the mixture does not count as that version" "$(cat "$D/out")" 'becomes'
like "the message explains what to do" "$(cat "$D/out")" 'give the file that this command does not write the contents of version'
echo 'Rosebud' >"$D/elsewhere/names.txt"
"$D/upgraded" policy back "$third" --why 'the names before' -c "$D/tollgate.yaml" >"$D/out" 2>&1 </dev/null
like "with the file restored, other detection rules change the version" "$(cat "$D/out")" "version ${third:0:12} becomes .*other detection rules"

# ---- the exit code, if the version cannot be looked up ----

# with CONFIGURATION ARGUMENTS…
with() { "$B/tollgate" policy back "${@:2}" --why 'looked up' --yes -c "$1" >"$D/out" 2>&1; }
sed "s#$daemon#$D/nobody.sock#" "$D/tollgate.yaml" >"$D/nobody.yaml"
with "$D/nobody.yaml"
like "back without a version, while the daemon does not answer, is exit 2" "$? $(cat "$D/out")" '^2 .*nobody.sock'
cp -r "$D/journal.policies" "$D/unreadable.policies"
: >"$D/unreadable"
sed "s#^\( *journal: *\"\?\)$D/journal\b#\1$D/unreadable#; s#$JOURNAL\b#$D/unreadable#" "$D/tollgate.yaml" >"$D/unreadable.yaml"
with "$D/unreadable.yaml" "$first"
like "back with a journal that cannot be read is exit 2" "$? $(cat "$D/out")" '^2 .*unreadable'
with "$D/tollgate.yaml" 000000
is "back to an unknown version is exit 1" "$?" 1
