# `policy apply` with two daemons that share a Redis and a policy's file: both have the policy in force
# when the command ends, named one by one; two orders at the same time, one at each daemon.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
cp "$here/policy.yaml" "$D/policy.yaml"
stack_up --daemons 2 --policy "$D/policy.yaml" --config "$here/config.yaml"
tg() { local config=$1; shift; "$B/tollgate" "$@" -c "$D/tollgate$config.yaml" >"$D/out$config" 2>&1; }
in_force() { "$B/tollgate" status --json -c "$D/tollgate$1.yaml" | jq -r .policy; }
others() { "$B/tollgate" status --json -c "$D/tollgate$1.yaml" | jq -c '[.group[]? | [.node, .shares_file]]'; }
check "a daemon lists the other one, with the same file" wait_for says '^\[\["b",true\]\]$' others ''
check "the other daemon lists the first, with the same file" wait_for says '^\[\["a",true\]\]$' others -b
sed 's/^default: permit/default: deny/' "$here/policy.yaml" >"$D/next.yaml"
tg '' policy apply "$D/next.yaml" --why 'both' --yes
is "the policy is put in force" "$?" 0
like "the other daemon is named before the change" "$(cat "$D/out")" 'node b: e2e@[0-9a-f]* in force, from the same file, so it gets the policy too'
like "each daemon is named after the change" "$(tr '\n' ' ' <"$D/out")" "node a: policy e2e@[0-9a-f]* is in force in ([0-9]*) of \1 workers node b: policy e2e@[0-9a-f]* is in force in ([0-9]*) of \2 workers"
is "both daemons have the policy in force" "$(in_force '')" "$(in_force -b)"
like "the other daemon's record has the reason" "$(tr -d '\0' <"$(ls "$D"/journal-b/* | tail -1)" | grep '"type":"policy"' | tail -1)" '"why":"both"'

# ---- two orders at the same time, one at each daemon ----

sed 's/^default: permit/default: deny/; s/^name: .*/name: one/' "$here/policy.yaml" >"$D/one.yaml"
sed 's/^default: permit/default: deny/; s/^name: .*/name: two/' "$here/policy.yaml" >"$D/two.yaml"
tg '' policy apply "$D/one.yaml" --why one --yes &
one=$!
tg -b policy apply "$D/two.yaml" --why two --yes
two=$?
wait $one
one=$?
case "$one $two" in
"0 0" | "0 2" | "2 0") ok "of two orders at the same time one is refused, or they follow one another ($one $two)" ;;
*) not_ok "two orders at the same time" "exit codes $one $two" "$(cat "$D/out" "$D/out-b")" ;;
esac
name=$(sed -n 's/^name: //p' "$D/policy.yaml")
like "the file, and both daemons, have the same policy" "$(in_force '') $(in_force -b)" "^($name@[0-9a-f]*) \1\$"

# ---- the same file under another configuration ----

cp "$D/tollgate-b.yaml" "$D/b.yaml"
cp -r "$root/policies/detectors" "$D/detectors"
sed -i 's/, bank, wire, ach\]/, bank, wire]/' "$D/detectors/aba_routing_number.yaml"
echo "detectors: \"$D/detectors\"" >>"$D/tollgate-b.yaml"
sed 's/^name: .*/name: three/' "$here/policy.yaml" >"$D/three.yaml"
tg '' policy apply "$D/three.yaml" --why three --yes
code=$?
check "the two daemons have different versions of one file" test "$(in_force '')" != "$(in_force -b)"
like "apply names the version of each" "$code $(tr '\n' ' ' <"$D/out")" "^0 .*node a: policy $(in_force '') is in force in .*node b: policy $(in_force -b) is in force in"
mv "$D/b.yaml" "$D/tollgate-b.yaml"
tg -b reload

# ---- invalid fields in Redis ----

key='tollgate:{group}:policies'
redis hset "$key" 'x y' '{"policy":"p","policy_version":"v","file":"f","at":99999999999}' old '{"policy":"p","policy_version":"v","file":"f","at":1}' \
	'y z' '{"policy":"p","policy_version":"v","file":"f"}' junk '{{' list '[]' long "$(head -c 5000 /dev/zero | tr '\0' x)" c "{\"policy\":\"p@1\",\"policy_version\":\"1\",\"file\":\"elsewhere\",\"at\":$EPOCHSECONDS}" >/dev/null
check "fields that no daemon wrote are listed if they have the right form" wait_for says '^\[\["b",true\],\["c",false\]\]$' eval "others '' | jq -c sort"
check "other fields are removed" wait_for says '^a b c$' eval "redis hkeys '$key' | sort | tr '\n' ' ' | sed 's/ \$//'"
tg '' policy apply --why 'with another daemon' --yes
like "a daemon with another file is named, and gets no order" "$? $(tr '\n' ' ' <"$D/out")" '^0 .*node c: p@1 in force, from another file: apply the policy there too'
listed() { [ "$("$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -r '.group[] | select(.node == "b").policy')" = "$(in_force '')" ]; }
check "the other daemon's policy is listed within two intervals" wait_for listed
tg '' status
like "status names a daemon that has another policy in force" "$(cat "$D/out")" 'policy: node c has p@1 in force, and this node [a-z0-9]*@'
unlike "status names no other daemon" "$(cat "$D/out")" 'policy: node b'
redis hset "$key" d "$(redis hget "$key" a | jq -c ".at = $((EPOCHSECONDS + 5))")" >/dev/null
check "a daemon that states another daemon's socket is listed" wait_for says '"d",true' others -b
tg -b policy apply --why 'with another daemon at the socket' --yes
like "that daemon gets no order by this socket" "$? $(tr '\n' ' ' <"$D/out-b")" '^2 .*node d: another daemon is at [^ ]* on this machine'
for ((i = 0; i < 300; i++)); do echo "hset $key n$i x"; done | redis >/dev/null
check "a hash with too many fields is written again" wait_for says '^\[\["b",true\]\]$' others ''
redis del "$key" >/dev/null
redis set "$key" text >/dev/null
check "a key of another type is written again" wait_for says '^a b$' eval "redis hkeys '$key' 2>/dev/null | sort | tr '\n' ' ' | sed 's/ \$//'"
check "the list of daemons is complete again" wait_for says '^\[\["b",true\]\]$' others ''

# ---- one daemon hangs ----

kill -STOP "$(pid_of second)"
began=$SECONDS
tg '' policy apply --why 'one hangs' --yes
code=$? took=$((SECONDS - began))
kill -CONT "$(pid_of second)"
like "apply names the daemon that did not reply" "$code $(tr '\n' ' ' <"$D/out")" '^2 .*no response: the daemon hangs.*node b may not have the policy that is in force here'
check "apply waits for a daemon that hangs for 15 s at most, not two minutes ($took s)" test $took -le 25
check "the daemon goes on" wait_for says '^\[\["a",true\]\]$' others -b

# ---- Redis is unreachable ----

kill -STOP "$(pid_of redis)"
no_group() { [ "$("$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -c .group)" = null ]; }
check "without Redis the other daemons are unknown" wait_for no_group
tg '' policy apply --why alone --yes
like "apply reports that" "$? $(cat "$D/out")" 'other daemons: unknown, because Redis does not respond'
kill -CONT "$(pid_of redis)"
