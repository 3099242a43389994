/* Values: equality, order, look-up and text. The functions recurse over nested values, at most
 * VALUE_DEPTH levels. Numbers of different types are compared by value. Language definition,
 * "Equality" and "Ordering".
 *
 * The text of a double is the shortest that gives the same double. It needs the decimal point
 * of the C locale: the program sets no other locale. libc parses and writes IP addresses,
 * except for IPv6 addresses that it writes with dots. RFC 4291, 5952. cel_json() writes bytes
 * in base64, timestamps and durations as their text, NaN and infinities as strings, and keys of
 * maps always as strings. */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec/base64.h"
#include "base/codec/letters.h"
#include "base/err.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

/* ---- doubles as text ---- */

size_t
cel_double_write(double d, char out[CEL_DOUBLE_TEXT])
{
	int n = 0;

	if (isnan(d))
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "NaN");
	if (isinf(d))
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "%sInfinity", d < 0 ? "-" : "");
	if (d == floor(d) && fabs(d) < 1e17)
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "%.0f", d);
	for (int digits = 1; digits <= 17; digits++) {
		n = snprintf(out, CEL_DOUBLE_TEXT, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
	return (size_t)n;
}

bool
cel_double_parse(struct span s, double *out)
{
	static const char digits[] = "0123456789.eE+-";
	char text[512];
	char *end;
	struct span word = s;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	bool minus = s.p[0] == '-';
	if (minus || s.p[0] == '+')
		word = span_cut(s, 1, s.n);
	if (span_ieq(word, SPAN_LIT("nan")) && word.n == s.n) {
		*out = NAN;
		return true;
	}
	if (span_ieq(word, SPAN_LIT("inf")) || span_ieq(word, SPAN_LIT("infinity"))) {
		*out = minus ? -INFINITY : INFINITY;
		return true;
	}
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(digits, s.p[i]))
			return false;
	*out = strtod(text, &end);
	return end == text + s.n && !isinf(*out);
}

/* ---- IP addresses and networks as text ---- */

int
cel_ip_parse(struct span s, struct cel_value *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct cel_value v = { .type = CEL_IP, .family = 4 };
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return ERR_SYNTAX;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	bool v6 = strchr(text, ':') != NULL;
	if (v6 && strchr(text, '.'))
		return ERR_SYNTAX;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, v.ip) != 1)
		return ERR_SYNTAX;
	if (v6 && memcmp(v.ip, mapped, sizeof(mapped)) == 0) {
		memmove(v.ip, v.ip + 12, 4);
		memset(v.ip + 4, 0, 12);
	} else if (v6) {
		v.family = 6;
	}
	*out = v;
	return 0;
}

int
cel_cidr_parse(struct span s, struct cel_value *out)
{
	size_t slash = span_chr(s, '/');
	struct span digits = span_cut(s, slash + 1, s.n);
	struct cel_value v;
	uint64_t prefix;

	if (slash == s.n || cel_ip_parse(span_cut(s, 0, slash), &v))
		return ERR_SYNTAX;
	/* an address that is written as IPv6 but means IPv4 has no prefix of its own */
	bool v6 = memchr(s.p, ':', slash) != NULL;
	if (v6 != (v.family == 6) || digits.n == 0 || digits.n > 3 ||
		(digits.n > 1 && digits.p[0] == '0') || span_u64(digits, &prefix) ||
		prefix > (v.family == 4 ? 32 : 128))
		return ERR_SYNTAX;
	v.type = CEL_CIDR;
	v.prefix = (uint8_t)prefix;
	*out = v;
	return 0;
}

static unsigned
group(const struct cel_value *v, int i)
{
	return (unsigned)v->ip[2 * i] << 8 | v->ip[2 * i + 1];
}

