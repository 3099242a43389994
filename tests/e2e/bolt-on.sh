# The bolt-on in a person's own configuration: what the ACL names is gated, the
# rest is as it was, and rules of theirs before and after the stanza do what they
# did, once. haproxy/bolt-on.cfg is inserted as it is shipped.
. "$(dirname "$0")/lib.sh"

person_with_stanza >"$D/person.cfg"
for p in 'your global' 'your frontend' 'the same frontend' 'each backend'; do
	check "bolt-on.cfg has the piece: $p" test -n "$(piece "$p")"
done
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/person.cfg"
is "it loads without a warning" "$(cat "$D/haproxy-check.log")" ""
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
forget

# what the ACL names
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request of that host is decided" "$status $(header x-tollgate-decision)" "200 redact"
like "and redacted" "$(seen)" 'EMAIL_ADDRESS_1'
unlike "its address does not leave" "$(seen)" 'jane.doe'
is "x-request-id is the decision's id" "$(header x-request-id)" "$(header x-tollgate-id)"
req GET /v1/models -H "$ai" -H "$auth"
is "a permitted one goes direct" "$status $(header x-tollgate-decision)" "200 permit"
like "with the limits in its headers" "$head" '^x-ratelimit-limit-requests: 600000'
req POST /v1/chat/completions -H 'host: AI.example.com:443' -H "$json" -d "$chat"
is "without a credential: 401, however the host is written" "$status" 401
req POST /v1/chat/completions --http2-prior-knowledge -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "by HTTP/2 :authority too" "$status $(header x-tollgate-decision)" "200 redact"
req POST /v1/messages -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
is "the policy's backend is obeyed, not this file's routing" "$status" 200
like "it was anthropic's" "$(seen)" 'sk-provider-anthropic'
control '{"headers":{"set-cookie":"a=provider","x-ratelimit-foo":"provider","openai-organization":"provider"}}'
req GET /v1/models -H "$ai" -H "$auth"
final unlike "nothing of the provider's account comes back, direct" "$head" 'provider'
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
final unlike "nothing of the provider's account comes back, by the relay" "$head" 'provider'
req GET /site/x -H 'host: www.example.com'
is "the site's own provider backend is guarded" "$status" 503
control '{}'
req POST /api/ghost/direct -H "$ai" -H "$auth" -H "$json" -d '{}'
is "an unknown backend is a 503, direct" "$status" 503
req POST /api/ghost/relay -H "$ai" -H "$auth" -H "$json" -d '{}'
is "an unknown backend is a 503, by the relay" "$status" 503
for how in '-X TRACE' '-H upgrade:foo -H connection:upgrade'; do
	# shellcheck disable=SC2086
	req GET /v1/models -H "$ai" -H "$auth" $how
	is "$how is a 501" "$status" 501
done
req OPTIONS /v1/chat/completions -H "$ai" -H 'origin: https://a.example' -H 'access-control-request-method: POST'
is "a preflight is answered" "$status" 204
is "and tells an unlisted origin nothing" "$(header access-control-allow-origin)$(header access-control-allow-methods)" ""
req OPTIONS /v1/chat/completions -H "$ai" -H 'origin: https://app.example.com' -H 'access-control-request-method: POST'
is "and a listed one that it may" "$status $(header access-control-allow-origin)" "204 https://app.example.com"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'origin: https://app.example.com' -d '{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
is "on answers by the relay too, once" "$status $(grep -ci '^access-control-allow-origin' <<<"$head") $(header vary)" "200 1 origin"
req GET /site/direct/x -H "$ai" -H 'cookie: caller-1' -H 'x-api-key: caller-2'
is "a route without a backend: this file's routing, direct" "$status" 200
req POST /site/relay/x -H "$ai" -H 'cookie: caller-1' -H 'x-api-key: caller-2' -H "$json" -d '{}'
is "by the relay it has no way on: the second pass has no routes but the policy's" "$status" 503
req GET /v1/models -H "$ai" -H "$auth" -H 'mcp-cookie: caller-3'
is "what may be an argument of MCP and is none" "$status" 200
unlike "the caller's credentials did not arrive" "$(seen 3)" 'caller-'

