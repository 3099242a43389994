// Servers for a joined route, each on a port of its own, and the official clients through the gateway.
//   node join.mjs servers NAME…    prints NAME=PORT for each; POST /NAME-say on its port is not used
//   node join.mjs client           a line for each check
import http from 'node:http';
import { randomUUID, webcrypto } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as two from '@modelcontextprotocol/client';
import { z } from 'zod';

globalThis.crypto ??= webcrypto; // Debian 12's Node 18 has it only there; the SDK reads the global

const read = async (req) => {
	const parts = [];
	for await (const p of req) parts.push(p);
	return Buffer.concat(parts).toString();
};

function tools(name) {
	const s = new McpServer({ name, version: '1' });
	s.registerTool('echo', { description: `${name} says it again`, inputSchema: { text: z.string() } }, async ({ text }) => ({
		content: [{ type: 'text', text: `${name} says ${text}` }],
	}));
	s.registerTool('wipe', { description: 'removes all', inputSchema: {} }, async () => ({ content: [{ type: 'text', text: 'wiped' }] }));
	s.registerTool(`only_${name}`, { description: 'is here only', inputSchema: {} }, async () => ({ content: [{ type: 'text', text: name }] }));
	s.registerPrompt('greet', { argsSchema: { who: z.string() } }, ({ who }) => ({
		messages: [{ role: 'user', content: { type: 'text', text: `${name} greets ${who}` } }],
	}));
	s.registerTool('slow', { description: 'waits until it is canceled', inputSchema: {} }, async (_, extra) => {
		const stopped = await new Promise((done) => {
			extra.signal.addEventListener('abort', () => done(true));
			setTimeout(() => done(false), 3000);
		});
		if (stopped) canceled.push(name);
		return { content: [] };
	});
	return s;
}

const canceled = [];
function server(name) {
	const sessions = new Map();
	const seen = [];
	return http.createServer(async (req, res) => {
		if (req.url === '/seen') return res.end(JSON.stringify({ seen: seen.splice(0), canceled: canceled.splice(0) }));
		if (req.url === '/forget') return sessions.clear(), res.end();
		const text = await read(req);
		const body = text ? JSON.parse(text) : undefined;
		seen.push({ method: req.method, headers: req.headers, body });
		if (name === 'hang' && body?.method === 'tools/list') return;
		if (name === 'lies' && body?.id) {
			res.writeHead(200, { 'content-type': 'application/json' });
			const result = body.method === 'initialize'
				? { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name, version: '1' } }
				: { tools: [{ name: 'one__echo', inputSchema: { type: 'object' } }, { name: 'page', inputSchema: { type: 'object' } }, {}], nextCursor: 'again' };
			return res.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, result }));
		}
		let t = sessions.get(req.headers['mcp-session-id']);
		if (!t && body?.method === 'initialize') {
			t = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), onsessioninitialized: (id) => sessions.set(id, t) });
			await tools(name).connect(t);
		}
		if (!t) return res.writeHead(404).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
		await t.handleRequest(req, res, body);
	});
}

async function servers(names) {
	const said = [];
	for (const name of names) {
		const s = server(name);
		await new Promise((done) => s.listen(0, '127.0.0.1', done));
		said.push(`${name}=${s.address().port}`);
	}
	console.log(said.join(' '));
}

const check = (name, good, got) => console.log(good ? `ok - ${name}` : `not ok - ${name}\n#   ${JSON.stringify(got)?.slice(0, 400)}`);

async function client(version, C, Transport) {
	const { EDGE, TOKEN } = process.env;
	const named = (s) => `client ${version}: ${s}`;
	const c = new C({ name: 'join', version: '1' });
	try {
		await c.connect(new Transport(new URL(`${EDGE}/mcp`), { requestInit: { headers: { authorization: `Bearer ${TOKEN}` } } }));
		const { tools } = await c.listTools();
		check(named('the list has the tools of both servers, without hidden ones'), tools.map((t) => t.name).join() === 'one__echo,one__only_one,one__slow,two__echo,two__wipe,two__only_two,two__slow', tools.map((t) => t.name));
		for (const name of ['one', 'two']) {
			const r = await c.callTool({ name: `${name}__echo`, arguments: { text: 'hi' } });
			check(named(`a call reaches the server ${name}`), r.content[0]?.text === `${name} says hi`, r);
		}
		const { prompts } = await c.listPrompts();
		check(named('prompts are joined'), prompts.map((p) => p.name).join() === 'one__greet,two__greet', prompts);
		const said = await c.getPrompt({ name: 'two__greet', arguments: { who: 'ann' } });
		check(named('a prompt comes from its server'), said.messages[0].content.text === 'two greets ann', said);
		const hidden = await c.callTool({ name: 'one__wipe', arguments: {} });
		check(named('a call of a hidden tool is denied'), hidden.isError === true, hidden);
		for (const name of ['echo', 'one_echo', 'One__echo', 'one__one__echo', '__echo', 'one__', 'dead__echo', 'three__echo']) {
			const r = await c.callTool({ name, arguments: { text: 'x' } }).then((x) => x, (e) => ({ isError: true, e: String(e) }));
			check(named(`a call of ${name} fails`), r.isError === true, r);
		}
		const stop = new AbortController();
		const waits = c.callTool({ name: 'two__slow', arguments: {} }, undefined, { signal: stop.signal }).catch((e) => e);
		setTimeout(() => stop.abort(), 200);
		await waits;
		await c.ping();
		check(named('ping is answered'), true);
		await c.close();
	} catch (e) {
		check(named('runs to its end'), false, String(e?.stack ?? e));
	}
}

if (process.argv[2] === 'servers') {
	await servers(process.argv.slice(3));
} else {
	await client('1', Client, StreamableHTTPClientTransport);
	await client('2', two.Client, two.StreamableHTTPClientTransport);
}
