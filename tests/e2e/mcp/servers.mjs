// Two MCP servers: that of the official SDK, with sessions; and the test's own, for both revisions, which records the
// requests that it receives (GET /seen on its port) and responds as the header field x-do states.
import http from 'node:http';
import { randomUUID, webcrypto } from 'node:crypto';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

globalThis.crypto ??= webcrypto; // Debian 12's Node 18 has it only there; the SDK reads the global

const read = async (req) => {
	const parts = [];
	for await (const p of req) parts.push(p);
	return Buffer.concat(parts).toString();
};

function tools() {
	const s = new McpServer({ name: 'tools', version: '1' }, { instructions: 'Call echo.', capabilities: { logging: {} } });
	s.registerTool('echo', { description: 'says it again', inputSchema: { text: z.string() } }, async ({ text }, extra) => {
		await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'working' } });
		return { content: [{ type: 'text', text: `you said ${text}` }] };
	});
	s.registerTool('leak', { description: 'says what it should not', inputSchema: {} }, async () => ({
		content: [{ type: 'text', text: 'his ssn is 536-22-1840 ok' }],
	}));
	s.registerTool('whom', { description: 'asks the person', inputSchema: {} }, async () => {
		const r = await s.server.elicitInput({ message: 'your name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } });
		return { content: [{ type: 'text', text: `hello ${r.content?.name}` }] };
	});
	s.registerTool('wipe', { description: 'removes all', inputSchema: {} }, async () => ({ content: [{ type: 'text', text: 'wiped' }] }));
	s.registerTool('account', { description: 'says an account', inputSchema: {}, outputSchema: { iban: z.string(), n: z.number() } }, async () => {
		const structuredContent = { iban: 'DE89 3704 0044 0532 0130 00', n: 5 };
		return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
	});
	s.registerPrompt('greet', { argsSchema: { who: z.string() } }, ({ who }) => ({
		messages: [{ role: 'user', content: { type: 'text', text: `greet ${who}` } }],
	}));
	s.registerResource('note', 'file:///note', {}, async (uri) => ({ contents: [{ uri: uri.href, text: 'mail ann@example.com' }] }));
	const told = (uri) => ({ contents: [{ uri: uri.href, text: `it is ${uri.href}` }] });
	s.registerResource('secret', 'secret://a', {}, async (uri) => told(uri));
	s.registerResource('odd', 'NOTE://b/../c', {}, async (uri) => told(uri));
	s.registerResource('files', new ResourceTemplate('file:///{+path}', { list: undefined, complete: { path: () => ['etc/shadow'] } }), {}, async (uri) => told(uri));
	s.registerResource('odd files', new ResourceTemplate('FILE:///odd/{path}', { list: undefined }), {}, async (uri) => told(uri));
	s.server.registerCapabilities({ resources: { subscribe: true } });
	s.server.setRequestHandler(SubscribeRequestSchema, async () => ({}));
	s.server.setRequestHandler(UnsubscribeRequestSchema, async () => ({}));
	return s;
}

const asked = []; // resources that were requested; GET /asked of the other server returns them
const sessions = new Map();
const sdk = http.createServer(async (req, res) => {
	const text = await read(req);
	const body = text ? JSON.parse(text) : undefined;
	if (body?.params?.uri ?? body?.params?.ref?.uri) asked.push(body.params.uri ?? body.params.ref.uri);
	let t = sessions.get(req.headers['mcp-session-id']);
	if (!t && body?.method === 'initialize') {
		t = new StreamableHTTPServerTransport({
			sessionIdGenerator: () => randomUUID(),
			onsessioninitialized: (id) => sessions.set(id, t),
		});
		await tools().connect(t);
	}
	if (!t) return res.writeHead(404).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
	await t.handleRequest(req, res, body);
});

let seen = [];
const open = new Set(); // streams of `stream`; GET /open returns their number, GET /say sends an event on each
const big = (m, req) => JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { content: [{ type: 'text', text: 'mail jane@example.com '.padEnd(1024 * Number(req.headers['x-kb']), 'one line after another\n') }], resultType: 'complete' } });
const answers = {
	result: (res, m) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { content: [{ type: 'text', text: 'fine' }], resultType: 'complete' } })),
	ssn: (res, m) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { content: [{ type: 'text', text: 'his ssn is 536-22-1840 ok' }] } })),
	// results of as many kilobytes as x-kb states; the last one breaks off before its end
	big: (res, m, req) => res.writeHead(200, { 'content-type': 'application/json' }).end(big(m, req)),
	'big-stream': (res, m, req) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${big(m, req)}\n\n`),
	twice: (res, m) => res.writeHead(200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${m.id},"result":{},"result":{"content":[]}}`),
	'break': (res, m, req) => { res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }); res.write('{"jsonrpc":"2.0"'); setTimeout(() => res.destroy(), 50); },
	silent: (res) => res.destroy(),
	'ssn-stream': (res, m) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		res.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n');
		const told = `data: ${JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { content: [{ type: 'text', text: 'his ssn is 536-22-1840 ok' }] } })}\n\n`;
		setTimeout(() => res.end(told), 300);
	},
	// two pages; and messages of the server itself before a denied result
	pages: (res, m) => {
		const result = m.params?.cursor ? { tools: [{ name: 'read' }, { name: 'drop_b' }] } : { tools: [{ name: 'drop_a' }], nextCursor: '2', ttlMs: 5, cacheScope: 'public' };
		res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result }));
	},
	'pages-stream': (res, m) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		res.end(`id: 5\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { tools: [{ name: 'drop_a' }, { name: 'read' }] } })}\n\n`);
	},
	mixed: (res, m) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		res.write('event: message\ndata: {"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"sure?"}}\n\n');
		res.write('event: message\ndata: {"jsonrpc":"2.0","id":"s","result":{}}\n\n');
		const told = `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: m.id, result: { content: [], structuredContent: { card: 4111111111111111 } } })}\n\n`;
		setTimeout(() => res.end(told), 300);
	},
	'no-discover': (res) => res.writeHead(400, { 'content-type': 'text/plain' }).end('Bad Request: no session'),
	// a stream that sends an event and stays open; `x-after` is the Last-Event-ID
	stream: (res, m, req) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		res.write('id: 1\ndata:\n\n');
		res.write(`id: 2\nretry: 50\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"mail ann@example.com${req.headers['last-event-id'] ? ' again' : ''}"}}\n\n`);
		open.add(res);
		res.on('close', () => open.delete(res));
	},
	endless: (res, m) => {
		res.writeHead(200, { 'content-type': 'application/json' });
		res.write(`{"jsonrpc":"2.0","id":${m.id},"result":{"content":[`);
		const more = setInterval(() => res.write('{"type":"text","text":"a"},'), 50);
		res.on('close', () => clearInterval(more));
	},
	'endless-stream': (res) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		const more = setInterval(() => res.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n'), 50);
		res.on('close', () => clearInterval(more));
	},
	session: (res, m) => res.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 's-1' }).end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result: {} })),
	lost: (res, m) => res.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: m.id, error: { code: -32001, message: 'Session not found' } })),
	login: (res) => res.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Bearer resource_metadata="http://10.0.0.7/inner"' }).end('{"secret":"sk-inner"}'),
	endpoint: (res) => {
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		res.write('event: endpoint\ndata: /messages?s=1\n\n');
	},
	html: (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
};
const own = http.createServer(async (req, res) => {
	if (req.url === '/seen') {
		res.end(JSON.stringify(seen));
		seen = [];
		return;
	}
	if (req.url === '/asked') return res.end(JSON.stringify(asked.splice(0)));
	if (req.url === '/open') return res.end(String(open.size));
	if (req.url === '/say') {
		for (const s of open) s.write('id: 3\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"later to ann@example.com"}}\n\n');
		return res.end();
	}
	const body = await read(req);
	seen.push({ method: req.method, headers: req.headers, body });
	answers[req.headers['x-do'] ?? 'result'](res, body ? JSON.parse(body) : {}, req);
});

const port = (s) => new Promise((done) => s.listen(0, '127.0.0.1', () => done(s.address().port)));
console.log(`sdk=${await port(sdk)} own=${await port(own)}`);
