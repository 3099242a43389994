# Refusals of a provider whose error document is compressed, or longer than 8 KB: the code in it decides whether the
# provider is out for all callers, with and without another attempt.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { skip "compressed refusals" "python3 is not installed"; exit 0; }
command -v zstd >/dev/null || { skip "refusals compressed with zstd" "zstd is not installed"; exit 0; }
# A provider that refuses each request. The model is CODE.CODING.BYTES: the error's code, its content coding, and the
# length of its message.
python3 - >"$D/port" 2>"$D/refuser.log" <<'P' &
import gzip, json, subprocess, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *a): pass
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['content-length'])))
        code, coding, n = body['messages'][0]['content'].split('.')
        doc = json.dumps({'error': {'message': 'no ' * (int(n) // 3), 'type': 'invalid_request_error', 'param': None, 'code': code}}).encode()
        if coding == 'zstd': doc = subprocess.run(['zstd', '-qc'], input=doc, capture_output=True).stdout
        doc = gzip.compress(doc) if coding == 'gzip' else zlib.compress(doc) if coding == 'deflate' else doc
        self.send_response(401)
        self.send_header('content-type', 'application/json')
        if coding != 'plain': self.send_header('content-encoding', coding)
        self.send_header('content-length', str(len(doc)))
        self.end_headers()
        self.wfile.write(doc)
s = ThreadingHTTPServer(('127.0.0.1', 0), H)
print(s.server_port, flush=True)
s.serve_forever()
P
served=$!
wait_for test -s "$D/port"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend refuser from provider\n    server s 127.0.0.1:%s\n' "$(cat "$D/port")"
} >"$D/edge.cfg"
echo 'backends: [refuser, openai]' >"$D/mine.yaml"
rows=(invalid_api_key.gzip.30 invalid_api_key.deflate.30 invalid_api_key.plain.30000 invalid_api_key.gzip.30000 missing_scope.gzip.30 invalid_api_key.zstd.30 missing_scope.zstd.30)
{
	echo 'tollgate: 1
name: refusals
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  good: {backend: openai, dialect: openai}'
	for i in "${!rows[@]}"; do for n in 1 2; do echo "  p$i-$n: {backend: refuser, dialect: openai}"; done; done
	echo routes:
	for i in "${!rows[@]}"; do for n in 1 2; do
		echo "  - {name: r$i-$n, match: {path: /v1/chat/completions, host: h$i-$n.test}, targets: [p$i-$n, good], retry: {attempts: $n}, response: [meter]}"
	done; done
	echo 'default: permit'
} >"$D/policy.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/policy.yaml" --config "$D/mine.yaml"
note_pid $served provider
ask() { # HOST PERSON TEXT: the status
	curl -s -m 20 -o "$D/body" -w '%{http_code}' "$EDGE/v1/chat/completions" -H "host: $1" -H 'accept-encoding: gzip, deflate, zstd' -H 'content-type: application/json' \
		-H "authorization: Bearer $(token --claims "{\"sub\":\"$2\"}")" -d "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$3\"}]}"
}
for i in "${!rows[@]}"; do
	for n in 1 2; do
		first=$(ask "h$i-$n.test" alice "${rows[i]}")
		second=$(ask "h$i-$n.test" bob "${rows[i]}")
		case ${rows[i]}.$n in
		invalid_api_key.*.1) is "${rows[i]}, no other attempt: the provider is out for other callers after one request" "$first $second" "401 200" ;;
		missing_scope.*.1) is "${rows[i]}, no other attempt: the provider is not out for other callers" "$first $second" "401 401" ;;
		*) is "${rows[i]}, another attempt: both requests succeed" "$first $second" "200 200" ;;
		esac
		[ $n = 1 ] || out=$("$B/tollgate" target list --json -c "$D/tollgate.yaml" | jq -r --arg t "p$i-2" '[.[] | select(.target | startswith($t))][0].state')
	done
	case ${rows[i]} in
	invalid_api_key.*) unlike "${rows[i]}, another attempt: the provider is out for all" "$out" '^closed$' ;;
	*) is "${rows[i]}, another attempt: the provider is in for others" "$out" closed ;;
	esac
done
exit $failed
