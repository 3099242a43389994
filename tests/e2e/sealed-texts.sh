# The kept texts compared with what the provider received and sent: attempts, translation, restored values, encodings,
# forms, tool calls, responses of the cache, denials, observed hosts, callers without a name, long bodies.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

cat >"$D/mine.yaml" <<Y
$(auditor ann)
Y
redacted='record: {prompt: redacted, response: redacted, tools: redacted}'
full='record: {prompt: full, response: full, tools: full}'
cat >"$D/policy.yaml" <<Y
tollgate: 1
name: texts
observe: {hosts: [old.test], backend: old, until: $(date -u -d '+30 days' +%Y-%m-%dT%H:%M:%SZ)}
on_failure: {unreadable: permit}
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  one: {backend: local, dialect: openai, external: true, breaker: {failures: 1000}}
  plain: {backend: local, dialect: openai, external: true}
  two: {backend: local_2, dialect: openai, external: false, breaker: {failures: 1000}}
  messages: {backend: local, dialect: anthropic, external: true, breaker: {failures: 1000}}
  mcp: {backend: local, dialect: mcp, breaker: {failures: 1000}}
routes:
  - {name: falls, match: {host: falls.test, api: openai}, targets: [{provider: one, model: m1}, {provider: two, model: m2}], $redacted}
  - {name: translated, match: {host: translated.test, path: /v1/chat/completions}, dialect: openai, targets: messages, $redacted}
  - {name: translated-full, match: {host: translated-full.test, path: /v1/chat/completions}, dialect: openai, targets: messages, $full}
  - {name: restores, match: {host: restores.test, api: openai}, targets: one, response: [meter, restore], $redacted}
  - {name: restores-full, match: {host: restores-full.test, api: openai}, targets: one, response: [meter, restore], $full}
  - {name: form, match: {host: form.test, path: /v1/audio/transcriptions}, dialect: rest, targets: one, $redacted}
  - {name: mcp, match: {host: mcp.test, path: /mcp}, targets: mcp, response: [inspect], record: {tools: redacted, prompt: hash, response: hash}}
  - {name: mcp-full, match: {host: mcp-full.test, path: /mcp}, targets: mcp, response: [inspect], record: {tools: full, prompt: hash, response: hash}}
  - {name: cached, match: {host: cached.test, api: openai}, targets: one, response: [meter], cache: {exact: {ttl: 1h, temperature: 1}}, $redacted}
  - {name: cached-full, match: {host: cached-full.test, api: openai}, targets: one, response: [meter, restore], cache: {exact: {ttl: 1h, temperature: 1}}, $full}
  - {name: off, match: {host: off.test, api: openai}, targets: one, response: [inspect], record: {prompt: off, response: off, tools: off}}
  - {name: full, match: {host: [full.test, old.test], api: openai}, targets: one, $full}
  - {name: direct, match: {host: direct.test, api: openai}, targets: plain, response: ignore, record: {prompt: redacted}}
  - {name: chat, match: {api: openai}, targets: one, response: [inspect], $redacted}
rules:
  - {name: no-secret, when: '"US_SSN" in prompt.entities', deny: {reason: no numbers}}
  - {name: outside, when: 'target.external', redact: {entities: [EMAIL_ADDRESS]}}
  - {name: no-numbers, phase: response, when: 'route.name != "direct" && "US_SSN" in response.entities', deny: {reason: no numbers}}
  - {name: answers, phase: response, when: 'route.name != "direct"', redact: {entities: [IBAN_CODE]}}
