// The load of `make soak`: RATE requests a second of a fixed mix, realtime sessions, and an MCP server for the tool
// calls. Each minute, it writes one line to OUT with the statuses of each kind and the latency of chats.
import crypto from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
const { EDGE, ROOT, TOKENS, OUT, STOP, MCP_PORT, RATE = '100', SESSIONS = '20' } = process.env
const { Sock } = await import(ROOT + '/tests/e2e/realtime.mjs')
const tokens = fs.readFileSync(TOKENS, 'utf8').trim().split('\n'), loop = tokens.pop()
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 })
const edge = new URL(EDGE), counts = {}
let times = [], n = 0, answered = 0

// A tool server that knows two tools, as much of MCP as a call takes.
http.createServer((q, a) => {
	let text = ''
	q.on('data', d => { text += d })
	q.on('end', () => {
		const m = JSON.parse(text || '{}')
		const result = m.method == 'tools/list' ? { tools: ['find', 'drop_all'].map(name => ({ name, description: name, inputSchema: { type: 'object' } })) }
			: { content: [{ type: 'text', text: `found ${JSON.stringify(m.params?.arguments)}` }] }
		a.setHeader('content-type', 'application/json')
		a.end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result }))
	})
}).listen(+MCP_PORT, '127.0.0.1')

const count = (kind, status) => { const k = `${kind} ${status}`; counts[k] = (counts[k] ?? 0) + 1; if (status != 'broken') answered++ }
function ask(kind, path, body, { token = tokens[n * 7919 % tokens.length], host = edge.host, headers = {} } = {}) {
	const began = performance.now(), text = body && JSON.stringify(body)
	return new Promise(done => {
		const q = http.request({ agent, host: edge.hostname, port: edge.port, path, method: body ? 'POST' : 'GET', timeout: 60000,
			headers: { host, authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }), ...headers } }, a => {
			let got = ''
			a.on('data', d => { got += d })
			a.on('end', () => { count(kind, a.statusCode); if (kind == 'chat') times.push(performance.now() - began); done(got) })
			a.on('error', () => { count(kind, 'broken'); done('') })
		})
		q.on('timeout', () => q.destroy(new Error('timeout')))
		q.on('error', () => { count(kind, 'broken'); done('') })
		q.end(text)
	})
}
const chat = (content, more) => ({ model: 'echo', max_tokens: 64, messages: [{ role: 'user', content }], ...more })
const accessKey = i => 'AKIA' + [...crypto.createHash('sha256').update(String(i)).digest().subarray(0, 16)].map(b => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[b & 31]).join('')
const prose = 'please summarise what was decided in the meeting about the delivery and who is to call back '
async function conversation(i) {
	let id
	for (let turn = 0; turn < 3; turn++) {
		const got = await ask('kept', '/v1/responses', { model: 'echo', input: `turn ${turn} for user${i}@example.com`, max_output_tokens: 64, ...(id && { previous_response_id: id }) }, { token: tokens[i % tokens.length] })
		try { id = JSON.parse(got).id } catch { return }
	}
}
function one(i) {
	const k = i % 100
	if (k < 45) return ask('chat', '/v1/chat/completions', chat(`${prose.repeat(1 + i % 8)}${i}, user${i}@example.com`))
	if (k < 65) return ask('stream', '/v1/chat/completions', chat(`${prose} ${i}, call +49 40 ${1000000 + i % 8999999}`, { stream: true }))
	if (k < 70) return ask('denied', '/v1/chat/completions', chat(`my key is ${accessKey(i)}`))
	if (k < 76) return ask('cached', '/v1/chat/completions', chat(`question ${i % 100}`, { temperature: 0 }), { host: 'cached.example' })
	if (k < 78) return conversation(i)
	if (k < 82) return ask('tools', '/mcp', { jsonrpc: '2.0', id: i, method: 'tools/call', params: { name: 'find', arguments: { who: `user${i}@example.com` } } }, { headers: { accept: 'application/json, text/event-stream' } })
	if (k < 83) return ask('tool list', '/mcp', { jsonrpc: '2.0', id: i, method: 'tools/list' }, { headers: { accept: 'application/json, text/event-stream' } })
	if (k < 84) return ask('tool denied', '/mcp', { jsonrpc: '2.0', id: i, method: 'tools/call', params: { name: 'drop_all', arguments: {} } }, { headers: { accept: 'application/json, text/event-stream' } })
	if (k < 89) return ask('messages', '/v1/messages', chat(`${prose} ${i}`), { headers: { 'anthropic-version': '2023-06-01' } })
	if (k < 92) return ask('over limit', '/v1/chat/completions', chat('again'), { token: loop })
	if (k < 94) return ask('anonymous', '/v1/chat/completions', chat('hello'), { token: 'none' })
	if (k < 98) return ask('models', '/v1/models')
	return ask('large', '/v1/chat/completions', chat(prose.repeat(400) + i))
}
const rest = ms => new Promise(y => setTimeout(y, ms))
async function session(i) {
	for (let life = 0; !fs.existsSync(STOP); life++) {
		const s = new Sock('/v1/realtime?model=gpt-realtime', { headers: { authorization: `Bearer ${tokens[(i * 97 + life) % tokens.length]}` } })
		await s.open()
		count('session', s.status ?? 'broken')
		for (let turn = 0; turn < 30 && !s.ended && !fs.existsSync(STOP); turn++) {
			s.take()
			s.say({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: `turn ${turn} for user${i}@example.com` }] } })
			s.say({ type: 'response.create' })
			const ok = await s.until(x => x.got.find(m => m.type == 'response.done'), 20000)
			count('turn', s.ended ? 'ended' : ok ? 'done' : 'silent')
			await rest(2000)
		}
		s.stop()
	}
}
const sessions = Array.from({ length: +SESSIONS }, (_, i) => session(i))
const began = performance.now()
let told = 0, underway = new Set()
while (!fs.existsSync(STOP)) {
	const due = (performance.now() - began) / 1000 * +RATE
	for (; n < due && underway.size < 512; n++) {
		const p = one(n).finally(() => underway.delete(p))
		underway.add(p)
	}
	if (performance.now() - began >= (told + 1) * 60000) {
		told++
		times.sort((a, b) => a - b)
		const at = q => times.length ? times[Math.floor(times.length * q)].toFixed(1) : '-'
		fs.appendFileSync(OUT, JSON.stringify({ minute: told, sent: n, answered, p50: at(.5), p99: at(.99), counts }) + '\n')
		times = []
	}
	await rest(10)
}
await Promise.race([Promise.all(underway), rest(30000)])
fs.appendFileSync(OUT, JSON.stringify({ minute: told + 1, sent: n, answered, end: true, counts }) + '\n')
await Promise.race([Promise.all(sessions), rest(30000)])
process.exit(0)
