/* Which entities' context words are near a place of a text: one look-up a word, once a
 * block, so that what needs such a word is not tried where none is. Never fewer than
 * context.c sees there. */
#include "detect/near.h"

#include <endian.h>

#include "base/ascii.h"
#include "base/err.h"
#include "detect/scratch.h"
#include "detect/sieve.h"

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
	return (letters << 8) * 0x9E3779B1u >> (32 - NEAR_HASH_BITS);
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
add_word(struct detect_rules *r, struct span word, unsigned bit)
{
	struct near_index *x = &r->near;
	uint32_t letters = letters_of(word.p, word.n), pair = pair_of(letters);
	uint32_t hash = is_short(word) ? pair : hash_of_three(letters);
	struct near_word **slot = &x->words[hash % NEAR_SLOTS], *w = *slot;

	while (w && !span_eq(w->text, word))
		w = w->next;
	if (is_short(word))
		x->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
	else
		x->hashes[hash / 64] |= UINT64_C(1) << (hash % 64);
	if (!w) {
		w = arena_new(&r->arena, struct near_word);
		if (!w)
			return;
		*w = (struct near_word){ .text = word, .next = *slot };
		const char *blank = memchr(word.p, ' ', word.n);
		size_t n = blank ? (size_t)(blank - word.p) : word.n;
		n = n < sizeof(w->head) ? n : sizeof(w->head);
		memcpy(&w->head, word.p, n);
		memset(&w->mask, 0xDF, n);
		*slot = w;
		x->digits |= is_digit(word.p[0]);
		x->plain &= is_letter_or_digit(word.p[0]);
	}
	w->entities.v[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* A word of one byte, or with a blank in the second place, has no slot: its entity
 * is always tried. */
static bool
has_slots(const struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].n < 2 || w->v[i].p[1] == ' ')
			return false;
	return w->n > 0;
}

void
near_index_words(struct detect_rules *r)
{
	unsigned bits = 0;

	r->near.plain = true;
	memset(r->near_bit, NEAR_NONE, sizeof(r->near_bit));
	for (size_t i = 0; i < r->npatterns; i++) {
		size_t entity = r->patterns[i].entity;
		const struct words *w = &r->entities[entity].context;
		bool wanting = r->patterns[i].near ||
			       r->patterns[i].score < r->entities[entity].threshold;
		if (!wanting || r->near_bit[entity] != NEAR_NONE || bits == NEAR_MAX ||
			!has_slots(w))
			continue;
		for (size_t k = 0; k < w->n; k++)
			add_word(r, w->v[k], bits);
		r->near_bit[entity] = (uint8_t)bits++;
	}
}

/* ---- a text ---- */

static void
look_up(const struct near_index *x, struct span text, size_t i, uint32_t hash,
	struct near_set *out)
{
	uint64_t head = 0;

	memcpy(&head, text.p + i, text.n - i < sizeof(head) ? text.n - i : sizeof(head));
	for (const struct near_word *w = x->words[hash % NEAR_SLOTS]; w; w = w->next) {
		if ((head ^ w->head) & w->mask)
			continue;
		if (!context_word_may_match(text, i, w->text))
			continue;
		for (size_t k = 0; k < NEAR_MAX / 64; k++)
			out->v[k] |= w->entities.v[k];
	}
}

