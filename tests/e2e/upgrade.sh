# `tollgate upgrade` under load: the other instance takes over, no request is refused, and open streams end whole.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack

control '{"hold_after_events":2}'
curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$stream" >"$D/stream" &
stream_pid=$!
came() { [ "$(grep -c '^data: ' "$D/stream")" -ge "$1" ]; }
check "a stream is open" wait_for came 2
control '{}'
first=$(pid_of tollgate)
load_begin
loaded() { [ -s "$D/load.txt" ]; }
wait_for loaded
check "an upgrade returns 0" upgrade
like "the command prints which instance decides" "$said" 'instance b \(node a_b\) decides'
check "the older instance still serves its stream" kill -0 "$first"
upgrade && code=0 || code=$?
is "meanwhile, an upgrade back to it is refused" "$code" 1
like "the refusal has the reason" "$said" 'tollgate: upgrade: .*journal.*another'
release
wait $stream_pid
is "the stream ends whole" "$(grep -c '^data: ' "$D/stream") $(grep -c '\[DONE\]' "$D/stream")" "11 1"
check "the older instance then stops" wait_for gone "$first"
check "an upgrade back to it succeeds" upgrade
like "it decides" "$said" 'instance a \(node a\) decides'
load_end
is "no request is refused" "$(refused)" 0
echo "# $(tr '\n' ' ' <"$D/load.txt")"
like "the log has the time in which connections were not read" "$(grep -ah upgrade.passed "$D"/*.log)" 'took_us='
grep -aho 'upgrade.\(passed\|taken\) .*' "$D"/*.log | sed 's/^/# /'

# The new instance starts at a lower priority, and all its threads return to that of the older one.
nices() { cat "/proc/$1"/task/*/stat 2>/dev/null | awk '$2 == "(tollgate)" { print $19 }' | sort -un | tr '\n' ' '; } # proc(5)
one_left() { [ "$(deciding | wc -l)" = 1 ]; }
wait_for one_left
before=$(nices "$(deciding)")
upgrade_seen() {
	local pid
	upgrade &
	while kill -0 $! 2>/dev/null; do
		for pid in $(pgrep -f "^$build/tollgate serve -c $D/tollgate.yaml --instance"); do nices "$pid"; done
	done | sort -u >"$D/nices"
	wait $!
}
wait_for served
check "an upgrade succeeds while its priority is read" upgrade_seen
like "the new instance starts at a low priority" "$(cat "$D/nices")" '17'
note_instances
wait_for one_left
is "afterwards its threads have the priority of those before" "$(nices "$(deciding)")" "$before"
check "an upgrade back succeeds" upgrade

# a new instance that ends at a step of the hand-over
load_begin
wait_for loaded
for step in join sockets take connection go; do
	like "a new instance ends at $step" "$(peer $step)" "^ended at $step"
	check "the older instance decides after $step" wait_for served
done
like "a new instance refuses to decide" "$(peer refuse)" '^ended at refuse'
check "the older instance decides after the refusal" wait_for served
like "the older instance logs the reason" "$(grep -ah upgrade.failed "$D"/*.log)" 'why="no room for it"'
load_end
is "no request is refused in all of them" "$(refused)" 0
like "another format is refused" "$(peer format)" '^refused: .*another format'

like "a second process of one node is refused" "$(peer sockets a)" '^refused: another process of this node decides here'
NEW_PROGRAM=/bin/false upgrade && code=0 || code=$?
is "a program that ends at once is exit 1" "$code" 1
like "the message has the reason" "$said" 'ended before it was ready'
check "the older instance decides then too" served
for j in "$D/journal:$D/audit.key.pub" "$D/journal-b:$D/audit-b.key.pub"; do
	check "the chain in ${j%%:*} verifies" verifies "${j%%:*}" "${j#*:}"
done

# the journals of both instances as one sequence
both=$(cat "$D"/journal/* "$D"/journal-b/* | tr -d '\0' | grep -c '"type":"decision"')
of_list() { "$build/tollgate" audit list -c "$D/tollgate.yaml" --json | jq -r 'select(.type == "decision") | .time'; }
of_list >"$D/times"
is "audit list has the decisions of both" "$(grep -c . "$D/times")" "$both"
is "they are in the order of time" "$(sort -c "$D/times" 2>&1)" ""
is "audit search finds them" "$("$build/tollgate" audit search -c "$D/tollgate.yaml" --count 2>/dev/null | grep -oE '[0-9]+' | head -n1)" "$both"
is "usage counts them" "$("$build/tollgate" usage -c "$D/tollgate.yaml" --by day --json | jq '[.. | .requests? // empty] | max')" "$both"
is "usage counts prompts and responses of both" "$("$build/tollgate" usage -c "$D/tollgate.yaml" --by team --json | jq -c '.total | [.prompt_tokens_count, .total_ms_count]')" \
	"$(cat "$D"/journal/* "$D"/journal-b/* | tr -d '\0' | grep '"type":"completion"' | jq -sc '[([.[] | select(.usage.input_tokens > 0)] | length), ([.[] | select(.answer.first_text_us)] | length)]')"
verified=$("$build/tollgate" audit verify -c "$D/tollgate.yaml")
is "audit verify covers both chains" "$(grep -oE 'node=[a_b]+' <<<"$verified" | sort -u | tr '\n' ' ')" "node=a node=a_b "
