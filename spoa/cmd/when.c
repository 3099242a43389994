/* Reads points and periods in time as people write them: "last tuesday 11:47", "3 days ago",
 * "2026-11-20..now".
 *
 * The words of a time may stand in any sensible order. Each word adds to struct time_words: a day
 * or a period of days, a time of day, an instant, or a duration that ends now. The result
 * is the period that the words name, because "11:47" means that whole minute and "last
 * week" means seven days. resolve_when() computes the period with the offsets of the time
 * zone. */
#include "cmd/when.h"

#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "cmd/cmd.h"

#define SECOND_NS 1000000000ll
enum { WORDS = 8, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };
#define UNIX_MAX_S INT64_C(9000000000) /* in the year 2255; fits into int64_t nanoseconds */

/* The meaning of the words that were read so far. */
struct time_words {
	struct span whole;
	const struct cel_zone *zone;
	int64_t now_ns;
	bool has_day, has_time;
	int64_t day;		 /* days since 1970-01-01 */
	int64_t days;		 /* length of the period in days */
	int64_t second, seconds; /* second of the day; length of the period in seconds */
	int64_t at_ns, for_ns;	 /* an instant and its length; for_ns 0: none was named */
	int64_t back;		 /* seconds until now, as in "last 3 days"; 0: none were named */
	struct span word[WORDS];
	size_t n, i;
	struct buf *why;
};

static const char *const weekdays[] = { "sunday", "monday", "tuesday", "wednesday", "thursday",
	"friday", "saturday" };
static const char *const months[] = { "january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december" };

/* Returns the index of the name in the list that begins with the word, which has three
 * letters or more. Returns n if there is none. */
static size_t
word_in_list(struct span w, const char *const *list, size_t n)
{
	size_t i = 0;

	while (i < n && !(w.n >= 3 && span_istarts(span_str(list[i]), w)))
		i++;
	return i;
}

static bool
word_is(struct span w, const char *text)
{
	return span_ieq(w, span_str(text));
}

static bool
fail_when(struct time_words *s, struct span word)
{
	buf_printf(s->why, "'%.*s': ", SPAN_ARG(s->whole));
	if (word.n && word.n < s->whole.n)
		buf_printf(s->why, "'%.*s' is ", SPAN_ARG(word));
	buf_str(s->why, "not understood; give " WHEN_FORMS);
	return false;
}

/* ---- the calendar ---- */

static int64_t
day_of_today(const struct time_words *s)
{
	int64_t now = s->now_ns / SECOND_NS;

	return (now + cel_zone_offset(s->zone, now)) / DAY_S;
}

/* Computes the UTC seconds at which a clock of the zone showed the local second: the first
 * and the last one, which differ if the clock was set back. Returns false if the clock
 * skipped that second; both are then the moment of the change. */
static bool
to_utc(const struct cel_zone *z, int64_t local, int64_t *first, int64_t *last)
{
	int64_t before = local - cel_zone_offset(z, local - DAY_S - DAY_S / 2),
		after = local - cel_zone_offset(z, local + DAY_S + DAY_S / 2);
	bool b = cel_zone_offset(z, before) == local - before,
	     a = cel_zone_offset(z, after) == local - after;

	if (!a && !b) {
		/* Search for the end of the gap: the first second with the later offset. */
		int64_t low = after, high = before;
		while (high - low > 1) {
			int64_t mid = low + (high - low) / 2;
			if (cel_zone_offset(z, mid) == cel_zone_offset(z, low))
				low = mid;
			else
				high = mid;
		}
		*first = *last = high;
		return false;
	}
	*first = b ? before : after;
	*last = a ? after : before;
	if (*first > *last) {
		int64_t swap = *first;
		*first = *last;
		*last = swap;
	}
	return true;
}

/* ---- words ---- */

/* Reads a number of n digits (0: any number of digits) between low and high. */
static bool
digits_between(struct span w, size_t n, int64_t low, int64_t high, int64_t *out)
{
	if (!span_is_digits(w) || w.n > 12 || (n && w.n != n))
		return false;
	*out = 0;
	for (size_t i = 0; i < w.n; i++)
		*out = *out * 10 + (w.p[i] - '0');
	return *out >= low && *out <= high;
}

static bool
set_day(struct time_words *s, int64_t day, int64_t days)
{
	if (s->has_day || s->for_ns || s->back)
		return false;
	s->has_day = true;
	s->day = day;
	s->days = days;
	return true;
}

