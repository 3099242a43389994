/* The functions of the language definition: size, contains and matches, type conversions, and
 * accessors of timestamps and durations; and the extensions for math and for networks
 * (cel-spec, extensions/math; extensions/network, a library of Kubernetes). Conversions round
 * nothing silently except a double's fraction; a value that does not fit is an error. Language
 * definition, "Standard Definitions", "Timestamps and Durations".
 *
 * The accessors of a timestamp take an optional time zone, "Europe/Berlin" or "+02:00". A
 * constant zone is loaded when the expression is compiled. */
#include <math.h>

#include "base/utf8.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/cel/fn.h"
#include "policy/cel/functions/regex.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

/* Returns its argument: dyn(), and conversions to the type that the value already has. */
static void
cel_same(CEL_ARGS)
{
	*out = *v;
}

/* --- to int --- */

CEL_CHECKED(int_uint, v->u > INT64_MAX, "int(): out of range", cel_int((int64_t)v->u))
/* both ends are excluded: near 2^63 a double is not exact enough to convert */
CEL_CHECKED(int_double, !(v->d > -0x1p63 && v->d < 0x1p63), "int(): out of range",
	cel_int((int64_t)v->d))

static void
int_string(CEL_ARGS)
{
	struct span s = v->s;
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t u;

	if (s.n > 1 && (minus || s.p[0] == '+'))
		s = span_cut(s, 1, s.n);
	if (s.n == 0 || span_u64(s, &u) || u > (uint64_t)INT64_MAX + minus)
		cel_raise_lit(out, "int(): the string is not a 64-bit integer");
	else
		*out = cel_int(minus ? (int64_t)(0 - u) : (int64_t)u);
}

CEL_VALUE(int_time, cel_int(v->t.s))

/* --- to uint --- */

CEL_CHECKED(uint_int, v->i < 0, "uint(): out of range", cel_uint((uint64_t)v->i))
CEL_CHECKED(uint_double, !(v->d > -1 && v->d < 0x1p64), "uint(): out of range",
	cel_uint(v->d < 0 ? 0 : (uint64_t)v->d))

static void
uint_string(CEL_ARGS)
{
	uint64_t u;

	if (v->s.n == 0 || span_u64(v->s, &u))
		cel_raise_lit(out, "uint(): the string is not an unsigned 64-bit integer");
	else
		*out = cel_uint(u);
}

/* --- to double --- */

CEL_VALUE(double_int, cel_double((double)v->i))
CEL_VALUE(double_uint, cel_double((double)v->u))

static void
double_string(CEL_ARGS)
{
	double d;

	if (!cel_double_parse(v->s, &d))
		cel_raise_lit(out, "double(): the string is not a number");
	else
		*out = cel_double(d);
}

/* --- to string, bytes, bool --- */

static void
string_of(CEL_ARGS)
{
	char text[CEL_TEXT];

	cel_give(c, text, cel_write(v, text), out);
}

static void
string_bytes(CEL_ARGS)
{
	if (!cel_charge(c, v->s.n / 64, out))
		return;
	if (!utf8_valid(v->s))
		cel_raise_lit(out, "string(): the bytes are not UTF-8");
	else
		*out = cel_string(v->s);
}

CEL_VALUE(bytes_string, ((struct cel_value){ .type = CEL_BYTES, .s = v->s }))

static void
bool_string(CEL_ARGS)
{
	static const char *const words[][2] = { { "1", "0" }, { "t", "f" }, { "true", "false" },
		{ "TRUE", "FALSE" }, { "True", "False" }, { "T", "F" } };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		for (int no = 0; no < 2; no++)
			if (span_is(v->s, words[i][no])) {
				*out = cel_bool(!no);
				return;
			}
	cel_raise_lit(out, "bool(): the string is neither true nor false");
}

/* --- to timestamp, duration --- */

CEL_PARSED(timestamp_string, cel_timestamp_parse,
	"timestamp(): not an RFC 3339 time in the years 1 to 9999")
CEL_PARSED(duration_string, cel_duration_parse,
	"duration(): not a duration such as 1h30m or 1.5s, or out of range")

