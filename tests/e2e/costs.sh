# What answers cost: in x-tollgate-cost, in records and metrics, for every dialect, whole and as a
# stream; models without a price; tollgate prices and tollgate usage over what was recorded.
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

words=$(printf 'word %.0s' $(seq 40)) # half of them cached, a quarter written, by the model "cached"
words=${words% }
# costs NAME COST: that of the last record, by the counts in it; where it came whole the head's too
costs() {
	local name=$1 want=$2 got
	got=$(completion '[.cost_nanousd,.price.model,.price.from,.usage.input_tokens,.usage.cached_tokens,.usage.output_tokens]')
	local out=${got##*,}
	out=${out%]}
	[ "$out" = null ] && not_ok "$name: no usage" "$(completion .)" && return
	want=$((want + out * 10000))
	is "$name: its cost" "${got%%,*}" "[$want"
	case $name in
	*stream*) is "$name: no cost before it is known" "$(header x-tollgate-cost)" "" ;;
	*) is "$name: in its head" "$(header x-tollgate-cost)" "$(awk -v n="$want" 'BEGIN { s = sprintf("%.9f", n / 1e9); sub(/0+$/, "", s); print s }')" ;;
	esac
}
chat() { echo '{"model":"'"$1"'","messages":[{"role":"user","content":"'"$words"'"}]'"${2:-}"'}'; }

# 10 plain, 20 cached, 10 written
both=$((10 * 1000 + 20 * 100 + 10 * 2000))
post /v1/chat/completions "$(chat cached)"
costs openai $both
is "the row and its day" "$(completion '[.price.model,.price.from]')" '["cached*","2020-01-01"]'
is "the parts" "$(completion '[.usage.input_tokens,.usage.cached_tokens,.usage.cache_write_tokens]')" '[40,20,10]'
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
costs "tgi, by another one's list" 40000
host=inspected.test
post /v1/chat/completions "$(chat cached)"
costs "inspected" $both
host=hidden.test
post /v1/chat/completions "$(chat cached)"
host=
is "hidden where the route says so" "$(header x-tollgate-cost)" ""
is "and recorded" "$(completion '.cost_nanousd > 30000')" true
control '{"status":200,"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"web":1},"times":1}'
post /v1/chat/completions "$(chat gpt-none)"
is "a model without a price: answered, as no limit in dollars applies" "$status $(header x-tollgate-cost)" "200 "
is "and recorded as such" "$(completion '[.cost_nanousd,.price_unknown,.usage.input_tokens > 0]')" '[null,true,true]'

# Claude's fast mode, and the United States alone
swift() { # BODY USAGE: what it cost, or may have cost
	control '{"times":1,"body":"{\"type\":\"message\",\"model\":\"swift\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\"'"${2//\"/\\\"}"'}"}'
	post /v1/messages "$(chat swift ",\"max_tokens\":9$1")"
	completion '.cost_nanousd // .reserved_usage.cost_nanousd'
}
is "fast, in the United States: both shares" "$(swift ',"speed":"fast"' ',"usage":{"input_tokens":10,"output_tokens":10,"service_tier":"standard","speed":"fast","inference_geo":"us"}')" 726000
is "which the record says" "$(completion '[.usage.service,.usage.us_only]')" '["fast",true]'
is "fast was asked for, and not served" "$(swift ',"speed":"fast"' ',"usage":{"input_tokens":10,"output_tokens":10,"service_tier":"standard","speed":"standard","inference_geo":"global"}')" 110000
# bodies of one length, so that as many tokens are held
plain=$(swift ',"speed":"slow","inference_geo":"global"' '')
is "what may be fast is held as that" "$(swift ',"speed":"fast","inference_geo":"global"' '')" $((6 * plain))
is "what does not say where may be there" "$(swift ',"speed":"slow","inference_goo":"global"' '')" $((plain * 11 / 10))

# the answer is of another model than was asked for
other() { # MODEL NAMED: what the answer says it is; its cost, by which row
	control '{"times":1,"body":"{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"'"$2"'\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10,\"total_tokens\":20}}"}'
	post /v1/chat/completions "$(chat "$1")"
	completion '[.cost_nanousd,.price.model]'
}
is "a dearer model answers: charged by its row" "$(other gpt-4o dear)" '[1010000,"dear"]'
is "a cheaper one" "$(other dear gpt-4o)" '[110000,"gpt-4o"]'
is "one that the list has not" "$(other gpt-4o gpt-5-none)" '[110000,"gpt-4o"]'
other eu.dear dear >"$D/other"
is "the same one in short" "$(cat "$D/other")" '[2020000,"eu.dear"]'
is "and in its head" "$(header x-tollgate-cost)" 0.00202

