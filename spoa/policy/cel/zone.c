/* Time zones: compiled files of the IANA database (RFC 8536) under /usr/share/zoneinfo, read
 * into the arena. For times after a file's last transition, its footer, a POSIX TZ string, is
 * used. libc's localtime is not used, because its zone belongs to the whole process. */
#include "base/ascii.h"
#include "base/clock.h"
#include "base/file_set.h"
#include "base/scoped.h"
#include "base/search.h"
#include "policy/cel/time.h"

#define ZONE_BYTES (64 << 10)

struct rule { /* The time of a change in a POSIX TZ string. */
	enum { JULIAN, DAY_OF_YEAR, MONTH_WEEK_DAY } kind;
	int day, month, week;
	int32_t time_s;
};

struct cel_zone {
	size_t n;
	const int64_t *at;     /* n transitions, ascending */
	const int32_t *offset; /* seconds east of UTC after each */
	int32_t first;	       /* seconds east of UTC before the first */
	bool posix, has_dst;   /* the footer is present, and has daylight saving time */
	int32_t standard, dst;
	struct rule start, end; /* begin and end of daylight saving time */
};

/* --- the footer: RFC 8536 section 3.3, POSIX.1-2017 section 8.3 --- */

struct rd {
	struct span rest;
	bool bad;
};

static int
rd_number(struct rd *r)
{
	uint64_t v = 0;
	size_t n = span_past(r->rest, 0, is_digit);

	r->bad |= n > 5 || span_u64(span_cut(r->rest, 0, n), &v);
	r->rest = span_cut(r->rest, n, r->rest.n);
	return (int)v;
}

/* [+-]hh[:mm[:ss]] */
static int32_t
rd_time(struct rd *r)
{
	int sign = span_take(&r->rest, '-') ? -1 : 1;

	if (sign == 1)
		span_take(&r->rest, '+');
	int s = rd_number(r) * 3600;
	if (span_take(&r->rest, ':'))
		s += rd_number(r) * 60;
	if (span_take(&r->rest, ':'))
		s += rd_number(r);
	return sign * s;
}

/* A zone's abbreviation: letters, or <...> */
static void
rd_name(struct rd *r)
{
	bool quoted = span_take(&r->rest, '<');
	size_t n = quoted ? span_chr(r->rest, '>') : span_past(r->rest, 0, is_alpha);

	r->rest = span_cut(r->rest, n, r->rest.n);
	r->bad |= quoted ? !span_take(&r->rest, '>') : n == 0;
}

static struct rule
rd_rule(struct rd *r)
{
	struct rule rule = { .kind = DAY_OF_YEAR, .time_s = 7200 };

	if (span_take(&r->rest, 'M')) {
		rule.kind = MONTH_WEEK_DAY;
		rule.month = rd_number(r);
		r->bad |= !span_take(&r->rest, '.');
		rule.week = rd_number(r);
		r->bad |= !span_take(&r->rest, '.');
		rule.day = rd_number(r);
		r->bad |= rule.month < 1 || rule.month > 12 || rule.week < 1 || rule.week > 5 ||
			  rule.day > 6;
	} else {
		if (span_take(&r->rest, 'J'))
			rule.kind = JULIAN;
		rule.day = rd_number(r);
		r->bad |= rule.day > 365;
	}
	if (span_take(&r->rest, '/'))
		rule.time_s = rd_time(r);
	return rule;
}

static void
read_footer(struct cel_zone *z, struct span text)
{
	struct rd r = { text, false };

	rd_name(&r);
	z->standard = -rd_time(&r);
	z->dst = z->standard + 3600;
	if (!r.bad && r.rest.n) {
		z->has_dst = true;
		rd_name(&r);
		if (r.rest.n && *r.rest.p != ',')
			z->dst = -rd_time(&r);
		r.bad |= !span_take(&r.rest, ',');
		z->start = rd_rule(&r);
		r.bad |= !span_take(&r.rest, ',');
		z->end = rd_rule(&r);
	}
	z->posix = !r.bad && !r.rest.n;
}

