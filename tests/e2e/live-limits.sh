# Overrides of a limit for a caller, and a key's own limits, created while two daemons run. They are in force on both
# within a second, until they are cleared or end, and they are recorded.
# Once: HAProxy does not affect the result.
# Long: it waits for overrides to end.
. "$(dirname "$0")/lib.sh"
clear_of day 120
mkdir -p "$D/p"
cp "$here/live-limits.policy.yaml" "$D/p/policy.yaml"
cp "$here/budgets.prices.yaml" "$D/p/"
stack_up --policy "$D/p/policy.yaml" --second
chat='{"model":"echo","messages":[{"role":"user","content":"hello"}],"max_tokens":50}'
ask() { req POST /v1/chat/completions -H "authorization: Bearer $1" -H 'content-type: application/json' -d "${2:-$chat}"; }
# prints how many of six requests passed, and how many were refused
six() {
	local i n200=0 n429=0
	for i in 1 2 3 4 5 6; do
		ask "$1"
		[ "$status" = 200 ] && n200=$((n200 + 1))
		[ "$status" = 429 ] && n429=$((n429 + 1))
	done
	echo "$n200 $n429"
}

# ---- overrides ----
alice=$(key new --person alice --team red) bob=$(key new --person bob --team red)
synced
ask "$alice"
is "the policy's limit applies" "$status $(header x-ratelimit-limit-requests)" "200 1000"
id=$(limit set per-person --for person=alice --to 4 --until 1d --by ops --reason 'ticket 9' --json | sed 's/.*:"\(.*\)"}/\1/')
synced
is "one person's limit is 4 on both daemons, and one request counted before" "$(six "$alice")" "3 3"
ask "$alice"
like "the error has the new amount" "$body" 'over the limit per-person: 4 requests in 3600 s'
ask "$bob"
is "another person's limit is unchanged" "$status $(header x-ratelimit-limit-requests)" "200 1000"
like "both daemons list the override" "$(limit_b list)" "^$id +per-person +person=alice +4 20.*Z +live +root +ticket 9"
limit set per-person --for person=alice --to 6 --reason $'first line\nforged per-person person=bob 99' >/dev/null
is "a reason with a line end forges no row" "$(limit list | grep -c '^forged')" 0
limit set per-person --for person=alice --to 6 >/dev/null
synced
is "a second override replaces the first" "$(limit list | wc -l) $(six "$alice")" "2 2 4"
limit set per-person --for team=red --to 2 >/dev/null
limit set per-person --for team=red --for person=alice --to 8 --until 1h >/dev/null
synced
is "a more specific override has precedence" "$(six "$alice")" "2 4"
is "a team's override applies to each member" "$(six "$bob")" "1 5"
limit set per-person --for team=red --for person=alice --to 8 --until 1s >/dev/null
over() { limit list | grep -q expired && limit_b list | grep -q expired; }
wait_for over
is "an override that has ended does not apply" "$(six "$alice") $(limit list | grep -c expired)" "0 6 1"
limit clear per-person --for team=red
limit clear "$id"
synced
is "after the overrides are cleared, the policy's limit applies" "$(six "$alice") $(six "$bob")" "6 0 6 0"

# ---- overrides for everyone ----
limit set per-person --for everyone --to 3 --until 1d --by ops --reason sale
limit set per-person --for person=bob --to 100
synced
carl=$(key new --person carl --team blue)
synced
is "an override for everyone applies unless a person has another one" "$(six "$carl") $(six "$bob") $(six "$alice")" "3 3 6 0 0 6"
like "it is listed" "$(limit_b list)" '^[0-9a-f]{10} +per-person +everyone +3 20.*Z +live +root +sale'
like "it is recorded" "$("$build/tollgate" audit export -c "$D/tollgate.yaml" | grep '"reason":"sale"')" '"for":\{\}.*"to":3'
limit clear per-person --for everyone
limit clear per-person --for person=bob
synced
is "it can be cleared" "$(six "$carl")" "6 0"
limit set per-person --to 3
is "without a person or team, the command is refused" "$? $(cat "$D/key.err")" \
	'2 tollgate: limit: set per-person: --for is missing: give person=NAME, team=NAME and the like, or everyone'
limit set per-person --for everyone --for person=x --to 3
like "everyone cannot be combined with a person" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --for everyone: .* or everyone alone'

