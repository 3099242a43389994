# Logins of MCP: the official clients, 1.x and 2.x, log in at a small authorization server of the test; and what
# callers and pages get over HTTP.
# Once: no version of HAProxy differs here.
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
check "the edge's address is in force" wait_for in_force

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
is "the document is the policy's" "$status $body" \
	"200 {\"resource\":\"$EDGE/mcp\",\"authorization_servers\":[\"http://127.0.0.1:$issuer\"],\"scopes_supported\":[\"tools:use\",\"tools:leak\"],\"bearer_methods_supported\":[\"header\"]}"
like "it is JSON" "$(header content-type)" '^application/json$'
req GET $meta/mcp -H 'host: 10.0.0.7'
is "agentgateway#545: and of no other host" "$status" 404
req GET $meta -H "$mine"
is "mcp-auth-proxy#177: the root is no resource where there are two" "$status" 404
req HEAD $meta/mcp -I
is "HEAD has its length" "$status $(header content-length | grep -c '^[1-9]')" '200 1'
req GET $meta/mcp -H 'origin: https://app.example.com'
is "a page that is listed may read it" "$status $(header access-control-allow-origin)" '200 https://app.example.com'
like "and what a challenge says" "$(header access-control-expose-headers)" 'www-authenticate, mcp-session-id, mcp-protocol-version'
req OPTIONS /mcp -H 'origin: https://app.example.com' -H 'access-control-request-method: DELETE' \
	-H 'access-control-request-headers: authorization, last-event-id, mcp-name, mcp-param-x, mcp-protocol-version, mcp-session-id'
is "it may send what MCP needs" "$status $(header access-control-allow-headers)" \
	'204 authorization, last-event-id, mcp-name, mcp-param-x, mcp-protocol-version, mcp-session-id'
like "by its methods" "$(header access-control-allow-methods)" 'GET, POST.*DELETE.*OPTIONS'

req POST /mcp -H "$json" -d "$list"
is "modelcontextprotocol#581: a 401 says where to log in" "$status $(header www-authenticate)" \
	"401 Bearer resource_metadata=\"$EDGE$meta/mcp\", scope=\"tools:use\""
req POST /mcp -H "$json" -H 'authorization: Bearer nothing' -d "$list"
like "with a token that does not verify, that too" "$status $(header www-authenticate)" '^401 Bearer resource_metadata=.*, error="invalid_token"$'
req POST /mcp -H "$json" -H 'transfer-encoding: chunked' -d "$list"
like "by the relay as well" "$status $(header www-authenticate)" '^401 Bearer resource_metadata='
req GET /api/x
is "a route of no MCP server says what it said" "$status $(header www-authenticate)" '401 Bearer'
# what a token has is asked for again, so that nothing of it is lost; but for what no challenge can say
leak='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"leak","arguments":{}}}'
for row in 'mail%20tools:use|tools:use tools:leak mail' 'mail%22x|tools:use tools:leak' "$(printf 'm%.0s' {1..600})|tools:use tools:leak"; do
	form=${row%|*}
	req POST /mcp -H "$json" -H "authorization: Bearer $(grant "$EDGE/mcp")" -d "$leak"
	is "a further scope next to those of the token, ${form:0:10}" "$status $(header www-authenticate)" \
		"403 Bearer error=\"insufficient_scope\", resource_metadata=\"$EDGE$meta/mcp\", scope=\"${row#*|}\""
done
for path in /.well-known/oauth-authorization-server /register /authorize /token; do
	req POST $path -H "$json" -d '{"redirect_uris":["https://evil.example"]}'
	is "fastmcp#2056: the gateway issues nothing and has no client of its own: $path" "$status" 404
done
# the audience is another route's: who has a token for one has none for all
req POST /shut -H "$json" -H "authorization: Bearer $(grant http://elsewhere.example/)" -d "$list"
is "a token for another resource does not verify" "$status" 401

reached >/dev/null
req POST /shut -H "$json" -H "$mine" -d "$list"
is "litellm#30614: the caller's token does not go to the server" "$status $(reached)" '200 ["Bearer of-the-gateway"]'
req POST /shut -H "$json" -H "$mine" -H 'x-do: login' -d "$list"
is "a server that wants another login is a 502" "$status $(code) $(header www-authenticate)" '502 upstream_login '
unlike "litellm#29936: which shows nothing of what it said" "$body" 'inner|secret'
is "the record has what the server said" "$(completion '[.status,.outcome]')" '[401,"complete"]'
req POST /shut -H "$json" -H "$mine" -H 'origin: https://evil.example' -d "$list"
is "golang/vulndb#4179: a page that is not listed does not call" "$status $(code)" '403 origin_not_listed'
req POST /shut -H "$json" -H "$mine" -H 'origin: https://app.example.com' -d "$list"
is "one that is does" "$status $(header access-control-allow-origin)" '200 https://app.example.com'
req POST /shut -H "$json" -H "$mine" -H 'host: evil.example' -d "$list"
is "golang/vulndb#4179: nor is it called by another name" "$status $(code)" '403 wrong_host'
req POST /plain -H "$json" -H "$mine" -d "$list"
is "where the route has a host, too" "$status $(code)" '403 wrong_host'
exit $failed
