/* Timestamps and durations: text forms, calendar and sums. A timestamp is in the years 1 to
 * 9999 (RFC 3339 has four digits). A duration fits 64 bits of nanoseconds, about 292 years.
 * Language definition, "Timestamps and Durations". */
#include "policy/cel/time.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/cel/eval.h"
#include "policy/cel/value.h"

#define MIN_S (-62135596800) /* 0001-01-01T00:00:00Z */
#define MAX_S 253402300799   /* 9999-12-31T23:59:59Z */

/* --- text --- */

/* Cuts exactly n digits from *s. Returns their value, or -1. */
static int
time_digits(struct span *s, size_t n)
{
	int v = 0;

	if (s->n < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s->p[i]))
			return -1;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = span_cut(*s, n, s->n);
	return v;
}

/* Cuts "." and digits from *s. Returns nanoseconds (digits after the ninth are dropped), or
 * -1. */
static int64_t
fraction(struct span *s)
{
	int64_t ns = 0, unit = CEL_NS_PER_S / 10;
	size_t n = 0;

	for (; n < s->n && is_digit(s->p[n]); n++) {
		ns += (s->p[n] - '0') * unit;
		unit /= 10;
	}
	*s = span_cut(*s, n, s->n);
	return n ? ns : -1;
}

/* Reads "Z", "+hh:mm" or "-hh:mm" into seconds. */
static bool
read_offset(struct span *s, int *out)
{
	if (span_take(s, 'Z')) {
		*out = 0;
		return true;
	}
	int sign = span_take(s, '+') ? 1 : span_take(s, '-') ? -1 : 0;
	int h = sign ? time_digits(s, 2) : -1;
	int m = h >= 0 && span_take(s, ':') ? time_digits(s, 2) : -1;
	*out = sign * (h * 3600 + m * 60);
	return h >= 0 && h < 24 && m >= 0 && m < 60;
}

int
cel_timestamp_parse(struct span s, struct cel_value *out)
{
	int64_t ns = 0;
	int year = time_digits(&s, 4);
	int month = year >= 0 && span_take(&s, '-') ? time_digits(&s, 2) : -1;
	int day = month >= 0 && span_take(&s, '-') ? time_digits(&s, 2) : -1;
	int hour = day >= 0 && span_take(&s, 'T') ? time_digits(&s, 2) : -1;
	int minute = hour >= 0 && span_take(&s, ':') ? time_digits(&s, 2) : -1;
	int second = minute >= 0 && span_take(&s, ':') ? time_digits(&s, 2) : -1;
	int offset;

	if (second < 0)
		return ERR_SYNTAX;
	if (span_take(&s, '.') && (ns = fraction(&s)) < 0)
		return ERR_SYNTAX;
	if (!read_offset(&s, &offset) || s.n)
		return ERR_SYNTAX;
	if (month < 1 || month > 12 || day < 1 ||
		day > clock_days(year, month + 1, 1) - clock_days(year, month, 1) ||
		hour > 23 || minute > 59 || second > 59)
		return ERR_RANGE;
	int64_t t = clock_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
		    offset;
	if (t < MIN_S || t > MAX_S)
		return ERR_RANGE;
	*out = (struct cel_value){ .type = CEL_TIMESTAMP, .t = { t, (int32_t)ns } };
	return 0;
}

/* Cuts a unit from *s. Returns its nanoseconds, or 0. */
static int64_t
read_unit(struct span *s)
{
	/* clang-format off */
	static const struct { const char *name; int64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "\302\265s", 1000 }, { "\316\274s", 1000 },
		{ "ms", 1000000 }, { "s", CEL_NS_PER_S }, { "m", 60LL * CEL_NS_PER_S },
		{ "h", 3600LL * CEL_NS_PER_S },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_starts(*s, span_str(units[i].name))) {
			*s = span_cut(*s, strlen(units[i].name), s->n);
			return units[i].ns;
		}
	return 0;
}

