# A clock that is wrong and then corrected, while daemons run and at their start: limits hold, run-time keys stay,
# revoked keys stay revoked, records are found, and status reports the wrong clock.
# Once: HAProxy does not affect the result.
# Long: clocks are wrong for 20 s.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/skewed.bash"
edge_up() { req GET /v1/models -H "x-api-key: $k_ann"; [ "$status" = 200 ]; }
again() { stopped tollgate; daemon a; wait_for is_ready; wait_for edge_up; }
status_of() { "$build/tollgate" status -c "$D/tollgate.yaml" 2>&1; }
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: clock
mode: enforce
identity:
  - {jwt: {keys: issuer.jwks, issuer: "https://issuer.test", audience: tollgate}}
  - api_key: {header: x-api-key, keys: keys.yaml}
providers:
  openai: {backend: openai, dialect: openai}
routes:
  - {name: chat, match: {methods: [POST], path: [/v1/chat/completions]}, response: [meter], targets: [openai]}
  - {name: models, match: {methods: [GET], path: [/v1/models]}, targets: [openai]}
default: permit
limits:
  - {name: day, when: 'route.name == "chat"', per: [identity.person], requests: 5, window: {calendar: day}}
  - {name: rolling, when: 'route.name == "chat"', per: [identity.person], requests: 6, window: 1h}
Y
k_ann=$("$build/tollgate" key new --person ann --keys "$D/keys.yaml" 2>/dev/null)
sed -i '/jwt:/d' "$D/policy.yaml"
admin_key() { status=''; req GET /v1/models -H "x-api-key: $1"; echo "$status"; }
# admitted N: prints how many of N requests pass
admitted() {
	local n=0 i
	for ((i = 0; i < $1; i++)); do
		req POST /v1/chat/completions -H "x-api-key: $k_ann" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
		[ "$status" != 200 ] || n=$((n + 1))
	done
	echo $n
}
clear_of day 300

# ---- without Redis ----
printf 'workers: 1\n' >"$D/config.yaml"
clock a 864000
stack_up --no-redis --policy "$D/policy.yaml" --config "$D/config.yaml" --preload "$skew"
is "with a clock that is ten days ahead at the start, a limit holds" "$(admitted 7)" 5
clock a 0
again
is "after the clock is corrected, the limit of the true day holds" "$(admitted 9)" 5
again
is "the limit holds after a restart" "$(admitted 9)" 0
one() { admitted 1 >/dev/null; }
soon() { r=$(header retry-after); [ "${r:-0}" -gt 0 ] && [ "$r" -le 86400 ]; }
one
check "Retry-After ends on the true day ($(header retry-after) s)" soon
clock a 864000
again
is "after a start with the clock ahead, the window of the other day still holds" "$(admitted 3)" 0
clock a 0
is_told() { status_of | grep -q '^clock: this machine.s clock was set 864000 s back'; }
check "a correction of the clock is followed while the daemon runs" wait_for is_told
is "the limit of the true day still holds" "$(admitted 3)" 0
one
check "Retry-After still ends on the true day ($(header retry-after) s)" soon
like "the correction is logged" "$(cat "$D/tollgate.log")" 'event=clock.set.* by_s=-864000'

k=$(key new --person dora --ttl 1h)
is "a key that ends in an hour is accepted" "$(admin_key "$k")" 200
again
clock a 864000
is_doubted() { status_of | grep -q '^clock: this machine.s clock was set 864000 s ahead, and nothing confirms the new time'; }
check "a clock that is set ahead is reported" wait_for is_doubted
is "no other window begins" "$(admitted 3)" 0
sleep 22 # two intervals after which ended keys are removed
clock a 0
is_over() { ! status_of | grep -q '^clock:.*confirms'; }
check "the report ends when the clock is right" wait_for is_over
is "a key with an end still exists" "$(admin_key "$k")" 200
unlike "no key was removed" "$(cat "$D/tollgate.log")" 'event=live.purged'
clock a -172800
is_behind() { status_of | grep -q '^clock: this machine.s clock was set 172800 s back, and nothing confirms the new time'; }
check "a clock that is set back is reported" wait_for is_behind
is "no earlier window begins" "$(admitted 3)" 0
is "the key is still accepted" "$(admin_key "$k")" 200
clock a 0
check "that report ends when the clock is right" wait_for is_over
clock a -7200
again
is "with a clock that is two hours behind at the start, the limit holds" "$(admitted 3)" 0
clock a 0
again
since=$(date -u -d '-100 minutes' +%FT%TZ)
total=$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"decision"' | grep -o '"time":"[^"]*"' | cut -d'"' -f4 | awk -v s="$since" '$0 >= s' | wc -l)
is "audit list --since finds each record" "$("$build/tollgate" audit list --json -c "$D/tollgate.yaml" --since "$since" 2>"$D/list.err" | grep -c '"type":"decision"')" "$total"
like "audit list reports where times go back" "$(cat "$D/list.err")" 'times go back [0-9]+ times?, first from .* in segment a-'
check "the journal verifies" verifies "$JOURNAL" "$D/audit.key.pub"
"$root/tests/support/stack" down --dir "$D"

# ---- with Redis, two daemons ----
clock a 0
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --daemons 2 --preload "$skew"
k=$(key new --person eve --ttl 1h)
synced
stopped second
key revoke "$(cut -d_ -f2 <<<"$k")" >/dev/null
clock a 864000
sleep 22
clock a 0
daemon b
revoked() { key_b list | grep -q "^$(cut -d_ -f2 <<<"$k") .*revoked"; }
check "a daemon that was down learns of the revocation" wait_for revoked
check "both know the key" synced
for _ in 1 2 3 4; do is "the key stays revoked" "$(admin_key "$k")" 401; done
final
