/* Token counts in responses, and asking a streaming provider for them without
 * the caller's noticing (design rule 8). Members that are unknown are passed over,
 * null is absent, and a response that is not JSON has no usage. One count that is
 * no plain integer, or is there twice, spoils all of them: what is left of a usage
 * is less than what was used, and the reservation stays. */
#include "base/err.h"
#include "codec/json.h"
#include "dialect/family.h"

/* More is a provider's mistake; sums of a few stay far from overflow. */
#define TOKENS_MAX (INT64_C(1) << 48)

enum { ROWS_MAX = 32 };

struct counts {
	bool seen[USAGE_FIELDS];
	int64_t v[USAGE_FIELDS]; /* by usage_row.field */
	unsigned rows;		 /* that a value was read for */
	int64_t of_row[ROWS_MAX];
	bool spoilt;
};

struct reader {
	const struct usage_row *rows;
	struct span in;
	struct arena *a;
	struct json *j;
	struct counts *c;
	char path[96]; /* of the object being read, with a dot after it */
};

/* Some events carry the whole answer, or what is new of it, under a name: Anthropic's
 * message_start, Cohere's message-end, the last one of responses. */
static struct span
without_holder(struct span path)
{
	static const char *const holders[] = { "message.", "delta.", "response." };

	for (size_t i = 0; i < COUNT_OF(holders); i++)
		if (span_starts(path, span_str(holders[i])))
			return span_cut(path, strlen(holders[i]), path.n);
	return path;
}

/* The value at this path, where a row names it. */
static void
count(struct reader *r, struct span path, enum json_tok tok, struct span literal)
{
	if (tok == JSON_NULL)
		return;
	for (const struct usage_row *u = r->rows; u->path; u++) {
		unsigned row = 1u << (u - r->rows);
		uint64_t v = 0;
		if (!span_is(path, u->path))
			continue;
		if (tok != JSON_NUMBER || span_u64(literal, &v) != 0 || r->c->rows & row)
			r->c->spoilt = true;
		r->c->rows |= row;
		r->c->of_row[u - r->rows] = (int64_t)(v > TOKENS_MAX ? TOKENS_MAX : v);
	}
}

/* True where a row's path goes on after this one. */
static bool
leads_on(const struct reader *r, struct span path)
{
	for (const struct usage_row *u = r->rows; u->path; u++)
		if (span_starts(span_str(u->path), path))
			return true;
	return false;
}

/* With the opening brace just read: to the closing one. The recursion ends where
 * no row's path leads on. */
static int
read_object(struct reader *r, size_t base)
{
	struct json_event ev;

	while (json_next(r->j, &ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, &ev);
		if (!key.p)
			return ERR_NOMEM;
		bool fits = key.n < sizeof(r->path) - base;
		size_t n = base;
		if (fits) {
			memcpy(r->path + base, key.p, key.n);
			r->path[base + key.n] = '.';
			n += key.n + 1;
		}
		struct span path = without_holder(span_of(r->path, n));
		int err = 0;
		enum json_tok tok = json_next(r->j, &ev);
		if (tok > JSON_ERROR && fits && path.n)
			count(r, span_cut(path, 0, path.n - 1), tok,
				span_cut(r->in, ev.start, ev.end));
		bool inner = fits && path.n && leads_on(r, path);
		if (inner && tok > JSON_ERROR && tok != JSON_OBJECT && tok != JSON_NULL)
			r->c->spoilt = true;
		if (tok == JSON_OBJECT && fits && (inner || !path.n))
			err = read_object(r, n);
		else if (tok != JSON_ERROR)
			tok = json_skip(r->j, &ev);
		if (err)
			return err;
		if (tok == JSON_ERROR)
			break;
	}
	return json_error(r->j, NULL, NULL);
}

static void
add_up(const struct usage_row *rows, struct counts *c)
{
	for (const struct usage_row *u = rows; u->path; u++) {
		INVARIANT(u - rows < ROWS_MAX);
		if (!(c->rows & 1u << (u - rows)) || (u->instead && c->seen[u->field]))
			continue;
		c->v[u->field] += c->of_row[u - rows];
		c->seen[u->field] = true;
	}
	/* Bedrock's totals say whether what was cached is a part of the input */
	bool inside = c->seen[USAGE_TOTAL] &&
		      c->v[USAGE_TOTAL] == c->v[USAGE_INPUT] + c->v[USAGE_OUTPUT];
	if (!inside)
		c->v[USAGE_INPUT] += c->v[USAGE_APART];
}

/* All of the document's counts. 0 or the parser's error. */
static int
read_counts(const struct dialect *d, struct span json, struct arena *a, struct counts *c)
{
	struct reader r = { .rows = d->usage, .in = json, .a = a, .c = c };
	struct json_event ev;

	*c = (struct counts){ 0 };
	r.j = json_open(a, json);
	if (!r.j)
		return ERR_NOMEM;
	enum json_tok tok = json_next(r.j, &ev);
	if (tok == JSON_OBJECT) {
		int err = read_object(&r, 0);
		add_up(d->usage, c);
		return err || json_next(r.j, &ev) == JSON_END ? err
							      : json_error(r.j, NULL, NULL);
	}
	return tok == JSON_ERROR ? json_error(r.j, NULL, NULL) : 0;
}

