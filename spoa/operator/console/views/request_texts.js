// What of a request's texts is kept, sealed; and opened in this page with an auditor's private key, where `console.open`
// lets it. Key, passphrase and shares live as long as one opening, what came of it as long as the view.
import { data, empty, h, lines } from '../dom.js';
import { bytes } from '../format.js';
import { Closed, can_open, open_text, private_key } from '../opening.js';
import { copied, failed, field, panel, save } from '../parts.js';
import { table } from '../table.js';

const KEY_FILE_MAX = 65536;
const HOW = { redacted: 'as sent to the provider, redacted', full: 'in full' };
const GONE = {
	erased: 'erased: the share of the person was deleted. No key can open the text.',
	lost:
		'lost: the file of shares does not have its share, because the file came from a backup or from another daemon. tollgate status reports how many texts are lost.',
	trimmed: 'no longer kept: retention removed the text. tollgate audit restore --texts restores texts from the archive.',
};

/* Each text that a record names: { part, type, kept }. */
const kept_of = (records) =>
	records.flatMap((r) =>
		[
			['prompt', r.prompt?.kept],
			['response', r.answer?.kept],
			['tools', r.tools_kept],
		].flatMap(([part, kept]) => (kept ? [{ part, type: r.type, kept }] : []))
	);

/* Runs of an answer's text, arguments and results of calls are lines of JSON, which say whose; all else is text as it is. */
function runs(text, form) {
	if (form !== 'texts') return lines(text);
	try {
		return text.split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((
			{ kind, choice, by, tool, text: said, arguments: called, result },
		) => [
			h('small', {}, [kind, choice ? ` of choice ${choice}` : null,
				by && [called === undefined ? 'result' : 'arguments', tool && [' of ', data(tool)], ` (${by})`]]),
			lines(String(said ?? called ?? result ?? '')),
		]);
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
	return [head(one),
		one.kept.cut && h('p', { class: 'wrong' }, 'The text is incomplete: it was longer than the limit, or arrived only in part.'),
		runs(new TextDecoder().decode(got), one.kept.form),
		h('p', {},
			h('button', { type: 'button', onclick: () => save(`${id}-${one.type}-${one.part}.txt`, got, 'application/octet-stream') },
				`Save these ${bytes(got.length)}`))];
}

async function with_key(page, id, { key, passphrase, reason }) {
	const file = key.files[0];
	if (!file?.size || file.size > KEY_FILE_MAX) throw new Closed('Choose the file of your private key.');
	const own = await private_key(await file.text(), passphrase.value);
	const got = await page.post('/audit/opening', { id, reason: reason.value.trim() });
	const shown = [];
	for (const one of got.records) shown.push(await opened(own, got.node, id, one));
	return shown.length ? shown : h('p', { class: 'state' }, 'No text of this request is kept.');
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
			field({ name: 'key', label: 'Your private key (PEM)', type: 'file', required: true, size: null,
				hint: 'The key does not leave this page.' }),
			field({ name: 'passphrase', label: 'Passphrase of the key, if set', type: 'password' }),
			field({ name: 'reason', label: 'Why (recorded)', required: true })),
		h('p', { class: 'row' }, h('button', { class: 'primary' }, 'Open')));
	page.signal.addEventListener('abort', () => {
		box.reset();
		empty(place);
	}, { once: true });
	return [box, place];
}

const command = (page, id) =>
	h('p', {}, 'To open the texts, run on a machine that has your key: ', copied(`tollgate audit open ${id} --key FILE`, page.say));
const no_tls = () =>
	h('p', { class: 'wrong' },
		'This page was loaded over plain http, so the browser provides no cryptography. Open the page over https (admin.tls in tollgate.yaml), or through a tunnel as localhost: ',
		h('code', {}, 'ssh -N -L 8406:/run/tollgate/admin.sock HOST'), ', then ', h('code', {}, 'localhost:8406'), '.');

/* The panel; null where nothing is kept. */
export function texts(page, id, records) {
	const rows = kept_of(records);
	if (!rows.length) return null;
	return panel('Texts', table({ caption: 'Texts that are kept, sealed to the auditors', rows, columns: [
		{ title: 'Text', cell: (t) => t.part },
		{ title: 'Record', cell: (t) => t.type },
		{ title: 'Form', cell: (t) => HOW[t.kept.how] ?? data(t.kept.how), wide: true },
		{ title: 'Bytes', number: true, cell: (t) => bytes(t.kept.bytes) },
		{ title: 'Complete', cell: (t) => (t.kept.cut ? 'only the beginning' : 'yes') },
	] }), page.me?.opens ? (can_open ? form(page, id) : no_tls()) : command(page, id));
}
