/* Sums of minutes and hours, in memory and in a file. A slot contains each value that is not 0, packed as a row, a value
 * and a number of seven bits a byte (LEB128). If a slot is added to, the new values are appended, and readers
 * add them up. */
#include "budget/trends/trends.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/search.h"

#define HEADER "tollgate-trends 1"

enum { UNSENT_MOST = 1 << 20, SENT_LINES_MOST = 2 * (TRENDS_MINUTES + TRENDS_HOURS) };
enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, ROW_TOTAL = 0, FIRST_NAMED = RATES_BY };

const char *const trends_range_names[TRENDS_RANGES] = { "1h", "24h", "7d", "90d" };
static const struct {
	int64_t step_s;
	size_t steps;
	bool hours; /* of the slots of hours, and of the minutes after them */
} ranges[TRENDS_RANGES] = {
	[TRENDS_1H] = { MINUTE_S, 60, false },
	[TRENDS_24H] = { 5 * MINUTE_S, TRENDS_STEPS, false },
	[TRENDS_7D] = { HOUR_S, 7 * 24, true },
	[TRENDS_90D] = { DAY_S, 90, true },
};

struct slot {
	int64_t at; /* minutes or hours since 1970 */
	struct buf packed;
};

/* By their time, the oldest first. */
struct slots {
	const char *word; /* of the file's lines */
	int64_t unit_s;
	size_t n, most;
	struct slot *slot; /* room for most + 1 */
};

struct row_name {
	enum rates_by by;
	char name[SERIES_LABEL_BYTES];
};

struct trends {
	pthread_mutex_t lock;
	char *path; /* NULL: no file */
	struct slots minutes, hours;
	struct row_name name[TRENDS_NAMES]; /* [0]: total; [by]: the kind's other names */
	size_t nnames, nwritten;	    /* that there are; that the file has */
	size_t lines;			    /* of the file; 0: there is none */
	bool unwritten;			    /* this was logged */
	bool shared;			    /* trends_since() was called */
	size_t nsent, sent_lines;	    /* names and lines that trends_since() gave */
	struct buf unsent;		    /* lines for it; failed: too many */
};

/* ---- names ---- */

/* The row of a name, made if there is room; else that of "other". */
static unsigned
named_row(struct trends *t, enum rates_by by, struct span name)
{
	if (by == RATES_ALL)
		return ROW_TOTAL;
	for (size_t i = FIRST_NAMED; i < t->nnames; i++)
		if (t->name[i].by == by && span_is(name, t->name[i].name))
			return (unsigned)i;
	if (t->nnames == TRENDS_NAMES || name.n >= SERIES_LABEL_BYTES ||
		span_is(name, t->name[by].name))
		return by;
	INVARIANT(t->nnames >= FIRST_NAMED && t->nnames < TRENDS_NAMES);
	struct row_name *made = &t->name[t->nnames];
	made->by = by;
	span_copy(name, made->name, sizeof(made->name));
	return (unsigned)t->nnames++;
}

/* ---- packed values ---- */

static void
trend_pack(struct buf *b, unsigned row, unsigned value, uint64_t n)
{
	INVARIANT(row < TRENDS_NAMES && value < RATES_VALUES); /* each is one byte */
	buf_putc(b, (char)row);
	buf_putc(b, (char)value);
	for (; n >= 0x80; n >>= 7)
		buf_putc(b, (char)(n | 0x80));
	buf_putc(b, (char)n);
}

struct packed_value {
	unsigned row, value;
	uint64_t n;
};

/* Takes the first value off. Returns false at the end. */
static bool
trend_unpack(struct span *s, struct packed_value *out)
{
	size_t i = 2;

	if (s->n < 3)
		return false;
	*out = (struct packed_value){ (unsigned char)s->p[0], (unsigned char)s->p[1], 0 };
	for (unsigned shift = 0; i < s->n; shift += 7) {
		unsigned char c = (unsigned char)s->p[i++];
		out->n |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80)
			break;
	}
	*s = span_cut(*s, i, s->n);
	return true;
}

/* ---- slots ---- */

/* The first slot at that time or later. */
static size_t
slot_from(const struct slots *s, int64_t at)
{
	return SEARCH_FIRST(s->n, k, s->slot[k].at < at);
}

/* Adds values at a time, which may be one of the past if a clock was set back. The oldest slot leaves where there
 * are too many. */
