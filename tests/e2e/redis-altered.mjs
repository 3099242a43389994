// A proxy in front of a Redis that alters one byte in 5 % of the server's packets, and a load of limited requests
// through it.
//
//   node redis-altered.mjs PROXY-PORT REDIS-PORT SECONDS FOLDER LIMIT
//
// It alters packets after it has read HAProxy's address as a line. The tokens are in FOLDER/tokens. Every ten seconds,
// other persons send requests. Prints the number of altered bytes, of persons with LIMIT admitted requests, and of
// persons with more.
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'

const [proxyPort, redisPort, seconds, folder, limit] = process.argv.slice(2)
const rate = Number(process.env.ALTERED_RATE ?? 0.05)
const sliceMs = 10_000, slicePersons = 20
let altered = 0
let on = false

const server = net.createServer(client => {
	const redis = net.connect(Number(redisPort), '127.0.0.1')
	client.setNoDelay(true)
	redis.setNoDelay(true)
	client.on('data', b => redis.write(b))
	redis.on('data', b => {
		if (on && Math.random() < rate) {
			b[Math.floor(Math.random() * b.length)] = Math.floor(Math.random() * 256)
			altered++
		}
		client.write(b)
	})
	for (const [a, b] of [[client, redis], [redis, client]]) {
		a.on('error', () => b.destroy())
		a.on('close', () => b.destroy())
	}
})
await new Promise(done => server.listen(Number(proxyPort), '127.0.0.1', done))
process.stdout.write('listening\n')
const edge = await new Promise(done => process.stdin.once('data', b => done(b.toString().trim())))
const tokens = fs.readFileSync(folder + '/tokens', 'utf8').trim().split('\n')
const { hostname, port } = new URL(edge)
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
const statuses = {}
const admitted = tokens.map(() => 0)
const ask = i => new Promise(done => {
	const q = http.get({ hostname, port, path: '/v1/models', agent, headers: { authorization: 'Bearer ' + tokens[i] } }, r => {
		statuses[r.statusCode] = (statuses[r.statusCode] || 0) + 1
		if (r.statusCode === 200) admitted[i]++
		r.resume().on('end', done).on('error', done)
	})
	q.on('error', e => { statuses[e.code] = (statuses[e.code] || 0) + 1; done() })
})
// First, each token is used some times, because a worker keeps 4 KB for each verified token. That is no growth.
let warm = 0
await Promise.all([...Array(8)].map(async () => {
	while (warm < 3 * tokens.length) await ask(warm++ % tokens.length)
}))
console.log('begins')
on = true
const began = Date.now(), until = began + Number(seconds) * 1000
await Promise.all([0, 1, 2, 3].map(async worker => {
	for (let n = worker; Date.now() < until; n += 4) {
		await ask((Math.floor((Date.now() - began) / sliceMs) * slicePersons + n % slicePersons) % tokens.length)
		await new Promise(done => setTimeout(done, 20))
	}
}))
on = false
const persons = is => admitted.filter(is).length
console.log(JSON.stringify({ statuses, altered, reached: persons(n => n === Number(limit)), over: persons(n => n > Number(limit)),
	most: Math.max(...admitted) }))
process.exit(0)
