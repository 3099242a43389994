/* Walks over the strings of JSON text, and over the strings of JSON inside those, each at its
 * level of escaping.
 *
 * This is not a parser. JSON that is cut off, has a duplicate key or a surplus comma is still
 * accepted by some tools, so it must be scanned too. inner_open() records at which offsets the
 * level changes; the cursor and the edits follow that record. */
#include "scan/text/inner.h"

#include "base/among.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/text/spelled.h"

/* ---- the cursor ---- */

/* Applies all level changes up to the cursor. */
static void
cursor_enter(struct inner_cursor *c)
{
	while (c->next < c->in->n && c->in->v[c->next].at <= c->at)
		c->level = c->in->v[c->next++].level;
}

struct inner_cursor
inner_at(const struct inner *in, size_t at)
{
	struct inner_cursor c = { .in = in, .at = at };

	cursor_enter(&c);
	return c;
}

/* Returns the end of the text that is read at the cursor's level. */
static size_t
level_end(const struct inner_cursor *c)
{
	return c->next < c->in->n ? c->in->v[c->next].at : c->in->text.n;
}

/* Reads the unit at the cursor into out[*n]. Returns its number of bytes in the text. */
static size_t
cursor_unit(struct inner_cursor *c, char out[SPELLED_MOST], size_t *n)
{
	cursor_enter(c);
	return spelled_deep(span_cut(c->in->text, c->at, level_end(c)), c->level, out, n);
}

/* Returns the number of bytes at the cursor, at most `most`, that contain no escape. */
static size_t
cursor_plain(struct inner_cursor *c, size_t most)
{
	cursor_enter(c);
	size_t n = level_end(c) - c->at;
	n = n < most ? n : most;
	const char *p = c->in->text.p + c->at, *escape = c->level ? memchr(p, '\\', n) : NULL;
	return escape ? (size_t)(escape - p) : n;
}

bool
inner_escaped(struct span text)
{
	return text.n && memchr(text.p, '\\', text.n);
}

void
inner_said(const struct inner *in, size_t from, size_t to, struct buf *out)
{
	struct inner_cursor c = inner_at(in, from);
	char unit[SPELLED_MOST];
	size_t n;

	while (c.at < to) {
		size_t plain = cursor_plain(&c, to - c.at);
		buf_put(out, in->text.p + c.at, plain);
		c.at += plain;
		if (c.at == to || plain)
			continue;
		c.at += cursor_unit(&c, unit, &n);
		buf_put(out, unit, n);
	}
}

size_t
inner_start(struct inner_cursor *c, size_t said)
{
	char unit[SPELLED_MOST];
	size_t n;

	while (c->said < said && c->at < c->in->text.n) {
		size_t plain = cursor_plain(c, said - c->said);
		size_t raw = plain ? plain : cursor_unit(c, unit, &n);
		n = plain ? plain : n;
		if (c->said + n > said)
			break;
		c->at += raw;
		c->said += n;
	}
	return c->at;
}

size_t
inner_end(struct inner_cursor *c, size_t said)
{
	char unit[SPELLED_MOST];
	size_t n, at = inner_start(c, said);

	return c->said < said && at < c->in->text.n ? at + cursor_unit(c, unit, &n) : at;
}

/* ---- finding JSON in strings ---- */

/* A document is recognized by its ends only: document = spaces ( "{" … "}" | "[" … "]" | '"' …
 * '"' ) spaces */
struct ends {
	char first, last; /* first and last character that is no space; 0: none */
	size_t n;	  /* number of characters that are no space */
};

static void
ends_add(struct ends *e, char c)
{
	if (is_space(c))
		return;
	e->first = e->n++ ? e->first : c;
	e->last = c;
}

static bool
ends_are_json(const struct ends *e, bool call)
{
	static const char open[] = "{[\"", close[] = "}]\"";
	const char *at = e->n ? memchr(open, e->first, 3) : NULL;

	return at && (call || (e->n > 1 && close[at - open] == e->last));
}

static int
add_change(struct inner *in, size_t at, unsigned level, struct arena *a)
{
	struct inner_change change = { at, level };

	INVARIANT(level <= INNER_LEVELS && at <= in->text.n);
	INVARIANT(!in->n || in->v[in->n - 1].at <= at); /* a cursor walks over the changes once */
	return ARENA_PUSH(a, in->v, in->n, in->room, 8, change) ? 0 : ERR_NOMEM;
}

/* Adds the bytes of a string from `at` on. Returns the offset of its next quote or backslash, or
 * `to`: all other bytes spell themselves at every level. */
static size_t
past_string_text(struct span t, size_t at, size_t to, struct ends *e)
{
	for (; at < to && t.p[at] != '"' && t.p[at] != '\\'; at++)
		ends_add(e, t.p[at]);
	return at;
}

/* Records a document in text[from, to), which is read at level - 1. Its strings are read at
 * `level`; documents inside them are recorded by recursion, at most INNER_LEVELS deep. */
