# Budgets: the limits of tests/e2e/budgets.yaml, with HAProxy, Redis and the simulated provider.
# Once: HAProxy only forwards header fields here; denials.vtc tests them with each version.
# Long: it waits for limits' windows to end.
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
is "a longer request can never pass: 403" "$status $(code)" "403 limit_unreachable"
like "the error names the limit" "$body" 'the limit message is 2000 for each request'
is "the 403 has x-should-retry: false" "$(header x-should-retry)" false
ask m 5 "$(seq -s ' ' 1000 2500)"
is "a request with a long prompt can never pass either" "$status $(code)" "403 limit_unreachable"
ask m 1900 hi ',"n":2'
is "the cap is multiplied by the number of choices" "$status $(code)" "403 limit_unreachable"
completions() { req POST /v1/completions -H "$auth" -H "$json" -d "{\"model\":\"m\",$1}"; }
reserved() { last .prompt.reserved_output_tokens; }
completions '"max_tokens":500,"prompt":["a","b","c","d","e"]'
is "the cap is multiplied by the number of prompts" "$status $(code) $(reserved)" "403 limit_unreachable 2500"
completions '"max_tokens":500,"n":2,"prompt":["a","b","c"]'
is "choices and prompts multiply" "$(reserved)" 3000
completions '"max_tokens":500,"prompt":["a"]'
is "a list with one prompt counts once" "$status $(reserved)" "200 500"
completions '"max_tokens":500,"best_of":8,"n":2,"prompt":"a"'
is "best_of multiplies the cap, although only the best completion is returned" "$status $(code) $(reserved)" "403 limit_unreachable 4000"
completions '"max_tokens":500,"n":8,"best_of":1,"prompt":"a"'
is "the larger of n and best_of counts, in either order" "$(reserved)" 4000
ask m 0
is "max_tokens: 0 counts as no cap" "$status $(code) $(reserved)" "403 limit_unreachable 4096"
batch() { req POST /v1/messages/batches -H "$auth" -H "$json" -d "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"m\",\"max_tokens\":10,$1}},{\"custom_id\":\"b\",\"params\":{\"model\":\"m\",$2$1}}]}"; }
batch '"messages":[{"role":"user","content":"hi"}]' '"max_tokens":700,'
is "the requests of a batch are added up" "$(reserved)" 710
batch '"messages":[{"role":"user","content":"hi"}]' ''
is "the cap of one request does not apply to the other requests of a batch" "$status $(code) $(reserved)" "403 limit_unreachable 4106"

line() { echo "{\"custom_id\":\"$1\",\"method\":\"POST\",\"url\":\"/v1/$2\",\"body\":{\"model\":\"gpt-4o\",$3}}"; }
file() { req POST /v1/files -H "$auth" -F "purpose=$1" -F "file=@$D/file.jsonl"; }
hi='"messages":[{"role":"user","content":"hi"}]'
control '{"status":200,"body":"{\"id\":\"x\"}"}'
{ line a chat/completions "\"max_tokens\":900,$hi"; line b chat/completions "\"max_tokens\":30,$hi"; line c embeddings '"input":"hi"'; } >"$D/file.jsonl"
file batch
is "the lines of a batch's file that ask for a completion are added up" "$status $(reserved)" "200 930"
is "their reservation stays charged, because their usage is unknown" "$(last '[.usage_unknown,.estimated_usage]' completion)" '[true,null]'
{ line a chat/completions "\"max_tokens\":1900,$hi"; line b chat/completions "\"max_tokens\":1900,$hi"; } >"$D/file.jsonl"
file batch
is "a batch's file over the limit is refused" "$status $(code) $(reserved)" "403 limit_unreachable 3800"
echo "{$hi}" >"$D/file.jsonl"
file fine-tune
is "a fine-tuning file reserves nothing and gets no cap" "$status $(reserved) $(last .default_cap)" "200 0 null"
req POST /v1/messages/batches -H "$auth" -H "$json" -d "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"claude-3-5-haiku\",\"max_tokens\":500,$hi}}]}"
is "a batch is charged its reservation" "$status $(last '[.usage_unknown,.estimated_usage]' completion)" '200 [true,null]'
req POST /v1/responses -H "$auth" -H "$json" -d '{"model":"gpt-4o","max_output_tokens":500,"background":true,"input":"hi"}'
is "a background response is charged its reservation" "$status $(last '[.usage_unknown,.estimated_usage]' completion)" '200 [true,null]'
control '{}'

