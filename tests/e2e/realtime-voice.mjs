// Sound in realtime sessions. The sound of these tests is text: the simulated provider writes it down as it is, and the
// simulated transcriber knows the WAV file that the gateway makes of it.
import fs from 'node:fs'
import crypto from 'node:crypto'
import { Sock, ok } from './realtime.mjs'

const same = (name, got, want) => ok(name, JSON.stringify(got) == JSON.stringify(want), got, want)
const b64 = t => Buffer.from(t).toString('base64')
const seen = async () => (await (await fetch(`${process.env.PROVIDER}/_seen?last=1000`)).json()).filter(m => m.method == 'MESSAGE').map(m => JSON.parse(m.body))
let base = 0
const mark = async () => base = (await seen()).length
const sent = async () => (await seen()).slice(base)
const until = async what => { for (let i = 0; i < 100; i++) { const v = await sent(); if (what(v)) return v; await new Promise(r => setTimeout(r, 30)) } return sent() }
const types = v => v.map(m => m.type ?? Object.keys(m.realtimeInput ?? m)[0])
const RT = '/v1/realtime?model=gpt-realtime', LIVE = process.env.LIVE
const connect = async (host, path = RT) => { await mark(); const s = new Sock(path, { headers: { host } }); await s.open(); if (path == RT) await s.event('session.created'); return s }
const append = t => ({ type: 'input_audio_buffer.append', audio: b64(t) })
const commit = { type: 'input_audio_buffer.commit' }, create = { type: 'response.create' }
const manual = { type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: null } } } }
const answer = s => s.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'error'))
const heard = s => s.got.filter(m => m.type == 'response.output_text.delta').map(m => m.delta).join('')
const refused = s => s.got.find(m => m.type == 'error')?.error.message ?? s.got.find(m => m.error)?.error.message

// A turn of text in PCM, as the gateway hands it to a transcriber.
function known(pcm, rate, language, text) {
	const d = Buffer.from(pcm), h = Buffer.alloc(44)
	h.write('RIFF', 0); h.writeUInt32LE(36 + d.length, 4); h.write('WAVEfmt ', 8); h.writeUInt32LE(16, 16); h.writeUInt16LE(1, 20); h.writeUInt16LE(1, 22)
	h.writeUInt32LE(rate, 24); h.writeUInt32LE(2 * rate, 28); h.writeUInt16LE(2, 32); h.writeUInt16LE(16, 34); h.write('data', 36); h.writeUInt32LE(d.length, 40)
	fs.appendFileSync(process.env.KNOWN, `${crypto.createHash('sha256').update(Buffer.concat([h, d])).digest('hex')}\t${language}\t${text}\n`)
}
const CARD = 'my card is four one one one one one one one one one one one one one one one'
const spoken = [['good morning', 'good morning'], ['card ', CARD], ['mail', 'write to ada dot lovelace at example dot com']]
for (const rate of [24000, 16000]) for (const [pcm, text] of spoken) known(pcm.padEnd(4800), rate, 'english', text)
const pcm = t => t.padEnd(4800)

// ---- permit ----
let s = await connect('permit.test')
s.say(append('anything')); s.say(commit)
await answer(s)
same('permit: sound passes uninspected', types(await sent()), ['input_audio_buffer.append', 'input_audio_buffer.commit'])
s.stop()

// ---- judged, OpenAI ----
s = await connect('judged.test')
s.say(append('good morning....'))
await answer(s)
let all = await sent()
same('judged: the gateway sets the session up first', all[0], { type: 'session.update', session: { type: 'realtime', audio: { input: { transcription: { model: 'gpt-4o-transcribe' }, turn_detection: { type: 'server_vad', create_response: false } } } } })
same('judged: it requests the response after the transcript', types(all), ['session.update', 'input_audio_buffer.append', 'response.create'])
same('judged: the response arrives', heard(s), 'good morning....')
s.say({ type: 'session.update', session: { type: 'realtime', instructions: 'be kind', audio: { input: { transcription: null, turn_detection: { type: 'semantic_vad', create_response: true } } } } })
await s.event('session.updated')
all = await until(v => v.length > 3)
same('judged: a client cannot turn automatic responses on, or transcripts off', all.at(-1).session, { type: 'realtime', instructions: 'be kind', audio: { input: { transcription: { model: 'gpt-4o-transcribe' }, turn_detection: { type: 'semantic_vad', create_response: false } } } })
s.take(); await mark()
s.say(append(CARD + '....'))
same('judged: a spoken card number ends the session', await s.closed(), 1008)
same('judged: no response was requested', types(await sent()), ['input_audio_buffer.append'])
ok('judged: the client learns why', /no card numbers/.test(refused(s)), s.got)

