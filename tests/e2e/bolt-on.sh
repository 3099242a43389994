# The bolt-on in an existing configuration: requests that match the ACL are decided, and all others are unchanged. The
# configuration's own rules before and after the stanza apply once. The test inserts haproxy/bolt-on.cfg as it is
# shipped.
. "$(dirname "$0")/lib.sh"

person_with_stanza >"$D/person.cfg"
for p in 'your global' 'your frontend' 'the same frontend' 'each backend'; do
	check "bolt-on.cfg has the piece: $p" test -n "$(piece "$p")"
done
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/person.cfg"
is "the configuration loads without a warning" "$(cat "$D/haproxy-check.log")" ""
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
forget

# requests that match the ACL
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request to that host is decided" "$status $(header x-tollgate-decision)" "200 redact"
like "its body is redacted" "$(seen)" 'EMAIL_ADDRESS_1'
unlike "the address does not reach the provider" "$(seen)" 'jane.doe'
is "x-request-id is the decision's id" "$(header x-request-id)" "$(header x-tollgate-id)"
req GET /v1/models -H "$ai" -H "$auth"
is "a permitted request uses the direct path" "$status $(header x-tollgate-decision)" "200 permit"
like "the response has the limit's header fields" "$head" '^x-ratelimit-limit-requests: 600000'
req POST /v1/chat/completions -H 'host: AI.example.com:443' -H "$json" -d "$chat"
is "a request without a credential is 401, with the host in upper case" "$status" 401
req POST /v1/chat/completions --http2-prior-knowledge -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request with :authority over HTTP/2 is decided" "$status $(header x-tollgate-decision)" "200 redact"
req POST /v1/messages -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
is "the policy's backend has precedence over the configuration's routing" "$status" 200
like "the policy's backend received the request" "$(seen)" 'sk-provider-anthropic'
control '{"headers":{"set-cookie":"a=provider","x-ratelimit-foo":"provider","openai-organization":"provider"}}'
req GET /v1/models -H "$ai" -H "$auth"
final unlike "on the direct path, the response has no header fields of the provider's account" "$head" 'provider'
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
final unlike "through the relay, the response has no header fields of the provider's account" "$head" 'provider'
req GET /site/x -H 'host: www.example.com'
is "the site's own provider backend is guarded" "$status" 503
control '{}'
req POST /api/ghost/direct -H "$ai" -H "$auth" -H "$json" -d '{}'
is "an unknown backend is a 503 on the direct path" "$status" 503
req POST /api/ghost/relay -H "$ai" -H "$auth" -H "$json" -d '{}'
is "an unknown backend is a 503 through the relay" "$status" 503
for how in '-X TRACE' '-H upgrade:foo -H connection:upgrade'; do
	# shellcheck disable=SC2086
	req GET /v1/models -H "$ai" -H "$auth" $how
	is "$how is a 501" "$status" 501
done
req OPTIONS /v1/chat/completions -H "$ai" -H 'origin: https://a.example' -H 'access-control-request-method: POST'
is "a preflight request gets a response" "$status" 204
is "an unlisted origin gets no CORS permission" "$(header access-control-allow-origin)$(header access-control-allow-methods)" ""
req OPTIONS /v1/chat/completions -H "$ai" -H 'origin: https://app.example.com' -H 'access-control-request-method: POST'
is "a listed origin gets a CORS permission" "$status $(header access-control-allow-origin)" "204 https://app.example.com"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'origin: https://app.example.com' -d '{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
is "a relayed response has the CORS fields once" "$status $(grep -ci '^access-control-allow-origin' <<<"$head") $(header vary)" "200 1 origin"
req GET /site/direct/x -H "$ai" -H 'cookie: caller-1' -H 'x-api-key: caller-2'
is "a route without a backend uses the configuration's routing on the direct path" "$status" 200
req POST /site/relay/x -H "$ai" -H 'cookie: caller-1' -H 'x-api-key: caller-2' -H "$json" -d '{}'
is "through the relay, a route without a backend is a 503: the second pass has only the policy's routes" "$status" 503
req GET /v1/models -H "$ai" -H "$auth" -H 'mcp-cookie: caller-3'
is "a path that only resembles MCP is forwarded" "$status" 200
unlike "the caller's credentials are not forwarded" "$(seen 3)" 'caller-'

