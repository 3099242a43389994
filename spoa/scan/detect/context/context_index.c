/* The context index: of which lists of context words one is near a place of a text. One look-up
 * a word, once a block, so that a pattern that needs such a word is not tried where there is
 * none. Never fewer words than context.c sees there. */
#include "scan/detect/context/context_index.h"

#include <endian.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/context/context.h"
#include "scan/detect/prefilter/starts.h"

/* ---- the words ---- */

static uint32_t
letters_of(const char *p, size_t n)
{
	unsigned char four[4] = { 0 };

	memcpy(four, p, n < 4 ? n : 4);
	return ((uint32_t)four[0] | (uint32_t)four[1] << 8 | (uint32_t)four[2] << 16) |
	       0x202020;
}

static inline uint32_t
four_at(const char *p)
{
	uint32_t four;

	memcpy(&four, p, sizeof(four));
	return le32toh(four) | 0x202020;
}

/* Of the first three bytes, without case. */
static uint32_t
hash_of_three(uint32_t letters)
{
	return (letters << 8) * 0x9E3779B1u >> (32 - CONTEXT_HASH_BITS);
}

/* Of the first two. */
static uint32_t
pair_of(uint32_t letters)
{
	return (letters & 31) << 5 | (letters >> 8 & 31);
}

static bool
is_short(struct span word)
{
	return word.n < 3 || word.p[2] == ' ';
}

static void
add_word(struct context_index *x, struct arena *a, struct span word, unsigned bit)
{
	uint32_t letters = letters_of(word.p, word.n), pair = pair_of(letters);
	uint32_t hash = is_short(word) ? pair : hash_of_three(letters);
	struct context_term **slot = &x->words[hash % CONTEXT_SLOTS], *w = *slot;

	while (w && !span_eq(w->text, word))
		w = w->next;
	if (is_short(word))
		x->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
	else
		x->hashes[hash / 64] |= UINT64_C(1) << (hash % 64);
	if (!w) {
		w = arena_new(a, struct context_term);
		if (!w)
			return;
		*w = (struct context_term){
			.text = word, .head = word_head_of(word), .next = *slot
		};
		*slot = w;
		x->digits |= is_digit(word.p[0]);
		x->plain &= is_letter_or_digit(word.p[0]);
	}
	w->lists.v[bit / 64] |= UINT64_C(1) << (bit % 64);
}

void
context_index_begin(struct context_index *x)
{
	x->plain = true;
}

void
context_index_add(
	struct context_index *x, struct arena *a, const struct words *words, unsigned bit)
{
	for (size_t i = 0; i < words->n; i++)
		add_word(x, a, words->v[i], bit);
}

