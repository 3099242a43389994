/* The cost of detection, in microseconds for each KB, stage by stage. For comparison: every
 * pattern searched one by one with PCRE2's JIT on the same text in the same run.
 *
 *   detect [FILE…]             the built-in texts, or these files
 *   detect --search N [SEED]   N random texts of the rules' own literals: the slowest of them
 *
 * A stage is a row of `stages`. Figures are CPU time, the best of several runs, so that they
 * show the cost of the code and not the load of the machine. No figure makes it fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include "base/effort.h"
#include "base/err.h"
#include "bench/detect_texts.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names_eights.h"
#include "scan/detect/names/names_run.h"
#include "scan/detect/stream/stream.h"
#include "scan/inject/inject.h"

enum {
	RUNS_MIN = 3,
	RUNS_MAX = 200,
	BUDGET_US = 40000,
	NAIVE_HOSTILE_BYTES = 2 << 10,
	DELTA_BYTES = 64
};

struct bench {
	struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct arena arena, model;
	const struct inject *inject;
	float *off; /* thresholds that disable every entity */
	pcre2_code **naive;
	pcre2_match_data *data;
	pcre2_match_context *context;
	size_t findings;
	int err;
};

/* CPU time of the process, so that other processes on the machine do not count. */
static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- stages ---- */

/* The pass that finds the possible starts of patterns: no pattern is tried. */
static void
stage_starts(struct bench *b, struct span text)
{
	struct detect_options opt = { .thresholds = b->off };

	b->scratch->n = 0;
	rules_scan(b->rules, b->scratch, text, &opt);
}

/* The same with patterns, validators and context. */
static void
stage_rules(struct bench *b, struct span text)
{
	b->scratch->n = 0;
	rules_scan(b->rules, b->scratch, text, NULL);
}

/* Disguised values: the check of the text, and its views with the rules on them. */
static void
stage_evade(struct bench *b, struct span text)
{
	b->scratch->n = 0;
	evade_scan(rules_scan, b->rules, b->scratch, text, NULL);
}

static void
stage_names(struct bench *b, struct span text)
{
	b->scratch->n = 0;
	names_scan(b->rules, b->scratch, text, NULL);
}

/* The same without one of its early rejects: the linker calls this (--wrap). It finds the same,
 * and the additional time is the gain of the reject. */
static bool no_reject, no_eights;

bool __real_words_rejectable(const struct names_sweep *w);
bool __wrap_words_rejectable(const struct names_sweep *w);
bool
__wrap_words_rejectable(const struct names_sweep *w)
{
	return !no_reject && __real_words_rejectable(w);
}

size_t __real_word_unknown(const struct names_sweep *w, size_t at);
size_t __wrap_word_unknown(const struct names_sweep *w, size_t at);
size_t
__wrap_word_unknown(const struct names_sweep *w, size_t at)
{
	return no_reject ? 0 : __real_word_unknown(w, at);
}

bool __real_eights_end(const struct eights *s, struct span text);
bool __wrap_eights_end(const struct eights *s, struct span text);
bool
__wrap_eights_end(const struct eights *s, struct span text)
{
	return no_eights || __real_eights_end(s, text);
}

bool __real_eights_begin(const struct eights *s, struct span text);
bool __wrap_eights_begin(const struct eights *s, struct span text);
bool
__wrap_eights_begin(const struct eights *s, struct span text)
{
	return no_eights || __real_eights_begin(s, text);
}

static void
stage_no_reject(struct bench *b, struct span text)
{
	no_reject = true;
	stage_names(b, text);
	no_reject = false;
}

static void
stage_no_eights(struct bench *b, struct span text)
{
	no_eights = true;
	stage_names(b, text);
	no_eights = false;
}

/* All stages and the resolution of overlaps: the cost for a caller. */
static void
stage_scan(struct bench *b, struct span text)
{
	struct findings f;

	b->err = detect_scan(b->rules, b->scratch, text, NULL, &b->arena, &f);
	b->findings = f.n;
}

static int
count_piece(void *arg, const struct stream_piece *p)
{
	struct bench *b = arg;

	b->findings += p->kind != PIECE_TEXT && !p->more;
	return 0;
}

