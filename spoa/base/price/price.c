/* Prices (base/price/price.h). Patterns of names, in which * matches any text, determine which
 * row is about a model: whether a pattern matches a name, is within another pattern, or overlaps
 * it. Then the row is chosen, and the prices of a usage are added up. */
#include "base/price/price.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/err.h"

/* ---- patterns of names ---- */

/* variants = { literal | "{" literal { "," literal } "}" } */
size_t
price_variants(struct span text)
{
	size_t n = 1, here = 0; /* alternatives so far in the open group; 0: no group is open */

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '{' ? here : text.p[i] == '}' && !here)
			return 0;
		if (text.p[i] == '{')
			here = 1;
		else if (text.p[i] == ',' && here)
			here++;
		else if (text.p[i] == '}') {
			n *= here;
			here = 0;
		}
		if (n > 4096 || here > 4096)
			return 0;
	}
	return here ? 0 : n;
}

/* The choice in the first group is the lowest digit of i. */
bool
price_variant(struct span text, size_t i, char out[PRICE_PATTERN_MAX + 1])
{
	size_t n = 0;

	while (text.p) {
		bool more = span_chr(text, '{') < text.n;
		struct span literal = span_next(&text, '{'), group, choice = { NULL, 0 };
		if (more) {
			group = span_next(&text, '}');
			size_t count = 1;
			for (size_t k = 0; k < group.n; k++)
				count += group.p[k] == ',';
			for (size_t k = 0; k <= i % count; k++)
				choice = span_next(&group, ',');
			i /= count;
		}
		if (n + literal.n + choice.n > PRICE_PATTERN_MAX)
			return false;
		if (literal.n)
			memcpy(out + n, literal.p, literal.n);
		n += literal.n;
		if (choice.n)
			memcpy(out + n, choice.p, choice.n);
		n += choice.n;
	}
	out[n] = '\0';
	return true;
}

