/* tollgate detectors: lists and shows the detectors, tests each rule with its examples,
 * measures the time of each rule, and makes lists of fingerprints for a policy.
 *
 * `detectors list` prints a table, JSON, or a page of Markdown with everything that a rule
 * states about itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "cmd/cmd.h"
#include "cmd/texts/scan.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "scan/detect/custom/custom.h"
#include "scan/detect/info.h"

enum list_form { LIST_TABLE, LIST_JSON, LIST_MARKDOWN };

/* Appends a name, unless it is already in the list that `between` separates. */
static void
add_once(struct buf *out, char between, const char *what)
{
	bool there = !*what;

	for (struct span rest = buf_view(out); rest.n && !there;)
		there = span_is(span_next(&rest, between), what);
	if (!there && out->n)
		buf_putc(out, between);
	if (!there)
		buf_str(out, what);
}

/* Appends the names of the general entities that directly contain an entity, or of all special
 * ones that it contains, separated by commas. */
static void
add_related(const struct detect_rules *r, size_t entity, bool general, struct buf *out)
{
	uint64_t below[DETECT_ENTITIES_MAX / 64] = { 0 };
	size_t is;

	for (size_t i = 0; general && detect_entity_is(r, entity, i, &is); i++)
		add_once(out, ',', detect_entity_name(r, is));
	if (!general)
		detect_entity_below(r, entity, below);
	for (size_t e = 0; e < detect_entity_count(r); e++)
		if (e != entity && below[e / 64] >> (e % 64) & 1)
			add_once(out, ',', detect_entity_name(r, e));
}

static void
put_related(struct buf *out, const char *name, struct span list)
{
	json_put_open(out, name, '[');
	while (list.n)
		json_put_text(out, NULL, span_next(&list, ','));
	json_put_close(out, ']');
}

static void
list_json(const struct detect_rules *r, size_t entity, const struct detect_info *e,
	struct span checks, struct buf *out)
{
	SCOPED_BUF(is, 0);
	SCOPED_BUF(contains, 0);
	add_related(r, entity, true, &is);
	add_related(r, entity, false, &contains);
	json_put_form(out, "{'entity':%t,'class':%t", span_str(e->name), span_str(e->class));
	json_put_printf(out, "threshold", "%.2f", (double)e->threshold);
	json_put_form(out, "'patterns':%u,'examples':%u", (uint64_t)e->patterns,
		(uint64_t)e->examples);
	put_related(out, "validators", checks);
	put_related(out, "is", buf_view(&is));
	put_related(out, "contains", buf_view(&contains));
	json_put_str(out, "source", e->source);
	json_put_bool(out, "own", e->own);
	buf_str(out, "}\n");
}

/* ---- list --markdown ---- */

enum { LITERALS_SHOWN = 5 };

/* The first few literals in their order, and whether there are more. */
struct literals {
	struct span v[LITERALS_SHOWN];
	size_t n;
	bool more;
};

static void
keep_literal(void *arg, struct span l)
{
	struct literals *k = arg;
	size_t at = 0;

	for (; at < k->n; at++) {
		size_t n = k->v[at].n < l.n ? k->v[at].n : l.n;
		int order = memcmp(k->v[at].p, l.p, n);
		if (order > 0 || (order == 0 && k->v[at].n >= l.n))
			break;
	}
	if (at < k->n && span_eq(k->v[at], l))
		return;
	k->more |= k->n == LITERALS_SHOWN;
	k->n -= k->n == LITERALS_SHOWN && at < k->n;
	if (at == LITERALS_SHOWN)
		return;
	memmove(&k->v[at + 1], &k->v[at], (k->n - at) * sizeof(*k->v));
	k->v[at] = l;
	k->n++;
}

/* Writes a table cell: a bar would end the cell, and a backquote the code in it. */
static void
put_cell(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '|')
			buf_str(out, "\\|");
		else
			buf_putc(out, s.p[i] == '\n' ? ' ' : s.p[i] == '`' ? '\'' : s.p[i]);
}

