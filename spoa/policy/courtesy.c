/* Reads policies/courtesy.yaml (prose: ok courtesy): languages with their polite phrases and
 * the words with which requests begin, and the words after which every other word counts.
 * Errors are reported with file, line and column. */
#include "policy/courtesy.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "base/search.h"
#include "policy/config/read.h"

/* State of one load. Lives on the stack of courtesy_load(). `phrases` counts the phrases of all
 * languages. */
struct courtesy_reading {
	struct arena *a;
	struct diag *d;
	struct courtesy_language *languages;
	size_t nlanguages;
	struct courtesy_word *words;
	size_t nwords, phrases;
};

static bool
is_letter_of_word(uint32_t cp)
{
	if (cp < 0x80)
		return is_word((char)cp);
	enum letters_word w = letters_block(cp)->word;
	return w == WORD_LETTER || w == WORD_ALONE;
}

size_t
courtesy_past_word(struct span s, size_t at)
{
	while (at < s.n) {
		size_t n = utf8_step(s, at);
		if (!is_letter_of_word(utf8_value(s.p + at, n)))
			break;
		at += n;
	}
	return at;
}

struct span
courtesy_lower(struct span word, char out[COURTESY_BYTES + 8])
{
	size_t n = 0;

	for (size_t at = 0; at < word.n && n <= COURTESY_BYTES;) {
		size_t step = utf8_step(word, at);
		uint32_t cp = utf8_value(word.p + at, step);
		n += utf8_encode(
			cp < 0x80 ? (uint32_t)to_lower((char)cp) : letters_lower(cp), out + n);
		at += step;
	}
	return span_of(out, n);
}

bool
courtesy_listed(const struct courtesy_list *l, struct span lower)
{
	size_t i = SEARCH_FIRST(l->n, k, span_order(l->v[k], lower) < 0);

	return i < l->n && span_eq(l->v[i], lower);
}

/* No entry begins with an entry that is open. So the last entry that is not greater than the
 * word is the only one that can match. */
const struct courtesy_word *
courtesy_word_find(const struct courtesy_words *of, struct span lower)
{
	unsigned char byte = lower.n ? (unsigned char)lower.p[0] : 0;
	const struct courtesy_word *v = of->v + of->first[byte];
	size_t n = (size_t)(of->first[byte + 1] - of->first[byte]);
	size_t i = SEARCH_FIRST(n, k, span_order(v[k].text, lower) <= 0);
	const struct courtesy_word *w = i ? &v[i - 1] : NULL;

	if (!w || !(w->open ? span_starts(lower, w->text) : span_eq(lower, w->text)))
		return NULL;
	return w;
}

/* ---- reading ---- */

/* Returns true for at most `most` words, separated by a space or an apostrophe. */
static bool
are_words(struct span s, size_t most)
{
	size_t at = 0, n = 0;

	while (s.n <= COURTESY_BYTES && utf8_valid(s) && n < most) {
		size_t end = courtesy_past_word(s, at);
		if (end == at)
			return false;
		n++;
		if (end == s.n)
			return true;
		if (s.p[end] != ' ' && s.p[end] != '\'')
			return false;
		at = end + 1;
	}
	return false;
}

/* Returns a text of the list in lower case, or an empty span after an error. */
static struct span
read_courtesy_text(
	struct courtesy_reading *r, const struct yaml_node *n, struct span s, size_t most)
{
	char lower[COURTESY_BYTES + 8];

	if (are_words(s, most))
		return arena_printf(r->a, "%.*s", SPAN_ARG(courtesy_lower(s, lower)));
	diag_at(r->d, n, "%s: %s of letters and digits, up to %d bytes, %s expected", n->s.p,
		most > 1 ? "words" : "a word", COURTESY_BYTES, most > 1 ? "are" : "is");
	return SPAN_LIT("");
}

static int
courtesy_by_bytes(const void *x, const void *y)
{
	const struct span *a = x, *b = y;

	return span_order(*a, *b);
}

/* Reads a list of phrases with at most `most` words each, sorted by bytes. */
static void
read_phrases(struct courtesy_reading *r, const struct yaml_node *n, size_t most,
	struct courtesy_list *l)
{
	const char **texts;
	size_t count;

	if (!n || !read_texts(r->a, r->d, n, NULL, &texts, &count))
		return;
	r->phrases += count;
	if (r->phrases > COURTESY_PHRASES) {
		diag_at(r->d, n, "more than %d phrases", COURTESY_PHRASES);
		return;
	}
	if (!(l->v = read_array(r->a, r->d, n, count, sizeof(*l->v))))
		return;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		struct span s = read_courtesy_text(r, c, c->s, most);
		if (s.n)
			l->v[l->n++] = s;
	}
	qsort(l->v, l->n, sizeof(*l->v), courtesy_by_bytes);
}

