# While a policy is ordered, something happens at a moment that a seed draws. Another person saves a file of the policy, the
# command is killed, the daemon is killed, or the daemon is killed while half of the file is written. Afterwards the policy
# in force is one of the two that were shown, as a whole. The command's exit code states which one. The text that another
# person saved is kept, and the daemon serves.
# Once: no version of HAProxy differs here.
# Late: two dozen orders, and half as many starts.
# SEED: another sequence of moments (the day of the year). ROUNDS: how many (24).
. "$(dirname "$0")/lib.sh"
RANDOM=${SEED:=$(date +%-j)}
echo "# SEED=$SEED"
mkdir "$D/p"
policy() { # DEFAULT
	sed '/^rules:/,/^default:/d' "$here/policy.yaml"
	printf 'include: [rules.yaml]\ndefault: %s\n' "$1"
}
policy permit >"$D/a.yaml"
policy deny >"$D/b.yaml"
cp "$D/a.yaml" "$D/p/policy.yaml"
rules='rules: [{name: no-secrets, when: "\"secret\" in prompt.classes", deny: {reason: a secret}}]'
echo "$rules" >"$D/p/rules.yaml"
stack_up --policy "$D/p/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
in_force() { "$B/tollgate" status --json -c "$D/tollgate.yaml" 2>/dev/null | jq -r .policy_version; }
apply() { "$B/tollgate" policy apply "$@" --yes --why sweep -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
ask() {
	req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' \
		-d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"
	[ "$status" != 503 ]
}
declare -A version
version[a]=$(in_force)
began=${EPOCHREALTIME/./}
apply "$D/b.yaml"
took=$((${EPOCHREALTIME/./} - began))
version[b]=$(in_force)
check "the two policies differ" test "${version[a]}" != "${version[b]}"
now=b
# at EVENT: carries it out at a moment of the order that is drawn, then waits for the daemon
moment() { nap "$(awk -v us=$((took * (RANDOM % 1100) / 1000)) 'BEGIN { printf "%.3f", us / 1e6 }')"; }
by_somebody() { grep -q '^# by somebody' "$1"; }
start_again() {
	killed tollgate 2>/dev/null
	daemon_start
	wait_for is_ready
}
bad=0
wrong() { # ROUND EVENT WHAT
	bad=$((bad + 1))
	echo "# round $1, $2: $3; the command printed: $(tail -n 2 "$D/out" | tr '\n' ' ')"
}
for ((round = 0; round < ${ROUNDS:-24}; round++)); do
	events=(saves_policy saves_rules kills_command kills_daemon half_a_file)
	event=${events[RANDOM % 5]}
	next=a
	[ $now = b ] || next=b
	cp "$D/$now.yaml" "$D/p/policy.yaml"
	echo "$rules" >"$D/p/rules.yaml"
	setsid "$B/tollgate" policy apply "$D/$next.yaml" --yes --why sweep -c "$D/tollgate.yaml" >"$D/out" 2>&1 </dev/null &
	command=$!
	moment
	case $event in
	saves_policy) echo '# by somebody' >>"$D/p/policy.yaml" ;;
	saves_rules) echo 'rules: [] # by somebody' >"$D/p/rules.yaml" ;;
	kills_command) kill -KILL $command 2>/dev/null ;;
	kills_daemon) start_again ;;
	half_a_file)
		head -c $((RANDOM % 900)) "$D/$next.yaml" >"$D/p/policy.yaml"
		start_again
		;;
	esac
	wait $command 2>/dev/null
	code=$?
	is_now=$(in_force)
	case $is_now in
	"${version[a]}") now=a ;;
	"${version[b]}") now=b ;;
	*) wrong $round $event "in force is $is_now, which nobody ordered" ;;
	esac
	[ $code != 0 ] || [ $now = $next ] || wrong $round $event "exit 0, and the order is not in force"
	[ $code != 1 ] || [ $now != $next ] || wrong $round $event "exit 1, and the order is in force"
	# the text of the other person is kept
	[ $event != saves_rules ] || [ "$(head -c 9 "$D/p/rules.yaml")" = 'rules: []' ] || wrong $round $event "another person's rules are lost"
	[ $event != saves_policy ] || by_somebody "$D/p/policy.yaml" || wrong $round $event "another person's line is lost"
	wait_for ask hello || wrong $round $event "no request is decided"
	[ "$status" = "$([ $now = a ] && echo 200 || echo 403)" ] || wrong $round $event "$now answers $status"
	ask 'the key is AKIAIOSFODNN7EXAMPLQ'
	[ "$status" = 403 ] || wrong $round $event "a secret got $status"
done
is "each of the rounds leaves one of the two policies, as a whole" "$bad" 0
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
