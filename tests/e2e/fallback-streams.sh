# Streams that fail, in each dialect: before the first content nothing has gone to the caller and the
# next target answers, after it there is no second text and no end that looks whole.
# Long: what hangs is waited out.
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

# What ends a stream as it should, in each dialect.
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
# What begins one: once in each.
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
# An overload, where the dialect has a word for it.
cause_of() { if [ "$1" = cohere ]; then echo perhaps_billed; else echo throttled; fi; }
begins() { local b; b=$(begin_of "$1"); [ -z "$b" ] && echo 1 || grep -ao -- "$b" <<<"$body" | sort | uniq -c | awk '{ print $1 }' | head -1; }
answered() { # NAME DIALECT: by b, once, whole, with nothing of a
	is "$2: $1: the next one answers, once" "$status $from $times $(begins "$2")" "200 b 1 1"
	like "$2: $1: to its end" "$body" "$(end_of "$2")"
	unlike "$2: $1: with no error" "$body" 'overloaded|Overloaded|simulated provider'
	is "$2: $1: the head says who" "$(said)" "b 2"
}

for d in $dialects; do
	row "$d-early"
	fault 1 '{"error_after_events":0,"fault":"overloaded"}'
	ask_stream
	answered "an error is its first event" "$d"
	is "$d: recorded as what it says" "$(attempts)" "a $(cause_of "$d") 200, b done 200"

	row "$d-preamble"
	fault 1 '{"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	answered "an error before its first content" "$d"
	is "$d: asked once each" "$(asked)" "1 1 0"

	row "$d-whole"
	fault 1 '{"fault":"overloaded","status":200}'
	ask
	case $d in
	bedrock | cohere) is "$d: an error that is called a success, and is none by its own words, goes to the caller" "$status $(asked)" "200 1 0 0" ;;
	*)
		is "$d: an error that is called a success, of an answer that is whole: the next one answers" "$status $from $(asked)" "200 b 1 1 0"
		is "$d: as it says" "$(attempts)" "a $(cause_of "$d") 200, b done 200"
		;;
	esac

	row "$d-cut"
	fault 1 '{"cut_after_content":0,"cut_into_bytes":9}'
	ask_stream
	answered "a cut before its first content, in an event" "$d"
	like "$d: it may have billed" "$(attempts)" '^a perhaps_billed [^,]*, b done 200$'

	row "$d-slow"
	fault 1 '{"hold_after_content":0}'
	ask_stream
	answered "its first content does not come" "$d"
	release

	row "$d-late"
	fault 1 '{"error_after_content":1,"fault":"overloaded"}'
	ask_stream
	is "$d: an error after its content: no other is asked" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: and no end" "$body" "$(end_of "$d")"
	is "$d: recorded" "$(attempts)" "a $(cause_of "$d") 200"

	row "$d-broken"
	fault 1 '{"cut_after_content":1,"cut_into_bytes":9}'
	ask_stream
	is "$d: a cut after its content: no other is asked" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: and no end that looks whole" "$body" "$(end_of "$d")"
	like "$d: but the dialect's error" "$body" 'provider_|error|xception|ERROR'
	is "$d: recorded as cut" "$(completion .outcome)" '"provider_abort"'

	row "$d-stall"
	fault 1 '{"hold_after_content":1}'
	ask_stream
	is "$d: it stalls after its content: no other is asked" "$from $times $(asked)" "a 1 1 0 0"
	unlike "$d: nor does it end well" "$body" "$(end_of "$d")"
	release

	row "$d-byte"
	fault 1 '{"delay_ms":700}'
	ask
	is "$d: first_byte is of streams: a whole answer takes its time" "$status $from $(asked)" "200 a 1 0 0"
	ask_stream
	answered "its head does not come" "$d"

	row "$d-made"
	fault 1 '{"delay_ms":700}'
	ask_stream
	is "$d: whole is of whole answers: a stream takes its time" "$status $from $times $(asked)" "200 a 1 1 0 0"
	ask
	is "$d: a whole answer does not come: the next one answers" "$status $from $(asked)" "200 b 2 1 0"

	row "$d-both"
	faults '{"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	is "$d: all fail before their content: each was asked" "$(asked)" "1 1 1"
	like "$d: the caller has one beginning at most" "$(begins "$d")" '^1?$'
	unlike "$d: and no end" "$body" "$(end_of "$d")"
	like "$d: but the error" "$body" 'rror|xception'
	is "$d: the record names all" "$(attempts)" "$(for p in a b c; do echo "$p $(cause_of "$d") 200"; done | paste -sd , | sed 's/,/, /g')"
done

for d in openai anthropic mistral; do # lines that keep a connection alive are no content
	row "$d-pings"
	fault 1 '{"pings":3,"error_after_content":0,"fault":"overloaded"}'
	ask_stream
	answered "an error after pings" "$d"
done
row anthropic-idle
fault 1 '{"pings":2}'
ask_stream
is "anthropic: pings of the answer itself arrive" "$from $(grep -c '^event: ping' <<<"$body")" "a 3"

# ---- responses ----
path=/v1/responses
responses='{"model":"m","stream":true,"input":"hi"}'
row responses-early
fault 1 '{"error_after_content":0,"fault":"rate"}'
ask_body "$responses"
is "responses: the next one answers" "$status $from $(begins responses) $(said)" "200 b 1 b 2"
like "responses: to its end" "$body" "$(end_of responses)"
row responses-late
fault 1 '{"error_after_content":1,"fault":"rate"}'
ask_body "$responses"
is "responses: after its content no other is asked" "$from $(asked)" "a 1 0 0"
unlike "responses: and no end" "$body" "$(end_of responses)"
row responses-cut
fault 1 '{"cut_after_content":2,"cut_into_bytes":4}'
ask_body "$responses"
is "responses: a cut after its content" "$from $(asked)" "a 1 0 0"
like "responses: ends with an event that says so" "$body" 'event: (error|response.failed)'
path=

# ---- content is text, reasoning or a call ----
row think
fault 1 '{"error_after_content":1,"fault":"overloaded"}'
ask_body '{"model":"think","stream":true,"messages":[{"role":"user","content":"from-a"}]}' 1
is "reasoning is content: no other is asked after it" "$(asked)" "1 0 0"

# ---- silence after the head ----
row head
fault 1 '{"hold_after_events":0}'
ask_stream
answered "a head and then nothing" openai
release

# ---- Bedrock's exceptions are what they say ----
row bedrock-throttled
fault 1 '{"error_after_content":0,"fault":"rate"}'
ask_stream
is "a throttling exception in a stream: the next one" "$status $from $(attempts)" "200 b a throttled 200, b done 200"
row bedrock-invalid
fault 1 '{"status":400}'
ask_stream
is "a validation exception is the caller's" "$status $(header x-amzn-errortype) $(asked)" "400 ValidationException 1 0 0"
row bedrock-away
fault 1 '{"status":503}'
ask_stream
is "a service that is away: the next one" "$status $from $(attempts)" "200 b a throttled 503, b done 200"
exit $failed
