/* A strict reader of OpenMetrics 1.0. It reports the first violation of the specification and
 * its place. */
#ifndef SUPPORT_OPENMETRICS_CHECK_H
#define SUPPORT_OPENMETRICS_CHECK_H

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#endif
