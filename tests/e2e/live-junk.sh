# Invalid values in the keys of Redis that daemons use to share keys and limits. A revocation still reaches every
# daemon, and the invalid value is reported.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
"$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" >/dev/null 2>&1
stack_up --policy "$D/p/policy.yaml" --second
live='tollgate:{live}'
revoked_at_b() { grep -q "^$1 .* revoked$" <<<"$(key_b list)"; }
gets_through() { # NAME: checks that a key revoked at this daemon is revoked at the other
	local id
	id=$(key new --person "p" | cut -d_ -f2)
	key revoke "$id"
	is "$1: the revocation succeeds" "$? $(cat "$D/key.err")" \
		"0 tollgate: key $id is revoked here, and with every daemon of this Redis within a second."
	check "$1: the other daemon has the revocation" wait_for revoked_at_b "$id"
}
gets_through "without invalid values"
is "there is no report" "$(ready | grep -c 'keys and limits')" 0

# ---- a key of a wrong type, and a version that is no number ----
for k in entries version nodes; do
	for wrong in "SET $live:$k hello" "LPUSH $live:$k a b" "SADD $live:$k a" "XADD $live:$k * a b" "HSET $live:$k a b" \
		"ZADD $live:$k 1 a" "SETRANGE $live:$k 9 x"; do
		case $wrong in "HSET $live:nodes"*) continue ;; esac
		redis DEL "$live:$k" >/dev/null
		redis $wrong >/dev/null
		gets_through "${wrong%% *} $k"
	done
done
for n in abc -5 1e3 '' 9223372036854775807 99999999999999999999 ' 7'; do
	redis SET "$live:version" "$n" >/dev/null
	gets_through "version '$n'"
done
check "a corrected key is reported" says "^keys and limits: $live:(entries|version|nodes) had a value that no daemon writes and was corrected" ready
like "the daemon is ready" "$(ready | tail -1)" '^ready$'
like "the correct value is restored" "$(redis HLEN "$live:entries") $(redis GET "$live:version")" '^[1-9][0-9]+ [0-9]+$'
is "it is logged once" "$(grep -c "event=live.refused.*field=$live" "$D/tollgate.log" | tr -d ' ')" 1

# ---- Redis without permission ----
redis ACL SETUSER tollgate -hscan -hset >/dev/null
redis SET "$live:version" 7 >/dev/null
check "if Redis refuses, the daemon is not ready" wait_for says '^keys and limits: down: .*NOPERM' ready
like "readyz ends with: not ready" "$(ready | tail -1)" '^not ready$'
id=$(key new --person p | cut -d_ -f2)
key revoke "$id"
like "a revocation reports that no other daemon knows it" "$(cat "$D/key.err")" 'key: not in Redis yet: .*NOPERM.*: other daemons do not know the change'
redis ACL SETUSER tollgate +hscan +hset >/dev/null
check "later the other daemon has the revocation" wait_for revoked_at_b "$id"
check "the daemon is ready again" wait_for says '^ready$' ready

# ---- unknown fields ----
lines() { cat "$D/tollgate.log" | grep -c event=live.refused; }
before=$(lines) forged=$(metric live_refused_total 'reason="forged"')
python3 - "$live:entries" <<'PY' | redis --pipe >/dev/null
import sys
for i in range(30000):
    name = ("key:junk%04d" if i % 3 else "j:%d") % i
    text = ("x" * (i % 97)) if i % 2 else '{"kind":"key","id":"a"} nonsense'
    sys.stdout.write("HSET %s %s '%s'\r\n" % (sys.argv[1], name, text.replace('"', "")))
    if i % 1000 == 0: sys.stdout.write("HSET %s big%d %s\r\n" % (sys.argv[1], i, "y" * 40000))
PY
is "twenty thousand fields are written" "$(($(redis HLEN "$live:entries") > 20000))" 1
gets_through "with thirty thousand unknown fields"
few() { [ "$(redis HLEN "$live:entries")" -lt 100 ]; }
check "they are removed" wait_for few
like "they are counted" "$(($(metric live_refused_total 'reason="forged"') - forged)) $(metric live_refused_total 'reason="forged"' "$ADMIN_B")" '[1-9]'
is "each daemon writes one log line" "$(($(lines) - before <= 2))" 1
mac=$(printf 'a%.0s' $(seq 64)) before=$(lines)
for i in $(seq 400); do echo "HSET $live:entries key:f0000$i '{} $mac'"; done | redis >/dev/null
redis INCR "$live:version" >/dev/null
more() { [ "$(lines)" -gt "$before" ]; }
check "a field with another signature is reported" wait_for more
gets_through "with fields that another key signed"
redis INCR "$live:version" >/dev/null
gets_through "again"
is "such fields are reported in one log line" "$(($(lines) - before))" 1
is "such a field stays, because another daemon may have written it" "$(($(redis HLEN "$live:entries") > 400))" 1

# ---- messages of revoke ----
k=$(key new --person q) id=$(cut -d_ -f2 <<<"$k") secret=$(cut -d_ -f3 <<<"$k")
"$build/tollgate" key revoke "$id" --keys "$D/p/keys.yaml" 2>"$D/key.err"
like "a run-time key is not in the key file, which the error explains" "$? $(cat "$D/key.err")" "^1 tollgate: key revoke: $id: no such key in .*keys.yaml. .*tollgate key revoke --live $id$"
for given in "$k" "$secret" "Bearer $k" "TG_${k#tg_}" "${k%?????}" "${id}_$secret"; do
	for how in "--keys $D/p/keys.yaml" "--live -c $D/tollgate.yaml"; do
		for verb in revoke rotate; do
			"$build/tollgate" key $verb "$given" $how >"$D/key.err" 2>&1
			is "$verb ${how%% *} of a secret does not print it" "$? $(grep -c "${secret:0:8}" "$D/key.err")" "2 0"
		done
	done
done
like "the message has the key's id" "$("$build/tollgate" key revoke "$k" --live -c "$D/tollgate.yaml" 2>&1)" "give only its ID, $id"
limit set requests --for "key=$k" --to 5 >/dev/null
is "limit does not print a secret either" "$(grep -c "${secret:0:8}" "$D/key.err")" 0
key revoke "$id"
exit $failed
