# A start takes the policy that was in force, not the file on disk: after a crash, a restart and an upgrade, with a
# file that was saved and not ordered, and with half a file. Keys and tollgate.yaml come from the disk. If the kept text
# is missing or does not load, the file is taken, and log, status and record say so.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
cp "$here/policy.yaml" "$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
status_json() { "$B/tollgate" status --json -c "$D/tollgate.yaml" 2>/dev/null | jq -r "$1"; }
in_force() { status_json .policy_version; }
from() { status_json .policy_start.from; }
served() { ask_once; [ "$status" != 503 ]; }
# Asks until HAProxy has found the daemon again.
ask() { wait_for served; }
ask_once() {
	req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' \
		-d '{"model":"gpt-4o","messages":[{"role":"user","content":"the key is AKIAIOSFODNN7EXAMPLQ"}]}'
}
rules() { # prints a policy with these rules
	sed '/^rules:/,/^default:/d' "$here/policy.yaml"
	printf 'rules:\n%s\ndefault: permit\n' "$1"
}
secrets='  - {name: no-secrets, when: "\"secret\" in prompt.classes", deny: {reason: the prompt contains a secret}}'
pii='  - {name: pii, when: "\"pii\" in prompt.classes", redact: {classes: [pii]}}'
rules "$secrets" >"$D/strict.yaml"
rules "$pii" >"$D/loose.yaml"
is "the first start takes the file" "$(from)" files
is "and states no reason" "$(status_json .policy_start.why)" null
cp "$D/strict.yaml" "$D/policy.yaml"
tg reload
strict=$(in_force)
is "after an order, the policy is from the order" "$(from)" order
crash() {
	killed tollgate 2>/dev/null
	daemon_start
	wait_for is_ready
}
restart() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
	daemon_start
	wait_for is_ready
}
kept_text() { echo "$D/journal.policies/${strict:0:16}-$(jq -r .text "$D/journal.policies/in-force.json").policy.zst"; }

# ---- a saved file, a broken one, half a one, none ----

# HOW|EDIT|DIFFERENCE, as status prints it
while IFS='|' read -r how edit what; do
	eval "$edit"
	$how
	is "$how after ($edit): the policy that was in force decides" "$(in_force) $(from)" "$strict kept"
	tg status
	like "$how after ($edit): status names the difference" "$(cat "$D/out")" "policy: the file differs from what is in force since .*$what"
	is "$how after ($edit): a metric reports the difference" "$(metric policy_differs)" 1
	cp "$D/strict.yaml" "$D/policy.yaml"
	check "$how after ($edit): a restored file is no difference" wait_for says '^0$' metric policy_differs
done <<-ROWS
	crash|cp "\$D/loose.yaml" "\$D/policy.yaml"|no-secrets
	restart|cp "\$D/loose.yaml" "\$D/policy.yaml"|no-secrets
	crash|head -c 700 "\$D/strict.yaml" >"\$D/policy.yaml"|cannot be loaded
	restart|: >"\$D/policy.yaml"|cannot be loaded
	crash|rm "\$D/policy.yaml"|cannot be loaded
ROWS
ask
is "it denies a secret" "$status" 403
like "the log names the source of the policy" "$(grep -h 'event=policy.start' "$D/tollgate.log" | tail -1)" 'from=kept'
like "and the difference" "$(grep -h 'event=policy.differs' "$D/tollgate.log" | tail -1)" 'what='

# ---- keys and tollgate.yaml come from the disk ----

cp "$D/loose.yaml" "$D/policy.yaml"
cp "$D/jwks.json" "$D/jwks.good"
sed -i 's/"kid": *"[^"]*"/"kid":"another"/' "$D/jwks.json"
crash
ask
is "a start reads keys from the disk" "$status $(in_force)" "401 $strict"
cp "$D/jwks.good" "$D/jwks.json"
cp "$D/tollgate.yaml" "$D/tollgate.good"
printf 'shadow_policy: "%s"\n' "$D/loose.yaml" >>"$D/tollgate.yaml"
crash
is "a start reads tollgate.yaml from the disk" "$(in_force) $(status_json .shadow_policy | cut -d@ -f1) $(from)" "$strict e2e kept"
cp "$D/tollgate.good" "$D/tollgate.yaml"
cp -r "$root/policies/detectors" "$D/detectors"
sed -i 's/, wire, ach\]/, wire]/' "$D/detectors/aba_routing_number.yaml"
printf 'detectors: "%s"\n' "$D/detectors" >>"$D/tollgate.yaml"
crash
ask
is "another folder of detection rules is read from the disk, and the rules stay" "$status $(from) $([ "$(in_force)" != "$strict" ] && echo other)" "403 kept other"
like "the record states why the version changed" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"policy"' | tail -1)" '"by":"start","why":"the text that was in force, with the detection rules of this program","before":"'"$strict"
cp "$D/tollgate.good" "$D/tollgate.yaml"
crash
is "and back" "$(in_force) $(from)" "$strict kept"

