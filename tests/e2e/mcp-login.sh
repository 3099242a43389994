# MCP logins: the official clients, 1.x and 2.x, log in at the test's authorization server. Then the responses to
# callers and pages over HTTP.
# Once: no version of HAProxy differs here.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "@modelcontextprotocol" "npm is not installed"; exit 0; }
npm_packages mcp "@modelcontextprotocol/sdk, client" || exit 0
mkdir -p "$D/policy"
node "$build/mcp/servers.mjs" >"$D/ports" 2>"$D/servers.log" &
served=$!
node "$build/mcp/login.mjs" issuer "$D/policy" >"$D/issuer" 2>"$D/issuer.log" &
issues=$!
wait_for grep -qs own= "$D/ports"
wait_for grep -qs issuer= "$D/issuer"
eval "$(tr ' ' '\n' <"$D/ports")"
eval "$(cat "$D/issuer")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend sdk from provider\n    server s 127.0.0.1:%s\n' "$sdk"
	printf '\nbackend own from provider\n    http-request set-header authorization "Bearer of-the-gateway"\n    server s 127.0.0.1:%s\n' "$own"
} >"$D/edge.cfg"
echo 'backends: [sdk, own, local]' >"$D/mine.yaml"
policy() { sed "s#EDGE#$1#g; s#ISSUER#$issuer#g" "$here/mcp-login.yaml" >"$D/policy/policy.new" && mv "$D/policy/policy.new" "$D/policy/policy.yaml"; }
policy http://127.0.0.1:1
stack_up --edge "$D/edge.cfg" --policy "$D/policy/policy.yaml" --config "$D/mine.yaml"
note_pid $served servers
note_pid $issues issuer
policy "$EDGE"
in_force() { curl -s -m 90 -H "authorization: Bearer $ADMIN_TOKEN" -X POST "$ADMIN/reload" | grep -q '"result":"done"\|"result":"unchanged"'; }
check "the public address is in force" wait_for in_force

EDGE=$EDGE ISSUER=$issuer timeout 120 node "$build/mcp/login.mjs" >"$D/clients.log" 2>&1 || echo "not ok - login.mjs ends" >>"$D/clients.log"
cat "$D/clients.log"
if grep -q '^not ok' "$D/clients.log"; then failed=1; fi

# ---- over HTTP ----
json='content-type: application/json'
list='{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
meta=/.well-known/oauth-protected-resource
code() { jq -r '.error.data.code' <<<"$body"; }
reached() { curl -s "http://127.0.0.1:$own/seen" | jq -c '[.[].headers.authorization]'; }
form='scope=tools:leak'
grant() { curl -s "http://127.0.0.1:$issuer/token" -d "grant_type=refresh_token&refresh_token=$form&resource=$1" | jq -r .access_token; }
mine="authorization: Bearer $(grant "$EDGE/shut")"

req GET $meta/mcp
is "the metadata document has the policy's values" "$status $body" \
	"200 {\"resource\":\"$EDGE/mcp\",\"authorization_servers\":[\"http://127.0.0.1:$issuer\"],\"scopes_supported\":[\"tools:use\",\"tools:leak\"],\"bearer_methods_supported\":[\"header\"]}"
like "the document is JSON" "$(header content-type)" '^application/json$'
req GET $meta/mcp -H 'host: 10.0.0.7'
is "agentgateway#545: another host has no document" "$status" 404
req GET $meta -H "$mine"
is "mcp-auth-proxy#177: with two servers, the root is no resource" "$status" 404
req HEAD $meta/mcp -I
is "HEAD has the document's length" "$status $(header content-length | grep -c '^[1-9]')" '200 1'
req GET $meta/mcp -H 'origin: https://app.example.com'
is "a page of a listed origin may read the document" "$status $(header access-control-allow-origin)" '200 https://app.example.com'
like "the page may read the header fields of a challenge" "$(header access-control-expose-headers)" 'www-authenticate, mcp-session-id, mcp-protocol-version'
req OPTIONS /mcp -H 'origin: https://app.example.com' -H 'access-control-request-method: DELETE' \
	-H 'access-control-request-headers: authorization, last-event-id, mcp-name, mcp-param-x, mcp-protocol-version, mcp-session-id'