# ---- a batch's file and its jobs ----
as '{"sub":"joe","team":"jobs"}'
of() { "$B/tollgate" quota get --person "${2:-joe}" --team jobs --json -c "$D/tollgate.yaml" | jq -c "[.[] | select(.limit == \"$1\") | .used + .held]"; }
job() { req POST /v1/batches -H "$auth" -H "$json" -d "{\"input_file_id\":\"$1\",\"endpoint\":\"/v1/chat/completions\",\"completion_window\":\"24h\"}"; }
control '{"status":200,"body":"{\"id\":\"file-joe\",\"object\":\"file\"}"}'
for name in a b; do echo "{\"custom_id\":\"$name\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"big\",\"max_tokens\":500,$hi}}"; done >"$D/file.jsonl"
file batch
is "uploading a batch's file is not charged" "$status $(reserved) $(of jobs) $(of jobs-tokens)" "200 1000 [0] [0]"
job file-joe
is "a job reserves the tokens of its file" "$status $(reserved)" "200 1000"
each=$(of jobs-tokens | tr -d '[]')
is "the job's record has the reservation" "$(last '[.usage_unknown,.reserved_usage.output_tokens,.reserved_usage.cost_nanousd >= 10000000]' completion)" '[true,1000,true]'
check "the job is charged in tokens" [ "$each" -gt 1000 ]
# 1,000 output tokens at 100 dollars a million, at a batch's tenth of the price, and some input
check "the job is charged in dollars, at a batch's price" [ "$(of jobs | jq '.[0] as $n | $n >= 10000000 and $n < 10500000')" = true ]
job file-joe
is "each job that names the file is charged" "$status $(of jobs-tokens)" "200 [$((2 * each))]"
job file-joe
is "when the limit is used up, a job is refused" "$status $(code)" "429 insufficient_quota"
is "the refusal states when the limit is free again, for requests and tokens" "$(header x-ratelimit-reset-requests) $(header x-ratelimit-remaining-requests)" "$(header retry-after)s "
job file-other
is "a job with an unknown file is refused" "$status $(code)" "403 file_unknown"
is "usage has the dollars of both jobs" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person --since 1h --json | jq -c '[.. | objects | select(.person? == "joe") | .estimated_nanousd > 20000000]')" '[true]'
control '{"status":429,"times":1}'
as '{"sub":"jon","team":"jobs"}'
job file-joe
is "a job that the provider refuses is not charged" "$status $(of jobs jon) $(last .usage_unknown completion)" "429 [0] null"
control '{"status":200,"body":"{\"id\":\"file-joe\",\"object\":\"file\"}"}'
as '{"sub":"jim","team":"jobs"}'
job file-joe
is "another person's job is charged to that person" "$status $(of jobs-tokens)" "200 [$((2 * each))]"
req POST /v1/files -H "$auth" -F purpose=assistants -F 'file=how we write letters;filename=letters.txt;type=text/plain'
is "a file that belongs to no batch names no model, so its price is unknown" "$status $(code)" "403 price_unknown"
like "the error explains that the request names no model" "$body" 'counts dollars, and this request names no model'
control '{}'

# ---- tokens for each conversation ----
as '{"sub":"bob","team":"talk"}'
control '{"usage":{"prompt_tokens":400,"completion_tokens":400,"total_tokens":800}}'
ask m 100 one
is "the first request of a conversation passes" "$status" 200
ask m 100 two
is "another conversation is counted separately" "$status" 200
ask m 500 one
is "the first conversation has reached its limit" "$status $(code)" "429 rate_limit_exceeded"
like "the error names the limit talk" "$body" 'limit talk'
ask m 500 one '' -H 'x-chat: 7'
is "a header field can name another conversation" "$status" 200
ask m 500 other '' -H 'x-chat: 7'
is "the conversation in the header field has precedence over the body" "$status" 429
ask m 500 one ',"prompt_cache_key":"k"'
is "a body's field can name the conversation" "$status" 200
ask m 500 other ',"metadata":{"session_id":"s"}'
is "the body's metadata can name the conversation" "$status" 200
ask m 500 another ',"metadata":{"session_id":"s"}'
is "both fields name the same conversation" "$status" 429
as '{"sub":"bert","team":"talk"}'
ask m 500 one '' -H 'x-chat: 7'
is "another person's conversation is counted separately" "$status" 200
control '{}'

