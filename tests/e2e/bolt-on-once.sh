# HAProxy asks for a decision once for each request. No rule below the stanza's first line can let a denied request
# pass, in the bolt-on and in the complete example. An older stanza evaluated its ACL on each line: it keeps working,
# `check` names a rule that would let denied requests pass, and `init` updates the stanza.
. "$(dirname "$0")/lib.sh"

# A configuration with rules below the stanza, as README describes, and a default backend for paths outside the
# stanza's routes: the provider, without key and guard.
below='    http-request set-header host api.example.net
    http-request set-path /v1/open if { path /v1/other }
    http-request set-method GET if METH_PUT
    http-request set-src ipv4(192.0.2.9)'
with_rules() {
	while IFS= read -r line; do
		case $line in
		'    use_backend tollgate-relay '*) printf '%s\n' "$below" "$line" ;;
		'    use_backend openai if { path_beg /v1/ }') echo '    use_backend openai if { path_beg /v1/models }' ;;
		'    default_backend site') echo '    default_backend keyless' ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	printf '\nbackend keyless # tollgate: no guard\n    server local 127.0.0.1:1\n'
}
ipv4() { sed 's/ipv4(\([0-9.]*\))/str(\1)/'; } # turns an address into a text, in every version
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"unread"}]}'
up() { # FILE
	[ ! -f "$D/env" ] || "$root/tests/support/stack" down --dir "$D"
	stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$1"
	is "the file loads without a warning" "$(cat "$D/haproxy-check.log")" ""
	auth="authorization: Bearer $(token)"
	forget
}
# denied WHAT: no denied request reaches the provider
denied() {
	local first
	req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
	is "$1: a request without a credential is 401" "$status" 401
	req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}]}'
	is "$1: a secret is 403" "$status" 403
	req PUT /v1/files -H "$ai" -H "$auth" -H "$json" -d "$chat"
	is "$1: an unknown route is 404" "$status" 404
	req POST /v1/other -H "$ai" -H "$json" -d "$chat"
	is "$1: an unknown route without a credential is 404" "$status" 404
	req GET /v1/models -H "$ai" -H "$auth" -H 'connection: upgrade' -H 'upgrade: some'
	is "$1: a tunnel is 501" "$status" 501
	final is "$1: no denied request reached the provider" "$(seen 9)" '[]'
	first=$(curl -s -o /dev/null -w '%{http_code} ' "$EDGE/free" -H 'host: www.example.com' --next -s -o /dev/null -w '%{http_code} ' -d "$chat" -H "$ai" "$EDGE/v1/chat/completions" --next -s -o /dev/null -w '%{http_code}' -H 'host: www.example.com' "$EDGE/free")
	is "$1: each request of a connection gets its own decision" "$first" "${2:-200 401 200}"
	forget
}

person_with_stanza | with_rules | ipv4 >"$D/person.cfg"
up "$D/person.cfg"
denied "decided once"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
is "a redacted request is forwarded" "$status $(header x-tollgate-decision)" "200 redact"
unlike "its value is replaced" "$(seen)" 'jane.doe'
unlike "a rule below the stanza does not change a relayed request" "$(seen)" '"host":"api.example.net"'
like "a relayed request is sent to the policy's backend" "$(seen)" 'sk-provider-openai'
req GET /v1/models -H "$ai" -H "$auth"
like "a rule below the stanza changes a direct request" "$status $(seen)" '200 .*"host":"api.example.net"'
req GET /free -H 'host: www.example.com'
is "a request that the ACL does not name is not decided" "$status $(header x-tollgate-id)" "200 "

# A rule below the stanza may set the gated host. Such a request is still not decided.
sed 's/set-header host api.example.net/set-header host ai.example.com/' "$D/person.cfg" >"$D/into.cfg"
up "$D/into.cfg"
req GET /free -H 'host: www.example.com'
is "a request outside the ACL is not decided by a later rule" "$status $(header x-tollgate-id)" "200 "

# A rule that ends the rules before the stanza's first line: `check` reports an error, and HAProxy refuses the
# request.
sed 's/^    http-request set-var(txn.tollgate_gated) bool(false)/    http-request allow if { req.hdr(x-skip) -m found }\n&/' "$D/person.cfg" >"$D/allow.cfg"
up "$D/allow.cfg"
req GET /v1/models -H "$ai" -H 'x-skip: 1'
is "a request without a decision is a 503" "$status $(seen)" "503 []"

# the stanza of an earlier version
form 21 >"$D/pieces.cfg"
older() { person_with_older_stanza "$D/pieces.cfg"; }
older >"$D/older.cfg"
checked() { "$build/tollgate" check --haproxy-only --haproxy "$1" "$root/haproxy/tollgate.cfg" --haproxy-version "$HAPROXY_VERSION" >"$D/out" 2>"$D/err"; }
checked "$D/older.cfg"
is "an older stanza is not an error" "$? $(cat "$D/err")" "0 "
like "check advises to update an older stanza" "$(cat "$D/out")" 'older.cfg:[0-9]+:1: stanza-older: '
older | with_rules | ipv4 >"$D/open.cfg"
checked "$D/open.cfg"
is "an older stanza with such a rule below it is an error" "$?" 1
like "the error names the rule's line" "$(cat "$D/err")" "open.cfg:$(grep -n 'set-header host' "$D/open.cfg" | cut -d: -f1):1: scope-changed: "
up "$D/older.cfg"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
is "an older stanza redacts" "$status $(header x-tollgate-decision)" "200 redact"
req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
is "an older stanza denies" "$status" 401
up "$D/open.cfg"
req POST /v1/other -H "$ai" -H "$json" -d "$chat"
like "without the correction, the provider receives a denied request" "$(seen)" 'unread'

# The stanza is updated in place.
backends=(--backend openai=openai --backend anthropic=anthropic --backend local=openai)
mkdir -p "$D/root/etc/haproxy" "$D/root/etc/default"
cp "$D/open.cfg" "$D/root/etc/haproxy/haproxy.cfg"
"$build/tollgate" init --root "$D/root" --write --person alice "${backends[@]}" --haproxy-binary /bin/true >"$D/out" 2>"$D/err"
is "init updates the stanza" "$?" 0
"$build/tollgate" init --root "$D/root" "${backends[@]}" --haproxy-binary /bin/true >"$D/out" 2>&1
like "a second init changes nothing" "$(cat "$D/out")" 'Nothing to do'
up "$D/root/etc/haproxy/haproxy.cfg"
denied "renewed"

# The complete example: every request passes the stanza, and no line depends on a value that a rule could change.
awk -v below="$below" '/^frontend edge/ { on = 1 }
/^frontend egress/ { on = 0 }
on && /^    use_backend tollgate-relay/ { print below }
on && /use_backend (anthropic|openai) if/ { next }
on && /^    # otherwise by path/ { print "    default_backend keyless"; next }
{ print }
END { print "backend keyless from http\n    server local 127.0.0.1:1" }' "$root/haproxy/haproxy.cfg" | ipv4 >"$D/complete.cfg"
up "$D/complete.cfg"
denied "the complete example" "404 401 404"
exit $failed
