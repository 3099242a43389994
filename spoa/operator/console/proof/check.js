// The checks of the proof page (`tollgate audit show ID --proof=html`), without a document: the record's hash, its path to
// the root of the tree (RFC 6962), the signatures of the checkpoint (C2SP signed-note), the cosignatures of witnesses
// (C2SP tlog-cosignature) and time stamps (RFC 3161). `audit show` puts this file into the page, so it imports nothing.

const utf8 = (text) => new TextEncoder().encode(text);
const text_of = (bytes) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const base64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(''));
const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const joined = (...parts) => {
	const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		all.set(p, at);
		at += p.length;
	}
	return all;
};
export const digest = async (bytes, hash = 'SHA-256') => new Uint8Array(await crypto.subtle.digest(hash, bytes));

/* A check that fails throws Refused. A check that this browser cannot make throws Unable. */
class Refused extends Error {}
class Unable extends Error {}
function must(holds, why) {
	if (!holds) throw new Refused(why);
}

/* Only the one base64 text of some bytes is accepted, so that no changed character passes. */
function unbase64(text, what) {
	let bytes = null;
	try {
		bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
	} catch { /* refused below */ }
	must(bytes && base64(bytes) === text, `${what} is not base64.`);
	return bytes;
}

const NUMBER = /^(0|[1-9][0-9]{0,14})$/;

/* A signed note: the signed text, its three lines, and one object for each signature. */
export function read_note(note) {
	const end = note.indexOf('\n\n');
	must(end > 0 && note.endsWith('\n'), 'The checkpoint is not a signed note.');
	const text = note.slice(0, end + 1);
	const [origin, size, root] = text.split('\n');
	must(NUMBER.test(size ?? '') && root, 'The checkpoint has no size or no root.');
	const signatures = note.slice(end + 2, -1).split('\n').map((line) => {
		const [mark, name, value, ...more] = line.split(' ');
		must(mark === '\u2014' && name && value && !more.length, 'A line below the checkpoint is not a signature.');
		const bytes = unbase64(value, 'A signature');
		must(bytes.length > 4, 'A signature is too short.');
		return { name, id: bytes.slice(0, 4), value: bytes.slice(4) };
	});
	return { note, text, origin, size: Number(size), root: unbase64(root, 'The root'), signatures };
}

/* The file that `audit show ID --proof` prints. */
export function read_proof(file) {
	const end = file.indexOf('\n\n');
	must(end > 0, 'The proof has no checkpoint.');
	const [record, magic, index, ...path] = file.slice(0, end).split('\n');
	must(record.startsWith('record '), 'The proof has no record.');
	must(magic === 'c2sp.org/tlog-proof@v1', 'The proof has another format.');
	must(index?.startsWith('index ') && NUMBER.test(index.slice(6)), 'The proof has no index.');
	return { record: record.slice(7), index: Number(index.slice(6)), path, note: file.slice(end + 2) };
}

/* RFC 9162 2.1.3.2: the root that leaf and path result in. */
async function root_of(leaf, index, size, path) {
	const node = (left, right) => digest(joined([1], left, right));
	let fn = index, sn = size - 1, at = leaf;
	const half = (n) => Math.floor(n / 2);

	must(index < size, 'The checkpoint does not cover the record.');
	for (const p of path) {
		must(sn !== 0, 'The path is too long.');
		if (fn % 2 === 1 || fn === sn) {
			at = await node(p, at);
			while (fn % 2 === 0 && fn !== 0) {
				fn = half(fn);
				sn = half(sn);
			}
		} else {
			at = await node(at, p);
		}
		fn = half(fn);
		sn = half(sn);
	}
	must(sn === 0, 'The path is too short.');
	return at;
}

async function verify_ed25519(key, signature, text) {
	let imported;
	try {
		imported = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
	} catch (e) {
		if (e?.name === 'DataError') return false;
		throw new Unable('This browser cannot check Ed25519 signatures. Chromium 137, Firefox 129 and Safari 17 can, as can later versions.');
	}
	return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, text);
}

/* The id of a key in signature lines: 1 for a log's key, 4 for a witness's. */
const line_id = async (name, type, key) => (await digest(joined(utf8(name), [10, type], key))).slice(0, 4);

/* ---- time stamps: DER (X.690), CMS (RFC 5652), TSTInfo (RFC 3161 2.4.2) ---- */

function der(bytes, at = 0) {
	let n = bytes[at + 1], from = at + 2;
	if (n > 128) {
		const digits = n - 128;
		n = 0;
		for (let i = 0; i < digits; i++) n = n * 256 + bytes[from++];
	}
	must(n !== undefined && from + n <= bytes.length, 'The time stamp is cut off.');
	return { tag: bytes[at], all: bytes.slice(at, from + n), body: bytes.slice(from, from + n) };
}

function children(node) {
	const out = [];
	for (let at = 0; at < node.body.length;) {
		out.push(der(node.body, at));
		at += out.at(-1).all.length;
	}
	return out;
}

const HASHES = { '2b0e03021a': 'SHA-1', '608648016503040201': 'SHA-256', '608648016503040202': 'SHA-384', '608648016503040203': 'SHA-512' };
const CURVES = { '2a8648ce3d030107': ['P-256', 32], '2b81040022': ['P-384', 48], '2b81040023': ['P-521', 66] };
const [RSA, EC, PSS, SIGNED, MESSAGE_DIGEST] = ['2a864886f70d010101', '2a8648ce3d0201', '2a864886f70d01010a', '2a864886f70d010702',
	'2a864886f70d010904'];
const oid = (node) => hex(children(node)[0].body);
const hash_of = (node) => HASHES[oid(node)] ?? 'unknown';

/* r and s of an ECDSA signature, each as long as the curve's order. */
function raw_signature(signature, size) {
	return joined(...children(der(signature)).map(({ body }) => {
		const digits = body.slice(body.findIndex((b) => b !== 0));
		return joined(new Uint8Array(Math.max(0, size - digits.length)), digits);
	}));
}

async function verify_by_certificate(public_key, signature_algorithm, hash, signature, text) {
	const algorithm = children(children(public_key)[0]), kind = hex(algorithm[0].body);
	const use = async (name, given) =>
		crypto.subtle.verify(name, await crypto.subtle.importKey('spki', public_key.all, name, false, ['verify']), given, text);

	if (kind === RSA && oid(signature_algorithm) !== PSS) return use({ name: 'RSASSA-PKCS1-v1_5', hash }, signature);
	const curve = kind === EC ? CURVES[hex(algorithm[1].body)] : null;
	if (!curve) throw new Unable('This page cannot check signatures of this kind.');
	return use({ name: 'ECDSA', namedCurve: curve[0], hash }, raw_signature(signature, curve[1]));
}

async function check_time_stamp(token, note) {
	const response = der(token);
	/* A response has a status before the token. */
	const content = children(response)[0].tag === 0x30 ? children(children(response)[1]) : children(response);
	must(hex(content[0].body) === SIGNED, 'The time stamp is not a signed one.');
	const signed = children(children(content[1])[0]);
	const info = der(children(children(signed[2])[1])[0].body);
	const [, , imprint, , time] = children(info);
	const [hash_algorithm, hashed] = children(imprint);
	must(equal(hashed.body, await digest(utf8(note), hash_of(hash_algorithm))), 'The time stamp is for another checkpoint.');
	const certificates = signed.filter((n) => n.tag === 0xa0).flatMap(children);
	const signer = children(children(signed.at(-1))[0]);
	const serial = signer[1].body, attributes = signer[3];
	must(attributes?.tag === 0xa0, 'The time stamp has no signed attributes.');
	const stated = children(attributes).map(children).find(([name]) => hex(name.body) === MESSAGE_DIGEST);
	const hash = hash_of(signer[2]);
	must(stated && equal(children(stated[1])[0].body, await digest(info.all, hash)), 'The content of the time stamp was changed.');
	for (const certificate of certificates) {
		const fields = children(children(certificate)[0]).filter((n) => n.tag !== 0xa0);
		if (!equal(joined(fields[2].all, fields[0].all), serial)) continue; /* issuer and serial number */
		const text = joined([0x31], attributes.all.slice(1)); /* RFC 5652 5.4: signed as a SET */
		must(await verify_by_certificate(fields[5], signer[4], hash, signer[5].body, text), 'The signature of the time stamp does not hold.');
		const at = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text_of(time.body));
		must(at, 'The time stamp has no time.');
		const [, year, month, day, hour, minute, second] = at;
		return { time: `${year}-${month}-${day}T${hour}:${minute}:${second}Z`, certificate: hex(await digest(certificate.all)) };
	}
	throw new Unable('The time stamp does not contain the certificate of its signer.');
}

/* ---- the checks ---- */

async function check_record(data, found) {
	const { proof } = found;
	found.bytes = unbase64(proof.record, 'The record');
	found.hash = await digest(found.bytes);
	must(hex(found.hash) === data.sha256, 'The bytes of the record were changed: they have another hash.');
	found.text = text_of(found.bytes);
	found.record = JSON.parse(found.text);
	must(found.record.seq === proof.index + 1, 'The record has another place in the log than the proof.');
	return `Its SHA-256 is ${data.sha256}.`;
}

async function check_path(data, found) {
	const { proof, note } = found;
	const path = proof.path.map((p) => unbase64(p, 'A hash of the path'));
	must(path.every((p) => p.length === 32), 'A hash of the path has the wrong length.');
	const leaf = await digest(joined([0], await digest(unbase64(proof.record, 'The record'))));
	must(equal(await root_of(leaf, proof.index, note.size, path), note.root),
		'Record and path do not result in the root of the log. The record, its path or the root was changed.');
	return `It is record ${proof.index + 1} of ${note.size} in the log ${note.origin}.`;
}

async function check_keys(data) {
	must(data.keys.length > 0, 'The page contains no public key.');
	for (const k of data.keys) {
		const raw = unbase64(k.public, 'A public key');
		must(raw.length === 32 && hex((await digest(raw)).slice(0, 8)) === k.id,
			`The public key ${k.id} was changed: it does not have this id.`);
	}
	return `The id is ${data.keys.map((k) => k.id).join(' and ')}.`;
}

async function check_signatures(data, found) {
	const { note } = found;
	const ids = [];
	for (const s of note.signatures) {
		must(s.name === note.origin, 'A signature is under another name than that of the log.');
		let key = null;
		for (const k of data.keys) {
			const raw = unbase64(k.public, 'A public key');
			if (equal(await line_id(s.name, 1, raw), s.id)) key = { raw, id: k.id };
		}
		must(key, 'A signature is by a key that this page does not contain. The signature, the name of the log or the key was changed.');
		must(s.value.length === 64 && await verify_ed25519(key.raw, s.value, utf8(note.text)),
			`The signature by key ${key.id} does not hold. The checkpoint, the signature or the key was changed.`);
		ids.push(key.id);
	}
	must(ids.length, 'The checkpoint has no signature.');
	return `Key ${ids.join(' and key ')} signed the root of all ${note.size} records.`;
}

async function check_witness(data, { note }, anchor) {
	const lines = read_note(`${note.text}\n${anchor.answer}\n`).signatures;
	for (const s of lines)
		for (const k of data.witness_keys) {
			const raw = unbase64(k.public, 'A key of a witness');
			if (!equal(await line_id(s.name, 4, raw), s.id)) continue;
			must(s.value.length === 72, 'The cosignature has the wrong length.');
			const time = new DataView(s.value.buffer, s.value.byteOffset).getBigUint64(0);
			must(await verify_ed25519(raw, s.value.slice(8), utf8(`cosignature/v1\ntime ${time}\n${note.text}`)),
				'The cosignature of the witness does not hold.');
			return `The witness ${s.name} (key ${hex((await digest(raw)).slice(0, 8))}) confirmed the log on ${
				new Date(Number(time) * 1000).toISOString().replace('.000', '')
			}.`;
		}
	if (!data.witness_keys.length) throw new Unable('This page does not contain the key of this witness.');
	throw new Refused('The cosignature is by none of the witness keys in this page. The cosignature or the key was changed.');
}

async function check_anchor(data, found, line) {
	const anchor = JSON.parse(line);
	const { note } = found;
	must(anchor.origin === note.origin && anchor.size === note.size && anchor.root === hex(note.root),
		'The confirmation is for another checkpoint.');
	if (anchor.kind === 'witness') return check_witness(data, found, anchor);
	if (anchor.kind === 'tsa') {
		const stamp = await check_time_stamp(unbase64(anchor.answer, 'The time stamp'), note.note);
		return `The log was in this state on ${stamp.time}, by the clock of ${anchor.place}. This page did not check who issued its certificate (SHA-256 ${stamp.certificate}).`;
	}
	throw new Unable(
		`According to this page, ${anchor.place} received the checkpoint on ${anchor.time}. To check this, compare the copy there with this proof.`,
	);
}

const ANCHORS = { witness: 'A witness outside confirmed the log', tsa: 'A time stamp authority confirmed the log' };

/* All checks in their order: [{ name, title, result: 'holds' | 'fails' | 'unable' | 'open', text }], and what was read. A
 * check is 'open' if it needs something that is not in the page; only such checks do not weaken the verdict. */
export async function check(data) {
	const found = { data };
	const checks = [];
	const run = async (name, title, f, unable = 'unable') => {
		let result = 'holds', text;
		try {
			if (!globalThis.crypto?.subtle) throw new Unable('This browser gives no cryptography to this page. Open the file from the disk.');
			text = await f();
		} catch (e) {
			result = e instanceof Unable ? unable : 'fails';
			text = e instanceof Unable || e instanceof Refused ? e.message : `The page cannot read this part (${e?.message ?? e}).`;
		}
		checks.push({ name, title, result, text });
		return result === 'holds';
	};
	const readable = async () => {
		found.proof = read_proof(data.proof);
		found.note = read_note(found.proof.note);
		return 'The proof and its checkpoint have the expected form.';
	};

	if (!await run('form', 'The proof can be read', readable)) return { checks, found };
	checks.pop();
	await run('record', 'The record is unchanged', () => check_record(data, found));
	await run('path', 'The record is in the log', () => check_path(data, found));
	await run('key', 'The public key has its stated id', () => check_keys(data));
	await run('signature', 'The gateway signed the log', () => check_signatures(data, found));
	for (const line of data.anchors) {
		const kind = /"kind":"(witness|tsa)"/.exec(line)?.[1];
		await run('anchor', ANCHORS[kind] ?? 'A place outside received the checkpoint', () => check_anchor(data, found, line),
			kind ? 'unable' : 'open');
	}
	if (!data.anchors.length)
		checks.push({ name: 'anchor', title: 'A place outside confirmed the log', result: 'open',
			text: 'No place outside the gateway had confirmed the log when this page was made.' });
	return { checks, found };
}

/* 'holds', 'fails', or 'partly' if this browser could not make a check. */
export const verdict = (
	checks,
) => (checks.some((c) => c.result === 'fails') ? 'fails' : checks.some((c) => c.result === 'unable') ? 'partly' : 'holds');
