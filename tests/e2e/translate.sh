# Anthropic's clients with a provider of chat completions, and OpenAI's with one of messages: the requests and
# responses on both sides, whole and as a stream. Then fields that are refused by name, retries, and the record.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

stack_up --policy "$here/translate.yaml" --providers 2
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat() { fetch POST "$PROVIDER/_control" "$1" >/dev/null; }
messages() { fetch POST "$PROVIDER_2/_control" "$1" >/dev/null; }
chat_saw() { fetch GET "$PROVIDER/_seen?last=1" | jq -c "last | $1"; }
messages_saw() { fetch GET "$PROVIDER_2/_seen?last=1" | jq -c "last | $1"; }
asked() { echo "$(fetch GET "$PROVIDER/_seen?last=200" | grep -o '"ended"' | wc -l) $(fetch GET "$PROVIDER_2/_seen?last=200" | grep -o '"ended"' | wc -l)"; }
fresh() {
	chat '{}'
	messages '{}'
	fetch DELETE "$PROVIDER/_seen" >/dev/null
	fetch DELETE "$PROVIDER_2/_seen" >/dev/null
}
# as_anthropic HOST MODEL TEXT [MEMBERS] and as_openai
as_anthropic() { req POST /v1/messages -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' -H 'anthropic-beta: x' -H "host: $1" \
	-d "{\"model\":\"$2\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"$3\"}]${4:-}}"; }
as_openai() { req POST /v1/chat/completions -H "$auth" -H "$json" -H 'openai-beta: x' -H "host: $1" \
	-d "{\"model\":\"$2\",\"messages\":[{\"role\":\"user\",\"content\":\"$3\"}]${4:-}}"; }
says() { jq -c "$1" <<<"$body"; }
events() { sed -n 's/^data: //p' <<<"$body" | grep -v '^\[DONE\]'; }
# The joined text of a stream, and each tool call with its arguments.
anthropic_said() { events | jq -sc '[(map(.delta.text // empty) | add // ""), (map(select(.content_block.type == "tool_use") | .index) | .[]) as $i | [(.[] | select(.index == $i and .content_block) | .content_block.name), (map(select(.index == $i) | .delta.partial_json // empty) | add)]]'; }
openai_said() { events | jq -sc '[(map(.choices[0].delta.content // empty) | add // ""), (map(.choices[0].delta.tool_calls[0] // empty) | group_by(.index)[] | [.[0].function.name, (map(.function.arguments // empty) | add)])]'; }
decision() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -c "$1"; }

tool_anthropic=',"tools":[{"name":"send","description":"sends","input_schema":{"type":"object","properties":{"note":{"type":"string"}},"required":["note"]}}]'
tool_openai=',"tools":[{"type":"function","function":{"name":"send","description":"sends","parameters":{"type":"object","properties":{"note":{"type":"string"}},"required":["note"]}}}]'

