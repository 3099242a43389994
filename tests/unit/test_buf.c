/* The growing buffer: numbers at their ends, formatted text at every room that is
 * left, caps that latch. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void
check(struct buf *b, const char *want)
{
	struct span got = buf_view(b);

	if (!span_is(got, want))
		fail_msg("%.*s, want %s", (int)got.n, got.p, want);
}

static void
numbers_are_written_as_they_are(void **state)
{
	static const struct {
		int64_t v;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ 7, "7" },
		{ -1, "-1" },
		{ 10, "10" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;
		buf_init(&b, 0);
		buf_int(&b, rows[i].v);
		check(&b, rows[i].want);
		buf_free(&b);
	}
}

/* The buffer's first memory is 256 bytes: text that fits to the byte, all but its
 * NUL, and not at all. */
static void
formatted_text_at_every_room(void **state)
{
	char want[512];

	(void)state;
	for (size_t before = 0; before < 300; before++) {
		struct buf b;
		buf_init(&b, 0);
		for (size_t i = 0; i < before; i++)
			buf_putc(&b, 'x');
		buf_printf(&b, "%s-%d", "twelve bytes", 34);
		memset(want, 'x', before);
		strcpy(want + before, "twelve bytes-34");
		check(&b, want);
		/* and where bytes were consumed in front */
		if (before) {
			buf_consume(&b, before);
			buf_printf(&b, "%c", '!');
			check(&b, "twelve bytes-34!");
		}
		buf_free(&b);
	}
}

static void
a_cap_latches(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 16);
	buf_printf(&b, "%s", "0123456789");
	buf_printf(&b, "%s", "0123456789");
	assert_true(buf_failed(&b));
	check(&b, "0123456789");
	buf_int(&b, 1);
	buf_json_str(&b, SPAN_LIT("a"));
	check(&b, "0123456789");
	buf_clear(&b);
	buf_json_str(&b, SPAN_LIT("a\"\n"));
	check(&b, "\"a\\\"\\n\"");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_as_they_are),
		cmocka_unit_test(formatted_text_at_every_room),
		cmocka_unit_test(a_cap_latches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
