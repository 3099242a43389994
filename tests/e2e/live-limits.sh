# Another amount of a limit for one caller, and limits of a key's own, made while two daemons run:
# obeyed by both within a second, until they are cleared or over, and recorded.
# Once: nothing of HAProxy's is tried.
# Long: times run out.
. "$(dirname "$0")/lib.sh"
clear_of day 120
mkdir -p "$D/p"
cp "$here/live-limits.policy.yaml" "$D/p/policy.yaml"
cp "$here/budgets.prices.yaml" "$D/p/"
stack_up --policy "$D/p/policy.yaml" --second
chat='{"model":"echo","messages":[{"role":"user","content":"hello"}],"max_tokens":50}'
ask() { req POST /v1/chat/completions -H "authorization: Bearer $1" -H 'content-type: application/json' -d "${2:-$chat}"; }
# of six requests, how many were let go and how many were refused
six() {
	local i n200=0 n429=0
	for i in 1 2 3 4 5 6; do
		ask "$1"
		[ "$status" = 200 ] && n200=$((n200 + 1))
		[ "$status" = 429 ] && n429=$((n429 + 1))
	done
	echo "$n200 $n429"
}

# ---- another amount ----
alice=$(key new --person alice --team red) bob=$(key new --person bob --team red)
synced
ask "$alice"
is "the policy's limit" "$status $(header x-ratelimit-limit-requests)" "200 1000"
id=$(limit set per-person --for person=alice --to 4 --until 1d --by ops --reason 'ticket 9' --json | sed 's/.*:"\(.*\)"}/\1/')
synced
is "hers is 4 now, on both daemons, and one was counted" "$(six "$alice")" "3 3"
ask "$alice"
like "the caller is told" "$body" 'over the limit per-person: 4 requests in 3600 s'
ask "$bob"
is "his is as it was" "$status $(header x-ratelimit-limit-requests)" "200 1000"
like "both list it" "$(limit_b list)" "^$id +per-person +person=alice +4 20.*Z +live +root +ticket 9"
limit set per-person --for person=alice --to 6 >/dev/null
synced
is "set again it takes the place of the first" "$(limit list | wc -l) $(six "$alice")" "2 2 4"
limit set per-person --for team=red --to 2 >/dev/null
limit set per-person --for team=red --for person=alice --to 8 --until 1h >/dev/null
synced
is "who is named more closely comes first" "$(six "$alice")" "2 4"
is "a team's is for each of it" "$(six "$bob")" "1 5"
limit set per-person --for team=red --for person=alice --to 8 --until 1s >/dev/null
over() { limit list | grep -q expired && limit_b list | grep -q expired; }
wait_for over
is "one whose time is over counts no more" "$(six "$alice") $(limit list | grep -c expired)" "0 6 1"
limit clear per-person --for team=red
limit clear "$id"
synced
is "cleared, the policy's holds" "$(six "$alice") $(six "$bob")" "6 0 6 0"

# ---- the limit itself ----
limit set per-person --for everyone --to 3 --until 1d --by ops --reason sale
limit set per-person --for person=bob --to 100
synced
carl=$(key new --person carl --team blue)
synced
is "for everyone: who was never named, and who is has his own" "$(six "$carl") $(six "$bob") $(six "$alice")" "3 3 6 0 0 6"
like "it is listed" "$(limit_b list)" '^[0-9a-f]{10} +per-person +everyone +3 20.*Z +live +root +sale'
like "and recorded" "$("$build/tollgate" audit export -c "$D/tollgate.yaml" | grep '"reason":"sale"')" '"for":\{\}.*"to":3'
limit clear per-person --for everyone
limit clear per-person --for person=bob
synced
is "and cleared" "$(six "$carl")" "6 0"
limit set per-person --to 3
is "nobody is named: that is said" "$? $(cat "$D/key.err")" \
	'2 tollgate: limit: set per-person: --for is missing: give person=NAME, team=NAME and the like, or everyone'
limit set per-person --for everyone --for person=x --to 3
like "everyone, and somebody" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --for everyone: .* or everyone alone'

