// The frame: navigation, login, keys, light and dark; a view is shown for what the URL says.
import * as api from './api.js';
import { redraw_charts } from './chart.js';
import { data, empty, h } from './dom.js';
import { settings, zone } from './format.js';
import { dialog, failed, field } from './parts.js';
import { arrive, restore } from './place.js';
import { go, href, parse } from './router.js';
import { focus_first } from './table.js';
import { head_ranges, of_time, range_of } from './trends.js';
import { views } from './views.js';

const top_bar = document.getElementById('top');
const main = document.getElementById('main');
const in_navigation = views.filter((v) => !v.hidden);
let me = null; /* GET /session: name, roles */
let shown = null; /* the view that is there: its page and what ends it */

export function say(text) {
	document.getElementById('said').textContent = text;
	clearTimeout(say.timer);
	say.timer = setTimeout(() => {
		document.getElementById('said').textContent = '';
	}, 4000);
}

/* Light and dark: the system's, or the reader's choice. */
function theme(choice) {
	if (choice) settings.set('theme', choice);
	const now = settings.get('theme', 'auto');
	if (now === 'auto') document.documentElement.removeAttribute('data-theme');
	else document.documentElement.setAttribute('data-theme', now);
	redraw_charts();
	return now;
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw_charts());

async function who_am_i() {
	me = await api.get('/session');
	frame();
}

/* A login in one window ends the question for a token in the others, which share the session. */
const logins = new BroadcastChannel('tollgate.login');

function login() {
	return dialog('Log in', (close) => {
		const wrong = h('p', { class: 'wrong', role: 'alert' });
		const submit = async (e) => {
			e.preventDefault();
			const input = e.target.elements.token;
			empty(wrong);
			try {
				await api.send('POST', '/session', { token: input.value.trim() });
				await who_am_i();
				logins.postMessage(null);
			} catch (error) {
				empty(wrong, error.status === 401 ? 'The token is unknown, expired or revoked.' : [error.message, ' ', error.hint]);
				input.select();
				return;
			}
			close();
		};
		logins.onmessage = () => who_am_i().then(() => close(), () => {});
		return h('form', { class: 'login', onsubmit: submit },
			h('p', {}, 'Log in with a token of this daemon. The operator of the daemon creates a token with: ',
				h('code', {}, 'tollgate admin-token new NAME --roles viewer,auditor')),
			field({ name: 'token', label: 'Token', type: 'password', required: true }), wrong, h('button', { class: 'primary' }, 'Log in'));
	}, { closable: false });
}
api.on_login(login);

async function log_out() {
	try {
		await api.send('DELETE', '/session');
	} catch (e) {
		if (e.status !== 401) {
			say(`The session did not end: ${e.message}`);
			return;
		}
	}
	location.reload();
}

function frame() {
	const here = parse(location.hash).view || views[0].name;
	const { state } = parse(location.hash), offered = head_ranges(state);
	const range = offered.length && (state.at ?? state.between ?? state.since ?? range_of(state));
	const next_zone = zone() === 'utc' ? 'local' : 'utc';
	const next_theme = { auto: 'dark', dark: 'light', light: 'auto' }[settings.get('theme', 'auto')];
	empty(top_bar, h('button', { type: 'button', class: 'skip', onclick: () => main.focus() }, 'Skip to the content'),
		h('a', { class: 'brand', href: href(views[0].name) }, 'tollgate'),
		h('nav', { 'aria-label': 'Views' },
			in_navigation.map((v) =>
				h('a', { href: href(v.name), 'aria-current': v.name === here ? 'page' : null, title: `g ${v.key}` }, v.title)
			)),
		h('div', { class: 'tools' },
			h('select', { id: 'range', 'aria-label': 'Time range', title: 'Time range of charts and sums',
				onchange: (e) => shown?.set({ ...of_time, range: e.target.value }) },
				offered.map(([value, text]) => h('option', { value, selected: value === range }, text))),
			h('button', { type: 'button', id: 'zone', title: 'Show times in the local zone or in UTC', onclick: () => {
				settings.set('zone', next_zone);
				shown?.set({ tz: next_zone }, { replace: true });
			} }, zone() === 'utc' ? 'UTC' : 'Local time'),
			h('button', { type: 'button', id: 'theme', title: 'Light, dark, or the system’s setting', onclick: () => {
				theme(next_theme);
				frame();
				document.getElementById('theme').focus();
			} }, { auto: '◐ Auto', dark: '● Dark', light: '○ Light' }[settings.get('theme', 'auto')]),
			h('button', { type: 'button', title: 'Keys, and the purpose of this view', onclick: help }, '?'),
			me && h('span', { class: 'me', title: `Roles: ${[].concat(me.roles ?? []).join(', ')}` }, data(me.name)),
			me && h('button', { type: 'button', title: `Log out ${me.name}`, onclick: log_out }, 'Log out')));
	/* On a phone the navigation is one line, which scrolls to the view that is shown. */
	const nav = top_bar.querySelector('nav'), current = nav.querySelector('[aria-current]');
	if (current) nav.scrollLeft = current.offsetLeft - nav.offsetLeft - nav.clientWidth / 3;
}

