# OpenAI's embeddings API with Gemini, Bedrock and Cohere: the requests and responses on both sides, refusals, usage.
# Then token counts and lists of models, which the gate answers itself.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

stack_up --policy "$here/translate-more.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
control() { fetch POST "$PROVIDER/_control" "$1" >/dev/null; }
saw() { fetch GET "$PROVIDER/_seen?last=1" | jq -c "last | $1"; }
seen() { fetch GET "$PROVIDER/_seen?last=200" | grep -o '"ended"' | wc -l; }
fresh() {
	control "${1:-{\}}"
	fetch DELETE "$PROVIDER/_seen" >/dev/null
}
says() { jq -c "$1" <<<"$body"; }
decision() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -c "$1"; }
# embed HOST MODEL INPUT [MEMBERS]
embed() { req POST /v1/embeddings -H "$auth" -H "$json" -H 'openai-beta: x' -H "host: $1" -d "{\"model\":\"$2\",\"input\":$3${4:-}}"; }
vectors='[.object, .model, (.data[] | [.object, .index, .embedding]), .usage.prompt_tokens, .usage.total_tokens]'

# ---- embeddings ----
fresh
embed gemini.test gemini-embedding-001 '["one","two"]' ',"dimensions":2,"user":"u"'
is "Gemini: the vectors are returned" "$status $(says "$vectors")" '200 ["list","gemini-embedding-001",["embedding",0,[0.5,-0.25]],["embedding",1,[0.5,-0.25]],0,0]'
is "Gemini: the request is a batch" "$(saw '[.path, (.body | fromjson | .requests[1])]')" '["/v1beta/models/gemini-embedding-001:batchEmbedContents",{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"two"}]},"outputDimensionality":2}]'
is "Gemini: header fields of OpenAI are removed" "$(saw '.headers | tojson' | grep -c openai-beta)" 0
is "the record has the dialect" "$(decision .translated_to)" '"embed"'
embed gemini.test m '"write to alice@example.com"' ',"encoding_format":"base64"'
is "encoding_format base64 returns bytes" "$status $(says '.data[0].embedding')" '200 "AAAAPwAAgL4="'
is "a value in the input is redacted" "$(saw '.body | fromjson | .requests[0].content.parts[0].text')" '"write to <EMAIL_ADDRESS_1>"'
embed cohere.test embed-v4.0 '["one two","three"]'
is "Cohere: the vectors are returned" "$status $(says '[(.data | length), .usage.prompt_tokens]') $(saw '[.path, (.body | fromjson | [.model, .texts, .input_type, .embedding_types])]')" '200 [2,3] ["/v2/embed",["embed-v4.0",["one two","three"],"search_document",["float"]]]'
is "Cohere: the record has the usage" "$(completion '[.usage.input_tokens, .usage.output_tokens]')" '[3,0]'
fresh '{"headers":{"x-amzn-bedrock-input-token-count":"9"}}'
embed bedrock.test amazon.titan-embed-text-v2:0 '"one"' ',"dimensions":256'
is "Titan: the vector is returned" "$status $(says '[.data[0].embedding, .usage.prompt_tokens]') $(saw '[.path, (.body | fromjson)]')" '200 [[0.5,-0.25],9] ["/model/amazon.titan-embed-text-v2%3A0/invoke",{"inputText":"one","dimensions":256}]'
is "Titan: the record has the usage" "$(completion '[.usage.input_tokens, .usage.output_tokens]')" '[9,0]'
embed bedrock.test us.cohere.embed-v4:0 '["one","two"]'
is "Cohere on Bedrock: the vectors are returned" "$status $(says '.data | length') $(saw '[.path, (.body | fromjson | .texts)]')" '200 2 ["/model/us.cohere.embed-v4%3A0/invoke",["one","two"]]'
embed cohere.test vectors '"one"'
is "the response contains the alias" "$status $(says .model) $(saw '.body | fromjson | .model')" '200 "vectors" "embed-v4.0"'
fresh
embed chat.test m '"one"'
is "a provider with OpenAI's API gets the request unchanged" "$status $(says '.data | length') $(saw .path) $(decision .translated_to)" '200 1 "/v1/embeddings" null'