# ---- mistakes ----
limit set per-persons --for person=alice --to 4
like "a limit that nobody knows" "$? $(cat "$D/key.err")" '^1 tollgate: limit: per-persons: policy live-limits@.* has no such limit, did you mean per-person\?'
limit set per-person --for colour=red --to 4
like "a member that nobody has" "$? $(cat "$D/key.err")" '^2 tollgate: limit: colour: expected one of person, agent, department, team, tier, key, model and route'
limit set per-person --for person --to 4
like "no value" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --for person: give person=NAME, team=NAME'
limit set per-person --for person=x --to many
like "no number" "$? $(cat "$D/key.err")" '^2 tollgate: limit: to: send a whole number'
limit set per-person --for person=x --to 4 --until 2020-01-01
like "a time that is over" "$? $(cat "$D/key.err")" '^2 tollgate: limit: until 2020-01-01T00:00:00Z: the time is in the past'
limit set per-person --for person=x --to 4 --until soon
like "no time" "$? $(cat "$D/key.err")" '^2 tollgate: limit: --until soon: give a date'
limit clear "$id"
like "what is cleared" "$? $(cat "$D/key.err")" "^1 tollgate: limit: $id: no such override is in force"

# nothing is left of what at_limit would still make room for
fay=$(key new --person fay --team falls)
synced
ask "$fay"
is "with room of the limit" "$status" 200
none=$(limit set falls --for everyone --to 0 --by ops --reason 'ticket 10' --json | sed 's/.*:"\(.*\)"}/\1/')
synced
ask "$fay"
like "and of an amount of none" "$status $body" '^403 .*falls'
limit clear "$none"
synced
ask "$fay"
is "until it is cleared" "$status" 200

# ---- a key's own ----
own=$(key new --person carol --limits 'requests=3/1h,tokens_per_request=200')
synced
is "a key with three requests an hour" "$(six "$own")" "3 3"
ask "$own"
like "says which" "$body" 'over the limit key-limit-1: 3 requests in 3600 s'
key change "$(cut -d_ -f2 <<<"$own")" --limits 'requests=5/1h,tokens_per_request=200' >/dev/null
synced
is "with two more it has two more" "$(six "$own")" "2 4"
key change "$(cut -d_ -f2 <<<"$own")" --limits 'requests=100/1h,tokens_per_request=200,tokens=100/1h' >/dev/null
synced
ask "$own" "${chat/50/190}"
is "tokens of one request" "$status" 403
like "and which limit" "$body" 'key-limit-2'
ask "$own" "${chat/50/90}"
like "tokens an hour" "$status $body" '^(403|429) .*key-limit-3'
ask "$own" "${chat/50/10}"
is "fewer pass" "$status" 200
input=$(key new --person ina --limits 'input_tokens=1000/1h,output_tokens=120/day')
synced
ask "$input" "${chat/50/100}"
is "tokens of answers alone" "$status" 200
ask "$input" "${chat/50/120}"
like "and which limit" "$status $body" '^429 .*key-limit-2'
# One that is under way takes the room until its end, on a route that would go direct too.
once=$(key new --person una --limits 'concurrent=1')
synced
forget
control '{"delay_ms":60000,"times":1}'
(TIMEOUT=60 ask "$once" && echo "$status" >"$D/slow") &
slow=$!
under_way 1
ask "$once"
like "requests at once" "$status $body" '^429 .*key-limit-1'
release
wait $slow
settled
is "the one before passed" "$(cat "$D/slow")" 200
has_room() { ask "$once" && [ "$status" = 200 ]; } # its end is recorded, and Redis told of it a moment later
check "and gave its room back" wait_for has_room
embed() {
	curl -s -m 90 -o "$D/embedded" -w '%{http_code}' -H "authorization: Bearer $once" -H 'content-type: application/json' \
		-d '{"model":"e","input":"hi"}' "$EDGE/v1/embeddings"
}
control '{"delay_ms":60000,"times":1}'
# the one before may hold the room for a moment yet
(for _ in {1..100}; do embed >"$D/slow"; [ "$(<"$D/slow")" = 429 ] || break; nap 0.1; done) &
slow=$!
under_way 1
like "also where nothing is read of the answer" "$(embed) $(cat "$D/embedded")" '^429 .*key-limit-1'
release
wait $slow
settled
is "which passes" "$(cat "$D/slow")" 200
check "until it has ended" wait_for says '^200$' embed
key new --person x --limits 'requests=3' >/dev/null
like "a limit that cannot be meant" "$? $(cat "$D/key.err")" '^2 tollgate: key: limits: a window from 1s to 31d'

