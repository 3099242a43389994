# What passes the gate is decided once: no rule below the stanza's first line leads what was
# denied past it, on the bolt-on and on the complete example. An older stanza, which asked its
# ACL at each line, keeps working, check names the rule that would open it, init renews it.
. "$(dirname "$0")/lib.sh"

# a person's file with rules below the stanza as README has them, and a way out for what no
# route of the stanza takes: the provider, without key and guard
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
ipv4() { sed 's/ipv4(\([0-9.]*\))/str(\1)/'; } # an address of a text, in every version
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"unread"}]}'
up() { # FILE
	[ ! -f "$D/env" ] || "$root/tests/support/stack" down --dir "$D"
	stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$1"
	is "it loads without a warning" "$(cat "$D/haproxy-check.log")" ""
	auth="authorization: Bearer $(token)"
	forget
}
# denied WHAT: nothing of it is at the provider
denied() {
	local first
	req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
	is "$1: without a credential: 401" "$status" 401
	req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}]}'
	is "$1: a secret: 403" "$status" 403
	req PUT /v1/files -H "$ai" -H "$auth" -H "$json" -d "$chat"
	is "$1: no route: 404" "$status" 404
	req POST /v1/other -H "$ai" -H "$json" -d "$chat"
	is "$1: neither: 404" "$status" 404
	req GET /v1/models -H "$ai" -H "$auth" -H 'connection: upgrade' -H 'upgrade: some'
	is "$1: a tunnel: 501" "$status" 501
	final is "$1: none of it reached the provider" "$(seen 9)" '[]'
	first=$(curl -s -o /dev/null -w '%{http_code} ' "$EDGE/free" -H 'host: www.example.com' --next -s -o /dev/null -w '%{http_code} ' -d "$chat" -H "$ai" "$EDGE/v1/chat/completions" --next -s -o /dev/null -w '%{http_code}' -H 'host: www.example.com' "$EDGE/free")
	is "$1: each request of a connection is decided for itself" "$first" "${2:-200 401 200}"
	forget
}

person_with_stanza | with_rules | ipv4 >"$D/person.cfg"
up "$D/person.cfg"
denied "decided once"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
is "what is redacted goes on" "$status $(header x-tollgate-decision)" "200 redact"
unlike "redacted" "$(seen)" 'jane.doe'
unlike "rules below the stanza are too late for what takes the relay" "$(seen)" '"host":"api.example.net"'
like "by the policy's backend" "$(seen)" 'sk-provider-openai'
req GET /v1/models -H "$ai" -H "$auth"
like "what goes direct has their effect" "$status $(seen)" '200 .*"host":"api.example.net"'
req GET /free -H 'host: www.example.com'
is "what does not pass is as it was" "$status $(header x-tollgate-id)" "200 "

# a host that a rule below turns into the gate's is not the gate's
sed 's/set-header host api.example.net/set-header host ai.example.com/' "$D/person.cfg" >"$D/into.cfg"
up "$D/into.cfg"
req GET /free -H 'host: www.example.com'
is "what did not pass does not come to pass later" "$status $(header x-tollgate-id)" "200 "

# a rule that ends the rules before the first line: an error of check, and closed all the same
sed 's/^    http-request set-var(txn.tollgate_gated) bool(false)/    http-request allow if { req.hdr(x-skip) -m found }\n&/' "$D/person.cfg" >"$D/allow.cfg"
up "$D/allow.cfg"
req GET /v1/models -H "$ai" -H 'x-skip: 1'
is "what was never decided is a 503" "$status $(seen)" "503 []"

# the stanza of before
form 21 >"$D/pieces.cfg"
older() { person_with_older_stanza "$D/pieces.cfg"; }
older >"$D/older.cfg"
checked() { "$build/tollgate" check --haproxy-only --haproxy "$1" "$root/haproxy/tollgate.cfg" --haproxy-version "$HAPROXY_VERSION" >"$D/out" 2>"$D/err"; }
checked "$D/older.cfg"
is "an older stanza is no error" "$? $(cat "$D/err")" "0 "
like "but advice" "$(cat "$D/out")" 'older.cfg:[0-9]+:1: stanza-older: '
older | with_rules | ipv4 >"$D/open.cfg"
checked "$D/open.cfg"
is "with such a rule below it is" "$?" 1
like "by the rule's line" "$(cat "$D/err")" "open.cfg:$(grep -n 'set-header host' "$D/open.cfg" | cut -d: -f1):1: scope-changed: "
up "$D/older.cfg"
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d '{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
is "an older one keeps working" "$status $(header x-tollgate-decision)" "200 redact"
req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
is "and denies" "$status" 401
up "$D/open.cfg"
req POST /v1/other -H "$ai" -H "$json" -d "$chat"
like "the error is real: what was denied is read by the provider" "$(seen)" 'unread'

# renewed where it is
backends=(--backend openai=openai --backend anthropic=anthropic --backend local=openai)
mkdir -p "$D/root/etc/haproxy" "$D/root/etc/default"
cp "$D/open.cfg" "$D/root/etc/haproxy/haproxy.cfg"
"$build/tollgate" init --root "$D/root" --write --person alice "${backends[@]}" --haproxy-binary /bin/true >"$D/out" 2>"$D/err"
is "init renews it" "$?" 0
"$build/tollgate" init --root "$D/root" "${backends[@]}" --haproxy-binary /bin/true >"$D/out" 2>&1
like "once" "$(cat "$D/out")" 'Nothing to do'
up "$D/root/etc/haproxy/haproxy.cfg"
denied "renewed"

# the complete example: all that comes in passes, no line asks what a rule could change
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
