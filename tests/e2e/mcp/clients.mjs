// The official clients, 1.x and 2.x, through the gateway: a line for each check.
import { webcrypto } from 'node:crypto';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import * as two from '@modelcontextprotocol/client';

globalThis.crypto ??= webcrypto; // Debian 12's Node 18 has it only there; the SDK reads the global

const { EDGE, TOKEN } = process.env;
const url = new URL(`${EDGE}/mcp`);
const requestInit = { headers: { authorization: `Bearer ${TOKEN}` } };
const check = (name, good, got) => console.log(good ? `ok - ${name}` : `not ok - ${name}\n#   ${JSON.stringify(got)?.slice(0, 400)}`);
const attempt = async (name, f) => {
	try {
		await f();
	} catch (e) {
		check(name, false, String(e?.stack ?? e));
	}
};
const card = '4111 1111 1111 1111';

// Different spellings of a URI that a rule denies, if the official server reads them as the same.
const spellings = ['SECRET://a', ' secret://a', 'secret://a ', 'sec\nret://a', 'secret://a\t', '\u0000secret://a', 'secret://%61', 'file:///pub/../etc/shadow',
	'FILE:///etc/shadow', 'FILE:', 'file:\\\\\\etc\\shadow', 'file:///pub/%2e%2e/etc/shadow', 'file:///pub/%2E./etc/shadow', 'file:/etc/shadow', 'file:etc/shadow',
	'file://localhost/etc/shadow', 'file:////etc/shadow', 'file:///%65tc/shadow', 'file:///etc/./shadow', 'file:\\etc/shadow'];
const everyday = ['file:///home/me/My%20notes.md', 'file:///note', 'file:///C:/a.txt'];

async function uris(version, c) {
	const named = (s) => `client ${version}: ${s}`;
	const methods = {
		read: (uri) => c.readResource({ uri }),
		subscribe: (uri) => c.subscribeResource({ uri }),
		unsubscribe: (uri) => c.unsubscribeResource({ uri }),
		complete: (uri) => c.complete({ ref: { type: 'ref/resource', uri }, argument: { name: 'path', value: '' } }),
	};
	for (const [method, ask] of Object.entries(methods)) {
		const passed = [];
		for (const uri of [...spellings, 'secret://a', 'file:///etc/shadow']) {
			const e = await ask(uri).then((r) => r, (x) => x);
			if (e?.code !== -32010) passed.push([uri, e?.code ?? e]);
		}
		check(named(`no spelling of what a rule denies passes: ${method}`), !passed.length, passed);
	}
	await attempt(named('everyday URIs pass'), async () => {
		for (const uri of everyday) await c.readResource({ uri });
		await c.subscribeResource({ uri: everyday[0] });
		const r = await c.complete({ ref: { type: 'ref/resource', uri: 'file:///{+path}' }, argument: { name: 'path', value: '' } });
		check(named('everyday URIs pass'), r.completion.values.join() === 'etc/shadow', r);
	});
	await attempt(named('what has several spellings is in no list'), async () => {
		const { resources } = await c.listResources();
		const { resourceTemplates } = await c.listResourceTemplates();
		const got = [...resources.map((r) => r.uri), ...resourceTemplates.map((r) => r.uriTemplate)].join(' ');
		check(named('a URI with several spellings is in no list'), got === 'file:///note secret://a file:///{+path}', got);
	});
}

