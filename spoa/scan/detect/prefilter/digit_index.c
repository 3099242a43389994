/* Builds the index of digit runs once, from the patterns' start conditions, their look-behinds,
 * and the automata. Each source clears the bits of patterns that it excludes. The scan queries
 * the index at each run of a text with digit_index_look(). */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/err.h"
#include "scan/detect/prefilter/prefilter.h"

/* ---- bits ---- */

static void
set_bit(struct pattern_set *s, unsigned bit)
{
	s->v[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* Assigns bits to the patterns: first those that need no context word. Each kind begins at a
 * word of its own, so that a lookup without context reads fewer words. */
static void
number_bits(struct prefilter *f, const struct pattern *v, size_t n)
{
	unsigned next = 0, limit = PATTERN_SET_BITS - 64;

	for (int wanting = 0; wanting < 2; wanting++) {
		for (size_t i = 0; i < n; i++) {
			const struct pattern *p = &v[i];
			if (p->kind != START_DIGITS ||
				(p->context_bit != CONTEXT_NONE) != wanting)
				continue;
			f->pattern_bit[i] = (uint16_t)(next < limit ? next : limit - 1);
			if (next == limit)
				set_bit(&f->digits.shared, limit - 1);
			next += next < limit;
		}
		next = (next + 63) / 64 * 64;
		for (unsigned k = 0; !wanting && k < next / 64; k++)
			f->digits.always.v[k] = ~UINT64_C(0);
		if (!wanting)
			f->digits.far = next / 64;
		limit = PATTERN_SET_BITS;
	}
}

/* ---- conditions of the patterns ---- */

/* Returns true if a match that begins at the run can have this byte before the run. `digit`: a
 * digit is before the byte. */
static bool
may_stand_before(const struct pattern *p, unsigned byte, bool digit)
{
	if (byte == RUN_EDGE)
		return !p->edges.needs_before;
	return !set_has(p->edges.not_before, (char)byte) &&
	       (!p->edges.needs_before || set_has(p->edges.before, (char)byte)) &&
	       !(digit && set_has(p->edges.not_before_2, (char)byte));
}

/* Returns true if a match that begins before the run can have this byte two places before the
 * run. */
static bool
may_stand_second(const struct pattern *p, unsigned byte)
{
	bool one = false; /* a match can begin with the byte between */

	for (unsigned c = 0; c < 256; c++)
		one |= set_has(p->first, (char)c) && set_has(p->back_set, (char)c);
	return (one && may_stand_before(p, byte, false)) ||
	       (p->back_max > 1 && byte < RUN_EDGE && set_has(p->back_set, (char)byte));
}

static void
index_edges(struct digit_index *x, const struct pattern *p, unsigned bit)
{
	bool first = false;

	for (unsigned d = 0; d < 10; d++) {
		bool may = set_has(p->first, (char)('0' + d));
		first |= may;
		if (may || p->back_max)
			set_bit(&x->first_digit[d], bit);
	}
	for (unsigned digit = 0; digit < 2; digit++)
		for (unsigned c = 0; c <= RUN_EDGE; c++)
			if ((first && may_stand_before(p, c, digit)) ||
				(p->back_max && c < RUN_EDGE && set_has(p->back_set, (char)c)))
				set_bit(&x->before[digit][c], bit);
	for (unsigned c = 0; c <= RUN_EDGE; c++)
		if (first || may_stand_second(p, c))
			set_bit(&x->before_2[c], bit);
}

/* Returns true if the rule's `then` and `alone` allow this byte after the run. `digit`: a digit
 * follows the byte. */
static bool
may_follow(const struct pattern *p, unsigned run, unsigned char next, bool digit)
{
	if (p->alone >> run & 1 && !is_alnum((char)next))
		return true;
	if (!(p->runs >> run & 1))
		return false;
	return !p->has_then || (set_has(p->then, (char)next) &&
				       (is_alnum((char)next) || next >= 0x80 || digit));
}

static void
index_after(struct digit_index *x, const struct pattern *p, unsigned bit)
{
	struct pattern_set(*to)[AUTOMATON_CLASSES][RUN_KINDS] = x->after;

	for (unsigned run = 1; run <= DIGIT_RUN_MAX; run++) {
		if (!((p->runs | p->alone) >> run & 1))
			continue;
		for (unsigned c = 0; c < 256; c++)
			for (unsigned kind = 0; kind < RUN_KINDS; kind++)
				if (may_follow(p, run, (unsigned char)c, kind == RUN_DIGIT))
					set_bit(&to[run][x->class_of[c]][kind], bit);
		if (may_follow(p, run, 0, false))
			set_bit(&to[run][AUTOMATON_END][RUN_OTHER], bit);
	}
}

/* ---- conditions of the automata ---- */

/* The state of adding one automaton to the index. Arrays have one entry a state. */
struct walker {
	uint32_t kinds[RUN_KINDS]; /* masks of classes */
	const struct prefilter *f;
	const struct automaton *o;
	/* patterns still possible in a state, and after a run that ends in the state; computed
	 * on demand */
	struct pattern_set *of_state, *ended;
	bool *known, *has_ended;
	bool *seen; /* states already processed in a walk */
};

static const struct pattern_set *
pattern_set_of(struct walker *w, uint16_t state)
{
	struct pattern_set *s = &w->of_state[state];
	const struct automaton_list *l = &w->o->lists[state];

	if (!w->known[state])
		for (size_t i = 0; i < l->n; i++)
			set_bit(s, w->f->pattern_bit[w->o->patterns[l->from + i]]);
	w->known[state] = true;
	return s;
}

static uint16_t
state_step(const struct automaton *o, uint16_t state, unsigned class)
{
	return state < o->live ? o->next[state][class] : state;
}

/* Returns the patterns still possible if a run of digits ends in this state. */
static const struct pattern_set *
ended_of(struct walker *w, uint16_t state)
{
	struct pattern_set *s = &w->ended[state];
	unsigned digit = w->o->class_of['0'];

	if (!w->has_ended[state])
		for (unsigned k = 0; k <= AUTOMATON_END; k++)
			if (k != digit)
				pattern_set_join(
					s, pattern_set_of(w, state_step(w->o, state, k)));
	w->has_ended[state] = true;
	return s;
}

/* Adds the patterns still possible after second runs of 1, 2, … digits, from a state after a
 * run and one byte. */
static void
walk_second(struct walker *w, uint16_t state, struct pattern_set second[DIGIT_RUN_MAX + 1])
{
	unsigned digit = w->o->class_of['0'];

	for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++) {
		state = state_step(w->o, state, digit);
		pattern_set_join(&second[n], ended_of(w, state));
	}
	/* longer runs: every pattern that is still possible */
	pattern_set_join(&second[DIGIT_RUN_MAX], pattern_set_of(w, state));
}

/* Adds the patterns still possible after the state, by the kind of the next byte. */
static void
walk_kinds(struct walker *w, uint16_t state, struct pattern_set after[RUN_KINDS])
{
	for (unsigned kind = 0; kind < RUN_KINDS; kind++)
		for (uint32_t c = w->kinds[kind]; c; c &= c - 1)
			pattern_set_join(&after[kind],
				pattern_set_of(w,
					state_step(w->o, state, (unsigned)__builtin_ctz(c))));
}

/* Adds to `after` the patterns still possible after runs of n digits and a byte of the
 * class. */
static void
walk_first(struct walker *w, unsigned class, unsigned n, struct pattern_set after[RUN_KINDS])
{
	const struct automaton *o = w->o;

	memset(w->seen, 0, o->states);
	for (unsigned i = 0; i < 2 * AUTOMATON_CLASSES; i++) {
		uint16_t s = o->after[i % 2][i / 2][n];
		if (i / 2 == AUTOMATON_END || w->seen[s])
			continue;
		w->seen[s] = true;
		if (n < DIGIT_RUN_MAX)
			walk_kinds(w, state_step(o, s, class), after);
		for (unsigned k = 0; n == DIGIT_RUN_MAX && k < RUN_KINDS; k++)
			pattern_set_join(
				&after[k], pattern_set_of(w, s)); /* any number of digits */
	}
}

/* Adds to `second` the patterns still possible after all short runs, a byte of the class and a
 * second run. */
static void
walk_on(struct walker *w, unsigned class, struct pattern_set second[DIGIT_RUN_MAX + 1])
{
	const struct automaton *o = w->o;

	memset(w->seen, 0, o->states);
	for (unsigned i = 0; i < 2 * AUTOMATON_CLASSES * (DIGIT_RUN_MAX - 1); i++) {
		unsigned n = 1 + i / AUTOMATON_CLASSES / 2, before = i / 2 % AUTOMATON_CLASSES;
		uint16_t s = state_step(o, o->after[i % 2][before][n], class);
		if (before != AUTOMATON_END && !w->seen[s])
			walk_second(w, s, second);
		w->seen[s] = true;
	}
}

/* Walks the automaton over all short runs, and records the patterns that remain. */
static void
walk_runs(struct walker *w, struct digit_index *to)
{
	for (unsigned k = 0; k <= AUTOMATON_END; k++) {
		for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++)
			walk_first(w, k, n, to->after[n][k]);
		walk_on(w, k, to->second[k]);
	}
	for (uint16_t s = 0; s < w->o->states; s++)
		for (unsigned k = 0; k <= AUTOMATON_END && w->has_ended[s]; k++)
			pattern_set_join(
				&to->third[k], pattern_set_of(w, state_step(w->o, s, k)));
}

