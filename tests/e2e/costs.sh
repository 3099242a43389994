# The cost of responses in x-tollgate-cost, records and metrics, for each dialect, whole and as a stream. Then models
# without a price, and `tollgate prices` and `tollgate usage` over the records.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$here/costs.yaml" "$D/mine.yaml"
cp "$here/costs.prices.yaml" "$D/"
cat >"$D/config.yaml" <<'Y'
workers: 1
policy_watch: true
Y
stack_up --policy "$D/mine.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token --claims '{"team":"red"}')"
json='content-type: application/json'
post() { req POST "$1" -H "$auth" -H "$json" ${host:+-H "host: $host"} -d "$2"; }

words=$(printf 'word %.0s' $(seq 40)) # the model "cached" reports half of them as cached, and a quarter as written to a cache
words=${words% }
# costs NAME COST: checks the cost of the last record, from its token counts, and the header field of a whole response
costs() {
	local name=$1 want=$2 got
	got=$(completion '[.cost_nanousd,.price.model,.price.from,.usage.input_tokens,.usage.cached_tokens,.usage.output_tokens]')
	local out=${got##*,}
	out=${out%]}
	[ "$out" = null ] && not_ok "$name: no usage" "$(completion .)" && return
	want=$((want + out * 10000))
	is "$name: the record has the cost" "${got%%,*}" "[$want"
	case $name in
	*stream*) is "$name: a stream's head has no cost" "$(header x-tollgate-cost)" "" ;;
	*) is "$name: the head has the cost" "$(header x-tollgate-cost)" "$(awk -v n="$want" 'BEGIN { s = sprintf("%.9f", n / 1e9); sub(/0+$/, "", s); print s }')" ;;
	esac
}
chat() { echo '{"model":"'"$1"'","messages":[{"role":"user","content":"'"$words"'"}]'"${2:-}"'}'; }

# 10 plain, 20 cached and 10 written tokens
both=$((10 * 1000 + 20 * 100 + 10 * 2000))
post /v1/chat/completions "$(chat cached)"
costs openai $both
is "the record has the price's row and date" "$(completion '[.price.model,.price.from]')" '["cached*","2020-01-01"]'
is "the record has each kind of tokens" "$(completion '[.usage.input_tokens,.usage.cached_tokens,.usage.cache_write_tokens]')" '[40,20,10]'
post /v1/chat/completions "$(chat cached ',"stream":true')"
costs "openai, stream" $both
post /v1/responses '{"model":"cached","input":"'"$words"'"}'
costs responses $both
post /v1/responses '{"model":"cached","stream":true,"input":"'"$words"'"}'
costs "responses, stream" $both
post /v1/messages "$(chat cached ',"max_tokens":99')"
costs anthropic $both
post /v1/messages "$(chat cached ',"max_tokens":99,"stream":true')"
costs "anthropic, stream" $both
gemini='{"contents":[{"role":"user","parts":[{"text":"'"$words"'"}]}]}'
post /v1beta/models/cached:generateContent "$gemini"
costs gemini $((20 * 1000 + 20 * 100))
post '/v1beta/models/cached:streamGenerateContent?alt=sse' "$gemini"
costs "gemini, stream" $((20 * 1000 + 20 * 100))
converse='{"messages":[{"role":"user","content":[{"text":"'"$words"'"}]}]}'
post /model/cached/converse "$converse"
costs bedrock $both
post /model/cached/converse-stream "$converse"
costs "bedrock, stream" $both
post /v2/chat "$(chat cached)"
costs cohere $((20 * 1000 + 20 * 100))
post /v2/chat "$(chat cached ',"stream":true')"
costs "cohere, stream" $((20 * 1000 + 20 * 100))
host=mistral.test
post /v1/chat/completions "$(chat echo)"
costs mistral 40000
host=
post /api/chat "$(chat echo ',"stream":false')"
costs ollama 40000
post /api/chat "$(chat echo)"
costs "ollama, stream" 40000
post /generate '{"inputs":"'"$words"'","parameters":{"details":true}}'
costs "tgi, by another provider's list" 40000
host=inspected.test
post /v1/chat/completions "$(chat cached)"
costs "inspected" $both
host=hidden.test
post /v1/chat/completions "$(chat cached)"
host=
is "a route can hide the cost from the caller" "$(header x-tollgate-cost)" ""
is "a hidden cost is recorded" "$(completion '.cost_nanousd > 30000')" true
control '{"status":200,"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"web":1},"times":1}'
post /v1/chat/completions "$(chat gpt-none)"
is "a model without a price gets a response if no limit counts dollars" "$status $(header x-tollgate-cost)" "200 "
is "the record has price_unknown" "$(completion '[.cost_nanousd,.price_unknown,.usage.input_tokens > 0]')" '[null,true,true]'