/* Returns the time of the change in that year, in seconds since 1970 of local time. */
static int64_t
rule_time(const struct rule *rule, int64_t year)
{
	int64_t day = clock_days(year, 1, 1);
	bool leap = clock_days(year + 1, 1, 1) - day == 366;

	switch (rule->kind) {
	case JULIAN: /* 1-365; February 29 is never counted */
		day += rule->day - 1 + (leap && rule->day >= 60);
		break;
	case DAY_OF_YEAR: day += rule->day; break;
	case MONTH_WEEK_DAY: {
		int64_t first = clock_days(year, rule->month, 1);
		int64_t next = clock_days(year, rule->month + 1, 1);
		int64_t weekday = ((first + 4) % 7 + 7) % 7;
		day = first + (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
		if (day >= next)
			day -= 7;
		break;
	}
	}
	return day * 86400 + rule->time_s;
}

static int32_t
footer_offset(const struct cel_zone *z, int64_t s)
{
	struct clock_civil c;

	if (!z->has_dst)
		return z->standard;
	clock_civil(s + z->standard, &c);
	int64_t start = rule_time(&z->start, c.year) - z->standard;
	int64_t end = rule_time(&z->end, c.year) - z->dst;
	bool dst = start < end ? s >= start && s < end : s >= start || s < end;
	return dst ? z->dst : z->standard;
}

/* --- the file: RFC 8536 section 3 --- */

static int64_t
be(const unsigned char *p, size_t n)
{
	uint64_t v = (p[0] & 0x80) ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct tzif {
	size_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
	size_t size; /* size of the data block */
};

/* Reads the header at p. Returns false if it is not a header, or its block does not fit into n
 * bytes. */
static bool
read_header(const unsigned char *p, size_t n, size_t time_size, struct tzif *h)
{
	if (n < 44 || memcmp(p, "TZif", 4) != 0)
		return false;
	size_t *const field[] = { &h->isutcnt, &h->isstdcnt, &h->leapcnt, &h->timecnt,
		&h->typecnt, &h->charcnt };
	for (size_t i = 0; i < 6; i++) {
		int64_t v = be(p + 20 + 4 * i, 4);
		if (v < 0 || v > (int64_t)ZONE_BYTES)
			return false;
		*field[i] = (size_t)v;
	}
	h->size = h->timecnt * (time_size + 1) + h->typecnt * 6 + h->charcnt +
		  h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
	return h->size <= n - 44;
}

static bool
read_block(struct arena *a, struct cel_zone *z, const unsigned char *p, const struct tzif *h,
	size_t time_size)
{
	int64_t *at = arena_array(a, h->timecnt, sizeof(*at));
	int32_t *offset = arena_array(a, h->timecnt, sizeof(*offset));
	const unsigned char *index = p + h->timecnt * time_size, *types = index + h->timecnt;

	if (!at || !offset || h->typecnt == 0)
		return false;
	for (size_t i = 0; i < h->timecnt; i++) {
		at[i] = be(p + i * time_size, time_size);
		if (index[i] >= h->typecnt || (i && at[i] <= at[i - 1]))
			return false;
		offset[i] = (int32_t)be(types + index[i] * 6u, 4);
	}
	z->n = h->timecnt;
	z->at = at;
	z->offset = offset;
	z->first = (int32_t)be(types, 4);
	return true;
}

static const struct cel_zone *
parse_file(struct arena *a, const unsigned char *p, size_t n)
{
	struct cel_zone *z = arena_new(a, struct cel_zone);
	struct tzif h;

	if (!z || !read_header(p, n, 4, &h))
		return NULL;
	if (p[4] < '2')
		return read_block(a, z, p + 44, &h, 4) ? z : NULL;
	p += 44 + h.size;
	n -= 44 + h.size;
	if (!read_header(p, n, 8, &h) || !read_block(a, z, p + 44, &h, 8))
		return NULL;
	struct span footer = span_of(p + 44 + h.size, n - 44 - h.size);
	if (footer.n < 2 || footer.p[0] != '\n' || footer.p[footer.n - 1] != '\n')
		return NULL;
	if (footer.n > 2)
		read_footer(z, span_cut(footer, 1, footer.n - 1));
	return z;
}

/* --- names --- */

/* "+02:00", "-09:30", "02:00" */
static bool
fixed_offset(struct span name, int32_t *out)
{
	struct rd r = { name, false };
	bool minus = span_take(&r.rest, '-');

	if (!minus)
		span_take(&r.rest, '+');
	if (r.rest.n != 5 || r.rest.p[2] != ':')
		return false;
	int h = rd_number(&r);
	r.bad |= !span_take(&r.rest, ':');
	int m = rd_number(&r);
	*out = (minus ? -1 : 1) * (h * 3600 + m * 60);
	return !r.bad && !r.rest.n && h < 24 && m < 60;
}

/* Returns true for letters, digits, _ + - and single slashes inside, so that no path leaves the
 * folder. */
static bool
is_zone_name(struct span name)
{
	if (name.n == 0 || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool inner = i > 0 && i + 1 < name.n && name.p[i - 1] != '/';
		if (!is_word(c) && c != '+' && c != '-' && !(c == '/' && inner))
			return false;
	}
	return true;
}

/* Returns the present name for names that newer Debians keep in tzdata-legacy only. */
static const char *
current_name(struct span name)
{
	/* clang-format off */
	static const char *const renamed[][2] = {
		{ "US/Alaska",         "America/Anchorage" },
		{ "US/Aleutian",       "America/Adak" },
		{ "US/Arizona",        "America/Phoenix" },
		{ "US/Central",        "America/Chicago" },
		{ "US/East-Indiana",   "America/Indiana/Indianapolis" },
		{ "US/Eastern",        "America/New_York" },
		{ "US/Hawaii",         "Pacific/Honolulu" },
		{ "US/Indiana-Starke", "America/Indiana/Knox" },
		{ "US/Michigan",       "America/Detroit" },
		{ "US/Mountain",       "America/Denver" },
		{ "US/Pacific",        "America/Los_Angeles" },
		{ "US/Samoa",          "Pacific/Pago_Pago" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(renamed); i++)
		if (span_is(name, renamed[i][0]))
			return renamed[i][1];
	return NULL;
}

const struct cel_zone *
cel_zone_load(struct arena *a, struct span name, const char **why)
{
	const struct cel_zone *z = NULL;
	int32_t offset = 0;

	if (span_is(name, "UTC") || span_is(name, "GMT") || fixed_offset(name, &offset)) {
		struct cel_zone *fixed = arena_new(a, struct cel_zone);
		if (fixed)
			fixed->first = offset;
		*why = "out of memory";
		return fixed;
	}
	*why = "no such time zone (names are like Europe/Berlin or +02:00; Debian's package is "
	       "tzdata)";
	if (!is_zone_name(name))
		return NULL;
	if (current_name(name))
		name = span_str(current_name(name));
	struct span path = arena_printf(a, "/usr/share/zoneinfo/%.*s", SPAN_ARG(name));
	SCOPED_BUF(file, ZONE_BYTES);
	if (path.p && file_set_read_as(FILE_OF_SYSTEM, &file, path.p) && !buf_failed(&file))
		z = parse_file(a, (const unsigned char *)buf_view(&file).p, file.n);
	return z;
}

int32_t
cel_zone_offset(const struct cel_zone *z, int64_t s)
{
	if (!z)
		return 0;
	if (z->n == 0 || s < z->at[0])
		return z->n == 0 && z->posix ? footer_offset(z, s) : z->first;
	if (s >= z->at[z->n - 1] && z->posix)
		return footer_offset(z, s);
	return z->offset[SEARCH_FIRST(z->n, i, z->at[i] <= s) - 1];
}
