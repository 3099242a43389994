// The proof page: what check.js found, in plain words. Every value of the record becomes a text node (dom.js).
import { data, h, lines } from '../dom.js';
import { check, digest, hex, verdict } from './check.js';

const by_id = (id) => document.getElementById(id);
const show = (id, ...nodes) => {
	by_id(id).hidden = false;
	by_id(id).querySelector('div, ol').replaceChildren(...nodes.flat());
};
const text_list = (list) => (Array.isArray(list) && list.length ? list.join(', ') : null);

/* RFC 3339 as people write it, in UTC. */
function when(time) {
	const at = new Date(time);
	if (!time || Number.isNaN(at.getTime())) return null;
	return `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' })}, ${
		at.toISOString().slice(11, 19)
	} UTC`;
}

const DECISIONS = {
	permit: () => 'The gateway permitted the request.',
	redact: () => 'The gateway permitted the request after it had replaced sensitive values.',
	deny: (r) => `The gateway denied the request${r.status ? ` with status ${r.status}` : ''}.`,
	observed: (r) =>
		`The gateway only observed the request and enforced nothing.${
			r.would?.decision ? ` The rules would have decided: ${r.would.decision}.` : ''
		}`,
};
const person = (r) => {
	const i = r.identity ?? {};
	const parts = [i.person, i.agent && `agent ${i.agent}`, i.team && `team ${i.team}`, i.department && `department ${i.department}`,
		i.key && `key ${i.key}`];
	return parts.filter(Boolean).join(', ') || (r.type === 'decision' ? 'The gateway did not identify the caller.' : null);
};
const found_in = (r) => Object.entries(r.entities ?? {}).map(([name, e]) => `${name}${e?.count ? ` (${e.count})` : ''}`).join(', ') || null;
const tokens = (
	u,
) => (u && (u.input_tokens !== undefined || u.output_tokens !== undefined)
	? `${u.input_tokens ?? 0} input, ${u.output_tokens ?? 0} output`
	: null);

/* The facts of a record that the page shows. A row without a value is omitted. */
const FACTS = [
	['Decision', (r) => DECISIONS[r.decision]?.(r) ?? r.decision],
	['Outcome', (r) => r.outcome],
	['Rule', (r) => r.rule ?? (r.type === 'decision' ? 'No rule of the policy decided.' : null)],
	['Reason', (r) => r.reason ?? r.why],
	['Caller', person],
	['Request', (r) => r.request && [r.request.method, `${r.request.host ?? ''}${r.request.path ?? ''}`].filter(Boolean).join(' ')],
	['Model', (r) => r.model ?? r.requested_model],
	['Model asked for', (r) => (r.requested_model !== r.model && r.model ? r.requested_model : null)],
	['Sent to', (r) => (r.decision === 'deny' ? null : r.target ?? r.provider)],
	['Route', (r) => r.route],
	['Time', (r) => when(r.decided_at ?? r.time)],
	['Data classes', (r) => text_list(r.classes)],
	['Found', found_in],
	['Size of the request', (r) => r.prompt?.bytes !== undefined && `${r.prompt.bytes} bytes`],
	['Tokens', (r) => tokens(r.usage)],
	['Policy', (r) => r.policy && `${r.policy}${r.policy_version ? `, version ${r.policy_version}` : ''}`],
	['Record', (r) => `number ${r.seq} of gateway ${r.node}, type ${r.type}${r.id ? `, id ${r.id}` : ''}`],
];

/* The decision in one paragraph: who asked for what, what was decided, and by which rule. */
function story(r) {
	if (r.type !== 'decision') return null;
	const asked = [r.identity?.person ?? 'An unidentified caller', ' sent a request',
		r.model || r.requested_model ? [' for the model ', data(r.requested_model ?? r.model)] : null];
	return h('p', { class: 'story' }, data(asked.shift()), asked, when(r.decided_at) ? ` on ${when(r.decided_at)}. ` : '. ',
		DECISIONS[r.decision]?.(r) ?? null, r.rule ? [' The rule ', data(r.rule), ' decided.'] : null);
}

const facts = (record) =>
	h('dl', {}, FACTS.map(([name, of]) => {
		const v = of(record);
		return v === null || v === undefined || v === false || v === ''
			? null
			: [h('dt', {}, name), h('dd', {}, data(typeof v === 'object' ? JSON.stringify(v) : v))];
	}));

const RESULTS = { holds: ['\u2713', 'holds'], fails: ['\u2717', 'fails'], unable: ['?', 'not checked'],
	open: ['\u2013', 'not part of this proof'] };
const check_row = (c) =>
	h('li', { class: c.result, 'data-check': c.name }, h('span', { class: 'mark', 'aria-hidden': 'true' }, RESULTS[c.result][0]),
		h('div', {}, h('strong', {}, c.title), ' ', h('span', { class: 'result' }, RESULTS[c.result][1]), h('p', {}, c.text)));

const VERDICTS = {
	holds:
		() => ['All checks hold',
			'The record below is unchanged since the owner of the key signed the log. Compare the key below before you rely on this page.'],
	fails: (
		failed,
	) => ['Refused: do not rely on this page',
		`At least one check fails: ${failed.join('; ')}. The record, its path, a signature or a key was changed.`],
	partly: (_,
		unable) => ['Only partly checked',
		`The checks that your browser made hold. Your browser did not make these checks: ${
			unable.join('; ')
		}. Open the file in a newer browser before you rely on this page.`],
	other: () => ['Refused: do not rely on this page', 'The key in this page is not the key that you entered.'],
};
function show_verdict(kind, checks) {
	const titles = (result) => checks.filter((c) => c.result === result).map((c) => c.title.toLowerCase());
	const [title, text] = VERDICTS[kind](titles('fails'), titles('unable'));
	const place = by_id('verdict');
	place.className = kind === 'other' ? 'fails' : kind;
	place.replaceChildren(h('h2', {}, title), h('p', {}, text));
}

