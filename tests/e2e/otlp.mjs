// A strict collector for OTLP/HTTP JSON. It checks each field of a message against the JSON mapping of
// opentelemetry-proto 1.5 (ids are hexadecimal, 64-bit integers are texts, enums are numbers). The file DIR/mode
// determines its response. DIR has the bodies as traces.N and metrics.N, the mistakes in DIR/wrong, and the number of
// requests in DIR/asked.
//
//   node otlp.mjs DIR [KEY CERTIFICATE]         prints its port; with a key it speaks TLS
import * as http from 'node:http'
import * as https from 'node:https'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const [dir, key, cert] = process.argv.slice(2)
let asked = 0
const count = { traces: 0, metrics: 0 }

// ---- the mapping ----
const fail = (at, what) => { throw new Error(`${at}: ${what}`) }
const text = (v, at) => typeof v === 'string' || fail(at, `expected a string, got ${JSON.stringify(v)}`)
const filled = (v, at) => text(v, at) && v.length > 0 || fail(at, 'the string is empty')
const u64 = (v, at) => (typeof v === 'string' && /^(0|[1-9][0-9]*)$/.test(v) && BigInt(v) < 2n ** 64n) || fail(at, `expected a fixed64 as a string, got ${JSON.stringify(v)}`)
const i64 = (v, at) => (typeof v === 'string' && /^-?(0|[1-9][0-9]*)$/.test(v)) || fail(at, `expected an int64 as a string, got ${JSON.stringify(v)}`)
const number = (v, at) => (typeof v === 'number' && Number.isFinite(v)) || fail(at, `expected a number, got ${JSON.stringify(v)}`)
const whole = (from, to) => (v, at) => (Number.isInteger(v) && v >= from && v <= to) || fail(at, `expected an integer from ${from} to ${to}, got ${JSON.stringify(v)}`)
const yes = (v, at) => v === true || fail(at, 'expected true')
const id = n => (v, at) => (typeof v === 'string' && new RegExp(`^[0-9a-f]{${2 * n}}$`).test(v) && /[1-9a-f]/.test(v)) || fail(at, `expected ${n} bytes in hexadecimal, not all 0, got ${JSON.stringify(v)}`)
const list = of => (v, at) => Array.isArray(v) ? v.forEach((x, i) => of(x, `${at}[${i}]`)) : fail(at, 'expected a list')
const message = (fields, needed = [], more = () => {}) => (v, at) => {
	if (v === null || typeof v !== 'object' || Array.isArray(v)) fail(at, 'expected a message')
	for (const k of Object.keys(v)) fields[k] ? fields[k](v[k], `${at}.${k}`) : fail(at, `unknown field ${k}`)
	for (const k of needed) k in v || fail(at, `${k} is missing`)
	more(v, at)
}
const one = fields => message(fields, [], (v, at) => Object.keys(v).length === 1 || fail(at, 'expected exactly one field'))
const any = (v, at) => one({ stringValue: text, intValue: i64, doubleValue: number, arrayValue: message({ values: list(any) }, ['values']) })(v, at)
const attributes = (v, at) => {
	list(message({ key: filled, value: any }, ['key', 'value']))(v, at)
	new Set(v.map(a => a.key)).size === v.length || fail(at, 'a key is repeated')
}
const get = (l, key) => { const a = l.find(x => x.key === key); return a && Object.values(a.value)[0] }
const resource = message({ attributes }, ['attributes'], (v, at) => {
	for (const k of ['service.name', 'service.instance.id', 'service.version']) get(v.attributes, k) || fail(at, `the attribute ${k} is missing`)
})
const scope = message({ name: filled, version: filled }, ['name', 'version'])
const schema = (v, at) => v === 'https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev' || fail(at, `unexpected schema ${v}`)
const span = message({ traceId: id(16), spanId: id(8), parentSpanId: id(8), flags: whole(0, 0x3ff), name: filled, kind: whole(1, 5), startTimeUnixNano: u64, endTimeUnixNano: u64, attributes,
	events: list(message({ timeUnixNano: u64, name: filled, attributes }, ['timeUnixNano', 'name'])), status: message({ code: whole(0, 2), message: text }) },
['traceId', 'spanId', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano'], (v, at) => {
	const now = BigInt(Date.now()) * 1000000n, from = BigInt(v.startTimeUnixNano), to = BigInt(v.endTimeUnixNano)
	if (to < from || from < now - 600n * 10n ** 9n || to > now + 60n * 10n ** 9n) fail(at, `implausible time from ${from} to ${to}, now ${now}`)
	for (const e of v.events || []) if (BigInt(e.timeUnixNano) < from || BigInt(e.timeUnixNano) > to) fail(at, `event ${e.name} is outside the time of its span`)
	get(v.attributes, 'tollgate.decision.id') || fail(at, 'the decision ID is missing')
})
const traces = message({ resourceSpans: list(message({ resource, schemaUrl: schema, scopeSpans: list(message({ scope, schemaUrl: schema, spans: list(span) }, ['scope', 'spans'])) }, ['resource', 'scopeSpans'])) }, ['resourceSpans'])
const times = { attributes, startTimeUnixNano: u64, timeUnixNano: u64 }
const point = message({ ...times, asInt: i64, asDouble: number }, ['timeUnixNano'], (v, at) => 'asInt' in v !== 'asDouble' in v || fail(at, 'expected exactly one of asInt and asDouble'))
const exemplar = message({ traceId: id(16), spanId: id(8), filteredAttributes: attributes, timeUnixNano: u64, asDouble: number }, ['timeUnixNano', 'asDouble'])
const bars = message({ ...times, count: u64, sum: number, bucketCounts: list(u64), explicitBounds: list(number), exemplars: list(exemplar) }, ['startTimeUnixNano', 'timeUnixNano', 'count'], (v, at) => {
	v.bucketCounts.length === v.explicitBounds.length + 1 || fail(at, 'the numbers of bounds and bucket counts do not match')
	v.bucketCounts.reduce((a, b) => a + BigInt(b), 0n) === BigInt(v.count) || fail(at, 'the sum of the bucket counts is not count')
	v.explicitBounds.every((b, i) => i === 0 || b > v.explicitBounds[i - 1]) || fail(at, 'the bounds do not increase')
})
const apart = (points, at) => new Set(points.map(p => JSON.stringify(p.attributes))).size === points.length || fail(at, 'two points have the same attributes')
const points = of => (v, at) => { list(of)(v, at); v.length || fail(at, 'there are no points'); apart(v, at) }
const started = (v, at) => v.dataPoints.every(p => p.startTimeUnixNano) || fail(at, 'a point has no start time')
const metric = message({ name: filled, unit: text, description: text, gauge: message({ dataPoints: points(point) }, ['dataPoints']),
	sum: message({ aggregationTemporality: whole(2, 2), isMonotonic: yes, dataPoints: points(point) }, ['aggregationTemporality', 'isMonotonic', 'dataPoints'], started),
	histogram: message({ aggregationTemporality: whole(2, 2), dataPoints: points(bars) }, ['aggregationTemporality', 'dataPoints']) }, ['name'],
(v, at) => ['gauge', 'sum', 'histogram'].filter(k => k in v).length === 1 || fail(at, 'expected exactly one kind of data'))
const metrics = message({ resourceMetrics: list(message({ resource, schemaUrl: schema, scopeMetrics: list(message({ scope, schemaUrl: schema,
	metrics: (v, at) => { list(metric)(v, at); new Set(v.map(m => m.name)).size === v.length || fail(at, 'a metric is repeated') } }, ['scope', 'metrics'])) }, ['resource', 'scopeMetrics'])) }, ['resourceMetrics'])

