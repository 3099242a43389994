// A WebSocket client that can send invalid frames and messages. Prints a line for each check.
import fs from 'node:fs'
import net from 'node:net'
import http2 from 'node:http2'
import crypto from 'node:crypto'

const edge = new URL(process.env.EDGE), TOKEN = process.env.TOKEN
let failed = false
export const ok = (name, is, ...said) => {
	console.log((is ? 'ok - ' : 'not ok - ') + name)
	if (!is) for (const s of said) console.log('#   ' + (typeof s == 'string' ? s : JSON.stringify(s) ?? 'nothing').slice(0, 600))
	failed ||= !is
}
const same = (name, got, want) => ok(name, JSON.stringify(got) == JSON.stringify(want), got, want)

export function frame(op, payload, { fin = true, rsv = 0, mask = true, length } = {}) {
	const p = Buffer.from(payload), n = length ?? p.length
	const head = [(fin ? 128 : 0) | rsv << 4 | op]
	if (n < 126) head.push(n)
	else if (n < 65536) head.push(126, n >> 8, n & 255)
	else head.push(127, ...Buffer.from(BigInt(n).toString(16).padStart(16, '0'), 'hex'))
	if (!mask) return Buffer.concat([Buffer.from(head), p])
	head[1] |= 128
	const key = crypto.randomBytes(4), out = Buffer.from(p)
	for (let i = 0; i < out.length; i++) out[i] ^= key[i % 4]
	return Buffer.concat([Buffer.from(head), key, out])
}

// The result of a connection: status, header fields, messages, the close.
export class Sock {
	constructor(path, { headers = {}, method = 'GET', lines, h2 } = {}) {
		this.got = [], this.left = Buffer.alloc(0), this.waits = []
		this.pongs = 0
		const all = { host: edge.host, authorization: `Bearer ${TOKEN}`, upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': crypto.randomBytes(16).toString('base64'), ...headers }
		if (h2) return this.http2(path, all)
		this.s = net.connect(edge.port, edge.hostname)
		this.s.on('error', () => { })
		this.s.on('close', () => this.end())
		this.s.on('data', d => this.data(d))
		this.s.write(`${method} ${path} HTTP/1.1\r\n` + (lines ?? Object.entries(all).filter(([, v]) => v !== null).map(([k, v]) => `${k}: ${v}\r\n`).join('')) + '\r\n')
	}
	http2(path, all) {
		const c = this.c = http2.connect(edge.origin)
		c.on('error', () => this.end())
		c.on('remoteSettings', set => {
			if (!set.enableConnectProtocol) return this.end()
			const h = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, ':scheme': 'http', ':authority': all.host, 'sec-websocket-version': '13', authorization: all.authorization }
			this.s = c.request(h)
			this.s.on('response', r => { this.status = r[':status']; this.headers = r; this.opened = this.status == 200; this.wake() })
			this.s.on('data', d => this.data(d))
			this.s.on('close', () => { this.end(); c.close() })
			this.s.on('error', () => { })
		})
	}
	data(d) {
		this.left = Buffer.concat([this.left, d])
		if (!this.opened && !this.c) {
			const at = this.left.indexOf('\r\n\r\n')
			if (at < 0) return
			const [line, ...rest] = this.left.subarray(0, at).toString().split('\r\n')
			this.status = +line.split(' ')[1]
			this.headers = Object.fromEntries(rest.map(l => { const i = l.indexOf(':'); return [l.slice(0, i).toLowerCase(), l.slice(i + 1).trim()] }))
			this.left = this.left.subarray(at + 4)
			this.opened = this.status == 101
		}
		while (this.opened && this.left.length >= 2) {
			let n = this.left[1] & 127, at = 2
			if (n == 126) { if (this.left.length < 4) break; n = this.left.readUInt16BE(2); at = 4 }
			else if (n == 127) { if (this.left.length < 10) break; n = Number(this.left.readBigUInt64BE(2)); at = 10 }
			if (this.left.length < at + n) break
			const op = this.left[0] & 15, p = this.left.subarray(at, at + n)
			if (op == 8) this.code = n >= 2 ? p.readUInt16BE(0) : 1005, this.reason = p.subarray(2).toString()
			else if (op == 9) this.pinged = true, this.mute || this.s.write(frame(10, p))
			else if (op == 10) this.pongs++
			else this.got.push(JSON.parse(p.toString()))
			this.left = this.left.subarray(at + n)
		}
		this.wake()
	}
	end() { this.ended = true; this.wake() }
	wake() { this.waits = this.waits.filter(w => !w()) }
	until(what, ms = 8000) {
		return new Promise(done => {
			const timer = setTimeout(() => done(false), ms)
			const look = () => { const v = what(this); if (v || this.ended) { clearTimeout(timer); done(v); return true } return false }
			if (!look()) this.waits.push(look)
		})
	}
	open() { return this.until(s => s.status, 40000) }
	say(o) { this.s.write(frame(1, JSON.stringify(o).replaceAll('\\\\u', '\\u'))) }
	event(type) { return this.until(s => s.got.find(m => m.type == type)) }
	closed(ms = 80000) { return this.until(s => s.ended, ms).then(() => this.code) }
	// discards the messages received so far
	take() { const g = this.got; this.got = []; return g }
	stop() { (this.c ?? this.s).destroy() }
}

