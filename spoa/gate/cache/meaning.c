/* Finds what a prompt asks and about what, and reads vectors of an embeddings API. The daemon
 * compares no vectors: Redis does (gate/engine/together.c). */
#include "gate/cache/meaning.h"

#include <jansson.h>
#include <math.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/cache/near.h"

/* Returns true if the character's script has capitals (Latin, Greek, Cyrillic), which mark
 * names. */
static bool
has_capitals(uint32_t cp)
{
	return cp < 0x530 || (cp >= 0x1E00 && cp < 0x2000);
}

/* ---- tokens ---- */

/* The tokens of a prompt. Each has a space after it in `lower`, as in questions.h. */
struct meaning_tokens {
	struct span text;
	struct buf *lower;
	struct {
		uint16_t at, end; /* bytes in the prompt */
		uint32_t lower;	  /* offset in `lower` */
	} v[MEANING_TEXT_MOST + 1]; /* v[n].lower is the length of `lower` */
	size_t n;
};

/* Returns false if a character's script has no capitals. */
static bool
read_meaning_tokens(struct meaning_tokens *t)
{
	char room[COURTESY_BYTES + 8];
	size_t end;

	for (size_t at = 0; (end = question_token(t->text, &at)); at = end, t->n++) {
		struct span token = span_cut(t->text, at, end);
		for (size_t i = 0; i < token.n; i += utf8_step(token, i))
			if (!has_capitals(utf8_value(token.p + i, utf8_step(token, i))))
				return false;
		t->v[t->n].at = (uint16_t)at;
		t->v[t->n].end = (uint16_t)end;
		t->v[t->n].lower = (uint32_t)t->lower->n;
		buf_span(t->lower, courtesy_lower(token, room));
		buf_putc(t->lower, ' ');
	}
	t->v[t->n].lower = (uint32_t)t->lower->n;
	return true;
}

static struct span
token_span(const struct meaning_tokens *t, size_t i)
{
	return span_cut(t->text, t->v[i].at, t->v[i].end);
}

static bool
token_is_sign(const struct meaning_tokens *t, size_t i, const char *signs)
{
	struct span s = token_span(t, i);

	return s.n == 1 && is_one_of(s.p[0], signs);
}

/* Returns true if the phrase begins at token `at` and ends at token `end` or before. */
static bool
phrase_at(const struct meaning_tokens *t, size_t at, size_t end, const struct question_phrase *p)
{
	return at + p->n <= end &&
	       span_eq(p->tokens, span_of(t->lower->p + t->v[at].lower,
					  t->v[at + p->n].lower - t->v[at].lower));
}

/* Returns the number of tokens of the longest phrase that begins at token `at`; 0: none. */
static size_t
longest_phrase_at(const struct meaning_tokens *t, size_t at, size_t end,
	const struct question_phrase *v, size_t n)
{
	size_t longest = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].n > longest && phrase_at(t, at, end, &v[i]))
			longest = v[i].n;
	return longest;
}

/* Returns the number of tokens without the full stops at the end, and without a closing
 * (", thank you") behind a sign. */
static size_t
before_closings(const struct meaning_tokens *t, const struct questions *q)
{
	size_t n = t->n;

	for (size_t was = n + 1; n < was;) {
		was = n;
		while (n && token_is_sign(t, n - 1, ".?!"))
			n--;
		for (size_t i = 0; i < q->nclosings; i++) {
			size_t words = q->closings[i].n;
			if (n > words && token_is_sign(t, n - words - 1, ",.?!") &&
				phrase_at(t, n - words, n, &q->closings[i])) {
				n -= words + 1;
				break;
			}
		}
	}
	return n;
}

/* ---- openings ---- */

/* An opening in a prompt. The stars stand for the tokens from `from` to `split` and from `join`
 * to `to`. */
struct meaning_match {
	const char *group; /* NULL: none */
	size_t literal;	   /* number of tokens of the opening */
	size_t first;	   /* number of tokens before its first star */
	size_t from, split, join, to;
};

/* Returns the only place between both where the phrase stands with a token on each side; 0:
 * there is none, or more than one. */
static size_t
only_place(const struct meaning_tokens *t, size_t from, size_t to, const struct question_phrase *p)
{
	size_t found = 0;

	for (size_t i = from; i + p->n <= to; i++) {
		if (!phrase_at(t, i, to, p))
			continue;
		if (found || i == from || i + p->n == to)
			return 0;
		found = i;
	}
	return found;
}

