/* Writes the counters in Prometheus' text format. */
#include "base/metrics.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name, *labels, *help;
} rows[METRIC_COUNT] = {
#define X(id, name, labels, help) { name, labels, help },
	METRIC_TABLE(X)
#undef X
};

void
metrics_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(
		out, "# HELP tollgate_%s %s\n# TYPE tollgate_%s %s\n", name, help, name, type);
}

void
metrics_write(struct buf *out, struct metrics *const *blocks, size_t n)
{
	for (size_t id = 0; id < METRIC_COUNT; id++) {
		uint64_t sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += atomic_load_explicit(&blocks[i]->v[id], memory_order_relaxed);
		bool first = id == 0 || strcmp(rows[id].name, rows[id - 1].name) != 0;
		if (first && rows[id].help[0])
			metrics_head(out, rows[id].name, "counter", rows[id].help);
		buf_printf(out, "tollgate_%s%s%s%s %" PRIu64, rows[id].name,
			rows[id].labels[0] ? "{" : "", rows[id].labels,
			rows[id].labels[0] ? "}" : "", id == M_STREAM_HELD ? sum / 1000 : sum);
		if (id == M_STREAM_HELD) /* counted in milliseconds */
			buf_printf(out, ".%03u", (unsigned)(sum % 1000));
		buf_putc(out, '\n');
	}
}
