# `policy apply` and `policy back` under bad conditions: killed at each step, a full disk, a policy of 5 MB, and
# a history that is older than the kept texts.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/stopped.bash"
mkdir "$D/p"
rules() { # the whole policy, with these rules
	sed '/^rules:/,/^default:/d' "$here/policy.yaml"
	printf 'rules:\n%s\ndefault: permit\n' "$1"
}
pii='  - {name: pii, when: "\"pii\" in prompt.classes", redact: {classes: [pii]}}'
more='rules: [{name: more, when: "\"secret\" in prompt.classes", deny: {reason: secret}}]'
rules "$pii" >"$D/p/10.yaml"
stack_up --policy "$D/p" --config "$here/config.yaml" 2>/dev/null
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
in_force() { "$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -r .policy_version; }
files() { (cd "$D/p" && sha256sum ./*) | sort; }
# Two versions that differ in both files.
echo "$more" >"$D/p/20.yaml"
tg policy apply --why both --yes
both=$(in_force) both_files=$(files)
rm "$D/p/20.yaml"
rules "$pii" | sed 's/name: pii/name: personal/' >"$D/p/10.yaml"
tg policy apply --why one --yes
is "two versions exist" "$?" 0
one=$(in_force) one_files=$(files)

# ---- killed at each step ----

# POINT, and the version in force after the kill
while read -r point in_force_then; do
	TG_STOP_AT=$point "$build/stops/tollgate" policy back "$both" --why "killed at $point" --yes -c "$D/tollgate.yaml" >"$D/out" 2>&1
	is "killed at $point: exit code, and the policy in force" "$? $(in_force)" "137 ${!in_force_then}"
	check "killed at $point: each file is the earlier or the new one" test -z "$(files | grep -v tollgate-new | grep -vxF -e "$both_files" -e "$one_files")"
	tg policy back "$both" --why again --yes
	is "killed at $point: the same command puts the version in force" "$? $(in_force) $(files)" "0 $both $both_files"
	tg policy back "$one" --why 'for the next step' --yes # refused, because 20.yaml was added since
	rm "$D/p/20.yaml"
	tg policy back "$one" --why 'for the next step' --yes
done <<-ROWS
	replace-aside one
	replace-aside:2 one
	apply-written one
	apply-ordered both
ROWS
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"

# ---- the daemon is killed while it loads the policy ----

# A text that is stored but not marked is not in force yet.
ended
ends_at reload-stored "$B/tollgate" policy back "$both" --why "the daemon ends at reload-stored" --yes -c "$D/tollgate.yaml"
daemon_start
check "the daemon is killed at reload-stored: the next start takes the policy that was in force" wait_for says "$one" in_force
tg policy back "$both" --why again --yes
is "the daemon is killed at reload-stored: the order can be repeated" "$? $(in_force)" "0 $both"
rm "$D/p/20.yaml"
tg policy back "$one" --why 'for the next step' --yes
for point in reload-kept reload-published; do
	ended
	ends_at $point "$B/tollgate" policy back "$both" --why "the daemon ends at $point" --yes -c "$D/tollgate.yaml"
	like "the daemon is killed at $point: the outcome is unknown" "$(tr '\n' ' ' <"$D/command.log")" 'it is unknown whether the daemon carried out the change. The new files stay installed'
	is "the daemon is killed at $point: the files stay" "$(files)" "$both_files"
	daemon_start
	check "the daemon is killed at $point: the next start puts them in force" wait_for says "$both" in_force
	check "the daemon is killed at $point: the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
	rm "$D/p/20.yaml"
	tg policy back "$one" --why 'for the next step' --yes
done

# ---- a full disk ----

is "before the disk is full" "$(in_force) $(files)" "$one $one_files"
(
	trap '' XFSZ
	ulimit -f 1
	"$B/tollgate" policy back "$both" --why 'a full disk' --yes -c "$D/tollgate.yaml" 2>&1
	echo "code $?"
) | cat >"$D/out"
like "a file that cannot be written is named" "$(tr '\n' ' ' <"$D/out")" 'p/10.yaml.*File too large.* code 2'
is "nothing is changed" "$(in_force) $(files)" "$one $one_files"

# ---- a policy of 5 MB ----

{ cat "$D/p/10.yaml"; yes "# $(printf 'x%.0s' {1..98})" | head -c 5000000; echo; } >"$D/large.yaml"
cp "$D/p/10.yaml" "$D/small.yaml"
cp "$D/large.yaml" "$D/p/10.yaml"
tg policy apply --why 'large' --yes
is "a policy of 5 MB is put in force" "$? $(in_force)" "0 $one"
tg policy show "$one"
check "its text is stored" cmp "$D/out" "$D/large.yaml"
cat "$D/large.yaml" "$D/large.yaml" >"$D/p/10.yaml"
tg policy apply --why 'too large' --yes
like "a policy of 10 MB is refused" "$? $(tr '\n' ' ' <"$D/out" | tail -c 400)" '^1 .*10.yaml.*(8388608|8 MB|too large|more than)'
cp "$D/small.yaml" "$D/p/10.yaml"
tg policy apply --why 'small again' --yes
is "the small policy is put in force again" "$? $(files)" "0 $one_files"

# ---- a history that is older than the kept texts ----

rm "$D/journal.policies/${both:0:16}"-*
tg policy history
is "the history lists versions whose text is gone" "$? $(grep -c 'why  *both' "$D/out")" "0 1"
tg policy back "$both" --why 'gone' --yes
like "back reports that the text is gone" "$? $(cat "$D/out")" "^1 .*${both}: no version of a policy in"
is "back changes nothing" "$(in_force)" "$one"
