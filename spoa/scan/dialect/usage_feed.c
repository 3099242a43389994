/* A tokenizer that is fed: it follows strings and containers, and gives the keys and first
 * tokens of values to the rows of usage.h. It checks no more of the grammar than it needs,
 * because the bytes have passed already. Containers deeper than DEPTH_MAX count nothing. */
#include "scan/dialect/usage_feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	DEPTH_MAX = 64,
	TEXT_MAX = 128,	    /* bytes that are kept of a key or value */
	HELD_MAX = 64,	    /* bytes that are kept of the name of an element */
	ARENA_MAX = 16384,  /* the counts */
	NESTED_MAX = 65536, /* a deeper document is not read */
};

struct usage_feed {
	struct arena a;
	struct usage_reader r;
	struct usage_place top, next; /* of the document; of the value after the last key */
	unsigned depth;		      /* open containers; the first DEPTH_MAX are in `level` */
	struct level {
		/* of an array: its current element. Must be the first member, because places
		 * point to it. */
		struct usage_element e;
		char name[HELD_MAX], count[HELD_MAX]; /* memory of e.name and e.count */
		struct usage_place at;
		bool object, wants_key, is_element;
	} level[DEPTH_MAX];
	enum { BETWEEN, IN_STRING, IN_LITERAL } state;
	bool escape, is_key, cut; /* `cut`: the text is longer than TEXT_MAX */
	bool begun, ended, failed;
	size_t n;
	char text[TEXT_MAX], id[TEXT_MAX];
};

struct usage_feed *
usage_feed_new(const struct dialect *d)
{
	struct usage_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	arena_init(&f->a, ARENA_MAX, false);
	f->top = usage_begin(&f->r, d, SPAN_LIT(""), &f->a);
	return f;
}

void
usage_feed_free(struct usage_feed **fp)
{
	if (*fp)
		arena_reset(&(*fp)->a);
	free(*fp);
	*fp = NULL;
}

static struct level *
feed_level(struct usage_feed *f)
{
	return f->depth && f->depth <= DEPTH_MAX ? &f->level[f->depth - 1] : NULL;
}

/* Copies a text that the next token would overwrite. */
static void
hold_text(const struct usage_feed *f, struct span *s, char to[HELD_MAX])
{
	if (s->p != f->text)
		return;
	s->n = s->n < HELD_MAX ? s->n : HELD_MAX;
	memcpy(to, s->p, s->n);
	s->p = to;
}

/* Reports the first token of a value, whose text is in f->text. Returns its place. */
static struct usage_place
feed_value(struct usage_feed *f, enum json_tok tok)
{
	struct level *in = feed_level(f);
	const struct json_event ev = { .tok = tok, .end = f->n };
	struct usage_place at = { 0 };

	f->failed |= f->ended || (!f->depth && f->begun) || (in && in->object && in->wants_key);
	if (!f->depth)
		at = f->top;
	else if (in)
		at = in->object ? f->next : usage_element(&in->at, &in->e);
	f->begun = true;
	f->next = (struct usage_place){ 0 };
	if (!at.part || (at.part == USAGE_ID && f->cut))
		return at;
	if (at.part == USAGE_ID)
		memcpy(f->id, f->text, f->n);
	f->r.json = span_of(at.part == USAGE_ID ? f->id : f->text, f->n);
	usage_value(&f->r, &at, &ev);
	if (at.element) {
		struct level *of = (struct level *)at.element;
		hold_text(f, &of->e.name, of->name);
		hold_text(f, &of->e.count, of->count);
	}
	return at;
}

static void
feed_container(struct usage_feed *f, bool object)
{
	f->n = 0;
	f->cut = false;
	const struct level *in = feed_level(f);
	bool of_array = in && !in->object;
	struct usage_place at = feed_value(f, object ? JSON_OBJECT : JSON_ARRAY);

	f->failed |= f->depth == NESTED_MAX;
	f->depth += f->depth < NESTED_MAX;
	struct level *now = feed_level(f);
	if (!now)
		return;
	now->at = at;
	now->object = now->wants_key = object;
	now->is_element = object && of_array && at.part == USAGE_ELEMENT;
}

static void
feed_container_end(struct usage_feed *f, bool object)
{
	const struct level *was = feed_level(f);

	if (!f->depth || (was && was->object != object)) {
		f->failed = true;
		return;
	}
	f->depth--;
	struct level *in = feed_level(f);
	if (was && was->is_element && in)
		usage_element_end(&f->r, &in->at, &in->e);
	f->ended = !f->depth;
}

static void
feed_key(struct usage_feed *f)
{
	struct level *in = feed_level(f);

	if (!in)
		return;
	in->wants_key = false;
	f->next = f->cut ? (struct usage_place){ 0 }
			 : usage_member(&f->r, in->at, span_of(f->text, f->n));
}

static void
feed_literal(struct usage_feed *f)
{
	struct span s = span_of(f->text, f->n);
	enum json_tok tok = span_is(s, "null")	  ? JSON_NULL
			    : span_is(s, "true")  ? JSON_TRUE
			    : span_is(s, "false") ? JSON_FALSE
						  : JSON_NUMBER;

	f->state = BETWEEN;
	feed_value(f, tok);
	f->ended |= !f->depth;
}

static void
keep_byte(struct usage_feed *f, char c)
{
	f->cut |= f->n == TEXT_MAX;
	if (f->n < TEXT_MAX)
		f->text[f->n++] = c;
}

/* Takes bytes inside a string. Returns how many. */
static size_t
feed_string(struct usage_feed *f, struct span s)
{
	size_t i = 0;

	for (; i < s.n && f->state == IN_STRING; i++) {
		char c = s.p[i];
		if (!f->escape && c == '"') {
			f->state = BETWEEN;
			if (f->is_key)
				feed_key(f);
			else
				feed_value(f, JSON_STRING);
			f->ended |= !f->depth;
			continue;
		}
		f->escape = !f->escape && c == '\\';
		keep_byte(f, c);
	}
	return i;
}

/* Takes one byte between two values, or the first one of a value. */
static void
feed_between(struct usage_feed *f, char c)
{
	struct level *in = feed_level(f);

	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ':': break;
	case ',':
		if (in)
			in->wants_key = in->object;
		break;
	case '{':
	case '[': feed_container(f, c == '{'); break;
	case '}':
	case ']': feed_container_end(f, c == '}'); break;
	default:
		f->state = c == '"' ? IN_STRING : IN_LITERAL;
		f->escape = f->cut = false;
		f->is_key = in && in->object && in->wants_key;
		f->n = 0;
		if (c != '"')
			keep_byte(f, c);
	}
}

void
usage_feed(struct usage_feed *f, struct span s)
{
	size_t i = 0;

	while (i < s.n && !f->failed) {
		if (f->state == IN_STRING) {
			i += feed_string(f, span_cut(s, i, s.n));
			continue;
		}
		char c = s.p[i];
		if (f->state == IN_LITERAL && !strchr(" \t\r\n,]}", c)) {
			keep_byte(f, c);
			i++;
			continue;
		}
		if (f->state == IN_LITERAL)
			feed_literal(f);
		feed_between(f, c);
		i++;
	}
}

bool
usage_feed_end(struct usage_feed *f, struct usage *u)
{
	*u = (struct usage){ .known = false };
	if (f->state == IN_LITERAL)
		feed_literal(f);
	if (f->failed || f->r.failed || !f->ended || f->state != BETWEEN)
		return false;
	usage_whole(f->r.counts, u);
	return u->known;
}