static bool
set_time(struct time_words *s, int64_t second, int64_t seconds)
{
	if (s->has_time || s->for_ns || s->back)
		return false;
	s->has_time = true;
	s->second = second;
	s->seconds = seconds;
	return true;
}

static bool
set_civil(struct time_words *s, int64_t year, int64_t month, int64_t day)
{
	int64_t first = clock_days(year, (int)month, 1),
		next = clock_days(year, (int)month + 1, 1);

	if (!day)
		return set_day(s, first, next - first);
	return day <= next - first && set_day(s, first + day - 1, 1);
}

/* Reads "2026-11-20" or "2026-11". */
static bool
date_word(struct time_words *s, struct span w)
{
	int64_t year, month, day = 0;

	if (w.n != 7 && w.n != 10)
		return false;
	return digits_between(span_cut(w, 0, 4), 4, 1970, 2200, &year) && w.p[4] == '-' &&
	       digits_between(span_cut(w, 5, 7), 2, 1, 12, &month) &&
	       (w.n == 7 ||
		       (w.p[7] == '-' && digits_between(span_cut(w, 8, 10), 2, 1, 31, &day))) &&
	       set_civil(s, year, month, day);
}

/* Reads "11:47", "9:05", "11:47:30", "2pm" or "2:30pm". "am" and "pm" may also be the next
 * word. */
static bool
time_word(struct time_words *s, struct span w)
{
	struct span rest = w, part;
	int64_t h, m = 0, sec = 0;
	bool am = false, pm = false, colon = span_chr(w, ':') < w.n, seconds = false;

	if (rest.n > 2 && (word_is(span_cut(rest, rest.n - 2, rest.n), "am") ||
				  word_is(span_cut(rest, rest.n - 2, rest.n), "pm"))) {
		am = to_lower(rest.p[rest.n - 2]) == 'a';
		pm = !am;
		rest.n -= 2;
	} else if (s->i + 1 < s->n &&
		   (word_is(s->word[s->i + 1], "am") || word_is(s->word[s->i + 1], "pm"))) {
		am = word_is(s->word[s->i + 1], "am");
		pm = !am;
	}
	if (!colon && !am && !pm)
		return false;
	part = span_next(&rest, ':');
	if (part.n > 2 || !digits_between(part, 0, 0, am || pm ? 12 : 24, &h) ||
		((am || pm) && !h))
		return false;
	if (colon && !digits_between(span_next(&rest, ':'), 2, 0, 59, &m))
		return false;
	seconds = rest.n > 0;
	if (seconds && !digits_between(rest, 2, 0, 59, &sec))
		return false;
	if (am || pm)
		h = h % 12 + (pm ? 12 : 0);
	if (h == 24 && (m || sec))
		return false;
	if ((am || pm) && w.p[w.n - 1] != 'm' && w.p[w.n - 1] != 'M')
		s->i++; /* skip the word "am" or "pm" */
	return set_time(s, h * HOUR_S + m * MINUTE_S + sec,
		seconds ? 1
		: colon ? MINUTE_S
			: HOUR_S);
}

/* Reads "2026-11-20T11:47[:30[.5]][Z|+01:00]". */
static bool
iso_word(struct time_words *s, struct span w)
{
	size_t n = w.n;

	if (w.n < 16 || (w.p[10] != 'T' && w.p[10] != 't') || s->has_day || s->has_time ||
		s->for_ns)
		return false;
	bool zone = w.p[n - 1] == 'Z' || w.p[n - 1] == 'z' ||
		    (n > 19 && (w.p[n - 6] == '+' || w.p[n - 6] == '-')) ||
		    (n == 22 && (w.p[16] == '+' || w.p[16] == '-'));
	if (!zone)
		return date_word(s, span_cut(w, 0, 10)) && time_word(s, span_cut(w, 11, n));
	/* clock_parse() needs seconds, as RFC 3339 does */
	char full[64];
	bool minutes = w.p[16] != ':';
	if (n > sizeof(full) - 4)
		return false;
	SCOPED_BUF(b, 128);
	buf_span(&b, span_cut(w, 0, 16));
	buf_str(&b, minutes ? ":00" : "");
	buf_span(&b, span_cut(w, 16, n));
	bool ok = clock_parse(buf_view(&b).p, b.n, &s->at_ns) == 0;
	s->for_ns = minutes ? MINUTE_S * SECOND_NS : SECOND_NS;
	size_t dot = span_chr(w, '.');
	for (size_t i = dot + 1; dot < n && i < n && is_digit(w.p[i]) && s->for_ns > 1; i++)
		s->for_ns /= 10;
	return ok;
}