static void
timestamp_int(CEL_ARGS)
{
	struct cel_value epoch = { .type = CEL_TIMESTAMP };
	struct cel_value s = { .type = CEL_DURATION, .t = { v->i, 0 } };

	cel_time_sum(CEL_TIMESTAMP, &epoch, &s, false, out);
}

/* clang-format off */
const struct cel_fn cel_fns_convert[] = {
	{ "int",       false, "i", 'i', cel_same,         NULL },
	{ "int",       false, "u", 'i', int_uint,         NULL },
	{ "int",       false, "d", 'i', int_double,       NULL },
	{ "int",       false, "s", 'i', int_string,       NULL },
	{ "int",       false, "t", 'i', int_time,         NULL },
	{ "int",       false, "D", 'i', int_time,         NULL },
	{ "uint",      false, "u", 'u', cel_same,         NULL },
	{ "uint",      false, "i", 'u', uint_int,         NULL },
	{ "uint",      false, "d", 'u', uint_double,      NULL },
	{ "uint",      false, "s", 'u', uint_string,      NULL },
	{ "double",    false, "d", 'd', cel_same,         NULL },
	{ "double",    false, "i", 'd', double_int,       NULL },
	{ "double",    false, "u", 'd', double_uint,      NULL },
	{ "double",    false, "s", 'd', double_string,    NULL },
	{ "string",    false, "s", 's', cel_same,         NULL },
	{ "string",    false, "i", 's', string_of,        NULL },
	{ "string",    false, "u", 's', string_of,        NULL },
	{ "string",    false, "d", 's', string_of,        NULL },
	{ "string",    false, "b", 's', string_of,        NULL },
	{ "string",    false, "y", 's', string_bytes,     NULL },
	{ "string",    false, "t", 's', string_of,        NULL },
	{ "string",    false, "D", 's', string_of,        NULL },
	{ "string",    false, "I", 's', string_of,        NULL },
	{ "string",    false, "C", 's', string_of,        NULL },
	{ "bytes",     false, "y", 'y', cel_same,         NULL },
	{ "bytes",     false, "s", 'y', bytes_string,     NULL },
	{ "bool",      false, "b", 'b', cel_same,         NULL },
	{ "bool",      false, "s", 'b', bool_string,      NULL },
	{ "timestamp", false, "t", 't', cel_same,         NULL },
	{ "timestamp", false, "s", 't', timestamp_string, NULL },
	{ "timestamp", false, "i", 't', timestamp_int,    NULL },
	{ "duration",  false, "D", 'D', cel_same,         NULL },
	{ "duration",  false, "s", 'D', duration_string,  NULL },
	{ NULL,        false, NULL, 0,  NULL,             NULL },
};
/* clang-format on */

/* --- math --- */

/* Returns the first of the greatest (sign 1) or least (sign -1) of the arguments, or of the
 * elements of a single list. */
static void
extreme(CEL_ARGS, int sign)
{
	const struct cel_value *item = v, *best = NULL;

	if (n == 1 && v->type == CEL_LIST) {
		item = v->list.v;
		n = v->list.n;
	}
	if (!cel_charge(c, n, out))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!cel_is_number(item[i].type)) {
			cel_raise_types(c, out, sign > 0 ? "math.greatest()" : "math.least()",
				&item[i], NULL);
			return;
		}
		if (!best || cel_order(&item[i], best) == sign)
			best = &item[i];
	}
	if (best)
		*out = *best;
	else
		cel_raise_lit(out, "math.greatest() and math.least() need a number");
}

static void
greatest(CEL_ARGS)
{
	extreme(c, v, n, out, 1);
}

static void
least(CEL_ARGS)
{
	extreme(c, v, n, out, -1);
}

/* clang-format off */
CEL_VALUE(math_ceil,   cel_double(ceil(v->d)))
CEL_VALUE(math_floor,  cel_double(floor(v->d)))
CEL_VALUE(math_round,  cel_double(round(v->d)))
CEL_VALUE(math_trunc,  cel_double(trunc(v->d)))
CEL_VALUE(math_sqrt,   cel_double(sqrt(cel_as_double(v))))
CEL_VALUE(abs_double,  cel_double(fabs(v->d)))
CEL_VALUE(sign_double, cel_double(v->d > 0 ? 1 : v->d < 0 ? -1 : v->d))
CEL_VALUE(sign_int,    cel_int((v->i > 0) - (v->i < 0)))
CEL_VALUE(sign_uint,   cel_uint(v->u > 0))
CEL_VALUE(is_nan,      cel_bool(isnan(v->d) != 0))
CEL_VALUE(is_inf,      cel_bool(isinf(v->d) != 0))
CEL_VALUE(is_finite,   cel_bool(isfinite(v->d) != 0))
/* clang-format on */

