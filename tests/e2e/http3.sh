# HTTP/3 as docs/haproxy.md configures it: requests pass the gate like others. The client is a second HAProxy (3.3 or
# later, with QUIC), which forwards HTTP/1 requests over HTTP/3.
. "$(dirname "$0")/lib.sh"
if ! "$HAPROXY_BIN" -vv | grep -q '^ *quic : mode=HTTP'; then
	skip "HTTP/3" "this HAProxy is built without QUIC"
	exit 0
fi
command -v openssl >/dev/null || { skip "HTTP/3" "openssl is not installed"; exit 0; }
read -r quic front < <("$build/stackhelp" ports 2)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout "$D/ai.key" -out "$D/ai.crt" 2>/dev/null
cat "$D/ai.crt" "$D/ai.key" >"$D/ai.pem"
# the lines of the page, with this test's certificate and port
sed -n '/bind quic4@/s/^ *//p; /add-header alt-svc/s/^ *//p' "$root/docs/haproxy.md" | sed "s#quic4@:443#quic4@127.0.0.1:$quic#; s#/etc/haproxy/certs/ai.pem#$D/ai.pem#" >"$D/lines"
is "the page has both lines" "$(wc -l <"$D/lines")" 2
{
	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		global) echo '    limited-quic' ;;
		'frontend edge '*) sed 's/^/    /' "$D/lines" ;;
		esac
	done <"$root/haproxy/haproxy.cfg"
} >"$D/edge.cfg"
stack_up --edge "$D/edge.cfg"
is "HAProxy accepts both lines without a warning" "$(grep -v 'was started as \(the \)\?root' "$D/haproxy-check.log")" ""
cat >"$D/client.cfg" <<END
global
    expose-experimental-directives
    limited-quic
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
listen client
    bind 127.0.0.1:$front
    server edge quic4@127.0.0.1:$quic ssl alpn h3 sni str(localhost) verify required ca-file $D/ai.crt
END
# HAProxy 3.0 and 3.2 may load a server with a QUIC address, but do not connect to it.
minor=$("$HAPROXY_BIN" -v | sed -n 's/^HAProxy version 3\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt 3 ]; then
	skip "requests over HTTP/3" "this HAProxy cannot be the client, 3.3 or later can"
	exit $failed
fi
if ! "$HAPROXY_BIN" -c -f "$D/client.cfg" >"$D/client.log" 2>&1; then
	skip "requests over HTTP/3" "this HAProxy cannot be the client: $(grep -m1 -o "'server client/edge' : .*" "$D/client.log")"
	exit $failed
fi
setsid "$HAPROXY_BIN" -db -f "$D/client.cfg" </dev/null >"$D/client.log" 2>&1 &
note_pid $! client
over_h3() { curl -s -m 60 -o "$D/body" -D "$D/head" -w '%{http_code}' -H 'content-type: application/json' "$@" "http://127.0.0.1:$front/v1/chat/completions"; }
there() { [ "$(over_h3 -d '{}')" != 503 ] && [ "$(over_h3 -d '{}')" != 000 ]; }
check "a client reaches the gateway over HTTP/3" wait_for there
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
is "a request without a credential is 401" "$(over_h3 -d "$chat")" 401
forget
is "a request with a credential passes" "$(over_h3 -H "authorization: Bearer $(token)" -d "$chat")" 200
like "the response announces HTTP/3" "$(cat "$D/head")" '^alt-svc: h3=":443"; ma=3600'
unlike "the provider gets a redacted body" "$(seen)" 'jane\.doe'
like "HAProxy logged the version" "$(cat "$D/haproxy.log")" ' HTTP/3.0 tollgate=redact/relay/'
is "a stream arrives whole" "$(over_h3 -H "authorization: Bearer $(token)" -d "${chat/\{/\{\"stream\":true,}") $(grep -c 'data: \[DONE\]' "$D/body")" "200 1"
head -c 600000 /dev/zero | tr '\0' x >"$D/long"
printf '{"model":"echo","messages":[{"role":"user","content":"%s"}]}' "$(cat "$D/long")" >"$D/long.json"
is "a request that is longer than a buffer arrives whole" "$(over_h3 -H "authorization: Bearer $(token)" --data-binary "@$D/long.json") $(stat -c %s "$D/body" | awk '{ print ($1 > 600000) }')" "200 1"
exit $failed
