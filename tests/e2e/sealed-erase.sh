# A person's texts are erased on three daemons, one of which is down and comes back, with its file of shares from a copy too:
# none of them opens anywhere, everybody else's does, and every chain verifies.
# Once: nothing of HAProxy's is tried.
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
answers_redis "a Redis for answers" $evicting
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 3
conf() { case $1 in a) echo "$D/tollgate.yaml" ;; *) echo "$D/tollgate-$1.yaml" ;; esac; }
journal() { case $1 in a) echo "$D/journal" ;; *) echo "$D/journal-$1" ;; esac; }
audit() { "$build/tollgate" audit "$2" "${@:3}" -c "$(conf "$1")"; } # NODE VERB …
lines() { cat "$(journal "$1")"/*.jsonl | tr -d '\0'; }
ids() { lines "$1" | jq -r 'select(.type == "decision" and .identity.person == "'"$2"'") | .id'; }
opened() { audit "$1" open "$2" --key "$D/ann.key" --part prompt 2>"$D/open.err"; } # NODE ID
opens() { opened "$@" >"$D/open.out"; }

# ---- texts of two people on two nodes; the third has none ----
declare -A bearer
for who in alice bob; do bearer[$who]="authorization: Bearer $(token --claims "{\"sub\":\"$who\"}")"; done
say() { # PERSON TEXT
	req POST /v1/chat/completions -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
}
both() { [ -n "$(ids a "$1")" ] && [ -n "$(ids b "$1")" ]; } # PERSON: HAProxy has a connection to either; the third gets none
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
	check "$n: what alice wrote opens" opens $n "${alices[$n]}"
	like "$n: and it is what she wrote" "$(cat "$D/open.out")" 'marker-alice-'
	like "$n: which record it is of is said" "$(cat "$D/open.err")" "prompt of the decision $n/[0-9]+ at .*, redacted, [0-9]+ bytes"
done
like "each opening is on record" "$(lines a | grep '"read":"open"')" "\"id\":\"${alices[a]}\".*\"part\":\"prompt\""
# ---- what the console asks for ----
socket_of() { sed -n 's#^ *listen: *"unix@\(.*/admin[^/]*\.sock\)"#\1#p' "$(conf "$1")"; }
opening() { # NODE ID
	curl -s -o "$D/opening" -w '%{http_code}' --unix-socket "$(socket_of "$1")" http://localhost/audit/opening \
		-H 'content-type: application/json' -d "{\"id\":\"$2\",\"reason\":\"in the page\"}"
}
is "a page gets what it opens texts with" "$(opening a "${alices[a]}") $(jq -c '[.node, (.records[] | .part, (.share | length), (.seal.to | length), (.parts | length))]' "$D/opening")" \
	'200 ["a","prompt",44,1,1,"response",44,1,1]'
like "on record, with who and why" "$(lines a | grep '"read":"open"' | tail -1)" '"by":"root","reason":"in the page"'
is "of a request that never was" "$(opening a no-such-id)" 404
audit a open "${alices[a]}" --key "$D/other.key" >"$D/open.out" 2>"$D/open.err"
is "another key's owner opens nothing" "$? $(wc -c <"$D/open.out")" "1 0"
like "and is told" "$(cat "$D/open.err")" 'not sealed to this key'
audit a open no-such-id --key "$D/ann.key" >"$D/open.out" 2>&1
is "nor is there anything of a request that never was" $? 1

answers() { redis keys 'tollgate:cache:*' | grep -vc asks; }
is "answers to both are kept" "$(($(answers) >= 4))" 1
is "no text is in either Redis" "$(for r in "${REDIS#unix:}" "-p $port"; do
	[ "${r#-p}" != "$r" ] || r="-s $r"
	# shellcheck disable=SC2086 # two words
	redis-cli $r config set rdbcompression no >/dev/null && redis-cli $r --rdb "$D/all.rdb" >/dev/null 2>&1
	grep -ac tollgate "$D/all.rdb" | sed 's/^[1-9][0-9]*$/some/'; grep -ac -e marker-alice -e marker-bob "$D/all.rdb"
done | paste -sd' ')" "some 0 some 0"
# ---- one is down; a copy of its shares is kept ----
pid_b=$(pid_of second)
kill -TERM "$pid_b"
echo "$pid_b second" >>"$D/.killed"
wait_for gone "$pid_b"
mkdir "$D/copy"
cp -p "$D/journal-b.shares" "$D/journal-b.texts.head" "$D/copy/"
audit a erase --status >"$D/status"
is "nothing was erased yet" $? 0
audit a erase --person alice --why 'asked on 2026-11-20' --ticket DSR-12 >"$D/erased" 2>"$D/erased.err"
is "an erasure is ordered" $? 0
bobs_alone() { [ "$(answers)" = "$asked_by_bob" ]; }
check "her answers in the cache go, his stay" wait_for bobs_alone
like "which the log says" "$(grep -h cache.erased "$D"/*.log)" 'entries=[1-9]'
like "here it is done at once" "$(cat "$D/erased")" '^[0-9a-f]{16} .*a: done'
like "and it is known that one is missing" "$(cat "$D/erased")" 'b: not yet'
erasure=$(cut -c 1-16 "$D/erased")
two_done() { audit a erase --status >"$D/status"; [ "$(grep -c " done " "$D/status")" = 2 ]; }
check "the other that runs does it too" wait_for two_done
audit a erase --status >"$D/status"
is "one is missing" $? 1
like "which one" "$(cat "$D/status")" "^$erasure .* DSR-12 +b +not yet"
is "the other node says the same" "$(audit c erase --status)" "$(cat "$D/status")"
nothing_of_alice() { # NODE
	opened "$1" "${alices[$1]}" >"$D/open.out"
	is "$1: nothing of alice opens" "$? $(wc -c <"$D/open.out")" "1 0"
	like "$1: it says why" "$(cat "$D/open.err")" ': erased: '
	check "$1: what bob wrote does" opens "$1" "${bobs[$1]}"
}
nothing_of_alice a
is "nor in a page" "$(opening a "${alices[a]}") $(jq -c '[.records[] | .why]' "$D/opening")" '200 ["erased","erased"]'

