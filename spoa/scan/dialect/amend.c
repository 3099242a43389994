/* Replaces the model and lowers or adds the output limit in a body. All other bytes stay as
 * they arrived: each change is a splice, a replacement of some bytes of the original body.
 * Example: with cap_tokens 100, {"max_tokens":500} becomes {"max_tokens":100}, and a body of
 * Anthropic's {"messages":…} becomes {"max_tokens":100,"messages":…}. */
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/dialect/family.h"

/* The limits to write, as numbers in decimal. */
struct caps {
	uint64_t most; /* highest permitted limit in tokens; 0: none is lowered */
	/* required by the policy: if the limit cannot be written, the request is refused */
	bool bounds;
	struct span lower, missing;
};

/* Returns the smaller of two limits; 0 stands for no limit. */
static uint64_t
least(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

int64_t
dialect_amended_cap(const struct amendment *am, int64_t stated)
{
	uint64_t most = least(am->cap_tokens, am->ceiling_tokens);

	if (stated >= 0)
		return most && (uint64_t)stated > most ? (int64_t)most : stated;
	if (!am->missing_tokens && !am->cap_tokens)
		return -1;
	return (int64_t)least(am->missing_tokens, most);
}

/* Returns true if the body has segments with the roles of conversations. */
static bool
looks_known(const struct body *b)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_USER || b->segments[i].role == ROLE_SYSTEM ||
			b->segments[i].role == ROLE_ASSISTANT)
			return true;
	return false;
}

bool
dialect_lacks_cap(const struct body *b)
{
	const struct body_marks *m = &b->marks;
	size_t k = 0;

	for (size_t i = 0; i < m->nrequests; i++) {
		const struct table *t = m->request[i].table;
		int64_t most = -1;
		for (; k < m->ncaps && m->cap[k].request <= i; k++)
			most = m->cap[k].tokens > most ? m->cap[k].tokens : most;
		if (t->cap && *t->cap && most < 0 &&
			(!t->lenient || (b->format == BODY_JSON && looks_known(b))))
			return true;
	}
	return false;
}

/* Replaces each limit above `most` with `lower`. If a request states no limit, its first null
 * limit becomes `missing`. Returns the number of edits. */
static int
lower_caps(const struct body *b, const struct caps *w, struct splice *edits)
{
	const struct body_marks *m = &b->marks;
	int n = 0;

	for (size_t i = 0, from = 0; i < m->ncaps; i++) {
		const struct cap_mark *c = &m->cap[i];
		bool stated = false;
		while (m->cap[from].request != c->request)
			from++;
		for (size_t k = from; k < m->ncaps && m->cap[k].request == c->request; k++)
			stated |= m->cap[k].tokens >= 0 || (k < i && m->cap[k].null);
		bool stays = c->tokens >= 0 ? !w->most || (uint64_t)c->tokens <= w->most
					    : !w->missing.n || (c->null && stated);
		if (!stays)
			edits[n++] = (struct splice){ c->start, c->end,
				c->tokens >= 0 ? w->lower : w->missing };
	}
	return n;
}

/* Encodes a text as a JSON string with quotes, or as the value of a form. */
static struct span
spelled(struct arena *a, struct span text, enum seg_form form)
{
	SCOPED_BUF(out, 6 * text.n + 2);

	if (form == SEG_FORM)
		uri_encode(&out, text, true);
	else
		buf_json_str(&out, text);
	return arena_kept(a, &out);
}

/* Makes the edit for a request whose object of limits exists but has no limit (Gemini's
 * generationConfig): inserts the limit before the object's first member, or replaces a null by
 * an object. */
static struct splice
cap_in_holder(const struct table *t, const struct request_mark *q, struct span number,
	struct arena *a)
{
	struct span member = span_str(strchr(t->cap, '.') + 1);
	struct splice e = { q->holder, q->holder_end, { NULL, 0 } };

	if (q->holder_null) {
		e.with = arena_printf(a, "{\"%.*s\":%.*s}", SPAN_ARG(member), SPAN_ARG(number));
		return e;
	}
	e.start = e.end = q->holder + 1;
	e.with = arena_printf(a, "\"%.*s\":%.*s%s", SPAN_ARG(member), SPAN_ARG(number),
		q->holder_empty ? "" : ",");
	return e;
}

