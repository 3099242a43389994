# CORS: a page of a listed origin may read each response, and the provider's own CORS fields are not forwarded.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"

stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
mine='origin: https://app.example.com'
control '{"headers":{"access-control-allow-origin":"*","access-control-allow-credentials":"true","access-control-expose-headers":"x-provider"}}'
mail='{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
fields() { curl -s -o /dev/null -D - "$@" | tr -d '\r' | tr 'A-Z' 'a-z' | grep -aE "^($want):" | sed 's/,.*//' | sort | tr '\n' '|'; }
listed='access-control-allow-origin: https://app.example.com|access-control-expose-headers: request-id|vary: origin|'
want='access-control-.*|vary|x-tollgate-decision'
ask() { # NAME DECISION CURL-ARGUMENTS
	local name=$1 decision=$2
	shift 2
	is "$name, from a listed origin" "$(fields "$@" -H "$mine")" "${listed}x-tollgate-decision: $decision|"
	is "$name, from another origin" "$(fields "$@" -H 'origin: https://evil.example')" "x-tollgate-decision: $decision|"
	is "$name, without an origin" "$(fields "$@")" "x-tollgate-decision: $decision|"
}
ask "direct" permit "$EDGE/api/direct/x" -H "$auth" -H "$json" -d '{}'
ask "by the relay" redact "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -d "$mail"
ask "denied" deny "$EDGE/v1/chat/completions" -H "$json" -d "$mail"
exit $failed
