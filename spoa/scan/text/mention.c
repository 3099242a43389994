/* Finds further occurrences of known values with three automata that read a text in step: one
 * reads bytes as they are, one ignores letter case, and one reads only letters and digits.
 *
 * Each automaton is a trie of the values (Aho-Corasick). A node knows the longest proper suffix
 * of its path that is a path too. If the next byte does not continue a path, the search continues
 * at that suffix, so no byte of the text is read twice. The edges of a trie are in one hash
 * table with a random factor, so that nobody can choose values that collide.
 *
 * Example: with the values "abcd1" and "bcde2", the text "abcde2" leads from the node of "abcd"
 * to the node of "bcd" at the byte e, and matches "bcde2".
 * matched_mention() then checks that the match begins and ends as a token does. */
#include "scan/text/mention.h"

#include <stdlib.h>

#include <sodium.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/digits.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/scoped.h"
#include "scan/text/style.h"

enum {
	AUTOMATA = MENTION_ANYWHERE,
	GAP_MOST = 3,
	PASSWORD_LEAST = 6,
	DISGUISED_LEAST = 8,
	DISGUISED_MOST = 256, /* bytes; longer values would use too much of the set's limit */
	CROWDED_SYMBOLS =
		/* symbols of all values; beyond, addresses and names are not added, and only
		 * their detectors find them */
		CAP_MENTION_BYTES / 4,
	ROOT = 0,
};

/* A value in one spelling. `text` belongs to the caller or is in the set's arena. */
struct value {
	struct span text;
	uint32_t tag, symbols;
	uint8_t automaton;
	bool anywhere;
};

/* A node of a trie. Nodes are numbered; 0 is the root. */
struct node {
	uint32_t suffix;	 /* node of the longest suffix of the path that is a path too */
	uint32_t value;		 /* index + 1 of the value whose path ends here; 0: none */
	uint32_t shorter;	 /* nearest node along the suffixes that has a value; ROOT: none */
	uint32_t first, sibling; /* the children, as a linked list */
	unsigned char symbol;
};

/* An edge of a trie, in an open hash table. */
struct edge {
	uint32_t key, child; /* key: parent << 8 | symbol; child ROOT: a free slot */
};

/* One automaton. The set owns its arrays. */
struct automaton {
	size_t symbols; /* symbols of its values: the trie has at most that many nodes and the
			 * root */
	struct node *nodes;
	uint32_t nnodes;
	struct edge *edges;
	/* the hash table has 2^bits slots */
	unsigned bits;
	uint32_t *queue; /* nodes in breadth-first order */
	/* done: number of nodes whose suffixes were set; queued: index of the last node in the
	 * queue */
	uint32_t done, queued;
	uint32_t root[256];
};

struct mention_set {
	struct arena arena; /* spellings of the values other than the original */
	struct buf scratch;
	struct value *values;
	size_t nvalues, values_size, symbols;
	struct automaton automata[AUTOMATA];
	uint64_t *seen; /* hashes of the values, an open table; 0: a free slot */
	size_t nseen, seen_size;
	unsigned char key[crypto_shorthash_KEYBYTES];
	uint32_t factor;
	size_t inserted; /* values that are in the tries */
	bool built;
};

struct mention_set *
mention_set_new(void)
{
	struct mention_set *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	arena_init(&s->arena, 0, true);
	buf_init(&s->scratch, 0);
	random_bytes(s->key, sizeof(s->key));
	random_bytes(&s->factor, sizeof(s->factor));
	s->factor |= 1;
	return s;
}

static size_t
slots(const struct automaton *a)
{
	return a->edges ? (size_t)1 << a->bits : 0;
}

static void
wipe(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}

void
mention_set_free(struct mention_set **sp)
{
	struct mention_set *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	for (int i = 0; i < AUTOMATA; i++) {
		struct automaton *a = &s->automata[i];
		wipe(a->nodes, a->nnodes * sizeof(*a->nodes));
		wipe(a->edges, slots(a) * sizeof(*a->edges));
		free(a->queue);
	}
	arena_reset(&s->arena);
	buf_free(&s->scratch);
	free(s->values);
	free(s->seen);
	wipe(s, sizeof(*s));
}

