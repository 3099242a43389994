/* Determines where, in a text that continues, the first match may begin that the end cuts off.
 * scan.c finds matches that are incomplete (PCRE2's partial matching). This file adds the
 * matches whose start condition is not in the text yet. */
#include "base/ascii.h"
#include "base/bits.h"
#include "base/err.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/engine.h"
#include "scan/detect/prefilter/starts.h"

bool
open_separates(char c)
{
	static const uint64_t set[4] = { UINT64_C(0x4800130500003e00),
		UINT64_C(0x3800000028000000) };

	return set_has(set, c);
}

/* ---- the index of beginnings ---- */

static bool
has_separator(const uint64_t set[4])
{
	for (unsigned c = 0; c < 0x80; c++)
		if (open_separates((char)c) && set_has(set, (char)c))
			return true;
	return false;
}

/* Returns the number of bytes up to the first separator inside the literal, the separator
 * included, or 0 if there is none. */
static size_t
literal_word_of(const struct literal *l)
{
	for (size_t i = 0; i + 1 < l->text.n; i++)
		if (open_separates(l->text.p[i]))
			return i + 1;
	return 0;
}

/* Returns the slot of the last two bytes before p. */
static unsigned
opener_slot(const char *p)
{
	return ((unsigned)(unsigned char)to_lower(p[-1]) * 37 +
		       (unsigned char)to_lower(p[-2])) %
	       OPEN_SLOTS;
}

typedef void each_begin(struct open_index *x, struct literal_begin b);

/* Calls `each` with the beginnings of literals that contain a separator. A shorter beginning is
 * a word that has not ended. A single separator is recorded in `alone`, except for a space
 * before the name of a value. */
static void
all_begins(struct detect_rules *r, each_begin *each)
{
	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = r->prefilter.literals[h]; l; l = l->next)
			for (size_t n = literal_word_of(l); n && n < l->text.n; n++)
				if (n > 1)
					each(&r->open,
						(struct literal_begin){ l, (uint16_t)n });
				else if (l->text.p[0] != ' ' || !r->patterns[l->pattern].group)
					set_add(r->open.alone, (unsigned char)l->text.p[0]);
}

static void
count_begin(struct open_index *x, struct literal_begin b)
{
	x->begins[opener_slot(b.literal->text.p + b.n) + 1]++;
}

/* During the filling, begins[h] is the place of the next beginning of slot h; after it, the
 * place at which slot h + 1 begins. */
static void
add_begin(struct open_index *x, struct literal_begin b)
{
	x->v[x->begins[opener_slot(b.literal->text.p + b.n)]++] = b;
}

int
open_finish(struct detect_rules *r)
{
	struct open_index *x = &r->open;

	all_begins(r, count_begin);
	for (unsigned h = 0; h < OPEN_SLOTS; h++)
		x->begins[h + 1] = (uint16_t)(x->begins[h + 1] + x->begins[h]);
	x->v = arena_array(&r->arena, x->begins[OPEN_SLOTS] + 1u, sizeof(*x->v));
	x->patterns = arena_array(&r->arena, r->npatterns + 1, sizeof(*x->patterns));
	if (!x->v || !x->patterns)
		return ERR_NOMEM;
	all_begins(r, add_begin);
	memmove(x->begins + 1, x->begins, OPEN_SLOTS * sizeof(*x->begins));
	x->begins[0] = 0;
	for (size_t i = 0; i < r->npatterns; i++)
		x->digits |= r->patterns[i].kind == START_DIGITS;
	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].back_max && has_separator(r->patterns[i].back_set))
			x->patterns[x->npatterns++] = (uint16_t)i;
	return 0;
}

/* ---- incomplete beginnings ---- */

static bool
is_off(const struct detect_rules *r, const struct detect_options *opt, uint16_t pattern)
{
	return scan_threshold(r, opt, r->patterns[pattern].entity) > 1.0f;
}

/* Returns true if the text ends with the beginning of the literal. */
static bool
has_begun(const struct literal_begin *b, struct span t)
{
	struct span begin = span_of(b->literal->text.p, b->n);

	if (b->n > t.n)
		return false;
	struct span end = span_of(t.p + t.n - b->n, b->n);
	return to_lower(end.p[0]) == to_lower(begin.p[0]) &&
	       (b->literal->caseless ? span_ieq(end, begin) : span_eq(end, begin));
}

/* Returns the offset of the first literal that the text's end cuts off, or of the first pattern
 * that begins before the digits or the byte of its start condition. Returns t.n if there is
 * none. */
static size_t
begun_before(const struct detect_rules *r, struct detect_scratch *s, struct span t,
	const struct detect_options *opt)
{
	unsigned slot = t.n > 1 ? opener_slot(t.p + t.n) : 0;
	size_t from = set_has(r->open.alone, t.p[t.n - 1]) ? t.n - 1 : t.n;

	for (size_t i = r->open.begins[slot]; t.n > 1 && i < r->open.begins[slot + 1]; i++) {
		const struct literal_begin *b = &r->open.v[i];
		if (t.n - b->n < from && has_begun(b, t) &&
			!is_off(r, opt, b->literal->pattern))
			from = t.n - b->n;
	}
	for (size_t i = 0; i < r->open.npatterns; i++) {
		const struct pattern *p = &r->patterns[r->open.patterns[i]];
		if (is_off(r, opt, p->index))
			continue;
		for (size_t at = t.n; at > 0 && t.n - at < p->back_max &&
				      set_has(p->back_set, t.p[at - 1]);) {
			at--;
			if (at < from && rules_may_continue(r, s, t, p, at))
				from = at;
		}
	}
	return from;
}

/* ---- the scan ---- */

int
open_scan(const struct detect_rules *r, struct detect_scratch *s, struct span t,
	const struct detect_options *opt, size_t at, size_t *from)
{
	/* The space with which a literal begins may have been returned already. */
	s->open = (struct scan_open){ .of = t.p, .least = at ? at - 1 : 0, .from = t.n };
	int err = scan_candidates(r, s, t, opt);
	s->open.of = NULL;
	size_t begun = err || t.n == 0 ? t.n : begun_before(r, s, t, opt);
	*from = begun < s->open.from ? begun : s->open.from;
	return err;
}

bool
open_is_quiet(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span t, size_t at, size_t *open)
{
	const struct prefilter *f = &r->prefilter;
	struct starts v;

	if (r->nanywhere)
		return false;
	/* A match whose digits or byte are in the incomplete word may begin before the word. */
	for (size_t from = at; from < t.n; from += BLOCK) {
		starts_at(f, t.p + from, t.n - from, &v);
		if (v.byte | (r->open.digits ? v.digit : 0))
			return false;
		if (from < *open && v.literal & bits_below(*open - from))
			return false;
	}
	size_t begun = begun_before(r, s, t, opt);
	if (begun < *open)
		*open = begun;
	return true;
}
