/* Orders the groups of tollgate usage, and finds a page of them. A cursor has the numbers by
 * which the last group of a page is ordered, and the group's values. The next page begins after
 * this place in the sums of that time, even if the group no longer exists. */
#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "cmd/usage/usage.h"

enum { BY_MOST = 3, PAGE_MAX = 1000 };

/* A group is ordered by up to three numbers, the largest first, then by its values. Numbers
 * that are not sums: */
enum { V_TOKENS = SUMS, V_LAST, V_PROMPT, V_NONE };
static const struct {
	const char *name;
	int by[BY_MOST];
} orders[ORDERS] = {
	[ORDER_COST] = { "cost", { SUM_COST, SUM_INPUT, SUM_REQUESTS } },
	[ORDER_REQUESTS] = { "requests", { SUM_REQUESTS, V_NONE, V_NONE } },
	[ORDER_REFUSED] = { "refused", { SUM_REFUSED, SUM_REQUESTS, V_NONE } },
	[ORDER_TOKENS] = { "tokens", { V_TOKENS, V_NONE, V_NONE } },
	[ORDER_LAST] = { "last_seen", { V_LAST, V_NONE, V_NONE } },
	[ORDER_PROMPT] = { "prompt_max", { V_PROMPT, V_NONE, V_NONE } },
	[ORDER_NAME] = { "name", { V_NONE, V_NONE, V_NONE } },
};
const char *const usage_order_names[ORDERS] = { "cost", "requests", "refused", "tokens",
	"last_seen", "prompt_max", "name" };

struct place {
	uint64_t v[BY_MOST];
	struct span key;
};

static struct place
page_place(const struct usage_group *g, enum usage_order order)
{
	struct place p = { { 0 }, span_of(g->key, g->n) };

	for (size_t i = 0; i < BY_MOST; i++) {
		int by = orders[order].by[i];
		p.v[i] = by == V_TOKENS	  ? g->of.sum[SUM_INPUT] + g->of.sum[SUM_OUTPUT]
			 : by == V_LAST	  ? (uint64_t)g->of.last_ns
			 : by == V_PROMPT ? g->of.spread[SPREAD_PROMPT].max
			 : by == V_NONE	  ? 0
					  : g->of.sum[by];
	}
	return p;
}

static int
place_order(const struct place *a, const struct place *b)
{
	for (size_t i = 0; i < BY_MOST; i++)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i] ? 1 : -1;
	return span_order(a->key, b->key);
}

static int
in_order(const void *x, const void *y, void *order)
{
	struct place a = page_place(x, *(const enum usage_order *)order),
		     b = page_place(y, *(const enum usage_order *)order);

	return place_order(&a, &b);
}

void
usage_sort(struct usage_table *t)
{
	enum usage_order order = ORDER_COST;

	if (t->ngroups > 2)
		qsort_r(t->group + 1, t->ngroups - 1, sizeof(*t->group), in_order, &order);
}

/* ---- what matches ---- */

static bool
page_holds(struct span s, struct span what)
{
	for (size_t i = 0; i + what.n <= s.n; i++) {
		size_t k = 0;
		while (k < what.n && to_lower(s.p[i + k]) == to_lower(what.p[k]))
			k++;
		if (k == what.n)
			return true;
	}
	return false;
}

static bool
matches(const struct usage_group *g, struct span what)
{
	struct span key = span_of(g->key, g->n);
	bool found = false;

	while (key.p && key.n && !found) {
		struct span raw = span_next(&key, '\0');
		json_auto_t *v = raw.n && memchr(raw.p, '\\', raw.n)
					 ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL)
					 : NULL;
		if (!v && raw.n > 1 && raw.p[0] == '"')
			raw = span_cut(raw, 1, raw.n - 1);
		found = page_holds(v ? json_span(v) : raw, what);
	}
	return found;
}

/* ---- pages ---- */

static bool
read_cursor(const char *text, struct buf *key, struct place *out)
{
	struct span s = span_str(text), hex;
	size_t n = 0;

	for (size_t i = 0; i < BY_MOST; i++)
		if (span_u64(span_next(&s, i + 1 < BY_MOST ? '.' : '/'), &out->v[i]))
			return false;
	hex = s;
	char *to = buf_reserve(key, hex.n / 2 + 1);
	if (!to || !hex.n ||
		sodium_hex2bin((unsigned char *)to, hex.n / 2, hex.p, hex.n, NULL, &n, NULL) !=
			0)
		return false;
	buf_commit(key, n);
	out->key = buf_view(key);
	return true;
}

static int
rows_in_order(const void *x, const void *y, void *order)
{
	return in_order(*(const struct usage_group *const *)x,
		*(const struct usage_group *const *)y, order);
}

/* Inserts a group into the page, if it comes before the last one. */
static void
insert_group(struct usage_page *p, const struct usage_group *g)
{
	size_t low = 0, high = p->n;

	if (p->n == p->limit && in_order(g, p->row[p->n - 1], &p->order) > 0)
		return;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (in_order(g, p->row[mid], &p->order) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	p->n -= p->n == p->limit;
	memmove(p->row + low + 1, p->row + low, (p->n - low) * sizeof(*p->row));
	p->row[low] = g;
	p->n++;
}

int
usage_paged(const struct usage_table *t, struct usage_page *p)
{
	bool paged = p->limit && p->limit <= PAGE_MAX;
	struct place after, at;
	size_t left = 0;
	int err = 0;

	SCOPED_BUF(key, 1 << 20);
	if (p->after && !read_cursor(p->after, &key, &after))
		err = ERR_SYNTAX;
	p->row = err ? NULL
		     : calloc((paged ? (size_t)p->limit : t->ngroups) + 1, sizeof(*p->row));
	if (!err && !p->row)
		err = ERR_NOMEM;
	for (size_t i = 1; i < t->ngroups && !err; i++) {
		const struct usage_group *g = &t->group[i];
		if (p->match && !matches(g, span_str(p->match)))
			continue;
		p->groups++;
		at = page_place(g, p->order);
		if (p->after && place_order(&at, &after) <= 0)
			continue;
		left++;
		if (paged)
			insert_group(p, g);
		else
			p->row[p->n++] = g;
	}
	if (!err && !paged && p->n)
		qsort_r(p->row, p->n, sizeof(*p->row), rows_in_order, &p->order);
	if (!err && p->limit && p->n > p->limit)
		p->n = (size_t)p->limit;
	p->more = left > p->n;
	return err;
}

void
usage_cursor(const struct usage_page *p, struct buf *out)
{
	if (!p->more || !p->n)
		return;
	struct place last = page_place(p->row[p->n - 1], p->order);
	for (size_t i = 0; i < BY_MOST; i++)
		buf_printf(out, "%llu%s", (unsigned long long)last.v[i],
			i + 1 < BY_MOST ? "." : "/");
	buf_hex(out, last.key.p, last.key.n);
}