# Claude's fast mode, and processing in the United States only
swift() { # BODY USAGE: prints the cost, or the estimate
	control '{"times":1,"body":"{\"type\":\"message\",\"model\":\"swift\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\"'"${2//\"/\\\"}"'}"}'
	post /v1/messages "$(chat swift ",\"max_tokens\":9$1")"
	completion '.cost_nanousd // .reserved_usage.cost_nanousd'
}
is "fast mode in the United States adds both surcharges" "$(swift ',"speed":"fast"' ',"usage":{"input_tokens":10,"output_tokens":10,"service_tier":"standard","speed":"fast","inference_geo":"us"}')" 726000
is "the record has service and region" "$(completion '[.usage.service,.usage.us_only]')" '["fast",true]'
is "fast mode that was requested and not served has no surcharge" "$(swift ',"speed":"fast"' ',"usage":{"input_tokens":10,"output_tokens":10,"service_tier":"standard","speed":"standard","inference_geo":"global"}')" 110000
# The bodies have the same length, so that the same number of tokens is reserved.
plain=$(swift ',"speed":"slow","inference_geo":"global"' '')
is "a request for fast mode reserves its price" "$(swift ',"speed":"fast","inference_geo":"global"' '')" $((6 * plain))
is "a request without a region reserves the price of the United States" "$(swift ',"speed":"slow","inference_goo":"global"' '')" $((plain * 11 / 10))

# the response names another model than the request
other() { # MODEL NAMED: the model of the request and of the response; prints the cost, and the row of the price
	control '{"times":1,"body":"{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"'"$2"'\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10,\"total_tokens\":20}}"}'
	post /v1/chat/completions "$(chat "$1")"
	completion '[.cost_nanousd,.price.model]'
}
is "a response of a more expensive model is charged at that model's price" "$(other gpt-4o dear)" '[1010000,"dear"]'
is "a response of a cheaper model is charged at that model's price" "$(other dear gpt-4o)" '[110000,"gpt-4o"]'
is "a response of an unknown model is charged at the requested model's price" "$(other gpt-4o gpt-5-none)" '[110000,"gpt-4o"]'
other eu.dear dear >"$D/other"
is "a short name of the same model is charged at the requested model's price" "$(cat "$D/other")" '[2020000,"eu.dear"]'
is "the head has that cost" "$(header x-tollgate-cost)" 0.00202

