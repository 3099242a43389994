/* Any bytes as a price list: read without errors, or refused with errors. In an accepted list,
 * of all rows that match a name at a time one is used, and no other is more specific. Costs are
 * within their bound. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/prices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1800000000000000000)

/* The row's own pattern, with a text in place of each star. */
static void
look_up(const struct price_list *l, const struct price_row *row)
{
	char name[PRICE_PATTERN_MAX + 1];
	size_t n = strlen(row->model);

	memcpy(name, row->model, n);
	for (size_t i = 0; i < n; i++)
		if (name[i] == '*')
			name[i] = 'x';
	struct span model = span_of(name, n);
	const struct price_row *found = price_find(l, model, NOW);
	INVARIANT(found || row->from_s > NOW / 1000000000 ||
		  span_starts(model, SPAN_LIT("arn:")));
	for (size_t i = 0; found && i < l->nrows; i++)
		if (price_matches(l->rows[i].model, model) &&
			l->rows[i].from_s <= NOW / 1000000000)
			INVARIANT(price_within(found->model, l->rows[i].model) ||
				  span_starts(model, SPAN_LIT("arn:")));
}

static void
add_up(const struct price_row *row, unsigned seed)
{
	struct price_usage used = { .service = seed % PRICE_SERVICES }, most = used;
	struct price_cost cost, worst;

	for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
		used.n[k] = (seed >> k & 7) * 100003u;
		if (price_apart(k))
			most.n[k] = used.n[k];
		else
			most.n[price_of(k) == PRICE_PROMPT ? PRICE_INPUT : PRICE_OUTPUT] +=
				used.n[k];
	}
	price_cost(row, &used, &cost);
	price_worst(row, &most, PRICE_MAY_ANY, &worst);
	INVARIANT(cost.nanousd <= worst.nanousd);

	/* with or without the stated amounts, the reservation was enough */
	struct price_asked said = { 0 };
	for (enum price_ask a = 0; row->nwhere && a < PRICE_ASKS; a++)
		if (seed >> a & 1 && row->where[seed % row->nwhere].is[a])
			said.v[a] = span_str(row->where[seed % row->nwhere].is[a]);
	struct price_row now = price_where(row, &said, false),
			 held = price_where(row, &said, true);
	price_cost(&now, &used, &cost);
	price_worst(&held, &most, PRICE_MAY_ANY, &worst);
	INVARIANT(cost.nanousd <= worst.nanousd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct diag d;

	arena_init(&a, 64 << 20, false);
	diag_init(&d);
	const struct yaml_node *root = yaml_load(&a, "fuzz.yaml", span_of(data, size), &d);
	const struct prices *p = root ? prices_read(&a, root, "fuzz.yaml", &d) : NULL;
	INVARIANT((p != NULL) == (d.errors == 0));
	for (size_t i = 0; p && i < p->nlists; i++)
		for (size_t k = 0; k < p->lists[i].nrows && k < 64; k++) {
			look_up(&p->lists[i], &p->lists[i].rows[k]);
			add_up(&p->lists[i].rows[k], (unsigned)(size * 2654435761u + k));
		}
	diag_free(&d);
	arena_reset(&a);
	return 0;
}
