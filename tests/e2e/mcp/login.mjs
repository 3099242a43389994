// Complete logins of the official clients, 1.x and 2.x, at the test's authorization server: a line for each check.
//   login.mjs issuer FOLDER   the server: jwks.json in FOLDER, its port on stdout
//   login.mjs                 the clients; EDGE, ISSUER
import http from 'node:http';
import { writeFileSync } from 'node:fs';
import { createHash, createSign, generateKeyPairSync, randomUUID, webcrypto } from 'node:crypto';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as two from '@modelcontextprotocol/client';

globalThis.crypto ??= webcrypto; // Debian 12's Node 18 has it only there; the SDK reads the global

const b64 = (x) => Buffer.from(typeof x === 'string' ? x : JSON.stringify(x)).toString('base64url');

function issuer(folder) {
	const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
	writeFileSync(`${folder}/jwks.json`, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] }));
	let at, lasts = 300;
	const codes = new Map(), seen = [];
	const token = (scope, aud) => {
		const now = Math.floor(Date.now() / 1000);
		const text = `${b64({ alg: 'RS256', kid: 'k', typ: 'JWT' })}.${b64({ iss: at, sub: 'ann', aud, scope, iat: now, exp: now + lasts, jti: randomUUID() })}`;
		return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey).toString('base64url')}`;
	};
	const json = (res, status, o) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(o));
	const s = http.createServer(async (req, res) => {
		const url = new URL(req.url, at);
		let body = '';
		for await (const p of req) body += p;
		if (url.pathname === '/.well-known/oauth-authorization-server')
			return json(res, 200, { issuer: at, authorization_endpoint: `${at}/authorize`, token_endpoint: `${at}/token`, response_types_supported: ['code'], grant_types_supported: ['authorization_code', 'refresh_token'], code_challenge_methods_supported: ['S256'], token_endpoint_auth_methods_supported: ['none'] });
		if (url.pathname === '/authorize') {
			const code = randomUUID();
			codes.set(code, Object.fromEntries(url.searchParams));
			seen.push({ asked: url.searchParams.get('scope'), resource: url.searchParams.get('resource') });
			const back = new URL(url.searchParams.get('redirect_uri'));
			back.searchParams.set('code', code);
			if (url.searchParams.get('state')) back.searchParams.set('state', url.searchParams.get('state'));
			return res.writeHead(302, { location: back.href }).end();
		}
		if (url.pathname === '/token') {
			const q = new URLSearchParams(body);
			let scope, aud = q.get('resource');
			if (q.get('grant_type') === 'refresh_token') {
				scope = q.get('refresh_token');
			} else {
				const c = codes.get(q.get('code'));
				codes.delete(q.get('code'));
				if (!c || createHash('sha256').update(q.get('code_verifier')).digest('base64url') !== c.code_challenge)
					return json(res, 400, { error: 'invalid_grant' });
				scope = c.scope ?? '';
			}
			seen.push({ grant: q.get('grant_type'), resource: aud, scope });
			// Refreshes a token with an added scope. Otherwise a client would refresh instead of asking for a new
			// login.
			const refresh = scope.includes('leak') ? { refresh_token: scope } : {};
			return json(res, 200, { access_token: token(scope, aud), token_type: 'Bearer', expires_in: 300, scope, ...refresh });
		}
		if (url.pathname === '/lasts') {
			lasts = Number(url.searchParams.get('s'));
			return res.end();
		}
		if (url.pathname === '/seen') return json(res, 200, seen.splice(0));
		res.writeHead(404).end();
	});
	s.listen(0, '127.0.0.1', () => {
		at = `http://127.0.0.1:${s.address().port}`;
		console.log(`issuer=${s.address().port}`);
	});
}

const { EDGE, ISSUER } = process.env;
const check = (name, good, got) => console.log(good ? `ok - ${name}` : `not ok - ${name}\n#   ${JSON.stringify(got)?.slice(0, 600)}`);
const failed = (p) => p.then((r) => ({ none: r }), (e) => e);
const at = async (path) => (await fetch(`http://127.0.0.1:${ISSUER}${path}`));
const seen = async () => (await at('/seen')).json();

// Acts as a person with a browser.
class Person {
	redirectUrl = 'http://127.0.0.1:1/back';
	clientMetadata = { client_name: 'test', redirect_uris: ['http://127.0.0.1:1/back'], token_endpoint_auth_method: 'none' };
	clientInformation() { return { client_id: 'test', redirect_uris: this.clientMetadata.redirect_uris }; }
	saveClientInformation() {}
	tokens() { return this.held; }
	saveTokens(t) { this.held = t; }
	codeVerifier() { return this.verifier; }
	saveCodeVerifier(v) { this.verifier = v; }
	async redirectToAuthorization(url) {
		const r = await fetch(url, { redirect: 'manual' });
		this.back = new URL(r.headers.get('location')).searchParams;
	}
}

