/* GET /trends: writes the rows of one kind for a range of time and for the period before it.
 * With two parts, this daemon's trends and those of the other daemons are added up. */
#include <stdlib.h>
#include <string.h>

#include "base/json_put.h"
#include "base/scoped.h"
#include "budget/trends/trends_private.h"

enum { VIEW_ROWS = 25 /* including "other" */, PARTS = 2 };

const char *const trends_range_names[TRENDS_RANGES] = { "1h", "24h", "7d", "90d" };
static const struct {
	int64_t step_s;
	size_t steps;
	bool hours; /* reads slots of hours, and minutes of hours that have no slot yet */
} ranges[TRENDS_RANGES] = {
	[TRENDS_1H] = { MINUTE_S, 60, false },
	[TRENDS_24H] = { 5 * MINUTE_S, TRENDS_STEPS, false },
	[TRENDS_7D] = { HOUR_S, 7 * 24, true },
	[TRENDS_90D] = { DAY_S, 90, true },
};

struct view {
	struct trends *const *part;
	size_t nparts, nrows;
	const struct trends_asked *asked;
	int64_t step_s, length_s;
	struct span name[VIEW_ROWS];	 /* borrows from the parts */
	uint16_t as[PARTS][TRENDS_ROWS]; /* maps the rows of each part to rows of the sums */
};

/* ---- sums ---- */

/* Adds the slots from from_s to to_s, in seconds since 1970, to the steps. `open_hours`: only
 * minutes of hours that have no slot, which need not be the last ones if a clock was set back.
 */
static void
add_slots(const struct view *v, size_t part, struct slot_sums *sums, const struct slots *s,
	bool open_hours, int64_t from_s)
{
	const struct trends *t = v->part[part];

	for (size_t i = slots_from(s, from_s / s->unit_s); i < s->n; i++) {
		int64_t at_s = s->slot[i].at * s->unit_s;
		if (at_s >= from_s + v->length_s)
			break;
		if (at_s >= from_s && !(open_hours && slots_has(&t->hours, at_s / HOUR_S)))
			slot_sums_add(sums,
				sums->steps == 1 ? 0 : (size_t)((at_s - from_s) / v->step_s),
				slot_view(&s->slot[i]), v->as[part]);
	}
}

/* Adds the period that begins at from_s. */
static void
add_period(const struct view *v, size_t part, struct slot_sums *sums, int64_t from_s)
{
	const struct trends *t = v->part[part];
	bool hours = ranges[v->asked->range].hours;

	if (hours)
		add_slots(v, part, sums, &t->hours, false, from_s);
	add_slots(v, part, sums, &t->minutes, hours, from_s);
}

/* ---- choosing rows ---- */

struct named {
	struct span name;
	uint64_t weight;
	uint16_t *as[PARTS]; /* the name's entry in view.as; NULL: the part lacks the name */
};

static int
by_view_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return span_order(x->name, y->name);
}

static int
by_view_weight(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return x->weight != y->weight ? (x->weight < y->weight) - (x->weight > y->weight)
				      : span_order(x->name, y->name);
}

/* Appends the names of a part that have values in the period. */
static size_t
add_view_names(struct view *v, size_t part, int64_t from_s, struct named *out)
{
	unsigned by = v->asked->by, first = trends_first(by), end = trends_first(by + 1);
	struct slot_sums sums;
	size_t n = 0;

	for (unsigned row = first; row < end; row++)
		v->as[part][row] = (uint16_t)(row - first);
	if (slot_sums_make(&sums, end - first, 1)) {
		add_period(v, part, &sums, from_s);
		for (unsigned row = first; row < end; row++) {
			out[n] = (struct named){ span_str(v->part[part]->name[row].name),
				slot_sums_weight(sums.v[row - first]), { NULL } };
			out[n].as[part] = &v->as[part][row];
			n += out[n].weight && out[n].name.n;
		}
	}
	slot_sums_drop(&sums);
	for (unsigned row = first; row < end; row++)
		v->as[part][row] = ROW_COUNTS; /* row 0 is "other" */
	return n;
}

/* Merges the entries of equal names. The entries are sorted by name. Returns the number of
 * names. */
static size_t
merge_named(struct named *all, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!kept || by_view_name(&all[kept - 1], &all[i]) != 0) {
			all[kept++] = all[i];
			continue;
		}
		all[kept - 1].weight += all[i].weight;
		for (size_t p = 0; p < PARTS; p++)
			if (all[i].as[p])
				all[kept - 1].as[p] = all[i].as[p];
	}
	return kept;
}

/* Chooses the names that get rows: row 0 is "other", and the names with the most weight
 * follow. */
