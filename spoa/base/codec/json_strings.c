/* Reads the strings of a document at known paths. Values that are on no path are skipped. */
#include "base/codec/json_strings.h"

enum { PATH_MAX_BYTES = 128 };

struct reading {
	struct json *j;
	struct span in;
	struct arena *a;
	const struct json_place *places;
	size_t nplaces;
	bool items;
	void (*take)(void *arg, int what, struct span text);
	void *arg;
	char path[PATH_MAX_BYTES];
};

static bool
leads_on(const struct reading *r, struct span path)
{
	for (size_t i = 0; i < r->nplaces; i++)
		if (span_starts(span_str(r->places[i].path), path) &&
			r->places[i].path[path.n] == '.')
			return true;
	return false;
}

/* Reads a value whose first token is *ev. The first n bytes of r->path lead to it. The recursion
 * ends where no path continues. */
static void
read_string_value(struct reading *r, size_t n, bool in_array, const struct json_event *ev)
{
	struct span path = span_of(r->path, n);
	struct json_event in;
	enum json_tok tok;

	if (ev->tok == JSON_STRING) {
		for (size_t i = 0; i < r->nplaces; i++)
			if (span_is(path, r->places[i].path) && (!in_array || r->items))
				r->take(r->arg, r->places[i].what, json_text(r->a, r->in, ev));
	} else if (ev->tok == JSON_ARRAY && !in_array) {
		while ((tok = json_next(r->j, &in)) != JSON_ARRAY_END && tok != JSON_ERROR)
			read_string_value(r, n, true, &in);
	} else if (ev->tok == JSON_OBJECT && (!n || leads_on(r, path))) {
		while (json_next(r->j, &in) == JSON_KEY) {
			struct span key = json_text(r->a, r->in, &in);
			size_t at = n + (n > 0), to = at + key.n;
			json_next(r->j, &in);
			if (!key.p || !key.n || to >= sizeof(r->path)) {
				json_skip(r->j, &in);
				continue;
			}
			if (n)
				r->path[n] = '.';
			memcpy(r->path + at, key.p, key.n);
			read_string_value(r, to, false, &in);
		}
	} else {
		json_skip(r->j, ev);
	}
}

bool
json_strings(struct span json, const struct json_place *places, size_t n, bool items,
	struct arena *a, void (*take)(void *arg, int what, struct span text), void *arg)
{
	struct reading r = { .in = json,
		.a = a,
		.places = places,
		.nplaces = n,
		.items = items,
		.take = take,
		.arg = arg };
	struct json_event ev;

	if (!(r.j = json_open(a, json)))
		return false;
	json_next(r.j, &ev);
	if (ev.tok == JSON_OBJECT || ev.tok == JSON_ARRAY)
		read_string_value(&r, 0, false, &ev);
	return json_next(r.j, &ev) == JSON_END;
}
