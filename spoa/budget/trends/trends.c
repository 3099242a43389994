/* Trends: the names that have rows, the sums of minutes and hours, the file that keeps them,
 * and the lines that other daemons read.
 *
 * The sums are kept in slots, in the order of time. A slot has packed values. New values of a
 * slot are appended to it. Once they take as many bytes as the merged ones, all are merged. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/search.h"
#include "base/utf8.h"
#include "budget/trends/trends_private.h"

enum { MERGE_BYTES = 1024 };

/* ---- packed values ---- */

static void
pack_number(struct buf *b, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_putc(b, (char)(n | 0x80));
	buf_putc(b, (char)n);
}

static bool
unpack_number(struct span *s, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0, i = 0; i < s->n && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)s->p[i++];
		*out |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80) {
			*s = span_cut(*s, i, s->n);
			return true;
		}
	}
	return false;
}

static void
slot_pack(struct buf *b, const struct packed_value *v)
{
	pack_number(b, v->row);
	buf_putc(b, (char)v->value);
	pack_number(b, v->n);
}

/* Takes the first value out of `s`. Returns false if none is left. */
static bool
slot_unpack(struct span *s, struct packed_value *out)
{
	uint64_t row;

	if (!unpack_number(s, &row) || !s->n)
		return false;
	out->row = row < TRENDS_ROWS ? (unsigned)row : TRENDS_ROWS - 1;
	out->value = (unsigned char)s->p[0];
	*s = span_cut(*s, 1, s->n);
	return unpack_number(s, &out->n);
}

/* ---- slots ---- */

static bool
slots_make(struct slots *s, const char *word, int64_t unit_s, int64_t coarse, size_t fine,
	size_t most)
{
	*s = (struct slots){
		.word = word, .unit_s = unit_s, .coarse = coarse, .fine = fine, .most = most
	};
	s->slot = calloc(most + 1, sizeof(*s->slot));
	return s->slot != NULL;
}

static void
slots_drop(struct slots *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->slot[i].p);
	free(s->slot);
}

size_t
slots_from(const struct slots *s, int64_t at)
{
	return SEARCH_FIRST(s->n, k, s->slot[k].at < at);
}

bool
slots_has(const struct slots *s, int64_t at)
{
	size_t i = slots_from(s, at);

	return i < s->n && s->slot[i].at == at;
}

/* Appends values to a slot. If memory is exhausted, the slot stays unchanged. */
static void
append_packed(struct slot *slot, struct span packed)
{
	char *p = packed.n ? realloc(slot->p, slot->n + packed.n) : NULL;

	if (!p)
		return;
	memcpy(p + slot->n, packed.p, packed.n);
	slot->p = p;
	slot->n += packed.n;
}

/* Replaces a slot's values by merged ones. */
static void
set_packed(struct slot *slot, struct span packed)
{
	free(slot->p);
	slot->p = NULL;
	slot->n = 0;
	append_packed(slot, packed);
	slot->merged = slot->n;
}

/* Returns the lowest weight that a name needs to be among the TRENDS_SLOT_NAMES names with the
 * most weight, and sets *ties to the number of these names that have exactly this weight.
 * Returns 0 if the kind has no more names than that. */
static uint64_t
least_weight(const struct slot_sums *s, unsigned by, size_t *ties)
{
	uint64_t top[TRENDS_SLOT_NAMES + 1] = { 0 }; /* in descending order */

	for (unsigned row = trends_first(by); row < trends_first(by + 1); row++) {
		uint64_t w = slot_sums_weight(s->v[row * s->steps]);
		size_t i = TRENDS_SLOT_NAMES;
		if (w <= top[i])
			continue;
		for (; i > 0 && top[i - 1] < w; i--)
			top[i] = top[i - 1];
		top[i] = w;
	}
	uint64_t least = top[TRENDS_SLOT_NAMES] ? top[TRENDS_SLOT_NAMES - 1] : 0;
	*ties = 0;
	for (size_t i = 0; i < TRENDS_SLOT_NAMES; i++)
		*ties += top[i] == least;
	return least;
}

