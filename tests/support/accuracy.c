/* Precision, recall and F1 of the shipped rules on labelled corpora: one JSON
 * object a line with text, spans {start, end, label} and, for secrets, rule. A
 * finding and a label of the same kind agree where they overlap. Labels that no
 * rule claims to find are left out. With -v every miss and every false finding is
 * printed. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "detect/detect.h"

enum { KINDS_MAX = 32 };

struct kind {
	char name[64];
	size_t labels, found, findings, right;
};

struct run {
	const struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct kind kinds[KINDS_MAX];
	size_t n, texts, bytes;
	uint64_t spent_us;
	bool verbose;
};

static struct kind *
kind_of(struct run *r, const char *name)
{
	size_t i = 0;

	while (i < r->n && strcmp(r->kinds[i].name, name))
		i++;
	if (i == KINDS_MAX)
		return &r->kinds[0];
	if (i == r->n)
		snprintf(r->kinds[r->n++].name, sizeof(r->kinds[0].name), "%s", name);
	return &r->kinds[i];
}

/* Every entity of class secret counts as the corpora's one label SECRET. */
static const char *
label_of(const struct run *r, size_t entity)
{
	return strcmp(detect_entity_class(r->rules, entity), "secret")
		       ? detect_entity_name(r->rules, entity)
		       : "SECRET";
}

static bool
known_label(const struct run *r, const char *label)
{
	return !strcmp(label, "SECRET") || detect_entity_find(r->rules, span_str(label)) >= 0;
}

static void
show(const struct run *r, const char *what, const char *label, struct span text, size_t start,
	size_t end)
{
	size_t from = start > 40 ? start - 40 : 0;

	if (!r->verbose)
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

static void
one(struct run *r, json_t *line, bool secrets)
{
	json_t *jt = json_object_get(line, "text"), *spans = json_object_get(line, "spans"), *s;
	struct span text = span_of(json_string_value(jt), json_string_length(jt));
	struct findings f;
	struct arena a;
	size_t i;

	arena_init(&a, 0, false);
	uint64_t before = clock_mono_us();
	if (detect_scan(r->rules, r->scratch, text, NULL, &a, &f)) {
		fprintf(stderr, "accuracy: a text was not classified\n");
		exit(2);
	}
	r->spent_us += clock_mono_us() - before;
	r->texts++;
	r->bytes += text.n;
	json_array_foreach(spans, i, s)
	{
		const char *label = json_string_value(json_object_get(s, "label"));
		size_t start = (size_t)json_integer_value(json_object_get(s, "start"));
		size_t end = (size_t)json_integer_value(json_object_get(s, "end"));
		if (!known_label(r, label))
			continue;
		struct kind *k = kind_of(r, label);
		bool hit = false;
		for (size_t n = 0; n < f.n; n++)
			hit |= !strcmp(label_of(r, f.v[n].entity), label) &&
			       f.v[n].start < end && f.v[n].end > start;
		k->labels++;
		k->found += hit;
		if (!hit)
			show(r, "missed", label, text, start, end);
	}
	for (size_t n = 0; n < f.n; n++) {
		const char *label = label_of(r, f.v[n].entity);
		/* The corpora label one family each. */
		if (secrets != !strcmp(label, "SECRET"))
			continue;
		bool right = false;
		json_array_foreach(spans, i, s) right |=
			!strcmp(json_string_value(json_object_get(s, "label")), label) &&
			(size_t)json_integer_value(json_object_get(s, "start")) < f.v[n].end &&
			(size_t)json_integer_value(json_object_get(s, "end")) > f.v[n].start;
		struct kind *k = kind_of(r, label);
		k->findings++;
		k->right += right;
		if (!right)
			show(r, "false", detect_entity_name(r->rules, f.v[n].entity), text,
				f.v[n].start, f.v[n].end);
	}
	arena_reset(&a);
}

static int
corpus(struct run *r, const char *dir, const char *name, bool secrets)
{
	char path[512];
	char *line = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	if (!f)
		return 1;
	while (getline(&line, &room, f) > 0) {
		json_t *j = json_loads(line, JSON_ALLOW_NUL, NULL);
		if (!j) {
			fprintf(stderr, "%s: a line is not JSON\n", path);
			exit(2);
		}
		one(r, j, secrets);
		json_decref(j);
	}
	free(line);
	fclose(f);
	return 0;
}

int
main(int argc, char **argv)
{
	struct buf errors;
	struct run r = { .verbose = argc > 2 && !strcmp(argv[1], "-v") };
	const char *dir = argc > 1 ? argv[argc - 1] : ".";

	buf_init(&errors, 0);
	struct detect_rules *rules = detect_load(NULL, &errors);
	if (!rules) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
		return 2;
	}
	r.rules = rules;
	r.scratch = detect_scratch_new(rules);
	if (!r.scratch || corpus(&r, dir, "pii.jsonl", false) ||
		corpus(&r, dir, "secrets.jsonl", true)) {
		printf("accuracy: SKIPPED: %s holds no pii.jsonl and secrets.jsonl\n", dir);
		return 0;
	}
	printf("%-16s %7s %7s %10s %8s %8s\n", "entity", "labels", "found", "precision",
		"recall", "F1");
	for (size_t i = 0; i < r.n; i++) {
		const struct kind *k = &r.kinds[i];
		double p = k->findings ? (double)k->right / (double)k->findings : 0;
		double c = k->labels ? (double)k->found / (double)k->labels : 0;
		printf("%-16s %7zu %7zu %10.3f %8.3f %8.3f\n", k->name, k->labels, k->findings,
			p, c, p + c > 0 ? 2 * p * c / (p + c) : 0);
	}
	printf("%zu texts, %zu bytes, %.2f us a KB\n", r.texts, r.bytes,
		(double)r.spent_us * 1024 / (double)r.bytes);
	detect_scratch_free(&r.scratch);
	detect_free(&rules);
	buf_free(&errors);
	return 0;
}