# ---- it comes back, with its shares from the copy ----
come_back() {
	"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >>"$D/again-b.log" 2>&1 &
	pid_b=$!
	wait_for says . fetch GET "$ADMIN_B/readyz"
}
ended() { kill -TERM "$1"; wait_for gone "$1"; }
cp -p "$D/copy/"* "$D/"
check "the one that was down starts" come_back
first_of() { grep -n "$1" "$D/again-b.log" | head -1 | cut -d : -f 1; }
check "it erased before it served" test "$(first_of event=shares.erased)" -lt "$(first_of event=started)"
all_done() { audit a erase --status >"$D/status"; }
check "no node is missing any more" wait_for all_done
nothing_of_alice b
holders() { awk '$1 == "share" && NF == 5 { print $4 }' "$D"/journal*.shares | while read -r h; do base64 -d <<<"$h" && echo; done; }
is "of her there is no share any more" "$(holders | sort | uniq -c | tr -s ' \n' ' ')" " 2 bob "
check "it ends" ended "$pid_b"
cp -p "$D/copy/journal-b.shares" "$D/"
check "the file alone from the copy again" come_back
nothing_of_alice b
by_file() { # FILE
	"$build/tollgate" audit open "${alices[b]}" --key "$D/ann.key" --part prompt --shares "$1" -c "$D/tollgate-b.yaml" >"$D/open.out" 2>"$D/open.err"
}
by_file "$D/journal-b.shares"
is "nor by the file itself" "$? $(wc -c <"$D/open.out")" "1 0"
like "which says why" "$(cat "$D/open.err")" ': erased: '
by_file "$D/copy/journal-b.shares"
is "an old copy still opens it: docs/sealing.md says how long to keep one" "$? $(grep -c marker-alice "$D/open.out")" "0 1"

# ---- new texts of hers, and the records ----
say alice marker-alice-new
is "she goes on" "$status" 200
settled
id=$(header x-tollgate-id)
for n in a b c; do [ -z "$(lines $n | grep "\"id\":\"$id\"")" ] || fresh=$n; done
check "what she writes now opens at once" opens "$fresh" "$id"
is "under a new share" "$(holders | grep -c alice)" 1
for n in a b c; do
	whom='"p_[0-9a-f]{32}"'
	[ $n != c ] || whom=''
	like "$n: the deed is on record" "$(lines $n | grep '"type":"erase"' | head -1)" "\"erasure\":\"$erasure\".*\"pseudonyms\":\\[$whom\\],\"why\":\"asked on 2026-11-20\",\"ticket\":\"DSR-12\""
	unlike "$n: and does not name her" "$(lines $n | grep -E '"type":"(erase|change)"')" alice
	key=$D/audit.key.pub
	[ $n = a ] || key=$D/audit-$n.key.pub
	check "$n: the chain verifies" verifies "$(journal $n)" "$key"
done

# ---- Redis away ----
redis_away
audit a erase --status >"$D/status" 2>&1
is "without Redis it is not known who has done it" $? 2
like "and the message states why" "$(cat "$D/status")" 'Redis does not list which nodes have carried out the erasures: .+'
audit a erase --person bob --why 'asked too' >"$D/erased" 2>"$D/erased.err"
is "an erasure is done here all the same" $? 0
like "and said to be unknown elsewhere" "$(cat "$D/erased.err")" 'not in Redis yet'
like "with the reason" "$(cat "$D/erased.err")" 'Redis did not list the other nodes, which carry the erasure out too: .+'
opened a "${bobs[a]}" >"$D/open.out"
is "nothing of bob opens here" "$? $(wc -c <"$D/open.out")" "1 0"
redis_back
check "the others do it when Redis is back" wait_for all_done
opened b "${bobs[b]}" >"$D/open.out"
is "nor there" "$? $(wc -c <"$D/open.out")" "1 0"
ended "$pid_b"
exit $failed