default: permit
Y
{ cat "$root/haproxy/haproxy.cfg"; printf '\nbackend old from http\n    server local 127.0.0.1:1\n'; } >"$D/edge.cfg"
echo 'backends: [openai, anthropic, local, local_2, old]' >>"$D/mine.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/policy.yaml" --config "$D/mine.yaml" --providers 2
auth="authorization: Bearer $(token --claims '{"sub":"alice"}')"
json='content-type: application/json'
mail=jane.doe@example.com
audit() { "$B/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
records() { settled; cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -a "\"id\":\"$(header x-tollgate-id)\""; }
record() { records | jq -c "select(.type == \"$1\") | $2"; } # TYPE JQ
opened() { audit open "$(header x-tollgate-id)" --key "$D/ann.key" --part "$1" --reason drill >"$D/text" 2>"$D/err"; }
opens() { settled; wait_for opened_at_last "$1" && cat "$D/text"; }
opened_at_last() { opened "$1" || ! grep -q 'no checkpoint covers' "$D/err"; }
came() { fetch GET "${1:-$PROVIDER}/_seen?last=1" | jq -j '.[0] | if .body_base64 then .body_base64 | @base64d else .body end'; }
chat() { printf '{"model":"echo","messages":[{"role":"user","content":"%s"}]%s}' "$1" "${2:-}"; }
post() { req POST "${3:-/v1/chat/completions}" -H "host: $1" -H "${who:-$auth}" -H "$json" --data-binary "$2" "${@:4}"; } # HOST BODY [PATH curl options]
answers() { control "$(jq -cn --arg b "$1" --arg t "${2:-application/json}" '{body:$b,content_type:$t,times:1}')"; }

# ---- the bytes that were sent and received ----
sent() { # NAME TEXT: checks that the prompt is what the provider received
	is "$1: the prompt is what the provider received" "$(opens prompt)" "$(came "${3:-}")"
	like "$1: the prompt does not contain the redacted value" "$(cat "$D/text")" "$2"
}
post chat.test "$(chat "mail $mail")"
sent "redacted" 'mail <EMAIL_ADDRESS_1>'
is "redacted: the response is what the provider sent" "$(opens response)" "$body"
post full.test "$(chat "mail $mail")"
is "full: the prompt is what the caller sent" "$(opens prompt)" "$(chat "mail $mail")"
post chat.test "$(chat '536-22-1840')"
is "redacted: nothing is kept of a denied request" "$status $(record decision '[.prompt.kept, .tools_kept, (.prompt.hmac_sha256 | length)]')" '403 [null,null,64]'
post full.test "$(chat '536-22-1840')"
is "full: the prompt of a denied request is kept" "$status $(opens prompt)" "403 $(chat '536-22-1840')"
post off.test "$(chat "mail $mail")"
is "off: no text has a hash" "$status $(records | grep -c '"type":"completion"') $(records | jq -c '.. | objects | to_entries[] | select((.key | test("hmac")) and (.key | test("path") | not)) | .key' | sort -u | paste -sd' ')" "200 1 "

# ---- a second target ----
control '{"fault":"overloaded","times":1}'
post falls.test "$(chat "mail $mail")"
is "a failed attempt has its own record" "$status $(record attempt '.backend // .target | type')" '200 "string"'
is "each attempt has the body that its target received" "$(opens prompt)" "$(came)
$(came "$PROVIDER_2")"
like "the first target's body is redacted" "$(came)" '<EMAIL_ADDRESS_1>'
like "the second target's body is not, as its rules state" "$(came "$PROVIDER_2")" "$mail"
is "the response is that of the second target" "$(opens response)" "$body"

# ---- translation ----
say="$(chat "mail $mail" ',"max_tokens":64')"
for host in translated translated-full; do
	answer='{"id":"m","type":"message","role":"assistant","model":"echo","content":[{"type":"text","text":"of the provider"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":3}}'
	answers "$answer"
	post $host.test "$say"
	like "$host: the provider receives its own dialect" "$status $(fetch GET "$PROVIDER/_seen?last=1" | jq -r '.[0].path')" '^200 /v1/messages'
	want=$(came)
	[ $host = translated ] || want=$say
	is "$host: the prompt is what the provider received" "$(opens prompt)" "$want"
	is "$host: the response is what the provider sent" "$(opens response)" "$answer"
done

# ---- restored values ----
post restores.test "$(chat "mail $mail")"
like "the caller receives the value" "$body" "$mail"
is "redacted: the kept text has the placeholder" "$(opens response | jq -r .text)" "mail <EMAIL_ADDRESS_1>"
post restores.test "$(chat "mail $mail" ',"stream":true')"
like "a stream: the caller receives the value" "$(tr -d '\n' <<<"$body")" "jane"
is "a stream: the kept text has the placeholder" "$(opens response | jq -r .text)" "mail <EMAIL_ADDRESS_1>"
like "the record states the form of the text" "$(record completion .answer.kept.form)" texts
post restores-full.test "$(chat "mail $mail")"
unlike "full: the kept response has no restored value" "$(opens response)" "$mail"
like "full: the kept response has the placeholder" "$(cat "$D/text")" '<EMAIL_ADDRESS_1>'

# ---- encodings and forms ----
chat "mail $mail" | gzip -c >"$D/body.gz"
post chat.test "@$D/body.gz" /v1/chat/completions -H 'content-encoding: gzip'
sent "gzip" 'mail <EMAIL_ADDRESS_1>'
post full.test "@$D/body.gz" /v1/chat/completions -H 'content-encoding: gzip'
is "full: a compressed request is kept decompressed" "$status $(opens prompt)" "200 $(chat "mail $mail")"
answer='{"id":"c","object":"chat.completion","model":"echo","choices":[{"index":0,"message":{"role":"assistant","content":"packed"},"finish_reason":"stop"}]}'
control "$(jq -cn --arg b "$(printf %s "$answer" | gzip -c | base64 -w0)" '{body_base64:$b,content_type:"application/json",headers:{"content-encoding":"gzip"},times:1}')"
post full.test "$(chat one)" /v1/chat/completions -H 'accept-encoding: gzip'
is "a compressed response is kept decompressed" "$status $(opens response)" "200 $answer"
control '{"status":200,"times":1}'
req POST /v1/audio/transcriptions -H 'host: form.test' -H "$auth" -F model=whisper-1 -F "prompt=a call with $mail" -F 'file=a,b;filename=a.csv;type=text/csv'
sent "a form" 'a call with <EMAIL_ADDRESS_1>'

# ---- MCP ----
result='{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a result, GB33BUKB20201555555555"}]}}'
call='{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"find","arguments":{"to":"jane.doe@example.com"}}}'
for host in mcp mcp-full; do
	answers "$result"
	post $host.test "$call" /mcp -H 'accept: application/json, text/event-stream'
	is "$host: a call passes" "$status" 200
	opens tools >"$D/both"
	like "$host: the decision has the arguments" "$(record decision '.tools_kept.how')" "${host#mcp-}"'|redacted'
	like "$host: the completion has the result" "$(record completion '.tools_kept.how')" "${host#mcp-}"'|redacted'
	is "$host: the arguments are those of the call" "$(head -1 "$D/both" | jq -c '[.by,.tool,(.arguments|fromjson.to)]')" "$(jq -cn --arg to "$([ $host = mcp ] && came | jq -r .params.arguments.to || echo $mail)" '["mcp","find",$to]')"
	if [ $host = mcp ]; then unlike "$host: the result is what the caller received" "$(tail -n +2 "$D/both")" GB33; else is "$host: the result as it came" "$(tail -n +2 "$D/both")" "$result"; fi
	is "$host: no other text is kept" "$(records | jq -c '[.prompt.kept, .answer.kept] | map(select(.)) | length' | sort -u)" 0
done

# ---- a tool call in a stream ----
piece() { printf 'data: {"id":"c","object":"chat.completion.chunk","model":"echo","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n' "$1" "${2:-null}"; }
stream="$(piece '{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"pay","arguments":"{\"to\":"}}]}')