/* Adds the entities of whose words one begins in [from, to), a block at most. */
static void
look_at_block(const struct near_index *x, struct span text, size_t from, size_t to,
	struct near_set *out)
{
	struct sieve_words words = sieve_words(text, from);
	uint64_t todo = words.begins & (x->plain ? words.alnum : ~UINT64_C(0)) &
			(x->digits ? ~UINT64_C(0) : ~words.digit) &
			~UINT64_C(0) >> (SIEVE_BLOCK - (to - from));

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
look_at(const struct near_index *x, struct span text, struct near_set *out)
{
	for (size_t i = 0; i < text.n; i += SIEVE_BLOCK)
		look_at_block(
			x, text, i, text.n - i < SIEVE_BLOCK ? text.n : i + SIEVE_BLOCK, out);
}

static void
join(struct near_set *to, const struct near_set *from)
{
	for (size_t k = 0; k < NEAR_MAX / 64; k++)
		to->v[k] |= from->v[k];
}

/* Those of the entities, and those that need no context. */
static struct run_set
patterns_of(const struct run_index *x, const struct near_set *set)
{
	struct run_set all = x->always;

	for (unsigned k = 0; k < NEAR_MAX / 64; k++)
		for (uint64_t more = set->v[k]; more; more &= more - 1)
			run_set_join(&all, &x->near[64 * k + (unsigned)__builtin_ctzll(more)]);
	return all;
}

static void
fill_runs(const struct run_index *x, struct near_view *v)
{
	uint64_t any = 0;

	v->runs = patterns_of(x, &v->set);
	for (unsigned k = 1; k < RUN_WORDS; k++)
		any |= v->runs.v[k];
	v->alone = any == 0;
}

/* The header's words, and whether there are any. */
static void
read_header(const struct detect_rules *r, const struct columns *c, struct near_names *names)
{
	if (names->header == c->split && names->cut == c->split_cut)
		return;
	names->header = c->split;
	names->cut = c->split_cut;
	names->any = false;
	for (unsigned k = 0; k < c->names; k++) {
		struct near_view *of = &names->of[k];
		of->set = (struct near_set){ { 0 } };
		look_at(&r->near, c->name[k], &of->set);
		fill_runs(&r->runs, of);
		for (size_t b = 0; b < NEAR_MAX / 64; b++)
			names->any |= of->set.v[b] != 0;
	}
}

/* `all`, and the entities whose words stand in the header above i. */
static const struct near_view *
with_header(const struct detect_rules *r, struct detect_scratch *s, size_t i,
	const struct near_view *all)
{
	struct near_names *names = &s->near_names;
	struct column col;

	if (!columns_row(&s->columns, i))
		return all;
	read_header(r, &s->columns, names);
	if (!names->any || !columns_at(&s->columns, i, &col))
		return all;
	names->all = *all;
	join(&names->all.set, &names->of[col.index].set);
	run_set_join(&names->all.runs, &names->of[col.index].runs);
	names->all.alone &= names->of[col.index].alone;
	return &names->all;
}

/* Blocks are looked at in order, but for those that nobody asks about. */
static void
add_seen(const struct detect_rules *r, struct detect_scratch *s, size_t block,
	const struct near_set *set)
{
	uint64_t more = 0;

	if (block != s->near_seen.blocks)
		return;
	s->near_seen.blocks++;
	for (size_t k = 0; k < NEAR_MAX / 64; k++)
		more |= set->v[k] & ~s->near_seen.set.v[k];
	if (!more)
		return;
	join(&s->near_seen.set, set);
	s->near_seen.runs = patterns_of(&r->runs, &s->near_seen.set);
}

/* What stands above the block and not near it. */
static void
look_above(struct detect_scratch *s, size_t block)
{
	const struct near_view *all = &s->near_all;
	uint64_t any = 0;

	s->near_whole = false;
	memset(&s->near_more, 0xFF, sizeof(s->near_more));
	if (s->near_seen.blocks <= block)
		return;
	for (size_t k = 0; k < NEAR_MAX / 64; k++)
		any |= s->near_seen.set.v[k] & ~all->set.v[k];
	s->near_whole = !any;
	s->near_more = s->near_seen.runs;
	run_set_drop(&s->near_more, &all->runs);
}

static void
look_around(
	const struct detect_rules *r, struct detect_scratch *s, struct span text, size_t block)
{
	size_t back = (CONTEXT_BYTES + NEAR_BACK - 1) / NEAR_BLOCK + 1;
	struct near_set all = s->near_before;

	for (size_t b = block > back ? block - back : 0;
		b <= block + 1 + NEAR_AHEAD / NEAR_BLOCK && b * NEAR_BLOCK < text.n; b++) {
		struct near_set *set = &s->near[b % NEAR_CACHED].set;
		size_t from = b * NEAR_BLOCK, to = from + NEAR_BLOCK;
		if (s->near[b % NEAR_CACHED].block != b + 1) {
			*set = (struct near_set){ { 0 } };
			look_at_block(&r->near, text, from, to < text.n ? to : text.n, set);
			s->near[b % NEAR_CACHED].block = b + 1;
			add_seen(r, s, b, set);
		}
		join(&all, set);
	}
	if (memcmp(&all, &s->near_all.set, sizeof(all)) != 0) {
		s->near_all.set = all;
		fill_runs(&r->runs, &s->near_all);
	}
	look_above(s, block);
	s->near_block = block + 1;
}

const struct near_view *
near_look(const struct detect_rules *r, struct detect_scratch *s, struct span text, size_t i,
	bool table)
{
	if (s->near_block != i / NEAR_BLOCK + 1)
		look_around(r, s, text, i / NEAR_BLOCK);
	return table && !s->near_whole ? with_header(r, s, i, &s->near_all) : &s->near_all;
}

bool
near_cut(const struct detect_rules *r, struct detect_scratch *s, struct span text, size_t i,
	bool table, struct run_set *set)
{
	const struct near_view *v = near_look(r, s, text, i, false);

	if (table && run_sets_meet(set, &s->near_more))
		v = with_header(r, s, i, v);
	return run_sets_cut(set, &v->runs);
}

void
near_begin(const struct detect_rules *r, struct detect_scratch *s, struct span before)
{
	memset(s->near, 0, sizeof(s->near));
	s->near_names.header = 0;
	s->near_block = 0;
	s->near_before = (struct near_set){ { 0 } };
	look_at(&r->near, before, &s->near_before);
	s->near_all.set = s->near_before;
	fill_runs(&r->runs, &s->near_all);
	s->near_seen.blocks = 0;
	s->near_seen.set = (struct near_set){ { 0 } };
	s->near_seen.runs = r->runs.always;
}