async function all(version, c) {
	const named = (s) => `client ${version}: ${s}`;
	await attempt(named('lists tools'), async () => {
		const { tools } = await c.listTools();
		check(named('bifrost#1697, litellm#15078: lists the tools without the hidden one'), tools.map((t) => t.name).join() === 'echo,leak,whom,account', tools);
	});
	await attempt(named('calls one'), async () => {
		const r = await c.callTool({ name: 'echo', arguments: { text: 'hi' } });
		check(named('calls a tool'), r.content[0].text === 'you said hi', r);
	});
	await attempt(named('what is found in arguments does not reach the server'), async () => {
		const r = await c.callTool({ name: 'echo', arguments: { text: 'ann@example.com' } });
		check(named('a value in arguments does not reach the server'), /<EMAIL_ADDRESS_1>/.test(r.content[0].text), r);
	});
	await attempt(named('a denied call is a result that says so'), async () => {
		const r = await c.callTool({ name: 'echo', arguments: { text: card } });
		check(named('a denied call is a result with the reason'), r.isError === true && /no card numbers/.test(r.content[0].text), r);
	});
	await attempt(named('a result that is denied is one too'), async () => {
		const r = await c.callTool({ name: 'leak', arguments: {} });
		check(named('a denied result is a result with an error'), r.isError === true && !/536-/.test(JSON.stringify(r)), r);
	});
	await attempt(named('a hidden tool is denied'), async () => {
		const r = await c.callTool({ name: 'wipe', arguments: {} });
		check(named('bifrost#1697, litellm#15078: a hidden tool is denied'), r.isError === true && !/wiped/.test(JSON.stringify(r)), r);
	});
	await attempt(named('a result is redacted as text and as data, and fits its schema'), async () => {
		const r = await c.callTool({ name: 'account', arguments: {} });
		const good = r.structuredContent.iban === '<IBAN_CODE>' && r.structuredContent.n === 5 && JSON.parse(r.content[0].text).iban === '<IBAN_CODE>';
		check(named('a result is redacted as text and as data, and matches its schema'), good, r);
	});
	await attempt(named('the session goes on'), async () => {
		const r = await c.callTool({ name: 'echo', arguments: { text: 'still here' } });
		check(named('the session continues'), r.content[0].text === 'you said still here', r);
	});
	await attempt(named('a prompt'), async () => {
		const r = await c.getPrompt({ name: 'greet', arguments: { who: 'Ann' } });
		check(named('gets a prompt'), r.messages[0].content.text === 'greet Ann', r);
	});
	await attempt(named('a prompt that is denied is an error'), async () => {
		const e = await c.getPrompt({ name: 'greet', arguments: { who: card } }).then((r) => r, (x) => x);
		check(named('a denied prompt is an error'), e?.code === -32010, e);
	});
	await attempt(named('a resource is read, and redacted'), async () => {
		const r = await c.readResource({ uri: 'file:///note' });
		check(named('reads a resource, which is redacted'), r.contents[0].text === 'mail <EMAIL_ADDRESS>', r);
	});
}

await attempt('client 1.x', async () => {
	const c = new Client({ name: 'one', version: '1' }, { capabilities: { elicitation: {} } });
	c.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'ann@example.com' } }));
	await c.connect(new StreamableHTTPClientTransport(url, { requestInit }));
	await all('1.x', c);
	await uris('1.x', c);
	await attempt('client 1.x: what a person answers the server is the caller\'s text', async () => {
		const r = await c.callTool({ name: 'whom', arguments: {} });
		check('client 1.x: a person\'s response to the server is inspected as the caller\'s text', /hello <EMAIL_ADDRESS_1>/.test(r.content[0].text), r);
	});
	await c.close();
});
await attempt('client 2.x', async () => {
	const c = new two.Client({ name: 'two', version: '1' });
	await c.connect(new two.StreamableHTTPClientTransport(url, { requestInit }));
	await all('2.x', c);
	await uris('2.x', c);
	await c.close();
});
await attempt('client 2.x, auto', async () => {
	const c = new two.Client({ name: 'two', version: '1' }, { versionNegotiation: { mode: 'auto' } });
	await c.connect(new two.StreamableHTTPClientTransport(url, { requestInit }));
	const { tools } = await c.listTools();
	check('client 2.x requests the newer revision, then uses the older one', tools.length === 4, tools);
	await c.close();
});
process.exit(0);
