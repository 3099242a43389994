/* Measures precision, recall and F1 of the shipped rules on labeled corpora, and the labeled
 * values that can still be read in the redacted text. A corpus is a file of JSON lines with a
 * text and spans {start, end, label}. accuracy-labels.txt maps each label to the gateway's
 * entities. A finding and a label agree if they overlap and the label is mapped to the
 * finding's entity. A finding on a label that is mapped to other entities counts as `other`,
 * not as a false finding. With -v, the program prints every miss and every false finding. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "scan/detect/detect.h"

enum { KINDS_MAX = 256, NAME_MAX_BYTES = 64 };

struct kind {
	char name[NAME_MAX_BYTES];
	bool meant[DETECT_ENTITIES_MAX]; /* the entities to which the label is mapped */
	bool ignored, any;
	size_t labels, found, left; /* left: still readable after redaction */
};

struct run {
	const struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct kind kinds[KINDS_MAX];
	size_t n;
	size_t findings[DETECT_ENTITIES_MAX], wrong[DETECT_ENTITIES_MAX];
	size_t right, other, texts, bytes;
	uint64_t spent_us;
	bool verbose;
};

static struct run run;

/* ---- labels ---- */

/* Returns true for entities that identify a person by a number: national and tax identifiers,
 * and entities that may be confused with one. */
static bool
is_identifier(const char *name, const char *class)
{
	static const char *const others[] = { "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD",
		"IP_ADDRESS", "URL", "MAC_ADDRESS", "PERSON", "LOCATION", "ORGANIZATION",
		"FACILITY", "STREET_ADDRESS", "DATE_TIME", "DATE_OF_BIRTH", "AGE", "NRP",
		"IBAN_CODE", "SWIFT_BIC_CODE", "CRYPTO", "GEO_COORDINATES" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return false;
	return strcmp(class, "secret") != 0;
}

static bool
means(const char *word, const char *name, const char *class)
{
	size_t n = strlen(word);

	if (!strcmp(word, "class:id"))
		return is_identifier(name, class);
	if (!strncmp(word, "class:", 6))
		return !strcmp(word + 6, class);
	if (n && word[n - 1] == '*')
		return !strncmp(word, name, n - 1);
	return !strcmp(word, name);
}

static struct kind *
kind_new(const char *name)
{
	if (run.n == KINDS_MAX) {
		fprintf(stderr, "accuracy: more than %d labels\n", KINDS_MAX);
		exit(2);
	}
	struct kind *k = &run.kinds[run.n++];
	snprintf(k->name, sizeof(k->name), "%s", name);
	return k;
}

static void
kind_add(struct kind *k, const char *word)
{
	for (size_t e = 0; e < detect_entity_count(run.rules); e++)
		if (means(word, detect_entity_name(run.rules, e),
			    detect_entity_class(run.rules, e)))
			k->meant[e] = k->any = true;
	k->ignored |= !strcmp(word, "-");
}

static void
read_labels(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096];

	while (f && fgets(line, sizeof(line), f)) {
		char *equals = strchr(line, '='), *save = NULL;
		size_t first = run.n;
		if (line[0] == '#' || !equals)
			continue;
		*equals = '\0';
		for (char *w = strtok_r(line, " \t\n", &save); w;
			w = strtok_r(NULL, " \t\n", &save))
			kind_new(w);
		for (char *w = strtok_r(equals + 1, " \t\n", &save); w;
			w = strtok_r(NULL, " \t\n", &save))
			for (size_t i = first; i < run.n; i++)
				kind_add(&run.kinds[i], w);
	}
	if (f)
		fclose(f);
}

/* A label without a line is mapped to the entity of the same name. NULL: the gateway has no
 * such entity. */
static struct kind *
kind_of(const char *label)
{
	for (size_t i = 0; i < run.n; i++)
		if (!strcasecmp(run.kinds[i].name, label))
			return run.kinds[i].ignored || !run.kinds[i].any ? NULL : &run.kinds[i];
	struct kind *k = kind_new(label);
	kind_add(k, label);
	return k->any ? k : NULL;
}

/* ---- one text ---- */

struct gold {
	size_t start, end;
	const char *label;
	struct kind *kind; /* NULL: no entity of the gateway */
};

static void
show(const char *what, const char *label, struct span text, size_t start, size_t end)
{
	size_t from = start > 40 ? start - 40 : 0;

	if (!run.verbose)
		return;
	printf("%s %s: ", what, label);
	for (size_t i = from; i < text.n && i < end + 20; i++)
		printf("%s%c",
			i == start ? "[["
			: i == end ? "]]"
				   : "",
			text.p[i] == '\n' ? ' ' : text.p[i]);
	printf("%s\n", end >= text.n ? "]]" : "");
}

