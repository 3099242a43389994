# Two daemons behind one HAProxy: the daemon that decides also relays the request (`node`, use-server). One of them
# may end.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
# the second daemon is not in redis.daemons
cat "$here/config.yaml" - >"$D/config.yaml" <<<'redis: {daemons: 1, deadline: 1s}'
stack_up --policy "$here/policy.yaml" --config "$D/config.yaml" --second
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'

codes() { # sends N requests, 8 at a time
	seq "$1" | xargs -P 8 -I{} curl -s -m 90 -o /dev/null -w '%{http_code}\n' -H "$auth" -H "$json" -d "$chat" \
		"$EDGE/v1/chat/completions" | sort | uniq -c | tr -s ' \n' ' '
}
is "every request gets a response" "$(codes 80)" " 80 200 "
a=$(metric requests_total 'via="relay"') b=$(metric requests_total 'via="relay"' "$ADMIN_B")
check "both decide and relay ($a and $b)" test "$a" -gt 0 -a "$b" -gt 0
is "together they handle all requests" $((a + b)) 80
is "no ticket reached the wrong daemon" "$(metric tickets_refused_total) $(metric tickets_refused_total '' "$ADMIN_B")" "0 0"
unlike "no value passes" "$(seen 1000 | grep -c jane.doe)" '[1-9]'
is "both count the same limits in Redis" "$(curl -s -D - -o /dev/null -H "$auth" "$EDGE/v1/models" | tr -d '\r' |
	sed -n 's/^x-ratelimit-remaining-requests: //p')" $((600000 - 81))
too_many() { fetch GET "$ADMIN/readyz" | grep -q '^daemons: more than redis.daemons states: '; }
check "each daemon reports more daemons than redis.daemons" wait_for too_many
says_so=$("$build/tollgate" status -c "$D/tollgate.yaml") && is_up=up || is_up=down
is "status reports it too, and succeeds" "$is_up $(grep -c '^daemons: more than redis.daemons states: ' <<<"$says_so")" "up 1"
killed second
alone() { [ "$(codes 10)" = " 10 200 " ]; } # repeats until HAProxy has noticed
wait_for alone
is "after one daemon ended, the other decides" "$(codes 40)" " 40 200 "
for j in "$D/journal" "$D/journal-b"; do
	key=$D/audit.key.pub
	[ "$j" = "$D/journal-b" ] && key=$D/audit-b.key.pub
	check "the chain in ${j##*/} verifies" verifies "$j" "$key"
done