# ---- Anthropic's client with chat completions ----
fresh
as_anthropic to-chat.test echo 'hello there'
is "the caller gets a message" "$status $(says '[.type, .role, .content[0].text, .stop_reason, .usage.output_tokens]')" '200 ["message","assistant","hello there","end_turn",2]'
is "the provider gets a chat completion request" "$(chat_saw '[.path, (.body | fromjson | .messages[0].content)]')" '["/v1/chat/completions","hello there"]'
is "header fields of Anthropic are removed" "$(chat_saw '.headers | tojson' | grep -c anthropic)" 0
is "the record has the dialect" "$(decision .translated_to)" '"chat"'
is "the completion has the usage" "$(completion '[.usage.input_tokens, .usage.output_tokens]')" '[2,2]'
as_anthropic to-chat.test echo 'hello there' ',"stream":true'
is "a stream has the same text" "$status $(header content-type) $(anthropic_said)" '200 text/event-stream ["hello there"]'
is "a stream has the events of the Messages API" "$(events | jq -r .type | uniq | paste -sd ' ')" "message_start content_block_start content_block_delta content_block_stop message_delta message_stop"
is "the first event has the input's tokens, as the gateway counted them" "$(events | jq -c 'select(.type == "message_start") | .message.usage | [.input_tokens > 0, .output_tokens]')" '[true,0]'
is "a stream has the usage" "$(events | jq -c 'select(.type == "message_delta") | [.delta.stop_reason, .usage.output_tokens]') $(completion .usage.output_tokens)" '["end_turn",2] 2'
as_anthropic to-chat.test call 'a note' "$tool_anthropic"
is "a tool call is translated" "$(says '[.stop_reason, .content[0].type, .content[0].name, .content[0].input]')" '["tool_use","tool_use","send",{"note":"a note"}]'
# The second turn of an agent: its client sends the reasoning back, with the signature that the translation added.
again() { # THINKING [SIGNATURE]
	req POST /v1/messages -H "$auth" -H "$json" -H 'host: to-chat.test' -d "{\"model\":\"echo\",\"max_tokens\":64$tool_anthropic,\"messages\":[
		{\"role\":\"user\",\"content\":\"go\"},
		{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"$1\",\"signature\":\"${2:-dG9sbGdhdGU6IHVuc2lnbmVk}\"},
			{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"send\",\"input\":{\"note\":\"x\"}}]},
		{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\",\"content\":\"sent\"}]}]}"
}
again 'write to zoe@example.com'
is "reasoning with a value, which no provider signed, is removed" "$status $(chat_saw '.body | fromjson | [.messages[] | .role]')" '200 ["user","assistant","tool"]'
is "the record counts it" "$(decision .signed_reasoning)" '{"blocks":1,"dropped":1,"left":0}'
again 'send it'
is "reasoning without a value is removed too" "$status $(decision .signed_reasoning)" '200 {"blocks":1,"dropped":1,"left":0}'
again 'the signature is dG9sbGdhdGU6IHVuc2lnbmVk, zoe@example.com' EqoB
is "a provider's signature counts, whatever the text quotes" "$status $(says .error.type)" '403 "permission_error"'
as_anthropic to-chat.test call 'a note' ",\"stream\":true$tool_anthropic"
is "a tool call in a stream is translated" "$(anthropic_said)" '["",["send","{\"note\":\"a note\"}"]]'

call() { printf '{"index":%s,"id":"call_%s","type":"function","function":{"name":"send","arguments":"{\\"note\\":\\"%s\\"}"}}' "$1" "$1" "$2"; }
printf '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"Both.","tool_calls":[%s,%s]}}],"usage":{"prompt_tokens":3,"completion_tokens":9,"total_tokens":12}}' "$(call 0 one)" "$(call 1 two)" >"$D/two.json"
{
	for delta in '{"role":"assistant","content":"Both."}' "{\"tool_calls\":[$(call 0 one)]}" "{\"tool_calls\":[$(call 1 two)]}"; do
		printf 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":null}]}\n\n' "$delta"
	done
	printf 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
	printf 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9,"total_tokens":12}}\n\ndata: [DONE]\n\n'
} >"$D/two.sse"
chat "$(jq -n --rawfile b "$D/two.json" '{body: $b}')"
as_anthropic to-chat.test m x "$tool_anthropic"
is "two parallel tool calls are translated" "$(says '[.content[] | .text // [.id, .input.note]]')" '["Both.",["call_0","one"],["call_1","two"]]'
chat "$(jq -n --rawfile b "$D/two.sse" '{body: $b, content_type: "text/event-stream", chunk_bytes: 7}')"
as_anthropic to-chat.test m x ",\"stream\":true$tool_anthropic"
is "two parallel tool calls in a stream are translated" "$(anthropic_said)" '["Both.",["send","{\"note\":\"one\"}"],["send","{\"note\":\"two\"}"]]'
sed -i 's/"send"/"drop_table"/' "$D/two.sse" "$D/two.json"
chat "$(jq -n --rawfile b "$D/two.json" '{body: $b}')"
as_anthropic to-chat.test m x "$tool_anthropic"
is "a tool call that rules deny is removed" "$(says '[.content[] | select(.type == "tool_use") | .name]')" '["send"]'
chat '{}'
as_anthropic unread.test echo 'hello there'
is "the same on a route that does not inspect responses" "$status $(says '.content[0].text')" '200 "hello there"'
as_anthropic unread.test echo 'hello there' ',"stream":true'
is "the same with a stream there" "$(anthropic_said)" '["hello there"]'
as_anthropic both.test echo 'hello there'
is "a route for both APIs translates messages" "$status $(says '.content[0].text')" '200 "hello there"'
as_openai both.test echo 'hello there'
is "that route forwards chat completions unchanged" "$(says '.choices[0].message.content') $(chat_saw '.body | fromjson | .messages[0]') $(decision .translated_to)" '"hello there" {"role":"user","content":"hello there"} null'

# ---- OpenAI's client with messages ----
fresh
as_openai to-messages.test echo 'hello there'
is "the caller gets a chat completion" "$status $(says '[.object, .choices[0].message.content, .choices[0].finish_reason, .usage.completion_tokens]')" '200 ["chat.completion","hello there","stop",2]'
is "the provider gets a message request with the cap that it requires" "$(messages_saw '[.path, (.body | fromjson | .max_tokens)]')" '["/v1/messages",4096]'
is "the provider gets the version of the API" "$(messages_saw '.headers | with_entries(.key |= ascii_downcase) | [."anthropic-version", ."openai-beta"]')" '["2023-06-01",null]'
as_openai to-messages.test echo 'hello there' ',"stream":true'
is "a stream has the same text there" "$status $(openai_said) $(tail -n 1 <<<"$body")" '200 ["hello there"] data: [DONE]'
is "without stream_options the stream has no usage" "$(events | jq -c 'select(.usage) | .usage' | wc -l) $(completion .usage.output_tokens)" "0 2"
as_openai to-messages.test echo 'hello there' ',"stream":true,"stream_options":{"include_usage":true}'
is "with stream_options the stream has the usage" "$(events | jq -c 'select(.usage) | .usage.completion_tokens')" 2
as_openai to-messages.test call 'a note' "$tool_openai"
is "a tool call is translated there" "$(says '.choices[0] | [.finish_reason, .message.tool_calls[0].function.name, .message.tool_calls[0].function.arguments]')" '["tool_calls","send","{\"note\":\"a note\"}"]'
as_openai to-messages.test call 'a note' ",\"stream\":true$tool_openai"
is "a tool call in a stream is translated there" "$(openai_said)" '["",["send","{\"note\":\"a note\"}"]]'

# ---- fields without an equivalent ----
req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: to-messages.test" -d '{"model":"echo","messages":[{"role":"system","content":"write to alice@example.com","cache_control":{"type":"ephemeral","ttl":"1h"}},{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],"tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]}'
is "cache marks of a chat client are sent" "$status $(messages_saw '.body | fromjson | [.system[0].text, .system[0].cache_control.ttl, .messages[0].content[0].cache_control.type, .tools[0].cache_control.type]')" '200 ["write to <EMAIL_ADDRESS_1>","1h","ephemeral","ephemeral"]'
as_openai to-messages.test echo 'hi' ',"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"age":{"type":"integer","minimum":1}}}}}'
is "a word that Anthropic does not enforce is in the description" "$status $(messages_saw '.body | fromjson | .output_config.format.schema | [.properties.age, .additionalProperties]') $(decision .translated_without)" '200 [{"type":"integer","description":"{minimum: 1}"},false] ["response_format.json_schema.schema"]'
as_openai to-messages.test echo 'hi' ',"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"array","items":{"type":"string"}}}}'
is "a list as the root of a schema is refused by its name" "$status $(says '[.error.code, .error.param]')" '400 ["translation_unsupported","response_format.json_schema.schema"]'
as_openai to-messages.test echo 'hi' ',"reasoning_effort":"","tool_choice":{},"audio":{},"stop":"","function_call":"none","prompt_mode":""'
is "empty fields, and defaults, need no equivalent" "$status $(messages_saw '.body | fromjson | keys')" '200 ["max_tokens","messages","model"]'
fresh
as_openai to-messages.test echo x ',"n":2'
is "a field without an equivalent is refused by name" "$status $(says '[.error.code, .error.param]') $(says .error.message | grep -o '"n: ') $(asked)" '400 ["translation_unsupported","n"] "n:  0 0'
as_anthropic to-chat.test echo x ',"top_k":5'
is "the error has the caller's dialect" "$status $(says '[.type, .error.type]') $(says .error.message | grep -o '"top_k: ')" '400 ["error","invalid_request_error"] "top_k: '
is "the refusal is recorded" "$(decision '[.code, .candidates[0].out // "-"]')" '["translation_unsupported","-"]'
as_anthropic dropping.test echo x ',"top_k":5'
is "such a field is dropped if the route permits it" "$status $(chat_saw '.body | fromjson | .top_k') $(decision .translated_without)" '200 null ["top_k"]'
as_anthropic chat-first.test echo x ',"top_k":5'
is "another target that supports the field is used" "$status $(says '.content[0].text') $(asked)" '200 "x" 1 1'
is "the record has the reason" "$(decision '[.translated_to, (.candidates[0] | .out, .state)]')" '[null,"form","chat"]'
req POST /v1/embeddings -H "$auth" -H "$json" -H "host: to-messages.test" -d '{"model":"m","input":"x"}'
is "a request that is no conversation cannot be translated" "$status $(says .error.code)" '400 "translation_unsupported"'

