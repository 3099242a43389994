/* Tables of expressions and their results. Include after cmocka.h. */
#ifndef SUPPORT_CEL_ROWS_H
#define SUPPORT_CEL_ROWS_H

#include "policy/cel/cel.h"

/* Returns the value as JSON, "error: ..." for an error at run time, or "line:column: ..." for
 * an error at compile time. */
const char *cel_row_run(struct arena *a, const struct cel_env *e,
	const struct cel_activation *with, enum cel_type want, const char *expr);

struct cel_row {
	const char *name, *input, *want;
};

/* Evaluates each row with these facts. Fails the test if a result differs. */
void run_rows(const struct cel_row *rows, size_t n, const struct cel_env *e,
	const struct cel_activation *with, enum cel_type want);

#define ROWS(rows, e, with, want)                                                              \
	run_rows(rows, sizeof(rows) / sizeof((rows)[0]), e, with, want)

#endif
