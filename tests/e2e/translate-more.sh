# OpenAI's embeddings on Gemini, Bedrock and Cohere: what each side sees, what is refused, what is
# metered. Counts of tokens and lists of models that the gate answers itself.
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
is "Gemini's vectors come back" "$status $(says "$vectors")" '200 ["list","gemini-embedding-001",["embedding",0,[0.5,-0.25]],["embedding",1,[0.5,-0.25]],0,0]'
is "its request was a batch" "$(saw '[.path, (.body | fromjson | .requests[1])]')" '["/v1beta/models/gemini-embedding-001:batchEmbedContents",{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"two"}]},"outputDimensionality":2}]'
is "without the fields of the other form" "$(saw '.headers | tojson' | grep -c openai-beta)" 0
is "the record names the form" "$(decision .translated_to)" '"embed"'
embed gemini.test m '"write to alice@example.com"' ',"encoding_format":"base64"'
is "written as bytes where that is asked for" "$status $(says '.data[0].embedding')" '200 "AAAAPwAAgL4="'
is "what is redacted is redacted there" "$(saw '.body | fromjson | .requests[0].content.parts[0].text')" '"write to <EMAIL_ADDRESS_1>"'
embed cohere.test embed-v4.0 '["one two","three"]'
is "Cohere's" "$status $(says '[(.data | length), .usage.prompt_tokens]') $(saw '[.path, (.body | fromjson | [.model, .texts, .input_type, .embedding_types])]')" '200 [2,3] ["/v2/embed",["embed-v4.0",["one two","three"],"search_document",["float"]]]'
is "and what was used" "$(completion '[.usage.input_tokens, .usage.output_tokens]')" '[3,0]'
fresh '{"headers":{"x-amzn-bedrock-input-token-count":"9"}}'
embed bedrock.test amazon.titan-embed-text-v2:0 '"one"' ',"dimensions":256'
is "Titan's" "$status $(says '[.data[0].embedding, .usage.prompt_tokens]') $(saw '[.path, (.body | fromjson)]')" '200 [[0.5,-0.25],9] ["/model/amazon.titan-embed-text-v2%3A0/invoke",{"inputText":"one","dimensions":256}]'
is "metered" "$(completion '[.usage.input_tokens, .usage.output_tokens]')" '[9,0]'
embed bedrock.test us.cohere.embed-v4:0 '["one","two"]'
is "Cohere's at Bedrock" "$status $(says '.data | length') $(saw '[.path, (.body | fromjson | .texts)]')" '200 2 ["/model/us.cohere.embed-v4%3A0/invoke",["one","two"]]'
embed cohere.test vectors '"one"'
is "an alias is what the answer names" "$status $(says .model) $(saw '.body | fromjson | .model')" '200 "vectors" "embed-v4.0"'
fresh
embed chat.test m '"one"'
is "what speaks chat gets them as they came" "$status $(says '.data | length') $(saw .path) $(decision .translated_to)" '200 1 "/v1/embeddings" null'

# ---- what has no place ----
while IFS='|' read -r name host model input members want; do
	fresh
	embed "$host" "$model" "$input" "$members"
	is "$name" "$status $(says '[.error.code, .error.message[0:9]]') $(seen)" "400 [\"translation_unsupported\",\"$want\"] 0"
done <<'T'
several texts for Titan|bedrock.test|amazon.titan-embed-text-v2:0|["a","b"]||input: th
a member that is new|cohere.test|m|"a"|,"novel":1|novel: it
a model of Bedrock's that embeds nothing|bedrock.test|anthropic.claude|"a"||this endp
a target without embeddings|anthropic.test|m|"a"||this endp
T
req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: cohere.test" -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
is "a chat is none of Cohere's vectors" "$status $(says .error.code) $(seen)" '400 "translation_unsupported" 0'
req POST /rerank -H "$auth" -H "$json" -H "host: gemini.test" -d '{"model":"m","query":"q","documents":["a"]}'
is "nor is what is called so elsewhere" "$status $(says .error.code) $(seen)" '400 "translation_unsupported" 0'
embed either.test m '["a","b"]'
is "another target takes what Titan does not" "$status $(says '.data | length') $(saw .path) $(decision '[.translated_to, .candidates[0].out]')" '200 2 "/v2/embed" ["embed","form"]'
embed second.test m '["a","b"]'
is "or that the first one has nothing for" "$status $(says '.data | length') $(saw .path) $(decision '[.translated_to, .candidates[0].out, .candidates[0].state]')" '200 2 "/v1/embeddings" [null,"form","messages"]'

# ---- failures ----
fresh '{"status":429}'
embed cohere.test m '"a"'
is "an error is told in the caller's words" "$status $(says '.error | [.code, (.message | type)]')" '429 ["rate_limit_exceeded","string"]'
fresh '{"body":"{\"embeddings\":{\"float\":[[1]]}}"}'
embed cohere.test m '["a","b"]'
is "an answer with too few vectors is none" "$status $(says .error.type)" '503 "server_error"'

