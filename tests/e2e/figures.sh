# Figures that agree: the tile of failed requests and its list, hits of rules that route, the team of a person whose
# limits are asked for, and the trends of the minute in which the daemon stops.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: figures
mode: enforce
on_failure: {classifier: deny, quota: deny, audit: deny, unreadable: deny}
identity: [{jwt: {header: authorization, demo_issuer: true}}]
providers:
  first: {backend: local, dialect: openai, external: false, region: eu}
  other: {backend: local_2, dialect: openai, external: false, region: eu}
routes:
  - {name: both, match: {methods: [POST], path: [/v1/chat/completions]}, response: [meter], targets: [first, other]}
  - {name: alone, match: {methods: [POST], path: [/alone/v1/chat/completions]}, dialect: openai, response: [meter], targets: [first]}
rules:
  - {name: to-other, when: 'identity.team == "blue"', route: {targets: [other]}}
  - {name: never, when: 'identity.team == "none"', route: {targets: [other]}}
default: permit
limits:
  - {name: of-team, per: [identity.team], when: 'identity.team == "blue"', requests: 100, window: {calendar: month}}
  - {name: of-person, per: [identity.person], requests: 100, window: {calendar: month}}
Y
printf 'redis: {daemons: 2, deadline: 1s}\n' >"$D/config.yaml" # the second one does not start
stack_up --providers 2 --policy "$D/policy.yaml" --config "$D/config.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
sock=$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml")
of_admin() { curl -s -m 20 --unix-socket "$sock" "http://x/$1"; }
ask() { # PATH CLAIMS
	req POST "$1" -H "authorization: Bearer $(token --claims "$2")" -H 'content-type: application/json' \
		-d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
}

for _ in 1 2 3; do ask /v1/chat/completions '{"sub":"bea","team":"blue"}'; done
is "a rule sends the requests of a team to another target" "$status" 200
rule() { of_admin policy/rules | jq -c ".rules[] | select(.name == \"$1\") | $2"; }
is "each of these requests is a hit of the rule that routed it" "$(rule to-other '[.since_version.apply, .since_start.apply, .last != null]')" '[3,3,true]'
is "a rule that did not match has no hit" "$(rule never '[.since_version[]] | add')" 0

# An attempt that fails and one that succeeds are one request without an error.
"$root/tests/support/stack" provider stop 1 --dir "$D"
ask /v1/chat/completions '{"sub":"ann","team":""}'
is "another target responds" "$status" 200
for _ in 1 2; do ask /alone/v1/chat/completions '{"sub":"ann","team":""}'; done
settled
failed() { metric failed_requests_total; }
tg audit search --outcome error --count --json
listed=$(jq '[.. | .hits? // empty] | add // 0' "$D/out" 2>/dev/null || cat "$D/out")
is "the number of failed requests is that of the list" "$(failed)" "$listed"
is "the number has the requests that failed, without the attempt before a success" "$(failed)" 2

tg quota get --person bea
like "quota get finds the person's team in the records" "$(cat "$D/err")" 'bea is in the team blue'
like "limits of the team are listed" "$(cat "$D/out")" '^of-team '
tg quota get --person ann
like "quota get reports that it knows no team" "$(cat "$D/err")" 'the team of ann is not known.*give --team'
unlike "then no limit of a team is listed" "$(cat "$D/out")" '^of-team '
tg quota get --person ann --team blue
is "a given team is not searched for" "$(cat "$D/err")" ''
like "limits of the given team are listed" "$(cat "$D/out")" '^of-team '

away() { "$B/tollgate" status -c "$D/tollgate.yaml" 2>/dev/null | grep -q '^degraded: daemons: 1 of 2 daemons'; }
later() { local until=$((SECONDS + 60)); until "$@"; do [ $SECONDS -lt $until ] || return 1; sleep 1; done; }
check "a daemon of redis.daemons that is away is a degraded part" later away
is "the metrics have the part" "$(metric degraded 'part="daemons"')" 1
is "GET /now has the part" "$(of_admin now | jq -c '[.. | objects | select(.what? == "daemons") | .state]')" '["away"]'
is "the metrics have the team's requests" "$(metric team_decisions_total 'team="blue",decision="permit"')" 3

all() { of_admin 'trends?range=1h' | jq -c '[.series[0] | (.permit // [] | map(. // 0) | add), (.failed // [] | map(. // 0) | add)]'; }
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
"$B/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 &
note_pid $! tollgate
check "the daemon is back" wait_for ready
is "requests of the minute before a stop are in the trends" "$(all)" '[6,2]'
exit $failed
