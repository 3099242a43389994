/* Counts and places that the values of a text share. Apart from check_value.c, which reads one
 * value. */
#include "scan/detect/validate/value_memo.h"

#include <math.h>
#include <string.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/validate/check.h"

enum { COUNTED_MAX = 2048 }; /* bytes of a value; a longer one is counted without the memo */

static uint64_t terms[COUNTED_MAX + 1]; /* n: n * log2(n), in units of 2^-32 */
static float logs[COUNTED_MAX + 1];	/* n: log2(n) */

__attribute__((constructor)) static void
fill_terms(void)
{
	for (unsigned n = 1; n <= COUNTED_MAX; n++) {
		terms[n] = (uint64_t)llround(n * log2(n) * 0x1p32);
		logs[n] = log2f((float)n);
	}
}

static size_t *
mix_member(struct mix *m, char c)
{
	if (is_lower(c))
		return &m->lower;
	if (is_upper(c))
		return &m->upper;
	if (is_digit(c))
		return &m->digit;
	return is_high(c) ? &m->foreign : &m->other;
}

struct mix
mix_of(struct span s)
{
	struct mix m = { 0 };

	effort_add(s.n);
	for (size_t i = 0; i < s.n; i++) {
		m.lower += is_lower(s.p[i]);
		m.upper += is_upper(s.p[i]);
		m.digit += is_digit(s.p[i]);
		m.foreign += is_high(s.p[i]);
	}
	m.other = s.n - m.foreign - m.lower - m.upper - m.digit;
	return m;
}

static void
count_byte(struct value_counts *k, char c)
{
	uint16_t *n = &k->of[(unsigned char)c];

	k->sum += terms[*n + 1] - terms[*n];
	++*n;
	++*mix_member(&k->mix, c);
}

static void
discount_byte(struct value_counts *k, char c)
{
	uint16_t *n = &k->of[(unsigned char)c];

	k->sum -= terms[*n] - terms[*n - 1];
	--*n;
	--*mix_member(&k->mix, c);
}

static void
counts_move(struct value_counts *k, struct span s)
{
	const char *end = s.p + s.n;

	if (k->from == s.p && k->to == end)
		return;
	if (!k->from || s.p >= k->to || end <= k->from || s.p < k->from) {
		*k = (struct value_counts){ .from = s.p, .to = s.p };
		effort_add(32);
	}
	effort_add(2 * (size_t)(s.p - k->from) +
		   2 * (size_t)(end > k->to ? end - k->to : k->to - end));
	while (k->to > end)
		discount_byte(k, *--k->to);
	while (k->from < s.p)
		discount_byte(k, *k->from++);
	while (k->to < end)
		count_byte(k, *k->to++);
}

struct mix
value_counts(struct value_memo *m, struct span s)
{
	if (s.n == 0 || s.n > COUNTED_MAX)
		return mix_of(s);
	counts_move(&m->counts, s);
	return m->counts.mix;
}

float
value_entropy(struct value_memo *m, struct span s)
{
	if (s.n == 0 || s.n > COUNTED_MAX)
		return entropy(s);
	counts_move(&m->counts, s);
	return logs[s.n] - (float)((double)m->counts.sum * 0x1p-32 / (double)s.n);
}

bool
value_has_any(struct value_memo *m, struct span s, const char *set)
{
	bool counted = s.n && s.n <= COUNTED_MAX;

	if (counted)
		counts_move(&m->counts, s);
	for (; *set; set++)
		if (counted ? m->counts.of[(unsigned char)*set] > 0 : span_chr(s, *set) < s.n)
			return true;
	return false;
}

bool
value_holds(struct value_place *memo, struct span text, struct span s, value_begins_fn *begins)
{
	const char *end = s.p + s.n, *text_end = text.p + text.n;
	size_t n = 0;

	if (!memo->from || s.p < memo->from || s.p > memo->to)
		*memo = (struct value_place){ .from = s.p, .to = s.p };
	const char *p = memo->to;
	for (; !memo->start && p < end; p++) {
		n = begins(span_of(p, (size_t)(text_end - p)));
		if (!n)
			continue;
		memo->start = p;
		memo->end = p + n;
		break;
	}
	effort_add((size_t)(p - memo->to));
	memo->to = p;
	if (!memo->start || memo->start >= end)
		return false;
	if (memo->end <= end)
		return true;
	/* The first place reaches beyond s; a shorter one may begin after it. */
	for (p = memo->start; p < end; p++) {
		n = begins(span_of(p, (size_t)(end - p)));
		effort_add(1);
		if (n)
			return true;
	}
	return false;
}