async function whole(version, make) {
	const named = (s) => `client ${version}: ${s}`;
	const resource = `${EDGE}/mcp`;
	const who = new Person();
	let got = [];
	const logged = async (url, init) => {
		const r = await fetch(url, init);
		got.push([r.status, String(url).replace(EDGE, ''), r.headers.get('www-authenticate')]);
		return r;
	};
	const open = () => make(new URL(resource), { authProvider: who, fetch: logged });
	await seen();
	let [client, transport] = open();
	let e = await failed(client.connect(transport));
	check(named('without a token gets the address of the login'), /Unauthorized/.test(e?.name + e?.message) &&
		got[0]?.[2] === `Bearer resource_metadata="${EDGE}/.well-known/oauth-protected-resource/mcp", scope="tools:use"`, [String(e), got]);
	check(named('reads the metadata document without a token'), got.some(([s, u]) => s === 200 && u === '/.well-known/oauth-protected-resource/mcp'), got);
	const finish = (t) => t.finishAuth(version === '1.x' ? who.back.get('code') : who.back);
	await finish(transport);
	let said = await seen();
	check(named('requests the resource and the scope of the challenge'),
		said[0]?.asked === 'tools:use' && said[0]?.resource === resource && said[1]?.grant === 'authorization_code' && said[1]?.resource === resource, said);
	[client, transport] = open();
	await client.connect(transport);
	const { tools } = await client.listTools();
	check(named('is accepted with its token'), tools.some((t) => t.name === 'echo'), tools);
	const session = transport.sessionId;

	got = [];
	e = await failed(client.callTool({ name: 'leak', arguments: {} }));
	check(named('a call that needs a further scope causes a login'), /Unauthorized/.test(e?.name + e?.message) &&
		got.some(([s, , w]) => s === 403 && /^Bearer error="insufficient_scope", resource_metadata=".*", scope="tools:use tools:leak"$/.test(w)), [String(e), got]);
	await finish(transport);
	said = await seen();
	check(named('keeps the earlier scope'), said[0]?.asked === 'tools:use tools:leak' && said[0]?.resource === resource, said);
	let r = await client.callTool({ name: 'leak', arguments: {} });
	check(named('the call is then permitted'), r.isError !== true && /536/.test(r.content?.[0]?.text), r);

	// the token expires; the next one is of the same person
	const ended = async () => {
		await at('/lasts?s=-3600');
		const t = await (await fetch(`http://127.0.0.1:${ISSUER}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'tools:use', resource }) })).json();
		await at('/lasts?s=300');
		await seen();
		return t.access_token;
	};
	who.held = { ...who.held, access_token: version === '1.x' ? await ended() : 'what is no token' };
	got = [];
	r = await client.callTool({ name: 'echo', arguments: { text: 'again' } });
	said = await seen();
	check(named('toolhive#5306: a session continues when its token is refreshed'), /you said again/.test(r.content?.[0]?.text) && transport.sessionId === session &&
		got.some(([s, , w]) => s === 401 && /error="invalid_token"/.test(w)) && said[0]?.grant === 'refresh_token', [r, got, said]);
	await client.close();

	// a configuration of an earlier version, whose challenge is a bare Bearer
	const other = new Person();
	got = [];
	const bare = async (url, init) => {
		const res = await logged(url, init);
		const headers = new Headers(res.headers);
		if (headers.has('www-authenticate')) headers.set('www-authenticate', 'Bearer');
		return new Response(res.body, { status: res.status, headers });
	};
	[client, transport] = make(new URL(resource), { authProvider: other, fetch: bare });
	await failed(client.connect(transport));
	check(named('modelcontextprotocol#581: finds the metadata document by its path alone'), other.back?.get('code') && got.some(([s, u]) => s === 200 && u === '/.well-known/oauth-protected-resource/mcp'), got);

	// a server behind the gateway that requires its own login
	const third = new Person();
	third.held = { access_token: who.held.access_token, token_type: 'Bearer' };
	[client, transport] = make(new URL(`${EDGE}/shut`), { authProvider: third, fetch: (u, i) => fetch(u, { ...i, headers: { ...Object.fromEntries(new Headers(i?.headers)), 'x-do': 'login' } }) });
	e = await failed(client.connect(transport));
	check(named('litellm#27847: a refusal of the server is an error, and causes no login there'), /login of its own/.test(String(e?.message)) && !third.back, String(e?.stack ?? e));
}

if (process.argv[2] === 'issuer') {
	issuer(process.argv[3]);
} else {
	for (const [version, make] of [
		['1.x', (u, o) => [new Client({ name: 'one', version: '1' }), new StreamableHTTPClientTransport(u, o)]],
		['2.x', (u, o) => [new two.Client({ name: 'two', version: '1' }), new two.StreamableHTTPClientTransport(u, o)]],
	])
		await whole(version, make).catch((e) => check(`client ${version} ends`, false, String(e?.stack ?? e)));
	process.exit(0);
}
