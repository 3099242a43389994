/* tollgate-train: makes the injection model from labeled texts. `make model` runs it with
 * the shipped texts; a site can run it with its own. It is a separate program, because the
 * daemon does not need it.
 *
 * The first half computes and prints the figures about the scores of a set. */
#include "cmd/makers/train.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"

/* ---- figures ---- */

enum train_kind { TRAIN_ATTACK, TRAIN_INSIDE, TRAIN_ORDINARY, TRAIN_HARD, TRAIN_HARMLESS };
/* Texts that are fitted and scored out of fold, and texts that are not fitted. */
enum train_part { TRAIN_FOLDED, TRAIN_CALIBRATION, TRAIN_TESTS };

/* The scores of some texts. */
struct margins {
	double *v; /* ascending; the caller frees the array */
	size_t n;
};

int
train_rising(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return a < b ? -1 : a > b;
}

static bool
is_kind(const struct train_doc *d, enum train_kind kind)
{
	switch (kind) {
	case TRAIN_ATTACK: return d->attack && !d->added;
	case TRAIN_INSIDE: return d->added;
	case TRAIN_ORDINARY: return !d->attack && !d->hard;
	case TRAIN_HARD: return d->hard;
	case TRAIN_HARMLESS: return !d->attack;
	}
	return false;
}

static bool
is_part(const struct train_doc *d, enum train_part part)
{
	if (train_is_fitted(d))
		return part == TRAIN_FOLDED;
	return part == (d->use == TRAIN_TEST ? TRAIN_TESTS : TRAIN_CALIBRATION);
}

static struct margins
train_margins(const struct train_set *s, enum train_kind kind, enum train_part part)
{
	struct margins m = { malloc((s->n + 1) * sizeof(double)), 0 };

	for (size_t i = 0; m.v && i < s->n; i++) {
		const struct train_doc *d = &s->doc[i];
		if (!d->dropped && is_part(d, part) && is_kind(d, kind))
			m.v[m.n++] = d->margin;
	}
	if (m.v)
		qsort(m.v, m.n, sizeof(double), train_rising);
	return m;
}

/* Returns the lowest threshold that at most this share of the scores exceeds. */
static double
train_threshold(const struct margins *m, double rate)
{
	size_t over = (size_t)(rate * (double)m->n);

	return m->n == 0 ? 0 : over >= m->n ? m->v[0] : m->v[m->n - 1 - over];
}

static double
share_over(const struct margins *m, double threshold)
{
	size_t k = 0;

	while (k < m->n && m->v[k] <= threshold)
		k++;
	return m->n ? (double)(m->n - k) / (double)m->n : 0;
}

/* Returns how often an attack scores above a harmless text (the area under the ROC curve). */
static double
train_auroc(const struct margins *good, const struct margins *bad)
{
	double sum = 0;
	size_t k = 0;

	for (size_t i = 0; i < bad->n; i++) {
		while (k < good->n && good->v[k] < bad->v[i])
			k++;
		sum += (double)k;
	}
	return good->n && bad->n ? sum / (double)good->n / (double)bad->n : 0;
}

enum by_what { BY_FAMILY, BY_LANG, BY_SOURCE };

/* A row of a table: the number of texts, and how many exceed the thresholds; index 1 is for
 * attacks. */
struct row {
	const char *name;
	size_t attacks, harmless, suspect[2], block[2];
};

static int
report_by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct row *)pa)->name, ((const struct row *)pb)->name);
}

static const char *
name_by(const struct train_doc *d, enum by_what by)
{
	return by == BY_FAMILY ? d->family : by == BY_LANG ? d->lang : d->source;
}

static size_t
make_rows(const struct train_set *s, enum by_what by, enum train_part part, double suspect,
	double block, struct row *v)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct train_doc *d = &s->doc[i];
		size_t k = 0;
		if (d->dropped || d->added || !is_part(d, part))
			continue;
		while (k < n && strcmp(v[k].name, name_by(d, by)))
			k++;
		if (k == n)
			v[n++].name = name_by(d, by);
		v[k].attacks += d->attack;
		v[k].harmless += !d->attack;
		v[k].suspect[d->attack] += d->margin > suspect;
		v[k].block[d->attack] += d->margin > block;
	}
	qsort(v, n, sizeof(*v), report_by_name);
	return n;
}