/* Returns the member that limits the output, inside its object if the table's name has a dot:
 * "a.b" becomes "a":{"b":100}. */
static struct span
cap_member(const struct table *t, struct span number, struct arena *a)
{
	const char *dot = strchr(t->cap, '.');

	if (!dot)
		return arena_printf(a, "\"%s\":%.*s", t->cap, SPAN_ARG(number));
	return arena_printf(a, "\"%.*s\":{\"%s\":%.*s}", (int)(dot - t->cap), t->cap, dot + 1,
		SPAN_ARG(number));
}

/* Adds the members that one request lacks. Returns the number of edits, or an error of
 * dialect_amend(). */
static int
add_missing(const struct table *t, const struct request_mark *q, struct span model,
	const struct caps *w, struct arena *a, struct splice *edits)
{
	/* A default limit that cannot be written is skipped; a policy's limit is not. */
	bool capless = w->missing.n && t->cap && !q->capped && (*t->cap || w->bounds);
	bool nameless = model.n && t->model && !q->named;
	struct span cap = { NULL, 0 }, number = w->missing;
	int n = 0;

	if (capless && !*t->cap)
		return ERR_UNSUPPORTED;

	if (capless && q->holder) {
		edits[n] = cap_in_holder(t, q, number, a);
		if (!edits[n++].with.p)
			return ERR_NOMEM;
		capless = false;
	}
	if (capless && !(cap = cap_member(t, number, a)).p)
		return ERR_NOMEM;
	if (!capless && !nameless)
		return n;
	/* Both members in one edit, so that the comma after them depends on one condition:
	 * whether the object is empty. */
	struct span all = arena_printf(a, "%s%.*s%s%.*s%s", nameless ? "\"model\":" : "",
		SPAN_ARG(nameless ? model : SPAN_LIT("")), nameless && capless ? "," : "",
		SPAN_ARG(cap), q->empty ? "" : ",");
	if (!all.p)
		return ERR_NOMEM;
	edits[n++] = (struct splice){ q->top, q->top, all };
	return n;
}

size_t
dialect_amend_max(const struct body *b)
{
	return b->marks.ncaps + b->marks.nmodels + 2 * b->marks.nrequests;
}

int
dialect_amend(
	const struct body *b, const struct amendment *am, struct arena *a, struct splice *edits)
{
	const struct body_marks *m = &b->marks;
	struct span name = { NULL, 0 }, field = { NULL, 0 };
	struct caps w = { .most = least(am->cap_tokens, am->ceiling_tokens),
		.bounds = am->cap_tokens };
	int64_t missing = dialect_amended_cap(am, -1);
	int n = 0;

	if (b->format == BODY_EMPTY || b->format == BODY_TEXT)
		return 0;
	if (w.most)
		w.lower = arena_printf(a, "%llu", (unsigned long long)w.most);
	if (missing > 0)
		w.missing = arena_printf(a, "%lld", (long long)missing);
	if (am->model.n) {
		name = spelled(a, am->model, SEG_JSON);
		field = spelled(a, am->model, SEG_FORM);
	}
	if ((w.most && !w.lower.p) || (missing > 0 && !w.missing.p) ||
		(am->model.n && (!name.p || !field.p)))
		return ERR_NOMEM;
	if (missing > 0 || w.most)
		n = lower_caps(b, &w, edits);
	for (size_t i = 0; name.n && i < m->nmodels; i++)
		if (!span_eq(am->model, m->model[i].name))
			edits[n++] = (struct splice){ m->model[i].start, m->model[i].end,
				m->model[i].form == SEG_TEXT   ? am->model
				: m->model[i].form == SEG_FORM ? field
				: m->model[i].null	       ? name
						   : span_cut(name, 1, name.n - 1) };
	if (am->model_in_path)
		name.n = 0;
	for (size_t i = 0; i < m->nrequests; i++) {
		int made = add_missing(
			m->request[i].table, &m->request[i], name, &w, a, edits + n);
		if (made < 0)
			return made;
		n += made;
	}
	return n;
}

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
