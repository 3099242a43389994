/* Tables by name, and the sum of all tables over the workers for /metrics.
 *
 * names_entry() finds the entry of a name. slot_write() and slot_read() access the slots of
 * rings that one thread writes and other threads read. Three tables are here: matches of rules,
 * tool calls, and for each limit the warnings and the highest share of two minutes. Each is
 * searched from its begin, since it has few names. tally_write() writes all tables. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "budget/tally/calls.h"
#include "budget/tally/limits.h"
#include "budget/tally/names.h"
#include "budget/tally/rules.h"
#include "budget/tally/tally.h"

/* ---- entries of a table by name, and slots of a ring ---- */

void
slot_write(_Atomic uint64_t *turn, _Atomic uint64_t *word, uint64_t n, const void *from,
	size_t bytes)
{
	const char *p = from;
	uint64_t one;

	INVARIANT(bytes % sizeof(one) == 0); /* a rest would not be copied */
	atomic_store_explicit(turn, 2 * n + 1, memory_order_relaxed);
	for (size_t i = 0; i < bytes / sizeof(one); i++) {
		memcpy(&one, p + i * sizeof(one), sizeof(one));
		atomic_store_explicit(&word[i], one, memory_order_release);
	}
	atomic_store_explicit(turn, 2 * n + 2, memory_order_release);
}

bool
slot_read(const _Atomic uint64_t *turn, const _Atomic uint64_t *word, uint64_t n, void *to,
	size_t bytes)
{
	uint64_t one;

	if (atomic_load_explicit(turn, memory_order_acquire) != 2 * n + 2)
		return false;
	for (size_t i = 0; i < bytes / sizeof(one); i++) {
		one = atomic_load_explicit(&word[i], memory_order_acquire);
		memcpy((char *)to + i * sizeof(one), &one, sizeof(one));
	}
	return tally_value(turn) == 2 * n + 2;
}

void *
names_entry(const struct names *t, struct span name)
{
	size_t n = atomic_load_explicit(t->n, memory_order_relaxed);
	char *first = t->entries, *e = first + t->size;

	INVARIANT(n <= t->room);
	for (size_t i = 1; i < n; i++, e += t->size)
		if (name.n < t->name_bytes && !memcmp(e, name.p, name.n) && !e[name.n])
			return e;
	if (n == 0) {
		memcpy(first, "other", sizeof("other"));
		n = 1;
	}
	if (n < t->room && name.n < t->name_bytes)
		memcpy(first + n++ * t->size, name.p, name.n);
	else
		e = first;
	atomic_store_explicit(t->n, n, memory_order_release);
	return e;
}

/* ---- rules ---- */

void
rule_tally_add(struct rule_tally *t, const char *name, enum rule_did did, int64_t now_ms)
{
	if (!name)
		return;
	/* A rule's name keeps its address until a reload, so that most names are found by it.
	 */
	uint16_t *known = &t->known[((uintptr_t)name >> 3) % RULE_KNOWN];
	struct rule_entry *e = &t->entry[*known];
	if (strcmp(e->name, name) != 0) {
		e = names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]),
					RULE_NAMES, RULE_NAME_BYTES },
			span_str(name));
		*known = (uint16_t)(e - t->entry);
	}
	INVARIANT(did < RULE_DIDS && *known < RULE_NAMES);
	tally_grow(&e->v[did], 1);
	atomic_store_explicit(&e->last_ms, (uint64_t)now_ms, memory_order_relaxed);
}

void
rule_tally_sum(
	const struct rule_tally *const *t, size_t n, const char *name, struct rule_sum *out)
{
	*out = (struct rule_sum){ .last_ms = 0 };
	for (size_t i = 0; i < n; i++) {
		size_t entries = atomic_load_explicit(&t[i]->n, memory_order_acquire);
		for (const struct rule_entry *e = t[i]->entry; e < t[i]->entry + entries; e++) {
			if (strcmp(e->name, name) != 0)
				continue;
			for (size_t d = 0; d < RULE_DIDS; d++)
				out->v[d] += tally_value(&e->v[d]);
			uint64_t last = tally_value(&e->last_ms);
			out->last_ms = last > out->last_ms ? last : out->last_ms;
		}
	}
}

/* ---- tool calls ---- */

static const char *const decisions[CALL_DECISIONS] = { "permit", "redact", "deny" };

static struct call_entry *
call_entry_of(struct call_tally *t, struct span server, struct span tool)
{
	const struct names names = { &t->n, t->entry, sizeof(t->entry[0]), CALL_NAMES,
		CALL_NAME_BYTES };
	static const char plain[] = "_-./:"; /* needs no escapes in a label */
	char name[CALL_NAME_BYTES];
	size_t n = 0;

	if (tool.n && span_is_alnum(tool, plain) && span_is_alnum(server, plain) &&
		server.n + 1 + tool.n < sizeof(name)) {
		memcpy(name, server.p ? server.p : "", server.n);
		name[server.n] = ' ';
		memcpy(name + server.n + 1, tool.p, tool.n);
		n = server.n + 1 + tool.n;
	}
	/* A span of this length fits no name, so that the call counts in the first entry,
	 * "other". */
	return names_entry(&names, span_of(name, n ? n : sizeof(name)));
}