void
context_index_need(struct context_index *x, unsigned bit)
{
	x->needed.v[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* ---- a text ---- */

static void
list_set_join(struct list_set *to, const struct list_set *from)
{
	for (size_t k = 0; k < CONTEXT_LISTS / 64; k++)
		to->v[k] |= from->v[k];
}

static bool
list_set_within(const struct list_set *s, const struct list_set *other)
{
	uint64_t any = 0;

	for (size_t k = 0; k < CONTEXT_LISTS / 64; k++)
		any |= s->v[k] & ~other->v[k];
	return any == 0;
}

static void
look_up(const struct context_index *x, struct span text, size_t i, uint32_t hash,
	struct list_set *out)
{
	uint64_t head = word_head_at(text, i);

	for (const struct context_term *w = x->words[hash % CONTEXT_SLOTS]; w; w = w->next) {
		if (word_head_is(&w->head, head) && !list_set_within(&w->lists, out) &&
			context_word_may_match(text, i, w->text))
			list_set_join(out, &w->lists);
	}
}

/* Adds the lists of whose words one begins in [from, to), a block at most. */
static void
look_at_block(const struct context_index *x, struct span text, size_t from, size_t to,
	struct list_set *out)
{
	struct word_starts words = word_starts(text, from);
	uint64_t todo = words.begins & (x->plain ? words.alnum : ~UINT64_C(0)) &
			(x->digits ? ~UINT64_C(0) : ~words.digit) &
			~UINT64_C(0) >> (BLOCK - (to - from));

	for (; todo; todo &= todo - 1) {
		size_t i = from + (unsigned)__builtin_ctzll(todo);
		uint32_t letters = text.n - i >= 4 ? four_at(text.p + i)
						   : letters_of(text.p + i, text.n - i);
		uint32_t hash = hash_of_three(letters), pair = pair_of(letters);
		bool three = x->hashes[hash / 64] >> (hash % 64) & 1;
		bool two = x->pairs[pair / 64] >> (pair % 64) & 1;
		if (__builtin_expect(!(three | two), 1) || !context_word_begins(text, i))
			continue;
		if (three)
			look_up(x, text, i, hash, out);
		if (two)
			look_up(x, text, i, pair, out);
	}
}

static void
look_at_context(const struct context_index *x, struct span text, struct list_set *out)
{
	for (size_t i = 0; i < text.n; i += BLOCK)
		look_at_block(x, text, i, text.n - i < BLOCK ? text.n : i + BLOCK, out);
}

/* The patterns that need a word of these lists, and those that need no context. */
static struct pattern_set
patterns_of(const struct context_state *s, const struct list_set *set)
{
	const struct digit_index *x = s->digits;
	struct pattern_set all = x->always;

	for (unsigned k = 0; k < CONTEXT_LISTS / 64; k++)
		for (uint64_t more = set->v[k] & s->index->needed.v[k]; more; more &= more - 1)
			pattern_set_join(
				&all, &x->by_context[64 * k + (unsigned)__builtin_ctzll(more)]);
	return all;
}

static void
fill_patterns(const struct context_state *s, struct context_view *v)
{
	uint64_t any = 0;

	v->patterns = patterns_of(s, &v->set);
	for (unsigned k = 1; k < PATTERN_SET_WORDS; k++)
		any |= v->patterns.v[k];
	v->alone = any == 0;
}

/* The header's words, and whether there are any. */
static void
read_header(struct context_state *s)
{
	const struct columns *c = s->columns;
	struct header_context *names = &s->names;

	if (names->header == c->split && names->cut == c->split_cut)
		return;
	names->header = c->split;
	names->cut = c->split_cut;
	names->any = false;
	for (unsigned k = 0; k < c->names; k++) {
		struct context_view *of = &names->of[k];
		of->set = (struct list_set){ { 0 } };
		look_at_context(s->index, c->name[k], &of->set);
		fill_patterns(s, of);
		for (size_t b = 0; b < CONTEXT_LISTS / 64; b++)
			names->any |= of->set.v[b] != 0;
	}
}

/* `all`, and the lists whose words are in the header above i. */
static const struct context_view *
with_header(struct context_state *s, size_t i, const struct context_view *all)
{
	struct header_context *names = &s->names;
	struct column col;

	if (!columns_row(s->columns, i))
		return all;
	read_header(s);
	if (!names->any || !columns_at(s->columns, i, &col))
		return all;
	names->all = *all;
	list_set_join(&names->all.set, &names->of[col.index].set);
	pattern_set_join(&names->all.patterns, &names->of[col.index].patterns);
	names->all.alone &= names->of[col.index].alone;
	return &names->all;
}

/* Adds a block to what was seen from the text's beginning on; after a block that was passed
 * over, no more. */
static void
add_seen(struct context_state *s, size_t block, const struct list_set *set)
{
	uint64_t more = 0;

	if (block != s->seen.blocks)
		return;
	s->seen.blocks++;
	for (size_t k = 0; k < CONTEXT_LISTS / 64; k++)
		more |= set->v[k] & s->index->needed.v[k] & ~s->seen.set.v[k];
	if (!more)
		return;
	list_set_join(&s->seen.set, set);
	s->seen.patterns = patterns_of(s, &s->seen.set);
}

/* What a header above may add to what is near the block. */
static void
look_above(struct context_state *s, size_t block)
{
	const struct context_view *all = &s->all;
	uint64_t any = 0;

	s->whole = false;
	memset(&s->more, 0xFF, sizeof(s->more));
	if (s->seen.blocks <= block)
		return;
	for (size_t k = 0; k < CONTEXT_LISTS / 64; k++)
		any |= s->seen.set.v[k] & s->index->needed.v[k] & ~all->set.v[k];
	s->whole = !any;
	s->more = s->seen.patterns;
	pattern_set_drop(&s->more, &all->patterns);
}

static void
look_around(struct context_state *s, struct span text, size_t block)
{
	size_t back = (CONTEXT_BYTES + CONTEXT_BACK - 1) / CONTEXT_BLOCK + 1;
	struct list_set all = s->before;

	for (size_t b = block > back ? block - back : 0;
		b <= block + 1 + CONTEXT_AHEAD / CONTEXT_BLOCK && b * CONTEXT_BLOCK < text.n;
		b++) {
		struct list_set *set = &s->cached[b % CONTEXT_CACHED].set;
		size_t from = b * CONTEXT_BLOCK, to = from + CONTEXT_BLOCK;
		if (s->cached[b % CONTEXT_CACHED].block != b + 1) {
			*set = (struct list_set){ { 0 } };
			look_at_block(s->index, text, from, to < text.n ? to : text.n, set);
			effort_add(CONTEXT_BLOCK);
			s->cached[b % CONTEXT_CACHED].block = b + 1;
			add_seen(s, b, set);
		}
		list_set_join(&all, set);
	}
	if (memcmp(&all, &s->all.set, sizeof(all)) != 0) {
		s->all.set = all;
		fill_patterns(s, &s->all);
	}
	look_above(s, block);
	s->block = block + 1;
}

const struct context_view *
context_look(struct context_state *s, struct span text, size_t i, bool table)
{
	if (s->block != i / CONTEXT_BLOCK + 1)
		look_around(s, text, i / CONTEXT_BLOCK);
	return table && !s->whole ? with_header(s, i, &s->all) : &s->all;
}

bool
context_cut(struct context_state *s, struct span text, size_t i, bool table,
	struct pattern_set *set)
{
	const struct context_view *v = context_look(s, text, i, false);

	if (table && pattern_sets_meet(set, &s->more))
		v = with_header(s, i, v);
	return pattern_set_keep(set, &v->patterns);
}

void
context_begin(struct context_state *s, const struct context_index *x,
	const struct digit_index *digits, struct columns *columns, struct span before)
{
	s->index = x;
	s->digits = digits;
	s->columns = columns;
	memset(s->cached, 0, sizeof(s->cached));
	s->names.header = 0;
	s->block = 0;
	s->before = (struct list_set){ { 0 } };
	look_at_context(x, before, &s->before);
	s->all.set = s->before;
	fill_patterns(s, &s->all);
	s->seen.blocks = 0;
	s->seen.set = (struct list_set){ { 0 } };
	s->seen.patterns = s->digits->always;
	/* The words of a header that was before the text. */
	const struct column_table *t = columns->table;
	if (t && (t->head_n || columns->lead)) {
		look_at_context(x, span_of(t->head, t->head_n), &s->seen.set);
		look_at_context(x, span_of(t->line, columns->lead), &s->seen.set);
		s->seen.patterns = patterns_of(s, &s->seen.set);
	}
}
