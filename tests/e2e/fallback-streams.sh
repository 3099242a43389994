# Streams that fail, in each dialect. Before the first content, nothing was sent to the caller, and the next target
# answers. After it, there is no second text and no normal end.
# Long: it waits for deadlines.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

dialects='openai anthropic gemini bedrock cohere mistral ollama'
for dialect in $dialects; do
	for what in early preamble pings cut late broken idle; do route "$dialect-$what"; done
	route "$dialect-both" abc
	route "$dialect-whole"
	route "$dialect-slow" ab 'retry: {first_content: 300ms}'
	route "$dialect-stall" ab 'retry: {idle: 300ms}'
	route "$dialect-byte" ab 'retry: {first_byte: 300ms}'
	route "$dialect-made" ab 'retry: {whole: 300ms}'
done
dialect=openai
for what in early late both cut; do route "responses-$what"; done
route think
route call
route head ab 'retry: {first_content: 300ms}'
dialect=bedrock
for what in throttled invalid away; do route "bedrock-$what"; done
targets_up

# The normal end of a stream, by dialect.
end_of() {
	case $1 in
	openai | mistral) echo '\[DONE\]' ;;
	anthropic) echo 'message_stop' ;;
	gemini) echo '"finishReason":"STOP"' ;;
	bedrock) echo 'messageStop' ;;
	cohere) echo 'COMPLETE' ;;
	ollama) echo '"done":true' ;;
	responses) echo 'response.completed' ;;
	esac
}
# The first event of a stream, by dialect. It must occur once.
begin_of() {
	case $1 in
	openai | mistral) echo '"role":"assistant"' ;;
	anthropic) echo 'event: message_start' ;;
	bedrock) echo 'messageStart' ;;
	cohere) echo 'message-start"' ;;
	responses) echo '"type":"response.created"' ;;
	*) echo '' ;;
	esac
}
# An overload error, if the dialect has one.
cause_of() { if [ "$1" = cohere ]; then echo perhaps_billed; else echo throttled; fi; }
begins() { local b; b=$(begin_of "$1"); [ -z "$b" ] && echo 1 || grep -ao -- "$b" <<<"$body" | sort | uniq -c | awk '{ print $1 }' | head -1; }
answered() { # NAME DIALECT: checks that b's stream arrived once, whole, and without anything of a
	is "$2: $1: the next target answers, once" "$status $from $times $(begins "$2")" "200 b 1 1"
	like "$2: $1: the stream has its normal end" "$body" "$(end_of "$2")"
	unlike "$2: $1: the stream has no error" "$body" 'overloaded|Overloaded|simulated provider'
	is "$2: $1: the head names the target" "$(said)" "b 2"
}

