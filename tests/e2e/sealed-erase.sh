# A person's texts are erased on three daemons; one is stopped and returns with an older copy of its shares.
# Afterwards none of the person's texts opens on any daemon, all others' texts do, and each chain verifies.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/answers-redis.bash"
auditor other >/dev/null
"$build/tollgate" admin-token new ann --roles viewer,auditor --tokens "$D/admin.tokens" >/dev/null 2>&1
cat >"$D/mine.yaml" <<Y
console: {open: true}
cache: {redis: "redis://127.0.0.1:$port"}
admin: {console: true, tokens: "$D/admin.tokens"}
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: erasing
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: nobody}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: [/v1/chat/completions]}, targets: openai, record: {prompt: redacted, response: redacted},
     cache: {exact: {ttl: 1h, per: team, temperature: 1}}}
default: permit
Y
answers_redis "a Redis for responses" $evicting
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 3
conf() { case $1 in a) echo "$D/tollgate.yaml" ;; *) echo "$D/tollgate-$1.yaml" ;; esac; }
journal() { case $1 in a) echo "$D/journal" ;; *) echo "$D/journal-$1" ;; esac; }
audit() { "$build/tollgate" audit "$2" "${@:3}" -c "$(conf "$1")"; } # NODE VERB …
lines() { cat "$(journal "$1")"/*.jsonl | tr -d '\0'; }
ids() { lines "$1" | jq -r 'select(.type == "decision" and .identity.person == "'"$2"'") | .id'; }
opened() { audit "$1" open "$2" --key "$D/ann.key" --part prompt 2>"$D/open.err"; } # NODE ID
opens() { opened "$@" >"$D/open.out"; }

# ---- texts of two persons on two nodes; the third node has none ----
declare -A bearer
for who in alice bob; do bearer[$who]="authorization: Bearer $(token --claims "{\"sub\":\"$who\"}")"; done
say() { # PERSON TEXT
	req POST /v1/chat/completions -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
}
both() { [ -n "$(ids a "$1")" ] && [ -n "$(ids b "$1")" ]; } # PERSON: succeeds if both nodes have a text; HAProxy uses both in turn
for who in alice bob; do
	for i in $(seq 40); do
		say $who "marker-$who-$i"
		[ "$status" = 200 ] || break
		[ $who = alice ] || asked_by_bob=$i
		! both $who || break
	done
	check "two of the nodes have a text of $who" both $who
done
settled
declare -A alices bobs
for n in a b; do
	alices[$n]=$(ids $n alice | head -1) bobs[$n]=$(ids $n bob | head -1)
	check "$n: alice's text opens" opens $n "${alices[$n]}"
	like "$n: the text is hers" "$(cat "$D/open.out")" 'marker-alice-'
	like "$n: the command prints which record it belongs to" "$(cat "$D/open.err")" "prompt of the decision $n/[0-9]+ at .*, redacted, [0-9]+ bytes"
done
like "each opening is recorded" "$(lines a | grep '"read":"open"')" "\"id\":\"${alices[a]}\".*\"part\":\"prompt\""
# ---- requests of the console ----
socket_of() { sed -n 's#^ *listen: *"unix@\(.*/admin[^/]*\.sock\)"#\1#p' "$(conf "$1")"; }
opening() { # NODE ID
	curl -s -o "$D/opening" -w '%{http_code}' --unix-socket "$(socket_of "$1")" http://localhost/audit/opening \
		-H 'content-type: application/json' -d "{\"id\":\"$2\",\"reason\":\"in the page\"}"
}
is "the console gets the data with which it opens texts" "$(opening a "${alices[a]}") $(jq -c '[.node, (.records[] | .part, (.share | length), (.seal.to | length), (.parts | length))]' "$D/opening")" \
	'200 ["a","prompt",44,1,1,"response",44,1,1]'
like "this is recorded with user and reason" "$(lines a | grep '"read":"open"' | tail -1)" '"by":"root","reason":"in the page"'
is "an unknown request is 404" "$(opening a no-such-id)" 404
audit a open "${alices[a]}" --key "$D/other.key" >"$D/open.out" 2>"$D/open.err"
is "another auditor's key opens nothing" "$? $(wc -c <"$D/open.out")" "1 0"
like "the error explains it" "$(cat "$D/open.err")" 'not sealed to this key'
audit a open no-such-id --key "$D/ann.key" >"$D/open.out" 2>&1
is "an unknown request opens nothing" $? 1