ask m 5 one '' -H 'x-chat: told'
is "a condition reads the conversation" "$(last '[.tags[0],.request.conversation]')" '["told","told"]'
is "the completion has the rule's tag" "$(last .tags completion)" '["told"]'
ask m 5 one '' -H 'x-chat: jane.doe@example.com'
is "a name in which a value was found is not recorded" "$(last '[.not_held,.request.conversation]')" '[["request.conversation"],null]'
"$B/tollgate" policy replay -c "$D/tollgate.yaml" --policy "$here/budgets.yaml" --since 1h >"$D/replay" 2>&1
is "replay reads the conversation from the record" "$? $(grep -c 'told' "$D/replay")" "0 0"

# ---- tags in requests ----
as '{"sub":"tom","team":"tags"}'
ask m 5 hi '' -H 'x-chat: none'
is "a request without tags has none" "$(last .request_tags)" null
ask m 5 hi ',"user":"u-1","metadata":{"project":"apollo","other":"x"}'
is "the fields that the policy lists become tags" "$(last .request_tags)" '["project:apollo","user:u-1"]'
ask m 5 hi ',"safety_identifier":"u-2","metadata":{"project":"apollo"}'
is "the completion has the tags too" "$(last .request_tags completion)" '["project:apollo","user:u-2"]'
is "the completion has the person and the team" "$(last '[.identity.person,.identity.team]' completion)" '["tom","tags"]'
ask m 5 hi ',"metadata":{"project":"apollo"}'
is "a limit counts each tag separately" "$status $(code)" "429 rate_limit_exceeded"
ask m 5 hi ',"user":"jane.doe@example.com","metadata":{"project":"artemis"}'
is "a tag in which a value was found is ignored" "$status $(last .request_tags)" '200 ["project:artemis"]'
ask m 5 hi ',"user":"'"$(printf 'x%.0s' {1..65})"'"'
is "a long tag is ignored" "$status $(last .request_tags)" "200 null"
ask m 5 hi ',"messages_":[{"user":"u-9"}]'
is "a nested field is ignored" "$status $(last .request_tags)" "200 null"
req POST /v1/messages -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' \
	-d '{"model":"c","max_tokens":5,"metadata":{"user_id":"u-3"},"messages":[{"role":"user","content":"hi"}]}'
is "a field of another dialect becomes a tag" "$status $(last .request_tags)" '200 ["user:u-3"]'
is "usage is summed by tag" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by tag --since 1h --json |
	jq -c '[.. | objects | select(.tag? == "project:apollo") | [.requests, .refused]] | unique')" '[[3,1]]'

# ---- a limit by a list counts once for each member ----
as '{"sub":"cal","team":"roles","roles":["red","blue"]}'
for _ in 1 2 3; do ask; done
is "a person with two roles sends three requests" "$status" 200
ask
is "the fourth request is over the limit" "$status $(code)" "429 rate_limit_exceeded"
is "Retry-After is longer than an SDK should sleep" "$(header x-should-retry) $(($(header retry-after) > 90))" "false 1"
as '{"sub":"min","team":"minute"}'
ask; ask; ask
is "a refusal by a limit of a minute has no x-should-retry" "$status $(header x-should-retry)$(($(header retry-after) > 55 && $(header retry-after) <= 67))" "429 1"
as '{"sub":"cid","team":"roles","roles":["blue","green"]}'
ask
is "a person who shares one of the roles is refused" "$status" 429
as '{"sub":"cat","team":"roles","roles":["green"]}'
ask
final is "the refusal did not count for the other role" "$status $(header x-ratelimit-remaining-requests)" "200 2"
as '{"sub":"coy","team":"roles","roles":[]}'
ask
is "a person without roles is not counted" "$status $(header x-ratelimit-limit-requests)" "200 "

