/* Builds the prefilter of a rule set from its patterns, in this order: byte sets, the facts in
 * the patterns' trees, literals, automata of digit patterns, the digit index (which needs the
 * automata), automata of byte patterns. The scan queries the tables; nothing changes them later. */
#include "scan/detect/prefilter/prefilter.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/scoped.h"

/* ---- the distance of the first digit ---- */

enum { OFFSET_MAX = 4096 };

/* Returns the maximum width of n in bytes, at most OFFSET_MAX. */
static size_t
width_of(const struct regex_node *n)
{
	size_t w = 0, c;

	if (n->kind == REGEX_SET)
		return 1;
	if (n->kind == REGEX_LOOK)
		return 0;
	for (const struct regex_node *x = n->child; x; x = x->next) {
		c = width_of(x);
		w = n->kind == REGEX_ALT ? (c > w ? c : w) : w + c;
		w = w < OFFSET_MAX ? w : OFFSET_MAX;
	}
	if (n->kind == REGEX_REPEAT)
		w = n->max && w > OFFSET_MAX / n->max ? OFFSET_MAX : w * n->max;
	return w;
}

/* Returns the maximum number of bytes up to the first digit that every match of n, or its
 * look-ahead, has; 0: some match has none. */
static size_t
digit_in(const struct regex_node *n)
{
	size_t w = 0, digit;

	switch (n->kind) {
	case REGEX_SET:
		return !(n->set[0] & ~(UINT64_C(0x3FF) << '0')) &&
		       !(n->set[1] | n->set[2] | n->set[3]);
	case REGEX_LOOK: return n->negative || n->behind ? 0 : digit_in(n->child);
	case REGEX_REPEAT: return n->min ? digit_in(n->child) : 0;
	case REGEX_ALT:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			if (!(digit = digit_in(x)))
				return 0;
			w = digit > w ? digit : w;
		}
		return w;
	default:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			if ((digit = digit_in(x)))
				return w + digit;
			w += width_of(x);
		}
		return 0;
	}
}

uint16_t
pattern_digit_offset(const struct regex_node *tree)
{
	size_t w = digit_in(tree);

	return (uint16_t)(w < OFFSET_MAX ? w : 0);
}

/* ---- the index of digit runs ----
 *
 * It is built from the patterns' start conditions, their look-behinds, and the automata. Each source
 * clears the bits of patterns that it excludes. The scan queries the index at each run of a text with
 * digit_index_look(). */

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

/* Builds the index; call after the automata of f were built from the same patterns. Returns 0
 * or ERR_NOMEM. */
static int
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

/* ---- automata ---- */

/* Returns true if matches of p begin with a letter at the beginning of a word of letters and
 * digits. */
static bool
begins_a_word(const struct pattern *p)
{
	if (p->back_max == 0)
		return false;
	for (unsigned c = 0; c < 256; c++)
		if (is_alnum((char)c) ? !set_has(p->edges.not_before, (char)c)
				      : set_has(p->back_set, (char)c))
			return false;
	for (char c = '0'; c <= '9'; c++)
		if (set_has(p->first, c))
			return false;
	return true;
}

/* Assigns automata to the entities with at least MANY patterns at digits. of[e]: the automaton;
 * 0: the entity shares one. */
static void
number_many(const struct pattern *v, size_t n, uint8_t *of, size_t entities)
{
	enum { MANY = 5 };
	uint8_t next = AUTOMATON_MANY;

	for (size_t i = 0; i < n; i++)
		if (v[i].kind == START_DIGITS && of[v[i].entity] < MANY)
			of[v[i].entity]++;
	for (size_t e = 0; e < entities; e++) {
		of[e] = of[e] < MANY ? 0 : next;
		next = (uint8_t)(next + (of[e] && next + 1 < AUTOMATA));
	}
}

/* Returns the automaton of a pattern, or -1. Patterns with similar beginnings share an
 * automaton; different ones would multiply its states. */
static int
automaton_of(const struct pattern *p, const uint8_t *many)
{
	if (p->kind != START_DIGITS)
		return -1;
	if (many[p->entity])
		return many[p->entity];
	if (begins_a_word(p))
		return AUTOMATON_WORD;
	if (p->back_max > 1)
		return AUTOMATON_BACK;
	return p->has_then && set_has(p->then, 'A') ? AUTOMATON_LETTERS : AUTOMATON_DIGITS;
}

static int
build_automata(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n,
	size_t entities)
{
	struct automaton_input *in = calloc(n + 1, sizeof(*in));
	uint8_t *many = calloc(entities + 1, sizeof(*many));
	int err = in && many ? 0 : ERR_NOMEM;

	if (!err)
		number_many(v, n, many, entities);
	for (int k = 0; k < AUTOMATA && !err; k++) {
		bool word = k == AUTOMATON_WORD;
		size_t m = 0;
		for (const struct pattern *p = v; p < v + n; p++) {
			if (automaton_of(p, many) != k)
				continue;
			in[m++] = (struct automaton_input){ p->index, p->regex, p->utf,
				p->back_set, word ? 0 : p->back_max };
			if (word && p->back_max > f->word_back_max)
				f->word_back_max = p->back_max;
		}
		err = automaton_build(a, in, m, &f->automata[k]);
	}
	free(many);
	free(in);
	return err;
}

