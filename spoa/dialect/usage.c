/* Token counts in responses. Members that are unknown are passed over,
 * null is absent, and a response that is not JSON has no usage. One count that is
 * no plain integer, or is there twice, spoils all of them: what is left of a usage
 * is less than what was used, and the reservation stays. */
#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/json.h"
#include "dialect/family.h"

/* More is a provider's mistake, which would end a budget for good: as if it said nothing. Sums
 * of a few stay far from overflow. */
#define TOKENS_MAX (INT64_C(1) << 32)

/* A cache that was changed so soon was made just now. */
#define MADE_NS (INT64_C(60) * 1000000000)

enum { ROWS_MAX = 64 };
#define ROW_BIT(u, rows) (UINT64_C(1) << ((u) - (rows)))

struct counts {
	bool seen[USAGE_FIELDS];
	int64_t v[USAGE_FIELDS]; /* by usage_row.field */
	uint64_t rows;		 /* that a value was read for */
	int64_t of_row[ROWS_MAX];
	enum price_service service;
	bool fast, us_only;
	bool spoilt;
	struct file_name made;
	int64_t began_ns, until_ns; /* of a cache: when it was made or changed, and its end */
	int64_t made_ns;
	uint64_t kept_s;
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
	static const char *const holders[] = { "message.", "delta.", "response.",
		"interaction." };

	for (size_t i = 0; i < COUNT_OF(holders); i++)
		if (span_starts(path, span_str(holders[i])))
			return span_cut(path, strlen(holders[i]), path.n);
	return path;
}

/* Of a number, or one in a text: whole seconds, a part of one counts as one. */
static bool
seconds(struct span text, uint64_t *v)
{
	if (text.n > 1 && text.p[0] == '"')
		text = span_cut(text, 1, text.n - 1);
	struct span whole = span_next(&text, '.');
	bool more = false;

	for (size_t i = 0; i < text.n; i++) {
		if (!is_digit(text.p[i]))
			return false;
		more |= text.p[i] != '0';
	}
	if (span_u64(whole, v) || *v > TOKENS_MAX)
		return false;
	*v += more;
	return true;
}

/* The value at this path, where a row names it. */
static void
count(struct reader *r, struct span path, enum json_tok tok, struct span literal)
{
	if (tok == JSON_NULL)
		return;
	for (const struct usage_row *u = r->rows; u->path; u++) {
		uint64_t row = ROW_BIT(u, r->rows), v = 0;
		if (!span_is(path, u->path))
			continue;
		if (u->field == USAGE_SECONDS || u->field == USAGE_LENGTH) {
			bool ok = seconds(literal, &v);
			r->c->spoilt |= u->field == USAGE_SECONDS && !ok;
			r->c->rows |= ok ? row : 0;
			r->c->of_row[u - r->rows] = ok ? (int64_t)v : 0;
			continue;
		}
		if (tok != JSON_NUMBER || span_u64(literal, &v) != 0 || v > TOKENS_MAX ||
			r->c->rows & row)
			r->c->spoilt = true;
		r->c->rows |= row;
		r->c->of_row[u - r->rows] = v > TOKENS_MAX ? 0 : (int64_t)v;
	}
}

