# tollgate init on an existing configuration: HAProxy runs what init writes, the gated host is decided, and everything
# else is unchanged. `check` finds a guard that was removed.
. "$(dirname "$0")/lib.sh"

grep -v '^#+' "$here/bolt-on/person.cfg" >"$D/person.cfg"
mkdir -p "$D/root/etc/haproxy"
sed 's/127.0.0.1:1$/127.0.0.1:1 check/' "$D/person.cfg" >"$D/root/etc/haproxy/haproxy.cfg"
laid() {
	"$B/tollgate" init --root "$D/root" --host ai.example.com --close-others --backend openai=openai \
		--backend anthropic=anthropic --backend local=rest --backend own=rest \
		--haproxy-binary true "$@"
}
laid >"$D/difference" 2>"$D/init.err"
is "init prints what it would do" "$?" 0
is "without --write it writes nothing" "$(ls "$D/root/etc")" haproxy
laid --write >"$D/written" 2>>"$D/init.err"
is "with --write it writes" "$?" 0
for file in tollgate.yaml default.yaml; do
	schema=$(sed -n '1s/.*[$]schema=//p' "$D/root/etc/tollgate/$file")
	check "the schema that $file names exists" python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["$schema"]' "$schema"
done
is "tollgate.yaml has the name of the host, which stays if the host is renamed" "$(sed -n 's/^node: *\([^ ]*\) .*/\1/p' "$D/root/etc/tollgate/tollgate.yaml")" "$(uname -n | tr -c '\nA-Za-z0-9_.-' -)"
laid --write >"$D/again" 2>>"$D/init.err"
like "a second init changes nothing" "$(cat "$D/again")" 'Nothing to do'
cp "$D/root/etc/haproxy/haproxy.cfg" "$D/laid.cfg"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/laid.cfg"
is "HAProxy loads the result without a warning" "$(cat "$D/haproxy-check.log")" ""
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request to the gated host is decided" "$status $(header x-tollgate-decision)" "200 redact"
like "its body is redacted" "$(seen)" 'EMAIL_ADDRESS_1'
req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
is "a request without a credential is 401" "$status" 401
req GET / -H 'host: www.example.com'
is "the site is unchanged" "$status" 200
req POST /v1/chat/completions -H 'host: www.example.com' -H "$json" -d "$chat"
is "the backend with the key is guarded" "$status" 503

# A backend with a key whose guard is missing: HAProxy loads it, check refuses it.
awk '/^backend openai/ { on = 1 } /^backend anthropic/ { on = 0 } !(on && /did not inspect this request|another backend/)' \
	"$D/laid.cfg" >"$D/forgotten.cfg"
"$B/tollgate" check --haproxy-only --haproxy "$D/forgotten.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "a missing guard is an error" "$?" 1
like "the error names the line" "$(cat "$D/check.err")" 'forgotten.cfg:[0-9]*:1: credential-unguarded: openai holds a credential'
"$B/tollgate" check --haproxy-only --haproxy "$D/laid.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "init's own result has no error" "$? $(cat "$D/check.err")" "0 "
"$root/tests/support/stack" down --dir "$D"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/forgotten.cfg"
forget
req POST /v1/chat/completions -H 'host: www.example.com' -H "$json" -d "$chat"
is "without the guard, the provider answers a request without a credential" "$status" 200

# Other errors that check finds in a file that HAProxy loads. A request shows the effect of each.
"$root/tests/support/stack" down --dir "$D"
awk '/^    http-request del-header .*\(authorization\|/ {
	print "    http-request allow if { req.hdr(x-skip) -m found }"
}
{ print }
/^    http-request set-header authorization .*OPENAI/ {
	print "    http-request redirect location /again if { req.hdr(x-stainless-end) -m found } !{ dst_port gt 0 }"
	print "    http-request redirect location /again unless { dst_port gt 0 } or !{ req.hdr(x-stainless-end2) -m found } or { so_name tollgate-inner }" }
/^    use_backend tollgate-relay/ && !once++ {
	print "    http-request set-var(txn.key) env(OPENAI_API_KEY)"
	print "    http-request set-var(txn.tollgate.via) str(direct) if { path /v1/own-verdict }"
	print "    http-request set-var(txn.tollgate.decision) str(permit) if { path /v1/own-verdict }"
	print "    http-request set-header x-a %[str(direct),set-var(txn.tollgate.via)] if { path /v1/by-converter }"
	print "    http-request set-header x-a b if { path /v1/by-converter } { str(permit),set-var(txn.tollgate.decision) -m found }"
	print "    http-after-response set-header access-control-allow-origin *"
	print "    http-after-response set-header x-spared yes unless { var(txn.tollgate.via) -m found }" }
/^    use_backend own/ { print "    use_backend leak if { path_beg /leak/ }" }
END { print "frontend second\n    bind unix@'"$D"'/second.sock mode 666\n    filter spoe engine tollgate config /etc/haproxy/tollgate/spoe.cfg\n    default_backend openai"
	print "frontend third\n    bind unix@'"$D"'/third.sock mode 666 name plain name tollgate-inner\n    use_backend openai if { path_beg /v1/ }\n    default_backend model"
	print "backend model\n    server local 127.0.0.1:1"
	print "backend leak\n    http-request set-header x-mine %[var(txn.key)]\n    server local 127.0.0.1:1" }' "$D/laid.cfg" >"$D/holes.cfg"
