# MCP through the gateway: the official TypeScript SDK's clients, 1.x and 2.x, against its server, and messages
# as no client sends them against one of our own.
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
is "of resources the server was asked about these alone" "$(curl -s "http://127.0.0.1:$own/asked" | jq -rc 'unique | join(" ")')" \
	'file:///C:/a.txt file:///home/me/My%20notes.md file:///note file:///{+path}'
check "URIs of several spellings are counted" [ "$(metric 'odd_uris_total{result="refused"}')" -gt 100 ]

# ---- one message ----
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
is "agentgateway#2373: a call reaches the server as it came, and nothing else does" "$status $(reached)" "200 $(call | jq -c '[tojson]')"
post "[$(call)]"
is "toolhive#5745, deploy-gate#59, lobu#1328, OpenShell#2082: a batch does not" "$status $(code)" '400 [null,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"find","name":"delete"}}'
is "envoy#45202: nor two names" "$status $(code)" '400 [7,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"ping","meth\u006fd":"tools/call"}'
is "toolhive#5845: nor two methods, one of them in escapes" "$status $(code)" '400 [7,-32600]'
post '{"jsonrpc":"2.0","id":7.5,"method":"ping"}'
is "nor an id that is a fraction" "$status $(code)" '400 [null,-32600]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":["find",{}]}'
is "nor params that are a list" "$status $(code)" '400 [7,-32602]'
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"f\u0456nd"}}'
is "nor a name in look-alike letters" "$status $(jq -c '[.id,.result.isError]' <<<"$body")" '200 [7,true]'
post '{"jsonrpc":"2.0","id":7,"method":"vendor/do"}'
is "nor a method that nobody knows" "$status $(code)" '200 [7,-32601]'
post "$(call)" -H 'mcp-name: delete'
is "nor a header with another name" "$status $(code)" '400 [7,-32020]'
post "$(call '{"n":"4111 1111 1111 1111"}')"
is "litellm#39629: nor what a rule on requests denies" "$status $(jq -c '[.id,.result.isError]' <<<"$body")" '200 [7,true]'
is "nothing of these reached the server" "$(reached)" '[]'

post "$(call '{"to":"ann@example.com"}')" -H 'mcp-param-to: ann@example.com'
is "a redacted argument is redacted in its header" \
	"$status $(curl -s "http://127.0.0.1:$own/seen" | jq -r '.[0] | .headers["mcp-param-to"] + " " + (.body|fromjson|.params.arguments.to)')" \
	'200 <EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1>'
post "$(call '{"api-key":"k","password":"p"}')" -H 'mcp-param-api-key: k' -H 'mcp-param-password: p' -H 'mcp-api-key: s'
is "one that is called as credentials are is none; what is no argument is" \
	"$status $(curl -s "http://127.0.0.1:$own/seen" | jq -c '.[0].headers|[.["mcp-param-api-key"],.["mcp-param-password"],.["mcp-api-key"]]')" \
	'200 ["k","p",null]'
post '{"jsonrpc":"2.0","id":1,"method":"server/discover"}' -H 'x-do: no-discover'
is "an old server's plain 400 passes as it is" "$status $body" '400 Bad Request: no session'
post "$(call)" -H 'x-do: ssn'
is "a result that is denied is a result that says so" "$status $(jq -c '[.id,.result.isError,(.result.content[0].text|test("no social security"))]' <<<"$body")" '200 [7,true,true]'
post "$(call)" -H 'x-do: ssn-stream'
is "in a stream as an event" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -c 'select(.id)|[.id,.result.isError]')" '200 [7,true]'
unlike "and nothing of it is told" "$body" 536-

# ---- lists, and what is no answer ----
list() { jq -cn --arg c "$1" '{jsonrpc:"2.0",id:7,method:"tools/list",params:(if $c == "" then {} else {cursor:$c} end)}'; }
post "$(list '')" -H 'x-do: pages'
is "sparfenyuk/mcp-proxy#233: a page of hidden tools is empty and goes on" "$status $(jq -c .result <<<"$body")" '200 {"tools":[],"nextCursor":"2","ttlMs":5,"cacheScope":"private"}'
is "its length is that of what is left" "$(header content-length)" "${#body}"
post "$(list 2)" -H 'x-do: pages'
is "agentgateway#3476, litellm#32229: the next page is filtered too" "$(jq -c .result <<<"$body")" '{"tools":[{"name":"read"}]}'
post "$(list '')" -H 'x-do: pages-stream'
is "a list in a stream" "$(sed -n 's/^data: //p' <<<"$body" | jq -c .result)" '{"tools":[{"name":"read"}]}'
post "$(call)" -H 'x-do: pages'
is "or in the answer to another method" "$(jq -c .result.tools <<<"$body")" '[]'
check "what was hidden is counted" [ "$(metric tools_hidden_total)" -gt 4 ]
post '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"account"}}' -H 'x-do: mixed'
is "a number that would be replaced denies the result, and what came before stays" "$(sed -n 's/^data: //p' <<<"$body" | jq -c '[.id,.method,.result.isError]' | tr -d '\n')" \
	'[1,"elicitation/create",null]["s",null,null][7,null,true]'