/* Bytes that begin the same patterns share an automaton. */
static int
build_byte_automata(struct prefilter *f, struct arena *a, const struct pattern *patterns)
{
	int err = 0;

	for (unsigned c = 0; c < 256 && !err; c++) {
		size_t n = f->nbyte_patterns[c];
		const uint16_t *v = f->byte_patterns[c];
		for (unsigned k = 0; k < c && n; k++)
			if (f->nbyte_patterns[k] == n &&
				!memcmp(v, f->byte_patterns[k], n * sizeof(*v)))
				f->byte_automata[c] = f->byte_automata[k];
		if (n == 0 || f->byte_automata[c])
			continue;
		struct automaton_input *in = calloc(n, sizeof(*in));
		f->byte_automata[c] = arena_new(a, struct automaton);
		if (!in || !f->byte_automata[c]) {
			free(in);
			return ERR_NOMEM;
		}
		for (size_t i = 0; i < n; i++) {
			const struct pattern *p = &patterns[v[i]];
			in[i] = (struct automaton_input){ p->index, p->regex, p->utf,
				p->back_set, p->back_max };
		}
		err = automaton_build(a, in, n, f->byte_automata[c]);
		free(in);
	}
	return err;
}

/* Returns true if the literal only counts where no letter is before it, or as in homePhone. */
static bool
begins_words(const struct pattern *p, const struct literal *l)
{
	if (l->name)
		return true;
	for (unsigned c = 'A'; c <= 'z'; c++)
		if (is_alpha((char)c) && !set_has(p->edges.not_before, (char)c))
			return false;
	return p->back_max == 0;
}

static void
index_literals(struct prefilter *f, struct arena *a, const struct pattern *v)
{
	size_t n = 0;

	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = f->literals[h]; l; l = l->next)
			n++;
	f->heads = arena_array(a, n + 1, sizeof(*f->heads));
	f->slots = arena_array(a, 1u << LITERAL_BITS, sizeof(*f->slots));
	n = 0;
	for (size_t h = 0; !arena_failed(a) && h < 1u << LITERAL_BITS; h++) {
		struct literal_slot *slot = &f->slots[h];
		*slot = (struct literal_slot){ .from = (uint16_t)n };
		for (const struct literal *l = f->literals[h]; l; l = l->next, n++) {
			struct literal_head *x = &f->heads[n];
			size_t len = l->text.n < sizeof(x->head) ? l->text.n : sizeof(x->head);
			memcpy(&x->head, l->text.p, len);
			memset(&x->mask, 0xDF, len);
			x->literal = l;
			x->begins = begins_words(&v[l->pattern], l);
			x->whole = l->caseless && l->text.n == len && (x->begins || !l->name) &&
				   span_all(l->text, is_alpha);
			uint32_t fifth = l->text.n <= LITERAL_MIN + 1
						 ? ~0u
						 : literal_byte((unsigned char)l->text.p[4]);
			slot->fifth |= fifth;
			slot->fifth_inner |= x->begins ? 0 : fifth;
		}
		slot->to = (uint16_t)n;
	}
}

/* Reads the conditions on the bytes before a match, and the place of a digit, from the regex.
 * If the regex is not understood, nothing is assumed. */
static void
read_tree(struct pattern *p)
{
	SCOPED_ARENA(tmp, 0, false);
	struct regex re;

	if (regex_read(&tmp, span_str(p->regex), REGEX_RULE, p->utf, &re)) {
		automaton_edges_of(re.root, &p->edges);
		if (p->kind == START_LITERAL && p->back_max == 0)
			p->digit_offset = pattern_digit_offset(re.root);
	}
	if (p->clear)
		for (unsigned c = '0'; c <= 'z'; c++)
			if (is_alnum((char)c) || c == '_')
				set_add(p->edges.not_before, (unsigned char)c);
}

int
prefilter_build(
	struct prefilter *f, struct arena *a, struct pattern *v, size_t n, size_t entities)
{
	/* the sets of the block classifier */
	block_sets_fill(
		&f->bytes, (bool (*const[])(char)){ is_digit, is_upper, is_lower, NULL });
	for (unsigned c = 0; c < 256; c++)
		if (f->nbyte_patterns[c])
			block_sets_add(&f->bytes, BYTES_PATTERN, (unsigned char)c);
	for (size_t i = 0; i < n; i++)
		read_tree(&v[i]);
	index_literals(f, a, v);
	int err = arena_failed(a) ? ERR_NOMEM : build_automata(f, a, v, n, entities);
	if (!err)
		err = digit_index_build(f, a, v, n);
	return err ? err : build_byte_automata(f, a, v);
}