static bool
overlaps(const struct finding *f, const struct gold *g)
{
	return f->start < g->end && f->end > g->start;
}

/* Returns true if the value can be read in the text after its findings were cut out. */
static bool
readable(struct span text, const struct findings *f, struct span value)
{
	size_t at = 0;

	for (size_t i = 0; i <= f->n; i++) {
		size_t end = i < f->n ? f->v[i].start : text.n;
		if (end > at && value.n <= end - at &&
			memmem(text.p + at, end - at, value.p, value.n))
			return true;
		at = i < f->n ? f->v[i].end : end;
	}
	return false;
}

static void
score(struct span text, const struct findings *f, const struct gold *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool hit = false;
		if (!g[i].kind)
			continue;
		for (size_t k = 0; k < f->n; k++)
			hit |= overlaps(&f->v[k], &g[i]) && g[i].kind->meant[f->v[k].entity];
		g[i].kind->labels++;
		g[i].kind->found += hit;
		g[i].kind->left += readable(text, f, span_cut(text, g[i].start, g[i].end));
		if (!hit)
			show("missed", g[i].label, text, g[i].start, g[i].end);
	}
	for (size_t k = 0; k < f->n; k++) {
		bool right = false, other = false;
		for (size_t i = 0; i < n; i++)
			if (overlaps(&f->v[k], &g[i])) {
				other = true;
				right |= g[i].kind && g[i].kind->meant[f->v[k].entity];
			}
		run.findings[f->v[k].entity]++;
		run.right += right;
		run.other += other && !right;
		run.wrong[f->v[k].entity] += !other;
		if (!other)
			show("false", detect_entity_name(run.rules, f->v[k].entity), text,
				f->v[k].start, f->v[k].end);
	}
}

static void
one(json_t *line, const float *thresholds)
{
	json_t *jt = json_object_get(line, "text"), *spans = json_object_get(line, "spans"), *s;
	struct span text = span_of(json_string_value(jt), json_string_length(jt));
	struct detect_options opt = { .thresholds = thresholds };
	struct gold *gold = calloc(json_array_size(spans) + 1, sizeof(*gold));
	struct findings f;
	struct arena a;
	size_t i;

	arena_init(&a, 0, false);
	uint64_t before = clock_mono_us();
	if (!gold || detect_scan(run.rules, run.scratch, text, &opt, &a, &f)) {
		fprintf(stderr, "accuracy: a text was not classified\n");
		exit(2);
	}
	run.spent_us += clock_mono_us() - before;
	run.texts++;
	run.bytes += text.n;
	json_array_foreach(spans, i, s)
	{
		gold[i].label = json_string_value(json_object_get(s, "label"));
		gold[i].start = (size_t)json_integer_value(json_object_get(s, "start"));
		gold[i].end = (size_t)json_integer_value(json_object_get(s, "end"));
		gold[i].kind = kind_of(gold[i].label);
	}
	score(text, &f, gold, json_array_size(spans));
	free(gold);
	arena_reset(&a);
}

/* Returns true for entities that word lists find: names, places and others without a
 * structure. */
static bool
is_named(const char *entity)
{
	static const char *const named[] = { "PERSON", "LOCATION", "ORGANIZATION", "FACILITY",
		"NRP", "STREET_ADDRESS" };

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (!strcmp(entity, named[i]))
			return true;
	return false;
}

/* Returns true if the label is mapped only to named entities, or may also mean a postcode. */
static bool
is_named_kind(const struct kind *k)
{
	for (size_t e = 0; e < detect_entity_count(run.rules); e++)
		if (k->meant[e] && !is_named(detect_entity_name(run.rules, e)) &&
			!strstr(detect_entity_name(run.rules, e), "POST") &&
			!strstr(detect_entity_name(run.rules, e), "ZIP"))
			return false;
	return strcasecmp(k->name, "ZIPCODE") && strcasecmp(k->name, "POSTCODE") &&
	       strcasecmp(k->name, "ZIP") && strcasecmp(k->name, "POSTAL_CODE");
}

/* ---- a corpus ---- */

static double
f1(double p, double r)
{
	return p + r > 0 ? 2 * p * r / (p + r) : 0;
}

