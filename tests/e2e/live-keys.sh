# API keys that are created while two daemons run. They are in force on both within a second, a revocation is in force
# at once on the daemon that gets it, and keys survive faults of Redis. Write access to Redis is not enough to create
# a key.
# Once: HAProxy does not affect the result.
# Long: it waits for keys to expire.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
in_file=$("$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" 2>"$D/file.id")
file_id=$(sed -n 's/.*key \([0-9a-z]*\) of.*/\1/p' "$D/file.id")
stack_up --policy "$D/p/policy.yaml" --second
# Sends a request to one daemon; the other is stopped meanwhile.
pid_a=$(pid_of tollgate) pid_b=$(pid_of second)
chat='{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
code() { curl -s -m 90 -o "$D/answer" -w '%{http_code}' -H "authorization: Bearer $1" -H 'content-type: application/json' \
	-d "${2:-$chat}" "$EDGE/v1/chat/completions"; }
# both KEY CODE: repeats six requests, which both daemons get in turn, until all have this status
six_answer() {
	for _ in 1 2 3 4 5 6; do [ "$(code "$1")" = "$2" ] || return 1; done
}
both() { wait_for six_answer "$@"; }
id_of() { cut -d_ -f2 <<<"$1"; }

# ---- create, list, use ----
k=$(key new --person alice --team red --models 'echo,gpt-4o*' --ttl 1h --by ops --reason 'ticket 7')
like "a new key is printed" "$k" '^tg_[0-9a-z]{8}_[0-9a-z]{52}$'
id=$(id_of "$k")
check "it passes on both daemons" both "$k" 200
synced
is "a model that the key does not permit is refused" "$(code "$k" "${chat/echo/claude-3}")" 403
like "the error names the reason" "$(cat "$D/answer")" 'the API key is not permitted to use this model'
is "a request without a model is refused" "$(code "$k" '{"messages":[{"role":"user","content":"hello"}]}')" 403
control '{"content_type":"application/json","body":"{\"data\":[{\"id\":\"claude-3\"},{\"id\":\"echo\"}]}"}'
req GET /v1/models -H "authorization: Bearer $k"
is "the list of models has those of the key" "$status $body" '200 {"data":[{"id":"echo"}]}'
control '{}'
like "both daemons list the key" "$(key_b list)" "^$id +alice +red .* live$"
unlike "no list contains a hash" "$(key list --json)" 'sha256'
is "another secret with the same id is 401" "$(code "${k%?????}00000")" 401
is "the secret is neither in Redis nor in the file nor in a log" \
	"$({ redis HGETALL 'tollgate:{live}:entries'; cat "$D/journal.live" "$D"/*.log; cat "$D"/journal/*; } | grep -ac "${k##*_}")" 0

# ---- change ----
key change "$id" --models '' --team blue >/dev/null
check "a change is in force on both" synced
is "any model is permitted now" "$(code "$k" "${chat/echo/claude-3}")" 200
like "the team is changed too" "$(key_b list)" "^$id +alice +blue "
key change nosuchid --team x >/dev/null
is "an unknown key is exit 1" $? 1
like "the error explains it" "$(cat "$D/key.err")" '^tollgate: key: nosuchid: no key with this id was created at run time: see tollgate key list$'
key new --team red >/dev/null
is "a key without a person is refused" "$? $(cat "$D/key.err")" "2 tollgate: key: person: this parameter is missing: name the person that the key authenticates"
key new --person x --ttl soon >/dev/null
like "an invalid duration is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: ttl soon: give a duration'
key new --person x --until friday >/dev/null
like "an invalid date is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: --until friday: give a date'
key new --person x --until 2020-01-01 >/dev/null
like "a date in the past is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: expires 2020-01-01T00:00:00Z: the time is in the past'
key new --person dora --limits usd=5/day >/dev/null
like "a limit in dollars without prices causes a warning" "$? $(grep usd "$D/key.err")" '^0 tollgate: key: --limits usd=5/day: the policy [^ ]+ has no prices'
"$build/tollgate" key new --person dora --limits requests=5/1m,usd=5/day --keys "$D/unused.yaml" -c "$D/tollgate.yaml" >/dev/null 2>"$D/key.err"
like "a limit in dollars in a key file causes a warning" "$? $(grep usd "$D/key.err")" '^0 tollgate: key: --limits requests=5/1m,usd=5/day: the policy [^ ]+ has no prices'
key new --person dora --limits requests=5/1m >/dev/null
is "other limits cause no warning" "$? $(grep -c prices "$D/key.err")" "0 0"
dated=$(id_of "$(key new --person dated --until 2099-12-04)")
synced
like "a key that ends on a date is listed with it" "$(key_b list)" "^$dated +dated .* 2099-12-04T00:00:00Z +live$"
key change "$dated" --until 2099-12-05T18:00:00+01:00 >/dev/null
synced
like "a changed date is listed" "$(key_b list)" "^$dated +dated .* 2099-12-05T17:00:00Z +live$"
key new --person $'a\tb' >/dev/null
like "an invalid name is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: person: expected text without control characters'

is "keys cannot be changed over TCP" "$(curl -s -w ' %{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" -d '{"person":"x"}' "$ADMIN/keys/new")" \
	'{"error":"this endpoint is only on the Unix socket (admin.listen)"}
 403'