is "the page may send the header fields of MCP" "$status $(header access-control-allow-headers)" \
	'204 authorization, last-event-id, mcp-name, mcp-param-x, mcp-protocol-version, mcp-session-id'
like "the page may use the methods of MCP" "$(header access-control-allow-methods)" 'GET, POST.*DELETE.*OPTIONS'

req POST /mcp -H "$json" -d "$list"
is "modelcontextprotocol#581: a 401 names the metadata document" "$status $(header www-authenticate)" \
	"401 Bearer resource_metadata=\"$EDGE$meta/mcp\", scope=\"tools:use\""
req POST /mcp -H "$json" -H 'authorization: Bearer nothing' -d "$list"
like "a 401 for an invalid token names it too" "$status $(header www-authenticate)" '^401 Bearer resource_metadata=.*, error="invalid_token"$'
req POST /mcp -H "$json" -H 'transfer-encoding: chunked' -d "$list"
like "a 401 of the relay names it too" "$status $(header www-authenticate)" '^401 Bearer resource_metadata='
req GET /api/x
is "a route without an MCP server does not name it" "$status $(header www-authenticate)" '401 Bearer'
# A challenge repeats the scopes of the token, so that a new token has them too, except those that a challenge cannot
# contain.
leak='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"leak","arguments":{}}}'
for row in 'mail%20tools:use|tools:use tools:leak mail' 'mail%22x|tools:use tools:leak' "$(printf 'm%.0s' {1..600})|tools:use tools:leak"; do
	form=${row%|*}
	req POST /mcp -H "$json" -H "authorization: Bearer $(grant "$EDGE/mcp")" -d "$leak"
	is "a challenge has the missing scope and those of the token, ${form:0:10}" "$status $(header www-authenticate)" \
		"403 Bearer error=\"insufficient_scope\", resource_metadata=\"$EDGE$meta/mcp\", scope=\"${row#*|}\""
done
for path in /.well-known/oauth-authorization-server /register /authorize /token; do
	req POST $path -H "$json" -d '{"redirect_uris":["https://evil.example"]}'
	is "fastmcp#2056: the gateway is no authorization server and has no client: $path" "$status" 404
done
# The token's audience is another route, so a token for one server is not valid for all.
req POST /shut -H "$json" -H "authorization: Bearer $(grant http://elsewhere.example/)" -d "$list"
is "a token for another resource is refused" "$status" 401

reached >/dev/null
req POST /shut -H "$json" -H "$mine" -d "$list"
is "litellm#30614: the caller's token is not forwarded to the server" "$status $(reached)" '200 ["Bearer of-the-gateway"]'
req POST /shut -H "$json" -H "$mine" -H 'x-do: login' -d "$list"
is "a server that requires another login is a 502" "$status $(code) $(header www-authenticate)" '502 upstream_login '
unlike "litellm#29936: the 502 contains nothing of the server's response" "$body" 'inner|secret'
is "the record has the server's status" "$(completion '[.status,.outcome]')" '[401,"complete"]'
req POST /shut -H "$json" -H "$mine" -H 'origin: https://evil.example' -d "$list"
is "golang/vulndb#4179: a page of an unlisted origin cannot call" "$status $(code)" '403 origin_not_listed'
req POST /shut -H "$json" -H "$mine" -H 'origin: https://app.example.com' -d "$list"
is "a page of a listed origin can call" "$status $(header access-control-allow-origin)" '200 https://app.example.com'
req POST /shut -H "$json" -H "$mine" -H 'host: evil.example' -d "$list"
is "golang/vulndb#4179: another host name is refused" "$status $(code)" '403 wrong_host'
req POST /plain -H "$json" -H "$mine" -d "$list"
is "the host is also checked on a route with a host" "$status $(code)" '403 wrong_host'
exit $failed