bool
mention_set_empty(const struct mention_set *s)
{
	return s->nvalues == 0;
}

bool
mention_set_crowded(const struct mention_set *s)
{
	return s->symbols > CROWDED_SYMBOLS;
}

size_t
mention_set_bytes(const struct mention_set *s)
{
	size_t n = sizeof(*s) + s->arena.used_bytes + s->scratch.size +
		   s->values_size * sizeof(*s->values) + s->seen_size * sizeof(*s->seen);

	for (int i = 0; i < AUTOMATA; i++) {
		const struct automaton *a = &s->automata[i];
		if (a->nodes)
			n += (a->symbols + 1) * (sizeof(*a->nodes) + sizeof(*a->queue)) +
			     slots(a) * sizeof(*a->edges);
	}
	return n;
}

/* ---- symbols ---- */

/* Returns the symbol that the automaton reads for a byte, or -1 if it skips the byte. */
static int
symbol(int automaton, char c)
{
	if (automaton == MENTION_EXACT)
		return (unsigned char)c;
	return automaton == MENTION_CASELESS || is_alnum(c) ? (unsigned char)to_lower(c) : -1;
}

/* ---- values ---- */

/* Returns 1 if the symbols are new for the automaton, 0 if they were seen before, or ERR_NOMEM. */
static int
see(struct mention_set *s, int automaton, struct span symbols)
{
	uint64_t h;

	if (4 * (s->nseen + 1) > 3 * s->seen_size) {
		size_t size = s->seen_size ? 2 * s->seen_size : 64;
		uint64_t *v = calloc(size, sizeof(*v));
		if (!v)
			return ERR_NOMEM;
		for (size_t i = 0; i < s->seen_size; i++) {
			size_t at = (size_t)s->seen[i] & (size - 1);
			while (s->seen[i] && v[at])
				at = (at + 1) & (size - 1);
			if (s->seen[i])
				v[at] = s->seen[i];
		}
		free(s->seen);
		s->seen = v;
		s->seen_size = size;
	}
	crypto_shorthash(
		(unsigned char *)&h, (const unsigned char *)symbols.p, symbols.n, s->key);
	h = (h + (uint64_t)automaton) | 1;
	size_t at = (size_t)h & (s->seen_size - 1);
	for (; s->seen[at]; at = (at + 1) & (s->seen_size - 1))
		if (s->seen[at] == h)
			return 0;
	s->seen[at] = h;
	s->nseen++;
	return 1;
}

static int
add_value(struct mention_set *s, struct span text, enum mention_how how, uint32_t tag)
{
	bool anywhere = how == MENTION_ANYWHERE;
	int automaton = anywhere ? MENTION_EXACT : (int)how;

	buf_clear(&s->scratch);
	char *to = buf_reserve(&s->scratch, text.n);
	size_t n = 0;
	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < text.n; i++) {
		int c = symbol(automaton, text.p[i]);
		if (c >= 0)
			to[n++] = (char)c;
	}
	if (automaton == MENTION_FOLDED && n > MENTION_FOLDS)
		return add_value(s, text, MENTION_CASELESS, tag);
	if (n < MENTION_LEAST)
		return 0;
	int fresh = see(s, automaton, span_of(to, n));
	if (fresh <= 0)
		return fresh;
	if (s->symbols + n > CAP_MENTION_BYTES)
		return ERR_LIMIT;
	if (!mem_room(&s->values, &s->values_size, s->nvalues + 1, sizeof(*s->values)))
		return ERR_NOMEM;
	s->automata[automaton].symbols += n;
	s->symbols += n;
	s->values[s->nvalues++] =
		(struct value){ text, tag, (uint32_t)n, (uint8_t)automaton, anywhere };
	return 0;
}

/* Adds the value as spell() writes it, for example inside a JSON string or in a URL, if that
 * spelling differs. */
