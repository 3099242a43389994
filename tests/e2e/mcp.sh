# MCP through the gateway: the clients of the official TypeScript SDK, 1.x and 2.x, with its server. Then messages
# that no client sends, with the test's own server.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "@modelcontextprotocol" "npm is not installed"; exit 0; }
npm_packages mcp "@modelcontextprotocol/sdk, client" || exit 0
node "$build/mcp/servers.mjs" >"$D/ports" 2>"$D/servers.log" &
served=$!
wait_for grep -qs own= "$D/ports"
eval "$(tr ' ' '\n' <"$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend sdk from provider\n    server s 127.0.0.1:%s\n' "$sdk"
	printf '\nbackend own from provider\n    server s 127.0.0.1:%s\n' "$own"
} >"$D/edge.cfg"
echo 'backends: [sdk, own]' >"$D/mine.yaml"
stack_up --edge "$D/edge.cfg" --policy "$here/mcp.yaml" --config "$D/mine.yaml"
note_pid $served servers

TOKEN=$(token)
EDGE=$EDGE TOKEN=$TOKEN timeout 120 node "$build/mcp/clients.mjs" >"$D/clients.log" 2>&1 || echo "not ok - clients.mjs ends" >>"$D/clients.log"
cat "$D/clients.log"
if grep -q '^not ok' "$D/clients.log"; then failed=1; fi
is "the server gets requests for permitted resources only" "$(curl -s "http://127.0.0.1:$own/asked" | jq -rc 'unique | join(" ")')" \
	'file:///C:/a.txt file:///home/me/My%20notes.md file:///note file:///{+path}'
check "a metric counts unusual spellings of URIs" [ "$(metric 'odd_uris_total{result="refused"}')" -gt 100 ]

# ---- single messages ----
auth="authorization: Bearer $TOKEN"
accept='accept: application/json, text/event-stream'
post() { # BODY [curl options]: sets $status, $body
	local text=$1
	shift
	req POST /own -H "$auth" -H 'content-type: application/json' -H "$accept" -d "$text" "$@"
}
call() { jq -cn --argjson a "${1:-null}" '{jsonrpc:"2.0",id:7,method:"tools/call",params:({name:"find"} + (if $a then {arguments:$a} else {} end))}'; }
code() { jq -c '[.id,.error.code]' <<<"$body"; }
reached() { curl -s "http://127.0.0.1:$own/seen" | jq -c '[.[].body]'; }
reached >/dev/null

post "$(call)"
is "agentgateway#2373: a permitted call reaches the server unchanged" "$status $(reached)" "200 $(call | jq -c '[tojson]')"
post "[$(call)]"
is "toolhive#5745, deploy-gate#59, lobu#1328, OpenShell#2082: a batch is refused" "$status $(code)" '400 [null,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"find","name":"delete"}}'
is "envoy#45202: a call with two names is refused" "$status $(code)" '400 [7,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"ping","meth\u006fd":"tools/call"}'
is "toolhive#5845: a call with two methods, one with escapes, is refused" "$status $(code)" '400 [7,-32600]'
post '{"jsonrpc":"2.0","id":7.5,"method":"ping"}'
is "an id that is a fraction is refused" "$status $(code)" '400 [null,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":["find",{}]}'
is "params that are a list are refused" "$status $(code)" '400 [7,-32602]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"f\u0456nd"}}'
is "a tool's name in look-alike letters is denied" "$status $(jq -c '[.id,.result.isError]' <<<"$body")" '200 [7,true]'
post '{"jsonrpc":"2.0","id":7,"method":"vendor/do"}'
is "an unknown method is refused" "$status $(code)" '200 [7,-32601]'
post "$(call)" -H 'mcp-name: delete'
is "a header field with another name than the body is refused" "$status $(code)" '400 [7,-32020]'
post "$(call '{"n":"4111 1111 1111 1111"}')"
is "litellm#39629: a call that a rule on requests denies is refused" "$status $(jq -c '[.id,.result.isError]' <<<"$body")" '200 [7,true]'
is "the server received none of these" "$(reached)" '[]'

post "$(call '{"to":"ann@example.com"}')" -H 'mcp-param-to: ann@example.com'
is "a redacted argument is also redacted in its header field" \
	"$status $(curl -s "http://127.0.0.1:$own/seen" | jq -r '.[0] | .headers["mcp-param-to"] + " " + (.body|fromjson|.params.arguments.to)')" \
	'200 <EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1>'