# ---- separate limits of input and output ----
used() { control "{\"usage\":{\"prompt_tokens\":$1,\"completion_tokens\":$2,\"total_tokens\":$(($1 + $2))}}"; }
as '{"sub":"ian","team":"in"}'
used 100 9000
ask
ask
is "the input limit counts the request's tokens" "$status" 200
ask
is "the input limit does not count the response" "$status $(code)" "429 rate_limit_exceeded"
# Each request has 500 tokens of input. 450 of them come from the provider's cache, so that 50 + 45 count.
control '{"usage":{"prompt_tokens":500,"completion_tokens":5,"total_tokens":505,"prompt_tokens_details":{"cached_tokens":450}}}'
as '{"sub":"ira","team":"reread"}'
got=''
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do ask; settled; got+="$status "; done
is "a tenth of cached input counts" "$got" "$(printf '200 %.0s' 1 2 3 4 5 6 7 8 9 10 11)429 "
control '{"usage":{"input_tokens":50,"output_tokens":5,"cache_read_input_tokens":450}}'
as '{"sub":"ivo","team":"reread"}'
got=''
for _ in 1 2 3 4; do
	req POST /v1/messages -H "$auth" -H "$json" -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
	settled
	got+="$status "
done
is "a tenth counts in another API form" "$got" "200 200 200 200 "
used 500 5
as '{"sub":"ina","team":"reread"}'
ask; settled; ask; settled; ask
is "input that is not cached counts in full" "$status" 429
as '{"sub":"oli","team":"out"}'
used 9000 100
ask m 100
ask m 100
is "the output limit counts the response's tokens" "$status" 200
ask m 100
is "the output limit does not count the prompt" "$status $(code)" "429 rate_limit_exceeded"
control '{}'

# ---- burst ----
as '{"sub":"bea","team":"burst"}'
for _ in 1 2 3 4 5; do # repeats until the machine sends three requests in one window
	began=$EPOCHSECONDS
	ask; ask
	two=$status
	ask
	[ $((EPOCHSECONDS - began)) -ge 4 ] || break
	sleep 6
done
is "two requests in one window pass" "$two" 200
is "a third request exceeds the burst limit" "$status $(code)" "429 rate_limit_exceeded"
is "the refusal has no x-should-retry, because the wait is short" "$(header x-should-retry)" ""
like "the error names the limit burst" "$body" 'limit burst: 2 requests in 5 s'
after=$(header retry-after)
check "Retry-After is 1 to 6 s" test "$after" -ge 1 -a "$after" -le 6
sleep "$after"
ask
is "after Retry-After the request passes" "$status" 200

# ---- at_limit: a shorter response if a long one does not fit ----
as '{"sub":"sam","team":"short"}'
used 100 200
ask m 300
is "the first request fits" "$status" 200
ask m 300
is "at the limit, a shorter response is requested" "$status $(header x-tollgate-at-limit)" "200 shorter"
is "the provider receives the lower cap" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" 10
is "the record has the lower cap" "$(last '[.at_limit.limit,.at_limit.max_output_tokens,.tags]')" '["shorter",10,["cut"]]'
ask m 300
is "if the shorter response does not fit either, the request is refused" "$status $(code)" "429 rate_limit_exceeded"

