/* tollgate detectors: what there is to find, whether each rule holds to its examples,
 * what each costs, and lists of fingerprints for a policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/texts/detectors_list.h"
#include "policy/config/read.h"
#include "scan/detect/custom/fingerprint.h"
#include "scan/detect/custom/sample_text.h"
#include "scan/detect/info.h"

enum {
	DOCUMENT_BYTES = 256 << 20,
	TIME_BYTES = 64 << 10, /* by default */
	TIME_BYTES_MAX = 16 << 20,
	TIME_TRIES = 5,
};

struct args {
	const char *policy, *dir;
	bool json, markdown;
	uint64_t bytes;
	char **operands; /* argv's */
	size_t noperands;
};

/* ---- show ---- */

static void
show_words(const struct detect_rules *r, size_t entity, bool against)
{
	struct span word;

	for (size_t i = 0; detect_context_word(r, entity, against, i, &word); i++)
		printf("%s%.*s",
			i	  ? ", "
			: against ? "against: "
				  : "context: ",
			SPAN_ARG(word));
	if (detect_context_word(r, entity, against, 0, &word))
		putchar('\n');
}

static void
put_class(void *arg, const char *class)
{
	bool *first = arg;

	printf("%s%s", *first ? "" : ", ", class);
	*first = false;
}

static int
show_one(const struct scan_rules *s, const char *name)
{
	int at = detect_entity_find(s->rules, span_str(name));
	struct nearest near = nearest_to(span_str(name));
	struct detect_pattern_info p;
	struct detect_example x;
	struct detect_info e;
	bool first = true;

	for (size_t i = 0; at < 0 && i < detect_entity_count(s->rules); i++)
		nearest_try(&near, detect_entity_name(s->rules, i));
	if (at < 0) {
		cmd_fail("detectors", "%s: no such entity%s", name, nearest_hint(&near));
		return EXIT_NO;
	}
	size_t entity = (size_t)at;
	detect_info(s->rules, entity, &e);
	printf("%s\nclass: ", e.name);
	scan_rules_classes(s, entity, put_class, &first);
	printf("\nsource: %s\nthreshold: %.2f\n", e.source,
		(double)(s->policy ? s->policy->thresholds[entity] : e.threshold));
	show_words(s->rules, entity, false);
	show_words(s->rules, entity, true);
	for (size_t i = 0; detect_pattern_info(s->rules, entity, i, &p); i++)
		printf("pattern %s: score %.2f, starts at: %s, validator: %s\n  %s\n",
			*p.name ? p.name : "-", (double)p.score, p.start,
			*p.check ? p.check : "none", p.regex);
	for (size_t i = 0; detect_example(s->rules, entity, i, &x); i++)
		printf("%s: %.*s\n", x.find.p ? "finds" : "not in",
			SPAN_ARG(x.find.p ? x.find : x.text));
	return EXIT_DONE;
}

static int
show_detectors(const struct scan_rules *s, const struct args *a)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < a->noperands; i++) {
		int one = show_one(s, a->operands[i]);
		code = one > code ? one : code;
	}
	return code;
}

static int
list_detectors(const struct scan_rules *s, const struct args *a)
{
	return detectors_list(s, a->markdown ? LIST_MARKDOWN
				 : a->json   ? LIST_JSON
					     : LIST_TABLE);
}

/* ---- test ---- */

/* One line of TAP an entity; the failures are in `errors`, a line each, that names it. */
static size_t
test_rules(const struct detect_rules *r, size_t *number)
{
	size_t failed = 0;

	SCOPED_BUF(errors, 0);
	detect_self_test(r, &errors);
	for (size_t i = 0; i < detect_entity_count(r); i++) {
		struct detect_info e;
		char mark[80];
		bool bad = false;
		detect_info(r, i, &e);
		if (e.own)
			continue;
		int n = snprintf(mark, sizeof(mark), ": %s: ", e.name);
		for (struct span rest = buf_view(&errors); rest.n;) {
			struct span line = span_next(&rest, '\n');
			bad |= memmem(line.p, line.n, mark, (size_t)n) != NULL;
		}
		printf("%sok %zu - %s, %zu example%s\n", bad ? "not " : "", ++*number, e.name,
			e.examples, e.examples == 1 ? "" : "s");
		for (struct span rest = buf_view(&errors); bad && rest.n;) {
			struct span line = span_next(&rest, '\n');
			if (memmem(line.p, line.n, mark, (size_t)n))
				printf("# %.*s\n", SPAN_ARG(line));
		}
		failed += bad;
	}
	return failed;
}

