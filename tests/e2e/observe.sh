# A cutover: clients of a host that have no key of ours yet pass as they did before, with the
# credential and the bytes they came with, to one backend; those that have one are decided. On
# the complete configuration, and on a person's own with the stanza.
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

# NAME is a backend of the person's own: no key, no guard
{ cat "$root/haproxy/haproxy.cfg"; printf '\nbackend old from http\n    server local 127.0.0.1:1\n'; } >"$D/edge.cfg"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --edge "$D/edge.cfg"
is "it loads without a warning" "$(cat "$D/haproxy-check.log")" ""
old='host: old.example.com'
theirs='authorization: Bearer sk-proj-of-an-old-client'
json='content-type: application/json'
auth="authorization: Bearer $(token)"
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
record() { tail -n 200 "$JOURNAL"/*.jsonl | tr -d '\0' | grep "\"id\":\"$(header x-tollgate-id)\"" | head -1; }
came() { seen 1 | node -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>{const r=JSON.parse(s)[0]||{};process.stdout.write(process.argv[1]==="body"?r.body:process.argv[1]==="path"?r.path:String(r.headers[process.argv[1]]))})' "$1"; }

like "start says it" "$(cat "$D/tollgate.log")" 'observe.*old.example.com: callers without a key of this gateway are sent to old, and nothing is refused, until'
like "readiness says it" "$(fetch GET "$ADMIN/readyz")" '^observe: old.example.com: callers without a key of this gateway are sent to old.*29 days left'
is "so does a metric" "$(metric observing)" 1

# ---- an old client ----
control '{"headers":{"set-cookie":"a=provider","x-ratelimit-limit-requests":"77","x-request-id":"provider","x-tollgate-decision":"forged","access-control-allow-origin":"*"}}'
req POST '/v1/chat/completions?key=caller-9' -H "$old" -H "$theirs" -H "$json" -H 'x-api-key: caller-1' -H 'cookie: a=caller-2' \
	-H 'openai-organization: caller-3' -H 'x-tollgate-id: forged' -H 'accept-encoding: gzip' -d "$chat"
control '{}'
is "an old client is answered" "$status $(header x-tollgate-decision)" "200 observed"
is "its body is as it was sent" "$(came body)" "$chat"
is "so is its credential" "$(came authorization)" "Bearer sk-proj-of-an-old-client"
is "and the others" "$(came x-api-key) $(came cookie) $(came openai-organization)" "caller-1 a=caller-2 caller-3"
is "and the query" "$(came path)" '/v1/chat/completions?key=caller-9'
is "and what it accepts" "$(came accept-encoding)" gzip
is "what says to be ours goes no further" "$(came x-tollgate-id)" undefined
is "the provider's account answers" "$(header set-cookie) $(header x-ratelimit-limit-requests) $(header x-request-id) $(header access-control-allow-origin)" "a=provider 77 provider *"
like "the record says what would have been" "$(record)" '"decision":"observed".*"would":\{"decision":"redact","rule":"pii"\},"via":"observe".*"observing":true,"route":"chat","backend":"old"'
like "the policy's record says which hosts" "$(grep -ah '"type":"policy"' "$JOURNAL"/*.jsonl | tail -1)" '"observe":\{"until":"[^"]*","backend":"old","hosts":\["old.example.com"\]\}'
like "and what was found" "$(record)" '"EMAIL_ADDRESS"'
unlike "but no text" "$(record)" 'jane.doe'

secret='{"model":"echo","messages":[{"role":"user","content":"my key is AKIAQ3EGRTZK7VXW2YUB"}]}'
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$secret"
is "what a rule denies passes" "$status $(came body)" "200 $secret"
like "recorded as what it would be" "$(record)" '"would":\{"decision":"deny","status":403,"code":"content_policy_violation",.*"rule":"no-secrets"\}'
twice='{"model":"echo","model":"other","messages":[]}'
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$twice"
is "an ambiguous body passes" "$(header x-tollgate-decision) $(came body)" "observed $twice"
like "recorded" "$(record)" '"would":\{"decision":"deny","status":400,"code":"duplicate_key"'
req POST /v1/nobody/serves -H "$old" -H "$theirs" -H "$json" -d '{}'
is "a route that nobody serves goes there, too" "$(header x-tollgate-decision) $(came path)" "observed /v1/nobody/serves"
like "recorded" "$(record)" '"would":\{"decision":"deny","status":404,"code":"no_route".*"backend":"old"'
req POST //v1/./chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "a path in another form passes as it is" "$(header x-tollgate-decision) $(came path)" "observed //v1/./chat/completions"
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -H 'content-encoding: snappy' -d 'xyz'
is "an encoding that nobody knows" "$(header x-tollgate-decision) $(came body)" "observed xyz"
like "recorded" "$(record)" '"would":\{"decision":"deny","status":415'
req POST /v1/chat/completions -H 'host: OLD.example.com:8080' -H "$json" -d "$chat"
is "without any credential" "$status $(header x-tollgate-decision)" "200 observed"
for i in 1 2 3; do req POST /api/direct/x -H "$old" -H "$theirs" -H "$json" -d '{}'; done
is "no limit counts it: one an hour, and many pass" "$status $(header x-tollgate-decision)" "200 observed"
is "no record is of a limit" "$(tail -n 20 "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"observed"' | grep -c '"limits"')" 0
# a token of another issuer is the provider's to judge: {"alg":"RS256"}.{"iss":"https://login.example/"}
foreign=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvIn0.AAAA
req POST /v1/chat/completions -H "$old" -H "authorization: Bearer $foreign" -H "$json" -d "$chat"
is "a token of another issuer goes along" "$status $(came authorization)" "200 Bearer $foreign"

# ---- bodies of any framing ----
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
		is "$size bytes, $how: passes" "$status $(header x-tollgate-decision)" "200 observed"
		is "$size bytes, $how: whole" "$(came body | cksum)" "$(cksum <"$D/body")"
		if [ $size = 10000 ]; then
			like "$size bytes, $how: was read" "$(record)" '"would":\{"decision":"redact".*"EMAIL_ADDRESS".*"inspected_bytes":1[0-9]{4},'
		else
			rest='' # the length is not known where none is declared
			case $how in length | h2) rest='"not_inspected_bytes":[1-9][0-9]{4,6}' ;; esac
			like "$size bytes, $how: the record says how much of it was searched" "$(record)" '"would":\{"decision":"unknown"\}.*"EMAIL_ADDRESS".*"head_only":true,"inspected_bytes":2[0-9]{5}[,}]'$rest
		fi
	done
done
is "none of it was the relay's" "$(metric deferred_total)" 0

# ---- who has a key of ours, and who asks for what nobody serves ----
req POST /v1/chat/completions -H "$old" -H "$auth" -H "$json" -d "$chat"
is "a key of ours at the same host: decided" "$status $(header x-tollgate-decision)" "200 redact"
unlike "and enforced" "$(came body)" 'jane.doe'
is "the company's key is set" "$(came authorization)" "Bearer sk-provider-openai"
like "its record says that hosts are observed" "$(record)" '"decision":"redact".*"observing":true'
req POST /v1/chat/completions -H "$old" -H "$auth" -H "$json" -d "$secret"
is "and denied" "$status" 403
req POST /v1/chat/completions -H "$old" -H "authorization: Bearer $(token --bad expired)" -H "$json" -d "$chat"
is "one of ours that has expired is a 401" "$status" 401
for h in 'authorization: Bearer tg_aaaaaaaa_bbbb' 'authorization: tg_'; do
	req POST /v1/chat/completions -H "$old" -H "$h" -H "$json" -d "$chat"
	is "one of ours that is unknown is a 401: $h" "$status" 401
done
req POST /v1/chat/completions -H "$old" -H "cookie: a=b; session=$(token)" -H "$json" -d "$secret"
is "a token of ours in a cookie is decided" "$status" 403
forget
curl -s -o "$D/out" --request-target "http://u:tg_of-ours@old.example.com/v1/chat/completions" -H "$old" -H "$theirs" -H "$json" -d "$chat" "$EDGE"
is "what stands before the host of a target goes nowhere" "$(came path)" /v1/chat/completions
req TRACE /v1/models -H "$old" -H "$theirs"
is "TRACE is a 501" "$status" 501
req GET /v1/models -H "$old" -H "$theirs" -H 'upgrade: foo' -H 'connection: upgrade'
is "Upgrade is a 501" "$status" 501
req POST /v1/chat/completions -H 'host: new.example.com' -H "$theirs" -H "$json" -d "$secret"
is "another host is decided as ever" "$status" 403
req POST /v1/nobody/serves -H 'host: new.example.com' -H "$theirs" -H "$json" -d '{}'
is "another host, no route" "$status" 404

# ---- what is said of it ----
observed=$(metric decisions_total 'decision="observed"')
is "each is counted" "$(($(metric observed_total 'would="permit"') + $(metric observed_total 'would="redact"') + $(metric observed_total 'would="deny"') + $(metric observed_total 'would="unknown"')))" "$observed"
is "and by its way" "$(metric requests_total 'via="observe"')" "$observed"
is "the log of HAProxy has it" "$(grep -c 'tollgate=observed/observe/' "$D/haproxy.log")" "$observed"
"$build/tollgate" audit list -c "$D/tollgate.yaml" --decision observed >"$D/out"
is "audit list has all of them" "$(wc -l <"$D/out")" "$observed"
like "with what they would have been" "$(cat "$D/out")" ' observed \(deny 403\) service-account chat '
id=$(sed -n 's/.* observed (deny 403) .* //p' "$D/out" | head -1)
"$build/tollgate" audit explain "$id" -c "$D/tollgate.yaml" >"$D/out"
like "audit explain" "$(cat "$D/out")" 'not enforced \(observe\): deny, status 403, code content_policy_violation, rule no-secrets'
like "with the same outcomes" "$(cat "$D/out")" 'evaluated again on the recorded values: the results are the same'
"$build/tollgate" policy replay -c "$D/tollgate.yaml" >"$D/out"
like "replay counts them" "$(cat "$D/out")" "observed     $observed: the rules' decision was not enforced"
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
unlike "no text, no key in any log" "$(cat "$D/tollgate.log" "$D/haproxy.log" "$JOURNAL"/*.jsonl | tr -d '\0')" 'jane.doe|AKIAQ3|sk-proj-of|caller-'

# ---- a backend that has the guard gets nothing of it ----
policy "$(in_future '+30 days')" openai
reload
forget
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "a guarded backend is a 503: its key serves nobody who is observed" "$status $(seen 1)" "503 []"

# ---- the end ----
old_asks() { req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$secret"; }
for seconds in 4 8 16 32; do # until the machine is quick enough to ask before it
	policy "$(in_future "+$seconds seconds")"
	reload
	began=$EPOCHSECONDS
	old_asks
	[ $((EPOCHSECONDS - began)) -gt $((seconds - 2)) ] || break
done
is "before its end" "$status" 200
decided() { old_asks; [ "$status" = 403 ]; }
wait_for decided
is "after it, without a reload: decided as any" "$status $(header x-tollgate-decision)" "403 deny"
unlike "and recorded so" "$(record)" '"observing"'
check "the log says so" wait_for grep -q 'observe\.over.*requests are decided as usual' "$D/tollgate.log"
like "readiness too" "$(fetch GET "$ADMIN/readyz")" '^observe: ended at .*: requests are decided as usual$'
check "and the metric" wait_for says '^0$' metric observing

# ---- no daemon ----
policy "$(in_future '+1 day')"
reload
as_shipped
kill "$(pid_of tollgate)"
wait_for gone "$(pid_of tollgate)"
forget
req POST /v1/chat/completions -H "$old" -H "$theirs" -H "$json" -d "$chat"
is "no daemon, no decision: 503" "$status $(seen 1)" "503 []"
exit $failed
