# A cutover: clients without a gateway key pass as before, with their credential and unchanged bytes, to one backend.
# Clients with a gateway key are decided. On the complete configuration, and on an existing one with the stanza.
. "$(dirname "$0")/lib.sh"

in_future() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
policy() { # UNTIL BACKEND
	sed -e "/^mode:/a observe: {hosts: [old.example.com], backend: ${2:-old}, until: $1}" \
		-e 's/^limits:$/limits:\n  - {name: one, when: '"'identity.method == \"none\"'"', requests: 1, window: 1h}/' \
		-e '/no-anonymous/d' "$here/policy.yaml" >"$D/policy.yaml.new"
	mv "$D/policy.yaml.new" "$D/policy.yaml"
}
reload() { curl -s -X POST -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/reload" >"$D/reloaded"; }
echo 'backends: [openai, anthropic, local, ghost, old]' >"$D/config.yaml"
policy "$(in_future '+30 days')"

# NAME is a backend of the company, without key and guard
{ cat "$root/haproxy/haproxy.cfg"; printf '\nbackend old from http\n    server local 127.0.0.1:1\n'; } >"$D/edge.cfg"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --edge "$D/edge.cfg"
is "HAProxy loads the configuration without a warning" "$(cat "$D/haproxy-check.log")" ""
old='host: old.example.com'
theirs='authorization: Bearer sk-proj-of-an-old-client'
json='content-type: application/json'
auth="authorization: Bearer $(token)"
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
record() { tail -n 200 "$JOURNAL"/*.jsonl | tr -d '\0' | grep "\"id\":\"$(header x-tollgate-id)\"" | head -1; }
came() { seen 1 | node -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>{const r=JSON.parse(s)[0]||{};process.stdout.write(process.argv[1]==="body"?r.body:process.argv[1]==="path"?r.path:String(r.headers[process.argv[1]]))})' "$1"; }

like "the start logs it" "$(cat "$D/tollgate.log")" 'observe.*old.example.com: callers without a key of this gateway are sent to old, and nothing is refused, until'
like "readyz reports it" "$(fetch GET "$ADMIN/readyz")" '^observe: old.example.com: callers without a key of this gateway are sent to old.*29 days left'
is "a metric reports it" "$(metric observing)" 1

# ---- a client without a gateway key ----
control '{"headers":{"set-cookie":"a=provider","x-ratelimit-limit-requests":"77","x-request-id":"provider","x-tollgate-decision":"forged","access-control-allow-origin":"*"}}'
req POST '/v1/chat/completions?key=caller-9' -H "$old" -H "$theirs" -H "$json" -H 'x-api-key: caller-1' -H 'cookie: a=caller-2' \
	-H 'openai-organization: caller-3' -H 'x-tollgate-id: forged' -H 'accept-encoding: gzip' -d "$chat"
control '{}'
is "its request passes" "$status $(header x-tollgate-decision)" "200 observed"
is "its body is unchanged" "$(came body)" "$chat"
is "its credential is unchanged" "$(came authorization)" "Bearer sk-proj-of-an-old-client"
is "its other credentials are unchanged" "$(came x-api-key) $(came cookie) $(came openai-organization)" "caller-1 a=caller-2 caller-3"
is "its query is unchanged" "$(came path)" '/v1/chat/completions?key=caller-9'
is "its accept-encoding is unchanged" "$(came accept-encoding)" gzip
is "a field that only the gateway may set is removed" "$(came x-tollgate-id)" undefined
is "the response has the fields of the client's account" "$(header set-cookie) $(header x-ratelimit-limit-requests) $(header x-request-id) $(header access-control-allow-origin)" "a=provider 77 provider *"
like "the record has the decision that was not enforced" "$(record)" '"decision":"observed".*"would":\{"decision":"redact","rule":"pii"\},"via":"observe".*"observing":true,"route":"chat","backend":"old"'
like "the policy's record names the observed hosts" "$(grep -ah '"type":"policy"' "$JOURNAL"/*.jsonl | tail -1)" '"observe":\{"until":"[^"]*","backend":"old","hosts":\["old.example.com"\]\}'
like "the record has the findings" "$(record)" '"EMAIL_ADDRESS"'
unlike "the record contains no text" "$(record)" 'jane.doe'

secret='{"model":"echo","messages":[{"role":"user","content":"my key is AKIAQ3EGRTZK7VXW2YUB"}]}'
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$secret"
is "a request that a rule denies passes" "$status $(came body)" "200 $secret"
like "the record has the denial" "$(record)" '"would":\{"decision":"deny","status":403,"code":"content_policy_violation",.*"rule":"no-secrets"\}'
twice='{"model":"echo","model":"other","messages":[]}'
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$twice"
is "an ambiguous body passes" "$(header x-tollgate-decision) $(came body)" "observed $twice"
like "the record has duplicate_key" "$(record)" '"would":\{"decision":"deny","status":400,"code":"duplicate_key"'
req POST /v1/nobody/serves -H "$old" -H "$theirs" -H "$json" -d '{}'
is "a path without a route passes" "$(header x-tollgate-decision) $(came path)" "observed /v1/nobody/serves"
like "the record has no_route" "$(record)" '"would":\{"decision":"deny","status":404,"code":"no_route".*"backend":"old"'
req POST //v1/./chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "a path that is not normalized passes unchanged" "$(header x-tollgate-decision) $(came path)" "observed //v1/./chat/completions"
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -H 'content-encoding: snappy' -d 'xyz'
is "an unknown encoding passes" "$(header x-tollgate-decision) $(came body)" "observed xyz"
like "the record has the status 415" "$(record)" '"would":\{"decision":"deny","status":415'
req POST /v1/chat/completions -H 'host: OLD.example.com:8080' -H "$json" -d "$chat"
is "a request without a credential passes" "$status $(header x-tollgate-decision)" "200 observed"
for i in 1 2 3; do req POST /api/direct/x -H "$old" -H "$theirs" -H "$json" -d '{}'; done
is "limits do not count it" "$status $(header x-tollgate-decision)" "200 observed"
is "no record has a limit" "$(tail -n 20 "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"observed"' | grep -c '"limits"')" 0
# A token of another issuer is for the provider: {"alg":"RS256"}.{"iss":"https://login.example/"}
foreign=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvIn0.AAAA
req POST /v1/chat/completions -H "$old" -H "authorization: Bearer $foreign" -H "$json" -d "$chat"
is "a token of another issuer is forwarded" "$status $(came authorization)" "200 Bearer $foreign"

# ---- bodies with any framing ----
for size in 10000 300000 1500000; do
	{ printf '{"model":"echo","messages":[{"role":"user","content":"jane.doe@example.com '; yes 'some words ' | tr -d '\n' | head -c $size; printf '"}]}'; } >"$D/body"
	for how in length chunked h2 h2-nolength; do
		case $how in
		length) set -- --data-binary "@$D/body" ;;
		chunked) set -- -H 'transfer-encoding: chunked' --data-binary "@$D/body" -H 'expect:' ;;
		h2) set -- --http2-prior-knowledge --data-binary "@$D/body" ;;
		h2-nolength) set -- --http2-prior-knowledge -H 'content-length:' -T "$D/body" ;;
		esac
		req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" "$@"
		is "$size bytes, $how: the request passes" "$status $(header x-tollgate-decision)" "200 observed"
		is "$size bytes, $how: the body is unchanged" "$(came body | cksum)" "$(cksum <"$D/body")"
		if [ $size = 10000 ]; then
			like "$size bytes, $how: the body was inspected" "$(record)" '"would":\{"decision":"redact".*"EMAIL_ADDRESS".*"inspected_bytes":1[0-9]{4},'
		else
			rest='' # without a content-length, the length is unknown
			case $how in length | h2) rest='"not_inspected_bytes":[1-9][0-9]{4,6}' ;; esac
			like "$size bytes, $how: the record has the number of inspected bytes" "$(record)" '"would":\{"decision":"unknown"\}.*"EMAIL_ADDRESS".*"head_only":true,"inspected_bytes":2[0-9]{5}[,}]'$rest
		fi
	done
done
is "no request used the relay" "$(metric deferred_total)" 0

# ---- requests with a gateway key, and requests that are never observed ----
req POST /v1/chat/completions -H "$old" -H "$auth" -H "$json" -d "$chat"
is "a gateway key at the same host is decided" "$status $(header x-tollgate-decision)" "200 redact"
unlike "the decision is enforced" "$(came body)" 'jane.doe'
is "the company's key is set" "$(came authorization)" "Bearer sk-provider-openai"
like "its record states that hosts are observed" "$(record)" '"decision":"redact".*"observing":true'
req POST /v1/chat/completions -H "$old" -H "$auth" -H "$json" -d "$secret"
is "such a request can be denied" "$status" 403
req POST /v1/chat/completions -H "$old" -H "authorization: Bearer $(token --bad expired)" -H "$json" -d "$chat"
is "an expired gateway token is a 401" "$status" 401
for h in 'authorization: Bearer tg_aaaaaaaa_bbbb' 'authorization: tg_'; do
	req POST /v1/chat/completions -H "$old" -H "$h" -H "$json" -d "$chat"
	is "an unknown gateway key is a 401: $h" "$status" 401
done
req POST /v1/chat/completions -H "$old" -H "cookie: a=b; session=$(token)" -H "$json" -d "$secret"
is "a gateway token in a cookie is decided" "$status" 403
forget
curl -s -o "$D/out" --request-target "http://u:tg_of-ours@old.example.com/v1/chat/completions" -H "$old" -H "$theirs" -H "$json" -d "$chat" "$EDGE"
is "an absolute request target is forwarded as a path" "$(came path)" /v1/chat/completions
req TRACE /v1/models -H "$old" -H "$theirs"
is "TRACE is a 501" "$status" 501
req GET /v1/models -H "$old" -H "$theirs" -H 'upgrade: foo' -H 'connection: upgrade'
is "Upgrade is a 501" "$status" 501
req POST /v1/chat/completions -H 'host: new.example.com' -H "$theirs" -H "$json" -d "$secret"
is "another host is decided as usual" "$status" 403
req POST /v1/nobody/serves -H 'host: new.example.com' -H "$theirs" -H "$json" -d '{}'
is "another host without a route is refused" "$status" 404

# ---- reports ----
observed=$(metric decisions_total 'decision="observed"')
is "each observed request is counted" "$(($(metric observed_total 'would="permit"') + $(metric observed_total 'would="redact"') + $(metric observed_total 'would="deny"') + $(metric observed_total 'would="unknown"')))" "$observed"
is "the requests are counted by path" "$(metric requests_total 'via="observe"')" "$observed"
is "HAProxy's log has each" "$(grep -c 'tollgate=observed/observe/' "$D/haproxy.log")" "$observed"
"$build/tollgate" audit list -c "$D/tollgate.yaml" --decision observed >"$D/out"
is "audit list has each" "$(wc -l <"$D/out")" "$observed"
like "audit list has the decision that was not enforced" "$(cat "$D/out")" ' observed \(deny 403\) service-account chat '
id=$(sed -n 's/.* observed (deny 403) .* //p' "$D/out" | head -1)
"$build/tollgate" audit explain "$id" -c "$D/tollgate.yaml" >"$D/out"
like "audit explain shows the decision that was not enforced" "$(cat "$D/out")" 'not enforced \(observe\): deny, status 403, code content_policy_violation, rule no-secrets'
like "audit explain makes the same decision" "$(cat "$D/out")" 'evaluated again on the recorded values: the results are the same'
"$build/tollgate" policy replay -c "$D/tollgate.yaml" >"$D/out"
like "replay counts observed requests" "$(cat "$D/out")" "observed     $observed: the rules' decision was not enforced"
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
unlike "no log contains a text or a key" "$(cat "$D/tollgate.log" "$D/haproxy.log" "$JOURNAL"/*.jsonl | tr -d '\0')" 'jane.doe|AKIAQ3|sk-proj-of|caller-'

# ---- a backend with the guard ----
policy "$(in_future '+30 days')" openai
reload
forget
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "a backend with the guard refuses observed requests" "$status $(seen 1)" "503 []"

# ---- the end of the observation ----
old_asks() { req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$secret"; }
for seconds in 4 8 16 32; do # repeats until the machine sends the request before the end
	policy "$(in_future "+$seconds seconds")"
	reload
	began=$EPOCHSECONDS
	old_asks
	[ $((EPOCHSECONDS - began)) -gt $((seconds - 2)) ] || break
done
is "before the end, a request passes" "$status" 200
decided() { old_asks; [ "$status" = 403 ]; }
wait_for decided
is "after the end, without a reload, a request is decided" "$status $(header x-tollgate-decision)" "403 deny"
unlike "its record does not mention an observation" "$(record)" '"observing"'
check "the log reports the end" wait_for grep -q 'observe\.over.*requests are decided as usual' "$D/tollgate.log"
like "readyz reports the end" "$(fetch GET "$ADMIN/readyz")" '^observe: ended at .*: requests are decided as usual$'
check "the metric is 0" wait_for says '^0$' metric observing

# ---- without a daemon ----
policy "$(in_future '+1 day')"
reload
as_shipped
kill "$(pid_of tollgate)"
wait_for gone "$(pid_of tollgate)"
forget
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "without a daemon, the status is 503" "$status $(seen 1)" "503 []"
exit $failed
