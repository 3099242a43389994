/* A trie of words in one open-addressing hash table. A node is a 64-bit hash of "the phrase so
 * far". Example: "north sea" has a node for "north" and one for the chain of "north", a space
 * and "sea".
 *
 * The search rejects early with two bitmaps. `first` has the first words of terms. `phrase` has
 * the one-word terms and the first two words of longer terms. The table is searched only if
 * both match. 100,000 terms of two words take about 6 MB. */
#include "scan/detect/custom/dictionary.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/mem.h"
#include "base/scoped.h"

enum { FIRST_SLOTS = 1024, BITS_MAX = 22 };

struct node {
	uint64_t hash; /* 0: a free slot */
	uint32_t term; /* index in dictionary.terms plus 1; 0: no term ends here */
	uint8_t depth; /* number of words up to here */
	bool more;     /* some term continues with another word */
};

/* A term; terms of the same words form a list. */
struct term {
	uint32_t next; /* index of the next term of the same words, plus 1; 0: none */
	uint32_t edge; /* index in dictionary.edges plus 1; 0: only the words must match */
	uint16_t owner;
};

/* Further conditions of a term: its case and its punctuation. */
struct edge {
	uint64_t exact;	       /* hash of the words with their case; 0: any case */
	uint8_t before, after; /* bytes of punctuation before and after the words */
	uint32_t at;	       /* offset of these bytes in dictionary.marks */
};

/* A dictionary. Owner: the rule set's struct custom; at most DICTIONARY_TERMS terms. */
struct dictionary {
	struct node *nodes;
	size_t nnodes, slots;
	struct term *terms;
	size_t nterms, terms_room;
	size_t longest; /* length of the longest term in bytes */
	struct edge *edges;
	size_t nedges, edges_room;
	struct buf marks;
	/* After dictionary_finish(): bitmaps of the first words, and of one-word terms and
	 * first pairs of words. */
	struct hash_bits first, phrase;
	unsigned char digest[32];
	const char *why;
};

struct dictionary *
dictionary_new(void)
{
	struct dictionary *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	buf_init(&d->marks, 64 << 20);
	d->slots = FIRST_SLOTS;
	d->nodes = calloc(d->slots, sizeof(*d->nodes));
	if (!d->nodes)
		dictionary_free(&d);
	return d;
}

void
dictionary_free(struct dictionary **dp)
{
	struct dictionary *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	buf_free(&d->marks);
	free(d->nodes);
	free(d->terms);
	free(d->edges);
	free(d->first.v);
	free(d->phrase.v);
	free(d);
}

/* ---- the table ---- */

static struct node *
node_at(const struct node *v, size_t slots, uint64_t hash)
{
	size_t i = hash & (slots - 1);

	while (v[i].hash && v[i].hash != hash)
		i = (i + 1) & (slots - 1);
	return (struct node *)(uintptr_t)&v[i];
}

static bool
grow_nodes(struct dictionary *d)
{
	size_t slots = 2 * d->slots;
	struct node *v = calloc(slots, sizeof(*v));

	if (!v)
		return false;
	for (size_t i = 0; i < d->slots; i++)
		if (d->nodes[i].hash)
			*node_at(v, slots, d->nodes[i].hash) = d->nodes[i];
	free(d->nodes);
	d->nodes = v;
	d->slots = slots;
	return true;
}

/* Returns the node with this hash, creating it if needed; NULL: out of memory. */
static struct node *
node_get(struct dictionary *d, uint64_t hash)
{
	struct node *n = node_at(d->nodes, d->slots, hash);

	if (n->hash)
		return n;
	if (4 * (d->nnodes + 1) > 3 * d->slots) {
		if (!grow_nodes(d))
			return NULL;
		n = node_at(d->nodes, d->slots, hash);
	}
	n->hash = hash;
	d->nnodes++;
	return n;
}

/* ---- adding terms ---- */

/* A hash of 0 would mark a free slot. */
static uint64_t
not_zero(uint64_t hash)
{
	return hash ? hash : 1;
}

/* The words of a term. */
struct parsed {
	struct text_word first, last;
	uint64_t path[TERM_WORDS]; /* hash of the phrase after each word */
	uint64_t exact;
	size_t n;
};