$(piece '{"tool_calls":[{"index":0,"function":{"arguments":"\"ann\"}"}}]}')

$(piece '{}' '"tool_calls"')

data: [DONE]

"
answers "$stream" text/event-stream
post chat.test "$(chat pay ',"stream":true')"
is "a tool call in a stream is kept as one" "$status $(opens tools)" '200 {"by":"answer","tool":"pay","arguments":"{\"to\":\"ann\"}"}'
is "the stream is kept too" "$(opens response)" "$body"
post chat.test '{"model":"echo","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"pay","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"paid"}]}'
is "a tool's result in a request is kept" "$(opens tools | tail -1)" '{"by":"request","result":"paid"}'

# ---- the cache ----
for host in cached cached-full; do
	answers '{"id":"c","object":"chat.completion","model":"echo","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
	post $host.test "$(chat 'once more')"
	settled
	n=$(seen 200 | jq length)
	post $host.test "$(chat 'once more')"
	is "$host: the cache returns the response" "$status $(header x-tollgate-cache) $(seen 200 | jq length)" "200 hit $n"
	is "$host: that response is kept" "$(opens response)" "$body"
	is "$host: the request is kept" "$(opens prompt)" "$(chat 'once more')"
	post $host.test "$(chat 'once more' ',"stream":true')"
	is "$host: a stream from the cache is kept" "$(header x-tollgate-cache) $(opens response | sed -n 's/^data: {/{/p' | jq -j '.choices[]?.delta.content // ""')" "hit the answer"
