# The variables of the daemon in a person's own rules: the redacted body too,
# where it is switched on and fits.
. "$(dirname "$0")/lib.sh"
{
	cat "$here/config.yaml"
	echo 'body_variable: true'
} >"$D/config.yaml"
awk '{ print } /^ *http-request send-spoe-group/ && !done {
	done = 1
	print "    http-request return status 200 content-type text/plain lf-string \"%[var(txn.tollgate.body)]\" if { path /api/direct/body }"
	print "    http-request return status 200 content-type text/plain lf-string \"%[var(txn.tollgate.decision)] %[var(txn.tollgate.via)] %[var(txn.tollgate.rule)] %[var(txn.tollgate.identity)] %[var(txn.tollgate.model)] %[var(txn.tollgate.classes)] %[var(txn.tollgate.node)]\" if { req.hdr(x-show) -m found }"
}' "$root/haproxy/haproxy.cfg" >"$D/edge.cfg"
stack_up --policy "$here/policy.yaml" --config "$D/config.yaml" --edge "$D/edge.cfg"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
req POST /api/direct/body -H "$auth" -H "$json" -d '{"to":"jane.doe@example.com","n":1}'
is "txn.tollgate.body is the redacted body" "$body" '{"to":"<EMAIL_ADDRESS_1>","n":1}'
{ printf '{"to":"jane.doe@example.com","x":"'; head -c 240000 /dev/zero | tr '\0' y; printf '"}'; } >"$D/body"
req POST /api/direct/body -H "$auth" -H "$json" --data-binary "@$D/body"
unlike "where it does not fit, the address does not stand in it" "$body" 'jane'
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'x-show: 1' -d '{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
is "what a rule may read" "$body" 'redact relay pii alice echo pii a'
req GET /v1/models -H "$auth" -H 'x-show: 1'
is "of a permitted request" "$body" 'permit direct default alice   a'