/* Splits a term into words. Returns 0, ERR_SYNTAX or ERR_LIMIT, with the reason in d->why. */
static int
parse_term(struct dictionary *d, struct span term, struct parsed *p)
{
	struct word_cursor c = words_over(term);
	struct text_word w;
	uint64_t glue;

	*p = (struct parsed){ .n = 0 };
	for (; word_next(&c, &w); p->last = w, p->n++) {
		if (p->n == TERM_WORDS)
			return ERR_LIMIT;
		if (p->n == 0) {
			p->first = w;
			p->path[0] = not_zero(w.hash);
		} else {
			if (!word_glue(span_cut(term, p->last.end, w.start), &glue))
				return ERR_LIMIT;
			p->path[p->n] = not_zero(word_chain(p->path[p->n - 1], glue, w.hash));
		}
		p->exact = word_chain(p->exact, 0, word_exact(term, &w));
	}
	d->why = "a term needs a letter or digit";
	return p->n ? 0 : ERR_SYNTAX;
}

static bool
same_edge(const struct dictionary *d, uint32_t index, uint64_t exact, struct span before,
	struct span after)
{
	if (index == 0)
		return exact == 0 && before.n == 0 && after.n == 0;
	const struct edge *e = &d->edges[index - 1];
	struct span marks = span_cut(buf_view(&d->marks), e->at, d->marks.n);
	return e->exact == exact && span_eq(span_cut(marks, 0, e->before), before) &&
	       span_eq(span_cut(marks, e->before, e->before + e->after), after);
}

static int
add_edge(struct dictionary *d, uint64_t exact, struct span before, struct span after,
	uint32_t *index)
{
	*index = 0;
	if (!exact && !before.n && !after.n)
		return 0;
	if (!mem_room(&d->edges, &d->edges_room, d->nedges + 1, sizeof(*d->edges)))
		return ERR_NOMEM;
	d->edges[d->nedges] = (struct edge){ exact, (uint8_t)before.n, (uint8_t)after.n,
		(uint32_t)d->marks.n };
	buf_span(&d->marks, before);
	buf_span(&d->marks, after);
	if (buf_failed(&d->marks))
		return ERR_NOMEM;
	*index = (uint32_t)++d->nedges;
	return 0;
}

/* Adds SHA-256(owner, phrase, edges) to the digest as a number, so the order of terms does not
 * matter. */
