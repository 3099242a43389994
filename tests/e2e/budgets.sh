# Budgets: each line of tests/e2e/budgets.yaml on HAProxy, Redis and the simulated provider.
# Once: HAProxy carries headers here; denials.vtc asks each version for them.
# Long: windows pass.
. "$(dirname "$0")/lib.sh"

clear_of day 300
echo 'workers: 1' >"$D/config.yaml"
stack_up --policy "$here/budgets.yaml" --config "$D/config.yaml"
json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "$1")"; }
# ask [MODEL [MAX_TOKENS [TEXT [MEMBERS]]]] [-- CURL OPTIONS]
ask() {
	local model=${1:-m} cap=${2:-5} text=${3:-hi} more=${4:-}
	shift $(($# < 4 ? $# : 4))
	req POST /v1/chat/completions -H "$auth" -H "$json" "$@" \
		-d "{\"model\":\"$model\",\"max_tokens\":$cap,\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"$text\"}]$more}"
}
code() { sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' <<<"$body"; }

last() {
	[ "${2:-}" != completion ] || settled
	cat "$JOURNAL"/* | tr -d '\0' | grep "\"type\":\"${2:-decision}\"" | tail -1 | jq -c "$1"
}

# ---- "2,000 tokens a message" ----
as '{"sub":"ann"}'
ask m 1900
is "a message of 2,000 tokens passes" "$status" 200
ask m 2000
is "a longer one never can: 403" "$status $(code)" "403 limit_unreachable"
like "the limit is named" "$body" 'the limit message is 2000 for each request'
is "no SDK repeats it" "$(header x-should-retry)" false
ask m 5 "$(seq -s ' ' 1000 2500)"
is "nor one whose text is long" "$status $(code)" "403 limit_unreachable"
ask m 1900 hi ',"n":2'
is "choices multiply" "$status $(code)" "403 limit_unreachable"
completions() { req POST /v1/completions -H "$auth" -H "$json" -d "{\"model\":\"m\",$1}"; }
reserved() { last .prompt.reserved_output_tokens; }
completions '"max_tokens":500,"prompt":["a","b","c","d","e"]'
is "so do the prompts of a list" "$status $(code) $(reserved)" "403 limit_unreachable 2500"
completions '"max_tokens":500,"n":2,"prompt":["a","b","c"]'
is "and both" "$(reserved)" 3000
completions '"max_tokens":500,"prompt":["a"]'
is "one is one" "$status $(reserved)" "200 500"
completions '"max_tokens":500,"best_of":8,"n":2,"prompt":"a"'
is "and answers of which the best is sent" "$status $(code) $(reserved)" "403 limit_unreachable 4000"
completions '"max_tokens":500,"n":8,"best_of":1,"prompt":"a"'
is "the larger of both, whichever comes last" "$(reserved)" 4000
ask m 0
is "a cap of 0 is none" "$status $(code) $(reserved)" "403 limit_unreachable 4096"
batch() { req POST /v1/messages/batches -H "$auth" -H "$json" -d "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"m\",\"max_tokens\":10,$1}},{\"custom_id\":\"b\",\"params\":{\"model\":\"m\",$2$1}}]}"; }
batch '"messages":[{"role":"user","content":"hi"}]' '"max_tokens":700,'
is "requests of a batch add up" "$(reserved)" 710
batch '"messages":[{"role":"user","content":"hi"}]' ''
is "the cap of one is not the others'" "$status $(code) $(reserved)" "403 limit_unreachable 4106"

line() { echo "{\"custom_id\":\"$1\",\"method\":\"POST\",\"url\":\"/v1/$2\",\"body\":{\"model\":\"gpt-4o\",$3}}"; }
file() { req POST /v1/files -H "$auth" -F "purpose=$1" -F "file=@$D/file.jsonl"; }
hi='"messages":[{"role":"user","content":"hi"}]'
control '{"status":200,"body":"{\"id\":\"x\"}"}'
{ line a chat/completions "\"max_tokens\":900,$hi"; line b chat/completions "\"max_tokens\":30,$hi"; line c embeddings '"input":"hi"'; } >"$D/file.jsonl"
file batch
is "lines of a batch's file add up, those that are answered" "$status $(reserved)" "200 930"
is "and stay charged, as what is made of them is not counted" "$(last '[.usage_unknown,.estimated_usage]' completion)" '[true,null]'
{ line a chat/completions "\"max_tokens\":1900,$hi"; line b chat/completions "\"max_tokens\":1900,$hi"; } >"$D/file.jsonl"
file batch
is "too many of them are refused" "$status $(code) $(reserved)" "403 limit_unreachable 3800"
echo "{$hi}" >"$D/file.jsonl"
file fine-tune
is "examples to train by ask for nothing, and get no cap" "$status $(reserved) $(last .default_cap)" "200 0 null"
req POST /v1/messages/batches -H "$auth" -H "$json" -d "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"claude-3-5-haiku\",\"max_tokens\":500,$hi}}]}"
is "a batch is charged what it may be answered" "$status $(last '[.usage_unknown,.estimated_usage]' completion)" '200 [true,null]'
req POST /v1/responses -H "$auth" -H "$json" -d '{"model":"gpt-4o","max_output_tokens":500,"background":true,"input":"hi"}'
is "so is what is made in the background" "$status $(last '[.usage_unknown,.estimated_usage]' completion)" '200 [true,null]'
control '{}'

# ---- a batch's file, and its jobs ----
as '{"sub":"joe","team":"jobs"}'
of() { "$B/tollgate" quota get --person "${2:-joe}" --team jobs --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held]"; }
job() { req POST /v1/batches -H "$auth" -H "$json" -d "{\"input_file_id\":\"$1\",\"endpoint\":\"/v1/chat/completions\",\"completion_window\":\"24h\"}"; }
control '{"status":200,"body":"{\"id\":\"file-joe\",\"object\":\"file\"}"}'
for name in a b; do echo "{\"custom_id\":\"$name\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"big\",\"max_tokens\":500,$hi}}"; done >"$D/file.jsonl"
file batch
is "a file that is taken on is not charged" "$status $(reserved) $(of jobs) $(of jobs-tokens)" "200 1000 [0] [0]"
job file-joe
is "its job is, what is in the file" "$status $(reserved)" "200 1000"
each=$(of jobs-tokens | tr -d '[]')
is "its record has what was reserved" "$(last '[.usage_unknown,.reserved_usage.output_tokens,.reserved_usage.cost_nanousd >= 10000000]' completion)" '[true,1000,true]'
check "in tokens" [ "$each" -gt 1000 ]
# 1,000 of output for 100 dollars a million at a batch's tenth, and some input
check "and in dollars, at a batch's price" [ "$(of jobs | jq '.[0] as $n | $n >= 10000000 and $n < 10500000')" = true ]
job file-joe
is "each that names it" "$status $(of jobs-tokens)" "200 [$((2 * each))]"
job file-joe
is "until there is no room" "$status $(code)" "429 insufficient_quota"
is "which says when there is, whatever it counts" "$(header x-ratelimit-reset-requests) $(header x-ratelimit-remaining-requests)" "$(header retry-after)s "
job file-other
is "one of which nothing is known is refused" "$status $(code)" "403 file_unknown"
is "usage has the dollars of both" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person --since 1h --json | jq -c '[.. | objects | select(.person? == "joe") | .estimated_nanousd > 20000000]')" '[true]'
control '{"status":429,"times":1}'
as '{"sub":"jon","team":"jobs"}'
job file-joe
is "a provider's refusal used nothing" "$status $(of jobs jon) $(last .usage_unknown completion)" "429 [0] null"
control '{"status":200,"body":"{\"id\":\"file-joe\",\"object\":\"file\"}"}'
as '{"sub":"jim","team":"jobs"}'
job file-joe
is "another person's job is theirs" "$status $(of jobs-tokens)" "200 [$((2 * each))]"
req POST /v1/files -H "$auth" -F purpose=assistants -F 'file=how we write letters;filename=letters.txt;type=text/plain'
is "a file that is no batch's names no model, and so has no price" "$status $(code)" "403 price_unknown"
like "which is said" "$body" 'counts dollars, and this request names no model'
control '{}'

# ---- so many tokens a conversation ----
as '{"sub":"bob","team":"talk"}'
control '{"usage":{"prompt_tokens":400,"completion_tokens":400,"total_tokens":800}}'
ask m 100 one
is "a conversation begins" "$status" 200
ask m 100 two
is "another is counted apart" "$status" 200
ask m 500 one
is "the first has no room left" "$status $(code)" "429 rate_limit_exceeded"
like "and is named" "$body" 'limit talk'
ask m 500 one '' -H 'x-chat: 7'
is "a header names another" "$status" 200
ask m 500 other '' -H 'x-chat: 7'
is "whatever is said in it" "$status" 429
ask m 500 one ',"prompt_cache_key":"k"'
is "the body's own name" "$status" 200
ask m 500 other ',"metadata":{"session_id":"s"}'
is "or one in its metadata" "$status" 200
ask m 500 another ',"metadata":{"session_id":"s"}'
is "which is the same" "$status" 429
as '{"sub":"bert","team":"talk"}'
ask m 500 one '' -H 'x-chat: 7'
is "another person's is another" "$status" 200
control '{}'

ask m 5 one '' -H 'x-chat: told'
is "conditions read it" "$(last '[.tags[0],.request.conversation]')" '["told","told"]'
is "the completion has the rule's tag" "$(last .tags completion)" '["told"]'
ask m 5 one '' -H 'x-chat: jane.doe@example.com'
is "what is found in it stays out of the record" "$(last '[.not_held,.request.conversation]')" '[["request.conversation"],null]'
"$B/tollgate" policy replay -c "$D/tollgate.yaml" --policy "$here/budgets.yaml" --since 1h >"$D/replay" 2>&1
is "replay reads it back" "$? $(grep -c 'told' "$D/replay")" "0 0"

# ---- tags that the caller says ----
as '{"sub":"tom","team":"tags"}'
ask m 5 hi '' -H 'x-chat: none'
is "who says nothing has no tags" "$(last .request_tags)" null
ask m 5 hi ',"user":"u-1","metadata":{"project":"apollo","other":"x"}'
is "the body's members that the policy lists are" "$(last .request_tags)" '["project:apollo","user:u-1"]'
ask m 5 hi ',"safety_identifier":"u-2","metadata":{"project":"apollo"}'
is "of a completion too" "$(last .request_tags completion)" '["project:apollo","user:u-2"]'
is "which says whose it was" "$(last '[.identity.person,.identity.team]' completion)" '["tom","tags"]'
ask m 5 hi ',"metadata":{"project":"apollo"}'
is "a limit counts each of them" "$status $(code)" "429 rate_limit_exceeded"
ask m 5 hi ',"user":"jane.doe@example.com","metadata":{"project":"artemis"}'
is "a value in which something is found is none" "$status $(last .request_tags)" '200 ["project:artemis"]'
ask m 5 hi ',"user":"'"$(printf 'x%.0s' {1..65})"'"'
is "nor one that is long" "$status $(last .request_tags)" "200 null"
ask m 5 hi ',"messages_":[{"user":"u-9"}]'
is "nor one deeper in the body" "$status $(last .request_tags)" "200 null"
req POST /v1/messages -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' \
	-d '{"model":"c","max_tokens":5,"metadata":{"user_id":"u-3"},"messages":[{"role":"user","content":"hi"}]}'
is "another dialect's" "$status $(last .request_tags)" '200 ["user:u-3"]'
is "usage is summed by them" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by tag --since 1h --json |
	jq -c '[.. | objects | select(.tag? == "project:apollo") | [.requests, .refused]] | unique')" '[[3,1]]'

# ---- a list counts once for each member ----
as '{"sub":"cal","team":"roles","roles":["red","blue"]}'
for _ in 1 2 3; do ask; done
is "three requests in two roles" "$status" 200
ask
is "the fourth is over" "$status $(code)" "429 rate_limit_exceeded"
is "for longer than an SDK may sleep" "$(header x-should-retry) $(($(header retry-after) > 90))" "false 1"
as '{"sub":"min","team":"minute"}'
ask; ask; ask
is "a minute's limit is waited for: no flag, whatever its sub-buckets add" "$status $(header x-should-retry)$(($(header retry-after) > 55 && $(header retry-after) <= 67))" "429 1"
as '{"sub":"cid","team":"roles","roles":["blue","green"]}'
ask
is "whoever shares one of them too" "$status" 429
as '{"sub":"cat","team":"roles","roles":["green"]}'
ask
final is "the refusal took nothing of the other" "$status $(header x-ratelimit-remaining-requests)" "200 2"
as '{"sub":"coy","team":"roles","roles":[]}'
ask
is "who has none is not counted" "$status $(header x-ratelimit-limit-requests)" "200 "

# ---- input and output apart ----
used() { control "{\"usage\":{\"prompt_tokens\":$1,\"completion_tokens\":$2,\"total_tokens\":$(($1 + $2))}}"; }
as '{"sub":"ian","team":"in"}'
used 100 9000
ask
ask
is "input counts what the provider was sent" "$status" 200
ask
is "and not the answer" "$status $(code)" "429 rate_limit_exceeded"
as '{"sub":"oli","team":"out"}'
used 9000 100
ask m 100
ask m 100
is "output counts the answer" "$status" 200
ask m 100
is "and no prompt" "$status $(code)" "429 rate_limit_exceeded"
control '{}'

# ---- burst ----
as '{"sub":"bea","team":"burst"}'
for _ in 1 2 3 4 5; do # until the machine is quick enough for three in one window
	began=$EPOCHSECONDS
	ask; ask
	two=$status
	ask
	[ $((EPOCHSECONDS - began)) -ge 4 ] || break
	sleep 6
done
is "two at once" "$two" 200
is "a third is a burst" "$status $(code)" "429 rate_limit_exceeded"
is "which is soon over" "$(header x-should-retry)" ""
like "of which the error speaks" "$body" 'limit burst: 2 requests in 5 s'
after=$(header retry-after)
check "it may come again soon" test "$after" -ge 1 -a "$after" -le 6
sleep "$after"
ask
is "when it was told" "$status" 200

# ---- a shorter answer where there is no room for a long one ----
as '{"sub":"sam","team":"short"}'
used 100 200
ask m 300
is "there is room" "$status" 200
ask m 300
is "there is for less" "$status $(header x-tollgate-at-limit)" "200 shorter"
is "which is asked for" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" 10
is "and on record" "$(last '[.at_limit.limit,.at_limit.max_output_tokens,.tags]')" '["shorter",10,["cut"]]'
ask m 300
is "a second refusal is final" "$status $(code)" "429 rate_limit_exceeded"

# ---- so many dollars a team, then the small model ----
as '{"sub":"pia","team":"pay"}'
used 100 60
ask big 60
is "the big one while there is money" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
ask big 60
is "then the small one" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small month"
is "on record with what was asked for" "$(last '[.model,.requested_model,.tags,.at_limit.model]')" '["small","big",["cheap"],"small"]'
ask big 60
is "and so it goes on" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 small"
ask small 5
is "who asks for it gets it" "$status" 200
ask unheard-of 5
is "no price, no request" "$status $(code)" "403 price_unknown"
like "it is the model that has none" "$body" 'and this model has no price here'
as '{"sub":"leo","team":"least"}'
ask big 60 hi ',"service_tier":"batch"'
check "a cheaper service may not be given: all of its price is reserved" test "$(last '.limits[0].taken')" -gt 6000000
as '{"sub":"lea","team":"least"}'
ask small 60 hi ',"models":["big"]'
check "for who names models to fall back on the dearest is held" test "$(last '.limits[0].taken')" -gt 6000000
is "and who answered is paid" "$(last '[.price.model,.cost_nanousd]' completion)" '["small",340000]'
as '{"sub":"ivy","team":"least"}'
draw() { req POST /v1/images/generations -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"prompt\":\"a cat\"${2:-}}"; }
draw drawer ',"n":3'
is "images are paid for before they are made" "$status $(code)" "403 limit_unreachable"
control '{"body":"{\"created\":1,\"data\":[{\"url\":\"u\"},{\"url\":\"u\"}]}"}'
draw drawer ',"n":2'
is "as many as are asked for" "$status $(last '.limits[0].taken')" "200 8000000"
draw drawer
final is "and no more than the limit" "$status $(code)" "429 insufficient_quota"
as '{"sub":"ike","team":"least"}'
draw painter ',"n":2'
is "one in tokens as an answer without a cap" "$status $(last .prompt.reserved_output_tokens)" "200 8192"
control '{}'
as '{"sub":"ira","team":"least"}'
seek() { req POST /v1/responses -H "$auth" -H "$json" -d "{\"model\":\"seeker\",\"max_output_tokens\":5,\"input\":\"hi\"$1}"; }
taken() { last '.limits[0].taken'; }
seek ',"tools":[{"type":"web_search"},{"type":"function","name":"f","parameters":{"type":"object"}}],"max_tool_calls":3'
is "searches are reserved as often as the request lets them be" "$status $(taken)" "200 3000000"
seek ',"tools":[{"type":"web_search","max_uses":2}]'
is "or the tool does" "$status $(taken)" "200 2000000"
seek ',"\u0074ools":[{"type":"web_search","max_uses":2}],"service_tier":"auto"'
is "a service that the account chooses is the dearest" "$status $(taken)" "200 6000000"
seek ',"tools":[{"type":"code_interpreter"}]'
is "where nothing says how often, as the policy says" "$status $(code)" "403 limit_unreachable"
seek ',"tools":[{"type":"web_search"}]'
is "a search that nobody bounds is no free one" "$status $(taken)" "200 10000000"
seek ',"tools":[{"type":"file_search","vector_store_ids":["v"]}]'
is "so are searches of files, at their own price" "$status $(taken)" "200 2000000"
seek ',"tools":[{"type":"image_generation"}],"max_tool_calls":2'
is "and images that a tool makes" "$status $(taken)" "200 1000000"
seek ',"search_parameters":{"mode":"on","max_search_results":3}'
is "and what a member of the request searches" "$status $(taken)" "200 3000000"
seek ',"input_":{"type":"web_search","max_uses":2}'
is "what is no tool costs nothing" "$status $(taken)" "200 0"
as '{"sub":"ida","team":"none"}'
control '{"body":"{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"seeker\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"}'
ask gpt-4o 5 hi ',"web_search_options":{}'
is "an answer that does not say has searched as often as it may" "$(last '[.usage_unknown,.estimated_usage.cost_nanousd]' completion)" '[true,10000000]'
control '{}'
as '{"sub":"pam","team":"payhard"}'
ask big 60
ask big 60
is "another limit holds for the small one too" "$status" 200
for _ in 1 2 3 4; do ask big 60; done
is "until its end" "$status $(code)" "429 insufficient_quota"
like "in dollars" "$body" 'limit hard: 0.0076 dollars in 3600 s'
is "no SDK repeats it, and yet it is told when" "$(header x-should-retry)" false
check "to the second" test "$(header retry-after)" -gt 3000
control '{}'

# ---- near a limit ----
as '{"sub":"sue","team":"soft"}'
used 300 200
ask big 300
is "half of it is taken" "$status $(header x-tollgate-at-limit)" "200 "
ask big 300
like "of which the answer warns" "$(header x-tollgate-limit-warning)" '^warned 8[0-9]%$'
is "from there on the small one" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small warned"
is "and a tag" "$(last .tags)" '["near"]'
control '{}'

# ---- so many tokens a day, by the calendar of a place ----
until_midnight() { echo $(($(TZ=Europe/Berlin date -d 'tomorrow 00:00' +%s) - EPOCHSECONDS)); }
[ "$(until_midnight)" -gt 300 ] || sleep $(($(until_midnight) + 1))
as '{"sub":"dan","team":"day"}'
used 300 200
ask m 300
is "the day's tokens begin" "$status $(header x-ratelimit-limit-tokens) $(header x-ratelimit-remaining-tokens | wc -c)" "200 1000 4"
ask m 300
is "settled at what was used" "$status" 200
like "the caller is warned" "$(header x-tollgate-limit-warning)" '^day 8[0-9]%$'
most=$(until_midnight)
ask m 300
is "spent: no rate, a budget" "$status $(code) $(header x-should-retry)" "429 insufficient_quota false"
after=$(header retry-after)
check "until midnight in Berlin" test "$after" -ge $(($(until_midnight) - 2)) -a "$after" -le $((most + 2))
warnings() { fetch GET "$ADMIN/metrics" | sed -n "s/^tollgate_limit_warnings_total{limit=\"day\",level=\"$1\"} //p"; }
ask m 300
is "one warning a level, however often" "$(warnings 80) $(warnings 90) $(warnings 100)" "1 0 1"
is "and a line of the log" "$(grep -c 'event=limit.near.* limit=day' "$D/tollgate.log")" 2
like "the share is a metric" "$(fetch GET "$ADMIN/metrics")" '^tollgate_limit_used_ratio\{limit="day"\} 1\.0'
as '{"sub":"don","team":"day"}'
ask m 300
is "another person has a day of their own" "$status" 200

# ---- 500 dollars a team and month, then the small model ----
as '{"sub":"pat","team":"spend"}'
used 100 60
ask big 60
is "the big model" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
as '{"sub":"per","team":"spend"}'
ask big 60
is "the team's money is spent, whoever asks" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small team-month"
for _ in $(seq 12); do ask big 60; done
is "as far as up_to" "$status $(code) $(header x-should-retry)" "429 insufficient_quota false"
as '{"sub":"per","team":"spend-more"}'
ask big 60
is "another team has a month of its own" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
is "the record says nano-dollars and the calendar" "$(last '.limits[]|select(.limit=="team-month")|[.kind,.of,.window]')" '["nanousd",10000000,"month"]'
control '{}'

# ---- side by side ----
crowd() { # MODEL CAP [WAITING]: twenty at once; so many wait until the others have their answers
	local i
	running=()
	forget
	rm -f "$D"/crowd*
	for i in $(seq 20); do
		curl -s -o "$D/crowd.$i" -w '%{http_code}\n' "$EDGE/v1/chat/completions" -H "$auth" -H "$json" \
			-d "{\"model\":\"$1\",\"max_tokens\":$2,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}" >"$D/crowd-status.$i" &
		running+=($!)
	done
	[ -z "${3:-}" ] || wait_for answered $((20 - $3))
	release
	wait "${running[@]}"
}
answered() { [ "$(cat "$D"/crowd-status.* | wc -l)" -ge "$1" ]; }
as '{"sub":"cam","team":"many"}'
control '{"delay_ms":60000}'
crowd m 5 2
is "two of twenty at once pass" "$(cat "$D"/crowd-status.* | sort | uniq -c | xargs)" "2 200 18 429"
as '{"sub":"cat","team":"spend-crowd"}'
# all of it is used: who asks after an answer gets no more than who asks before
control '{"delay_ms":1500,"usage":{"prompt_tokens":100,"completion_tokens":60,"total_tokens":160}}'
crowd big 60
is "money for one of them is spent once" "$(cat "$D"/crowd.* | grep -o '"model":"big"' | wc -l)" 1
control '{}'

# ---- what runs no model ----
as '{"sub":"moe","team":"five-mcp"}'
mcp() { req POST /mcp -H "$auth" -H "$json" -d "$1"; }
for method in initialize tools/list tools/call notifications/initialized; do
	mcp '{"jsonrpc":"2.0","id":1,"method":"'$method'","params":{"name":"x"}}'
	unlike "dollars leave MCP's $method alone" "$status $(code)" 'price_unknown|^403'
done
for body_of in '{"prompt":"hi"}' '{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}' '{"method":"initialize"}' '[{"jsonrpc":"2.0","method":"initialize"}]'; do
	mcp "$body_of"
	is "what may run one is refused: $body_of" "$status $(code)" "403 price_unknown"
done
req GET /v1/models -H "$auth"
is "a list of models runs none" "$status" 200
req GET /mcp -H "$auth" -H 'mcp-session-id: s1'
unlike "nor does MCP's stream of a session" "$status $(code)" 'price_unknown'

# ---- a usage that nobody can have used ----
as '{"sub":"una","team":"day"}'
used 100 9223372036854775807
before=$(metric usage_unknown_total)
ask m 50
is "it is none: the answer is settled by what was seen of it" "$status $(last '[.usage_unknown,.usage]' completion) $(($(metric usage_unknown_total) - before))" '200 [true,null] 1'
ask m 50
is "so that the day goes on" "$status" 200
used 0 0
ask m 50
is "nor can a text have cost nothing" "$status $(last '[.usage_unknown,.usage]' completion)" '200 [true,null]'
control '{}'

# ---- a request that states no cap ----
# five HOST [MEMBERS [under way]]: at once, and all before the first is answered; what they were
# charged, in cents of a cent, by their records
five() {
	local i
	running=()
	forget
	for i in 1 2 3 4 5; do
		curl -s -o /dev/null "$EDGE/v1/chat/completions" -H "host: $1" -H "$auth" -H "$json" \
			-d "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]${2:-}}" &
		running+=($!)
	done
	[ -z "${3:-}" ] || under_way 5
	release
	wait "${running[@]}"
	settled
}
spent() { "$B/tollgate" usage -c "$D/tollgate.yaml" --by team --since 1h --json | jq -r --arg t "$1" '.. | objects | select(.team? == $t) | .cost_nanousd / 100000 | round'; }
sent() { seen "${2:-1}" | jq -c ".[0].body|fromjson|$1"; }
control '{"delay_ms":300,"length":9000}'
as '{"sub":"fay","team":"five"}'
five localhost
check "five at once stay under five cents" test "$(spent five)" -le 500 -a "$(spent five)" -ge 100
is "what is held for an answer is its cap" "$(sent .max_completion_tokens)" 100
is "and the record says so" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"default_cap":100' | grep -c '"team":"five"')" 5
as '{"sub":"fay","team":"five-choices"}'
five localhost ',"n":2'
check "so do choices" test "$(spent five-choices)" -le 500 -a "$(spent five-choices)" -ge 200
as '{"sub":"fay","team":"five-stream"}'
five localhost ',"stream":true'
check "and streams" test "$(spent five-stream)" -le 500 -a "$(spent five-stream)" -ge 100
as '{"sub":"fay","team":"five-guess"}'
control '{"delay_ms":3600000,"length":9000}'
five guess.example '' 'under way'
control '{"length":9000}'
check "reserve: estimate sends none: a limit may be passed" test "$(spent five-guess)" -ge 3600
is "the body goes as it came" "$(sent 'has("max_completion_tokens")')" false
as '{"sub":"fay","team":"long"}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d '{"messages":[{"role":"user","content":"hi"}], "model" :"small"}'
is "its cap is written where a limit applies" "$status $(sent .max_completion_tokens)" "200 4096"
control '{}'

# ---- what is held follows from what is used ----
as '{"sub":"lea"}'
told() { req POST /v1/messages -H "$auth" -H "$json" -d '{"model":"claude","max_tokens":1900,"messages":[{"role":"user","content":"hi"}]}'; settled; }
control '{"usage":{"input_tokens":20,"output_tokens":100}}'
for _ in $(seq 8); do told; done
is "so far what is asked for" "$status $(seen | jq -r '.[0].body|fromjson|.max_tokens')" "200 1900"
told
cap=$(last .learned_cap)
is "then no more than they take, and a half" "$(seen | jq -r '.[0].body|fromjson|.max_tokens') $(last .prompt.reserved_output_tokens)" "$cap $cap"
check "which is near a hundred" test "$cap" -ge 110 -a "$cap" -le 150
control '{"usage":{"input_tokens":20,"output_tokens":400}}'
told
cut=$(last .learned_cap)
told
is "an answer that was cut doubles it" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" "$((cut * 3))"
as '{"sub":"lin"}'
for _ in $(seq 9); do completions '"max_tokens":900,"prompt":"a"'; done
completions '"max_tokens":900,"prompt":["a","b"]'
is "a list of prompts is held as it asks" "$(last '[.learned_cap,.prompt.reserved_output_tokens]')" '[null,1800]'
as '{"sub":"leo"}'
told
is "another person begins anew" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" 1900
control '{}'

# ---- so many of a class of data ----
as '{"sub":"cle","team":"cls"}'
for _ in 1 2 3; do ask m 5 'write to jane.doe@example.com'; done
is "so many requests with personal data" "$status $(code)" "429 rate_limit_exceeded"
ask
is "others are not counted" "$status" 200

# ---- what an SDK repeats ----
as '{"sub":"rob"}'
ask m 5 hi '' -H 'x-stainless-retry-count: 2'
is "a repeat is marked and nothing else" "$status $(last .request.attempt)" "200 3"
ask m 5 hi '' -H 'amz-sdk-request: attempt=2; max=3'
is "Amazon's too" "$(last .request.attempt) $(metric repeated_total)" "2 2"
ask m 5 hi '' -H 'x-stainless-retry-count: 0'
is "a first try is none" "$(last .request.attempt)" null

# ---- so many at once ----
running=()
as '{"sub":"max","team":"many"}'
forget
control '{"delay_ms":60000}'
for _ in 1 2; do
	curl -s -o /dev/null "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}' &
	running+=($!)
done
under_way 2
ask
is "two are under way" "$status $(code)" "429 rate_limit_exceeded"
check "for a second or so" test "$(header retry-after)" -ge 1
like "of which the error speaks" "$body" 'limit at-once: 2 concurrent requests'
control '{}'
release
wait "${running[@]}"
settled
passes() { ask && [ "$status" = 200 ]; } # Redis is told of an end a moment after its record
check "and end" wait_for passes

# ---- a stream, and a body that comes later than its head ----
as '{"sub":"sam","team":"spend-stream"}'
used 100 60
ask big 60 hi ',"stream":true'
is "a stream passes" "$status $(grep -c '^data: \[DONE\]' <<<"$body")" "200 1"
settled
ask big 60
is "and is settled in dollars" "$status $(header x-tollgate-at-limit)" "200 team-month"
as '{"sub":"liz","team":"spend-long"}'
text=$(head -c 200000 /dev/zero | tr '\0' a)
printf '{"model":"small","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}' "$text" >"$D/long"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/long"
is "200 KB are too much of a message" "$status $(code)" "403 limit_unreachable"
as '{"sub":"lou","team":"long"}'
used 100 60
sed 's/"small"/"big"/' "$D/long" >"$D/longer"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/longer"
is "another model for what came late" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small long"
is "it is otherwise as it was" "$(seen | jq -r '.[0].body|fromjson|.messages[0].content|length')" 200000
control '{}'

# ---- the fullest limits ----
fullest() { curl -s -m 10 --unix-socket "$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml")" "http://x/limits/fullest?count=$1"; }
fullest 200 >"$D/fullest"
is "the fullest limit is first" "$(jq -c '[.limits[].used_percent] | . == (sort | reverse)' "$D/fullest")" true
is "a budget of a day has its amount, window and person" "$(jq -c '[.limits[] | select(.limit == "day")][0] | [.counts, .of, .window, .used > 0, .person != null, .resets_at != null]' "$D/fullest")" '["tokens",1000,"day",true,true,true]'
is "a limit that does not count by person names none" "$(jq -c '[.limits[] | select(.limit == "roles") | .person] | unique' "$D/fullest")" '[null]'
is "a rate of a minute is not listed" "$(jq -c '[.limits[] | select(.limit == "minute")]' "$D/fullest")" '[]'
is "as many as were asked for" "$(fullest 2 | jq '.limits | length')" 2

# ---- Redis is away ----
redis-cli -s "${REDIS#unix:}" shutdown nosave >/dev/null 2>&1
as '{"sub":"abe","team":"away"}'
ask
is "a limit that lets it go" "$status" 200
as '{"sub":"ada","team":"away"}'
ask
is "not where another does not" "$status $(code)" "503 quota_unavailable"
