// The texts of `make bench ONLY=session`: prose and code of this tree, logs and JSON made from a seed. No text repeats.
import fs from 'node:fs'
import path from 'node:path'

export function texts(root, seed) {
	let s = seed >>> 0 || 1
	const random = n => { s ^= s << 13; s >>>= 0; s ^= s >>> 17; s ^= s << 5; s >>>= 0; return s % n }
	const read = (dir, end) => fs.readdirSync(path.join(root, dir), { withFileTypes: true }).flatMap(e =>
		e.isDirectory() ? read(path.join(dir, e.name), end) : e.name.endsWith(end) ? [path.join(dir, e.name)] : []).sort()
	const pieces = (files, split, least) => {
		const all = files.flatMap(f => fs.readFileSync(path.join(root, f), 'utf8').split(split)).filter(t => t.length >= least)
		const own = [...new Set(all)]
		for (let i = own.length - 1; i > 0; i--) { const k = random(i + 1); [own[i], own[k]] = [own[k], own[i]] }
		return own
	}
	const stock = { prose: pieces(read('docs', '.md'), /\n\n+/, 80), code: pieces(read('spoa', '.c'), /\n(?=\/\* )/, 200) }
	const take = (kind, bytes) => {
		let out = ''
		while (out.length < bytes && stock[kind].length) out += stock[kind].pop() + '\n\n'
		return out.slice(0, bytes)
	}
	const word = () => { let w = ''; for (let n = 3 + random(7); n > 0; n--) w += String.fromCharCode(97 + random(26)); return w }
	const log = bytes => {
		let out = '', at = Date.UTC(2026, 2, 1) + random(1e9)
		while (out.length < bytes) {
			at += random(5000)
			out += `${new Date(at).toISOString()} ${['INFO', 'WARN', 'DEBUG'][random(3)]} ${word()}.${word()}[${random(30000)}]: ${word()} ${word()} took ${random(4000)} ms, ${random(100)} of ${random(1000)} ${word()}s\n`
		}
		return out.slice(0, bytes)
	}
	const json = bytes => {
		const rows = []
		let n = 0
		while (n < bytes) {
			const row = { id: random(1e6), name: word(), state: word(), path: `/${word()}/${word()}.${word().slice(0, 2)}`, size: random(1e7), tags: [word(), word()], note: `${word()} ${word()} ${word()}` }
			rows.push(row)
			n += JSON.stringify(row).length
		}
		return JSON.stringify(rows)
	}
	return { prose: n => take('prose', n), code: n => take('code', n), log, json, random, word }
}

// The requests of one session of a coding agent: each has the one before and a turn more.
export function session(root, seed, turns, from, to) {
	const t = texts(root, seed), messages = [], bodies = []
	const system = t.prose(from / 2)
	const tools = ['Read', 'Edit', 'Bash', 'Grep', 'Write', 'Glob'].map(name => ({ name, description: t.prose(from / 14),
		input_schema: { type: 'object', properties: { file_path: { type: 'string', description: t.prose(120) }, command: { type: 'string', description: t.prose(120) } }, required: ['file_path'] } }))
	const kinds = [t.code, t.log, t.json, t.prose]
	for (let i = 0; i < turns; i++) {
		if (i == 0) messages.push({ role: 'user', content: [{ type: 'text', text: t.prose(400) }] })
		else {
			const id = `toolu_${i}${t.word()}`, bytes = Math.max(200, (to - from) / (turns - 1) - 600)
			messages.push({ role: 'assistant', content: [{ type: 'text', text: t.prose(200) }, { type: 'tool_use', id, name: tools[i % tools.length].name, input: { file_path: `/src/${t.word()}.c`, command: `grep -n ${t.word()} src` } }] },
				{ role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: kinds[i % kinds.length](bytes) }] })
		}
		bodies.push(JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 1000, system: [{ type: 'text', text: system }], tools, messages }))
	}
	return bodies
}