/* Adds all names below the least weight to the kind's "other". */
static void
sum_others(struct slot_sums *s, unsigned by)
{
	size_t ties;
	uint64_t least = least_weight(s, by, &ties), *other = s->v[by * s->steps];

	for (unsigned row = trends_first(by); least && row < trends_first(by + 1); row++) {
		uint64_t *v = s->v[row * s->steps], w = slot_sums_weight(v);
		if (w > least || (w == least && ties && ties--))
			continue;
		for (size_t i = 0; i < RATES_COUNTS; i++)
			other[i] += v[i];
		memset(v, 0, sizeof(s->v[0]));
	}
}

/* Packs the first step of sums of TRENDS_ROWS rows. The TRENDS_SLOT_NAMES names of each kind
 * with the most weight are kept; the rest is added to the kind's "other". */
static void
slot_sums_pack(struct slot_sums *s, struct buf *packed)
{
	for (unsigned by = 0; by < TRENDS_BY; by++)
		sum_others(s, by);
	for (unsigned row = 0; row < s->rows; row++)
		for (unsigned v = 0; v < RATES_VALUES; v++) {
			struct packed_value p = { row, v,
				slot_sums_value(s->v[row * s->steps], v) };
			if (p.n)
				slot_pack(packed, &p);
		}
}

/* Adds up values of the same row and value. */
static void
merge_slot(struct slot *slot)
{
	struct slot_sums sums;

	SCOPED_BUF(packed, 0);
	if (slot_sums_make(&sums, TRENDS_ROWS, 1)) {
		slot_sums_add(&sums, 0, slot_view(slot), NULL);
		slot_sums_pack(&sums, &packed);
		if (!buf_failed(&packed))
			set_packed(slot, buf_view(&packed));
	}
	slot_sums_drop(&sums);
}

/* Adds values to the slot of that time. If a clock was set back, the slot may be an old one. If
 * there are too many slots, the oldest is dropped. */
static void
slots_add(struct slots *s, int64_t at, struct span packed)
{
	size_t i = slots_from(s, at);

	if (i < s->n && s->slot[i].at == at) {
		struct slot *slot = &s->slot[i];
		append_packed(slot, packed);
		slot->folded = false;
		if (slot->n > 2 * slot->merged + MERGE_BYTES)
			merge_slot(slot);
		return;
	}
	memmove(&s->slot[i + 1], &s->slot[i], (s->n - i) * sizeof(*s->slot));
	s->slot[i] = (struct slot){ .at = at };
	set_packed(&s->slot[i], packed);
	if (++s->n > s->most) {
		free(s->slot[0].p);
		memmove(&s->slot[0], &s->slot[1], --s->n * sizeof(*s->slot));
	}
}

/* Keeps the total in the slot, and moves all other rows to the slot of the coarse step. */
static void
fold_slot(struct slots *s, size_t i)
{
	struct slot *slot = &s->slot[i];
	int64_t at = slot->at, begin = at - at % s->coarse;
	struct packed_value v;

	SCOPED_BUF(total, 0);
	SCOPED_BUF(named, 0);
	slot->folded = true;
	if (at == begin)
		return;
	for (struct span p = slot_view(slot); slot_unpack(&p, &v);)
		slot_pack(v.row == ROW_TOTAL ? &total : &named, &v);
	if (!named.n || buf_failed(&total) || buf_failed(&named))
		return;
	set_packed(slot, buf_view(&total));
	slots_add(s, begin, buf_view(&named));
	i = slots_from(s, begin);
	if (i < s->n && s->slot[i].at == begin)
		s->slot[i].folded = true;
}

/* Moves all rows except the total into slots of coarse steps. The `fine` newest slots, and
 * slots of the last `fine` units before now_at, stay as they are. */
static void
slots_fold(struct slots *s, int64_t now_at)
{
	for (size_t i = 0; i + s->fine < s->n && s->slot[i].at + (int64_t)s->fine <= now_at;
		i++)
		if (!s->slot[i].folded)
			fold_slot(s, i);
}

/* Moves the values of each row to the row as[row], which may have ROW_COUNTS. */
static void
slots_move(struct slots *s, const uint16_t *as)
{
	struct packed_value v;

	for (size_t i = 0; i < s->n; i++) {
		SCOPED_BUF(moved, 0);
		for (struct span p = slot_view(&s->slot[i]); slot_unpack(&p, &v);) {
			unsigned row = as[v.row];
			v.row = row & ~(unsigned)ROW_COUNTS;
			if (!(row & ROW_COUNTS) || v.value < RATES_COUNTS)
				slot_pack(&moved, &v);
		}
		if (!buf_failed(&moved))
			set_packed(&s->slot[i], buf_view(&moved));
	}
}

