# The reasons why a target fails, and the target that gets the request then: each status, HAProxy's own failures,
# silence, malformed responses. The caller receives the response of the next target, and the record names both.
# Credentials and header fields of one target reach neither another target nor the caller.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

# status or fault of the first target | the cause in the record
first='rate|{"fault":"rate","headers":{"retry-after":"20"}}|throttled 429
rate without a time|{"fault":"rate"}|throttled 429
529|{"status":529}|throttled 529
503|{"status":503}|throttled 503
overload|{"fault":"overloaded"}|throttled 503
500|{"status":500}|perhaps_billed 500
502|{"status":502}|perhaps_billed 502
504|{"status":504}|perhaps_billed 504
408|{"status":408}|perhaps_billed 408
409|{"status":409}|perhaps_billed 409
425|{"status":425}|perhaps_billed 425
our key|{"fault":"key"}|refused_us 401
402|{"status":402}|refused_us 402
forbidden|{"fault":"forbidden"}|refused_us 403
no credit|{"fault":"credit"}|refused_us 429
no such model|{"fault":"model"}|refused_us 404
200 with an error inside|{"body":"{\"error\":{\"type\":\"server_error\",\"message\":\"x\"}}","content_type":"application/json"}|perhaps_billed 200
200 with our key inside|{"body":"{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"x\"}}","content_type":"application/json"}|refused_us 200'
final='the prompt|{"status":400}|400
its size|{"status":413}|413
its sense|{"status":422}|422'
n=0
while IFS='|' read -r _; do route "c$((++n))"; done <<<"$first"
n=0
while IFS='|' read -r _; do route "f$((++n))"; done <<<"$final"
route inside
route gone
route cut
route garbage
route silent ab 'retry: {whole: 300ms}'
route ahead
route only ab 'retry: {on: [never_sent]}'
route once ab 'retry: {attempts: 1}'
route keys abc
route chain abc
route last-key
route last-forbidden
route last-gone
rules='
  - {name: who-pays, when: '"'target.name == \"a-keys\"'"', set_headers: {x-cost-center: r-17}}'
targets_up

n=0
while IFS='|' read -r name control cause; do
	row "c$((++n))"
	fault 1 "$control"
	ask
	is "$name: the next target answers" "$status $from $(said)" "200 b b 2"
	is "$name: each target gets one request" "$(asked)" "1 1 0"
	is "$name: the record has the cause" "$(attempts)" "a $cause, b done 200"
done <<<"$first"

n=0
while IFS='|' read -r name control want; do
	row "f$((++n))"
	fault 1 "$control"
	ask
	is "$name is the caller's error: no other target is used" "$status $(asked)" "$want 1 0 0"
	is "$name: the record has the cause final" "$(attempts)" "a final $want"
done <<<"$final"
row inside
faults '{"body":"{\"error\":{\"type\":\"server_error\",\"message\":\"inside\"}}","content_type":"application/json"}'
ask
is "if all targets return 200 with an error, the last response is forwarded unchanged" "$status $(asked) $(jq -r .error.message <<<"$body")" "200 1 1 0 inside"
is "those responses cost nothing" "$(own_completion | jq -c '[.attempts[] | .cause, .tokens]')" '["perhaps_billed",null,"perhaps_billed",null]'

# ---- targets without a response ----
row gone
provider stop 1
ask
is "a provider that refuses connections: the next target answers" "$status $from $(said)" "200 b b 2"
like "the record has never_sent" "$(attempts)" '^a never_sent [^,]*, b done 200$'
provider start 1
for before in 0 1; do # On a new connection, HAProxy reports that the provider closed. On a reused connection, HAProxy closes too.
	row cut
	[ $before = 0 ] || { curl -s -o /dev/null "$EDGE/v1/models" -H "$auth" -H 'host: cut.test'; }
	fault 1 '{"cut_after_bytes":0}'
	ask
	is "a provider that closes before its head: the next target answers" "$status $from" "200 b"
	like "the first target gets one request, and another one if a reused connection was closed" "$(asked)" '^[12] 1 0$'
	like "the record has perhaps_billed" "$(attempts)" '^(a perhaps_billed [^,]*, ){1,2}b done 200$'
done
row garbage
fault 1 '{"wire":"this is no HTTP\r\n\r\n"}'
ask
is "a response that is no HTTP: the next target answers" "$status $from" "200 b"
like "the malformed response may have been billed" "$(attempts)" '^(a perhaps_billed [^,]*, ){1,2}b done 200$'
row silent
fault 1 '{"delay_ms":3600000}'
ask
is "a provider that never responds: the next target answers" "$status $from $(said)" "200 b b 2"
like "the missing response may have been billed" "$(attempts)" '^a perhaps_billed [^,]*, b done 200$'
release
row ahead
fault 1 '{"at_head":true,"status":429}'
ask ",\"user\":\"$(printf '%300000s' x)\""
is "an early error response to a long request: the next target answers" "$status $from $(said)" "200 b b 2"
is "the next target gets the whole request" "$(sent_to 2 '.body' | jq -r . | jq -r '.user|length')" 300000

# ---- options of the route ----
row only
fault 1 '{"status":429,"headers":{"retry-after":"7"}}'
ask
is "a cause that the route does not retry: the response is forwarded unchanged" "$status $(asked) $(header retry-after) $(said)" "429 1 0 0 7 a 1"
row once
fault 1 '{"status":503}'
ask
is "with attempts: 1 no other target is used" "$status $(asked)" "503 1 0 0"

# ---- header fields, credentials and models of each target ----
row keys
fault 1 '{"status":503,"headers":{"x-whose":"a","set-cookie":["s=a","t=a"],"openai-organization":"org-a","x-request-id":"a"}}'
fault 2 '{"fault":"rate","headers":{"x-whose":"b","set-cookie":"s=b"}}'
fault 3 '{"headers":{"x-whose":"c","set-cookie":"s=c"}}'
ask ''  -H 'x-api-key: sk-callers' -H 'cookie: c=callers'
is "two targets fail, the third answers" "$status $from $(said)" "200 c c 3"
is "the response has the header fields of the third target" "$(header x-whose)" c
unlike "the response has no cookie of any target" "$head" '^set-cookie:|org-a'
for n in 1 2 3; do
	own=sk-provider-local
	[ $n = 1 ] || own=$own-$n
	is "provider $n gets its own key" "$(sent_to $n '.headers.authorization')" "\"Bearer $own\""
	unlike "this provider gets no other credential" "$(sent_to $n | sed "s/Bearer $own\"/\"/g")" 'sk-provider|sk-callers|callers|x-tollgate'
