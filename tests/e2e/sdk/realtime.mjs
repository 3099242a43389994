// The official clients of realtime sessions, through HAProxy.
import fs from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { GoogleGenAI, Modality } from '@google/genai'
import WebSocket from 'ws'

const { EDGE, TOKEN, CERT, KEY } = process.env
// These clients only use TLS, which ends here, in front of HAProxy.
const edge = new URL(EDGE)
const front = tls.createServer({ cert: fs.readFileSync(CERT), key: fs.readFileSync(KEY) }, s => {
	const to = net.connect(edge.port, edge.hostname)
	s.pipe(to).pipe(s)
	for (const x of [s, to]) x.on('error', () => { })
})
await new Promise(yes => front.listen(0, '127.0.0.1', yes))
const URL_TLS = `https://127.0.0.1:${front.address().port}`
const ok = (name, is, ...said) => {
	console.log((is ? 'ok - ' : 'not ok - ') + name)
	if (!is) for (const s of said) console.log('#   ' + String(typeof s == 'string' ? s : JSON.stringify(s)).slice(0, 500))
}
const soon = (what, ms = 15000) => Promise.race([what, new Promise((_, no) => setTimeout(() => no(new Error('late')), ms))])

async function openai(url, key, name) {
	const client = new OpenAI({ apiKey: key, baseURL: url + '/v1' })
	const rt = new OpenAIRealtimeWS({ model: 'gpt-realtime' }, client)
	let text = ''
	rt.on('response.output_text.delta', e => { text += e.delta })
	rt.on('error', e => ok(`${name}: no error`, false, e.message))
	const made = new Promise(yes => rt.on('session.created', yes))
	await soon(made)
	const done = new Promise(yes => rt.on('response.done', yes))
	rt.send({ type: 'session.update', session: { type: 'realtime', instructions: 'be brief', output_modalities: ['text'] } })
	rt.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'write to ann@corp.example at noon' }] } })
	rt.send({ type: 'response.create' })
	const d = await soon(done)
	ok(`${name}: a turn is answered`, d?.response?.usage?.total_tokens > 0, d)
	ok(`${name}: its text is restored`, text == 'write to ann@corp.example at noon', text)
	const say = async t => {
		text = ''
		const over = new Promise(yes => rt.on('response.done', yes))
		rt.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: t }] } })
		rt.send({ type: 'response.create' })
		await soon(over)
		return text
	}
	const second = await say('write to bob@corp.example at noon')
	ok(`${name}: a second person is restored as that person`, second == 'write to bob@corp.example at noon', second)
	const both = await say('say <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>')
	ok(`${name}: both are known later`, both == 'say ann@corp.example and bob@corp.example', both)
	let args = ''
	rt.on('response.function_call_arguments.delta', e => { args += e.delta })
	await say('call:send_mail {"to":"<EMAIL_ADDRESS_2>"}')
	ok(`${name}: arguments of a call have the second person`, args == '{"to":"bob@corp.example"}', args)
	const closed = new Promise(yes => rt.socket.on('close', yes))
	rt.close()
	ok(`${name}: the session closes`, (await soon(closed)) == 1000)
}

async function gemini(url, name) {
	const ai = new GoogleGenAI({ apiKey: TOKEN, httpOptions: { baseUrl: url } })
	const got = [], waits = []
	let closed
	const end = new Promise(yes => { closed = yes })
	const session = await soon(ai.live.connect({
		model: 'gemini-live',
		config: { responseModalities: [Modality.TEXT] },
		callbacks: { onmessage: m => { got.push(m); waits.forEach(w => w()) }, onerror: () => { }, onclose: e => closed(e.code) },
	}))
	const turn = new Promise(yes => waits.push(() => got.find(m => m.serverContent?.turnComplete) && yes(true)))
	session.sendClientContent({ turns: [{ role: 'user', parts: [{ text: 'write to ann@corp.example at noon' }] }], turnComplete: true })
	ok(`${name}: a turn is answered`, await soon(turn) === true, got)
	const text = got.flatMap(m => m.serverContent?.modelTurn?.parts ?? []).map(p => p.text).join('')
	ok(`${name}: its text is restored`, text == 'write to ann@corp.example at noon', text)
	const later = new Promise(yes => waits.push(() => got.filter(m => m.serverContent?.turnComplete).length == 2 && yes(true)))
	session.sendClientContent({ turns: [{ role: 'user', parts: [{ text: 'and bob@corp.example, not <EMAIL_ADDRESS_1>' }] }], turnComplete: true })
	await soon(later)
	const two = got.flatMap(m => m.serverContent?.modelTurn?.parts ?? []).map(p => p.text).join('').slice(text.length)
	ok(`${name}: two persons have two placeholders`, two == 'and bob@corp.example, not ann@corp.example', two)
	session.sendRealtimeInput({ audio: { data: 'AAAA', mimeType: 'audio/pcm;rate=16000' } })
	ok(`${name}: audio ends the session`, await soon(end) == 1008)
}

// As a browser does: no header field, the key is one of the subprotocols.
async function browser(url) {
	const ws = new WebSocket(url.replace('http', 'ws') + '/v1/realtime?model=gpt-realtime', ['realtime', `openai-insecure-api-key.${TOKEN}`])
	const first = await soon(new Promise((yes, no) => { ws.on('message', m => yes(JSON.parse(m))); ws.on('error', no) }))
	ok('a browser: the session begins', first.type == 'session.created', first)
	ok('a browser: the session has the subprotocol', ws.protocol == 'realtime', ws.protocol)
	ws.close()
}

await openai(URL_TLS, TOKEN, 'openai').catch(e => ok('openai', false, e.message))
await gemini(URL_TLS, '@google/genai').catch(e => ok('@google/genai', false, e.message))
await browser(EDGE).catch(e => ok('a browser', false, e.message))
process.exit(0)