is "keys cannot be read over TCP without a token" "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN/keys")" 401
admin=$(sed -n 's/.*unix@\(.*admin.sock\).*/\1/p' "$D/tollgate.yaml")
post() { curl -s -w ' %{http_code}' --unix-socket "$admin" "http://x/$1" -d "$2" | tr -d '\n'; }
is "a body that is no object is refused" "$(post keys/new '[]')" '{"error":"the body must be a JSON object"} 400'
is "an unknown field is refused" "$(post keys/new '{"person":"x","sha256":"y"}')" '{"error":"sha256: a key has no such member: correct the name"} 400'
is "a field that is too long is refused" "$(post keys/new "{\"person\":\"$(head -c 70000 /dev/zero | tr '\0' x)\"}")" '{"error":"the body is longer than 64 KB: send less"} 413'
like "the response to a change has its record" "$(post keys/new '{"person":"recorded","reason":"ticket 8"}')" '"record":"a/[1-9][0-9]*"'
like "the record can be shown" "$("$build/tollgate" audit show --seq "$(post keys/new '{"person":"recorded","reason":"ticket 8"}' | sed 's/.*"record":"\([^"]*\)".*/\1/')" -c "$D/tollgate.yaml" | tr -d '\n ')" '"change":"new".*"reason":"ticket8"'
like "a field of the wrong type is refused" "$(post keys/new '{"person":["x"]}')" '^\{"error":"person: expected text without control characters"\} 400'

# ---- expiry ----
short=$(key new --person shorty --ttl 1h)
check "a key for an hour passes" both "$short" 200
key change "$(id_of "$short")" --ttl 1s >/dev/null
check "after an hour it is refused" both "$short" 401
like "it is listed as expired" "$(key list)" "^$(id_of "$short") +shorty .* expired$"

# ---- rotation ----
next=$(key rotate "$id" --overlap 1h)
check "the new key passes" both "$next" 200
check "the old key passes during the overlap" both "$k" 200
last=$(key new --person lara)
check "a key with a short overlap passes" both "$last" 200
key rotate "$(id_of "$last")" --overlap 1s >/dev/null
check "after the overlap it is refused" both "$last" 401
like "the new key has the same person and team" "$(key list)" "^$(id_of "$next") +alice +blue "

# ---- forged entries in Redis ----
entry=$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")
forged() { echo $(($(metric live_refused_total 'reason="forged"') + $(metric live_refused_total 'reason="forged"' "$ADMIN_B"))); }
refused=$(forged)
logged() { grep -qF "event=live.refused field=$1 why=\"$2\"" "$D/tollgate.log"; }
# One by one, because a log line names only the first entry that is refused at a time.
forge() { # FIELD TEXT
	redis HSET 'tollgate:{live}:entries' "$1" "$2" >/dev/null
	redis INCR 'tollgate:{live}:version' >/dev/null
}
forge key:00000000 "${entry/alice/mallory}"
wait_for logged key:00000000 "the entry was not made with this state_key"
check "a forged entry is logged" logged key:00000000 "the entry was not made with this state_key"
forge key:11111111 "$entry"
wait_for logged key:11111111 "the entry belongs to key:$(id_of "$next")"
check "an entry copied to another id is logged" logged key:11111111 "the entry belongs to key:$(id_of "$next")"
forge "key:$(id_of "$next")" "${entry/alice/mallory}"
forge garbage "$(head -c 20000 /dev/zero | tr '\0' x)"
# Two entries are seen by both daemons. The corrected one and the removed one may be seen by one or both. One of them
# may be read last.
counted() { local n; n=$(($(forged) - refused)); [ "$n" -ge 6 ]; }
wait_for counted
righted() { [ "$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")" = "$entry" ]; }
wait_for righted
gone() { [ -z "$(redis HGET 'tollgate:{live}:entries' garbage)" ]; }
wait_for gone
unlike "no forged key is listed" "$(key list)$(key_b list)" 'mallory|00000000|11111111'
like "each daemon counts each entry that it saw once" $(($(forged) - refused)) '^[678]$'
is "a manipulated entry is restored" "$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")" "$entry"
redis HDEL 'tollgate:{live}:entries' key:00000000 key:11111111 >/dev/null

