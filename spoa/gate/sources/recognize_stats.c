/* Counts of the external recognizers for /metrics and /status: names of the policy
 * and numbers. Read while the workers count. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json_put.h"
#include "base/metrics.h"
#include "budget/tally/names.h"
#include "gate/sources/recognize.h"

/* The sum of one recognizer over the workers. */
struct total {
	const char *name;
	uint64_t outcomes[ASK_OUTCOMES], hits, misses, latency_us, opened;
	unsigned open; /* workers */
};

static size_t
totals(const struct recognizers *const *r, size_t n, struct total out[RECOGNIZER_STATS])
{
	size_t made = 0;

	for (size_t w = 0; w < n; w++)
		for (size_t i = 0; i < RECOGNIZER_STATS; i++) {
			const struct recognizer_stats *s = recognizers_stats(r[w]) + i;
			size_t k = 0;
			if (!atomic_load_explicit(&s->used, memory_order_acquire))
				break;
			while (k < made && strcmp(out[k].name, s->name))
				k++;
			if (k == RECOGNIZER_STATS)
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

/* The families' names and help texts. `%s` is the spelling of the word. */
enum family { CALLS, TEXTS, SECONDS, OPENED, OPEN, FAMILIES };

static const struct {
	const char *name, *type, *help;
} families[FAMILIES] = {
	[CALLS] = { "calls_total", "counter",
		"Counts calls of external recognizers, and calls refused before sending, by outcome." },
	[TEXTS] = { "texts_total", "counter",
		"Counts segments for external recognizers, by whether the cache had the result." },
	[SECONDS] = { "seconds_total", "counter",
		"Total time of calls of external recognizers, in seconds." },
	[OPENED] = { "opened_total", "counter",
		"Counts how often a circuit breaker of an external recognizer opened." },
	[OPEN] = { "open", "gauge",
		"Workers whose circuit breaker for the external recognizer is open." },
};

/* Appends a series of `recognizer` without its value: the name and the labels. */
static void
put_recognizer(struct buf *out, const char *spelling, enum family family, const char *recognizer,
	const char *label, const char *value)
{
	buf_printf(out, "tollgate_%s_%s{%s=\"%s\"", spelling, families[family].name, spelling,
		recognizer);
	if (label)
		buf_printf(out, ",%s=\"%s\"", label, value);
	buf_printf(out, "} ");
}

static void
put_total(struct buf *out, const char *spelling, enum family family, const struct total *t)
{
	switch (family) {
	case CALLS:
		for (size_t i = 0; i < ASK_OUTCOMES; i++) {
			if (i == ASK_MISSING)
				continue;
			put_recognizer(out, spelling, family, t->name, "outcome", ask_outcome_names[i]);
			buf_printf(out, "%" PRIu64 "\n", t->outcomes[i]);
		}
		break;
	case TEXTS:
		put_recognizer(out, spelling, family, t->name, "cache", "hit");
		buf_printf(out, "%" PRIu64 "\n", t->hits);
		put_recognizer(out, spelling, family, t->name, "cache", "miss");
		buf_printf(out, "%" PRIu64 "\n", t->misses);
		break;
	case SECONDS:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", t->latency_us / 1000000,
			t->latency_us % 1000000);
		break;
	case OPENED:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%" PRIu64 "\n", t->opened);
		break;
	case OPEN:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%u\n", t->open);
		break;
	case FAMILIES:
		break;
	}
}

void
recognizers_metrics(struct buf *out, const struct recognizers *const *r, size_t n)
{
	/* Version 0.2 had the second spelling. Remove it in 0.4. */
	static const char *const spellings[] = { "recognizer", "recogniser" };
	struct total t[RECOGNIZER_STATS];
	size_t made = totals(r, n, t);

	if (made == 0)
		return;
	for (size_t s = 0; s < sizeof spellings / sizeof *spellings; s++)
		for (enum family f = 0; f < FAMILIES; f++) {
			char name[48];
			snprintf(name, sizeof name, "%s_%s", spellings[s], families[f].name);
			metrics_head(out, name, families[f].type, families[f].help);
			for (size_t k = 0; k < made; k++)
				put_total(out, spellings[s], f, &t[k]);
		}
}

void
recognizers_status(struct buf *out, const struct recognizers *const *r, size_t n)
{
	struct total t[RECOGNIZER_STATS];
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
