/* Reads JSON (base/codec/json.h): RFC 8259 sections 2 to 8 in one pass, without recursion.
 *
 * Most of a chat body is strings, so these are scanned 16 bytes at a time and validated as UTF-8
 * in the same pass. The keys of the open objects are on one stack. Up to LINEAR_KEYS keys of an
 * object are compared with each other. More keys use a hash set with a random key, so that no
 * sender can make the check quadratic.
 *
 * Example: for {"a":[1]} the tokens are OBJECT, KEY, ARRAY, NUMBER, ARRAY_END, OBJECT_END, END.
 *
 * Below the tokenizer, strings are decoded, offsets in decoded text are mapped back to the raw
 * bytes, and the strings at known paths of a document are read. */
#include "base/codec/json.h"

#include <pthread.h>
#include <sodium.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"

/* The kinds of token that may follow. */
enum state {
	AT_VALUE,	 /* a value must follow */
	AT_FIRST_VALUE,	 /* a value or ] */
	AT_FIRST_KEY,	 /* a key or } */
	AT_MEMBER_VALUE, /* the value after a key and its colon */
	AT_COMMA,	 /* a comma, or the container's end; at top level, the end of the input */
	AT_END,
	AT_ERROR,
};

enum { LINEAR_KEYS = 12, SET_MIN = 64 };

/* A slot of the hash set, which uses open addressing. The hash is stored next to the key's
 * number, so that a probe touches one cache line and growing needs no hashing. */
struct slot {
	uint32_t hash;
	uint32_t key; /* number + 1; 0: free */
};

struct frame {
	bool object;
	uint32_t first_key; /* index in json.keys */
	struct slot *set;   /* kept for the next object at this depth */
	uint32_t set_size;  /* slots in use, a power of two; 0: not built */
	uint32_t set_room;  /* slots allocated */
};

struct json {
	struct arena *a;
	struct span in;
	size_t at;
	enum state state;
	unsigned depth;
	struct frame *frames;
	size_t nframes; /* allocated */
	struct span *keys;
	uint32_t nkeys;
	size_t keys_room;
	uint32_t nodes;
	bool halves; /* lone surrogates pass */
	int err;
	const char *why;
	size_t err_at;
};

static unsigned char set_key[crypto_shorthash_KEYBYTES];
static pthread_once_t set_key_once = PTHREAD_ONCE_INIT;

static void
set_key_init(void)
{
	randombytes_buf(set_key, sizeof(set_key));
}

static enum json_tok
fail_json(struct json *j, struct json_event *ev, int err, const char *why, size_t at)
{
	j->state = AT_ERROR;
	j->err = err;
	j->why = why;
	j->err_at = at;
	*ev = (struct json_event){
		.tok = JSON_ERROR, .start = at, .end = at, .depth = j->depth
	};
	return JSON_ERROR;
}

struct json *
json_open(struct arena *a, struct span in)
{
	struct json *j = arena_new(a, struct json);

	if (!j)
		return NULL;
	pthread_once(&set_key_once, set_key_init);
	*j = (struct json){ .a = a, .in = in, .state = AT_VALUE };
	return j;
}

void
json_take_halves(struct json *j)
{
	j->halves = true;
}

int
json_error(const struct json *j, const char **why, size_t *at)
{
	if (why)
		*why = j->why ? j->why : "";
	if (at)
		*at = j->err_at;
	return j->err;
}

/* ---- strings ---- */

size_t
json_special(struct span in, size_t at)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	while (in.n - at >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in.p + at));
		/* Compared as signed bytes: bytes of 0x80 and above are below 0x20 too. */
		__m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, space),
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return at + (unsigned)__builtin_ctz(mask);
		at += 16;
	}
#else
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t w;

	while (in.n - at >= 8) {
		memcpy(&w, in.p + at, 8);
		uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
		if (((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high) != 0)
			break;
		at += 8;
	}
#endif
	while (at < in.n) {
		unsigned char c = (unsigned char)in.p[at];
		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
		at++;
	}
	return at;
}

/* Returns the code unit of four hexadecimal digits at `at`, -1 if one of them is not a digit, or
 * -2 if the input ends first. */
