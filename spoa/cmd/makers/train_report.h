/* Figures over the margins of a set's texts. */
#ifndef CMD_MAKERS_TRAIN_REPORT_H
#define CMD_MAKERS_TRAIN_REPORT_H

#include "cmd/makers/train.h"

enum train_kind { TRAIN_ATTACK, TRAIN_INSIDE, TRAIN_ORDINARY, TRAIN_HARD, TRAIN_HARMLESS };
/* What is fitted and scored out of fold, and what is not fitted. */
enum train_part { TRAIN_FOLDED, TRAIN_CALIBRATION, TRAIN_TESTS };

struct margins {
	double *v; /* rising; the caller frees it */
	size_t n;
};

struct margins train_margins(
	const struct train_set *s, enum train_kind kind, enum train_part part);
/* The lowest margin that at most this share of them exceeds. */
double train_threshold(const struct margins *m, double rate);

/* To standard output: how many texts there are, how they score out of fold, and how what was
 * not fitted scores. */
void train_counts(const struct train_set *s);
void train_figures(const struct train_set *s, double suspect, double block);
void train_calibrated(const struct train_set *s, double suspect, double block);
void train_tests(const struct train_set *s, double suspect, double block);

#endif