# ---- dollars for each team, then a smaller model ----
as '{"sub":"pia","team":"pay"}'
used 100 60
ask big 60
is "below the limit, the large model is used" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
ask big 60
is "at the limit, the small model is used" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small month"
is "the record has the small model and the requested model" "$(last '[.model,.requested_model,.tags,.at_limit.model]')" '["small","big",["cheap"],"small"]'
ask big 60
is "further requests use the small model" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 small"
ask small 5
is "a request for the small model passes" "$status" 200
ask unheard-of 5
is "a model without a price is refused" "$status $(code)" "403 price_unknown"
like "the error states that the model has no price" "$body" 'and this model has no price here'
as '{"sub":"leo","team":"least"}'
ask big 60 hi ',"service_tier":"batch"'
check "if a request asks for a cheaper service tier, the normal price is reserved" test "$(last '.limits[0].taken')" -gt 6000000
as '{"sub":"lea","team":"least"}'
ask small 60 hi ',"models":["big"]'
check "if a request names fallback models, the most expensive one is reserved" test "$(last '.limits[0].taken')" -gt 6000000
is "the model that answered is charged" "$(last '[.price.model,.cost_nanousd]' completion)" '["small",340000]'
as '{"sub":"ivy","team":"least"}'
draw() { req POST /v1/images/generations -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"prompt\":\"a cat\"${2:-}}"; }
draw drawer ',"n":3'
is "images are reserved before they are made" "$status $(code)" "403 limit_unreachable"
control '{"body":"{\"created\":1,\"data\":[{\"url\":\"u\"},{\"url\":\"u\"}]}"}'
draw drawer ',"n":2'
is "all requested images are reserved" "$status $(last '.limits[0].taken')" "200 8000000"
draw drawer
final is "images over the limit are refused" "$status $(code)" "429 insufficient_quota"
as '{"sub":"ike","team":"least"}'
draw painter ',"n":2'
is "a model with image tokens reserves its maximum output" "$status $(last .prompt.reserved_output_tokens)" "200 8192"
control '{}'
as '{"sub":"ira","team":"least"}'
seek() { req POST /v1/responses -H "$auth" -H "$json" -d "{\"model\":\"seeker\",\"max_output_tokens\":5,\"input\":\"hi\"$1}"; }
taken() { last '.limits[0].taken'; }
seek ',"tools":[{"type":"web_search"},{"type":"function","name":"f","parameters":{"type":"object"}}],"max_tool_calls":3'
is "as many searches are reserved as the request permits" "$status $(taken)" "200 3000000"
seek ',"tools":[{"type":"web_search","max_uses":2}]'
is "as many searches are reserved as the tool permits" "$status $(taken)" "200 2000000"
seek ',"\u0074ools":[{"type":"web_search","max_uses":2}],"service_tier":"auto"'
is "if the account chooses the service tier, the most expensive one is reserved" "$status $(taken)" "200 6000000"
seek ',"tools":[{"type":"code_interpreter"}]'
is "if the request states no number of searches, the policy's number is reserved" "$status $(code)" "403 limit_unreachable"
seek ',"tools":[{"type":"web_search"}]'
is "an unlimited search tool is reserved at the policy's number" "$status $(taken)" "200 10000000"
seek ',"tools":[{"type":"file_search","vector_store_ids":["v"]}]'
is "file searches are reserved at their own price" "$status $(taken)" "200 2000000"
seek ',"tools":[{"type":"image_generation"}],"max_tool_calls":2'
is "images of a tool are reserved" "$status $(taken)" "200 1000000"
seek ',"search_parameters":{"mode":"on","max_search_results":3}'
is "a search option in the request is reserved" "$status $(taken)" "200 3000000"
seek ',"input_":{"type":"web_search","max_uses":2}'
is "a field that is no tool reserves nothing" "$status $(taken)" "200 0"
as '{"sub":"ida","team":"none"}'
control '{"body":"{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"seeker\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"}'
ask gpt-4o 5 hi ',"web_search_options":{}'
is "if the response states no number of searches, the reserved number is charged" "$(last '[.usage_unknown,.estimated_usage.cost_nanousd]' completion)" '[true,10000000]'
control '{}'
as '{"sub":"pam","team":"payhard"}'
ask big 60
ask big 60
is "another limit also counts the small model" "$status" 200
for _ in 1 2 3 4; do ask big 60; done
is "when that limit is used up, the small model is refused" "$status $(code)" "429 insufficient_quota"
like "the error names the limit in dollars" "$body" 'limit hard: 0.0076 dollars in 3600 s'
is "the refusal has x-should-retry: false" "$(header x-should-retry)" false
check "Retry-After is given in seconds" test "$(header retry-after)" -gt 3000
control '{}'