# requests outside the ACL
req GET /anything -H 'host: www.example.com'
is "another host is served as before" "$status $body" "200 site"
is "another host's requests are not decided" "$(header x-tollgate-id)" ""
req GET /anything -H 'host: www.example.com' -H 'upgrade: foo' -H 'connection: upgrade'
is "another host can upgrade the connection" "$status" 200
before=$(seen 1000 | grep -c serial)
for path in /v1/chat/completions //v1/chat/completions /./v1/chat/completions /%761/chat/completions /V1/chat/completions /ai/v1/chat/completions /site/x; do
	req POST "$path" -H 'host: www.example.com' -H "$auth" -H "$json" -H 'x-tollgate-decision: permit' -d "$chat"
	unlike "$path of another host does not reach the provider's key" "$status$body" '^200.*object'
done
final is "none of these requests reached a provider" "$(seen 1000 | grep -c serial)" "$before"
req POST /v1/chat/completions -H 'host: ai.example.com.x' -H "$auth" -H "$json" -d "$chat"
is "a host that only resembles the gated one is not routed to the provider" "$status" 503
req POST /v1/chat/completions -H 'host: ai.example.com.' -H "$auth" -H "$json" -d "$chat"
is "a host with one dot at its end is gated" "$status $(header x-tollgate-decision)" "200 redact"

# the configuration's own rules
req POST /ai/v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request whose prefix is removed before the stanza is decided" "$status $(header x-tollgate-decision)" "200 redact"
like "the prefix is removed once" "$(seen)" '"path":"/v1/chat/completions"'
req POST /api/direct/x -H "$ai" -H "$auth" -H "$json" -d '{}'
like "the backend rewrites the path of a direct request once" "$(seen)" '"path":"/v1api/direct/x"'
req POST /api/relay/x -H "$ai" -H "$auth" -H "$json" -d '{}'
like "the backend rewrites the path of a relayed request once" "$(seen)" '"path":"/v1api/relay/x"'
like "a header field that is added before the stanza arrives once" "$(seen)" '"x-after":"one"'
like "forwardfor adds the client's address once" "$(seen)" '"x-forwarded-for":"127.0.0.1"'
req GET /old -H "$ai"
is "a redirect works" "$status" 302
req GET /staff/x -H "$ai"
is "basic auth asks for a password" "$status" 401
req GET /staff/x -H 'host: www.example.com' -u alice:wonderland
is "basic auth admits the password" "$status $body" "200 site"
# A counter before the stanza counts each request once, although HAProxy sees a relayed request twice.
n() { sed -n 's/.*www .* n=\([0-9]*\) .*/\1/p' "$D/haproxy.log" | tail -1; }
req GET /v1/models -H "$ai" -H "$auth"
first=$(n)
for _ in 1 2 3; do req POST /api/relay/x -H "$ai" -H "$auth" -H "$json" -d '{}'; done
req GET /v1/models -H "$ai" -H "$auth"
is "a counter before the stanza counts each request once" "$(n)" "$((first + 4))"
like "the inner frontend logs the second pass without a path" "$(grep ' tollgate-inner local/' "$D/haproxy.log" | tail -1)" ' POST tollgate=[^ ]+$'
# If HAProxy itself refuses a request, there is no record, and the response contains no decision.
settled
decided() { cat "$JOURNAL"/* | tr -d '\0' | grep -c '"type":"decision"'; }
before=$(decided)
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'x-blocked: 1' -d "$chat"
is "a response that HAProxy refuses has no decision" "$status $(header x-tollgate-decision)$(header x-tollgate-id)" "410 "
req POST /staff/v1 -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request for a password has no decision" "$status $(header x-tollgate-decision)" "401 "
req GET /v1/models -H "$ai" -H "$auth"
settled
final is "neither request is recorded as permitted" "$(($(decided) - before))" 1
