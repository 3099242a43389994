/* The word lists as a hash table, and the letters by which words are compared. The table contains
 * a fingerprint and the flags of each term, and of each beginning of a term of several words. It
 * uses open addressing and stores no strings: with 40 bits of hash and 300,000 terms, about one in
 * four million words is found by mistake.
 *
 * Letters are compared without case and accents (base/codec/letters.h). "Dávila" and "DAVILA" are
 * therefore one name. Only Latin, Greek, Cyrillic and Armenian have case. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "base/file_set.h"
#include "base/scoped.h"
#include "scan/detect/names/names.h"
#include "scan/detect/names/names_eights.h"

/* ---- letters ---- */

static enum letter
of_table(const char *entry, uint64_t *folded)
{
	if (entry[0] == '.')
		return LETTER_NONE;
	*folded = (unsigned char)entry[0] | 0x20u;
	if (entry[1] != '.')
		*folded |= (uint64_t)((unsigned char)entry[1] | 0x20u) << 32;
	return is_upper(entry[0]) ? LETTER_UPPER : LETTER_LOWER;
}

/* Greek, U+0370 to U+03FF: removes accents and the final sigma. */
static enum letter
greek(uint32_t c, uint64_t *folded)
{
	*folded = letters_plain(c);
	return c < 0x386 || c == 0x387	 ? LETTER_NONE
	       : c < 0x3ac && c != 0x390 ? LETTER_UPPER
					 : LETTER_LOWER;
}

/* Cyrillic, U+0400 to U+052F. */
static enum letter
cyrillic(uint32_t c, uint64_t *folded)
{
	bool upper = c < 0x430 || (c >= 0x460 && !(c & 1));

	if (c >= 0x482 && c <= 0x489)
		return LETTER_NONE;
	*folded = c >= 0x4c0 && c < 0x4d0 ? c | 1 : letters_lower(c);
	if (*folded == 0x451) /* ё is often written as е */
		*folded = 0x435;
	return upper ? LETTER_UPPER : LETTER_LOWER;
}

static bool
is_han(uint32_t c)
{
	return (c >= 0x3400 && c <= 0x9fff && !(c >= 0x4dc0 && c < 0x4e00)) ||
	       (c >= 0x3041 && c <= 0x30fc && c != 0x30fb) || (c >= 0xac00 && c <= 0xd7a3) ||
	       c == 0x3005 || (c >= 0x20000 && c <= 0x323af);
}

/* Code points below U+0800. */
static enum letter
of_two(uint32_t c, uint64_t *folded)
{
	if (c < 0x250)
		return of_table(letters_latin(c), folded);
	*folded = c;
	if (c >= 0x300 && c < 0x370) { /* a combining accent: left out */
		*folded = 0;
		return LETTER_LOWER;
	}
	if (c >= 0x370 && c < 0x400)
		return greek(c, folded);
	if (c >= 0x400 && c < 0x530)
		return cyrillic(c, folded);
	if (c >= 0x531 && c <= 0x556) {
		*folded = letters_lower(c);
		return LETTER_UPPER;
	}
	if (c >= 0x561 && c <= 0x587)
		return LETTER_LOWER;
	if ((c >= 0x5d0 && c <= 0x5f2) ||
		(c >= 0x620 && c <= 0x6d3 && !(c >= 0x660 && c <= 0x66d)))
		return LETTER_OTHER;
	return LETTER_NONE;
}

static enum letter
of_more(uint32_t c, uint64_t *folded)
{
	*folded = c;
	if (c >= 0x2000 && c < 0x3000)
		return LETTER_NONE;
	if (c >= 0x3000)
		return is_han(c) ? LETTER_HAN : LETTER_NONE;
	if (c >= 0x1e00 && c < 0x1f00)
		return of_table(letters_latin(c), folded);
	if ((c >= 0x900 && c <= 0xdff && !(c >= 0x964 && c <= 0x96f)) ||
		(c >= 0xe01 && c <= 0xe4e && c != 0xe3f) || (c >= 0x10d0 && c <= 0x10ff) ||
		(c >= 0x1200 && c <= 0x135f))
		return LETTER_OTHER;
	return LETTER_NONE;
}

uint32_t glyph_two[0x800];

/* Runs before main(), so that most letters beyond ASCII need one table look-up. */
__attribute__((constructor)) static void
fill_two(void)
{
	for (uint32_t c = 0xc0; c < 0x800; c++) {
		uint64_t folded = 0;
		enum letter k = of_two(c, &folded);
		glyph_two[c] = (uint32_t)k << 24 | (uint32_t)(folded >> 32) << 16 |
			       (uint32_t)(folded & 0xffff);
	}
}