static void
add_slot(struct slots *s, int64_t at, struct span packed)
{
	size_t i = slot_from(s, at);

	INVARIANT(s->n <= s->most && i <= s->n);
	INVARIANT(i == 0 || s->slot[i - 1].at < at); /* they are in the order of time */
	if (i == s->n || s->slot[i].at != at) {
		memmove(&s->slot[i + 1], &s->slot[i], (s->n - i) * sizeof(*s->slot));
		s->slot[i].at = at;
		buf_init(&s->slot[i].packed, 0);
		s->n++;
	}
	buf_span(&s->slot[i].packed, packed);
	if (s->n > s->most) {
		buf_free(&s->slot[0].packed);
		memmove(&s->slot[0], &s->slot[1], --s->n * sizeof(*s->slot));
	}
}

/* ---- sums ---- */

/* Sums of some rows over some steps. For a median, the sum is of median times requests, and the sum of the requests has
 * a column of its own. */
enum { WEIGHT_OVERHEAD = RATES_VALUES, WEIGHT_FIRST, COLUMNS };
struct sums {
	size_t steps;
	uint64_t (*v)[COLUMNS]; /* row r at step s is v[r * steps + s] */
	bool *seen;		/* of a step: there is a slot */
};

static bool
sums_make(struct sums *s, size_t rows, size_t steps)
{
	*s = (struct sums){ .steps = steps };
	s->v = calloc(rows * steps, sizeof(*s->v));
	s->seen = calloc(steps, sizeof(*s->seen));
	return s->v && s->seen;
}

static void
sums_drop(struct sums *s)
{
	free(s->v);
	free(s->seen);
}

static void
add_to_sum(uint64_t v[COLUMNS], unsigned value, uint64_t n, uint64_t weight)
{
	unsigned weighed = value == RATES_OVERHEAD_50 ? WEIGHT_OVERHEAD
			   : value == RATES_FIRST_50  ? WEIGHT_FIRST
						      : 0;

	if (value < RATES_COUNTS) {
		v[value] += n;
	} else if (weighed) {
		v[value] += n * weight;
		v[weighed] += weight;
	} else {
		v[value] = n > v[value] ? n : v[value];
	}
}

/* Adds a slot's values of the rows of one kind (RATES_BY: of all) into a step. */
static void
add_to_step(const struct trends *t, struct sums *sums, size_t step, struct span packed,
	enum rates_by by)
{
	struct packed_value p;
	uint64_t requests = 0;
	unsigned row = TRENDS_NAMES;

	INVARIANT(step < sums->steps);
	sums->seen[step] = true;
	while (trend_unpack(&packed, &p)) {
		if (p.value >= RATES_VALUES || p.row >= t->nnames)
			continue;
		requests = p.row == row ? requests : 0;
		row = p.row;
		requests += p.value <= RATES_OBSERVED ? p.n : 0;
		if (by == RATES_BY || t->name[p.row].by == by)
			add_to_sum(sums->v[p.row * sums->steps + step], p.value, p.n,
				requests ? requests : 1);
	}
}

static uint64_t
trend_of(const uint64_t v[COLUMNS], unsigned value)
{
	if (value == RATES_OVERHEAD_50)
		return v[WEIGHT_OVERHEAD] ? v[value] / v[WEIGHT_OVERHEAD] : 0;
	if (value == RATES_FIRST_50)
		return v[WEIGHT_FIRST] ? v[value] / v[WEIGHT_FIRST] : 0;
	return v[value];
}

/* Returns true if the hour has a slot. A clock that was set back leaves slots of the future, so the last slot is no
 * answer. */
static bool
hour_is_closed(const struct trends *t, int64_t hour)
{
	size_t i = slot_from(&t->hours, hour);

	return i < t->hours.n && t->hours.slot[i].at == hour;
}

/* Adds the slots from from_s to to_s, in seconds since 1970, to the steps. `open_hours`: only minutes of hours that
 * have no slot. */
static void
add_slots(const struct trends *t, struct sums *sums, const struct slots *s, bool open_hours,
	int64_t from_s, int64_t to_s, int64_t step_s, enum rates_by by)
{
	for (size_t i = slot_from(s, from_s / s->unit_s); i < s->n; i++) {
		int64_t at_s = s->slot[i].at * s->unit_s;
		if (at_s >= to_s)
			break;
		if (at_s >= from_s && !(open_hours && hour_is_closed(t, at_s / HOUR_S)))
			add_to_step(t, sums, (size_t)((at_s - from_s) / step_s),
				buf_view(&s->slot[i].packed), by);
	}
}