static void
put_items(struct buf *out, const struct buf *items)
{
	struct span rest = buf_view(items);

	while (rest.n) {
		buf_span(out, span_next(&rest, ';'));
		buf_str(out, rest.n ? "; " : "");
	}
}

static void
markdown_row(
	const struct scan_rules *s, size_t entity, const struct detect_info *e, struct buf *out)
{
	struct literals literals = { .n = 0 };
	struct detect_pattern_info p;
	float low = 1, high = 0;

	SCOPED_BUF(starts, 0);
	SCOPED_BUF(proof, 0);
	SCOPED_BUF(is, 0);
	detect_literals(s->rules, entity, keep_literal, &literals);
	for (size_t i = 0; detect_pattern_info(s->rules, entity, i, &p); i++) {
		low = p.score < low ? p.score : low;
		high = p.score > high ? p.score : high;
		add_once(&proof, ';', p.proof);
		add_once(&starts, ';', !strcmp(p.start, "literal") ? "" : p.start);
	}
	add_related(s->rules, entity, true, &is);
	buf_printf(out, "| %s | ", e->name);
	for (struct span rest = buf_view(&is); rest.n;) {
		buf_span(out, span_next(&rest, ','));
		buf_str(out, rest.n ? ", " : "");
	}
	buf_str(out, " | ");
	for (size_t i = 0; i < literals.n; i++) {
		buf_str(out, i ? ", `" : "`");
		put_cell(out, literals.v[i]);
		buf_putc(out, '`');
	}
	buf_printf(out, "%s%s%s", literals.more ? " …" : "", literals.n && starts.n ? "; " : "",
		e->patterns ? "" : "words");
	put_items(out, &starts);
	buf_str(out, " | ");
	put_items(out, &proof);
	buf_str(out, " | ");
	if (e->patterns) {
		buf_printf(out, "%s | %.2f",
			low >= e->threshold    ? "no"
			: high >= e->threshold ? "for weaker patterns"
					       : "yes",
			(double)low);
		if (high > low)
			buf_printf(out, "–%.2f", (double)high);
		if (e->context)
			buf_printf(out, " (+%.2f)", (double)e->boost);
	} else {
		buf_str(out, " | ");
	}
	buf_str(out, " | ");
	put_cell(out, span_str(e->source));
	buf_str(out, " |\n");
}

/* Writes a page with one table for each class. */
static void
list_markdown(const struct scan_rules *s, const float *thresholds, struct buf *out)
{
	size_t n = detect_entity_count(s->rules);

	for (size_t first = 0; first < n; first++) {
		const char *class = detect_entity_class(s->rules, first);
		bool known = false;
		for (size_t i = 0; i < first && !known; i++)
			known = !strcmp(detect_entity_class(s->rules, i), class);
		if (known)
			continue;
		buf_printf(out,
			"%s## %s\n\n| entity | is | begins at | confirmed by | word near it "
			"needed | score | source of the format |\n"
			"|---|---|---|---|---|---|---|\n",
			first ? "\n" : "", class);
		for (size_t i = first; i < n; i++) {
			struct detect_info e;
			detect_info(s->rules, i, &e);
			if (thresholds)
				e.threshold = thresholds[i];
			if (!strcmp(e.class, class))
				markdown_row(s, i, &e, out);
		}
	}
}