static int
add_spelling(struct mention_set *s, struct span value, enum mention_how how, uint32_t tag,
	void (*spell)(struct buf *, struct span))
{
	SCOPED_BUF(b, 0);
	int err = 0;

	spell(&b, value);
	if (buf_failed(&b)) {
		err = ERR_NOMEM;
	} else if (!span_eq(buf_view(&b), value)) {
		struct span text = arena_dup(&s->arena, buf_view(&b));
		err = text.p ? add_value(s, text, how, tag) : ERR_NOMEM;
	}
	return err;
}

static void
spell_url(struct buf *out, struct span value)
{
	uri_encode(out, value, false);
}

static int
add_spellings(struct mention_set *s, struct span value, enum mention_how how, uint32_t tag)
{
	int err = add_value(s, value, how, tag);

	if (err || how == MENTION_FOLDED || span_is_alnum(value, "-_."))
		return err;
	err = add_spelling(s, value, how, tag, buf_json);
	return err ? err : add_spelling(s, value, how, tag, spell_url);
}

/* Returns the password of user:password. The span is empty if there is none, or if it is only a
 * word. */
static struct span
password_of(struct span value)
{
	struct span rest = value;

	span_next(&rest, ':');
	bool word = span_past(rest, 0, is_alpha) == rest.n;
	return rest.n < PASSWORD_LEAST || word || rest.p[0] == '/' ? (struct span){ NULL, 0 }
								   : rest;
}

/* Adds a secret in its base64 and hexadecimal spellings, which may be surrounded by other bytes. */
static int
add_disguises(struct mention_set *s, struct span value, uint32_t tag)
{
	int err = 0;

	if (value.n < DISGUISED_LEAST || value.n > DISGUISED_MOST)
		return 0;
	for (size_t way = 0; way < DISGUISES && !err; way++) {
		char *to = arena_alloc(&s->arena, 2 * value.n);
		if (!to)
			return ERR_NOMEM;
		size_t n = digits_disguise(value, way, to);
		err = add_value(s, span_of(to, n), MENTION_ANYWHERE, tag);
	}
	return err;
}

int
mention_add(struct mention_set *s, struct span value, enum mention_how how, uint32_t tag)
{
	INVARIANT(s->inserted == 0);
	bool secret = how == MENTION_EXACT;
	bool address = how == MENTION_CASELESS && span_chr(value, '@') < value.n;
	if (address && mention_set_crowded(s))
		return 0;
	/* Without a digit or '@', the value in another letter case is another word. */
	if (how != MENTION_ANYWHERE && !span_some(value, is_digit) &&
		span_chr(value, '@') == value.n)
		how = MENTION_EXACT;
	int err = add_spellings(s, value, how, tag);
	if (err || !secret)
		return err;
	struct span password = password_of(value);
	if (password.n)
		err = add_spellings(s, password, how, tag);
	return err ? err : add_disguises(s, password.n ? password : value, tag);
}

/* ---- the automata ---- */

static int
automaton_open(struct automaton *a)
{
	if (a->symbols == 0)
		return 0;
	for (a->bits = 4; (size_t)1 << a->bits < 2 * a->symbols; a->bits++)
		;
	a->nodes = calloc(a->symbols + 1, sizeof(*a->nodes));
	a->edges = calloc((size_t)1 << a->bits, sizeof(*a->edges));
	a->queue = calloc(a->symbols + 1, sizeof(*a->queue));
	a->nnodes = 1;
	return a->nodes && a->edges && a->queue ? 0 : ERR_NOMEM;
}

/* Returns the slot of the edge, or the free slot where it would be inserted. */
static struct edge *
slot(const struct automaton *a, uint32_t factor, uint32_t key)
{
	uint32_t mask = (1u << a->bits) - 1;
	uint32_t at = (key * factor) >> (32 - a->bits);

	while (a->edges[at].child != ROOT && a->edges[at].key != key)
		at = (at + 1) & mask;
	return &a->edges[at];
}

static uint32_t
child_of(const struct automaton *a, uint32_t factor, uint32_t node, unsigned char c)
{
	return node == ROOT ? a->root[c] : slot(a, factor, node << 8 | c)->child;
}

