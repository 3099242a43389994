/* The growing buffer: numbers at their limits, formatted text for every amount of free room,
 * and sticky limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static void
check(struct buf *b, const char *want)
{
	struct span got = buf_view(b);

	if (!span_is(got, want))
		fail_msg("%.*s, want %s", (int)got.n, got.p, want);
}

static void
numbers_are_written_in_decimal(void **state)
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
	/* around each power of ten */
	for (int64_t ten = 1; ten <= INT64_MAX / 10; ten *= 10)
		for (int64_t v = ten - 1; v <= ten + 1; v++) {
			char want[64];
			struct buf b;
			snprintf(want, sizeof(want), "%" PRId64 "%" PRId64, v, -v);
			buf_init(&b, 0);
			buf_int(&b, v);
			buf_int(&b, -v);
			check(&b, want);
			buf_free(&b);
		}
}

/* The first allocation of a buffer is 256 bytes: text that fits exactly, that fits without its
 * NUL, and that does not fit. */
static void
formatted_text_fits_any_free_room(void **state)
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
		/* also after bytes were consumed at the front */
		if (before) {
			buf_consume(&b, before);
			buf_printf(&b, "%c", '!');
			check(&b, "twelve bytes-34!");
		}
		buf_free(&b);
	}
}

/* Released memory is zeroed as far as it was used, so that its next user cannot read it. */
static void
released_memory_is_zeroed(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	char *first = buf_reserve(&b, 8192);
	memset(first, 'x', 300);
	buf_commit(&b, 300);
	buf_consume(&b, 300);
	buf_give_back(&b, 300);
	assert_null(b.p);
	char *next = mem_get_zeroed(8192);
	assert_non_null(next);
	for (size_t i = 0; i < 8192; i++)
		assert_int_equal(next[i], 0);
	mem_put(next, 8192);
}

static void
exceeded_limit_is_sticky(void **state)
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

/* The code examines sixteen bytes at a time: tests each byte at each position beside each
 * kind. */
static void
each_byte_of_a_json_text_is_escaped(void **state)
{
	static const char around[] = "a!~ \x7f\x80\xff";
	char text[20], one[8];

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < sizeof(text); at++)
			for (size_t k = 0; k < sizeof(around) - 1; k++) {
				struct buf got, want;
				int n = c == '"' || c == '\\'
						? snprintf(one, sizeof(one), "\\%c", c)
					: c == '\n' ? snprintf(one, sizeof(one), "\\n")
					: c == '\r' ? snprintf(one, sizeof(one), "\\r")
					: c == '\t' ? snprintf(one, sizeof(one), "\\t")
					: c < 0x20  ? snprintf(one, sizeof(one), "\\u%04x", c)
						    : 1;
				if (n == 1)
					one[0] = (char)c;
				memset(text, around[k], sizeof(text));
				text[at] = (char)c;
				buf_init(&got, 0);
				buf_init(&want, 0);
				buf_json(&got, span_of(text, sizeof(text)));
				buf_put(&want, text, at);
				buf_put(&want, one, (size_t)n);
				buf_put(&want, text + at + 1, sizeof(text) - at - 1);
				assert_true(span_eq(buf_view(&got), buf_view(&want)));
				buf_clear(&got);
				buf_json_str(&got, span_of(text, sizeof(text)));
				assert_true(span_eq(span_cut(buf_view(&got), 1, got.n - 1),
					buf_view(&want)));
				buf_free(&got);
				buf_free(&want);
			}
}

static void
moved_bytes_are_appended_within_the_limit(void **state)
{
	static const struct {
		size_t cap, there, gone,
			more; /* bytes: in `to`; consumed in `from`; in `from` */
		bool refused, takes_over;
	} rows[] = {
		{ 0, 0, 0, 300, false, true },
		{ 300, 0, 2, 298, false, true },
		{ 299, 0, 0, 300, true, false },
		{ 300, 1, 1, 299, false, false },
		{ 299, 1, 0, 299, true, false },
		{ 0, 5, 0, 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf to, from, want;
		buf_init(&to, rows[i].cap);
		buf_init(&from, 0);
		buf_init(&want, 0);
		for (size_t k = 0; k < rows[i].there; k++)
			buf_putc(&to, 'a');
		for (size_t k = 0; k < rows[i].gone + rows[i].more; k++)
			buf_putc(&from, (char)('b' + k % 20));
		buf_consume(&from, rows[i].gone);
		buf_span(&want, buf_view(&to));
		if (!rows[i].refused)
			buf_span(&want, buf_view(&from));
		const char *was = from.p;
		buf_move(&to, &from);
		assert_int_equal(buf_failed(&to), rows[i].refused);
		assert_int_equal(to.cap, rows[i].cap);
		assert_int_equal(to.p == was, rows[i].takes_over);
		assert_true(from.n == 0 && !from.p && span_eq(buf_view(&to), buf_view(&want)));
		buf_free(&to);
		buf_free(&want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_in_decimal),
		cmocka_unit_test(formatted_text_fits_any_free_room),
		cmocka_unit_test(released_memory_is_zeroed),
		cmocka_unit_test(exceeded_limit_is_sticky),
		cmocka_unit_test(moved_bytes_are_appended_within_the_limit),
		cmocka_unit_test(each_byte_of_a_json_text_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
