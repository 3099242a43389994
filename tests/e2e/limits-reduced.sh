# Two daemons with `redis.daemons: 2` and a Redis that has lost its data, of which only one starts: rolling limits are reduced,
# and the denial, `quota get` and `status` say so. When the other daemon has come, the limits are whole. They stay whole if Redis
# loses its data while one daemon is stopped, and if both daemons start into an empty Redis: nothing is held back or counted twice.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: shares
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai}
limits:
  - {name: web, per: [identity.person], requests: 4, window: 1h}
default: permit
Y
echo 'redis: {daemons: 2}' >"$D/mine.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 2
redis=$(sed -n 's/.*"unix:\(.*redis.sock\)".*/\1/p' "$D/tollgate.yaml")
ask() {
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims '{"sub":"ann"}')" -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
}
admitted() { ask && [ "$status" = 200 ]; }
status_of() { "$build/tollgate" status -c "$D/tollgate.yaml" 2>&1; }
quota_of() { "$build/tollgate" quota get --person ann -c "$D/tollgate.yaml" "$@"; }
end() { # ends the daemon of this name
	local pid
	pid=$(pid_of "$1")
	kill -TERM "$pid"
	echo "$pid $1" >>"$D/.killed"
	wait_for gone "$pid"
}
begin() { "$build/tollgate" serve -c "$D/tollgate$1.yaml" </dev/null >>"$D/again$1.log" 2>&1 & }

check "a request is admitted" wait_for admitted
# The first daemon was ready before the second one started, on an empty Redis.
is_whole() { ! says reduced quota_of; }
check "limits are whole when both daemons run" wait_for is_whole
is_told_whole() { ! says reduced status_of; } # workers may learn it one after the other
check "status shows whole limits" wait_for is_told_whole
end second
end tollgate
redis-cli -s "$redis" flushall >/dev/null
begin ''
first=$!
trap '{ kill $first $second; } 2>/dev/null; finish' EXIT
second=
check "the first daemon admits a request, without the other one" wait_for admitted
ask
is "its limit is half of 4, and the earlier request counts" "$status" 429
like "the denial states that the limit is reduced" "$body" 'over the limit web: 2 requests in 3600 s \(reduced, for [0-9]+ min at most: another gateway has not reported its use\)'
like "quota get states that the limit is reduced" "$(quota_of)" 'web \(reduced to 2 for (1h|[0-9]+m)[^)]*\)'
is "quota get subtracts from the reduced limit" "$(quota_of --json | jq -c '.[0] | [.of, .reduced_to, .used, .left]')" '[4,2,2,0]'
is_counted() { ! says counting status_of; }
check "all workers continue" wait_for is_counted
like "status states that rolling limits are reduced" "$(status_of)" 'rolling limits are reduced to ([0-9]+)/[0-9]+ for [0-9]+ s at most'
begin -b
second=$!
is_whole() { ! says reduced status_of && admitted; }
check "the limit is whole when the other daemon has started" wait_for is_whole
like "the log states that limits are whole" "$(cat "$D/again.log")" 'event=quota.whole'
is "quota get shows the whole limit" "$(quota_of --json | jq -c '.[0] | [.of, .reduced_to, .used]')" '[4,null,3]'

# ---- Redis loses its data while one daemon is stopped ----
used() { quota_of --json 2>/dev/null | jq -c '.[0] | [.of, .reduced_to, .used]'; }
stop() { kill -TERM "$1" && wait_for gone "$1"; }
stop "$second"
sleep 5 # after this time, the first daemon does not count as one that may still report usage
redis-cli -s "$redis" flushall >/dev/null
began=$SECONDS
check "the other daemon admits the last request of the limit" wait_for admitted
check "it does not wait for the stopped daemon" [ $((SECONDS - began)) -lt 5 ]
unlike "no limit is reduced" "$(status_of)" reduced
begin -b
second=$!
is_used() { [ "$(used)" = "[4,null,4]" ]; }
check "all usage is counted once when the stopped daemon has started again" wait_for is_used
ask
is "the limit is reached" "$status" 429
unlike "the denial does not mention a reduction" "$body" reduced

# ---- both daemons start with an empty Redis ----
stop "$first"
stop "$second"
redis-cli -s "$redis" flushall >/dev/null
begin ''
first=$!
begin -b
second=$!
check "both daemons add their usage to an empty Redis" wait_for is_used
unlike "no limit is reduced then" "$(status_of)" reduced
refused() { ask && [ "$status" = 429 ]; }
check "the limit is reached as before" wait_for refused
unlike "that denial does not mention a reduction either" "$body" reduced
