/* Prints the trainer's figures, and computes the thresholds. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/makers/train.h"

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

struct margins
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

double
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

void
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

void
train_figures(const struct train_set *s, double suspect, double block)
{
	printf("\nscored by models that saw no text of the same family or source (%d folds):\n",
		TRAIN_FOLDS);
	print_summary(s, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_FAMILY, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_LANG, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_SOURCE, TRAIN_FOLDED, suspect, block);
}

void
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

void
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
