# Retries of the same target if it is the only one left: the wait that each header field asks for, and a daemon that
# must stop during such a wait.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
one='[{provider: @a, model: "say:from-a"}]'
for id in ms azure date day stop; do route $id "$one" 'retry: {attempts: 2}'; done
targets_up
# the duration of the last completion in microseconds
lasted() { own_completion | jq .duration_us; }

while IFS='|' read -r id headers us; do
	row "$id"
	fault 1 "{\"status\":429,\"headers\":{$headers}}"
	ask
	is "$id: the target gets two requests" "$status $(asked) $(said)" "429 2 0 0 a 2"
	is "$id: the record has both attempts" "$(attempts)" "a throttled 429, a throttled 429"
	check "$id: the second is not sent too early" test "$(lasted)" -ge "$us"
done <<'T'
ms|"retry-after-ms":"700","retry-after":"9"|700000
azure|"x-ms-retry-after-ms":"700"|700000
date|"retry-after":"1"|1000000
T

row day
fault 1 '{"status":429,"headers":{"retry-after":"86400"}}'
ask
is "a wait of a day: the response is forwarded to the caller" "$status $(asked) $(header retry-after) $(said)" "429 1 0 0 86400 a 1"

row stop
fault 1 '{"status":429,"headers":{"retry-after":"2"}}'
ask >"$D/asks" & # the variables that ask sets stay in this subshell
was_asked() { [ "$(asked)" = "1 0 0" ]; }
check "the request waits" wait_for was_asked
fault 1 '{}'
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait $!
check "the daemon ends after the waiting request got its response" wait_for gone "$pid"
is "the response is that of the second attempt" "$(asked)" "2 0 0"
last=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -1)
is "the record has both attempts" "$(jq -c '[.outcome, .status, [.attempts[] | "\(.cause) \(.status)"]]' <<<"$last")" '["complete",200,["throttled 429","done 200"]]'