/* Reads one language. */
static void
read_language(struct courtesy_reading *r, const struct yaml_node *n)
{
	static const char *const keys[] = { "greets", "first", "last", "asks", NULL };
	enum { PHRASE_WORDS = 8 };
	char lower[COURTESY_BYTES + 8];

	if (!read_map(r->d, n, n->key->s.p, keys, NULL))
		return;
	if (r->nlanguages == COURTESY_LANGUAGES) {
		diag_at(r->d, n, "languages: more than %d", COURTESY_LANGUAGES);
		return;
	}
	struct courtesy_language *l = &r->languages[r->nlanguages];
	read_phrases(r, yaml_get(n, "greets"), PHRASE_WORDS, &l->greets);
	read_phrases(r, yaml_get(n, "first"), PHRASE_WORDS, &l->first);
	read_phrases(r, yaml_get(n, "last"), PHRASE_WORDS, &l->last);
	const struct yaml_node *asks = read_needed(r->d, n, n->key, n->key->s.p, "asks");
	if (asks)
		read_phrases(r, asks, 1, &l->asks);
	for (const struct yaml_node *c = asks ? yaml_first(asks) : NULL; c;
		c = yaml_next(asks, c))
		for (const struct courtesy_language *o = r->languages; o < l; o++)
			if (c->s.n <= COURTESY_BYTES &&
				courtesy_listed(&o->asks, courtesy_lower(c->s, lower)))
				diag_at(r->d, c,
					"%s: is already a word of another language: remove "
					"one of the two",
					c->s.p);
	r->nlanguages++;
}

static int
courtesy_word_order(const void *x, const void *y)
{
	const struct courtesy_word *a = x, *b = y;
	int order = span_order(a->text, b->text);

	return order ? order : (int)b->open - (int)a->open;
}

/* Adds phrases of one word to the list of words. */
static void
add_courtesies(struct courtesy_reading *r, const struct courtesy_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (are_words(l->v[i], 1))
			r->words[r->nwords++] =
				(struct courtesy_word){ .text = l->v[i], .courtesy = true };
}

static void
read_courtesy_words(struct courtesy_reading *r, const struct yaml_node *n)
{
	r->words = NULL;
	r->nwords = 0;
	if (!n || !read_texts(r->a, r->d, n, NULL, NULL, NULL))
		return;
	if (n->count > COURTESY_WORDS) {
		diag_at(r->d, n, "%s: more than %d", n->key->s.p, COURTESY_WORDS);
		return;
	}
	r->words = read_array(r->a, r->d, n, n->count + 1 + r->phrases, sizeof(*r->words));
	if (!r->words)
		return;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		struct courtesy_word w = { .open = span_ends(c->s, SPAN_LIT("*")) };
		w.text = read_courtesy_text(r, c, span_cut(c->s, 0, c->s.n - w.open), 1);
		if (w.text.n)
			r->words[r->nwords++] = w;
	}
}

/* Sorts the words, removes those that an open word already matches, and sets out->first. */
static void
take_words(struct courtesy_reading *r, struct courtesy_words *out)
{
	if (r->nwords) {
		/* a word that an open word before matches is not kept */
		size_t kept = 0;

		qsort(r->words, r->nwords, sizeof(*r->words), courtesy_word_order);
		for (size_t i = 0; i < r->nwords; i++) {
			const struct courtesy_word w = r->words[i];
			struct courtesy_word *before = kept ? &r->words[kept - 1] : NULL;
			if (before && before->open && span_starts(w.text, before->text))
				continue;
			if (before && span_eq(w.text, before->text))
				before->courtesy &= w.courtesy;
			else
				r->words[kept++] = w;
		}
		r->nwords = kept;
	}
	out->v = r->words;
	out->n = r->nwords;
	for (size_t i = 0; i < r->nwords; i++)
		for (size_t b = (unsigned char)r->words[i].text.p[0] + 1u; b <= 256; b++)
			out->first[b]++;
}

const struct courtesy *
courtesy_load(struct arena *a, const char *file, struct diag *d)
{
	/* A copy of the file of version 0.3 also has `firsts` and `turns`, which nothing reads. */
	static const char *const keys[] = { "languages", "words", "firsts", "turns", NULL };
	const struct courtesy_file *own = &courtesy_builtin[0];
	unsigned errors = d->errors;
	const struct yaml_node *tree =
		file ? yaml_load_file(a, file, d)
		     : yaml_load(a, own->name, span_of(own->text, own->n), d);
	struct courtesy_reading r = { .a = a, .d = d };
	struct courtesy *c = arena_new(a, struct courtesy);
	const struct yaml_node *languages, *words;

	r.languages = arena_array(a, COURTESY_LANGUAGES, sizeof(*r.languages));
	if (!tree || !c || !r.languages || !read_map(d, tree, "courtesy", keys, NULL))
		return NULL;
	if ((languages = read_needed(d, tree, tree, NULL, "languages")) &&
		read_map(d, languages, "languages", NULL, NULL))
		for (const struct yaml_node *n = languages->child; n; n = n->next)
			read_language(&r, n);
	*c = (struct courtesy){
		.languages = r.languages, .nlanguages = r.nlanguages, .tree = tree
	};
	if ((words = read_needed(d, tree, tree, NULL, "words")))
		read_courtesy_words(&r, words);
	for (size_t i = 0; i < r.nlanguages && r.words; i++) {
		add_courtesies(&r, &r.languages[i].greets);
		add_courtesies(&r, &r.languages[i].first);
		add_courtesies(&r, &r.languages[i].last);
	}
	take_words(&r, &c->words);
	if (!file)
		c->questions = questions_load(a, SPAN_LIT(""), d);
	return d->errors == errors && !arena_failed(a) ? c : NULL;
}