enum letter
glyph_wide(struct span t, size_t at, unsigned *n, uint64_t *folded)
{
	const unsigned char *p = (const unsigned char *)t.p + at;
	bool three = p[0] >= 0xe0 && p[0] < 0xed && t.n - at > 2 && (p[1] & 0xc0) == 0x80 &&
		     (p[2] & 0xc0) == 0x80 && (p[0] > 0xe0 || p[1] >= 0xa0);

	if (two_bytes(t, at))
		return glyph_at_alpha(t, at, n, folded);
	size_t len = three ? 3 : utf8_sequence(t.p + at, t.n - at);
	*n = len ? (unsigned)len : 1;
	return len == 0 ? LETTER_NONE : of_more(utf8_value(t.p + at, len), folded);
}

/* ---- the table ---- */

enum {
	TABLE_BITS_MAX = 22,
	FLAG_BITS = 29,
	SLOT_BIT = 13, /* the first bit of a hash that chooses the slot */
	TERM_MAX = 96, /* bytes */
	ENDS_MAX = 128,
	END_BYTES = 24,
	HAN_BITS = 17,
	TAIL_MAX = 15, /* last letters of a word that endings are compared with */
	LOW_MAX = 128, /* letters of a word that are folded at most */
};

/* An open hash table with a power of two of slots. */
struct slots {
	uint64_t *v; /* fingerprint << FLAG_BITS | flags; 0: free */
	size_t mask, used;
};

/* Endings of words, folded. Endings with the same last letter are adjacent. */
struct endings {
	char v[ENDS_MAX][END_BYTES];
	uint8_t len[ENDS_MAX];
	size_t n;
	uint8_t from[128], to[128]; /* range of the endings by their last letter */
};

/* The table. names_load() allocates the slots; names_unpack() borrows them. */
struct names_table {
	/* all terms; the terms of the short lists */
	struct slots big, small;
	struct endings streets, surnames;
	struct eights lead, lead_dot, follows, particle;
	size_t particle_max;
	uint64_t han[HAN_SETS][(1u << HAN_BITS) / 64];
	unsigned char digest[crypto_hash_sha256_BYTES];
};

static const struct {
	const char *file;
	uint32_t flag;
} lists[] = {
	{ "after.txt", W_AFTER },
	{ "before.txt", W_BEFORE },
	{ "beside.txt", W_BESIDE },
	{ "city.txt", W_CITY },
	{ "common.txt", W_COMMON },
	{ "counted.txt", W_COUNTED },
	{ "country.txt", W_COUNTRY },
	{ "cue.txt", W_CUE },
	{ "eponym.txt", W_EPONYM },
	{ "facility.txt", W_FACILITY },
	{ "facility_start.txt", W_FACILITY_START },
	{ "given.txt", W_GIVEN },
	{ "honorific.txt", W_HONORIFIC },
	{ "key.txt", W_KEY },
	{ "key_weak.txt", W_WEAK },
	{ "label.txt", W_LABEL },
	{ "nationality.txt", W_NATION },
	{ "never.txt", W_NEVER },
	{ "organisation.txt", W_ORG },
	{ "particle.txt", W_PARTICLE },
	{ "region.txt", W_REGION },
	{ "street.txt", W_STREET },
	{ "street_end.txt", W_STREET_END },
	{ "street_kind.txt", W_STREET_END | W_STREET_WEAK },
	{ "street_start.txt", W_STREET_START },
	{ "street_weak.txt", W_STREET_START | W_STREET_WEAK },
	{ "surname.txt", W_SURNAME },
	{ "surname_end.txt", 0 },
	{ "title.txt", W_TITLE },
};

/* Returns the index of the list with that file name, or -1. */
static int
word_list_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (!strcmp(slash ? slash + 1 : name, lists[i].file))
			return (int)i;
	return -1;
}

/* ---- the table ---- */

static uint64_t *
word_slot(const struct slots *t, uint64_t hash)
{
	size_t i = (size_t)(hash >> SLOT_BIT) & t->mask;
	uint64_t print = hash << FLAG_BITS;

	while (t->v[i] && (t->v[i] ^ print) >> FLAG_BITS)
		i = (i + 1) & t->mask;
	return &t->v[i];
}

static uint32_t
flags_in(const struct slots *t, uint64_t hash)
{
	return t->v ? (uint32_t)(*word_slot(t, hash) & ((1u << FLAG_BITS) - 1)) : 0;
}

uint32_t
names_flags(const struct names_table *t, uint64_t hash)
{
	return flags_in(&t->big, hash);
}