void
call_tally_add(struct call_tally *t, struct span server, struct span tool, enum call_decision d)
{
	INVARIANT(d < CALL_DECISIONS);
	atomic_fetch_add_explicit(
		&call_entry_of(t, server, tool)->v[d], 1, memory_order_relaxed);
}

void
call_tally_left(struct call_tally *t, struct span tool, const uint32_t left[LEFT_REASONS])
{
	struct call_entry *e = NULL;

	for (size_t i = 0; i < LEFT_REASONS; i++) {
		if (!left[i])
			continue;
		e = e ? e : call_entry_of(t, SPAN_LIT(""), tool);
		atomic_fetch_add_explicit(&e->left[i], left[i], memory_order_relaxed);
	}
}

/* ---- tool calls: all workers ---- */

static int
call_by_name(const void *a, const void *b)
{
	const struct call_entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Writes one line for each name and each of the values that is not 0. `at`: offset of the
 * values in an entry. */
static void
put_call_counts(struct buf *out, const struct call_entry *const *all, size_t count, size_t at,
	size_t nvalues, const char *metric, const char *label, const char *const *words)
{
	for (size_t i = 0, to; i < count; i = to) {
		uint64_t sum[CALL_DECISIONS + LEFT_REASONS] = { 0 };
		for (to = i; to < count && !strcmp(all[to]->name, all[i]->name); to++)
			for (size_t d = 0; d < nvalues; d++)
				sum[d] += tally_value((const _Atomic uint64_t
						*)(const void *)((const char *)all[to] + at) +
						      d);
		const char *name = all[i]->name, *space = strchr(name, ' ');
		int server = space ? (int)(space - name) : 0;
		for (size_t d = 0; d < nvalues; d++)
			if (sum[d])
				buf_printf(out,
					"tollgate_%s{server=\"%.*s\",tool=\"%s\","
					"%s=\"%s\"} %" PRIu64 "\n",
					metric, server, name, space ? space + 1 : name, label,
					words[d], sum[d]);
	}
}

void
call_tally_write(struct buf *out, const struct call_tally *const *t, size_t n)
{
	const struct call_entry **all = calloc(n * CALL_NAMES + 1, sizeof(*all));
	size_t count = 0;

	for (size_t w = 0; all && w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (size_t i = 0; i < entries; i++)
			all[count++] = &t[w]->entry[i];
	}
	if (count)
		qsort(all, count, sizeof(*all), call_by_name);
	metrics_head(out, "tool_calls_total", "counter",
		"Counts tool calls, by server, tool and decision.");
	put_call_counts(out, all, count, offsetof(struct call_entry, v), CALL_DECISIONS,
		"tool_calls_total", "decision", decisions);
	metrics_head(out, "call_placeholders_left_total", "counter",
		"Counts placeholders that stay in the arguments of models' calls, by tool and "
		"reason.");
	put_call_counts(out, all, count, offsetof(struct call_entry, left), LEFT_REASONS,
		"call_placeholders_left_total", "reason", placeholder_left_names);
	free(all);
}

/* ---- limits ---- */

#define MINUTE_US 60000000

const char *const limit_level_names[LIMIT_LEVELS] = {
	[LEVEL_NONE] = "",
	[LEVEL_SOFT] = "soft",
	[LEVEL_80] = "80",
	[LEVEL_90] = "90",
	[LEVEL_100] = "100",
};

static struct limit_entry *
limit_entry_of(struct limit_tally *t, const char *name)
{
	return names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]), LIMIT_NAMES,
				   LIMIT_NAME_BYTES },
		span_str(name));
}

void
limit_tally_used(struct limit_tally *t, const char *name, uint64_t millionths)
{
	uint64_t minute = clock_mono_us() / MINUTE_US + 1;
	_Atomic uint64_t *slot = &limit_entry_of(t, name)->minute[minute & 1];
	uint64_t had = tally_value(slot),
		 now = minute << 32 | (millionths < UINT32_MAX ? millionths : UINT32_MAX);

	if (now > had) /* the minute is in the upper half, so that a later minute is greater */
		atomic_store_explicit(slot, now, memory_order_relaxed);
}

void
limit_tally_warned(struct limit_tally *t, const char *name, enum limit_level level)
{
	INVARIANT(level < LIMIT_LEVELS);
	atomic_fetch_add_explicit(
		&limit_entry_of(t, name)->warnings[level], 1, memory_order_relaxed);
}