static int
test(const struct scan_rules *given, const struct args *a)
{
	size_t number = 0, failed = 0;
	int code = EXIT_DONE;

	if (given)
		failed = test_rules(given->rules, &number);
	for (size_t i = 0; i < a->noperands; i++) {
		struct scan_rules s;
		int one = scan_rules_load(&s, "detectors", a->operands[i], NULL);
		if (one) {
			code = one;
			continue;
		}
		failed += test_rules(s.rules, &number);
		scan_rules_free(&s);
	}
	printf("1..%zu\n", number);
	return code ? code : failed ? EXIT_NO : EXIT_DONE;
}

/* ---- time ---- */

struct timing {
	const char *name;
	double us; /* a KB */
	size_t hits;
	char starts[64];
};

/* µs per KB of a scan, the best of some; negative where it failed. */
static double
time_scan(const struct detect_rules *r, struct detect_scratch *scratch, struct span text,
	const float *thresholds, size_t *hits)
{
	struct detect_options opt = { .thresholds = thresholds };
	double best = -1;

	for (int i = 0; i < TIME_TRIES; i++) {
		struct findings f;
		SCOPED_ARENA(a, 0, false);
		uint64_t from = clock_cpu_ns();
		int err = detect_scan(r, scratch, text, &opt, &a, &f);
		double us = (double)(clock_cpu_ns() - from) * 1.024 / (double)text.n;
		*hits = f.n;
		if (err)
			return -1;
		best = best < 0 || us < best ? us : best;
	}
	return best;
}

static void
starts_of(const struct detect_rules *r, size_t entity, char out[64])
{
	struct detect_pattern_info p;

	out[0] = 0;
	for (size_t i = 0; detect_pattern_info(r, entity, i, &p); i++)
		if (!strstr(out, p.start))
			snprintf(out + strlen(out), 64 - strlen(out), "%s%s", *out ? "," : "",
				p.start);
	if (!out[0])
		snprintf(out, 64, "words");
}

static int
by_cost(const void *x, const void *y)
{
	const struct timing *a = x, *b = y;

	return a->us != b->us ? (a->us > b->us ? -1 : 1) : strcmp(a->name, b->name);
}

static void
put_timing(const struct timing *t, bool json)
{
	if (json)
		printf("{\"entity\":\"%s\",\"us_per_kb\":%.4f,\"hits\":%zu,\"starts\":\"%s\"}"
		       "\n",
			t->name, t->us, t->hits, t->starts);
	else
		printf("%9.4f %7zu  %-15s %s\n", t->us, t->hits, t->starts, t->name);
}

static int
time_all(const struct scan_rules *s, const struct args *a, struct span text)
{
	size_t n = detect_entity_count(s->rules), hits;
	struct detect_scratch *scratch = detect_scratch_new(s->rules);
	struct timing *v = calloc(n + 1, sizeof(*v));
	float *thresholds = calloc(n + 1, sizeof(*thresholds));
	int code =
		scratch && v && thresholds ? EXIT_DONE : cmd_fail("detectors", "out of memory");

	for (size_t i = 0; !code && i < n; i++)
		thresholds[i] = 2.0f;
	double none = code ? 0 : time_scan(s->rules, scratch, text, thresholds, &hits);
	for (size_t i = 0; !code && i < n; i++) {
		v[i].name = detect_entity_name(s->rules, i);
		starts_of(s->rules, i, v[i].starts);
		thresholds[i] = s->policy ? s->policy->thresholds[i]
					  : detect_entity_threshold(s->rules, i);
		double us = time_scan(s->rules, scratch, text, thresholds, &v[i].hits);
		thresholds[i] = 2.0f;
		if (us < 0)
			code = cmd_fail("detectors", "%s: a limit was hit", v[i].name);
		v[i].us = us > none ? us - none : 0;
	}
	if (!code) {
		struct timing all = { .name = "all together", .starts = "-" }, pass = {
			.name = "none: the pass alone", .us = none, .starts = "-"
		};
		all.us =
			time_scan(s->rules, scratch, text, scan_rules_thresholds(s), &all.hits);
		qsort(v, n, sizeof(*v), by_cost);
		if (!a->json)
			printf("%9s %7s  %-15s %s\n", "US/KB", "HITS", "STARTS", "ENTITY");
		for (size_t i = 0; i < n; i++)
			put_timing(&v[i], a->json);
		put_timing(&pass, a->json);
		put_timing(&all, a->json);
	}
	detect_scratch_free(&scratch);
	free(v);
	free(thresholds);
	return code;
}