uint32_t
names_flags_small(const struct names_table *t, uint64_t hash)
{
	return flags_in(&t->small, hash);
}

size_t
names_particle_max(const struct names_table *t)
{
	return t->particle_max > 3 ? t->particle_max : 3;
}

bool
names_han(const struct names_table *t, enum han_set set, uint64_t hash)
{
	size_t i = (size_t)(hash >> 16) & ((1u << HAN_BITS) - 1);

	return t->han[set][i / 64] >> (i % 64) & 1;
}

static void
put_han_bit(struct names_table *t, enum han_set set, uint64_t hash)
{
	size_t i = (size_t)(hash >> 16) & ((1u << HAN_BITS) - 1);

	t->han[set][i / 64] |= UINT64_C(1) << (i % 64);
}

static bool
slots_grow(struct slots *t, size_t first)
{
	size_t room = t->v ? (t->mask + 1) * 2 : first;
	struct slots wider = { .mask = room - 1, .used = t->used };

	if (room > 1u << TABLE_BITS_MAX)
		return false;
	wider.v = calloc(room, sizeof(uint64_t));
	if (!wider.v)
		return false;
	/* The slot is chosen by bits that the fingerprint contains. */
	for (size_t i = 0; t->v && i <= t->mask; i++)
		if (t->v[i])
			*word_slot(&wider, t->v[i] >> FLAG_BITS) = t->v[i];
	free(t->v);
	*t = wider;
	return true;
}

static bool
put_in(struct slots *s, uint64_t hash, uint32_t flags, size_t first)
{
	if ((!s->v || s->used * 4 >= s->mask * 3) && !slots_grow(s, first))
		return false;
	uint64_t *slot = word_slot(s, hash);
	s->used += *slot == 0;
	*slot |= hash << FLAG_BITS | flags;
	return true;
}

/* Adds a term to the big table, and also to the small one unless it is of a long list. */
static bool
slots_put(struct names_table *t, uint64_t hash, uint32_t flags, bool big)
{
	return put_in(&t->big, hash, flags, 1u << 19) &&
	       (big || put_in(&t->small, hash, flags, 1u << 13));
}

unsigned
names_hashed_mark(char c)
{
	static const char marks[] = " -_&/0123456789";

	return c == '\0' ? 0x7f : strchr(marks, c) ? (unsigned char)c : 0;
}

uint64_t
names_hash(struct span s)
{
	uint64_t h = HASH_SEED, folded;
	unsigned n;

	for (size_t i = 0; i < s.n; i += n) {
		enum letter k = glyph_at(s, i, &n, &folded);
		if (k != LETTER_NONE)
			h = folded ? hash_step(h, folded) : h;
		else if ((folded = names_hashed_mark(s.p[i])))
			h = hash_step(h, folded);
	}
	return h;
}

/* Adds each beginning of the term that ends at a space, and the last word of a cue. */
static bool
put_parts(struct names_table *t, struct span term, uint32_t flag)
{
	size_t last = 0;

	for (size_t i = 0; i < term.n; i++)
		if (term.p[i] == ' ') {
			last = i + 1;
			if (!slots_put(
				    t, names_hash(span_cut(term, 0, i)), W_MORE, flag & W_BIG))
				return false;
		}
	if (!(flag & W_BEFORE_NAME))
		return true;
	/* for a cue in Han, also its last character */
	struct span end = span_cut(term, utf8_before(term.p, term.n), term.n);
	return slots_put(t, names_hash(span_cut(term, last, term.n)), W_LAST, false) &&
	       (end.n < 3 || slots_put(t, names_hash(end), W_LAST, false));
}

/* Adds the first one or two characters of a term in Han to the sets of the early reject. */
static void
put_han(struct names_table *t, struct span term, uint32_t flag)
{
	uint64_t folded, h = HASH_SEED;
	unsigned n;
	size_t i = 0, chars = 0;

	for (; i < term.n && chars < 2; i += n, chars++) {
		if (glyph_at(term, i, &n, &folded) != LETTER_HAN)
			break;
		h = hash_step(h, folded);
	}
	if (chars == 2)
		put_han_bit(t, HAN_TWO, h);
	else if (chars == 1 && i == term.n && flag & W_NAME)
		put_han_bit(t, flag & W_GIVEN ? HAN_GIVEN : HAN_SURNAME, h);
}

/* ---- the early reject ---- */

const char *const names_small[NAMES_SMALL] = { "of", "and", "for", "the", "und", "et", "at",
	"&" };

bool
names_lead_ends(const struct names_table *t, struct span text, bool dot)
{
	return eights_end(dot ? &t->lead_dot : &t->lead, text);
}

