# Headers of requests: an external provider receives the headers that its API and SDKs need, and those of its `headers`, on
# either path and in a WebSocket's handshake. An internal server receives all.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"

sed -e 's/^providers:/&\n  inside: {backend: local, dialect: openai, external: false}\n  own: {backend: local, dialect: rest, external: false}\n  partner: {backend: anthropic, dialect: rest, headers: [x-title, X-Partner-Version]}/' \
	-e 's|^routes:|&\n  - {name: falls, match: {path: /falls/v1/chat/completions}, dialect: openai, targets: [inside, openai]}\n  - {name: partner, match: {path_prefix: /api/partner/}, dialect: rest, targets: [partner]}\n  - {name: by-backend, match: {path_prefix: /api/by-backend/}, dialect: rest, backend: local}\n  - {name: socket, match: {path: /v1/realtime}, targets: [openai], response: [meter], websocket: true}|' \
	-e 's/dialect: rest, backend: local, response/dialect: rest, targets: [own], response/' "$here/policy.yaml" >"$D/own.yaml"
stack_up --policy "$D/own.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"hi"}]}'
# Proxies that log people in, content networks and browsers write these headers about the caller.
about=(x-acme-employee x-forwarded-for forwarded referer via x-real-ip X_Forwarded_For true-client-ip x-forwarded-user x-original-forwarded-for
	cf-connecting-ip origin x-country-code x-auth-request-email x-auth-request-preferred-username x-forwarded-email
	cf-access-authenticated-user-email x-goog-authenticated-user-email x-ms-client-principal-name x-amzn-oidc-identity
	remote-user remote-groups ssl-client-s-dn x-ssl-client-cn x-forwarded-client-cert tailscale-user-login x-authentik-email
	x-pomerium-claim-email x-webauth-user accept-language baggage sec-ch-ua-platform
	gap-auth x-auth-request-groups x-forwarded-preferred-username x-forwarded-groups remote-name remote-email x-authentik-username x-authentik-meta-app
	cf-ipcountry cf-access-client-id x-goog-authenticated-user-id x-goog-iap-jwt-assertion x-amzn-oidc-data x-ms-client-principal
	x-ms-client-principal-id x-ms-token-aad-id-token teleport-jwt-assertion x-teleport-login tailscale-user-name tailscale-user-profile-pic
	x-pomerium-jwt-assertion x-vouch-idp-claims-email x-userinfo x-consumer-username x-authenticated-userid x-endpoint-api-userinfo
	x-remote-group impersonate-user oidc_claim_email mellon-name-id eppn iv-user sm_user x-client-dn client-cert x-envoy-external-address
	x-appengine-city cloudfront-viewer-city x-vercel-ip-city tracestate)
from=()
for name in "${about[@]}"; do from+=(-H "$name: carol.192.0.2.7"); done
# one header of each SDK
needed=(openai-beta anthropic-beta anthropic-version x-stainless-lang x-goog-api-client x-fern-sdk-name amz-sdk-request
	x-amzn-bedrock-trace idempotency-key traceparent)
for name in "${needed[@]}"; do from+=(-H "$name: kept-1"); done
from+=(-H 'user-agent: kept-1' -H 'x-title: added' -H 'x-partner-version: added')
received() {
	local name
	unlike "$1: no header about the caller is sent" "$(seen)" 'carol\.192'
	for name in "${needed[@]}" user-agent; do
		like "$1: $name is sent" "$(seen)" "\"$name\":\"kept-1\""
	done
}

req GET /v1/models -H "$auth" "${from[@]}"
is "a direct request is permitted" "$status" 200
received "direct"
unlike "direct: a header that no API needs is not sent" "$(seen)" '"x-title"'
req POST /v1/chat/completions -H "$auth" -H "$json" "${from[@]}" -d "$chat"
is "a relayed request is permitted" "$status" 200
received "relay"
unlike "relay: a header that no API needs is not sent" "$(seen)" '"x-title"'
for size in 20 100000; do # the second one is deferred
	printf '{"a":"%*s"}' $size x >"$D/body"
	req POST /api/partner/x -H "$auth" -H "$json" "${from[@]}" --data-binary @"$D/body"
	is "a request to a provider with headers is permitted, $size bytes" "$status" 200
	received "headers, $size bytes"
	like "a provider's headers add one, $size bytes" "$(seen)" '"x-title":"added"'
	like "in any case, $size bytes" "$(seen)" '"x-partner-version":"added"'
done
req GET /api/partner/x -H "$auth" -H 'remote-user: carol.192.0.2.7' -H 'x-title: added'
is "a request that HAProxy alone could not filter is permitted" "$status" 200
like "and has the added header" "$(seen)" '"x-title":"added"'
unlike "but not the others" "$(seen)" 'carol\.192'
curl -s --http1.1 --max-time 2 -H "$auth" "${from[@]}" -H 'connection: Upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: 13' \
	-H 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==' -o /dev/null -w '%{http_code}' "$EDGE/v1/realtime?model=gpt-realtime" >"$D/code"
is "a WebSocket opens" "$(cat "$D/code")" 101
received "WebSocket"
for path in direct relay by-backend; do
	req POST /api/$path/x -H "$auth" -H "$json" "${from[@]}" -d '{}'
	is "a request to an internal server is permitted, $path" "$status" 200
	for name in x-forwarded-for forwarded referer via x-real-ip x-auth-request-email remote-user x-acme-employee origin; do
		like "an internal server gets $name, $path" "$(seen)" "\"$name\":\"[^\"]*carol\.192"
	done
done
# an internal target that fails, and an external one after it
control '{"status":503,"times":1}'
req POST /falls/v1/chat/completions -H "$auth" -H "$json" "${from[@]}" -d "$chat"
is "the second target answers" "$status $(header x-tollgate-target)" '200 openai/echo'
seen 2 >"$D/both"
is "the internal target got the headers, the external one did not" "$(jq -c '[.[] | .headers["remote-user"] // "-"]' "$D/both")" '["carol.192.0.2.7","-"]'
# the records, and what check prints of them
settled
journals | grep '"type":"decision"' | jq -c 'select(.target == "openai") | .unsent_headers // []' >"$D/unsent"
like "a record names the headers that were not sent" "$(cat "$D/unsent")" '"x-auth-request-email".*"remote-user"'
unlike "but no addresses and no headers that are sent" "$(cat "$D/unsent")" 'x-forwarded-for|accept-language|sec-ch|openai-beta'
later=$(journals | grep '"type":"attempt"' | jq -c 'select(.attempt == 2) | [.target, .unsent_headers // []]')
like "the record of an attempt at an external target after an internal one, too" "$later" 'openai.*"remote-user"'
checked=$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)
like "check prints the names" "$checked" 'provider openai is external and did not receive these headers of recent requests: .*x-acme-employee \([0-9]+\)'
like "all of them, though one request had many" "$checked" 'provider openai .*x-pomerium-claim-email.*x-webauth-user'
unlike "but not those that headers adds" "$checked" 'provider partner .*x-partner-version'
exit $failed