/* Keeps those bits of the automaton's patterns (`all`) that the automaton allows. Bits of other
 * patterns stay. */
static void
narrow_sets(struct pattern_set *v, const struct pattern_set *said, size_t n,
	const struct pattern_set *all)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
			v[i].v[k] &= ~all->v[k] | said[i].v[k];
}

#define NARROW(to, said, part, all)                                                            \
	narrow_sets((struct pattern_set *)(to)->part,                                          \
		(const struct pattern_set *)(said)->part,                                      \
		sizeof((to)->part) / sizeof(struct pattern_set), all)

/* Removes from the index the patterns that the automaton excludes. `said` is working memory.
 * Returns 0 or ERR_NOMEM. prose: ok said */
static int
index_automaton(struct prefilter *f, const struct automaton *o, struct digit_index *said)
{
	struct walker w = { .f = f, .o = o, .kinds[RUN_OTHER] = 1u << AUTOMATON_END };
	struct pattern_set all = { { 0 } };
	int err = ERR_NOMEM;

	w.of_state = calloc(o->states, sizeof(*w.of_state));
	w.ended = calloc(o->states, sizeof(*w.ended));
	w.known = calloc(o->states, sizeof(*w.known));
	w.has_ended = calloc(o->states, sizeof(*w.has_ended));
	w.seen = calloc(o->states, sizeof(*w.seen));
	if (!w.of_state || !w.ended || !w.known || !w.has_ended || !w.seen)
		goto out;
	for (unsigned c = 0; c < 256; c++)
		w.kinds[f->digits.kind_of[c]] |= 1u << o->class_of[c];
	memset(said, 0, sizeof(*said));
	walk_runs(&w, said);
	for (size_t i = 0; i < o->nlisted; i++)
		if (!pattern_set_has(&f->digits.shared, f->pattern_bit[o->patterns[i]]))
			set_bit(&all, f->pattern_bit[o->patterns[i]]);
	NARROW(&f->digits, said, after, &all);
	NARROW(&f->digits, said, second, &all);
	NARROW(&f->digits, said, third, &all);
	err = 0;
out:
	free(w.of_state);
	free(w.ended);
	free(w.known);
	free(w.has_ended);
	free(w.seen);
	return err;
}