/* ---- limits: all workers ---- */

/* Returns true if no earlier worker has the name: each name is written once. */
static bool
is_first_with_limit(const struct limit_tally *const *t, size_t worker, const char *name)
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
highest_share(const struct limit_entry *e, uint64_t minute)
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

struct limit_sum {
	uint64_t share, warnings[LIMIT_LEVELS];
};

static struct limit_sum
limit_sum_of(const struct limit_tally *const *t, size_t n, const char *name)
{
	uint64_t minute = clock_mono_us() / MINUTE_US + 1;
	struct limit_sum s = { 0 };

	for (size_t w = 0; w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (const struct limit_entry *e = t[w]->entry; e < t[w]->entry + entries;
			e++) {
			if (strcmp(e->name, name) != 0)
				continue;
			uint64_t share = highest_share(e, minute);
			s.share = share > s.share ? share : s.share;
			for (size_t k = 0; k < LIMIT_LEVELS; k++)
				s.warnings[k] += tally_value(&e->warnings[k]);
		}
	}
	return s;
}

/* Writes each limit once, with the sum over all workers. */
static void
each_limit(struct buf *out, const struct limit_tally *const *t, size_t n,
	void (*write)(struct buf *out, const char *name, const struct limit_sum *s))
{
	for (size_t w = 0; w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (size_t i = 0; i < entries; i++) {
			const char *name = t[w]->entry[i].name;
			if (!is_first_with_limit(t, w, name))
				continue;
			struct limit_sum s = limit_sum_of(t, n, name);
			write(out, name, &s);
		}
	}
}

static void
write_share(struct buf *out, const char *name, const struct limit_sum *s)
{
	buf_printf(out, "tollgate_limit_used_ratio{limit=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n",
		name, s->share / 1000000, s->share % 1000000);
}

static void
write_warnings(struct buf *out, const char *name, const struct limit_sum *s)
{
	/* Levels at 0 are written, too: an alert on an increase needs the first value. */
	for (size_t k = LEVEL_SOFT; k < LIMIT_LEVELS; k++)
		buf_printf(out,
			"tollgate_limit_warnings_total{limit=\"%s\",level=\"%s\"} %" PRIu64
			"\n",
			name, limit_level_names[k], s->warnings[k]);
}

/* Writes Prometheus text of n workers: the highest share within the last one to two minutes,
 * and the sum of warnings. Any thread. */
static void
limit_tally_write(struct buf *out, const struct limit_tally *const *t, size_t n)
{
	metrics_head(out, "limit_used_ratio", "gauge",
		"Highest share of the limit that any caller has used within the last two "
		"minutes, as a ratio.");
	each_limit(out, t, n, write_share);
	metrics_head(out, "limit_warnings_total", "counter",
		"Counts callers that reached a level of a limit, once in each window, by "
		"level.");
	each_limit(out, t, n, write_warnings);
}

/* ---- all tables ---- */

enum { WORKERS_MOST = 256 };

uint64_t
tally_write(struct series_sum *sum, struct buf *out, const struct tallies *const *t, size_t n,
	bool exemplars)
{
	static const char *const names[STAGES] = {
#define X(id, name) name,
		STAGE_TABLE(X)
#undef X
	};
	const struct histogram *h[WORKERS_MOST];
	const struct exemplars *e[WORKERS_MOST];
	const struct series *s[WORKERS_MOST];
	const struct limit_tally *l[WORKERS_MOST];
	const struct provider_tally *p[WORKERS_MOST];
	const struct call_tally *c[WORKERS_MOST];
	const struct team_tally *teams[WORKERS_MOST];
	char label[32];

	if (n > WORKERS_MOST)
		n = WORKERS_MOST;
	metrics_head(out, "stage_seconds", "histogram",
		"Time in seconds that a decision spends in each stage, including its waits.");
	for (size_t k = 0; k < STAGES; k++) {
		for (size_t i = 0; i < n; i++) {
			h[i] = &t[i]->stage[k];
			e[i] = &t[i]->total;
		}
		snprintf(label, sizeof(label), "stage=\"%s\"", names[k]);
		histogram_write(out, "stage_seconds", label, HISTOGRAM_US, h,
			exemplars && k == STAGE_TOTAL ? e : NULL, n);
	}
	for (size_t i = 0; i < n; i++) {
		s[i] = &t[i]->series;
		l[i] = &t[i]->limits;
		p[i] = &t[i]->providers;
		c[i] = &t[i]->calls;
		teams[i] = &t[i]->teams;
	}
	provider_tally_write(out, p, n, exemplars);
	limit_tally_write(out, l, n);
	call_tally_write(out, c, n);
	team_tally_write(out, teams, n);
	return series_write(sum, out, s, n);
}