/* Prints the same numbers without the entities that word lists find. */
static void
print_structured(void)
{
	size_t labels = 0, found = 0, left = 0, finds = 0, wrong = 0;

	for (size_t i = 0; i < run.n; i++)
		if (!is_named_kind(&run.kinds[i])) {
			labels += run.kinds[i].labels;
			found += run.kinds[i].found;
			left += run.kinds[i].left;
		}
	for (size_t e = 0; e < detect_entity_count(run.rules); e++)
		if (!is_named(detect_entity_name(run.rules, e))) {
			finds += run.findings[e];
			wrong += run.wrong[e];
		}
	double p = finds ? 1 - (double)wrong / (double)finds : 1;
	double r = labels ? (double)found / (double)labels : 1;
	printf("structured: precision %.3f recall %.3f F1 %.3f; %zu of %zu values readable; "
	       "%.3f false a KB\n",
		p, r, f1(p, r), left, labels,
		(double)wrong * 1024 / (double)(run.bytes ? run.bytes : 1));
}

static void
print_labels(void)
{
	size_t labels = 0, found = 0, left = 0, wrong = 0;

	printf("%-24s %7s %7s %8s %9s\n", "label", "labels", "found", "recall", "readable");
	for (size_t i = 0; i < run.n; i++) {
		const struct kind *k = &run.kinds[i];
		if (!k->labels)
			continue;
		printf("%-24s %7zu %7zu %8.3f %9zu\n", k->name, k->labels, k->found,
			(double)k->found / (double)k->labels, k->left);
		labels += k->labels;
		found += k->found;
		left += k->left;
	}
	printf("%-24s %7s %7s %9s\n", "entity", "finds", "false", "precision");
	for (size_t e = 0; e < detect_entity_count(run.rules); e++) {
		wrong += run.wrong[e];
		if (run.findings[e])
			printf("%-24s %7zu %7zu %9.3f\n", detect_entity_name(run.rules, e),
				run.findings[e], run.wrong[e],
				1 - (double)run.wrong[e] / (double)run.findings[e]);
	}
	double p = run.right + wrong ? (double)run.right / (double)(run.right + wrong) : 1;
	double r = labels ? (double)found / (double)labels : 1;
	printf("all: precision %.3f recall %.3f F1 %.3f; %zu of %zu values readable after "
	       "redaction; %zu findings on other labels; %.3f false a KB\n",
		p, r, f1(p, r), left, labels, run.other,
		(double)wrong * 1024 / (double)(run.bytes ? run.bytes : 1));
	print_structured();
	printf("%zu texts, %zu bytes, %.2f us a KB\n\n", run.texts, run.bytes,
		(double)run.spent_us * 1024 / (double)(run.bytes ? run.bytes : 1));
}

static void
begin(void)
{
	for (size_t i = 0; i < run.n; i++)
		run.kinds[i].labels = run.kinds[i].found = run.kinds[i].left = 0;
	memset(run.findings, 0, sizeof(run.findings));
	memset(run.wrong, 0, sizeof(run.wrong));
	run.right = run.other = run.texts = run.bytes = run.spent_us = 0;
}

static bool
corpus(const char *path, const float *thresholds)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return false;
	begin();
	while (getline(&line, &room, f) > 0) {
		json_t *j = json_loads(line, JSON_ALLOW_NUL, NULL);
		if (!j) {
			fprintf(stderr, "%s: a line is not JSON\n", path);
			exit(2);
		}
		one(j, thresholds);
		json_decref(j);
	}
	free(line);
	fclose(f);
	printf("== %s\n", path);
	print_labels();
	return true;
}

/* -t ENTITY=0.35: like `thresholds:` in a policy. */
static void
set_threshold(float *thresholds, const char *arg)
{
	const char *equals = strchr(arg, '=');
	int e = equals ? detect_entity_find(run.rules, span_of(arg, (size_t)(equals - arg)))
		       : -1;

	if (e < 0) {
		fprintf(stderr, "accuracy: -t %s: ENTITY=SCORE is expected\n", arg);
		exit(2);
	}
	thresholds[e] = strtof(equals + 1, NULL);
}

int
main(int argc, char **argv)
{
	static float thresholds[DETECT_ENTITIES_MAX];
	struct buf errors;
	int c;

	buf_init(&errors, 0);
	struct detect_rules *rules = detect_load(NULL, &errors);
	if (!rules) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
		return 2;
	}
	run.rules = rules;
	run.scratch = detect_scratch_new(rules);
	for (size_t e = 0; e < detect_entity_count(rules); e++)
		thresholds[e] = detect_entity_threshold(rules, e);
	read_labels("tests/support/accuracy-labels.txt");
	while ((c = getopt(argc, argv, "vt:")) != -1)
		if (c == 'v')
			run.verbose = true;
		else if (c == 't')
			set_threshold(thresholds, optarg);
		else
			return 2;
	for (int i = optind; run.scratch && i < argc; i++)
		if (!corpus(argv[i], thresholds))
			printf("SKIPPED: %s is not here\n", argv[i]);
	detect_scratch_free(&run.scratch);
	detect_free(&rules);
	buf_free(&errors);
	return 0;
}
