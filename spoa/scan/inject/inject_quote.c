/* Finds quotations by their opening and closing marks; see inject_quote.h. For each mark, the
 * last closing mark found is remembered, so that no part of the text is searched twice for the
 * same mark. */
#include "scan/inject/inject_quote.h"

#include <string.h>

#include "base/ascii.h"

enum {
	NO_LETTER = 1, /* does not open after a letter or close before one: "don't" */
	NO_DIGIT = 2,  /* does not open after an ASCII letter or digit: 5" */
	/* opens only at the beginning of a line; the end of the text closes it too */
	LINE = 4,
};

/* If several marks open at one place, the first row's counts. Of rows with the same opening
 * mark, the one that closes first counts. */
static const struct mark {
	const char *open, *close;
	unsigned flags;
} marks[] = {
	{ "```", "```", 0 },
	{ "\"\"\"", "\"\"\"", 0 },
	{ "`", "`", 0 },
	{ "\"", "\"", NO_DIGIT },
	{ "'", "'", NO_LETTER },
	{ "> ", "\n", LINE },
	{ "<quote>", "</quote>", 0 },
	{ "“", "”", 0 },
	{ "”", "”", 0 },
	{ "„", "“", 0 },
	{ "„", "”", 0 },
	{ "„", "\"", 0 },
	{ "‘", "’", NO_LETTER },
	{ "‚", "‘", 0 },
	{ "«", "»", 0 },
	{ "»", "«", 0 },
	{ "‹", "›", 0 },
	{ "「", "」", 0 },
	{ "『", "』", 0 },
};
_Static_assert(COUNT_OF(marks) <= QUOTE_MARKS, "inject_quotes.closer");

static const bool may_open[256] = {
	['`'] = true,
	['"'] = true,
	['\''] = true,
	[0xe2] = true,
	['>'] = true,
	['<'] = true,
	[0xc2 /* « » */] = true,
	[0xe3] = true,
};

/* Returns true for ‘ to ‟, ‹ and ›. Invisible characters, dashes and mathematical signs begin
 * with the same byte, and a text may be full of them. */
static inline bool
general_mark(const char *p, size_t n)
{
	unsigned char last = n > 2 ? (unsigned char)p[2] : 0;

	return (last & 0xf8) == 0x98 || last == 0xb9 || last == 0xba;
}

/* Compares byte by byte: this is called for every mark at each possible place, and almost all
 * marks differ within three bytes. */
static inline bool
mark_is_at(const char *mark, const char *p, size_t n)
{
	size_t i = 0;

	while (mark[i] && i < n && mark[i] == p[i])
		i++;
	return mark[i] == 0;
}

static bool
mark_opens(const struct mark *m, struct span t, size_t at)
{
	unsigned char before = at ? (unsigned char)t.p[at - 1] : '\n';

	if (!mark_is_at(m->open, t.p + at, t.n - at))
		return false;
	if (m->flags & LINE)
		return before == '\n';
	if (before == '\\')
		return false;
	if (m->flags & NO_LETTER)
		return !is_letter_or_digit((char)before);
	return !(m->flags & NO_DIGIT) || !is_alnum((char)before);
}

/* Returns the offset of the first closing mark at or after `from`; the text's length if there
 * is none. */
static size_t
closing_mark(const struct mark *m, struct span t, size_t from)
{
	size_t len = strlen(m->close);

	for (; from < t.n; from++) {
		const char *p = memmem(t.p + from, t.n - from, m->close, len);
		if (!p)
			return t.n;
		from = (size_t)(p - t.p);
		if (p[-1] == '\\' || ((m->flags & NO_LETTER) && from + len < t.n &&
					     is_letter_or_digit(t.p[from + len])))
			continue;
		return from;
	}
	return t.n;
}

/* Returns the end of the quotation that opens at `at`, closing mark included; 0: none opens. */
static size_t
quotation_at(struct inject_quotes *q, size_t at)
{
	size_t end = 0;

	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		const struct mark *m = &marks[i];
		if (end && strcmp(m->open, marks[i - 1].open))
			break;
		if (*m->open != q->text.p[at] || !mark_opens(m, q->text, at))
			continue;
		size_t inside = at + strlen(m->open), *c = &q->closer[i];
		if (*c < inside)
			*c = closing_mark(m, q->text, inside);
		if (*c - at > QUOTE_MAX || (*c == q->text.n && !(m->flags & LINE)))
			continue;
		size_t close = *c == q->text.n ? *c : *c + strlen(m->close);
		if (end == 0 || close < end)
			end = close;
	}
	return end;
}

void
inject_quotes_begin(struct inject_quotes *q, struct span text)
{
	memset(q, 0, sizeof(*q));
	q->text = text;
}

bool
inject_quotes_outside(struct inject_quotes *q, struct span *piece)
{
	size_t from = q->at, end;

	if (from > q->text.n)
		return false;
	for (; q->at < q->text.n; q->at++) {
		unsigned char c = (unsigned char)q->text.p[q->at];
		if (!may_open[c])
			continue;
		if (c == 0xe2 && !general_mark(q->text.p + q->at, q->text.n - q->at))
			continue;
		if ((end = quotation_at(q, q->at)) == 0)
			continue;
		*piece = span_cut(q->text, from, q->at);
		q->at = end;
		q->n++;
		return true;
	}
	*piece = span_cut(q->text, from, q->text.n);
	q->at = q->text.n + 1;
	return true;
}
