# What others write to the keys of Redis by which daemons tell each other of keys and limits: a
# revocation gets through all the same, and it is said.
# Once: nothing of HAProxy's is tried.
. "$(dirname "$0")/lib.sh"
mkdir -p "$D/p"
cp "$here/live-keys.policy.yaml" "$D/p/policy.yaml"
"$build/tollgate" key new --person filed --keys "$D/p/keys.yaml" >/dev/null 2>&1
stack_up --policy "$D/p/policy.yaml" --second
live='tollgate:{live}'
revoked_at_b() { grep -q "^$1 .* revoked$" <<<"$(key_b list)"; }
gets_through() { # NAME: a key that is revoked here is revoked there
	local id
	id=$(key new --person "p" | cut -d_ -f2)
	key revoke "$id"
	is "$1: told of nothing that hinders" "$? $(cat "$D/key.err")" \
		"0 tollgate: key $id is revoked here, and with every daemon of this Redis within a second."
	check "$1: revoked there" wait_for revoked_at_b "$id"
}
gets_through "as it should be"
is "and there is nothing to say" "$(ready | grep -c 'keys and limits')" 0

# ---- a key of a wrong type, or no number ----
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
check "a key that was put right is said" says "^keys and limits: $live:(entries|version|nodes) had a value that no daemon writes and was corrected" ready
like "and it is ready" "$(ready | tail -1)" '^ready$'
like "what was there is there again" "$(redis HLEN "$live:entries") $(redis GET "$live:version")" '^[1-9][0-9]+ [0-9]+$'
is "it is logged once" "$(grep -c "event=live.refused.*field=$live" "$D/tollgate.log" | tr -d ' ')" 1

# ---- Redis does not let it ----
redis ACL SETUSER tollgate -hscan -hset >/dev/null
redis SET "$live:version" 7 >/dev/null
check "not ready where Redis refuses" wait_for says '^keys and limits: down: .*NOPERM' ready
like "it is not ready" "$(ready | tail -1)" '^not ready$'
id=$(key new --person p | cut -d_ -f2)
key revoke "$id"
like "a revocation says that no other knows it" "$(cat "$D/key.err")" 'key: not in Redis yet: .*NOPERM.*: other daemons do not know the change'
redis ACL SETUSER tollgate +hscan +hset >/dev/null
check "it gets through later" wait_for revoked_at_b "$id"
check "ready again" wait_for says '^ready$' ready

# ---- junk fields ----
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
is "they are there" "$(($(redis HLEN "$live:entries") > 20000))" 1
gets_through "with thirty thousand junk fields"
few() { [ "$(redis HLEN "$live:entries")" -lt 100 ]; }
check "they go" wait_for few
like "counted" "$(($(metric live_refused_total 'reason="forged"') - forged)) $(metric live_refused_total 'reason="forged"' "$ADMIN_B")" '[1-9]'
is "one line at each daemon" "$(($(lines) - before <= 2))" 1
mac=$(printf 'a%.0s' $(seq 64)) before=$(lines)
for i in $(seq 400); do echo "HSET $live:entries key:f0000$i '{} $mac'"; done | redis >/dev/null
redis INCR "$live:version" >/dev/null
more() { [ "$(lines)" -gt "$before" ]; }
check "what has another's signature is said" wait_for more
gets_through "with what another signed"
redis INCR "$live:version" >/dev/null
gets_through "again"
is "in one line" "$(($(lines) - before))" 1
is "and stays: it may be another's" "$(($(redis HLEN "$live:entries") > 400))" 1

# ---- what revoke says ----
k=$(key new --person q) id=$(cut -d_ -f2 <<<"$k") secret=$(cut -d_ -f3 <<<"$k")
"$build/tollgate" key revoke "$id" --keys "$D/p/keys.yaml" 2>"$D/key.err"
like "a live key is none of the file's" "$? $(cat "$D/key.err")" "^1 tollgate: key revoke: $id: no such key in .*keys.yaml. .*tollgate key revoke --live $id$"
for given in "$k" "$secret" "Bearer $k" "TG_${k#tg_}" "${k%?????}" "${id}_$secret"; do
	for how in "--keys $D/p/keys.yaml" "--live -c $D/tollgate.yaml"; do
		for verb in revoke rotate; do
			"$build/tollgate" key $verb "$given" $how >"$D/key.err" 2>&1
			is "$verb ${how%% *} of a secret prints none" "$? $(grep -c "${secret:0:8}" "$D/key.err")" "2 0"
		done
	done
done
like "but its id" "$("$build/tollgate" key revoke "$k" --live -c "$D/tollgate.yaml" 2>&1)" "give its ID, $id"
limit set requests --for "key=$k" --to 5 >/dev/null
is "nor does limit" "$(grep -c "${secret:0:8}" "$D/key.err")" 0
key revoke "$id"
exit $failed