size_t
cel_net_write(const struct cel_value *v, char out[CEL_NET_TEXT])
{
	inet_ntop(v->family == 4 ? AF_INET : AF_INET6, v->ip, out, CEL_NET_TEXT);
	/* RFC 5952: an address that libc writes with a dotted end has no dots here */
	if (v->family != 4 && strchr(out, '.'))
		sprintf(out, group(v, 5) ? "::ffff:%x:%x" : "::%x:%x", group(v, 6),
			group(v, 7));
	size_t n = strlen(out);
	if (v->type == CEL_CIDR)
		n += (size_t)sprintf(out + n, "/%u", v->prefix);
	return n;
}

bool
cel_cidr_contains(const struct cel_value *cidr, const struct cel_value *v)
{
	unsigned bits = cidr->prefix, whole = bits / 8;

	if (cidr->family != v->family || (v->type == CEL_CIDR && v->prefix < bits))
		return false;
	if (memcmp(cidr->ip, v->ip, whole) != 0)
		return false;
	return bits % 8 == 0 || ((cidr->ip[whole] ^ v->ip[whole]) >> (8 - bits % 8)) == 0;
}

/* ---- values ---- */

_Static_assert(
	CEL_TEXT >= CEL_DOUBLE_TEXT && CEL_TEXT >= CEL_TIME_TEXT && CEL_TEXT >= CEL_NET_TEXT,
	"room for each");

#define VALUE_DEPTH  600
#define ANOTHER_CASE "a key differs from it only by case"

/* clang-format off */
static const char *const type_names[] = {
	[CEL_NULL]      = "null_type",
	[CEL_BOOL]      = "bool",
	[CEL_INT]       = "int",
	[CEL_UINT]      = "uint",
	[CEL_DOUBLE]    = "double",
	[CEL_STRING]    = "string",
	[CEL_BYTES]     = "bytes",
	[CEL_LIST]      = "list",
	[CEL_MAP]       = "map",
	[CEL_TIMESTAMP] = "google.protobuf.Timestamp",
	[CEL_DURATION]  = "google.protobuf.Duration",
	[CEL_TYPE]      = "type",
	[CEL_IP]        = "net.IP",
	[CEL_CIDR]      = "net.CIDR",
};
/* clang-format on */
#define NTYPES (COUNT_OF(type_names))

struct span
cel_type_name(enum cel_type t)
{
	return span_str((size_t)t < NTYPES ? type_names[t] : t == CEL_DYN ? "dyn" : "error");
}

enum cel_type
cel_type_named(struct span name)
{
	size_t i = span_find(name, type_names, NTYPES);

	return i < NTYPES ? (enum cel_type)i : CEL_ERROR;
}

/* An integer and a double are compared as doubles, which round above 2^53: the conformance
 * suite requires that 2^63 - 1 is not less than 2.0^63. */
static int
double_order(double a, double b)
{
	return isnan(a) || isnan(b) ? CEL_UNORDERED : (a > b) - (a < b);
}

static int
int_uint(int64_t i, uint64_t u)
{
	return i < 0 || u > INT64_MAX ? -1 : (i > (int64_t)u) - (i < (int64_t)u);
}

static int
flip(int order)
{
	return order == -1 || order == 1 ? -order : order;
}

static int
number_order(const struct cel_value *a, const struct cel_value *b)
{
	if (a->type == b->type) {
		if (a->type == CEL_INT)
			return (a->i > b->i) - (a->i < b->i);
		if (a->type == CEL_UINT)
			return (a->u > b->u) - (a->u < b->u);
		return double_order(a->d, b->d);
	}
	if (a->type == CEL_DOUBLE)
		return flip(number_order(b, a));
	if (b->type == CEL_DOUBLE)
		return double_order(cel_as_double(a), b->d);
	return a->type == CEL_INT ? int_uint(a->i, b->u) : flip(int_uint(b->i, a->u));
}

