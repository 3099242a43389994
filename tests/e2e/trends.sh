# GET /trends: the decisions of two daemons that share a Redis, as one series; a missing daemon; an unreachable Redis.
# Once: no version of HAProxy differs here.
# Late: it waits for minutes.
. "$(dirname "$0")/lib.sh"
stack_up --daemons 2 --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
trends() { # BY [-b]: of the first daemon, or of the second
	curl -s --max-time 5 --unix-socket "$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate${2-}.yaml")" "http://x/trends?by=$1&range=1h"
}
permitted() { trends "$@" | jq -c '[.alone, ([.daemons[].node] | sort), ([.series[].permit // [] | .[] // 0] | add)]'; }
like "a daemon that has not met the other one shows itself" "$(permitted total)" '^\[(true|false),\["a"'
for _ in $(seq 40); do curl -s -o /dev/null -H "$auth" "$EDGE/v1/models"; done
ask_as() { curl -s -o /dev/null -H "authorization: Bearer $(token --claims "$1")" "$EDGE/v1/models"; }
ask_as '{"sub":"山田 דנה"}'
ask_as "{\"sub\":\"bob\",\"team\":\"$(head -c 4000 /dev/zero | tr '\0' t)\"}"
deadline=120 # seconds: the rest of a minute, and ten more
both() { says '^\[false,\["a","b"\],42\]$' permitted total "$1"; }
later() { local until=$((SECONDS + deadline)); until "$@"; do [ $SECONDS -lt $until ] || return 1; sleep 1; done; }
check "both daemons' requests are in one series" later both ''
check "the same at the other daemon" later both -b
is "the same by route" "$(permitted route)" '[false,["a","b"],42]'
is "the same by person" "$(permitted person)" '[false,["a","b"],42]'
is "the same by provider and by target" "$(permitted provider)" "$(permitted target)"
is "one person can be selected" "$(trends 'person&name=alice' | jq -c '[.series[].name]')" '["alice"]'
is "a person's name may be in any script" "$(trends 'person&name=%E5%B1%B1%E7%94%B0%20%D7%93%D7%A0%D7%94' | jq -c '[.series[].permit | add]')" '[1]'
is "a team whose name is longer than a label is part of other" "$(trends team | jq -c '[.series[] | select(.name | length > 63)], [.series[] | select(.name == "other") | .permit | add]' | tr -d '\n')" '[][1]'
is "an unknown person has no series" "$(trends 'person&name=nobody' | jq -c '.series')" '[]'
is "a name without by is refused" "$(trends 'total&name=alice' | jq -r .error)" 'name: this needs `by` as well'
is "no daemon is missing" "$(trends total | jq -c '[.daemons[].missing]')" '[false,false]'
check "the file is next to the journal" test -s "$D/journal.trends"
killed second
missing() { [ "$(trends total | jq -c '[.daemons[] | [.node, .missing]] | sort')" = '[["a",false],["b",true]]' ]; }
check "a daemon that ended is missing" later missing
is "its earlier decisions are kept" "$(permitted total)" '[false,["a","b"],42]'
redis_away
alone() { says '^\[true,\["a"\],' permitted total; }
check "without Redis, the daemon shows itself alone" later alone
redis_back
check "when Redis is back, both daemons are shown" later says '^\[false,\["a","b"\],42\]$' permitted total
exit $failed