# prices by other units than tokens, and by the request's options
answers() { # JSON [HEADERS]: the provider's next response
	control '{"times":1,"body":"'"${1//\"/\\\"}"'"'"${2:+,\"headers\":$2}"'}'
}
said() { completion "[.cost_nanousd,.unpriced,${1:-null}]"; }
head -c 75000 /dev/zero >"$D/sound"
hear() { req POST /v1/audio/transcriptions -H "$auth" -F model="$1" -F file=@"$D/sound"; }
answers '{"text":"hi","usage":{"type":"duration","seconds":9}}'
hear whisper-1
is "audio is charged by seconds" "$(said .usage.seconds)" '[900000,null,9]'
answers '{"text":"hi"}'
hear whisper-1
is "without a number of seconds, the most that its bytes can be is charged" "$(completion '(.reserved_usage // .estimated_usage).cost_nanousd > 10000000')" true
cp "$root/tests/fuzz/seeds/sound/mono.mp3" "$D/sound"
answers '{"text":"hi"}'
hear whisper-1
is "a sound whose frames can be counted is charged by its length" "$(completion '(.reserved_usage // .estimated_usage).cost_nanousd')" 100000
answers '{"text":"hi"}'
req POST /v1/audio/translations -H "$auth" -F model=whisper-1 -F file=@"$D/sound"
is "so is a translation" "$(completion '(.reserved_usage // .estimated_usage).cost_nanousd')" 100000
answers '{"text":"hi","usage":{"type":"duration","seconds":9}}'
hear gpt-4o
is "seconds without a price are reported" "$(said .usage.seconds)" '[0,["second"],9]'
answers 'sound'
post /v1/audio/speech '{"model":"tts-1","input":"grüß Gott","voice":"alloy"}'
is "speech is charged by characters" "$(said .usage.characters)" '[135000,null,9]'
picture='{"created":1,"data":[{"url":"https://a.example/1"}]}'
draw() { answers "$picture"; post /v1/images/generations '{"model":"dall-e-3","prompt":"a cat"'"$1"'}'; said .usage.images; }
is "an image is charged" "$(draw '')" '[40000000,null,1]'
is "a larger image costs more" "$(draw ',"size":"1024x1792"')" '[80000000,null,1]'
is "an image of higher quality costs more" "$(draw ',"quality":"hd","size":"1024x1792"')" '[120000000,null,1]'
search() { # CONTEXT
	answers '{"id":"r","object":"response","model":"finder","status":"completed","output":[{"type":"web_search_call"}],"usage":{"input_tokens":10,"output_tokens":10,"total_tokens":20}}'
	post /v1/responses '{"model":"finder","input":"x","tools":[{"type":"web_search"'"$1"'}]}'
	said .usage.searches
}
is "a search is charged" "$(search '')" '[30110000,null,1]'
is "a search with a large context costs more" "$(search ',"search_context_size":"high"')" '[50110000,null,1]'
host=europe.test
is "a region's surcharge applies to tokens only" "$(search '')" '[30121000,null,1]'
host=
tier() { answers '{"model":"finder","choices":[{"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":'"$1"',"completion_tokens":10,"total_tokens":2000}}'; post /v1/chat/completions "$(chat finder)"; completion .cost_nanousd; }
is "a price tier begins at its number of tokens" "$(tier 999) $(tier 1000)" "1099000 2200000"
served() { answers '{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":10,"totalTokenCount":20'"$1"'}}' "$2"; post /v1beta/models/tiered:generateContent "$gemini"; completion '[.cost_nanousd,.usage.service]'; }
is "Gemini's service tier is read from the head" "$(served '' '{"x-gemini-service-tier":"flex"}')" '[55000,"flex"]'
is "Vertex AI's service tier is read from trafficType" "$(served ',"trafficType":"ON_DEMAND_PRIORITY"' '')" '[220000,"priority"]'
is "on-demand traffic has no tier" "$(served ',"trafficType":"ON_DEMAND"' '')" '[110000,null]'
answers '{"name":"cachedContents/1","model":"models/tiered","createTime":"2026-01-01T00:00:00Z","updateTime":"2026-01-01T00:00:00Z","expireTime":"2026-01-01T02:00:00Z","usageMetadata":{"totalTokenCount":1000}}'
post /v1beta/cachedContents '{"model":"models/tiered","contents":[{"role":"user","parts":[{"text":"x"}]}],"ttl":"7200s"}'
is "a cache is charged when it is written, and for two hours of storage" "$(said .usage.cache_token_seconds)" '[10000000,null,7200000]'

control '{"cut_after_bytes":900,"times":1}'
post /v1/chat/completions "$(chat gpt-4o ',"stream":true,"max_tokens":50')"
is "a stream that is cut is charged at most the reservation" "$(completion '[.usage_unknown, .cost_nanousd, .estimated_usage.cost_nanousd > 0 and .estimated_usage.cost_nanousd == .estimated_usage.input_tokens * 2000 + .estimated_usage.output_tokens * 20000]')" '[true,null,true]'

sum=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | jq -s 'map(.cost_nanousd // 0) | add')
fetch GET "$ADMIN/metrics" >"$D/metrics"
is "the metrics are the sum of the records" "$(awk '/^tollgate_cost_nanousd_total[{]/ { a += $NF } END { printf "%d\n", a }' "$D/metrics")" "$sum"
like "metrics have route, provider and model" "$(cat "$D/metrics")" '^tollgate_cost_nanousd_total\{route="anthropic",provider="anthropic",model="cached"\} [0-9]+$'
like "metrics count responses without a price" "$(cat "$D/metrics")" '^tollgate_unpriced_answers_total\{route="openai",provider="openai",model="gpt-none"\} 1$'
like "metrics have each kind of tokens" "$(cat "$D/metrics")" '^tollgate_route_token_parts_total\{route="bedrock",provider="bedrock",model="cached",type="cached"\} 40$'