static void
choose_names(struct view *v, int64_t from_s)
{
	struct named *all = calloc(PARTS * TRENDS_ROWS, sizeof(*all));
	size_t n = 0;

	v->nrows = 1;
	v->name[0] = SERIES_OTHER;
	for (size_t p = 0; p < v->nparts; p++) {
		if (all)
			n += add_view_names(v, p, from_s, all + n);
		v->as[p][v->asked->by] = ROW_COUNTS;
	}
	if (n)
		qsort(all, n, sizeof(*all), by_view_name);
	n = merge_named(all, n);
	if (n)
		qsort(all, n, sizeof(*all), by_view_weight);
	for (size_t i = 0; i < n && v->nrows < VIEW_ROWS; i++, v->nrows++) {
		v->name[v->nrows] = all[i].name;
		for (size_t p = 0; p < PARTS; p++)
			if (all[i].as[p])
				*all[i].as[p] = (uint16_t)v->nrows;
	}
	free(all);
}

static void
choose_rows(struct view *v, int64_t from_s)
{
	const struct trends_asked *a = v->asked;

	memset(v->as, 0xFF, sizeof(v->as)); /* ROW_NONE */
	if (a->by != RATES_ALL && !a->name) {
		choose_names(v, from_s);
		return;
	}
	v->nrows = 1;
	v->name[0] = span_str(a->name ? a->name : "");
	for (size_t p = 0; p < v->nparts; p++) {
		unsigned row = a->name ? trends_row(v->part[p], a->by, v->name[0]) : ROW_TOTAL;
		if (row != a->by || a->by == RATES_ALL)
			v->as[p][row] = 0;
		else if (span_eq(v->name[0], SERIES_OTHER))
			v->as[p][row] = ROW_COUNTS;
	}
}

/* ---- JSON ---- */

static bool
has_value(const struct slot_sums *s, size_t row, unsigned value)
{
	for (size_t i = 0; i < s->steps; i++)
		if (s->v[row * s->steps + i][value])
			return true;
	return false;
}

static void
put_view_row(const struct slot_sums *s, size_t row, struct span name, struct buf *out)
{
	json_put_form(out, "{'name':%t", name);
	for (unsigned v = 0; v < RATES_VALUES; v++) {
		if (!has_value(s, row, v))
			continue;
		json_put_open(out, rates_value_names[v], '[');
		for (size_t i = 0; i < s->steps; i++)
			if (s->seen[i])
				json_put_uint(out, NULL,
					slot_sums_value(s->v[row * s->steps + i], v));
			else
				json_put_null(out, NULL);
		json_put_close(out, ']');
	}
	json_put_close(out, '}');
}

/* Writes the period that begins at from_s as a list of rows, with "other" at the end. */
static void
put_period(const struct view *v, const char *member, int64_t from_s, struct buf *out)
{
	struct slot_sums sums;

	json_put_open(out, member, '[');
	if (slot_sums_make(&sums, v->nrows, ranges[v->asked->range].steps)) {
		for (size_t p = 0; p < v->nparts; p++)
			add_period(v, p, &sums, from_s);
		for (size_t i = 1; i <= v->nrows; i++) {
			size_t row = i % v->nrows;
			bool any = v->asked->by == RATES_ALL;
			for (unsigned value = 0; value < RATES_VALUES && !any; value++)
				any = has_value(&sums, row, value);
			if (any)
				put_view_row(&sums, row, v->name[row], out);
		}
	}
	slot_sums_drop(&sums);
	json_put_close(out, ']');
}

void
trends_json(struct trends *const *t, size_t n, const struct trends_asked *asked,
	int64_t wall_ns, struct buf *out)
{
	struct view *v = calloc(1, sizeof(*v));
	int64_t step_s = ranges[asked->range].step_s,
		length_s = (int64_t)ranges[asked->range].steps * step_s,
		until_s = (wall_ns / 1000000000 / step_s + 1) * step_s;

	json_put_str(out, "range", trends_range_names[asked->range]);
	json_put_int(out, "step_s", step_s);
	json_put_uint(out, "steps", ranges[asked->range].steps);
	json_put_time(out, "from", (until_s - length_s) * 1000000000);
	json_put_time(out, "until", until_s * 1000000000);
	if (!v)
		return;
	*v = (struct view){
		.part = t, .nparts = n, .asked = asked, .step_s = step_s, .length_s = length_s
	};
	for (size_t i = 0; i < n; i++)
		pthread_mutex_lock(&t[i]->lock);
	choose_rows(v, until_s - length_s);
	put_period(v, "series", until_s - length_s, out);
	put_period(v, "before", until_s - 2 * length_s, out);
	for (size_t i = n; i > 0; i--)
		pthread_mutex_unlock(&t[i - 1]->lock);
	free(v);
}
