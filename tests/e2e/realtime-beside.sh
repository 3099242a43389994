# Sessions over WebRTC and SIP pass beside the gateway: what opens one is refused, unless its route permits it.
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
like "in the dialect's words" "$(jq -r .error.status <<<"$body")" PERMISSION_DENIED
ask /v1/realtime/calls
is "with a code" "$(jq -r .error.code <<<"$body")" webrtc_not_permitted
like "and what to do instead" "$(jq -r .error.message <<<"$body")" 'WebSocket.*realtime: \{webrtc: permit\}'
req POST /v1/realtime/calls -H "$auth" -H 'content-type: application/sdp' -d 'v=0'
is "an offer alone is refused, too" "$status" 403
req POST /v1/realtime/calls -H 'content-type: application/sdp' -d 'v=0'
is "so is one of nobody" "$status" 403
is "no provider was asked" "$(curl -s "$PROVIDER/_seen?last=50" | jq '[.[] | select(.method == "POST")] | length')" 0
curl -s -d '{"status":201,"body":"v=0\r\n","content_type":"application/sdp"}' "$PROVIDER/_control" >/dev/null
ask /v1/realtime/calls -H 'host: beside.example'
is "a route that permits them lets them pass" "$status" 201
printf -- '--b\r\ncontent-disposition: form-data; name="sdp"\r\ncontent-type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n--b\r\ncontent-disposition: form-data; name="session"\r\ncontent-type: application/json\r\n\r\n%s\r\n--b--\r\n' \
	"$(jq -c .session <<<"$said")" >"$D/form"
req POST /v1/realtime/calls -H "$auth" -H 'host: beside.example' -H 'content-type: multipart/form-data; boundary=b' --data-binary @"$D/form"
is "an offer with a session in a form, too" "$status" 201
curl -s "$PROVIDER/_seen?last=2" >"$D/seen"
unlike "what their bodies say is redacted" "$(cat "$D/seen")" 'jane@corp'
like "in both" "$(jq -c '[.[] | (.body | test("<EMAIL_ADDRESS_1>"))]' "$D/seen")" '\[true,true\]'
settled
cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"decision"' >"$D/records"
is "their records say that the session is not inspected" "$(jq -c 'select(.route == "beside") | .not_inspected | index("session") != null' "$D/records" | xargs)" "true true"
is "those of refusals do not" "$(jq -c 'select(.route != "beside") | .not_inspected | index("session")' "$D/records" | sort -u | xargs)" null
like "and say who asked" "$(jq -r 'select(.route == "openai") | .identity.person' "$D/records" | sort -u | xargs)" alice
like "check says what a route that permits them gives up" "$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)" 'route beside: realtime: webrtc: permit: the gateway does not inspect'
unlike "of that route alone" "$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)" 'route openai: realtime'
exit $failed
