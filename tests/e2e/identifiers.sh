# Identifiers in whole requests and in messages of WebSockets: names of tools, and keys of arguments that a tool's
# schema names, reach the provider unchanged, while the same words in texts are replaced.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"
live=/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent
cat >"$D/policy.yaml" <<EOT
tollgate: 1
name: identifiers
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {backend: local, dialect: openai}
  anthropic: {backend: anthropic, dialect: anthropic}
  gemini: {backend: local, dialect: gemini}
  bedrock: {backend: local, dialect: bedrock}
  cohere: {backend: local, dialect: cohere}
  mistral: {backend: local, dialect: mistral}
  ollama: {backend: local, dialect: ollama}
routes:
  - {name: sockets, match: {methods: [GET], path: [/v1/realtime, /v1/responses]}, targets: [openai], websocket: true, response: [meter]}
  - {name: live, match: {path: $live}, targets: [gemini], websocket: true, response: [meter]}
  - {name: mistral, match: {path_prefix: /v1, host: mistral.example}, targets: [mistral]}
  - {name: openai, match: {path: [/v1/chat/completions, /v1/responses]}, targets: [openai]}
  - {name: messages, match: {path_prefix: /v1/messages}, targets: [anthropic]}
  - {name: gemini, match: {path_prefix: /v1beta}, targets: [gemini]}
  - {name: bedrock, match: {path_prefix: /model}, targets: [bedrock]}
  - {name: cohere, match: {path_prefix: /v2}, targets: [cohere]}
  - {name: ollama, match: {path_prefix: /api}, targets: [ollama]}
rules:
  - {name: in, redact: {entities: [PERSON, EMAIL_ADDRESS]}}
default: permit
EOT
stack_up --policy "$D/policy.yaml"
TOKEN=$(token)
# send PATH BODY [HEADER…]: the status, then the error's message
send() { curl -s -m 30 -w '\n%{http_code}' "$EDGE$1" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "${@:3}" -d "$2" | jq -Rsr 'split("\n") | [last, (.[0] | fromjson? | .error?.message? // "")] | join(" ")'; }

