# One caller cannot take a provider from the others: errors of keys that may not use one endpoint, of accounts that cannot
# pay one request, and of prompts that the provider rejects.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

# the provider's error for alice's requests to /v1/embeddings: name | status | body
theirs='a restricted key|401|{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: model.request.","type":"invalid_request_error","param":null,"code":"missing_scope"}}
a 401 without a code|401|{"message":"Unauthorized"}
a 403 without a code|403|{"error":{"message":"Forbidden"}}
a request too expensive for the account|402|{"error":{"code":402,"message":"This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 10."}}
a prompt that was flagged|403|{"error":{"code":403,"message":"m requires moderation on x. Your input was flagged for y."}}
a request too large for the rate limit|429|{"error":{"message":"Request too large for m in organization o on tokens per min (TPM): Limit 1, Requested 2.","type":"tokens","code":"rate_limit_exceeded"}}
a missing path|404|{"error":{"message":"Not found","type":"invalid_request_error","code":"unknown_url"}}'
n=0
while IFS='|' read -r _; do route "c$((++n))"; done <<<"$theirs"
route named
route both
provider_more='breaker: {failures: 5, open: 5s}' route alone a
targets_up
bob="authorization: Bearer $(token --claims '{"sub":"bob"}')"
carol="authorization: Bearer $(token --claims '{"sub":"carol"}')"

embeds() { path=/v1/embeddings ask_body '{"model":"m","input":"hi"}'; }
error() { fault 1 "$(jq -nc --argjson s "$1" --arg b "$2" '{status: $s, body: $b, content_type: "application/json"}')"; }
state() { "$build/tollgate" target list --json -c "$D/tollgate.yaml" | jq -r --arg t "a-$id/say:from-a" '.[] | select(.target == $t) | .state'; }

n=0
while IFS='|' read -r name code text; do
	row "c$((++n))"
	error "$code" "$text"
	for _ in 1 2 3 4 5 6; do embeds; done
	fault 1 '{}'
	as=$bob ask
	is "$name: another caller's requests still go to the target" "$status $from" "200 a"
	as=$bob embeds
	is "$name: at this endpoint, too" "$status $(said)" "200 a 1"
done <<<"$theirs"

row named
error 401 '{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}'
embeds
as=$bob ask
is "an error that names the key puts the target out for all at once" "$status $from $(asked) $(state)" "200 b 1 2 0 out"

row both
error 401 '{"message":"Unauthorized"}'
embeds
is "a 401 without a code takes no target" "$(state)" closed
as=$bob ask
is "a second caller at a second endpoint puts it out for all" "$(state)" out
fault 1 '{}'
as=$carol ask
is "a third caller uses the next target" "$status $from" "200 b"

row alone
error 401 '{"message":"Unauthorized"}'
embeds
embeds
is "without another target, the request is sent all the same" "$status $(asked)" "401 2 0 0"
fault 1 '{}'
as=$bob ask
is "another caller is not affected there either" "$status $(state)" "200 closed"
like "the log names the endpoint" "$(cat "$D/tollgate.log")" 'event=target.no_access target="?a-alone/say:from-a"? endpoint=embeddings status=401'
exit $failed
