/* Another model, and a lower cap on the output, in a body that is otherwise left as
 * it came, byte for byte. */
#include "base/err.h"
#include "text/table.h"

/* Every cap that says more, or nothing, says this; the first null stands for a cap
 * that is missing. */
static int
lower_caps(const struct body *b, uint64_t most, struct arena *a, struct splice *edits)
{
	const struct body_marks *m = &b->marks;
	struct span number = arena_printf(a, "%llu", (unsigned long long)most);
	bool stated = b->output_cap_tokens >= 0;
	int n = 0;

	if (!number.p)
		return ERR_NOMEM;
	for (size_t i = 0; i < m->ncaps; i++) {
		const struct cap_mark *c = &m->cap[i];
		if (c->tokens >= 0 ? (uint64_t)c->tokens <= most : stated)
			continue;
		edits[n++] = (struct splice){ c->start, c->end, number };
		stated = true;
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

int
dialect_amend(
	const struct body *b, const struct amendment *am, struct arena *a, struct splice *edits)
{
	const struct body_marks *m = &b->marks;
	bool missing_model = am->model.n && !m->model, missing_cap = false;
	int n = 0;

	if (!b->dialect->cap || b->format != BODY_JSON || !m->top)
		return 0;
	if (am->cap_tokens) {
		n = lower_caps(b, am->cap_tokens, a, edits);
		missing_cap = n == 0 && b->output_cap_tokens < 0;
	}
	struct span name = am->model.n ? quoted(a, am->model) : (struct span){ NULL, 0 };
	if (n < 0 || (am->model.n && !name.p))
		return ERR_NOMEM;
	if (am->model.n && m->model && !span_eq(am->model, b->model))
		edits[n++] = (struct splice){ m->model, m->model_end,
			span_cut(name, 1, name.n - 1) };
	if (!missing_model && !missing_cap)
		return n;
	/* One edit: where nothing follows, no comma may. */
	struct span cap = missing_cap ? arena_printf(a, "\"%s\":%llu", b->dialect->cap,
						(unsigned long long)am->cap_tokens)
				      : (struct span){ NULL, 0 };
	struct span all = arena_printf(a, "%s%.*s%s%.*s%s", missing_model ? "\"model\":" : "",
		SPAN_ARG(missing_model ? name : SPAN_LIT("")),
		missing_model && missing_cap ? "," : "", SPAN_ARG(cap),
		m->top_empty ? "" : ",");
	if (!all.p)
		return ERR_NOMEM;
	edits[n++] = (struct splice){ m->top, m->top, all };
	return n;
}