static void
insert_mention(struct mention_set *s, size_t number)
{
	const struct value *v = &s->values[number];
	struct automaton *a = &s->automata[v->automaton];
	uint32_t node = ROOT;

	for (size_t i = 0; i < v->text.n; i++) {
		int c = symbol(v->automaton, v->text.p[i]);
		if (c < 0)
			continue;
		uint32_t child = child_of(a, s->factor, node, (unsigned char)c);
		if (child == ROOT) {
			INVARIANT(a->nnodes <= a->symbols); /* the root, and one node per symbol */
			child = a->nnodes++;
			a->nodes[child] = (struct node){ .symbol = (unsigned char)c,
				.sibling = a->nodes[node].first };
			a->nodes[node].first = child;
			if (node == ROOT)
				a->root[c] = child;
			else
				*slot(a, s->factor, node << 8 | (uint32_t)c) =
					(struct edge){ node << 8 | (uint32_t)c, child };
		}
		node = child;
	}
	if (a->nodes[node].value == 0)
		a->nodes[node].value = (uint32_t)number + 1;
}

static uint32_t
step_automaton(const struct automaton *a, uint32_t factor, uint32_t node, unsigned char c)
{
	uint32_t child;

	while ((child = child_of(a, factor, node, c)) == ROOT && node != ROOT)
		node = a->nodes[node].suffix;
	return child;
}

/* Sets the suffixes of one node's children. A suffix is nearer to the root than its node, so in
 * breadth-first order it was linked before. */
static void
link_children(struct automaton *a, uint32_t factor)
{
	uint32_t parent = a->queue[a->done++];

	for (uint32_t n = a->nodes[parent].first; n != ROOT; n = a->nodes[n].sibling) {
		struct node *node = &a->nodes[n];
		if (parent != ROOT)
			node->suffix = step_automaton(
				a, factor, a->nodes[parent].suffix, node->symbol);
		const struct node *suffix = &a->nodes[node->suffix];
		node->shorter = suffix->value ? node->suffix : suffix->shorter;
		INVARIANT(a->queued < a->symbols);
		a->queue[++a->queued] = n;
	}
}

int
mention_build(struct mention_set *s, size_t steps)
{
	if (s->built)
		return 0;
	for (int i = 0; i < AUTOMATA && s->inserted == 0; i++)
		if (!s->automata[i].nodes && automaton_open(&s->automata[i]) < 0)
			return ERR_NOMEM;
	while (s->inserted < s->nvalues) {
		size_t n = s->values[s->inserted].text.n;
		insert_mention(s, s->inserted++);
		if (n >= steps)
			return 1;
		steps -= n;
	}
	for (int i = 0; i < AUTOMATA; i++) {
		struct automaton *a = &s->automata[i];
		while (a->nodes && a->done <= a->queued) {
			if (steps-- == 0)
				return 1;
			link_children(a, s->factor);
		}
	}
	s->built = true;
	return 0;
}

/* ---- scanning a text ---- */

/* Returns true if an escape ends right before `at`: \n, \u0022 or %22. */
static bool
after_escape(struct span t, size_t at)
{
	const char *p = t.p + at;

	return (at >= 2 && p[-2] == '\\' && memchr("nrtbfv", p[-1], 6)) ||
	       (at >= 3 && p[-3] == '%' && span_all(span_of(p - 2, 2), is_hex)) ||
	       (at >= 6 && p[-6] == '\\' && p[-5] == 'u' &&
		       span_all(span_of(p - 4, 4), is_hex));
}

static bool
begins_token(struct span t, size_t at)
{
	return at == 0 || !is_alnum(t.p[at]) || !is_alnum(t.p[at - 1]) || after_escape(t, at);
}

/* Adds an occurrence. Occurrences that begin at or after its start are part of it and are
 * removed. If an earlier one overlaps its start, only the rest is added. */
