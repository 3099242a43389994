// Identifiers in the messages of WebSockets: OpenAI's Responses and Realtime, Gemini's Live.
import { Sock, ok } from './realtime.mjs'

const { LIVE, PROVIDER } = process.env
let failed = false
const check = (name, is, ...said) => { ok(name, is, ...said); failed ||= !is }
const seen = () => fetch(PROVIDER + '/_seen?last=50').then(r => r.text())
const forget = () => fetch(PROVIDER + '/_seen', { method: 'DELETE' })

const key = 'Maria Lopez', other = 'Anna Schmidt'
const schema = { type: 'object', properties: { [key]: { type: 'string' }, kind: { enum: [key] } } }
const args = { [key]: 'by Peter Novak', [other]: 1 }
const typed = `my name is ${key}, and that of my colleague is ${other}`
const read = { type: 'function', name: 'Maria_Lopez', parameters: schema }
const items = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: typed }] },
	{ type: 'function_call', call_id: 'call_1', name: 'Maria_Lopez', arguments: JSON.stringify(args) }]

const sockets = {
	// the tools and the call are in one message
	'responses': ['/v1/responses', [{ type: 'response.create', model: 'gpt-5', tools: [read], input: items }], true],
	'realtime': ['/v1/realtime?model=gpt-realtime', [{ type: 'session.update', session: { type: 'realtime', tools: [read] } }, { type: 'conversation.item.create', item: items[0] },
		{ type: 'response.create', response: { tools: [read], input: items } }], true],
	// the tools are in an earlier message, and another message of the session replaced them
	'realtime, tools of the session': ['/v1/realtime?model=gpt-realtime', [{ type: 'session.update', session: { type: 'realtime', tools: [read] } },
		{ type: 'session.update', session: { type: 'realtime', tools: [{ ...read, parameters: { type: 'object', properties: { more: { type: 'string' } } } }] } },
		{ type: 'conversation.item.create', item: items[0] }, { type: 'conversation.item.create', item: items[1] }, { type: 'response.create' }], true],
	'live': [LIVE, [{ setup: { model: 'models/gemini-live', tools: [{ functionDeclarations: [{ name: 'Maria_Lopez', parameters: schema }] }] } },
		{ clientContent: { turns: [{ role: 'user', parts: [{ text: typed }] }], turnComplete: true } }], false],
}
// other_session PATH: a call in a session that has no tools: its key is replaced
const other_session = async path => {
	await forget()
	const s = new Sock(path)
	await s.open()
	s.say({ type: 'conversation.item.create', item: items[1] })
	s.say({ type: 'response.create' })
	await s.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'error'))
	s.stop()
	const all = (await seen()).replaceAll('\\', '')
	return all.includes('"arguments"') && !all.includes(key)
}
for (const [name, [path, messages, calls]] of Object.entries(sockets)) {
	await forget()
	const s = new Sock(path)
	await s.open()
	for (const m of messages) {
		s.say(m)
		if (m.setup) await s.until(x => x.got.length)
	}
	await s.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'response.completed' || m.type == 'error' || m.serverContent?.turnComplete))
	s.stop()
	const all = (await seen()).replaceAll('\\', '')
	check(`${name}: the name of a tool is unchanged`, all.includes('"name":"Maria_Lopez"'), all, s.got)
	check(`${name}: the names and permitted values of its schema are unchanged`, all.includes(`"properties":{"${key}":`) && all.includes(`"enum":["${key}"]`), all)
	check(`${name}: the same name in a text is replaced`, all.includes('my name is') && !all.includes(`my name is ${key}`), all)
	if (!calls) continue
	check(`${name}: a key of arguments that the schema names is unchanged`, all.includes(`"arguments":"{"${key}":`), all)
	check(`${name}: another key and the value are replaced`, !all.includes(other) && !all.includes('Peter Novak'), all)
}
check('realtime: another session does not know the tools of that session', await other_session('/v1/realtime?model=gpt-realtime'))
process.exit(failed ? 1 : 0)