# ---- tollgate usage, tollgate prices check ----
usage() { "$B/tollgate" usage -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
post /v1/chat/completions "$(chat denied)"
settled
usage --by person --since 1h --json
is "the cost is the sum of the records" "$(jq .total.cost_nanousd "$D/out")" "$sum"
records=$(cat "$JOURNAL"/* | tr -d '\0')
is "the number of requests is that of decisions" "$(jq -c '[.total.requests,.total.refused]' "$D/out")" "$(grep '"type":"decision"' <<<"$records" | jq -sc '[length, map(select(.decision == "deny")) | length]' | tr -d ' ')"
is "the tokens are those of completions" "$(jq -c '[.total.input_tokens,.total.cached_tokens,.total.output_tokens]' "$D/out")" "$(grep '"type":"completion"' <<<"$records" | jq -sc 'map(.usage // {}) | [map(.input_tokens // 0), map(.cached_tokens // 0), map(.output_tokens // 0)] | map(add)')"
usage --by route,model --csv
is "usage is summed by route and model" "$(grep -c '^"openai","cached",4,0,' "$D/out")" 1
like "usage has the share of cached input" "$(grep '^"openai","cached"' "$D/out")" ',50\.0,'
usage --by team
like "usage prints a table for people" "$(head -1 "$D/out")" '^team +requests +refused +input +cached +output +reasoning( +input max +output max)? +US dollars +written +cached %$'
usage --by team --json
is "usage by team has the team's tokens and dollars" "$(jq -c '[.rows[] | .team, .cost_nanousd]' "$D/out")" "[\"red\",$sum]"
# The figures must equal those of the records. FIELD is a field of completions, for jq.
figures='{tokens_per_s_count, prompt_tokens_count, prompt_tokens_max, prompt_tokens_max_id, prompt_tokens_mean, total_ms_count, first_token_ms_count, total_ms_max, first_token_ms_max}'
of_records() {
	grep '"type":"completion"' <<<"$records" | jq -sS '
		[.[] | select(.usage.input_tokens > 0)] as $p | [.[] | select(.answer.first_text_us)] as $t | [$t[] | select(.answer.streamed)] as $f |
		($p | max_by([.usage.input_tokens, (.id | explode | map(-.))])) as $largest |
		def tenth: . * 10 | round / 10;
		[$f[] | select((.usage.output_tokens // 0) - (.usage.reasoning_tokens // 0) > 1 and .duration_us > .answer.first_text_us)] as $s |
		{tokens_per_s_count: ($s | length), prompt_tokens_count: ($p | length), prompt_tokens_max: $largest.usage.input_tokens, prompt_tokens_max_id: $largest.id,
		 prompt_tokens_mean: ([$p[].usage.input_tokens] | add / length | tenth), total_ms_count: ($t | length), first_token_ms_count: ($f | length),
		 total_ms_max: ([$t[].duration_us] | max / 1000 | tenth), first_token_ms_max: ([$f[].answer.first_text_us] | max / 1000 | tenth)}'
}
is "a team's prompts and times are those of its records" "$(jq -S ".rows[0] | $figures" "$D/out")" "$(of_records)"
is "the total has the same values" "$(jq -S ".total | $figures" "$D/out")" "$(of_records)"
is "without --since there is no growth" "$(jq -c '[.before, .rows[0].requests_growth_percent]' "$D/out")" '[null,null]'
half=$(grep '"type":"decision"' <<<"$records" | jq -r .time | awk '{ t[NR] = $0 } END { print t[int(NR / 2) + 1] }')
usage --by team --json --since "$half"
# the number of requests in [SINCE, UNTIL)
decided() { grep '"type":"decision"' <<<"$records" | jq -s --arg a "$1" --arg b "$2" 'map(select(.time >= $a and .time < $b)) | length'; }
was=$(decided "$(jq -r .before.since "$D/out")" "$(jq -r .before.until "$D/out")")
is "growth compares with the preceding period of the same length" "$(jq '.total.requests_growth_percent' "$D/out")" "$(jq -n --argjson was "$was" --argjson now "$(decided "$half" 9)" '100 * ($now - $was) / $was * 10 | round / 10')"
is "the first record of the preceding period is named" "$(jq -r .before.first_record "$D/out")" "$(jq -r --arg a "$(jq -r .before.since "$D/out")" '.time | select(. >= $a)' <<<"$records" | sort | head -1)"
usage --by team --json --since 30d
is "without preceding records, none is named" "$(jq -r .before.first_record "$D/out")" null
is "a team without a preceding period has no growth" "$(jq -c '[.rows[0], .total | .requests_growth_percent, .input_tokens_growth_percent, .prompt_tokens_mean_growth_percent, .cost_growth_percent, .refused_growth_points] | unique' "$D/out")" '[null]'
usage --by team --since "$half"
like "usage prints the figures for people" "$(cat "$D/out")" '
prompts in tokens, times in ms, growth since the period from 2[-0-9]*T[0-9:]*Z to 2[-0-9]*T[0-9:]*Z \(first record: 2[-0-9]*T[0-9:]*Z\)
team +prompts +mean +p95 +largest +largest request +requests \+% +input \+% +mean \+% +dollars \+% +first mean +first p95 +total mean +total p95 +first p50 +total p50 +tok/s p5 +tok/s p50
red +[0-9]+ +[0-9.]+ '
usage --by model --sort prompt_max --json
is "usage is sorted by the largest prompt" "$(jq -c '[.rows[].prompt_tokens_max // 0] | . == (sort | reverse)' "$D/out")" true
usage --by person --sort cost_max --json
is "usage names the dearest request" "$(jq -c '[.rows[0] | .request_nanousd_max, .request_nanousd_max_id]' "$D/out")" "$(grep '"type":"completion"' <<<"$records" | jq -sc '[.[] | select(.cost_nanousd > 0)] | max_by([.cost_nanousd, (.id | explode | map(-.))]) | [.cost_nanousd, .id]')"
usage --by model --sort largest
is "an unknown order is refused" "$? $(cat "$D/err")" "2 tollgate: usage: --sort: largest: one of cost, requests, refused, redacted, tokens, last_seen, prompt_max, cost_max, total_p50, refused_growth, name is expected"
usage --by tag --json
is "usage is summed by tag" "$(jq -c '[.rows[].tag] | sort' "$D/out")" '[null,"work"]'
usage --by person --since 1h --until 2020-01-01 --json
is "an earlier period has no usage" "$(jq -c '[.rows, .total.requests]' "$D/out")" '[[],0]'
usage --by person --json
persons=$(jq -c '[.rows[].cost_nanousd // 0] | add' "$D/out")
usage --by key --json
is "the costs of keys are those of persons" "$(jq -c '[.rows[] | select(.key) | .cost_nanousd // 0] | add' "$D/out")" "$persons"
unlike "keys have costs" "$persons" '^(0|null)$'
# The records of the generated journal, with which usage and console are tested, name the caller with no member that real
# records lack (no agent calls here).
"$B/tollgate" keygen "$D/made.key" >/dev/null 2>&1
"$B/traffic" "$D/made" "$D/made.key" --records 20000 >/dev/null
members() { cat "$@" | tr -d '\0' | jq -r 'select(.type == "decision" or .type == "completion") | .type as $t | {identity, usage, price, cost_nanousd} | paths(scalars) | map(if type == "number" then "[]" else . end) | join(".") | "\($t) \(.)"' | sort -u; }
members "$D"/made/* >"$D/made.members"
members "$D"/journal/* >"$D/real.members"
is "made records have no such member that real records lack" \
	"$(comm -23 "$D/made.members" "$D/real.members" | grep -v 'identity.agent$\|usage.reasoning_tokens$')" ""
"$B/tollgate" usage --by person --redis "$REDIS" --json >"$D/redis" 2>"$D/err"
usage --by person --json
is "usage from the streams is the same" "$(jq -S .total "$D/redis")" "$(jq -S .total "$D/out")"
usage --by persons
is "an unknown dimension is refused" "$? $(cat "$D/err")" "2 tollgate: usage: --by: persons: one of person, team, model, route, tag, key, provider, target, tool, day is expected, or several with commas"
usage
is "without --by, usage of today is printed" "$?" 0
prices() { "$B/tollgate" prices check -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
prices --since 1h
is "prices check names a model without a price" "$? $(cat "$D/out")" "1 openai gpt-none: no price: 1 requests by route openai"
sed -i 's|^  openai: &all|&\n    - {model: gpt-none, input: 0, output: 0}|' "$D/costs.prices.yaml"
prices
like "prices check passes after the price was added" "$? $(cat "$D/out")" '^0 all [0-9]+ models in [0-9]+ requests have a price in .*costs.prices.yaml$'
printf '%s\n' '{"v":1,"type":"decision","time":"2026-11-27T00:00:00.000000000Z","decision":"deny","code":"price_unknown","route":"openai","model":"gpt-none"}' >"$D/older.jsonl"
prices --file "$D/older.jsonl"
like "a record from before the policy had providers has its route's price" "$? $(cat "$D/out")" '^0 all 1 models in 1 requests have a price in .*costs.prices.yaml$'

# ---- a price list that changes is loaded again ----
sed -i 's/output: 10}/output: 30}/' "$D/costs.prices.yaml"
for _ in $(seq 50); do
	post /api/chat "$(chat echo ',"stream":false')"
	[ "$(completion '.cost_nanousd == 40000 + .usage.output_tokens * 30000')" = true ] && break
done
is "a new price applies without a restart" "$(completion '.cost_nanousd == 40000 + .usage.output_tokens * 30000')" true