"$B/tollgate" check --haproxy-only --haproxy "$D/holes.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "the other mistakes are errors" "$?" 1
for rule in ends-before inner-answered own-variables own-origins credential-unguarded stanza-lines inner-bind; do
	like "$rule is reported with its line" "$(cat "$D/check.err")" "holes.cfg:[0-9]*:1: $rule:"
done
line_at() { grep -n "$1" "$D/holes.cfg" | cut -d: -f1; }
like "a verdict set by a converter is reported" "$(cat "$D/check.err")" "holes.cfg:$(line_at 'str(direct),set-var'):1: own-variables:"
like "a verdict set in a condition is reported" "$(cat "$D/check.err")" "holes.cfg:$(line_at 'str(permit),set-var'):1: own-variables:"
sed 's/^backends: .*/backends: [openai, anthropic, local, model]/' "$root/policies/tollgate.yaml" >"$D/models.yaml"
cp "$root/policies/default.yaml" "$D/"
"$B/tollgate" check -c "$D/models.yaml" --haproxy "$D/holes.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
like "a route to a model without a key that avoids the gate is reported" "$(cat "$D/check.err")" "holes.cfg:$(line_at 'default_backend model'):1: ungated-provider:"
like "a route to a guarded backend that avoids the gate is advice" "$(cat "$D/check.out")" "advice: .*holes.cfg:[0-9]*:1: ungated-guarded: third"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/holes.cfg"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'x-stainless-end: 1' -d "$chat"
is "inner-answered: a rule redirects the relay's second pass" "$status" 302
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -H 'x-stainless-end2: 1' -d "$chat"
is "with the condition that check advises, the second pass is not redirected" "$status $(grep -c 'x-stainless-end2.*inner-answered' "$D/check.err")" "200 0"
forget
req GET /v1/own-verdict -H 'host: www.example.com'
is "own-variables: a verdict of the configuration opens the guard" "$(seen | grep -c own-verdict)" 1
req GET /v1/by-converter -H 'host: www.example.com'
is "own-variables: a converter's verdict opens the guard" "$(seen | grep -c by-converter)" 1
curl -s -o "$D/third" --unix-socket "$D/third.sock" http://www.example.com/v1/by-name
like "inner-bind: the second of two names opens the guard and gets the key" "$(seen)" 'by-name.*sk-provider-openai'
curl -s -o "$D/third" --unix-socket "$D/third.sock" http://www.example.com/unread
like "ungated-provider: a model gets uninspected requests" "$(seen)" '/unread'
req GET /leak/x -H 'host: www.example.com'
like "credential-unguarded: a backend with the key in a variable sends it" "$(seen)" '"x-mine":'
req GET /v1/models -H "$ai" -H "$auth" -H 'x-auth-token: callers-own'
unlike "the caller's other credentials are not forwarded" "$(seen)" callers-own
req GET /v1/models -H "$ai" -H "$auth" -H 'x-auth-token: callers-own' -H 'x-skip: 1' -H 'origin: https://evil.example'
like "ends-before: the caller's credentials reach the provider" "$(seen)" callers-own
is "own-origins: any page can read the response" "$(header access-control-allow-origin)" '*'
is "with the condition that check advises, gated responses do not get the field" "$(header x-spared)" ''
req GET / -H 'host: www.example.com'
is "other responses still get the field" "$(header x-spared)" yes
final is "a second frontend without the gate gets no response of the provider" \
	"$(curl -s -o "$D/second" -w '%{http_code}' --unix-socket "$D/second.sock" http://www.example.com/v1/models)" 503

# Clients use two frontends, such as :80 and :443. Each is named and gets the stanza.
"$root/tests/support/stack" down --dir "$D"
rm -rf "$D/root"
mkdir -p "$D/root/etc/haproxy"
{ sed 's/127.0.0.1:1$/127.0.0.1:1 check/' "$D/person.cfg"
	printf 'frontend tls\n    bind unix@%s/tls.sock mode 666\n    use_backend openai if { path_beg /v1/ }\n    default_backend site\n' "$D"
} >"$D/root/etc/haproxy/haproxy.cfg"
cp "$D/root/etc/haproxy/haproxy.cfg" "$D/one.cfg"
laid --frontend www --frontend tls --write >"$D/written" 2>"$D/init.err"
is "both frontends get the stanza, and there is one switch" "$? $(grep -c 'filter spoe engine tollgate' "$D/root/etc/haproxy/haproxy.cfg") $(grep -c 'setenv TOLLGATE_INNER' "$D/root/etc/haproxy/haproxy.cfg")" "0 2 1"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/root/etc/haproxy/haproxy.cfg"
is "HAProxy loads both without a warning" "$(cat "$D/haproxy-check.log")" ""
auth="authorization: Bearer $(token)"
tls() { curl -s -o "$D/tls.body" -D "$D/tls.head" -w '%{http_code}' --unix-socket "$D/tls.sock" "$@"; }
is "the second frontend decides" "$(tls http://ai.example.com/v1/chat/completions -H "$json" -d "$chat")" 401
is "the second frontend uses the relay" "$(tls http://ai.example.com/v1/chat/completions -H "$auth" -H "$json" -d "$chat") $(grep -ci '^x-tollgate-decision: redact' "$D/tls.head")" "200 1"
like "the provider gets a redacted body" "$(seen)" 'EMAIL_ADDRESS_1'
is "other hosts are unchanged" "$(tls http://www.example.com/)" 200