/* ---- sums ---- */

/* Returns the row of the sums, with ROW_COUNTS if quantiles are not added, or ROW_NONE. */
static unsigned
row_of_sums(const uint16_t *as, unsigned row)
{
	if (as)
		return as[row];
	return row > ROW_TOTAL && row < TRENDS_BY ? row | ROW_COUNTS : row;
}

bool
slot_sums_make(struct slot_sums *s, size_t rows, size_t steps)
{
	*s = (struct slot_sums){ .rows = rows, .steps = steps };
	s->v = calloc(rows * steps, sizeof(*s->v));
	s->seen = calloc(steps, sizeof(*s->seen));
	return s->v && s->seen;
}

void
slot_sums_drop(struct slot_sums *s)
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

void
slot_sums_add(struct slot_sums *s, size_t step, struct span packed, const uint16_t *as)
{
	struct packed_value p;
	uint64_t requests = 0;
	unsigned row = TRENDS_ROWS;

	s->seen[step] = true;
	while (slot_unpack(&packed, &p)) {
		if (p.value >= RATES_VALUES)
			continue;
		requests = p.row == row ? requests : 0;
		row = p.row;
		requests += p.value <= RATES_OBSERVED ? p.n : 0;
		unsigned to = row_of_sums(as, row);
		if (to == ROW_NONE || (to & ROW_COUNTS && p.value >= RATES_COUNTS))
			continue;
		to &= ~(unsigned)ROW_COUNTS;
		add_to_sum(s->v[to * s->steps + step], p.value, p.n, requests ? requests : 1);
	}
}

uint64_t
slot_sums_value(const uint64_t v[COLUMNS], unsigned value)
{
	if (value == RATES_OVERHEAD_50)
		return v[WEIGHT_OVERHEAD] ? v[value] / v[WEIGHT_OVERHEAD] : 0;
	if (value == RATES_FIRST_50)
		return v[WEIGHT_FIRST] ? v[value] / v[WEIGHT_FIRST] : 0;
	return v[value];
}

uint64_t
slot_sums_weight(const uint64_t v[COLUMNS])
{
	uint64_t sum = v[RATES_MICROUSD] * 1000 + v[RATES_INPUT] + v[RATES_OUTPUT];

	for (size_t i = 0; i <= RATES_ERRORS; i++)
		sum += v[i];
	return sum;
}

#define HEADER "tollgate-trends 1"

enum { UNSENT_MOST = 1 << 20, SENT_LINES_MOST = 2 * (TRENDS_MINUTES + TRENDS_HOURS) };
/* The views need the minutes of two hours, and the hours of 15 days. */
enum {
	COARSE_MINUTES = 5,
	FINE_MINUTES = 150,
	COARSE_HOURS = 24,
	FINE_HOURS = 16 * 24,
	FILE_LINES_MOST = 4 * TRENDS_MINUTES + 2 * TRENDS_HOURS,
	FOLD_EVERY = 64, /* slots that are read between two folds */
};
enum { ROWS_OF_EARLIER_VERSIONS = 256, RECENT_WEIGHT = 16 };

/* ---- names ---- */

#define X(word, room) word,
static const char *const kind_words[TRENDS_BY] = { TRENDS_KINDS(X) };
#undef X
#define X(word, room) room,
static const unsigned kind_rooms[TRENDS_BY] = { TRENDS_KINDS(X) };
#undef X

unsigned
trends_by_of(const char *word)
{
	unsigned by = 0;

	if (!strcmp(word, "provider"))
		return RATES_TARGET;
	while (by < TRENDS_BY && strcmp(word, kind_words[by]) != 0)
		by++;
	return by;
}

unsigned
trends_first(unsigned by)
{
	unsigned row = TRENDS_BY;

	for (unsigned i = 0; i < by; i++)
		row += kind_rooms[i];
	return row;
}

unsigned
trends_row(const struct trends *t, unsigned by, struct span name)
{
	unsigned row = trends_first(by), end = row + kind_rooms[by];

	while (name.n && row < end && !span_is(name, t->name[row].name))
		row++;
	return name.n && row < end ? row : by;
}

/* Returns the row of a name. If the name has no row, it gets a free one; if none is free, the
 * result is the row of "other". */
