/* Converts our own /metrics (Prometheus text 0.0.4) to OpenMetrics 1.0 and to the metrics of OTLP.
 *
 * The first section splits the text into lines and labels. A label's value may contain any byte
 * except an unescaped quote or newline.
 *
 * OpenMetrics differs from Prometheus text: a counter's family is named without _total, units have
 * a line, quotes in HELP are escaped, bucket bounds are canonical numbers, exemplars may follow
 * samples, and # EOF ends the text.
 *
 * For OTLP, the families are converted line by line. A histogram's point is complete at its _count
 * line. */
#include "operator/telemetry/openmetrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/json_put.h"
#include "base/span.h"
#include "operator/telemetry/otlp_metrics.h"

enum exposition_line { LINE_SAMPLE, LINE_TYPE, LINE_HELP, LINE_END };

/* The position in the text, and the current line. All spans are views of the text. A metric's
 * HELP and TYPE precede its samples, in this order. */
struct exposition {
	struct span rest; /* the text that is left; set it to the whole text at the start */
	struct span name; /* name in the line, with tollgate_ */
	struct span text; /* rest of a TYPE or HELP line after the name */
	/* set for a sample: */
	struct span labels; /* the text between { and }; empty: none */
	struct span value;
	struct span exemplar; /* the exemplar from its "{" on; empty: none */
};

/* ---- lines and labels ---- */

/* Returns the position of the first } that is not inside a quoted value. */
static size_t
labels_end(struct span s)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < s.n && (quoted || s.p[i] != '}'); i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
	}
	return i < s.n ? i : s.n;
}

static enum exposition_line
read_sample(struct exposition *e, struct span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != '{' && line.p[n] != ' ')
		n++;
	e->name = span_cut(line, 0, n);
	e->labels = span_cut(line, 0, 0);
	line = span_cut(line, n, line.n);
	if (line.n && line.p[0] == '{') {
		size_t end = labels_end(line);
		e->labels = span_cut(line, 1, end);
		line = span_cut(line, end < line.n ? end + 1 : end, line.n);
	}
	line = span_trim(line, " ");
	e->value = span_next(&line, ' ');
	e->exemplar = span_starts(line, SPAN_LIT("# {")) ? span_cut(line, 2, line.n)
							 : span_cut(line, 0, 0);
	return LINE_SAMPLE;
}

/* Reads the next line and returns its kind; LINE_END after the last. */
static enum exposition_line
exposition_next(struct exposition *e)
{
	while (e->rest.n) {
		struct span line = span_next(&e->rest, '\n');
		bool help = span_starts(line, SPAN_LIT("# HELP "));
		if (!line.n)
			continue;
		if (line.p[0] != '#')
			return read_sample(e, line);
		if (!help && !span_starts(line, SPAN_LIT("# TYPE ")))
			continue;
		e->text = span_cut(line, 7, line.n);
		e->name = span_next(&e->text, ' ');
		return help ? LINE_HELP : LINE_TYPE;
	}
	return LINE_END;
}

/* Takes the first name="value" off the labels. The value keeps its escapes. Returns false if
 * none is left. */
static bool
exposition_label(struct span *labels, struct span *name, struct span *value)
{
	size_t i;

	if (labels->n && labels->p[0] == ',')
		*labels = span_cut(*labels, 1, labels->n);
	for (i = 0; i < labels->n && labels->p[i] != '='; i++)
		;
	if (i + 2 > labels->n || labels->p[i + 1] != '"')
		return false;
	*name = span_cut(*labels, 0, i);
	size_t at = i + 2, end = at;
	while (end < labels->n && labels->p[end] != '"')
		end += labels->p[end] == '\\' ? 2 : 1;
	if (end >= labels->n)
		return false;
	*value = span_cut(*labels, at, end);
	*labels = span_cut(*labels, end + 1, labels->n);
	return true;
}

/* Returns the name of a metric's family: that of a counter lacks _total. */
static struct span
exposition_family(struct span name, struct span type)
{
	bool total = span_is(type, "counter") && span_ends(name, SPAN_LIT("_total"));

	return span_cut(name, 0, name.n - (total ? strlen("_total") : 0));
}

/* Returns the unit, which is the family's last word: seconds, bytes or ratio. Empty: the family
 * has no unit. */
static struct span
exposition_unit(struct span family)
{
	static const char *const units[] = { "_seconds", "_bytes", "_ratio" };

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_ends(family, span_str(units[i])))
			return span_cut(family, family.n - strlen(units[i]) + 1, family.n);
	return span_cut(family, 0, 0);
}

/* ---- OpenMetrics ---- */

/* ---- the Accept field ---- */

enum { NAMED_NOT = -1, Q_MOST = 1000 };

/* Parses qvalue = "0" [ "." *3DIGIT ] / "1" [ "." *3"0" ] as thousandths; anything else is 0.
 */