/* An object that only says at which rate it was served. */
static bool
serves(struct span path)
{
	return span_is(path, "serviceTier.");
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

/* Where answers say at which rate they were served: the last word counts. */
static void
note_service(struct reader *r, struct span path, const struct json_event *ev)
{
	static const char *const paths[] = { "service_tier", "usage.service_tier",
		"serviceTier.type", "serviceTier", "usageMetadata.serviceTier",
		"usageMetadata.trafficType" };
	static const char *const begins[] = { "createTime", "updateTime" };
	struct counts *c = r->c;
	int64_t ns = 0;

	if (SPAN_IN(path, paths))
		c->service = price_service_of(json_text(r->a, r->in, ev));
	if (SPAN_IN(path, begins) || span_is(path, "expireTime")) {
		struct span text = json_text(r->a, r->in, ev);
		if (clock_parse(text.p, text.n, &ns))
			return;
		if (span_is(path, "expireTime"))
			c->until_ns = ns;
		else if (ns > c->began_ns)
			c->began_ns = ns;
		if (span_is(path, "createTime"))
			c->made_ns = ns;
	}
	if (span_is(path, "usage.speed"))
		r->c->fast = span_is(json_text(r->a, r->in, ev), "fast");
	if (span_is(path, "usage.inference_geo"))
		r->c->us_only = span_is(json_text(r->a, r->in, ev), "us");
}

/* An element of an array: its name, and how many it counts. */
struct element {
	struct span name, count;
	enum json_tok tok; /* of the count; JSON_NULL: it has none, and is one itself */
	uint64_t queries;  /* Gemini's grounding, in a candidate: what was searched for */
	bool searched, mapped;
};

static void
element_member(struct reader *r, struct span key, enum json_tok tok,
	const struct json_event *ev, struct element *e)
{
	static const char *const names[] = { "modality", "ttl", "type" };
	static const char *const counts[] = { "tokenCount", "inputTokens", "tokens", "count",
		"token_count" };
	static const char *const images[] = { "b64_json", "url", "bytesBase64Encoded" };

	if (tok == JSON_STRING && SPAN_IN(key, names))
		e->name = json_text(r->a, r->in, ev);
	else if (tok == JSON_STRING && SPAN_IN(key, images) && !e->name.n)
		e->name = SPAN_LIT("image");
	if (tok <= JSON_ERROR || !SPAN_IN(key, counts))
		return;
	e->tok = tok;
	e->count = span_cut(r->in, ev->start, ev->end);
	if (span_is(key, "token_count"))
		e->name = key;
}

/* What elements of an array say adds up. */
static void
count_more(struct reader *r, struct span path, uint64_t n, bool spoilt)
{
	for (const struct usage_row *u = r->rows; u->path; u++) {
		int64_t *v = &r->c->of_row[u - r->rows];
		if (!span_is(path, u->path))
			continue;
		r->c->rows |= ROW_BIT(u, r->rows);
		r->c->spoilt |= spoilt || n > TOKENS_MAX || *v + (int64_t)n > TOKENS_MAX;
		*v = r->c->spoilt ? 0 : *v + (int64_t)n;
	}
}

/* How many values the array lists whose opening bracket was just read; whether one of them is
 * an object that begins with the member `key`. */
static uint64_t
array_size(struct reader *r, const char *key, bool *has)
{
	struct json_event ev;
	enum json_tok tok;
	uint64_t n = 0;

	while ((tok = json_next(r->j, &ev)) != JSON_ARRAY_END && tok != JSON_ERROR) {
		if (tok != JSON_OBJECT) {
			json_skip(r->j, &ev);
		} else {
			while (json_next(r->j, &ev) == JSON_KEY) {
				*has |= span_is(json_text(r->a, r->in, &ev), key);
				json_next(r->j, &ev);
				json_skip(r->j, &ev);
			}
		}
		n++;
	}
	return n;
}

/* Of an element, or of an object in it that is known to count. */
static int
read_members(struct reader *r, struct element *e)
{
	static const char *const inner[] = { "groundingMetadata", /* Gemini */
		"embeddings", "statistics" /* Vertex */ };
	struct json_event ev;
	bool any = false;

	while (json_next(r->j, &ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, &ev);
		int err = 0;
		if (!key.p)
			return ERR_NOMEM;
		enum json_tok tok = json_next(r->j, &ev);
		element_member(r, key, tok, &ev, e);
		if (tok == JSON_OBJECT && SPAN_IN(key, inner)) {
			err = read_members(r, e);
		} else if (tok == JSON_ARRAY && span_is(key, "webSearchQueries")) {
			e->queries += array_size(r, "", &any);
			e->searched = true;
		} else if (tok == JSON_ARRAY && span_is(key, "groundingChunks")) {
			array_size(r, "maps", &e->mapped);
		} else if (json_skip(r->j, &ev) == JSON_ERROR) {
			break;
		}
		if (err)
			return err;
	}
	return json_error(r->j, NULL, NULL);
}

static void
count_element(struct reader *r, size_t base, struct span name, uint64_t n, bool spoilt)
{
	if (!name.n || name.n >= sizeof(r->path) - base)
		return;
	memcpy(r->path + base, name.p, name.n);
	count_more(r, without_holder(span_of(r->path, base + name.n)), n, spoilt);
}

static int
read_element(struct reader *r, size_t base)
{
	struct element e = { .tok = JSON_NULL };
	uint64_t n = 0;
	int err = read_members(r, &e);

	if (err)
		return err;
	bool counted = e.tok == JSON_NUMBER && span_u64(e.count, &n) == 0;
	if (e.searched)
		count_element(r, base, SPAN_LIT("webSearchQueries"), e.queries, false);
	if (e.mapped)
		count_element(r, base, SPAN_LIT("maps"), 1, false);
	if (e.tok == JSON_NULL)
		n = e.count.n ? 0 : 1; /* null is none */
	count_element(r, base, e.name, n, e.tok != JSON_NULL && !counted);
	return 0;
}

/* With the opening bracket just read: to the closing one. */
static int
read_array(struct reader *r, size_t base)
{
	struct json_event ev;

	for (;;) {
		enum json_tok tok = json_next(r->j, &ev);
		int err = 0;
		if (tok == JSON_ARRAY_END || tok == JSON_ERROR)
			return json_error(r->j, NULL, NULL);
		if (tok == JSON_OBJECT)
			err = read_element(r, base);
		else
			json_skip(r->j, &ev);
		if (err)
			return err;
	}
}

/* Whether rows name elements of the array whose path, with its dot, ends at *n; then *n is
 * after its brackets. */
static bool
lists(struct reader *r, size_t *n)
{
	if (*n + 2 > sizeof(r->path))
		return false;
	memcpy(r->path + *n - 1, "[].", 3);
	if (!leads_on(r, without_holder(span_of(r->path, *n + 2))))
		return false;
	*n += 2;
	return true;
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
		if (tok == JSON_STRING && !base && span_is(key, "id"))
			r->c->made = file_name_of(json_text(r->a, r->in, &ev));
		if (tok == JSON_STRING && fits && path.n)
			note_service(r, span_cut(path, 0, path.n - 1), &ev);
		bool inner = fits && path.n && leads_on(r, path);
		if (inner && tok > JSON_ERROR && tok != JSON_OBJECT && tok != JSON_NULL)
			r->c->spoilt = true;
		if (tok == JSON_OBJECT && fits && (inner || !path.n || serves(path)))
			err = read_object(r, n);
		else if (tok == JSON_ARRAY && fits && path.n && lists(r, &n))
			err = read_array(r, n);
		else if (tok != JSON_ERROR)
			tok = json_skip(r->j, &ev);
		if (err)
			return err;
		if (tok == JSON_ERROR)
			break;
	}
	return json_error(r->j, NULL, NULL);
}