# ---- what is left ----
quota() { "$build/tollgate" quota get "$@" -c "$D/tollgate.yaml" 2>"$D/key.err"; }
dora=$(key new --person dora --limits 'requests=50/1h')
synced
for i in 1 2 3; do ask "$dora"; done
like "what the policy's limit has left for her" "$(quota --person dora)" '^per-person +requests +1h +1000 +3 +0 +997 +[0-9]+[hm][0-9ms]*$'
like "the key's own too" "$(quota --key "$(cut -d_ -f2 <<<"$dora")")" '^key-limit-1 +requests +1h +50 +3 +0 +47 +[0-9]+[hm][0-9ms]*$'
like "somebody who never asked has all" "$(quota --person nobody --json)" \
	'^\[\{"limit": ?"per-person","counts": ?"requests","of":1000,"window_s":3600,"used":0,"held":0,"left":1000,"reset_ms":[0-9]+,"route":"chat"\}\]$'
limit set per-person --for person=dora --to 10 >/dev/null
like "another amount at once" "$(quota --person dora --json)" '"of":10,"in_policy":1000,.*"used":3,"held":0,"left":7'
synced
ask "$dora"
is "looking took nothing" "$(header x-ratelimit-remaining-requests)" 6
quota --key nosuchid
like "no such key" "$? $(cat "$D/key.err")" '^1 tollgate: quota: nosuchid: no such API key'
quota --person x --route nowhere
like "no such route" "$? $(cat "$D/key.err")" '^1 tollgate: quota: nowhere: the policy has no such route'
quota --identity '[1]'
like "no identity" "$? $(cat "$D/key.err")" '^2 tollgate: quota: --identity: give a JSON object'
quota --identity '{"roles":"x"}'
like "no list of roles" "$? $(cat "$D/key.err")" '^2 tollgate: quota: identity: expected strings, a list of roles'

# ---- dollars ----
rich=$(key new --person erin --team spend --limits 'usd=0.02/month,tokens=5000/day')
synced
chat='{"model":"small","messages":[{"role":"user","content":"hello"}],"max_tokens":50}'
for i in 1 2; do
	ask "$rich"
	is "she spends" "$status" 200
done
like "dollars of the team and the month, settled by what was used" "$(quota --person erin --team spend)" \
	'^team-month +usd +month +0.01 +0\.000[0-9]+ +0\.0 +0\.009[0-9]+ +[0-9]+[dhms][0-9hms]*$'
like "requests at once have ended" "$(quota --person erin --team spend)" '^at-once +concurrent +- +20 +0 +0 +20 '
like "the bound of a burst has a line" "$(quota --person erin --team spend)" '^burst \(burst\) +requests +5s +90 '
like "her key's own dollars" "$(quota --key "$(cut -d_ -f2 <<<"$rich")" --model small)" '^key-limit-1 +usd +month +0.02 +0\.000[0-9]+ +0\.0 '
like "and tokens of the day" "$(quota --key "$(cut -d_ -f2 <<<"$rich")")" '^key-limit-2 +tokens +day +5000 +[1-9][0-9]* +0 '
limit set team-month --for team=spend --to 0.0001 >/dev/null
synced
ask "$rich"
like "with less for the team she has none" "$status $body" '^(429|403) .*team-month'
limit set team-month --for team=spend --to 5 >/dev/null
synced
ask "$rich"
is "with more she has" "$status" 200
like "the list says dollars" "$(limit list)" ' team-month +team=spend +5\.0 '
limit set team-month --for team=spend --to 5x
like "no dollars" "$? $(cat "$D/key.err")" '^2 tollgate: limit: to: send US dollars such as 500 or 0.25'

# ---- recorded ----
"$build/tollgate" audit export --journal "$D/journal" | grep '"type":"change"' >"$D/changes"
like "an override is a record" "$(grep '"what":"limit"' "$D/changes" | head -1)" \
	'"what":"limit","change":"set","id":"'"$id"'","by":"root","claimed":"ops","reason":"ticket 9","peer":\{.*"before":null,"after":\{.*"to":4'
like "and what took its place" "$(grep '"what":"limit"' "$D/changes" | sed -n 2p)" '"before":\{.*"to":4.*"after":\{.*"to":6'
is "and that it was cleared" "$(grep -c '"change":"clear"' "$D/changes")" 5
check "the chain verifies" verifies "$D/journal" "$D/audit.key.pub"
exit $failed
