/* Writes the tables of all workers for /metrics. */
#include "budget/tally/tally.h"

#include <stdio.h>

#include "base/metrics.h"

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
	}
	provider_tally_write(out, p, n, exemplars);
	limit_tally_write(out, l, n);
	call_tally_write(out, c, n);
	return series_write(sum, out, s, n);
}
