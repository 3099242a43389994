# Dialects on their own paths, through HAProxy: the model in the path, redaction and rewriting in each format,
# batches, and denials in each dialect's form.
# Once: no version of HAProxy differs here.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"

cat >"$D/policy-in.yaml" <<'YAML'
tollgate: 1
name: dialects
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: service-account}
classes:
  pii: [EMAIL_ADDRESS]
  cards: [CREDIT_CARD]
providers:
  gemini: {backend: local, dialect: gemini}
  bedrock: {backend: local, dialect: bedrock}
  cohere: {backend: local, dialect: cohere}
  mistral: {backend: local, dialect: mistral}
  ollama: {backend: local, dialect: ollama}
  tgi: {backend: local, dialect: tgi}
  openai: {backend: openai, dialect: openai}
routes:
  - {name: gemini, match: {api: gemini}, targets: gemini}
  - {name: bedrock, match: {api: bedrock}, targets: bedrock}
  - {name: cohere, match: {api: cohere, path_prefix: /cohere}, targets: cohere}
  - {name: mistral, match: {api: mistral, path_prefix: /mistral}, targets: mistral}
  - {name: ollama, match: {api: ollama, path_prefix: /ollama}, targets: ollama}
  - {name: tgi, match: {api: tgi, path_prefix: /tgi}, targets: tgi}
  - {name: openai, match: {api: openai}, targets: openai}
rules:
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: no-secrets, when: '"secret" in prompt.classes', deny: {reason: the prompt holds a secret}}
  - {name: model, when: 'model.name == "denied"', deny: {reason: not this model}}
  - {name: known, when: 'route.name == "tgi" && (model.name != "" || request.method != "GET") && !(model.name in ["", "tgi"])', deny: {reason: not on the list}}
  - {name: small, when: 'model.name == "big"', route: {model: "small:0"}, max_output_tokens: 50}
  - {name: outside, when: 'model.name == "outside" && "cards" in prompt.classes', redact: {classes: [cards]}}
  - {name: pii, when: '"pii" in prompt.classes', redact: {classes: [pii]}}
default: permit
limits:
  - {name: spent, when: 'identity.person == "kim"', tokens: 1000, window: 1h}
YAML
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
post() { req POST "$1" -H "$auth" -H "$json" -d "$2"; }
sent() { seen | node -e 'const r = JSON.parse(require("fs").readFileSync(0))[0]; console.log(r.path, r.body)'; }
control '{"status":200}'
mail='write to jane.doe@example.com'

gemini() { echo '{"contents":[{"role":"user","parts":[{"text":"'"$1"'"}]}]}'; }
post /v1beta/models/gemini-x:generateContent "$(gemini "$mail")"
is "gemini: the prompt is redacted" "$status $(header x-tollgate-decision) $(sent)" \
	"200 redact /v1beta/models/gemini-x:generateContent $(gemini 'write to <EMAIL_ADDRESS_1>')"
post '/v1/projects/p/locations/l/publishers/google/models/big:streamGenerateContent?alt=sse' "$(gemini hi)"
like "vertex: the model in the path is rewritten, and a cap is added" "$(sent)" \
	'^/v1/projects/p/locations/l/publishers/google/models/small%3A0:streamGenerateContent\?alt=sse \{"generationConfig":\{"maxOutputTokens":50\}'
post /v1beta/models/denied:generateContent "$(gemini hi)"
is "gemini: the response has no header field of Bedrock" "$(header x-amzn-errortype)" ''
like "gemini: a denial has Google's form" "$status $body" '^403 \{"error":\{"code":403,"message":"not this model .*"status":"PERMISSION_DENIED"'
post /v1beta/models/x:unknown "$(gemini hi)"
is "gemini: an unknown verb is 404" "$status" 404

converse() { echo '{"messages":[{"role":"user","content":[{"text":"'"$1"'"}]}]}'; }
post /model/us.anthropic.x-v1%3A0/converse "$(converse "$mail")"
is "bedrock: the prompt is redacted, the path is unchanged" "$status $(sent)" \
	"200 /model/us.anthropic.x-v1%3A0/converse $(converse 'write to <EMAIL_ADDRESS_1>')"
post /model/arn%3Aaws%3Abedrock%3Aus%3A1%3Aprofile%2Fx/converse-stream "$(converse hi)"
is "bedrock: the model may contain a slash" "$status $(sent)" \
	"200 /model/arn%3Aaws%3Abedrock%3Aus%3A1%3Aprofile%2Fx/converse-stream $(converse hi)"
post /model%2Fx/converse "$(converse hi)"
is "bedrock: another encoded slash is refused" "$status" 400
post /model/a%2F..%2Fb/converse "$(converse hi)"
like "bedrock: dot segments in the model are refused" "$status $body" '^400 .*ambiguous_path'
post /model/denied/converse "$(converse hi)"
like "bedrock: a denial has AWS's form" "$status $body" '^403 \{"message":"not this model .*"__type":"AccessDeniedException"'
is "bedrock: the error type is in the header field that AWS's SDKs read" "$(header x-amzn-errortype)" AccessDeniedException
control '{"cut_after_bytes":0,"times":1}'
post /model/x/converse "$(converse "$mail")"
like "bedrock: an error of the relay has AWS's form" "$status $(header x-amzn-errortype) $body" '^503 (ServiceUnavailableException) .*"__type":"ServiceUnavailableException"'
control '{"status":200}'

