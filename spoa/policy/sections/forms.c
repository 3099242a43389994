/* Reads the forms of requests that a provider accepts (`speaks`), and determines which requests
 * of a route must be translated and what they may lose (`translate`). A form is one layout of
 * requests, such as OpenAI's chat completions. */
#include "policy/build.h"

/* Returns the first form of the set that requests can be translated into, or FORM_NONE. */
static enum form
first_translated(unsigned forms)
{
	for (enum form f = FORM_NONE + 1; f < FORMS; f++)
		if (forms >> f & 1 && forms_into(f))
			return f;
	return FORM_NONE;
}

void
build_speaks(struct builder *b, const struct yaml_node *n, struct provider *v)
{
	const struct yaml_node *c = build_each(b, n, "speaks", NULL, NULL);

	v->translated = first_translated(c ? 0 : forms_of_dialect(v->dialect));
	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		enum form f = FORM_NONE + 1;
		while (f <= FORM_EMBEDDINGS && !nearest_is(&near, form_name(f)))
			f++;
		if (f > FORM_EMBEDDINGS) {
			diag_at(b->d, c,
				"speaks: chat, responses, messages, generate, converse or "
				"embeddings is expected, found %s%s",
				c->s.p, nearest_hint(&near));
			continue;
		}
		if (!v->translated)
			v->translated = first_translated(1u << f);
		v->forms |= 1u << f;
	}
}

bool
build_forms(const struct provider *v, struct route *r, struct target *t)
{
	unsigned callers = forms_of_dialect(r->dialect);
	bool other = v->dialect && v->dialect != r->dialect;

	t->forms = v->forms ? v->forms : other ? forms_of_dialect(v->dialect) : 0;
	t->translated = v->translated;
	t->dialect = v->dialect;
	if (!other && v->forms)
		t->forms |= 1u << FORM_NONE | 1u << FORM_EMBEDDINGS;
	if (!other)
		r->translates |= v->forms != 0;
	else if (!(callers & t->forms) && !(callers & forms_into(t->translated)))
		return false;
	r->translates |= other;
	return true;
}

void
build_translate(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *drop = yaml_get(n, "drop");

	if (!build_section(b, n, SECTION_TRANSLATE, NULL))
		return;
	if (!drop)
		diag_at(b->d, n->key,
			"translate: drop is missing: list the members that may be dropped if "
			"a target's form has no place for them");
	else
		build_each(b, drop, "drop", &r->drop, &r->ndrop);
	if (r->ndrop > DROPS_MAX)
		diag_at(b->d, drop, "drop: more than %d", DROPS_MAX);
	if (!r->translates)
		diag_at(b->d, n->key,
			"translate: every target accepts the form of the route's callers, so "
			"nothing is translated: remove it");
}