const text = t => ({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: t }] } })
const said = s => s.got.filter(m => m.type == 'response.output_text.delta').map(m => m.delta).join('')
async function turn(s, t) {
	s.take()
	s.say(text(t))
	s.say({ type: 'response.create' })
	await s.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'error'))
	return said(s)
}
const RT = '/v1/realtime?model=gpt-realtime'

async function handshakes() {
	let s = new Sock(RT)
	await s.open()
	same('a handshake on a route with websocket passes', s.status, 101)
	ok('a session is announced', await s.event('session.created'), s.got)
	ok('no extension is agreed on', !s.headers['sec-websocket-extensions'], s.headers)
	same('a message gets a response', await turn(s, 'hello there world'), 'hello there world')
	s.s.write(frame(8, Buffer.from([3, 232])))
	same('a close is answered with a close', await s.closed(), 1000)

	s = new Sock('/v1/chat/completions')
	await s.open()
	same('on another route, the handshake is a 426', s.status, 426)
	s.stop()
	const odd = { 'a POST': { method: 'POST' }, 'two protocols': { headers: { upgrade: 'websocket, foo' } }, 'another version': { headers: { 'sec-websocket-version': '8' } }, 'a body': { headers: { 'transfer-encoding': 'chunked' } } }
	for (const [what, how] of Object.entries(odd)) {
		s = new Sock(RT, how)
		await s.open()
		same(`${what} is a 501`, s.status, 501)
		s.stop()
	}
	s = new Sock(RT, { headers: { upgrade: 'h2c' } })
	await s.open()
	ok('h2c is a 501, or a 404 if HAProxy ignores it', [501, 404].includes(s.status), s.status)
	s.stop()
	s = new Sock(RT, { headers: { 'sec-websocket-key': 'short' } })
	await s.open()
	same('an invalid key is a 400', s.status, 400)
	s.stop()
	s = new Sock(RT, { headers: { authorization: null } , lines: undefined})
	await s.open()
	ok('a request without a credential gets a decision', s.status == 101 || s.status == 401, s.status)
	s.stop()
	s = new Sock(RT, { headers: { authorization: null, 'sec-websocket-protocol': `realtime, openai-insecure-api-key.${TOKEN}` } })
	await s.open()
	same('a key among the subprotocols passes', s.status, 101)
	same('the other subprotocol is selected', s.headers?.['sec-websocket-protocol'], 'realtime')
	s.stop()
	s = new Sock(RT, { headers: { authorization: null, 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.tg_wrong' } })
	await s.open()
	same('a wrong key among the subprotocols is a 401', s.status, 401)
	s.stop()
	s = new Sock(`${RT}&access_token=${TOKEN}`, { headers: { authorization: null } })
	await s.open()
	same('a key in the query passes', s.status, 101)
	s.stop()
	s = new Sock('/v1/realtime?call_id=rtc_1')
	await s.open()
	same('another caller\'s call cannot be joined', s.status, 403)
	s.stop()
	s = new Sock(RT, { h2: true })
	await s.open()
	same('HTTP/2: extended CONNECT passes', s.status, 200)
	same('HTTP/2: a message gets a response', await turn(s, 'over http two'), 'over http two')
	s.stop()
}

async function contents() {
	let s = new Sock(RT)
	await s.open()
	same('a value in a message is redacted', await turn(s, 'write to bob.miller@corp.example now'), 'write to <EMAIL_ADDRESS_1> now')
	same('a value in a response is replaced', await turn(s, 'call 212-555-0187 today').then(t => /212-555-0187/.test(t)), false)
	s.say(text('my card is 4111 1111 1111 1111'))
	const e = await s.event('error')
	ok('a denied message is an error event', e && e.error.code == 'content_policy_violation', e)
	same('the session is closed with 1008', await s.closed(), 1008)

	s = new Sock(RT)
	await s.open()
	await turn(s, 'social 536-90-4399 number ok')
	ok('a denied response is an error event', s.got.find(m => m.type == 'error'), s.got)
	ok('no part of it was forwarded', !/536-90-4399/.test(JSON.stringify(s.got)), s.got)
	same('the session of a denied response is closed with 1008', await s.closed(), 1008)

	s = new Sock(RT)
	await s.open()
	await turn(s, 'call:wipe {"disk":"a"}')
	ok('a denied call does not reach the client', !/"wipe"/.test(JSON.stringify(s.got.filter(m => !/conversation.item/.test(m.type)))), s.got)
	s.stop()
	s = new Sock(RT)
	await s.open()
	await turn(s, 'call:weather {"city":"Rome"}')
	ok('another call reaches the client', /"weather"/.test(JSON.stringify(s.got)), s.got)

	s.say({ type: 'input_audio_buffer.append', audio: 'AAECAwQF' })
	const u = await s.event('error')
	ok('audio is uninspected and refused', u && u.error.code == 'unreadable_content', u)
	same('audio: the session is closed with 1008', await s.closed(), 1008)
	s = new Sock(RT, { headers: { host: 'voice.example' } })
	await s.open()
	s.say({ type: 'input_audio_buffer.append', audio: 'AAECAwQF' })
	s.say({ type: 'input_audio_buffer.commit' })
	const d = await s.event('response.done')
	ok('on a route that permits audio, a response arrives', d && s.got.find(m => m.type == 'response.output_audio_transcript.delta'), s.got)
	ok('the response has audio', s.got.find(m => m.type == 'response.output_audio.delta'), s.got)
	s.say({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'and one thing more' }] } })
	s.say({ type: 'input_audio_buffer.append', audio: 'AAECAwQF', note: 'my card is 4111 1111 1111 1111' })
	ok('text next to audio is inspected', await s.event('error'), s.got)
	same('text next to audio: the session is closed with 1008', await s.closed(), 1008)

	s = new Sock('/v1/responses')
	await s.open()
	s.say({ type: 'response.create', model: 'm1', input: 'mail ann@corp.example please' })
	await s.event('response.completed')
	same('a session of the Responses API is inspected', said(s), 'mail <EMAIL_ADDRESS_1> please')
	s.stop()

	s = new Sock('/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent')
	await s.open()
	s.say({ setup: { model: 'models/gemini-live' } })
	ok('Gemini: the setup gets a response', await s.until(x => x.got.find(m => m.setupComplete)), s.got)
	s.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: 'mail ann@corp.example please' }] }], turnComplete: true } })
	ok('Gemini: a turn is complete', await s.until(x => x.got.find(m => m.serverContent?.turnComplete)), s.got)
	same('Gemini: the text is inspected', s.got.flatMap(m => m.serverContent?.modelTurn?.parts ?? []).map(p => p.text).join(''), 'mail <EMAIL_ADDRESS_1> please')
	s.say({ realtimeInput: { audio: { data: 'AAAA', mimeType: 'audio/pcm;rate=16000' } } })
	same('Gemini: audio is refused', await s.closed(), 1008)
}