# ---- what the next start will do ----

tg check
like "check says what the next start will do" "$? $(cat "$D/out")" 'note: .*the next start takes the policy that was in force, e2e@'"${strict:0:12}"', not the files: rules .*no-secrets'
cp "$D/strict.yaml" "$D/policy.yaml"
tg check
like "check says so, too, if the files are equal" "$(cat "$D/out")" 'note: .*the next start takes the policy that was in force, e2e@'"${strict:0:12}"'; the files are the same'

check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"

# ---- the kept text is missing, changed, or does not load ----

cp "$D/loose.yaml" "$D/policy.yaml"
cp -a "$D/journal.policies" "$D/kept"
# NAME|EDIT|WHY
while IFS='|' read -r name edit why; do
	rm -r "$D/journal.policies"
	cp -a "$D/kept" "$D/journal.policies"
	eval "$edit"
	tg check
	like "$name: check says that the next start takes the file" "$(cat "$D/out")" "note: .*the next start takes the files.*$why"
	crash
	is "$name: the file is taken" "$(from) $(status_json .rules)" "files 1"
	tg status
	like "$name: status says why" "$(cat "$D/out")" "policy: the start took the files: .*$why"
	like "$name: the log says why" "$(grep -h 'event=policy.start' "$D/tollgate.log" | tail -1)" "level=warn .*from=files .*$why"
	like "$name: the record says why" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"policy"' | tail -1)" "\"by\":\"start\",\"why\":\".*$why"
	cp "$D/tollgate.good" "$D/tollgate.yaml"
done <<-ROWS
	a missing text|rm "\$D/journal.policies/${strict:0:16}"-*|does not contain policy version ${strict:0:12}
	a changed text|alter "\$(kept_text)" 500|the file was changed
	an unreadable mark|echo x >"\$D/journal.policies/in-force.json"|in-force.json: the file has another form
	another policy|cp "\$D/loose.yaml" "\$D/other.yaml"; sed -i "s#policy.yaml#other.yaml#" "\$D/tollgate.yaml"|it was loaded from [^ ]*/policy.yaml
ROWS
rm -r "$D/journal.policies"
cp -a "$D/kept" "$D/journal.policies"
rm "$D/journal.policies/${strict:0:16}"-*
echo 'rules: [' >"$D/policy.yaml"
killed tollgate
"$B/tollgate" serve -c "$D/tollgate.yaml" >"$D/refused" 2>&1
like "without a kept text, a broken file is refused as before" "$? $(tr '\n' ' ' <"$D/refused")" '^1 .*policy.yaml:[0-9]+:'
cp "$D/strict.yaml" "$D/policy.yaml"
daemon_start
wait_for is_ready

# ---- policy_watch: true: a saved file is an order, also at a start ----

echo 'policy_watch: true' >>"$D/tollgate.yaml"
cp "$D/loose.yaml" "$D/policy.yaml"
crash
is "with policy_watch, a start takes the file" "$(from) $([ "$(in_force)" != "$strict" ] && echo other)" "files other"
loose=$(in_force)
killed tollgate
head -c 700 "$D/strict.yaml" >"$D/policy.yaml"
echo 'rules: [' >>"$D/policy.yaml"
daemon_start
check "with policy_watch and half a file, a start takes the text that was in force" wait_for is_ready
is "and serves" "$(in_force) $(from)" "$loose kept"
like "status names the mistake" "$(status_json .policy_start.why)" 'the files have mistakes, .*policy.yaml:[0-9]+:'