answers() { redis keys 'tollgate:cache:*' | grep -vc asks; }
is "responses for both persons are stored" "$(($(answers) >= 4))" 1
is "no text is in either Redis" "$(for r in "${REDIS#unix:}" "-p $port"; do
	[ "${r#-p}" != "$r" ] || r="-s $r"
	# shellcheck disable=SC2086 # two words
	redis-cli $r config set rdbcompression no >/dev/null && redis-cli $r --rdb "$D/all.rdb" >/dev/null 2>&1
	grep -ac tollgate "$D/all.rdb" | sed 's/^[1-9][0-9]*$/some/'; grep -ac -e marker-alice -e marker-bob "$D/all.rdb"
done | paste -sd' ')" "some 0 some 0"
# ---- one node is stopped; a copy of its shares is kept ----
pid_b=$(pid_of second)
kill -TERM "$pid_b"
echo "$pid_b second" >>"$D/.killed"
wait_for gone "$pid_b"
mkdir "$D/copy"
cp -p "$D/journal-b.shares" "$D/journal-b.texts.head" "$D/copy/"
audit a erase --status >"$D/status"
is "there was no erasure yet" $? 0
audit a erase --person alice --why 'asked on 2026-11-20' --ticket DSR-12 >"$D/erased" 2>"$D/erased.err"
is "an erasure is requested" $? 0
bobs_alone() { [ "$(answers)" = "$asked_by_bob" ]; }
check "only the other person's stored responses are left" wait_for bobs_alone
like "the log reports it" "$(grep -h cache.erased "$D"/*.log)" 'entries=[1-9]'
like "this node erases at once" "$(cat "$D/erased")" '^[0-9a-f]{16} .*a: done'
like "the stopped node is reported as missing" "$(cat "$D/erased")" 'b: not yet'
erasure=$(cut -c 1-16 "$D/erased")
two_done() { audit a erase --status >"$D/status"; [ "$(grep -c " done " "$D/status")" = 2 ]; }
check "the other running node erases too" wait_for two_done
audit a erase --status >"$D/status"
is "with a missing node, the status is exit 1" $? 1
like "the status names the missing node" "$(cat "$D/status")" "^$erasure .* DSR-12 +b +not yet"
is "the other node has the same status" "$(audit c erase --status)" "$(cat "$D/status")"
nothing_of_alice() { # NODE
	opened "$1" "${alices[$1]}" >"$D/open.out"
	is "$1: no text of alice opens" "$? $(wc -c <"$D/open.out")" "1 0"
	like "$1: the error names the reason" "$(cat "$D/open.err")" ': erased: '
	check "$1: bob's text opens" opens "$1" "${bobs[$1]}"
}
nothing_of_alice a
is "the console cannot open it either" "$(opening a "${alices[a]}") $(jq -c '[.records[] | .why]' "$D/opening")" '200 ["erased","erased"]'

# ---- the stopped node returns with the older copy of its shares ----
come_back() {
	"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >>"$D/again-b.log" 2>&1 &
	pid_b=$!
	wait_for says . fetch GET "$ADMIN_B/readyz"
}
ended() { kill -TERM "$1"; wait_for gone "$1"; }
cp -p "$D/copy/"* "$D/"
check "the stopped node starts" come_back
first_of() { grep -n "$1" "$D/again-b.log" | head -1 | cut -d : -f 1; }
check "it erases before it serves requests" test "$(first_of event=shares.erased)" -lt "$(first_of event=started)"
all_done() { audit a erase --status >"$D/status"; }
check "no node is missing" wait_for all_done
nothing_of_alice b
holders() { awk '$1 == "share" && NF == 5 { print $4 }' "$D"/journal*.shares | while read -r h; do base64 -d <<<"$h" && echo; done; }
is "no share of alice is left" "$(holders | sort | uniq -c | tr -s ' \n' ' ')" " 2 bob "
check "the node ends" ended "$pid_b"
cp -p "$D/copy/journal-b.shares" "$D/"
check "the node starts again with only its file of shares from the copy" come_back
nothing_of_alice b
by_file() { # FILE
	"$build/tollgate" audit open "${alices[b]}" --key "$D/ann.key" --part prompt --shares "$1" -c "$D/tollgate-b.yaml" >"$D/open.out" 2>"$D/open.err"
}
by_file "$D/journal-b.shares"
is "the file itself does not open the text" "$? $(wc -c <"$D/open.out")" "1 0"
like "the error names the reason: erased" "$(cat "$D/open.err")" ': erased: '
by_file "$D/copy/journal-b.shares"
is "an old copy of the shares still opens it: docs/sealing.md states how long to keep one" "$? $(grep -c marker-alice "$D/open.out")" "0 1"

# ---- new texts of the erased person, and the records ----
say alice marker-alice-new
is "the person can send requests" "$status" 200
settled
id=$(header x-tollgate-id)
for n in a b c; do [ -z "$(lines $n | grep "\"id\":\"$id\"")" ] || fresh=$n; done
check "a new text opens at once" opens "$fresh" "$id"
is "it has a new share" "$(holders | grep -c alice)" 1
for n in a b c; do
	whom='"p_[0-9a-f]{32}"'
	[ $n != c ] || whom=''
	like "$n: the erasure is recorded" "$(lines $n | grep '"type":"erase"' | head -1)" "\"erasure\":\"$erasure\".*\"pseudonyms\":\\[$whom\\],\"why\":\"asked on 2026-11-20\",\"ticket\":\"DSR-12\""
	unlike "$n: the records do not contain the name" "$(lines $n | grep -E '"type":"(erase|change)"')" alice
	key=$D/audit.key.pub
	[ $n = a ] || key=$D/audit-$n.key.pub
	check "$n: the chain verifies" verifies "$(journal $n)" "$key"
done

# ---- Redis is unreachable ----
redis_away
audit a erase --status >"$D/status" 2>&1
is "without Redis, the status is unknown" $? 2
like "the message explains it" "$(cat "$D/status")" 'Redis does not list which nodes have carried out the erasures: .+'
audit a erase --person bob --why 'asked too' >"$D/erased" 2>"$D/erased.err"
is "without Redis, this node erases" $? 0
like "it reports that other nodes do not know of it" "$(cat "$D/erased.err")" 'not in Redis yet'
like "it reports the reason" "$(cat "$D/erased.err")" 'Redis did not list the other nodes, which carry the erasure out too: .+'
opened a "${bobs[a]}" >"$D/open.out"
is "no text of bob opens on this node" "$? $(wc -c <"$D/open.out")" "1 0"
redis_back
check "the other nodes erase when Redis is back" wait_for all_done
opened b "${bobs[b]}" >"$D/open.out"
is "no text of bob opens on another node" "$? $(wc -c <"$D/open.out")" "1 0"
ended "$pid_b"
exit $failed
