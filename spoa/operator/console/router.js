// A view and its state are in the URL after #: a pasted link, back, forward and a reload bring the same.
// #/search?person=alice&decision=deny; a name that occurs twice is a list.

export function parse(hash) {
	const [view, query] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
	const state = {};
	for (const [name, value] of new URLSearchParams(query ?? ''))
		state[name] = name in state ? [].concat(state[name], value) : value;
	return { view: view || '', state };
}

/* State of the head, which every link keeps. */
const KEPT = ['range', 'tz'];
function kept() {
	const { state } = parse(location.hash);
	return Object.fromEntries(KEPT.filter((name) => name in state).map((name) => [name, state[name]]));
}

/* Without what is empty. */
export function href(view, state = {}) {
	const query = new URLSearchParams();
	for (const [name, value] of Object.entries({ ...state,
		...Object.fromEntries(Object.entries(kept()).filter(([name]) => !(name in state))) }))
		for (const one of [].concat(value ?? []))
			if (one !== '' && one !== false) query.append(name, one);
	const text = query.toString();
	return `#/${view}${text ? `?${text}` : ''}`;
}

/* Where to; replace: the back button does not come back to what is here. */
export function go(view, state, { replace = false } = {}) {
	const to = href(view, state);
	if (to === location.hash) dispatchEvent(new HashChangeEvent('hashchange'));
	else if (replace) {
		history.replaceState(null, '', to);
		dispatchEvent(new HashChangeEvent('hashchange'));
	} else location.hash = to;
}
