# A person is erased while the cache's Redis does not respond. The erasure is incomplete: the status of each node and
# `degraded` report that, also after a restart. The daemons try again, and finally the person's responses are deleted.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/answers-redis.bash"
cat >"$D/mine.yaml" <<Y
audit: {persons: pseudonym}
cache: {redis: "redis://127.0.0.1:$port"}
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: cache-away
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: redacted},
     cache: {exact: {ttl: 1h, temperature: 1}}}
default: permit
Y
answers_redis "a Redis for responses" $evicting
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 2
audit() { "$build/tollgate" audit "$2" "${@:3}" -c "$D/tollgate$1.yaml"; } # ''|-b VERB …
post() { # PERSON
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
}
stored() { redis keys 'tollgate:cache:*' | grep -vc asks; }
two_stored() { [ "$(stored)" = 2 ]; }
for who in alice bob; do post $who; done
check "a response for each person is stored" wait_for two_stored

# ---- Redis is unreachable ----
kill -STOP $redis_pid
audit '' erase --person alice --why asked --ticket DSR-9 >"$D/erased" 2>"$D/err"
is "an erasure can still be requested" $? 0
like "the command reports that the cache is left" "$(cat "$D/erased")" '^[0-9a-f]{16} .*a: not yet \(left: cache\)'
erasure=$(cut -c 1-16 "$D/erased")
holders() { cat "$D"/journal*.shares | awk '$1 == "share" && NF == 5 { print $4 }' | while read -r h; do base64 -d <<<"$h" && echo; done | sort -u | paste -sd' '; }
gone_everywhere() { [ "$(holders)" = bob ]; }
check "the person's shares are deleted on both nodes" wait_for gone_everywhere
status_of() { audit "$1" erase --status >"$D/status" 2>&1; }
left_on() { # ''|-b NODE…: that node's status says that the cache is left on these
	local n
	status_of "$1"
	[ $? = 1 ] || return
	for n in "${@:2}"; do grep -Eq "^$erasure .* $n +not yet +- +cache\$" "$D/status" || return; done
}
check "the status of the first node names what is left on both" wait_for left_on '' a b
check "the status of the second node names it too" wait_for left_on -b a b
is "the status as JSON names it" "$(audit '' erase --status --json | jq -c '.erasures[0].nodes[] | select(.node == "a") | [.done, .left]')" '[false,["cache"]]'
degraded() { "$build/tollgate" status -c "$D/tollgate$1.yaml" 2>&1; }
for n in '' -b; do check "node${n} is degraded" wait_for says 'degraded: cache: an erasure is incomplete: ' degraded "$n"; done
recorded() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | jq -c "select(.type == \"degraded\" and .dependency == \"cache\") | .what" | paste -sd' '; }
check "the degradation is recorded" wait_for says '"begin"' recorded
is "it is logged once" "$(grep -c 'event=cache.not_erased' "$D/tollgate.log")" 1

# ---- after a restart ----
pid_b=$(pid_of second)
kill -TERM "$pid_b"
echo "$pid_b second" >>"$D/.killed"
wait_for gone "$pid_b"
"$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >>"$D/again-b.log" 2>&1 &
pid_b=$!
wait_for says . fetch GET "$ADMIN_B/readyz"
check "after a restart, the status still names what is left" wait_for left_on -b b

# ---- Redis is reachable again ----
kill -CONT $redis_pid
all_done() { status_of '' && status_of -b; }
check "both nodes complete the erasure" wait_for all_done
like "the status has the time" "$(cat "$D/status")" "^$erasure .* DSR-9 +a +done +20[0-9-]+T[^ ]+ +-\$"
is "only the other person's response is stored" "$(stored)" 1
post bob
is "the other person's response is returned" "$(header x-tollgate-cache)" hit
post alice
is "the erased person's response is not" "$(header x-tollgate-cache)" miss
check "the end of the degradation is recorded" wait_for says '"begin" "end"' recorded
like "the deletion is logged" "$(cat "$D"/tollgate*.log "$D/again-b.log" | grep -h event=cache.erased)" 'entries=1'
settled
kill -TERM "$pid_b"
wait_for gone "$pid_b"
check "the other node's chain verifies" verifies "$D/journal-b" "$D/audit-b.key.pub"
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
