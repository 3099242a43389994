# Keys that are made while two daemons run: in force on both within a second, revoked at once on
# the one that is told, and kept whatever becomes of Redis. Nobody who can write to Redis makes one.
# Once: nothing of HAProxy's is tried.
# Long: times run out.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
in_file=$("$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" 2>"$D/file.id")
file_id=$(sed -n 's/.*key \([0-9a-z]*\) of.*/\1/p' "$D/file.id")
stack_up --policy "$D/p/policy.yaml" --second
# What a daemon answers is asked of that daemon alone: the other is stopped meanwhile.
pid_a=$(pid_of tollgate) pid_b=$(pid_of second)
chat='{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
code() { curl -s -m 90 -o "$D/answer" -w '%{http_code}' -H "authorization: Bearer $1" -H 'content-type: application/json' \
	-d "${2:-$chat}" "$EDGE/v1/chat/completions"; }
# both KEY CODE: six requests, shared by both daemons, soon all answered so
six_answer() {
	for _ in 1 2 3 4 5 6; do [ "$(code "$1")" = "$2" ] || return 1; done
}
both() { wait_for six_answer "$@"; }
id_of() { cut -d_ -f2 <<<"$1"; }

# ---- made, listed, used ----
k=$(key new --person alice --team red --models 'echo,gpt-4o*' --ttl 1h --by ops --reason 'ticket 7')
like "a new key is printed" "$k" '^tg_[0-9a-z]{8}_[0-9a-z]{52}$'
id=$(id_of "$k")
check "it passes on both daemons" both "$k" 200
synced
is "a model that it is not for is refused" "$(code "$k" "${chat/echo/claude-3}")" 403
like "and why" "$(cat "$D/answer")" 'the API key is not permitted to use this model'
is "so is none" "$(code "$k" '{"messages":[{"role":"user","content":"hello"}]}')" 403
control '{"content_type":"application/json","body":"{\"data\":[{\"id\":\"claude-3\"},{\"id\":\"echo\"}]}"}'
req GET /v1/models -H "authorization: Bearer $k"
is "it sees the models that it is for" "$status $body" '200 {"data":[{"id":"echo"}]}'
control '{}'
like "both list it" "$(key_b list)" "^$id +alice +red .* live$"
unlike "no list says its hash" "$(key list --json)" 'sha256'
is "another secret of the same id is unknown" "$(code "${k%?????}00000")" 401
is "nor is it in Redis, in the file or in a log" \
	"$({ redis HGETALL 'tollgate:{live}:entries'; cat "$D/journal.live" "$D"/*.log; cat "$D"/journal/*; } | grep -ac "${k##*_}")" 0

# ---- changed ----
key change "$id" --models '' --team blue >/dev/null
check "a change is in force on both" synced
is "any model by now" "$(code "$k" "${chat/echo/claude-3}")" 200
like "the team too" "$(key_b list)" "^$id +alice +blue "
key change nosuchid --team x >/dev/null
is "an unknown key is a no" $? 1
like "that says so" "$(cat "$D/key.err")" '^tollgate: key: nosuchid: no key with this id was created at run time: see tollgate key list$'
key new --team red >/dev/null
is "nobody's key is not made" "$? $(cat "$D/key.err")" "2 tollgate: key: person: this parameter is missing: name the person that the key authenticates"
key new --person x --ttl soon >/dev/null
like "an odd time is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: ttl soon: give a duration'
key new --person x --until friday >/dev/null
like "so is an odd day" "$? $(cat "$D/key.err")" '^2 tollgate: key: --until friday: give a date'
key new --person x --until 2020-01-01 >/dev/null
like "and one that is over" "$? $(cat "$D/key.err")" '^2 tollgate: key: expires 2020-01-01T00:00:00Z: the time is in the past'
key new --person dora --limits usd=5/day >/dev/null
like "dollars where nothing has a price are warned of" "$? $(grep usd "$D/key.err")" '^0 tollgate: key: --limits usd=5/day: the policy [^ ]+ has no prices'
"$build/tollgate" key new --person dora --limits requests=5/1m,usd=5/day --keys "$D/unused.yaml" -c "$D/tollgate.yaml" >/dev/null 2>"$D/key.err"
like "in a file too" "$? $(grep usd "$D/key.err")" '^0 tollgate: key: --limits requests=5/1m,usd=5/day: the policy [^ ]+ has no prices'
key new --person dora --limits requests=5/1m >/dev/null
is "others are not" "$? $(grep -c prices "$D/key.err")" "0 0"
dated=$(id_of "$(key new --person dated --until 2099-12-04)")
synced
like "a key that ends on a day" "$(key_b list)" "^$dated +dated .* 2099-12-04T00:00:00Z +live$"
key change "$dated" --until 2099-12-05T18:00:00+01:00 >/dev/null
synced
like "on another" "$(key_b list)" "^$dated +dated .* 2099-12-05T17:00:00Z +live$"
key new --person $'a\tb' >/dev/null
like "so is an odd name" "$? $(cat "$D/key.err")" '^2 tollgate: key: person: expected text without control characters'

is "on TCP nobody changes anything" "$(curl -s -w ' %{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" -d '{"person":"x"}' "$ADMIN/keys/new")" \
	'{"error":"this endpoint is only on the Unix socket (admin.listen)"}
 403'
