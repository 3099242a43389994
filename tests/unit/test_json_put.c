/* JSON written with its commas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json_put.h"

static void
is_written(const struct buf *b, const char *want)
{
	struct span got = buf_view(b);

	if (!span_is(got, want))
		fail_msg("%.*s, want %s", (int)got.n, got.p, want);
}

static void
comma_is_written_only_after_a_value(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	json_put_open(&b, NULL, '{');
	json_put_text(&b, "text", SPAN_LIT("a\"b,{"));
	json_put_str(&b, "word", "[");
	json_put_int(&b, "least", INT64_MIN);
	json_put_uint(&b, "most", UINT64_MAX);
	json_put_bool(&b, "yes", true);
	json_put_bool(&b, "no", false);
	json_put_null(&b, "none");
	json_put_open(&b, "list", '[');
	json_put_int(&b, NULL, 1);
	json_put_str(&b, NULL, "");
	json_put_open(&b, NULL, '[');
	json_put_close(&b, ']');
	json_put_open(&b, NULL, '{');
	json_put_close(&b, '}');
	json_put_raw(&b, NULL, SPAN_LIT("{\"x\":1}"));
	json_put_close(&b, ']');
	json_put_printf(&b, "share", "%.2f", 0.5);
	json_put_member(&b, SPAN_LIT("a \"name\""));
	buf_int(&b, 2);
	json_put_name(&b, "last");
	buf_str(&b, "{}");
	json_put_close(&b, '}');
	is_written(&b, "{\"text\":\"a\\\"b,{\",\"word\":\"[\",\"least\":-9223372036854775808,"
		       "\"most\":18446744073709551615,\"yes\":true,\"no\":false,\"none\":null,"
		       "\"list\":[1,\"\",[],{},{\"x\":1}],\"share\":0.50,\"a "
		       "\\\"name\\\"\":2,\"last\":{}}");
	buf_free(&b);
}

static void
documents_on_separate_lines_have_no_commas(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 2; i++) {
		json_put_open(&b, NULL, '{');
		json_put_int(&b, "n", i);
		json_put_close(&b, '}');
		buf_putc(&b, '\n');
	}
	is_written(&b, "{\"n\":0}\n{\"n\":1}\n");
	/* Bytes consumed at the front do not matter. */
	buf_consume(&b, b.n);
	json_put_open(&b, NULL, '[');
	is_written(&b, "[");
	buf_free(&b);
}

static void
printf_forms_write_values(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	json_put_form(&b, "{'a':%t,'b':%w,'c':[%j,%u,%s", SPAN_LIT("x\"\n"), SPAN_LIT("\\u00e4"),
		SPAN_LIT("{}"), UINT64_MAX, "own");
	json_put_form(&b, "{'d':null}");
	json_put_form(&b, "],'e':{");
	json_put_form(&b, "'f':true");
	json_put_form(&b, "}}");
	is_written(&b, "{\"a\":\"x\\\"\\n\",\"b\":\"\\u00e4\",\"c\":[{},18446744073709551615,"
		       "\"own\",{\"d\":null}],\"e\":{\"f\":true}}");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comma_is_written_only_after_a_value),
		cmocka_unit_test(printf_forms_write_values),
		cmocka_unit_test(documents_on_separate_lines_have_no_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