static int
time_each(const struct scan_rules *s, const struct args *a)
{
	SCOPED_BUF(text, 0);
	sample_text(&text, a->bytes);
	return buf_failed(&text) ? cmd_fail("detectors", "out of memory")
				 : time_all(s, a, buf_view(&text));
}

/* ---- fingerprint ---- */

static int
fingerprint(const struct scan_rules *unused UNUSED, const struct args *a)
{
	int code = EXIT_DONE;
	size_t all = 0;

	SCOPED_BUF(out, 0);
	buf_str(&out, FINGERPRINT_HEAD "\n");
	for (size_t i = 0; i < a->noperands && !code; i++) {
		SCOPED_BUF(text, DOCUMENT_BYTES);
		if (cmd_read_file(a->operands[i], &text) < 0) {
			code = cmd_fail(a->operands[i], "cannot read: %s",
				buf_failed(&text) ? "too large" : strerror(errno));
		} else {
			size_t n = fingerprint_make(buf_view(&text), &out);
			all += n;
			if (n == 0)
				fprintf(stderr,
					"tollgate: %s: fewer than 15 different words in a row: "
					"nothing to know it by\n",
					a->operands[i]);
		}
	}
	if (!code && all > SHINGLES_MAX)
		code = cmd_fail("detectors", "%zu fingerprints, a list takes %d: make several",
			all, SHINGLES_MAX);
	else if (!code)
		code = cmd_print("stdout", &out);
	return code ? code : all ? EXIT_DONE : EXIT_NO;
}

/* ---- dispatch ---- */

static const struct {
	const char *name;
	int (*run)(const struct scan_rules *s, const struct args *a);
	bool rules, some; /* needs rules; needs operands */
	bool none;	  /* takes none */
} verbs[] = {
	{ "list", list_detectors, true, false, true },
	{ "show", show_detectors, true, true, false },
	{ "test", test, true, false, false },
	{ "time", time_each, true, false, true },
	{ "fingerprint", fingerprint, false, true, false },
};

static int
read_args(int argc, char **argv, struct args *a)
{
	const char *bytes = NULL;
	const struct cmd_option options[] = { { "json", .flag = &a->json },
		{ "markdown", .flag = &a->markdown }, { "policy", .text = &a->policy },
		{ "dir", .text = &a->dir }, { "bytes", .text = &bytes }, { .name = NULL } };
	char what[OPTION_WHAT_MAX];
	snprintf(what, sizeof(what), "detectors %s", argv[1]);
	int n = cmd_options(what, argc - 1, argv + 1, options, &a->operands);

	if (n < 0)
		return cmd_usage(argv[0]);
	a->noperands = (size_t)n;
	if (bytes && (size_parse(span_str(bytes), &a->bytes) || a->bytes < 1024 ||
			     a->bytes > TIME_BYTES_MAX))
		return cmd_fail("detectors", "--bytes: a size from 1k to 16m is expected");
	return EXIT_DONE;
}

int
cmd_detectors(int argc, char **argv)
{
	struct args a = { .bytes = TIME_BYTES };
	struct scan_rules s;
	size_t v = 0;

	if (argc < 2)
		return cmd_usage(argv[0]);
	while (v < COUNT_OF(verbs) && strcmp(argv[1], verbs[v].name))
		v++;
	if (v == COUNT_OF(verbs))
		return cmd_usage(argv[0]);
	int code = read_args(argc, argv, &a);
	if (code)
		return code;
	if ((verbs[v].some && a.noperands == 0) || (verbs[v].none && a.noperands))
		return cmd_usage(argv[0]);
	if (!verbs[v].rules || (verbs[v].run == test && a.noperands))
		return verbs[v].run(NULL, &a);
	code = scan_rules_load(&s, "detectors", a.dir, a.policy);
	if (code)
		return code;
	code = verbs[v].run(&s, &a);
	scan_rules_free(&s);
	return code;
}
