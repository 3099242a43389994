/* What is held is read again with what comes next: at most RESTORE_HELD_MOST bytes, so the work
 * is linear in the text. Separate from text/spelling.c, which knows what a placeholder looks
 * like and nothing of pieces. */
#include "answer/restore.h"

#include "base/err.h"
#include "base/mem.h"

struct restorer {
	const struct vault *vault;
	unsigned level;
	size_t count, held_n, left;
	struct url_place url;
	struct { /* of JSON, which string the text is in */
		bool string;
		unsigned seen; /* its first characters that are no blanks: 0, 1, then no more */
		bool maybe, json;	  /* it begins as JSON does */
		bool inner, inner_escape; /* in a string of that; after a backslash there */
	} in;
	char held[RESTORE_HELD_MOST];
};

struct restorer *
restorer_new(const struct vault *v, enum restore_form form)
{
	struct restorer *r = mem_get_zeroed(sizeof(*r));

	if (!r)
		return NULL;
	r->vault = v;
	r->level = (unsigned)form;
	return r;
}

void
restorer_free(struct restorer **r)
{
	if (*r)
		mem_put(*r, sizeof(**r));
	*r = NULL;
}

void
restorer_value(struct restorer *r)
{
	r->url.before = '"';
}

void
restorer_goes_on(struct restorer *r, const struct url_place *from)
{
	if (r->level == 0)
		r->url = *from;
}

const struct url_place *
restorer_place(const struct restorer *r)
{
	return &r->url;
}

size_t
restorer_held(const struct restorer *r)
{
	return r->held_n;
}

size_t
restorer_count(const struct restorer *r)
{
	return r->count;
}

size_t
restorer_left(const struct restorer *r)
{
	return r->left;
}

/* The first two characters of a string, blanks aside, say whether it is JSON: {" or {} or an
 * array of strings, objects or arrays. "[see above] he said" is not. */
static void
note_beginning(struct restorer *r, int c)
{
	if (r->in.seen > 1 || c == ' ' || c == '\n' || c == '\r' || c == '\t')
		return;
	if (r->in.seen++ == 0)
		r->in.maybe = c == '{' || c == '[';
	else
		r->in.json = r->in.maybe && (c == '"' || c == '{' || c == '[');
}

/* A unit of the text: the character it spells, and whether it was escaped. */
static void
note_unit(struct restorer *r, int c, bool escaped)
{
	if (c == '"' && !escaped) {
		bool begins = !r->in.string;
		memset(&r->in, 0, sizeof(r->in));
		r->in.string = begins;
		return;
	}
	if (!r->in.string)
		return;
	note_beginning(r, c);
	if (!r->in.json)
		return;
	if (r->in.inner_escape)
		r->in.inner_escape = false;
	else if (c == '\\')
		r->in.inner_escape = true;
	else if (c == '"')
		r->in.inner = !r->in.inner;
}

static void
put_back(struct restorer *r, const struct spelling *s, struct buf *out)
{
	spelling_value(out, vault_value(r->vault, s->node), s->escape,
		r->level + (r->in.inner ? 1 : 0));
	r->count++;
	url_place_step(&r->url, 'x');
	if (r->level && r->in.string)
		note_beginning(r, 'x');
}

/* How long the byte or escape at the beginning of `in` is; 0: more is needed. */
static size_t
step(struct restorer *r, struct span in, bool final)
{
	size_t n, plain;
	int c;

	if (r->level == 0) {
		url_place_step(&r->url, (unsigned char)in.p[0]);
		return 1;
	}
	n = spelling_unit(in, r->level, &c);
	if (n == 0)
		return final ? in.n : 0;
	plain = spelling_unit(in, r->level - 1, &(int){ 0 });
	note_unit(r, c, n > plain);
	if (r->in.string)
		url_place_step(&r->url, c);
	else
		r->url = (struct url_place){ .before = '"' };
	return n;
}

/* In a URL it stays as the model wrote it. */
static void
leave(struct restorer *r, struct span spelling)
{
	struct url_place was = r->url;

	while (spelling.n)
		spelling = span_cut(spelling, step(r, spelling, true), spelling.n);
	r->url = was;
	url_place_step(&r->url, 'x');
	r->left++;
}

/* On to the next byte that may begin a placeholder, or says which string the text is in. */
static size_t
past_plain(struct restorer *r, struct span in, size_t at)
{
	bool all = r->level && r->in.string;

	for (; !all && at < in.n && !spelling_begins[(unsigned char)in.p[at]] &&
		(r->level == 0 || in.p[at] != '"');
		at++)
		if (r->level == 0)
			url_place_step(&r->url, (unsigned char)in.p[at]);
	return at;
}

/* Passes on what can be decided; how many bytes of `in` that are. */
static size_t
advance(struct restorer *r, struct span in, bool final, struct buf *out)
{
	const struct spelling_names names = vault_names(r->vault);
	struct spelling s;
	size_t from = 0, at = 0;

	while (at < in.n) {
		at = past_plain(r, in, at);
		if (at == in.n)
			break;
		struct span rest = span_cut(in, at, in.n);
		int found = spelling_begins[(unsigned char)in.p[at]]
				    ? spelling_at(rest, r->level, final, &names, &s)
				    : 0;
		if (found > 0 && url_place_inside(&r->url) && !vault_urls(r->vault)) {
			leave(r, span_cut(rest, 0, s.raw));
			at += s.raw;
			continue;
		}
		if (found > 0) {
			buf_span(out, span_cut(in, from, at));
			put_back(r, &s, out);
			from = at += s.raw;
			continue;
		}
		size_t n = found < 0 ? 0 : step(r, rest, final);
		if (n == 0)
			break;
		at += n;
	}
	buf_span(out, span_cut(in, from, at));
	return at;
}

int
restorer_feed(struct restorer *r, struct span text, struct buf *out)
{
	if (vault_count(r->vault) == 0) {
		buf_span(out, text);
		text.n = 0;
	}
	while (text.n) {
		if (r->held_n == 0) {
			size_t n = advance(r, text, false, out);
			r->held_n = text.n - n;
			INVARIANT(r->held_n <= sizeof(r->held));
			memcpy(r->held, text.p + n, r->held_n);
			break;
		}
		size_t old = r->held_n, room = sizeof(r->held) - old;
		struct span more = span_cut(text, 0, room);
		memcpy(r->held + old, more.p, more.n);
		size_t n = advance(r, span_of(r->held, old + more.n), false, out);
		INVARIANT(n || more.n);
		if (n >= old) {
			r->held_n = 0;
			text = span_cut(text, n - old, text.n);
		} else {
			r->held_n = old + more.n - n;
			memmove(r->held, r->held + n, r->held_n);
			text = span_cut(text, more.n, text.n);
		}
	}
	return buf_failed(out) ? ERR_NOMEM : 0;
}

int
restorer_end(struct restorer *r, struct buf *out)
{
	size_t n = r->held_n;

	r->held_n = 0;
	if (n)
		advance(r, span_of(r->held, n), true, out);
	return buf_failed(out) ? ERR_NOMEM : 0;
}