bool
price_matches(const char *pattern, struct span name)
{
	const char *star = NULL;
	size_t i = 0, resume = 0;

	while (i < name.n) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = i;
		} else if (*pattern && *pattern == name.p[i]) {
			pattern++;
			i++;
		} else if (star) { /* the last * takes one more byte */
			pattern = star;
			i = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* In a shape, 0 is any digit, MM and DD are a month and a day, and all other characters are
 * themselves. */
static bool
has_shape(struct span s, struct span of)
{
	const char *shape = of.p;

	if (s.n != of.n)
		return false;
	for (size_t i = 0; i < of.n; i++) {
		bool digit = is_digit(s.p[i]);
		uint64_t two;
		if (shape[i] == 'M' || shape[i] == 'D') {
			if (!digit || span_u64(span_cut(s, i, i + 2), &two) || two < 1 ||
				two > (shape[i] == 'M' ? 12 : 31))
				return false;
			i++;
		} else if (shape[i] == '0' ? !digit : s.p[i] != shape[i]) {
			return false;
		}
	}
	return true;
}

/* version = "-" day | "@" day | "-" month day | "-" 3 digits | "-v" number [ ":" number ] |
 * "-latest" */
static bool
is_version(struct span s)
{
	static const struct span shapes[] = { SPAN_LIT("-2000MMDD"), SPAN_LIT("-2000-MM-DD"),
		SPAN_LIT("@2000MMDD"), SPAN_LIT("@2000-MM-DD"), SPAN_LIT("-MMDD"),
		SPAN_LIT("-000"), SPAN_LIT("-latest") };
	uint64_t v;

	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		if (has_shape(s, shapes[i]))
			return true;
	if (!span_starts(s, SPAN_LIT("-v")))
		return false;
	s = span_cut(s, 2, s.n);
	bool two = span_chr(s, ':') < s.n;
	return span_u64(span_next(&s, ':'), &v) == 0 && (!two || span_u64(s, &v) == 0);
}

struct span
price_bare_name(struct span model)
{
	if (span_starts(model, SPAN_LIT("arn:")) || span_starts(model, SPAN_LIT("models/")) ||
		span_starts(model, SPAN_LIT("projects/")))
		while (span_chr(model, '/') < model.n)
			span_next(&model, '/');
	return model;
}

size_t
price_version(struct span name)
{
	for (size_t i = name.n; i-- > 1;)
		if ((name.p[i] == '-' || name.p[i] == '@') &&
			is_version(span_cut(name, i, name.n)))
			return name.n - i;
	return 0;
}

/* Only a * of `wide` can match a * of `narrow`, because no other byte of a pattern is a *. */
bool
price_within(const char *narrow, const char *wide)
{
	return price_matches(wide, span_str(narrow));
}

/* Before the first * of either pattern, and after the last one, both must have the same bytes:
 * most of thousands of pairs are decided here. For the others, common[j] is true if the rest of
 * a from i and the rest of b from j match a common name. The table is filled from the ends to
 * the beginnings, one row at a time. */
bool
price_overlap(const char *a, const char *b)
{
	bool common[PRICE_PATTERN_MAX + 2], after;
	size_t na = strlen(a), nb = strlen(b);

	if (na > PRICE_PATTERN_MAX || nb > PRICE_PATTERN_MAX)
		return true; /* no reader accepts such a pattern */
	for (size_t i = 0; a[i] != '*' && b[i] != '*'; i++)
		if (a[i] != b[i] || !a[i])
			return a[i] == b[i];
	for (size_t i = na, j = nb; i-- && j-- && a[i] != '*' && b[j] != '*';)
		if (a[i] != b[j])
			return false;
	for (size_t i = na + 1; i-- > 0;) {
		bool diagonal = false; /* the value of the previous row at j + 1 */
		for (size_t j = nb + 1; j-- > 0; diagonal = after) {
			after = i < na && common[j];
			bool right = j < nb && common[j + 1];
			if (i == na && j == nb)
				common[j] = true;
			else if (i < na && a[i] == '*')
				common[j] = after || (j < nb && right);
			else if (j < nb && b[j] == '*')
				common[j] = right || after;
			else
				common[j] = i < na && j < nb && a[i] == b[j] && diagonal;
		}
	}
	return common[0];
}

bool
price_better(const char *best, const char *pattern, struct span name)
{
	return price_matches(pattern, name) && (!best || price_within(pattern, best));
}

bool
price_ambiguous(const char *a, const char *b)
{
	return price_overlap(a, b) && price_within(a, b) == price_within(b, a);
}

/* ---- prices ---- */

/* The largest sum is 2^48 tokens x 10^12 pico-dollars of twelve kinds x two shares of 10^5:
 * 2^125. */
__extension__ typedef unsigned __int128 wide;

#define NANO_MAX    INT64_MAX
#define PICO_NANO   1000
#define SHARE_WHOLE 10000
#define SHARE_MAX   100000
#define BIT(kind)   (1u << (kind))

const char *const price_names[PRICE_KINDS] = {
#define X(id, name, of, otherwise, help) name,
	PRICE_TABLE(X)
#undef X
};
static const enum price_of of_kind[PRICE_KINDS] = {
#define X(id, name, of, otherwise, help) of,
	PRICE_TABLE(X)
#undef X
};
static const enum price_kind otherwise_kind[PRICE_KINDS] = {
#define X(id, name, of, otherwise, help) otherwise,
	PRICE_TABLE(X)
#undef X
};
const char *const price_service_names[PRICE_SERVICES] = { "standard", "batch", "flex",
	"priority", "fast" };

enum price_of
price_of(enum price_kind k)
{
	return of_kind[k];
}

bool
price_apart(enum price_kind k)
{
	return of_kind[k] >= PRICE_EACH;
}

enum price_service
price_service_of(struct span word)
{
	static const char *const before[] = { "service_tier_", "on_demand_" };

	for (size_t i = 0; i < COUNT_OF(before); i++)
		if (span_ieq(span_cut(word, 0, strlen(before[i])), span_str(before[i])))
			word = span_cut(word, strlen(before[i]), word.n);
	for (enum price_service s = PRICE_BATCH; s < PRICE_SERVICES; s++)
		if (span_ieq(word, span_str(price_service_names[s])))
			return s;
	return PRICE_STANDARD;
}

/* ---- choosing the row ---- */

const struct price_list *
prices_list(const struct prices *p, struct span provider, struct span otherwise)
{
	const struct price_list *best = NULL;

	for (size_t i = 0; p && i < p->nlists; i++)
		if (price_better(best ? best->name : NULL, p->lists[i].name, provider))
			best = &p->lists[i];
	return best || !otherwise.n ? best
				    : prices_list(p, otherwise, (struct span){ NULL, 0 });
}

/* Returns true if row a takes precedence over row b; both match. Patterns of a list overlap only
 * if one is within the other (policy/prices.c). */
static bool
counts_before(const struct price_row *a, const struct price_row *b)
{
	return strcmp(a->model, b->model) ? price_within(a->model, b->model)
					  : a->from_s > b->from_s;
}

/* Returns at most eight bytes, followed by zeros. */
static uint64_t
first_name_bytes(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n < sizeof(v) ? n : sizeof(v));
	return v;
}

