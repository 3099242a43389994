/* Accessors of timestamps and durations. Those of a timestamp take an optional time zone,
 * "Europe/Berlin" or "+02:00". A constant zone is loaded when the expression is compiled.
 * Language definition, "Timestamps and Durations". */
#include "policy/cel/fn.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

static const void *
zone_prepare(struct arena *a, const struct cel_value *name, const char **why)
{
	return cel_zone_load(a, name->s, why);
}

/* Converts v[0] to the calendar of zone v[1], or of UTC without one. */
static bool
local_time(CEL_ARGS, struct cel_civil *civil)
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
	cel_civil(v->t.s + offset, civil);
	return true;
}

/* clang-format off */
#define ACCESSOR(function, expr) \
	static void function(CEL_ARGS) \
	{ \
		struct cel_civil t; \
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