is "nor reads them without the token" "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN/keys")" 401
admin=$(sed -n 's/.*unix@\(.*admin.sock\).*/\1/p' "$D/tollgate.yaml")
post() { curl -s -w ' %{http_code}' --unix-socket "$admin" "http://x/$1" -d "$2" | tr -d '\n'; }
is "no object is no call" "$(post keys/new '[]')" '{"error":"the body must be a JSON object"} 400'
is "nor is an odd member" "$(post keys/new '{"person":"x","sha256":"y"}')" '{"error":"sha256: a key has no such member: correct the name"} 400'
is "nor one that is too long" "$(post keys/new "{\"person\":\"$(head -c 70000 /dev/zero | tr '\0' x)\"}")" '{"error":"the body is longer than 64 KB: send less"} 413'
like "what changes something answers with the record that it left" "$(post keys/new '{"person":"recorded","reason":"ticket 8"}')" '"record":"a/[1-9][0-9]*"'
like "which can be shown" "$("$build/tollgate" audit show --seq "$(post keys/new '{"person":"recorded","reason":"ticket 8"}' | sed 's/.*"record":"\([^"]*\)".*/\1/')" -c "$D/tollgate.yaml" | tr -d '\n ')" '"change":"new".*"reason":"ticket8"'
like "nor a value of another kind" "$(post keys/new '{"person":["x"]}')" '^\{"error":"person: expected text without control characters"\} 400'

# ---- expiry ----
short=$(key new --person shorty --ttl 1h)
check "a key for an hour passes" both "$short" 200
key change "$(id_of "$short")" --ttl 1s >/dev/null
check "when its time is over it does no longer" both "$short" 401
like "its state" "$(key list)" "^$(id_of "$short") +shorty .* expired$"

# ---- rotated ----
next=$(key rotate "$id" --overlap 1h)
check "the next one passes" both "$next" 200
check "the last one meanwhile too" both "$k" 200
last=$(key new --person lara)
check "another" both "$last" 200
key rotate "$(id_of "$last")" --overlap 1s >/dev/null
check "and no longer" both "$last" 401
like "it is hers" "$(key list)" "^$(id_of "$next") +alice +blue "