# ---- fields without an equivalent ----
while IFS='|' read -r name host model input members want; do
	fresh
	embed "$host" "$model" "$input" "$members"
	is "refused: $name" "$status $(says '[.error.code, .error.message[0:9]]') $(seen)" "400 [\"translation_unsupported\",\"$want\"] 0"
done <<'T'
several texts for Titan|bedrock.test|amazon.titan-embed-text-v2:0|["a","b"]||input: th
an unknown field|cohere.test|m|"a"|,"novel":1|novel: th
a Bedrock model without embeddings|bedrock.test|anthropic.claude|"a"||this endp
a target without embeddings|anthropic.test|m|"a"||this endp
T
req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: cohere.test" -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
is "a chat with Cohere's embedding model is refused" "$status $(says .error.code) $(seen)" '400 "translation_unsupported" 0'
req POST /rerank -H "$auth" -H "$json" -H "host: gemini.test" -d '{"model":"m","query":"q","documents":["a"]}'
is "an unrelated path of that name is refused" "$status $(says .error.code) $(seen)" '400 "translation_unsupported" 0'
embed either.test m '["a","b"]'
is "another target is used if Titan has no equivalent" "$status $(says '.data | length') $(saw .path) $(decision '[.translated_to, .candidates[0].out]')" '200 2 "/v2/embed" ["embed","form"]'
embed second.test m '["a","b"]'
is "another target is used if the first one has no such API" "$status $(says '.data | length') $(saw .path) $(decision '[.translated_to, .candidates[0].out, .candidates[0].state]')" '200 2 "/v1/embeddings" [null,"form","messages"]'

# ---- failures ----
fresh '{"status":429}'
embed cohere.test m '"a"'
is "an error has the caller's dialect" "$status $(says '.error | [.code, (.message | type)]')" '429 ["rate_limit_exceeded","string"]'
fresh '{"body":"{\"embeddings\":{\"float\":[[1]]}}"}'
embed cohere.test m '["a","b"]'
is "a response with too few vectors is an error" "$status $(says .error.type)" '503 "server_error"'

# ---- several completions ----
# several HOST MODEL TEXT MEMBERS: sends a chat request
several() { req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: $1" -d "{\"model\":\"$2\",\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":\"$3\"}]${4:-}}"; }
fresh
several gemini.test echo 'write to alice@example.com'
is "n becomes Gemini's candidateCount" "$status $(says '[.choices[] | .index, .message.content, .finish_reason]') $(saw '.body | fromjson | .generationConfig.candidateCount')" '200 [0,"write to alice@example.com","stop",1,"write to alice@example.com","stop"] 2'
is "the usage is counted once" "$(says '.usage.completion_tokens') $(completion .usage.output_tokens)" "6 6"
several gemini.test echo 'write to alice@example.com' ',"stream":true'
is "a stream has both completions" "$(sed -n 's/^data: {/{/p' <<<"$body" | jq -sc 'map(.choices[]) | group_by(.index)[] | [.[0].index, (map(.delta.content // "") | add), (map(.finish_reason // empty) | add)]' | paste -sd ' ')" '[0,"write to alice@example.com","stop"] [1,"write to alice@example.com","stop"]'
fresh '{"cut_after_content":1}'
several gemini.test echo 'one two three' ',"stream":true'
is "a cut stream ends with an error" "$(tail -n 2 <<<"$body" | grep -c '"error"') $(grep -c DONE <<<"$body")" "1 0"
several bedrock.test amazon.nova-pro x
is "an API with one completion refuses n" "$status $(says '[.error.code, .error.param]')" '400 ["translation_unsupported","n"]'

# ---- requests that the gate answers itself ----
fresh
text='"one two three four five six seven eight"'
while IFS='|' read -r name host path members want; do
	req POST "$path" -H "$auth" -H "$json" -H "host: $host" -d "{$members}"
	is "counted by the gate: $name" "$status $(header x-tollgate-estimate) $(says "$want") $(seen)" "200 tokens true 0"
done <<T
Anthropic's count|count.test|/v1/messages/count_tokens|"model":"m","messages":[{"role":"user","content":$text}]|keys == ["input_tokens"] and .input_tokens > 7 and .input_tokens < 30
Gemini's|gemini-count.test|/v1beta/models/m:countTokens|"contents":[{"role":"user","parts":[{"text":$text}]}]|keys == ["totalTokens"] and .totalTokens > 7 and .totalTokens < 30
OpenAI's|responses-count.test|/v1/responses/input_tokens|"model":"m","input":$text|.object == "response.input_tokens" and .input_tokens > 7 and .input_tokens < 30
T
is "no model ran" "$(completion '[.outcome, .usage.input_tokens // 0]')" '["complete",0]'
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" -H transfer-encoding:chunked -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":$text}]}"
is "a chunked body is counted" "$status $(says '.input_tokens > 7') $(seen)" "200 true 0"
{ printf '{"model":"m","messages":[{"role":"user","content":"'; head -c 300000 /dev/zero | tr '\0' 'x'; printf ' bye"}]}'; } >"$D/big.json"
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" --data-binary "@$D/big.json"
is "a long body is counted" "$status $(says '.input_tokens > 1000') $(seen)" "200 true 0"
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" -d '{"model":"secret","messages":[{"role":"user","content":"x"}]}'
is "rules are evaluated first" "$status $(says .error.type)" '403 "permission_error"'
get() { req GET "$2" -H "$auth" -H "host: $1"; }
get count.test /v1/models
is "Anthropic's client gets the route's models" "$status $(says '[.has_more, (.data[] | [.type, .id])]') $(seen)" '200 [false,["model","fast"],["model","qwen3"],["model","gpt-5"]] 0'
get gemini-count.test /v1beta/models
is "Gemini's client gets the route's models" "$status $(says '[.models[].name]') $(seen)" '200 ["models/fast","models/qwen3"] 0'
get responses-count.test /v1/models
is "OpenAI's client gets the route's models, each once" "$status $(says '[.object, (.data[] | [.object, .id])]') $(seen)" '200 ["list",["model","claude-opus-4-5"]] 0'
get count.test /v1/models/fast
is "an alias has a model card" "$status $(says '[.type, .id]') $(seen)" '200 ["model","fast"] 0'
get responses-count.test /v1/models/claude-opus-4-5
is "a model has a model card" "$status $(says '[.object, .id]') $(seen)" '200 ["model","claude-opus-4-5"] 0'
get responses-count.test /v1/models/none
is "an unknown model has no card" "$status $(says .error.code) $(seen)" '404 "model_not_found" 0'
get count.test /v1/models/secret
is "a model that rules deny has no card" "$status $(says .error.type) $(seen)" '403 "permission_error" 0'