static int
report(struct mention_scan *s, size_t start, size_t end, uint32_t tag)
{
	while (s->n && s->v[s->n - 1].start >= start)
		s->n--;
	if (s->n && s->v[s->n - 1].end > start)
		start = s->v[s->n - 1].end;
	if (start >= end)
		return 0;
	INVARIANT(end <= s->text.n && (!s->n || s->v[s->n - 1].end <= start));
	if (s->n == s->size && s->size > CAP_MENTIONS)
		return ERR_LIMIT;
	if (!mem_room(&s->v, &s->size, s->n + 1, sizeof(*s->v)))
		return ERR_NOMEM;
	s->v[s->n++] = (struct mention){ start, end, tag };
	return 0;
}

/* Reports the longest value that ends with the byte before `end` and begins and ends as a token
 * does. */
static int
matched_mention(struct mention_scan *s, const struct automaton *a, int automaton, size_t end)
{
	bool whole =
		end == s->text.n || !is_alnum(s->text.p[end - 1]) || !is_alnum(s->text.p[end]);
	uint32_t n = s->node[automaton];

	for (n = a->nodes[n].value ? n : a->nodes[n].shorter; n != ROOT;
		n = a->nodes[n].shorter) {
		const struct value *v = &s->set->values[a->nodes[n].value - 1];
		INVARIANT(automaton == MENTION_FOLDED
				  ? v->symbols <= s->symbols && v->symbols <= MENTION_FOLDS
				  : v->symbols <= end);
		size_t start = automaton == MENTION_FOLDED
				       ? s->places[(s->symbols - v->symbols) % MENTION_FOLDS]
				       : end - v->symbols;
		if (v->anywhere || (whole && begins_token(s->text, start)))
			return report(s, start, end, v->tag);
	}
	return 0;
}

static int
feed(struct mention_scan *s, int automaton, int c, size_t at)
{
	const struct automaton *a = &s->set->automata[automaton];
	uint32_t n = step_automaton(a, s->set->factor, s->node[automaton], (unsigned char)c);

	s->node[automaton] = n;
	if (n == ROOT || (!a->nodes[n].value && !a->nodes[n].shorter))
		return 0;
	return matched_mention(s, a, automaton, at + 1);
}

/* Feeds the folded automaton. A few separators between letters and digits are skipped; any other
 * byte ends the search. */
static int
feed_folded(struct mention_scan *s, size_t at)
{
	char c = s->text.p[at];

	if (s->skip) {
		s->skip--;
		return 0;
	}
	if (is_alnum(c)) {
		s->gap = 0;
		s->places[s->symbols++ % MENTION_FOLDS] = at;
		return feed(s, MENTION_FOLDED, (unsigned char)to_lower(c), at);
	}
	if (s->node[MENTION_FOLDED] == ROOT)
		return 0;
	size_t n = s->gap++ < GAP_MOST ? style_separator(s->text, at) : 0;
	if (n)
		s->skip = n - 1;
	else
		s->node[MENTION_FOLDED] = ROOT;
	return 0;
}

void
mention_begin(struct mention_scan *s, const struct mention_set *set, struct span text)
{
	s->set = set;
	s->text = text;
	s->at = s->n = s->symbols = s->gap = s->skip = 0;
	memset(s->node, 0, sizeof(s->node));
}

int
mention_next(struct mention_scan *s, size_t bytes)
{
	const struct automaton *a = s->set->automata;
	size_t end = s->text.n - s->at < bytes ? s->text.n : s->at + bytes;
	int err = 0;

	for (; err == 0 && s->at < end; s->at++) {
		char c = s->text.p[s->at];
		if (a[MENTION_EXACT].nodes)
			err = feed(s, MENTION_EXACT, (unsigned char)c, s->at);
		if (!err && a[MENTION_CASELESS].nodes)
			err = feed(s, MENTION_CASELESS, (unsigned char)to_lower(c), s->at);
		if (!err && a[MENTION_FOLDED].nodes)
			err = feed_folded(s, s->at);
	}
	return err;
}

void
mention_scan_free(struct mention_scan *s)
{
	free(s->v);
	*s = (struct mention_scan){ 0 };
}