# ---- mistakes ----
limit set per-persons --for person=alice --to 4
like "an unknown limit is refused" "$? $(cat "$D/key.err")" '^1 tollgate: limit: per-persons: policy live-limits@.* has no such limit, did you mean per-person\?'
limit set per-person --for colour=red --to 4
like "an unknown field is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: colour: expected one of person, agent, department, team, tier, key, model and route'
limit set per-person --for person --to 4
like "a field without a value is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --for person: give person=NAME, team=NAME'
limit set per-person --for person=x --to many
like "an amount that is no number is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: to: send a whole number'
limit set per-person --for person=x --to 4 --until 2020-01-01
like "a time in the past is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: until 2020-01-01T00:00:00Z: the time is in the past'
limit set per-person --for person=x --to 4 --until soon
like "an invalid time is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --until soon: give a date'
limit clear "$id"
like "clearing an unknown override is refused" "$? $(cat "$D/key.err")" "^1 tollgate: limit: $id: no such override is in force"

# no room is left that at_limit could use
fay=$(key new --person fay --team falls)
synced
ask "$fay"
is "below the limit, a request passes" "$status" 200
none=$(limit set falls --for everyone --to 0 --by ops --reason 'ticket 10' --json | sed 's/.*:"\(.*\)"}/\1/')
synced
ask "$fay"
like "with an override of 0, no request passes" "$status $body" '^403 .*falls'
limit clear "$none"
synced
ask "$fay"
is "after it is cleared, requests pass" "$status" 200

# ---- a key's own limits ----
own=$(key new --person carol --limits 'requests=3/1h,tokens_per_request=200')
synced
is "a key with three requests an hour" "$(six "$own")" "3 3"
ask "$own"
like "the error names the key's limit" "$body" 'over the limit key-limit-1: 3 requests in 3600 s'
key change "$(cut -d_ -f2 <<<"$own")" --limits 'requests=5/1h,tokens_per_request=200' >/dev/null
synced
is "with two more requests, two pass" "$(six "$own")" "2 4"
key change "$(cut -d_ -f2 <<<"$own")" --limits 'requests=100/1h,tokens_per_request=200,tokens=100/1h' >/dev/null
synced
ask "$own" "${chat/50/190}"
is "a key's limit of tokens per request refuses a larger request" "$status" 403
like "the error names that limit" "$body" 'key-limit-2'
ask "$own" "${chat/50/90}"
like "a key's limit of tokens per hour refuses a request" "$status $body" '^(403|429) .*key-limit-3'
ask "$own" "${chat/50/10}"
is "a smaller request passes" "$status" 200
# The counters belong to the identity, not to the token: a rotated key has the rest of its limits.
old=$(key new --person rosa --limits requests=3/1h)
synced
ask "$old"
is "a key with a limit passes" "$status" 200
new=$(key rotate "$(cut -d_ -f2 <<<"$old")" --overlap 1h)
newest=$(key rotate "$(cut -d_ -f2 <<<"$new")" --overlap 1h)
synced
is "a rotated key has the rest of its limit" "$(six "$newest")" "2 4"
ask "$old"
is "during the overlap the old key draws on the same counter" "$status" 429
ask "$new"
is "so does each key between them" "$status" 429
input=$(key new --person ina --limits 'input_tokens=1000/1h,output_tokens=120/day')
synced
ask "$input" "${chat/50/100}"
is "below a key's limit of output tokens, a request passes" "$status" 200
ask "$input" "${chat/50/120}"
like "the error names that limit of output tokens" "$status $body" '^429 .*key-limit-2'
# A request in flight counts until its end, also on a route that would use the direct path.
once=$(key new --person una --limits 'concurrent=1')
synced
forget
control '{"delay_ms":60000,"times":1}'
(TIMEOUT=60 ask "$once" && echo "$status" >"$D/slow") &
slow=$!
under_way 1
ask "$once"
like "a key's limit of concurrent requests refuses a request" "$status $body" '^429 .*key-limit-1'
release
wait $slow
settled
is "the first request passed" "$(cat "$D/slow")" 200
has_room() { ask "$once" && [ "$status" = 200 ]; } # its end is recorded, and Redis is updated a moment later
check "after its end, the next request passes" wait_for has_room
embed() {
	curl -s -m 90 -o "$D/embedded" -w '%{http_code}' -H "authorization: Bearer $once" -H 'content-type: application/json' \
		-d '{"model":"e","input":"hi"}' "$EDGE/v1/embeddings"
}
control '{"delay_ms":60000,"times":1}'
# The previous request may count for a moment.
(for _ in {1..100}; do embed >"$D/slow"; [ "$(<"$D/slow")" = 429 ] || break; nap 0.1; done) &
slow=$!
under_way 1
like "the limit applies on a route that does not inspect responses" "$(embed) $(cat "$D/embedded")" '^429 .*key-limit-1'
release
wait $slow
settled
is "the first request there passed" "$(cat "$D/slow")" 200
check "after its end, the next one passes there" wait_for says '^200$' embed
key new --person x --limits 'requests=3' >/dev/null
like "a window outside 1 s to 31 d is refused" "$? $(cat "$D/key.err")" '^2 tollgate: key: limits: a window from 1s to 31d'

