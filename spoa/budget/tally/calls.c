/* Counts tool calls in a table by name, and writes the sum over all workers for /metrics. The
 * table is searched from its begin: it has at most 256 names. */
#include "budget/tally/calls.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/metrics.h"
#include "budget/tally/names.h"

static const char *const decisions[CALL_DECISIONS] = { "permit", "redact", "deny" };

void
call_tally_add(struct call_tally *t, struct span server, struct span tool, enum call_decision d)
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
	struct call_entry *e = names_entry(&names, span_of(name, n ? n : sizeof(name)));
	INVARIANT(d < CALL_DECISIONS);
	atomic_fetch_add_explicit(&e->v[d], 1, memory_order_relaxed);
}

/* ---- all workers ---- */

static int
call_by_name(const void *a, const void *b)
{
	const struct call_entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void
call_tally_write(struct buf *out, const struct call_tally *const *t, size_t n)
{
	const struct call_entry **all = calloc(n * CALL_NAMES + 1, sizeof(*all));
	size_t count = 0;

	metrics_head(out, "tool_calls_total", "counter",
		"Counts tool calls, by server, tool and decision.");
	for (size_t w = 0; all && w < n; w++) {
		size_t entries = atomic_load_explicit(&t[w]->n, memory_order_acquire);
		for (size_t i = 0; i < entries; i++)
			all[count++] = &t[w]->entry[i];
	}
	if (count)
		qsort(all, count, sizeof(*all), call_by_name);
	for (size_t i = 0, to; i < count; i = to) {
		uint64_t sum[CALL_DECISIONS] = { 0 };
		for (to = i; to < count && !strcmp(all[to]->name, all[i]->name); to++)
			for (size_t d = 0; d < CALL_DECISIONS; d++)
				sum[d] += tally_value(&all[to]->v[d]);
		const char *name = all[i]->name, *space = strchr(name, ' ');
		int server = space ? (int)(space - name) : 0;
		for (size_t d = 0; d < CALL_DECISIONS; d++)
			if (sum[d])
				buf_printf(out,
					"tollgate_tool_calls_total{server=\"%.*s\",tool=\"%s\","
					"decision=\"%s\"} %" PRIu64 "\n",
					server, name, space ? space + 1 : name, decisions[d],
					sum[d]);
	}
	free(all);
}
