# Two daemons behind one HAProxy: HAProxy asks the one that can decide. A daemon with a full disk steps aside while the
# other one is ready, a restarted daemon gets requests without a reload of HAProxy, and without Redis or with two full
# disks both answer as before.
# Long: it waits for the windows after which connections are given back.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ] || ! mkdir -p "$D/journal" || ! mount -t tmpfs -o size=8m,mode=700 tmpfs "$D/journal" 2>/dev/null; then
	skip "two daemons, one with a full disk" "needs root, for a disk of its own"
	exit 0
fi
mkdir -p "$D/journal-b"
mount -t tmpfs -o size=8m,mode=700 tmpfs "$D/journal-b"
unmount() { "$root/tests/support/stack" down --dir "$D"; umount "$D/journal" "$D/journal-b" 2>/dev/null; finish; }
trap unmount EXIT
cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
stack_up --daemons 2 --policy "$D/mine.yaml"
auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'; }
asked() { metric spop_notify_total "" "$1"; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
# answers FROM TO: the statuses of the requests sent in this time (ms), with their numbers
answers() { awk -v from="$1" -v to="$2" '$1 >= from && $1 < to { n[$2]++ } END { for (s in n) print s ":" n[s] }' "$D/load.log" | sort | tr '\n' ' '; }
fill() { head -c 16000000 /dev/zero >"$1/.filler" 2>/dev/null; }
load() { EDGE=$EDGE TOKEN=$(token) STOP=$D/enough LOG=$D/load.log RATE=30 node "$here/ready-daemon.mjs" & }
load
node=$!
aside() { "$B/tollgate" status --json -c "$D/tollgate$1.yaml" | jq -c '.aside'; }
other() { "$B/tollgate" status --json -c "$D/tollgate$1.yaml" | jq -c '[.group[]?.node]'; }
check "each daemon knows the other one" wait_for says '"b"' other ''

# ---- one daemon's disk is full ----

fill "$D/journal"
# more records than fit into the open segment
refused() { ask; [ "$status" = 503 ] || ! says '^null' aside ''; }
check "the first daemon's journal is full" wait_for refused
check "it steps aside" wait_for says "the journal cannot be written.*\"node\":\"b\"" aside ''
from=$(now_ms)
sleep 1.2 # the first check of HAProxy, and the requests in flight
calm=$(now_ms)
sleep 6
like "after HAProxy's next check all callers get 200" "$(answers "$calm" "$(now_ms)")" '^200:[0-9]* $'
echo "# in the first 1.2 s: $(answers "$from" "$calm")"
like "status states it" "$("$B/tollgate" status -c "$D/tollgate.yaml")" 'aside: HAProxy asks another daemon .node b is ready., because the journal cannot be written'
is "a metric states it" "$(metric aside 'reason="journal"')" 1
is "the other daemon serves, and is not aside" "$(metric aside 'reason="journal"' "$ADMIN_B") $(aside -b)" "0 null"
like "the log states it" "$(cat "$D/tollgate.log")" 'event=aside.begin why="the journal cannot be written[^"]*" ready=b'

# ---- both disks are full ----

fill "$D/journal-b"
both() { ask; [ "$status" = 503 ] && [ "$(aside '')$(aside -b)" = nullnull ] && [ "$(fetch GET "$ADMIN_B/readyz" >/dev/null 2>&1; echo $?)" != 0 ]; }
check "both disks are full: none is aside" wait_for both
sleep 1
mark_a=$(asked "$ADMIN") mark_b=$(asked "$ADMIN_B")
from=$(now_ms)
sleep 4
like "both answer, with 503" "$(answers "$from" "$(now_ms)")" '^503:[0-9]* $'
is "none leaves" "$(aside '') $(aside -b)" "null null"
check "HAProxy asks daemons" test $(($(asked "$ADMIN") + $(asked "$ADMIN_B"))) -gt $((mark_a + mark_b))
ask
like "the refusal has its cause" "$body" audit_unavailable
rm "$D/journal/.filler" "$D/journal-b/.filler"
served() { ask; [ "$status" = 200 ] && [ "$(aside '')$(aside -b)" = nullnull ] && fetch GET "$ADMIN/readyz" >/dev/null && fetch GET "$ADMIN_B/readyz" >/dev/null; }
check "with room on the disks both serve again" wait_for served
like "the log states the end" "$(cat "$D/tollgate.log")" 'event=aside.end was="the journal'

# ---- a daemon is restarted ----

restart() { # pid's name, suffix of the configuration, admin server
	local pid
	pid=$(pid_of "$1")
	kill -TERM "$pid"
	wait_for gone "$pid"
	sleep 3
	setsid "$build/tollgate" serve -c "$D/tollgate$2.yaml" </dev/null >>"$D/$1.log" 2>&1 &
	note_pid $! "$1"
	wait_for fetch GET "$3/readyz" >/dev/null
}
gets_share() { [ "$(asked "$1")" -ge 20 ]; }
for one in "second -b $ADMIN_B" "tollgate  $ADMIN"; do
	IFS=' ' read -r name suffix admin <<<"$one"
	[ "$admin" ] || { admin=$suffix suffix=''; }
	restart "$name" "$suffix" "$admin"
	began=$(now_ms)
	check "$name: a restarted daemon gets requests without a reload of HAProxy" wait_for gets_share "$admin"
	took=$(($(now_ms) - began))
	echo "# $name: 20 requests after $took ms; $(answers "$began" "$(now_ms)")"
	awk -v from="$began" '$1 >= from && $2 != 200 { print "# refused: " $0 }' "$D/load.log"
	check "$name: its share arrives within 15 s" test $took -lt 15000
	# in one of six runs, on a busy machine, a daemon itself denied two requests with 503 while the other one started
	like "$name: hardly any caller is refused while connections are given back" "$(answers "$began" "$(now_ms)")" '^200:[0-9]* (503:[1-4] )?$'
done

# ---- Redis is away: everybody's reason ----

redis_away
no_group() { [ "$("$B/tollgate" status --json -c "$D/tollgate.yaml" | jq -c .group)" = null ]; }
check "without Redis no other daemon is known" wait_for no_group
mark_a=$(asked "$ADMIN") mark_b=$(asked "$ADMIN_B")
sleep 5
is "without Redis none steps aside" "$(aside '') $(aside -b)" "null null"
ask
like "the policy decides" "$status $body" '^(200|503 .*quota_unavailable)'
fill "$D/journal"
full() { ! audit_up; }
audit_up() { [ "$(metric audit_up)" = 1 ]; }
check "without Redis a disk fills" wait_for full
sleep 2
is "without Redis a daemon with a full disk answers" "$(aside '')" null
rm "$D/journal/.filler"
redis_back
check "Redis is back" wait_for served
touch "$D/enough"
wait $node
is "no request is lost" "$(awk '$2 !~ /^[0-9]+$/' "$D/load.log" | head -3)" ""