# ---- several answers ----
# several HOST MODEL TEXT MEMBERS: a chat
several() { req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: $1" -d "{\"model\":\"$2\",\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":\"$3\"}]${4:-}}"; }
fresh
several gemini.test echo 'write to alice@example.com'
is "two choices are two candidates" "$status $(says '[.choices[] | .index, .message.content, .finish_reason]') $(saw '.body | fromjson | .generationConfig.candidateCount')" '200 [0,"write to alice@example.com","stop",1,"write to alice@example.com","stop"] 2'
is "and are used once" "$(says '.usage.completion_tokens') $(completion .usage.output_tokens)" "6 6"
several gemini.test echo 'write to alice@example.com' ',"stream":true'
is "streamed, too" "$(sed -n 's/^data: {/{/p' <<<"$body" | jq -sc 'map(.choices[]) | group_by(.index)[] | [.[0].index, (map(.delta.content // "") | add), (map(.finish_reason // empty) | add)]' | paste -sd ' ')" '[0,"write to alice@example.com","stop"] [1,"write to alice@example.com","stop"]'
fresh '{"cut_after_content":1}'
several gemini.test echo 'one two three' ',"stream":true'
is "a cut one ends with an error" "$(tail -n 2 <<<"$body" | grep -c '"error"') $(grep -c DONE <<<"$body")" "1 0"
several bedrock.test amazon.nova-pro x
is "where the form has one, they are refused" "$status $(says '[.error.code, .error.param]')" '400 ["translation_unsupported","n"]'

# ---- what the gate answers itself ----
fresh
text='"one two three four five six seven eight"'
while IFS='|' read -r name host path members want; do
	req POST "$path" -H "$auth" -H "$json" -H "host: $host" -d "{$members}"
	is "$name" "$status $(header x-tollgate-estimate) $(says "$want") $(seen)" "200 tokens true 0"
done <<T
Anthropic's count|count.test|/v1/messages/count_tokens|"model":"m","messages":[{"role":"user","content":$text}]|keys == ["input_tokens"] and .input_tokens > 7 and .input_tokens < 30
Gemini's|gemini-count.test|/v1beta/models/m:countTokens|"contents":[{"role":"user","parts":[{"text":$text}]}]|keys == ["totalTokens"] and .totalTokens > 7 and .totalTokens < 30
OpenAI's|responses-count.test|/v1/responses/input_tokens|"model":"m","input":$text|.object == "response.input_tokens" and .input_tokens > 7 and .input_tokens < 30
T
is "no model ran" "$(completion '[.outcome, .usage.input_tokens // 0]')" '["complete",0]'
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" -H transfer-encoding:chunked -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":$text}]}"
is "of a body that comes in chunks" "$status $(says '.input_tokens > 7') $(seen)" "200 true 0"
{ printf '{"model":"m","messages":[{"role":"user","content":"'; head -c 300000 /dev/zero | tr '\0' 'x'; printf ' bye"}]}'; } >"$D/big.json"
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" --data-binary "@$D/big.json"
is "of a long one" "$status $(says '.input_tokens > 1000') $(seen)" "200 true 0"
req POST /v1/messages/count_tokens -H "$auth" -H "$json" -H "host: count.test" -d '{"model":"secret","messages":[{"role":"user","content":"x"}]}'
is "rules are asked before" "$status $(says .error.type)" '403 "permission_error"'
get() { req GET "$2" -H "$auth" -H "host: $1"; }
get count.test /v1/models
is "Anthropic's client sees the route's models" "$status $(says '[.has_more, (.data[] | [.type, .id])]') $(seen)" '200 [false,["model","fast"],["model","qwen3"],["model","gpt-5"]] 0'
get gemini-count.test /v1beta/models
is "Gemini's" "$status $(says '[.models[].name]') $(seen)" '200 ["models/fast","models/qwen3"] 0'
get responses-count.test /v1/models
is "OpenAI's, each once" "$status $(says '[.object, (.data[] | [.object, .id])]') $(seen)" '200 ["list",["model","claude-opus-4-5"]] 0'
get count.test /v1/models/fast
is "the card of an alias" "$status $(says '[.type, .id]') $(seen)" '200 ["model","fast"] 0'
get responses-count.test /v1/models/claude-opus-4-5
is "and of a model" "$status $(says '[.object, .id]') $(seen)" '200 ["model","claude-opus-4-5"] 0'
get responses-count.test /v1/models/none
is "no other one has a card" "$status $(says .error.code) $(seen)" '404 "model_not_found" 0'
get count.test /v1/models/secret
is "nor one that rules deny" "$status $(says .error.type) $(seen)" '403 "permission_error" 0'

check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
told=$("$build/tollgate" policy replay -c "$D/tollgate.yaml")
is "decided again all of it comes out the same" "$? $(grep -oE '[0-9]+ different' <<<"$told" | sort -u)" "0 0 different"

# ---- Mistral's words ----
for stream in false true; do
	fresh
	req POST /v1/chat/completions -H "$auth" -H "$json" -H "host: mistral.test" -d '{"model":"echo","stream":'$stream',"max_completion_tokens":50,"seed":4,"user":"u","messages":[{"role":"user","content":"write to alice@example.com"}]}'
	is "Mistral gets its own words, stream: $stream" "$status $(saw '.body | fromjson | [.max_tokens, .random_seed, .user, .max_completion_tokens, .messages[0].content]')" '200 [50,4,null,null,"write to <EMAIL_ADDRESS_1>"]'
	like "and its response is made whole, stream: $stream" "$(grep -o '"content":"[^"]*"' <<<"$body" | sed 's/"content":"//; s/"$//' | tr -d '\n')" 'write to alice@example.com'
	# Mistral reports the usage of a stream unasked, and the simulated provider only if asked
	[ $stream = true ] || is "metered" "$(completion '.usage.input_tokens > 0')" true
	is "the record names the form, stream: $stream" "$(decision .translated_to)" '"chat"'
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