unlike "nothing of it is told" "$body" 4111
post "$(call)" -H 'x-do: html'
is "a page is a 502 with an error of JSON-RPC" "$status $(code)" '502 [7,-32603]'
req GET /own -H "$auth" -H 'accept: text/event-stream' -H 'x-do: endpoint'
is "so is the older transport" "$status $(jq -r '.error.message|test("older HTTP.SSE")' <<<"$body")" '502 true'

# ---- sessions ----
at_server() { curl -s "http://127.0.0.1:$own/seen" | jq -c '[.[].headers["mcp-session-id"]]'; }
begin='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
post "$begin" -H 'x-do: session'
session=$(header mcp-session-id)
like "the session that a client gets is the server's and more" "$session" '^s-1\.[0-9a-f]{32}$'
at_server >/dev/null
post "$(call)" -H "mcp-session-id: $session"
is "the server sees its own" "$status $(at_server)" '200 ["s-1"]'
post "$(call)" -H 'mcp-session-id: s-1'
is "which nobody can say himself" "$status" 404
other="authorization: Bearer $(token --claims '{"sub":"mallory","team":"few"}')"
req POST /own -H "$other" -H 'content-type: application/json' -H "mcp-session-id: $session" -d "$(call)"
is "mcp-gateway-registry#1357: nor is a session another person's" "$status $(code)" '404 [null,-32010]'
req POST /mcp -H "$auth" -H 'content-type: application/json' -H "$accept" -H "mcp-session-id: $session" -d "$(call)"
is "nor another server's" "$status" 404
req GET /own -H "$other" -H 'accept: text/event-stream' -H "mcp-session-id: $session"
is "nor is its stream" "$status" 404
req DELETE /own -H "$other" -H "mcp-session-id: $session"
is "nor can he end it" "$status $(at_server)" '404 []'
post "$(call)" -H "mcp-session-id: $session" -H 'x-do: lost'
is "agentgateway#3622: a session that the server lost is a 404 as it is, and no other" "$status $(code)" '404 [7,-32001]'
at_server >/dev/null
post "$begin" -H 'x-do: session'
is "agentgateway#3622: the next one begins at the server" "$status $(header mcp-session-id) $(at_server)" "200 $session [null]"

# ---- streams of GET ----
get() { curl -sN -m "${2:-60}" -D "$D/.get.head" "$EDGE/own" -H "$auth" -H 'accept: text/event-stream' -H "x-do: $1" "${@:3}" >"$D/.get" 2>/dev/null & asking=$!; }
get stream
check "vexa#795, playwright-mcp#1646: what a server says on a stream of GET comes at once" wait_for grep -qs 'mail <EMAIL_ADDRESS>' "$D/.get"
kill $asking
like "with its id and its retry" "$(cat "$D/.get")" '^retry: 50'
get stream 60 -H 'last-event-id: 1'
check "what is asked for again is read again" wait_for grep -qs 'mail <EMAIL_ADDRESS> again' "$D/.get"
open_are() { [ "$(curl -s "http://127.0.0.1:$own/open")" = "$1" ]; }
reloaded=$(curl -s -m 30 -o /dev/null -w '%{http_code}' -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload")
redis_away
curl -s "http://127.0.0.1:$own/say"
check "a policy that is reloaded ($reloaded) and a Redis that is away leave it open" wait_for grep -qs 'later to <EMAIL_ADDRESS>' "$D/.get"
redis_back
kill $asking
check "a client that goes ends it at the server" wait_for open_are 0

# ---- what never ends ----
req POST /soon -H "$auth" -H 'content-type: application/json' -H "$accept" -H 'x-do: endless' -d "$(call)"
is "a result that never ends is an error of JSON-RPC" "$status $(jq -c '[.id,.error.data.code]' <<<"$body")" '503 [7,"provider_timeout"]'
req POST /soon -H "$auth" -H 'content-type: application/json' -H "$accept" -H 'x-do: endless-stream' -d "$(call)"
is "in a stream an event" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -c 'select(.id)|[.id,.error.data.code]')" '200 [7,"provider_timeout"]'

req GET /own -H "authorization: Bearer $(token --bad expired)"
is "who nobody knows is told by HTTP" "$status" 401

# ---- the daemon ends, and begins anew ----
get stream
check "a stream before" wait_for grep -qs 'mail <EMAIL_ADDRESS>' "$D/.get"
began=$SECONDS
again_with '{}'
wait $asking
is "a daemon that stops ends streams as HTTP says" "$?" 0
echo "#   it took $((SECONDS - began)) s"
valid() { post "$(call)" -H "mcp-session-id: $session" && [ "$status" = 200 ]; } # once HAProxy has the daemon again
check "a session is valid after a restart" wait_for valid
