import { Sock, ok } from './realtime.mjs'

const { LIVE, CAROL } = process.env
let failed = false
const check = (name, is, ...said) => { ok(name, is, ...said); failed ||= !is }
const same = (name, got, want) => check(name, JSON.stringify(got) == JSON.stringify(want), got, want)

async function begin(setup = {}, headers = {}) {
	const s = new Sock(LIVE, { headers })
	await s.open()
	s.say({ setup: { model: 'models/gemini-live', ...setup } })
	await s.until(x => x.got.length)
	return s
}
const asks = t => ({ clientContent: { turns: [{ role: 'user', parts: [{ text: t }] }], turnComplete: true } })
// the provider sends these messages
const tells = (s, ...messages) => { s.take(); s.say(asks('say:' + JSON.stringify(messages))) }
const call = (name, args = {}) => ({ id: 'c1', name, args })
const words = (t, more) => ({ serverContent: { modelTurn: { role: 'model', parts: [{ text: t }] } }, ...more })
const used = n => ({ usageMetadata: { promptTokenCount: n, responseTokenCount: n, totalTokenCount: 2 * n } })
const over = more => ({ serverContent: { turnComplete: true }, ...more })
const base64 = t => Buffer.from(t).toString('base64')

// tool calls
let s = await begin()
const permitted = [{ toolCall: { functionCalls: [call('find', { a: 1 }), call('look')] } }, over(used(1))]
tells(s, ...permitted)
await s.until(x => x.got.find(m => m.serverContent))
same('permitted calls are forwarded unchanged', s.got, permitted)
s.stop()
for (const [what, m] of Object.entries({
	'a call that is denied': { toolCall: { functionCalls: [call('wipe')] } },
	'the second of two': { toolCall: { functionCalls: [call('find'), call('wipe')] } },
	'one in the other spelling': { tool_call: { function_calls: [call('wipe')] } },
	'one in a part': { serverContent: { modelTurn: { parts: [{ text: 'now' }, { functionCall: call('wipe') }] } } },
	'one in a part, in the other spelling': { server_content: { model_turn: { parts: [{ function_call: call('wipe') }] } } },
})) {
	s = await begin()
	tells(s, m) // without usage, because Live waits for the result of the call
	same(`${what}: the session is closed`, await s.closed(4000), 1008)
	same(`${what}: no other part of its event is forwarded`, s.got.map(x => Object.keys(x)[0]), ['error'])
	s.stop()
}

// usage in the middle of a response
s = await begin()
tells(s, words('my number is 536-90', used(1)), words('-4399 of social security', used(2)), over(used(3)))
same('a number that is divided by a usage event is found', await s.closed(4000), 1008)
check('it is not forwarded', !/536|4399/.test(JSON.stringify(s.got)), s.got)
s = await begin({}, { authorization: `Bearer ${CAROL}` })
const told = [words('one ', used(10)), words('two'), { serverContent: { generationComplete: true } }, over(used(20))]
tells(s, ...told)
await s.until(x => x.got.find(m => m.serverContent?.turnComplete))
same('a response with a usage event in it is complete', s.got.flatMap(m => m.serverContent.modelTurn?.parts.map(p => p.text) ?? []).join(''), 'one two')
s.stop()
s = await begin()
tells(s, words('so it is'), over())
check('the text of a turn does not wait for its usage', await s.until(x => x.got.find(m => m.serverContent?.turnComplete), 3000), s.got)
s.say(asks('and again'))
check('the next turn gets a response', await s.until(x => x.got.find(m => m.usageMetadata), 3000), s.got)
s.stop()

// data that is no media
s = await begin()
s.say({ realtimeInput: { audio: { mimeType: 'audio/pcm;rate=16000', data: 'AAAA' } } })
s.say({ realtimeInput: { audioStreamEnd: true } })
check('audio is forwarded', await s.until(x => x.got.find(m => m.serverContent?.turnComplete)), s.got)
s.say({ realtimeInput: { mediaChunks: [{ mimeType: 'text/plain', data: base64('my card is 4111 1111 1111 1111') }] } })
same('a text file is inspected', await s.closed(4000), 1008)
s = new Sock('/v1/realtime?model=gpt-realtime')
await s.open()
s.say({ type: 'input_audio_buffer.commit', item_id: ['card', '4111-1111-1111-1111'] })
same('text in place of an id is inspected', (await s.event('error'))?.error.code, 'content_policy_violation')

// a name that has another meaning elsewhere
s = await begin({ tools: [{ functionDeclarations: [{ name: 'open', parameters: { type: 'OBJECT', properties: { handle: { type: 'STRING' } } } }] }] })
check('a parameter may have the name handle', s.got[0]?.setupComplete, s.got)
s.say({ toolResponse: { functionResponses: [{ id: 'c1', name: 'open', response: { handle: 'x', sessionResumption: { handle: 'y' } } }] } })
s.say(asks('after it'))
check('a tool\'s result may have that name too', await s.until(x => x.got.find(m => m.serverContent?.turnComplete), 3000), s.got)
s.stop()

// pages of other sites
for (const [what, headers, want] of [
	['nobody, and no page', { authorization: null }, 101],
	['no credential, from a page of another site', { authorization: null, origin: 'https://evil.example' }, 403],
	['a token, from a page of another site', { origin: 'https://evil.example' }, 101],
]) {
	s = new Sock(LIVE, { headers })
	await s.open()
	same(what, s.status, want)
	s.stop()
}
process.exit(failed ? 1 : 0)
