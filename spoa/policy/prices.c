/* Price lists: the file, and `prices` and `unknown_price` of a policy. Two rows that may match
 * the same name must differ in specificity or day; otherwise an error is reported here, so that
 * base/price/price.c never has to choose. Prices are read into picodollars (1e-12 US dollars)
 * for one token or one unit. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "policy/prices.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/build.h"
#include "policy/policy.h"

/* State of one load. Lives on its stack. */
struct reader {
	struct arena *a;
	struct diag *d;
};

/* ---- values ---- */

/* Reads a day such as 2026-12-31. *at_s is its first second in UTC. */
static void
read_day(struct diag *d, const struct yaml_node *n, const char *what, char out[11],
	int64_t *at_s)
{
	int64_t ns = 0;

	if (n->kind != YAML_SCALAR || clock_parse_day(n->s.p, n->s.n, &ns) < 0 || ns < 0) {
		diag_at(d, n, "%s: a day such as 2026-12-31 is expected, found %s", what,
			yaml_found(n));
		return;
	}
	memcpy(out, n->s.p, n->s.n + 1);
	*at_s = ns / 1000000000;
}

/* Reads a price in US dollars, for a million tokens or for one unit of what is counted
 * singly. */
static void
read_price(
	struct diag *d, const struct yaml_node *n, enum price_kind k, struct price_rates *out)
{
	bool each = price_of(k) == PRICE_EACH, hours = price_of(k) == PRICE_HOURS;
	unsigned scale = each ? PRICE_SCALE_EACH : PRICE_SCALE_TOKEN;
	int err = n->kind != YAML_SCALAR || n->quoted ? ERR_SYNTAX
						      : price_parse(n->s, scale, &out->pico[k]);

	if (!err)
		out->has |= 1u << k;
	else if (err == ERR_RANGE)
		diag_at(d, n,
			"%s: at most %d US dollars with at most %u digits after the point are "
			"expected, found %s",
			price_names[k], PRICE_USD_MAX, scale, n->s.p);
	else
		diag_at(d, n,
			"%s: US dollars %s, such as 2.50, without sign and exponent, are "
			"expected, found %s",
			price_names[k],
			each	? "for one"
			: hours ? "for a million tokens and an hour"
				: "for a million tokens",
			yaml_found(n));
}

/* minute: the price of a second as providers state it, rounded up to a whole pico-dollar. */
static void
read_minute(struct diag *d, const struct yaml_node *n, struct price_rates *out)
{
	const struct yaml_node *c = yaml_get(n, "minute");
	uint64_t pico;

	if (!c)
		return;
	if (yaml_get(n, price_names[PRICE_SECONDS])) {
		diag_at(d, c, "minute: second states the same price: remove one");
	} else if (c->kind != YAML_SCALAR || price_parse(c->s, PRICE_SCALE_EACH, &pico)) {
		diag_at(d, c,
			"minute: US dollars for one, such as 0.006, without sign and exponent, "
			"are expected, found %s",
			yaml_found(c));
	} else {
		out->pico[PRICE_SECONDS] = (pico + 59) / 60;
		out->has |= 1u << PRICE_SECONDS;
	}
}

static void
read_rates(struct diag *d, const struct yaml_node *n, struct price_rates *out)
{
	read_minute(d, n, out);
	for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
		const struct yaml_node *c = yaml_get(n, price_names[k]);
		if (c)
			read_price(d, c, k, out);
	}
}

/* Reads a share into hundredths of a percent: "12.5%" becomes 1250. */
static void
read_share(struct diag *d, const struct yaml_node *n, const char *name, uint32_t *out)
{
	struct span text = n->s;
	uint64_t v = 0;

	bool ok = n->kind == YAML_SCALAR && span_ends(text, SPAN_LIT("%"));
	if (ok)
		text.n--;
	if (ok && price_parse(text, 2, &v) == 0 && v >= 1 && v <= 100000)
		*out = (uint32_t)v;
	else
		diag_at(d, n,
			"%s: a share of the prices such as 50%%, at most 1000%%, is expected, "
			"found %s",
			name, yaml_found(n));
}

