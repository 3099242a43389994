/* Asking a streaming provider for its token counts without the caller's noticing (design
 * rule 8). */
#include "codec/json.h"
#include "dialect/family.h"

int
dialect_ask_usage(const struct body *b, struct splice *edit)
{
	const struct body_marks *m = &b->marks;

	if (!b->table->asks_usage || !b->stream || b->wants_usage)
		return 0;
	if (m->include)
		*edit = (struct splice){ m->include, m->include_end, SPAN_LIT("true") };
	else if (m->options && m->options_null)
		*edit = (struct splice){ m->options, m->options_end,
			SPAN_LIT("{\"include_usage\":true}") };
	else if (m->options)
		*edit = (struct splice){ m->options + 1, m->options + 1,
			m->options_empty ? SPAN_LIT("\"include_usage\":true")
					 : SPAN_LIT("\"include_usage\":true,") };
	else
		*edit = (struct splice){ m->top, m->top,
			SPAN_LIT("\"stream_options\":{\"include_usage\":true},") };
	return 1;
}

struct member {
	struct span key;
	size_t start, end; /* from the key's quote to the end of the value */
	enum json_tok tok;
	bool empty; /* a container with nothing in it */
};

/* The next member of the object that is open; false at its end or an error. */
static bool
next_member(struct json *j, struct span in, struct arena *a, struct member *m)
{
	struct json_event ev;

	if (json_next(j, &ev) != JSON_KEY)
		return false;
	*m = (struct member){
		.key = json_text(a, in, &ev), .start = ev.start - 1, .empty = true
	};
	m->tok = json_next(j, &ev);
	m->end = ev.end + (m->tok == JSON_STRING);
	if (m->tok == JSON_OBJECT || m->tok == JSON_ARRAY) {
		unsigned depth = ev.depth;
		while (json_next(j, &ev) != JSON_ERROR && ev.depth > depth)
			m->empty = false;
		m->end = ev.end;
	}
	return m->key.p && json_error(j, NULL, NULL) == 0;
}

int
dialect_hide_usage(
	const struct dialect *d, struct span data, struct arena *a, struct span *edited)
{
	struct json *j = d->asks_usage ? json_open(a, data) : NULL;
	struct json_event ev;
	struct member m;
	bool found = false, first = false, counted = false, no_choices = false;
	size_t from = 0, to = 0, last = 0;

	if (!j)
		return 0;
	json_take_halves(j);
	if (json_next(j, &ev) != JSON_OBJECT)
		return 0;
	while (next_member(j, data, a, &m)) {
		if (first && last == to)
			to = m.start; /* the first member goes with the comma after it */
		if (span_is(m.key, "choices"))
			no_choices = m.tok == JSON_ARRAY && m.empty;
		if (span_is(m.key, "usage")) {
			found = true;
			first = last == 0;
			counted = m.tok == JSON_OBJECT;
			from = first ? m.start : last;
			to = m.end;
		}
		last = m.end;
	}
	if (json_error(j, NULL, NULL) || json_next(j, &ev) != JSON_END || !found)
		return 0;
	if (counted)
		return no_choices ? 2 : 0;
	char *p = arena_alloc(a, data.n);
	if (!p)
		return 0;
	memcpy(p, data.p, from);
	memcpy(p + from, data.p + to, data.n - to);
	*edited = span_of(p, from + data.n - to);
	return 1;
}
