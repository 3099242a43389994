/* tollgate-train: makes the injection model from labeled texts. `make model` runs it with
 * the shipped texts; a site can run it with its own. It is a separate program, because the
 * daemon does not need it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "cmd/makers/train.h"

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