static unsigned
named_row(struct trends *t, unsigned by, struct span name)
{
	unsigned row = trends_row(t, by, name), end = trends_first(by + 1);

	if (row != by || !name.n || name.n >= SERIES_LABEL_BYTES || !utf8_valid(name) ||
		span_is(name, t->name[by].name))
		return row;
	for (row = trends_first(by); row < end && t->name[row].name[0];)
		row++;
	t->full[by] |= row == end;
	if (row == end)
		return by;
	span_copy(name, t->name[row].name, sizeof(t->name[row].name));
	t->name[row].written = t->name[row].sent = false;
	return row;
}

struct row_weight {
	unsigned row;
	uint64_t weight;
};

static int
by_row_weight(const void *a, const void *b)
{
	const struct row_weight *x = a, *y = b;

	return x->weight != y->weight ? (x->weight > y->weight) - (x->weight < y->weight)
				      : (x->row > y->row) - (x->row < y->row);
}

/* Weights of all names of a kind, the lowest first. Recent values weigh more, so that a new
 * name stays. */
static bool
weigh_names(const struct trends *t, unsigned by, struct row_weight *out)
{
	const struct slots *all[] = { &t->minutes, &t->hours };
	struct slot_sums sums;
	bool made = slot_sums_make(&sums, TRENDS_ROWS, COUNT_OF(all));

	for (size_t k = 0; made && k < COUNT_OF(all); k++)
		for (size_t i = 0; i < all[k]->n; i++)
			slot_sums_add(&sums, k, slot_view(&all[k]->slot[i]), NULL);
	for (unsigned i = 0; made && i < kind_rooms[by]; i++) {
		unsigned row = trends_first(by) + i;
		out[i] = (struct row_weight){ row,
			slot_sums_weight(sums.v[row * sums.steps]) * RECENT_WEIGHT +
				slot_sums_weight(sums.v[row * sums.steps + 1]) };
	}
	slot_sums_drop(&sums);
	if (made)
		qsort(out, kind_rooms[by], sizeof(*out), by_row_weight);
	return made;
}

/* Half of the names of a kind leave: those with the lowest cost. Their values become part of
 * "other". */
static void
drop_trend_names(struct trends *t, unsigned by)
{
	struct row_weight of[TRENDS_ROWS];
	uint16_t as[TRENDS_ROWS];

	if (!weigh_names(t, by, of))
		return;
	for (unsigned row = 0; row < TRENDS_ROWS; row++)
		as[row] = (uint16_t)row;
	for (unsigned i = 0; i < kind_rooms[by] / 2; i++) {
		as[of[i].row] = (uint16_t)(by | ROW_COUNTS);
		t->name[of[i].row].name[0] = '\0';
		t->name[of[i].row].reuse++;
	}
	slots_move(&t->minutes, as);
	slots_move(&t->hours, as);
	t->full[by] = false;
}

/* ---- lines ---- */

static void
put_trends_head(struct buf *b)
{
	buf_str(b, HEADER);
	for (size_t i = 0; i < RATES_VALUES; i++)
		buf_printf(b, " %s", rates_value_names[i]);
	buf_putc(b, '\n');
}

static void
put_name_line(const struct trends *t, unsigned row, struct buf *b)
{
	unsigned by = row < TRENDS_BY ? row : 0;

	while (row >= TRENDS_BY && row >= trends_first(by + 1))
		by++;
	buf_printf(b, "name %u %s ", row, kind_words[by]);
	buf_json_str(b, span_str(t->name[row].name));
	buf_putc(b, '\n');
}

/* Appends the lines of a slot. Returns their number. */
static size_t
put_slot_lines(const struct slots *s, int64_t at, struct span packed, struct buf *b)
{
	struct packed_value p;
	bool late = false;
	size_t n = 1;

	buf_printf(b, "%s %" PRId64, s->word, at);
	while (slot_unpack(&packed, &p)) {
		if (late != (p.row >= ROWS_OF_EARLIER_VERSIONS)) {
			late = !late;
			n++;
			buf_printf(b, "\n%s %" PRId64, s->word, at);
		}
		buf_printf(b, " %u.%u=%" PRIu64, p.row, p.value, p.n);
	}
	buf_putc(b, '\n');
	return n;
}

/* Maps the numbers of rows and values in a file to those of this process. If a row's name has
 * left its row here (`reuse` differs), the row is looked up again by its name. */
