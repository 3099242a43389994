/* Counts of the external recognisers for /metrics and /status: names of the policy
 * and numbers. Read while the workers count. */
#include <inttypes.h>

#include "base/json_put.h"
#include "base/metrics.h"
#include "budget/tally/names.h"
#include "gate/sources/recognise.h"

/* The sum of one recogniser over the workers. */
struct total {
	const char *name;
	uint64_t outcomes[ASK_OUTCOMES], hits, misses, latency_us, opened;
	unsigned open; /* workers */
};

static size_t
totals(const struct recognisers *const *r, size_t n, struct total out[RECOGNISER_STATS])
{
	size_t made = 0;

	for (size_t w = 0; w < n; w++)
		for (size_t i = 0; i < RECOGNISER_STATS; i++) {
			const struct recogniser_stats *s = recognisers_stats(r[w]) + i;
			size_t k = 0;
			if (!atomic_load_explicit(&s->used, memory_order_acquire))
				break;
			while (k < made && strcmp(out[k].name, s->name))
				k++;
			if (k == RECOGNISER_STATS)
				continue;
			if (k == made)
				out[made++] = (struct total){ .name = s->name };
			struct total *t = &out[k];
			for (size_t o = 0; o < ASK_OUTCOMES; o++)
				t->outcomes[o] += tally_value(&s->outcomes[o]);
			t->hits += tally_value(&s->hits);
			t->misses += tally_value(&s->misses);
			t->latency_us += tally_value(&s->latency_us);
			t->opened += tally_value(&s->opened);
			t->open += atomic_load_explicit(&s->open, memory_order_relaxed);
		}
	return made;
}

void
recognisers_metrics(struct buf *out, const struct recognisers *const *r, size_t n)
{
	struct total t[RECOGNISER_STATS];
	size_t made = totals(r, n, t);

	if (made == 0)
		return;
	metrics_head(out, "recogniser_calls_total", "counter",
		"Counts calls of external recognizers, and calls refused before sending, by "
		"outcome.");
	for (size_t k = 0; k < made; k++)
		for (size_t i = 0; i < ASK_OUTCOMES; i++)
			if (i != ASK_MISSING)
				buf_printf(out,
					"tollgate_recogniser_calls_total{recogniser=\"%s\","
					"outcome=\"%s\"} %" PRIu64 "\n",
					t[k].name, ask_outcome_names[i], t[k].outcomes[i]);
	metrics_head(out, "recogniser_texts_total", "counter",
		"Counts segments for external recognizers, by whether the cache had the "
		"result.");
	for (size_t k = 0; k < made; k++)
		buf_printf(out,
			"tollgate_recogniser_texts_total{recogniser=\"%s\",cache=\"hit\"} "
			"%" PRIu64 "\ntollgate_recogniser_texts_total{recogniser=\"%s\",cache="
			"\"miss\"} %" PRIu64 "\n",
			t[k].name, t[k].hits, t[k].name, t[k].misses);
	metrics_head(out, "recogniser_seconds_total", "counter",
		"Total time of calls of external recognizers, in seconds.");
	for (size_t k = 0; k < made; k++)
		buf_printf(out,
			"tollgate_recogniser_seconds_total{recogniser=\"%s\"} %" PRIu64
			".%06" PRIu64 "\n",
			t[k].name, t[k].latency_us / 1000000, t[k].latency_us % 1000000);
	metrics_head(out, "recogniser_opened_total", "counter",
		"Counts how often a circuit breaker of an external recognizer opened.");
	for (size_t k = 0; k < made; k++)
		buf_printf(out,
			"tollgate_recogniser_opened_total{recogniser=\"%s\"} %" PRIu64 "\n",
			t[k].name, t[k].opened);
	metrics_head(out, "recogniser_open", "gauge",
		"Workers whose circuit breaker for the external recognizer is open.");
	for (size_t k = 0; k < made; k++)
		buf_printf(out, "tollgate_recogniser_open{recogniser=\"%s\"} %u\n", t[k].name,
			t[k].open);
}

void
recognisers_status(struct buf *out, const struct recognisers *const *r, size_t n)
{
	struct total t[RECOGNISER_STATS];
	size_t made = totals(r, n, t);

	buf_putc(out, '[');
	for (size_t k = 0; k < made; k++) {
		uint64_t failed = 0;
		for (size_t i = ASK_ANSWERED + 1; i < ASK_OUTCOMES; i++)
			failed += t[k].outcomes[i];
		json_put_open(out, NULL, '{');
		json_put_str(out, "name", t[k].name);
		json_put_uint(out, "answered", t[k].outcomes[ASK_ANSWERED]);
		json_put_uint(out, "failed", failed);
		json_put_uint(out, "open", t[k].open);
		json_put_uint(out, "opened", t[k].opened);
		json_put_uint(out, "cache_hits", t[k].hits);
		json_put_uint(out, "cache_misses", t[k].misses);
		json_put_close(out, '}');
	}
	buf_putc(out, ']');
}
