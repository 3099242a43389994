# Responses of the configuration's own rules on the relay's second pass. They count neither as a success nor as a
# failure of a provider, and cost nothing. HAProxy reports whether a rule answered, or replaced the provider's
# response. In the stanza of version 0.2, the frontend's own rules could answer there; today only those of a
# provider's backend can.
. "$(dirname "$0")/lib.sh"

# Below the stanza: rules that answer a request which asks for it, on the pass that it names.
rules='    http-request set-var(txn.want) req.hdr(x-stainless-want)
    http-request return status 200 content-type text/plain string first if !tollgate-inner { var(txn.want) -m str first }
    http-request redirect location /elsewhere code 301 if tollgate-inner { var(txn.want) -m str 301 }
    http-request auth realm theirs if tollgate-inner { var(txn.want) -m str 401 }
    http-request return status 200 content-type text/plain string theirs if tollgate-inner { var(txn.want) -m str 200 }
    http-request return status 200 content-type application/json string "{\\"theirs\\":1}" if tollgate-inner { var(txn.want) -m str json }
    http-request deny if tollgate-inner { var(txn.want) -m str 403 }
    http-request deny deny_status 429 if tollgate-inner { var(txn.want) -m str 429 }
    http-request return status 503 content-type text/plain string theirs if tollgate-inner { var(txn.want) -m str 503 }
    http-response deny if tollgate-inner { var(txn.want) -m str answer-deny }
    http-response return status 200 content-type application/json string "{\\"theirs\\":1}" if tollgate-inner { var(txn.want) -m str answer-return }'
with_rules() {
	while IFS= read -r line; do
		case $line in
		'    http-request add-header x-after one') printf '%s\n' "$line" "$rules" ;;
		'    http-request set-header authorization "Bearer %[env(OPENAI_API_KEY)]"')
			printf '%s\n' "$line" '    http-request return status 404 content-type text/plain string theirs if { var(txn.want) -m str 404 }' ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}
person_with_older_stanza | with_rules >"$D/person.cfg"
sed -e '/^routes:/,/^rules:/d' -e '/^limits:/,$d' "$root/tests/support/stack-policy.yaml" >"$D/policy.yaml"
routes='routes:
  - {name: metered, match: {path: /v1/chat/completions}, targets: [openai], response: [meter, record]}
  - {name: read, match: {path: /v1/read}, dialect: openai, targets: [openai], response: [meter, inspect]}
  - {name: two, match: {path: /v1/two}, dialect: openai, targets: [openai, local], response: [meter]}
  - {name: named, match: {path: /v1/named}, dialect: openai, backend: openai, response: [meter]}
  - {name: direct, match: {path: /v1/direct}, dialect: openai, targets: [openai], response: ignore}
rules:'
limits='limits:
  - {name: requests, per: [identity.person], requests: 3, window: 1h}
  - {name: tokens, per: [identity.person], tokens: 300, window: 1h}
output_default: 100'
awk -v routes="$routes" -v limits="$limits" '/^  - {name: no-anonymous/ { print routes } { print } END { print limits }' "$D/policy.yaml" >"$D/own.yaml"
stack_up --policy "$D/own.yaml" --edge "$D/person.cfg"
json='content-type: application/json'
# ask PATH STATUS [CALLER]
ask() {
	req POST "$1" -H 'host: ai.example.com' -H "authorization: Bearer $(token --claims "{\"sub\":\"${3:-ann}\"}")" -H "$json" \
		-H "x-stainless-want: $2" -d "{\"model\":\"echo\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"${text:-write to jane.doe@example.com}\"}]}"
	settled
}
# the last completion's outcome, charges and attempts
ended() { completion '[.outcome, .status, (.usage.output_tokens // 0), (.cost_nanousd // 0), (.settled // [] | length), ((.attempts // []) | map(.cause) | join(","))] | map(tostring) | join(" ")' | tr -d '"'; }
left() { header x-ratelimit-remaining-requests; }

forget
for path in /v1/chat/completions /v1/read /v1/two /v1/named; do
	causes=''
	[ $path = /v1/two ] && causes=ruled
	while IFS='|' read -r want answers; do
		ask $path "$want"
		is "$path: the response is $want" "$status" "$answers"
		is "$path: $want is recorded as HAProxy's own response" "$(ended)" "haproxy_answered $answers 0 0 0 $causes"
	done <<'T'
301|301
401|401
200|200
json|200
403|403
429|429
404|404
T
done
final is "no such request reached the provider" "$(seen 9)" '[]'
ask /v1/read 200
is "the rule's body is forwarded" "$body" theirs
ask /v1/read 301
is "the rule's location is forwarded" "$(header location)" /elsewhere
ask /v1/read 401
like "the rule's challenge is forwarded" "$(header www-authenticate)" 'realm="theirs"'

# A rule's 503 looks like a server that is down. In both cases nothing was sent.
ask /v1/chat/completions 503
is "a rule's 503 counts as never sent" "$status $(ended)" "503 never_sent 503 0 0 0 "
ask /v1/two 503
is "no target was used" "$(ended)" "never_sent 503 0 0 0 never_sent,never_sent"

# ---- reservations are released: the limit is three requests ----
for _ in 1 2 3 4 5; do ask /v1/chat/completions 403 kim; done
is "five requests that a rule answered are not counted" "$status" 403
ask /v1/chat/completions '' kim
is "their tokens are not reserved either" "$status $(left)" "200 2"

# ---- a rule replaces the provider's response: it may have been billed ----
for want in 'answer-deny|502' 'answer-return|200'; do
	ask /v1/chat/completions "${want%|*}"
	is "${want%|*}: recorded as HAProxy's own response" "$status $(completion '[.outcome, .status, .usage_unknown] | map(tostring) | join(" ")' | tr -d '"')" "${want#*|} haproxy_answered ${want#*|} true"
done

# ---- metrics, and the providers' health ----
answered=$(cat "$JOURNAL"/* | tr -d '\0' | grep -c '"outcome":"haproxy_answered"')
is "each such response is counted" "$(metric haproxy_answered_total)" "$answered"
for code in 301 401 403 404 429; do
	is "the status $code is not counted as the provider's" "$(metric provider_answers_total "provider=\"openai\",status=\"$code\"")" 0
done
is "audit search finds them by outcome" "$("$B/tollgate" audit search -c "$D/tollgate.yaml" --since 1h --outcome haproxy_answered --count)" "$answered"
unlike "no provider counts as failing" "$("$B/tollgate" status -c "$D/tollgate.yaml")" '40[134]'
is "usage has their number, and no tokens" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person --since 1h --json | jq -r '.rows[] | select(.person == "kim") | [.requests, .haproxy_answered, .output_tokens > 0, .cost_nanousd] | map(tostring) | join(" ")')" "6 5 true 0"

# ---- rules on the first pass, of which the daemon is not informed ----
text=hello ask /v1/direct first
is "a direct request that a rule answers has its decision only" "$status $body" "200 first"
like "its record has the path direct" "$("$B/tollgate" audit search -c "$D/tollgate.yaml" --since 1h --route direct --json | jq -r '[.decision, .via, .state, (.outcome // "-")] | join("|")')" '^permit\|direct\|released to HAProxy\|-$'
ask /v1/chat/completions first lee
is "a relayed request that a rule answers never reaches the relay" "$status $(ended)" "200 abandoned null 0 0 0 "
check "the chain holds" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