void
price_row_names(struct price_row *row, const char *model)
{
	size_t n = strcspn(model, "*");

	row->model = model;
	row->begins = first_name_bytes(model, n);
	row->begins_mask = first_name_bytes("\xff\xff\xff\xff\xff\xff\xff\xff", n);
}

/* Returns the best of the valid rows that match. `version`: the name is the base of one of its
 * versions, for which patterns that end in * were already tried. */
static const struct price_row *
best_row(const struct price_list *l, struct span model, int64_t at_s, bool version)
{
	const struct price_row *best = NULL;
	uint64_t begins = model.n ? first_name_bytes(model.p, model.n) : 0;

	for (size_t i = 0; l && i < l->nrows; i++) {
		const struct price_row *r = &l->rows[i];
		if ((begins ^ r->begins) & r->begins_mask)
			continue;
		bool open = span_ends(span_str(r->model), SPAN_LIT("*"));
		if (r->from_s <= at_s && !(version && open) && price_matches(r->model, model) &&
			(!best || counts_before(r, best)))
			best = r;
	}
	return best;
}

const struct price_row *
price_find(const struct price_list *l, struct span model, int64_t at_wall_ns)
{
	int64_t at_s = at_wall_ns / 1000000000;
	size_t n;

	model = price_bare_name(model);
	const struct price_row *best = best_row(l, model, at_s, false);
	while ((n = price_version(model)) > 0) {
		model.n -= n;
		const struct price_row *row = best_row(l, model, at_s, true);
		if (row && (!best || price_within(row->model, best->model)))
			best = row;
	}
	return best;
}

/* ---- what a request asked for ---- */

/* The entry fits certainly, possibly (with `most`, if a property is not stated), or not. */
enum fits { FITS_NOT, FITS_MAYBE, FITS };

static enum fits
price_fits(const struct price_where *w, const struct price_asked *asked, bool most)
{
	enum fits sure = FITS;

	for (enum price_ask a = 0; a < PRICE_ASKS; a++) {
		struct span v = asked->v[a];
		bool open = span_is(v, "auto") || (!v.n && most && a != ASKED_REGION);
		if (!w->is[a] || (v.n && price_matches(w->is[a], v)))
			continue;
		if (!open)
			return FITS_NOT;
		sure = FITS_MAYBE;
	}
	return sure;
}

/* Sets the price of a kind in all tiers. */
static void
set_rate(struct price_row *row, enum price_kind k, uint64_t pico)
{
	row->rates.pico[k] = pico;
	row->rates.has |= BIT(k);
	for (size_t i = 0; i < row->ntiers; i++) {
		row->tier[i].rates.pico[k] = pico;
		row->tier[i].rates.has |= BIT(k);
	}
}

/* Multiplies every share of the row by this one, rounded up to a hundredth of a percent, and at
 * most ten times the price, so that no sum overflows. */
static void
multiply_rates(struct price_row *row, uint64_t share)
{
	if (!row->share[PRICE_STANDARD])
		row->share[PRICE_STANDARD] = SHARE_WHOLE;
	for (size_t s = 0; s < PRICE_SERVICES; s++) {
		uint64_t v = (row->share[s] * share + SHARE_WHOLE - 1) / SHARE_WHOLE;
		row->share[s] = v > SHARE_MAX ? SHARE_MAX : (uint32_t)v;
	}
}

