/* What holds at one moment, in the form that workers look things up in. */
#include "gate/changes/view.h"

#include <stdlib.h>

void
live_view_free(struct live_view *v)
{
	for (size_t i = 0; v && i < v->nentries; i++)
		live_entry_unref(&v->entries[i]);
	if (v) {
		free(v->entries);
		free(v->keys.keys);
		free(v->limits);
		free(v->first);
		free(v->after);
	}
	free(v);
}

static size_t
chain_of(const struct live_view *v, const char *limit, struct span name, struct span value)
{
	uint64_t h = span_hash(span_str(limit)) * 31 + span_hash(name);

	return (size_t)((h * 31 + span_hash(value)) % v->nfirst);
}

/* False: out of memory. */
static bool
chain_overrides(struct live_view *v)
{
	v->nfirst = 2 * v->nlimits + 1;
	v->first = calloc(v->nfirst, sizeof(*v->first));
	v->after = calloc(v->nlimits + 1, sizeof(*v->after));
	for (size_t i = 0; v->first && v->after && i < v->nlimits; i++) {
		const struct live_override *o = v->limits[i];
		size_t c = chain_of(v, o->limit, o->pairs[0].name, o->pairs[0].value);
		v->after[i] = v->first[c];
		v->first[c] = (uint32_t)(i + 1);
	}
	return v->first && v->after;
}

size_t
live_next_override(const struct live_view *v, const char *limit, struct span name,
	struct span value, size_t at)
{
	at = at ? v->after[at - 1] : v->first[chain_of(v, limit, name, value)];
	while (at) {
		const struct live_override *o = v->limits[at - 1];
		if (!strcmp(o->limit, limit) && span_eq(o->pairs[0].name, name) &&
			span_eq(o->pairs[0].value, value))
			return at;
		at = v->after[at - 1];
	}
	return 0;
}

struct live_view *
live_view_of(struct live_entry **v, size_t n)
{
	struct live_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->entries = calloc(n + 1, sizeof(*view->entries));
	view->keys.keys = calloc(n + 1, sizeof(*view->keys.keys));
	view->limits = calloc(n + 1, sizeof(*view->limits));
	if (!view->entries || !view->keys.keys || !view->limits) {
		live_view_free(view);
		return NULL;
	}
	view->keys.sorted = true; /* as the fields are */
	for (size_t i = 0; i < n; i++) {
		v[i]->refs++;
		view->entries[view->nentries++] = v[i];
		if (v[i]->kind == LIVE_KEY)
			view->keys.keys[view->keys.n++] = v[i]->key;
		else if (v[i]->kind == LIVE_LIMIT && !v[i]->ended)
			view->limits[view->nlimits++] = &v[i]->limit;
	}
	if (!chain_overrides(view)) {
		live_view_free(view);
		return NULL;
	}
	return view;
}