check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
told=$("$build/tollgate" policy replay -c "$D/tollgate.yaml")
is "replay makes the same decisions" "$? $(grep -oE '[0-9]+ different' <<<"$told" | sort -u)" "0 0 different"

# ---- Mistral's field names ----
for stream in false true; do
	fresh
	req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: mistral.test" -d '{"model":"echo","stream":'$stream',"max_completion_tokens":50,"seed":4,"user":"u","messages":[{"role":"user","content":"write to alice@example.com"}]}'
	is "Mistral receives its own field names, stream: $stream" "$status $(saw '.body | fromjson | [.max_tokens, .random_seed, .user, .max_completion_tokens, .messages[0].content]')" '200 [50,4,null,null,"write to <EMAIL_ADDRESS_1>"]'
	like "its response is completed, stream: $stream" "$(grep -o '"content":"[^"]*"' <<<"$body" | sed 's/"content":"//; s/"$//' | tr -d '\n')" 'write to alice@example.com'
	# Mistral always reports the usage of a stream; the simulated provider only if the request asks for it.
	[ $stream = true ] || is "the record has the usage" "$(completion '.usage.input_tokens > 0')" true
	is "the record has the dialect, stream: $stream" "$(decision .translated_to)" '"chat"'
done

# ---- custom tools ----
for stream in false true; do
	fresh
	req POST /v1/responses -H "$auth" -H "$json" -H "host: chat.test" -d '{"model":"task:patch","stream":'$stream',"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"apply it"}]}],"tools":[{"type":"namespace","name":"functions","tools":[{"type":"custom","name":"patch"}]}]}'
	calls=$body
	[ $stream = false ] || calls=$(sed -n 's/^data: //p' <<<"$body" | jq -c 'select(.type == "response.completed") | .response')
	is "a custom tool is called with a text, stream: $stream" "$status $(jq -c '.output[] | [.type, .namespace, .name, .input]' <<<"$calls")" '200 ["custom_tool_call","functions","patch","it"]'
done
exit $failed
