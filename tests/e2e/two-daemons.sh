# Two daemons behind one HAProxy: whichever decides, its own relay gets the
# request (`node`, use-server); one of them may go.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
# the second was added, and nobody said so
cat "$here/config.yaml" - >"$D/config.yaml" <<<'redis: {daemons: 1, deadline: 1s}'
stack_up --policy "$here/policy.yaml" --config "$D/config.yaml" --second
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'

codes() { # requests, 8 at a time
	seq "$1" | xargs -P 8 -I{} curl -s -m 90 -o /dev/null -w '%{http_code}\n' -H "$auth" -H "$json" -d "$chat" \
		"$EDGE/v1/chat/completions" | sort | uniq -c | tr -s ' \n' ' '
}
is "every request is answered" "$(codes 80)" " 80 200 "
a=$(metric requests_total 'via="relay"') b=$(metric requests_total 'via="relay"' "$ADMIN_B")
check "both decide and relay ($a and $b)" test "$a" -gt 0 -a "$b" -gt 0
is "together all of them" $((a + b)) 80
is "no ticket came to the wrong one" "$(metric tickets_refused_total) $(metric tickets_refused_total '' "$ADMIN_B")" "0 0"
unlike "nothing passed" "$(seen 1000 | grep -c jane.doe)" '[1-9]'
is "both count the same limits in Redis" "$(curl -s -D - -o /dev/null -H "$auth" "$EDGE/v1/models" | tr -d '\r' |
	sed -n 's/^x-ratelimit-remaining-requests: //p')" $((600000 - 81))
too_many() { fetch GET "$ADMIN/readyz" | grep -q '^daemons: more than redis.daemons states: '; }
check "each says that they are more than it was told" wait_for too_many
says_so=$("$build/tollgate" status -c "$D/tollgate.yaml") && is_up=up || is_up=down
is "tollgate status says it too, and goes on" "$is_up $(grep -c '^daemons: more than redis.daemons states: ' <<<"$says_so")" "up 1"
killed second
alone() { [ "$(codes 10)" = " 10 200 " ]; } # HAProxy has noticed
wait_for alone
is "with one gone, the other decides" "$(codes 40)" " 40 200 "
for j in "$D/journal" "$D/journal-b"; do
	key=$D/audit.key.pub
	[ "$j" = "$D/journal-b" ] && key=$D/audit-b.key.pub
	check "the chain in ${j##*/} verifies" verifies "$j" "$key"
done