// A handle belongs to the caller who received it.
async function resumes() {
	const { CAROL, LIVE } = process.env, OTHER = LIVE.replace('v1beta', 'v1alpha')
	const handle = s => s.got.filter(m => m.sessionResumptionUpdate).at(-1)?.sessionResumptionUpdate.newHandle
	const begin = async (setup, how = {}) => {
		const s = new Sock(how.path ?? LIVE, { headers: { authorization: `Bearer ${how.token ?? TOKEN}`, ...how.headers } })
		await s.open()
		s.say({ setup: { model: 'models/gemini-live', ...setup } })
		await s.until(x => x.got.find(m => m.setupComplete || m.error))
		return s
	}
	let s = await begin({ sessionResumption: {} })
	const mine = await s.until(handle)
	ok('a session that asks for handles gets one', mine, s.got)
	ok('it differs from the provider\'s handle', /^Cih\+\/\d+_1==\.[0-9a-f]{32}$/.test(mine), mine)
	s.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: 'hello' }] }], turnComplete: true } })
	const second = await s.until(x => handle(x) != mine && handle(x))
	ok('after a turn, the session gets another handle', second, s.got)
	s.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: 'handle:1100' }] }], turnComplete: true } })
	same('a handle that is too long is replaced with an empty one', await s.until(x => x.got.find(m => m.sessionResumptionUpdate?.newHandle == '')).then(m => m.sessionResumptionUpdate), { newHandle: '', resumable: true })
	s.stop()
	for (const [what, setup] of Object.entries({
		'the caller who received the handle resumes the session': { sessionResumption: { handle: second } },
		'an older handle resumes the session too': { session_resumption: { handle: mine } },
		'an empty handle begins a new session': { sessionResumption: { handle: '' } },
		'null begins a new session': { sessionResumption: { handle: null, transparent: true } },
		'a parameter of a tool may have the name handle': { tools: [{ functionDeclarations: [{ name: 'open', parameters: { type: 'OBJECT', properties: { handle: { type: 'STRING' } } } }] }] },
	})) {
		s = await begin(setup)
		ok(what, s.got.find(m => m.setupComplete), s.got)
		s.stop()
	}
	const seen = await fetch(process.env.PROVIDER + '/_seen?last=12').then(r => r.text())
	ok('the provider receives its own handle', seen.includes(second.slice(0, -33)) && !seen.includes(second), seen)
	for (const [what, setup, how] of [
		['another person', { handle: second }, { token: CAROL }],
		['who shows nothing', { handle: second }, { headers: { authorization: null } }],
		['on another route', { handle: second }, { path: OTHER }],
		['the provider\'s own', { handle: second.slice(0, -33) }],
		['one that is damaged', { handle: second.slice(0, -1) + (second.endsWith('0') ? '1' : '0') }],
		['another one\'s end', { handle: mine.slice(0, -32) + second.slice(-32) }],
		['one that is too long', { handle: 'x'.repeat(5000) + second.slice(-33) }],
		['no text', { handle: 7 }],
		['an object', { handle: { handle: second } }],
		['an escape in its key', { 'h\\u0061ndle': 'Cih' }],
	]) {
		const s = await begin({ sessionResumption: setup }, how)
		const e = s.got.find(m => m.error)
		ok(`${what}: refused`, /"status":"PERMISSION_DENIED"/.test(JSON.stringify(e)), s.got)
		same(`${what}: closed`, await s.closed(4000), 1008)
	}
	s = await begin({ sessionResumption: { handle: second }, session_resumption: { handle: second } })
	same('two handles: closed', await s.closed(4000), 1008)
}

// Handles of several daemons, of which one is left.
async function elsewhere() {
	const { LIVE, GO } = process.env
	const begin = async sessionResumption => {
		const s = new Sock(LIVE)
		await s.open()
		s.say({ setup: { model: 'models/gemini-live', sessionResumption } })
		await s.until(x => x.got.find(m => m.setupComplete || m.error))
		return s
	}
	const handles = []
	for (let i = 0; i < 6; i++) {
		const s = await begin({})
		handles.push((await s.until(x => x.got.find(m => m.sessionResumptionUpdate)))?.sessionResumptionUpdate.newHandle)
		s.stop()
	}
	console.log('# handles')
	while (!fs.existsSync(GO)) await new Promise(y => setTimeout(y, 50))
	const resumed = []
	for (const handle of handles) {
		const s = await begin({ handle })
		resumed.push(s.got.some(m => m.setupComplete))
		s.stop()
	}
	same('the remaining daemon resumes the sessions', resumed, handles.map(() => true))
}

