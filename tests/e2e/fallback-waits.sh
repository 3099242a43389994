# The same target again, where no other is left: the wait that it asks for, by each header that says so;
# and a daemon that is told to stop in such a wait.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
one='[{provider: @a, model: "say:from-a"}]'
for id in ms azure date day stop; do route $id "$one" 'retry: {attempts: 2}'; done
targets_up
# microseconds of the last completion
lasted() { own_completion | jq .duration_us; }

while IFS='|' read -r id headers us; do
	row "$id"
	fault 1 "{\"status\":429,\"headers\":{$headers}}"
	ask
	is "$id: it is asked twice" "$status $(asked) $(said)" "429 2 0 0 a 2"
	is "$id: as the record says" "$(attempts)" "a throttled 429, a throttled 429"
	check "$id: not before it said" test "$(lasted)" -ge "$us"
done <<'T'
ms|"retry-after-ms":"700","retry-after":"9"|700000
azure|"x-ms-retry-after-ms":"700"|700000
date|"retry-after":"1"|1000000
T

row day
fault 1 '{"status":429,"headers":{"retry-after":"86400"}}'
ask
is "a day is not waited for: the caller may" "$status $(asked) $(header retry-after) $(said)" "429 1 0 0 86400 a 1"

row stop
fault 1 '{"status":429,"headers":{"retry-after":"2"}}'
ask >"$D/asks" & # what it sets stays there
was_asked() { [ "$(asked)" = "1 0 0" ]; }
check "it waits" wait_for was_asked
fault 1 '{}'
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait $!
check "the daemon ends when all was answered" wait_for gone "$pid"
is "by the second attempt" "$(asked)" "2 0 0"
last=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -1)
is "which is on record" "$(jq -c '[.outcome, .status, [.attempts[] | "\(.cause) \(.status)"]]' <<<"$last")" '["complete",200,["throttled 429","done 200"]]'
