# Streams: each event is forwarded when it arrives, on both paths. A stream that the provider cuts has no normal end.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"say:one two three four five six seven eight","stream":true,"messages":[{"role":"user","content":"hi"}]}'
messages='{"model":"say:one two three four five six","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}'

# The provider pauses after N events. The events before the pause arrive meanwhile.
events() { grep -c '^data: ' "$D/stream"; }
came() { [ "$(events)" -ge "$1" ]; }
held() { # NAME PATH BODY
	local n
	for n in 1 2 3 4 5 6; do
		control "{\"hold_after_events\":$n}"
		forget
		: >"$D/stream" # remove the previous stream
		curl -sN -m 90 -H "$auth" -H "$json" "$EDGE$2" -d "$3" >"$D/stream" &
		check "$1: $n events arrive before the next one is sent" wait_for came "$n"
		is "$1: no further event arrives" "$(events) $(seen | grep -o '"ended":"[a-z]*"')" "$n \"ended\":\"pending\""
		release
		wait $!
		check "$1: then the other events arrive" came 8
	done
}
held chat /v1/chat/completions "$chat"
held messages /v1/messages "$messages"
control '{}'
like "the stream used the relay" "$(cat "$D/haproxy.log")" 'POST /v1/chat/completions .*tollgate=permit/relay/'
control '{"chunk_bytes":7}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
is "events that are cut at any byte arrive whole" "$(grep -c '^data: ' <<<"$body")" 11
unlike "usage that the caller did not ask for is removed" "$body" '"usage"'
control '{"cut_after_bytes":600}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
unlike "a stream that the provider cuts has no normal end" "$body" '\[DONE\]'
req POST /v1/messages -H "$auth" -H "$json" -d "$messages"
unlike "in the other dialect, a cut stream has no normal end either" "$body" 'message_stop'
control '{"status":500,"times":1}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
is "an error of the provider is forwarded" "$status" 500
control '{}'
