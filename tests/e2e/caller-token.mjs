// An identity provider that exchanges tokens (a stand-in: its grants are RFC 8693's and Entra ID's on-behalf-of, and the
// file `lies` names its faults), and a server that opens a person's own tickets only, by the token that it receives.
//   caller-token.mjs FOLDER     ports on stdout; each exchange is a line of FOLDER/exchanges, each call one of FOLDER/calls
import http from 'node:http'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
const folder = process.argv[2]
const b64 = x => Buffer.from(JSON.stringify(x)).toString('base64url')
const claims = t => JSON.parse(Buffer.from(t.split('.')[1], 'base64url'))
const now = () => Math.floor(Date.now() / 1000)
const lie = () => existsSync(`${folder}/lies`) ? readFileSync(`${folder}/lies`, 'utf8').trim() : ''
let n = 0
const text = async req => { let s = ''; for await (const p of req) s += p; return s }
const idp = http.createServer(async (req, res) => {
	const q = Object.fromEntries(new URLSearchParams(await text(req))), what = lie()
	const of = q.subject_token ?? q.assertion, who = claims(of)
	appendFileSync(`${folder}/exchanges`, JSON.stringify({ grant: q.grant_type, sub: who.sub, audience: q.audience, resource: q.resource, scope: q.scope,
		actor: q.actor_token && claims(q.actor_token).sub, use: q.requested_token_use, client: q.client_id, secret: q.client_secret, types: [q.subject_token_type, q.requested_token_type] }) + '\n')
	const json = (status, o, more = {}) => res.writeHead(status, { 'content-type': 'application/json', ...more }).end(JSON.stringify(o))
	const token = { iss: who.iss, sub: who.sub, aud: q.audience ?? q.resource ?? 'api', scope: q.scope ?? 'tickets', exp: now() + 300, jti: String(++n) }
	if (q.actor_token) token.act = { sub: claims(q.actor_token).sub }
	let scope = q.scope, life = 300
	if (what === 'other-person') token.sub = 'mallory'
	if (what === 'no-person') delete token.sub
	if (what === 'other-audience') token.aud = 'payroll'
	if (what === 'wider') token.scope = scope = `${q.scope ?? ''} admin`
	if (what === 'wider-response') scope = `${q.scope ?? ''} admin`
	if (what === 'year') life = 365 * 86400
	if (what === 'ended') token.exp = now() - 10
	if (what === 'short') life = 3
	if (what === 'hangs') return
	if (what === 'slow') await new Promise(r => setTimeout(r, 400))
	if (what === 'long') return res.writeHead(200, { 'content-type': 'application/json' }).end(`{"access_token":"${'x'.repeat(60000)}","token_type":"Bearer","expires_in":300}`)
	if (what === 'redirect') return res.writeHead(302, { location: '/elsewhere' }).end()
	if (what === 'html') return res.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
	if (what === '500') return json(500, { message: 'no' })
	if (what === 'error-200') return json(200, { error: 'invalid_grant' })
	if (what === 'client') return json(401, { error: 'invalid_client', error_description: 'TopSecretDescription' })
	if (what === 'denied') return json(400, { error: 'access_denied', error_description: 'TopSecretDescription' })
	if (what === 'consent') return json(400, { error: 'invalid_grant', suberror: 'consent_required', error_description: 'TopSecretDescription' })
	if (what === 'claims') return json(400, { error: 'interaction_required', claims: '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}' })
	json(200, { access_token: what === 'opaque' ? `opaque-${who.sub}-${n}` : `${b64({ alg: 'none' })}.${b64(token)}.c2ln`, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: life, scope })
})
const server = http.createServer(async (req, res) => {
	await text(req)
	const t = (req.headers.authorization ?? '').replace(/^Bearer /, '')
	const who = t.startsWith('opaque-') ? { sub: t.split('-')[1] } : t.split('.').length === 3 ? claims(t) : {}
	appendFileSync(`${folder}/calls`, JSON.stringify({ sub: who.sub, aud: who.aud, jti: who.jti, act: who.act?.sub, path: req.url, fields: Object.keys(req.headers) }) + '\n')
	if (lie() === 'server-401') return res.writeHead(401, { 'www-authenticate': 'Bearer realm="TopSecretChallenge"' }).end()
	const owner = req.url.split('/').at(-1)
	res.writeHead(who.sub === owner ? 200 : 403, { 'content-type': 'application/json' }).end(JSON.stringify({ ticket: owner, for: who.sub }))
})
for (const s of [idp, server]) await new Promise(r => s.listen(0, '127.0.0.1', r))
console.log(`idp=${idp.address().port} server=${server.address().port}`)