static const struct unit {
	const char *name; /* a plural "s" may follow */
	const char *brief;
	int64_t seconds;
} units[] = { { "second", "s", 1 }, { "minute", "m", MINUTE_S }, { "min", "min", MINUTE_S },
	{ "hour", "h", HOUR_S }, { "day", "d", DAY_S }, { "week", "w", 7 * DAY_S },
	{ "month", "mo", 0 }, { "year", "y", 0 } };

static const struct unit *
unit_of(struct span w)
{
	struct span stem = w;

	if (stem.n > 3 && to_lower(stem.p[stem.n - 1]) == 's')
		stem.n--;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (word_is(stem, units[i].name) || word_is(w, units[i].brief))
			return &units[i];
	return NULL;
}

/* Reads an amount such as "3 days", "3d" or "an hour". Fractions are not read. Returns the
 * number of words, or 0 if there is no amount. */
static size_t
read_amount(const struct time_words *s, size_t at, int64_t *n, const struct unit **u)
{
	struct span w = s->word[at];
	size_t d = 0;

	while (d < w.n && is_digit(w.p[d]))
		d++;
	if (d && d < w.n && digits_between(span_cut(w, 0, d), 0, 0, 1000000, n) &&
		(*u = unit_of(span_cut(w, d, w.n))) != NULL)
		return 1;
	if (at + 1 >= s->n)
		return 0;
	if (word_is(w, "a") || word_is(w, "an") || word_is(w, "one"))
		*n = 1;
	else if (!digits_between(w, 0, 0, 1000000, n))
		return 0;
	*u = unit_of(s->word[at + 1]);
	return *u ? 2 : 0;
}

/* Returns the same day of the month, n months earlier, or the last day of that month if the
 * month is shorter. */
static int64_t
months_before(int64_t day, int64_t n)
{
	struct clock_civil c;

	clock_civil(day * DAY_S, &c);
	int64_t m = c.year * 12 + c.month - 1 - n, year = m / 12;
	int64_t first = clock_days(year, (int)(m % 12) + 1, 1),
		next = clock_days(year, (int)(m % 12) + 2, 1);
	return first + c.day - 1 < next ? first + c.day - 1 : next - 1;
}

/* Applies "3 days ago", which names that day, or "2 hours ago", which names that minute. */
static bool
set_ago(struct time_words *s, int64_t n, const struct unit *u)
{
	if (!u->seconds)
		return set_day(s, months_before(day_of_today(s), *u->brief == 'y' ? 12 * n : n), 1);
	if (u->seconds >= DAY_S)
		return set_day(s, day_of_today(s) - n * (u->seconds / DAY_S), 1);
	if (s->has_day || s->has_time || s->for_ns)
		return false;
	s->for_ns = u->seconds >= MINUTE_S ? MINUTE_S * SECOND_NS : SECOND_NS;
	s->at_ns = s->now_ns - n * u->seconds * SECOND_NS;
	if (u->seconds == MINUTE_S || u->seconds == HOUR_S)
		s->at_ns -= s->at_ns % s->for_ns;
	return true;
}

/* Reads "last", "past" or "this" and the words after it. */
static bool
last_words(struct time_words *s)
{
	bool this = word_is(s->word[s->i], "this");
	int64_t n = 1, day = day_of_today(s);
	const struct unit *u = NULL;

	if (++s->i == s->n)
		return false;
	struct span w = s->word[s->i];
	size_t weekday = word_in_list(w, weekdays, 7);
	if (weekday < 7) {
		int64_t back = (day + 4 - (int64_t)weekday + 7) % 7;
		return set_day(s, day - (back || this ? back : 7), 1);
	}
	if (word_is(w, "night") && !this)
		return set_day(s, day - 1, 1);
	size_t words = read_amount(s, s->i, &n, &u);
	if (words) {
		s->i += words - 1;
		if (!n || s->has_day || s->has_time || s->for_ns)
			return false;
		s->back = u->seconds
				  ? n * u->seconds
				  : (day - months_before(day, *u->brief == 'y' ? 12 * n : n)) *
					    DAY_S;
		return true;
	}
	u = unit_of(w);
	if (!u)
		return false;
	if (word_is(w, "week")) {
		int64_t monday = day - (day + 3) % 7;
		return set_day(s, this ? monday : monday - 7, 7);
	}
	if (word_is(w, "month") || word_is(w, "year")) {
		struct clock_civil c;
		clock_civil(day * DAY_S, &c);
		if (word_is(w, "month")) {
			int64_t m = c.year * 12 + c.month - 1 - !this;
			return set_civil(s, m / 12, m % 12 + 1, 0);
		}
		int64_t first = clock_days(c.year - !this, 1, 1);
		return set_day(s, first, clock_days(c.year - !this + 1, 1, 1) - first);
	}
	if (this && u->seconds == DAY_S)
		return set_day(s, day, 1);
	if (this || s->has_day || s->has_time || s->for_ns)
		return false;
	s->back = u->seconds;
	return true;
}

