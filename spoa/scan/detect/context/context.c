/* Context scoring: a candidate near a word that names it ("ssn", "Karte") gets a higher score,
 * and a candidate near a word that names something else ("order") a lower score. Only whole
 * words match, in prose, snake_case and camelCase: "lic" is not in "public", but "phone" is in
 * homePhone and phone_number. CONTEXT_BYTES bytes are read on each side, and the JSON key or
 * field name before the text. In a table, the header above a value is read first (columns.c).
 *
 * The context index determines which lists have a word near a place of a text. It looks up each
 * word once and caches the result for each block of the text. A pattern that needs a context
 * word is not tried at places without one. The index never finds fewer words than the scoring. */
#include "scan/detect/context/context.h"

#include <endian.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/bits.h"
#include "base/effort.h"
#include "base/utf8.h"
#include "scan/detect/context/context_index.h"
#include "scan/detect/prefilter/starts.h"

/* Returns true if the byte before `at` belongs to an ASCII letter or to a letter of U+00C0 to
 * U+1FFF, which the first byte of its UTF-8 shows. Han, kana and punctuation are boundaries of
 * words, and for a word in ASCII, all letters that are not Latin. */
static bool
letter_before(struct span t, size_t at)
{
	for (size_t i = at; i > 0 && at - i < 4; i--) {
		unsigned char c = (unsigned char)t.p[i - 1];
		if (c < 0x80)
			return i == at && is_alpha((char)c);
		if (c >= 0xC0)
			return c >= 0xC3 && c <= 0xE1 &&
			       (at >= t.n || is_high(t.p[at]) || utf8_latin_at(t, i - 1));
	}
	return false;
}

static bool
letter_at(struct span t, size_t at)
{
	unsigned char c = at < t.n ? (unsigned char)t.p[at] : 0;

	return is_alpha((char)c) || (c >= 0xC3 && c <= 0xE1);
}

bool
context_word_begins(struct span t, size_t at)
{
	unsigned char c = (unsigned char)t.p[at];

	/* Hebrew and Arabic write particles directly before a word. Scripts with higher code
	 * points do not separate words. */
	if (at == 0 || c > 0xD5 || !letter_before(t, at))
		return true;
	return is_lower(t.p[at - 1]) && is_upper(t.p[at]); /* homePhone */
}

/* Returns true if a word of n bytes ends at `at`. A longer word beyond ASCII may be inflected. */
static bool
ends_word(struct span t, size_t at, size_t n)
{
	enum { STEM = 10 };

	if (at >= t.n || !letter_at(t, at) ||
		(is_high(t.p[at]) && !is_high(t.p[at - 1]) && !utf8_latin_at(t, at)))
		return true;
	if (is_high(t.p[at - 1])) {
		/* Latin, Greek, Cyrillic and Armenian (U+00C0 to U+058F) have case. Other scripts
		 * do not separate words, or write particles directly after them. */
		unsigned char lead = at > 1 ? (unsigned char)t.p[at - 2] : 0;
		return n >= STEM || lead < 0xC3 || lead > 0xD6;
	}
	return is_lower(t.p[at - 1]) && is_upper(t.p[at]); /* phoneNumber */
}

/* Returns the number of bytes at `at` that spell the word, or 0 if they do not. A space in the
 * word stands for any run of spaces, '_' and '-'. */
static size_t
word_at(struct span t, size_t at, struct span word)
{
	size_t i = at;

	for (size_t k = 0; k < word.n; k++) {
		if (word.p[k] == ' ') {
			size_t from = i;
			while (i < t.n && i - from < 4 &&
				(is_space(t.p[i]) || t.p[i] == '_' || t.p[i] == '-'))
				i++;
			/* camelCase: creditCard */
			if (i == from && !(i < t.n && is_upper(t.p[i])))
				return 0;
			continue;
		}
		if (i >= t.n || to_lower(t.p[i]) != word.p[k])
			return 0;
		i++;
	}
	return i - at;
}

/* Returns true if the bytes at `at` spell the word and a word ends after them. A plural 's' may
 * follow. */
static bool
word_matches(struct span t, size_t at, struct span word)
{
	size_t n = word_at(t, at, word);

	if (!n)
		return false;
	if (ends_word(t, at + n, n))
		return true;
	return at + n < t.n && to_lower(t.p[at + n]) == 's' && ends_word(t, at + n + 1, n + 1);
}

/* Returns the word of the list that begins at i, or NULL. */
static inline const struct span *
context_word_of(const struct words *w, struct span t, size_t i)
{
	unsigned char c = (unsigned char)t.p[i],
		      next = i + 1 < t.n ? (unsigned char)t.p[i + 1] : 0;

	if (!set_has(w->first, t.p[i]) || !(w->second[c & 31] >> (next & 31) & 1) ||
		!context_word_begins(t, i))
		return NULL;
	uint64_t head = word_head_at(t, i);
	for (size_t k = w->from[c & 31]; k; k = w->links[k - 1].next)
		if (word_head_is(&w->links[k - 1].head, head) &&
			word_matches(t, i, w->v[k - 1]))
			return &w->v[k - 1];
	return NULL;
}

