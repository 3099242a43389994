/* Figures over the margins of a set's texts. */
#ifndef CMD_TRAIN_REPORT_H
#define CMD_TRAIN_REPORT_H

#include "cmd/train.h"

enum train_kind { TRAIN_ATTACK, TRAIN_INSIDE, TRAIN_ORDINARY, TRAIN_HARD, TRAIN_HARMLESS };

struct margins {
	double *v; /* rising; the caller frees it */
	size_t n;
};

/* Of a kind of text: tests, or what was scored out of fold. */
struct margins train_margins(const struct train_set *s, enum train_kind kind, bool tests);
/* The lowest margin that at most this share of them exceeds. */
double train_threshold(const struct margins *m, double rate);

/* To standard output: how many texts there are, how they score out of fold, and how the
 * tests score. */
void train_counts(const struct train_set *s);
void train_figures(const struct train_set *s, double suspect, double block);
void train_tests(const struct train_set *s, double suspect, double block);

#endif