done
is "the first target gets the header field that a rule sets for it" "$(sent_to 1 '.headers["x-cost-center"]')" '"r-17"'
is "the other targets do not get that header field" "$(sent_to 2 '.headers["x-cost-center"]') $(sent_to 3 '.headers["x-cost-center"]')" "null null"
is "each target gets its own model" "$(for n in 1 2 3; do sent_to $n .body | jq -r . | jq -r .model; done | paste -sd ' ')" "say:from-a say:from-b say:from-c"

# ---- the last target fails ----
row chain
faults '{"status":500}'
ask
is "the response of the last target is forwarded unchanged" "$status $(asked) $(said)" "500 1 1 1 c 3"
is "its error message is kept" "$(jq -r .error.message <<<"$body")" "simulated provider: status 500"
is "the record names all targets" "$(attempts)" "a perhaps_billed 500, b perhaps_billed 500, c perhaps_billed 500"
for what in key forbidden; do
	row "last-$what"
	faults "{\"fault\":\"$what\"}"
	ask
	is "our $what is no error of the caller: 503" "$status $(jq -r .error.code <<<"$body") $(asked)" "503 provider_unavailable 1 1 0"
	unlike "the provider's message is not forwarded" "$body" 'Incorrect|region|platform.openai'
done
row last-gone
provider stop 1
provider stop 2
ask
is "no target accepts connections: 503" "$status $(jq -r .error.code <<<"$body")" "503 provider_unavailable"
like "the response has Retry-After" "$(header retry-after)" '^[1-9][0-9]?$'
like "the record has never_sent for each target" "$(attempts)" '^a never_sent [^,]*, b never_sent [^,]*$'
provider start 1
provider start 2
exit $failed