# ---- failures ----
fresh
as_anthropic either.test echo hi
is "a target with the caller's API gets the request unchanged" "$(asked) $(messages_saw .path) $(decision .translated_to)" '0 1 "/v1/messages" null'
while IFS='|' read -r name what stream; do
	fresh
	messages "$what"
	as_anthropic either.test echo 'hello there' "$stream"
	is "$name: the second target answers, in the caller's dialect" "$status $(asked) $(if [ "$stream" ]; then anthropic_said; else says '[.content[0].text]'; fi)" '200 1 1 ["hello there"]'
done <<'T'
503|{"status":503}|
429|{"status":429}|
overloaded, streamed|{"fault":"overloaded"}|,"stream":true
a cut before the content|{"cut_after_content":0}|,"stream":true
an error in a stream before its content|{"error_after_content":0,"fault":"overloaded"}|,"stream":true
T
is "the usage is counted once" "$(completion '[.usage.output_tokens, [.attempts[] | .target, .cause]]')" '[2,["messages/echo","throttled","chat/echo","done"]]'
is "the record of the attempt has its dialect" "$(settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"attempt"' | tail -1 | jq -c .translated_to)" '"chat"'
while IFS='|' read -r name what want; do
	fresh
	chat "$what"
	messages "$what"
	as_anthropic to-chat.test echo x
	is "$name: Anthropic's client gets its own dialect" "$status $(says '[.type, (.error | type)]')" "$want [\"error\",\"object\"]"
	as_openai to-messages.test echo x
	is "$name: OpenAI's client gets its own dialect" "$status $(says '[.type, (.error.message | type)]')" "$want [null,\"string\"]"
