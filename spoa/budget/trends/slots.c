/* Slots of packed values in the order of time, and sums over slots. New values of a slot are
 * appended to it. Once they take as many bytes as the merged ones, all are merged. */
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/scoped.h"
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

void
slot_pack(struct buf *b, const struct packed_value *v)
{
	pack_number(b, v->row);
	buf_putc(b, (char)v->value);
	pack_number(b, v->n);
}

bool
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

bool
slots_make(struct slots *s, const char *word, int64_t unit_s, int64_t coarse, size_t fine,
	size_t most)
{
	*s = (struct slots){
		.word = word, .unit_s = unit_s, .coarse = coarse, .fine = fine, .most = most
	};
	s->slot = calloc(most + 1, sizeof(*s->slot));
	return s->slot != NULL;
}

void
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

void
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

void
slots_fold(struct slots *s, int64_t now_at)
{
	for (size_t i = 0; i + s->fine < s->n && s->slot[i].at + (int64_t)s->fine <= now_at;
		i++)
		if (!s->slot[i].folded)
			fold_slot(s, i);
}

void
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

void
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
