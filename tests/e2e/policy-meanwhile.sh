# An order puts in force what was shown: a file that is saved while `policy apply` or `policy back` checks, asks, writes
# or orders is not put in force, and is not overwritten. Two daemons share the policy's file.
# Once: no version of HAProxy differs here.
# Late: it orders a policy some thirty times.
. "$(dirname "$0")/lib.sh"
mkdir "$D/p" "$D/words"
cp -r "$root/policies/detectors" "$D/detectors"
echo Rosebud >"$D/words/names.txt"
cat >"$D/p/prices.yaml" <<-'YAML'
	prices: 1
	as_of: 2026-11-01
	providers: {openai: [{model: gpt-4o, input: 6000, output: 6000}]}
YAML
{
	sed '/^rules:/,/^default:/d' "$here/policy.yaml"
	cat <<-YAML
		prices: prices.yaml
		include: [rules.yaml]
		default: permit
	YAML
} | sed "s#^classes:#&\n  customers: {dictionary: $D/words/names.txt}#" >"$D/p/policy.yaml"
cat >"$D/p/rules.yaml" <<-'YAML'
	rules: [{name: no-secrets, when: "\"secret\" in prompt.classes", deny: {reason: a secret}}]
YAML
cp "$here/config.yaml" "$D/more.yaml"
echo "detectors: $D/detectors" >>"$D/more.yaml"
stack_up --daemons 2 --policy "$D/p/policy.yaml" --config "$D/more.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
in_force() { "$B/tollgate" status --json -c "$D/tollgate$1.yaml" | jq -r .policy_version; }
others() { "$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -c '[.group[]? | [.node, .shares_file]]'; }
check "each daemon knows the other" wait_for says '^\[\["b",true\]\]$' others
first=$(in_force '')
# asked EDIT COMMAND…: runs the command on a terminal, runs EDIT when it asks, and answers y. Sets $code and $D/out.
asked() {
	python3 - "$D/out" "$@" <<-'PY'
		import os, pty, subprocess, sys
		out, edit, command = sys.argv[1], sys.argv[2], sys.argv[3:]
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(command[0], command)
		text, edited = b"", False
		while True:
		    try:
		        part = os.read(fd, 65536)
		    except OSError:
		        break
		    if not part:
		        break
		    text += part
		    if not edited and b"in force? [y/N]" in text:
		        subprocess.run(["bash", "-c", edit], check=True)
		        os.write(fd, b"y\n")
		        edited = True
		open(out, "wb").write(text)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PY
	code=$?
}
# saved_as NAME FILE: the command that saves FILE with another text, as a person would
cp -r "$D/p" "$D/p.good"
cp -r "$D/words" "$D/words.good"
cp -r "$D/detectors" "$D/detectors.good"
cp "$D/tollgate.yaml" "$D/tollgate.good"
restore() {
	cp "$D/p.good"/* "$D/p/"
	rm -f "$D/p/added.yaml"
	cp "$D/words.good"/* "$D/words/"
	cp "$D/detectors.good/aba_routing_number.yaml" "$D/detectors/"
	cp "$D/tollgate.good" "$D/tollgate.yaml"
}
next() { sed 's/^default: permit/default: deny/' "$D/p.good/policy.yaml"; }

# ---- saved while the command asks ----

# FILE|EDIT: with and without FILE as the operand
while IFS='|' read -r name edit; do
	restore
	next >"$D/p/policy.yaml"
	asked "$edit" "$B/tollgate" policy apply --why shown -c "$D/tollgate.yaml"
	is "$name is saved while apply asks: nothing is put in force" "$code $(in_force '') $(in_force -b)" "1 $first $first"
	like "$name is named" "$(tr '\r\n' '  ' <"$D/out")" "$name:1:1: the file was (changed after|not) .*checked.*the previous one stays in force"
	restore
	next >"$D/new.yaml"
	asked "$edit" "$B/tollgate" policy apply "$D/new.yaml" --why shown -c "$D/tollgate.yaml"
	is "$name is saved while apply FILE asks: nothing is put in force" "$code $(in_force '') $(in_force -b)" "1 $first $first"
	like "$name is named, too" "$(cat "$D/out")" "$name"
	if [ "$name" = p/policy.yaml ]; then
		check "what was saved meanwhile is not overwritten" grep -q '^# by somebody' "$D/p/policy.yaml"
	else
		check "the policy's file is restored" cmp "$D/p/policy.yaml" "$D/p.good/policy.yaml"
	fi
done <<-ROWS
	p/policy.yaml|echo '# by somebody' >>$D/p/policy.yaml
	p/rules.yaml|echo 'rules: []' >$D/p/rules.yaml
	p/prices.yaml|sed -i 's/6000/1/g' $D/p/prices.yaml
	words/names.txt|echo Xanadu >$D/words/names.txt
	detectors/aba_routing_number.yaml|sed -i 's/, wire, ach\]/, wire]/' $D/detectors/aba_routing_number.yaml
	tollgate.yaml|echo 'shadow_policy: $D/p.good/policy.yaml' >>$D/tollgate.yaml
ROWS
restore

# ---- an order that nobody disturbs ----

next >"$D/new.yaml"
asked true "$B/tollgate" policy apply "$D/new.yaml" --why shown -c "$D/tollgate.yaml"
second=$(in_force '')
is "an order that nobody disturbs is put in force by both daemons" "$code $(in_force -b) $([ "$second" != "$first" ] && echo new)" "0 $second new"

# ---- saved while `policy back` asks ----

asked "sed -i 's/6000/1/g' $D/p/prices.yaml" "$B/tollgate" policy back --why shown -c "$D/tollgate.yaml"
is "a file is saved while back asks: nothing is put in force" "$code $(in_force '') $(in_force -b)" "1 $second $second"
like "the file is named" "$(cat "$D/out")" 'p/prices.yaml'
check "the policy's file is restored" cmp "$D/new.yaml" "$D/p/policy.yaml"
cp "$D/p.good/prices.yaml" "$D/p/"

# ---- saved after the files were written, before the daemon reads them ----

cp "$D/p.good/policy.yaml" "$D/old.yaml"
daemon=$(pid_of tollgate)
for edit in "echo 'rules: []' >$D/p/rules.yaml" "echo '# by somebody' >>$D/p/policy.yaml"; do
	cp "$D/p.good/rules.yaml" "$D/p/"
	cp "$D/new.yaml" "$D/p/policy.yaml"
	(
		wait_for grep -q '^default: permit' "$D/p/policy.yaml"
		bash -c "$edit"
	) &
	editor=$!
	asked "kill -STOP $daemon; (sleep 2; kill -CONT $daemon) >/dev/null 2>&1 &" "$B/tollgate" policy apply "$D/old.yaml" --why written -c "$D/tollgate.yaml"
	wait $editor
	is "saved between writing and reading: nothing is put in force" "$code $(in_force '') $(in_force -b)" "1 $second $second"
done
check "what was saved after the command had written is not overwritten" grep -q '^# by somebody' "$D/p/policy.yaml"
restore
cp "$D/new.yaml" "$D/p/policy.yaml"

# ---- saved between the orders of two daemons ----

kill -STOP "$(pid_of second)"
(
	until [ "$(in_force '')" != "$second" ]; do nap 0.05; done
	echo 'rules: []' >"$D/p/rules.yaml"
	kill -CONT "$(pid_of second)"
) &
editor=$!
tg policy apply "$D/old.yaml" --why 'one of two' --yes
code=$?
wait $editor
is "saved before the other daemon reads: it refuses" "$code $(in_force '') $(in_force -b)" "1 $first $second"
like "its answer names the file and the node" "$(tr '\n' ' ' <"$D/out")" 'p/rules.yaml:1:1: the file was changed .*node b may not have the policy'

# ---- as the console orders: GET /policy/next, then POST /reload with what it has ----

api() { curl -s -m 60 -o "$D/api" -w '%{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" -H 'content-type: application/json' "$@"; }
restore
next >"$D/p/policy.yaml"
is "GET /policy/next has the next policy" "$(api "$ADMIN/policy/next") $(jq -r '.next | split("@")[0]' "$D/api")" "200 e2e"
like "it names the changes" "$(jq -r .changes "$D/api")" 'default'
jq -c '{reason: "console", checked}' "$D/api" >"$D/order"
echo 'rules: []' >"$D/p/rules.yaml"
before=$(in_force '')
is "a file that was saved since is not put in force" "$(api --data-binary "@$D/order" "$ADMIN/reload") $(in_force '')" "422 $before"
like "the file is named" "$(jq -r '.errors[0]' "$D/api")" 'p/rules.yaml:1:1: the file was changed'
cp "$D/p.good/rules.yaml" "$D/p/"
is "what was shown is put in force" "$(api --data-binary "@$D/order" "$ADMIN/reload") $(in_force '')" "200 $second"
echo 'rules: [' >"$D/p/rules.yaml"
like "files with mistakes have no next policy" "$(api "$ADMIN/policy/next") $(cat "$D/api")" '^422 .*p/rules.yaml'
restore

# ---- reload and SIGHUP order what lies there ----

echo 'rules: []' >"$D/p/rules.yaml"
tg reload
is "reload orders what the disk has" "$? $([ "$(in_force '')" != "$first" ] && echo other)" "0 other"