/* shared: units other than tokens that shares also multiply. */
static void
read_shared(struct diag *d, const struct yaml_node *n, struct price_row *row)
{
	if (!read_list(d, n, "shared"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		enum price_kind k = 0;
		while (k < PRICE_KINDS && (!price_apart(k) || c->kind != YAML_SCALAR ||
						  !span_is(c->s, price_names[k])))
			k++;
		if (k < PRICE_KINDS)
			row->shared |= 1u << k;
		else
			diag_at(d, c,
				"shared: a unit other than tokens is expected (image, search, "
				"maps, session, file_search, tool_image, second, character, "
				"cache_storage, request), found %s",
				yaml_found(c));
	}
}

/* ---- rows ---- */

/* Reads a tier, a set of prices for long prompts. It must state each price of tokens that its
 * row has, because no price of a lower tier applies to it. */
static void
read_tier(struct diag *d, const struct yaml_node *n, struct price_row *row)
{
	INVARIANT(row->ntiers < PRICE_TIERS_MAX);
	struct price_tier *t = &row->tier[row->ntiers];
	const struct yaml_node *over = yaml_get(n, "over"), *from = yaml_get(n, "from");

	if (!section_read(NULL, d, n, SECTION_PRICE_TIER, t))
		return;
	if (!over == !from)
		diag_at(d, n,
			"over or from is expected: the number of prompt tokens above which, "
			"or from which on, the tier applies");
	if (from && !over) {
		t->over = t->from - 1;
		over = from;
	}
	if (!over || t->over < 1)
		; /* reported */
	else if (row->ntiers && t->over <= row->tier[row->ntiers - 1].over)
		diag_at(d, over, "%s: each tier must be larger than the one before, found %s",
			over->key->s.p, over->s.p);
	read_rates(d, n, &t->rates);
	for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
		if (t->rates.has >> k & 1 || !(row->rates.has >> k & 1))
			continue;
		if (price_apart(k)) {
			t->rates.has |= 1u << k;
			t->rates.pico[k] = row->rates.pico[k];
		} else if (!yaml_get(n, price_names[k])) {
			diag_at(d, n,
				"%s is missing: the row has this price, so the tier needs it "
				"too",
				price_names[k]);
		}
	}
	row->ntiers++;
}

/* where: prices by parameters of the request. An item needs at least one condition, and a price
 * or a share. */
static void
read_where(struct reader *r, const struct yaml_node *n, struct price_row *row)
{
	struct price_where *v;

	if (!read_list(r->d, n, "where"))
		return;
	if (n->count > PRICE_WHERE_MAX) {
		diag_at(r->d, n, "where: more than %d", PRICE_WHERE_MAX);
		return;
	}
	if (!(v = read_array(r->a, r->d, n, n->count, sizeof(*v))))
		return;
	row->where = v;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		INVARIANT(row->nwhere < n->count);
		struct price_where *w = &v[row->nwhere++];
		const struct yaml_node *share = yaml_get(c, "share");
		bool any = false;
		if (!section_read(r->a, r->d, c, SECTION_PRICE_WHERE, w))
			continue;
		for (enum price_ask a = 0; a < PRICE_ASKS; a++)
			any |= w->is[a] != NULL;
		read_rates(r->d, c, &w->rates);
		if (share)
			read_share(r->d, share, "share", &w->share);
		if (!any)
			diag_at(r->d, c,
				"where: one of size, quality, search_context, region is "
				"missing");
		else if (!w->rates.has && !share)
			diag_at(r->d, c,
				"where: share, or a price of a unit other than tokens, is "
				"missing");
	}
}

