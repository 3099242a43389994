/* The strings extension (cel-spec, extensions/strings) and base64. Positions count code points.
 * The first half is string.format: %s %d %f %e %b %o %x %X %%, with a precision for %f and %e.
 * Its result grows in the evaluation's memory. */
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "policy/cel/fn.h"
#include "policy/cel/value.h"

#define PRECISION_MAX 100
#define DEPTH_MAX     300

/* The result of format() while it grows. */
struct text {
	struct cel_ctx *c;
	struct cel_value *out; /* set to an error if something fails */
	char *p;
	size_t n, size;
	bool failed;
};

static void
put_formatted(struct text *t, const char *p, size_t n)
{
	if (t->failed || !n)
		return;
	if (n > t->size - t->n) {
		size_t size = (t->n + n) * 2;
		char *grown =
			cel_charge(t->c, n / 16, t->out) ? cel_take(t->c, size, t->out) : NULL;
		if (!grown) {
			t->failed = true;
			return;
		}
		if (t->n)
			memcpy(grown, t->p, t->n);
		t->p = grown;
		t->size = size;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void
put_str(struct text *t, const char *s)
{
	put_formatted(t, s, strlen(s));
}

static void
fail_format(struct text *t, const char *why)
{
	if (!t->failed)
		cel_raise_lit(t->out, why);
	t->failed = true;
}

/* --- %s --- */

static void put_format_value(struct text *t, const struct cel_value *v, unsigned depth);

struct key {
	struct span text;
	const struct cel_value *value;
};

static int
format_by_text(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	struct cel_value vx = cel_string(x->text), vy = cel_string(y->text);

	return cel_order(&vx, &vy);
}

/* Appends a map, sorted by its keys' text. */
static void
put_map(struct text *t, const struct cel_value *v, unsigned depth)
{
	struct key *keys = cel_charge(t->c, v->list.n * 8, t->out)
				   ? cel_take(t->c, v->list.n * sizeof(*keys), t->out)
				   : NULL;

	if (!keys) {
		t->failed = true;
		return;
	}
	for (size_t i = 0; i < v->list.n; i++) {
		struct text one = { .c = t->c, .out = t->out };
		put_format_value(&one, &v->list.v[2 * i], depth + 1);
		t->failed |= one.failed;
		keys[i] = (struct key){ { one.p, one.n }, &v->list.v[2 * i + 1] };
	}
	qsort(keys, v->list.n, sizeof(*keys), format_by_text);
	put_str(t, "{");
	for (size_t i = 0; i < v->list.n; i++) {
		put_str(t, i ? ", " : "");
		put_formatted(t, keys[i].text.p, keys[i].text.n);
		put_str(t, ": ");
		put_format_value(t, keys[i].value, depth + 1);
	}
	put_str(t, "}");
}

static void
put_format_value(struct text *t, const struct cel_value *v, unsigned depth)
{
	char text[CEL_TEXT];

	if (t->failed)
		return;
	if (depth > DEPTH_MAX || !cel_charge(t->c, 1, t->out)) {
		fail_format(t, "format(): nested too deeply");
		return;
	}
	switch (v->type) {
	case CEL_STRING:
	case CEL_TYPE: put_formatted(t, v->s.p, v->s.n); break;
	case CEL_BYTES:
		if (!utf8_valid(v->s))
			fail_format(t, "format(): the bytes are not UTF-8");
		put_formatted(t, v->s.p, v->s.n);
		break;
	case CEL_LIST:
		put_str(t, "[");
		for (size_t i = 0; i < v->list.n && !t->failed; i++) {
			put_str(t, i ? ", " : "");
			put_format_value(t, &v->list.v[i], depth + 1);
		}
		put_str(t, "]");
		break;
	case CEL_MAP: put_map(t, v, depth); break;
	case CEL_DYN:
	case CEL_ERROR: fail_format(t, "format(): not a value"); break;
	default: put_formatted(t, text, cel_write(v, text));
	}
}

/* --- numbers --- */

static void
put_radix(struct text *t, const struct cel_value *v, unsigned shift, bool upper)
{
	char text[65], *p = text + sizeof(text);
	bool negative = v->type == CEL_INT && v->i < 0;
	uint64_t u = negative ? 0 - v->u : v->u; /* the bits of an int are in u too */

	if (v->type != CEL_INT && v->type != CEL_UINT) {
		fail_format(t, "format(): give an integer");
		return;
	}
	do {
		*--p = (upper ? "0123456789ABCDEF"
			      : "0123456789abcdef")[u & ((1u << shift) - 1)];
		u >>= shift;
	} while (u);
	if (negative)
		put_str(t, "-");
	put_formatted(t, p, (size_t)(text + sizeof(text) - p));
}

static void
put_hex(struct text *t, const struct cel_value *v, bool upper)
{
	char two[3];

	if (v->type != CEL_STRING && v->type != CEL_BYTES) {
		put_radix(t, v, 4, upper);
		return;
	}
	for (size_t i = 0; i < v->s.n && !t->failed; i++) {
		snprintf(two, sizeof(two), upper ? "%02X" : "%02x", (unsigned char)v->s.p[i]);
		put_formatted(t, two, 2);
	}
}

/* %f and %e */
static void
put_double(struct text *t, const struct cel_value *v, int precision, bool exponent)
{
	char text[480];
	double d = cel_as_double(v);

	if (!cel_is_number(v->type)) {
		fail_format(t, "format(): give a number");
		return;
	}
	if (!isfinite(d)) {
		put_formatted(t, text, cel_double_write(d, text));
		return;
	}
	precision = precision < 0 ? 6 : precision;
	int n = exponent ? snprintf(text, sizeof(text), "%.*e", precision, d)
			 : snprintf(text, sizeof(text), "%.*f", precision, d);
	put_formatted(t, text, (size_t)n);
}

static void
put_clause(struct text *t, char verb, int precision, const struct cel_value *v)
{
	switch (verb) {
	case 's': put_format_value(t, v, 0); break;
	case 'd':
		if (v->type == CEL_INT || v->type == CEL_UINT ||
			(v->type == CEL_DOUBLE && !isfinite(v->d)))
			put_format_value(t, v, 0);
		else
			fail_format(t, "format(): %d needs an integer");
		break;
	case 'f':
	case 'e': put_double(t, v, precision, verb == 'e'); break;
	case 'o': put_radix(t, v, 3, false); break;
	case 'x':
	case 'X': put_hex(t, v, verb == 'X'); break;
	case 'b':
		if (v->type == CEL_BOOL)
			put_str(t, v->b ? "1" : "0");
		else
			put_radix(t, v, 1, false);
		break;
	default: fail_format(t, "format(): unknown clause");
	}
}

/* "...".format([...]): v[0] is the format, v[1] the list of arguments. */
static void
cel_format(CEL_ARGS)
{
	struct span f = v[0].s;
	struct text t = { .c = c, .out = out };
	size_t used = 0;

	for (size_t at = 0; at < f.n && !t.failed;) {
		size_t run = span_chr(span_cut(f, at, f.n), '%');
		put_formatted(&t, f.p + at, run);
		at += run;
		if (at == f.n)
			break;
		int precision = -1;
		if (++at < f.n && f.p[at] == '%') {
			put_str(&t, "%");
			at++;
			continue;
		}
		if (at < f.n && f.p[at] == '.')
			for (at++, precision = 0;
				at < f.n && is_digit(f.p[at]) && precision <= PRECISION_MAX;
				at++)
				precision = precision * 10 + (f.p[at] - '0');
		if (precision > PRECISION_MAX)
			fail_format(&t, "format(): the precision is over 100");
		else if (at == f.n)
			fail_format(&t, "format(): % is the last character");
		else if (used == v[1].list.n)
			fail_format(&t, "format(): too few arguments");
		else
			put_clause(&t, f.p[at++], precision, &v[1].list.v[used++]);
	}
	if (!t.failed)
		*out = cel_string(span_of(t.p ? t.p : "", t.n));
}

/* --- strings --- */

/* Finds the byte offset of code point i. Returns false if i is negative or beyond the end. */
static bool
offset_of(struct span s, int64_t i, size_t *out)
{
	size_t at = 0;

	if (i < 0)
		return false;
	for (; i > 0 && at < s.n; i--)
		at += utf8_step(s, at);
	*out = at;
	return i == 0;
}

static int64_t
points_before(struct span s, size_t at)
{
	return (int64_t)utf8_count(span_cut(s, 0, at));
}

static bool
charge_text(struct cel_ctx *c, struct span s, struct cel_value *out)
{
	return cel_charge(c, s.n / 16, out);
}

static void
out_of_range(struct cel_value *out)
{
	cel_raise_lit(out, "position out of range");
}

/* Finds the next place of `part` in s from `at` on. An empty part is found at the beginning of
 * every character and at the end. Returns false if there is none. */
static bool
find_next(struct span s, struct span part, size_t at, size_t *found)
{
	if (part.n == 0) {
		*found = at;
		return at <= s.n;
	}
	const char *p = at <= s.n && part.n <= s.n - at
				? memmem(s.p + at, s.n - at, part.p, part.n)
				: NULL;
	*found = p ? (size_t)(p - s.p) : 0;
	return p != NULL;
}

/* --- positions --- */

static void
char_at(CEL_ARGS)
{
	size_t at;

	if (!charge_text(c, v->s, out))
		return;
	if (!offset_of(v->s, v[1].i, &at))
		out_of_range(out);
	else if (at == v->s.n)
		*out = cel_string(SPAN_LIT(""));
	else
		*out = cel_string(span_cut(v->s, at, at + utf8_step(v->s, at)));
}

static void
fn_index_of(CEL_ARGS)
{
	struct span s = v[0].s, part = v[1].s;
	size_t from = 0, at;

	if (!charge_text(c, s, out))
		return;
	if (n == 3 && !offset_of(s, v[2].i, &from)) {
		out_of_range(out);
		return;
	}
	*out = cel_int(find_next(s, part, from, &at) ? points_before(s, at) : -1);
}

static void
last_index_of(CEL_ARGS)
{
	struct span s = v[0].s, part = v[1].s;
	size_t from = s.n;

	if (!cel_charge(c, s.n / 16 + s.n * (part.n < 4096 ? part.n : 4096) / 256, out))
		return;
	if (n == 3 && !offset_of(s, v[2].i, &from)) {
		out_of_range(out);
		return;
	}
	*out = cel_int(-1);
	if (part.n > s.n)
		return;
	for (size_t at = from > s.n - part.n ? s.n - part.n : from;; at--) {
		if (part.n == 0 || memcmp(s.p + at, part.p, part.n) == 0) {
			*out = cel_int(points_before(s, at));
			return;
		}
		if (at == 0)
			return;
	}
}

static void
substring(CEL_ARGS)
{
	size_t from, to = v->s.n;

	if (!charge_text(c, v->s, out))
		return;
	if (!offset_of(v->s, v[1].i, &from) || (n == 3 && !offset_of(v->s, v[2].i, &to)) ||
		to < from)
		out_of_range(out);
	else
		*out = cel_string(span_cut(v->s, from, to));
}

/* --- changes --- */

/* Returns a copy of s that may be changed, or NULL with *out an error. */
static char *
copy_cel_text(struct cel_ctx *c, struct span s, struct cel_value *out)
{
	char *p = charge_text(c, s, out) ? cel_take(c, s.n, out) : NULL;

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static void
recase(struct cel_ctx *c, struct span s, char first, struct cel_value *out)
{
	char *p = copy_cel_text(c, s, out);

	if (!p)
		return;
	for (size_t i = 0; i < s.n; i++)
		if (p[i] >= first && p[i] < first + 26)
			p[i] = (char)(p[i] ^ 0x20);
	*out = cel_string(span_of(p, s.n));
}

static void
lower_ascii(CEL_ARGS)
{
	recase(c, v->s, 'A', out);
}

static void
upper_ascii(CEL_ARGS)
{
	recase(c, v->s, 'a', out);
}

static void
reverse(CEL_ARGS)
{
	struct span s = v->s;
	char *p = copy_cel_text(c, s, out);

	for (size_t at = 0; p && at < s.n;) {
		size_t len = utf8_step(s, at);
		memcpy(p + s.n - at - len, s.p + at, len);
		at += len;
	}
	if (p)
		*out = cel_string(span_of(p, s.n));
}

/* Returns the offset at which the search continues after a part found at `at`. */
static size_t
after(struct span s, struct span part, size_t at)
{
	if (part.n)
		return at + part.n;
	return at < s.n ? at + utf8_step(s, at) : s.n + 1;
}

static void
replace(CEL_ARGS)
{
	struct span s = v[0].s, old = v[1].s, new = v[2].s;
	int64_t most = n == 4 && v[3].i >= 0 ? v[3].i : INT64_MAX, count = 0;
	size_t at = 0, found;

	if (!charge_text(c, s, out))
		return;
	for (; count < most && find_next(s, old, at, &found); count++)
		at = after(s, old, found);
	size_t grown;
	if (__builtin_mul_overflow((size_t)count, new.n, &grown) || grown > SIZE_MAX / 4)
		grown = SIZE_MAX / 4;
	char *p = cel_charge(c, grown / 64, out)
			  ? cel_take(c, s.n - (size_t)count * old.n + grown, out)
			  : NULL;
	if (!p)
		return;
	char *q = p;
	size_t copied = 0;
	for (at = 0; count > 0 && find_next(s, old, at, &found); count--) {
		memcpy(q, s.p + copied, found - copied);
		q += found - copied;
		if (new.n)
			memcpy(q, new.p, new.n);
		q += new.n;
		copied = found + old.n;
		at = after(s, old, found);
	}
	if (copied < s.n)
		memcpy(q, s.p + copied, s.n - copied);
	q += s.n - copied;
	*out = cel_string(span_of(p, (size_t)(q - p)));
}

static void
fn_split(CEL_ARGS)
{
	struct span s = v[0].s, sep = v[1].s;
	int64_t most = n == 3 && v[2].i >= 0 ? v[2].i : INT64_MAX;
	size_t parts = 1, at = 0, found;

	if (!charge_text(c, s, out))
		return;
	if (sep.n == 0)
		parts = utf8_count(s);
	else
		for (; find_next(s, sep, at, &found); parts++)
			at = after(s, sep, found);
	if ((uint64_t)most < parts)
		parts = (size_t)most;
	struct cel_value *list = cel_take_values(c, parts, out);
	if (!list)
		return;
	at = 0;
	for (size_t i = 0; i + 1 < parts; i++) {
		if (sep.n)
			find_next(s, sep, at, &found);
		else
			found = at + utf8_step(s, at);
		list[i] = cel_string(span_cut(s, at, found));
		at = found + sep.n;
	}
	if (parts)
		list[parts - 1] = cel_string(span_cut(s, at, s.n));
	*out = cel_list(list, parts);
}

static void
fn_join(CEL_ARGS)
{
	struct span sep = n == 2 ? v[1].s : span_of("", 0);
	size_t total = 0, count = v[0].list.n;

	for (size_t i = 0; i < count; i++) {
		const struct cel_value *item = &v[0].list.v[i];
		if (item->type != CEL_STRING) {
			cel_raise_types(c, out, "join()", item, NULL);
			return;
		}
		total += item->s.n + (i ? sep.n : 0);
	}
	char *p = cel_charge(c, count + total / 16, out) ? cel_take(c, total, out) : NULL;
	if (!p)
		return;
	char *q = p;
	for (size_t i = 0; i < count; i++) {
		struct span s = v[0].list.v[i].s;
		if (i && sep.n) {
			memcpy(q, sep.p, sep.n);
			q += sep.n;
		}
		if (s.n)
			memcpy(q, s.p, s.n);
		q += s.n;
	}
	*out = cel_string(span_of(p, total));
}

/* Returns the length of a white space character of Unicode at s.p, or 0. */
static size_t
white_space(struct span s)
{
	static const char *const wide[] = { "\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001",
		"\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009",
		"\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000" };

	if (s.n == 0)
		return 0;
	if (*s.p == ' ' || (*s.p >= '\t' && *s.p <= '\r'))
		return 1;
	for (size_t i = 0; i < COUNT_OF(wide); i++)
		if (span_starts(s, span_str(wide[i])))
			return strlen(wide[i]);
	return 0;
}

static void
trim(CEL_ARGS)
{
	struct span s = v->s;
	size_t len;

	if (!charge_text(c, s, out))
		return;
	while ((len = white_space(s)))
		s = span_cut(s, len, s.n);
	for (;;) {
		size_t last = s.n;
		while (last > 0 && ((unsigned char)s.p[--last] & 0xc0) == 0x80)
			;
		len = white_space(span_cut(s, last, s.n));
		if (len == 0 || last + len != s.n)
			break;
		s.n = last;
	}
	*out = cel_string(s);
}

static void
quote(CEL_ARGS)
{
	static const char plain[] = "\a\b\f\n\r\t\v\\\"", letter[] = "abfnrtv\\\"";
	struct span s = v->s;
	char *p = charge_text(c, s, out) ? cel_take(c, s.n * 3 + 2, out) : NULL;
	char *q = p;

	if (!p)
		return;
	*q++ = '"';
	for (size_t at = 0; at < s.n;) {
		const char *special = s.p[at] ? strchr(plain, s.p[at]) : NULL;
		size_t len = utf8_sequence(s.p + at, s.n - at);
		if (special) {
			*q++ = '\\';
			*q++ = letter[special - plain];
		} else if (len) {
			memcpy(q, s.p + at, len);
			q += len;
		} else {
			q += utf8_encode(0xfffd, q);
		}
		at += len ? len : 1;
	}
	*q++ = '"';
	*out = cel_string(span_of(p, (size_t)(q - p)));
}

/* --- base64 (RFC 4648 section 4) --- */

static void
base64_encode(CEL_ARGS)
{
	struct span s = v->s;
	size_t room = sodium_base64_encoded_len(s.n, sodium_base64_VARIANT_ORIGINAL);
	char *p = charge_text(c, s, out) ? cel_take(c, room, out) : NULL;

	if (!p)
		return;
	sodium_bin2base64(
		p, room, (const unsigned char *)s.p, s.n, sodium_base64_VARIANT_ORIGINAL);
	*out = cel_string(span_of(p, room - 1)); /* without the NUL */
}

/* Padding may be missing. Any other deviation from base64 is an error. */
static void
base64_decode(CEL_ARGS)
{
	struct span s = v->s;
	size_t bytes = 0;
	uint32_t x = 0, bits = 0;

	while (s.n > 0 && v->s.n - s.n < 2 && s.p[s.n - 1] == '=')
		s.n--;
	bool bad = s.n % 4 == 1 || (s.n != v->s.n && v->s.n % 4 != 0);
	char *p = charge_text(c, s, out) ? cel_take(c, s.n, out) : NULL;
	if (!p)
		return;
	for (size_t i = 0; i < s.n && !bad; i++) {
		int digit = value64(s.p[i]);
		bad = digit < 0 || s.p[i] == '-' || s.p[i] == '_';
		x = x << 6 | ((uint32_t)digit & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			p[bytes++] = (char)(x >> bits);
		}
	}
	if (bad)
		cel_raise_lit(out, "base64.decode(): not base64");
	else
		*out = (struct cel_value){ .type = CEL_BYTES, .s = { p, bytes } };
}

/* clang-format off */
const struct cel_fn cel_fns_string[] = {
	{ "charAt",        true,  "si",   's', char_at,       NULL },
	{ "indexOf",       true,  "ss",   'i', fn_index_of,      NULL },
	{ "indexOf",       true,  "ssi",  'i', fn_index_of,      NULL },
	{ "lastIndexOf",   true,  "ss",   'i', last_index_of, NULL },
	{ "lastIndexOf",   true,  "ssi",  'i', last_index_of, NULL },
	{ "substring",     true,  "si",   's', substring,     NULL },
	{ "substring",     true,  "sii",  's', substring,     NULL },
	{ "lowerAscii",    true,  "s",    's', lower_ascii,   NULL },
	{ "upperAscii",    true,  "s",    's', upper_ascii,   NULL },
	{ "reverse",       true,  "s",    's', reverse,       NULL },
	{ "replace",       true,  "sss",  's', replace,       NULL },
	{ "replace",       true,  "sssi", 's', replace,       NULL },
	{ "split",         true,  "ss",   'l', fn_split,         NULL },
	{ "split",         true,  "ssi",  'l', fn_split,         NULL },
	{ "join",          true,  "l",    's', fn_join,          NULL },
	{ "join",          true,  "ls",   's', fn_join,          NULL },
	{ "trim",          true,  "s",    's', trim,          NULL },
	{ "format",        true,  "sl",   's', cel_format,    NULL },
	{ "strings.quote", false, "s",    's', quote,         NULL },
	{ "base64.encode", false, "y",    's', base64_encode, NULL },
	{ "base64.decode", false, "s",    'y', base64_decode, NULL },
	{ NULL,            false, NULL,   0,   NULL,          NULL },
};
/* clang-format on */