# by what is no token, and by what was asked
answers() { # JSON [HEADERS]: what the provider says to the next request
	control '{"times":1,"body":"'"${1//\"/\\\"}"'"'"${2:+,\"headers\":$2}"'}'
}
said() { completion "[.cost_nanousd,.unpriced,${1:-null}]"; }
head -c 75000 /dev/zero >"$D/sound"
hear() { req POST /v1/audio/transcriptions -H "$auth" -F model="$1" -F file=@"$D/sound"; }
answers '{"text":"hi","usage":{"type":"duration","seconds":9}}'
hear whisper-1
is "seconds" "$(said .usage.seconds)" '[900000,null,9]'
answers '{"text":"hi"}'
hear whisper-1
is "which nobody says: by the bytes, at most" "$(completion '(.reserved_usage // .estimated_usage).cost_nanousd > 10000000')" true
answers '{"text":"hi","usage":{"type":"duration","seconds":9}}'
hear gpt-4o
is "seconds without a price" "$(said .usage.seconds)" '[0,["second"],9]'
answers 'sound'
post /v1/audio/speech '{"model":"tts-1","input":"grüß Gott","voice":"alloy"}'
is "characters" "$(said .usage.characters)" '[135000,null,9]'
picture='{"created":1,"data":[{"url":"https://a.example/1"}]}'
draw() { answers "$picture"; post /v1/images/generations '{"model":"dall-e-3","prompt":"a cat"'"$1"'}'; said .usage.images; }
is "an image" "$(draw '')" '[40000000,null,1]'
is "a larger one" "$(draw ',"size":"1024x1792"')" '[80000000,null,1]'
is "a better one" "$(draw ',"quality":"hd","size":"1024x1792"')" '[120000000,null,1]'
search() { # CONTEXT
	answers '{"id":"r","object":"response","model":"finder","status":"completed","output":[{"type":"web_search_call"}],"usage":{"input_tokens":10,"output_tokens":10,"total_tokens":20}}'
	post /v1/responses '{"model":"finder","input":"x","tools":[{"type":"web_search"'"$1"'}]}'
	said .usage.searches
}
is "a search" "$(search '')" '[30110000,null,1]'
is "one of a large context" "$(search ',"search_context_size":"high"')" '[50110000,null,1]'
host=europe.test
is "in a region: the share of tokens" "$(search '')" '[30121000,null,1]'
host=
tier() { answers '{"model":"finder","choices":[{"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":'"$1"',"completion_tokens":10,"total_tokens":2000}}'; post /v1/chat/completions "$(chat finder)"; completion .cost_nanousd; }
is "below a tier, and from it on" "$(tier 999) $(tier 1000)" "1099000 2200000"
served() { answers '{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":10,"totalTokenCount":20'"$1"'}}' "$2"; post /v1beta/models/tiered:generateContent "$gemini"; completion '[.cost_nanousd,.usage.service]'; }
is "Gemini's tiers, by its head" "$(served '' '{"x-gemini-service-tier":"flex"}')" '[55000,"flex"]'
is "by Vertex' traffic" "$(served ',"trafficType":"ON_DEMAND_PRIORITY"' '')" '[220000,"priority"]'
is "none" "$(served ',"trafficType":"ON_DEMAND"' '')" '[110000,null]'
answers '{"name":"cachedContents/1","model":"models/tiered","createTime":"2026-01-01T00:00:00Z","updateTime":"2026-01-01T00:00:00Z","expireTime":"2026-01-01T02:00:00Z","usageMetadata":{"totalTokenCount":1000}}'
post /v1beta/cachedContents '{"model":"models/tiered","contents":[{"role":"user","parts":[{"text":"x"}]}],"ttl":"7200s"}'
is "a cache: written, and kept for two hours" "$(said .usage.cache_token_seconds)" '[10000000,null,7200000]'