# ---- revocation ----
# the status of each request, and its start and end
(while [ ! -e "$D/stop" ]; do
	began=$(date +%s%N)
	printf '%s %s %s\n' "$(code "$next")" "$began" "$(date +%s%N)"
done) >"$D/codes" &
load=$!
some() { [ "$(awk -v s="$1" '$1 == s' "$D/codes" | wc -l)" -ge "$2" ]; }
wait_for some 200 3
key revoke "$(id_of "$next")" --by ops --reason leaked
told=$(date +%s%N)
synced
both=$(date +%s%N)
after() { [ "$(awk -v t="$both" '$2 > t' "$D/codes" | wc -l)" -ge 12 ]; }
wait_for after
touch "$D/stop"
wait $load
check "the key passed before" test "$(awk -v t="$told" '$1 == 200 && $2 < t' "$D/codes" | wc -l)" -gt 0
echo "# both have it after $(((both - told) / 1000000)) ms, and nobody passed after $(awk -v t="$told" '$1 != 401 { l = $2 } END { print (l > t ? int((l - t) / 1000000) : 0) }' "$D/codes") ms"
is "after both daemons have the revocation, no request passes" "$(awk -v t="$both" '$1 != 401 && $2 > t' "$D/codes" | wc -l)" 0
key change "$(id_of "$next")" --team green
is "a revocation is final" "$? $(cat "$D/key.err")" "1 tollgate: key: the key is revoked, which is final: create a new key"
is "a key in the file passes" "$(code "$in_file")" 200
key revoke "$file_id"
check "a key in the file can be revoked at run time" both "$in_file" 401
other=$(key new --person other --team other)
wrong=${other%????}aaaa
is "the id of a key with another secret is refused" "$(code "$wrong")" 401

# ---- an older copy of Redis, and an empty Redis ----
older=$(($(metric live_refused_total 'reason="older"') + $(metric live_refused_total 'reason="older"' "$ADMIN_B")))
redis HSET 'tollgate:{live}:entries' "key:$(id_of "$next")" "$entry" >/dev/null
redis INCR 'tollgate:{live}:version' >/dev/null
older() { echo $(($(metric live_refused_total 'reason="older"') + $(metric live_refused_total 'reason="older"' "$ADMIN_B"))); }
seen_older() { [ "$(older)" -gt "$older" ]; }
check "an older entry is counted" wait_for seen_older
is "an older entry does not restore a revoked key" "$(code "$next")$(code "$next")$(code "$next")$(code "$next")" 401401401401
last=$(key new --person bob)
redis FLUSHALL >/dev/null
is "with an empty Redis, a revoked key stays revoked" "$(code "$next")$(code "$in_file")$(code "$next")$(code "$in_file")" 401401401401
check "with an empty Redis, other keys pass" both "$last" 200
has_all() { [ "$(redis HLEN 'tollgate:{live}:entries')" = "$(key list | tail -n +2 | wc -l)" ]; }
check "the daemons write all entries to Redis again" wait_for has_all

# ---- records ----
"$build/tollgate" audit export --journal "$D/journal" >"$D/records"
like "the record of a change has user, entry and reason" "$(grep '"type":"change"' "$D/records" | grep "$id" | head -1)" \
	'"what":"key","change":"new","id":"'"$id"'","by":"root","claimed":"ops","reason":"ticket 7","peer":\{"uid":[0-9]+,"pid":[0-9]+,"user":"[a-z]+"\},"before":null,"after":\{.*"person":"alice"'
like "the record has the earlier and the new values" "$(grep '"change":"change"' "$D/records")" '"before":\{.*"team":"red".*"after":\{.*"team":"blue"'
like "the record of the revocation has its reason" "$(grep '"change":"revoke"' "$D/records")" '"reason":"leaked"'
refused() { grep '"type":"decision"' "$D/records" | jq -r --arg id "$1" 'select(.status == 401 and .identity.key == $id) | .identity.method' | sort -u; }
is "a refusal of a revoked key has its id, and nobody is verified" "$(refused "$(id_of "$next")")" none
is "so has a refusal of a key in the file" "$(refused "$file_id")" none
is "a key with another secret has no id in records" "$(refused "$(id_of "$other")")" ""
like "the log names the key" "$(cat "$D"/*.log)" "event=credential.refused .*key=$file_id"
unlike "the records contain no secret" "$(grep '"type":"change"' "$D/records")" 'sha256|tg_[0-9a-z]{8}_'
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"

# ---- without Redis, after a restart of both daemons ----
redis shutdown nosave >/dev/null 2>&1
kill -TERM "$pid_a"
wait_for gone "$pid_a"
killed second
sed -i '/^redis:/,/^[^ ]/{/^redis:/d; /^ /d}' "$D/tollgate.yaml"
"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/alone.log" 2>&1 &
alone=$!
decides() { [[ $(code "$last") = 200 ]]; }
wait_for decides # waits until HAProxy has found the daemons
is "after a restart without Redis, revoked keys stay revoked" "$(code "$next") $(code "$in_file")" "401 401"
is "other keys pass" "$(code "$last")" 200
solo=$(key new --person solo)
is "a key can be created without Redis" "$(code "$solo")" 200
key revoke "$(id_of "$solo")"
is "it is revoked at once" "$(code "$solo")" 401
kill -TERM $alone
wait $alone
# a manipulated state file
sed -i 's/"revoked":"[^"]*",//' "$D/journal.live"
is "a state file that does not verify stops the start" "$("$build/tollgate" serve -c "$D/tollgate.yaml" 2>&1 | tail -1 |
	sed 's/[^ ]*journal.live:[0-9]*/FILE/')" "tollgate: serve: FILE: the entry was not made with this state_key"
exit $failed