/* The same as for a streamed response: 64 bytes at a time. */
static void
stage_stream(struct bench *b, struct span text)
{
	struct detect_stream *s = detect_stream_new(b->rules, NULL);

	if (!s)
		abort();
	b->findings = 0;
	b->err = 0;
	for (size_t at = 0; at < text.n && !b->err; at += DELTA_BYTES)
		b->err = detect_stream_feed(
			s, b->scratch, span_cut(text, at, at + DELTA_BYTES), count_piece, b);
	if (!b->err)
		b->err = detect_stream_finish(s, b->scratch, count_piece, b);
	detect_stream_free(&s);
}

/* The injection score, which a scan does not include. */
static void
stage_inject(struct bench *b, struct span text)
{
	volatile double score = inject_score(b->inject, text, INJECT_USER, 0).score;

	(void)score;
}

/* Every pattern over the whole text, without validators or context. */
static void
stage_pcre2(struct bench *b, struct span text)
{
	for (size_t i = 0; i < b->rules->npatterns; i++)
		for (size_t at = 0; b->naive[i] && at < text.n;) {
			if (pcre2_match(b->naive[i], (PCRE2_SPTR)text.p, text.n, at, 0, b->data,
				    b->context) < 0)
				break;
			size_t end = pcre2_get_ovector_pointer(b->data)[1];
			at = end > at ? end : at + 1;
		}
}

static const struct stage {
	const char *name;
	void (*run)(struct bench *b, struct span text);
	bool naive;
} stages[] = {
	{ "starts", stage_starts, false },
	{ "rules", stage_rules, false },
	{ "evade", stage_evade, false },
	{ "names", stage_names, false },
	{ "-reject", stage_no_reject, false },
	{ "-eights", stage_no_eights, false },
	{ "scan", stage_scan, false },
	{ "stream", stage_stream, false },
	{ "inject", stage_inject, false },
	{ "PCRE2", stage_pcre2, true },
};
enum { STAGES = sizeof(stages) / sizeof(stages[0]), SCAN = 6, PCRE2 = 9 };

/* ---- measuring ---- */

/* Microseconds for each KB, the best of as many runs as the budget allows. */
static double
measure(struct bench *b, const struct stage *s, struct span text)
{
	double best = 0, began = cpu_us();

	for (int i = 0; i < RUNS_MAX; i++) {
		double t = cpu_us();
		s->run(b, text);
		double end = cpu_us();
		arena_reset(&b->arena);
		if (i == 0 || end - t < best)
			best = end - t;
		if (i + 1 >= RUNS_MIN && end - began > BUDGET_US)
			break;
	}
	return best * 1024 / (double)text.n;
}

static void
heading(void)
{
	printf("%-24s %8s", "text", "KB");
	for (size_t i = 0; i < STAGES; i++)
		printf(" %8s", stages[i].name);
	printf(" %8s %8s %9s\n", "PCRE2/us", "units/B", "findings");
}

/* Units of work for each byte of a complete scan without a work limit. */
static double
units_of(struct bench *b, struct span text)
{
	effort_open(UINT64_MAX);
	stage_scan(b, text);
	uint64_t units = effort_close();
	arena_reset(&b->arena);
	return (double)units / (double)text.n;
}

/* One row; returns the time of the complete scan. */
static double
row(struct bench *b, const char *name, struct span text, bool naive)
{
	double took[STAGES] = { 0 };

	printf("%-24.24s %8.0f", name, (double)text.n / 1024);
	for (size_t i = 0; i < STAGES; i++) {
		if (stages[i].naive && !naive) {
			printf(" %8s", "");
			continue;
		}
		took[i] = measure(b, &stages[i], text);
		printf(" %8.2f", took[i]);
		fflush(stdout);
	}
	if (took[PCRE2] > 0)
		printf(" %7.0fx", took[PCRE2] / took[SCAN]);
	else
		printf(" %8s", "");
	int err = b->err;
	size_t findings = b->findings;
	printf(" %8.1f", units_of(b, text));
	if (err)
		printf(" %9s\n", err_str(err));
	else
		printf(" %9zu\n", findings);
	return took[SCAN];
}

static double
table(struct bench *b, const struct text_kind *v, size_t n, const size_t *kb, size_t nkb,
	size_t naive_max)
{
	double worst = 0;

	heading();
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nkb; k++) {
			size_t bytes = kb[k] << 10;
			char *p = malloc(bytes);
			if (!p)
				abort();
			v[i].fill(&v[i], p, bytes);
			double t = row(b, v[i].name, span_of(p, bytes), bytes <= naive_max);
			worst = t > worst ? t : worst;
			free(p);
		}
	return worst;
}