struct price_row
price_where(const struct price_row *row, const struct price_asked *asked, bool most)
{
	struct price_row out = *row;

	out.nwhere = 0;
	for (enum price_kind k = 0; row->nwhere && k <= PRICE_KINDS; k++) {
		uint64_t best = 0;
		bool any = false, sure = false;
		for (size_t i = 0; i < row->nwhere && !sure; i++) {
			const struct price_where *w = &row->where[i];
			bool says = k == PRICE_KINDS ? w->share : w->rates.has >> k & 1;
			enum fits f = says ? price_fits(w, asked, most) : FITS_NOT;
			uint64_t v = k == PRICE_KINDS ? w->share : w->rates.pico[k];
			any |= f != FITS_NOT;
			sure = f == FITS;
			best = f != FITS_NOT && v > best ? v : best;
		}
		uint64_t plain = k == PRICE_KINDS ? SHARE_WHOLE : row->rates.pico[k];
		if (any && !sure && plain > best)
			best = plain;
		if (any && k == PRICE_KINDS)
			multiply_rates(&out, best);
		else if (any)
			set_rate(&out, k, best);
	}
	return out;
}

/* ---- sums ---- */

/* Sets the price of one of a kind. Returns false if there is none. */
static bool
rate_of(const struct price_rates *r, enum price_kind k, uint64_t *pico)
{
	while (!(r->has & BIT(k)) && otherwise_kind[k] != k)
		k = otherwise_kind[k];
	*pico = r->has & BIT(k) ? r->pico[k] : 0;
	return r->has & BIT(k);
}

static uint32_t
share_of_service(const struct price_row *row, enum price_service s)
{
	uint32_t standard =
		row->share[PRICE_STANDARD] ? row->share[PRICE_STANDARD] : SHARE_WHOLE;

	if (!row->share[s] && s == PRICE_FAST)
		s = PRICE_PRIORITY;
	return row->share[s] ? row->share[s] : standard;
}

static uint32_t
us_share(const struct price_row *row, const struct price_usage *u)
{
	return u->us_only && row->us_only ? row->us_only : SHARE_WHOLE;
}

/* Pico-dollars: the part that shares apply to, and the part that costs the same in every tier. */
struct sum {
	wide shared, apart;
};

static void
sum_add(const struct price_row *row, struct sum *sum, enum price_kind k, wide pico)
{
	if (of_kind[k] == PRICE_HOURS)
		pico = (pico + 3599) / 3600;
	if (!price_apart(k) || row->shared & BIT(k))
		sum->shared += pico;
	else
		sum->apart += pico;
}

/* Rounds up to a nano-dollar. */
static int
to_nano(const struct sum *sum, uint32_t share, uint32_t us, struct price_cost *out)
{
	const wide whole = (wide)SHARE_WHOLE * SHARE_WHOLE, unit = PICO_NANO * whole;
	wide nano = (sum->shared * share * us + sum->apart * whole + unit - 1) / unit;

	out->nanousd = nano > NANO_MAX ? NANO_MAX : (uint64_t)nano;
	return nano > NANO_MAX ? ERR_RANGE : 0;
}

/* Limits n to 2^48, so that no sum of kinds overflows. */
static uint64_t
bounded_count(uint64_t n)
{
	return n > 1ull << 48 ? 1ull << 48 : n;
}

int
price_cost(const struct price_row *row, const struct price_usage *used, struct price_cost *out)
{
	uint64_t prompt = 0, pico;
	struct sum sum = { 0, 0 };

	*out = (struct price_cost){ 0 };
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		prompt += of_kind[k] == PRICE_PROMPT ? bounded_count(used->n[k]) : 0;
	/* The prices for a prompt of this length. */
	const struct price_rates *rates = &row->rates;
	for (size_t i = 0; i < row->ntiers && prompt > row->tier[i].over; i++)
		rates = &row->tier[i].rates;
	for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
		if (!used->n[k])
			continue;
		if (!rate_of(rates, k, &pico))
			out->unpriced |= BIT(k);
		sum_add(row, &sum, k, (wide)bounded_count(used->n[k]) * pico);
	}
	return to_nano(&sum, share_of_service(row, used->service), us_share(row, used), out);
}

/* Returns the cost of n tokens of the prompt or of the response, each of the most expensive kind
 * that is possible. */