# ---- warnings near a limit ----
as '{"sub":"sue","team":"soft"}'
used 300 200
ask big 300
is "half of the limit is used without a warning" "$status $(header x-tollgate-at-limit)" "200 "
ask big 300
like "above the warning level, a response has a warning" "$(header x-tollgate-limit-warning)" '^warned 8[0-9]%$'
is "above the warning level, the small model is used" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small warned"
is "the record has the rule's tag" "$(last .tags)" '["near"]'
control '{}'

# ---- tokens for each day of a time zone's calendar ----
until_midnight() { echo $(($(TZ=Europe/Berlin date -d 'tomorrow 00:00' +%s) - EPOCHSECONDS)); }
[ "$(until_midnight)" -gt 300 ] || sleep $(($(until_midnight) + 1))
as '{"sub":"dan","team":"day"}'
used 300 200
ask m 300
is "the first request of the day passes" "$status $(header x-ratelimit-limit-tokens) $(header x-ratelimit-remaining-tokens | wc -c)" "200 1000 4"
ask m 300
is "the request is settled at its usage" "$status" 200
like "the response warns the caller" "$(header x-tollgate-limit-warning)" '^day 8[0-9]%$'
most=$(until_midnight)
ask m 300
is "at the limit the code is insufficient_quota" "$status $(code) $(header x-should-retry)" "429 insufficient_quota false"
after=$(header retry-after)
check "Retry-After ends at midnight in Berlin" test "$after" -ge $(($(until_midnight) - 2)) -a "$after" -le $((most + 2))
warnings() { fetch GET "$ADMIN/metrics" | sed -n "s/^tollgate_limit_warnings_total{limit=\"day\",level=\"$1\"} //p"; }
ask m 300
is "each level sends one warning" "$(warnings 80) $(warnings 90) $(warnings 100)" "1 0 1"
is "each level is logged once" "$(grep -c 'event=limit.near.* limit=day' "$D/tollgate.log")" 2
like "a metric has the used share" "$(fetch GET "$ADMIN/metrics")" '^tollgate_limit_used_ratio\{limit="day"\} 1\.0'
as '{"sub":"don","team":"day"}'
ask m 300
is "another person has a separate limit" "$status" 200

# ---- 500 dollars for each team and month, then a smaller model ----
as '{"sub":"pat","team":"spend"}'
used 100 60
ask big 60
is "below the limit, the large model is used" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
as '{"sub":"per","team":"spend"}'
ask big 60
is "at the team's limit, every member gets the small model" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small team-month"
for _ in $(seq 12); do ask big 60; done
is "above up_to, requests are refused" "$status $(code) $(header x-should-retry)" "429 insufficient_quota false"
as '{"sub":"per","team":"spend-more"}'
ask big 60
is "another team has a separate limit" "$status $(seen | jq -r '.[0].body|fromjson|.model')" "200 big"
is "the record has nano-dollars and the calendar window" "$(last '.limits[]|select(.limit=="team-month")|[.kind,.of,.window]')" '["nanousd",10000000,"month"]'
control '{}'