struct trends_reader {
	struct trends *t;
	struct read_row {
		unsigned by, row; /* TRENDS_BY: an unknown row */
		uint16_t reuse;
		char name[SERIES_LABEL_BYTES];
	} row[TRENDS_ROWS];
	unsigned value[RATES_VALUES]; /* RATES_VALUES: an unknown value */
	size_t slots;		      /* number of slots that were read */
};

struct trends_reader *
trends_reader_new(struct trends *t)
{
	struct trends_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->t = t;
	for (size_t i = 0; i < TRENDS_ROWS; i++)
		r->row[i].by = TRENDS_BY;
	for (size_t i = 0; i < RATES_VALUES; i++)
		r->value[i] = RATES_VALUES;
	return r;
}

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
find_read_row(struct trends *t, struct read_row *r)
{
	r->row = r->by == RATES_ALL ? ROW_TOTAL : named_row(t, r->by, span_str(r->name));
	r->reuse = t->name[r->row].reuse;
}

static void
read_row_name(struct trends_reader *r, struct span line)
{
	uint64_t row = TRENDS_ROWS;
	struct span number = span_next(&line, ' '), kind = span_next(&line, ' ');
	json_t *name = json_loadb(line.p, line.n, JSON_DECODE_ANY, NULL);
	char word[16];

	span_copy(kind, word, sizeof(word));
	unsigned by = trends_by_of(word);
	if (span_u64(number, &row) == 0 && row < TRENDS_ROWS && by < TRENDS_BY &&
		json_is_string(name)) {
		struct span text = span_of(json_string_value(name), json_string_length(name));
		if (r->t->full[by])
			drop_trend_names(r->t, by);
		r->row[row].by = by;
		span_copy(text.n < SERIES_LABEL_BYTES ? text : SERIES_OTHER, r->row[row].name,
			sizeof(r->row[row].name));
		find_read_row(r->t, &r->row[row]);
	}
	json_decref(name);
}

/* Returns this process's row for a row of the file; TRENDS_ROWS: unknown. */
static unsigned
row_read(struct trends_reader *r, uint64_t row)
{
	struct read_row *of = &r->row[row];

	if (of->by == TRENDS_BY)
		return TRENDS_ROWS;
	if (of->reuse != r->t->name[of->row].reuse)
		find_read_row(r->t, of);
	return of->row;
}

static void
fold_trends(struct trends *t, int64_t wall_ns)
{
	slots_fold(&t->minutes, wall_ns / 1000000000 / MINUTE_S);
	slots_fold(&t->hours, wall_ns / 1000000000 / HOUR_S);
}

static void
fold_what_was_read(const struct trends_reader *r)
{
	fold_trends(r->t, clock_wall_ns());
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
			span_u64(one, &n) || row >= TRENDS_ROWS || value >= RATES_VALUES)
			return; /* a line that was cut by a crash */
		struct packed_value v = { row_read(r, row), r->value[value], n };
		if (v.row < TRENDS_ROWS && v.value < RATES_VALUES)
			slot_pack(&packed, &v);
	}
	slots_add(s, (int64_t)at, buf_view(&packed));
	if (++r->slots % FOLD_EVERY == 0)
		fold_what_was_read(r);
}

/* Reads whole lines. Returns their number. */
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
	fold_what_was_read(r);
	return n;
}

/* Appends the lines of names that are in use. Returns their number. */
static size_t
put_names(const struct trends *t, struct buf *text)
{
	size_t n = 0;

	for (unsigned row = 0; row < TRENDS_ROWS; row++)
		if (row < TRENDS_BY || t->name[row].name[0]) {
			put_name_line(t, row, text);
			n++;
		}
	return n;
}

/* Appends everything in memory as lines. Returns their number. */
static size_t
put_all(const struct trends *t, struct buf *text)
{
	const struct slots *all[] = { &t->hours, &t->minutes };

	put_trends_head(text);
	size_t n = 1 + put_names(t, text);
	for (size_t k = 0; k < COUNT_OF(all); k++)
		for (size_t i = 0; i < all[k]->n; i++) {
			const struct slot *slot = &all[k]->slot[i];
			n += put_slot_lines(all[k], slot->at, slot_view(slot), text);
		}
	return n;
}

/* ---- the file ---- */

static void
log_unwritten(struct trends *t, const char *why)
{
	if (!t->unwritten)
		log_event(LOG_WARN, "trends.unwritten", LS("file", t->path), LS("why", why));
	t->unwritten = true;
}