# what it does not name
req GET /anything -H 'host: www.example.com'
is "another host is served as before" "$status $body" "200 site"
is "and is not decided" "$(header x-tollgate-id)" ""
req GET /anything -H 'host: www.example.com' -H 'upgrade: foo' -H 'connection: upgrade'
is "its upgrades are its own affair" "$status" 200
before=$(seen 1000 | grep -c serial)
for path in /v1/chat/completions //v1/chat/completions /./v1/chat/completions /%761/chat/completions /V1/chat/completions /ai/v1/chat/completions /site/x; do
	req POST "$path" -H 'host: www.example.com' -H "$auth" -H "$json" -H 'x-tollgate-decision: permit' -d "$chat"
	unlike "$path of another host does not reach the key" "$status$body" '^200.*object'
done
final is "none of those reached a provider" "$(seen 1000 | grep -c serial)" "$before"
req POST /v1/chat/completions -H 'host: ai.example.com.x' -H "$auth" -H "$json" -d "$chat"
is "a host that only looks like it does not either" "$status" 503
req POST /v1/chat/completions -H 'host: ai.example.com.' -H "$auth" -H "$json" -d "$chat"
is "one dot at its end names the same host" "$status $(header x-tollgate-decision)" "200 redact"

# the person's own rules
req POST /ai/v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a prefix that is stripped before the stanza" "$status $(header x-tollgate-decision)" "200 redact"
like "is stripped once" "$(seen)" '"path":"/v1/chat/completions"'
req POST /api/direct/x -H "$ai" -H "$auth" -H "$json" -d '{}'
like "a path that the backend rewrites, direct" "$(seen)" '"path":"/v1api/direct/x"'
req POST /api/relay/x -H "$ai" -H "$auth" -H "$json" -d '{}'
like "a path that the backend rewrites, by the relay: once" "$(seen)" '"path":"/v1api/relay/x"'
like "a header that is added before the stanza reaches the provider once" "$(seen)" '"x-after":"one"'
like "forwardfor names the client, once" "$(seen)" '"x-forwarded-for":"127.0.0.1"'
req GET /old -H "$ai"
is "a redirect" "$status" 302
req GET /staff/x -H "$ai"
is "basic auth asks" "$status" 401
req GET /staff/x -H 'host: www.example.com' -u alice:wonderland
is "and admits" "$status $body" "200 site"
# a counter before the stanza counts requests, not passes
n() { sed -n 's/.*www .* n=\([0-9]*\) .*/\1/p' "$D/haproxy.log" | tail -1; }
req GET /v1/models -H "$ai" -H "$auth"
first=$(n)
for _ in 1 2 3; do req POST /api/relay/x -H "$ai" -H "$auth" -H "$json" -d '{}'; done
req GET /v1/models -H "$ai" -H "$auth"
is "a counter before the stanza counts requests, not passes" "$(n)" "$((first + 4))"
like "the second pass is logged by its own frontend, without a path" "$(grep ' tollgate-inner local/' "$D/haproxy.log" | tail -1)" ' POST tollgate=[^ ]+$'
# whom HAProxy refuses is in no record, and the refusal says nothing of a decision
settled
decided() { cat "$JOURNAL"/* | tr -d '\0' | grep -c '"type":"decision"'; }
before=$(decided)
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'x-blocked: 1' -d "$chat"
is "whom HAProxy refuses is told no decision" "$status $(header x-tollgate-decision)$(header x-tollgate-id)" "410 "
req POST /staff/v1 -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "nor whom it asks for a password" "$status $(header x-tollgate-decision)" "401 "
req GET /v1/models -H "$ai" -H "$auth"
settled
final is "neither is recorded as permitted" "$(($(decided) - before))" 1
