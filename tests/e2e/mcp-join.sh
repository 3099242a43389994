# Several MCP servers at one address, with the official clients 1.x and 2.x: one list, calls, sessions, and servers that are dead, slow or lie.
# Once: no version of HAProxy differs here.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "@modelcontextprotocol" "npm is not installed"; exit 0; }
npm_packages mcp "@modelcontextprotocol/sdk, client" || exit 0
node "$build/mcp/join.mjs" servers one two hang lies >"$D/ports" 2>"$D/servers.log" &
served=$!
wait_for grep -qs lies= "$D/ports"
eval "$(tr ' ' '\n' <"$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	for name in one two hang lies; do
		printf '\nbackend %s from provider\n    http-request set-path /mcp\n    server s 127.0.0.1:%s\n' "$name" "${!name}"
	done
	printf '\nbackend dead from provider\n    server s 127.0.0.1:1\n'
} >"$D/edge.cfg"
echo 'backends: [one, two, hang, lies, dead]' >"$D/mine.yaml"
stack_up --edge "$D/edge.cfg" --policy "$here/mcp-join.yaml" --config "$D/mine.yaml"
note_pid $served servers

TOKEN=$(token)
EDGE=$EDGE TOKEN=$TOKEN timeout 120 node "$build/mcp/join.mjs" client >"$D/clients.log" 2>&1 || echo "not ok - join.mjs ends" >>"$D/clients.log"
cat "$D/clients.log"
if grep -q '^not ok' "$D/clients.log"; then failed=1; fi

# ---- single messages ----
post() { # PATH BODY [curl options]: sets $status, $body
	local to=$1 text=$2
	shift 2
	req POST "$to" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' -d "$text" "$@"
}
begin='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}'
list='{"jsonrpc":"2.0","id":"l","method":"tools/list"}'
call() { jq -cn --arg n "$1" '{jsonrpc:"2.0",id:7,method:"tools/call",params:{name:$n,arguments:{text:"x"}}}'; }
seen() { curl -s "http://127.0.0.1:${!1}/seen"; }
names() { jq -rc '[.result.tools[].name] | join(" ")' <<<"$body"; }

is "the clients' canceled calls are canceled at their server alone" "$(seen two | jq -c '.canceled | unique') $(seen one | jq -c '[.seen[] | select(.body.params.name == "slow")]')" '["two"] []'
post /mcp "$begin"
session=$(header mcp-session-id)
is "initialize is answered for all servers, without the dead one" "$status $(jq -c '[.result.protocolVersion, .result.capabilities, .result._meta["tollgate/left_out"]]' <<<"$body")" '200 ["2025-06-18",{"tools":{},"prompts":{}},["dead"]]'
is "servers see no capability of the client" "$(seen two | jq -c '[.seen[].body | select(.method == "initialize") | .params.capabilities]')" '[{}]'
in_session() { post "$1" "$2" -H "mcp-session-id: ${3-$session}" "${@:4}"; }
in_session /mcp '{"jsonrpc":"2.0","method":"notifications/initialized"}'
is "a notification gets 202" "$status$body" 202
in_session /mcp "$list"
is "the list is stable" "$status $(jq -c .id <<<"$body") $(names)" '200 "l" one__echo one__only_one one__slow two__echo two__wipe two__only_two two__slow'
in_session /mcp "$(call two__echo)" "$session" -H 'mcp-protocol-version: 2025-06-18' -H 'mcp-name: two__echo'
is "a call has the server's own name, in its header, too" "$status $(seen two | jq -c '.seen[-1] | [.headers["mcp-name"], .body.params.name, .body.id]')" '200 ["echo","echo",7]'
in_session /mcp '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":{"text":"name"},"n\u0061me":"tw\u006f__\u0065cho"}}'
is "a name with escapes is the same name" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -r '.result.content[0].text')" '200 two says name'
seen two >/dev/null
in_session /mcp "$(call two__echo)" "${session%??}AA"
is "a changed session id is refused" "$status $(seen two | jq -c .seen)" '404 []'
in_session /slow "$(call one__echo)"
is "a session of another route is refused" "$status" 404
TOKEN2=$(token --claims '{"sub":"mallory"}')
mine=$TOKEN TOKEN=$TOKEN2
in_session /mcp "$(call two__echo)"
is "another caller's session is refused" "$status $(seen two | jq -c .seen)" '404 []'
TOKEN=$mine
in_session /mcp "$(call two__echo)" "$(head -c 9000 /dev/zero | tr '\0' A)"
is "a long session id is refused" "$status" 404
post /mcp "$list"
is "a list without a session is refused" "$status $(jq -c .error.code <<<"$body")" '400 -32600'
for method in resources/list logging/setLevel tasks/list server/discover vendor/do; do
	in_session /mcp "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$method\",\"params\":{\"level\":\"info\"}}"
	is "$method is no method of a joined route" "$status $(jq -c .error.code <<<"$body")" '200 -32601'
