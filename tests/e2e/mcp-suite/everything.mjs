// A server with the features that the official conformance suite requires (their names are in its texts): the SDK's
// 1.x with sessions, its 2.x for revision 2026-07-28. Prints its port.
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as old from '@modelcontextprotocol/sdk/types.js';
import { Server as NewServer, createMcpHandler, inputRequired, isLegacyRequest } from '@modelcontextprotocol/server';
import { toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFAAH/q842iQAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';
const text = (t) => ({ type: 'text', text: t });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const embedded = (uri, t) => ({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: t } });
const none = { type: 'object', properties: {} };
const strings = (...names) => ({ type: 'object', properties: Object.fromEntries(names.map((n) => [n, { type: 'string', description: n }])) });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const one = (values, extra = {}) => ({ type: 'string', enum: values, ...extra });
const titled = (values) => values.map((v) => ({ const: v, title: `Option ${v}` }));

// ---- features; `peer` is the server's access to its client ----
const asks = (schema) => async (_, peer) => {
	const r = await peer.elicit({ message: 'Please say', requestedSchema: schema });
	return [text(`Elicitation completed: action=${r.action}, content=${JSON.stringify(r.content ?? {})}`)];
};
const object = (properties) => ({ type: 'object', properties });
const values = ['option1', 'option2', 'option3'];
const tools = {
	test_simple_text: [none, () => [text('This is a simple text response for testing.')]],
	test_image_content: [none, () => [image]],
	test_audio_content: [none, () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }]],
	test_embedded_resource: [none, () => [embedded('test://embedded-resource', 'This is an embedded resource content.')]],
	test_multiple_content_types: [none, () => [text('Multiple content types test:'), image, embedded('test://mixed-content-resource', '{"test":"data","value":123}')]],
	test_tool_with_logging: [none, async (_, peer) => {
		for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
			await peer.notify('notifications/message', { level: 'info', data });
			await pause(50);
		}
		return [text('Tool with logging executed')];
	}],
	test_error_handling: [none, () => { throw new Error('This tool intentionally returns an error for testing'); }],
	test_tool_with_progress: [none, async (_, peer) => {
		for (const progress of [0, 50, 100]) {
			await peer.notify('notifications/progress', { progressToken: peer.token ?? 0, progress, total: 100, message: `Completed step ${progress} of 100` });
			await pause(50);
		}
		return [text(`${peer.token ?? 0}`)];
	}],
	test_sampling: [strings('prompt'), async ({ prompt }, peer) => {
		const r = await peer.sample({ messages: [{ role: 'user', content: text(prompt ?? 'hello') }], maxTokens: 100 });
		return [text(`LLM response: ${r.content.text}`)];
	}],
	test_elicitation: [strings('message'), async ({ message }, peer) => {
		const r = await peer.elicit({ message: message ?? 'who', requestedSchema: { ...object({ username: { type: 'string' }, email: { type: 'string' } }), required: ['username', 'email'] } });
		return [text(`User response: action: ${r.action}, content: ${JSON.stringify(r.content ?? {})}`)];
	}],
	test_elicitation_sep1034_defaults: [none, asks(object({
		name: { type: 'string', default: 'John Doe' }, age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
		status: one(['active', 'inactive', 'pending'], { default: 'active' }), verified: { type: 'boolean', default: true },
	}))],
	test_elicitation_sep1330_enums: [none, asks(object({
		untitledSingle: one(values),
		titledSingle: { type: 'string', oneOf: titled(values) },
		legacyEnum: one(values, { enumNames: ['Option One', 'Option Two', 'Option Three'] }),
		untitledMulti: { type: 'array', items: one(values) },
		titledMulti: { type: 'array', items: { anyOf: titled(values) } },
	}))],
};
const described = Object.entries(tools).map(([name, [inputSchema]]) => ({ name, description: `${name} of the suite`, inputSchema }));
const statics = [
	{ uri: 'test://static-text', name: 'static text', description: 'A text', mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
	{ uri: 'test://static-binary', name: 'static binary', description: 'An image', mimeType: 'image/png', blob: PNG },
	{ uri: 'test://watched-resource', name: 'watched', description: 'A text', mimeType: 'text/plain', text: 'watched' },
];
const templates = [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'By id', mimeType: 'application/json' }];
const read = (uri) => {
	const own = statics.find((r) => r.uri === uri);
	if (own) return { uri, mimeType: own.mimeType, ...(own.text ? { text: own.text } : { blob: own.blob }) };
	const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
	return id && { uri, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
};
const user = (...content) => ({ messages: content.map((c) => ({ role: 'user', content: c })) });
const prompts = {
	test_simple_prompt: [[], () => user(text('This is a simple prompt for testing.'))],
	test_prompt_with_arguments: [['arg1', 'arg2'], (a) => user(text(`Prompt with arguments: arg1='${a.arg1}', arg2='${a.arg2}'`))],
	test_prompt_with_embedded_resource: [['resourceUri'], (a) => user(embedded(a.resourceUri, 'Embedded resource content for testing.'), text('Please process the embedded resource above.'))],
	test_prompt_with_image: [[], () => user(image, text('Please analyze the image above.'))],
};
const listed = Object.entries(prompts).map(([name, [args]]) => ({ name, description: `${name} of the suite`, arguments: args.map((a) => ({ name: a, description: a, required: true })) }));

const answer = {
	'tools/list': () => ({ tools: described }),
	'tools/call': async ({ name, arguments: a }, peer) => {
		if (!tools[name]) return { isError: true, content: [text(`Tool ${name} not found`)] };
		try {
			return { content: await tools[name][1](a ?? {}, peer) };
		} catch (e) {
			return { isError: true, content: [text(e.message)] };
		}
	},
	'resources/list': () => ({ resources: statics.map(({ text: _, blob, ...r }) => r) }),
	'resources/templates/list': () => ({ resourceTemplates: templates }),
	'resources/read': ({ uri }, peer) => {
		const r = read(uri);
		if (!r) throw peer.missing(uri);
		return { contents: [r] };
	},
	'prompts/list': () => ({ prompts: listed }),
	'prompts/get': ({ name, arguments: a }) => prompts[name][1](a ?? {}),
	'completion/complete': () => ({ completion: { values: ['paris', 'park'], total: 2, hasMore: false } }),
};
const sessionsOnly = {
	'resources/subscribe': () => ({}),
	'resources/unsubscribe': () => ({}),
	'logging/setLevel': () => ({}),
};
const about = { name: 'everything', version: '1' };
const capabilities = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {} };

