// node ocsf.mjs SCHEMA EVENTS: checks that each line of EVENTS is an event of the OCSF classes in SCHEMA
// (tests/data/ocsf.json, resolved from the published schema): only known attributes, of the right types, required
// ones, enumerations, profiles. Prints a line for each mistake.
import { readFileSync } from 'node:fs'

const schema = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const lines = readFileSync(process.argv[3], 'utf8').split('\n').filter(Boolean)
const numbers = new Set(['integer_t', 'long_t', 'timestamp_t', 'port_t', 'float_t'])
let wrong = 0
const classes = {}
const say = (n, path, what) => { console.log(`event ${n}: ${path}: ${what}`); wrong++ }

function value(n, path, a, v, profiles) {
	if (a.array) {
		if (!Array.isArray(v)) return say(n, path, 'no list')
		return v.forEach((one, i) => value(n, `${path}[${i}]`, { ...a, array: false }, one, profiles))
	}
	if (a.object === 'object') return typeof v === 'object' || say(n, path, 'no object')
	if (a.object) return object(n, path, schema.objects[a.object], v, profiles)
	if (numbers.has(a.type) ? typeof v !== 'number' : a.type === 'boolean_t' ? typeof v !== 'boolean' : typeof v !== 'string')
		return say(n, path, `${JSON.stringify(v)} is no ${a.type}`)
	if (a.enum && !a.enum.includes(String(v)) && !/^(class|category)_uid$/.test(path)) say(n, path, `${v} is none of ${a.enum}`)
}

function object(n, path, type, v, profiles) {
	if (!type) return say(n, path, 'an object that the extract of the schema lacks')
	if (typeof v !== 'object' || v === null || Array.isArray(v)) return say(n, path, 'no object')
	for (const [name, one] of Object.entries(v)) {
		const at = path ? `${path}.${name}` : name
		const a = type.attributes[name]
		if (!a) say(n, at, 'no such attribute')
		else if (a.profile && !profiles.includes(a.profile)) say(n, at, `of the profile ${a.profile}, which is not named`)
		else value(n, at, a, one, profiles)
	}
	for (const [name, a] of Object.entries(type.attributes))
		if (a.required && (!a.profile || profiles.includes(a.profile)) && !(name in v)) say(n, path, `${name} is missing`)
	if (type.at_least_one.length && !type.at_least_one.some((name) => name in v)) say(n, path, `none of ${type.at_least_one}`)
}

lines.forEach((line, i) => {
	const e = JSON.parse(line)
	const type = schema.classes[e.class_uid]
	if (!type) return say(i, '', `class ${e.class_uid}`)
	classes[e.class_uid] = (classes[e.class_uid] ?? 0) + 1
	object(i, '', type, e, e.metadata?.profiles ?? [])
	if (e.category_uid !== Math.floor(e.class_uid / 1000)) say(i, 'category_uid', 'of another class')
	if (e.type_uid !== e.class_uid * 100 + e.activity_id) say(i, 'type_uid', 'not class and activity')
	if (e.activity_id === 99 && !e.activity_name) say(i, 'activity_name', 'missing')
})
console.log(`${lines.length} events, ${wrong} mistakes, classes ${Object.keys(classes)}`)
process.exit(wrong || !lines.length ? 1 : 0)
