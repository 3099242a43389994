/* Limits as the policy writes them: what is counted, for whom apart, and in which window.
 * Which of them apply to a request is limits_apply.c's, the counting quota/'s. */
#include "policy/sections/limits.h"

/* clang-format off */
const struct limit_counted limit_counted[LIMIT_COUNTED] = {
	{ "requests",                LIMIT_REQUESTS,      true,  NULL },
	{ "tokens",                  LIMIT_TOKENS,        true,  NULL },
	{ "input_tokens",            LIMIT_INPUT_TOKENS,  true,  NULL },
	{ "output_tokens",           LIMIT_OUTPUT_TOKENS, true,  NULL },
	{ "usd",                     LIMIT_USD,           true,  NULL },
	{ "concurrent",              LIMIT_CONCURRENT,    false, NULL },
	{ "tokens_per_request",      LIMIT_MESSAGE,       false, NULL },
	{ "tokens_per_conversation", LIMIT_TOKENS,        true,  "request.conversation" },
};
/* clang-format on */

enum { CONVERSATION_S = 31 * 86400 };

/* A number opens a counter for each value there is: where that is meant, string() says so. */
static bool
countable(struct builder *b, const struct yaml_node *n, const struct cel_program *prog)
{
	enum cel_type type, elem;

	cel_result(prog, &type, &elem);
	if (type == CEL_LIST)
		type = elem;
	if (type == CEL_STRING || type == CEL_BOOL || type == CEL_DYN)
		return true;
	diag_at(b->d, n,
		"per: %s is neither text nor true or false, nor a list of such; string(...) "
		"makes it one",
		n->s.p);
	return false;
}

/* Targets are chosen, and data of Redis and URLs are brought, after the body is read. */
static bool
reads_late(const struct builder *b, const struct cel_program *prog)
{
	bool late = false;

	for (size_t slot = V_TARGET_NAME; slot <= V_TARGET_ERRORS; slot++)
		late |= cel_reads(prog, slot);
	for (size_t i = 0; i < b->p->ndata; i++)
		late |= b->p->data[i].kind != DATA_FILE && cel_reads(prog, V_COUNT + i);
	return late;
}

static void
dimension(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	if (l->nper == PER_MAX) {
		diag_at(b->d, n, "per: more than %d dimensions", PER_MAX);
		return;
	}
	const struct cel_program *prog = build_expression(b, n, "per", CEL_DYN, &l->reads_body);
	if (!prog || !countable(b, n, prog))
		return;
	l->per[l->nper++] = prog;
	l->reads_late |= reads_late(b, prog);
	l->of_person |=
		cel_reads(prog, V_IDENTITY_PERSON) || cel_reads(prog, V_REQUEST_CONVERSATION);
}

static void
window(struct builder *b, const struct yaml_node *n, const struct limit_counted *what,
	struct limit *l)
{
	const struct yaml_node *w = yaml_get(n, "window");

	if (w && !what->window)
		diag_at(b->d, w->key, "window: %s counts nothing over time", what->key);
	else if (w)
		limit_window(b, w, l);
	else if (what->per)
		l->window_s = CONVERSATION_S;
	else if (what->window)
		diag_at(b->d, n, "window is missing");
}

/* What it counts, and in which window. */
static void
amount(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	/* A conversation's counter is its own, and never another person's. */
	static const char *const each[] = { "identity.person", "request.conversation" };
	const struct limit_counted *what = NULL;
	const struct yaml_node *c;

	for (size_t i = 0; i < LIMIT_COUNTED; i++) {
		if (!(c = yaml_get(n, limit_counted[i].key)))
			continue;
		if (what) {
			diag_at(b->d, c->key,
				"%s: the limit counts %s already; give %s a limit of their own",
				limit_counted[i].key, what->key, limit_counted[i].key);
			continue;
		}
		what = &limit_counted[i];
		l->of = what->of;
		limit_amount(b, c, l->of, &l->amount);
		window(b, n, what, l);
		for (size_t k = 0; what->per && k < COUNT_OF(each); k++) {
			struct yaml_node own = *c;
			own.s = span_str(each[k]);
			dimension(b, &own, l);
		}
	}
	if (what)
		return;
	for (const char *const *later = sections[SECTION_LIMIT].later; *later; later++)
		if (yaml_get(n, *later))
			return; /* was reported */
	diag_at(b->d, n,
		"the limit counts nothing: requests, tokens, input_tokens, output_tokens, usd, "
		"concurrent, tokens_per_request or tokens_per_conversation is missing");
}