# :80 redirects everything except ACME challenges, and :443 has a deny rule of its own. In either order of the
# frontends, none of these rules applies to the second pass, and a request that they refuse is not recorded.
"$root/tests/support/stack" down --dir "$D"
two() {
	sed 's/127.0.0.1:1$/127.0.0.1:1 check/' "$D/person.cfg" | sed '/^frontend www/,/^backend/{/^backend/!d}'
	printf 'frontend http-in\n    bind unix@%s/http.sock mode 666\n    acl acme path_beg /.well-known/acme-challenge/\n%s    http-request redirect scheme https code 301 unless acme\n%s    use_backend site if acme\n' "$D" "$1" "$2"
	printf 'frontend https-in\n    bind :8080\n    bind unix@%s/tls.sock mode 666\n%s    http-request deny if { path_beg /internal }\n    http-request deny if { req.hdr(x-blocked) -m found }\n%s    use_backend openai if { path_beg /v1/ }\n    default_backend site\n' "$D" "$3" "$4"
}
for first in http-in https-in; do
	other=http-in
	[ $first = https-in ] || other=https-in
	rm -rf "$D/root"
	mkdir -p "$D/root/etc/haproxy"
	two '' '' '' '' >"$D/root/etc/haproxy/haproxy.cfg"
	laid --frontend $first --frontend $other --write >"$D/written" 2>"$D/init.err"
	is "$first, $other: init succeeds" "$?" 0
	like "init reports a line that it did not change" "$(cat "$D/written")" 'haproxy.cfg:[0-9]*: this line answers every request of frontend http-in, so the frontend gets no stanza'
	"$B/tollgate" check --haproxy-only --haproxy "$D/root/etc/haproxy/haproxy.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
	is "check reports no error" "$? $(cat "$D/check.err")" "0 "
	stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/root/etc/haproxy/haproxy.cfg"
	is "HAProxy loads the result without a warning" "$(cat "$D/haproxy-check.log")" ""
	auth="authorization: Bearer $(token)"
	is "over TLS, a request is redacted through the relay" "$(tls http://ai.example.com/v1/chat/completions -H "$auth" -H "$json" -d "$chat") $(grep -ci '^x-tollgate-decision: redact' "$D/tls.head")" "200 1"
	plain() { curl -s -o "$D/http.body" -D "$D/http.head" -w '%{http_code}' --unix-socket "$D/http.sock" "$@"; }
	decided=$(metric decisions_total 'decision="redact"')
	is "without TLS, a request is redirected to https" "$(plain http://ai.example.com/v1/chat/completions -H "$auth" -H "$json" -d "$chat") $(grep -ci '^location: https://ai.example.com/v1/chat/completions' "$D/http.head")" "301 1"
	is "an ACME challenge is answered as before" "$(plain http://ai.example.com/.well-known/acme-challenge/x)" 200
	is "a response of the deny rule has no decision" "$(tls http://ai.example.com/v1/chat/completions -H 'x-blocked: 1' -H "$auth" -H "$json" -d "$chat") $(grep -ci '^x-tollgate' "$D/tls.head")" "403 0"
	is "there is no decision for it" "$(metric decisions_total 'decision="redact"')" "$decided"
	"$root/tests/support/stack" down --dir "$D"
done
# The stanza of version 0.2 in both frontends, with the bind of the second pass in the frontend that redirects, as the
# README of 0.2 described.
joint=$root/spoa/operator/edge/joint.cfg
stanza=$(piece 'frontend. Of' "$joint")$'\n' routes=$(piece 'same frontend' "$joint")$'\n'
{ two "$stanza" "$routes" "$(grep -v '^ *bind ' <<<"$stanza")"$'\n' "$routes"; } >"$D/ended.cfg"
"$B/tollgate" check --haproxy-only --haproxy "$D/ended.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "a redirect that applies to the second pass is an error" "$?" 1
line=$(grep -n 'redirect scheme https code 301' "$D/ended.cfg" | cut -d: -f1)
like "the error names effect, line and correction" "$(tr "\n" " " <"$D/check.err")" "ended.cfg:$line:1: inner-answered: every relayed request is answered 301 by line $line: .*https-in have not met this rule.*redirect scheme https code 301 unless acme or \{ so_name tollgate-inner \}"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/ended.cfg"
auth="authorization: Bearer $(token)"
is "without the correction, the request is redirected" "$(tls http://ai.example.com/v1/chat/completions -H "$auth" -H "$json" -d "$chat")" 301
exit $failed