CEL_CHECKED(abs_int, v->i == INT64_MIN, "int overflow", cel_int(v->i < 0 ? -v->i : v->i))

/* --- bits: equal for int and uint, whose bits are in v->u --- */

static struct cel_value
bits(const struct cel_value *v, uint64_t u)
{
	return (struct cel_value){ .type = v->type, .u = u };
}

CEL_VALUE(bit_and, bits(v, v[0].u &v[1].u))
CEL_VALUE(bit_or, bits(v, v[0].u | v[1].u))
CEL_VALUE(bit_xor, bits(v, v[0].u ^ v[1].u))
CEL_VALUE(bit_not, bits(v, ~v->u))

CEL_CHECKED(shift_left, v[1].i < 0, "math.bitShiftLeft(): a negative number of bits",
	bits(v, v[1].i > 63 ? 0 : v->u << v[1].i))
/* zeros are shifted in at the left, for int too */
CEL_CHECKED(shift_right, v[1].i < 0, "math.bitShiftRight(): a negative number of bits",
	bits(v, v[1].i > 63 ? 0 : v->u >> v[1].i))

/* clang-format off */
const struct cel_fn cel_fns_math[] = {
	{ "math.greatest",      false, "*+", '*', greatest,    NULL },
	{ "math.least",         false, "*+", '*', least,       NULL },
	{ "math.ceil",          false, "d",  'd', math_ceil,   NULL },
	{ "math.floor",         false, "d",  'd', math_floor,  NULL },
	{ "math.round",         false, "d",  'd', math_round,  NULL },
	{ "math.trunc",         false, "d",  'd', math_trunc,  NULL },
	{ "math.sqrt",          false, "d",  'd', math_sqrt,   NULL },
	{ "math.sqrt",          false, "i",  'd', math_sqrt,   NULL },
	{ "math.sqrt",          false, "u",  'd', math_sqrt,   NULL },
	{ "math.abs",           false, "d",  'd', abs_double,  NULL },
	{ "math.abs",           false, "i",  'i', abs_int,     NULL },
	{ "math.abs",           false, "u",  'u', cel_same,    NULL },
	{ "math.sign",          false, "d",  'd', sign_double, NULL },
	{ "math.sign",          false, "i",  'i', sign_int,    NULL },
	{ "math.sign",          false, "u",  'u', sign_uint,   NULL },
	{ "math.isNaN",         false, "d",  'b', is_nan,      NULL },
	{ "math.isInf",         false, "d",  'b', is_inf,      NULL },
	{ "math.isFinite",      false, "d",  'b', is_finite,   NULL },
	{ "math.bitAnd",        false, "ii", 'i', bit_and,     NULL },
	{ "math.bitAnd",        false, "uu", 'u', bit_and,     NULL },
	{ "math.bitOr",         false, "ii", 'i', bit_or,      NULL },
	{ "math.bitOr",         false, "uu", 'u', bit_or,      NULL },
	{ "math.bitXor",        false, "ii", 'i', bit_xor,     NULL },
	{ "math.bitXor",        false, "uu", 'u', bit_xor,     NULL },
	{ "math.bitNot",        false, "i",  'i', bit_not,     NULL },
	{ "math.bitNot",        false, "u",  'u', bit_not,     NULL },
	{ "math.bitShiftLeft",  false, "ii", 'i', shift_left,  NULL },
	{ "math.bitShiftLeft",  false, "ui", 'u', shift_left,  NULL },
	{ "math.bitShiftRight", false, "ii", 'i', shift_right, NULL },
	{ "math.bitShiftRight", false, "ui", 'u', shift_right, NULL },
	{ NULL,                 false, NULL, 0,   NULL,        NULL },
};
/* clang-format on */

/* --- strings and collections --- */