post "$(call '{"api-key":"k","password":"p"}')" -H 'mcp-param-api-key: k' -H 'mcp-param-password: p' -H 'mcp-api-key: s'
is "an argument's header field named like a credential is kept, another such field is removed" \
	"$status $(curl -s "http://127.0.0.1:$own/seen" | jq -c '.[0].headers|[.["mcp-param-api-key"],.["mcp-param-password"],.["mcp-api-key"]]')" \
	'200 ["k","p",null]'
post '{"jsonrpc":"2.0","id":1,"method":"server/discover"}' -H 'x-do: no-discover'
is "a plain 400 of an older server is forwarded unchanged" "$status $body" '400 Bad Request: no session'
post "$(call)" -H 'x-do: ssn'
is "a denied result becomes a result with isError" "$status $(jq -c '[.id,.result.isError,(.result.content[0].text|test("no social security"))]' <<<"$body")" '200 [7,true,true]'
post "$(call)" -H 'x-do: ssn-stream'
is "a denied result in a stream becomes an event with isError" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -c 'select(.id)|[.id,.result.isError]')" '200 [7,true]'
unlike "no part of the denied result is forwarded" "$body" 536-

# ---- lists, and malformed responses ----
list() { jq -cn --arg c "$1" '{jsonrpc:"2.0",id:7,method:"tools/list",params:(if $c == "" then {} else {cursor:$c} end)}'; }
post "$(list '')" -H 'x-do: pages'
is "sparfenyuk/mcp-proxy#233: a page with only hidden tools is empty, and keeps its cursor" "$status $(jq -c .result <<<"$body")" '200 {"tools":[],"nextCursor":"2","ttlMs":5,"cacheScope":"private"}'
is "content-length is that of the shorter list" "$(header content-length)" "${#body}"
post "$(list 2)" -H 'x-do: pages'
is "agentgateway#3476, litellm#32229: the next page is filtered too" "$(jq -c .result <<<"$body")" '{"tools":[{"name":"read"}]}'
post "$(list '')" -H 'x-do: pages-stream'
is "a list in a stream is filtered" "$(sed -n 's/^data: //p' <<<"$body" | jq -c .result)" '{"tools":[{"name":"read"}]}'
post "$(call)" -H 'x-do: pages'
is "a list in the response to another method is filtered" "$(jq -c .result.tools <<<"$body")" '[]'
check "a metric counts hidden tools" [ "$(metric tools_hidden_total)" -gt 4 ]
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"account"}}' -H 'x-do: mixed'
is "a number that had to be replaced denies the result; earlier events are kept" "$(sed -n 's/^data: //p' <<<"$body" | jq -c '[.id,.method,.result.isError]' | tr -d '\n')" \
	'[1,"elicitation/create",null]["s",null,null][7,null,true]'
unlike "no part of that result is forwarded" "$body" 4111
post "$(call)" -H 'x-do: html'
is "an HTML page becomes a 502 with a JSON-RPC error" "$status $(code)" '502 [7,-32603]'
req GET /own -H "$auth" -H 'accept: text/event-stream' -H 'x-do: endpoint'
is "the older transport becomes a 502 with an explanation" "$status $(jq -r '.error.message|test("older HTTP.SSE")' <<<"$body")" '502 true'

# ---- long results, and results that are lost after the tool has run ----
# long MODE KB: prints status, isError, retry-after, length of the text, and whether an address was replaced
long() {
	post "$(call)" -H "x-do: $1" -H "x-kb: $2"
	echo "$status $(sed 's/^data: //; /^event:/d' <<<"$body" | grep . | jq -c '[.result.isError, .error.code, (.result.content[0].text | length / 1024 | floor), (.result.content[0].text | test("mail <EMAIL_ADDRESS"))]') $(header retry-after)"
}
for mode in big big-stream; do
	is "a result of 3 MB passes, with an address replaced ($mode)" "$(long $mode 3000)" '200 [null,null,2999,true] '
	is "a result of 9 MB becomes a result with isError and no retry-after ($mode)" "$(long $mode 9000)" '200 [true,null,0,false] '
	post "$(call)" -H "x-do: $mode" -H 'x-kb: 9000'
	like "its reason is the length ($mode)" "$body" 'the tool may have run, but its result is missing: the server.s message has more than 8 MB'
done
is "a result that is no strict JSON becomes a result with isError" "$(long twice 0)" '200 [true,null,0,false] '
is "a result that breaks off becomes a result with isError" "$(long break 0)" '200 [true,null,0,false] '
is "a connection that closes after the call was sent becomes a result with isError" "$(long silent 0)" '200 [true,null,0,false] '
post "$(list '')" -H 'x-do: twice'
is "a list that is no strict JSON is an error, since no tool has run" "$status $(code) $(header retry-after)" '503 [7,-32603] 1'