/* ---- a model's response ---- */

enum { EVENT_BYTES = 5, STREAM_BYTES = 64 << 10 };

static int
by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* A text by events of a token: the cost of an event, and the number of bytes held after
 * each. */
static void
stream_row(struct bench *b, const char *name, struct span text)
{
	size_t events = (text.n + EVENT_BYTES - 1) / EVENT_BYTES, n = 0, sum = 0;
	size_t *held = calloc(events + 1, sizeof(*held));
	double best = 0;

	if (!held)
		abort();
	for (int run = 0; run < RUNS_MIN; run++) {
		struct detect_stream *s = detect_stream_new(b->rules, NULL);
		double t = cpu_us();
		if (!s)
			abort();
		n = sum = 0;
		for (size_t at = 0; at < text.n; at += EVENT_BYTES) {
			detect_stream_feed(s, b->scratch, span_cut(text, at, at + EVENT_BYTES),
				count_piece, b);
			sum += held[n++] = detect_stream_held(s);
		}
		detect_stream_finish(s, b->scratch, count_piece, b);
		t = cpu_us() - t;
		best = run && best < t ? best : t;
		detect_stream_free(&s);
	}
	qsort(held, n, sizeof(*held), by_size);
	printf("%-24.24s %8.2f %8.1f %8zu %8zu %8zu\n", name, best / (double)n,
		(double)sum / (double)n, held[n / 2], held[n - n / 100 - 1], held[n - 1]);
	free(held);
}

static void
stream_table(struct bench *b)
{
	char *p = malloc(STREAM_BYTES);

	if (!p)
		abort();
	printf("\nstreams, %d bytes an event: microseconds an event, and bytes held after it\n"
	       "%-24s %8s %8s %8s %8s %8s\n",
		EVENT_BYTES, "text", "us", "mean", "median", "p99", "most");
	for (size_t i = 0; i < text_kinds_count; i++) {
		text_kinds[i].fill(&text_kinds[i], p, STREAM_BYTES);
		stream_row(b, text_kinds[i].name, span_of(p, STREAM_BYTES));
	}
	free(p);
}

/* ---- the search for the slowest text ---- */

enum { SEARCH_BYTES = 16 << 10, UNIT_MAX = 96, KEPT = 12 };

struct unit {
	char text[UNIT_MAX];
	size_t n;
	double cost;
};

static void
append(struct unit *u, const char *p, size_t n)
{
	for (size_t i = 0; i < n && u->n < UNIT_MAX; i++)
		u->text[u->n++] = p[i];
}

/* A piece: a literal of the rules, a run of digits, or a few random bytes that patterns begin
 * with or contain. */
static void
append_piece(struct bench *b, struct unit *u, uint64_t *random)
{
	static const char glue[] = " \t\n\"'`:=.,-_/@+()<>|\\;&[]{}*#0123456789aAzZeEkK";
	static const struct literal *all[1 << 14];
	static size_t nall;
	char c;

	for (size_t h = 0; nall == 0 && h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = b->rules->prefilter.literals[h]; l; l = l->next)
			if (nall < sizeof(all) / sizeof(all[0]))
				all[nall++] = l;
	uint32_t kind = text_random(random) % 8;
	if (kind < 3 && nall) {
		const struct literal *l = all[text_random(random) % nall];
		append(u, l->text.p, l->text.n);
	} else if (kind < 5) {
		for (uint32_t n = 1 + text_random(random) % 12; n; n--) {
			c = (char)('0' + text_random(random) % 10);
			append(u, &c, 1);
		}
	} else {
		for (uint32_t n = 1 + text_random(random) % 3; n; n--) {
			c = glue[text_random(random) % (sizeof(glue) - 1)];
			append(u, &c, 1);
		}
	}
}

static double
cost(struct bench *b, const struct unit *u, char *room)
{
	double best = 0;

	for (size_t i = 0; i < SEARCH_BYTES; i++)
		room[i] = u->text[i % u->n];
	for (int i = 0; i < 2; i++) {
		double t = cpu_us();
		stage_scan(b, span_of(room, SEARCH_BYTES));
		t = cpu_us() - t;
		arena_reset(&b->arena);
		best = i && best < t ? best : t;
	}
	return best * 1024 / SEARCH_BYTES;
}