// ---- the server ----
const wrong = s => appendFileSync(`${dir}/wrong`, s + '\n')
const answer = (q, s) => {
	const parts = []
	q.on('data', d => parts.push(d))
	q.on('end', () => {
		const mode = existsSync(`${dir}/mode`) ? readFileSync(`${dir}/mode`, 'utf8').trim() : 'ok'
		let body = Buffer.concat(parts)
		writeFileSync(`${dir}/asked`, String(++asked))
		appendFileSync(`${dir}/log`, `${q.method} ${q.url} ${mode} ${q.headers['content-encoding'] || 'plain'} ${q.headers['x-key'] || '-'}\n`)
		const signal = q.url === '/in/v1/traces' ? 'traces' : q.url === '/in/v1/metrics' ? 'metrics' : null
		const json = o => { s.writeHead(200, { 'content-type': 'application/json' }); s.end(JSON.stringify(o)) }
		if (!signal || q.method !== 'POST') { wrong(`${q.method} ${q.url}`); s.writeHead(404); return s.end() }
		if (q.headers['content-type'] !== 'application/json') wrong(`content-type ${q.headers['content-type']}`)
		switch (mode) {
		case 'hang': return
		case 'html': s.writeHead(200, { 'content-type': 'text/html' }); return s.end('<html>Welcome</html>')
		case 'garbage': s.writeHead(200); return s.end(Buffer.from([0, 255, 123, 34]))
		case 'redirect': s.writeHead(307, { location: '/elsewhere' }); return s.end()
		case 'refuse': s.writeHead(400); return s.end('no')
		case 'busy': s.writeHead(503, { 'retry-after': '1' }); return s.end()
		case 'later': s.writeHead(429, { 'retry-after': '300' }); return s.end()
		case 'cut': return q.socket.destroy()
		case 'huge': { // a response of a gigabyte, as far as the daemon reads it
			s.writeHead(200, { 'content-type': 'application/json' })
			const some = Buffer.alloc(1 << 20, ' ')
			let left = 1024
			const more = () => { while (left-- > 0) if (!s.write(some)) return s.once('drain', more); s.end() }
			s.on('error', () => {})
			return more()
		}
		}
		try {
			if (q.headers['content-encoding'] === 'gzip') body = gunzipSync(body)
			const said = JSON.parse(body.toString('utf8'))
			;(signal === 'traces' ? traces : metrics)(said, signal)
			writeFileSync(`${dir}/${signal}.${count[signal]++}`, body)
		} catch (e) {
			wrong(`${signal}: ${e.message}`)
			writeFileSync(`${dir}/${signal}.wrong`, body)
		}
		if (mode === 'partial') json({ partialSuccess: { [signal === 'traces' ? 'rejectedSpans' : 'rejectedDataPoints']: '1', errorMessage: 'one too many' } })
		else if (mode === 'empty') { s.writeHead(200); s.end() } else if (mode === 'slow') setTimeout(() => json({}), 3000)
		else json({})
	})
}
const server = key ? https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer) : http.createServer(answer)
server.listen(0, '127.0.0.1', () => { console.log(server.address().port) })
