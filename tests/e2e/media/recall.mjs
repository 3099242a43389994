// Sends a corpus through a stack, each document as a caller of its own, and counts the findings in the records by
// page. Arguments: seed, folder, cwebp. ROWS=1: prints each missed value, and each false alarm.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { CLASSES, NAMES, papers } from './corpus.mjs'

const { EDGE, JOURNAL, TOKEN, DIR, ROWS } = process.env
const [seed, dir, cwebp] = process.argv.slice(2)
// The lower bounds of recall, from a run with seed 1. Slanted text has none, because it is not extracted as lines.
const FLOORS = { text: 0.95, 'moved or turned': 0.95, 'in pieces': 0.95, 'in another order': 0.95, 'at a slant': 0.85, 'over two lines': 0.95, 'odd fonts and coats': 0.95 }

const TYPES = { pdf: 'application/pdf', png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp', txt: 'text/plain' }
function part(type, bytes) {
	const url = `data:${TYPES[type]};base64,${bytes.toString('base64')}`
	return /^image/.test(TYPES[type]) ? { type: 'image_url', image_url: { url } } : { type: 'file', file: { filename: `a.${type}`, file_data: url } }
}
async function send(sub, team, type, bytes) {
	const key = execFileSync(TOKEN, ['token', DIR, '--claims', JSON.stringify({ sub, team })]).toString().trim()
	const r = await fetch(`${EDGE}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
		body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: [{ type: 'text', text: 'Sum it up.' }, part(type, bytes)] }] }) })
	await r.arrayBuffer()
	return r.status
}
function records() {
	const all = new Map()
	for (const f of readdirSync(JOURNAL).sort())
		for (const line of readFileSync(`${JOURNAL}/${f}`, 'latin1').split('\n'))
			if (line.includes('"type":"decision"')) {
				const o = JSON.parse(line.replace(/\0/g, ''))
				all.set(o.identity?.person ?? o.person, o)
			}
	return all
}

const corpus = papers(+seed, dir, cwebp)
const asked = []
for (const p of corpus) {
	const bytes = readFileSync(p.file)
	asked.push([p, p.name, await send(p.name, p.ocr ? 'ocr' : 'deny', p.type, bytes)])
	asked.push([p, `${p.name}-plain`, await send(`${p.name}-plain`, 'deny', 'txt', Buffer.from(p.said))])
	if (p.full && p.ocr) asked.push([p, `${p.name}-unread`, await send(`${p.name}-unread`, 'deny', p.type, bytes)])
}
let said = records()
for (let i = 0; said.size < asked.length && i < 100; i++) {
	await new Promise((r) => setTimeout(r, 100))
	said = records()
}

// ---- the findings ----

const tally = (keys, of) => Object.fromEntries(keys.map((k) => [k, of()]))
const counts = () => ({ n: 0, page: 0, plain: 0, papers: 0, bare: 0, alarms: 0, plain_alarms: 0, unread: 0, passed: 0 })
const kinds = tally([...new Set(CLASSES.map((c) => c.kind))], counts), entities = { text: tally(NAMES, counts), ocr: tally(NAMES, counts) }, sizes = {}
const found = (name) => (said.get(name)?.prompt.files?.[0].found ?? []).map((f) => f.split(' ')).filter(([e]) => NAMES.includes(e))
let unrefused = 0
for (const [p, name, status] of asked) {
	const k = kinds[p.kind], file = said.get(name)?.prompt.files?.[0]
	if (!file) throw new Error(`${name}: no file in its record, status ${status}`)
	if (name.endsWith('-unread')) {
		if (status !== 403 || !file.unread) unrefused++
	} else if (name === p.name && !p.full) {
		const alarms = found(name)
		k.bare++
		k.alarms += alarms.length > 0
		k.plain_alarms += found(`${name}-plain`).length > 0
		if (ROWS && alarms.length) console.log(`# ${name}: false ${alarms.join(' ')} (${JSON.stringify(p.d)})`)
	} else if (name === p.name) {
		k.papers++
		if (file.unread) k.unread++
		if (status === 200) k.passed++
		const here = found(name), plain = found(`${name}-plain`)
		for (const v of p.values) {
			const any = here.filter(([e]) => e === v.entity), right = any.some(([, page]) => +page === v.page), in_plain = plain.some(([e]) => e === v.entity)
			const size = p.ocr && (sizes[p.d.size] ??= counts())
			for (const c of [k, entities[p.ocr ? 'ocr' : 'text'][v.entity], size || []]) {
				c.n++
				c.page += right
				c.plain += in_plain
			}
			if (ROWS && !right) console.log(`# ${name}: ${v.entity} ${v.page} ${JSON.stringify(`${v.before} ${v.text}`)} missed${any.length ? `, but ${any.join(' ')}` : ''}${in_plain ? '' : ', in plain text, too'}${file.unread ? `, unread ${file.unread}` : ''} (${JSON.stringify(p.d)})`)
		}
	}
}

// ---- tables, and the lower bounds ----

const percent = (a, b) => (b ? `${(100 * a / b).toFixed(0)} %` : '')
console.log(`# seed ${seed}: ${corpus.length} documents, half of them without values${cwebp ? '' : '; no WebP'}`)
console.log('# | Documents | Number | Values | Found at their page | In the same as a text file | Refused unread | Passed | False alarms, documents | In the same as a text file |')
for (const [kind, c] of Object.entries(kinds))
	if (c.papers) console.log(`# | ${kind} | ${c.papers} | ${c.n} | ${percent(c.page, c.n)} | ${percent(c.plain, c.n)} | ${c.unread} | ${c.passed} | ${c.alarms} of ${c.bare} | ${c.plain_alarms} of ${c.bare} |`)
console.log('# | Entity | In PDF text | In the same as a text file | By OCR |')
for (const e of NAMES) console.log(`# | ${e} | ${percent(entities.text[e].page, entities.text[e].n)} | ${percent(entities.text[e].plain, entities.text[e].n)} | ${percent(entities.ocr[e].page, entities.ocr[e].n)} |`)
console.log(`# | By OCR, size of the letters | ${Object.keys(sizes).join(' | ')} |\n# | found | ${Object.values(sizes).map((c) => percent(c.page, c.n)).join(' | ')} |`)
for (const [kind, floor] of Object.entries(FLOORS)) {
	const c = kinds[kind]
	console.log(`${c.page >= floor * c.n ? 'ok' : 'not ok'} - ${kind}: of ${c.n} values ${c.page} are found at their page, ${floor * 100} % at least`)
}
console.log(`${unrefused ? 'not ok' : 'ok'} - scans and images without a rule that asks for OCR are refused${unrefused ? `: ${unrefused} are not` : ''}`)
process.exit(0)