/* Reads "20 november" or "november 20", with or without a year. Without a year, the most
 * recent such day is meant. */
static bool
month_words(struct time_words *s)
{
	struct span w = s->word[s->i],
		    next = s->i + 1 < s->n ? s->word[s->i + 1] : (struct span){ NULL, 0 };
	int64_t day = 0, year = 0;
	size_t month = word_in_list(w, months, 12);
	struct clock_civil c;

	if (month < 12) {
		if (!digits_between(next, 0, 1, 31, &day))
			return false;
	} else {
		month = word_in_list(next, months, 12);
		if (month == 12 || !digits_between(w, 0, 1, 31, &day))
			return false;
	}
	s->i++;
	if (s->i + 1 < s->n && digits_between(s->word[s->i + 1], 4, 1970, 2200, &year))
		s->i++;
	if (year)
		return set_civil(s, year, (int64_t)month + 1, day);
	clock_civil(day_of_today(s) * DAY_S, &c);
	bool ahead = clock_days(c.year, (int)month + 1, 1) + day - 1 > day_of_today(s);
	return set_civil(s, c.year - ahead, (int64_t)month + 1, day);
}

static bool
to_ns(int64_t s, int64_t *ns)
{
	return !__builtin_mul_overflow(s, SECOND_NS, ns);
}

static bool
read_when_word(struct time_words *s)
{
	struct span w = s->word[s->i];
	int64_t n;
	const struct unit *u;
	size_t words;

	if (word_is(w, "at") || word_is(w, "on") || word_is(w, "the"))
		return s->n > 1;
	if (word_is(w, "today"))
		return set_day(s, day_of_today(s), 1);
	if (word_is(w, "yesterday"))
		return set_day(s, day_of_today(s) - 1, 1);
	if (word_is(w, "noon"))
		return set_time(s, DAY_S / 2, MINUTE_S);
	if (word_is(w, "midnight"))
		return set_time(s, 0, MINUTE_S);
	if (word_is(w, "now") && s->n == 1) {
		s->at_ns = s->now_ns;
		s->for_ns = 1;
		return true;
	}
	if (word_is(w, "last") || word_is(w, "past") || word_is(w, "this"))
		return last_words(s);
	if (word_in_list(w, weekdays, 7) < 7) {
		int64_t day = day_of_today(s);
		return set_day(
			s, day - (day + 4 - (int64_t)word_in_list(w, weekdays, 7) + 7) % 7, 1);
	}
	if (w.p[0] == '@' && s->n == 1 &&
		digits_between(span_cut(w, 1, w.n), 10, 0, UNIX_MAX_S, &n)) {
		s->at_ns = n * SECOND_NS;
		s->for_ns = SECOND_NS;
		return true;
	}
	words = read_amount(s, s->i, &n, &u);
	if (words && s->i + words < s->n && word_is(s->word[s->i + words], "ago")) {
		s->i += words;
		return set_ago(s, n, u);
	}
	if (words == 1 && s->n == 1) { /* a lone duration such as 2h is a point in time, as in
				        * `audit list --since 2h` */
		int64_t each = u->seconds ? u->seconds : (*u->brief == 'y' ? 365 : 30) * DAY_S,
			back;
		s->for_ns = MINUTE_S * SECOND_NS;
		return to_ns(n * each, &back) &&
		       !__builtin_sub_overflow(s->now_ns, back, &s->at_ns);
	}
	return date_word(s, w) || iso_word(s, w) || time_word(s, w) || month_words(s);
}

/* ---- the whole expression ---- */