/* Returns true if the bytes at `at` spell the word and a word ends after them. A long word need
 * not end there, because the window of the scoring may cut it off. */
static bool
context_word_may_match(struct span t, size_t at, struct span word)
{
	enum { LONG_WORD = 12 };

	return word.n < LONG_WORD ? word_matches(t, at, word) : word_at(t, at, word) > 0;
}

/* Returns the end of the window after a value. A word that begins in the window is read to its
 * end. */
static size_t
window_end(struct span t, size_t end)
{
	size_t to = t.n - end > CONTEXT_BYTES ? end + CONTEXT_BYTES : t.n;

	while (to < t.n && to < end + CONTEXT_BYTES + 16 && letter_at(t, to))
		to++;
	return to;
}

bool
context_touches(struct span t, size_t start, size_t end)
{
	return (letter_before(t, start) && letter_at(t, start)) ||
	       (letter_before(t, end) && letter_at(t, end));
}

enum { WORK_BLOCK = 40 }; /* units of effort for each block of a window (base/effort.h) */

/* Returns the distance from the candidate to the nearest word of the list in the window `t`, or
 * SIZE_MAX if there is none within `bytes`. `ahead`: the window follows the candidate. */
static size_t
nearest(const struct words *w, struct span t, bool ahead, size_t bytes)
{
	size_t blocks = w->n ? (t.n + BLOCK - 1) / BLOCK : 0;
	bool plain = set_begins_alnum(w->first);

	effort_add(blocks * WORK_BLOCK);
	for (size_t n = 0; n < blocks; n++) {
		size_t from = (ahead ? n : blocks - 1 - n) * BLOCK;
		struct word_starts x = word_starts(t, from);
		uint64_t todo =
			(plain ? x.begins & x.alnum : x.begins) & bits_below(t.n - from);
		while (todo) {
			unsigned k = ahead ? (unsigned)__builtin_ctzll(todo)
					   : 63 - (unsigned)__builtin_clzll(todo);
			size_t i = from + k;
			if ((ahead ? i : t.n - 1 - i) >= bytes)
				return SIZE_MAX;
			const struct span *word = context_word_of(w, t, i);
			if (word)
				return ahead ? i : word->n < t.n - i ? t.n - i - word->n : 0;
			todo &= ~(UINT64_C(1) << k);
		}
	}
	return SIZE_MAX;
}

/* Returns true if the word at i is the label of the text after it: "DOB 03/14/1980", "date of
 * birth: …". */
static bool
names_the_next(struct span t, size_t i)
{
	enum { LABEL = 24 };
	size_t word = i, to = i + LABEL < t.n ? i + LABEL : t.n;

	while (word < to && letter_at(t, word))
		word++;
	for (i = word; i < to && strchr(" .#", t.p[i]);)
		i++;
	if (i > word && i < t.n && is_digit(t.p[i]))
		return true;
	for (i = word; i < to && (letter_at(t, i) || t.p[i] == ' ');)
		i++;
	return i < t.n && t.p[i] == ':';
}

/* Returns the distance to the nearest word of the list. A word after the value counts as twice
 * as far, because most names stand before their value. */
static size_t
distance(const struct words *w, struct span left, struct span right, struct span key)
{
	/* A key names the value it belongs to, however long its name is. */
	if (nearest(w, key, false, SIZE_MAX) != SIZE_MAX)
		return 0;
	size_t a = nearest(w, left, false, SIZE_MAX);
	size_t b = nearest(w, right, true, a == SIZE_MAX ? a : (a + 1) / 2);
	if (b != SIZE_MAX)
		b = names_the_next(right, b) ? SIZE_MAX : b * 2;
	return b < a ? b : a;
}

/* Returns the part of `left` since the last comma, sentence or line. A word against a value
 * must be in the same clause: in "SSN 308-63-0237, +44 20…", "SSN" names only the first number. */
static struct span
same_clause(struct span left)
{
	for (size_t i = left.n; i > 0; i--) {
		char c = left.p[i - 1];
		if (c == ',' || c == ';' || c == '\n' || c == '|' || c == '!' || c == '?' ||
			(c == '.' && i < left.n && left.p[i] == ' '))
			return span_cut(left, i, left.n);
	}
	return left;
}

/* Returns a line without the tags at its end, including the tag that contains the value. Markup
 * between a label and its value does not count. *tag is set if there was a tag. */
static struct span
without_tags(struct span line, bool *tag)
{
	enum { TAG = 96 };

	for (;;) {
		while (line.n && strchr(" \t\"'*_`([", line.p[line.n - 1]))
			line.n--;
		size_t from = line.n > TAG ? line.n - TAG : 0;
		const char *open = line.n ? memrchr(line.p + from, '<', line.n - from) : NULL;
		if (!open || open + 1 == line.p + line.n ||
			!(is_alpha(open[1]) || open[1] == '/'))
			return line;
		const char *close = memchr(open, '>', (size_t)(line.p + line.n - open));
		if (close && close + 1 != line.p + line.n)
			return line;
		line.n = (size_t)(open - line.p);
		*tag = true;
	}
}