int
cel_order(const struct cel_value *a, const struct cel_value *b)
{
	if (cel_is_number(a->type) && cel_is_number(b->type))
		return number_order(a, b);
	if (a->type != b->type)
		return CEL_NO_ORDER;
	switch (a->type) {
	case CEL_BOOL: return a->b - b->b;
	case CEL_STRING: /* bytes of UTF-8 sort like code points */
	case CEL_BYTES: return span_order(a->s, b->s);
	case CEL_TIMESTAMP:
	case CEL_DURATION:
		if (a->t.s != b->t.s)
			return a->t.s < b->t.s ? -1 : 1;
		return (a->t.ns > b->t.ns) - (a->t.ns < b->t.ns);
	default: return CEL_NO_ORDER;
	}
}

static bool equal_to(
	const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth);

/* Returns true if another key matches when case is ignored. Go's encoding/json, for example,
 * uses the last matching key. */
static bool
has_other_case(const struct cel_value *map, const struct cel_value *key)
{
	for (size_t i = 0; i < map->list.n && key->type == CEL_STRING; i++) {
		const struct cel_value *k = &map->list.v[2 * i];
		if (k->type == CEL_STRING && !span_eq(k->s, key->s) &&
			letters_caseless_eq(k->s, key->s))
			return true;
	}
	return false;
}

const struct cel_value *
cel_map_find(const struct cel_value *map, const struct cel_value *key, int64_t *steps)
{
	static const struct cel_value ambiguous = { .type = CEL_ERROR,
		.s = { ANOTHER_CASE, sizeof(ANOTHER_CASE) - 1 } };

	*steps -= (int64_t)(map->list.n / 8);
	if (map->caseless && has_other_case(map, key))
		return &ambiguous;
	for (size_t i = 0; i < map->list.n; i++) {
		const struct cel_value *k = &map->list.v[2 * i];
		if (k->type == CEL_STRING ? key->type == CEL_STRING && span_eq(k->s, key->s)
					  : equal_to(k, key, steps, VALUE_DEPTH))
			return k + 1;
	}
	return NULL;
}

static bool
is_ambiguous(const struct cel_value *map, int64_t *steps)
{
	for (size_t i = 0; map->caseless && i < map->list.n && *steps >= 0; i++)
		if (cel_map_find(map, &map->list.v[2 * i], steps)->type == CEL_ERROR)
			return true;
	return false;
}

static bool
equal_maps(const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth)
{
	for (size_t i = 0; i < a->list.n; i++) {
		const struct cel_value *k = &a->list.v[2 * i];
		const struct cel_value *other = cel_map_find(b, k, steps);
		if (!other || *steps < 0 || !equal_to(k + 1, other, steps, depth + 1))
			return false;
	}
	return true;
}

/* Compares as CEL does: numbers by value whatever their types, maps in any order. Charges the
 * work to *steps; if it falls below 0, the result means nothing. */
static bool
equal_to(const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth)
{
	if (cel_is_number(a->type) && cel_is_number(b->type))
		return number_order(a, b) == 0;
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case CEL_NULL: return true;
	case CEL_STRING:
	case CEL_BYTES:
	case CEL_TYPE: *steps -= (int64_t)(a->s.n / 64); return span_eq(a->s, b->s);
	case CEL_IP:
	case CEL_CIDR:
		return a->family == b->family && a->prefix == b->prefix &&
		       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
	case CEL_LIST:
	case CEL_MAP: break;
	default: return cel_order(a, b) == 0;
	}
	if (a->type == CEL_MAP && (is_ambiguous(a, steps) || is_ambiguous(b, steps)))
		*steps = -1;
	if (a->list.n != b->list.n || (*steps -= (int64_t)a->list.n) < 0)
		return false;
	if (depth > VALUE_DEPTH) {
		*steps = -1;
		return false;
	}
	if (a->type == CEL_MAP)
		return equal_maps(a, b, steps, depth);
	for (size_t i = 0; i < a->list.n; i++)
		if (!equal_to(&a->list.v[i], &b->list.v[i], steps, depth + 1))
			return false;
	return true;
}

