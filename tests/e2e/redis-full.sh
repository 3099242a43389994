# A full Redis: the stream of records is shortened, the counters are not. Before that, `check` and `status` compare
# the memory that Redis may need with its maxmemory.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
stack_up
auth="authorization: Bearer $(token)"
codes() { # sends N requests, 8 at a time; prints how many have each status
	seq "$1" | xargs -P 8 -I{} curl -s -m 90 -o /dev/null -w '%{http_code}\n' -H "$auth" "$EDGE/v1/models" | sort | uniq -c | tr -s ' \n' ' '
}
memory() { redis info memory | tr -d '\r' | sed -n "s/^$1://p"; }
status_lines() { "$B/tollgate" status -c "$D/tollgate.yaml" 2>&1; }

is "requests pass" "$(codes 100)" " 100 200 "
unlike "if Redis has no memory limit, status has no line about it" "$(status_lines)" 'redis: may need'

# ---- the memory that Redis may need ----
redis config set maxmemory-policy noeviction >/dev/null
redis config set maxmemory 300mb >/dev/null # 256 MB of the stream alone are more than 80 %
like "check warns" "$("$B/tollgate" check -c "$D/tollgate.yaml" 2>&1)" "note: $D/tollgate.yaml:[0-9:]* redis.url: may need 2[67][0-9] MB of its maxmemory of 314 MB: raise that, or lower audit.stream_bytes"
echo 'audit: {stream_bytes: 64m}' >"$D/small.yaml"
"$B/stackhelp" merge "$D/tollgate.yaml" "$D/small.yaml" >"$D/smaller.yaml"
unlike "check does not warn with a stream of 64 MB" "$("$B/tollgate" check -c "$D/smaller.yaml" 2>&1)" 'may need'
short() { codes 1 >/dev/null; status_lines | grep -q '^redis: may need 2[67][0-9] MB of its maxmemory of 314 MB: '; }
check "status warns" wait_for short

# ---- a full Redis ----
codes 1500 >/dev/null
# the stream may be shortened by the last records between the two commands
full() { redis config set maxmemory $(($(memory used_memory) - 200000)) >/dev/null && [ "$(redis set other x 2>&1 | cut -c1-3)" = OOM ]; }
check "Redis refuses any other write" wait_for full
is "1,000 requests all pass" "$(codes 1000)" " 1000 200 "
gave_way() { [ "$(metric audit_stream_gave_way_total)" -gt 0 ]; }
check "the stream was shortened" wait_for gave_way
check "the log reports it" grep -q 'event=audit.stream_gave_way stream=tollgate:audit:a ' "$D/tollgate.log"
like "status reports it" "$(status_lines)" '^audit stream: gave way: [0-9]+ entries were trimmed early'
unlike "each write of a counter succeeded in the end" "$(cat "$D/tollgate.log")" 'event=(quota.failed|redis.down)'
is "no request was refused because of a counter" "$(metric quota_failures_total)" 0
redis config set maxmemory 0 >/dev/null
caught_up() { [ "$(redis xrevrange tollgate:audit:a + - count 1 | head -1)" = "$(cat "$JOURNAL"/* | tr -d '\0' | grep -v '"commit":' | tail -1 | jq -r '"\(.boot)-\(.seq)"')" ]; }
check "with free memory again, the stream ends with the last record" wait_for caught_up
like "the rest of the stream verifies" "$("$B/tollgate" audit verify --redis "$REDIS" --public-key "$AUDIT_KEY" 2>&1)" '^ok node=a '
exit $failed
