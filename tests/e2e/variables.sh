# The daemon's variables in a configuration's own rules: also the redacted body, if it is enabled and fits.
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
unlike "if the body does not fit, the variable does not contain the address" "$body" 'jane'
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'x-show: 1' -d '{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
is "the variables of a redacted request" "$body" 'redact relay pii alice echo pii a'
req GET /v1/models -H "$auth" -H 'x-show: 1'
is "the variables of a permitted request" "$body" 'permit direct default alice   a'

# Malformed requests with an address in unusual places: they are refused, and the address is not stored.
mark=jane.doe@example.com
head -c 300000 /dev/zero >"$D/large"
paths=$(
	for how in "404 /nowhere/$mark" "401 /api/direct/$mark" "401 /api/direct/x?q=$mark" "413 /api/direct/$mark/large" \
		"415 /api/direct/$mark/coded" "400 /api/./direct/$mark" "400 /api/direct/$mark%2f" "501 /api/direct/$mark/traced"; do
		p=${how#* } h=$auth method=POST more='x: y' send='{}'
		case $how in
		401*) h='authorization: Bearer a.b.c' ;;
		*large) more='content-length: 999999999' send=@$D/large ;; # longer than HAProxy waits for
		*coded) more='content-encoding: zstd' ;;
		*traced) method=TRACE ;;
		esac
		printf '%s ' "$(curl -s -m 90 -o /dev/null -w '%{http_code}' --path-as-is -X "$method" -H "$h" -H "$json" -H "$more" --data-binary "$send" "$EDGE$p")"
	done
)
is "paths that contain an address are refused for other reasons" "$paths" '404 401 401 413 415 400 400 501 '
req POST /api/direct/plain/path -H "$auth" -H "$json" -d '{}'
req POST /nowhere/plain -H "$auth" -H "$json" -d '{}'
like "HAProxy's log has the normalized path" "$(cat "$D/haproxy.log")" ' POST /api/direct/plain/path HTTP/1.1 tollgate=permit/direct/'
like "HAProxy's log has the path of a refused request" "$(cat "$D/haproxy.log")" ' POST /nowhere/plain HTTP/1.1 tollgate=deny/-/'
is "HAProxy's log marks paths with findings, and uninspected paths" \
	"$(grep -oE 'POST <(redacted|unread)> HTTP|TRACE - HTTP' "$D/haproxy.log" | sort | uniq -c | tr -s ' \n' ' ')" \
	' 6 POST <redacted> HTTP 1 POST <unread> HTTP 2 TRACE - HTTP ' # TRACE: the stack's own line too
final is "neither a log nor the journal nor the stream contains the address" \
	"$(grep -rlE 'jane.doe' "$D"/*.log "$JOURNAL"; redis-cli -s "${REDIS#unix:}" xrange tollgate:audit:a - + | grep -c jane.doe)" 0
as_shipped
killed tollgate
wait_for gone "$(pid_of tollgate)"
req POST "/api/direct/$mark" -H "$auth" -H "$json" -d '{}'
is "without a daemon, a request is 503" "$status" 503
check "without a daemon, the log has no path" wait_for says ' POST - HTTP/1.1 tollgate=-/-/-/' tail -n 5 "$D/haproxy.log"