// The values of a session's placeholders, from its first message to its last.
const JANE = 'jane@corp.example', BOB = 'bob@corp.example', ANN = 'ann@corp.example'
async function restores() {
	const seen = async text => (await fetch(process.env.PROVIDER + '/_seen?last=200').then(r => r.text())).includes(text)
	const args = s => s.got.filter(m => m.type == 'response.function_call_arguments.delta').map(m => m.delta).join('')
	let s = new Sock(RT)
	await s.open()
	same('a value in a message before response.create is restored', await turn(s, `write to ${JANE} now`), `write to ${JANE} now`)
	same('a second person gets another placeholder', await turn(s, `write to ${BOB} now`), `write to ${BOB} now`)
	ok('the provider gets different placeholders for two persons', await seen('write to <EMAIL_ADDRESS_1> now') && await seen('write to <EMAIL_ADDRESS_2> now'))
	same('a value of an earlier message is restored in a later response', await turn(s, 'say <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>'), `say ${JANE} and ${BOB}`)
	same('a placeholder that was never used is not restored', await turn(s, 'say <EMAIL_ADDRESS_7> too'), 'say <EMAIL_ADDRESS_7> too')
	same('a value that occurs again has the same placeholder', await turn(s, `again ${JANE}`), `again ${JANE}`)
	ok('the provider gets the first placeholder again', await seen('again <EMAIL_ADDRESS_1>'))
	await turn(s, 'call:send_mail {"to":"<EMAIL_ADDRESS_2>"}')
	same('the arguments of a tool call have the value', args(s), `{"to":"${BOB}"}`)
	s.say(text(`and ${ANN}`))
	const echo = await s.until(x => x.got.find(m => m.type == 'conversation.item.created' && /and /.test(JSON.stringify(m))))
	same('a provider\'s event outside of a response is restored', echo?.item.content[0].text, `and ${ANN}`)
	s.say({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: 'call_1', output: JSON.stringify({ owner: 'zoe@corp.example' }) } })
	same('a value in a tool\'s result is restored later', await turn(s, 'say <EMAIL_ADDRESS_4>'), 'say zoe@corp.example')
	const tool = (name, type) => ({ type: 'function', name, parameters: { type: 'object', properties: { phone: { type } } } })
	s.say({ type: 'session.update', session: { type: 'realtime', tools: [tool('set_number', 'integer'), tool('set_text', 'string')] } })
	s.say({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: 'call_2', output: '{"phone": 4154268562}' } })
	same('a number in a tool\'s result keeps its type', await turn(s, 'say {"phone": "<PHONE_NUMBER_1>"}'), 'say {"phone": 4154268562}')
	for (const [name, want] of [['set_number', '{"phone":4154268562}'], ['set_text', '{"phone":"4154268562"}'], ['other', '{"phone":"4154268562"}']]) {
		s.take()
		await turn(s, `call:${name} {"phone":"<PHONE_NUMBER_1>"}`)
		same(`an argument of ${name} has its schema's type, or is a string`, args(s), want)
	}
	await turn(s, 'and {"phone": "4154268562"}')
	same('a number that occurred in quotes keeps them', await turn(s, 'say {"phone": "<PHONE_NUMBER_1>"}'), 'say {"phone": "4154268562"}')
	const burst = ['kim', 'lee', 'max', 'noa', 'oli'].map(n => `${n}@corp.example`)
	s.take()
	for (const who of burst) {
		s.say(text(`burst ${who}`))
		s.say({ type: 'response.create' })
	}
	await s.until(x => x.got.filter(m => m.type == 'response.done').length == burst.length)
	same('after a burst of messages, each response has its own value', s.got.filter(m => m.type == 'response.output_text.done').map(m => m.text), burst.map(w => `burst ${w}`))
	s.stop()

	s = new Sock(RT)
	await s.open()
	same('another session has no values of the first', await turn(s, 'say <EMAIL_ADDRESS_1>'), 'say <EMAIL_ADDRESS_1>')
	s.stop()

	s = new Sock(RT, { headers: { host: 'plain.example' } })
	await s.open()
	same('on a route without restore, numbers continue', [await turn(s, `one ${JANE}`), await turn(s, `two ${BOB}`), await turn(s, `three ${JANE}`)], ['one <EMAIL_ADDRESS_1>', 'two <EMAIL_ADDRESS_2>', 'three <EMAIL_ADDRESS_1>'])
	s.stop()

	s = new Sock('/v1/responses')
	await s.open()
	const ask = async input => {
		s.take()
		s.say({ type: 'response.create', model: 'm1', input })
		await s.event('response.completed')
		return said(s)
	}
	same('Responses API: a value is restored', await ask(`mail ${ANN} please`), `mail ${ANN} please`)
	same('Responses API: another person gets another placeholder', await ask(`mail ${BOB} please`), `mail ${BOB} please`)
	// A later request may continue an earlier response, so its placeholders have a tag.
	const given = (await fetch(process.env.PROVIDER + '/_seen?last=2').then(r => r.text())).match(/<EMAIL_ADDRESS_[0-9A-Z]{8}_1>/g)
	ok('Responses API: two persons have two placeholders', given?.length == 2 && given[0] != given[1], given)
	same('Responses API: both are known later', await ask(`say ${given[0]} and ${given[1]}`), `say ${ANN} and ${BOB}`)
	same('Responses API: a placeholder without the tag is not restored', await ask('say <EMAIL_ADDRESS_1>'), 'say <EMAIL_ADDRESS_1>')
	s.stop()

	// Gemini
	const { LIVE } = process.env
	const begin = async setup => {
		const x = new Sock(LIVE)
		await x.open()
		x.say({ setup: { model: 'models/gemini-live', ...setup } })
		await x.until(y => y.got.find(m => m.setupComplete || m.error))
		return x
	}
	const content = async (x, t) => {
		x.take()
		x.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: t }] }], turnComplete: true } })
		await x.until(y => y.got.find(m => m.serverContent?.turnComplete || m.error))
		return x.got.flatMap(m => m.serverContent?.modelTurn?.parts ?? []).map(p => p.text).join('')
	}
	s = await begin({ sessionResumption: {} })
	same('Gemini: a value is restored', await content(s, `mail ${JANE} please`), `mail ${JANE} please`)
	same('Gemini: another person gets another placeholder', await content(s, `mail ${BOB} please`), `mail ${BOB} please`)
	same('Gemini: both persons are known later', await content(s, 'say <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>'), `say ${JANE} and ${BOB}`)
	await content(s, 'call:send_mail {"to":"<EMAIL_ADDRESS_1>"}')
	same('Gemini: the arguments of a tool call have the value', s.got.find(m => m.toolCall)?.toolCall.functionCalls[0].args, { to: JANE })
	s.take()
	s.say({ toolResponse: { functionResponses: [{ id: 'call_1', name: 'send_mail', response: { answer: `sent, copy to ${ANN}` } }] } })
	same('Gemini: a value in a tool\'s result is restored', await content(s, 'say <EMAIL_ADDRESS_3>'), `say ${ANN}`)
	// a tool call and the text after its result are one response
	s.take()
	s.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: 'say:' + JSON.stringify([{ toolCall: { functionCalls: [{ id: 'c', name: 'find', args: {} }] } }]) }] }], turnComplete: true } })
	await s.until(x => x.got.find(m => m.toolCall))
	s.say({ toolResponse: { functionResponses: [{ id: 'c', name: 'find', response: { found: 'zoe@corp.example' } }] } })
	same('Gemini: it is also restored in the response that waited for the result', await content(s, 'mail <EMAIL_ADDRESS_4> please'), 'mail zoe@corp.example please')
	const handle = await s.until(x => x.got.filter(m => m.sessionResumptionUpdate).at(-1)?.sessionResumptionUpdate.newHandle)
	s.stop()
	s = await begin({ sessionResumption: { handle } })
	ok('Gemini: the session is resumed', s.got.find(m => m.setupComplete), s.got)
	same('Gemini: a placeholder of the earlier session is not restored', await content(s, 'say <EMAIL_ADDRESS_1> to me'), 'say <EMAIL_ADDRESS_1> to me')
	same('Gemini: a new value is restored', await content(s, 'mail pat@corp.example please'), 'mail pat@corp.example please')
	const tags = (await fetch(process.env.PROVIDER + '/_seen?last=3').then(r => r.text())).match(/mail (<EMAIL_ADDRESS_\w+>) please/)
	ok('Gemini: its placeholder cannot be one of the earlier session', tags && !/^<EMAIL_ADDRESS_\d+>$/.test(tags[1]), tags)
	s.stop()
}

