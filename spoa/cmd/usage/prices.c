/* tollgate prices check: models in records that the price list does not have, and things that
 * were used and have no price there. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "cmd/plain.h"
#include "cmd/usage/prices.h"
#include "cmd/records/recorded.h"
#include "cmd/usage/usage.h"
#include "policy/prices.h"

struct check {
	struct usage_table used;
	struct policy_alone policy;
	size_t models, missing;
};

/* Units that are counted by the piece have no other price as a fallback. */
static const struct {
	enum usage_sum sum;
	enum price_kind kind;
} pieces[] = { { SUM_IMAGES, PRICE_IMAGES }, { SUM_SEARCHES, PRICE_SEARCHES },
	{ SUM_SESSIONS, PRICE_SESSIONS } };

static void
read_price_record(void *arg, struct span line)
{
	struct check *c = arg;

	usage_add(&c->used, line, (struct span){ NULL, 0 });
}

/* A raw string of a record. */
static struct span
usage_price_text(struct span raw, struct arena *a)
{
	json_auto_t *v = raw.n ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL) : NULL;
	struct span s = { NULL, 0 };

	if (json_is_string(v))
		s = arena_dup(a, span_of(json_string_value(v), json_string_length(v)));
	return s;
}

/* Returns the list of the provider by any route of the policy, or the one that a provider of
 * that name would have. A record of a policy without providers names none: the list of its
 * route's target that has a price for the model is returned. Returns NULL if there is none. */
static const struct price_list *
price_list_of(
	const struct policy *p, struct span route, struct span provider, struct span model)
{
	const struct price_list *found = NULL;

	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++) {
			const struct target *t = &p->routes[i].targets[k];
			bool here = span_is(route, p->routes[i].name);
			if (span_is(provider, t->known) && (!found || here))
				found = t->prices;
			else if (!provider.n && !found && here &&
				 price_find(t->prices, model, clock_wall_ns()))
				found = t->prices;
		}
	return found || !provider.n
		       ? found
		       : prices_list(p->prices, provider, (struct span){ NULL, 0 });
}

static void
say_price(struct check *c, struct span route, struct span provider, struct span model,
	const struct usage_group *g, const char *what)
{
	SCOPED_BUF(raw, 0);
	buf_printf(&raw, "%.*s%s%.*s: %s: %llu requests by route %.*s", SPAN_ARG(provider),
		provider.n ? " " : "", SPAN_ARG(model), what,
		(unsigned long long)g->of.sum[SUM_REQUESTS], SPAN_ARG(route));
	if (g->of.sum[SUM_NO_PRICE])
		buf_printf(&raw, ", %llu of which were refused for this",
			(unsigned long long)g->of.sum[SUM_NO_PRICE]);
	SCOPED_BUF(shown, 0);
	plain_put(&shown, buf_view(&raw), SIZE_MAX);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
	c->missing++;
}

static void
check_group(struct check *c, const struct usage_group *g, struct arena *a)
{
	const struct policy *p = c->policy.p;
	struct span key = span_of(g->key, g->n), raw = span_next(&key, '\0'),
		    route = usage_price_text(raw, a),
		    provider = usage_price_text(span_next(&key, '\0'), a),
		    model = usage_price_text(span_next(&key, '\0'), a);
	char what[96];

	/* A model that rules refused is not listed. */
	if (!model.n ||
		(g->of.sum[SUM_REQUESTS] == g->of.sum[SUM_REFUSED] && !g->of.sum[SUM_NO_PRICE]))
		return;
	c->models++;
	const struct price_row *row =
		price_find(price_list_of(p, route, provider, model), model, clock_wall_ns());
	if (!row) {
		say_price(c, route, provider, model, g,
			p->unknown_price ? "no price of its own, unknown_price counts"
					 : "no price");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		if (!g->of.sum[pieces[i].sum] || row->rates.has >> pieces[i].kind & 1)
			continue;
		snprintf(what, sizeof(what), "%s: no price, but %llu were used",
			price_names[pieces[i].kind],
			(unsigned long long)g->of.sum[pieces[i].sum]);
		say_price(c, route, provider, model, g, what);
	}
}

/* A newer model than the row was written for has the older one's price. */
static void
warn_of_stars(const struct prices *p)
{
	for (size_t i = 0; i < p->nlists; i++)
		for (size_t k = 0; k < p->lists[i].nrows; k++) {
			const char *m = p->lists[i].rows[k].model, *star = strchr(m, '*');
			while (star && (star == m || !is_digit(star[-1])))
				star = strchr(star + 1, '*');
			if (star)
				cmd_fail("prices check",
					"%s: %s %s: * after a digit also matches newer models: "
					"name the version, which includes its dates and "
					"-latest",
					p->file, p->lists[i].name, m);
		}
}

static int
check_all(struct check *c)
{
	const struct policy *p = c->policy.p;

	if (c->used.no_memory)
		return cmd_fail("prices check", "out of memory");
	if (c->used.full)
		return cmd_fail("prices check", "more than %u models: give a later --since",
			CAP_USAGE_GROUPS);
	usage_sort(&c->used);
	for (size_t i = 1; i < c->used.ngroups; i++) {
		SCOPED_ARENA(a, 16u << 20, false);
		check_group(c, &c->used.group[i], &a);
	}
	if (!c->missing)
		printf("all %zu models in %llu requests have a price in %s%s%s\n", c->models,
			(unsigned long long)c->used.total.sum[SUM_REQUESTS], p->prices->file,
			p->prices->as_of[0] ? ", as of " : "", p->prices->as_of);
	return c->missing ? EXIT_NO : EXIT_DONE;
}

static int
check_prices(int argc, char **argv)
{
	const char *policy = NULL;
	struct check c = { .used = { .by = { BY_ROUTE, BY_PROVIDER, BY_MODEL }, .nby = 3 } };
	struct query q = {
		.what = "prices check", .within = true, .arg = &c, .line = read_price_record
	};
	const struct cmd_option options[] = { QUERY_SOURCE(&q), QUERY_TIMES(&q),
		{ "policy", .text = &policy }, { .name = NULL } };
	char **operands;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 ||
		!!q.journal + !!q.redis + !!q.file > 1)
		return cmd_usage(q.what);
	int code = query_times(&q);
	if (code)
		return code;
	if (!policy_alone_load(&c.policy, q.what, q.config, policy))
		code = EXIT_CANNOT;
	else if (!c.policy.p->prices)
		code = cmd_fail(q.what, "%s: the policy names no price file", c.policy.p->file);
	else
		warn_of_stars(c.policy.p->prices);
	if (!code && usage_table_init(&c.used))
		code = cmd_fail(q.what, "out of memory");
	code = code ? code : query_source(&q);
	code = code ? code : query_run(&q);
	code = code ? code : check_all(&c);
	policy_alone_free(&c.policy);
	usage_table_free(&c.used);
	return query_end(&q, code);
}

int
cmd_prices(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "import"))
		return prices_import(argc - 1, argv + 1);
	if (argc < 2 || strcmp(argv[1], "check") != 0)
		return cmd_usage("prices");
	return check_prices(argc - 1, argv + 1);
}
