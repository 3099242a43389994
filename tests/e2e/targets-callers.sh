# Failures caused by one caller do not affect others: circuit breakers, waits, probes, retries. Then a missing model,
# and outages with little traffic, in which each request gets a response.
# Once: no version of HAProxy differs here.
# Long: it waits for circuit breakers and their probes.
# Upgraded: it also passes with an upgrade in the middle.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"
for id in bad500 bad429 badwait keys anonymous rescued; do route $id ab; done
for id in gone dies slow0 slow1 slow2 slow3 retired all; do route $id ab; done
route unnamed '[@a, {provider: @b, model: "say:from-b"}]'
route window '[{provider: @a, model: gpt-4o}, {provider: @b, model: gpt-4.1}]'
identity_more='- api_key: {header: x-api-key, keys: keys.yaml}'
key_of() { "$build/tollgate" key new --keys "$D/keys.yaml" "$@" 2>/dev/null | tail -1; }
k1=$(key_of --person mallory) k2=$(key_of --person mallory) svc=$(key_of --person svc)
targets_up
person() { echo "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")"; }
bob=$(person bob) carol=$(person carol) dave=$(person dave) mallory=$(person mallory)
state() { "$B/tollgate" target list --json -c "$D/tollgate.yaml" 2>/dev/null | jq -r --arg t "$1-$id/say:from-$1" '.[] | select(.target == $t) | .state'; }

# send CREDENTIAL TEXT FILE: sends a request in the background; writes the status to FILE
send() {
	curl -s -m 15 -o /dev/null -w '%{http_code}\n' -H "$1" -H 'content-type: application/json' -H "host: $id.test" \
		-d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" "$EDGE/v1/chat/completions" >>"$3" &
}
# crowd SECONDS BAD…: sends sixteen failing requests a second, in turn of these callers, and four of another
crowd() {
	local i n=$(($1 * 20)) began=$(($(date +%s%N) / 1000000)) ahead
	local bad=("${@:2}") good=("$bob" "$carol" "$dave")
	: >"$D/good" && : >"$D/bad"
	for ((i = 0; i < n; i++)); do
		if ((i % 5)); then send "${bad[i % ${#bad[@]}]}" "schema" "$D/bad"; else send "${good[i / 5 % 3]}" hello "$D/good"; fi
		ahead=$((began + i * 50 - $(date +%s%N) / 1000000))
		((ahead <= 0)) || sleep "$(printf '0.%03d' $((ahead < 999 ? ahead : 999)))"
	done
	wait
	answered=$(grep -c 200 "$D/good")/$(wc -l <"$D/good")
}
both() { fault 1 "$1" && fault 2 "$1"; }

# ---- one caller with sixteen failing requests a second ----
while IFS='|' read -r name what; do
	row "$name"
	both "$what"
	send "$bob" hello "$D/good" && wait # a second caller
	crowd 5 "$mallory"
	is "$name: the other caller's requests succeed" "$answered" 20/20
	is "$name: they use the first target" "$(state a)" closed
done <<'T'
bad500|{"only":"schema","status":500}
bad429|{"only":"schema","status":429}
badwait|{"only":"schema","status":429,"headers":{"retry-after":"30"}}
T
row keys
both '{"only":"schema","status":500}'
crowd 5 "$mallory" "x-api-key: $k1" "x-api-key: $k2"
is "two keys and a token of one person count as one caller" "$answered" 20/20

# this caller alone opens the breaker for itself
row rescued
both '{"only":"schema","status":500}'
for _ in {1..20}; do send "$mallory" schema "$D/bad"; done
wait
like "the breaker is open for the only caller" "$(state a)" 'open'
as=$bob ask
is "a new caller still uses the first target" "$status $from $(said)" "200 a a 1"
fault 1 '{"status":500,"times":7}'
for i in 1 2 3 4 5 6 7; do
	as=$([ $((i % 2)) = 0 ] && echo "$bob" || echo "$carol") ask
	echo "$status"
done >"$D/rescued"
is "one caller's retries do not use up those of others" "$(grep -c 200 "$D/rescued")" 7

# ---- the target really fails ----
row dies
as="x-api-key: $svc"
for _ in 1 2 3; do ask; done
fault 1 '{"status":500}'
for _ in {1..8}; do ask; echo "$status"; done >"$D/dies"
is "with one service account, each request succeeds at the second target" "$(sort -u "$D/dies")" 200
is "the breaker opens" "$(state a) $(asked | cut -d ' ' -f1)" "open 8"
as=$bob
row gone
provider stop 1
for _ in {1..8}; do as=$bob ask; echo "$status"; as=$carol ask; echo "$status"; done >"$D/gone"
like "refused connections count for every caller" "$(sort -u "$D/gone") $(state a)" '^200 (half_)?open$' # half: they took longer than it stays open
provider start 1

# ---- all targets are disabled, by failures only ----
row all
both '{"status":500}'
for _ in {1..6}; do as=$bob ask; as=$carol ask; done
like "both breakers are open" "$(state a) $(state b)" "^(half_)?open (half_)?open$"
both '{}'
sleep 1.1 # longer than the wait after a failed probe
as=$dave ask
is "a target is tried before a 503" "$status" 200

# ---- outages with little traffic ----
n=0
for what in '{"status":500}' '{"status":503}' '{"cut_after_bytes":0}' '{"status":429}'; do
	row slow$((n++))
	fault 1 "$what"
	for _ in {1..7}; do
		as=$bob ask
		echo "$status"
		sleep 0.3
	done >"$D/slow"
	is "$what: each request gets the second target's response" "$(sort -u "$D/slow")" 200
done

# ---- a model that does not exist ----
no_model='{"status":404,"content_type":"application/json","body":"{\"error\":{\"message\":\"The model `m` does not exist\",\"type\":\"invalid_request_error\",\"code\":\"model_not_found\"}}"}'
for id in retired unnamed; do
	row $id
	fault 1 "$no_model"
	for i in {1..10}; do
		as=$([ $((i % 3)) = 0 ] && echo "$bob" || echo "$carol") ask
		echo "$status $from"
	done >"$D/retired"
	is "$id: each request gets the second target's response" "$(sort -u "$D/retired")" "200 b"
	[ $id = unnamed ] || is "the first target gets no further requests for it" "$(($(asked | cut -d ' ' -f1) <= 4))" 1
done
like "the log reports it" "$(grep -h 'event=target.lacks' "$D"/*.log)" 'model=say:from-a'
row window
fault 1 '{"status":400,"content_type":"application/json","body":"{\"error\":{\"message\":\"This model maximum context length is 10 tokens.\",\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\"}}"}'
for _ in {1..12}; do
	as=$bob ask
	echo "$status"
done >"$D/window"
is "a context window that is not in the table: each request gets the second target's response" "$(sort -u "$D/window")" 200
exit $failed