/* ---- the file ---- */

static void
put_trends_head(struct buf *b)
{
	buf_str(b, HEADER);
	for (size_t i = 0; i < RATES_VALUES; i++)
		buf_printf(b, " %s", rates_value_names[i]);
	buf_putc(b, '\n');
}

static void
put_name_line(const struct trends *t, size_t row, struct buf *b)
{
	buf_printf(b, "name %zu %s ", row, rates_by_names[t->name[row].by]);
	buf_json_str(b, span_str(t->name[row].name));
	buf_putc(b, '\n');
}

static void
put_slot_line(const struct slots *s, int64_t at, struct span packed, struct buf *b)
{
	struct packed_value p;

	buf_printf(b, "%s %" PRId64, s->word, at);
	while (trend_unpack(&packed, &p))
		buf_printf(b, " %u.%u=%" PRIu64, p.row, p.value, p.n);
	buf_putc(b, '\n');
}

/* Maps the numbers of rows and values in a file to those of this process. */
struct trends_reader {
	struct trends *t;
	unsigned row[TRENDS_NAMES];   /* TRENDS_NAMES: unknown */
	unsigned value[RATES_VALUES]; /* RATES_VALUES: unknown */
};

static void
read_head(struct trends_reader *r, struct span line)
{
	for (size_t i = 0; i < RATES_VALUES && line.n; i++) {
		struct span name = span_next(&line, ' ');
		for (unsigned v = 0; v < RATES_VALUES; v++)
			if (span_is(name, rates_value_names[v]))
				r->value[i] = v;
	}
}

static void
read_row_name(struct trends_reader *r, struct span line)
{
	uint64_t row = TRENDS_NAMES;
	struct span number = span_next(&line, ' '), kind = span_next(&line, ' ');
	json_t *name = json_loadb(line.p, line.n, JSON_DECODE_ANY, NULL);
	unsigned by = 0;

	while (by < RATES_BY && !span_is(kind, rates_by_names[by]))
		by++;
	if (span_u64(number, &row) == 0 && row < TRENDS_NAMES && by < RATES_BY &&
		json_is_string(name))
		r->row[row] = named_row(r->t, (enum rates_by)by,
			span_of(json_string_value(name), json_string_length(name)));
	json_decref(name);
}

static void
read_slot(struct trends_reader *r, struct slots *s, struct span line)
{
	uint64_t at, row, value, n;

	SCOPED_BUF(packed, 0);
	if (span_u64(span_next(&line, ' '), &at) || at > INT64_MAX / HOUR_S)
		return;
	while (line.n) {
		struct span one = span_next(&line, ' '), place = span_next(&one, '=');
		if (span_u64(span_next(&place, '.'), &row) || span_u64(place, &value) ||
			span_u64(one, &n) || row >= TRENDS_NAMES || value >= RATES_VALUES)
			return; /* a torn line */
		if (r->row[row] < TRENDS_NAMES && r->value[value] < RATES_VALUES)
			trend_pack(&packed, r->row[row], r->value[value], n);
	}
	add_slot(s, (int64_t)at, buf_view(&packed));
}

static void
begin_trends(struct trends_reader *r, struct trends *t)
{
	r->t = t;
	for (size_t i = 0; i < TRENDS_NAMES; i++)
		r->row[i] = TRENDS_NAMES;
	for (size_t i = 0; i < RATES_VALUES; i++)
		r->value[i] = RATES_VALUES;
}

/* Whole lines. Returns how many. */
static size_t
read_trend_lines(struct trends_reader *r, struct span text)
{
	size_t n = 0;

	for (; text.n; n++) {
		struct span line = span_next(&text, '\n'), word;
		if (span_starts(line, SPAN_LIT(HEADER " "))) {
			read_head(r, span_cut(line, sizeof(HEADER), line.n));
			continue;
		}
		word = span_next(&line, ' ');
		if (span_is(word, "name"))
			read_row_name(r, line);
		else if (span_is(word, r->t->minutes.word))
			read_slot(r, &r->t->minutes, line);
		else if (span_is(word, r->t->hours.word))
			read_slot(r, &r->t->hours, line);
	}
	return n;
}

