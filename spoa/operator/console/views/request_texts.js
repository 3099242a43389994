// What of a request's texts is kept, sealed; and opened in this page with an auditor's private key, where `console.open`
// lets it. Key, passphrase and shares live as long as one opening, what came of it as long as the view.
import { data, empty, h, lines } from '../dom.js';
import { bytes } from '../format.js';
import { Closed, can_open, open_text, private_key } from '../opening.js';
import { copied, failed, field, panel, save } from '../parts.js';
import { table } from '../table.js';

const KEY_FILE_MAX = 65536;
const HOW = { redacted: 'as it was sent on, redacted', full: 'in full' };
const GONE = {
	erased: 'erased: the share of its person is gone. No key opens it any more.',
	lost: 'lost: its share is not in the file of shares, which came from a backup or is another’s. tollgate status says how many are.',
	trimmed: 'not kept any more: retention took it away. tollgate audit restore --texts brings back what the archive has.',
};

/* Each text that a record names: { part, type, kept }. */
const kept_of = (records) => records.flatMap((r) => [
	['prompt', r.prompt?.kept], ['response', r.answer?.kept], ['tools', r.tools_kept],
].flatMap(([part, kept]) => (kept ? [{ part, type: r.type, kept }] : [])));

/* Runs of an answer's text, arguments and results of calls are lines of JSON, which say whose; all else is text as it is. */
function runs(text, form) {
	if (form !== 'texts') return lines(text);
	try {
		return text.split('\n').filter(Boolean).map((line) => JSON.parse(line)).map(({ kind, choice, by, tool, text: said, arguments: called, result }) => [
			h('small', {}, [kind, choice ? ` of choice ${choice}` : null, by && [called === undefined ? 'result' : 'arguments', tool && [' of ', data(tool)], ` (${by})`]]),
			lines(String(said ?? called ?? result ?? ''))]);
	} catch {
		return lines(text);
	}
}

const head = (one) => h('h3', {}, `${one.part} (${one.type}), ${HOW[one.kept.how] ?? one.kept.how}`);

async function opened(own, node, id, one) {
	if (one.why) return [head(one), h('p', { class: 'state' }, GONE[one.why] ?? one.why)];
	let got;
	try {
		got = await open_text(own, node, id, one);
	} catch (e) {
		if (!(e instanceof Closed)) throw e;
		return [head(one), h('p', { class: 'wrong', role: 'alert' }, e.message)];
	}
	return [head(one), one.kept.cut && h('p', { class: 'wrong' }, 'Not all of it: it was longer, or did not come whole.'),
		runs(new TextDecoder().decode(got), one.kept.form),
		h('p', {}, h('button', { type: 'button', onclick: () => save(`${id}-${one.type}-${one.part}.txt`, got, 'application/octet-stream') }, `Save these ${bytes(got.length)}`))];
}

async function with_key(page, id, { key, passphrase, reason }) {
	const file = key.files[0];
	if (!file?.size || file.size > KEY_FILE_MAX) throw new Closed('Choose the file of your private key.');
	const own = await private_key(await file.text(), passphrase.value);
	const got = await page.post('/audit/opening', { id, reason: reason.value.trim() });
	const shown = [];
	for (const one of got.records) shown.push(await opened(own, got.node, id, one));
	return shown.length ? shown : h('p', { class: 'state' }, 'Nothing of it is kept.');
}

function form(page, id) {
	const place = h('div', { class: 'opened' });
	const box = h('form', { onsubmit: async (e) => {
		e.preventDefault();
		const button = box.querySelector('button');
		button.disabled = true;
		place.setAttribute('aria-busy', 'true');
		try {
			const shown = await with_key(page, id, box.elements);
			if (!page.signal.aborted) empty(place, shown);
		} catch (error) {
			empty(place, error instanceof Closed ? h('p', { class: 'wrong', role: 'alert' }, error.message) : failed(error));
			if (!(error instanceof Closed || 'status' in error)) console.error(error);
		} finally {
			box.elements.passphrase.value = '';
			button.disabled = false;
			place.removeAttribute('aria-busy');
		}
	} },
	h('div', { class: 'fields' },
		field({ name: 'key', label: 'Your private key (PEM)', type: 'file', required: true, size: null, hint: 'It does not leave this page.' }),
		field({ name: 'passphrase', label: 'Its passphrase, if it has one', type: 'password' }),
		field({ name: 'reason', label: 'Why (recorded)', required: true })),
	h('p', { class: 'row' }, h('button', { class: 'primary' }, 'Open')));
	page.signal.addEventListener('abort', () => { box.reset(); empty(place); }, { once: true });
	return [box, place];
}

const command = (page, id) => h('p', {}, 'On a machine that has your key: ', copied(`tollgate audit open ${id} --key FILE`, page.say));
const no_tls = () => h('p', { class: 'wrong' }, 'This page came over plain http: the browser gives it no cryptography. Open it by https (admin.tls in tollgate.yaml), or through a tunnel as localhost: ',
	h('code', {}, 'ssh -N -L 8406:/run/tollgate/admin.sock HOST'), ', then ', h('code', {}, 'localhost:8406'), '.');

/* The panel; null where nothing is kept. */
export function texts(page, id, records) {
	const rows = kept_of(records);
	if (!rows.length) return null;
	return panel('Texts', table({ caption: 'Kept, sealed to the auditors', rows, columns: [
		{ title: 'Text', cell: (t) => t.part }, { title: 'Record', cell: (t) => t.type }, { title: 'Kept', cell: (t) => HOW[t.kept.how] ?? data(t.kept.how), wide: true },
		{ title: 'Bytes', number: true, cell: (t) => bytes(t.kept.bytes) }, { title: 'Whole', cell: (t) => (t.kept.cut ? 'the beginning' : 'yes') },
	] }), page.me?.opens ? (can_open ? form(page, id) : no_tls()) : command(page, id));
}