post /cohere/v2/chat '{"model":"c","messages":[{"role":"user","content":"'"$mail"'"}]}'
like "cohere: the prompt is redacted" "$status $(sent)" '^200 .*write to <EMAIL_ADDRESS_1>'
post /cohere/v2/chat '{"model":"denied","messages":[]}'
like "cohere: a denial has its form" "$status $body" '^403 \{"message":"not this model .*","id":"'
post /mistral/v1/conversations '{"model":"big","inputs":"hi"}'
like "mistral: the model is rewritten, and the cap is added to completion_args" "$status $(sent)" '^200 .*\{"completion_args":\{"max_tokens":50\},"model":"small:0"'
post /mistral/v1/fim/completions '{"model":"denied","prompt":"x"}'
like "mistral: a denial has its form" "$status $body" '^403 \{"object":"error","message":"not this model'
post /ollama/api/chat '{"model":"big","messages":[{"role":"user","content":"'"$mail"'"}],"options":{"num_predict":-1}}'
like "ollama: the prompt is redacted, the model rewritten, the cap added" "$status $(sent)" '^200 .*"model":"small:0".*<EMAIL_ADDRESS_1>.*"num_predict":50'
post /ollama/api/generate '{"model":"denied","prompt":"x"}'
like "ollama: a denial has its form" "$status $body" '^403 \{"error":"not this model'
post /tgi/generate_stream '{"inputs":"key AKIA2OGYBAH6STMMNXNN and Kq3vT8xW1zR5yB7nM2pL9sD4fG6hJ0cA8eUwQxYz"}'
like "tgi: a denial has its form" "$status $body" '^403 \{"error":".*"error_type":"validation"'

post /v1/responses '{"model":"gpt","input":[{"role":"user","content":[{"type":"input_text","text":"'"$mail"'"}]}]}'
like "openai: the responses API is redacted" "$status $(sent)" '^200 .*write to <EMAIL_ADDRESS_1>'
post /openai/deployments/a/chat/completions '{"model":"b","messages":[]}'
like "azure: two models in a request are refused" "$status $body" '^400 .*ambiguous_model'
line() { echo '{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"'"$1"'","messages":[{"role":"user","content":"'"$2"'"}]}}'; }
{ line a "$mail"; line a hi; } >"$D/batch.jsonl"
req POST /v1/files -H "$auth" -F purpose=batch -F "file=@$D/batch.jsonl"
like "the lines of a batch's file are redacted" "$status $(seen)" '^200 .*write to <EMAIL_ADDRESS_1>'
{ line a hi; line denied hi; } >"$D/batch.jsonl"
req POST /v1/files -H "$auth" -F purpose=batch -F "file=@$D/batch.jsonl"
like "the model of each line must be permitted" "$status $body" '^403 .*not this model'
req POST /v1/audio/transcriptions -H "$auth" -F model=denied -F 'file=text'
like "the model of a multipart form must be permitted" "$status $body" '^403 .*not this model'
req POST /v1/images/edits -H "$auth" -d 'model=denied&prompt=p'
like "the model of an URL-encoded form must be permitted" "$status $body" '^403 .*not this model'
req POST /v1/images/edits -H "$auth" -d 'model=big&prompt=p'
is "the model of an URL-encoded form is rewritten" "$status $(sent)" '200 /v1/images/edits model=small%3A0&prompt=p'
req POST /v1/images/edits -H "$auth" -F 'model=denied;filename=""' -F prompt=p
like "a model in a part with an empty file name must be permitted" "$status $body" '^403 .*not this model'
tool() { echo '{"model":"'"$1"'","input":"'"$3"'","tools":[{"type":"image_generation","model":"'"$2"'"}]}'; }
post /v1/responses "$(tool gpt denied hi)"
like "the model of a tool must be permitted" "$status $body" '^403 .*not this model'
post /v1/responses "$(tool big image hi)"
is "a tool's model is neither ambiguous nor rewritten" "$status $(sent)" \
	'200 /v1/responses {"max_output_tokens":50,"model":"small:0","input":"hi","tools":[{"type":"image_generation","model":"image"}]}'
