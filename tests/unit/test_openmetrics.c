/* OpenMetrics: which requests get it, and that a strict reader accepts
 * the whole output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "budget/tally/tally.h"
#include "operator/telemetry/openmetrics.h"

/* A strict reader of OpenMetrics 1.0. It reports the first violation of the specification and
 * its place. */

enum { OM_SERIES = 20000, OM_LABELS = 16 };

struct om_label {
	char name[64], value[512];
};

struct om_check {
	char why[512]; /* "": no violation */
	int line;
	char family[256], type[32];
	char *families[2000], *series[OM_SERIES];
	int nfamilies, nseries, samples, exemplars;
	/* state of the current histogram */
	char group[1024];
	double le, count, below; /* previous bound */
	bool over;		 /* +Inf was read */
	int stage;		 /* 0 TYPE, 1 UNIT, 2 HELP, 3 samples */
};

__attribute__((format(printf, 2, 3))) static bool
om_wrong(struct om_check *c, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(c->why, sizeof(c->why), "line %d: ", c->line);

	va_start(ap, fmt);
	vsnprintf(c->why + n, sizeof(c->why) - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

static bool
om_once(char **list, int *n, int most, const char *s)
{
	for (int i = 0; i < *n; i++)
		if (!strcmp(list[i], s))
			return false;
	if (*n < most)
		list[(*n)++] = strdup(s);
	return true;
}

/* Reads {name="value",…} and moves *p after it. */
static int
om_labels(struct om_check *c, const char **p, struct om_label *out)
{
	const char *s = *p;
	int n = 0;

	if (*s++ != '{')
		return 0;
	while (*s != '}') {
		struct om_label *l = &out[n];
		size_t k = 0;
		if (n && *s++ != ',')
			return om_wrong(c, "no comma between labels"), -1;
		while ((isalnum((unsigned char)*s) || *s == '_') && k < sizeof(l->name) - 1)
			l->name[k++] = *s++;
		l->name[k] = '\0';
		if (!k || isdigit((unsigned char)l->name[0]) || s[0] != '=' || s[1] != '"')
			return om_wrong(c, "a label's name"), -1;
		for (s += 2, k = 0; *s != '"'; s++) {
			if (!*s || *s == '\n' || k >= sizeof(l->value) - 2)
				return om_wrong(c, "a label's value has no end"), -1;
			if (*s == '\\') {
				if (!strchr("n\"\\", s[1]))
					return om_wrong(c, "an escape \\%c", s[1]), -1;
				l->value[k++] = *s++;
			}
			l->value[k++] = *s;
		}
		l->value[k] = '\0';
		s++;
		for (int i = 0; i < n; i++)
			if (!strcmp(out[i].name, l->name))
				return om_wrong(c, "label %s twice", l->name), -1;
		if (++n == OM_LABELS)
			return om_wrong(c, "too many labels"), -1;
	}
	*p = s + 1;
	return n;
}

static bool
om_number(const char **p, double *out)
{
	char *end;

	if (!strncmp(*p, "+Inf", 4)) {
		*out = 1e308;
		*p += 4;
		return true;
	}
	if (!isdigit((unsigned char)**p) && **p != '-')
		return false;
	*out = strtod(*p, &end);
	bool any = end > *p;
	*p = end;
	return any;
}

/* Writes a float as Go does, with .0 if it looks like a whole number. */
static void
om_canonical(double v, char out[64])
{
	int digits = 1;

	do
		snprintf(out, 64, "%.*g", digits, v);
	while (strtod(out, NULL) != v && digits++ < 17);
	if (v >= 1e-4 && v < 1e6) {
		for (digits = 1; digits < 17; digits++) {
			snprintf(out, 64, "%.*f", digits, v);
			if (strtod(out, NULL) == v)
				break;
		}
	}
}

static bool
om_exemplar(struct om_check *c, const char *p, double from, double to)
{
	struct om_label l[OM_LABELS];
	size_t chars = 0;
	double value, at;
	int n = om_labels(c, &p, l);

	if (n <= 0)
		return c->why[0] ? false : om_wrong(c, "an exemplar without labels");
	for (int i = 0; i < n; i++)
		chars += strlen(l[i].name) + strlen(l[i].value);
	if (chars > 128)
		return om_wrong(c, "an exemplar of %zu characters", chars);
	if (*p++ != ' ' || !om_number(&p, &value))
		return om_wrong(c, "an exemplar's value");
	if (value > to || (value <= from && from > 0))
		return om_wrong(
			c, "an exemplar of %g in a bucket from %g to %g", value, from, to);
	if (*p == ' ' && (p++, !om_number(&p, &at)))
		return om_wrong(c, "an exemplar's time");
	c->exemplars++;
	return *p == '\0' ? true : om_wrong(c, "more after an exemplar: %s", p);
}

static bool
om_bucket(struct om_check *c, const struct om_label *l, int n, double count, const char *group)
{
	const char *le = NULL;
	char want[64];

	for (int i = 0; i < n; i++)
		if (!strcmp(l[i].name, "le"))
			le = l[i].value;
	if (!le)
		return om_wrong(c, "a bucket without le");
	if (strcmp(c->group, group)) {
		snprintf(c->group, sizeof(c->group), "%s", group);
		c->le = -1e308;
		c->count = 0;
		c->over = false;
	}
	double v = strcmp(le, "+Inf") ? strtod(le, NULL) : 1e308;
	om_canonical(v, want);
	if (strcmp(le, "+Inf") && strcmp(le, want))
		return om_wrong(c, "le=\"%s\" and not \"%s\"", le, want);
	if (v <= c->le || count < c->count)
		return om_wrong(c, "buckets do not grow");
	c->below = c->le;
	c->le = v;
	c->count = count;
	c->over = v == 1e308;
	return true;
}

static bool
om_sample(struct om_check *c, const char *line)
{
	struct om_label l[OM_LABELS];
	char name[256], suffix[32], series[4096], group[1024] = "";
	const char *p = line;
	double value;
	size_t k = 0, f = strlen(c->family);

	while ((isalnum((unsigned char)*p) || *p == '_' || *p == ':') && k < sizeof(name) - 1)
		name[k++] = *p++;
	name[k] = '\0';
	if (!f || strncmp(name, c->family, f))
		return om_wrong(c, "%s is not of the family %s", name, c->family);
	snprintf(suffix, sizeof(suffix), "%.31s", name + f);
	bool counter = !strcmp(c->type, "counter"), histogram = !strcmp(c->type, "histogram"),
	     bucket = histogram && !strcmp(suffix, "_bucket");
	if (counter	    ? strcmp(suffix, "_total") != 0
		: histogram ? !bucket && strcmp(suffix, "_sum") && strcmp(suffix, "_count")
			    : suffix[0] != '\0')
		return om_wrong(c, "%s is no sample of a %s", name, c->type);
	int n = om_labels(c, &p, l);
	if (n < 0)
		return false;
	snprintf(series, sizeof(series), "%.*s", (int)(p - line), line);
	if (!om_once(c->series, &c->nseries, OM_SERIES, series))
		return om_wrong(c, "%s twice", series);
	for (int i = 0; i < n; i++)
		if (strcmp(l[i].name, "le") && strlen(group) + strlen(l[i].value) < 1000)
			strcat(strcat(group, l[i].value), "|");
	strncat(group, c->family, sizeof(group) - strlen(group) - 1);
	if (*p++ != ' ' || !om_number(&p, &value))
		return om_wrong(c, "a value: %s", p);
	if ((counter || histogram) && value < 0)
		return om_wrong(c, "a negative count");
	if (bucket && !om_bucket(c, l, n, value, group))
		return false;
	if (histogram && !strcmp(suffix, "_count") &&
		(strcmp(group, c->group) || !c->over || value != c->count))
		return om_wrong(c, "_count is not the bucket +Inf");
	c->samples++;
	if (!strncmp(p, " # ", 3))
		return bucket || counter ? om_exemplar(c, p + 3, bucket ? c->below : -1e308,
						   bucket ? c->le : 1e308)
					 : om_wrong(c, "an exemplar at a %s", c->type);
	return *p == '\0' ? true : om_wrong(c, "more after the value: %s", p);
}

static bool
om_meta(struct om_check *c, char *line)
{
	static const char *const words[] = { "# TYPE ", "# UNIT ", "# HELP " };
	char *name = line + 7, *text = strchr(name, ' ');
	int word = 0;

	while (word < 3 && strncmp(line, words[word], 7))
		word++;
	if (word == 3 || !text)
		return om_wrong(c, "what is this: %s", line);
	*text++ = '\0';
	if (word == 0) {
		if (!om_once(c->families, &c->nfamilies, 2000, name))
			return om_wrong(c, "family %s twice", name);
		snprintf(c->family, sizeof(c->family), "%s", name);
		snprintf(c->type, sizeof(c->type), "%s", text);
		c->stage = 0;
		if (strcmp(text, "counter") && strcmp(text, "gauge") &&
			strcmp(text, "histogram"))
			return om_wrong(c, "type %s", text);
		return true;
	}
	if (strcmp(name, c->family) || c->stage >= word)
		return om_wrong(c, "%s of %s within %s", words[word], name, c->family);
	c->stage = word;
	size_t f = strlen(name), u = strlen(text);
	if (word == 1 && (f <= u + 1 || name[f - u - 1] != '_' || strcmp(name + f - u, text)))
		return om_wrong(c, "%s does not end with its unit %s", name, text);
	for (const char *p = text; word == 2 && *p; p++) {
		if (*p == '"')
			return om_wrong(c, "a bare quote in help");
		if (*p == '\\' && !strchr("n\"\\", *++p))
			return om_wrong(c, "an escape in help");
	}
	return true;
}

/* Returns true if there is no violation. `text` is changed. */
static bool
om_check(struct om_check *c, char *text)
{
	bool eof = false, ok = true;

	memset(c, 0, sizeof(*c));
	for (char *line = text, *end; ok && *line; line = end + 1) {
		c->line++;
		end = strchr(line, '\n');
		if (!end) {
			ok = om_wrong(c, "no newline at the end");
			break;
		}
		*end = '\0';
		if (eof)
			ok = om_wrong(c, "more after # EOF");
		else if (!strcmp(line, "# EOF"))
			eof = true;
		else if (line[0] == '#')
			ok = om_meta(c, line);
		else
			ok = om_sample(c, line);
	}
	if (ok && !eof)
		ok = om_wrong(c, "no # EOF");
	for (int i = 0; i < c->nfamilies; i++)
		free(c->families[i]);
	for (int i = 0; i < c->nseries; i++)
		free(c->series[i]);
	return ok;
}

static struct tallies *w[2];
static struct series_sum *sum;
static struct om_check checked;

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define ID    "01J9ZQ4T5N8E2B7C6D5F4G3H2A"

static void
openmetrics_is_sent_if_accepted(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *name, *accept; bool want; } rows[] = {
		{ "nothing said", NULL, false },
		{ "empty", "", false },
		{ "anything", "*/*", false },
		{ "the text format", "text/plain;version=0.0.4", false },
		{ "OpenMetrics", "application/openmetrics-text", true },
		{ "in another case", "Application/OpenMetrics-Text; Version=1.0.0", true },
		{ "with a charset", "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "quoted", "application/openmetrics-text;version=\"1.0.0\"", true },
		{ "an older version", "application/openmetrics-text;version=0.0.1", false },
		{ "a later one", "application/openmetrics-text;version=2.0.0", false },
		{ "Prometheus 2.42", "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true },
		{ "Prometheus 3", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true },
		{ "text is liked more", "application/openmetrics-text;q=0.3,text/plain;q=0.5", false },
		{ "anything is liked more", "application/openmetrics-text;q=0.3,*/*", false },
		{ "as much as text", "text/plain,application/openmetrics-text", true },
		{ "refused", "application/openmetrics-text;q=0", false },
		{ "refused in full", "application/openmetrics-text;q=0.000,text/plain;q=0", false },
		{ "a quality that is none", "application/openmetrics-text;q=high", false },
		{ "a quality over 1", "application/openmetrics-text;q=9", false },
		{ "commas alone", ",,;,;q=,", false },
		{ "another type that begins so", "application/openmetrics-text2", false },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (openmetrics_wanted(rows[i].accept) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* Writes all tables of two workers, as text or as OpenMetrics. */
static char *
write_all(bool open)
{
	static struct metrics m;
	struct metrics *const blocks[] = { &m };
	const struct tallies *const all[] = { w[0], w[1] };
	struct buf text, out;

	buf_init(&text, 0);
	buf_init(&out, 0);
	tally_write(sum, &text, all, 2, open);
	metrics_write(&text, blocks, 1);
	metrics_head(&text, "held_bytes", "gauge", "bytes of \"bodies\" held");
	buf_str(&text, "tollgate_held_bytes 12\n");
	metrics_head(&text, "odd", "gauge", "labels that are hard to read");
	buf_str(&text, "tollgate_odd{a=\"} # {x\\\"=\\\\\",b=\"x y,z=\"} 1.500\n");
	if (open)
		openmetrics_write(&out, buf_view(&text));
	else
		buf_span(&out, buf_view(&text));
	buf_putc(&out, '\0');
	char *s = strdup(out.p + out.start);
	buf_free(&text);
	buf_free(&out);
	return s;
}

static void
fill(void)
{
	const struct span label[SERIES_LABELS] = { SPAN_LIT("a \"route\"\\"), SPAN_LIT("openai"),
		SPAN_LIT("other") };

	for (int i = 0; i < 2; i++) {
		w[i] = calloc(1, sizeof(*w[i]));
		for (uint64_t us = 1; us < 10000000; us *= 3) {
			histogram_add(&w[i]->stage[STAGE_TOTAL], us);
			histogram_add(&w[i]->stage[STAGE_READ], us);
		}
		series_count(&w[i]->series, label, &(struct series_part){ SERIES_PERMIT, 3 }, 1);
		struct provider_entry *e = provider_entry(&w[i]->providers, SPAN_LIT("openai"));
		provider_heard(e, true, 1234567);
		provider_answered(e, 200, 1);
		call_tally_add(&w[i]->calls, SPAN_LIT("crm"), SPAN_LIT("find"), CALL_DENY);
	}
	sum = series_sum_new();
}

static void
drop(void)
{
	series_sum_free(&sum);
	free(w[0]);
	free(w[1]);
}

static void
output_passes_the_strict_reader(void **state)
{
	(void)state;
	fill();
	char *s = write_all(true);
	assert_non_null(strstr(s, "# TYPE tollgate_decisions counter\n"));
	assert_non_null(strstr(s, "\ntollgate_decisions_total{decision=\"permit\"} 0\n"));
	assert_non_null(strstr(s, "# UNIT tollgate_stage_seconds seconds\n"));
	assert_non_null(strstr(s, "# UNIT tollgate_scanned_bytes bytes\n"));
	assert_non_null(strstr(s, "stage=\"total\",le=\"2.5e-05\"} "));
	assert_non_null(strstr(s, "le=\"1000.0\"} "));
	assert_non_null(strstr(s, "bytes of \\\"bodies\\\" held\n"));
	assert_non_null(strstr(s, "tollgate_odd{a=\"} # {x\\\"=\\\\\",b=\"x y,z=\"} 1.500\n"));
	assert_null(strstr(s, "trace_id"));
	if (!om_check(&checked, s))
		fail_msg("%s", checked.why);
	assert_true(checked.samples > 200);
	free(s);
	drop();
}

static void
exemplars_are_written_only_in_openmetrics(void **state)
{
	(void)state;
	fill();
	char *before = write_all(false);
	exemplar_put(&w[0]->total, 20, TRACE, "01OLDER0000000000000000000", 1790000000000);
	exemplar_put(&w[1]->total, 21, TRACE, ID, 1790000000123);
	exemplar_put(&w[0]->total, 99000000, TRACE, ID, 1790000000123);
	struct provider_entry *e = provider_entry(&w[0]->providers, SPAN_LIT("openai"));
	exemplar_put(&e->first_byte_of[1], 1234, TRACE, ID, 1790000000123);
	char *after = write_all(false), *s = write_all(true);
	assert_string_equal(before, after); /* the text format has no exemplars */
	assert_non_null(strstr(s,
		"le=\"2.5e-05\"} 6 # {trace_id=\"" TRACE "\",decision_id=\"" ID
		"\"} 0.000021 1790000000.123\n"));
	assert_non_null(strstr(s, "le=\"+Inf\"} 30 # {trace_id="));
	assert_non_null(strstr(s, "} 1.234000 1790000000.123\n"));
	assert_null(strstr(s, "OLDER"));
	if (!om_check(&checked, s))
		fail_msg("%s", checked.why);
	assert_int_equal(checked.exemplars, 3);
	/* an exemplar that is being written is skipped */
	w[1]->total.bucket[1].turn++;
	free(s);
	s = write_all(true);
	assert_non_null(strstr(s, "OLDER"));
	free(s);
	free(before);
	free(after);
	drop();
}

/* The checker must detect errors. */
static void
checker_detects_errors(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *text, *why; } rows[] = {
		{ "# TYPE a counter\na_total 1\n# EOF\n", "" },
		{ "# TYPE a counter\na_total 1\n", "no # EOF" },
		{ "# TYPE a counter\na_total 1\n# EOF\n\n", "more after" },
		{ "# TYPE a counter\na 1\n# EOF\n", "no sample" },
		{ "a 1\n# EOF\n", "not of the family" },
		{ "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"1\"} 2\n# EOF\n", "twice" },
		{ "# TYPE a gauge\n# UNIT a bytes\n# EOF\n", "its unit" },
		{ "# TYPE a gauge\n# HELP a say \"x\"\n# EOF\n", "bare quote" },
		{ "# TYPE a gauge\na 1 # {t=\"1\"} 1\n# EOF\n", "exemplar at a gauge" },
		{ "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n", "\"1.0\"" },
		{ "# TYPE a histogram\na_bucket{le=\"1.0\"} 1 # {t=\"1\"} 2\n# EOF\n", "in a bucket" },
		{ "# TYPE a histogram\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n", "grow" },
		{ "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\n# EOF\n", "+Inf" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *s = strdup(rows[i].text);
		bool ok = om_check(&checked, s);
		if (ok != !rows[i].why[0] || !strstr(checked.why, rows[i].why))
			fail_msg("%s: %s", rows[i].text, checked.why);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openmetrics_is_sent_if_accepted),
		cmocka_unit_test(output_passes_the_strict_reader),
		cmocka_unit_test(exemplars_are_written_only_in_openmetrics),
		cmocka_unit_test(checker_detects_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