bool
names_after_begins(const struct names_table *t, struct span text)
{
	return eights_begin(&t->follows, text);
}

bool
names_particle_begins(const struct names_table *t, struct span text)
{
	/* In "u.d" the dots between single letters are left out. */
	return (text.n > 2 && text.p[1] == '.' && is_letter(text.p[2]) &&
		       (text.n == 3 || !is_alpha(text.p[3]))) ||
	       eights_begin(&t->particle, text);
}

static void
put_eights(struct names_table *t, struct span term, uint32_t flag)
{
	size_t last = span_behind(term, ' ');

	if (flag & (W_BEFORE_NAME | W_PARTICLE))
		eights_put(&t->lead, span_cut(term, last, term.n), true);
	if (flag & W_LEAD_DOT)
		eights_put(&t->lead_dot, span_cut(term, last, term.n), true);
	if (flag & W_FOLLOWS)
		eights_put(&t->follows, term, false);
	if (flag & W_PARTICLE)
		eights_put(&t->particle, term, false);
}

/* ---- endings of words ---- */

static bool
put_end(struct endings *e, struct span term)
{
	size_t n = 0;
	uint64_t folded;
	unsigned len;

	if (e->n == ENDS_MAX)
		return false;
	for (size_t i = 0; i < term.n; i += len) {
		if (glyph_at(term, i, &len, &folded) == LETTER_NONE)
			continue;
		for (; folded & 0x7f && n + 1 < END_BYTES; folded >>= 32)
			e->v[e->n][n++] = (char)(folded & 0x7f);
	}
	e->n += n > 0;
	return true;
}

static int
by_last_letter(const void *a, const void *b)
{
	const char *x = a, *y = b;

	return x[strlen(x) - 1] - y[strlen(y) - 1];
}

static void
sort_endings(struct endings *e)
{
	qsort(e->v, e->n, sizeof(e->v[0]), by_last_letter);
	for (size_t i = 0; i < e->n; i++) {
		e->len[i] = (uint8_t)strlen(e->v[i]);
		unsigned char c = (unsigned char)e->v[i][e->len[i] - 1];
		if (e->to[c] == 0)
			e->from[c] = (uint8_t)i;
		e->to[c] = (uint8_t)(i + 1);
	}
}

/* Returns the last letters of a word, folded; '?' stands for a letter beyond ASCII. */
static struct span
fold_tail(struct span word, char room[TAIL_MAX])
{
	char low[LOW_MAX];
	size_t nlow = 0;
	uint64_t folded;
	unsigned n = word.n < TAIL_MAX ? (unsigned)word.n : TAIL_MAX;

	while (nlow < n && is_alpha(word.p[word.n - n + nlow])) {
		room[nlow] = (char)(word.p[word.n - n + nlow] | 0x20);
		nlow++;
	}
	if (nlow == n && word.n <= LOW_MAX)
		return span_of(room, n);
	nlow = 0;
	for (size_t i = 0; i < word.n && nlow < sizeof(low); i += n)
		if (glyph_at(word, i, &n, &folded) != LETTER_NONE)
			for (; folded & 0xff && nlow < sizeof(low); folded >>= 32)
				low[nlow++] = (folded & 0xffffffff) < 0x80 ? (char)folded : '?';
	n = nlow < TAIL_MAX ? (unsigned)nlow : TAIL_MAX;
	memcpy(room, low + nlow - n, n);
	return span_of(room, n);
}

static size_t
longest_end(const struct endings *e, struct span text)
{
	char room[TAIL_MAX];
	size_t best = 0;
	struct span word = fold_tail(text, room);
	unsigned char c = word.n ? (unsigned char)word.p[word.n - 1] : 0;

	for (size_t i = c < 128 ? e->from[c] : 0; c < 128 && i < e->to[c]; i++) {
		size_t n = e->len[i];
		if (n > best && word.n >= n + 3 && word.p[word.n - n] == e->v[i][0] &&
			!memcmp(word.p + word.n - n, e->v[i], n))
			best = n;
	}
	return best;
}

size_t
names_street_end(const struct names_table *t, struct span word)
{
	return longest_end(&t->streets, word);
}

size_t
names_surname_end(const struct names_table *t, struct span word)
{
	return longest_end(&t->surnames, word);
}

/* ---- reading the lists ---- */

static bool
has_letter(struct span s)
{
	uint64_t folded;
	unsigned n;

	for (size_t i = 0; i < s.n; i += n)
		if (glyph_at(s, i, &n, &folded) != LETTER_NONE)
			return true;
	return false;
}