bool
cel_equal(const struct cel_value *a, const struct cel_value *b, int64_t *steps)
{
	return equal_to(a, b, steps, 0);
}

struct cel_value
cel_copy(const struct cel_value *v, struct arena *a)
{
	struct cel_value to = *v, *list;
	size_t n = v->type == CEL_MAP ? 2 * v->list.n : v->list.n;

	switch (v->type) {
	case CEL_STRING:
	case CEL_BYTES:
	case CEL_ERROR: to.s = arena_dup(a, v->s); break;
	case CEL_LIST:
	case CEL_MAP:
		list = arena_array(a, n, sizeof(*list));
		for (size_t i = 0; list && i < n; i++)
			list[i] = cel_copy(&v->list.v[i], a);
		to.list.v = list;
		to.list.n = list ? v->list.n : 0;
		break;
	default: break;
	}
	return to;
}

size_t
cel_write(const struct cel_value *v, char out[CEL_TEXT])
{
	switch (v->type) {
	case CEL_NULL: return (size_t)sprintf(out, "null");
	case CEL_BOOL: return (size_t)sprintf(out, "%s", v->b ? "true" : "false");
	case CEL_INT: return (size_t)sprintf(out, "%lld", (long long)v->i);
	case CEL_UINT: return (size_t)sprintf(out, "%llu", (unsigned long long)v->u);
	case CEL_DOUBLE: return cel_double_write(v->d, out);
	case CEL_TIMESTAMP:
	case CEL_DURATION: return cel_time_write(v, out);
	case CEL_IP:
	case CEL_CIDR: return cel_net_write(v, out);
	default: return 0;
	}
}

/* ---- values as JSON ---- */

#define JSON_DEPTH 600

/* Writes numbers, null and booleans as they are, other scalars in quotes. */
static void
write_scalar(struct buf *out, const struct cel_value *v)
{
	char text[CEL_TEXT];
	size_t n = cel_write(v, text);
	bool quoted = v->type > CEL_DOUBLE || (v->type == CEL_DOUBLE && !isfinite(v->d));

	if (quoted)
		buf_putc(out, '"');
	buf_put(out, text, n);
	if (v->type == CEL_DOUBLE && !quoted && !memchr(text, '.', n) && !memchr(text, 'e', n))
		buf_str(out, ".0");
	if (quoted)
		buf_putc(out, '"');
}

static void write_value(struct buf *out, const struct cel_value *v, unsigned depth);

/* Writes the elements of a list, or the pairs of a map. */
static void
write_items(struct buf *out, const struct cel_value *v, unsigned depth)
{
	bool map = v->type == CEL_MAP;

	buf_putc(out, map ? '{' : '[');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			buf_putc(out, ',');
		if (map) {
			const struct cel_value *key = &v->list.v[2 * i];
			const char *quote = key->type == CEL_STRING ? "" : "\"";
			buf_str(out, quote);
			write_value(out, key, depth + 1);
			buf_str(out, quote);
			buf_putc(out, ':');
		}
		write_value(out, &v->list.v[map ? 2 * i + 1 : i], depth + 1);
	}
	buf_putc(out, map ? '}' : ']');
}

static void
write_value(struct buf *out, const struct cel_value *v, unsigned depth)
{
	if (depth > JSON_DEPTH || out->failed) {
		out->failed = true;
		return;
	}
	switch (v->type) {
	case CEL_STRING:
	case CEL_TYPE:
	case CEL_ERROR: buf_json_str(out, v->s); break;
	case CEL_BYTES:
		buf_putc(out, '"');
		base64_put(out, v->s.p, v->s.n);
		buf_putc(out, '"');
		break;
	case CEL_LIST:
	case CEL_MAP: write_items(out, v, depth); break;
	case CEL_DYN: buf_str(out, "null"); break;
	default: write_scalar(out, v); break;
	}
}

void
cel_json(const struct cel_value *v, struct buf *out)
{
	write_value(out, v, 0);
}
