/* Converts Prometheus text 0.0.4 to OpenMetrics 1.0. The differences: a counter's family is
 * named without _total, units have a line, quotes in HELP are escaped, bucket bounds are
 * canonical numbers, exemplars may follow samples, and # EOF ends the text. */
#include "operator/telemetry/openmetrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "operator/telemetry/exposition.h"

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