static int
read_document(struct inner *in, size_t from, size_t to, unsigned level, struct arena *a)
{
	struct json_scan scan = { 0 };
	size_t begin = 0, n;
	char c[SPELLED_MOST];
	struct ends e = { 0 };
	INVARIANT(level > 0 && from <= to);
	int err = add_change(in, from, level, a);

	for (size_t at = from, raw; !err && at < to; at += raw) {
		if (scan.string && !scan.escape &&
			(raw = past_string_text(in->text, at, to, &e) - at))
			continue;
		raw = spelled_deep(span_cut(in->text, at, to), level - 1, c, &n);
		switch (json_scan_byte(&scan, c[0])) {
		case JSON_BYTE_TEXT: ends_add(&e, c[0]); break;
		case JSON_BYTE_ESCAPED:
			/* `c` is the letter of the escape; the ends need the character that the
			 * escape spells */
			ends_add(&e, is_one_of(c[0], "bfnrt") ? ' ' : c[0]);
			break;
		case JSON_BYTE_BEGINS:
			begin = at + raw;
			e = (struct ends){ 0 };
			break;
		case JSON_BYTE_ENDS:
			if (level == INNER_LEVELS || !ends_are_json(&e, false))
				break;
			err = read_document(in, begin, at, level + 1, a);
			err = err ? err : add_change(in, at, level, a);
			break;
		default: break;
		}
	}
	return err;
}

int
inner_open(struct inner *in, struct span text, bool call, struct arena *a)
{
	struct span s = span_trim(text, " \t\r\n");
	struct ends e = { 0 };

	*in = (struct inner){ .text = text };
	if (s.n)
		e = (struct ends){ s.p[0], s.p[s.n - 1], s.n };
	return ends_are_json(&e, call) ? read_document(in, 0, text.n, 1, a) : 0;
}

/* ---- edits ---- */

struct inner_place
inner_begin(const struct inner *in)
{
	return (struct inner_place){ .c = inner_at(in, 0) };
}

/* Resets the JSON state if a document begins or ends at the cursor. */
static void
enter_document(struct inner_place *p)
{
	unsigned level = p->c.level;

	cursor_enter(&p->c);
	if (p->c.level == level)
		return;
	p->scan = (struct json_scan){ .string = p->c.level < level };
}

/* Passes over one unit, as its document has it. */
static void
place_step(struct inner_place *p)
{
	char c[SPELLED_MOST];
	size_t n;

	enter_document(p);
	p->c.at += spelled_deep(span_cut(p->c.in->text, p->c.at, level_end(&p->c)),
		p->c.level ? p->c.level - 1 : 0, c, &n);
	json_scan_byte(&p->scan, c[0]);
}

enum { NUMBER_MOST = 512 }; /* bytes before and after an edit */

/* Returns the end of the text before the spaces that end at `at`. Escaped spaces of a document
 * in a string count too. */
static size_t
before_blanks(struct span t, size_t at)
{
	for (;;) {
		size_t to = at;
		if (at > 0 && is_space(t.p[at - 1]))
			at--;
		else if (at > 1 && is_one_of(t.p[at - 1], "nrt") && t.p[at - 2] == '\\')
			at--;
		while (at < to && at > 0 && t.p[at - 1] == '\\')
			at--;
		if (at == to)
			return at;
	}
}

/* Extends [*from, *to) to the whole number that contains it. Returns false if it is not in a
 * number. */
static bool
whole_number(struct span t, size_t *from, size_t *to)
{
	if (!span_all(span_cut(t, *from, *to), is_number_char))
		return false;
	size_t a = span_back(
		t, *from, *from > NUMBER_MOST ? *from - NUMBER_MOST : 0, is_number_char);
	size_t b = span_past(span_cut(t, 0, *to + NUMBER_MOST), *to, is_number_char);
	size_t before = before_blanks(t, a), after = span_past(t, b, is_space);
	if (before == 0 || !is_one_of(t.p[before - 1], ":[,") ||
		(after < t.n && !is_one_of(t.p[after], ",]}\\")))
		return false;
	*from = a;
	*to = b;
	return true;
}

struct span
inner_with(struct inner_place *p, size_t *from, size_t *to, struct span with, struct arena *a)
{
	struct span text = p->c.in->text;
	size_t at = *from;

	if (at < p->done) { /* the edit begins in a number that was replaced as a whole */
		*from = p->done;
		*to = *to > p->done ? *to : p->done;
		at = p->done;
	}
	while (p->c.at < at)
		place_step(p);
	enter_document(p);
	bool number = p->c.level && !p->scan.string && *to > at && whole_number(text, from, to);
	p->done = *to;
	SCOPED_BUF(b, 0);
	if (number) {
		/* The rest of the number may be replaced by the next edit, so only the digits
		 * before this edit are kept. */
		buf_putc(&b, '"');
		buf_span(&b, span_cut(text, *from, at));
		buf_json(&b, with);
		buf_putc(&b, '"');
	} else if (*to > at) {
		buf_span(&b, with);
	}
	spelled_json(&b, p->c.level - (p->c.level && !p->scan.string));
	return b.n || b.failed ? arena_kept(a, &b) : SPAN_LIT("");
}