static void
append_trend_lines(struct trends *t, struct span text)
{
	int fd = open(t->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text.p, text.n);

	if (n == (ssize_t)text.n) {
		t->unwritten = false;
	} else {
		log_unwritten(t, n < 0 ? strerror(errno) : "the disk is full");
		t->anew = true;
	}
	if (fd >= 0)
		close(fd);
}

/* Replaces the file by the trends in memory. */
static void
write_anew(struct trends *t)
{
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 1024);
	t->lines = put_all(t, &text);
	t->anew = buf_failed(&text) ||
		  replace_file(AT_FDCWD, t->path, 0600, buf_view(&text), &why);
	if (t->anew) {
		buf_putc(&why, '\0');
		log_unwritten(t, buf_failed(&text) ? "out of memory" : buf_view(&why).p);
		return;
	}
	for (unsigned row = 0; row < TRENDS_ROWS; row++)
		t->name[row].written = true;
	t->unwritten = false;
}

static void
write_minute(struct trends *t, struct span lines)
{
	SCOPED_BUF(text, 0);
	if (t->anew || t->lines > FILE_LINES_MOST) {
		write_anew(t);
		return;
	}
	for (unsigned row = TRENDS_BY; row < TRENDS_ROWS; row++) {
		if (t->name[row].written || !t->name[row].name[0])
			continue;
		put_name_line(t, row, &text);
		t->name[row].written = true;
		t->lines++;
	}
	buf_span(&text, lines);
	append_trend_lines(t, buf_view(&text));
}

/* Leaves the file unchanged. The trends of this process are then kept in memory only. */
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
		leave_file(t, "the file is of another version");
		return;
	}
	while (text.n && text.p[text.start + text.n - 1] != '\n')
		text.n--; /* a line that was cut by a crash */
	struct trends_reader *r = trends_reader_new(t);
	if (r)
		t->lines = read_trend_lines(r, buf_view(&text));
	free(r);
	buf_free(&text);
	mem_give_back(); /* folded minutes left gaps in the heap */
}

/* ---- opening and closing ---- */

struct trends *
trends_open(const char *path)
{
	struct trends *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	buf_init(&t->unsent, UNSENT_MOST);
	t->path = path ? strdup(path) : NULL;
	t->anew = true;
	for (unsigned by = ROW_TOTAL + 1; by < TRENDS_BY; by++)
		span_copy(SERIES_OTHER, t->name[by].name, sizeof(t->name[by].name));
	bool made = slots_make(
		&t->minutes, "minute", MINUTE_S, COARSE_MINUTES, FINE_MINUTES, TRENDS_MINUTES);
	made &= slots_make(&t->hours, "hour", HOUR_S, COARSE_HOURS, FINE_HOURS, TRENDS_HOURS);
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
	unsigned by;
	struct buf *packed;
};

static void
take_values(
	const struct taking *to, unsigned by, const char *name, const uint64_t v[RATES_VALUES])
{
	unsigned row = by == RATES_ALL ? ROW_TOTAL : named_row(to->t, by, span_str(name));
	unsigned values = row > ROW_TOTAL && row < TRENDS_BY ? RATES_COUNTS : RATES_VALUES;

	for (unsigned i = 0; i < values; i++)
		if (v[i])
			slot_pack(to->packed, &(struct packed_value){ row, i, v[i] });
}

/* Adds all rows except teams. Teams are taken from the heavy hitters, because the table of
 * rates has room for the first teams only. */
static void
take_row(void *arg, enum rates_by by, const char *name, const uint64_t v[RATES_VALUES])
{
	if (by != RATES_TEAM)
		take_values(arg, by, name, v);
}

static void
take_heavy(void *arg, const char *name, const uint64_t heavy[HEAVY_VALUES])
{
	static const unsigned as[HEAVY_VALUES] = { [HEAVY_PERMIT] = RATES_PERMIT,
		[HEAVY_REDACT] = RATES_REDACT,
		[HEAVY_DENY] = RATES_DENY,
		[HEAVY_OBSERVED] = RATES_OBSERVED,
		[HEAVY_INPUT] = RATES_INPUT,
		[HEAVY_OUTPUT] = RATES_OUTPUT,
		[HEAVY_NANOUSD] = RATES_MICROUSD,
		[HEAVY_UNPRICED] = RATES_UNPRICED };
	const struct taking *to = arg;
	uint64_t v[RATES_VALUES] = { 0 };

	for (size_t i = 0; i < HEAVY_VALUES; i++)
		v[as[i]] = i == HEAVY_NANOUSD ? heavy[i] / 1000 : heavy[i];
	take_values(to, to->by, name, v);
}

