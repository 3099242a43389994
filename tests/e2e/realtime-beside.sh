# WebRTC and SIP sessions avoid the gateway. Requests that open such a session are refused, unless the route permits
# it.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/realtime-beside.yaml"
forget
auth="authorization: Bearer $(token)"
said='{"session":{"type":"realtime","model":"gpt-realtime","instructions":"write to jane@corp.example"}}'
ask() { req POST "$@" -H "$auth" -H 'content-type: application/json' -d "$said"; }
for path in /v1/realtime/calls /v1/realtime/client_secrets /v1/realtime/transcription_sessions /v1/realtime/sessions \
	/v1/realtime/calls/rtc_1/accept /v1/realtime/calls/rtc_1/refer /v1/realtime/calls/rtc_1/reject /v1/realtime/calls/rtc_1/hangup \
	/v1/realtime '/v1/realtime?model=gpt-realtime' /v1/realtime/translations/client_secrets /v1/realtime/anything/else \
	/openai/v1/realtime/calls /openai/v1/realtime/client_secrets '/openai/realtimeapi/sessions?api-version=2025-04-01-preview' \
	'/v1/realtimertc?model=gpt-realtime' /v1alpha/auth_tokens /v1beta/authTokens; do
	ask "$path"
	is "POST $path is refused" "$status" 403
done
like "the refusal has the dialect's status" "$(jq -r .error.status <<<"$body")" PERMISSION_DENIED
ask /v1/realtime/calls
is "the refusal has the code webrtc_not_permitted" "$(jq -r .error.code <<<"$body")" webrtc_not_permitted
like "the error names the alternatives" "$(jq -r .error.message <<<"$body")" 'WebSocket.*realtime: \{webrtc: permit\}'
req POST /v1/realtime/calls -H "$auth" -H 'content-type: application/sdp' -d 'v=0'
is "an offer without a session is refused" "$status" 403
req POST /v1/realtime/calls -H 'content-type: application/sdp' -d 'v=0'
is "an offer without a credential is refused" "$status" 403
is "no provider gets a request" "$(curl -s "$PROVIDER/_seen?last=50" | jq '[.[] | select(.method == "POST")] | length')" 0
curl -s -d '{"status":201,"body":"v=0\r\n","content_type":"application/sdp"}' "$PROVIDER/_control" >/dev/null
ask /v1/realtime/calls -H 'host: beside.example'
is "a route that permits WebRTC forwards the request" "$status" 201
printf -- '--b\r\ncontent-disposition: form-data; name="sdp"\r\ncontent-type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n--b\r\ncontent-disposition: form-data; name="session"\r\ncontent-type: application/json\r\n\r\n%s\r\n--b--\r\n' \
	"$(jq -c .session <<<"$said")" >"$D/form"
req POST /v1/realtime/calls -H "$auth" -H 'host: beside.example' -H 'content-type: multipart/form-data; boundary=b' --data-binary @"$D/form"
is "an offer with a session in a form is forwarded" "$status" 201
curl -s "$PROVIDER/_seen?last=2" >"$D/seen"
unlike "the requests are redacted" "$(cat "$D/seen")" 'jane@corp'
like "both requests are redacted" "$(jq -c '[.[] | (.body | test("<EMAIL_ADDRESS_1>"))]' "$D/seen")" '\[true,true\]'
settled
cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"decision"' >"$D/records"
is "their records state that the session is not inspected" "$(jq -c 'select(.route == "beside") | .not_inspected | index("session") != null' "$D/records" | xargs)" "true true"
is "the records of refusals do not" "$(jq -c 'select(.route != "beside") | .not_inspected | index("session")' "$D/records" | sort -u | xargs)" null
like "the records name the caller" "$(jq -r 'select(.route == "openai") | .identity.person' "$D/records" | sort -u | xargs)" alice
like "check warns about the route that permits WebRTC" "$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)" 'route beside: realtime: webrtc: permit: the gateway does not inspect'
unlike "check does not warn about other routes" "$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)" 'route openai: realtime'
exit $failed
