/* Counts the GenAI metrics with the bucket bounds that the conventions recommend.
 *
 * A series is created at its first completion and stays. Beyond CAP_TELEMETRY_SERIES, all are
 * counted in one series with the model "other". The time between chunks is known only as the
 * mean of a stream, so the mean counts as many times as there were chunks. */
#include "operator/telemetry/gen_ai.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "operator/telemetry/otlp_json.h"

enum { BOUNDS_MOST = 16, ERROR_BYTES = 24 };

enum measure { DURATION, FIRST_CHUNK, PER_CHUNK, INPUT, OUTPUT, MEASURES };

struct bounds {
	enum telemetry_name name;
	const char *unit, *help, *type; /* value of gen_ai.token.type; NULL: none */
	size_t n;
	double most[BOUNDS_MOST];
};

#define TOKEN_BOUNDS                                                                           \
	14,                                                                                    \
	{                                                                                      \
		1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,         \
			16777216, 67108864                                                     \
	}
/* clang-format off */
static const struct bounds bounds[MEASURES] = {
	[DURATION] = { NAME_GEN_AI_DURATION, "s", "GenAI operation duration", NULL,
		14, { .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92 } },
	[FIRST_CHUNK] = { NAME_GEN_AI_TTFC, "s", "time from the request of a stream to its first text", NULL,
		16, { .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10 } },
	[PER_CHUNK] = { NAME_GEN_AI_TPOC, "s", "mean time between two chunks of a stream", NULL,
		13, { .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5 } },
	[INPUT] = { NAME_GEN_AI_USAGE, "{token}", "tokens that providers reported", "input", TOKEN_BOUNDS },
	[OUTPUT] = { NAME_GEN_AI_USAGE, "{token}", "tokens that providers reported", "output", TOKEN_BOUNDS },
};
/* clang-format on */

/* Counts of one combination of provider, operation, model and error. */
struct series {
	struct key {
		const char *provider, *operation;
		/* error: "" if the completion succeeded */
		char model[NOTE_MODEL], error[ERROR_BYTES];
	} key;
	struct {
		uint64_t bucket[BOUNDS_MOST + 1], count;
		double sum;
	} of[MEASURES];
};

struct gen_ai {
	pthread_mutex_t lock;
	size_t n;
	/* the last one counts everything beyond the cap */
	struct series series[CAP_TELEMETRY_SERIES + 1];
};