static bool
put_term(struct names_table *t, struct span term, uint32_t flag)
{
	uint64_t h = names_hash(term);

	if (term.n > TERM_MAX || !has_letter(term))
		return false;
	if (!flag)
		return put_end(&t->surnames, term);
	if (flag == W_PARTICLE && term.n > t->particle_max && !memchr(term.p, ' ', term.n))
		t->particle_max = term.n;
	if (flag & (W_BIG & ~(uint32_t)W_COMMON))
		put_han(t, term, flag);
	/* The first character of an honorific. */
	if (flag == W_HONORIFIC) {
		uint64_t folded;
		unsigned n;
		if (term.n && glyph_at(term, 0, &n, &folded) == LETTER_HAN)
			put_han_bit(t, HAN_HONOUR, hash_step(HASH_SEED, folded));
	}
	put_eights(t, term, flag);
	return slots_put(t, h, flag, flag & W_BIG) && put_parts(t, term, flag) &&
	       (flag != W_STREET_END || put_end(&t->streets, term));
}

/* Reads one list: list = { "#" comment | term "\n" } */
static void
load_file(struct names_table *t, const char *path, struct arena *a, struct diag *d,
	crypto_hash_sha256_state *h)
{
	int list = word_list_of(path);

	if (list < 0) {
		diag_file(d, path, "no word list has this name; see policies/detectors/names");
		return;
	}
	SCOPED_BUF(b, 64u << 20);
	if (!buf_file(&b, path)) {
		diag_file(d, path, "%s", strerror(errno));
		return;
	}
	struct span text = buf_view(&b), rest = text;
	struct yaml_node at = { .file = arena_strdup(a, path), .line = 1, .column = 1 };
	bool good = !buf_failed(&b);
	for (; good && rest.n; at.line += good) {
		struct span term = span_trim(span_next(&rest, '\n'), " \t\r");
		good = !term.n || term.p[0] == '#' || put_term(t, term, lists[list].flag);
	}
	if (!good)
		diag_at(d, &at,
			"a term has letters and at most %d bytes; a list at most %d terms",
			TERM_MAX, 1 << TABLE_BITS_MAX);
	crypto_hash_sha256_update(
		h, (const unsigned char *)&lists[list].flag, sizeof(lists[list].flag));
	crypto_hash_sha256_update(h, (const unsigned char *)text.p, text.n);
}

struct names_table *
names_load(const char *dir, struct arena *a, struct diag *d)
{
	struct names_table *t = calloc(1, sizeof(*t));
	const char **v = NULL;
	crypto_hash_sha256_state h;
	int n = file_set_list(a, dir, ".txt", &v);

	crypto_hash_sha256_init(&h);
	if (n <= 0)
		diag_file(d, dir, "%s",
			n < 0 ? strerror(errno) : "the folder has no word list (*.txt)");
	for (int i = 0; t && i < NAMES_SMALL; i++)
		eights_put(&t->particle, span_str(names_small[i]), false);
	for (int i = 0; i < n; i++) {
		struct span path = arena_printf(a, "%s/%s", dir, v[i]);
		if (t && path.p)
			load_file(t, path.p, a, d, &h);
	}
	if (!t)
		return NULL;
	sort_endings(&t->streets);
	sort_endings(&t->surnames);
	crypto_hash_sha256_final(&h, t->digest);
	return t;
}

/* ---- packed form: the struct, the small slots, the big slots ---- */

static size_t
slots_bytes(const struct slots *s)
{
	return s->v ? (s->mask + 1) * sizeof(s->v[0]) : 0;
}

void
names_pack(const struct names_table *t, struct buf *out)
{
	struct names_table head = *t;

	head.small.v = head.big.v = NULL;
	buf_put(out, (const char *)&head, sizeof(head));
	buf_put(out, (const char *)t->small.v, slots_bytes(&t->small));
	buf_put(out, (const char *)t->big.v, slots_bytes(&t->big));
}

struct names_table *
names_unpack(const uint64_t *packed)
{
	struct names_table *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	memcpy(t, packed, sizeof(*t));
	/* The slots are only written while a table is loaded. */
	t->small.v = (uint64_t *)(uintptr_t)(packed + sizeof(*t) / sizeof(*packed));
	t->big.v = t->small.v + t->small.mask + 1;
	return t;
}

void
names_free(struct names_table **t)
{
	if (!*t)
		return;
	free((*t)->big.v);
	free((*t)->small.v);
	free(*t);
	*t = NULL;
}

const unsigned char *
names_digest(const struct names_table *t)
{
	return t->digest;
}
