# Three daemons that share a Redis: each command, with the configuration of any of them, reads the journals of all, also
# of one that was killed. Daemons whose records are elsewhere are named.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
stack_up --daemons 3
# tg CONFIG COMMAND…: runs the command as a person with this configuration does
tg() { local of=$1; shift; "$build/tollgate" "$@" -c "$D/tollgate$of.yaml" 2>"$D/err"; }
ask() { # PERSON: one request, decided by any of the daemons
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' \
		-d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
}
decided() { cat "$D/$1"/*.jsonl | tr -d '\0' | grep -c '"type":"decision"'; }
# Whichever daemons HAProxy prefers, each has decided requests when only one is left.
for _ in 1 2 3 4 5 6; do ask ann; done
killed tollgate
one_decides() { ask bob; [ "$status" = 200 ]; }
check "the other daemons decide while one is killed" wait_for one_decides
for _ in 1 2 3 4; do ask bob; done
killed second
check "the third daemon decides alone" wait_for one_decides
for _ in 1 2 3; do ask cid; done
all=0
for of in journal journal-b journal-c; do
	n=$(decided $of)
	all=$((all + n))
	echo "# $of: $n decisions"
done
check "the third daemon has decided" test "$(decided journal-c)" -ge 3
check "another one has decided too" test $((all - $(decided journal-c))) -ge 6

for of in '' -b -c; do
	is "usage$of sums all journals" "$(tg "$of" usage --by person --json | jq '[.rows[].requests] | add')" "$all"
	tg "$of" audit list >"$D/list"
	is "audit list$of prints each decision of all journals" "$(wc -l <"$D/list")" "$all"
	check "audit list$of prints them in the order of time" sort -c -k1,1 "$D/list"
	is "audit search$of finds them all" "$(tg "$of" audit search --limit 0 --json | jq -r .node | sort | uniq -c | awk '{ n += $1 } END { print n }')" "$all"
	is "audit search$of counts them all" "$(tg "$of" audit search --count --by decision --json | jq -s '[.[] | .. | .hits? // empty] | add')" "$all"
	is "audit verify$of verifies each chain" "$(tg "$of" audit verify | sed -n 's/^ok node=\([a-z]*\) .*/\1/p' | sort | tr '\n' ' ')" "a b c "
	is "audit export$of has them all" "$(tg "$of" audit export --format jsonl | grep -c '"type":"decision"')" "$all"
	is "audit report$of counts them all" "$(tg "$of" audit report --json | jq .decisions.total)" "$all"
	is "policy history$of has each daemon" "$(tg "$of" policy history --json | jq -c '[.[].node] | sort | unique')" '["a","b","c"]'
	is "audit search$of with --journal reads that journal alone" "$(tg "$of" audit search --journal "$D/journal-c" --limit 0 --json | jq -r .node | sort -u)" c
done
for of in journal journal-b journal-c; do
	id=$(cat "$D/$of"/*.jsonl | tr -d '\0' | grep -m1 '"type":"decision"' | jq -r .id)
	[ -n "$id" ] || continue
	for from in '' -b -c; do
		like "audit show$from finds a record of $of" "$(tg "$from" audit show "$id")" "\"id\": \"$id\""
		like "audit explain$from repeats its decision by the policy's text" "$(tg "$from" audit explain "$id")" "^policy: .*: the results are the same"
	done
done
# ---- a folder into which somebody copied the journals of all three ----
mkdir "$D/together"
cp "$D"/journal/*.jsonl "$D"/journal-b/*.jsonl "$D"/journal-c/*.jsonl "$D/together"
keys=()
for f in "$D"/audit*.pub; do keys+=(--public-key "$f"); done
of_folder() { "$build/tollgate" "$@" --journal "$D/together" 2>"$D/err"; }
is "verify of this folder verifies each node's chain" "$(of_folder audit verify "${keys[@]}" | sed -n 's/^ok node=\([a-z]*\) .*/\1/p' | tr '\n' ' ')" "a b c "
is "list of it prints each decision" "$(of_folder audit list | wc -l)" "$all"
is "usage of it sums all" "$(of_folder usage --by person --json | jq '[.rows[].requests] | add')" "$all"
of_folder audit verify "${keys[@]}" --from 3 >/dev/null
like "--from needs one chain" "$? $(cat "$D/err")" '^2 .*has the journals of 3 nodes: --note, --redis and --from need a folder with that of one node'
last=$(cd "$D/together" && printf '%s\n' b-*.jsonl | tail -1)
sed -i '1s/"time":"20/"time":"19/' "$D/together/$last"
of_folder audit verify "${keys[@]}" >"$D/verified"
is "a changed record concerns its own chain alone" "$? $(sed -n 's/^\([a-z]*\) node=\([a-z]*\) .*/\1 \2/p' "$D/verified" | tr '\n' ' ')" "1 ok a bad b ok c "

id=$(cat "$D/journal-c"/*.jsonl | tr -d '\0' | grep -m1 '"type":"decision"' | jq -r .id)
prove() { tg '' audit show "$id" --proof >"$D/proof" && [ -s "$D/proof" ]; }
check "a record of another daemon is proved" wait_for prove
tg -c audit list >"$D/list"
unlike "a reading of all journals is recorded by the daemon that runs" "$(cat "$D/err")" 'not recorded'
"$build/tollgate" audit list --follow -c "$D/tollgate-c.yaml" >"$D/followed" 2>/dev/null &
follower=$!
ask dan
followed() { [ "$(grep -c dan "$D/followed")" = 1 ] && [ "$(wc -l <"$D/followed")" = $((all + 1)) ]; }
check "audit list --follow has all journals and each new decision" wait_for followed
kill -INT $follower

# ---- nodes that do not return ----

states() { tg -c node list --json | jq -c '[.[] | [.node, .state]]'; }
both_away() { [ "$(states)" = '[["a","away"],["b","away"],["c","ready"]]' ]; }
check "node list has the daemons that were killed as away" wait_for both_away
tg -c status --all >"$D/all"
is "status --all reports that not all are ready" "$? $(sed -n 's/^\([abc]\) *\([a-z]*\) .*/\1 \2/p' "$D/all" | tr '\n' ' ')" "1 a away b away c ready "
like "status --all has version, policy, requests a minute, those in progress and the head of the chain" "$(grep '^c ' "$D/all")" '^c +ready +[0-9.]+[^ ]* +stack@[0-9a-f]+ +[0-9]+ +[0-9]+ +[^ ]+ +[0-9]+:[0-9a-f]{8} '
is "the metrics have each node" "$(fetch GET "$ADMIN_C/metrics" | sed -n 's/^tollgate_node_live{node="\(.*\)"} /\1/p' | tr '\n' ' ')" "a0 b0 c1 "
tg -c node retire c --why test
like "a daemon does not retire its own node" "$? $(cat "$D/err")" '^1 .*c is the node of this daemon'
tg -c node retire z --why test
like "a node that nobody has is not retired" "$? $(cat "$D/err")" '^1 .*no daemon of this Redis has the node z'
tg -c node retire a --why test --journal "$D/journal-c"
like "a journal that a daemon writes is refused" "$? $(cat "$D/err")" '^1 .*a daemon writes to this journal'
tg -c node retire a --why test --journal "$D/journal-b"
like "a journal of another node is refused" "$? $(cat "$D/err")" '^2 .*has no records of node a'
redis hset 'tollgate:{live}:erased' 'a/0123456789abcdef' '1 2026-11-30T00:00:00Z' 'c/0123456789abcdef' '1 2026-11-30T00:00:00Z' >/dev/null
said=$(tg -c node retire a --why "its disk is broken" --journal "$D/journal")
like "a node is retired with its journal" "$? ${said//$'\n'/ }" '^0 holds: [0-9]+ requests without an end were settled.*stream: removed, [1-9][0-9]* records.*erasures: 1 notes'
said=$(tg -c node retire b --why "one machine less" --keep-stream)
like "a node is retired without its journal" "$? ${said//$'\n'/ }" '^0 holds: kept.*stream: kept, [1-9][0-9]* records'
is "Redis has nothing of a, and only the stream of b" "$(redis keys '*' | grep -E '(audit|trends):[ab]$'
	redis hkeys 'tollgate:{group}:policies' | sort | tr '\n' ' '
	redis hkeys 'tollgate:{live}:nodes' | tr '\n' ' '
	redis hkeys 'tollgate:{live}:erased' | tr '\n' ' ')" "tollgate:audit:b
c c c/0123456789abcdef "
is "node list has the retired nodes" "$(states)" '[["a","retired"],["b","retired"],["c","ready"]]'
tg -c node retire a --why test
like "a node is retired once" "$? $(cat "$D/err")" '^1 .*node a is retired already'
like "a record names the node, the reason and who retired it" "$(tg -c audit search --type change --since 1h --json | jq -c 'select(.change == "retire") | [.what, .after.name, .reason, .by != null]' | sort | tr '\n' ' ')" '\["node","a","its disk is broken",true\].*\["node","b","one machine less",true\]'
"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 &
note_pid $! tollgate
refused() { "$build/tollgate" status -c "$D/tollgate.yaml" 2>/dev/null | grep -q '^retired: node a was retired at .* (its disk is broken)'; }
check "a daemon with the name of a retired node reports this" wait_for refused
decided_a=$(decided journal)
for _ in 1 2 3; do ask eve; [ "$status" = 200 ] || break; done
is "it gets no requests, and the other daemon decides them" "$status $(($(decided journal) - decided_a))" "200 0"
is "it writes nothing to Redis" "$(redis exists tollgate:audit:a 'tollgate:{group}:trends:a') $(redis hexists 'tollgate:{group}:policies' a) $(redis hexists 'tollgate:{live}:nodes' a)" "0 0 0"
check "the node is admitted" tg -c node admit a --why repaired
all_ready() { "$build/tollgate" status -c "$D/tollgate.yaml" >/dev/null 2>&1; }
check "then its daemon serves again without a restart" wait_for all_ready
back() { [ "$(states)" = '[["a","ready"],["b","retired"],["c","ready"]]' ] && [ "$(redis exists tollgate:audit:a)" = 1 ]; }
check "and it is listed, with a copy of its records" wait_for back
killed tollgate
all=$((all + 3))

# ---- daemons whose records are elsewhere ----

unlike "no daemon is named while all records are here" "$(tg -c usage --by person >/dev/null; cat "$D/err")" 'records of'
far() { # MACHINE CONSOLE
	redis hset 'tollgate:{group}:policies' far "$(jq -cn --arg m "$1" --arg c "$2" --argjson at "$EPOCHSECONDS" \
		'{policy:"p",policy_version:"v",file:"\($m) 1:2 p.yaml",daemon:"far",console:$c,at:$at}')" >/dev/null
}
named() { far "$1" "$2"; tg -c usage --by person >/dev/null; matches "$(cat "$D/err")" "$3"; }
check "a daemon on another machine is named, with the address of its console" \
	wait_for named other https://far.example:9443/console/ 'usage: the records of far are on another machine: https://far.example:9443/console/$'
check "a daemon of this machine without a file here is named" \
	wait_for named "$(cat /etc/machine-id 2>/dev/null || cat /proc/sys/kernel/random/boot_id)" '' 'the records of far are in a journal that this command does not find$'
check "an address that is none of a console is left out" wait_for named other 'javascript:alert(1)' 'the records of far are on another machine$'
is "status lists the nodes whose records are here" "$(tg -c status --json | jq -c '.records_here | sort')" '["a","b","c"]'
like "status keeps a daemon that was killed" "$(tg -c status --json | jq -c '[.members[] | [.node, .machine]]')" '\["a","same"\]'

# ---- what is no daemon of the group ----

sed 's/^node: .*/node: z/; s#journal-b"#journal"#' "$D/tollgate-b.yaml" >"$D/copy.yaml"
sed 's/^node: .*/node: y/; s#journal-b"#journal-y"#; s#redis.sock#other.sock#' "$D/tollgate-b.yaml" >"$D/other-redis.yaml"
mkdir "$D/journal-y"
echo 'redis: {' >"$D/broken.yaml"
is "a copy of a file, another group and a broken file change nothing" "$(tg -c usage --by person --json 2>&1 | jq '[.rows[].requests] | add')" $((all + 1))
exit $failed
