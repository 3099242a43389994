// Makes files with the tools that people use, sends each through a stack as a caller of its own, and counts the
// findings in the records by tool. Arguments: seed, folder, and a folder of other files.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { paper } from './pdf.mjs'

const { EDGE, JOURNAL, TOKEN, DIR, ROWS, EXTRACT } = process.env
const [seed, dir, own] = process.argv.slice(2)
// The lower bounds of recall. Letters of 12 pixels have none: docs/media.md states what was measured.
const LEAST = { text: 0.95, small: 0.9 }

// ---- values ----

let state = +seed * 7919 + 13
const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
const of = (list) => list[Math.floor(next() * list.length)]
const some = (letters, n) => Array.from({ length: n }, () => of([...letters])).join('')
const DIGITS = '0123456789', CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', BASE32 = CAPITALS + '234567'
const mod97 = (s) => [...s].reduce((n, c) => (n * (c > '9' ? 100 : 10) + parseInt(c, 36)) % 97, 0)
function iban() {
	const [land, bank, n] = of([['DE', '', 18], ['AT', '', 16], ['NL', 'ABNA', 10], ['GB', 'NWBK', 14], ['ES', '', 20], ['CH', '', 17]])
	const rest = bank + some(DIGITS, n), all = land + String(98 - mod97(`${rest}${land}00`)).padStart(2, '0') + rest
	return next() < 0.5 ? all : all.match(/.{1,4}/g).join(' ')
}
const values = () => ({
	IBAN_CODE: iban(),
	EMAIL_ADDRESS: `${of(['anna', 'ben', 'carla', 'dmitri'])}${of(['.', '_'])}${of(['keller', 'moreau', 'okafor', 'novak'])}@${of(['brightmill.com', 'norden-bau.de', 'harbor.io'])}`,
	AWS_ACCESS_KEY: `AKIA${of(['I', 'J'])}${some(BASE32, 15)}`,
	DATABASE_CREDENTIALS: `${of(['postgres', 'mysql', 'mongodb', 'redis'])}://${of(['app', 'admin', 'billing'])}:${some(CAPITALS + CAPITALS.toLowerCase() + DIGITS, 12)}@db${of([...DIGITS])}.${of(['prod', 'internal'])}.harbor.io:5432/orders`,
})
const lines = (v) => [`# deploy/values.yaml`, 'env:', `  AWS_ACCESS_KEY_ID: ${v.AWS_ACCESS_KEY}`, `  DATABASE_URL: ${v.DATABASE_CREDENTIALS}`, 'contacts:',
	`  - ${v.EMAIL_ADDRESS}`, 'payout:', `  iban: ${v.IBAN_CODE}`, '  currency: EUR']

// ---- tools ----

