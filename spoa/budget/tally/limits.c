/* Counts warnings by limit, and keeps the highest share of two minutes, for /metrics. */
#include "budget/tally/limits.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "budget/tally/names.h"

#define MINUTE_US 60000000

const char *const limit_level_names[LIMIT_LEVELS] = {
	[LEVEL_NONE] = "",
	[LEVEL_SOFT] = "soft",
	[LEVEL_80] = "80",
	[LEVEL_90] = "90",
	[LEVEL_100] = "100",
};

static struct limit_entry *
entry(struct limit_tally *t, const char *name)
{
	return names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]), LIMIT_NAMES,
				   LIMIT_NAME_BYTES },
		span_str(name));
}

void
limit_tally_used(struct limit_tally *t, const char *name, uint64_t millionths)
{
	uint64_t minute = clock_mono_us() / MINUTE_US + 1;
	_Atomic uint64_t *slot = &entry(t, name)->minute[minute & 1];
	uint64_t had = tally_value(slot),
		 now = minute << 32 | (millionths < UINT32_MAX ? millionths : UINT32_MAX);

	if (now > had) /* the minute is in the upper half, so that a later minute is greater */
		atomic_store_explicit(slot, now, memory_order_relaxed);
}

void
limit_tally_warned(struct limit_tally *t, const char *name, enum limit_level level)
{
	INVARIANT(level < LIMIT_LEVELS);
	atomic_fetch_add_explicit(&entry(t, name)->warnings[level], 1, memory_order_relaxed);
}

/* ---- all workers ---- */

/* Returns true if no earlier worker has the name: each name is written once. */
static bool
is_first(const struct limit_tally *const *t, size_t worker, const char *name)
{
	for (size_t w = 0; w < worker; w++) {
		size_t n = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (size_t i = 0; i < n; i++)
			if (!strcmp(t[w]->entry[i].name, name))
				return false;
	}
	return true;
}

static uint64_t
highest(const struct limit_entry *e, uint64_t minute)
{
	uint64_t best = 0;

	for (int i = 0; i < 2; i++) {
		uint64_t v = tally_value(&e->minute[i]);
		if (v >> 32 && v >> 32 <= minute && v >> 32 >= minute - 1 &&
			(v & UINT32_MAX) > best)
			best = v & UINT32_MAX;
	}
	return best;
}

struct sum {
	uint64_t share, warnings[LIMIT_LEVELS];
};

static struct sum
sum_of(const struct limit_tally *const *t, size_t n, const char *name)
{
	uint64_t minute = clock_mono_us() / MINUTE_US + 1;
	struct sum s = { 0 };

	for (size_t w = 0; w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (const struct limit_entry *e = t[w]->entry; e < t[w]->entry + entries;
			e++) {
			if (strcmp(e->name, name) != 0)
				continue;
			uint64_t share = highest(e, minute);
			s.share = share > s.share ? share : s.share;
			for (size_t k = 0; k < LIMIT_LEVELS; k++)
				s.warnings[k] += tally_value(&e->warnings[k]);
		}
	}
	return s;
}

/* Writes each limit once, with the sum over all workers. */
static void
each(struct buf *out, const struct limit_tally *const *t, size_t n,
	void (*write)(struct buf *out, const char *name, const struct sum *s))
{
	for (size_t w = 0; w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (size_t i = 0; i < entries; i++) {
			const char *name = t[w]->entry[i].name;
			if (!is_first(t, w, name))
				continue;
			struct sum s = sum_of(t, n, name);
			write(out, name, &s);
		}
	}
}

static void
write_share(struct buf *out, const char *name, const struct sum *s)
{
	buf_printf(out, "tollgate_limit_used_ratio{limit=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n",
		name, s->share / 1000000, s->share % 1000000);
}

static void
write_warnings(struct buf *out, const char *name, const struct sum *s)
{
	/* Levels at 0 are written, too: an alert on an increase needs the first value. */
	for (size_t k = LEVEL_SOFT; k < LIMIT_LEVELS; k++)
		buf_printf(out,
			"tollgate_limit_warnings_total{limit=\"%s\",level=\"%s\"} %" PRIu64
			"\n",
			name, limit_level_names[k], s->warnings[k]);
}

void
limit_tally_write(struct buf *out, const struct limit_tally *const *t, size_t n)
{
	metrics_head(out, "limit_used_ratio", "gauge",
		"Highest share of the limit that any caller has used within the last two "
		"minutes, as a ratio.");
	each(out, t, n, write_share);
	metrics_head(out, "limit_warnings_total", "counter",
		"Counts callers that reached a level of a limit, once in each window, by "
		"level.");
	each(out, t, n, write_warnings);
}
