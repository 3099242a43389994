/* The injection model in a policy: which model, which of its patterns, and classes that begin
 * at a score. */
#include "base/scoped.h"
#include "policy/build.h"

#include "scan/text/body.h"

/* Those that can be scored; gate/steps/step_classify.c says as what. */
enum {
	INJECT_ROLES = 1u << ROLE_OTHER | 1u << ROLE_USER | 1u << ROLE_TOOL_RESULT |
		       1u << ROLE_DOCUMENT | 1u << ROLE_QUERY
};

static void
patterns(struct builder *b, const struct yaml_node *n)
{
	if (!read_map(b->d, n, "patterns", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct nearest near = nearest_to(c->key->s);
		const char *id;
		size_t i = 0;
		bool on;
		while ((id = inject_pattern_id(b->p->inject, i)) && !nearest_is(&near, id))
			i++;
		if (!id)
			diag_at(b->d, c->key, "%s: no such pattern%s", c->key->s.p,
				nearest_hint(&near));
		else if (read_bool(b->d, c, &on) && !on)
			b->p->inject_off |= UINT64_C(1) << i;
	}
}

void
build_injection(struct builder *b, const struct yaml_node *n)
{
	const struct yaml_node *c = n && n->kind == YAML_MAPPING ? yaml_get(n, "model") : NULL;
	const char *file = NULL;

	if (n && !build_section(b, n, SECTION_INJECTION, NULL))
		n = NULL;
	if (c && !build_path(b, c, &file))
		c = NULL;
	SCOPED_BUF(why, 4096);
	b->p->inject = inject_load(b->a, file, &why);
	if (!b->p->inject && c)
		diag_at(b->d, c, "model: %.*s", SPAN_ARG(buf_view(&why)));
	else if (!b->p->inject)
		diag_file(b->d, b->file, "%.*s", SPAN_ARG(buf_view(&why)));
	if (b->p->inject && n && (c = yaml_get(n, "patterns")))
		patterns(b, c);
}

void
build_score(struct builder *b, const struct yaml_node *c, struct policy_class *k)
{
	const struct yaml_node *n = yaml_get(c, "score");
	double v;

	if (!yaml_double(n, &v) || !(v > 0.0 && v <= 1.0)) {
		diag_at(b->d, n,
			"score: a number above 0.0, at most 1.0, is expected, found %s",
			yaml_found(n));
		return;
	}
	if ((n = yaml_get(c, "roles")))
		build_roles(b, n, INJECT_ROLES, &k->roles);
	/* There is one score of a request: classes that begin at it have the same roles. */
	for (const struct policy_class *o = b->p->classes; o < k; o++)
		if (o->injection > 0 && o->roles != k->roles)
			diag_at(b->d, c->key,
				"%s: its roles differ from those of %s: a request has one "
				"score",
				k->name, o->name);
	b->p->inject_roles = k->roles;
	k->injection = v;
	b->p->scores = true;
}