function meaning(found, checks) {
	const { note, proof } = found;
	const confirmed = checks.some((c) => c.name === 'anchor' && c.result === 'holds');
	const item = (text) => h('li', {}, text);

	by_id('meaning').hidden = false;
	by_id('proven').replaceChildren(...[
		`The record below is record ${proof.index + 1} in the log ${note.origin}, byte for byte.`,
		`The log had ${note.size} records when the owner of the key signed its state. A later change of this record would change the signed state.`,
		confirmed
			? 'A place outside the gateway confirmed this state of the log. The gateway cannot replace the log without contradicting this confirmation.'
			: null,
	].filter(Boolean).map(item));
	by_id('unproven').replaceChildren(...[
		'That the key belongs to the gateway, and that its owner did not revoke it. Compare the key below with the key that you received from its operator by another way.',
		confirmed
			? 'That the times in the record are correct. They come from the clock of the gateway. The confirmation only shows the latest time.'
			: 'That the times are correct, and that the owner of the key did not write another history. No place outside confirmed the log.',
		'That the record describes the request correctly, and that every request passed through the gateway.',
		'The wording of request and response. The record has their sizes and hashes.',
		'That this page is genuine. Someone can forge a page that shows any result. If you do not trust its sender, use the last section.',
	].map(item));
}

/* Text of a key as people receive it: its id, base64, or PEM, whose last 32 bytes are the key. */
async function id_of_key(entered) {
	const text = entered.replace(/-----[^-]*-----/g, '').replace(/\s/g, '');
	if (/^[0-9a-f]{16}$/i.test(text)) return text.toLowerCase();
	try {
		const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).slice(-32);
		return raw.length === 32 ? hex((await digest(raw)).slice(0, 8)) : null;
	} catch {
		return null;
	}
}

function keys(data, checks) {
	const said = h('p', { role: 'status' });
	const input = h('textarea', { id: 'known', rows: '3', spellcheck: 'false', autocomplete: 'off' });
	const compare = async () => {
		const id = await id_of_key(input.value);
		const same = data.keys.some((k) => k.id === id);
		said.className = same ? 'same' : 'other';
		said.textContent = id === null
			? 'This text is neither a key nor the id of a key.'
			: same
			? `It is the same key: ${id}.`
			: `It is another key: ${id}. Do not rely on this page.`;
		show_verdict(id !== null && !same ? 'other' : verdict(checks), checks);
	};
	show('keys', h('p', {}, 'The signature only helps if this is the public key of the gateway. Its operator publishes the key or its id.'),
		h('dl', {}, data.keys.map((
			k,
		) => [h('dt', {}, 'Key id'), h('dd', { class: 'mono' }, k.id), h('dt', {}, 'Public key'), h('dd', { class: 'mono' }, k.public)])),
		h('form', { class: 'screen', onsubmit: (e) => {
			e.preventDefault();
			compare();
		} }, h('label', { for: 'known' }, 'Key or id that you received from the operator'), input, h('button', {}, 'Compare'), said));
}

function again(data) {
	const command = 'tollgate audit verify --file proof --public-key audit.key.pub';
	const save = () => {
		const url = URL.createObjectURL(new Blob([data.proof], { type: 'application/octet-stream' }));
		h('a', { href: url, download: 'proof' }).click();
		URL.revokeObjectURL(url);
	};
	show('again', h('p', {}, 'The proof is a C2SP tlog-proof. Save it as the file "proof", get the public key from the operator, and run:'),
		h('p', {}, h('code', {}, command)),
		h('p', {}, 'The page "Evidence" of the tollgate documentation has a script that needs only openssl.'),
		h('div', { class: 'screen' }, h('button', { type: 'button', onclick: save }, 'Save the proof'),
			h('details', {}, h('summary', {}, 'Show the proof'), lines(data.proof))));
}

async function run() {
	let data;
	try {
		data = JSON.parse(by_id('proof').textContent);
		if (data.format !== 'tollgate-proof-page-v1') throw new Error('another format');
	} catch {
		show_verdict('fails', [{ result: 'fails', title: 'The data of this page can be read' }]);
		return;
	}
	const { checks, found } = await check(data);
	const kind = verdict(checks);
	show('checks', checks.map(check_row));
	if (found.record) {
		show('facts', [story(found.record), facts(found.record)].filter(Boolean));
		if (kind === 'fails') by_id('facts-title').textContent = 'What the record states (not proven)';
		show('record', lines(found.text));
		by_id('record').classList.toggle('long', found.text.length > 6000);
		document.title = `Proof of record ${found.record.seq} of ${found.record.node}`;
		by_id('title').textContent = `Proof of record ${found.record.seq}`;
	}
	if (found.note && found.proof) meaning(found, checks);
	if (kind === 'fails') by_id('meaning').hidden = true;
	keys(data, checks);
	again(data);
	show_verdict(kind, checks);
}
run().catch(() => show_verdict('fails', [{ result: 'fails', title: 'The page can be read' }]));