static bool
resolve_when(struct time_words *s, struct when *out)
{
	int64_t first, last, unused, from, until;

	if (s->for_ns) {
		out->from_ns = s->at_ns;
		out->until_ns = s->at_ns + s->for_ns;
		return true;
	}
	if (s->back) {
		out->until_ns = s->now_ns + 1;
		return !__builtin_mul_overflow(s->back, SECOND_NS, &from) &&
		       !__builtin_sub_overflow(s->now_ns, from, &out->from_ns);
	}
	if (!s->has_time) {
		to_utc(s->zone, s->day * DAY_S, &from, &unused);
		to_utc(s->zone, (s->day + s->days) * DAY_S, &until, &unused);
		return to_ns(from, &out->from_ns) && to_ns(until, &out->until_ns);
	}
	int64_t local = (s->has_day ? s->day : day_of_today(s)) * DAY_S + s->second;
	if (!to_utc(s->zone, local, &first, &last)) {
		buf_printf(s->why,
			"'%.*s': this time of day did not exist, because clocks were set "
			"forward: give an earlier or later time",
			SPAN_ARG(s->whole));
		return false;
	}
	out->twice = first != last;
	return to_ns(first, &out->from_ns) && to_ns(last + s->seconds, &out->until_ns);
}

/* Reads one point or period. `day` is the day of a time of day that names none; NULL:
 * today. */
static bool
read_one(struct span text, struct time_words *s, const struct time_words *day, struct when *out)
{
	struct span rest = span_trim(text, " \t");
	size_t had = s->why->n;

	s->whole = rest;
	*out = (struct when){ 0 };
	while (rest.n && s->n < WORDS) {
		struct span w = span_trim(span_next(&rest, ' '), " \t,");
		if (w.n)
			s->word[s->n++] = w;
	}
	if (!s->n || rest.n)
		return fail_when(s, rest);
	for (; s->i < s->n; s->i++) {
		if (!read_when_word(s)) /* s->i is the word that was not understood */
			return fail_when(s, s->word[s->i < s->n ? s->i : s->n - 1]);
	}
	if (!s->has_day && !s->has_time && !s->for_ns && !s->back)
		return fail_when(s, s->whole);
	if (s->has_time && (s->has_day ? s->days != 1 : s->for_ns || s->back))
		return fail_when(s, s->whole);
	if (s->has_time && !s->has_day && day && day->has_day) {
		s->has_day = true;
		s->day = day->day;
		s->days = 1;
	}
	if (resolve_when(s, out))
		return true;
	return s->why->n > had ? false : fail_when(s, s->whole);
}

bool
when_between(struct span from, struct span until, const struct cel_zone *zone, int64_t now_ns,
	struct when *out, struct buf *why)
{
	struct time_words a = { .zone = zone, .now_ns = now_ns, .why = why }, b = a;
	struct when w = { 0 };

	if (!read_one(from, &a, NULL, out) || !read_one(until, &b, &a, &w))
		return false;
	/* In "11:47 till now", the end is neither in the future nor before the begin. */
	out->until_ns = w.until_ns;
	out->twice |= w.twice;
	if (out->until_ns > out->from_ns)
		return true;
	buf_printf(why, "'%.*s' is before '%.*s'", SPAN_ARG(until), SPAN_ARG(from));
	return false;
}

bool
when_read(struct span text, const struct cel_zone *zone, int64_t now_ns, struct when *out,
	struct buf *why)
{
	struct time_words s = { .zone = zone, .now_ns = now_ns, .why = why };
	const char *dots = text.n ? memmem(text.p, text.n, "..", 2) : NULL;

	if (!dots)
		return read_one(text, &s, NULL, out);
	struct span from = span_of(text.p, (size_t)(dots - text.p)),
		    until = span_of(dots + 2, text.n - from.n - 2);
	if (!span_trim(until, " ").n)
		until = SPAN_LIT("now");
	return when_between(from, until, zone, now_ns, out, why);
}

static int
begin_of(const char *what, const char *option, const char *text, const struct cel_zone *zone,
	int64_t *ns)
{
	struct when w;
	int code = EXIT_DONE;

	if (!text)
		return code;
	SCOPED_BUF(why, 8192);
	if (when_read(span_str(text), zone, clock_wall_ns(), &w, &why))
		*ns = w.from_ns;
	else
		code = cmd_fail(what, "%s: %.*s", option, SPAN_ARG(buf_view(&why)));
	return code;
}

int
when_period(const char *what, const char *since, const char *until, const struct cel_zone *zone,
	int64_t *since_ns, int64_t *until_ns)
{
	int code = begin_of(what, "--since", since, zone, since_ns);

	return code ? code : begin_of(what, "--until", until, zone, until_ns);
}
