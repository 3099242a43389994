# A cutover on an existing HAProxy with the stanza: the old route stays the company's, and check --haproxy reports
# whether it is safe.
. "$(dirname "$0")/lib.sh"

until=$(date -u -d '+30 days' +%Y-%m-%d)
sed -e "/^mode:/a observe: {hosts: [ai.example.com], backend: old, until: $until}" -e '/ghost/d' "$here/policy.yaml" >"$D/policy.yaml"
echo 'backends: [openai, anthropic, local, old]' >"$D/config.yaml"
{ person_with_stanza; printf '\nbackend old\n    server local 127.0.0.1:1\n'; } >"$D/person.cfg"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --edge "$D/person.cfg"
is "HAProxy loads the configuration without a warning" "$(cat "$D/haproxy-check.log")" ""
ai='host: ai.example.com'
theirs='authorization: Bearer sk-old-client'
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'

control '{"headers":{"set-cookie":"a=provider","x-ratelimit-foo":"provider","x-tollgate-id":"forged"}}'
req POST /v1/chat/completions -H "$ai" -H "$theirs" -H 'cookie: a=b' -H "$json" -d "$chat"
is "an existing client passes" "$status $(header x-tollgate-decision)" "200 observed"
like "its credential is forwarded" "$(seen)" 'Bearer sk-old-client'
like "its cookie is forwarded" "$(seen)" '"cookie":"a=b"'
like "its text is forwarded unchanged" "$(seen)" 'jane.doe'
unlike "the company's key is not sent" "$(seen)" 'sk-provider'
like "the configuration's rules after the stanza run" "$(seen)" '"x-after":"one"'
is "the response has the fields of the client's account" "$(header set-cookie) $(header x-ratelimit-foo)" "a=provider provider"
unlike "fields that only the gateway may set are removed" "$head" forged
control '{}'
req POST /v1/chat/completions -H 'host: AI.example.com.:8080' -H "$theirs" -H "$json" -d "$chat"
is "another spelling of the host is observed too" "$(header x-tollgate-decision)" observed
head -c 600000 /dev/zero | tr '\0' 'x' >"$D/big"
req POST /v1/files -H "$ai" -H "$theirs" -H 'content-type: text/plain' -H 'transfer-encoding: chunked' --data-binary "@$D/big"
is "a long body is observed" "$(header x-tollgate-decision) $(seen 1 | grep -o '"body":"x*"' | wc -c)" "observed 600010"
req POST /v1/chat/completions -H "$ai" -H "authorization: Bearer $(token)" -H "$json" -d "$chat"
is "a request with a gateway key is decided" "$status $(header x-tollgate-decision)" "200 redact"
unlike "the decision is enforced through the relay" "$(seen)" 'jane.doe'
like "the company's key is sent then" "$(seen)" 'Bearer sk-provider-openai'
req POST /v1/chat/completions -H "$ai" -H "authorization: Bearer tg_unknown" -H "$json" -d "$chat"
is "an unknown gateway key is 401" "$status" 401
req GET /x -H 'host: www.example.com'
is "the rest of the site is unchanged" "$body" site
req POST /site/x -H 'host: www.example.com' -H "$theirs" -H "$json" -d "$chat"
is "the site's provider backend is guarded" "$status" 503

# Prints what check --haproxy reports for the backend NAME.
checked() { "$build/tollgate" check -c "$D/tollgate.yaml" --haproxy "$D/haproxy/haproxy.cfg" "$D/haproxy/tollgate.cfg" >"$D/out" 2>&1; grep 'observe: ' "$D/out"; }
unlike "a backend without a key is accepted" "$(checked)" 'observe: (backend old sets|HAProxy)'
like "check names the observed host" "$(checked)" 'note: .*observe: ai.example.com: callers without a key of this gateway are sent to old'
sed -i 's/^backend old$/&\n    http-request set-header x-api-key "%[env(LOCAL_API_KEY)]"/' "$D/haproxy/haproxy.cfg"
like "a backend that sets a key is refused" "$(checked)" 'policy.yaml:[0-9]+:1: observe: backend old sets a credential of its own \(.*haproxy.cfg:[0-9]+\)'
sed -i '/^backend old$/{n;d}' "$D/haproxy/haproxy.cfg"
sed -i "/^backend old\$/r /dev/stdin" "$D/haproxy/haproxy.cfg" < <(piece 'each backend')
like "a backend with the guard is refused, because it would return 503" "$(checked)" 'observe: backend old has the guard'
exit $failed
