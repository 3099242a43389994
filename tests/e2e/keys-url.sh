# An issuer's keys at an https URL: fetched at start, a new key by the first token that
# names it, and an issuer that is away.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "an issuer over https" "node is not installed"; exit 0; }
idp=$(mktemp -d /tmp/tgidp.XXXXXX)
trap 'kill $idp_pid 2>/dev/null; finish; rm -rf "$idp"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$idp/key.pem" -out "$idp/cert.pem" 2>/dev/null
cat >"$idp/idp.mjs" <<'J'
// An identity provider as simple as one can be: a key set at /keys with an ETag, and
// tokens for the asking at /token?kid=K&sub=S. /rotate makes a key that /keys publishes
// at once; /requests counts what asked for keys.
import https from 'node:https'
import fs from 'node:fs'
import { generateKeyPairSync, sign, createHash } from 'node:crypto'
const dir = process.argv[2]
const keys = []
const rotate = () => keys.push({ kid: `k${keys.length}`, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) })
const b64 = (x) => Buffer.from(x).toString('base64url')
let asked = 0
rotate()
const server = https.createServer({ key: fs.readFileSync(`${dir}/key.pem`), cert: fs.readFileSync(`${dir}/cert.pem`) }, (q, r) => {
	const url = new URL(q.url, 'https://localhost')
	if (url.pathname === '/keys') {
		asked++
		const body = JSON.stringify({ keys: keys.map((k) => ({ ...k.publicKey.export({ format: 'jwk' }), kid: k.kid, alg: 'ES256', use: 'sig' })) })
		const etag = `"${createHash('sha256').update(body).digest('hex')}"`
		if (q.headers['if-none-match'] === etag) return r.writeHead(304, { etag }).end()
		return r.writeHead(200, { etag, 'content-type': 'application/jwk-set+json' }).end(body)
	}
	if (url.pathname === '/rotate') rotate()
	if (url.pathname === '/requests') return r.end(String(asked))
	const kid = url.searchParams.get('kid') ?? keys.at(-1).kid
	const key = keys.find((k) => k.kid === kid) ?? keys[0]
	const now = Math.floor(Date.now() / 1000)
	const text = `${b64(JSON.stringify({ alg: 'ES256', kid }))}.${b64(JSON.stringify({ iss: 'https://idp/', aud: 'gw', sub: url.searchParams.get('sub') ?? 'alice', exp: now + 300 }))}`
	r.end(`${text}.${sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`)
})
server.listen(Number(process.argv[3]), '127.0.0.1', () => fs.writeFileSync(`${dir}/port`, String(server.address().port)))
J
start_idp() {
	rm -f "$idp/port"
	node "$idp/idp.mjs" "$idp" "${1:-0}" &
	idp_pid=$!
	wait_for test -s "$idp/port"
	url=https://localhost:$(cat "$idp/port")
}
idp() { curl -s -m 90 --cacert "$idp/cert.pem" "$url$1"; }
start_idp
cat >"$idp/policy.yaml" <<P
tollgate: 1
name: keys-at-a-url
identity:
  - jwt: {issuer: https://idp/, audience: gw, jwks: "$url/keys", ca_file: $idp/cert.pem, refresh: 1h, max_stale: 2h}
  - none: {person: service-account}
providers:
  local: {backend: local, dialect: openai, external: false, region: eu}
routes:
  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local, response: ignore}
rules:
  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
default: permit
P
fetched=$EPOCHSECONDS # or later
stack_up --policy "$idp/policy.yaml"
ask() { req POST /api/x -H "authorization: Bearer $1" -H 'content-type: application/json' -d '{}'; }
check "the keys are fetched at start" wait_for says 'keys: https://localhost:[0-9]+/keys: answered' ready
ask "$(idp '/token')"
is "a token of its key" "$status" 200
ask "$(idp '/token?kid=nobody')"
is "an unknown key, right after a fetch" "$status" 401
unknown=$(idp '/token?kid=nobody')
for _ in 1 2 3 4 5 6; do # until the machine is quick enough for twenty in the ten seconds after a fetch
	before=$(idp /requests)
	curl -s -m 90 -o /dev/null -H "authorization: Bearer $unknown" -H 'content-type: application/json' -d '{}' "$EDGE/api/x?[1-20]"
	[ $((EPOCHSECONDS - fetched)) -ge 9 ] || break
	sleep 10.2
	fetched=$EPOCHSECONDS
	ask "$unknown"
done
is "twenty unknown keys cost the issuer nothing" "$(idp /requests)" "$before"
sleep 10.2 # the next fetch for an unknown key
rotated=$(idp /rotate)
ask "$rotated"
is "the first token of a new key passes" "$status" 200
is "for one request to the issuer" "$(idp /requests)" "$((before + 1))"
is "its fetches are counted" "$(metric key_fetches_total 'result="ok"')" $((before + 1))
kill $idp_pid
wait $idp_pid 2>/dev/null
ask "$rotated"
is "the issuer is away: its keys are believed" "$status" 200
kill -HUP "$(pid_of tollgate)"
wait_for says '^1$' metric reloads_total 'result="ok"'
ask "$rotated"
is "and over a reload" "$status" 200
# A policy whose issuer never answered: no token passes, and it is not the token's fault.
sed "s#$url/keys#https://localhost:1/keys#" "$idp/policy.yaml" >"$idp/policy.new" && mv "$idp/policy.new" "$idp/policy.yaml"
kill -HUP "$(pid_of tollgate)"
# /ready reports the new key set a moment before the workers use the new policy
no_key() { ask "$rotated"; [ "$status" != 200 ]; }
wait_for no_key
is "without any key: try again" "$status $(header retry-after)" '503 1'
like "and it is not ready" "$(ready)" 'none that may be used'
exit $failed
