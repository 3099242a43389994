/* How tollgate usage shows its sums: lines, CSV (RFC 4180), JSON. */
#include <jansson.h>

#include "cmd/plain.h"
#include "cmd/records/usage.h"
#include "price/price.h"

/* The values of a group, decoded; a string that is none is shown as it is. */
static void
put_text(struct buf *out, struct span raw)
{
	json_t *v = raw.n ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL) : NULL;

	if (json_is_string(v))
		buf_put(out, json_string_value(v), json_string_length(v));
	else
		buf_span(out, raw);
	json_decref(v);
}

static struct span
next_value(struct span *key)
{
	return span_next(key, '\0');
}

/* ---- lines ---- */

/* The columns that people read. */
static const struct {
	enum usage_sum sum;
	const char *head;
} columns[] = { { SUM_REQUESTS, "requests" }, { SUM_REFUSED, "refused" },
	{ SUM_INPUT, "input" }, { SUM_CACHED, "cached" }, { SUM_OUTPUT, "output" },
	{ SUM_REASONING, "reasoning" } };
enum { NAME_WIDTH = 28, NUMBER_WIDTH = 12 };

/* What it cost is not all known. */
static bool
is_more(const uint64_t sum[SUMS])
{
	return sum[SUM_UNPRICED] || sum[SUM_UNKNOWN] || sum[SUM_ESTIMATE];
}

static void
put_sums(struct buf *out, const uint64_t sum[SUMS])
{
	char usd[PRICE_TEXT_MAX];

	for (size_t i = 0; i < COUNT_OF(columns); i++)
		buf_printf(out, "%*llu", NUMBER_WIDTH, (unsigned long long)sum[columns[i].sum]);
	price_text(sum[SUM_COST], usd);
	buf_printf(out, "%18s%s\n", usd, is_more(sum) ? " +" : "");
}

static void
put_name(struct buf *out, struct span name)
{
	size_t took = plain_put(out, name.n ? name : SPAN_LIT("-"), NAME_WIDTH - 2);

	buf_printf(out, "%*s", (int)(NAME_WIDTH - took), "");
}

static void
print_text(const struct usage_table *t, struct buf *out)
{
	struct buf name;

	for (size_t i = 0; i < t->nby; i++)
		put_name(out, span_str(usage_dim_names[t->by[i]]));
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		buf_printf(out, "%*s", NUMBER_WIDTH, columns[i].head);
	buf_printf(out, "%18s\n", "US dollars");
	buf_init(&name, 1 << 20);
	for (size_t g = 1; g <= t->ngroups; g++) {
		const struct usage_group *u = &t->group[g == t->ngroups ? 0 : g];
		struct span key = span_of(u->key, u->n);
		if (g == t->ngroups && !t->full)
			break;
		for (size_t i = 0; i < t->nby; i++) {
			buf_clear(&name);
			if (g == t->ngroups)
				buf_str(&name, "(other)");
			else
				put_text(&name, next_value(&key));
			put_name(out, buf_view(&name));
		}
		put_sums(out, u->sum);
	}
	put_name(out, SPAN_LIT("total"));
	for (size_t i = 1; i < t->nby; i++)
		buf_printf(out, "%*s", NAME_WIDTH, "");
	put_sums(out, t->total);
	if (is_more(t->total)) {
		char usd[PRICE_TEXT_MAX];
		price_text(t->total[SUM_ESTIMATE], usd);
		buf_printf(out,
			"+ more than that: %llu answers of which a part has no price, %llu "
			"whose usage is not known (what was seen of them, and attempts "
			"before them: at most %s)\n",
			(unsigned long long)t->total[SUM_UNPRICED],
			(unsigned long long)t->total[SUM_UNKNOWN], usd);
	}
	buf_free(&name);
}

/* ---- CSV ---- */

/* What a spreadsheet would take for a formula becomes text: names come from callers. */
static void
put_cell(struct buf *out, struct span s)
{
	bool formula = s.n && strchr("=+-@\t\r", s.p[0]);

	buf_str(out, formula ? "\"'" : "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void
print_csv(const struct usage_table *t, struct buf *out)
{
	struct buf name;

	for (size_t i = 0; i < t->nby; i++)
		buf_printf(out, "%s%s", i ? "," : "", usage_dim_names[t->by[i]]);
	for (size_t i = 0; i < SUMS; i++)
		buf_printf(out, ",%s", usage_sum_names[i]);
	buf_str(out, "\r\n");
	buf_init(&name, 1 << 20);
	for (size_t g = t->full ? 0 : 1; g < t->ngroups; g++) {
		struct span key = span_of(t->group[g].key, t->group[g].n);
		for (size_t i = 0; i < t->nby; i++) {
			buf_clear(&name);
			if (g == 0)
				buf_str(&name, "(other)");
			else
				put_text(&name, next_value(&key));
			buf_str(out, i ? "," : "");
			put_cell(out, buf_view(&name));
		}
		for (size_t i = 0; i < SUMS; i++)
			buf_printf(out, ",%llu", (unsigned long long)t->group[g].sum[i]);
		buf_str(out, "\r\n");
	}
	buf_free(&name);
}

/* ---- JSON ---- */

static void
put_json_sums(struct buf *out, const uint64_t sum[SUMS], bool first)
{
	for (size_t i = 0; i < SUMS; i++)
		buf_printf(out, "%s\"%s\":%llu", first && i == 0 ? "" : ",", usage_sum_names[i],
			(unsigned long long)sum[i]);
	buf_putc(out, '}');
}

static void
print_json(const struct usage_table *t, const char *since, const char *until, struct buf *out)
{
	buf_printf(out, "{\"since\":%s%s%s,\"until\":%s%s%s,\"rows\":[", since ? "\"" : "",
		since ? since : "null", since ? "\"" : "", until ? "\"" : "",
		until ? until : "null", until ? "\"" : "");
	for (size_t g = t->full ? 0 : 1; g < t->ngroups; g++) {
		struct span key = span_of(t->group[g].key, t->group[g].n);
		buf_str(out, g > (t->full ? 0 : 1) ? ",\n{" : "\n{");
		for (size_t i = 0; i < t->nby; i++) {
			struct span v = g ? next_value(&key) : SPAN_LIT("\"(other)\"");
			buf_printf(out, "%s\"%s\":", i ? "," : "", usage_dim_names[t->by[i]]);
			if (!v.n)
				buf_str(out, "null");
			else if (v.p[0] == '"')
				buf_span(out, v);
			else
				buf_json_str(out, v);
		}
		put_json_sums(out, t->group[g].sum, false);
	}
	buf_str(out, "\n],\"total\":{");
	put_json_sums(out, t->total, true);
	buf_str(out, "}\n");
}

bool
usage_print(const struct usage_table *t, enum usage_form form, const char *since,
	const char *until, struct buf *out)
{
	if (form == FORM_CSV)
		print_csv(t, out);
	else if (form == FORM_JSON)
		print_json(t, since, until, out);
	else
		print_text(t, out);
	return !buf_failed(out);
}
