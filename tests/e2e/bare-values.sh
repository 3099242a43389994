# Numbers and dates without quotes: a model writes their placeholders in quotes, and the caller receives numbers again.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"
cat >"$D/policy.yaml" <<'EOT'
tollgate: 1
name: bare
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
  anthropic: {dialect: anthropic, backend: anthropic}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], response: [restore]}
  - {name: messages, match: {methods: [POST], path: /v1/messages}, targets: [anthropic], response: [restore]}
rules:
  - {name: in, redact: {entities: [PHONE_NUMBER, DATE_OF_BIRTH, EMAIL_ADDRESS]}}
default: permit
EOT
stack_up --policy "$D/policy.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat=/v1/chat/completions
post() { curl -s -m 30 "$EDGE$1" -H "$auth" -H "$json" -d "$2"; }
answer() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" '{body:$b,content_type:$t,times:1,chunk_bytes:7}')"; }
whole() { answer "$(jq -cn --argjson m "$1" '{id:"c",object:"chat.completion",created:1,model:"m",choices:[{index:0,message:({role:"assistant"} + $m),finish_reason:"stop"}]}')"; }
stream() { # a delta for each argument
	local all='' piece
	for piece; do all+="data: $(jq -cn --argjson d "$piece" '{id:"c",object:"chat.completion.chunk",created:1,model:"m",choices:[{index:0,delta:$d,finish_reason:null}]}')"$'\n\n'; done
	answer "$all"'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'$'\n\ndata: [DONE]\n\n' text/event-stream
}
# The request has a file as the result of a tool.
ask() { jq -cn --arg f "$1" --argjson more "${2:-{\}}" '{model:"m",messages:[{role:"user",content:"edit it"},{role:"assistant",content:null,tool_calls:[{id:"t",type:"function",function:{name:"read",arguments:"{}"}}]},{role:"tool",tool_call_id:"t",content:$f}]} + $more'; }
file='{"name": "x", "phone": 4154268562}'
forget
whole '{"content":"{\"phone\": \"<PHONE_NUMBER_1>\"}"}'
is "a text has a number again" "$(post $chat "$(ask "$file")" | jq -r '.choices[0].message.content')" '{"phone": 4154268562}'
like "the provider received a placeholder" "$(seen)" '<PHONE_NUMBER_1>'
unlike "and no number" "$(seen)" 4154268562
stream '{"content":"{\"phone\": "}' '{"content":"\""}' '{"content":"<PHONE_"}' '{"content":"NUMBER_1>"}' '{"content":"\"}"}'
is "and in a stream" "$(post $chat "$(ask "$file" '{"stream":true}')" | sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[].delta.content // empty')" '{"phone": 4154268562}'
whole '{"content":null,"tool_calls":[{"id":"u","type":"function","function":{"name":"write","arguments":"{\"path\":\"a\",\"content\":\"{\\\"phone\\\": \\\"<PHONE_NUMBER_1>\\\"}\"}"}}]}'
is "a file that a call writes has a number" "$(post $chat "$(ask "$file")" | jq -r '.choices[0].message.tool_calls[0].function.arguments | fromjson | .content')" '{"phone": 4154268562}'
stream '{"tool_calls":[{"index":0,"id":"u","type":"function","function":{"name":"write","arguments":"{\"path\":\"a\",\"content\":\"{\\\"phone\\\": \\"}}]}' \
	'{"tool_calls":[{"index":0,"function":{"arguments":"\"<PHONE_NUM"}}]}' '{"tool_calls":[{"index":0,"function":{"arguments":"BER_1>\\\"}\"}"}}]}'
is "also if the call is streamed" "$(post $chat "$(ask "$file" '{"stream":true}')" | sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[].delta.tool_calls[0].function.arguments // empty' | jq -r .content)" '{"phone": 4154268562}'
whole '{"content":"{\"phone\": \"<PHONE_NUMBER_1>\"}"}'
is "a value that had quotes keeps them" "$(post $chat "$(ask '{"phone": "4154268562"}')" | jq -r '.choices[0].message.content')" '{"phone": "4154268562"}'
whole '{"content":"{\"phone\": \"<PHONE_NUMBER_1>\"}"}'
is "so does one that had quotes once" "$(post $chat "$(ask '{"phone": 4154268562, "home_phone": "4154268562"}')" | jq -r '.choices[0].message.content')" '{"phone": "4154268562"}'
whole '{"content":"date_of_birth: \"<DATE_OF_BIRTH_1>\"\n"}'
is "a date is a date again" "$(post $chat "$(ask $'name: x\ndate_of_birth: 1985-03-12\n')" | jq -r '.choices[0].message.content')" 'date_of_birth: 1985-03-12'
# a number of the body itself
input='{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"save","input":{"phone":4154268562}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}'
answer '{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"{\"phone\":\"<PHONE_NUMBER_1>\"}"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}'
is "a number of the body is one in a text" "$(post /v1/messages "$input" | jq -r '.content[0].text')" '{"phone":4154268562}'
answer '{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"u","name":"write","input":{"path":"a","content":"{\"phone\": \"<PHONE_NUMBER_1>\"}"}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}'
is "and in a file of a call" "$(post /v1/messages "$input" | jq -r '.content[0].input.content')" '{"phone": 4154268562}'
# arguments themselves, by the schema of the tool
tools='[{"type":"function","function":{"name":"save","parameters":{"type":"object","properties":{"phone":{"type":"integer"}}}}},{"type":"function","function":{"name":"text","parameters":{"type":"object","properties":{"phone":{"type":"string"}}}}}]'
for tool in save text; do
	want='{"phone":4154268562}'
	[ $tool = text ] && want='{"phone":"4154268562"}'
	whole '{"content":null,"tool_calls":[{"id":"u","type":"function","function":{"name":"'$tool'","arguments":"{\"phone\":\"<PHONE_NUMBER_1>\"}"}}]}'
	is "an argument has the type of its schema, $tool" "$(post $chat "$(ask "$file" "{\"tools\":$tools}")" | jq -r '.choices[0].message.tool_calls[0].function.arguments')" "$want"
	stream '{"tool_calls":[{"index":0,"id":"u","type":"function","function":{"name":"'$tool'","arguments":"{\"phone\":"}}]}' \
		'{"tool_calls":[{"index":0,"function":{"arguments":"\"<PHONE_NUM"}}]}' '{"tool_calls":[{"index":0,"function":{"arguments":"BER_1>\"}"}}]}'
	is "also in a stream, $tool" "$(post $chat "$(ask "$file" "{\"stream\":true,\"tools\":$tools}")" | sed -n 's/^data: \({.*\)$/\1/p' | jq -j '.choices[].delta.tool_calls[0].function.arguments // empty')" "$want"
	answer '{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"u","name":"'$tool'","input":{"phone":"<PHONE_NUMBER_1>"}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}'
	is "and if the arguments are an object, $tool" "$(post /v1/messages "$(jq -c --argjson t "$tools" '. + {tools: [$t[].function | {name, input_schema: .parameters}]}' <<<"$input")" | jq -c '.content[0].input')" "$want"
done
exit $failed