// ---- 1.x ----
const schema = {
	'tools/list': old.ListToolsRequestSchema, 'tools/call': old.CallToolRequestSchema, 'resources/list': old.ListResourcesRequestSchema,
	'resources/templates/list': old.ListResourceTemplatesRequestSchema, 'resources/read': old.ReadResourceRequestSchema,
	'prompts/list': old.ListPromptsRequestSchema, 'prompts/get': old.GetPromptRequestSchema, 'completion/complete': old.CompleteRequestSchema,
	'resources/subscribe': old.SubscribeRequestSchema, 'resources/unsubscribe': old.UnsubscribeRequestSchema, 'logging/setLevel': old.SetLevelRequestSchema,
};
function withSessions() {
	const s = new Server(about, { capabilities });
	const missing = (uri) => new old.McpError(-32002, 'Resource not found', { uri });
	for (const [method, f] of Object.entries({ ...answer, ...sessionsOnly }))
		s.setRequestHandler(schema[method], (req, extra) => f(req.params ?? {}, {
			token: req.params?._meta?.progressToken,
			notify: (m, params) => extra.sendNotification({ method: m, params }),
			elicit: (p) => extra.sendRequest({ method: 'elicitation/create', params: p }, old.ElicitResultSchema),
			sample: (p) => extra.sendRequest({ method: 'sampling/createMessage', params: p }, old.CreateMessageResultSchema),
			missing,
		}));
	return s;
}
const sessions = new Map();
async function legacy(req, res, body) {
	let t = sessions.get(req.headers['mcp-session-id']);
	if (!t && body?.method === 'initialize') {
		t = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), onsessioninitialized: (id) => sessions.set(id, t) });
		await withSessions().connect(t);
	}
	if (!t) return res.writeHead(404, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
	return t.handleRequest(req, res, body);
}

