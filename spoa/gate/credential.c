/* Finds the caller's credential, and anything that looks like a tg_ key, in a text: plain, in
 * base64, in hexadecimal of any case with or without separators, or in percent or backslash
 * escapes of JSON and programs. Encoded text is decoded piece by piece into a `struct view`,
 * which maps each byte back to its place. */
#include "gate/request.h"

#include "base/ascii.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "policy/identity/apikeys.h"

enum {
	/* least bytes of a credential to look for its encoded forms; shorter ones are common in
	 * base64 */
	DISGUISE_LEAST = 12,
	HEX_LEAST = 2 * DISGUISE_LEAST,
	VIEW_BYTES = 16 << 10, /* encoded bytes decoded in one step */
	VIEW_STEP = VIEW_BYTES / 2,
	ESCAPED_MOST = 3, /* levels of escapes in one another */
	BETWEEN_MOST = 4, /* separators between two bytes in hexadecimal: ', ' or "\\ */
};

int
request_keep_credential(struct request *r, struct span value)
{
	struct span kept = arena_dup(&r->arena, value);

	if (str_same(r->found.identity.method, "jwt"))
		r->found.caller_token = kept;
	needles_add(&r->in.credentials, kept, DISGUISES);
	for (size_t i = 0; kept.n >= DISGUISE_LEAST && i < DISGUISES; i++)
		needles_add(&r->in.credentials, kept, i);
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

/* The letters that no credential in hexadecimal contains: neither digits nor part of a mark (0x, \x,
 * \u00). */
static const bool ends_hex[256] = { ['g' ... 't'] = true, ['v' ... 'w'] = true, ['y'] = true,
	['z'] = true, ['G' ... 'T'] = true, ['V' ... 'W'] = true, ['Y'] = true, ['Z'] = true };

/* Returns the next stretch of the text, from *at on, without a letter that ends hexadecimal and with
 * the digits of a credential; false: there is none. A stretch has at least HEX_LEAST bytes, so each
 * stretch is first read backward from there: most texts have such a letter in the last few. */
static bool
next_hex_stretch(struct span t, size_t *at, struct span *stretch)
{
	while (t.n >= HEX_LEAST && *at <= t.n - HEX_LEAST) {
		size_t from = *at, end = from + HEX_LEAST, digits = 0;
		while (end > from && !ends_hex[(unsigned char)t.p[end - 1]])
			end--;
		*at = end;
		if (end > from)
			continue;
		for (end = from; end < t.n && !ends_hex[(unsigned char)t.p[end]]; end++)
			digits += is_hex(t.p[end]);
		*at = end;
		*stretch = span_cut(t, from, end);
		if (digits >= HEX_LEAST)
			return true;
	}
	return false;
}

/* ---- decoding ---- */

/* A piece of text, decoded. `at[i]` is the offset in `of` where decoded byte i begins. */
struct view {
	struct span of;
	char text[VIEW_BYTES];
	uint16_t at[VIEW_BYTES + 1];
	size_t n;
	/* encoded bytes for each decoded byte; 0: they vary, up to the next offset */
	size_t each;
};

/* A search in a view, which reports matches as views of the original text. */
struct viewer {
	const struct view *v;
	credential_fn *take;
	void *arg;
};

static int
take_place(const struct viewer *w, struct span at)
{
	const struct view *v = w->v;
	size_t first = (size_t)(at.p - v->text);
	size_t end = v->each ? v->at[first + at.n - 1] + v->each : v->at[first + at.n];

	return w->take(w->arg, span_cut(v->of, v->at[first], end));
}

static int
take_needle(void *arg, const struct needle *which, struct span at)
{
	return which->n < DISGUISE_LEAST ? 0 : take_place(arg, at);
}

static int
view_credentials(const struct request *r, const struct view *v, credential_fn *take, void *arg)
{
	struct viewer w = { v, take, arg };
	struct span rest = span_of(v->text, v->n), key;
	int err = needles_each(&r->in.credentials, rest, take_needle, &w);

	while (!err && apikey_next(&rest, &key))
		err = take_place(&w, key);
	return err;
}

/* Decodes pairs of digits, beginning with the first digit (0) or the second (1). */
static void
view_hex(struct view *v, size_t first)
{
	v->n = 0;
	for (size_t i = first; i + 2 <= v->of.n; i += 2) {
		v->at[v->n] = (uint16_t)i;
		v->text[v->n++] =
			(char)(hex_value(v->of.p[i]) << 4 | hex_value(v->of.p[i + 1]));
	}
}

static int
hex_run(const struct request *r, struct view *v, struct span run, credential_fn *take,
	void *arg)
{
	int err = 0;

	for (size_t from = 0; !err; from += VIEW_STEP) {
		v->of = span_cut(run, from, from + VIEW_BYTES);
		for (size_t first = 0; !err && first < 2; first++) {
			view_hex(v, first);
			err = view_credentials(r, v, take, arg);
		}
		if (from + VIEW_BYTES >= run.n)
			break;
	}
	return err;
}

/* Searches runs of at least HEX_LEAST digits. Only each HEX_LEAST-th character is examined at
 * first, because a long enough run covers one of them. */
static int
each_hex_run(const struct request *r, struct span text, credential_fn *take, void *arg)
{
	struct view v;
	size_t done = 0;
	int err = 0;

	v.each = 2;
	for (size_t i = HEX_LEAST - 1; !err && i < text.n; i += HEX_LEAST) {
		size_t from = i, to = i;
		while (from > done && is_hex(text.p[from - 1]) && is_hex(text.p[i]))
			from--;
		while (to < text.n && is_hex(text.p[to]))
			to++;
		if (to > i && to - from >= HEX_LEAST) {
			err = hex_run(r, &v, span_cut(text, from, to), take, arg);
			i = done = to;
		}
	}
	return err;
}

/* Returns where the digits of the next byte begin, after separators and 0x, \x or \u00. */
static size_t
digits_after(struct span t, size_t i)
{
	static const char *const marks[] = { "0x", "x", "u00" };
	size_t most = i + BETWEEN_MOST;

	while (i < t.n && i < most && !is_alnum(t.p[i]))
		i++;
	bool marked = i < t.n && (t.p[i] == '0' || to_lower(t.p[i]) == 'x' ||
					 to_lower(t.p[i]) == 'u');
	for (size_t m = 0; marked && m < COUNT_OF(marks); m++)
		if (span_istarts(span_cut(t, i, t.n), span_str(marks[m])))
			return i + strlen(marks[m]);
	return i;
}

/* Decodes 74 67 5f, 74:67:5f or \x74\x67\x5f: each run of digits becomes bytes. An odd run
 * loses its first digit. A zero byte stands for more separators than a credential may have. */
static void
view_pieces(struct view *v)
{
	struct span t = v->of;

	v->n = 0;
	for (size_t i = 0; i < t.n;) {
		size_t from = digits_after(t, i), to = from;
		while (to < t.n && is_hex(t.p[to]))
			to++;
		v->at[v->n] = (uint16_t)i;
		if (to < from + 2) {
			v->text[v->n] = '\0';
			v->n += v->n == 0 || v->text[v->n - 1];
			i = to > i ? to : i + 1;
			continue;
		}
		for (i = from + (to - from) % 2; i < to; i += 2) {
			v->at[v->n] = (uint16_t)i;
			v->text[v->n++] =
				(char)(hex_value(t.p[i]) << 4 | hex_value(t.p[i + 1]));
		}
	}
	v->at[v->n] = (uint16_t)t.n;
}

static int
each_in_pieces(const struct request *r, struct span part, credential_fn *take, void *arg)
{
	struct view v;
	int err = 0;

	v.each = 2;
	for (size_t from = 0; !err; from += VIEW_STEP) {
		v.of = span_cut(part, from, from + VIEW_BYTES);
		view_pieces(&v);
		err = view_credentials(r, &v, take, arg);
		if (from + VIEW_BYTES >= part.n)
			break;
	}
	return err;
}

static int
each_hex(const struct request *r, struct span text, credential_fn *take, void *arg)
{
	struct span stretch;
	size_t at = 0;
	int err = 0;

	while (!err && next_hex_stretch(text, &at, &stretch)) {
		err = each_hex_run(r, stretch, take, arg);
		err = err ? err : each_in_pieces(r, stretch, take, arg);
	}
	return err;
}

/* Decodes the escape at `p`: %41, \u0041 or \x41, with any number of backslashes. Returns its
 * byte and its length in *n; -1: no escape. */
static int
escape_at(const char *p, const char *end, size_t *n)
{
	enum { SLASHES_MOST = 16 };
	const char *q = p;

	*n = 3;
	if (*p == '%')
		return uri_escape_at(p, end);
	while (q < end && *q == '\\' && q - p < SLASHES_MOST)
		q++;
	struct span rest = span_of(q, (size_t)(end - q));
	size_t mark = q == p				   ? 0
		      : span_starts(rest, SPAN_LIT("u00")) ? 3
		      : span_starts(rest, SPAN_LIT("x"))   ? 1
							   : 0;
	if (!mark || rest.n < mark + 2 || !is_hex(q[mark]) || !is_hex(q[mark + 1]))
		return -1;
	*n = (size_t)(q - p) + mark + 2;
	return hex_value(q[mark]) << 4 | hex_value(q[mark + 1]);
}

/* Undoes one level of escapes in the view. Returns false if there was none. */
static bool
view_unescape(struct view *v)
{
	size_t n = 0, escape;

	for (size_t i = 0; i < v->n; n++) {
		bool begins = v->text[i] == '%' || v->text[i] == '\\';
		int c = !begins ? -1 : escape_at(v->text + i, v->text + v->n, &escape);
		v->at[n] = v->at[i];
		v->text[n] = c < 0 ? v->text[i] : (char)c;
		i += c < 0 ? 1 : escape;
	}
	bool any = n < v->n;
	v->at[n] = v->at[v->n];
	v->n = n;
	return any;
}

/* Offsets of the next percent sign and the next backslash, remembered between calls. */
struct signs {
	struct span t;
	size_t percent, slash;
};

/* Returns the next backslash that may begin an escape. Most backslashes do not: \n and \". */
static size_t
slash_after(struct span t, size_t at)
{
	const char *p;

	for (; at < t.n && (p = memchr(t.p + at, '\\', t.n - at)); at++) {
		at = (size_t)(p - t.p);
		char next = at + 1 < t.n ? p[1] : 0;
		if (next == 'u' || next == 'x' || next == '\\')
			return at;
	}
	return t.n;
}

/* Returns the offset of the next escape from `at` on; t.n: none. */
static size_t
escape_after(struct signs *s, size_t at)
{
	struct span t = s->t;
	size_t n;

	for (; at < t.n; at++) {
		if (s->percent < at || !at) {
			const char *p = memchr(t.p + at, '%', t.n - at);
			s->percent = p ? (size_t)(p - t.p) : t.n;
		}
		if (s->slash < at || !at)
			s->slash = slash_after(t, at);
		at = s->percent < s->slash ? s->percent : s->slash;
		if (at < t.n && escape_at(t.p + at, t.p + t.n, &n) >= 0)
			return at;
	}
	return t.n;
}

/* Searches pieces with an escape. A piece begins up to VIEW_STEP before the escape, because a
 * credential may begin there. */
static int
each_escaped(const struct request *r, struct span text, credential_fn *take, void *arg)
{
	struct signs signs = { .t = text };
	struct view v;
	size_t at, from = 0;
	int err = 0;

	v.each = 0;
	while (!err && (at = escape_after(&signs, from)) < text.n) {
		if (at > from + VIEW_STEP)
			from = at - VIEW_STEP;
		v.of = span_cut(text, from, from + VIEW_BYTES);
		v.n = v.of.n;
		memcpy(v.text, v.of.p, v.n);
		for (size_t i = 0; i <= v.n; i++)
			v.at[i] = (uint16_t)i;
		for (int i = 0; !err && i < ESCAPED_MOST && view_unescape(&v); i++)
			err = view_credentials(r, &v, take, arg);
		from += VIEW_STEP;
	}
	return err;
}

int
request_credentials_hidden(
	const struct request *r, struct span text, credential_fn *take, void *arg)
{
	int err = each_hex(r, text, take, arg);

	return err ? err : each_escaped(r, text, take, arg);
}

/* ---- predicates ---- */

static int
one_is_enough(void *arg, struct span credential)
{
	(void)arg;
	(void)credential;
	return 1;
}

static int
one_needle(void *arg, const struct needle *which, struct span at)
{
	(void)which;
	return one_is_enough(arg, at);
}

bool
request_credential_in(const struct request *r, struct span text)
{
	struct span rest = text, key;

	return needles_each(&r->in.credentials, text, one_needle, NULL) ||
	       apikey_next(&rest, &key) || each_hex(r, text, one_is_enough, NULL);
}

bool
request_credential_escaped_in(const struct request *r, struct span text)
{
	return request_credential_in(r, text) || each_escaped(r, text, one_is_enough, NULL);
}