for d in $dialects; do
	row "$d-early"
	fault 1 '{"error_after_events":0,"fault":"overloaded"}'
	ask_stream
	answered "an error is its first event" "$d"
	is "$d: the record has the cause" "$(attempts)" "a $(cause_of "$d") 200, b done 200"

	row "$d-preamble"
	fault 1 '{"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	answered "an error before its first content" "$d"
	is "$d: each target gets one request" "$(asked)" "1 1 0"

	row "$d-whole"
	fault 1 '{"fault":"overloaded","status":200}'
	ask
	case $d in
	bedrock | cohere) is "$d: an error with status 200 that the dialect does not define is forwarded" "$status $(asked)" "200 1 0 0" ;;
	*)
		is "$d: a whole response that is an error with status 200: the next target answers" "$status $from $(asked)" "200 b 1 1 0"
		is "$d: the record has the cause of the error" "$(attempts)" "a $(cause_of "$d") 200, b done 200"
		;;
	esac

	row "$d-cut"
	fault 1 '{"cut_after_content":0,"cut_into_bytes":9}'
	ask_stream
	answered "a cut before its first content, in an event" "$d"
	like "$d: the attempt may have been billed" "$(attempts)" '^a perhaps_billed [^,]*, b done 200$'

	row "$d-slow"
	fault 1 '{"hold_after_content":0}'
	ask_stream
	answered "its first content does not come" "$d"
	release

	row "$d-late"
	fault 1 '{"error_after_content":1,"fault":"overloaded"}'
	ask_stream
	is "$d: an error after the content: no other target is used" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: the stream has no normal end" "$body" "$(end_of "$d")"
	is "$d: the record has the cause of that error" "$(attempts)" "a $(cause_of "$d") 200"

	row "$d-broken"
	fault 1 '{"cut_after_content":1,"cut_into_bytes":9}'
	ask_stream
	is "$d: a cut after the content: no other target is used" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: the cut stream has no normal end" "$body" "$(end_of "$d")"
	like "$d: the cut stream ends with the dialect's error" "$body" 'provider_|error|xception|ERROR'
	is "$d: the record has provider_abort" "$(completion .outcome)" '"provider_abort"'

	row "$d-stall"
	fault 1 '{"hold_after_content":1}'
	ask_stream
	is "$d: a stall after the content: no other target is used" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: the stalled stream has no normal end" "$body" "$(end_of "$d")"
	release

	row "$d-byte"
	fault 1 '{"delay_ms":700}'
	ask
	is "$d: the option first_byte applies to streams only: a whole response may take longer" "$status $from $(asked)" "200 a 1 0 0"
	ask_stream
	answered "its head does not come" "$d"

	row "$d-made"
	fault 1 '{"delay_ms":700}'
	ask_stream
	is "$d: the option whole applies to whole responses only: a stream may take longer" "$status $from $times $(asked)" "200 a 1 1 0 0"
	ask
	is "$d: a whole response that is too late: the next target answers" "$status $from $(asked)" "200 b 2 1 0"

	row "$d-both"
	faults '{"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	is "$d: all targets fail before the content: each gets one request" "$(asked)" "1 1 1"
	like "$d: the caller gets at most one beginning" "$(begins "$d")" '^1?$'
	unlike "$d: the caller gets no normal end" "$body" "$(end_of "$d")"
	like "$d: the caller gets an error" "$body" 'rror|xception'
	is "$d: the record names all targets" "$(attempts)" "$(for p in a b c; do echo "$p $(cause_of "$d") 200"; done | paste -sd , | sed 's/,/, /g')"
done

for d in openai anthropic mistral; do # lines that keep a connection open are no content
	row "$d-pings"
	fault 1 '{"pings":3,"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	answered "an error after pings" "$d"
done
row anthropic-idle
fault 1 '{"pings":2}'
ask_stream
is "anthropic: pings of the response are forwarded" "$from $(grep -c '^event: ping' <<<"$body")" "a 3"

# ---- the responses API ----
path=/v1/responses
responses='{"model":"m","stream":true,"input":"hi"}'
row responses-early
fault 1 '{"error_after_content":0,"fault":"rate"}'
ask_body "$responses"
is "responses: the next target answers" "$status $from $(begins responses) $(said)" "200 b 1 b 2"
like "responses: the stream has its normal end" "$body" "$(end_of responses)"
row responses-late
fault 1 '{"error_after_content":1,"fault":"rate"}'
ask_body "$responses"
is "responses: after the content no other target is used" "$from $(asked)" "a 1 0 0"
unlike "responses: the stream has no normal end" "$body" "$(end_of responses)"
row responses-cut
fault 1 '{"cut_after_content":2,"cut_into_bytes":4}'
ask_body "$responses"
is "responses: after a cut no other target is used" "$from $(asked)" "a 1 0 0"
like "responses: the stream ends with an error event" "$body" 'event: (error|response.failed)'
path=

# ---- reasoning and tool calls are content too ----
row think
fault 1 '{"error_after_content":1,"fault":"overloaded"}'
ask_body '{"model":"think","stream":true,"messages":[{"role":"user","content":"from-a"}]}' 1
is "after reasoning no other target is used" "$(asked)" "1 0 0"

# ---- no event after the head ----
row head
fault 1 '{"hold_after_events":0}'
ask_stream
answered "a head and then nothing" openai
release

# ---- Bedrock's exceptions have their causes ----
row bedrock-throttled
fault 1 '{"error_after_content":0,"fault":"rate"}'
ask_stream
is "a throttling exception in a stream: the next target answers" "$status $from $(attempts)" "200 b a throttled 200, b done 200"
row bedrock-invalid
fault 1 '{"status":400}'
ask_stream
is "a validation exception is the caller's error" "$status $(header x-amzn-errortype) $(asked)" "400 ValidationException 1 0 0"
row bedrock-away
fault 1 '{"status":503}'
ask_stream
is "an unavailable service: the next target answers" "$status $from $(attempts)" "200 b a throttled 503, b done 200"
exit $failed