// Frames of a provider in one burst; some wait for later ones.
async function order() {
	const frames = (...events) => 'frame:' + Buffer.concat(events.map(e => frame(1, JSON.stringify(e), { mask: false }))).toString('hex')
	const id = { response_id: 'resp_9', item_id: 'item_9', output_index: 0, content_index: 0 }
	const created = { type: 'response.created', response: { object: 'realtime.response', id: 'resp_9', status: 'in_progress', output: [] } }
	const done = { type: 'response.done', response: { object: 'realtime.response', id: 'resp_9', status: 'completed', output: [], usage: { total_tokens: 4, input_tokens: 2, output_tokens: 2 } } }
	const delta = t => ({ type: 'response.output_audio_transcript.delta', ...id, delta: t })
	const audio = { type: 'response.output_audio.delta', ...id, delta: 'AAECAwQFBgcICQ==' }
	const cases = {
		'a transcript, then audio': [delta('my number is 53'), audio, delta(' and more')],
		'a transcript, then the end of the audio': [delta('my number is 53'), { type: 'response.output_audio.done', ...id }, delta('6 or so')],
		'a placeholder that may go on, then audio': [delta('say <EMAIL_'), audio, delta('x> now')],
		'a transcript, then somebody speaks': [delta('my number is 53'), { type: 'input_audio_buffer.speech_started', event_id: 'e_1', item_id: 'item_8', audio_start_ms: 7 }, delta('6 or so')],
		'a transcript, then an item': [delta('my number is 53'), { type: 'conversation.item.added', item: { id: 'item_9', type: 'message', role: 'assistant', content: [] } }, delta('6 or so')],
		'a transcript, then limits': [delta('my number is 53'), { type: 'rate_limits.updated', rate_limits: [{ name: 'requests', limit: 100, remaining: 99, reset_seconds: 1 }] }, delta('6 or so')],
	}
	for (const [name, events] of Object.entries(cases)) {
		const s = new Sock(RT)
		await s.open()
		await s.event('session.created')
		await turn(s, frames(created, ...events, done))
		const kinds = l => l.map(m => m.type).filter(t => !/^conversation.item.created/.test(t)).filter((t, i, a) => t != a[i - 1])
		same(`${name}: the order is kept`, kinds(s.got), kinds([created, ...events, done]))
		same(`${name}: the text is complete`, s.got.filter(m => /transcript.delta/.test(m.type)).map(m => m.delta).join(''), events.filter(m => /transcript/.test(m.type)).map(m => m.delta).join(''))
		s.stop()
	}
}

