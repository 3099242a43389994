# Changes that rules make, as the provider receives them through real HAProxy: backend, model, cap and header fields,
# on the direct path and through the relay, also in a stream. Then a target that is denied.
. "$(dirname "$0")/lib.sh"
{
	sed -e '/^routes:/,$d' "$here/policy.yaml"
	cat <<-'YAML'
	routes:
	  - name: chat
	    match: {methods: [POST], path: [/v1/chat/completions]}
	    response: [meter, record]
	    targets: [openai, {provider: local, model: "say:local"}]
	  - name: messages
	    match: {methods: [POST], path: [/v1/messages]}
	    targets: [anthropic]
	rules:
	  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401}}
	  - {name: stays-in, when: '"pii" in prompt.classes && target.external', route: {targets: [local]}}
	  - {name: not-big, when: 'model.name == "big" && target.name == "openai"', route: {model: "say:small"}}
	  - {name: short, max_output_tokens: 64, tag: capped, set_headers: {X-Tenant: red}}
	  - {name: nobody, when: 'model.name == "nowhere"', route: {targets: [anthropic]}}
	default: permit
	limits:
	  - {name: tokens, per: [identity.person], tokens: 100000, window: 1m}
	YAML
} >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
got() { seen | node -e 'const r = JSON.parse(require("fs").readFileSync(0))[0]; console.log(process.argv[1] === "body" ? r.body : r.headers[process.argv[1]] ?? "")' "$1"; }
command -v node >/dev/null || { skip "changes" "node is not installed"; exit 0; }
post() { req POST "$1" -H "$auth" -H "$json" -H 'x-tenant: forged' "${@:3}" -d "$2"; }

for how in 'at once' 'by the relay'; do
	late=()
	[ "$how" = 'by the relay' ] && late=(-H 'transfer-encoding: chunked')
	post /v1/chat/completions '{ "max_tokens" : 90000, "model": "big","messages":[{"role":"user","content":"hi"}]}' "${late[@]}"
	is "$how: the model and the cap are changed, all other bytes are kept" "$(got body)" '{ "max_tokens" : 64, "model": "say:small","messages":[{"role":"user","content":"hi"}]}'
	is "$how: the header field has the policy's value" "$(got x-tenant)" red
	is "$how: the status is 200" "$status" 200
	like "$how: the response is of that model" "$body" 'small'
	post /v1/chat/completions '{"model":"big","messages":[{"role":"user","content":"to jane.doe@example.com"}]}' "${late[@]}"
	is "$how: internal data is sent to the internal target, with its model" "$(got body)" \
		'{"max_completion_tokens":64,"model":"say:local","messages":[{"role":"user","content":"to jane.doe@example.com"}]}'
	like "$how: the internal target answers" "$body" 'local'
	check "$how: the log names the internal backend" wait_for says ' local/' tail -n 2 "$D/haproxy.log"
	post /v1/chat/completions '{"model":"nowhere","messages":[]}' "${late[@]}"
	is "$how: without a permitted target, the status is 403" "$status" 403
	post /v1/messages '{"model":"say:one two","max_tokens":7,"messages":[{"role":"user","content":"hi"}]}' "${late[@]}"
	is "$how: in another dialect, a lower cap is kept" "$(got body)" '{"model":"say:one two","max_tokens":7,"messages":[{"role":"user","content":"hi"}]}'
	is "$how: the header field is set there too" "$status $(got x-tenant)" '200 red'
done
post /v1/chat/completions '{"model":"big","stream":true,"messages":[{"role":"user","content":"hi"}]}'
like "a stream: the cap is changed" "$(got body)" '"max_completion_tokens":64'
like "a stream: the model is changed" "$(got body)" '"model":"say:small"'
like "a stream: the daemon asks for usage" "$(got body)" '"include_usage":true'
like "a stream: it arrives with its end" "$body" 'data: \[DONE\]'
unlike "a stream: the caller gets no usage, because it did not ask for it" "$body" '"usage"'
records=$(cat "$JOURNAL"/*)
like "the record has both model names" "$records" '"model":"say:small".*"requested_model":"big"'
like "the record has the rule's tag" "$records" '"tags":\["capped"\]'
like "the record has the candidates" "$records" '"candidates":\[\{"target":"openai","fate":"routed elsewhere","rule":"stays-in"\},\{"target":"local","model":"say:local","fate":"chosen"\}\]'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
