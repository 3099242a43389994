/* The index of digit runs: built once from the patterns' start conditions, what their
 * look-behinds say, and the automata; asked at every run of a text. */
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

/* Patterns that need no context word first; each kind begins a word of its own. */
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

/* ---- what the patterns say ---- */

/* Whether a match that begins at the run, not before it, may have this before it. */
static bool
may_stand_before(const struct pattern *p, unsigned byte, bool digit)
{
	if (byte == RUN_EDGE)
		return !p->edges.needs_before;
	return !set_has(p->edges.not_before, (char)byte) &&
	       (!p->edges.needs_before || set_has(p->edges.before, (char)byte)) &&
	       !(digit && set_has(p->edges.not_before_2, (char)byte));
}

/* Whether a match that begins before the run may have this byte in the second place
 * before it. */
static bool
may_stand_second(const struct pattern *p, unsigned byte)
{
	bool one = false; /* it may begin with the byte between */

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

/* The rule's own `then` and `alone`. */
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

/* ---- what the automata say ---- */

/* An automaton while its part of the index is made. */
struct walker {
	uint32_t kinds[RUN_KINDS]; /* classes */
	const struct prefilter *f;
	const struct automaton *o;
	struct pattern_set *of_state, *ended; /* patterns still possible; where known: */
	bool *known, *has_ended;
	bool *seen; /* by state */
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

/* Those still possible where a run of digits ends in the state. */
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

/* What runs of 1, 2… digits leave after a state that a run and one byte more led to. */
static void
walk_second(struct walker *w, uint16_t state, struct pattern_set second[DIGIT_RUN_MAX + 1])
{
	unsigned digit = w->o->class_of['0'];

	for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++) {
		state = state_step(w->o, state, digit);
		pattern_set_join(&second[n], ended_of(w, state));
	}
	/* Longer ones: whatever the digits so far leave. */
	pattern_set_join(&second[DIGIT_RUN_MAX], pattern_set_of(w, state));
}

/* Joins what the state leaves, by the kind of byte that follows. */
static void
walk_kinds(struct walker *w, uint16_t state, struct pattern_set after[RUN_KINDS])
{
	for (unsigned kind = 0; kind < RUN_KINDS; kind++)
		for (uint32_t c = w->kinds[kind]; c; c &= c - 1)
			pattern_set_join(&after[kind],
				pattern_set_of(w,
					state_step(w->o, state, (unsigned)__builtin_ctz(c))));
}

/* Adds to `after` what runs of n digits and a byte of the class leave. */
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

/* Adds to `second` what comes after them. */
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

/* Walks the automaton over all short runs and notes which of its patterns are left. */
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

/* Cuts a part of the index: of the automaton's patterns only what it said is kept. */
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

/* Takes from the index what the automaton excludes. */
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
			sizeof(x->class_of)); /* as in all */
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
		if (k != AUTOMATON_WORD) /* whose walk begins before the run */
			err = index_automaton(f, o, said);
	}
	FIRST_WORDS(x, before);
	FIRST_WORDS(x, before_2);
	FIRST_WORDS(x, first_digit);
	FIRST_WORDS(x, after);
	free(said);
	return err;
}