static void
say_unwritten(struct trends *t, const char *why)
{
	if (!t->unwritten)
		log_event(LOG_WARN, "trends.unwritten", LS("file", t->path), LS("why", why));
	t->unwritten = true;
}

static void
append(struct trends *t, struct span text)
{
	int fd = open(t->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text.p, text.n);

	if (n == (ssize_t)text.n) {
		t->unwritten = false;
	} else {
		say_unwritten(t, n < 0 ? strerror(errno) : "the disk is full");
		t->nwritten = 0; /* the next minute writes the file anew */
	}
	if (fd >= 0)
		close(fd);
}

/* Appends all that is in memory, as lines. */
static void
put_all(const struct trends *t, struct buf *text)
{
	put_trends_head(text);
	for (size_t i = 0; i < t->nnames; i++)
		put_name_line(t, i, text);
	for (size_t i = 0; i < t->hours.n; i++)
		put_slot_line(&t->hours, t->hours.slot[i].at,
			buf_view(&t->hours.slot[i].packed), text);
	for (size_t i = 0; i < t->minutes.n; i++)
		put_slot_line(&t->minutes, t->minutes.slot[i].at,
			buf_view(&t->minutes.slot[i].packed), text);
}

/* Writes the file anew, with what is in memory. */
static void
write_anew(struct trends *t)
{
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 1024);
	put_all(t, &text);
	t->lines = 1 + t->nnames + t->hours.n + t->minutes.n;
	if (buf_failed(&text) || replace_file(AT_FDCWD, t->path, 0600, buf_view(&text), &why)) {
		buf_putc(&why, '\0');
		say_unwritten(t, buf_failed(&text) ? "out of memory" : buf_view(&why).p);
		t->nwritten = 0;
		return;
	}
	t->nwritten = t->nnames;
	t->unwritten = false;
}

/* Names that no slot has any more give their rows to others. */
static void
trends_drop_names(struct trends *t)
{
	bool used[TRENDS_NAMES] = { false };
	unsigned char now[TRENDS_NAMES] = { 0 };
	struct slots *all[] = { &t->minutes, &t->hours };
	size_t n = FIRST_NAMED;
	struct packed_value p;

	for (size_t k = 0; k < COUNT_OF(all); k++)
		for (size_t i = 0; i < all[k]->n; i++)
			for (struct span s = buf_view(&all[k]->slot[i].packed); trend_unpack(&s, &p);)
				used[p.row] = true;
	for (size_t i = 0; i < t->nnames; i++) {
		if (i >= FIRST_NAMED && !used[i])
			continue;
		now[i] = (unsigned char)(i < FIRST_NAMED ? i : n);
		t->name[now[i]] = t->name[i];
		n += i >= FIRST_NAMED;
	}
	INVARIANT(n >= FIRST_NAMED && n <= t->nnames);
	t->nnames = n;
	for (size_t k = 0; k < COUNT_OF(all); k++)
		for (size_t i = 0; i < all[k]->n; i++) {
			SCOPED_BUF(packed, 0);
			struct buf *b = &all[k]->slot[i].packed;
			for (struct span s = buf_view(b); trend_unpack(&s, &p);)
				trend_pack(&packed, now[p.row], p.value, p.n);
			buf_clear(b);
			buf_span(b, buf_view(&packed));
		}
}

/* ---- a life ---- */

static bool
slots_make(struct slots *s, const char *word, int64_t unit_s, size_t most)
{
	*s = (struct slots){ .word = word, .unit_s = unit_s, .most = most };
	s->slot = calloc(most + 1, sizeof(*s->slot));
	return s->slot != NULL;
}

static void
slots_drop(struct slots *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_free(&s->slot[i].packed);
	free(s->slot);
}

/* The file stays as it is, and the trends of this run are in memory alone. */
static void
leave_file(struct trends *t, const char *why)
{
	log_event(LOG_WARN, "trends.unread", LS("file", t->path), LS("why", why));
	free(t->path);
	t->path = NULL;
}

static void
read_trends(struct trends *t)
{
	struct stat st;

	SCOPED_BUF(text, 0);
	if (stat(t->path, &st) != 0 && errno == ENOENT)
		return;
	if (!buf_regular_file(&text, t->path)) {
		leave_file(t, strerror(errno));
		return;
	}
	if (text.n && !span_starts(buf_view(&text), SPAN_LIT(HEADER " "))) {
		leave_file(t, "it is of another version");
		return;
	}
	while (text.n && text.p[text.start + text.n - 1] != '\n')
		text.n--; /* a torn line */
	struct trends_reader r;
	begin_trends(&r, t);
	t->lines = read_trend_lines(&r, buf_view(&text));
	trends_drop_names(t);
}