CEL_CHARGED(size_string, v->s.n / 64, cel_int((int64_t)utf8_count(v->s)))
CEL_VALUE(size_bytes, cel_int((int64_t)v->s.n))
CEL_VALUE(size_collection, cel_int((int64_t)v->list.n))
CEL_CHARGED(starts_with, v[1].s.n / 64, cel_bool(span_starts(v[0].s, v[1].s)))
CEL_CHARGED(ends_with, v[1].s.n / 64, cel_bool(span_ends(v[0].s, v[1].s)))

static void
contains(CEL_ARGS)
{
	struct span text = v[0].s, part = v[1].s;

	if (cel_charge(c, text.n / 64, out))
		*out = cel_bool(
			part.n == 0 ||
			(part.n <= text.n && memmem(text.p, text.n, part.p, part.n) != NULL));
}

static const void *
matches_prepare(struct arena *a, const struct cel_value *pattern, const char **why)
{
	const struct cel_regex *re = cel_regex_compile(a, pattern->s, why);
	const char *risk = re ? cel_regex_risk(pattern->s) : NULL;

	if (risk)
		*why = risk;
	return risk ? NULL : re;
}

static void
matches(CEL_ARGS)
{
	const struct cel_regex *re = c->aux;
	const char *why = "not a valid regular expression";
	size_t spilled = 0;

	if (!cel_charge(c, v[0].s.n / 256, out))
		return;
	if (!re) { /* the pattern is not constant */
		size_t size = v[1].s.n;
		if (!cel_charge(c, 100 + size, out) || !cel_spend(c, 4096 + size * 64, out))
			return;
		re = cel_regex_compile(c->arena, v[1].s, &why);
	}
	int found = re ? cel_regex_match(re, v[0].s, c->arena, &spilled) : 0;
	if (!cel_spend(c, spilled, out))
		return;
	if (!re)
		cel_raise(c, out, "matches(): %s", why);
	else if (found < 0)
		cel_raise_lit(out, found == ERR_ENCODING ? "matches(): the text is not UTF-8"
							 : "matches(): too much backtracking");
	else
		*out = cel_bool(found);
}

CEL_VALUE(type_of, ((struct cel_value){ .type = CEL_TYPE, .s = cel_type_name(v->type) }))

/* clang-format off */
const struct cel_fn cel_fns_core[] = {
	{ "size",       false, "s",  'i', size_string,     NULL },
	{ "size",       false, "y",  'i', size_bytes,      NULL },
	{ "size",       false, "l",  'i', size_collection, NULL },
	{ "size",       false, "m",  'i', size_collection, NULL },
	{ "size",       true,  "s",  'i', size_string,     NULL },
	{ "size",       true,  "y",  'i', size_bytes,      NULL },
	{ "size",       true,  "l",  'i', size_collection, NULL },
	{ "size",       true,  "m",  'i', size_collection, NULL },
	{ "startsWith", true,  "ss", 'b', starts_with,     NULL },
	{ "endsWith",   true,  "ss", 'b', ends_with,       NULL },
	{ "contains",   true,  "ss", 'b', contains,        NULL },
	{ "matches",    true,  "ss", 'b', matches,         matches_prepare },
	{ "matches",    false, "ss", 'b', matches,         matches_prepare },
	{ "dyn",        false, "*",  '*', cel_same,        NULL },
	{ "type",       false, "*",  'T', type_of,         NULL },
	{ NULL,         false, NULL, 0,   NULL,            NULL },
};
/* clang-format on */

/* ---- timestamps and durations ---- */

static const void *
zone_prepare(struct arena *a, const struct cel_value *name, const char **why)
{
	return cel_zone_load(a, name->s, why);
}

/* Converts v[0] to the calendar of zone v[1], or of UTC without one. */
static bool
local_time(CEL_ARGS, struct clock_civil *civil)
{
	int32_t offset = 0;

	if (n == 2) {
		const struct cel_zone *z = c->aux;
		const char *why = "no such time zone";
		if (!z) {
			if (!cel_charge(c, 1000, out) || !cel_spend(c, 16384, out))
				return false;
			z = cel_zone_load(c->arena, v[1].s, &why);
			if (!cel_spend(c, 0, out))
				return false;
		}
		if (!z) {
			cel_raise_lit(out, why);
			return false;
		}
		offset = cel_zone_offset(z, v->t.s);
	}
	clock_civil(v->t.s + offset, civil);
	return true;
}