# ---- forged: by who can write to Redis ----
entry=$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")
forged() { echo $(($(metric live_refused_total 'reason="forged"') + $(metric live_refused_total 'reason="forged"' "$ADMIN_B"))); }
refused=$(forged)
logged() { grep -qF "event=live.refused field=$1 why=\"$2\"" "$D/tollgate.log"; }
# One by one: a line names the first of what one look refuses.
forge() { # FIELD TEXT
	redis HSET 'tollgate:{live}:entries' "$1" "$2" >/dev/null
	redis INCR 'tollgate:{live}:version' >/dev/null
}
forge key:00000000 "${entry/alice/mallory}"
wait_for logged key:00000000 "the entry was not made with this state_key"
check "a forged one is logged" logged key:00000000 "the entry was not made with this state_key"
forge key:11111111 "$entry"
wait_for logged key:11111111 "the entry belongs to key:$(id_of "$next")"
check "one at another's place too" logged key:11111111 "the entry belongs to key:$(id_of "$next")"
forge "key:$(id_of "$next")" "${entry/alice/mallory}"
forge garbage "$(head -c 20000 /dev/zero | tr '\0' x)"
# Two by both; the one that is put right and the one that is removed by one of them, or by both.
# One of them may be read last.
counted() { local n; n=$(($(forged) - refused)); [ "$n" -ge 6 ]; }
wait_for counted
righted() { [ "$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")" = "$entry" ]; }
wait_for righted
gone() { [ -z "$(redis HGET 'tollgate:{live}:entries' garbage)" ]; }
wait_for gone
unlike "no forged key is listed" "$(key list)$(key_b list)" 'mallory|00000000|11111111'
like "each is counted once by each daemon that saw it" $(($(forged) - refused)) '^[678]$'
is "what was spoiled is put right" "$(redis HGET 'tollgate:{live}:entries' "key:$(id_of "$next")")" "$entry"
redis HDEL 'tollgate:{live}:entries' key:00000000 key:11111111 >/dev/null

# ---- revoked ----
# each answer, when it was asked for and when it came
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
check "it had passed" test "$(awk -v t="$told" '$1 == 200 && $2 < t' "$D/codes" | wc -l)" -gt 0
echo "# both have it after $(((both - told) / 1000000)) ms, and nobody passed after $(awk -v t="$told" '$1 != 401 { l = $2 } END { print (l > t ? int((l - t) / 1000000) : 0) }' "$D/codes") ms"
is "once both daemons have it no one passes it" "$(awk -v t="$both" '$1 != 401 && $2 > t' "$D/codes" | wc -l)" 0
key change "$(id_of "$next")" --team green
is "it is final" "$? $(cat "$D/key.err")" "1 tollgate: key: the key is revoked, which is final: create a new key"
is "a key of the file passes" "$(code "$in_file")" 200
key revoke "$file_id"
check "until it is revoked at run time" both "$in_file" 401

# ---- Redis as it was before: an old copy, and nothing at all ----
older=$(($(metric live_refused_total 'reason="older"') + $(metric live_refused_total 'reason="older"' "$ADMIN_B")))
redis HSET 'tollgate:{live}:entries' "key:$(id_of "$next")" "$entry" >/dev/null
redis INCR 'tollgate:{live}:version' >/dev/null
older() { echo $(($(metric live_refused_total 'reason="older"') + $(metric live_refused_total 'reason="older"' "$ADMIN_B"))); }
seen_older() { [ "$(older)" -gt "$older" ]; }
check "an entry of old is counted" wait_for seen_older
is "and revives no key" "$(code "$next")$(code "$next")$(code "$next")$(code "$next")" 401401401401
last=$(key new --person bob)
redis FLUSHALL >/dev/null
is "with Redis empty a revoked key stays so" "$(code "$next")$(code "$in_file")$(code "$next")$(code "$in_file")" 401401401401
check "and what is live lives" both "$last" 200
has_all() { [ "$(redis HLEN 'tollgate:{live}:entries')" = "$(key list | tail -n +2 | wc -l)" ]; }
check "Redis has all again" wait_for has_all

# ---- recorded ----
"$build/tollgate" audit export --journal "$D/journal" >"$D/records"
like "a change is a record: who, what, why" "$(grep '"type":"change"' "$D/records" | grep "$id" | head -1)" \
	'"what":"key","change":"new","id":"'"$id"'","by":"root","claimed":"ops","reason":"ticket 7","peer":\{"uid":[0-9]+,"pid":[0-9]+,"user":"[a-z]+"\},"before":null,"after":\{.*"person":"alice"'
like "with what it was before" "$(grep '"change":"change"' "$D/records")" '"before":\{.*"team":"red".*"after":\{.*"team":"blue"'
like "the revocation too" "$(grep '"change":"revoke"' "$D/records")" '"reason":"leaked"'
unlike "no secret in them" "$(grep '"type":"change"' "$D/records")" 'sha256|tg_[0-9a-z]{8}_'
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"

# ---- alone: Redis gone for good, both daemons started anew ----
redis shutdown nosave >/dev/null 2>&1
kill -TERM "$pid_a"
wait_for gone "$pid_a"
killed second
sed -i '/^redis:/,/^[^ ]/{/^redis:/d; /^ /d}' "$D/tollgate.yaml"
"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/alone.log" 2>&1 &
alone=$!
decides() { [[ $(code "$last") = 200 ]]; }
wait_for decides # HAProxy has found it
is "after a restart without Redis what was revoked stays so" "$(code "$next") $(code "$in_file")" "401 401"
is "and what is live lives" "$(code "$last")" 200
solo=$(key new --person solo)
is "keys are made without Redis" "$(code "$solo")" 200
key revoke "$(id_of "$solo")"
is "revoked at once" "$(code "$solo")" 401
kill -TERM $alone
wait $alone
# a file that somebody changed
sed -i 's/"revoked":"[^"]*",//' "$D/journal.live"
is "entries on disk that do not verify stop the start" "$("$build/tollgate" serve -c "$D/tollgate.yaml" 2>&1 | tail -1 |
	sed 's/[^ ]*journal.live:[0-9]*/FILE/')" "tollgate: serve: FILE: the entry was not made with this state_key"
exit $failed