struct trends *
trends_open(const char *path)
{
	struct trends *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	buf_init(&t->unsent, UNSENT_MOST);
	t->path = path ? strdup(path) : NULL;
	for (unsigned by = 0; by < RATES_BY; by++)
		t->name[by] = (struct row_name){ (enum rates_by)by, "other" };
	t->name[ROW_TOTAL].name[0] = '\0';
	t->nnames = FIRST_NAMED;
	bool made = slots_make(&t->minutes, "minute", MINUTE_S, TRENDS_MINUTES);
	made &= slots_make(&t->hours, "hour", HOUR_S, TRENDS_HOURS);
	if (!made || (path && !t->path))
		trends_close(&t);
	else if (path)
		read_trends(t);
	return t;
}

void
trends_close(struct trends **tp)
{
	struct trends *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	slots_drop(&t->minutes);
	slots_drop(&t->hours);
	buf_free(&t->unsent);
	pthread_mutex_destroy(&t->lock);
	free(t->path);
	free(t);
}

/* ---- a minute ---- */

struct taking {
	struct trends *t;
	struct buf *packed;
};

static void
take_row(void *arg, enum rates_by by, const char *name, const uint64_t v[RATES_VALUES])
{
	struct taking *to = arg;
	unsigned row = named_row(to->t, by, span_str(name));

	for (unsigned i = 0; i < RATES_VALUES; i++)
		if (v[i])
			trend_pack(to->packed, row, i, v[i]);
}

/* Makes the slot of an hour of the minutes in it, and its line. */
static void
close_hour(struct trends *t, int64_t hour, struct buf *lines)
{
	struct sums sums;

	SCOPED_BUF(packed, 0);
	if (sums_make(&sums, TRENDS_NAMES, 1)) {
		add_slots(t, &sums, &t->minutes, false, hour * HOUR_S, (hour + 1) * HOUR_S,
			HOUR_S, RATES_BY);
		for (unsigned row = 0; row < t->nnames; row++)
			for (unsigned v = 0; v < RATES_VALUES; v++)
				if (trend_of(sums.v[row], v))
					trend_pack(&packed, row, v, trend_of(sums.v[row], v));
		add_slot(&t->hours, hour, buf_view(&packed));
		put_slot_line(&t->hours, hour, buf_view(&packed), lines);
		t->lines++;
	}
	sums_drop(&sums);
}

/* Hours that are over, have minutes and no slot. */
static void
close_hours(struct trends *t, int64_t now_hour, struct buf *lines)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < t->minutes.n; i++) {
		int64_t hour = t->minutes.slot[i].at / (HOUR_S / MINUTE_S);
		if (hour != last && hour < now_hour && !hour_is_closed(t, hour))
			close_hour(t, hour, lines);
		last = hour;
	}
}

static void
write_minute(struct trends *t, struct span lines)
{
	SCOPED_BUF(text, 0);
	if (!t->nwritten || t->lines > 2 * TRENDS_MINUTES + TRENDS_HOURS) {
		write_anew(t);
		return;
	}
	for (; t->nwritten < t->nnames; t->nwritten++, t->lines++)
		put_name_line(t, t->nwritten, &text);
	buf_span(&text, lines);
	append(t, buf_view(&text));
}

static void
put_unsent(struct trends *t, struct span lines)
{
	INVARIANT(t->nsent <= t->nnames);
	for (; t->nsent < t->nnames; t->nsent++)
		put_name_line(t, t->nsent, &t->unsent);
	buf_span(&t->unsent, lines);
}