// Concurrent responses of one session, which are not part of its conversation.
async function several() {
	const { FRED, GINA, HUGO } = process.env
	const of = (s, id) => s.got.filter(m => m.type == 'response.output_text.delta' && m.response_id == id).map(m => m.delta).join('')
	const done = (s, n) => s.until(x => x.got.filter(m => m.type == 'response.done').length >= n || x.got.find(m => m.type == 'error'))
	const ask = (s, t) => {
		s.say(text(t))
		s.say({ type: 'response.create', response: { conversation: 'none', metadata: { for: 'this' } } })
	}
	let s = new Sock(RT, { headers: { authorization: `Bearer ${FRED}` } })
	await s.open()
	ask(s, 'later first you call (212) 555-0187 today')
	ask(s, 'the second one')
	await done(s, 2)
	same('each response is complete', [of(s, 'resp_2'), s.got.filter(m => m.type == 'response.done').map(m => m.response.id)], ['the second one', ['resp_2', 'resp_1']])
	same('a response is inspected as one text, also after the other one ended', of(s, 'resp_1'), 'first you call <PHONE_NUMBER> today')
	ask(s, 'and a third')
	await done(s, 3)
	same('the next response is separate', of(s, 'resp_3'), 'and a third')
	s.s.write(frame(8, Buffer.from([3, 232])))
	await s.closed(4000)
	s = new Sock(RT, { headers: { authorization: `Bearer ${FRED}` } })
	await s.open()
	for (let i = 0; i < 8; i++) ask(s, `later answer ${i}`)
	await s.until(x => x.got.filter(m => m.type == 'response.created').length == 8)
	ask(s, 'one more')
	const e = await s.event('error')
	ok('a ninth concurrent response is an error event', /too many responses in progress/.test(e?.error.message), e ?? s.got)
	same('the eight before it are forwarded', s.got.filter(m => m.type == 'response.created').length, 8)
	same('the session is closed', await s.closed(4000), 1008)
	// a session that only transcribes: each event is a turn
	s = new Sock(RT, { headers: { host: 'voice.example', authorization: `Bearer ${GINA}` } })
	await s.open()
	s.say({ type: 'session.update', session: { type: 'transcription' } })
	for (let i = 1; i <= 2; i++) {
		s.say({ type: 'input_audio_buffer.append', audio: 'AAECAwQF' })
		s.say({ type: 'input_audio_buffer.commit' })
		await s.until(x => x.got.filter(m => m.transcript).length == i)
	}
	same('transcripts are forwarded', s.got.filter(m => m.transcript).map(m => m.transcript), ['you said 8 bytes', 'you said 16 bytes'])
	s.s.write(frame(8, Buffer.from([3, 232])))
	await s.closed(4000)
	// a value that the caller never asks for
	s = new Sock(RT, { headers: { authorization: `Bearer ${HUGO}` } })
	await s.open()
	for (let i = 1; i <= 3; i++) {
		s.say(text(`for later, ${i}`))
		await s.until(x => x.got.filter(m => /later/.test(JSON.stringify(m))).length == i)
	}
	s.s.write(frame(8, Buffer.from([3, 232])))
	await s.closed(4000)
}