/* Reads all keys of a row except `model`. */
static void
read_row(struct reader *r, const struct yaml_node *n, struct price_row *row)
{
	/* 0 must be written: a missing price does not mean that nothing is charged */
	static const enum price_kind needed[] = { PRICE_INPUT, PRICE_OUTPUT };
	struct diag *d = r->d;
	const struct yaml_node *c;

	row->at = n;
	read_rates(d, n, &row->rates);
	/* requests cost nothing unless the row has a price for them */
	row->rates.has |= 1u << PRICE_REQUESTS;
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!(row->rates.has >> needed[i] & 1) && !yaml_get(n, price_names[needed[i]]))
			diag_at(d, n, "%s is missing: write 0 if nothing is charged",
				price_names[needed[i]]);
	if ((c = yaml_get(n, "from")))
		read_day(d, c, "from", row->from, &row->from_s);
	for (enum price_service s = PRICE_BATCH; s < PRICE_SERVICES; s++)
		if ((c = yaml_get(n, price_service_names[s])))
			read_share(d, c, price_service_names[s], &row->share[s]);
	if ((c = yaml_get(n, "us_only")))
		read_share(d, c, "us_only", &row->us_only);
	if ((c = yaml_get(n, "shared")))
		read_shared(d, c, row);
	if ((c = yaml_get(n, "where")))
		read_where(r, c, row);
	if (!(c = yaml_get(n, "tiers")) || !read_list(d, c, "tiers"))
		return;
	for (const struct yaml_node *t = c->child; t; t = t->next) {
		if (row->ntiers == PRICE_TIERS_MAX) {
			diag_at(d, t, "tiers: more than %d", PRICE_TIERS_MAX);
			return;
		}
		read_tier(d, t, row);
	}
}

static bool
pattern_ok(struct diag *d, const struct yaml_node *n, const char *what)
{
	if (n->kind == YAML_SCALAR && n->s.n > 0 && n->s.n <= PRICE_PATTERN_MAX)
		return true;
	diag_at(d, n, "%s: a name or pattern of 1 to %d bytes is expected, found %s", what,
		PRICE_PATTERN_MAX, yaml_found(n));
	return false;
}

/* Adds one row for each pattern that the names of models expand to. */
static void
add_rows(struct reader *r, const struct yaml_node *n, struct price_row *rows, size_t *count)
{
	struct price_row row = { .model = "" };
	const struct yaml_node *models, *c;
	const char **patterns;

	if (!section_read(r->a, r->d, n, SECTION_PRICE, NULL))
		return;
	read_row(r, n, &row);
	models = read_needed(r->d, n, n, NULL, "model");
	for (c = read_each(r->a, r->d, models, "model", NULL, NULL); c;
		c = yaml_next(models, c)) {
		size_t variants = read_patterns(r->a, r->d, c, &patterns);
		row.at = c;
		for (size_t i = 0; i < variants; i++) {
			rows[*count] = row;
			price_row_names(&rows[(*count)++], patterns[i]);
		}
	}
}

/* Reports two patterns of which neither is more specific. */
static void
check_pair(struct diag *d, const char *what, const char *a, const struct yaml_node *at_a,
	const char *b, const struct yaml_node *at_b)
{
	if (!price_ambiguous(a, b))
		return;
	if (!strcmp(a, b))
		diag_at(d, at_b, "%s: %s already occurs, at %s:%u:%u", what, b, at_a->file,
			at_a->line, at_a->column);
	else
		diag_at(d, at_b,
			"%s: %s and %s at %s:%u:%u may match the same name, and neither is "
			"more specific: change one of them",
			what, b, a, at_a->file, at_a->line, at_a->column);
}

