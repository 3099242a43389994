# Redis becomes unreachable and returns. Meanwhile a daemon admits only its share of the limit.
# Once: the result depends only on the daemon.
. "$(dirname "$0")/lib.sh"

clear_of day 120
stack_up --policy "$here/away.yaml"
auth="authorization: Bearer $(token --claims '{"sub":"ann"}')"
# Prints how many of N requests pass, and the status of the last one
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

is "with Redis, 20 requests less the shares of two daemons pass: 16" "$(some 17)" "16 429 insufficient_quota"
redis_away
is "without Redis, this daemon's share passes: 2" "$(some 5)" "2 503 quota_unavailable"
is "the record has quota_alone" "$(last .quota_alone)" true
is "the metric counts the two requests" "$(metric quota_alone_total)" 2
redis_back
back() { says '^redis: up' curl -s "$ADMIN/readyz" && [ "$(some 1)" = "0 429 insufficient_quota" ]; }
wait_for back
is "after Redis returns, no further request passes" "$(some 3)" "0 429 insufficient_quota"
redis_away
is "when Redis is lost again, no further request passes" "$(some 3)" "0 503 quota_unavailable"
redis_back