post /v1/responses "$(tool gpt outside "$mail for 4111 1111 1111 1111")"
like "data that a tool's model may not receive is redacted" "$status $(sent)" '^200 .*write to <EMAIL_ADDRESS_1> for <CREDIT_CARD_1>"'
post /v1/responses "$(tool gpt inside "4111 1111 1111 1111")"
like "the same data is not redacted for other models" "$status $(sent)" '^200 .*"4111 1111 1111 1111"'
post /async-invoke '{"modelId":"denied","modelInput":{}}'
like "the model of a background request must be permitted" "$status $body" '^403 .*not this model'
post '/v1/responses?model=denied' '{"model":"gpt","input":"hi"}'
like "a model in the query must be permitted" "$status $body" '^403 .*not this model'
{ line a hi; line a hi; } | head -c 150 >"$D/piece"
req POST /v1/uploads/u/parts -H "$auth" -F "data=@$D/piece"
like "a part of an upload that ends inside a line is refused" "$status $body" '^400 .*whole lines'
for override in X-HTTP-Method-Override x_http_method X-Original-URL x-rewrite-url; do
	req POST /v1/responses -H "$auth" -H "$json" -H "$override: DELETE" -d '{"model":"gpt","input":"hi"}'
	unlike "the header field $override is removed" "$status $(seen | tr 'A-Z_' 'a-z-')" '^(200 .*(x-http-method|x-original-url|x-rewrite-url)|[^2])'
done
req POST '/v1beta/models/g:generateContent?%24httpMethod=DELETE&alt=sse&$httpMethod=DELETE&_method=PUT' -H "$auth" -H "$json" -d "$(gemini hi)"
is "query parameters that override the method are removed" "$status $(sent)" "200 /v1beta/models/g:generateContent?alt=sse $(gemini hi)"
req GET /v1/responses/resp_1 -H "$auth"
is "a stored response can be fetched" "$status" 200
req GET /api/tags -H "$auth"
is "an unknown path is 404" "$status" 404

control '{"status":200,"content_type":"application/json","body":"{\"object\":\"list\",\"data\":[{\"id\":\"denied\"}, {\"id\":\"gpt\",\"owned_by\":\"x\"} ,{\"id\":\"denied\"},{\"id\":\"b\"},{\"id\":\"denied\"}]}"}'
req GET /v1/models -H "$auth"
is "the list of models has the models that the caller may use" "$status $body" \
	'200 {"object":"list","data":[{"id":"gpt","owned_by":"x"},{"id":"b"}]}'
control '{"status":200,"content_type":"application/json","body":"{\"models\":[{\"name\":\"models/denied\"},{\"name\":\"models/g\"}],\"nextPageToken\":\"x\"}"}'
req GET /v1beta/models -H "$auth"
is "Gemini's list of models is filtered" "$status $body" '200 {"models":[{"name":"models/g"}],"nextPageToken":"x"}'
control '{"status":200,"content_type":"application/json","body":"{\"data\":[{\"id\":\"tgi\"},{\"id\":\"other\"}]}"}'
req GET /tgi/v1/models -H "$auth"
is "the list is filtered by a rule that permits some names" "$status $body" '200 {"data":[{"id":"tgi"}]}'
req GET /v1/models/denied -H "$auth"
is "a single model that is not permitted is 403" "$status" 403
control '{"status":200,"content_type":"application/json","body":"{\"data\":[{"}'
req GET /v1/models -H "$auth"
is "a malformed list is a 503" "$status" 503
control '{"status":200,"body":"{}"}'

# ---- objects that providers store, and background jobs ----
post /v1/threads "{\"messages\":[{\"role\":\"user\",\"content\":\"$mail\"}]}"
is "a new thread is redacted" "$status $(sent)" '200 /v1/threads {"messages":[{"role":"user","content":"write to <EMAIL_ADDRESS_1>"}]}'
post /v1/assistants/a '{"model":"denied","instructions":"hi"}'
is "an assistant's model must be permitted" "$status" 403
post /v1/vector_stores '{"name":"n","description":"the key AKIAQ3EGRTZK7VXW2YUB"}'
is "every string of a vector store is inspected" "$status" 403
echo "the key AKIAQ3EGRTZK7VXW2YUB" >"$D/notes.txt"
req POST /v1/containers/c/files -H "$auth" -F "file=@$D/notes.txt"
is "a file in a container is inspected" "$status" 403
req GET /v1/organization/costs -H "$auth"
is "the administration API is not available" "$status" 404
post /v1/fine_tuning/jobs '{"model":"m","training_file":"file-1"}'
is "a job passes on a route without a limit" "$status $(sent)" '200 /v1/fine_tuning/jobs {"model":"m","training_file":"file-1"}'
auth="authorization: Bearer $(token --claims '{"sub":"kim"}')"
post /v1/fine_tuning/jobs '{"model":"m","training_file":"file-1"}'
like "a job is refused if a limit counts tokens, because its usage is unknown" "$status $(header x-should-retry) $body" '^403 false .*"code":"usage_unknown"'
post /v1beta/models/m:batchGenerateContent '{"batch":{"inputConfig":{"fileName":"files/f"}}}'
like "a batch of Gemini with an unknown file is refused" "$status $body" '^403 .*file_unknown'
post /v1beta/models/m:countTokens "$(gemini "$(printf 'word %.0s' $(seq 1 2000))")"
is "counting tokens is permitted" "$status" 200
post /v1beta/models/m:embedContent '{"content":{"parts":[{"text":"what is left of the limit"}]}}'
is "counting tokens is not charged" "$status $(header x-ratelimit-limit-tokens)" "200 1000"
check "only this request is charged" [ "$(header x-ratelimit-remaining-tokens)" -gt 950 ]
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