# ---- sessions ----
at_server() { curl -s "http://127.0.0.1:$own/seen" | jq -c '[.[].headers["mcp-session-id"]]'; }
begin='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
post "$begin" -H 'x-do: session'
session=$(header mcp-session-id)
like "the client's session id is the server's id with a suffix" "$session" '^s-1\.[0-9a-f]{32}$'
at_server >/dev/null
post "$(call)" -H "mcp-session-id: $session"
is "the server gets its own session id" "$status $(at_server)" '200 ["s-1"]'
post "$(call)" -H 'mcp-session-id: s-1'
is "the server's own session id is not accepted" "$status" 404
other="authorization: Bearer $(token --claims '{"sub":"mallory","team":"few"}')"
req POST /own -H "$other" -H 'content-type: application/json' -H "mcp-session-id: $session" -d "$(call)"
is "mcp-gateway-registry#1357: another person's session is not accepted" "$status $(code)" '404 [null,-32010]'
req POST /mcp -H "$auth" -H 'content-type: application/json' -H "$accept" -H "mcp-session-id: $session" -d "$(call)"
is "the session of another server is not accepted" "$status" 404
req GET /own -H "$other" -H 'accept: text/event-stream' -H "mcp-session-id: $session"
is "another person cannot open the session's stream" "$status" 404
req DELETE /own -H "$other" -H "mcp-session-id: $session"
is "another person cannot end the session" "$status $(at_server)" '404 []'
post "$(call)" -H "mcp-session-id: $session" -H 'x-do: lost'
is "agentgateway#3622: a session that the server lost is a 404" "$status $(code)" '404 [7,-32001]'
at_server >/dev/null
post "$begin" -H 'x-do: session'
is "agentgateway#3622: the next session begins at the server" "$status $(header mcp-session-id) $(at_server)" "200 $session [null]"

# ---- streams opened with GET ----
get() { curl -sN -m "${2:-60}" -D "$D/.get.head" "$EDGE/own" -H "$auth" -H 'accept: text/event-stream' -H "x-do: $1" "${@:3}" >"$D/.get" 2>/dev/null & asking=$!; }
get stream
check "vexa#795, playwright-mcp#1646: an event on a GET stream arrives at once, redacted" wait_for grep -qs 'mail <EMAIL_ADDRESS>' "$D/.get"
kill $asking
like "the event has its id and retry" "$(cat "$D/.get")" '^retry: 50'
get stream 60 -H 'last-event-id: 1'
check "an event that is sent again is inspected again" wait_for grep -qs 'mail <EMAIL_ADDRESS> again' "$D/.get"
open_are() { [ "$(curl -s "http://127.0.0.1:$own/open")" = "$1" ]; }
reloaded=$(curl -s -m 30 -o /dev/null -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload")
redis_away
curl -s "http://127.0.0.1:$own/say"
check "the stream stays open when the policy is reloaded ($reloaded) and Redis is unreachable" wait_for grep -qs 'later to <EMAIL_ADDRESS>' "$D/.get"
redis_back
kill $asking
check "if the client disconnects, the stream at the server ends" wait_for open_are 0

# ---- results that never end ----
req POST /soon -H "$auth" -H 'content-type: application/json' -H "$accept" -H 'x-do: endless' -d "$(call)"
is "a result that never ends becomes a result with isError, because the tool has run" "$status $(jq -c '[.id,.result.isError]' <<<"$body")" '200 [7,true]'
req POST /soon -H "$auth" -H 'content-type: application/json' -H "$accept" -H 'x-do: endless-stream' -d "$(call)"
is "in a stream it becomes such a result" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -c 'select(.id)|[.id,.result.isError]')" '200 [7,true]'

req GET /own -H "authorization: Bearer $(token --bad expired)"
is "a caller without a credential gets a 401" "$status" 401

# ---- the daemon is stopped and started ----
get stream
check "a stream is open before" wait_for grep -qs 'mail <EMAIL_ADDRESS>' "$D/.get"
began=$SECONDS
again_with '{}'
wait $asking
is "a daemon that stops ends streams with the normal end of HTTP" "$?" 0
echo "#   it took $((SECONDS - began)) s"
valid() { post "$(call)" -H "mcp-session-id: $session" && [ "$status" = 200 ]; } # repeats until HAProxy has found the daemon again
check "a session stays valid after a restart" wait_for valid
