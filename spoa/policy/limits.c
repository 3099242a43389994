/* Limits: how many requests or tokens a value of its dimensions may take in a
 * rolling window. The counting is quota/quota.h's. */
#include "policy/build.h"

/* Strings only: a number such as prompt.tokens would open a counter a value. */
static bool
countable(size_t slot)
{
	return policy_env.vars[slot].type == CEL_STRING;
}

static void
per_names(struct buf *out)
{
	for (size_t s = 0; s < V_COUNT; s++)
		if (countable(s))
			buf_printf(out, "%s%s", out->n ? ", " : "", policy_env.vars[s].path);
	buf_putc(out, 0);
}

static void
per(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	if (!read_texts(b->a, b->d, n, "per", NULL, NULL))
		return;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		size_t slot = V_COUNT;
		for (size_t s = 0; s < V_COUNT; s++) {
			if (!countable(s))
				continue;
			if (nearest_is(&near, policy_env.vars[s].path))
				slot = s;
		}
		if (slot == V_COUNT) {
			struct buf accepted;
			buf_init(&accepted, 4096);
			per_names(&accepted);
			diag_at(b->d, c, "per: %s cannot be counted by%s; accepted: %s", c->s.p,
				nearest_hint(&near),
				buf_failed(&accepted) ? "" : buf_view(&accepted).p);
			buf_free(&accepted);
		} else if (l->nper == PER_MAX) {
			diag_at(b->d, c, "per: more than %d dimensions", PER_MAX);
		} else {
			l->per[l->nper++] = slot;
			l->reads_body |= policy_slot_reads_body(slot);
		}
	}
}

/* What it counts, and in which window. */
static void
amount(struct builder *b, const struct yaml_node *n)
{
	const struct yaml_node *requests = yaml_get(n, "requests"),
			       *tokens = yaml_get(n, "tokens");

	if (requests && tokens)
		diag_at(b->d, tokens->key,
			"tokens: the limit counts requests already; give tokens a limit of "
			"their own");
	if ((requests || tokens) && !yaml_get(n, "window"))
		diag_at(b->d, n, "window is missing");
	if (requests || tokens)
		return;
	for (const char *const *later = sections[SECTION_LIMIT].later; *later; later++)
		if (yaml_get(n, *later))
			return; /* was reported */
	diag_at(b->d, n, "the limit counts nothing: requests or tokens is missing");
}

/* Where there is a choice, the target is known once all rules were read. */
static bool
chosen_late(const struct builder *b, const struct limit *l)
{
	bool reads = build_reads_target(l->when), choice = false;

	for (size_t i = 0; i < l->nper; i++)
		reads |= l->per[i] == V_TARGET_NAME || l->per[i] == V_TARGET_REGION;
	for (size_t i = 0; i < b->p->nroutes; i++)
		choice |= b->p->routes[i].ntargets > 1;
	return reads && choice;
}

static void
limit(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *c;

	l->at = n;
	l->name = "";
	if (!build_section(b, n, SECTION_LIMIT, l))
		return;
	build_own_name(b, n, 32, &l->name, b->p->limits, b->p->nlimits, sizeof(*l));
	if (strpbrk(l->name, ":/"))
		diag_at(b->d, yaml_get(n, "name"),
			"name: a limit's name is part of Redis keys: no : and /");
	if ((c = yaml_get(n, "when")))
		l->when = build_condition(b, c, &l->reads_body);
	if ((c = yaml_get(n, "per")))
		per(b, c, l);
	amount(b, n);
	/* What a request will take is known once its body is read. */
	l->reads_body |= l->tokens > 0 || chosen_late(b, l);
}

void
build_limits(struct builder *b, const struct yaml_node *n)
{
	struct limit *limits = build_list(b, n, "limits", sizeof(*limits));

	if (!limits)
		return;
	b->p->limits = limits;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		limit(b, c, &limits[b->p->nlimits]);
		b->p->nlimits++;
	}
}