/* duration = [ "+" | "-" ] ( "0" | part { part } ), part = decimal unit */
int
cel_duration_parse(struct span s, struct cel_value *out)
{
	__int128 total = 0;
	bool negative = span_take(&s, '-');

	if (!negative)
		span_take(&s, '+');
	if (span_is(s, "0")) {
		*out = (struct cel_value){ .type = CEL_DURATION };
		return 0;
	}
	if (s.n == 0)
		return ERR_SYNTAX;
	while (s.n) {
		uint64_t whole = 0;
		int64_t part = -1;
		size_t n = 0;
		for (; n < s.n && is_digit(s.p[n]); n++)
			if (__builtin_mul_overflow(whole, 10u, &whole) ||
				__builtin_add_overflow(whole, (uint64_t)(s.p[n] - '0'), &whole))
				return ERR_RANGE;
		s = span_cut(s, n, s.n);
		if (span_take(&s, '.'))
			part = fraction(&s);
		if (n == 0 && part < 0)
			return ERR_SYNTAX;
		int64_t unit = read_unit(&s);
		if (unit == 0)
			return ERR_SYNTAX;
		total += (__int128)whole * unit;
		if (part > 0)
			total += (__int128)part * unit / CEL_NS_PER_S;
		if (total > (__int128)INT64_MAX + 1)
			return ERR_RANGE;
	}
	total = negative ? -total : total;
	if (total > INT64_MAX)
		return ERR_RANGE;
	*out = (struct cel_value){ .type = CEL_DURATION,
		.t = { (int64_t)(total / CEL_NS_PER_S), (int32_t)(total % CEL_NS_PER_S) } };
	return 0;
}

size_t
cel_time_write(const struct cel_value *v, char out[CEL_TIME_TEXT])
{
	struct clock_civil c;
	char frac[11]; /* ".5" without trailing zeros, "" for 0 */
	int n, ns = v->t.ns < 0 ? -v->t.ns : v->t.ns;

	n = snprintf(frac, sizeof(frac), ".%09u", (unsigned)ns % CEL_NS_PER_S);
	while (n > 0 && (frac[n - 1] == '0' || !ns))
		frac[--n] = '\0';
	if (v->type == CEL_DURATION) {
		bool negative = v->t.s < 0 || v->t.ns < 0;
		uint64_t s = v->t.s < 0 ? 0 - (uint64_t)v->t.s : (uint64_t)v->t.s;
		n = snprintf(out, CEL_TIME_TEXT, "%s%llu%ss", negative ? "-" : "",
			(unsigned long long)s, frac);
	} else {
		clock_civil(v->t.s, &c);
		n = snprintf(out, CEL_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
			(int)c.year % 10000, c.month, c.day, c.hour, c.minute, c.second, frac);
	}
	return n < 0 ? 0 : n >= CEL_TIME_TEXT ? CEL_TIME_TEXT - 1 : (size_t)n;
}

/* --- sums --- */

static __int128
total_ns(const struct cel_value *v)
{
	return (__int128)v->t.s * CEL_NS_PER_S + v->t.ns;
}

void
cel_time_sum(enum cel_type type, const struct cel_value *a, const struct cel_value *b,
	bool minus, struct cel_value *out)
{
	__int128 ns = minus ? total_ns(a) - total_ns(b) : total_ns(a) + total_ns(b);
	int64_t s = (int64_t)(ns / CEL_NS_PER_S);
	int32_t rest = (int32_t)(ns % CEL_NS_PER_S);

	if (type == CEL_DURATION) {
		if (ns < INT64_MIN || ns > INT64_MAX) {
			cel_raise_lit(out, "duration out of range");
			return;
		}
	} else {
		if (rest < 0) {
			rest += CEL_NS_PER_S;
			s--;
		}
		if (s < MIN_S || s > MAX_S) {
			cel_raise_lit(out, "timestamp out of range");
			return;
		}
	}
	*out = (struct cel_value){ .type = type, .t = { s, rest } };
}