static int
read_q(struct span s)
{
	int q = 0, unit = Q_MOST;

	for (size_t i = 0; i < s.n && i < 5; i++) {
		if (i == 1 && s.p[i] == '.')
			continue;
		if (!is_digit(s.p[i]) || (i == 0 && s.p[i] > '1'))
			return 0;
		q += (s.p[i] - '0') * unit;
		unit /= 10;
	}
	return q < Q_MOST ? q : Q_MOST;
}

/* Returns the quality of a media range, in thousandths, if it is `type` without a version or
 * with this one; otherwise NAMED_NOT. */
static int
media_quality(struct span range, const char *type, const char *version)
{
	struct span name = span_trim(span_next(&range, ';'), " \t");
	int q = Q_MOST;

	if (!span_ieq(name, span_str(type)))
		return NAMED_NOT;
	while (range.n) {
		struct span value = span_trim(span_next(&range, ';'), " \t");
		struct span key = span_trim(span_next(&value, '='), " \t");
		value = span_trim(value, " \t\"");
		if (span_ieq(key, SPAN_LIT("q")))
			q = read_q(value);
		else if (span_ieq(key, SPAN_LIT("version")) && !span_is(value, version))
			return NAMED_NOT;
	}
	return q;
}

bool
openmetrics_wanted(const char *accept)
{
	static const struct {
		const char *type, *version;
	} text[] = { { "text/plain", "0.0.4" }, { "text/*", "" }, { "*/*", "" } };
	struct span all = span_str(accept);
	int ours = 0, theirs = 0;

	while (all.n) {
		struct span range = span_next(&all, ',');
		int q = media_quality(range, "application/openmetrics-text", "1.0.0");
		ours = q > ours ? q : ours;
		for (size_t i = 0; i < COUNT_OF(text); i++) {
			q = media_quality(range, text[i].type, text[i].version);
			theirs = q > theirs ? q : theirs;
		}
	}
	return ours > 0 && ours >= theirs;
}

/* ---- the output ---- */

/* Writes a bucket bound in the canonical form: as few digits as identify it, and always a
 * float. */
static void
put_bound(struct buf *out, struct span s)
{
	char text[32];
	int digits = 1;

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(s));
	if (!is_digit(text[0])) {
		buf_span(out, s); /* +Inf */
		return;
	}
	double v = strtod(text, NULL);
	for (; digits < 17; digits++) {
		snprintf(text, sizeof(text), v > 0 && v < 1e-4 ? "%.*g" : "%.*f", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_str(out, text);
}

static void
put_sample(struct buf *out, const struct exposition *e, bool buckets)
{
	struct span labels = e->labels, name, value;
	size_t n = 0;

	buf_span(out, e->name);
	while (exposition_label(&labels, &name, &value)) {
		buf_putc(out, n++ ? ',' : '{');
		buf_span(out, name);
		buf_str(out, "=\"");
		if (buckets && span_is(name, "le"))
			put_bound(out, value);
		else
			buf_span(out, value);
		buf_putc(out, '"');
	}
	buf_str(out, n ? "} " : " ");
	buf_span(out, e->value);
	if (e->exemplar.n) {
		buf_str(out, " # ");
		buf_span(out, e->exemplar);
	}
	buf_putc(out, '\n');
}

void
openmetrics_write(struct buf *out, struct span text)
{
	struct exposition e = { .rest = text };
	struct span help = { "", 0 };
	bool buckets = false;

	for (enum exposition_line l; (l = exposition_next(&e)) != LINE_END;) {
		if (l == LINE_SAMPLE) {
			put_sample(out, &e, buckets);
			continue;
		}
		if (l == LINE_HELP) {
			help = e.text;
			continue;
		}
		struct span family = exposition_family(e.name, e.text),
			    unit = exposition_unit(family);
		buckets = span_is(e.text, "histogram");
		buf_printf(out, "# TYPE %.*s %.*s\n", SPAN_ARG(family), SPAN_ARG(e.text));
		if (unit.n)
			buf_printf(out, "# UNIT %.*s %.*s\n", SPAN_ARG(family), SPAN_ARG(unit));
		buf_printf(out, "# HELP %.*s ", SPAN_ARG(family));
		for (size_t i = 0; i < help.n; i++) {
			if (help.p[i] == '"')
				buf_putc(out, '\\');
			buf_putc(out, help.p[i]);
		}
		buf_putc(out, '\n');
	}
	buf_str(out, "# EOF\n");
}

/* ---- metrics of OTLP ---- */

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
put_otlp_sample(struct metrics_out *m, const struct exposition *e)
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
			put_otlp_sample(&m, &e);
		}
	}
	end_metric(&m);
	gen_ai_write(g, out, start_ns, now_ns, &m.points);
	otlp_close(out);
	return m.points;
}