static int
print_detectors(const struct scan_rules *s, enum list_form form)
{
	const float *thresholds = scan_rules_thresholds(s);

	SCOPED_BUF(out, 0);
	SCOPED_BUF(checks, 0);
	if (form == LIST_MARKDOWN)
		list_markdown(s, thresholds, &out);
	else if (form == LIST_TABLE)
		buf_printf(&out, "%-26s %-8s %9s %8s %8s %s\n", "ENTITY", "CLASS", "THRESHOLD",
			"PATTERNS", "EXAMPLES", "VALIDATORS");
	for (size_t i = 0; form != LIST_MARKDOWN && i < detect_entity_count(s->rules); i++) {
		struct detect_pattern_info p;
		struct detect_info e;
		detect_info(s->rules, i, &e);
		if (thresholds)
			e.threshold = thresholds[i];
		buf_clear(&checks);
		for (size_t k = 0; detect_pattern_info(s->rules, i, k, &p); k++)
			add_once(&checks, ',', p.check);
		if (form == LIST_JSON)
			list_json(s->rules, i, &e, buf_view(&checks), &out);
		else
			buf_printf(&out, "%-26s %-8s %9.2f %8zu %8zu %.*s\n", e.name, e.class,
				(double)e.threshold, e.patterns, e.examples,
				SPAN_ARG(buf_view(&checks)));
	}
	return cmd_print("stdout", &out);
}

/* ---- the verbs ---- */

enum {
	DOCUMENT_BYTES = 256 << 20,
	TIME_BYTES = 64 << 10, /* default of --bytes */
	TIME_BYTES_MAX = 16 << 20,
	TIME_TRIES = 5,
};

/* The options of all verbs; NULL, 0 and false: not given. */
struct args {
	const char *policy, *dir;
	bool json, markdown;
	uint64_t bytes;
	char **operands; /* borrowed from argv */
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
show_related(const struct detect_rules *r, size_t entity, bool general)
{
	SCOPED_BUF(names, 0);

	add_related(r, entity, general, &names);
	if (names.n)
		printf("%s: ", general ? "is" : "contains");
	for (struct span rest = buf_view(&names); rest.n;) {
		struct span name = span_next(&rest, ',');
		printf("%.*s%s", SPAN_ARG(name), rest.n ? ", " : "\n");
	}
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
	show_related(s->rules, entity, true);
	show_related(s->rules, entity, false);
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
	return print_detectors(s, a->markdown ? LIST_MARKDOWN
				 : a->json   ? LIST_JSON
					     : LIST_TABLE);
}

/* ---- test ---- */

/* Prints one line of TAP for each entity. The failures are in `errors`, one line each,
 * which names the entity. */
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
test_examples(const struct scan_rules *given, const struct args *a)
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

/* The time of one rule. */
struct timing {
	const char *name;
	double us; /* µs for each KB */
	size_t hits;
	char starts[64];
};

/* Returns the time of a scan in µs for each KB, the best of several runs, or a negative
 * value if the scan failed. */
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
			code = cmd_fail("detectors", "%s: a limit was reached", v[i].name);
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
					"tollgate: %s: the file has fewer than 15 "
					"different words in a row, so it has no "
					"fingerprint\n",
					a->operands[i]);
		}
	}
	if (!code && all > SHINGLES_MAX)
		code = cmd_fail("detectors", "%zu fingerprints, but a list holds at most "
					     "%d: make several lists",
			all, SHINGLES_MAX);
	else if (!code)
		code = cmd_print("stdout", &out);
	return code ? code : all ? EXIT_DONE : EXIT_NO;
}

/* ---- dispatch ---- */

static const struct {
	const char *name;
	int (*run)(const struct scan_rules *s, const struct args *a);
	bool rules, some; /* rules: the verb needs rules; some: it needs operands */
	bool none;	  /* the verb takes no operand */
} verbs[] = {
	{ "list", list_detectors, true, false, true },
	{ "show", show_detectors, true, true, false },
	{ "test", test_examples, true, false, false },
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
		return cmd_fail("detectors", "--bytes: give a size from 1k to 16m");
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
	if (!verbs[v].rules || (verbs[v].run == test_examples && a.noperands))
		return verbs[v].run(NULL, &a);
	code = scan_rules_load(&s, "detectors", a.dir, a.policy);
	if (code)
		return code;
	code = verbs[v].run(&s, &a);
	scan_rules_free(&s);
	return code;
}