static void
print_score_table(const struct train_set *s, enum by_what by, enum train_part part, double suspect,
	double block)
{
	static const char *const title[] = { "family", "language", "source" };
	struct row *v = calloc(s->n + 1, sizeof(*v));
	size_t n = v ? make_rows(s, by, part, suspect, block, v) : 0;

	printf("\n%-22s %7s %7s %7s   %8s %7s %7s\n", title[by], "attacks", "suspect", "block",
		"harmless", "suspect", "block");
	for (size_t k = 0; k < n; k++) {
		printf("%-22s ", v[k].name);
		if (v[k].attacks)
			printf("%7zu %7.3f %7.3f   ", v[k].attacks,
				(double)v[k].suspect[1] / (double)v[k].attacks,
				(double)v[k].block[1] / (double)v[k].attacks);
		else
			printf("%26s", "");
		if (v[k].harmless)
			printf("%8zu %7.4f %7.4f", v[k].harmless,
				(double)v[k].suspect[0] / (double)v[k].harmless,
				(double)v[k].block[0] / (double)v[k].harmless);
		printf("\n");
	}
	free(v);
}

static void
print_score_line(const char *what, const struct margins *good, const struct margins *bad, double suspect,
	double block)
{
	printf("%-44s %6zu  %.3f  %.3f  %.3f  %.3f  %.3f\n", what, bad->n, train_auroc(good, bad),
		share_over(bad, train_threshold(good, 0.01)),
		share_over(bad, train_threshold(good, 0.001)), share_over(bad, suspect),
		share_over(bad, block));
}

static void
print_summary(const struct train_set *s, enum train_part part, double suspect, double block)
{
	struct margins m[TRAIN_HARMLESS + 1];

	for (int k = 0; k <= TRAIN_HARMLESS; k++)
		m[k] = train_margins(s, (enum train_kind)k, part);
	printf("%-44s %6s  %-5s  %-5s  %-5s  %-5s  %s\n", "", "texts", "AUROC", "at 1%", "0.1%",
		"susp.", "block");
	print_score_line("attacks against ordinary harmless texts", &m[TRAIN_ORDINARY], &m[TRAIN_ATTACK],
		suspect, block);
	print_score_line("attacks against all harmless texts", &m[TRAIN_HARMLESS], &m[TRAIN_ATTACK],
		suspect, block);
	if (m[TRAIN_INSIDE].n)
		print_score_line("attacks inside harmless text", &m[TRAIN_HARMLESS], &m[TRAIN_INSIDE],
			suspect, block);
	printf("%-44s %6zu  %21s  %.4f %.4f\n", "ordinary harmless texts flagged",
		m[TRAIN_ORDINARY].n, "", share_over(&m[TRAIN_ORDINARY], suspect),
		share_over(&m[TRAIN_ORDINARY], block));
	printf("%-44s %6zu  %21s  %.4f %.4f\n", "hard harmless texts flagged", m[TRAIN_HARD].n,
		"", share_over(&m[TRAIN_HARD], suspect), share_over(&m[TRAIN_HARD], block));
	for (int k = 0; k <= TRAIN_HARMLESS; k++)
		free(m[k].v);
}

/* The next functions print to standard output: the number of texts, their scores out of fold, and the scores
 * of texts that were not fitted. */
static void
train_counts(const struct train_set *s)
{
	size_t attacks = 0, harmless = 0, languages;
	struct row *v = calloc(s->n + 1, sizeof(*v));

	for (size_t i = 0; i < s->n; i++)
		if (!s->doc[i].dropped && train_is_fitted(&s->doc[i]))
			*(s->doc[i].attack ? &attacks : &harmless) += 1;
	languages = v ? make_rows(s, BY_LANG, TRAIN_FOLDED, 0, 0, v) : 0;
	printf("%zu texts: %zu attacks, %zu harmless, %zu languages\n", attacks + harmless,
		attacks, harmless, languages);
	free(v);
}

static void
train_figures(const struct train_set *s, double suspect, double block)
{
	printf("\nscored by models that saw no text of the same family or source (%d folds):\n",
		TRAIN_FOLDS);
	print_summary(s, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_FAMILY, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_LANG, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_SOURCE, TRAIN_FOLDED, suspect, block);
}