done

control '{"delay_ms":500}'
chat 'asked at once' >"$D/once"
for i in 1 2 3 4 5; do (post cached.test "@$D/once"; echo "$head" >"$D/once.$i.head"; printf %s "$body" >"$D/once.$i.body") & at_once[i]=$!; done
wait "${at_once[@]}"
control '{}'
settled
is "of five identical requests one is sent" "$(sed -n 's/^x-tollgate-cache: *//p' "$D"/once.*.head | sort | uniq -c | tr -s ' \n' ' ')" ' 4 hit 1 miss '
bad=''
for i in 1 2 3 4 5; do
	head=$(cat "$D/once.$i.head")
	[ "$(opens response)" = "$(cat "$D/once.$i.body")" ] || bad="$bad $i"
	[ "$(opens prompt)" = "$(cat "$D/once")" ] || bad="$bad $i prompt"
done
is "each waiting request has the response that it received" "$bad" ""

# ---- incomplete responses ----
control '{"cut_after_bytes":700,"chunk_ms":5,"times":1}'
post full.test "$(chat 'one two three four five six seven eight nine ten' ',"stream":true')"
is "the part of a cut stream is kept, and marked as cut" "$(record completion '[.outcome != "complete", .answer.kept.cut]') $(opens response | head -c 6)" '[true,true] data: '
post chat.test "$(chat 'nothing')" >/dev/null
control '{"hold_after_events":2,"hold_ms":30000,"times":1}'
(TIMEOUT=1 post full.test "$(chat 'a caller who leaves' ',"stream":true')"; echo "$head" >"$D/left")
control '{}'
fetch POST "$PROVIDER/_release" >/dev/null
head=$(cat "$D/left")
is "a stream that its caller left has another outcome" "$(record completion '.outcome != "complete"')" true
answers '{"id":"c","object":"chat.completion","model":"echo","choices":[{"index":0,"message":{"role":"assistant","content":"no 536-22-1840"},"finish_reason":"stop"}]}'
post chat.test "$(chat 'his number')"
is "redacted: nothing is kept of a denied response" "$status $(record completion .answer.decision) $(opens response | grep -c 536-22)" '403 "deny" 0'
answers '{"id":"c","object":"chat.completion","model":"echo","choices":[{"index":0,"message":{"role":"assistant","content":"no 536-22-1840"},"finish_reason":"stop"}]}'
post full.test "$(chat 'his number')"
is "full: a denied response is kept" "$status $(opens response | grep -c 536-22)" '403 1'

# ---- callers ----
control '{}'
who='x-nothing: here' post chat.test "$(chat 'by nobody')"
is "a caller without a name has kept texts" "$status $(opens prompt)" "200 $(chat 'by nobody')"
is "the file of shares has an entry for each caller" "$(awk '$1 == "share" { print $4 }' "$JOURNAL.shares" | while read -r h; do base64 -d <<<"$h"; echo; done | sort | paste -sd' ')" 'alice service-account'

# ---- observed, direct and long requests ----
post full.test "$(chat one)" /v1/chat/completions -H 'authorization: Bearer no.token.at-all'
is "an unknown token: nothing is kept" "$status $(record decision '[.identity.person, .prompt.kept, .prompt.not_read]')" '401 [null,null,true]'
who='authorization: Bearer sk-theirs' post old.test "$(chat "mail $mail")"
is "an observed request is kept" "$(header x-tollgate-decision) $(opens prompt)" "observed $(chat "mail $mail")"
post direct.test "$(chat "mail nobody")"
is "a direct request is kept" "$(record decision .via) $(opens prompt)" "\"direct\" $(came)"
long=$(head -c 300000 /dev/zero | tr '\0' x)
chat "mail $mail $long" >"$D/long"
post chat.test "@$D/long"
is "a long request is kept" "$status $(opens prompt | cmp - <(came) && echo same)" "200 same"
is "its response is kept" "$(opens response)" "$body"
post chat.test "@$D/long" /v1/chat/completions -H 'transfer-encoding: chunked'
is "a chunked request is kept" "$status $(opens prompt | cmp - <(came) && echo same)" "200 same"
check "all texts verify" audit verify --texts
exit $failed