const run = (tool, args, more) => execFileSync(tool, args, { stdio: ['pipe', 'pipe', 'ignore'], cwd: dir, timeout: 120000, ...more })
const at = (name) => join(dir, name)
const CHROMIUM = ['chromium-headless-shell', 'chromium'].find(there) ?? ''
function there(tool) {
	return process.env.PATH.split(':').some((folder) => existsSync(join(folder, tool)))
}
const browser = (args) => run(CHROMIUM, ['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-pdf-header-footer', ...args])
function page(name, text, { size = 15, font = 'monospace', dark = false } = {}) {
	writeFileSync(at(`${name}.html`), `<meta charset=utf-8><body style="margin:0;background:${dark ? '#1e1e1e' : '#fff'};color:${dark ? '#d4d4d4' : '#1f1f1f'}">` +
		`<pre style="margin:8px;font:${size}px/1.35 ${font};font-variant-ligatures:none">${text.join('\n').replace(/[<&]/g, (c) => `&#${c.charCodeAt(0)};`)}</pre>`)
	return `file://${at(`${name}.html`)}`
}
const printed = (name, text) => { browser([`--print-to-pdf=${at(`${name}.pdf`)}`, page(name, text)]); return `${name}.pdf` }
const shot = (name, text, how) => {
	browser([`--window-size=${Math.round(how.size * 64)},${Math.round(text.length * how.size * 1.35 + 24)}`, `--screenshot=${at(`${name}.png`)}`, page(name, text, how)])
	return `${name}.png`
}
const drawn = (name, text, args) => { run('pdftoppm', [...args, '-singlefile', printed(name, text), name]); return `${name}.${args.includes('-jpeg') ? 'jpg' : 'png'}` }
const office = (name, text, to) => {
	writeFileSync(at(`${name}.txt`), text.join('\n'))
	run('soffice', ['--headless', '--convert-to', to, `${name}.txt`])
	return `${name}.pdf`
}
const pictures = [12, 14, 16, 18].flatMap((size) => [false, true].map((dark) => ({
	tool: `screenshot ${size} px`, needs: [CHROMIUM], n: 3, ocr: true, least: size < 14 ? undefined : LEAST.small,
	make: (name, text, i) => shot(name, text, { size, dark, font: ['DejaVu Sans Mono', 'Liberation Mono', 'monospace'][i % 3] }) })))
const MAKERS = [
	{ tool: 'our own PDF', needs: [], n: 4, least: LEAST.text, make: (name, text) => {
		writeFileSync(at(`${name}.pdf`), paper([`BT /F1 10 Tf 14 TL 40 740 Td ${text.map((l) => `(${l.replace(/[()\\]/g, '\\$&')}) Tj T*`).join(' ')} ET`]))
		return `${name}.pdf`
	} },
	{ tool: 'Chromium, printed', needs: [CHROMIUM], n: 4, least: LEAST.text, make: printed },
	{ tool: 'ps2pdf of Chromium', needs: [CHROMIUM, 'pdftops', 'ps2pdf'], n: 4, make: (name, text) => {
		run('pdftops', [printed(name, text), `${name}.ps`]); run('ps2pdf', [`${name}.ps`, `${name}.pdf`]); return `${name}.pdf`
	} },
	{ tool: 'qpdf, empty password', needs: [CHROMIUM, 'qpdf'], n: 4, least: LEAST.text, make: (name, text) => {
		run('qpdf', ['--encrypt', '', 'owner', '256', '--', printed(`${name}-plain`, text), `${name}.pdf`]); return `${name}.pdf`
	} },
	{ tool: 'groff', needs: ['groff', 'gropdf'], n: 4, least: LEAST.text, make: (name, text) => {
		writeFileSync(at(`${name}.pdf`), run('groff', ['-Tpdf', '-P-e'], { input: `.nf\n${text.map((l) => `\\&${l.replace(/\\/g, '\\e').replace(/-/g, '\\-')}`).join('\n')}\n` })); return `${name}.pdf`
	} },
	{ tool: 'LibreOffice', needs: ['soffice'], n: 4, least: LEAST.text, make: (name, text) => office(name, text, 'pdf') },
	...pictures,
	{ tool: 'scan at 150 dpi, PNG', needs: [CHROMIUM, 'pdftoppm'], n: 4, ocr: true, make: (name, text) => drawn(name, text, ['-r', '150', '-gray', '-png']) },
	{ tool: 'scan at 200 dpi, JPEG', needs: [CHROMIUM, 'pdftoppm'], n: 4, ocr: true, make: (name, text) => drawn(name, text, ['-r', '200', '-jpeg']) },
	{ tool: 'CSV', needs: [], n: 2, least: LEAST.text, make: (name, text, i, v) => {
		writeFileSync(at(`${name}.csv`), `key,url,mail,iban\n${Object.values({ a: v.AWS_ACCESS_KEY, d: v.DATABASE_CREDENTIALS, e: v.EMAIL_ADDRESS, i: v.IBAN_CODE }).join(',')}\n`); return `${name}.csv`
	} },
]

// ---- sending, and the memory of the sandbox ----

const TYPES = { '.pdf': 'application/pdf', '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.gif': 'image/gif', '.webp': 'image/webp', '.tif': 'image/tiff', '.csv': 'text/csv', '.txt': 'text/plain' }
const numbers = (file, word) => Number(new RegExp(`^${word}:\\s+(\\d+)`, 'm').exec(file)?.[1] ?? 0)
/* Returns the resident kilobytes of all descendants of the extractor. */
function resident() {
	const all = new Map()
	for (const pid of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
		try { const s = readFileSync(`/proc/${pid}/status`, 'latin1'); all.set(+pid, [numbers(s, 'PPid'), numbers(s, 'VmRSS')]) } catch { /* it has ended */ }
	const under = (pid) => { for (let n = 0; pid > 1 && n < 9; n++) { pid = all.get(pid)?.[0]; if (pid === +EXTRACT) return true } return false }
	return [...all].filter(([pid]) => under(pid)).reduce((sum, [, [, kb]]) => sum + kb, 0)
}
async function send(sub, team, name, bytes) {
	const type = TYPES[extname(name).toLowerCase()] ?? 'application/octet-stream', url = `data:${type};base64,${bytes.toString('base64')}`
	const key = execFileSync(TOKEN, ['token', DIR, '--claims', JSON.stringify({ sub, team })]).toString().trim()
	const part = /^image/.test(type) ? { type: 'image_url', image_url: { url } } : { type: 'file', file: { filename: name, file_data: url } }
	let most = 0
	const watch = setInterval(() => { most = Math.max(most, resident()) }, 30)
	const began = Date.now()
	const r = await fetch(`${EDGE}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
		body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: [{ type: 'text', text: 'Sum it up.' }, part] }] }) })
	await r.arrayBuffer()
	clearInterval(watch)
	return { ms: Date.now() - began, kb: most, status: r.status }
}
function records() {
	const all = new Map()
	for (const f of readdirSync(JOURNAL))
		for (const line of readFileSync(join(JOURNAL, f), 'latin1').split('\n'))
			if (line.includes('"type":"decision"')) { const o = JSON.parse(line.replace(/\0/g, '')); all.set(o.identity?.person ?? o.person, o) }
	return all
}

const sent = []
for (const m of MAKERS) {
	const missing = m.needs.filter((t) => !t || !there(t))
	if (missing.length) { console.log(`# ${m.tool}: skipped, not installed: ${missing.map((t) => t || 'chromium').join(', ')}`); continue }
	for (let i = 0; i < m.n; i++) {
		const v = values(), name = `file${sent.length}`
		let made
		try { made = m.make(name, lines(v), i, v) } catch (e) { console.log(`# ${m.tool}: ${String(e.message).split('\n')[0]}`); break }
		sent.push({ tool: m.tool, least: m.least, name, v, ...await send(name, m.ocr ? 'ocr' : 'deny', made, readFileSync(at(made))) })
	}
}
for (const f of own && existsSync(own) ? readdirSync(own).filter((f) => statSync(join(own, f)).isFile()) : []) {
	const name = `file${sent.length}`
	sent.push({ tool: `${FILES_OF(f)} of FILES`, name, file: f, v: {}, ...await send(name, 'ocr', f, readFileSync(join(own, f))) })
}
function FILES_OF(f) { return extname(f).slice(1).toLowerCase() || 'others' }
let said = records()
for (let i = 0; said.size < sent.length && i < 100; i++) {
	await new Promise((r) => setTimeout(r, 100))
	said = records()
}

// ---- the table ----

const rows = new Map(), reasons = new Map()
for (const s of sent) {
	const file = said.get(s.name)?.prompt.files?.[0]
	const row = rows.get(s.tool) ?? rows.set(s.tool, { files: 0, found: 0, n: 0, refused: 0, ms: 0, kb: 0, by: {}, least: s.least }).get(s.tool)
	const entities = new Set((file?.found ?? []).map((f) => f.split(' ')[0])), why = !file ? `status ${s.status}` : file.unread && `${file.kind}: ${file.unread}`
	row.files++
	row.ms += s.ms
	row.kb = Math.max(row.kb, s.kb)
	if (why) { row.refused++; reasons.set(why, (reasons.get(why) ?? 0) + 1) }
	if (why && ROWS) console.log(`# ${s.tool}, ${s.file ?? s.name}: ${why}`)
	for (const e of Object.keys(s.v)) {
		row.n++
		row.found += entities.has(e)
		row.by[e] = (row.by[e] ?? 0) + entities.has(e)
		if (ROWS && !entities.has(e)) console.log(`# ${s.tool}, ${s.name}: ${e} ${s.v[e]} missed`)
	}
}
console.log('# tool                      files  found      AWS IBAN mail  URL  refused   ms a file  MB most')
for (const [tool, r] of rows) {
	const by = ['AWS_ACCESS_KEY', 'IBAN_CODE', 'EMAIL_ADDRESS', 'DATABASE_CREDENTIALS'].map((e) => String(r.by[e] ?? '').padStart(4)).join(' ')
	console.log(`# ${tool.padEnd(24)} ${String(r.files).padStart(6)}  ${(r.n ? `${r.found}/${r.n}` : '').padEnd(8)} ${by} ${String(r.refused).padStart(8)} ${String(Math.round(r.ms / r.files)).padStart(11)} ${String(Math.round(r.kb / 1024)).padStart(8)}`)
	if (r.least) console.log(`${r.found >= r.least * r.n ? 'ok' : 'not ok'} - ${tool}: at least ${r.least * 100} % of the values are found`)
}
for (const [why, n] of [...reasons].sort((a, b) => b[1] - a[1])) console.log(`# refused ${n}: ${why}`)