control '{"cut_after_bytes":900,"times":1}'
post /v1/chat/completions "$(chat gpt-4o ',"stream":true,"max_tokens":50')"
is "a stream that is cut: the most that it may have cost" "$(completion '[.usage_unknown, .cost_nanousd, .estimated_usage.cost_nanousd > 0 and .estimated_usage.cost_nanousd == .estimated_usage.input_tokens * 2000 + .estimated_usage.output_tokens * 20000]')" '[true,null,true]'

sum=$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | jq -s 'map(.cost_nanousd // 0) | add')
fetch GET "$ADMIN/metrics" >"$D/metrics"
is "metrics add up to the records" "$(awk '/^tollgate_cost_nanousd_total[{]/ { a += $NF } END { printf "%d\n", a }' "$D/metrics")" "$sum"
like "by route, provider and model" "$(cat "$D/metrics")" '^tollgate_cost_nanousd_total\{route="anthropic",provider="anthropic",model="cached"\} [0-9]+$'
like "what has no price" "$(cat "$D/metrics")" '^tollgate_unpriced_answers_total\{route="openai",provider="openai",model="gpt-none"\} 1$'
like "parts of tokens" "$(cat "$D/metrics")" '^tollgate_route_token_parts_total\{route="bedrock",provider="bedrock",model="cached",type="cached"\} 40$'