static void
train_calibrated(const struct train_set *s, double suspect, double block)
{
	struct margins m = train_margins(s, TRAIN_HARMLESS, TRAIN_CALIBRATION);

	if (m.n) {
		printf("\n%zu texts for calibration only, scored by the model: suspect "
		       "%.4f, block %.4f\n",
			m.n, share_over(&m, suspect), share_over(&m, block));
		print_score_table(s, BY_FAMILY, TRAIN_CALIBRATION, suspect, block);
		print_score_table(s, BY_LANG, TRAIN_CALIBRATION, suspect, block);
	}
	free(m.v);
}

static void
train_tests(const struct train_set *s, double suspect, double block)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->doc[i].use == TRAIN_TEST && !s->doc[i].dropped;
	if (n == 0)
		return;
	printf("\n%zu test texts, scored by the model:\n", n);
	print_summary(s, TRAIN_TESTS, suspect, block);
	print_score_table(s, BY_SOURCE, TRAIN_TESTS, suspect, block);
}

/* ---- the program ---- */

enum { PAIRS_SHOWN = 100 };

/* the exit codes of tollgate; EXIT_NO: there are near-copies */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_CANNOT = 2 };

static const char usage[] = "usage: tollgate-train [-o MODEL] [--with PATH]... "
			    "[--calibrate PATH]... [--test PATH]... PATH...";

/* The largest share of harmless texts of each kind that may exceed the thresholds. */
static const struct {
	enum train_part part;
	enum train_kind kind;
	double suspect, block;
} rates[] = {
	{ TRAIN_FOLDED, TRAIN_ORDINARY, 0.01, 0.001 },
	{ TRAIN_FOLDED, TRAIN_HARD, 0.03, 0.007 },
	{ TRAIN_CALIBRATION, TRAIN_HARMLESS, 0.08, 0.02 },
};

/* The state of the program: the texts, the model, and the first near-copies. */
struct training {
	struct train_set set;
	struct inject_model model;
	struct train_pair pairs[PAIRS_SHOWN];
};

static int
out_of_memory(void)
{
	fprintf(stderr, "tollgate-train: %s\n", err_str(ERR_NOMEM));
	return EXIT_CANNOT;
}

static int
refuse_copies(struct training *t)
{
	size_t faults = 0, n = train_near_copies(&t->set, t->pairs, PAIRS_SHOWN, &faults);

	if (n == SIZE_MAX)
		return out_of_memory();
	if (n > faults)
		printf("%zu near-copies among further texts and tests left out\n", n - faults);
	for (size_t i = 0; i < faults && i < PAIRS_SHOWN; i++) {
		const struct train_pair *p = &t->pairs[i];
		fprintf(stderr,
			"%s:%u: nearly a copy of %s:%u (%.2f of their five-character "
			"sequences)\n",
			p->later->file, p->later->line, p->earlier->file, p->earlier->line,
			p->overlap);
	}
	if (faults == 0)
		return EXIT_DONE;
	fprintf(stderr, "tollgate-train: %zu near-copies: remove them from the data\n", faults);
	return EXIT_NO;
}

/* Scores the texts that the current model was not fitted on. */
static void
train_score(struct train_set *s, const struct inject_model *m, unsigned fold)
{
	for (size_t i = 0; i < s->n; i++) {
		struct train_doc *d = &s->doc[i];
		if (fold == TRAIN_FOLDS ? !train_is_fitted(d)
					: train_is_fitted(d) && d->fold == fold)
			d->margin = train_margin(s, m, d);
	}
}

/* Scores every text with a model that has seen no text of its group. */
static bool
cross_validate(struct training *t)
{
	struct train_set *s = &t->set;

	for (unsigned f = 0; f < TRAIN_FOLDS; f++) {
		if (!train_fit(s, f, &t->model))
			return false;
		train_score(s, &t->model, f);
	}
	return true;
}

/* Chooses the lowest thresholds at which no kind of harmless text exceeds its rate. */
static void
choose_thresholds(const struct train_set *s, double *suspect, double *block)
{
	bool any = false;

	*suspect = *block = 0;
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		struct margins m = train_margins(s, rates[i].kind, rates[i].part);
		double a = train_threshold(&m, rates[i].suspect),
		       b = train_threshold(&m, rates[i].block);
		if (m.n && (!any || a > *suspect))
			*suspect = a;
		if (m.n && (!any || b > *block))
			*block = b;
		any |= m.n > 0;
		free(m.v);
	}
}