/* xAI's total shows that what was thought is apart from the output. */
static void
add_reasoning(struct counts *c)
{
	int64_t *v = c->v;

	if (c->seen[USAGE_TOTAL] && c->seen[USAGE_OUTPUT] && v[USAGE_REASONING] > 0 &&
		v[USAGE_TOTAL] == v[USAGE_INPUT] + v[USAGE_OUTPUT] + v[USAGE_REASONING])
		v[USAGE_OUTPUT] += v[USAGE_REASONING];
}

static void
add_up(const struct usage_row *rows, struct counts *c)
{
	for (const struct usage_row *u = rows; u->path; u++) {
		INVARIANT(u - rows < ROWS_MAX);
		if (!(c->rows & ROW_BIT(u, rows)) || (u->instead && c->seen[u->field]))
			continue;
		c->v[u->field] += c->of_row[u - rows];
		c->seen[u->field] = true;
	}
	/* Bedrock's totals say whether what was cached is a part of the input */
	bool inside = c->seen[USAGE_TOTAL] &&
		      c->v[USAGE_TOTAL] == c->v[USAGE_INPUT] + c->v[USAGE_OUTPUT];
	if (!inside)
		c->v[USAGE_INPUT] += c->v[USAGE_APART];
	add_reasoning(c);
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
	json_take_halves(r.j);
	enum json_tok tok = json_next(r.j, &ev);
	if (tok == JSON_OBJECT) {
		int err = read_object(&r, 0);
		add_up(d->usage, c);
		return err || json_next(r.j, &ev) == JSON_END ? err
							      : json_error(r.j, NULL, NULL);
	}
	return tok == JSON_ERROR ? json_error(r.j, NULL, NULL) : 0;
}

/* What is counted by the piece: images only where there are no tokens, and then, as for
 * searches, there are none. */