static wide
dearest_rate(const struct price_rates *r, enum price_of of, uint64_t n, unsigned may,
	unsigned *unpriced)
{
	uint64_t most = 0, pico;

	for (enum price_kind k = 0; n && k < PRICE_KINDS; k++) {
		if (of_kind[k] != of || !(may & BIT(k)))
			continue;
		if (!rate_of(r, k, &pico))
			*unpriced |= BIT(k);
		most = pico > most ? pico : most;
	}
	return (wide)bounded_count(n) * most;
}

static struct sum
worst_with(const struct price_row *row, const struct price_rates *r,
	const struct price_usage *most, unsigned may, unsigned *unpriced)
{
	struct sum sum = {
		.shared = dearest_rate(r, PRICE_PROMPT, most->n[PRICE_INPUT], may, unpriced) +
			  dearest_rate(r, PRICE_ANSWER, most->n[PRICE_OUTPUT], may, unpriced)
	};
	uint64_t pico;

	for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
		uint64_t n = k == PRICE_REQUESTS && !most->n[k] ? 1 : most->n[k];
		if (!price_apart(k) || !n)
			continue;
		if (!rate_of(r, k, &pico))
			*unpriced |= BIT(k);
		sum_add(row, &sum, k, (wide)bounded_count(n) * pico);
	}
	return sum;
}

/* Returns the highest share that may apply. A service tier that was requested may not be
 * granted, and is then paid in full. A batch is always a batch. */
static uint32_t
dearest_share(const struct price_row *row, const struct price_usage *most)
{
	uint64_t full = share_of_service(row, PRICE_STANDARD),
		 asked = share_of_service(row, most->service);

	if (asked < full)
		asked = full;
	return (uint32_t)(most->batch
				  ? (asked * share_of_service(row, PRICE_BATCH) + full - 1) /
					    full
				  : asked);
}

int
price_worst(const struct price_row *row, const struct price_usage *most, unsigned may,
	struct price_cost *out)
{
	const unsigned always =
		BIT(PRICE_INPUT) | BIT(PRICE_CACHED) | BIT(PRICE_OUTPUT) | BIT(PRICE_REASONING);
	uint32_t share = dearest_share(row, most), us = us_share(row, most);
	struct price_cost one = { 0 };

	*out = (struct price_cost){ 0 };
	may |= always;
	us = us > SHARE_WHOLE ? us : SHARE_WHOLE;
	struct sum sum = worst_with(row, &row->rates, most, may, &out->unpriced);
	int err = to_nano(&sum, share, us, out);
	/* A shorter prompt stays in a lower tier, which may be more expensive. */
	for (size_t i = 0; i < row->ntiers && most->n[PRICE_INPUT] > row->tier[i].over; i++) {
		sum = worst_with(row, &row->tier[i].rates, most, may, &out->unpriced);
		if (to_nano(&sum, share, us, &one))
			err = ERR_RANGE;
		if (one.nanousd > out->nanousd)
			out->nanousd = one.nanousd;
	}
	return err;
}

/* ---- numbers ---- */

int
price_parse(struct span text, unsigned scale, uint64_t *pico)
{
	bool ends = span_ends(text, SPAN_LIT("."));
	struct span whole = span_next(&text, '.');
	uint64_t v = 0;
	int err = ends ? ERR_SYNTAX : span_u64(whole, &v);

	if (err || v > PRICE_USD_MAX)
		return err ? err : ERR_RANGE;
	for (unsigned i = 0; i < scale; i++) {
		unsigned digit = 0;
		if (i < text.n) {
			if (text.p[i] < '0' || text.p[i] > '9')
				return ERR_SYNTAX;
			digit = (unsigned)(text.p[i] - '0');
		}
		v = v * 10 + digit;
	}
	for (size_t i = scale; i < text.n; i++)
		if (text.p[i] != '0')
			return text.p[i] > '0' && text.p[i] <= '9' ? ERR_RANGE : ERR_SYNTAX;
	*pico = v;
	return 0;
}

void
price_text(uint64_t nanousd, char out[PRICE_TEXT_MAX])
{
	int n = snprintf(out, PRICE_TEXT_MAX, "%llu.%09llu",
		(unsigned long long)(nanousd / 1000000000),
		(unsigned long long)(nanousd % 1000000000));

	while (n > 2 && out[n - 1] == '0' && out[n - 2] != '.')
		out[--n] = '\0';
}