struct gen_ai *
gen_ai_new(void)
{
	struct gen_ai *g = calloc(1, sizeof(*g));

	if (g)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void
gen_ai_free(struct gen_ai **gp)
{
	if (*gp)
		pthread_mutex_destroy(&(*gp)->lock);
	free(*gp);
	*gp = NULL;
}

static void
count_measure(struct series *s, enum measure m, double v, uint64_t times)
{
	size_t i = 0;

	while (i < bounds[m].n && v > bounds[m].most[i])
		i++;
	s->of[m].bucket[i] += times;
	s->of[m].count += times;
	s->of[m].sum += v * (double)times;
}

static struct series *
find_gen_ai_series(struct gen_ai *g, const struct key *key)
{
	static const struct key beyond = {
		.provider = "other", .operation = "other", .model = "other"
	};
	struct series *s = g->series;

	for (; s < g->series + g->n; s++)
		if (s->key.provider == key->provider && s->key.operation == key->operation &&
			!strcmp(s->key.model, key->model) && !strcmp(s->key.error, key->error))
			return s;
	if (g->n < CAP_TELEMETRY_SERIES) {
		g->n++;
	} else {
		s = &g->series[CAP_TELEMETRY_SERIES];
		key = &beyond;
		if (s->key.provider)
			return s;
	}
	s->key = *key;
	return s;
}

void
gen_ai_add(struct gen_ai *g, const struct audit_note *n)
{
	uint64_t sent = n->sent_us;
	struct key key;

	if (!n->completion || !sent || n->ended_us < sent)
		return;
	key.provider = names_provider(n->format);
	key.operation = names_operation(n->format, n->endpoint);
	if (!key.operation)
		return;
	key.error[0] = '\0';
	memcpy(key.model, n->model, sizeof(key.model));
	if (n->status >= 400)
		snprintf(key.error, sizeof(key.error), "%d", n->status);
	else if (strcmp(n->outcome, "complete") != 0)
		snprintf(key.error, sizeof(key.error), "%s", n->outcome);
	SCOPED_LOCK(&g->lock);
	struct series *s = find_gen_ai_series(g, &key);
	count_measure(s, DURATION, (double)(n->ended_us - sent) / 1e6, 1);
	if (n->first_us > sent) {
		count_measure(s, FIRST_CHUNK, (double)(n->first_us - sent) / 1e6, 1);
		if (n->events > 1 && n->ended_us > n->first_us)
			count_measure(s, PER_CHUNK,
				(double)(n->ended_us - n->first_us) / 1e6 /
					(double)(n->events - 1),
				n->events - 1);
	}
	if (n->used) {
		count_measure(s, INPUT, (double)n->input_tokens, 1);
		count_measure(s, OUTPUT, (double)n->output_tokens, 1);
	}
}

static void
put_point(struct buf *out, const struct series *s, enum measure m, int64_t start_ns,
	int64_t now_ns)
{
	json_put_form(out, "{'attributes':[");
	otlp_text(out, telemetry_names[NAME_GEN_AI_OPERATION], span_str(s->key.operation));
	otlp_text(out, telemetry_names[NAME_GEN_AI_PROVIDER], span_str(s->key.provider));
	otlp_text(out, telemetry_names[NAME_GEN_AI_MODEL], span_str(s->key.model));
	otlp_text(out, telemetry_names[NAME_GEN_AI_TOKEN_TYPE], span_str(bounds[m].type));
	otlp_text(out, telemetry_names[NAME_ERROR_TYPE],
		m == DURATION ? span_str(s->key.error) : SPAN_LIT(""));
	json_put_close(out, ']');
	otlp_time(out, "startTimeUnixNano", start_ns);
	otlp_time(out, "timeUnixNano", now_ns);
	json_put_printf(out, "count", "\"%" PRIu64 "\"", s->of[m].count);
	json_put_printf(out, "sum", "%.9g", s->of[m].sum);
	json_put_open(out, "bucketCounts", '[');
	for (size_t i = 0; i <= bounds[m].n; i++)
		json_put_printf(out, NULL, "\"%" PRIu64 "\"", s->of[m].bucket[i]);
	json_put_form(out, "],'explicitBounds':[");
	for (size_t i = 0; i < bounds[m].n; i++)
		json_put_printf(out, NULL, "%.9g", bounds[m].most[i]);
	buf_str(out, "]}");
}

/* Returns true if the series differ only in the error. Only the duration has the attribute
 * error.type, so for the other measures these series are one point. */
static bool
same_but_error(const struct series *a, const struct series *b)
{
	return a->key.provider == b->key.provider && a->key.operation == b->key.operation &&
	       !strcmp(a->key.model, b->key.model);
}

/* Sums up the series that form one point with series i. Returns false if an earlier one of them
 * was written already. */
static bool
sum_of_point(const struct series *all, size_t n, size_t i, enum measure m, struct series *out)
{
	*out = all[i];
	for (size_t k = 0; m != DURATION && k < n; k++) {
		if (k == i || !same_but_error(&all[k], out))
			continue;
		if (k < i && all[k].of[m].count)
			return false;
		for (size_t b = 0; b <= BOUNDS_MOST; b++)
			out->of[m].bucket[b] += all[k].of[m].bucket[b];
		out->of[m].count += all[k].of[m].count;
		out->of[m].sum += all[k].of[m].sum;
	}
	return true;
}

/* Copies the series under the lock, so that counting does not wait for the output. */
static struct series *
copy_series(struct gen_ai *g, size_t *n)
{
	struct series *all = calloc(COUNT_OF(g->series), sizeof(*all));

	SCOPED_LOCK(&g->lock);
	*n = g->n + (g->series[CAP_TELEMETRY_SERIES].key.provider != NULL);
	if (all)
		memcpy(all, g->series, *n * sizeof(*all));
	return all;
}

void
gen_ai_write(
	struct gen_ai *g, struct buf *out, int64_t start_ns, int64_t now_ns, size_t *points)
{
	enum telemetry_name open = NAMES_COUNT;
	struct series s;
	size_t n;
	struct series *all = copy_series(g, &n);

	for (size_t at = 0; all && at < MEASURES * n; at++) {
		enum measure m = (enum measure)(at / n);
		if (!all[at % n].of[m].count || !sum_of_point(all, n, at % n, m, &s))
			continue;
		if (open != bounds[m].name && open != NAMES_COUNT)
			json_put_form(out, "]}}");
		if (open != bounds[m].name)
			json_put_form(out,
				"{'name':%s,'unit':%s,'description':%s,"
				"'histogram':{'aggregationTemporality':2,'dataPoints':[",
				telemetry_names[bounds[m].name], bounds[m].unit,
				bounds[m].help);
		open = bounds[m].name;
		put_point(out, &s, m, start_ns, now_ns);
		(*points)++;
	}
	if (open != NAMES_COUNT)
		buf_str(out, "]}}");
	free(all);
}
