/* Converts the families of /metrics line by line. A histogram's point is complete at its _count
 * line. */
#include "operator/telemetry/otlp_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_put.h"
#include "operator/telemetry/exposition.h"

enum { BUCKETS_MOST = 64 };

/* State of the conversion. */
struct metrics_out {
	struct buf *b;
	int64_t start_ns, now_ns;
	size_t points;
	bool open; /* the current metric has been opened */
	struct span help, family, type;
	/* the histogram point that is being collected */
	struct {
		struct span le, count, exemplar;
	} bucket[BUCKETS_MOST];
	size_t nbuckets;
	struct span sum;
};

static double
sample_number(struct span s)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(s));
	return strtod(text, NULL);
}

static uint64_t
sample_count(struct span s)
{
	uint64_t v = 0;

	return span_u64(s, &v) == 0 ? v : 0;
}

/* Appends a label as an attribute, without the escapes of its value. */
static void
put_label(struct metrics_out *m, struct span name, struct span value)
{
	char key[64], text[1024];
	size_t k = 0;

	for (size_t i = 0; i < value.n && k < sizeof(text); i++) {
		char c = value.p[i];
		if (c == '\\' && i + 1 < value.n)
			c = value.p[++i] == 'n' ? '\n' : value.p[i];
		text[k++] = c;
	}
	snprintf(key, sizeof(key), "%.*s", SPAN_ARG(name));
	otlp_text(m->b, key, span_of(text, k));
}

static void
open_point(struct metrics_out *m, struct span labels)
{
	struct span name, value;

	json_put_form(m->b, "{'attributes':[");
	while (exposition_label(&labels, &name, &value))
		if (!span_is(name, "le"))
			put_label(m, name, value);
	json_put_close(m->b, ']');
	if (!span_is(m->type, "gauge"))
		otlp_time(m->b, "startTimeUnixNano", m->start_ns);
	otlp_time(m->b, "timeUnixNano", m->now_ns);
	m->points++;
}

/* Appends an exemplar, which reads {trace_id="…",decision_id="…"} VALUE SECONDS.MILLISECONDS.
 */
static void
put_exemplar(struct metrics_out *m, struct span e)
{
	struct exposition x = { .rest = e };
	struct span name, value, trace = { "", 0 }, id = { "", 0 }, rest = e;

	if (exposition_next(&x) != LINE_SAMPLE)
		return;
	while (exposition_label(&x.labels, &name, &value))
		*(span_is(name, "trace_id") ? &trace : &id) = value;
	while (rest.n && rest.p[rest.n - 1] != ' ')
		rest.n--;
	double at = sample_number(span_cut(e, rest.n, e.n));
	json_put_open(m->b, NULL, '{');
	json_put_printf(m->b, "traceId", "\"%.*s\"", SPAN_ARG(trace));
	json_put_open(m->b, "filteredAttributes", '[');
	otlp_text(m->b, telemetry_names[NAME_ID], id);
	json_put_close(m->b, ']');
	otlp_time(m->b, "timeUnixNano", (int64_t)(at * 1000 + 0.5) * 1000000);
	json_put_printf(m->b, "asDouble", "%.9g", sample_number(x.value));
	json_put_close(m->b, '}');
}

static void
put_histogram(struct metrics_out *m, struct span labels, struct span count)
{
	uint64_t before = 0;

	open_point(m, labels);
	json_put_form(m->b, "'count':%w,'sum':%j,'bucketCounts':[", count, m->sum);
	for (size_t i = 0; i < m->nbuckets; i++) {
		uint64_t n = sample_count(m->bucket[i].count);
		json_put_printf(m->b, NULL, "\"%" PRIu64 "\"", n - before);
		before = n;
	}
	json_put_form(m->b, "],'explicitBounds':[");
	for (size_t i = 0; i + 1 < m->nbuckets; i++)
		json_put_printf(m->b, NULL, "%.9g", sample_number(m->bucket[i].le));
	json_put_form(m->b, "],'exemplars':[");
	for (size_t i = 0; i < m->nbuckets; i++)
		if (m->bucket[i].exemplar.n)
			put_exemplar(m, m->bucket[i].exemplar);
	buf_str(m->b, "]}");
	m->nbuckets = 0;
}

static void
put_sample(struct metrics_out *m, const struct exposition *e)
{
	struct span labels = e->labels, name, value;

	if (!span_is(m->type, "histogram")) {
		bool real = span_chr(e->value, '.') < e->value.n;
		open_point(m, e->labels);
		json_put_form(m->b, real ? "'asDouble':%j}" : "'asInt':%w}", e->value);
	} else if (span_ends(e->name, SPAN_LIT("_bucket")) && m->nbuckets < BUCKETS_MOST) {
		m->bucket[m->nbuckets].count = e->value;
		m->bucket[m->nbuckets].exemplar = e->exemplar;
		while (exposition_label(&labels, &name, &value))
			if (span_is(name, "le"))
				m->bucket[m->nbuckets].le = value;
		m->nbuckets++;
	} else if (span_ends(e->name, SPAN_LIT("_sum"))) {
		m->sum = e->value;
	} else {
		put_histogram(m, e->labels, e->value);
	}
}

static void
end_metric(struct metrics_out *m)
{
	if (m->open)
		buf_str(m->b, "]}}");
	m->open = false;
}

/* Opens a metric at its first point, because OTLP does not allow metrics without points. */
static void
open_metric(struct metrics_out *m)
{
	static const struct {
		const char *unit, *ucum;
	} units[] = { { "seconds", "s" }, { "bytes", "By" }, { "ratio", "1" } };
	struct span unit = exposition_unit(m->family), name = m->family;
	bool counter = span_is(m->type, "counter"), gauge = span_is(m->type, "gauge");
	const char *ucum = "1";

	m->open = true;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_is(unit, units[i].unit))
			ucum = units[i].ucum;
	if (unit.n)
		name.n -= unit.n + 1;
	if (span_starts(name, SPAN_LIT("tollgate_")))
		name = span_cut(name, strlen("tollgate_"), name.n);
	json_put_form(m->b, "{'name':'tollgate.%j','unit':%s,'description':%t", name,
		unit.n || counter ? ucum : "", m->help);
	json_put_open(m->b, counter ? "sum" : gauge ? "gauge" : "histogram", '{');
	if (!gauge)
		json_put_int(m->b, "aggregationTemporality", 2);
	if (counter)
		json_put_bool(m->b, "isMonotonic", true);
	json_put_open(m->b, "dataPoints", '[');
}

size_t
otlp_metrics_write(struct buf *out, const struct otlp_resource *r, struct span text,
	struct gen_ai *g, int64_t start_ns, int64_t now_ns)
{
	struct metrics_out m = { .b = out, .start_ns = start_ns, .now_ns = now_ns };
	struct exposition e = { .rest = text };

	otlp_open(out, r, "resourceMetrics", "scopeMetrics", "metrics");
	for (enum exposition_line l; (l = exposition_next(&e)) != LINE_END;) {
		if (l == LINE_HELP) {
			end_metric(&m);
			m.help = e.text;
		} else if (l == LINE_TYPE) {
			m.family = exposition_family(e.name, e.text);
			m.type = e.text;
			m.nbuckets = 0;
		} else {
			if (!m.open)
				open_metric(&m);
			put_sample(&m, &e);
		}
	}
	end_metric(&m);
	gen_ai_write(g, out, start_ns, now_ns, &m.points);
	otlp_close(out);
	return m.points;
}
