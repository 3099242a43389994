# Redis is out of reach and comes back: a daemon spends its share of the limit, no more.
# Once: what is asked is the daemon's.
. "$(dirname "$0")/lib.sh"

clear_of day 120
stack_up --policy "$here/away.yaml"
auth="authorization: Bearer $(token --claims '{"sub":"ann"}')"
# How many of N requests pass, and the status of the last
some() {
	local passed=0
	for _ in $(seq "$1"); do
		req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -m 90 \
			-d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
		[ "$status" = 200 ] && passed=$((passed + 1))
	done
	echo "$passed $status $(sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' <<<"$body")"
}
last() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | grep '"decision":"permit"' | tail -1 | jq -c "$1"; }

is "with Redis all but the share of both daemons passes: 20 - 4" "$(some 17)" "16 429 insufficient_quota"
redis_away
is "without it this daemon's share: 2" "$(some 5)" "2 503 quota_unavailable"
is "the record says so" "$(last .quota_alone)" true
is "and the metric" "$(metric quota_alone_total)" 2
redis_back
back() { says '^redis: up' curl -s "$ADMIN/readyz" && [ "$(some 1)" = "0 429 insufficient_quota" ]; }
wait_for back
is "back, nothing more" "$(some 3)" "0 429 insufficient_quota"
redis_away
is "nor when it goes again" "$(some 3)" "0 503 quota_unavailable"
redis_back