// Sessions whose callers lose their key, token or limit between two turns.
async function ends() {
	const { TEXT, AUDIO, GEMINI, FILED, MODELS, TEAM, STAYS, LIMITED, SHORT, LIVE, GO } = process.env
	const open = async (token, path = RT) => {
		const s = new Sock(path, { headers: { authorization: `Bearer ${token}` } })
		await s.open()
		if (s.status != 101) ok('a session is open', false, s.status)
		return s
	}
	const live = (s, t) => s.say({ clientContent: { turns: [{ role: 'user', parts: [{ text: t }] }], turnComplete: true } })
	const speak = s => {
		s.say({ type: 'input_audio_buffer.append', audio: 'AAECAwQF' })
		s.say({ type: 'input_audio_buffer.commit' })
	}
	const all = {}
	for (const [who, token] of Object.entries({ TEXT, FILED, MODELS, TEAM, STAYS, LIMITED, SHORT })) {
		all[who] = await open(token)
		same(`${who.toLowerCase()}: a turn`, await turn(all[who], 'hello there'), 'hello there')
	}
	all.AUDIO = await open(AUDIO)
	speak(all.AUDIO)
	ok('audio: a response', await all.AUDIO.event('response.done'), all.AUDIO.got)
	all.GEMINI = await open(GEMINI, LIVE)
	all.GEMINI.say({ setup: { model: 'models/gemini-live' } })
	live(all.GEMINI, 'hello')
	ok('gemini: a turn', await all.GEMINI.until(x => x.got.find(m => m.serverContent?.turnComplete)), all.GEMINI.got)
	console.log('# open')
	while (!fs.existsSync(GO)) await new Promise(y => setTimeout(y, 50))
	for (const s of Object.values(all)) s.take()
	for (const [who, code] of Object.entries({ TEXT: 'invalid_credentials', FILED: 'invalid_credentials', MODELS: 'permission_denied', TEAM: 'permission_denied' })) {
		all[who].say(text('after all'))
		const e = await all[who].event('error')
		same(`${who.toLowerCase()}: an error event`, e?.error?.code, code)
		same(`${who.toLowerCase()}: the session is closed`, await all[who].closed(4000), 1008)
	}
	await turn(all.LIMITED, 'one more')
	same('limited: an error event', all.LIMITED.got.find(m => m.error)?.error.code, 'limit_unreachable')
	same('limited: the session is closed', await all.LIMITED.closed(4000), 1008)
	speak(all.AUDIO)
	const e = await all.AUDIO.event('error')
	same('audio: an error event', [e?.error?.type, e?.error?.code], ['authentication_error', 'invalid_credentials'])
	ok('audio: the error comes before the response', !all.AUDIO.got.find(m => /^response/.test(m.type)), all.AUDIO.got)
	same('audio: the session is closed', await all.AUDIO.closed(4000), 1008)
	live(all.GEMINI, 'after all')
	const g = await all.GEMINI.until(x => x.got.find(m => m.error))
	same('gemini: an error event', [g?.error?.code, g?.error?.status], [401, 'UNAUTHENTICATED'])
	same('gemini: the session is closed', await all.GEMINI.closed(4000), 1008)
	same('another key: a turn', await turn(all.STAYS, 'still here'), 'still here')
	all.STAYS.stop()
	const left = JSON.parse(Buffer.from(SHORT.split('.')[1], 'base64url')).exp * 1000 - Date.now()
	await new Promise(y => setTimeout(y, Math.max(left, 0) + 100))
	all.SHORT.say(text('after all'))
	same('short: an error event', (await all.SHORT.event('error'))?.error?.code, 'invalid_credentials')
	same('short: the session is closed', await all.SHORT.closed(4000), 1008)
	console.log('# ended')
}

async function bad() {
	const cases = [
		['a frame that is not masked', frame(1, '{}', { mask: false }), 1002],
		['a reserved bit', frame(1, '{}', { rsv: 4 }), 1002],
		['an opcode of nobody', frame(3, '{}'), 1002],
		['a length of 63 bits', frame(1, '', { length: 2 ** 53 - 1 }), 1009],
		['a message over the cap', frame(1, '"' + 'x'.repeat(70000) + '"'), 1009],
		['half a character', frame(1, Buffer.from([0xe2, 0x82])), 1007],
		['a close code that is none', frame(8, Buffer.from([3, 237])), 1002],
		['a ping in pieces', frame(9, '', { fin: false }), 1002],
		['endless fragments', Buffer.concat([frame(1, '', { fin: false }), ...Array.from({ length: 1100 }, () => frame(0, '', { fin: false }))]), 1009],
		['a flood of pings', Buffer.concat(Array.from({ length: 200 }, () => frame(9, 'x'))), 1008],
		['what is no JSON', frame(1, 'hello'), 1008],
	]
	for (const [what, bytes, want] of cases) {
		const s = new Sock(RT)
		await s.open()
		s.s.write(bytes)
		same(`${what}: closed`, await s.closed(), want)
		s.stop()
	}
	let s = new Sock(RT)
	await s.open()
	s.s.write(frame(9, 'are you there'))
	ok('a ping gets a pong', await s.until(x => x.pongs), s.pongs)
	same('a close of the provider is forwarded', await turn(s, 'close:4001').then(() => s.closed()), 4001)
	// more messages than the relay reads ahead of its provider
	s = new Sock(RT)
	await s.open()
	s.s.write(Buffer.concat(Array.from({ length: 150 }, (_, i) => frame(1, JSON.stringify(text(`${i} ` + 'a plain word or two '.repeat(100)))))))
	ok('150 messages of 2 KB in a burst are all forwarded', await s.until(x => x.got.filter(m => m.type == 'conversation.item.created').length == 150), s.got.length)
	same('their order is kept', s.got.filter(m => m.item).map(m => parseInt(m.item.content[0].text)), Array.from({ length: 150 }, (_, i) => i))
	s.stop()
	// invalid frames of a provider
	for (const [what, hex, why] of [['masked', '8180000000007b', 'masked'], ['with a reserved bit', 'c1027b7d', 'reserved'], ['too long', '817f0000000010000000', 'long'], ['half a character', '8102e282', 'UTF-8'], ['a close code that is none', '880203ed', 'code']]) {
		s = new Sock(RT)
		await s.open()
		same(`an invalid frame of a provider, ${what}: the session is closed`, await turn(s, 'frame:' + hex).then(() => s.closed()), 1011)
		ok(`an invalid frame of a provider, ${what}: the close has the reason`, s.reason.includes(why), s.reason)
	}
	s = new Sock(RT)
	await s.open()
	same('a provider that disconnects closes the session', await turn(s, 'drop').then(() => s.closed()), 1011)
	// the provider's limit is three concurrent sockets
	const many = Array.from({ length: 3 }, () => new Sock(RT))
	for (const m of many) await m.open()
	same('three sockets are permitted', many.map(m => m.status), [101, 101, 101])
	s = new Sock(RT)
	await s.open()
	same('a fourth socket is a 503', s.status, 503)
	for (const m of many) m.stop()
	s.stop()
}