/* Reads the rows of one provider. */
static void
read_provider(struct reader *r, const struct yaml_node *n, struct price_list *l)
{
	struct price_row *rows;
	size_t most = 0; /* number of rows that the entries expand to */

	l->name = n->key->s.p;
	l->at = n->key;
	if (!pattern_ok(r->d, n->key, "providers") || !read_list(r->d, n, n->key->s.p))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		const struct yaml_node *m = yaml_get(c, "model");
		for (const struct yaml_node *x = m ? yaml_first(m) : NULL; x;
			x = yaml_next(m, x))
			most += x->kind == YAML_SCALAR ? price_variants(x->s) : 0;
	}
	if (most > CAP_PRICES) {
		diag_at(r->d, n, "%s: more than %d models", l->name, CAP_PRICES);
		return;
	}
	if (!(rows = read_array(r->a, r->d, n, most, sizeof(*rows))))
		return;
	l->rows = rows;
	for (const struct yaml_node *c = n->child; c; c = c->next)
		add_rows(r, c, rows, &l->nrows);
	for (size_t i = 0; i < l->nrows; i++)
		for (size_t k = i + 1; k < l->nrows; k++) {
			const struct price_row *a = &rows[i], *b = &rows[k];
			if (a->from_s != b->from_s && !strcmp(a->model, b->model))
				continue; /* the newer row applies from its day on */
			check_pair(r->d, "model", a->model, a->at, b->model, b->at);
		}
}

/* Returns room for one element for each key of a mapping, or NULL after an error. */
static void *
room_for(struct reader *r, const struct yaml_node *n, const char *what, size_t size)
{
	if (!read_map(r->d, n, what, NULL, NULL))
		return NULL;
	if (n->count <= CAP_PRICE_LISTS)
		return read_array(r->a, r->d, n, n->count, size);
	diag_at(r->d, n, "%s: more than %d", what, CAP_PRICE_LISTS);
	return NULL;
}

static void
read_price_lists(struct reader *r, const struct yaml_node *n, struct prices *p)
{
	struct price_list *lists = room_for(r, n, "providers", sizeof(*lists));

	if (!lists)
		return;
	p->lists = lists;
	for (const struct yaml_node *c = n->child; c; c = c->next)
		read_provider(r, c, &lists[p->nlists++]);
	for (size_t i = 0; i < p->nlists; i++)
		for (size_t k = 0; k < lists[i].nrows; k++)
			p->where |= lists[i].rows[k].nwhere > 0;
	for (size_t i = 0; i < p->nlists; i++)
		for (size_t k = i + 1; k < p->nlists; k++)
			check_pair(r->d, "providers", lists[i].name, lists[i].at, lists[k].name,
				lists[k].at);
}

/* tools: {PATTERN: UNIT}: the unit in which each use of a tool is priced. */
static void
read_tools(struct reader *r, const struct yaml_node *n, struct prices *p)
{
	struct price_tool *v = room_for(r, n, "tools", sizeof(*v));

	if (!v)
		return;
	p->tools = v;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		enum price_kind k = 0;
		while (k < PRICE_SECONDS &&
			!(c->kind == YAML_SCALAR && price_of(k) == PRICE_EACH &&
				span_is(c->s, price_names[k])))
			k++;
		if (!pattern_ok(r->d, c->key, "tools"))
			continue;
		if (k == PRICE_SECONDS)
			diag_at(r->d, c,
				"%s: image, search, maps, session, file_search or tool_image "
				"is expected, found %s",
				c->key->s.p, yaml_found(c));
		INVARIANT(p->ntools < n->count);
		v[p->ntools++] = (struct price_tool){ c->key->s.p, k };
	}
}

const struct prices *
prices_read(struct arena *a, const struct yaml_node *tree, const char *file, struct diag *d)
{
	struct reader r = { a, d };
	unsigned errors = d->errors;
	struct prices *p = arena_new(a, struct prices);
	const struct yaml_node *c;
	int64_t version, day;

	if (!p)
		diag_at(d, tree, "out of memory");
	if (!p || !section_read(a, d, tree, SECTION_PRICES, NULL))
		return NULL;
	p->file = arena_strdup(a, file);
	if (!(c = yaml_get(tree, "prices")))
		diag_at(d, tree, "prices: the version of the format is missing: add prices: 1");
	else if (!yaml_int(c, &version) || version != 1)
		diag_at(d, c, "prices: 1 is expected, found %s", yaml_found(c));
	if ((c = yaml_get(tree, "as_of")))
		read_day(d, c, "as_of", p->as_of, &day);
	if ((c = yaml_get(tree, "tools")))
		read_tools(&r, c, p);
	if ((c = read_needed(d, tree, tree, NULL, "providers")))
		read_price_lists(&r, c, p);
	return d->errors == errors ? p : NULL;
}