static void
change(struct bench *b, struct unit *u, uint64_t *random)
{
	struct unit was = *u;
	size_t cut = was.n ? text_random(random) % was.n : 0;
	size_t resume = cut;

	if (text_random(random) % 3)
		resume = cut + text_random(random) % (was.n - cut + 1);
	u->n = cut;
	if (text_random(random) % 4)
		append_piece(b, u, random);
	append(u, was.text + resume, was.n - resume);
	if (u->n == 0)
		append_piece(b, u, random);
}

static void
show(struct bench *b, const struct unit *u, char *room)
{
	for (size_t i = 0; i < SEARCH_BYTES; i++)
		room[i] = u->text[i % u->n];
	printf("%8.1f %8.1f  \"", u->cost, units_of(b, span_of(room, SEARCH_BYTES)));
	for (size_t i = 0; i < u->n; i++) {
		unsigned char c = (unsigned char)u->text[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("\"\n");
}

static int
by_cost(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	return x->cost < y->cost ? 1 : x->cost > y->cost ? -1 : 0;
}

/* From random starts and the units of the hostile texts, always the slower text. */
static void
search_worst(struct bench *b, size_t tries, uint64_t random)
{
	static struct unit kept[KEPT + 1];
	char *room = malloc(SEARCH_BYTES);

	if (!room)
		abort();
	for (size_t i = 0; i < tries; i++) {
		struct unit u = { .n = 0 };
		if (i % 4 == 0)
			for (uint32_t n = 1 + text_random(&random) % 5; n; n--)
				append_piece(b, &u, &random);
		else if (i < 4 * text_hostile_count && i % 4 == 1)
			append(&u, text_hostile[i / 4].unit, strlen(text_hostile[i / 4].unit));
		else
			u = kept[text_random(&random) % KEPT];
		if (i % 4)
			for (uint32_t n = 1 + text_random(&random) % 3; n; n--)
				change(b, &u, &random);
		u.cost = cost(b, &u, room);
		if (u.cost <= kept[KEPT - 1].cost)
			continue;
		/* Children replace similar units, so that families stay separate. */
		kept[KEPT] = u;
		for (size_t k = 0; k < KEPT; k++) {
			size_t n = kept[k].n < 6 ? kept[k].n : 6;
			if (n == 0 || u.n < n || memcmp(kept[k].text, u.text, n) != 0)
				continue;
			if (u.cost > kept[k].cost)
				kept[k] = u;
			kept[KEPT].cost = 0;
			break;
		}
		qsort(kept, KEPT + 1, sizeof(kept[0]), by_cost);
	}
	printf("\nThe costliest of %zu texts for a scan, us/KB and units a byte at %d KB, repeated:\n", tries,
		SEARCH_BYTES >> 10);
	for (size_t k = 0; k < KEPT; k++) {
		kept[k].cost = 1e9;
		for (int i = 0; i < 5; i++) {
			double t = cost(b, &kept[k], room);
			kept[k].cost = t < kept[k].cost ? t : kept[k].cost;
		}
	}
	qsort(kept, KEPT, sizeof(kept[0]), by_cost);
	for (size_t k = 0; k < KEPT; k++)
		show(b, &kept[k], room);
	free(room);
}

/* ---- setting up ---- */

static void
compile_naive(struct bench *b)
{
	b->naive = calloc(b->rules->npatterns, sizeof(b->naive[0]));
	b->data = pcre2_match_data_create(64, NULL);
	b->context = pcre2_match_context_create(NULL);
	if (!b->naive || !b->data || !b->context)
		abort();
	pcre2_set_match_limit(b->context, 200000);
	for (size_t i = 0; i < b->rules->npatterns; i++) {
		PCRE2_SIZE where;
		int err;
		b->naive[i] = pcre2_compile((PCRE2_SPTR)b->rules->patterns[i].regex,
			PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF, &err, &where, NULL);
		if (b->naive[i])
			pcre2_jit_compile(b->naive[i], PCRE2_JIT_COMPLETE);
	}
}

static size_t
heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The size of a worker's scratch after it has scanned every text of the tables. */
static void
print_scratch(struct bench *b)
{
	enum { BYTES = 200 << 10 };
	char *p = malloc(BYTES);
	size_t before = heap_bytes(), fresh;
	struct detect_scratch *s = detect_scratch_new(b->rules);
	struct findings f;

	if (!p || !s)
		abort();
	fresh = heap_bytes() - before;
	for (size_t i = 0; i < text_kinds_count + text_hostile_count; i++) {
		const struct text_kind *k = i < text_kinds_count
						    ? &text_kinds[i]
						    : &text_hostile[i - text_kinds_count];
		k->fill(k, p, BYTES);
		b->err = detect_scan(b->rules, s, span_of(p, BYTES), NULL, &b->arena, &f);
		arena_reset(&b->arena);
	}
	size_t after = heap_bytes() - before;
	printf("\na worker's scratch: %.1f KB at first, %.1f KB after texts of %d KB; "
	       "PCRE2's stack beside it, 32 KB\n",
		(double)fresh / 1024, (double)after / 1024, BYTES >> 10);
	detect_scratch_free(&s);
	free(p);
}

static void
load(struct bench *b)
{
	struct buf errors;
	double best = 0, names = cpu_us();

	buf_init(&errors, 0);
	if (!names_builtin())
		exit(1);
	names = cpu_us() - names;
	for (int i = 0; i < 5; i++) {
		detect_free(&b->rules);
		double t = cpu_us();
		b->rules = detect_load(NULL, &errors);
		t = cpu_us() - t;
		best = i && best < t ? best : t;
	}
	b->scratch = b->rules ? detect_scratch_new(b->rules) : NULL;
	b->off = calloc(DETECT_ENTITIES_MAX, sizeof(float));
	arena_init(&b->model, 0, false);
	double model = cpu_us();
	b->inject = inject_load(&b->model, NULL, &errors);
	model = cpu_us() - model;
	if (!b->scratch || !b->off || !b->inject) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
		exit(1);
	}
	for (size_t i = 0; i < DETECT_ENTITIES_MAX; i++)
		b->off[i] = 2.0f;
	buf_free(&errors);
	arena_init(&b->arena, 0, false);
	printf("%zu entities, %zu patterns; loaded in %.1f ms of CPU time, the names' table in "
	       "%.2f, the injection model in %.1f\n",
		b->rules->nentities, b->rules->npatterns, best / 1e3, names / 1e3, model / 1e3);
	compile_naive(b);
}

static void
unload(struct bench *b)
{
	for (size_t i = 0; i < b->rules->npatterns; i++)
		pcre2_code_free(b->naive[i]);
	free((void *)b->naive);
	pcre2_match_data_free(b->data);
	pcre2_match_context_free(b->context);
	free(b->off);
	detect_scratch_free(&b->scratch);
	detect_free(&b->rules);
	arena_reset(&b->arena);
	arena_reset(&b->model);
}

static int
bench_file(struct bench *b, const char *path)
{
	FILE *in = fopen(path, "rb");
	struct buf text;
	char piece[4096];
	size_t n;

	if (!in) {
		perror(path);
		return 1;
	}
	buf_init(&text, 0);
	while ((n = fread(piece, 1, sizeof(piece), in)) > 0)
		buf_span(&text, span_of(piece, n));
	fclose(in);
	const char *name = strrchr(path, '/');
	if (buf_view(&text).n)
		row(b, name ? name + 1 : path, buf_view(&text), true);
	buf_free(&text);
	return 0;
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = { 2, 20, 200 }, hostile_sizes[] = { 2, 20 };
	struct bench b = { .err = 0 };
	int failed = 0;

	load(&b);
	if (argc > 2 && !strcmp(argv[1], "--search")) {
		search_worst(&b, strtoul(argv[2], NULL, 10),
			argc > 3 ? strtoull(argv[3], NULL, 10) : 97);
	} else if (argc > 1) {
		heading();
		for (int i = 1; i < argc; i++)
			failed |= bench_file(&b, argv[i]);
	} else {
		printf("\nMicroseconds a KB, best of up to %d runs\n", RUNS_MAX);
		table(&b, text_kinds, text_kinds_count, sizes, 3, SIZE_MAX);
		stream_table(&b);
		printf("\nTexts made to be slow\n");
		double worst = table(&b, text_hostile, text_hostile_count, hostile_sizes, 2,
			NAIVE_HOSTILE_BYTES);
		printf("\nworst of them: %.1f us/KB\n", worst);
		print_scratch(&b);
	}
	unload(&b);
	return failed;
}