void
trends_minute(struct trends *t, struct rates *r, int64_t wall_ns)
{
	int64_t minute = wall_ns / 1000000000 / MINUTE_S;

	SCOPED_LOCK(&t->lock);
	SCOPED_BUF(packed, 0);
	SCOPED_BUF(lines, 0);
	rates_minute(r, take_row, &(struct taking){ t, &packed });
	add_slot(&t->minutes, minute, buf_view(&packed));
	put_slot_line(&t->minutes, minute, buf_view(&packed), &lines);
	t->lines++;
	if (hour_is_closed(t, minute * MINUTE_S / HOUR_S)) { /* a clock was set back */
		add_slot(&t->hours, minute * MINUTE_S / HOUR_S, buf_view(&packed));
		put_slot_line(&t->hours, minute * MINUTE_S / HOUR_S, buf_view(&packed), &lines);
		t->lines++;
	}
	close_hours(t, minute * MINUTE_S / HOUR_S, &lines);
	if (t->path)
		write_minute(t, buf_view(&lines));
	if (t->shared)
		put_unsent(t, buf_view(&lines));
}

/* ---- several daemons ---- */

bool
trends_since(struct trends *t, bool whole, struct buf *out)
{
	SCOPED_LOCK(&t->lock);
	whole |= !t->shared || buf_failed(&t->unsent) || t->sent_lines > SENT_LINES_MOST;
	if (whole) {
		put_all(t, out);
		t->nsent = t->nnames;
		t->sent_lines = 0;
	} else {
		buf_span(out, buf_view(&t->unsent));
		t->sent_lines++;
	}
	t->shared = true;
	buf_free(&t->unsent);
	buf_init(&t->unsent, UNSENT_MOST);
	return whole;
}

struct trends_reader *
trends_reader_new(struct trends *t)
{
	struct trends_reader *r = malloc(sizeof(*r));

	if (r)
		begin_trends(r, t);
	return r;
}

void
trends_read(struct trends_reader *r, struct span lines)
{
	SCOPED_LOCK(&r->t->lock);
	read_trend_lines(r, lines);
}

/* ---- telling ---- */

static bool
has_value(const struct sums *s, unsigned row, unsigned value)
{
	for (size_t i = 0; i < s->steps; i++)
		if (s->v[row * s->steps + i][value])
			return true;
	return false;
}

static void
put_trend(const struct trends *t, const struct sums *s, unsigned row, struct buf *out)
{
	bool any = row == ROW_TOTAL;

	for (unsigned v = 0; v < RATES_VALUES && !any; v++)
		any = has_value(s, row, v);
	if (!any)
		return;
	json_put_form(out, "{'name':%t", span_str(t->name[row].name));
	for (unsigned v = 0; v < RATES_VALUES; v++) {
		if (!has_value(s, row, v))
			continue;
		json_put_open(out, rates_value_names[v], '[');
		for (size_t i = 0; i < s->steps; i++)
			if (s->seen[i])
				json_put_uint(out, NULL, trend_of(s->v[row * s->steps + i], v));
			else
				json_put_null(out, NULL);
		json_put_close(out, ']');
	}
	json_put_close(out, '}');
}

/* The period that begins at from_s, as a list of rows. */
static void
put_period(const struct trends *t, const char *member, enum rates_by by,
	enum trends_range range, int64_t from_s, struct buf *out)
{
	int64_t step_s = ranges[range].step_s;
	int64_t to_s = from_s + (int64_t)ranges[range].steps * step_s;
	struct sums sums;

	json_put_open(out, member, '[');
	if (sums_make(&sums, TRENDS_NAMES, ranges[range].steps)) {
		if (ranges[range].hours)
			add_slots(t, &sums, &t->hours, false, from_s, to_s, step_s, by);
		add_slots(t, &sums, &t->minutes, ranges[range].hours, from_s, to_s, step_s, by);
		for (unsigned row = 0; row < t->nnames; row++)
			if (t->name[row].by == by)
				put_trend(t, &sums, row, out);
	}
	sums_drop(&sums);
	json_put_close(out, ']');
}

void
trends_json(struct trends *t, enum rates_by by, enum trends_range range, int64_t wall_ns,
	struct buf *out)
{
	int64_t step_s = ranges[range].step_s, length_s = (int64_t)ranges[range].steps * step_s;
	int64_t until_s = (wall_ns / 1000000000 / step_s + 1) * step_s;

	SCOPED_LOCK(&t->lock);
	json_put_str(out, "range", trends_range_names[range]);
	json_put_int(out, "step_s", step_s);
	json_put_uint(out, "steps", ranges[range].steps);
	json_put_time(out, "from", (until_s - length_s) * 1000000000);
	json_put_time(out, "until", until_s * 1000000000);
	put_period(t, "series", by, range, until_s - length_s, out);
	put_period(t, "before", by, range, until_s - 2 * length_s, out);
}