/* What a view gets. It ends with the view: requests are given up, timers stop. */
function page_of(view, state) {
	const end = new AbortController();
	const page = {
		view,
		state,
		me,
		range: range_of(state),
		kept: state.since ? { since: state.since } : {},
		since: state.since ?? range_of(state), /* of lists, which may begin at any time */
		root: h('div', { class: 'view' }),
		signal: end.signal,
		keys: [],
		end: () => end.abort(),
		/* The same view in another state: null takes a value away. */
		set: (changes, options) => go(view.name, { ...state, ...changes }, options),
		go,
		href,
		say,
		has: (role) => role === 'viewer' || [].concat(page.me?.roles ?? []).includes(role), /* each role may see */
		get: (path, query) => api.get(path, query, { signal: end.signal }),
		text: (path, query) => api.text(path, query, { signal: end.signal }),
		post: (path, body) => api.post(path, body, {}),
		stream: (path, query, options) => api.stream(path, query, { signal: end.signal, ...options }),
		/* Now and each ms, while somebody looks. */
		every(ms, f) {
			let busy = false;
			const turn = async () => {
				if (busy || document.hidden || end.signal.aborted) return;
				busy = true;
				try {
					await f();
				} finally {
					busy = false;
				}
			};
			const timer = setInterval(turn, ms);
			document.addEventListener('visibilitychange', turn);
			end.signal.addEventListener('abort', () => {
				clearInterval(timer);
				document.removeEventListener('visibilitychange', turn);
			}, { once: true });
			turn();
		},
		/* A key of this view, for the help, too. */
		key(k, what, f) {
			page.keys.push({ k, what, f });
		},
		/* The title of the view, in the page and in the window. */
		heading: (text) => {
			document.title = `${plain_title(text)} · tollgate`;
			empty(main.querySelector('h1'), data(plain_title(text)));
		},
	};
	return page;
}
const plain_title = (text) => String(text).slice(0, 80);

/* Views of records show those of all journals that this machine has. Names the daemons whose records are elsewhere. */
async function name_elsewhere(page, note) {
	try {
		const { members, node, records_here = [node] } = await page.get('/status');
		const here = page.view.live ? [node] : records_here;
		const others = (members ?? []).filter((m) => !here.includes(m.node));
		if (!others.length || page.signal.aborted) return;
		const place = (m) =>
			page.view.live && records_here.includes(m.node) ?
				' decides requests of its own, which Search has'
				: m.machine === 'other'
				? '’s records are on another machine'
				: '’s records are in a journal that this console does not find';
		empty(note,
			h('p', { class: 'dim elsewhere' }, page.view.live ? 'This view shows the daemon ' : 'This view shows the records of ',
				h('strong', {}, data(here.join(', '))), '. ', others.map((
					m,
				) => [h('strong', {}, data(m.node)), place(m), m.away && ', and it is away',
					m.console && [': ', h('a', { href: `${m.console}${location.hash}`, rel: 'noreferrer' }, data(m.console))], '. ']
				), 'The charts of ', h('a', { href: href('overview') }, 'Overview'), ' sum all daemons.'));
	} catch (e) {
		if (!page.signal.aborted && !('status' in e)) console.error(e);
	}
}

function render() {
	const { view: name, state } = parse(location.hash);
	const view = views.find((v) => v.name === (name || views[0].name));
	const focused = document.activeElement?.id;
	const same = shown?.view === view;
	const place = arrive();
	shown?.end();
	if (!view) {
		shown = null;
		empty(main, h('h1', {}, 'This view does not exist'),
			h('p', {}, data(name), ' is not a view. The views are: ',
				in_navigation.map((v, i) => [i ? ', ' : null, h('a', { href: href(v.name) }, v.title)])));
		return;
	}
	shown = page_of(view, state);
	const note = h('div', {});
	empty(main, h('h1', {}), note, shown.root);
	shown.heading(view.title);
	frame();
	try {
		view.show(shown);
		if (view.records || view.live) name_elsewhere(shown, note);
	} catch (e) {
		console.error(e);
		empty(shown.root, failed(e));
	}
	/* In the same view the focus stays on the button that was pressed. Another view begins at its head. */
	if (same && focused) document.getElementById(focused)?.focus();
	else if (!same && !document.querySelector('dialog')) main.focus({ preventScroll: true });
	if (place) restore(main, place);
	else if (!same) scrollTo(0, 0);
}

function help() {
	const keys = [['j k ↓ ↑', 'move between rows'], ['Enter', 'open the row'], ['/', 'move to the search field'], ['?', 'show this help'], [
		'Esc',
		'close the dialog',
	], ...(shown?.keys ?? []).map(({ k, what }) => [k, what]), ...in_navigation.map((v) => [`g ${v.key}`, v.title])];
	return dialog('Help', (
		close,
	) => [shown && h('p', {}, shown.view.help),
		h('dl', { class: 'facts keys' }, keys.map(([k, what]) => [h('dt', {}, h('kbd', {}, k)), h('dd', {}, what)])),
		h('p', {}, h('button', { type: 'button', onclick: () => close() }, 'Close'))]);
}

let g_at = 0; /* when g was pressed */
addEventListener('keydown', (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.('input, select, textarea, dialog')) return;
	if (Date.now() - g_at < 1500) {
		const to = in_navigation.find((v) => v.key === e.key);
		g_at = 0;
		if (to) {
			e.preventDefault();
			go(to.name);
			return;
		}
	}
	const own = shown?.keys.find((k) => k.k === e.key);
	if (own) {
		e.preventDefault();
		own.f();
	} else if (e.key === 'g') g_at = Date.now();
	else if (e.key === '?') {
		e.preventDefault();
		help();
	} else if (e.key === '/') {
		e.preventDefault();
		const box = main.querySelector('input[type=search]');
		if (box) box.focus();
		else go('search');
	} else if ((e.key === 'j' || (e.key === 'ArrowDown' && (e.target === document.body || e.target === main))) && focus_first())
		e.preventDefault();
});

theme();
frame();
addEventListener('hashchange', () => {
	if (me) render();
});
try {
	await who_am_i();
} catch (e) {
	if (e.status === 401) await login();
	else empty(main, failed(e, () => location.reload()));
}
if (me) render();