const struct prices *
prices_load(struct arena *a, const char *file, struct diag *d, const struct yaml_node **root)
{
	const struct yaml_node *tree = yaml_load_file(a, file, d);

	if (root)
		*root = tree;
	return tree ? prices_read(a, tree, file, d) : NULL;
}

/* ---- prices of a policy ---- */

void
build_prices(struct builder *b, const struct yaml_node *root)
{
	const struct yaml_node *n = yaml_get(root, "prices"),
			       *unknown = yaml_get(root, "unknown_price"), *c;
	struct price_row *row;
	const char *file;

	b->priced = n || (unknown && unknown->kind == YAML_MAPPING);
	if ((c = yaml_get(root, "show_cost")) && b->p->show_cost && !b->priced)
		diag_at(b->d, c->key,
			"show_cost: the policy has no prices: add prices or unknown_price");
	if (n && build_path(b, n, &file)) {
		if (access(file, F_OK) == 0)
			b->p->prices = prices_load(b->a, file, b->d, &b->prices_root);
		else
			diag_at(b->d, n,
				"prices: %s: %s: put a copy of the shipped "
				"policies/prices.yaml there, with the prices that you pay",
				file, strerror(errno));
	}
	if (!unknown || (unknown->kind == YAML_SCALAR && span_is(unknown->s, "deny")))
		return;
	if (unknown->kind != YAML_MAPPING) {
		diag_at(b->d, unknown,
			"unknown_price: deny, or prices such as {input: 10, output: 50}, is "
			"expected, found %s",
			yaml_found(unknown));
		return;
	}
	if (!build_section(b, unknown, SECTION_UNKNOWN_PRICE, NULL) ||
		!(row = build_array(b, unknown, 1, sizeof(*row))))
		return;
	read_row(&(struct reader){ b->a, b->d }, unknown, row);
	row->model = "unknown_price";
	b->p->unknown_price = row;
}

void
build_prices_named(struct builder *b, const struct yaml_node *n)
{
	const struct prices *p = b->p->prices;
	struct nearest near = nearest_to(n->s);

	if (p)
		nearest_find(&near, p->lists, p->nlists, sizeof(*p->lists));
	if (!b->priced)
		diag_at(b->d, n, "prices: the policy has no price file: add prices: FILE");
	else if (p && !prices_list(p, n->s, (struct span){ NULL, 0 }))
		diag_at(b->d, n, "prices: %s has no provider %s%s", p->file, n->s.p,
			nearest_hint(&near));
}

const struct price_list *
build_price_list(struct builder *b, const struct provider *v, const struct dialect *d)
{
	struct span dialect = d ? span_str(dialect_name(d)) : (struct span){ NULL, 0 };

	if (!v)
		return prices_list(b->p->prices, dialect, (struct span){ NULL, 0 });
	return prices_list(b->p->prices, span_str(v->prices ? v->prices : v->name),
		v->prices ? (struct span){ NULL, 0 } : dialect);
}

const struct price_row *
policy_price(
	const struct policy *p, const struct target *t, struct span model, int64_t at_wall_ns)
{
	const struct price_row *row = price_find(t->prices, model, at_wall_ns);

	return row ? row : p->unknown_price;
}

bool
policy_cost(const struct policy *p, const struct target *t, struct span model,
	int64_t at_wall_ns, const struct price_asked *asked, const struct usage *u,
	struct priced *out)
{
	struct price_usage used = usage_split(u);

	*out = (struct priced){ 0 };
	if (!u->known || (!p->prices && !p->unknown_price))
		return false;
	out->row = policy_price(p, t, model, at_wall_ns);
	out->unknown = !out->row;
	if (out->row) {
		struct price_row row = price_where(out->row, asked, false);
		price_cost(&row, &used, &out->cost); /* a sum that is too large is saturated */
	}
	return out->row != NULL;
}