/* clang-format off */
#define ACCESSOR(function, expr) \
	static void function(CEL_ARGS) \
	{ \
		struct clock_civil t; \
		if (local_time(c, v, n, out, &t)) \
			*out = cel_int(expr); \
	}
/* clang-format on */

ACCESSOR(full_year, t.year)
ACCESSOR(month, t.month - 1)
ACCESSOR(day_of_year, t.yearday)
ACCESSOR(day_of_month, t.day - 1)
ACCESSOR(date, t.day)
ACCESSOR(day_of_week, t.weekday)
ACCESSOR(hours, t.hour)
ACCESSOR(minutes, t.minute)
ACCESSOR(seconds, t.second)
ACCESSOR(milliseconds, v->t.ns / 1000000)

CEL_VALUE(duration_hours, cel_int(v->t.s / 3600))
CEL_VALUE(duration_minutes, cel_int(v->t.s / 60))
CEL_VALUE(duration_seconds, cel_int(v->t.s))
CEL_VALUE(duration_milliseconds, cel_int(v->t.ns / 1000000))

/* clang-format off */
#define OF_TIMESTAMP(name, function) \
	{ name, true, "t",  'i', function, NULL }, \
	{ name, true, "ts", 'i', function, zone_prepare }
#define OF_DURATION(name, function) \
	{ name, true, "D",  'i', function, NULL }

const struct cel_fn cel_fns_time[] = {
	OF_TIMESTAMP("getFullYear",     full_year),
	OF_TIMESTAMP("getMonth",        month),
	OF_TIMESTAMP("getDayOfYear",    day_of_year),
	OF_TIMESTAMP("getDayOfMonth",   day_of_month),
	OF_TIMESTAMP("getDate",         date),
	OF_TIMESTAMP("getDayOfWeek",    day_of_week),
	OF_TIMESTAMP("getHours",        hours),
	OF_TIMESTAMP("getMinutes",      minutes),
	OF_TIMESTAMP("getSeconds",      seconds),
	OF_TIMESTAMP("getMilliseconds", milliseconds),
	OF_DURATION("getHours",         duration_hours),
	OF_DURATION("getMinutes",       duration_minutes),
	OF_DURATION("getSeconds",       duration_seconds),
	OF_DURATION("getMilliseconds",  duration_milliseconds),
	{ NULL, false, NULL, 0, NULL, NULL },
};
/* clang-format on */

/* ---- addresses ---- */

CEL_PARSED(ip_string, cel_ip_parse, "ip(): not an IP address")
CEL_PARSED(cidr_string, cel_cidr_parse, "cidr(): not a network such as 10.0.0.0/8")

/* Returns true if the text is an address, or a network, as `parse` reads it. */
static bool
reads(int (*parse)(struct span s, struct cel_value *out), struct span s)
{
	struct cel_value ignored;

	return parse(s, &ignored) == 0;
}

CEL_VALUE(is_ip, cel_bool(reads(cel_ip_parse, v->s)))
CEL_VALUE(is_cidr, cel_bool(reads(cel_cidr_parse, v->s)))

static void
is_canonical(CEL_ARGS)
{
	char text[CEL_NET_TEXT];
	struct cel_value ip;

	if (cel_ip_parse(v->s, &ip))
		cel_raise_lit(out, "ip.isCanonical(): not an IP address");
	else
		*out = cel_bool(span_eq(v->s, span_of(text, cel_net_write(&ip, text))));
}

/* --- kinds of addresses --- */