static void
count_pieces(struct counts *c)
{
	bool tokens = c->seen[USAGE_INPUT] || c->seen[USAGE_OUTPUT];

	if (!tokens && !c->seen[USAGE_SECONDS] && c->seen[USAGE_LENGTH]) {
		c->v[USAGE_SECONDS] = c->v[USAGE_LENGTH];
		c->seen[USAGE_SECONDS] = true;
	}
	if (!tokens && c->seen[USAGE_SECONDS])
		c->seen[USAGE_INPUT] = c->seen[USAGE_OUTPUT] = true;
	/* a cache that is kept: its tokens are written once, and kept from then on */
	if (!tokens && c->seen[USAGE_KEPT] && c->until_ns > c->began_ns && c->began_ns > 0) {
		if (c->began_ns - c->made_ns < MADE_NS)
			c->v[USAGE_INPUT] = c->v[USAGE_WRITE] = c->v[USAGE_KEPT];
		c->kept_s = (uint64_t)(c->until_ns - c->began_ns + 999999999) / 1000000000;
		c->seen[USAGE_INPUT] = c->seen[USAGE_OUTPUT] = true;
	}
	if (c->seen[USAGE_INPUT] || c->seen[USAGE_OUTPUT])
		c->v[USAGE_IMAGES] = 0;
	else if (c->v[USAGE_IMAGES] || c->seen[USAGE_SEARCHES])
		c->seen[USAGE_INPUT] = c->seen[USAGE_OUTPUT] = true;
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

/* By kind the field that says it. */
static const enum usage_field field_of[PRICE_KINDS] = { [PRICE_CACHED] = USAGE_CACHED,
	[PRICE_WRITE] = USAGE_WRITE,
	[PRICE_WRITE_1H] = USAGE_WRITE_1H,
	[PRICE_AUDIO_IN] = USAGE_AUDIO_IN,
	[PRICE_IMAGE_IN] = USAGE_IMAGE_IN,
	[PRICE_REASONING] = USAGE_REASONING,
	[PRICE_AUDIO_OUT] = USAGE_AUDIO_OUT,
	[PRICE_IMAGE_OUT] = USAGE_IMAGE_OUT,
	[PRICE_IMAGES] = USAGE_IMAGES,
	[PRICE_SEARCHES] = USAGE_SEARCHES,
	[PRICE_MAPS] = USAGE_MAPS,
	[PRICE_SESSIONS] = USAGE_SESSIONS,
	[PRICE_FILES] = USAGE_FILES,
	[PRICE_DRAWN] = USAGE_DRAWN,
	[PRICE_SECONDS] = USAGE_SECONDS };

/* The details' part; counts of a stream are totals so far. */
static void
raise_details(struct usage *u, const struct counts *c)
{
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (field_of[k] && (uint64_t)c->v[field_of[k]] > u->details.n[k])
			u->details.n[k] = (uint64_t)c->v[field_of[k]];
	if (c->kept_s)
		u->details.n[PRICE_STORED] = (uint64_t)c->v[USAGE_KEPT] * c->kept_s;
	if (c->service || c->fast)
		u->details.service = c->fast ? PRICE_FAST : c->service;
	u->details.us_only |= c->us_only;
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
	u->made = c.made;
	output_of_total(&c);
	count_pieces(&c);
	if (c.spoilt || !c.seen[USAGE_INPUT] || !c.seen[USAGE_OUTPUT])
		return ERR_NOTFOUND;
	*u = (struct usage){ .known = true,
		.made = c.made,
		.input_tokens = c.v[USAGE_INPUT],
		.output_tokens = c.v[USAGE_OUTPUT],
		.cached_tokens = c.v[USAGE_CACHED] };
	raise_details(u, &c);
	return 0;
}

static void
raise_to(int64_t *v, int64_t to)
{
	if (to > *v)
		*v = to;
}

bool
dialect_event_usage(const struct dialect *d, struct span event, struct span data,
	struct arena *a, struct usage *u)
{
	struct counts c;

	if (!d->usage)
		return false;
	int err = read_counts(d, data, a, &c);
	u->spoilt |= err == ERR_DUPLICATE;
	u->known &= !u->spoilt;
	if (err)
		return false;
	output_of_total(&c);
	raise_to(&u->input_tokens, c.v[USAGE_INPUT]);
	raise_to(&u->output_tokens, c.v[USAGE_OUTPUT]);
	raise_to(&u->cached_tokens, c.v[USAGE_CACHED]);
	raise_details(u, &c);
	u->spoilt |= c.spoilt;
	u->input_seen |= c.seen[USAGE_INPUT];
	/* What message_start says of the output is where it begins: a stream cut
	 * after it has unknown usage. */
	bool counts = c.seen[USAGE_OUTPUT] && !span_is(event, "message_start");
	u->output_seen |= counts;
	u->known = u->input_seen && u->output_seen && !u->spoilt;
	return counts;
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
