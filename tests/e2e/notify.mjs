// Receives webhooks and verifies the signature of Standard Webhooks. Writes a line for each into DIR/got: signed or
// unsigned, then id, kind, what, state, name, suppressed. DIR/mode determines the response.
//
//   node notify.mjs DIR SECRET          prints its port
import { createServer } from 'node:http'
import { createHmac } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

const [dir, secret] = process.argv.slice(2)
const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
createServer((q, s) => {
	const parts = []
	q.on('data', d => parts.push(d))
	q.on('end', () => {
		const mode = existsSync(`${dir}/mode`) ? readFileSync(`${dir}/mode`, 'utf8').trim() : 'ok'
		const body = Buffer.concat(parts), id = q.headers['webhook-id'], at = q.headers['webhook-timestamp']
		const want = 'v1,' + createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64')
		const good = q.headers['webhook-signature'] === want && Math.abs(at - Date.now() / 1000) < 60
		const m = JSON.parse(body)
		appendFileSync(`${dir}/got`, `${good ? 'signed' : 'unsigned'} ${id} ${m.kind} ${m.what} ${m.state} ${m.name} ${m.suppressed} ${mode}\n`)
		appendFileSync(`${dir}/bodies`, body + '\n')
		if (mode === 'hang') return
		if (mode === 'redirect') { s.writeHead(307, { location: 'file:///etc/passwd' }); return s.end() }
		if (mode === 'busy') { s.writeHead(503, { 'retry-after': '1e99' }); return s.end() }
		s.writeHead(204)
		s.end()
	})
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })
