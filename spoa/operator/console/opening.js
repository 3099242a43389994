// Opens sealed texts, in WebCrypto alone: an auditor's private key from its PEM, HPKE of a seal's share (RFC 9180, base
// mode: X25519, HKDF-SHA256, AES-256-GCM), the ratchet of its texts, AES-256-GCM of their parts. Formats:
// spoa/record/seal/seal.h. The private key is nothing that a script could read out again.

const subtle = globalThis.crypto?.subtle; /* undefined on plain http */
export const can_open = Boolean(subtle);

/* What whoever reads it can do something about. */
export class Closed extends Error {}

const utf8 = (text) => new TextEncoder().encode(text);
const from_base64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const hex = (bytes) => Array.from(new Uint8Array(bytes ?? []), (b) => b.toString(16).padStart(2, '0')).join('');
function joined(...parts) {
	const all = parts.map((p) => (typeof p === 'string' ? utf8(p) : new Uint8Array(p)));
	const out = new Uint8Array(all.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of all) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}
async function mac(secret, ...parts) {
	const key = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
	return new Uint8Array(await subtle.sign('HMAC', key, joined(...parts)));
}

// ---- the key's file: PKCS #8, in plain, or as `openssl genpkey -aes256` writes it (PBES2) ----

/* DER as a tree: { tag, bytes, of }. */
function der(bytes, depth = 0) {
	const out = [];
	for (let at = 0; at < bytes.length;) {
		const tag = bytes[at++];
		let n = bytes[at++];
		if (n > 0x80 && n < 0x84) {
			for (let more = n - 0x80, i = n = 0; i < more; i++) n = n * 256 + bytes[at++];
		}
		if (!(n <= bytes.length - at)) throw new Closed('The key is cut off, or no key.');
		const inside = bytes.subarray(at, at += n);
		out.push({ tag, bytes: inside, of: tag === 0x30 && depth < 8 ? der(inside, depth + 1) : [] });
	}
	return out;
}
const PBES2 = '2a864886f70d01050d', PBKDF2 = '2a864886f70d01050c';
const HMACS = { '2a864886f70d0207': 'SHA-1', '2a864886f70d0209': 'SHA-256', '2a864886f70d020b': 'SHA-512' };
const AES_CBC = { '60864801650304012a': 256, '608648016503040102': 128 }; /* bits of the key */

/* What makes the key of a passphrase, and what that opens. */
function encryption(bytes) {
	const [how, sealed] = der(bytes)[0]?.of ?? [];
	const [kdf, cipher] = how?.of[1]?.of ?? [];
	const [salt, times, ...more] = kdf?.of[1]?.of ?? [];
	const hash = HMACS[hex(more.find((n) => n.tag === 0x30)?.of[0]?.bytes)];
	const length = AES_CBC[hex(cipher?.of[0]?.bytes)];
	if (hex(how?.of[0]?.bytes) !== PBES2 || hex(kdf?.of[0]?.bytes) !== PBKDF2 || !hash || !length || !sealed)
		throw new Closed(
			'The key is encrypted in a way that this page does not read. Once, where it is: openssl pkey -in FILE -aes256 -out NEW',
		);
	return { kdf: { name: 'PBKDF2', hash, salt: salt.bytes, iterations: parseInt(hex(times.bytes), 16) }, length, iv: cipher.of[1].bytes,
		sealed: sealed.bytes };
}

const X25519 = { name: 'X25519' };
const BASE_POINT = Uint8Array.of(9, ...new Array(31).fill(0));
const public_key = (raw) => subtle.importKey('raw', raw, X25519, false, []);
const shared_point = async (key, raw) => new Uint8Array(await subtle.deriveBits({ ...X25519, public: await public_key(raw) }, key, 256));

async function imported(pem, passphrase) {
	const [, kind, body] = /-----BEGIN ((?:ENCRYPTED )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----/.exec(pem) ?? [];
	if (!kind)
		throw new Closed(
			'This file holds no private key in PEM: it begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----.',
		);
	const bytes = from_base64(body.replace(/\s+/g, ''));
	if (!kind.startsWith('ENCRYPTED')) {
		if (hex(der(bytes)[0]?.of[1]?.of[0]?.bytes) !== '2b656e')
			throw new Closed('This key is no X25519 key: openssl genpkey -algorithm X25519 makes one.');
		return subtle.importKey('pkcs8', bytes, X25519, false, ['deriveBits']);
	}
	const e = encryption(bytes);
	if (!passphrase) throw new Closed('This key has a passphrase.');
	const word = await subtle.importKey('raw', utf8(passphrase), 'PBKDF2', false, ['deriveKey']);
	const opens = await subtle.deriveKey(e.kdf, word, { name: 'AES-CBC', length: e.length }, false, ['unwrapKey']);
	return subtle.unwrapKey('pkcs8', e.sealed, opens, { name: 'AES-CBC', iv: e.iv }, X25519, false, ['deriveBits'])
		.catch(() => {
			throw new Closed('The passphrase does not open this key, or it is no X25519 key.');
		});
}

/* { key, public, id } of a file's text; id is the `key` that a seal names. */
export async function private_key(pem, passphrase) {
	await public_key(BASE_POINT).catch(() => {
		throw new Closed('This browser has no X25519: Chrome or Edge 133, Firefox 130, Safari 17, or later ones, have it.');
	});
	const key = await imported(pem, passphrase);
	const own = await shared_point(key, BASE_POINT);
	return { key, public: own, id: hex(await subtle.digest('SHA-256', joined('tollgate-auditor-key-v1\0', own))).slice(0, 16) };
}

// ---- HPKE, one message in base mode ----

const KEM = joined('KEM', Uint8Array.of(0, 0x20)), SUITE = joined('HPKE', Uint8Array.of(0, 0x20, 0, 1, 0, 2));
const NO_SALT = new Uint8Array(32); /* as long as the hash: HMAC's of an empty key */
const extract = (suite, salt, label, secret) => mac(salt, 'HPKE-v1', suite, label, secret);
const expand = async (suite, secret, label, info, n) =>
	(await mac(secret, Uint8Array.of(0, n), 'HPKE-v1', suite, label, info, Uint8Array.of(1))).subarray(0, n); /* n <= 32 */

export async function hpke_open(own, enc, info, aad, sealed) {
	const point = await extract(KEM, NO_SALT, 'eae_prk', await shared_point(own.key, enc));
	const shared = await expand(KEM, point, 'shared_secret', joined(enc, own.public), 32);
	const context = joined(Uint8Array.of(0), await extract(SUITE, NO_SALT, 'psk_id_hash', ''),
		await extract(SUITE, NO_SALT, 'info_hash', info));
	const secret = await extract(SUITE, shared, 'secret', '');
	const key = await subtle.importKey('raw', await expand(SUITE, secret, 'key', context, 32), 'AES-GCM', false, ['decrypt']);
	return new Uint8Array(
		await subtle.decrypt({ name: 'AES-GCM', iv: await expand(SUITE, secret, 'base_nonce', context, 12), additionalData: aad }, key, sealed),
	);
}

// ---- a text ----

async function text_key(own, node, id, kind, { kept, seal, share }) {
	const to = seal.to.find((t) => t.key === own.id);
	if (!to)
		throw new Closed(`It is not sealed to this key (${own.id}), but to: ${seal.to.map((t) => `${t.auditor} (${t.key})`).join(', ')}.`);
	let state = await hpke_open(own, from_base64(to.enc), utf8('tollgate-seal-v1'), joined(node, '\0', seal.seal), from_base64(to.sealed))
		.catch(() => {
			throw new Closed(`Seal ${seal.seal} does not open: it was changed, or is another's.`);
		});
	for (let i = 0; i < kept.step; i++) state = await mac(state, 'next');
	const key = await mac(await mac(state, 'text'), from_base64(share), 'tollgate-text-v1\0', node, '\0', id, '\0', kind);
	return subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
}

/* The bytes of one of the records that POST /audit/opening gives; Closed where they cannot be had. `id`: the decision's. */
export async function open_text(own, node, id, one) {
	const parts = one.parts.map(from_base64);
	if (hex(await subtle.digest('SHA-256', joined(...parts))) !== one.kept.sha256)
		throw new Closed('The ciphertext is not the one that the record names.');
	const key = await text_key(own, node, id, one.part, one);
	const out = [];
	for (const [i, sealed] of parts.entries()) {
		const iv = new Uint8Array(12);
		new DataView(iv.buffer).setUint32(7, i);
		iv[11] = i === parts.length - 1 ? 1 : 0;
		out.push(await subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed)
			.catch(() => {
				throw new Closed(`Part ${i} does not open: share or seal are another text's.`);
			}));
	}
	return joined(...out);
}