/* Where only the total says what the output was (embeddings have none). */
static void
output_of_total(struct counts *c)
{
	if (c->seen[USAGE_OUTPUT] || !c->seen[USAGE_INPUT] || !c->seen[USAGE_TOTAL] ||
		c->v[USAGE_TOTAL] < c->v[USAGE_INPUT])
		return;
	c->v[USAGE_OUTPUT] = c->v[USAGE_TOTAL] - c->v[USAGE_INPUT];
	c->seen[USAGE_OUTPUT] = true;
}

int
dialect_usage(const struct dialect *d, struct span json, struct arena *a, struct usage *u)
{
	struct counts c;

	*u = (struct usage){ 0 };
	if (!d->usage)
		return ERR_NOTFOUND;
	int err = read_counts(d, json, a, &c);
	if (err)
		return err;
	output_of_total(&c);
	if (c.spoilt || !c.seen[USAGE_INPUT] || !c.seen[USAGE_OUTPUT])
		return ERR_NOTFOUND;
	*u = (struct usage){ .known = true,
		.input_tokens = c.v[USAGE_INPUT],
		.output_tokens = c.v[USAGE_OUTPUT],
		.cached_tokens = c.v[USAGE_CACHED] };
	return 0;
}

static void
raise_to(int64_t *v, int64_t to)
{
	if (to > *v)
		*v = to;
}

void
dialect_event_usage(const struct dialect *d, struct span event, struct span data,
	struct arena *a, struct usage *u)
{
	struct counts c;

	if (!d->usage)
		return;
	int err = read_counts(d, data, a, &c);
	u->spoilt |= err == ERR_DUPLICATE;
	u->known &= !u->spoilt;
	if (err)
		return;
	output_of_total(&c);
	raise_to(&u->input_tokens, c.v[USAGE_INPUT]);
	raise_to(&u->output_tokens, c.v[USAGE_OUTPUT]);
	raise_to(&u->cached_tokens, c.v[USAGE_CACHED]);
	u->spoilt |= c.spoilt;
	u->input_seen |= c.seen[USAGE_INPUT];
	/* What message_start says of the output is where it begins: a stream cut
	 * after it has unknown usage. */
	u->output_seen |= c.seen[USAGE_OUTPUT] && !span_is(event, "message_start");
	u->known = u->input_seen && u->output_seen && !u->spoilt;
}

bool
dialect_key_counts(struct span key)
{
	static const char *const tells[] = { "sage", "oken", "_count" };

	for (size_t i = 0; i < COUNT_OF(tells); i++)
		if (memmem(key.p, key.n, tells[i], strlen(tells[i])))
			return true;
	return false;
}

/* ---- asking, and hiding that we asked ---- */

int
dialect_ask_usage(const struct body *b, struct splice *edit)
{
	const struct body_marks *m = &b->marks;

	if (!b->table->asks_usage || !b->stream || b->wants_usage)
		return 0;
	if (m->include)
		*edit = (struct splice){ m->include, m->include_end, SPAN_LIT("true") };
	else if (m->options && m->options_null)
		*edit = (struct splice){ m->options, m->options_end,
			SPAN_LIT("{\"include_usage\":true}") };
	else if (m->options)
		*edit = (struct splice){ m->options + 1, m->options + 1,
			m->options_empty ? SPAN_LIT("\"include_usage\":true")
					 : SPAN_LIT("\"include_usage\":true,") };
	else
		*edit = (struct splice){ m->top, m->top,
			SPAN_LIT("\"stream_options\":{\"include_usage\":true},") };
	return 1;
}

struct member {
	struct span key;
	size_t start, end; /* from the key's quote to the end of the value */
	enum json_tok tok;
	bool empty; /* a container with nothing in it */
};

/* The next member of the object that is open; false at its end or an error. */
static bool
next_member(struct json *j, struct span in, struct arena *a, struct member *m)
{
	struct json_event ev;

	if (json_next(j, &ev) != JSON_KEY)
		return false;
	*m = (struct member){
		.key = json_text(a, in, &ev), .start = ev.start - 1, .empty = true
	};
	m->tok = json_next(j, &ev);
	m->end = ev.end + (m->tok == JSON_STRING);
	if (m->tok == JSON_OBJECT || m->tok == JSON_ARRAY) {
		unsigned depth = ev.depth;
		while (json_next(j, &ev) != JSON_ERROR && ev.depth > depth)
			m->empty = false;
		m->end = ev.end;
	}
	return m->key.p && json_error(j, NULL, NULL) == 0;
}

int
dialect_hide_usage(
	const struct dialect *d, struct span data, struct arena *a, struct span *edited)
{
	struct json *j = d->asks_usage ? json_open(a, data) : NULL;
	struct json_event ev;
	struct member m;
	bool found = false, first = false, counted = false, no_choices = false;
	size_t from = 0, to = 0, last = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return 0;
	while (next_member(j, data, a, &m)) {
		if (first && last == to)
			to = m.start; /* the first member goes with the comma after it */
		if (span_is(m.key, "choices"))
			no_choices = m.tok == JSON_ARRAY && m.empty;
		if (span_is(m.key, "usage")) {
			found = true;
			first = last == 0;
			counted = m.tok == JSON_OBJECT;
			from = first ? m.start : last;
			to = m.end;
		}
		last = m.end;
	}
	if (json_error(j, NULL, NULL) || json_next(j, &ev) != JSON_END || !found)
		return 0;
	if (counted && no_choices)
		return 2;
	char *p = arena_alloc(a, data.n);
	if (!p)
		return 0;
	memcpy(p, data.p, from);
	memcpy(p + from, data.p + to, data.n - to);
	*edited = span_of(p, from + data.n - to);
	return 1;
}
