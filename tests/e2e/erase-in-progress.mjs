// Sessions of a person who is erased: one without messages, one whose client sends further messages, one with a
// response in progress.
import fs from 'node:fs'
import { Sock, ok } from './realtime.mjs'

const same = (name, got, want) => ok(name, JSON.stringify(got) == JSON.stringify(want), got, want)
const sleep = ms => new Promise(y => setTimeout(y, ms))
const until = async (what, ms = 60000) => {
	for (const end = Date.now() + ms; ; await sleep(10)) if (what() || Date.now() > end) return
}
const text = t => ({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: t }] } })
async function begin(token = process.env.TOKEN) {
	const s = new Sock('/v1/realtime?model=gpt-realtime', { headers: { authorization: `Bearer ${token}` } })
	await s.open()
	return s
}
async function turn(s, t) {
	s.take()
	s.say(text(t))
	s.say({ type: 'response.create' })
	return s.until(x => x.got.find(m => m.type == 'response.done' || m.type == 'error'))
}

const idle = await begin(), talks = await begin(), other = await begin(process.env.BOB)
for (const s of [idle, talks, other]) ok('a turn before the erasure', await turn(s, 'hello there'), s.got)
console.log('# open')
await until(() => fs.existsSync(process.env.GO))
talks.say(text('and after'))
talks.say({ type: 'response.create' })
same('a session ends with its next message', await talks.closed(8000), 1012)
ok('the close has the reason', /erased/.test(talks.reason), talks.reason)
same('a session without messages ends too', await idle.closed(8000), 1012)
ok("another person's session continues", await turn(other, 'still here'), other.got)
console.log('# ended')
process.exit(0)