// ---- 2.x: a question to the client is part of a result, and the client repeats the call with the reply ----
const ask = {
	user_name: inputRequired.elicit({ message: 'What is your name?', requestedSchema: { ...object({ name: { type: 'string' } }), required: ['name'] } }),
	confirm: inputRequired.elicit({ message: 'Please confirm', requestedSchema: { ...object({ ok: { type: 'boolean' } }), required: ['ok'] } }),
	capital_question: inputRequired.createMessage({ messages: [{ role: 'user', content: text('What is the capital of France?') }], maxTokens: 100 }),
	greeting: inputRequired.createMessage({ messages: [{ role: 'user', content: text('Generate a greeting') }], maxTokens: 50 }),
	client_roots: inputRequired.listRoots(),
};
const asking = {
	test_input_required_result_elicitation: [['user_name'], (said) => `Hello, ${said.user_name.content.name}!`],
	test_input_required_result_sampling: [['capital_question'], (said) => said.capital_question.content.text],
	test_input_required_result_list_roots: [['client_roots'], (said) => said.client_roots.roots.map((r) => r.uri).join()],
	test_input_required_result_request_state: [['confirm'], (said, state) => (state === 'state-1' ? 'state-ok' : 'no state'), 'state-1'],
	test_input_required_result_multiple_inputs: [['user_name', 'greeting', 'client_roots'], () => 'all said', 'state-2'],
};
function askFirst([keys, done, state], { inputResponses, requestState }) {
	const said = inputResponses ?? {};
	if (keys.every((k) => said[k])) return { content: [text(done(said, requestState))] };
	return inputRequired({ inputRequests: Object.fromEntries(keys.map((k) => [k, ask[k]])), ...(state && { requestState: state }) });
}
function stateless() {
	const { logging, ...others } = capabilities;
	const s = new NewServer(about, { capabilities: others });
	for (const [method, f] of Object.entries(answer))
		s.setRequestHandler(method, (req, ctx) => {
			if (method === 'tools/list') return { tools: [...described, ...Object.keys(asking).map((name) => ({ name, description: name, inputSchema: none }))] };
			if (method === 'tools/call' && asking[req.params.name])
				return askFirst(asking[req.params.name], { inputResponses: ctx.mcpReq.inputResponses, requestState: ctx.mcpReq.requestState?.() });
			return f(req.params ?? {}, {
				token: req.params?._meta?.progressToken,
				notify: (m, params) => ctx.mcpReq.notify({ method: m, params }),
				missing: (uri) => Object.assign(new Error('Resource not found'), { code: -32602, data: { uri } }),
			});
		});
	return s;
}
const modern = createMcpHandler(stateless, { legacy: 'reject' });
const modernNode = toNodeHandler(modern);

const server = http.createServer(async (req, res) => {
	const parts = [];
	for await (const p of req) parts.push(p);
	const raw = Buffer.concat(parts).toString();
	let body;
	try {
		body = raw ? JSON.parse(raw) : undefined;
	} catch {
		return res.writeHead(400, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}');
	}
	const name = (req.headers.host ?? '').replace(/:\d+$/, '');
	if (!['localhost', '127.0.0.1'].includes(name)) return res.writeHead(403).end();
	return (await isLegacyRequest(await toWebRequest(req, body), body)) ? legacy(req, res, body) : modernNode(req, res, body);
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(`port=${server.address().port}`));