/* One that reads a field of a call counts calls: a request that is none takes nothing of it. */
static void
calls(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	for (size_t slot = V_TOOL_NAME; slot <= V_MCP_METHOD; slot++) {
		l->reads_tool |= l->when && cel_reads(l->when, slot);
		for (size_t i = 0; i < l->nper; i++)
			l->reads_tool |= cel_reads(l->per[i], slot);
	}
	if (l->reads_tool && l->of != LIMIT_REQUESTS)
		diag_at(b->d, n,
			"the limit reads a field of a call, and calls are counted by requests");
}

/* Where there is a choice, the target is known once all rules were read. */
static bool
chosen_late(const struct builder *b, const struct limit *l)
{
	bool reads = build_reads_target(l->when), choice = false;

	for (size_t i = 0; i < l->nper; i++)
		reads |= build_reads_target(l->per[i]);
	for (size_t i = 0; i < b->p->nroutes; i++)
		choice |= b->p->routes[i].ntargets > 1;
	return reads && choice;
}

static void
limit(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *c, *per = yaml_get(n, "per");

	l->at = n;
	l->name = "";
	if (!build_section(b, n, SECTION_LIMIT, l))
		return;
	build_own_name(b, n, 32, &l->name, b->p->limits, b->p->nlimits, sizeof(*l));
	if (strpbrk(l->name, ":/"))
		diag_at(b->d, yaml_get(n, "name"),
			"name: a limit's name is part of Redis keys: no : and /");
	b->phase = PHASE_TOOL;
	if ((c = yaml_get(n, "when")))
		l->when = build_condition(b, c, &l->reads_body);
	l->reads_late = l->when && reads_late(b, l->when);
	for (c = build_each(b, per, "per", NULL, NULL); c; c = yaml_next(per, c))
		dimension(b, c, l);
	b->phase = PHASE_REQUEST;
	amount(b, n, l);
	calls(b, n, l);
	limit_terms(b, n, l);
	/* What a request will take is known once its body is read. */
	b->p->counts_tokens |= l->of != LIMIT_REQUESTS && l->of != LIMIT_CONCURRENT;
	l->reads_body |=
		(l->of != LIMIT_REQUESTS && l->of != LIMIT_CONCURRENT) || chosen_late(b, l);
}

/* A request that takes room of a limit until its end, or takes what its answer will say, has
 * to have an end that is told: HAProxy tells none of what goes direct. */
static void
limit_told(struct builder *b, struct limit *l)
{
	if (l->of != LIMIT_CONCURRENT && l->of != LIMIT_USD)
		return;
	if (l->of == LIMIT_USD && l->amount && !b->priced)
		diag_at(b->d, yaml_get(l->at, "usd")->key,
			"usd: the policy names no prices: prices or unknown_price is missing");
	for (size_t i = 0; i < b->p->nroutes; i++) {
		struct route *r = &b->routes[i];
		if (!policy_may_reach(b->a, l->when, r))
			continue;
		r->told_of_end = r->told_of_end ? r->told_of_end : l;
		if (l->of != LIMIT_USD)
			continue;
		if (r->response_ignore)
			diag_at(b->d, r->response_ignore,
				"response: ignore: limit %s, at %s:%u:%u, counts what the "
				"answers of this route cost: meter is expected",
				l->name, l->at->file, l->at->line, l->at->column);
		r->response |= RESP_METER;
	}
}

void
build_limits(struct builder *b, const struct yaml_node *n)
{
	struct limit *limits = build_list(b, n, "limits", sizeof(*limits));

	for (size_t i = 0; i < b->p->nroutes; i++) {
		const struct route *r = &b->routes[i];
		/* It learns from what answers used. */
		if (r->reserve == RESERVE_LEARNED && !(r->response & RESP_METER))
			diag_at(b->d, yaml_get(r->at, "reserve"),
				"reserve: learned: the route does not meter: response: [meter] "
				"is missing");
	}
	if (!limits)
		return;
	b->p->limits = limits;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		limit(b, c, &limits[b->p->nlimits]);
		limit_told(b, &limits[b->p->nlimits]);
		b->p->nlimits++;
	}
}