# A tool named after a person, with two parameters that have the names of persons. Arguments with these keys, and with
# one that the schema does not have.
K1='Maria Lopez' K2='Jürgen Stützer' K3='Anna Schmidt'
schema=$(jq -cn --arg a "$K1" --arg b "$K2" '{type: "object", properties: {($a): {type: "string"}, in: {type: "array", items: {type: "object", properties: {($b): {type: "integer"}}}}}}')
args() { jq -cn --arg a "$K1" --arg b "$K2" --arg c "$K3" --arg v "${1:-by Peter Novak}" '{($a): $v, in: [{($b): 1}], ($c): 2}'; }
typed="My name is $K1, and my colleagues are $K2 and $K3."
chat_tools() { jq -cn --argjson s "$schema" '[{type: "function", function: {name: "f", parameters: $s}}]'; }
text() { # FORM ARGUMENTS: a request with the call in its history
	jq -cn --arg t "$typed" --argjson a "$2" --argjson s "$schema" --argjson tools "$(chat_tools)" '
		def chat(args): {model: "m", tools: $tools, messages: [{role: "user", content: $t}, {role: "assistant", tool_calls: [{id: "abcdefghi", type: "function", function: {name: "f", arguments: args}}]}, {role: "tool", tool_call_id: "abcdefghi", content: "done"}]};
		'"$1"
}
# form NAME PATH BODY [HEADER…]: sends a request whose call has the arguments, and compares what the provider received.
form() {
	forget
	like "$1: the request passes" "$(send "$2" "$3" "${@:4}")" '^200'
	local got
	got=$(seen | jq -c 'def deep: .. | strings | select(startswith("{")) | fromjson? | ., deep; deep')
	like "$1: a key that the schema names is unchanged" "$got" "\"$K1\" ?: ?\"by "
	like "$1: and a key of a nested schema" "$got" "\"$K2\" ?: ?1"
	unlike "$1: another key with a person's name is replaced" "$got" "$K3"
	unlike "$1: a value is replaced" "$got" 'Peter Novak'
	unlike "$1: and the same name in a text" "$got" "is $K1"
}
form chat /v1/chat/completions "$(text 'chat($a | tojson)' "$(args)")"
form "chat, escaped" /v1/chat/completions "$(text 'chat($a | tojson | gsub("ü"; "\\u00fc"))' "$(args)")"
form responses /v1/responses "$(text '{model: "m", tools: [{type: "function", name: "f", parameters: $s}], input: [{role: "user", content: $t}, {type: "function_call", call_id: "c", name: "f", arguments: ($a | tojson)}, {type: "function_call_output", call_id: "c", output: "done"}]}' "$(args)")"
form messages /v1/messages "$(text '{model: "m", max_tokens: 9, tools: [{name: "f", input_schema: $s}], messages: [{role: "user", content: $t}, {role: "assistant", content: [{type: "tool_use", id: "t", name: "f", input: $a}]}, {role: "user", content: [{type: "tool_result", tool_use_id: "t", content: "done"}]}]}' "$(args)")"
form generate /v1beta/models/g:generateContent "$(text '{tools: [{functionDeclarations: [{name: "f", parameters: $s}]}], contents: [{role: "user", parts: [{text: $t}]}, {role: "model", parts: [{functionCall: {name: "f", args: $a}}]}]}' "$(args)")"
form interactions /v1beta/interactions "$(text '{model: "g", tools: [{type: "function", name: "f", parameters: $s}], input: [{type: "user_input", content: [{type: "text", text: $t}]}, {type: "function_call", id: "c", name: "f", arguments: $a}]}' "$(args)")"
form converse /model/m/converse "$(text '{toolConfig: {tools: [{toolSpec: {name: "f", inputSchema: {json: $s}}}]}, messages: [{role: "user", content: [{text: $t}]}, {role: "assistant", content: [{toolUse: {toolUseId: "t", name: "f", input: $a}}]}]}' "$(args)")"
form cohere /v2/chat "$(text 'chat($a | tojson)' "$(args)")"
form mistral /v1/chat/completions "$(text 'chat($a | tojson)' "$(args)")" -H 'host: mistral.example'
form "mistral, an object" /v1/chat/completions "$(text 'chat($a)' "$(args)")" -H 'host: mistral.example'
form ollama /api/chat "$(text 'chat($a)' "$(args)")"

# Converse: a schema that is a string
written=$(jq -cn '{type: "object", properties: {owner: {enum: ["Maria Lopez"], description: "written by Anna Schmidt"}}}')
forget
like "a schema in a string: the request passes" "$(send /model/m/converse "$(jq -cn --arg s "$written" --arg t "$typed" '{messages: [{role: "user", content: [{text: $t}]}], outputConfig: {textFormat: {type: "json_schema", structure: {jsonSchema: {name: "x", schema: $s}}}}}')")" '^200'
got=$(seen | jq -r '.. | .jsonSchema?.schema? // empty, (strings | fromjson? | .. | .jsonSchema?.schema? // empty)' | head -1)
is "its permitted values are unchanged, and descriptions are texts" "$(jq -c '.properties.owner | [.enum[0], (.description | test("Anna"))]' <<<"$got")" '["Maria Lopez",false]'

# A value that a pattern finds is never left in a name, and never edited there.
schema=$(jq -cn '{type: "object", properties: {"jane@corp.example": {type: "string"}}}') K1=jane@corp.example
like "a mail address as a key of arguments is refused" "$(send /v1/chat/completions "$(text 'chat($a | tojson)' "$(args)")")" '^403 .*(protocol|key)'

# Messages of WebSockets
command -v node >/dev/null || { skip "identifiers in WebSockets" "node is not installed"; exit $failed; }
export EDGE TOKEN PROVIDER LIVE=$live
node "$here/identifiers.mjs" >"$D/sockets.log" 2>&1 || failed=1
grep -E '^(ok|not ok|#)' "$D/sockets.log"
grep -q '^ok' "$D/sockets.log" || not_ok "identifiers.mjs" "$(tail -3 "$D/sockets.log")"
exit $failed
