/* Conversions between types. Nothing is rounded or cut silently but a double's
 * fraction; what does not fit is an error. Language definition, "Standard
 * Definitions", type conversions. */
#include "base/codec/utf8.h"
#include "policy/cel/fn.h"
#include "policy/cel/number.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

/* --- to int --- */

CEL_CHECKED(int_uint, v->u > INT64_MAX, "int(): out of range", cel_int((int64_t)v->u))
/* Both ends are excluded: at 2^63 a double cannot tell what was meant. */
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
