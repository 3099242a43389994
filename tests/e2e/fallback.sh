# A route with two targets. If the first one fails before anything was sent to the caller, the second one answers.
# Checks what each target receives, what the caller receives, and the record.
. "$(dirname "$0")/lib.sh"

cp "$here/fallback.yaml" "$D/mine.yaml"
stack_up --policy "$D/mine.yaml" --providers 2
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST "${path:-/v1/chat/completions}" -H "$auth" -H "$json" ${host:+-H "host: $host"} -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"${text:-hello}\"}]${1:-}}"; }
one() { fetch POST "$PROVIDER/_control" "$1" >/dev/null; }
two() { fetch POST "$PROVIDER_2/_control" "$1" >/dev/null; }
asked_one() { fetch GET "$PROVIDER/_seen?last=200" | grep -o '"ended"' | wc -l; }
asked_two() { fetch GET "$PROVIDER_2/_seen?last=200" | grep -o '"ended"' | wc -l; }
# Resets the providers, and refills the budget for retries. More than half of the requests to the first target
# succeed, so that its circuit breaker stays closed on any machine.
fresh() {
	one '{}'
	two '{}'
	for _ in {1..3}; do host="" path="" text="" ask; done
	for _ in {1..12}; do path=/fund/v1/chat/completions ask; done
	fetch DELETE "$PROVIDER/_seen" >/dev/null
	fetch DELETE "$PROVIDER_2/_seen" >/dev/null
}
# The last record of this type, after all completions are written.
last() { cat "$D"/journal/*.jsonl 2>/dev/null | tr -d '\0' | grep "\"type\":\"$1\"" | tail -1; }
completion() {
	settled
	last completion | grep -o '"attempts":\[[^]]*\]' | grep -oE '"(target|cause)":"[^"]*"|"status":[0-9]+|"maybe_billed":true' | sed 's/"//g; s/^[a-z]*://' | tr '\n' ' '
}

fresh
ask
is "the first target answers" "$status $(asked_one) $(asked_two)" "200 1 0"
is "the caller gets the target's name" "$(header x-tollgate-target) $(header x-tollgate-attempts)" "one/m1 1"
is "the record has the target" "$(completion)" "one/m1 done 200 "

while IFS='|' read -r name what stream says; do
	fresh
	one "$what"
	ask "$stream"
	is "$name: the second target answers" "$status $(asked_one) $(asked_two)" "200 1 1"
	is "$name: the caller gets the name of the second target" "$(header x-tollgate-target) $(header x-tollgate-attempts)" "two/m2 2"
	is "$name: the record has both targets" "$(completion)" "one/m1 $says two/m2 done 200 "
done <<'T'
503|{"status":503}||throttled 503
503, streamed|{"status":503}|,"stream":true|throttled 503
429|{"status":429}||throttled 429
529|{"status":529}||throttled 529
500|{"status":500}||perhaps_billed 500
an error in a stream before its content|{"error_after_content":0}|,"stream":true|perhaps_billed 200
an overload in a stream before its content|{"error_after_content":0,"fault":"overloaded"}|,"stream":true|throttled 200
T

fresh
one '{"status":400}'
ask
is "an error of the caller is forwarded" "$status $(asked_one) $(asked_two)" "400 1 0"
fresh
one '{"status":503}'
two '{"status":429}'
ask
is "the response of the last target is forwarded unchanged" "$status $(asked_one) $(asked_two)" "429 1 1"
# ---- bodies ----
big=$D/big.json
{ printf '{"model":"m","messages":[{"role":"user","content":"'; head -c 2000000 /dev/zero | tr '\0' 'x'; printf ' bye"}]}'; } >"$big"
gzip -kf "$big"
while IFS='|' read -r name how; do
	fresh
	one '{"status":503}'
	# shellcheck disable=SC2086
	req POST /v1/chat/completions -H "$auth" -H "$json" $how
	is "$name: the second target answers" "$status $(asked_one) $(asked_two)" "200 1 1"
	is "$name: the second target gets the whole body" "$(fetch GET "$PROVIDER_2/_seen?last=1" | grep -o ' bye\\*"' | wc -l)" 1
done <<T
2 MB|--data-binary @$big
2 MB in chunks|-H transfer-encoding:chunked --data-binary @$big
2 MB, compressed|-H content-encoding:gzip --data-binary @$big.gz
2 MB, with Expect: 100-continue|-H expect:100-continue --data-binary @$big
T
fresh
one '{"status":429,"at_head":true}'
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$big"
is "an early error response to a long request: the second target answers" "$status $(asked_two)" "200 1"

# A helper thread inspects a long response. The connection is kept for other requests.
head -c 400000 /dev/zero | tr '\0' 'y' >"$D/filler"
jq -n --rawfile t "$D/filler" '{body: ({id: "c", object: "chat.completion", created: 1, model: "m2", choices: [{index: 0, finish_reason: "stop", message: {role: "assistant", content: $t}}]} | tojson)}' >"$D/long.json"
for _ in 1 2 3; do
	fresh
	one "@$D/long.json"
	text='write to alice@example.com' ask
	is "a long response arrives" "$status $(asked_one) $(($(wc -c <<<"$body") > 400000))" "200 1 1"
	one '{}'
	for _ in 1 2 3 4; do path=/alone/v1/chat/completions TIMEOUT=10 ask; echo "$status"; done >"$D/others"
	is "it does not affect the following requests" "$(sort -u "$D/others") $(asked_one) $(asked_two)" "200 1 4"
done

# ---- silent and cut responses ----
while IFS='|' read -r name what stream; do
	fresh
	one "$what"
	host=hasty.example ask "$stream"
	is "$name: the second target answers" "$status $(asked_one) $(asked_two)" "200 1 1"
	like "$name: the first attempt may have been billed" "$(completion)" '^one/m1 perhaps_billed .*maybe_billed:true two/m2 done 200 $'
done <<'T'
no response in time|{"delay_ms":5000}|
no content in time|{"hold_after_content":0,"hold_ms":5000}|,"stream":true
a cut before the head|{"cut_after_bytes":0}|
a cut before the content|{"cut_after_content":0}|,"stream":true
T

fresh
text='write to alice@example.com'
one '{"status":503}'
ask
is "each target gets the body that was decided for it" "$status" 200
like "the external target gets a redacted body" "$(fetch GET "$PROVIDER/_seen?last=1")" '<EMAIL_ADDRESS_1>'
like "the internal target gets the original body" "$(fetch GET "$PROVIDER_2/_seen?last=1")" 'alice@example.com'
unlike "one target's key is not sent to the other" "$(fetch GET "$PROVIDER_2/_seen?last=1")" 'sk-provider-local"'
text=

fresh
"$root/tests/support/stack" provider stop 1 --dir "$D"
ask
is "a refused connection: the second target answers" "$status $(asked_two)" "200 1"
like "the record has the cause" "$(completion)" '^one/m1 (never_sent|perhaps_billed 503 maybe_billed|perhaps_billed 503) .*two/m2 done 200 $'
ask ',"stream":true'
is "for a stream, the second target answers too" "$status" 200
path=/plain/v1/chat/completions ask ',"stream":true'
is "on a route that does not inspect responses, the second target answers too" "$status" 200
"$root/tests/support/stack" provider start 1 --dir "$D"

# A target that refuses our key gets no requests until an operator corrects it.
fresh
one '{"status":401}'
two '{"status":401}'
ask
is "if a target refuses our key, the next one gets the request" "$(asked_one) $(asked_two)" "1 1"
is "the caller gets a 503, not the 401" "$status $(grep -o provider_unavailable <<<"$body")" "503 provider_unavailable"
is "the record has refused_us" "$(completion)" "one/m1 refused_us 401 two/m2 refused_us 401 "

# ---- the decisions of attempts, evaluated again ----
id=$(header x-tollgate-id)
told=$("$build/tollgate" audit explain "$id" -c "$D/tollgate.yaml")
is "explain makes the same decision for each attempt" "$? $(grep -c 'the results are the same' <<<"$told")" "0 2"
like "explain states why there was no further attempt" "$told" '^no further attempt: attempts: '
like "audit list has the attempts" "$("$build/tollgate" audit list --outcome complete -c "$D/tollgate.yaml" | grep "$id")" ' one/m1:refused_us,two/m2:refused_us,no_further:attempts '
like "explain lists the attempts in order, and their results" "$(tr '\n' ' ' <<<"$told")" "^$id: .* attempt 2 at two: permit .* attempt 1: one/m1: refused_us, status 401, .* attempt 2: two/m2: refused_us"
told=$("$build/tollgate" policy replay -c "$D/tollgate.yaml")
is "replay makes the same decisions for all requests" "$? $(grep -oE '^[0-9]+ later attempts|[0-9]+ different|not compared' <<<"$told" | sed 's/^[1-9][0-9]* later/some later/' | tr '\n' ' ')" "0 0 different some later attempts 0 different "
exit $failed
