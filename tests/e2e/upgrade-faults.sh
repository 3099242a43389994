# Ten upgrades under load with WebSockets and streams, and faults during an upgrade: either instance is killed, a
# reload, a stop, Redis is unreachable, HAProxy is reloaded, the new program ends after it took over.
# Late: it sends load during many hand-overs.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack
other() { if [ "$(node_of)" = a ]; then echo a_b; else echo a; fi; }
others_gone() { [ "$(pgrep -fc "^$build/tollgate serve -c $D/tollgate.yaml")" -le 1 ]; }

# ---- ten upgrades ----
control '{"hold_after_events":2}'
for i in {1..100}; do
	curl -sN -m 200 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$stream" >"$D/stream.$i" &
	streams[i]=$!
done
all_came() { [ "$(cat "$D"/stream.* | grep -c '^data: ')" -ge 200 ]; }
check "a hundred streams are open" wait_for all_came
control '{}'
load_begin
loaded() { [ -s "$D/load.txt" ]; }
wait_for loaded
check "the first of ten upgrades returns 0" upgrade
release
wait "${streams[@]}"
is "each stream ends whole" "$(grep -l '\[DONE\]' "$D"/stream.* | wc -l)" 100
for i in {2..10}; do
	wait_for others_gone
	upgrade || not_ok "upgrade $i of ten" "$said"
done
load_end
is "no request of ten upgrades is refused" "$(refused)" 0
echo "# $(tr '\n' ' ' <"$D/load.txt")"
grep -aho 'upgrade.passed .*' "$D"/*.log | sed 's/^/# /'
is "the first instance decides again" "$(node_of)" a

# ---- the older instance is killed ----
# While the new instance starts: Redis stands still, and the new instance waits for its entries.
wait_for others_gone
old=$(deciding)
kill -STOP "$(pid_of redis)"
upgrade &
waiting=$!
begun=$(grep -ahc 'upgrade.begun' "$D"/*.log | awk '{ n += $1 } END { print n }')
begun_here() { [ "$(cat "$D"/*.log | grep -ac 'upgrade.begun')" -gt "$begun" ]; }
check "the new instance has the listening sockets" wait_for begun_here
echo "$old tollgate" >>"$D/.killed"
kill -KILL "$old"
kill -CONT "$(pid_of redis)"
wait $waiting
check "the older instance is killed before the hand-over: the new one decides" wait_for served
note_instances
is "it is the second instance" "$(node_of)" a_b
# after the hand-over
control '{"hold_after_events":2}'
curl -sN -m 90 -H "$auth" -H "$json" "$EDGE/v1/chat/completions" -d "$stream" >"$D/stream" &
came() { [ "$(grep -c '^data: ' "$D/stream")" -ge 2 ]; }
wait_for came
control '{}'
old=$(deciding)
check "an upgrade back succeeds" upgrade
kill -KILL "$old"
release
check "the older instance is killed while its streams end: the new one decides" wait_for served
wait_for others_gone
check "the next start continues the chain of the killed instance" upgrade
both() { cat "$D"/journal/*.jsonl "$D"/journal-b/*.jsonl | tr -d '\0'; }
all_ended() { [ -z "$(comm -23 <(both | jq -r 'select(.type == "decision" and .via == "relay" and .decision != "deny") | .id' | sort -u) <(both | jq -r 'select(.type == "completion") | .id' | sort -u))" ]; }
check "the reservations of the killed instance are settled, in the journal of one of both" wait_for all_ended
is "none is settled twice" "$(both | jq -r 'select(.type == "completion") | .id' | sort | uniq -d | wc -l)" 0

# ---- the new instance ends after it took over ----
wait_for others_gone
new=$(deciding)
kill -KILL "$new"
"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 </dev/null 9>&- &
note_pid $! tollgate
check "a new instance that crashes is started again, as systemd does" wait_for served

# ---- other actions during an upgrade ----
"$build/tollgate" reload -c "$D/tollgate.yaml" >/dev/null &
check "an upgrade succeeds during a reload" upgrade
wait_for others_gone
kill -STOP "$(pid_of redis)"
peer connection "$(other)" >"$D/peer.log" &
second=$!
wait $second
kill -CONT "$(pid_of redis)"
check "Redis stands still while a new instance ends: the older one decides" wait_for served
python3 "$here/upgrade-peer.py" "$SOCKETS/agent.sock.hand" hang "$(other)" >"$D/hang.log" 2>&1
like "a new instance that hangs cannot decide later" "$(cat "$D/hang.log")" '^not sent'
check "the older instance decides" wait_for served
haproxy_reload
upgrade || not_ok "an upgrade while HAProxy reloads" "$said"
check "HAProxy reloads during an upgrade" wait_for served
wait_for others_gone
is_now=$(node_of) other=$D/journal
[ "$is_now" != a ] || other=$D/journal-b
wait_for adopted "$other" # nobody writes to the other journal now
mkdir "$D/disk"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=64m,mode=700 tmpfs "$D/disk" 2>/dev/null; then
	cp -a "$other/." "$D/disk"
	cat /dev/zero >"$D/disk/.full" 2>/dev/null
	mount --bind "$D/disk" "$other"
	upgrade && code=0 || code=$?
	is "a full disk at the new instance is exit 1" "$code" 1
	like "the message names the full disk" "$said" 'upgrade: .*(No space left|cannot be written)'
	umount "$other" "$D/disk"
	is "the older instance still decides" "$(node_of) $(answered)" "$is_now 200"
else
	skip "a full disk" "no tmpfs can be mounted here"
fi
"$build/tollgate" serve -c "$D/tollgate.yaml" --instance "$([ "$(node_of)" = a ] && echo b || echo a)" >"$D/unasked.log" 2>&1 9>&- && code=0 || code=$?
is "an instance that no upgrade announced is exit 3" "$code" 3
like "the message explains it" "$(cat "$D/unasked.log")" 'another process decides here: use tollgate upgrade'
is_now=$(node_of)
"$build/tollgate" serve -c "$D/tollgate.yaml" --take --instance "$([ "$is_now" = a ] && echo b || echo a)" >>"$D/tollgate.log" 2>&1 </dev/null 9>&- &
note_pid $! tollgate
took() { [ "$(node_of)" != "$is_now" ]; }
check "with --take it takes over, as a container does" wait_for took
wait_for others_gone
kill -TERM "$(deciding)"
wait_for others_gone
upgrade && code=0 || code=$?
is "without a daemon an upgrade is exit 2" "$code" 2
for j in "$D/journal:$D/audit.key.pub" "$D/journal-b:$D/audit-b.key.pub"; do
	check "the chain in ${j%%:*} verifies" verifies "${j%%:*}" "${j#*:}"
done
is "no request was decided twice" "$(decided_twice)" 0