# ---- quota get ----
quota() { "$build/tollgate" quota get "$@" -c "$D/tollgate.yaml" 2>"$D/key.err"; }
dora=$(key new --person dora --limits 'requests=50/1h')
synced
for i in 1 2 3; do ask "$dora"; done
like "the remainder of the policy's limit is printed" "$(quota --person dora)" '^per-person +requests +1h +1000 +3 +0 +997 +[0-9]+[hm][0-9ms]*$'
like "the remainder of the key's limit is printed" "$(quota --key "$(cut -d_ -f2 <<<"$dora")")" '^key-limit-1 +requests +1h +50 +3 +0 +47 +[0-9]+[hm][0-9ms]*$'
like "a person without requests has the whole limit" "$(quota --person nobody --json)" \
	'^\[\{"limit": ?"per-person","counts": ?"requests","of":1000,"window_s":3600,"used":0,"held":0,"left":1000,"reset_ms":[0-9]+,"route":"chat"\}\]$'
limit set per-person --for person=dora --to 10 >/dev/null
like "an override is shown at once" "$(quota --person dora --json)" '"of":10,"in_policy":1000,.*"used":3,"held":0,"left":7'
synced
ask "$dora"
is "quota get does not count as a request" "$(header x-ratelimit-remaining-requests)" 6
quota --key nosuchid
like "an unknown key is refused" "$? $(cat "$D/key.err")" '^1 tollgate: quota: nosuchid: no such API key'
quota --person x --route nowhere
like "an unknown route is refused" "$? $(cat "$D/key.err")" '^1 tollgate: quota: nowhere: the policy has no such route'
quota --identity '[1]'
like "an invalid identity is refused" "$? $(cat "$D/key.err")" '^2 tollgate: quota: --identity: give a JSON object'
quota --identity '{"roles":"x"}'
like "roles that are no list are refused" "$? $(cat "$D/key.err")" '^2 tollgate: quota: identity: expected strings, a list of roles'

# ---- dollars ----
rich=$(key new --person erin --team spend --limits 'usd=0.02/month,tokens=5000/day')
synced
chat='{"model":"small","messages":[{"role":"user","content":"hello"}],"max_tokens":50}'
for i in 1 2; do
	ask "$rich"
	is "a request is charged in dollars" "$status" 200
done
like "the team's limit in dollars is settled at the usage" "$(quota --person erin --team spend)" \
	'^team-month +usd +month +0.01 +0\.000[0-9]+ +0\.0 +0\.009[0-9]+ +[0-9]+[dhms][0-9hms]*$'
like "no concurrent request is counted any more" "$(quota --person erin --team spend)" '^at-once +concurrent +- +20 +0 +0 +20 '
like "a burst limit has a line of its own" "$(quota --person erin --team spend)" '^burst \(burst\) +requests +5s +90 '
like "the key's limit in dollars is printed" "$(quota --key "$(cut -d_ -f2 <<<"$rich")" --model small)" '^key-limit-1 +usd +month +0.02 +0\.000[0-9]+ +0\.0 '
like "the key's limit in tokens is printed" "$(quota --key "$(cut -d_ -f2 <<<"$rich")")" '^key-limit-2 +tokens +day +5000 +[1-9][0-9]* +0 '
limit set team-month --for team=spend --to 0.0001 >/dev/null
synced
ask "$rich"
like "with a lower override for the team, requests are refused" "$status $body" '^(429|403) .*team-month'
limit set team-month --for team=spend --to 5 >/dev/null
synced
ask "$rich"
is "with a higher override, requests pass" "$status" 200
like "the list has the override in dollars" "$(limit list)" ' team-month +team=spend +5\.0 '
limit set team-month --for team=spend --to 5x
like "an amount that is not in dollars is refused" "$? $(cat "$D/key.err")" '^2 tollgate: limit: to: send US dollars such as 500 or 0.25'

# ---- records ----
"$build/tollgate" audit export --journal "$D/journal" | grep '"type":"change"' >"$D/changes"
like "an override is recorded" "$(grep '"what":"limit"' "$D/changes" | head -1)" \
	'"what":"limit","change":"set","id":"'"$id"'","by":"root","claimed":"ops","reason":"ticket 9","peer":\{.*"before":null,"after":\{.*"to":4'
like "the record has the replaced override" "$(grep '"what":"limit"' "$D/changes" | sed -n 2p)" '"before":\{.*"to":4.*"after":\{.*"to":6'
is "each clearing is recorded" "$(grep -c '"change":"clear"' "$D/changes")" 5
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"
exit $failed