// Texts by their number of words: each word costs a token in each direction.
const words = n => Array.from({ length: n }, (_, i) => 'w' + i).join(' ')
async function money() {
	let s = new Sock(RT), n = 0
	await s.open()
	// a thousand turns over sockets that end in each way, between turns and during a turn
	for (let i = 0; i < 20; i++) {
		const one = new Sock(RT)
		await one.open()
		for (let k = 0; k < 50; k++) {
			await turn(one, words(1 + k % 5))
			n += 2 * (1 + k % 5)
		}
		if (i % 4 == 0) one.s.write(frame(8, Buffer.from([3, 232])))
		else if (i % 4 == 1) one.stop()
		else if (i % 4 == 2) {
			// the usage of a cut turn is unknown, so its reservation stays
			await turn(one, 'close:1000')
			n += 500
		}
		else one.s.write(frame(3, ''))
		await one.closed()
		one.stop()
	}
	for (const t of [3, 5, 40, 1]) {
		await turn(s, words(t))
		n += 2 * t
	}
	s.s.write(frame(8, Buffer.from([3, 232])))
	await s.closed()
	console.log(`# tokens ${n}`)
	// a limit ends the session at the next turn, not during one
	s = new Sock(RT, { headers: { authorization: `Bearer ${process.env.CAROL}` } })
	await s.open()
	let took = 0, e
	for (let i = 0; i < 20 && !e; i++) {
		await turn(s, words(400))
		e = s.got.find(m => m.type == 'error')
		if (!e) took += 800
	}
	ok('a limit that is reached is an error event', e?.error.code == 'rate_limit_exceeded', e ?? s.got)
	same('after the permitted turns, the session is closed with 1008', await s.closed(), 1008)
	console.log(`# carol ${took}`)
	const erin = { headers: { authorization: `Bearer ${process.env.ERIN}` } }
	const ahead = [new Sock(RT, erin)]
	await ahead[0].open()
	ahead.push(new Sock(RT, erin))
	await ahead[1].open()
	same('a response is reserved for each socket in advance, or the handshake is a 429', ahead.map(d => d.status), [101, 429])
	for (const d of ahead) d.stop()
	const dave = { headers: { authorization: `Bearer ${process.env.DAVE}` } }
	const two = []
	for (let i = 0; i < 2; i++) {
		two.push(new Sock(RT, dave))
		await two[i].open()
	}
	await turn(two[0], 'one two')
	same('turns do not count as sockets', two.map(d => d.status), [101, 101])
	s = new Sock(RT, dave)
	await s.open()
	same('the limit of concurrent requests counts sockets', s.status, 429)
	for (const d of [...two, s]) d.stop()
}

// A client that does not answer a ping.
async function silence() {
	const s = new Sock('/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent')
	await s.open()
	s.mute = true
	same('a silent client is disconnected', await s.closed(), 1001)
	ok('a ping was sent before', s.pinged)
}

// A client that reads nothing: its messages wait at the provider, and other clients are served.
async function stops() {
	const rss = () => +fs.readFileSync(`/proc/${process.env.PID}/statm`, 'utf8').split(' ')[1] * 4
	const s = new Sock(RT, { headers: { host: 'voice.example' } })
	await s.open()
	await turn(s, 'hello')
	const before = rss()
	s.s.pause()
	for (let i = 0; i < 8; i++) {
		s.say(text(words(20000)))
		s.say({ type: 'response.create' })
	}
	await new Promise(y => setTimeout(y, 3000))
	const other = new Sock(RT)
	await other.open()
	same('other clients are served next to a client that reads nothing', await turn(other, 'over here'), 'over here')
	other.stop()
	const grown = rss() - before
	if (/lib[at]san/.test(fs.readFileSync(`/proc/${process.env.PID}/maps`, 'utf8'))) console.log('skip - what he does not read is not kept: a sanitizer has a heap of its own')
	else ok('its messages are not kept in memory', grown < 12000, `${grown} KB more`)
	s.s.resume()
	ok('they arrive when the client reads', await s.until(x => x.got.filter(m => m.type == 'response.done').length == 9, 30000), s.got.length)
	s.stop()
}

async function stays() {
	const s = new Sock(RT)
	await s.open()
	await turn(s, 'before the reload')
	console.log('# open')
	const timer = setInterval(() => {
		if (!fs.existsSync(process.env.GO)) return
		clearInterval(timer)
		s.say(text('after'))
	}, 50)
	console.log('# closed ' + await s.closed())
	clearInterval(timer)
}

async function handed() {
	const all = Array.from({ length: 50 }, () => new Sock(RT))
	const turns = async t => (await Promise.all(all.map(async (s, i) => await turn(s, `${t} ${i}`) == `${t} ${i}`))).filter(x => x).length
	await Promise.all(all.map(s => s.open()))
	same('fifty sessions get responses before an upgrade', await turns('before'), 50)
	console.log('# open')
	while (!fs.existsSync(process.env.GO)) await new Promise(y => setTimeout(y, 50))
	same('the same sockets get responses after it', await turns('after'), 50)
	for (const s of all) s.stop()
}

const parts = { handed, money, restores, order, silence, stays, stops, handshakes, contents, resumes, elsewhere, several, ends, bad }
if (process.argv[1].endsWith("realtime.mjs")) {
	for (const p of process.argv.slice(2)) await parts[p]()
	process.exit(failed ? 1 : 0)
}