static void
add_digest(struct dictionary *d, uint64_t phrase, uint64_t exact, uint16_t owner,
	struct span before, struct span after)
{
	const uint64_t head[] = { phrase, exact, owner, before.n };
	unsigned char one[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state h;
	unsigned carry = 0;

	crypto_hash_sha256_init(&h);
	crypto_hash_sha256_update(&h, (const unsigned char *)head, sizeof(head));
	crypto_hash_sha256_update(&h, (const unsigned char *)before.p, before.n);
	crypto_hash_sha256_update(&h, (const unsigned char *)after.p, after.n);
	crypto_hash_sha256_final(&h, one);
	for (size_t i = 0; i < sizeof(one); i++) {
		carry += (unsigned)d->digest[i] + one[i];
		d->digest[i] = (unsigned char)carry;
		carry >>= 8;
	}
}

int
dictionary_add(struct dictionary *d, struct span term, uint16_t owner, bool exact_case)
{
	struct parsed p;
	struct node *n = NULL;
	size_t same = 0;

	term = span_trim(term, " \t\r\n");
	d->why = "a term needs at least two characters";
	if (term.n < 2)
		return ERR_SYNTAX;
	d->why = "a term has more than 255 bytes or 64 words";
	int err = term.n > TERM_BYTES ? ERR_LIMIT : parse_term(d, term, &p);
	if (err)
		return err;
	struct span before = span_cut(term, 0, p.first.start),
		    after = span_cut(term, p.last.end, term.n);
	uint64_t exact = exact_case ? not_zero(p.exact) : 0;
	d->why = "too many terms";
	if (d->nterms == DICTIONARY_TERMS)
		return ERR_LIMIT;
	for (size_t i = 0; i < p.n; i++) {
		n = node_get(d, p.path[i]);
		if (!n)
			return ERR_NOMEM;
		n->depth = (uint8_t)(i + 1);
		n->more |= i + 1 < p.n;
	}
	INVARIANT(n); /* parse_term() found a word */
	for (uint32_t t = n->term; t; t = d->terms[t - 1].next, same++)
		if (d->terms[t - 1].owner == owner &&
			same_edge(d, d->terms[t - 1].edge, exact, before, after))
			return 1;
	d->why = "more than 64 terms differ only in case and punctuation";
	if (same == TERM_SAME)
		return ERR_LIMIT;
	uint32_t edge;
	if (!mem_room(&d->terms, &d->terms_room, d->nterms + 1, sizeof(*d->terms)) ||
		add_edge(d, exact, before, after, &edge))
		return ERR_NOMEM;
	d->terms[d->nterms] = (struct term){ n->term, edge, owner };
	n->term = (uint32_t)++d->nterms;
	if (term.n > d->longest)
		d->longest = term.n;
	add_digest(d, p.path[p.n - 1], exact, owner, before, after);
	return 0;
}

const char *
dictionary_error_text(const struct dictionary *d, int err)
{
	return err == ERR_NOMEM ? err_str(err) : d->why;
}

void
dictionary_file(struct dictionary *d, const char *file, const struct yaml_node *at,
	uint16_t owner, bool exact_case, struct diag *diag)
{
	SCOPED_BUF(text, DICTIONARY_FILE);
	size_t line = 0, terms = 0;
	unsigned mistakes = 0;

	bool there = file_set_read_as(FILE_OF_WORDS, &text, file);
	if (!there)
		diag_at(diag, at, "dictionary: %s: %s", file, strerror(errno));
	else if (buf_failed(&text))
		diag_at(diag, at, "dictionary: %s: larger than %d MB", file,
			DICTIONARY_FILE >> 20);
	if (!there || buf_failed(&text))
		return;
	struct span rest = buf_view(&text);
	if (span_starts(rest, SPAN_LIT("\xEF\xBB\xBF")))
		rest = span_cut(rest, 3, rest.n);
	while (rest.n && mistakes < DICTIONARY_MISTAKES) {
		struct span term = span_trim(span_next(&rest, '\n'), " \t\r");
		struct yaml_node here = { .file = file, .line = (unsigned)++line, .column = 1 };
		if (term.n == 0 || term.p[0] == '#')
			continue;
		terms++;
		if (!utf8_valid(term)) {
			diag_at(diag, &here, "the term is not UTF-8");
			mistakes++;
			continue;
		}
		int err = dictionary_add(d, term, owner, exact_case);
		if (err < 0) {
			diag_at(diag, &here, "%.*s%s: %s", SPAN_ARG(span_cut(term, 0, 60)),
				term.n > 60 ? "…" : "", dictionary_error_text(d, err));
			mistakes++;
			if (err == ERR_NOMEM || d->nterms == DICTIONARY_TERMS)
				break;
		}
	}
	if (mistakes == DICTIONARY_MISTAKES)
		diag_at(diag, at, "dictionary: %s: further mistakes are not reported", file);
	if (terms == 0)
		diag_at(diag, at, "dictionary: %s: the file has no term", file);
}

int
dictionary_finish(struct dictionary *d)
{
	d->first = hash_bits_for(d->nterms, BITS_MAX);
	d->phrase = hash_bits_for(d->nterms, BITS_MAX);
	if (!d->first.v || !d->phrase.v)
		return ERR_NOMEM;
	for (const struct node *n = d->nodes; n < d->nodes + d->slots; n++) {
		if (n->depth == 1)
			hash_bits_add(d->first, n->hash);
		if (n->depth == 2 || (n->depth == 1 && n->term))
			hash_bits_add(d->phrase, n->hash);
	}
	return 0;
}

size_t
dictionary_terms(const struct dictionary *d)
{
	return d->nterms;
}

size_t
dictionary_longest(const struct dictionary *d)
{
	return d->longest;
}

size_t
dictionary_bytes(const struct dictionary *d)
{
	return d->slots * sizeof(*d->nodes) + d->terms_room * sizeof(*d->terms) +
	       d->edges_room * sizeof(*d->edges) + d->marks.size + hash_bits_size(d->first) +
	       hash_bits_size(d->phrase);
}

const unsigned char *
dictionary_digest(const struct dictionary *d)
{
	return d->digest;
}

/* ---- search ---- */

struct hash_bits
dictionary_first(const struct dictionary *d)
{
	return d->first;
}

static uint64_t
exact_phrase(struct span text)
{
	struct word_cursor c = words_over(text);
	struct text_word w;
	uint64_t h = 0;

	while (word_next(&c, &w))
		h = word_chain(h, 0, word_exact(text, &w));
	return not_zero(h);
}

static bool
edge_matches(const struct dictionary *d, const struct edge *e, struct span text,
	struct dictionary_hit *hit)
{
	struct span marks = span_cut(buf_view(&d->marks), e->at, d->marks.n);
	struct span before = span_cut(marks, 0, e->before);
	struct span after = span_cut(marks, e->before, e->before + e->after);