s = await connect('judged.test')
s.say({ type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad', create_response: false } } } } })
s.say(append('hello....'))
await s.event('conversation.item.input_audio_transcription.completed')
await new Promise(r => setTimeout(r, 300))
same('judged: if the client turned them off, the gateway requests none', types(await sent()), ['session.update', 'session.update', 'input_audio_buffer.append'])
s.say(create)
await answer(s)
same('judged: the client requests the response', types(await sent()).at(-1), 'response.create')
s.stop()

s = await connect('judged.test')
s.say(manual); s.say(append('hello there')); s.say(commit); s.say(create)
await answer(s)
same('judged, manual turns: a request for a response waits for the transcript', heard(s), 'hello there')
s.take()
s.say(commit)
await s.event('error')
s.take()
s.say(create)
await answer(s)
same('judged, manual turns: an empty commit leaves nothing to wait for', heard(s), 'hello there')
await mark()
s.say(append(CARD)); s.say(commit); s.say(create)
same('judged, manual turns: a spoken card number ends the session', await s.closed(), 1008)
same('judged, manual turns: the request was not sent', types(await sent()), ['input_audio_buffer.append', 'input_audio_buffer.commit'])

s = await connect('delete.test')
s.say(append('write to ada dot lovelace at example dot com....'))
await answer(s)
all = await sent()
same('judged, media: transcript: the item is replaced by its redacted transcript', types(all), ['session.update', 'input_audio_buffer.append', 'conversation.item.delete', 'conversation.item.create', 'response.create'])
same('judged, media: transcript: the text', all[3]?.item.content[0].text, 'write to <EMAIL_ADDRESS_1>....')
s.stop()
s = await connect('judged.test')
s.say(append('write to ada dot lovelace at example dot com....'))
same('judged: without media, a redaction denies', await s.closed(), 1008)
s = await connect('judged.test')
s.say(manual); s.say(append('noise')); s.say(commit)
same('judged: a failed transcript ends the session', await s.closed(), 1008)
ok('judged: the client learns that too', /could not transcribe/.test(refused(s)), s.got)

for (const [name, event] of Object.entries({
	'an unknown member': { ...append('x'), extra: 1 },
	'an unknown event': { type: 'input_audio_buffer.append2', audio: 'eA==' },
	'no sound': { type: 'input_audio_buffer.append' },
	'sound in an item': { type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_audio', audio: crypto.randomBytes(300).toString('base64') }] } },
})) for (const host of ['judged.test', 'required.test']) {
	s = await connect(host)
	s.say(manual)
	s.say(event)
	same(`${host}: ${name} ends the session`, await s.closed(), 1008)
	ok(`${host}: ${name} is not sent`, !types(await sent()).some(t => t == event.type), await sent())
}

// ---- required, OpenAI ----
s = await connect('required.test')
s.say(append(pcm('good morning')))
same('required: sound ends the session while the provider detects turns', await s.closed(), 1008)
s = await connect('required.test')
s.say({ type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad', create_response: false } } } } })
same('required: a session in which the provider detects turns is refused', await s.closed(), 1008)
s = await connect('required.test')
s.say(manual)
for (const part of pcm('good morning').match(/[^]{1,1200}/g)) s.say(append(part))
await s.event('session.updated')
await new Promise(r => setTimeout(r, 200))
same('required: sound stays in the gateway', types(await sent()), ['session.update'])
s.say(commit); s.say(create)
await answer(s)
all = await sent()
same('required: a permitted turn is sent', types(all), ['session.update', 'input_audio_buffer.append', 'input_audio_buffer.commit', 'response.create'])
same('required: byte by byte', Buffer.from(all[1].audio, 'base64').toString(), pcm('good morning'))
s.take(); await mark()
s.say(append(pcm('dropped'))); s.say({ type: 'input_audio_buffer.clear' })
s.say(append(pcm('card '))); s.say(commit)
same('required: a spoken card number ends the session', await s.closed(), 1008)
same('required: the provider never got its sound', types(await sent()), ['input_audio_buffer.clear'])
s = await connect('required.test')
s.say(manual); s.say(append(pcm('unknown to the transcriber'))); s.say(commit)
same('required: sound that nobody could transcribe ends the session', await s.closed(), 1008)
s = await connect('write.test')
s.say(manual); s.say(append(pcm('mail'))); s.say(commit); s.say(create)
await answer(s)
all = await sent()
same('required, media: transcript: the transcript is sent in place of the sound', [types(all), all[1].item.content[0]],
	[['session.update', 'conversation.item.create', 'response.create'], { type: 'input_text', text: '[transcript of a sound] write to <EMAIL_ADDRESS_1>' }])
s.stop()

// ---- Gemini ----
const detects = d => ({ setup: { model: 'models/gemini-live', realtimeInputConfig: { automaticActivityDetection: { disabled: d } } } })
const audio = t => ({ realtimeInput: { audio: { data: b64(pcm(t)), mimeType: 'audio/pcm;rate=16000' } } })
const begin = { realtimeInput: { activityStart: {} } }, end = { realtimeInput: { activityEnd: {} } }
const over = x => x.until(y => y.got.some(m => m.serverContent?.turnComplete))
for (const host of ['judged.test', 'required.test']) {
	s = await connect(host, LIVE)
	s.say(detects(false))
	same(`${host}, Live: automatic detection is refused`, await s.closed(), 1008)
	s = await connect(host, LIVE)
	s.say({ setup: { model: 'models/gemini-live' } })
	same(`${host}, Live: so is its default`, await s.closed(), 1008)
	s = await connect(host, LIVE)
	s.say(detects(true)); s.say(begin); s.say(audio('good morning'))
	await new Promise(r => setTimeout(r, 200))
	const before = types(await until(v => v.length >= (host == 'judged.test' ? 3 : 1)))
	same(`${host}, Live: ${host == 'judged.test' ? 'sound is sent' : 'sound stays in the gateway'}`, before, host == 'judged.test' ? ['setup', 'activityStart', 'audio'] : ['setup'])
	s.say(end)
	await over(s)
	same(`${host}, Live: a permitted turn is sent`, types(await sent()), ['setup', 'activityStart', 'audio', 'activityEnd'])
	await mark()
	s.say(begin); s.say(audio('card ')); s.say(end)
	same(`${host}, Live: a spoken card number ends the session`, await s.closed(), 1008)
	same(`${host}, Live: the turn was not ended`, types(await sent()), host == 'judged.test' ? ['activityStart', 'audio'] : [])
	s = await connect(host, LIVE)
	s.say(detects(true)); s.say({ realtimeInput: { activityEnd: {}, audio: audio('card ').realtimeInput.audio } })
	same(`${host}, Live: sound and the end in one message are refused`, await s.closed(), 1008)
}
process.exit(0)