/* Sets the thresholds for each origin of a text. For texts that the user did not write (tool
 * results, documents), half the distance from `suspect` to `block` is added to both. */
static void
calibrate(struct inject_model *m, double suspect, double block)
{
	if (block < suspect + 0.1)
		block = suspect + 0.1;
	for (int o = 0; o < INJECT_ORIGINS; o++) {
		double more = o == INJECT_USER ? 0 : (block - suspect) / 2;
		m->suspect[o] = suspect + more;
		m->block[o] = block + more;
	}
}

static bool
write_model(const struct inject_model *m, const char *file)
{
	FILE *f = fopen(file, "wb");

	SCOPED_BUF(b, 0);
	inject_model_write(m, &b);
	bool good = f && !buf_failed(&b) && fwrite(buf_view(&b).p, 1, b.n, f) == b.n;
	if (f && fclose(f))
		good = false;
	return good;
}

static int
train_and_write(struct training *t, const char *out)
{
	struct train_set *s = &t->set;
	int code = refuse_copies(t);

	if (code != EXIT_DONE)
		return code;
	train_counts(s);
	if (!train_prepare(s) || !cross_validate(t))
		return out_of_memory();
	if (!train_fit(s, TRAIN_FOLDS, &t->model))
		return out_of_memory();
	train_score(s, &t->model, TRAIN_FOLDS);
	double suspect, block;
	choose_thresholds(s, &suspect, &block);
	calibrate(&t->model, suspect, block);
	train_figures(s, suspect, block);
	train_calibrated(s, suspect, block);
	train_tests(s, suspect, block);
	if (!out || write_model(&t->model, out))
		return EXIT_DONE;
	fprintf(stderr, "tollgate-train: %s: cannot be written\n", out);
	return EXIT_CANNOT;
}

static int
read_all(struct training *t, int argc, char **argv, const enum train_use *use)
{
	int err = 0;

	SCOPED_BUF(errors, 1 << 16);
	for (int u = TRAIN_DATA; u <= TRAIN_TEST; u++)
		for (int i = 0; i < argc && err == 0; i++)
			if (use[i] == (enum train_use)u)
				err = train_read(&t->set, argv[i], use[i], &errors);
	if (err)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
	return err;
}

static int
train_misused(void)
{
	fprintf(stderr, "tollgate-train: %s\n", usage);
	return EXIT_CANNOT;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "out", required_argument, NULL, 'o' },
		{ "with", required_argument, NULL, 'w' },
		{ "calibrate", required_argument, NULL, 'c' },
		{ "test", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	char **path = calloc((size_t)argc + 1, sizeof(*path));
	enum train_use *use = calloc((size_t)argc + 1, sizeof(*use));
	struct training *t = calloc(1, sizeof(*t));
	const char *out = NULL;
	struct arena a;
	int n = 0, code = EXIT_DONE;

	arena_init(&a, 0, false);
	if (!path || !use || !t) {
		code = out_of_memory();
		goto out;
	}
	t->set.arena = &a;
	opterr = 0; /* the program prints its own messages instead of getopt's */
	for (int c;
		code == EXIT_DONE && (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
		if (c == 'o') {
			out = optarg;
		} else if (c == 'w' || c == 'c' || c == 't') {
			use[n] = c == 'w' ? TRAIN_WITH : c == 'c' ? TRAIN_CALIBRATE : TRAIN_TEST;
			path[n++] = optarg;
		} else if (c == 'h') {
			printf("%s\n", usage);
			goto out;
		} else {
			code = train_misused();
		}
	if (code == EXIT_DONE && optind == argc)
		code = train_misused();
	while (optind < argc)
		path[n++] = argv[optind++];
	if (code == EXIT_DONE)
		code = read_all(t, n, path, use) ? EXIT_CANNOT : train_and_write(t, out);
out:
	if (t) {
		free(t->set.doc);
		free(t->set.feature);
		free(t->set.start);
	}
	free(t);
	free(path);
	free(use);
	arena_reset(&a);
	return code;
}
