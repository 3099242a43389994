# Anthropic's message threads. If the target does not support threads, they are refused with the error after which the
# SDKs continue without them. At Anthropic, a thread belongs to the caller who began it.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/threads.yaml"
forget
alice="authorization: Bearer $(token)" carol="authorization: Bearer $(token --claims '{"sub":"carol"}')"
said() { printf '{"model":"claude-x","anthropic_version":"x","max_tokens":50,"thread":%s,"messages":[{"role":"user","content":"%s"}]%s}' "$1" "$2" "${3:-}"; }
ask() { req POST "$1" -H "$2" -H "host: $3" -H 'content-type: application/json' -d "$4"; }
create='{"type":"create"}'
after() { printf '{"type":"continue","previous_message_id":"%s"}' "$1"; }
told() { jq -c '[.type, .error.type, .error.details.error_code, (.error.details.unsupported | type)]' <<<"$body"; }
none='["error","invalid_request_error","thread_unsupported_request","array"]'
vertex=/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:rawPredict
for row in "translated.example /v1/messages" "other.example /v1/messages" "vllm.example /v1/messages" "unread.example /v1/messages" \
	"b.example /model/claude-x/invoke" "v.example $vertex"; do
	read -r host path <<<"$row"
	ask "$path" "$alice" "$host" "$(said "$create" hello)"
	is "$host: a thread is refused" "$status" 400
	is "$host: the error is the one that an SDK expects" "$(told)" "$none"
	ask "$path" "$alice" "$host" "$(said "$(after msg_1)" hello)"
	is "$host: a request that continues a thread is refused too" "$(told)" "$none"
	ask "$path" "$alice" "$host" "$(said null hello)"
	unlike "$host: a request without a thread is not refused" "$body" thread_unsupported
done
ask /v1/messages "$alice" translated.example "$(said "$create" hello ',"stream":true')"
is "a stream with a thread is refused" "$status $(told)" "400 $none"
ask /v1/messages "$alice" several.example "$(said "$create" hello)"
is "if another target supports threads, it is used" "$status $(jq -r .type <<<"$body")" "200 message"

ask /v1/messages "$alice" a.example "$(said "$create" hello)"
is "Anthropic is asked for a thread" "$status" 200
mine=$(jq -r .id <<<"$body")
ask /v1/messages "$alice" a.example "$(said "$(after "$mine")" more)"
is "its caller can continue it" "$status" 200
next=$(jq -r .id <<<"$body")
ask /v1/messages "$alice" a.example "$(said "$(after "$next")" more ',"stream":true')"
is "its caller can continue it with a stream" "$status" 200
streamed=$(grep -o '"id":"msg_[^"]*' <<<"$body" | head -1 | cut -d'"' -f4)
ask /v1/messages "$alice" a.example "$(said "$(after "$streamed")" more)"
is "its caller can continue from the stream" "$status" 200
missing='["error","not_found_error","thread_not_found","null"]'
ask /v1/messages "$carol" a.example "$(said "$(after "$mine")" more)"
is "another caller cannot" "$status $(told)" "404 $missing"
req POST /v1/messages -H 'host: a.example' -H 'content-type: application/json' -d "$(said "$(after "$mine")" more)"
is "a caller without a name cannot" "$status $(told)" "404 $missing"
ask /v1/messages "$alice" a.example "$(said "$(after msg_unknown)" more)"
is "an unknown thread is not found" "$status $(told)" "404 $missing"
ask /v1/messages "$alice" a.example "$(said '{"type":"continue"}' more)"
is "an empty thread id is not found" "$status $(told)" "404 $missing"
is "the provider received none of these" "$(curl -s "$PROVIDER/_seen?last=100" | jq '[.[] | select(.path == "/v1/messages" and (.body | test("\"continue\"")))] | length')" 3
settled
like "the record of a refusal has the reason" "$(cat "$JOURNAL"/* | tr -d '\0' | grep -a '"type":"decision"' | jq -r 'select(.decision == "deny") | .code // .error // .reason' | sort | uniq -c)" 'thread'
exit $failed
