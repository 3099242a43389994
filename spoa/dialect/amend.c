/* Another model, and a lower cap on the output, in a body that is otherwise left as
 * it came, byte for byte. */
#include "base/err.h"
#include "dialect/family.h"

/* Every cap that says more, or nothing, says this; the first null of a request stands for
 * a cap that is missing. */
static int
lower_caps(const struct body *b, uint64_t most, struct span number, struct splice *edits)
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
		if (c->tokens >= 0 ? (uint64_t)c->tokens <= most : c->null && stated)
			continue;
		edits[n++] = (struct splice){ c->start, c->end, number };
	}
	return n;
}

static struct span
quoted(struct arena *a, struct span text)
{
	struct buf out;

	buf_init(&out, 6 * text.n + 2);
	buf_json_str(&out, text);
	struct span made =
		buf_failed(&out) ? (struct span){ NULL, 0 } : arena_dup(a, buf_view(&out));
	buf_free(&out);
	return made;
}

/* Where no cap is, and the object that holds caps is: in front of its first member. */
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

/* The member that caps, with the object around it where there is one. */
static struct span
cap_member(const struct table *t, struct span number, struct arena *a)
{
	const char *dot = strchr(t->cap, '.');

	if (!dot)
		return arena_printf(a, "\"%s\":%.*s", t->cap, SPAN_ARG(number));
	return arena_printf(a, "\"%.*s\":{\"%s\":%.*s}", (int)(dot - t->cap), t->cap, dot + 1,
		SPAN_ARG(number));
}

/* What one request lacks. The number of edits, or as dialect_amend(). */
static int
add_missing(const struct table *t, const struct request_mark *q, struct span model,
	struct span number, struct arena *a, struct splice *edits)
{
	bool capless = number.n && t->cap && !q->capped;
	bool nameless = model.n && t->model && !q->named;
	struct span cap = { NULL, 0 };
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
	/* One edit: where nothing follows, no comma may. */
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
	struct span name = { NULL, 0 }, number = { NULL, 0 };
	int n = 0;

	if (b->format != BODY_JSON && b->format != BODY_LINES && b->format != BODY_MULTIPART)
		return 0;
	if (am->cap_tokens)
		number = arena_printf(a, "%llu", (unsigned long long)am->cap_tokens);
	if (am->model.n)
		name = quoted(a, am->model);
	if ((am->cap_tokens && !number.p) || (am->model.n && !name.p))
		return ERR_NOMEM;
	if (number.n)
		n = lower_caps(b, am->cap_tokens, number, edits);
	for (size_t i = 0; name.n && i < m->nmodels; i++)
		if (!span_eq(am->model, m->model[i].name))
			edits[n++] = (struct splice){ m->model[i].start, m->model[i].end,
				m->model[i].plain  ? am->model
				: m->model[i].null ? name
						   : span_cut(name, 1, name.n - 1) };
	if (am->model_in_path)
		name.n = 0;
	for (size_t i = 0; i < m->nrequests; i++) {
		int made = add_missing(
			m->request[i].table, &m->request[i], name, number, a, edits + n);
		if (made < 0)
			return made;
		n += made;
	}
	return n;
}