static int
hex4(struct span in, size_t at)
{
	int unit = span_hex(in, at, 4);

	return unit < 0 && in.n < at + 4 && span_past(in, at, is_hex) == in.n ? -2 : unit;
}

/* escape = "\" ( one of "\/bfnrt / "u" 4HEXDIG ); a surrogate needs two of the latter (RFC 8259
 * section 7). Returns the offset after the escape, or 0 after an error. */
static size_t
lex_json_escape(struct json *j, struct json_event *ev, size_t at)
{
	struct span in = j->in;

	if (at + 1 >= in.n) {
		fail_json(j, ev, ERR_TRUNCATED, "the document ends inside a string", in.n);
		return 0;
	}
	switch (in.p[at + 1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't': return at + 2;
	case 'u': break;
	default: fail_json(j, ev, ERR_SYNTAX, "unknown escape in a string", at); return 0;
	}
	int unit = hex4(in, at + 2);
	if (unit >= 0 && (unit < 0xd800 || unit > 0xdfff))
		return at + 6;
	if (unit >= 0xd800 && unit < 0xdc00) {
		bool pair = at + 7 < in.n && in.p[at + 6] == '\\' && in.p[at + 7] == 'u';
		int low = pair ? hex4(in, at + 8) : -1;
		if (low >= 0xdc00 && low <= 0xdfff)
			return at + 12;
		if (low == -2 || at + 6 == in.n || (at + 7 == in.n && in.p[at + 6] == '\\'))
			unit = -2;
	}
	ev->halves |= unit >= 0;
	if (unit >= 0 && j->halves)
		return at + 6;
	if (unit == -2)
		fail_json(j, ev, ERR_TRUNCATED, "the document ends inside a string", in.n);
	else if (unit == -1)
		fail_json(j, ev, ERR_SYNTAX, "\\u without four hexadecimal digits", at);
	else
		fail_json(j, ev, ERR_ENCODING, "lone surrogate in a string", at);
	return 0;
}

/* Reads a string up to its closing quote, inclusive. j->at is after the opening quote. */
static bool
lex_json_string(struct json *j, struct json_event *ev)
{
	struct span in = j->in;
	size_t at = j->at;

	ev->start = at;
	for (;;) {
		at = json_special(in, at);
		if (at == in.n) {
			fail_json(
				j, ev, ERR_TRUNCATED, "the document ends inside a string", at);
			return false;
		}
		unsigned char c = (unsigned char)in.p[at];
		if (c == '"')
			break;
		if (c == '\\') {
			ev->escaped = true;
			at = lex_json_escape(j, ev, at);
			if (!at)
				return false;
		} else if (c < 0x20) {
			fail_json(j, ev, ERR_SYNTAX, "control character in a string", at);
			return false;
		} else {
			/* characters beyond ASCII usually follow each other */
			do {
				size_t len = utf8_sequence(in.p + at, in.n - at);
				if (!len) {
					fail_json(j, ev, ERR_ENCODING, "not valid UTF-8", at);
					return false;
				}
				at += len;
			} while (at < in.n && (in.p[at] & 0x80));
		}
	}
	ev->end = at;
	j->at = at + 1;
	return true;
}

/* ---- keys ---- */

static uint32_t
key_hash(struct span key)
{
	unsigned char h[crypto_shorthash_BYTES];
	uint32_t v;

	crypto_shorthash(h, (const unsigned char *)(key.n ? key.p : ""), key.n, set_key);
	memcpy(&v, h, sizeof(v));
	return v;
}

/* Adds key number `i` of the stack. Returns false if the set has an equal key. */
static bool
set_enter(struct json *j, struct frame *f, uint32_t i)
{
	uint32_t hash = key_hash(j->keys[i]), at = hash & (f->set_size - 1);

	for (; f->set[at].key; at = (at + 1) & (f->set_size - 1))
		if (f->set[at].hash == hash && span_eq(j->keys[f->set[at].key - 1], j->keys[i]))
			return false;
	f->set[at] = (struct slot){ hash, i + 1 };
	return true;
}

/* Makes an empty table of `size` slots. */
static bool
set_room(struct json *j, struct frame *f, uint32_t size)
{
	if (size > f->set_room) {
		f->set = arena_array(j->a, size, sizeof(*f->set));
		if (!f->set)
			return false;
		f->set_room = size;
	} else {
		memset(f->set, 0, size * sizeof(*f->set));
	}
	f->set_size = size;
	return true;
}

/* Makes a table of `size` slots with the object's keys so far, which are all different. */
static bool
set_build(struct json *j, struct frame *f, uint32_t size)
{
	struct slot *old = f->set;
	uint32_t n = f->set_size;

	INVARIANT(!(size & (size - 1)) && size > n && size > j->nkeys - f->first_key);
	if (!set_room(j, f, size))
		return false;
	if (f->set == old || !n) {
		for (uint32_t i = f->first_key; i < j->nkeys; i++)
			set_enter(j, f, i);
		return true;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = old[i].hash & (size - 1);
		if (!old[i].key)
			continue;
		while (f->set[at].key)
			at = (at + 1) & (size - 1);
		f->set[at] = old[i];
	}
	return true;
}

/* Adds a key. Returns 0, ERR_DUPLICATE or ERR_NOMEM. */
static int
key_add(struct json *j, struct span key)
{
	struct frame *f = &j->frames[j->depth - 1];
	uint32_t count = j->nkeys - f->first_key;

	struct span *keys =
		arena_grow(j->a, j->keys, j->nkeys, &j->keys_room, sizeof(*keys), 64);
	if (!keys)
		return ERR_NOMEM;
	j->keys = keys;
	j->keys[j->nkeys] = key;
	if (count < LINEAR_KEYS) {
		for (uint32_t i = f->first_key; i < j->nkeys; i++)
			if (span_eq(j->keys[i], key))
				return ERR_DUPLICATE;
	} else {
		if (!f->set_size && !set_build(j, f, SET_MIN))
			return ERR_NOMEM;
		if (2 * count >= f->set_size && !set_build(j, f, 2 * f->set_size))
			return ERR_NOMEM;
		if (!set_enter(j, f, j->nkeys))
			return ERR_DUPLICATE;
	}
	j->nkeys++;
	return 0;
}

/* ---- tokens ---- */

/* number = [ "-" ] ( "0" / 1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" )
 * [ "+" / "-" ] 1*DIGIT ]; RFC 8259 section 6. */
static enum json_tok
lex_json_number(struct json *j, struct json_event *ev)
{
	struct span in = j->in;
	size_t at = j->at, from;

	ev->start = at;
	if (in.p[at] == '-')
		at++;
	from = at;
	at = at < in.n && in.p[at] == '0' ? at + 1 : span_past(in, at, is_digit);
	if (at != from && at < in.n && in.p[at] == '.') {
		from = ++at;
		at = span_past(in, at, is_digit);
	}
	if (at != from && at < in.n && (in.p[at] | 0x20) == 'e') {
		at++;
		if (at < in.n && (in.p[at] == '+' || in.p[at] == '-'))
			at++;
		from = at;
		at = span_past(in, at, is_digit);
	}
	if (at == from)
		return fail_json(
			j, ev, at == in.n ? ERR_TRUNCATED : ERR_SYNTAX, "malformed number", at);
	ev->end = j->at = at;
	j->state = AT_COMMA;
	return ev->tok = JSON_NUMBER;
}

static enum json_tok
lex_json_literal(struct json *j, struct json_event *ev, struct span word, enum json_tok tok)
{
	struct span rest = span_cut(j->in, j->at, j->in.n);

	if (!span_starts(rest, word)) {
		bool cut = rest.n < word.n && memcmp(rest.p, word.p, rest.n) == 0;
		return fail_json(j, ev, cut ? ERR_TRUNCATED : ERR_SYNTAX,
			"neither a string, number, object, array, true, false nor null", j->at);
	}
	ev->start = j->at;
	ev->end = j->at += word.n;
	j->state = AT_COMMA;
	return ev->tok = tok;
}

static enum json_tok
lex_json_container(struct json *j, struct json_event *ev, bool object)
{
	if (j->depth == CAP_JSON_DEPTH)
		return fail_json(j, ev, ERR_RANGE, "nested too deeply", j->at);
	struct frame *frames =
		arena_grow(j->a, j->frames, j->depth, &j->nframes, sizeof(*frames), 16);
	if (!frames)
		return fail_json(j, ev, ERR_NOMEM, "out of memory", j->at);
	j->frames = frames;
	struct frame *f = &j->frames[j->depth++];
	f->object = object;
	f->first_key = j->nkeys;
	f->set_size = 0;
	ev->start = j->at++;
	ev->end = j->at;
	j->state = object ? AT_FIRST_KEY : AT_FIRST_VALUE;
	return ev->tok = object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_tok
lex_json_container_end(struct json *j, struct json_event *ev)
{
	struct frame *f = &j->frames[--j->depth];

	j->nkeys = f->first_key;
	ev->depth = j->depth;
	ev->start = j->at++;
	ev->end = j->at;
	j->state = AT_COMMA;
	return ev->tok = f->object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_tok
lex_json_value(struct json *j, struct json_event *ev)
{
	if (j->at == j->in.n)
		return fail_json(j, ev, ERR_TRUNCATED,
			"the document ends where a value must follow", j->at);
	switch (j->in.p[j->at]) {
	case '"':
		j->at++;
		if (!lex_json_string(j, ev))
			return JSON_ERROR;
		j->state = AT_COMMA;
		return ev->tok = JSON_STRING;
	case '{': return lex_json_container(j, ev, true);
	case '[': return lex_json_container(j, ev, false);
	case 't': return lex_json_literal(j, ev, SPAN_LIT("true"), JSON_TRUE);
	case 'f': return lex_json_literal(j, ev, SPAN_LIT("false"), JSON_FALSE);
	case 'n': return lex_json_literal(j, ev, SPAN_LIT("null"), JSON_NULL);
	case '-':
	case '0' ... '9': return lex_json_number(j, ev);
	default:
		if (j->at == 0 && span_starts(j->in, SPAN_LIT("\xef\xbb\xbf")))
			return fail_json(
				j, ev, ERR_ENCODING, "begins with a byte order mark", 0);
		return fail_json(j, ev, ERR_SYNTAX,
			"neither a string, number, object, array, true, false nor null", j->at);
	}
}

/* member = string ":" value; the colon is read together with the key. */
static enum json_tok
lex_json_key(struct json *j, struct json_event *ev)
{
	if (j->at == j->in.n)
		return fail_json(
			j, ev, ERR_TRUNCATED, "the document ends inside an object", j->at);
	if (j->in.p[j->at] != '"')
		return fail_json(j, ev, ERR_SYNTAX, "an object's key must be a string", j->at);
	j->at++;
	if (!lex_json_string(j, ev))
		return JSON_ERROR;
	ev->tok = JSON_KEY;
	struct span text = json_text(j->a, j->in, ev);
	int err = text.p ? key_add(j, text) : ERR_NOMEM;
	if (err)
		return fail_json(j, ev, err,
			err == ERR_DUPLICATE ? "duplicate key in an object" : "out of memory",
			ev->start);
	j->at = span_past(j->in, j->at, is_space);
	if (j->at == j->in.n)
		return fail_json(
			j, ev, ERR_TRUNCATED, "the document ends inside an object", j->at);
	if (j->in.p[j->at] != ':')
		return fail_json(j, ev, ERR_SYNTAX, "a colon is missing after a key", j->at);
	j->at++;
	j->state = AT_MEMBER_VALUE;
	return JSON_KEY;
}

/* Reads what follows a value: a comma and the next token, the container's end, or the end of the
 * document. */
static enum json_tok
lex_json_separator(struct json *j, struct json_event *ev)
{
	bool end = j->at == j->in.n;

	if (j->depth == 0) {
		if (!end)
			return fail_json(j, ev, ERR_SYNTAX, "data after the document", j->at);
		j->state = AT_END;
		ev->start = ev->end = j->at;
		return ev->tok = JSON_END;
	}
	bool object = j->frames[j->depth - 1].object;
	if (end)
		return fail_json(j, ev, ERR_TRUNCATED,
			object ? "the document ends inside an object"
			       : "the document ends inside an array",
			j->at);
	if (j->in.p[j->at] == (object ? '}' : ']'))
		return lex_json_container_end(j, ev);
	if (j->in.p[j->at] != ',')
		return fail_json(j, ev, ERR_SYNTAX,
			object ? ", or } is missing after a member"
			       : ", or ] is missing after an element",
			j->at);
	j->at++;
	j->at = span_past(j->in, j->at, is_space);
	return object ? lex_json_key(j, ev) : lex_json_value(j, ev);
}

enum json_tok
json_next(struct json *j, struct json_event *ev)
{
	if (j->state == AT_ERROR)
		return fail_json(j, ev, j->err, j->why, j->err_at);
	j->at = span_past(j->in, j->at, is_space);
	*ev = (struct json_event){ .depth = j->depth };
	enum json_tok tok;
	switch (j->state) {
	case AT_FIRST_KEY:
		tok = j->at < j->in.n && j->in.p[j->at] == '}' ? lex_json_container_end(j, ev)
							       : lex_json_key(j, ev);
		break;
	case AT_FIRST_VALUE:
		tok = j->at < j->in.n && j->in.p[j->at] == ']' ? lex_json_container_end(j, ev)
							       : lex_json_value(j, ev);
		break;
	case AT_COMMA: tok = lex_json_separator(j, ev); break;
	case AT_END: return ev->start = ev->end = j->at, ev->tok = JSON_END;
	default: tok = lex_json_value(j, ev);
	}
	if (tok != JSON_ERROR && tok != JSON_OBJECT_END && tok != JSON_ARRAY_END &&
		tok != JSON_END && ++j->nodes > CAP_JSON_NODES)
		return fail_json(j, ev, ERR_LIMIT, "too many keys and values", ev->start);
	return tok;
}

enum json_tok
json_skip(struct json *j, struct json_event *ev)
{
	if (ev->tok == JSON_KEY && json_next(j, ev) == JSON_ERROR)
		return JSON_ERROR;
	if (ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
		return ev->tok;
	unsigned depth = ev->depth;
	do
		if (json_next(j, ev) == JSON_ERROR)
			return JSON_ERROR;
	while (ev->depth != depth || (ev->tok != JSON_OBJECT_END && ev->tok != JSON_ARRAY_END));
	return ev->tok;
}

/* ---- the text of strings ---- */

/* Converts between the raw spelling of a JSON string and its text (RFC 8259 section 7). The
 * functions are for strings that json_next() has accepted. With any other bytes they stay inside
 * these bytes and return an arbitrary result. */

static uint32_t
unit4(const char *p)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | ((uint32_t)hex_value(p[i]) & 0xf);
	return unit;
}

struct json_unit
json_unit_at(const char *p, const char *end)
{
	struct json_unit u = { .raw = 1, .decoded = 1, .out = { *p } };

	if (*p != '\\' || end - p < 2)
		return u;
	u.raw = 2;
	switch (p[1]) {
	case 'b': u.out[0] = '\b'; return u;
	case 'f': u.out[0] = '\f'; return u;
	case 'n': u.out[0] = '\n'; return u;
	case 'r': u.out[0] = '\r'; return u;
	case 't': u.out[0] = '\t'; return u;
	case 'u': break;
	default: u.out[0] = p[1]; return u;
	}
	if (end - p < 6) {
		u.raw = (size_t)(end - p);
		return u;
	}
	uint32_t cp = unit4(p + 2);
	u.raw = 6;
	bool high = cp >= 0xd800 && cp < 0xdc00 && end - p >= 12 && !memcmp(p + 6, "\\u", 2);
	uint32_t low = high ? unit4(p + 8) : 0;
	if (low >= 0xdc00 && low < 0xe000) {
		cp = 0x10000 + ((cp & 0x3ff) << 10) + (low & 0x3ff);
		u.raw = 12;
	}
	u.decoded = utf8_encode(cp, u.out);
	return u;
}

struct span
json_text(struct arena *a, struct span in, const struct json_event *ev)
{
	struct span raw = span_of(in.p + ev->start, ev->end - ev->start);

	if (!ev->escaped)
		return raw;
	/* An escape is never shorter than the character that it encodes. */
	char *to = arena_alloc(a, raw.n);
	if (!to)
		return (struct span){ NULL, 0 };
	const char *p = raw.p, *end = raw.p + raw.n;
	size_t n = 0;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((slash ? slash : end) - p);
		memcpy(to + n, p, plain);
		n += plain;
		p += plain;
		if (slash) {
			struct json_unit u = json_unit_at(p, end);
			memcpy(to + n, u.out, u.decoded);
			n += u.decoded;
			p += u.raw;
		}
	}
	return span_of(to, n);
}

size_t
json_raw_offset(struct span raw, size_t decoded_offset)
{
	size_t at = 0, left = decoded_offset;

	while (at < raw.n) {
		struct span rest = span_cut(raw, at, raw.n);
		size_t plain = span_chr(span_cut(rest, 0, left), '\\');
		at += plain;
		left -= plain;
		if (at == raw.n || raw.p[at] != '\\')
			break; /* every byte up to the offset was plain */
		struct json_unit u = json_unit_at(raw.p + at, raw.p + raw.n);
		if (u.decoded > left)
			break;
		left -= u.decoded;
		at += u.raw;
	}
	return at;
}

bool
json_member(struct json *j, struct arena *a, struct span in, struct json_member *m,
	struct json_event *ev, int *err)
{
	if (*err || json_next(j, ev) != JSON_KEY) {
		*err = *err ? *err : json_error(j, NULL, NULL);
		return false;
	}
	m->start = ev->start - 1;
	m->key = json_text(a, in, ev);
	*err = m->key.p ? 0 : ERR_NOMEM;
	json_next(j, ev);
	return *err == 0;
}

/* ---- strings at known paths; values on no path are skipped ---- */

enum { PATH_MAX_BYTES = 128 };

struct reading {
	struct json *j;
	struct span in;
	struct arena *a;
	const struct json_place *places;
	size_t nplaces;
	bool items;
	json_take_fn *take;
	void *arg;
	char path[PATH_MAX_BYTES];
};

static bool
path_continues(const struct reading *r, struct span path)
{
	for (size_t i = 0; i < r->nplaces; i++)
		if (span_starts(span_str(r->places[i].path), path) &&
			r->places[i].path[path.n] == '.')
			return true;
	return false;
}

/* Reads a value whose first token is *ev. The first n bytes of r->path lead to it. The recursion
 * ends where no path continues. */
static void
read_string_value(struct reading *r, size_t n, bool in_array, struct json_event *ev)
{
	struct span path = span_of(r->path, n);
	struct json_event in;
	enum json_tok tok;

	if (ev->tok == JSON_STRING) {
		for (size_t i = 0; i < r->nplaces; i++)
			if (span_is(path, r->places[i].path) && (!in_array || r->items))
				r->take(r->arg, r->places[i].what, json_text(r->a, r->in, ev),
					ev);
	} else if (ev->tok == JSON_ARRAY && !in_array) {
		while ((tok = json_next(r->j, &in)) != JSON_ARRAY_END && tok != JSON_ERROR)
			read_string_value(r, n, true, &in);
	} else if (ev->tok == JSON_OBJECT && (!n || path_continues(r, path))) {
		while (json_next(r->j, &in) == JSON_KEY) {
			struct span key = json_text(r->a, r->in, &in);
			size_t at = n + (n > 0), to = at + key.n;
			json_next(r->j, &in);
			if (!key.p || !key.n || to >= sizeof(r->path)) {
				json_skip(r->j, &in);
				continue;
			}
			if (n)
				r->path[n] = '.';
			memcpy(r->path + at, key.p, key.n);
			read_string_value(r, to, false, &in);
		}
	} else {
		json_skip(r->j, ev);
	}
}

bool
json_strings(struct span json, const struct json_place *places, size_t n, bool items,
	struct arena *a, json_take_fn *take, void *arg)
{
	struct reading r = { .in = json,
		.a = a,
		.places = places,
		.nplaces = n,
		.items = items,
		.take = take,
		.arg = arg };
	struct json_event ev;

	if (!(r.j = json_open(a, json)))
		return false;
	json_next(r.j, &ev);
	if (ev.tok == JSON_OBJECT || ev.tok == JSON_ARRAY)
		read_string_value(&r, 0, false, &ev);
	return json_next(r.j, &ev) == JSON_END;
}
