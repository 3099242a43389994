# Client certificates: a person identified by a certificate, and a token that is bound to one. Then bodies near the
# maximum length for the direct path, because the certificate is in the same frame.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
tls=$(mktemp -d /tmp/tgtls.XXXXXX)
trap 'finish; rm -rf "$tls"' EXIT
make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$tls/$1.key" -out "$tls/$1.crt" 2>/dev/null
}
# make_cert NAME CA SUBJECT [SAN]: alice's certificate is long
make_cert() {
	openssl req -newkey "rsa:$([ "$1" = alice ] && echo 4096 || echo 2048)" -nodes -subj "$3" -keyout "$tls/$1.key" -out "$tls/$1.csr" 2>/dev/null
	openssl x509 -req -in "$tls/$1.csr" -CA "$tls/$2.crt" -CAkey "$tls/$2.key" -CAcreateserial -days 2 \
		-extfile <(echo "${4:+subjectAltName=$4}") -out "$tls/$1.crt" 2>/dev/null
	cat "$tls/$1.crt" "$tls/$1.key" >"$tls/$1.pem"
}
make_ca ca
make_ca stranger
make_cert server ca /CN=localhost DNS:localhost
make_cert alice ca '/CN=alice/O=red/OU=analyst' "URI:spiffe://acme.org/alice,$(printf 'DNS:host-%s.acme.org,' {1..60} | sed 's/,$//')"
make_cert bob ca '/CN=bob/O=blue' URI:spiffe://acme.org/bob
make_cert mallory stranger '/CN=alice/O=red' URI:spiffe://acme.org/alice
# a Unix socket, because another program may use a port
sed "s#^    bind :8080\$#&\n    bind unix@$tls/edge.sock ssl crt $tls/server.pem ca-file $tls/ca.crt verify optional crt-ignore-err all ca-ignore-err all alpn h2,http/1.1#" \
	"$root/haproxy/haproxy.cfg" >"$tls/haproxy.cfg"
cat >"$tls/policy.yaml" <<P
tollgate: 1
name: certificates
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - client_certificate: {person: subject.CN, team: subject.O, roles: subject.OU, trust_domain: acme.org}
  - none: {person: service-account}
providers:
  local: {backend: local, dialect: openai, external: false, region: eu}
routes:
  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local, response: ignore}
  - {name: voice, match: {path: /v1/realtime}, targets: local, websocket: true}
rules:
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
  - {name: red-only, when: 'identity.team != "red"', deny: {reason: another team}}
default: permit
P
stack_up --policy "$tls/policy.yaml" --edge "$tls/haproxy.cfg"
EDGE=https://localhost
with() { echo "--unix-socket $tls/edge.sock --cacert $tls/ca.crt ${1:+--cert $tls/$1.pem}"; }
# shellcheck disable=SC2046
ask() { local who=$1; shift; req POST /api/x $(with "$who") -H 'content-type: application/json' -d '{"a":"b"}' "$@"; }
ask alice
is "a certificate identifies a person" "$status" 200
ask bob
is "another person has another team" "$status" 403
ask ''
is "a request without a certificate is 401" "$status" 401
ask mallory
is "a certificate of another CA is refused" "$status" 401
ask '' -H 'x-tollgate-cert: x' -H 'x-client-cert: x'
is "a header field cannot replace a certificate" "$status" 401
thumb=$(openssl x509 -in "$tls/alice.crt" -outform DER | openssl dgst -sha256 -binary | openssl base64 | tr '+/' '-_' | tr -d '=\n')
bound=$(token --claims "{\"cnf\":{\"x5t#S256\":\"$thumb\"}}")
ask alice -H "authorization: Bearer $bound"
is "a bound token with its certificate passes" "$status" 200
ask bob -H "authorization: Bearer $bound"
is "a bound token with another certificate is 401" "$status" 401
ask '' -H "authorization: Bearer $bound"
is "a bound token without a certificate is 401" "$status" 401
ask alice -H "authorization: Bearer $bound" --http2
is "a bound token with its certificate passes over HTTP/2" "$status" 200
# A page of any site may open a WebSocket, and the browser then sends the certificate.
socket() {
	# shellcheck disable=SC2046
	TIMEOUT=2 req GET '/v1/realtime?model=gpt-realtime' --http1.1 $(with "${1:-alice}") -H 'connection: upgrade' -H 'upgrade: websocket' \
		-H 'sec-websocket-version: 13' -H 'sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==' "${@:2}"
}
socket alice
is "a certificate opens a WebSocket" "$status" 101
socket alice -H 'origin: https://evil.example'
is "a page of an unlisted origin cannot open a WebSocket with a certificate" "$status $(jq -r .error.code <<<"$body")" "403 origin_not_listed"
socket alice -H 'origin: https://evil.example' -H "authorization: Bearer $bound"
is "a page with a token can open a WebSocket" "$status" 101
echo https://app.example.com >"$D/haproxy/origins.lst"
haproxy_reload
socket alice -H 'origin: https://app.example.com'
is "a page of an origin in origins.lst can open a WebSocket" "$status" 101
socket alice -H 'origin: https://app2.example.com'
is "a page of another origin cannot open a WebSocket" "$status" 403
# A body arrives whole if it fits into HAProxy's buffer. The certificate is added to the same frame. Longer bodies use
# the relay, and none is refused.
bad=
for n in 8000 8183 8184 8185 20000 $(seq 242600 200 246200) 262000 262144 300000; do
	head -c "$n" /dev/zero | tr '\0' a | sed 's/^/{"a":"/; s/$/"}/' >"$tls/body"
	# shellcheck disable=SC2046
	req POST /api/x $(with alice) -H 'content-type: application/json' -H 'expect:' --data-binary "@$tls/body"
	[ "$status" = 200 ] || bad="$bad $n:$status"
done
is "no body near the maximum length is refused" "$bad" ''
exit $failed