	if (before.n > hit->start || after.n > text.n - hit->end ||
		!span_eq(span_cut(text, hit->start - before.n, hit->start), before) ||
		!span_eq(span_cut(text, hit->end, hit->end + after.n), after))
		return false;
	if (e->exact && exact_phrase(span_cut(text, hit->start, hit->end)) != e->exact)
		return false;
	hit->start -= before.n;
	hit->end += after.n;
	return true;
}

/* Reports the terms that end at node n, for the text from `start` to `end`. */
static int
terms_at(const struct dictionary *d, const struct node *n, struct span text, size_t start,
	size_t end, int (*found)(void *arg, const struct dictionary_hit *hit), void *arg)
{
	int err = 0;

	for (uint32_t t = n->hash ? n->term : 0; t && !err; t = d->terms[t - 1].next) {
		const struct term *term = &d->terms[t - 1];
		struct dictionary_hit hit = { term->owner, start, end };
		if (!term->edge || edge_matches(d, &d->edges[term->edge - 1], text, &hit))
			err = found(arg, &hit);
	}
	return err;
}

int
dictionary_search(const struct dictionary *d, struct span text, const struct text_word *w,
	const struct text_word *second,
	int (*found)(void *arg, const struct dictionary_hit *hit), void *arg)
{
	uint64_t phrase = not_zero(w->hash), glue;
	struct text_word next;
	size_t end = w->end;
	int err = 0;

	if (hash_bits_may(d->phrase, phrase))
		err = terms_at(d, node_at(d->nodes, d->slots, phrase), text, w->start, end,
			found, arg);
	if (err || !second || !word_glue(span_of(text.p + end, second->start - end), &glue))
		return err;
	phrase = not_zero(word_chain(phrase, glue, second->hash));
	if (!hash_bits_may(d->phrase, phrase))
		return 0;
	end = second->end;
	for (size_t words = 2;; words++) {
		const struct node *n = node_at(d->nodes, d->slots, phrase);
		err = terms_at(d, n, text, w->start, end, found, arg);
		if (err || !n->hash || !n->more || words == TERM_WORDS)
			return err;
		struct span ahead = span_cut(text, end, end + GLUE_BYTES + TERM_BYTES + 1);
		struct word_cursor c = words_over(ahead);
		if (!word_next(&c, &next) || !word_glue(span_cut(ahead, 0, next.start), &glue))
			return 0;
		phrase = not_zero(word_chain(phrase, glue, next.hash));
		end += next.end;
	}
}

bool
dictionary_may_continue(const struct dictionary *d, struct span text, const struct text_word *w)
{
	uint64_t phrase = not_zero(w->hash), glue;
	struct text_word next;
	size_t end = w->end;

	if (!hash_bits_may(d->first, w->hash))
		return false;
	for (size_t words = 1; words < TERM_WORDS; words++) {
		const struct node *n = node_at(d->nodes, d->slots, phrase);
		if (!n->hash || !n->more)
			return false;
		struct span ahead = span_cut(text, end, end + GLUE_BYTES + TERM_BYTES + 1);
		struct word_cursor c = words_over(ahead);
		if (!word_next(&c, &next))
			return ahead.n <= GLUE_BYTES;
		if (end + next.end == text.n)
			return true; /* the text's end may cut off a longer word */
		if (!word_glue(span_cut(ahead, 0, next.start), &glue))
			return false;
		phrase = not_zero(word_chain(phrase, glue, next.hash));
		end += next.end;
	}
	return false;
}
