# The state file of keys and overrides. A missing file is reported as an error, or stops the start. Entries that ended
# a day ago are removed with a record, and older copies do not restore them.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
"$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" >/dev/null 2>&1
stack_up --policy "$D/p/policy.yaml" --second
pid_a=$(pid_of tollgate) pid_b=$(pid_of second)
ended() { # PID: sends SIGTERM and waits for the end
	kill -TERM "$1"
	wait_for gone "$1"
}
again() { # starts the first daemon again
	"$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >"$D/again.log" 2>&1 &
	pid_a=$!
	wait_for says . ready
}
entries='tollgate:{live}:entries'

k=$(key new --person alice) r=$(key new --person bob)
key revoke "$(cut -d_ -f2 <<<"$r")"
synced
unlike "with its state file, a daemon reports nothing" "$(ready)" state_file
is "the metric is 0" "$(metric live_state_lost '')" 0

# ---- one daemon without its file, with an older Redis ----
check "both daemons end" eval 'ended "$pid_a" && ended "$pid_b"'
mv "$D/journal.live" "$D/moved.live"
check "the first daemon starts without its file" again
check "readyz reports the loss" wait_for says '^state_file: lost: .*/journal.live was missing at the start, so 2 entries of Redis are trusted' ready
like "the loss is logged as an error" "$(cat "$D/again.log")" 'level=error event=live.lost entries=2'
is "the metric is 1" "$(metric live_state_lost '')" 1
check "the daemon ends" ended "$pid_a"
check "it starts with its file" again
wait_for grep -q event=live.up "$D/again.log"
unlike "then nothing is reported" "$(ready)$(cat "$D/again.log")" 'state_file|live.lost|live.believed'
ended "$pid_a"
rm "$D/journal.live"
redis DEL 'tollgate:{live}:nodes' >/dev/null
again
check "a new node reports the entries that it accepts from Redis" wait_for says '^state_file: new: .* 2 entries of Redis are trusted' ready
like "a new node logs them as a warning" "$(cat "$D/again.log")" 'level=warn event=live.believed entries=2'
is "that does not count as a loss" "$(metric live_state_lost '')" 0
ended "$pid_a"
rm "$D/journal.live"
echo 'state_required: true' >>"$D/tollgate.yaml"
"$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >"$D/refused.log" 2>&1
is "with state_required, a daemon does not start without the file" $? 2
like "the error names the file" "$(cat "$D/refused.log")" '^tollgate: serve: .*/journal.live: No such file or directory, but state_required is set: .*install -m 600 /dev/null '
is "no file was created" "$(ls "$D/journal.live" 2>/dev/null)" ""
cp "$D/moved.live" "$D/journal.live"
check "with the file, it starts" again
like "a revoked key stays revoked" "$(key list)" "^$(cut -d_ -f2 <<<"$r") +bob .* revoked$"

# ---- removal of ended entries ----
"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >"$D/again-b.log" 2>&1 &
pid_b=$!
# entry FIELD JSON: writes the entry to Redis as a daemon with this key does
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
check "the removed entry becomes an empty one in Redis, and the other is deleted" wait_for purged
unlike "a key that ended long ago is not listed" "$(key list)$(key_b list)" 'bbbbbbbb'
wait_for same_listed
unlike "the daemons do not list the other one either" "$(key list)$(key_b list)" 'aaaaaaaa'
# by the daemon that removes it first
like "the removal is logged" "$(cat "$D/again.log" "$D/again-b.log")" 'event=live.purged entries=1'
purges() { for n in '' -b; do "$build/tollgate" audit export -c "$D/tollgate$n.yaml"; done | grep '"change":"purge"'; }
wait_for says . purges
like "the removal is recorded" "$(purges)" '"what":"live","change":"purge","entries":1,"ids":\["key:aaaaaaaa"\]'
entry key:aaaaaaaa "$(key_of aaaaaaaa 4 '')"
redis INCR 'tollgate:{live}:version' >/dev/null
wait_for purged
unlike "an older copy does not restore the key" "$(key list)$(key_b list)" 'aaaaaaaa'
like "the older copy is replaced in Redis" "$(redis HGET "$entries" key:aaaaaaaa)" '"kind":"gone"'
like "the older copy is counted" "$(metric live_refused_total 'reason="older"')$(metric live_refused_total 'reason="older"' "$ADMIN_B")" '[1-9]'
# A daemon that was stopped since then still has the entry on its disk. The other daemon is stopped now.
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
unlike "a daemon that was stopped learns of the removal before it accepts requests" "$(key list)" 'aaaaaaaa'
like "the other key is still listed" "$(key list)" "^$(cut -d_ -f2 <<<"$k") +alice .* live$"
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"
kill "$pid_a"
wait "$pid_a"
exit $failed