static bool
all_zero(const unsigned char *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

static bool
unspecified(const struct cel_value *v)
{
	return all_zero(v->ip, 16);
}

static bool
loopback(const struct cel_value *v)
{
	return v->family == 4 ? v->ip[0] == 127 : all_zero(v->ip, 15) && v->ip[15] == 1;
}

static bool
link_local_unicast(const struct cel_value *v)
{
	if (v->family == 4)
		return v->ip[0] == 169 && v->ip[1] == 254;
	return v->ip[0] == 0xfe && v->ip[1] >> 6 == 2;
}

static void
is_global_unicast(CEL_ARGS)
{
	bool broadcast = v->family == 4 && v->ip[0] == 255 && v->ip[1] == 255 &&
			 v->ip[2] == 255 && v->ip[3] == 255,
	     multicast = v->family == 4 ? v->ip[0] >> 4 == 14 : v->ip[0] == 0xff;

	*out = cel_bool(!unspecified(v) && !loopback(v) && !multicast &&
			!link_local_unicast(v) && !broadcast);
}

CEL_VALUE(is_unspecified, cel_bool(unspecified(v)))
CEL_VALUE(is_loopback, cel_bool(loopback(v)))
CEL_VALUE(is_link_local_multicast,
	cel_bool(v->family == 4 ? v->ip[0] == 224 && v->ip[1] == 0 && v->ip[2] == 0
				: v->ip[0] == 0xff && (v->ip[1] & 15) == 2))
CEL_VALUE(is_link_local_unicast, cel_bool(link_local_unicast(v)))
CEL_VALUE(family, cel_int(v->family))

/* ---- networks ---- */

CEL_VALUE(prefix_length, cel_int(v->prefix))
CEL_VALUE(cidr_contains, cel_bool(cel_cidr_contains(v, &v[1])))

static void
contains_ip_text(CEL_ARGS)
{
	struct cel_value ip;

	if (cel_ip_parse(v[1].s, &ip))
		cel_raise_lit(out, "containsIP(): not an IP address");
	else
		*out = cel_bool(cel_cidr_contains(v, &ip));
}

static void
contains_cidr_text(CEL_ARGS)
{
	struct cel_value cidr;

	if (cel_cidr_parse(v[1].s, &cidr))
		cel_raise_lit(out, "containsCIDR(): not a network such as 10.0.0.0/8");
	else
		*out = cel_bool(cel_cidr_contains(v, &cidr));
}

static void
cidr_ip(CEL_ARGS)
{
	*out = *v;
	out->type = CEL_IP;
	out->prefix = 0;
}

static void
masked(CEL_ARGS)
{
	*out = *v;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = v->prefix > 8 * i ? v->prefix - 8 * i : 0;
		if (kept < 8)
			out->ip[i] = (unsigned char)(out->ip[i] & (0xff00 >> kept));
	}
}

/* clang-format off */
const struct cel_fn cel_fns_net[] = {
	{ "ip",                   false, "s",  'I', ip_string,               NULL },
	{ "ip",                   false, "I",  'I', cel_same,                NULL },
	{ "cidr",                 false, "s",  'C', cidr_string,             NULL },
	{ "cidr",                 false, "C",  'C', cel_same,                NULL },
	{ "isIP",                 false, "s",  'b', is_ip,                   NULL },
	{ "isCIDR",               false, "s",  'b', is_cidr,                 NULL },
	{ "ip.isCanonical",       false, "s",  'b', is_canonical,            NULL },
	{ "family",               true,  "I",  'i', family,                  NULL },
	{ "isUnspecified",        true,  "I",  'b', is_unspecified,          NULL },
	{ "isLoopback",           true,  "I",  'b', is_loopback,             NULL },
	{ "isGlobalUnicast",      true,  "I",  'b', is_global_unicast,       NULL },
	{ "isLinkLocalMulticast", true,  "I",  'b', is_link_local_multicast, NULL },
	{ "isLinkLocalUnicast",   true,  "I",  'b', is_link_local_unicast,   NULL },
	{ "containsIP",           true,  "CI", 'b', cidr_contains,           NULL },
	{ "containsIP",           true,  "Cs", 'b', contains_ip_text,        NULL },
	{ "containsCIDR",         true,  "CC", 'b', cidr_contains,           NULL },
	{ "containsCIDR",         true,  "Cs", 'b', contains_cidr_text,      NULL },
	{ "ip",                   true,  "C",  'I', cidr_ip,                 NULL },
	{ "masked",               true,  "C",  'C', masked,                  NULL },
	{ "prefixLength",         true,  "C",  'i', prefix_length,           NULL },
	{ NULL,                   false, NULL, 0,   NULL,                    NULL },
};
/* clang-format on */
