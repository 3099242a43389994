/* Tables of expressions and their results. Include after cmocka.h. */
#ifndef SUPPORT_CEL_ROWS_H
#define SUPPORT_CEL_ROWS_H

#include <stdio.h>
#include <string.h>

#include "policy/cel/cel.h"

/* Returns the value as JSON, "error: ..." for an error at run time, or "line:column: ..." for
 * an error at compile time. */
static inline const char *
run(struct arena *a, const struct cel_env *e, const struct cel_activation *with,
	enum cel_type want, const char *expr)
{
	struct cel_error err;
	struct cel_value v;
	struct buf out;

	const struct cel_program *p = cel_compile(a, e, span_str(expr), want, &err);
	if (!p)
		return arena_printf(a, "%u:%u: %s", err.line, err.column, err.message).p;
	if (cel_eval(p, with, a, &v)) {
		assert_int_equal(v.type, CEL_ERROR);
		return arena_printf(a, "error: %.*s", SPAN_ARG(v.s)).p;
	}
	buf_init(&out, 0);
	cel_json(&v, &out);
	const char *text = arena_printf(a, "%.*s", SPAN_ARG(buf_view(&out))).p;
	buf_free(&out);
	return text;
}

struct row {
	const char *name, *input, *want;
};

static inline void
run_rows(const struct row *rows, size_t n, const struct cel_env *e,
	const struct cel_activation *with, enum cel_type want)
{
	for (size_t i = 0; i < n; i++) {
		struct arena a;
		arena_init(&a, 0, false);
		const char *got = run(&a, e, with, want, rows[i].input);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s\n  gave: %s\n  want: %s", rows[i].name, rows[i].input,
				got, rows[i].want);
		arena_reset(&a);
	}
}
#define ROWS(rows, e, with, want)                                                              \
	run_rows(rows, sizeof(rows) / sizeof((rows)[0]), e, with, want)

#endif
