// A real authorization server (npm's oidc-provider): people log in by the authorization code grant with PKCE, and RFC 8693's grant
// is added as oidc-provider's documentation of custom grants describes it.
//   as.mjs serve                      its port on stdout
//   as.mjs login ISSUER PERSON        logs in at its pages, and prints the person's access token for the gateway
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import Provider from 'oidc-provider'

const GATEWAY = 'https://gateway.example', TICKETS = 'https://tickets.example', EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const resource = (aud, scope) => ({ audience: aud, scope, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } } })

async function serve() {
	const server = createServer()
	await new Promise(r => server.listen(0, '127.0.0.1', r))
	const issuer = `http://127.0.0.1:${server.address().port}`
	const provider = new Provider(issuer, {
		clients: [
			{ client_id: 'app', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/back'], application_type: 'native', grant_types: ['authorization_code'], response_types: ['code'] },
			{ client_id: 'gateway', client_secret: 'TopSecretOfGateway', token_endpoint_auth_method: 'client_secret_post', redirect_uris: [], response_types: [], grant_types: [EXCHANGE] },
		],
		scopes: ['openid', 'tickets.read', 'tickets.write'],
		features: {
			resourceIndicators: { enabled: true, defaultResource: () => GATEWAY, useGrantedResource: () => true,
				getResourceServerInfo: (_, r) => r === TICKETS ? resource(TICKETS, 'tickets.read tickets.write') : resource(GATEWAY, 'tickets.read') },
		},
		findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
	})
	const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
	provider.registerGrantType(EXCHANGE, async ctx => {
		const { client, params } = ctx.oidc
		const refuse = (error, d) => { ctx.status = 400; ctx.body = { error, error_description: d } }
		let who
		try {
			who = (await jwtVerify(params.subject_token, keys, { issuer, audience: GATEWAY })).payload
		} catch (e) {
			return refuse('invalid_request', e.message)
		}
		if (params.resource !== TICKETS) return refuse('invalid_target')
		if (who.sub === 'eve') return refuse('access_denied')
		const { AccessToken, ResourceServer } = ctx.oidc.provider
		const scope = (params.scope ?? '').split(' ').filter(s => ['tickets.read', 'tickets.write'].includes(s)).join(' ')
		const token = new AccessToken({ accountId: who.sub, client, gty: 'token_exchange', scope })
		token.resourceServer = new ResourceServer(TICKETS, resource(TICKETS, scope))
		ctx.body = { access_token: await token.save(), issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: token.expiration, scope }
	}, ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope', 'actor_token', 'actor_token_type'], [])
	provider.on('server_error', (_, e) => console.error(e.stack))
	server.on('request', provider.callback())
	console.log(`issuer=${issuer}`)
}

// A browser without a window: cookies, redirects, and the two forms of the login pages.
async function login(issuer, person) {
	const jar = new Map(), verifier = randomBytes(32).toString('base64url')
	const go = async (url, form) => {
		const res = await fetch(url, { redirect: 'manual', method: form ? 'POST' : 'GET', body: form && new URLSearchParams(form), headers: { cookie: [...jar].map(c => c.join('=')).join('; ') } })
		for (const c of res.headers.getSetCookie()) {
			const [, k, v] = /^([^=]+)=([^;]*)/.exec(c)
			v ? jar.set(k, v) : jar.delete(k)
		}
		const to = res.headers.get('location')
		if (to?.startsWith('http://127.0.0.1/back')) return new URL(to).searchParams
		if (to) return go(new URL(to, url))
		const page = await res.text(), action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1], prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1]
		if (!action) throw new Error(`${res.status} ${page.slice(0, 300)}`)
		return go(new URL(action, url), prompt === 'login' ? { prompt, login: person, password: 'any' } : { prompt })
	}
	const back = await go(`${issuer}/auth?` + new URLSearchParams({ client_id: 'app', response_type: 'code', redirect_uri: 'http://127.0.0.1/back', scope: 'openid tickets.read', resource: GATEWAY,
		code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' }))
	const res = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', client_id: 'app', code: back.get('code'), redirect_uri: 'http://127.0.0.1/back', code_verifier: verifier, resource: GATEWAY }) })
	const got = await res.json()
	if (!got.access_token) throw new Error(JSON.stringify(got))
	console.log(got.access_token)
}
const [, , what, ...rest] = process.argv
await (what === 'serve' ? serve() : login(...rest))