# ---- tollgate usage, tollgate prices check ----
usage() { "$B/tollgate" usage -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
post /v1/chat/completions "$(chat denied)"
settled
usage --by person --since 1h --json
is "its cost is that of the records" "$(jq .total.cost_nanousd "$D/out")" "$sum"
records=$(cat "$JOURNAL"/* | tr -d '\0')
is "its requests are the decisions" "$(jq -c '[.total.requests,.total.refused]' "$D/out")" "$(grep '"type":"decision"' <<<"$records" | jq -sc '[length, map(select(.decision == "deny")) | length]' | tr -d ' ')"
is "its tokens are those of completions" "$(jq -c '[.total.input_tokens,.total.cached_tokens,.total.output_tokens]' "$D/out")" "$(grep '"type":"completion"' <<<"$records" | jq -sc 'map(.usage // {}) | [map(.input_tokens // 0), map(.cached_tokens // 0), map(.output_tokens // 0)] | map(add)')"
usage --by route,model --csv
is "by route and model" "$(grep -c '^"openai","cached",4,0,' "$D/out")" 1
like "with the share of input that the provider's cache gave" "$(grep '^"openai","cached"' "$D/out")" ',50\.0,'
usage --by team
like "people read it" "$(head -1 "$D/out")" '^team +requests +refused +input +cached +output +reasoning +US dollars +written +cached %$'
usage --by team --json
is "a team's tokens and dollars are the team's" "$(jq -c '[.rows[] | .team, .cost_nanousd]' "$D/out")" "[\"red\",$sum]"
# Figures are those of the records: FIELD of completions, by jq.
figures='{prompt_tokens_count, prompt_tokens_max, prompt_tokens_max_id, prompt_tokens_mean, total_ms_count, first_token_ms_count, total_ms_max, first_token_ms_max}'
of_records() {
	grep '"type":"completion"' <<<"$records" | jq -sS '
		[.[] | select(.usage.input_tokens > 0)] as $p | [.[] | select(.answer.first_text_us)] as $t | [$t[] | select(.answer.streamed)] as $f |
		($p | max_by([.usage.input_tokens, (.id | explode | map(-.))])) as $largest |
		def tenth: . * 10 | round / 10;
		{prompt_tokens_count: ($p | length), prompt_tokens_max: $largest.usage.input_tokens, prompt_tokens_max_id: $largest.id,
		 prompt_tokens_mean: ([$p[].usage.input_tokens] | add / length | tenth), total_ms_count: ($t | length), first_token_ms_count: ($f | length),
		 total_ms_max: ([$t[].duration_us] | max / 1000 | tenth), first_token_ms_max: ([$f[].answer.first_text_us] | max / 1000 | tenth)}'
}
is "prompts and times of a team are those of its records" "$(jq -S ".rows[0] | $figures" "$D/out")" "$(of_records)"
is "the total has the same" "$(jq -S ".total | $figures" "$D/out")" "$(of_records)"
is "without --since there is no growth" "$(jq -c '[.before, .rows[0].requests_growth_percent]' "$D/out")" '[null,null]'
half=$(grep '"type":"decision"' <<<"$records" | jq -r .time | awk '{ t[NR] = $0 } END { print t[int(NR / 2) + 1] }')
usage --by team --json --since "$half"
# requests in [SINCE, UNTIL)
decided() { grep '"type":"decision"' <<<"$records" | jq -s --arg a "$1" --arg b "$2" 'map(select(.time >= $a and .time < $b)) | length'; }
was=$(decided "$(jq -r .before.since "$D/out")" "$(jq -r .before.until "$D/out")")
is "growth is against the same length before" "$(jq '.total.requests_growth_percent' "$D/out")" "$(jq -n --argjson was "$was" --argjson now "$(decided "$half" 9)" '100 * ($now - $was) / $was * 10 | round / 10')"
is "the first record before is named" "$(jq -r .before.first_record "$D/out")" "$(jq -r --arg a "$(jq -r .before.since "$D/out")" '.time | select(. >= $a)' <<<"$records" | sort | head -1)"
usage --by team --json --since 30d
is "no record is before" "$(jq -r .before.first_record "$D/out")" null
is "a team without a period before has no growth" "$(jq -c '[.rows[0], .total | .requests_growth_percent, .input_tokens_growth_percent, .prompt_tokens_mean_growth_percent, .cost_growth_percent] | unique' "$D/out")" '[null]'
usage --by team --since "$half"
like "people read the figures below" "$(cat "$D/out")" '
prompts in tokens, times in ms, growth since the period from 2[-0-9]*T[0-9:]*Z to 2[-0-9]*T[0-9:]*Z \(first record: 2[-0-9]*T[0-9:]*Z\)
team +prompts +mean +p95 +largest +largest request +requests \+% +input \+% +mean \+% +dollars \+% +first mean +first p95 +total mean +total p95
red +[0-9]+ +[0-9.]+ '
usage --by model --sort prompt_max --json
is "by the largest prompt" "$(jq -c '[.rows[].prompt_tokens_max // 0] | . == (sort | reverse)' "$D/out")" true
usage --by model --sort largest
is "an order that there is not" "$? $(cat "$D/err")" "2 tollgate: usage: --sort: largest: one of cost, requests, refused, tokens, last_seen, prompt_max, name is expected"
usage --by tag --json
is "by tag" "$(jq -c '[.rows[].tag] | sort' "$D/out")" '[null,"work"]'
usage --by person --since 1h --until 2020-01-01 --json
is "none before" "$(jq -c '[.rows, .total.requests]' "$D/out")" '[[],0]'
"$B/tollgate" usage --by person --redis "$REDIS" --json >"$D/redis" 2>"$D/err"
usage --by person --json
is "the streams say the same" "$(jq -S .total "$D/redis")" "$(jq -S .total "$D/out")"
usage --by persons
is "a dimension that there is not" "$? $(cat "$D/err")" "2 tollgate: usage: --by: persons: one of person, team, model, route, tag, key, provider, target, tool, day is expected, or several with commas"
usage
is "without --by: how it is called" $? 2
prices() { "$B/tollgate" prices check -c "$D/tollgate.yaml" "$@" >"$D/out" 2>"$D/err"; }
prices --since 1h
is "a model without a price" "$? $(cat "$D/out")" "1 openai gpt-none: no price: 1 requests by route openai"
sed -i 's|^  openai: &all|&\n    - {model: gpt-none, input: 0, output: 0}|' "$D/costs.prices.yaml"
prices
like "priced meanwhile" "$? $(cat "$D/out")" '^0 all [0-9]+ models in [0-9]+ requests have a price in .*costs.prices.yaml$'
printf '%s\n' '{"v":1,"type":"decision","time":"2026-11-27T00:00:00.000000000Z","decision":"deny","code":"price_unknown","route":"openai","model":"gpt-none"}' >"$D/older.jsonl"
prices --file "$D/older.jsonl"
like "a record from before the policy had providers has its route's price" "$? $(cat "$D/out")" '^0 all 1 models in 1 requests have a price in .*costs.prices.yaml$'

# ---- a list that changes is read again ----
sed -i 's/output: 10}/output: 30}/' "$D/costs.prices.yaml"
for _ in $(seq 50); do
	post /api/chat "$(chat echo ',"stream":false')"
	[ "$(completion '.cost_nanousd == 40000 + .usage.output_tokens * 30000')" = true ] && break
done
is "a new price counts without a restart" "$(completion '.cost_nanousd == 40000 + .usage.output_tokens * 30000')" true