done <<'T'
429|{"status":429}|429
500|{"status":500}|500
400|{"status":400}|400
T
fresh
# encoded STATUS CODING BODY [TYPE]: a response that is compressed, although the request does not accept it
encoded() { chat "$(jq -n --argjson s "$1" --arg c "$2" --arg b "$(gzip -c <<<"$3" | base64 -w0)" --arg t "${4:-application/json}" '{status: $s, body_base64: $b, content_type: $t, headers: {"content-encoding": $c}}')"; }
encoded 200 gzip "$(sed 's/Both/Packed/' "$D/two.json")"
as_anthropic unread.test echo x
is "a compressed response is translated on a route that does not inspect responses" "$status $(header content-encoding) $(says '[.content[0].text, .usage.output_tokens]')" '200  ["Packed.",9]'
as_anthropic dropping.test echo x
is "its usage is recorded" "$status $(says '.content[0].text') $(completion .usage.output_tokens)" '200 "Packed." 9'
encoded 200 br "$(cat "$D/two.json")"
as_anthropic dropping.test echo x
is "a response that cannot be decompressed is the gateway's error" "$status $(says '[.type, .error.code, .error.message[0:59]]')" '503 ["error","provider_error","the response has an encoding that the gateway cannot decode"]'
encoded 200 gzip "$(cat "$D/two.sse")" text/event-stream
as_anthropic dropping.test echo x ',"stream":true'
is "a compressed stream is decompressed and translated" "$status $(grep -c message_stop <<<"$body")" "200 2"
encoded 200 compress "$(cat "$D/two.sse")" text/event-stream
as_anthropic dropping.test echo x ',"stream":true'
is "a stream that cannot be decompressed is the gateway's error" "$status $(says '[.type, .error.code, .error.message[0:59]]')" '503 ["error","provider_error","the response has an encoding that the gateway cannot decode"]'
for host in dropping.test to-chat.test; do
	encoded 429 br '{"error":{"message":"no"}}'
	as_anthropic "$host" echo x
	is "a compressed error is translated" "$status $(says '[.type, .error.type]')" '429 ["error","rate_limit_error"]'
