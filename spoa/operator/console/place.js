// The place of the reader in each entry of the browser's history: the scroll position, and the link that was followed.
// A view loads its content after the browser has gone back, so that the browser cannot restore the place itself.
const places = new Map(); /* by entry: { y, link } */
const WAIT_MS = 5000; /* until the content of a view is expected */
let entry = null; /* the key of the entry that is shown; undefined: the browser has no keys */
let give_up = null; /* ends the wait of the last restore */

/* Keys are those of the Navigation API. A note in history.state would need a second navigation for each view. */
const key = () => window.navigation?.currentEntry?.key;
if (key()) history.scrollRestoration = 'manual';

/* Keeps the place of the entry that is about to be left. */
function keep() {
	const link = document.activeElement?.closest?.('main a[href]')?.getAttribute('href');
	if (entry) places.set(entry, { y: scrollY, link });
}
addEventListener('scroll', keep, { passive: true });
addEventListener('focusin', keep);

/* Notes the entry that the URL now belongs to. Returns its place if the reader comes back to it, or undefined. */
export function arrive() {
	give_up?.abort();
	entry = key();
	return places.get(entry);
}

/* Scrolls main to the place as soon as its content is tall enough, unless the reader acts before. */
export function restore(main, { y, link }) {
	const wait = new AbortController(), { signal } = wait, end = () => wait.abort();
	give_up = wait;
	const attempt = () => {
		const focus = link && [...main.querySelectorAll('a[href]')].find((a) => a.getAttribute('href') === link);
		const complete = main.textContent && !main.querySelector('[aria-busy]');
		if (!complete && ((link && !focus) || main.scrollHeight < y + innerHeight / 2)) return;
		focus?.focus({ preventScroll: true });
		scrollTo(0, y);
		if (complete) end();
	};
	const seen = new MutationObserver(attempt);
	seen.observe(main, { childList: true, subtree: true, attributes: true, attributeFilter: ['aria-busy'] });
	signal.addEventListener('abort', () => seen.disconnect(), { once: true });
	for (const act of ['wheel', 'keydown', 'pointerdown', 'touchstart']) addEventListener(act, end, { signal, passive: true });
	setTimeout(end, WAIT_MS);
	attempt();
}
