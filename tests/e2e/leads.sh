# URLs of a provider in its responses lead to the gateway: members and fields that clients follow are changed to the
# scheme and host of the request, and the provider gets its own URL back. Ids, signed URLs and text stay.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cat >"$D/policy-in.yaml" <<'YAML'
tollgate: 1
name: leads
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  anthropic: {backend: anthropic, dialect: anthropic}
  gemini: {backend: local, dialect: gemini}
  openai: {backend: openai, dialect: openai}
routes:
  - {name: prefixed, match: {api: anthropic, path_prefix: /claude}, targets: anthropic}
  - {name: inspected, match: {api: anthropic, path_prefix: /seen}, targets: anthropic, response: [inspect]}
  - {name: anthropic, match: {api: anthropic}, targets: anthropic}
  - {name: gemini, match: {api: gemini}, targets: gemini}
  - {name: openai, match: {api: openai}, targets: openai}
rules:
  - {name: mail, phase: response, when: '"EMAIL_ADDRESS" in response.entities', redact: {entities: [EMAIL_ADDRESS]}}
default: permit
YAML
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
# gets JSON [FIELD VALUE]: the provider's next response
gets() {
	BODY=$1 NAME=${2:-x-other} VALUE=${3:-1} node -e 'const e = process.env;
		console.log(JSON.stringify({ status: 200, body: e.BODY, content_type: "application/json", headers: { [e.NAME]: e.VALUE } }))' >"$D/control.json"
	control "$(cat "$D/control.json")"
}

batch='{"id":"msgbatch_1","results_url":"https://api.anthropic.com/v1/messages/batches/msgbatch_1/results","note":"see https://api.anthropic.com/v1/messages"}'
gets "$batch"
req GET /v1/messages/batches/msgbatch_1 -H "$auth"
want=${batch/https:\/\/api.anthropic.com\/v1\/messages\/batches/$EDGE/v1/messages/batches}
is "the results of a batch are fetched from the gateway; other text stays" "$body" "$want"
req GET /v1/messages/batches/msgbatch_1 -H "$auth" -H 'x-forwarded-proto: https'
is "x-forwarded-proto states the scheme" "$body" "${want/$EDGE/https:${EDGE#http:}}"
req GET /claude/v1/messages/batches/msgbatch_1 -H "$auth"
is "a prefix of the caller's path stays" "$body" "${want/$EDGE/$EDGE/claude}"
gets "{\"data\":[$batch,{\"id\":\"b\",\"results_url\":null},{\"id\":\"write to jane.doe@example.com\",\"results_url\":\"https:\\/\\/api.anthropic.com\\/v1\\/messages\\/batches\\/b\\/results\"}]}"
req GET /seen/v1/messages/batches -H "$auth"
is "so do those of an inspected list" "$body" \
	"{\"data\":[${want/$EDGE/$EDGE/seen},{\"id\":\"b\",\"results_url\":null},{\"id\":\"write to <EMAIL_ADDRESS>\",\"results_url\":\"$EDGE/seen/v1/messages/batches/b/results\"}]}"
gets '{"content":[{"type":"text","text":"https://api.anthropic.com/v1/messages/batches/b/results"}],"results_url":"https://api.anthropic.com/v1/messages/batches/b/results"}'
req POST /v1/messages -H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
like "text of a model is never changed" "$body" '"text":"https://api.anthropic.com/v1/messages/batches/b/results"'

gets '{"file":{"name":"files/a1","uri":"https://generativelanguage.googleapis.com/v1beta/files/a1","downloadUri":"https://generativelanguage.googleapis.com/v1beta/files/a1:download?alt=media&key=AIzaX"}}' \
	x-goog-upload-url 'https://generativelanguage.googleapis.com/upload/v1beta/files?key=AIzaX&upload_id=u1&upload_protocol=resumable'
req GET /v1beta/files/a1 -H "$auth"
is "a file's uri is its id and stays, its download does not" "$body" \
	"{\"file\":{\"name\":\"files/a1\",\"uri\":\"https://generativelanguage.googleapis.com/v1beta/files/a1\",\"downloadUri\":\"$EDGE/v1beta/files/a1:download?alt=media\"}}"
is "an upload continues at the gateway, without the provider's key" "$(header x-goog-upload-url)" \
	"$EDGE/upload/v1beta/files?upload_id=u1&upload_protocol=resumable"
gets '{"done":true,"response":{"generateVideoResponse":{"generatedSamples":[{"video":{"uri":"https://generativelanguage.googleapis.com/v1beta/files/v1:download?alt=media"}}]}}}'
req GET /v1beta/models/veo/operations/o1 -H "$auth"
like "a generated video is fetched from the gateway" "$body" "\"uri\":\"$EDGE/v1beta/files/v1:download\\?alt=media\""
control '{}'
req POST /v1beta/models/veo:predictLongRunning -H "$auth" -H 'content-type: application/json' \
	-d "{\"instances\":[{\"prompt\":\"see $EDGE/v1beta/files/v1\",\"video\":{\"uri\":\"$EDGE/v1beta/files/v1:download?alt=media\"}}]}"
is "the provider gets its own URL back" "$(seen | node -e 'console.log(JSON.parse(require("fs").readFileSync(0))[0].body)')" \
	"{\"instances\":[{\"prompt\":\"see $EDGE/v1beta/files/v1\",\"video\":{\"uri\":\"https://generativelanguage.googleapis.com/v1beta/files/v1:download?alt=media\"}}]}"

gets '{"data":[{"url":"https://oaidalle.blob.core.windows.net/private/img.png?sig=abc"}]}' link '<https://api.openai.com/v1/files?after=f>; rel="next", <https://example.com/help>; rel="help"'
req GET /v1/files -H "$auth"
is "links to the API lead to the gateway, others stay" "$(header link)" "<$EDGE/v1/files?after=f>; rel=\"next\", <https://example.com/help>; rel=\"help\""
like "a signed URL stays" "$body" 'https://oaidalle.blob.core.windows.net/private/img.png'
gets '{}' location https://res.openai.azure.com/openai/v1/fine_tuning/jobs/j1
req GET /v1/fine_tuning/jobs -H "$auth"
is "location leads to the gateway" "$(header location)" "$EDGE/openai/v1/fine_tuning/jobs/j1"
gets '{}' location https://storage.example.com/signed?x=1
req GET /v1/fine_tuning/jobs -H "$auth"
is "a location at another host stays" "$(header location)" 'https://storage.example.com/signed?x=1'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
