# What daemons keep of keys and overrides: a state_file that is not there is said loudly, or no
# start; what is over for a day is purged, with a record, and no copy of old brings it back.
# Once: nothing of HAProxy's is tried.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
"$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" >/dev/null 2>&1
stack_up --policy "$D/p/policy.yaml" --second
pid_a=$(pid_of tollgate) pid_b=$(pid_of second)
ended() { # PID: told to end, and it did
	kill -TERM "$1"
	wait_for gone "$1"
}
again() { # the first daemon once more
	"$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >"$D/again.log" 2>&1 &
	pid_a=$!
	wait_for says . ready
}
entries='tollgate:{live}:entries'

k=$(key new --person alice) r=$(key new --person bob)
key revoke "$(cut -d_ -f2 <<<"$r")"
synced
unlike "a daemon with its file says nothing of it" "$(ready)" state_file
is "nor does the metric" "$(metric live_state_lost '')" 0

# ---- alone, without its file, on an old Redis ----
check "both end" eval 'ended "$pid_a" && ended "$pid_b"'
mv "$D/journal.live" "$D/moved.live"
check "it starts without its file" again
check "and says that it lost it" wait_for says '^state_file: lost: .*/journal.live was missing at the start, so 2 entries of Redis are trusted' ready
like "loudly" "$(cat "$D/again.log")" 'level=error event=live.lost entries=2'
is "as a metric" "$(metric live_state_lost '')" 1
check "it ends" ended "$pid_a"
check "with its file again it starts" again
wait_for grep -q event=live.up "$D/again.log"
unlike "and there is nothing to say" "$(ready)$(cat "$D/again.log")" 'state_file|live.lost|live.believed'
ended "$pid_a"
rm "$D/journal.live"
redis DEL 'tollgate:{live}:nodes' >/dev/null
again
check "a node that was never there says what it believes" wait_for says '^state_file: new: .* 2 entries of Redis are trusted' ready
like "in the log too" "$(cat "$D/again.log")" 'level=warn event=live.believed entries=2'
is "it is not lost" "$(metric live_state_lost '')" 0
ended "$pid_a"
rm "$D/journal.live"
echo 'state_required: true' >>"$D/tollgate.yaml"
"$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >"$D/refused.log" 2>&1
is "where the file is required there is no start without it" $? 2
like "and why" "$(cat "$D/refused.log")" '^tollgate: serve: .*/journal.live: No such file or directory, but state_required is set: .*install -m 600 /dev/null '
is "none was made" "$(ls "$D/journal.live" 2>/dev/null)" ""
cp "$D/moved.live" "$D/journal.live"
check "with it there is" again
like "the revoked key is revoked" "$(key list)" "^$(cut -d_ -f2 <<<"$r") +bob .* revoked$"

# ---- purged ----
"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >"$D/again-b.log" 2>&1 &
pid_b=$!
# entry FIELD JSON: as a daemon with this key writes it
entry() {
	python3 - "$(sed -n 's/^state_key: *//p' "$D/tollgate.yaml" | tr -d '"')" "$2" "$D" <<'PY' | redis -x HSET "$entries" "$1" >/dev/null
import hashlib, hmac, os, sys
secret = open(os.path.join(sys.argv[3], sys.argv[1]), "rb").read().strip()
key = hashlib.blake2b(secret, digest_size=32, key=b"tollgate-live-v1").digest()
text = sys.argv[2].encode()
sys.stdout.write(sys.argv[2] + " " + hmac.new(key, text, hashlib.sha256).hexdigest())
PY
}
hash=$(printf '0%.0s' $(seq 63))1
key_of() { printf '{"kind":"key","id":"%s","serial":%s,"sha256":"%s","person":"old"%s}' "$1" "$2" "$hash" "$3"; }
entry key:aaaaaaaa "$(key_of aaaaaaaa 5 ',"revoked":"2020-01-01T00:00:00Z"')"
entry key:bbbbbbbb "$(key_of bbbbbbbb 5 ',"expires":"2020-01-01T00:00:00Z","latest":"2020-01-01T00:00:00Z"')"
redis INCR 'tollgate:{live}:version' >/dev/null
purged() { [ "$(redis HLEN "$entries")" = 3 ] && redis HGET "$entries" key:aaaaaaaa | grep -q '"kind":"gone"'; }
check "of one Redis has a name, soon, of the other nothing" wait_for purged
unlike "one that ended long ago has no place" "$(key list)$(key_b list)" 'bbbbbbbb'
wait_for same_listed
unlike "nor do the daemons" "$(key list)$(key_b list)" 'aaaaaaaa'
# by whichever comes first
like "it is logged" "$(cat "$D/again.log" "$D/again-b.log")" 'event=live.purged entries=1'
purges() { for n in '' -b; do "$build/tollgate" audit export -c "$D/tollgate$n.yaml"; done | grep '"change":"purge"'; }
wait_for says . purges
like "and a record" "$(purges)" '"what":"live","change":"purge","entries":1,"ids":\["key:aaaaaaaa"\]'
entry key:aaaaaaaa "$(key_of aaaaaaaa 4 '')"
redis INCR 'tollgate:{live}:version' >/dev/null
wait_for purged
unlike "a copy of old is in force nowhere" "$(key list)$(key_b list)" 'aaaaaaaa'
like "nor in Redis any more" "$(redis HGET "$entries" key:aaaaaaaa)" '"kind":"gone"'
like "and counted" "$(metric live_refused_total 'reason="older"')$(metric live_refused_total 'reason="older"' "$ADMIN_B")" '[1-9]'
# One that was down since before has it on its disk yet, and the other is away now.
ended "$pid_a"
ended "$pid_b"
sed -i '/"kind":"gone"/d' "$D/journal.live"
(entry key:aaaaaaaa "$(key_of aaaaaaaa 4 '')") && redis HGET "$entries" key:aaaaaaaa >>"$D/journal.live"
redis HDEL "$entries" key:aaaaaaaa >/dev/null
"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >"$D/again-b.log" 2>&1 &
pid_b=$!
wait_for purged
ended "$pid_b"
again
unlike "a daemon that was down learns of it before it listens" "$(key list)" 'aaaaaaaa'
like "the key that lives does" "$(key list)" "^$(cut -d_ -f2 <<<"$k") +alice .* live$"
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"
kill "$pid_a"
wait "$pid_a"
exit $failed
