// Sessions with both ends in the test: a client, and a provider that sends what the test states.
import net from 'node:net'
import fs from 'node:fs'
import crypto from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { Sock, frame, ok } from './realtime.mjs'

const same = (name, got, want) => ok(name, JSON.stringify(got) == JSON.stringify(want), got, want)
const sleep = ms => new Promise(y => setTimeout(y, ms))
const RT = '/v1/realtime?model=gpt-realtime', RS = '/v1/responses'
const LIVE = '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent'
const opened = {}

// The provider's end of a session; `raw`: the messages that it received.
class Provider {
	constructor(s) {
		this.s = s, this.left = Buffer.alloc(0), this.raw = []
		s.on('data', d => this.data(d))
		s.on('error', () => { })
	}
	data(d) {
		this.left = Buffer.concat([this.left, d])
		if (!this.open) {
			const at = this.left.indexOf('\r\n\r\n')
			if (at < 0) return
			const head = this.left.subarray(0, at).toString()
			const key = /sec-websocket-key: *(\S+)/i.exec(head)?.[1]
			if (!key) return this.s.destroy()
			this.left = this.left.subarray(at + 4)
			const accept = crypto.createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
			this.s.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`)
			this.open = true
			opened[/[?&]of=(\d+)/.exec(head)?.[1]] = this
		}
		while (this.left.length >= 2) {
			let n = this.left[1] & 127, at = 2
			if (n == 126) { if (this.left.length < 4) break; n = this.left.readUInt16BE(2); at = 4 }
			else if (n == 127) { if (this.left.length < 10) break; n = Number(this.left.readBigUInt64BE(2)); at = 10 }
			if (this.left.length < at + 4 + n) break
			const mask = this.left.subarray(at, at + 4), p = Buffer.from(this.left.subarray(at + 4, at + 4 + n))
			for (let i = 0; i < n; i++) p[i] ^= mask[i % 4]
			const op = this.left[0] & 15
			if (op == 9) this.s.write(frame(10, p, { mask: false }))
			else if (op < 3) this.raw.push(p.toString())
			this.left = this.left.subarray(at + 4 + n)
		}
	}
	say(...all) { for (const o of all) this.s.write(frame(1, typeof o == 'string' ? o : JSON.stringify(o), { mask: false })) }
}

let sessions = 0
async function pair(who, path = RT) {
	const of = ++sessions
	const c = new Sock(`${path}${path.includes('?') ? '&' : '?'}of=${of}`, { headers: { authorization: `Bearer ${process.env['T_' + who]}` } })
	await c.open()
	await until(() => opened[of])
	return [c, opened[of]]
}
const until = async (what, ms = 6000) => {
	const end = Date.now() + ms
	for (let v; ; await sleep(10)) if ((v = await what()) || Date.now() > end) return v
}
// The amount that a limit has counted, when nothing is reserved.
async function used(who, limit, open) {
	const look = () => {
		const all = JSON.parse(execFileSync('sh', ['-c', `$TOLLGATE quota get --person ${who} --json`], { encoding: 'utf8' }))
		return all.find(l => l.limit == limit) ?? { used: 0, held: 0 }
	}
	if (!open) await until(() => !look().held)
	return look().used
}
const closes = async c => { c.s.write(frame(8, Buffer.from([3, 232]))); await c.closed(4000) }
const ask = { type: 'response.create', response: { conversation: 'none' } }
const U = (i, o) => ({ total_tokens: i + o, input_tokens: i, output_tokens: o })
const created = id => ({ type: 'response.created', response: { object: 'realtime.response', id, status: 'in_progress', output: [] } })
const delta = (id, d, kind = 'output_text') => ({ type: `response.${kind}.delta`, response_id: id, item_id: id, output_index: 0, content_index: 0, delta: d })
const done = (id, usage) => ({ type: 'response.done', response: { object: 'realtime.response', id, status: 'completed', output: [], usage } })
const written = (id, usage) => ({ type: 'conversation.item.input_audio_transcription.completed', item_id: id, content_index: 0, transcript: 'hi there', usage })
const failed = code => ({ type: 'error', event_id: 'e', error: { type: 'invalid_request_error', code, message: 'there is none' } })
const words = (c, id) => c.got.filter(m => m.type == 'response.output_text.delta' && m.response_id == id).map(m => m.delta).join('')

// A response.create during a response requests another response.
async function money() {
	let [c, p] = await pair('money')
	for (let i = 0; i < 3; i++) c.say(ask)
	await until(() => p.raw.length == 3)
	p.say(created('A'), created('B'), created('C'))
	p.say(done('B', U(100, 100)), done('A', U(10, 10)), done('C', U(1000, 1000)))
	await c.until(x => x.got.filter(m => m.type == 'response.done').length == 3)
	// a response that was not requested and did not begin
	p.say(done('Z', U(1, 1)))
	await c.until(x => x.got.filter(m => m.type == 'response.done').length == 4)
	await closes(c)
	same('each requested response is charged; usage without a response is not', await used('money', 'tokens'), 2222)
	same('each response counts as a request, and so does the handshake', await used('money', 'asked'), 5);
	[c, p] = await pair('little')
	for (let i = 0; i < 20; i++) c.say(ask)
	same('a limit applies to concurrent responses', [(await c.event('error'))?.error.code, await c.closed(4000)], ['rate_limit_exceeded', 1008])
	ok('few of them reached the provider', p.raw.length < 6, p.raw.length);
	[c, p] = await pair('money')
	for (let i = 0; i < 9; i++) c.say(ask)
	ok('a ninth concurrent response is an error event', /too many responses in progress/.test((await c.event('error'))?.error.message), c.got)
	same('after eight, the session is closed', [await c.closed(4000), p.raw.length], [1008, 8])
}

// An error event belongs to the last request, or to none.
async function errors() {
	let [c, p] = await pair('errors')
	c.say(ask)
	await until(() => p.raw.length == 1)
	p.say(created('A'), delta('A', 'call 212-55'), failed('response_cancel_not_active'), delta('A', '5-0187 today'))
	ok('an error event during a response is forwarded', await c.event('error'), c.got)
	p.say(done('A', U(10, 10)))
	ok('the response continues', await c.event('response.done'), c.got)
	same('the response is inspected as one text', words(c, 'A'), 'call <PHONE_NUMBER> today')
	c.take()
	for (let i = 1; i <= 9; i++) {
		c.say(ask)
		await until(() => p.raw.length == 1 + i)
		p.say(failed('invalid_value'))
		await c.until(x => x.got.length == i)
	}
	same('after a refusal, a response is not in progress', c.got.map(m => m.error?.code), Array(9).fill('invalid_value'))
	p.say(failed('my social 536-90-4399 number'))
	same('an error event is inspected too', [await c.closed(4000), /4399/.test(JSON.stringify(c.got))], [1008, false])
	same('refused responses are not charged', await used('errors', 'tokens'), 20)
}

// Events of the provider outside of a response.
async function outside() {
	let [c, p] = await pair('words')
	const item = (type, item) => ({ type: `conversation.item.${type}`, event_id: 'e', item })
	const all = [
		item('added', { id: 'i', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello my friend' }] }),
		item('retrieved', { id: 'i', type: 'function_call', name: 'weather', call_id: 'c', arguments: '{"city":"Rome"}' }),
		item('added', { id: 'i', type: 'function_call_output', call_id: 'c', output: 'it rains in Rome' }),
		{ type: 'session.shout', what: 'over and out' },
	]
	p.say(...all)
	await c.until(x => x.got.length == all.length)
	same('they are forwarded unchanged', c.got, all)
	c.take()
	const heard = (item_id, delta) => ({ type: 'conversation.item.input_audio_transcription.delta', item_id, content_index: 0, delta })
	const pieces = id => c.got.filter(m => m.delta && m.item_id == id).map(m => m.delta).join('')
	for (const [of, delta] of [['q', 'hello my'], ['r', 'other 536-'], ['q', ' dear'], ['r', '12 words'], ['q', ' friend']]) p.say(heard(of, delta))
	p.say(written('q', U(1, 1)), { type: 'conversation.item.input_audio_transcription.failed', item_id: 'r', content_index: 0, error: { code: 'x' } })
	await c.until(x => x.got.find(m => /failed/.test(m.type)))
	same('the pieces of a transcript belong to their item', [pieces('q'), pieces('r')], ['hello my dear friend', 'other 536-12 words'])
	same('they arrive before its end', c.got.slice(-4).map(m => m.item_id + m.type.split('.').at(-1)), ['qdelta', 'qcompleted', 'rdelta', 'rfailed'])
	p.say(item('added', { id: 'k', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'it is 212-555-0187 here' }] }))
	same('a rule redacts them', (await c.until(x => x.got.find(m => m.item?.id == 'k')))?.item.content[0].text, 'it is <PHONE_NUMBER> here')
	p.say('')
	p.say(item('added', { id: 'i', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'social 536-90-4399 number' }] }))
	same('a rule denies them', [await c.closed(4000), /4399/.test(JSON.stringify(c.got))], [1008, false]);
	[c, p] = await pair('words')
	p.say(item('retrieved', { id: 'i', type: 'function_call', name: 'pay', call_id: 'c', arguments: '{"amount":500}' }))
	same('a rule denies tool calls', [await c.closed(4000), c.got.filter(m => m.item).length], [1008, 0]);
	// a value in two pieces of one item, with a piece of another item between them
	[c, p] = await pair('words')
	p.say(heard('q', 'social 536-'), heard('r', 'well'), heard('q', '90-4399 number'), written('q', U(1, 1)))
	same('the pieces of an item are inspected as one text', [await c.closed(4000), /536|4399/.test(JSON.stringify(c.got.filter(m => m.delta)))], [1008, false]);
	// items that never end
	[c, p] = await pair('words')
	for (let i = 0; i < 30; i++) p.say(heard('q' + i, 'hello there my friend'))
	await c.until(x => pieces('q21') == 'hello there my friend')
	same('of many items without an end, the last eight are held', [pieces('q0'), pieces('q21'), c.code], ['hello there my friend', 'hello there my friend', undefined])
	c.stop();
	// redaction in a text, and in a transcript of speech
	[c, p] = await pair('words')
	c.say(ask)
	await until(() => p.raw.length == 1)
	p.say(created('A'), delta('A', 'the transcript says 212-555-0187 here '), done('A', U(1, 1)))
	await c.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'error'))
	same('a text about transcripts is inspected as a text', words(c, 'A'), 'the transcript says <PHONE_NUMBER> here ')
	c.say(ask)
	await until(() => p.raw.length == 2)
	p.say(created('B'), delta('B', 'you call 212-555-0187 now and here', 'output_audio_transcript'), done('B', U(1, 1)))
	same('a transcript of speech can deny', await c.closed(4000), 1008)
}

// Each transcript is settled by itself.
async function transcripts() {
	let [c, p] = await pair('written')
	for (let i = 0; i < 10; i++) p.say(written('i' + i, U(20, 10)))
	await c.until(x => x.got.filter(m => m.transcript).length == 10)
	c.say(ask)
	await until(() => p.raw.length == 1)
	p.say(created('A'), delta('A', 'hello my'), written('j', U(1000, 1000)), delta('A', ' friend'), done('A', U(10, 10)))
	await c.event('response.done')
	same('a response next to a transcript is complete', words(c, 'A'), 'hello my friend')
	await closes(c)
	same('ten transcripts and one next to a response are charged', await used('written', 'tokens'), 300 + 2000 + 20)
	same('each counts as a request', await used('written', 'asked'), 13)
}

const said = (text, more) => ({ serverContent: { modelTurn: { role: 'model', parts: [{ text }] }, ...more } })
const parts = c => c.got.flatMap(m => m.serverContent?.modelTurn?.parts ?? []).map(x => x.text).join('')
async function gemini() {
	const turns = (text, turnComplete) => ({ clientContent: { turns: [{ role: 'user', parts: [{ text }] }], turnComplete } })
	const took = (i, o) => ({ usageMetadata: { promptTokenCount: i, responseTokenCount: o, totalTokenCount: i + o } })
	let [c, p] = await pair('gemini', LIVE)
	c.say({ setup: { model: 'models/gemini-live' } })
	for (let i = 0; i < 12; i++) c.say(turns('of before', false))
	c.say(turns('and now', true))
	await until(() => p.raw.length == 14)
	same('messages that only add to a turn are no turn', p.raw.length, 14)
	p.say(said('call 212-555-0187 '), said('my friend', { turnComplete: true }))
	p.say(said('the next one '))
	await c.until(() => /next/.test(parts(c)))
	ok('the held text of a turn without usage is forwarded before the next turn', parts(c).startsWith('call <PHONE_NUMBER> my friendthe next '), c.got)
	p.say({ ...said('here', { turnComplete: true }), ...took(10, 10) })
	await c.until(x => x.got.find(m => m.usageMetadata))
	// a turn that is requested during another turn
	c.take()
	c.say(turns('a', true))
	await until(() => p.raw.length == 15)
	p.say(said('first '))
	for (let i = 0; i < 10; i++) c.say({ toolResponse: { functionResponses: [{ id: 'x' + i, name: 'f', response: { r: 'found' } }] } })
	await until(() => p.raw.length == 25)
	same('each may request a turn', p.raw.length, 25)
	p.say({ serverContent: { turnComplete: true }, ...took(100, 100) }, said('second '), { serverContent: { turnComplete: true }, ...took(1000, 1000) })
	await c.until(x => x.got.filter(m => m.usageMetadata).length == 2)
	same('the turns are answered one after the other', parts(c), 'first second ')
	// usage without a turn: interrupted, then usage
	const before = await used('gemini', 'tokens', 1)
	p.say({ serverContent: { interrupted: true } }, took(5, 5))
	await c.until(x => x.got.filter(m => m.usageMetadata).length == 3)
	same('usage outside of a turn is charged', await until(async () => await used('gemini', 'tokens', 1) == before + 10), true)
	c.take()
	c.say(turns('b', true))
	await until(() => p.raw.length == 26)
	p.say(said('mine is 536-'), said('90-4399', { turnComplete: true }), said('next'))
	same('a denial of held text ends the session', [await c.closed(4000), /4399/.test(JSON.stringify(c.got))], [1008, false])
}

// A client with very many messages to decide is read more slowly, and evenly.
async function paced() {
	const [c, p] = await pair('paced')
	c.s.write(Buffer.concat(Array.from({ length: 400 }, () => frame(1, '{"type":"z"}'))))
	await until(() => p.raw.length >= 250)
	const began = Date.now(), come = [began]
	await until(() => { while (come.length <= p.raw.length - 250) come.push(Date.now()); return p.raw.length >= 400 }, 30000)
	const took = Date.now() - began, longest = Math.max(...come.map((t, i) => i ? t - come[i - 1] : 0))
	ok('further messages are decided at 25 a second', took > 5000 && took < 12000, took)
	ok('they are decided one after the other', longest < 3000, longest)
	same('no message is lost, and the session stays open', [p.raw.length, c.code], [400, undefined])
	c.stop()
}

async function half() {
	const [c] = await pair('half')
	c.s.write(frame(1, '{"type":"input_audio', { fin: false }))
	const began = Date.now()
	for (let i = 0; i < 3; i++) { await sleep(7000); c.s.write(frame(0, 'x', { fin: false })) }
	same('an incomplete message ends the session', await c.closed(20000), 1008)
	ok('that happens after half a minute', Date.now() - began > 25000, Date.now() - began)
}

// The rules of the earlier policy end with the next message, also during a response.
async function reload() {
	const all = await Promise.all([0, 1, 2].map(() => pair('reload')))
	all[0][0].say(ask)
	all[1][0].say(ask)
	await until(() => all[1][1].raw.length && all[0][1].raw.length)
	all[1][1].say(created('A'))
	await all[1][0].event('response.created')
	console.log('# reload')
	await until(() => fs.existsSync(process.env.GO + '.reloaded'), 60000)
	all[0][0].say({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'after' }] } })
	all[1][0].say(ask)
	all[2][1].say(created('B'), delta('B', 'by itself'))
	for (const [i, what] of ['one that is not answered', 'one under way', 'one that begins by itself'].entries())
		same(`after a reload: ${what}`, await all[i][0].closed(4000), 1012)
	ok('the response in progress is not forwarded', !all[2][0].got.find(m => m.delta), all[2][0].got)
}

async function calls() {
	for (const q of ['call_id=x', 'call_id', 'call%5Fid=x', 'call%5fid', 'model=m&call_id=']) {
		const c = new Sock(`/v1/realtime?${q}`)
		await c.open()
		same(`?${q} is a 403`, c.status, 403)
		c.stop()
	}
}

const server = net.createServer(s => new Provider(s))
await new Promise(y => server.listen(0, '127.0.0.1', y))
console.log(`# port ${server.address().port}`)
await until(() => fs.existsSync(process.env.GO), 60000)
const slow = [paced(), half()]
for (const part of [money, errors, outside, transcripts, gemini, calls]) await part().catch(e => ok(part.name, false, e.stack))
await Promise.all(slow)
await reload()
console.log('# ended')
process.exit(0)