static void
try_form(const struct meaning_tokens *t, size_t at, size_t end, const struct question_form *f,
	struct meaning_match *best)
{
	const struct question_phrase *p = f->part;
	size_t literal = p[0].n + p[1].n + p[2].n;
	bool better = literal > best->literal ||
		      (literal == best->literal && p[0].n > best->first);

	if (!better || at + literal >= end || !phrase_at(t, at, end, &p[0]) ||
		!phrase_at(t, end - p[2].n, end, &p[2]))
		return;
	struct meaning_match m = { .group = f->group,
		.literal = literal,
		.first = p[0].n,
		.from = at + p[0].n,
		.split = end - p[2].n,
		.join = end - p[2].n,
		.to = end - p[2].n };
	if (p[1].n) {
		if (!(m.split = only_place(t, m.from, m.to, &p[1])))
			return;
		m.join = m.split + p[1].n;
	}
	*best = m;
}

/* Skips phrases before the question, with a comma or full stop behind them. The last opening
 * counts: "tell me how to" is "how to", but "tell me the" is an opening of its own. */
static struct meaning_match
find_opening(const struct meaning_tokens *t, size_t end, const struct questions *q)
{
	struct meaning_match found = { .group = NULL };

	for (size_t at = 0, lead = 1; lead && at < end; at += lead) {
		struct meaning_match m = { .group = NULL };
		for (size_t i = 0; i < q->nforms; i++)
			try_form(t, at, end, &q->forms[i], &m);
		if (m.group)
			found = m;
		lead = longest_phrase_at(t, at, end, q->leads, q->nleads);
		if (lead && at + lead < end && token_is_sign(t, at + lead, ",.!"))
			lead++;
	}
	return found;
}

/* Appends the tokens as written. Tokens that a space separates stay separate, because "3,5" and
 * "3, 5" differ. */
static void
put_rest(const struct meaning_tokens *t, size_t from, size_t to, struct buf *out)
{
	for (size_t i = from; i < to; i++) {
		struct span token = token_span(t, i);
		/* English "I" is no name. */
		buf_span(out, span_is(token, "I") ? SPAN_LIT("i") : token);
		if (i + 1 == to || t->v[i].end < t->v[i + 1].at)
			buf_putc(out, ' ');
	}
}

const char *
meaning_firm(const struct courtesy *c, struct span text, struct buf *out)
{
	struct span s = span_trim(text, " \t\r\n");
	bool plain;

	if (s.n > MEANING_TEXT_MOST)
		return "the prompt is too long to be compared";
	while (span_starts(s, SPAN_LIT("¿")) || span_starts(s, SPAN_LIT("¡")))
		s = span_cut(s, 2, s.n);
	const char *why = near_look(s, &plain);
	if (why)
		return why;
	if (!plain)
		return "the prompt has quotes, code, several lines or unusual signs";
	SCOPED_BUF(lower, 0);
	struct meaning_tokens t = { .text = s, .lower = &lower };
	if (!read_meaning_tokens(&t))
		return "the prompt's script has no capitals";
	struct meaning_match m = { .group = NULL };
	if (c->questions && !buf_failed(&lower))
		m = find_opening(&t, before_closings(&t, c->questions), c->questions);
	if (!m.group)
		return "the prompt does not begin with a listed opening";
	for (size_t i = m.from; i < m.to; i++)
		if (near_speaks(c, token_span(&t, i)))
			return "the prompt is about a text, so polite phrases may be content";
	buf_printf(out, "%s: ", m.group);
	put_rest(&t, m.from, m.split, out);
	put_rest(&t, m.join, m.to, out);
	return NULL;
}

int
meaning_vector(struct span answer, struct buf *floats, uint64_t *tokens)
{
	json_auto_t *o = json_loadb(answer.p, answer.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *data = json_object_get(o, "data"),
	       *v = json_object_get(json_array_get(data, 0), "embedding"),
	       *used = json_object_get(json_object_get(o, "usage"), "prompt_tokens");
	size_t n = json_array_size(v), i;
	double length = 0;
	json_t *one;

	if (json_array_size(data) != 1 || n == 0 || n > MEANING_DIMS_MOST)
		return ERR_SYNTAX;
	json_array_foreach(v, i, one)
	{
		float f = (float)json_number_value(one);
		if (!json_is_number(one) || !isfinite(f))
			return ERR_SYNTAX;
		length += (double)f * (double)f;
		buf_put(floats, &f, sizeof(f));
	}
	*tokens = json_is_integer(used) && json_integer_value(used) > 0
			  ? (uint64_t)json_integer_value(used)
			  : 0;
	return length > 0 && isfinite(length) && !buf_failed(floats) ? 0 : ERR_SYNTAX;
}