/* Returns true if a form's label on the value's line names the value ("Batch: 12345678"). The
 * lines around then name other values. "No.:" alone is no such label. */
static bool
has_label(struct span line)
{
	static const char *const vague[] = { "no", "nr", "number", "num", "value", "nummer",
		"numero", "data", "answer", "is", "id" };
	bool tag = false;

	line = without_tags(line, &tag);
	size_t end = line.n;
	while (end && strchr(" \t\"'*_`([", line.p[end - 1]))
		end--;
	if (!end)
		return false;
	/* <td>Batch</td><td>: its own cell */
	if (line.p[end - 1] != ':' && line.p[end - 1] != '=')
		return tag && is_alpha(line.p[end - 1]);
	end--;
	while (end && strchr(" \"'*_`.", line.p[end - 1]))
		end--;
	size_t from = span_back(line, end, 0, is_letter_or_digit);
	struct span word = span_cut(line, from, end);
	while (from && strchr(" \t\"'*_`-.#", line.p[from - 1]))
		from--;
	if (from) /* "Order number:" */
		return true;
	return !SPAN_AMONG(word, vague, span_ieq) && word.n > 1 &&
	       !is_digit(word.p[word.n - 1]);
}

/* Sets *left and *right to the text around a value, without parts of words at the edges. In a
 * form or a table, only the value's own line is used. */
static void
window_of(struct span text, const struct column *col, size_t start, size_t end,
	struct span *left, struct span *right)
{
	size_t from = start > CONTEXT_BYTES ? start - CONTEXT_BYTES : 0;
	size_t to = window_end(text, end);

	/* Skip a word that the window's edge cuts. */
	while (from > 0 && from < start &&
		((text.p[from] & 0xC0) == 0x80 ||
			(letter_before(text, from) && letter_at(text, from))))
		from++;
	*left = span_cut(text, from, start);
	*right = span_cut(text, end, to);
	size_t own = span_behind(*left, '\n');
	if (!col && !has_label(span_cut(*left, own, left->n)))
		return;
	*left = span_cut(*left, own, left->n);
	right->n = span_chr(*right, '\n');
}

int
context_verdict(const struct words *words, const struct words *against, struct span text,
	struct span before, const struct column *col, size_t start, size_t end)
{
	struct span left, right;
	size_t good = SIZE_MAX, bad = SIZE_MAX;

	if (words->n + against->n == 0)
		return 0;
	if (col) {
		good = nearest(words, col->name, false, SIZE_MAX);
		bad = nearest(against, col->name, false, SIZE_MAX);
	}
	if (good == SIZE_MAX && bad == SIZE_MAX) {
		window_of(text, col, start, end, &left, &right);
		if (before.n > CONTEXT_BYTES)
			before = span_cut(before, before.n - CONTEXT_BYTES, before.n);
		if (words->n)
			good = distance(words, left, right, before);
		if (against->n)
			bad = distance(against, same_clause(left), SPAN_LIT(""), before);
	}
	return good != SIZE_MAX && good <= bad ? 1 : bad != SIZE_MAX ? -1 : 0;
}

float
context_apply(const struct context_rule *c, int verdict, float score)
{
	score += verdict > 0 ? c->boost : verdict < 0 ? -c->penalty : 0;
	return score < 0 ? 0 : score > 1 ? 1 : score;
}

float
context_score(const struct context_rule *c, struct span text, struct span before, size_t start,
	size_t end, float score)
{
	return context_apply(c,
		context_verdict(&c->words, &c->against, text, before, NULL, start, end), score);
}

/* ---- the index of all lists ---- */

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

/* Returns the hash of the first three bytes, without case. */
static uint32_t
hash_of_three(uint32_t letters)
{
	return (letters << 8) * 0x9E3779B1u >> (32 - CONTEXT_HASH_BITS);
}

/* Returns the index of the first two bytes in the bit set `pairs`, without case. */
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

/* Adds the lists that have a word which begins in [from, to), at most a block. */
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

/* Returns the patterns that need a word of these lists, and the patterns that need no context. */
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

/* Reads the names of the header above into s->names, if these were not read before. */
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

/* Returns `all`, joined with the lists that have a word in the header above i. */
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

/* Adds a block to the lists that were seen from the text's beginning on. Blocks after a skipped
 * block are not added. */
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

/* Sets s->whole and s->more: whether a header above the block may add patterns, and which. */
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
	/* the words of a header before the text */
	const struct column_table *t = columns->table;
	if (t && (t->head[0].n || columns->lead)) {
		for (unsigned k = 0; k < COLUMN_HEADS; k++)
			look_at_context(
				x, span_of(t->kept + t->head[k].from, t->head[k].n), &s->seen.set);
		look_at_context(x, span_of(t->line, columns->lead), &s->seen.set);
		s->seen.patterns = patterns_of(s, &s->seen.set);
	}
}