done
in_session /mcp '{"jsonrpc":"2.0","id":7,"result":{}}'
is "a response of the client is refused" "$status" 400
req GET /mcp -H "authorization: Bearer $TOKEN" -H 'accept: text/event-stream' -H "mcp-session-id: $session"
is "GET gets 405, as the transport specifies" "$status $(header allow)" '405 POST'
req DELETE /mcp -H "authorization: Bearer $TOKEN" -H "mcp-session-id: $session"
is "so does DELETE" "$status" 405

# ---- a caller has the servers whose condition holds ----
seen one >/dev/null && seen two >/dev/null
post /some "$begin"
some=$(header mcp-session-id)
in_session /some "$list" "$some"
is "a caller sees the servers whose condition holds" "$status $(names) $(jq -c .result._meta <<<"$body") $(seen two | jq -c .seen)" '200 one__echo one__only_one one__slow null []'
in_session /some "$(call two__echo)" "$some"
is "a call of another server is denied, and does not reach it" "$status $(jq -c .result.isError <<<"$body") $(seen two | jq -c .seen)" '200 true []'
post /ruled "$begin"
ruled=$(header mcp-session-id)
in_session /ruled "$list" "$ruled"
is "a server that a rule on targets denies is not asked" "$status $(names) $(seen two | jq -c .seen)" '200 one__echo one__only_one one__slow []'
TOKEN=$(token --claims '{"sub":"mallory","dept":"hr"}')
post /ruled "$begin"
ruled=$(header mcp-session-id)
in_session /ruled "$list" "$ruled"
card() { jq -cn --arg n "$1" '{jsonrpc:"2.0",id:7,method:"tools/call",params:{name:$n,arguments:{text:"4111 1111 1111 1111"}}}'; }
seen one >/dev/null && seen two >/dev/null
in_session /ruled "$(card two__echo)" "$ruled"
is "a call that a rule on its target denies reaches no server" "$status $(jq -c .result.isError <<<"$body") $(seen one | jq -c .seen) $(seen two | jq -c .seen)" '200 true [] []'
in_session /ruled "$(card one__echo)" "$ruled"
is "the same call to another server passes" "$status $(sed -n 's/^data: //p' <<<"$body" | jq -r '.result.content[0].text')" '200 one says 4111 1111 1111 1111'
in_session /ruled "$list" "$ruled"
is "for another caller it is" "$(names)" 'one__echo one__only_one one__slow two__echo two__wipe two__only_two two__slow'
post /some "$begin"
in_session /some "$list" "$(header mcp-session-id)"
is "another caller sees other servers" "$(names)" 'two__echo two__wipe two__only_two two__slow'
in_session /some "$list" "$some"
is "and no session of the first one" "$status" 404
TOKEN=$(token --claims '{"sub":"carol","dept":"hr"}')
post /some "$begin"
is "a caller without a server is denied" "$status $(jq -c .error.code <<<"$body")" '200 -32010'
TOKEN=$mine

# ---- servers that are dead, slow or lie ----
post /none "$begin"
is "if no server responds, the handshake fails" "$status $(jq -c .error.code <<<"$body")" '503 -32603'
post /slow "$begin"
slow=$(header mcp-session-id)
before=$(date +%s%N)
in_session /slow "$list" "$slow"
is "a server that hangs is left out after list_deadline" "$status $(names) $(jq -c '.result._meta["tollgate/left_out"]' <<<"$body")" '200 one__echo one__only_one one__slow ["hang"]'
check "the list takes no longer than list_deadline" [ $((($(date +%s%N) - before) / 1000000)) -lt 1500 ]
post /lies "$begin"
lies=$(header mcp-session-id)
in_session /lies "$list" "$lies"
is "a list without an end is left out" "$status $(names) $(jq -c '.result._meta["tollgate/left_out"]' <<<"$body")" '200 one__echo one__only_one one__slow ["lies"]'
check "a metric counts servers that were left out" [ "$(metric mcp_left_out_total)" -gt 0 ]
curl -s "http://127.0.0.1:$two/forget"
in_session /mcp "$(call two__echo)"
is "a server that lost its session answers 404, so the client begins again" "$status" 404
in_session /mcp "$list"
is "the others stay in the list" "$status $(names)" '200 one__echo one__only_one one__slow'

# ---- records, pins and limits have the server's own names ----
post /mcp "$begin"
session=$(header mcp-session-id)
codes=$(for i in $(seq 1 21); do in_session /mcp "$(call one__echo)"; echo "$status"; done | sort | uniq -c | tr -s ' ' | tr '\n' ',')
like "a limit by tool.name counts the server's own name" "$codes" '429'
like "pins have the server's own names" "$("$build/tollgate" tools list --json -c "$D/tollgate.yaml" | jq -rc '[.[] | .server + "/" + .name] | join(" ")')" 'one/echo'