static void
first_words(uint64_t *to, const struct pattern_set *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i].v[0];
}

#define FIRST_WORDS(x, part)                                                                   \
	first_words((uint64_t *)(x)->alone.part, (const struct pattern_set *)(x)->part,        \
		sizeof((x)->alone.part) / sizeof(uint64_t))

int
digit_index_build(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n)
{
	struct digit_index *x = &f->digits, *said = calloc(1, sizeof(*said));
	int err = said ? 0 : ERR_NOMEM;

	f->pattern_bit = arena_array(a, n + 1, sizeof(*f->pattern_bit));
	x->by_context = arena_array(a, CONTEXT_LISTS, sizeof(*x->by_context));
	if (!f->pattern_bit || !x->by_context)
		err = ERR_NOMEM;
	if (!err) {
		memset(x->by_context, 0, CONTEXT_LISTS * sizeof(*x->by_context));
		memset(x->second, 0xFF, sizeof(x->second));
		memset(x->third, 0xFF, sizeof(x->third));
		memcpy(x->class_of, f->automata[0].class_of,
			sizeof(x->class_of)); /* all automata have the same classes */
		number_bits(f, v, n);
	}
	for (unsigned c = 0; c < 256; c++)
		x->kind_of[c] = c >= 0x80	    ? RUN_HIGH
				: is_digit((char)c) ? RUN_DIGIT
				: is_alpha((char)c) ? RUN_LETTER
						    : RUN_OTHER;
	for (size_t i = 0; i < n && !err; i++) {
		const struct pattern *p = &v[i];
		if (p->kind != START_DIGITS)
			continue;
		index_edges(x, p, f->pattern_bit[i]);
		index_after(x, p, f->pattern_bit[i]);
		if (p->context_bit != CONTEXT_NONE)
			set_bit(&x->by_context[p->context_bit], f->pattern_bit[i]);
	}
	for (int k = 0; k < AUTOMATA && !err; k++) {
		const struct automaton *o = &f->automata[k];
		for (size_t i = 0; i < o->nlisted; i++) {
			unsigned bit = f->pattern_bit[o->patterns[i]];
			if (k == AUTOMATON_WORD)
				set_bit(&f->word_patterns, bit);
			f->automata_of[bit] |= (uint8_t)(1u << k);
		}
		if (k != AUTOMATON_WORD) /* its walk begins before the run */
			err = index_automaton(f, o, said);
	}
	FIRST_WORDS(x, before);
	FIRST_WORDS(x, before_2);
	FIRST_WORDS(x, first_digit);
	FIRST_WORDS(x, after);
	free(said);
	return err;
}