done
chat "$(jq -n --arg b "$(printf '{]' | gzip -c | base64 -w0)" '{body_base64: $b, headers: {"content-encoding": "gzip"}}')"
as_anthropic unread.test echo x
is "a malformed response is the gateway's error" "$status $(says .error.code)" '503 "provider_error"'
chat '{"status":502,"body":"<html>","content_type":"text/html"}'
as_anthropic unread.test echo x
is "an HTML page becomes an error of the caller's dialect" "$status $(says .type)" '502 "error"'
chat '{"cut_after_content":1}'
as_anthropic to-chat.test echo 'one two three' ',"stream":true'
is "a cut stream ends with an error of the caller's dialect" "$(events | jq -r .type | tail -n 1) $(grep -c message_stop <<<"$body")" "error 0"
messages '{"error_after_content":1,"fault":"overloaded"}'
as_openai to-messages.test echo 'one two three' ',"stream":true'
is "an error in a stream becomes one of the caller's dialect" "$(events | jq -c '.error | type' | tail -n 1) $(grep -c 'DONE' <<<"$body")" '"object" 0'

# ---- fields that a response loses ----
fresh
messages "$(jq -n '{body: ({id: "m", type: "message", role: "assistant", model: "m", stop_reason: "end_turn", usage: {input_tokens: 1, output_tokens: 1},
	content: [{type: "text", text: "so", citations: [{type: "page_location", cited_text: "x"}]}]} | tojson)}')"
as_openai to-messages.test echo x
is "citations have no equivalent, and the record names them" "$status $(says '.choices[0].message.content') $(completion .answer.translated_without)" '200 "so" ["citations"]'

# ---- redacted and restored values ----
fresh
as_anthropic to-chat.test echo 'write to alice@example.com'
is "a redacted value is restored" "$(says '.content[0].text') $(chat_saw '.body | fromjson | .messages[0].content')" '"write to alice@example.com" "write to <EMAIL_ADDRESS_1>"'
as_anthropic to-chat.test echo 'write to alice@example.com' ',"stream":true'
is "a redacted value is restored in a stream" "$(anthropic_said)" '["write to alice@example.com"]'
as_openai to-messages.test echo 'write to alice@example.com' ',"stream":true'
is "a redacted value is restored in the other direction" "$(openai_said) $(messages_saw '.body | fromjson | .messages[0].content | tostring' | grep -c '<EMAIL_ADDRESS_1>')" '["write to alice@example.com"] 1'
fresh
messages '{"status":503}'
as_anthropic either.test call 'mail alice@example.com' ",\"stream\":true$tool_anthropic"
is "a redacted value is restored in a tool call of the second target" "$(anthropic_said)" '["",["send","{\"note\":\"mail alice@example.com\"}"]]'

# ---- bodies that arrive after their head ----
fresh
{ printf '{"model":"echo","max_tokens":64,"messages":[{"role":"user","content":"'; head -c 2000000 /dev/zero | tr '\0' 'x'; printf ' bye"}]}'; } >"$D/big.json"
req POST /v1/messages -H "$auth" -H "$json" -H "host: late.test" --data-binary "@$D/big.json"
is "a body of 2 MB is translated" "$status $(says '.content[0].text' | wc -c)" "200 2000007"
req POST /v1/messages -H "$auth" -H "$json" -H "host: late.test" -H transfer-encoding:chunked -d '{"model":"echo","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}'
is "a chunked body is translated" "$status $(says '.content[0].text') $(chat_saw .path)" '200 "hi" "/v1/chat/completions"'
req POST /v1/messages -H "$auth" -H "$json" -H "host: late.test" -H transfer-encoding:chunked -d '{"model":"echo","max_tokens":64,"top_k":3,"messages":[{"role":"user","content":"hi"}]}'
is "a field without an equivalent in such a body is refused by name" "$status $(says .error.message | grep -o '"top_k: ')" '400 "top_k: '

# ---- a field that only one, unreachable target supports ----
fresh
messages '{"status":429,"headers":{"retry-after":"50"}}'
as_anthropic either.test echo hi
is "a throttled target is passed over" "$status $(asked)" "200 1 1"
as_anthropic either.test echo hi ',"top_k":5'
is "a field that only the throttled target supports is a 503 with Retry-After" "$status $(says .error.code) $(header retry-after | grep -cE '^[1-9]') $(asked)" '503 "provider_unavailable" 1 1 1'
as_anthropic to-chat.test echo hi ',"top_k":5'
is "a field that no target supports is a 400" "$status $(says .error.code)" '400 "translation_unsupported"'

check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
told=$("$build/tollgate" policy replay -c "$D/tollgate.yaml")
is "replay makes the same decisions" "$? $(grep -oE '[0-9]+ different' <<<"$told" | sort -u)" "0 0 different"
exit $failed