# ---- concurrent requests ----
crowd() { # MODEL CAP [WAITING]: sends twenty at the same time; WAITING of them wait until the others have their responses
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
is "two of twenty concurrent requests pass" "$(cat "$D"/crowd-status.* | sort | uniq -c | xargs)" "2 200 18 429"
as '{"sub":"cat","team":"spend-crowd"}'
# The whole limit is used, so a request after a response gets no more than a request before it.
control '{"delay_ms":1500,"usage":{"prompt_tokens":100,"completion_tokens":60,"total_tokens":160}}'
crowd big 60
is "if the money suffices for one request, one passes" "$(cat "$D"/crowd.* | grep -o '"model":"big"' | wc -l)" 1
control '{}'

# ---- requests that run no model ----
as '{"sub":"moe","team":"five-mcp"}'
mcp() { req POST /mcp -H "$auth" -H "$json" -d "$1"; }
for method in initialize tools/list tools/call notifications/initialized; do
	mcp '{"jsonrpc":"2.0","id":1,"method":"'$method'","params":{"name":"x"}}'
	unlike "a limit in dollars does not refuse MCP's $method" "$status $(code)" 'price_unknown|^403'
done
for body_of in '{"prompt":"hi"}' '{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}' '{"method":"initialize"}' '[{"jsonrpc":"2.0","method":"initialize"}]'; do
	mcp "$body_of"
	is "a request that may run a model is refused: $body_of" "$status $(code)" "403 price_unknown"
done
req GET /v1/models -H "$auth"
is "a list of models is permitted" "$status" 200
req GET /mcp -H "$auth" -H 'mcp-session-id: s1'
unlike "MCP's stream of a session is permitted" "$status $(code)" 'price_unknown'

# ---- impossible usage ----
as '{"sub":"una","team":"day"}'
used 100 9223372036854775807
before=$(metric usage_unknown_total)
ask m 50
is "an impossible usage is ignored: the observed output is charged" "$status $(last '[.usage_unknown,.usage]' completion) $(($(metric usage_unknown_total) - before))" '200 [true,null] 1'
ask m 50
is "the next request of the day passes" "$status" 200
used 0 0
ask m 50
is "usage without output for a response with text is ignored" "$status $(last '[.usage_unknown,.usage]' completion)" '200 [true,null]'
control '{}'

# ---- requests without a cap ----
# five HOST [MEMBERS [WAIT]]: sends five requests at the same time; with WAIT, all are in flight before the first gets a
# response. spent TEAM: prints the sum of the team's charges from the records, in hundredths of a cent.
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
check "five concurrent requests are charged less than five cents" test "$(spent five)" -le 500 -a "$(spent five)" -ge 100
is "the provider receives the reserved cap" "$(sent .max_completion_tokens)" 100
is "the records have the cap" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"default_cap":100' | grep -c '"team":"five"')" 5
as '{"sub":"fay","team":"five-choices"}'
five localhost ',"n":2'
check "requests with several choices stay under the limit" test "$(spent five-choices)" -le 500 -a "$(spent five-choices)" -ge 200
as '{"sub":"fay","team":"five-stream"}'
five localhost ',"stream":true'
check "streams stay under the limit" test "$(spent five-stream)" -le 500 -a "$(spent five-stream)" -ge 100
as '{"sub":"fay","team":"five-guess"}'
control '{"delay_ms":3600000,"length":9000}'
five guess.example '' 'under way'
control '{"length":9000}'
check "with reserve: estimate no cap is sent, and the limit may be exceeded" test "$(spent five-guess)" -ge 3600
is "with reserve: estimate the body is unchanged" "$(sent 'has("max_completion_tokens")')" false
as '{"sub":"fay","team":"long"}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d '{"messages":[{"role":"user","content":"hi"}], "model" :"small"}'
is "a cap is sent if a limit applies" "$status $(sent .max_completion_tokens)" "200 4096"
control '{}'

# ---- reservations learned from usage ----
as '{"sub":"lea"}'
told() { req POST /v1/messages -H "$auth" -H "$json" -d '{"model":"claude","max_tokens":1900,"messages":[{"role":"user","content":"hi"}]}'; settled; }
control '{"usage":{"input_tokens":20,"output_tokens":100}}'
for _ in $(seq 8); do told; done
is "before anything is learned, the requested cap is sent" "$status $(seen | jq -r '.[0].body|fromjson|.max_tokens')" "200 1900"
told
cap=$(last .learned_cap)
is "then the cap is one and a half times the usual output" "$(seen | jq -r '.[0].body|fromjson|.max_tokens') $(last .prompt.reserved_output_tokens)" "$cap $cap"
check "that cap is near a hundred tokens" test "$cap" -ge 110 -a "$cap" -le 150
control '{"usage":{"input_tokens":20,"output_tokens":400}}'
told
cut=$(last .learned_cap)
told
is "a response that reached the cap doubles the next cap" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" "$((cut * 3))"
as '{"sub":"lin"}'
for _ in $(seq 9); do completions '"max_tokens":900,"prompt":"a"'; done
completions '"max_tokens":900,"prompt":["a","b"]'
is "a list of prompts reserves what it requests" "$(last '[.learned_cap,.prompt.reserved_output_tokens]')" '[null,1800]'
as '{"sub":"leo"}'
told
is "another person starts without learned values" "$(seen | jq -r '.[0].body|fromjson|.max_tokens')" 1900
control '{}'

# ---- a limit for a class of data ----
as '{"sub":"cle","team":"cls"}'
for _ in 1 2 3; do ask m 5 'write to jane.doe@example.com'; done
is "requests with personal data are limited" "$status $(code)" "429 rate_limit_exceeded"
ask
is "requests without personal data are not counted" "$status" 200

# ---- retries by an SDK ----
as '{"sub":"rob"}'
ask m 5 hi '' -H 'x-stainless-retry-count: 2'
is "a retry is recorded, and treated like other requests" "$status $(last .request.attempt)" "200 3"
ask m 5 hi '' -H 'amz-sdk-request: attempt=2; max=3'
is "a retry of Amazon's SDK is recorded" "$(last .request.attempt) $(metric repeated_total)" "2 2"
ask m 5 hi '' -H 'x-stainless-retry-count: 0'
is "a first attempt is not recorded as a retry" "$(last .request.attempt)" null

# ---- a limit of concurrent requests ----
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
is "two requests are in flight, the third is refused" "$status $(code)" "429 rate_limit_exceeded"
check "Retry-After is at least a second" test "$(header retry-after)" -ge 1
like "the error names the limit at-once" "$body" 'limit at-once: 2 concurrent requests'
control '{}'
release
wait "${running[@]}"
settled
passes() { ask && [ "$status" = 200 ]; } # Redis is updated a moment after the record of the end
check "after they end, the next request passes" wait_for passes

# ---- a stream, and a body that arrives after its head ----
as '{"sub":"sam","team":"spend-stream"}'
used 100 60
ask big 60 hi ',"stream":true'
is "a stream passes" "$status $(grep -c '^data: \[DONE\]' <<<"$body")" "200 1"
settled
ask big 60
is "a stream is settled in dollars" "$status $(header x-tollgate-at-limit)" "200 team-month"
as '{"sub":"liz","team":"spend-long"}'
text=$(head -c 200000 /dev/zero | tr '\0' a)
printf '{"model":"small","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}' "$text" >"$D/long"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/long"
is "a prompt of 200 KB can never pass" "$status $(code)" "403 limit_unreachable"
as '{"sub":"lou","team":"long"}'
used 100 60
sed 's/"small"/"big"/' "$D/long" >"$D/longer"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/longer"
is "a body that arrived after its head can get the small model" "$status $(seen | jq -r '.[0].body|fromjson|.model') $(header x-tollgate-at-limit)" "200 small long"
is "the rest of that body is unchanged" "$(seen | jq -r '.[0].body|fromjson|.messages[0].content|length')" 200000
control '{}'

# ---- the fullest limits ----
fullest() { curl -s -m 10 --unix-socket "$(sed -n 's/.*listen: "unix@\([^"]*admin[^"]*\)".*/\1/p' "$D/tollgate.yaml")" "http://x/limits/fullest?count=$1"; }
fullest 200 >"$D/fullest"
is "the fullest limit is listed first" "$(jq -c '[.limits[].used_percent] | . == (sort | reverse)' "$D/fullest")" true
is "a daily budget has its amount, window and person" "$(jq -c '[.limits[] | select(.limit == "day")][0] | [.counts, .of, .window, .used > 0, .person != null, .resets_at != null]' "$D/fullest")" '["tokens",1000,"day",true,true,true]'
is "a limit that does not count by person names none" "$(jq -c '[.limits[] | select(.limit == "roles") | .person] | unique' "$D/fullest")" '[null]'
is "a rate of a minute is not listed" "$(jq -c '[.limits[] | select(.limit == "minute")]' "$D/fullest")" '[]'
is "--limit restricts the number of limits" "$(fullest 2 | jq '.limits | length')" 2

# ---- Redis is unreachable ----
redis-cli -s "${REDIS#unix:}" shutdown nosave >/dev/null 2>&1
as '{"sub":"abe","team":"away"}'
ask
is "a limit with on_failure: permit lets the request pass" "$status" 200
as '{"sub":"ada","team":"away"}'
ask
is "another limit refuses the request" "$status $(code)" "503 quota_unavailable"