static void
take_minute(
	struct trends *t, struct rates *r, const struct rates_source *from, struct buf *packed)
{
	static const unsigned by[HEAVY_KINDS] = { [HEAVY_TEAM] = RATES_TEAM,
		[HEAVY_PERSON] = TRENDS_PERSON,
		[HEAVY_KEY] = TRENDS_KEY,
		[HEAVY_TOOL] = TRENDS_TOOL };
	const struct heavy **h = calloc(from->n + 1, sizeof(*h));
	struct taking to = { t, RATES_ALL, packed };

	for (unsigned i = 0; i < TRENDS_BY; i++)
		if (t->full[i])
			drop_trend_names(t, i);
	rates_minute(r, take_row, &to);
	for (size_t k = 0; h && k < HEAVY_KINDS; k++) {
		to.by = by[k];
		for (size_t i = 0; i < from->n; i++)
			h[i] = &from->t[i]->heavy[k];
		heavy_each(h, from->n, TRENDS_SLOT_NAMES, take_heavy, &to);
	}
	free(h);
}

/* Sums up the minutes of an hour in a slot, and appends the slot's lines. */
static void
close_hour(struct trends *t, int64_t hour, struct buf *lines)
{
	const struct slots *m = &t->minutes;
	int64_t begin = hour * (HOUR_S / MINUTE_S), end = begin + HOUR_S / MINUTE_S;
	struct slot_sums sums;

	SCOPED_BUF(packed, 0);
	if (slot_sums_make(&sums, TRENDS_ROWS, 1)) {
		for (size_t i = slots_from(m, begin); i < m->n && m->slot[i].at < end; i++)
			slot_sums_add(&sums, 0, slot_view(&m->slot[i]), NULL);
		slot_sums_pack(&sums, &packed);
		slots_add(&t->hours, hour, buf_view(&packed));
		t->lines += put_slot_lines(&t->hours, hour, buf_view(&packed), lines);
	}
	slot_sums_drop(&sums);
}

/* Closes each past hour that has minutes but no slot yet. */
static void
close_hours(struct trends *t, int64_t now_hour, struct buf *lines)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < t->minutes.n; i++) {
		int64_t hour = t->minutes.slot[i].at / (HOUR_S / MINUTE_S);
		if (hour != last && hour < now_hour && !slots_has(&t->hours, hour))
			close_hour(t, hour, lines);
		last = hour;
	}
}

static void
put_unsent(struct trends *t, struct span lines)
{
	for (unsigned row = TRENDS_BY; row < TRENDS_ROWS; row++) {
		if (t->name[row].sent || !t->name[row].name[0])
			continue;
		put_name_line(t, row, &t->unsent);
		t->name[row].sent = true;
	}
	buf_span(&t->unsent, lines);
}

void
trends_minute(
	struct trends *t, struct rates *r, const struct rates_source *from, int64_t wall_ns)
{
	int64_t minute = wall_ns / 1000000000 / MINUTE_S, hour = minute / (HOUR_S / MINUTE_S);

	SCOPED_LOCK(&t->lock);
	SCOPED_BUF(packed, 0);
	SCOPED_BUF(lines, 0);
	take_minute(t, r, from, &packed);
	slots_add(&t->minutes, minute, buf_view(&packed));
	t->lines += put_slot_lines(&t->minutes, minute, buf_view(&packed), &lines);
	if (slots_has(&t->hours, hour)) { /* the hour was closed before a clock was set back */
		slots_add(&t->hours, hour, buf_view(&packed));
		t->lines += put_slot_lines(&t->hours, hour, buf_view(&packed), &lines);
	}
	close_hours(t, hour, &lines);
	fold_trends(t, wall_ns);
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
		for (unsigned row = 0; row < TRENDS_ROWS; row++)
			t->name[row].sent = true;
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

void
trends_read(struct trends_reader *r, struct span lines)
{
	SCOPED_LOCK(&r->t->lock);
	read_trend_lines(r, lines);
}
