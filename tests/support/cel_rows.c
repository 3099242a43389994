/* Compiles and evaluates expressions, and compares the results with those of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "support/cel_rows.h"

const char *
cel_row_run(struct arena *a, const struct cel_env *e, const struct cel_activation *with,
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

void
run_rows(const struct cel_row *rows, size_t n, const struct cel_env *e,
	const struct cel_activation *with, enum cel_type want)
{
	for (size_t i = 0; i < n; i++) {
		struct arena a;
		arena_init(&a, 0, false);
		const char *got = cel_row_run(&a, e, with, want, rows[i].input);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s\n  gave: %s\n  want: %s", rows[i].name, rows[i].input,
				got, rows[i].want);
		arena_reset(&a);
	}
}
