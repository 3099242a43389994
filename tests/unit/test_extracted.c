/* Responses of tollgate-extract: valid and invalid ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "scan/media/extracted.h"

static void
response_of_extract_is_read(void **state)
{
	struct arena a;
	struct extracted x;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(
		extracted_read(SPAN_LIT("{\"pages\":3,\"texts\":[{\"page\":0,\"text\":\"t\"},"
					"{\"page\":2,\"text\":\"a\\nb\"}],\"read\":\"ocr\","
					"\"unread\":[{\"page\":3,\"why\":\"no_text\"},"
					"{\"page\":0,\"why\":\"forms\"}]}"),
			&a, &x),
		0);
	assert_int_equal(x.pages, 3);
	assert_true(x.ocr);
	assert_int_equal(x.ntexts, 2);
	assert_int_equal(x.texts[1].page, 2);
	assert_true(span_is(x.texts[1].text, "a\nb"));
	assert_string_equal(x.why, "no_text");
	assert_int_equal(x.why_page, 3);
	assert_int_equal(extracted_read(SPAN_LIT("{\"error\":\"encrypted\"}"), &a, &x), 0);
	assert_string_equal(x.why, "encrypted");
	assert_int_equal(x.ntexts, 0);
	arena_reset(&a);
}

static void
invalid_response_of_extract_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"pages\":0,\"texts\":[],\"read\":\"text\",\"unread\":[]}",
		"{\"texts\":[{\"page\":1,\"text\":\"a\"}]}",
		"{\"pages\":-1}",
		"{\"pages\":\"1\"}",
		"{\"pages\":65536}",
		"{\"pages\":1,\"texts\":{}}",
		"{\"pages\":1,\"texts\":[{\"page\":1}]}",
		"{\"pages\":1,\"texts\":[{\"page\":1,\"text\":2}]}",
		"{\"pages\":1,\"texts\":[{\"page\":1,\"text\":\"a\",\"why\":\"forms\"}]}",
		"{\"pages\":1,\"texts\":[{\"page\":1,\"text\":\"a\"}",
		"{\"pages\":1,\"unread\":[{\"page\":1}]}",
		"{\"pages\":1,\"unread\":[{\"page\":1,\"why\":\"moonlight\"}]}",
		"{\"pages\":1,\"unread\":[{\"page\":1,\"why\":\"encrypted\"}]}",
		"{\"error\":\"no_text\"}",
		"{\"error\":true}",
		"{\"error\":\"damaged\",\"more\":1}",
		"{\"pages\":1,\"read\":1}",
		"{\"pages\":1} x",
		"{\"pages\":1,\"pages\":2}",
	};
	struct arena a;
	struct extracted x;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		arena_init(&a, 0, false);
		int err = extracted_read(span_str(rows[i]), &a, &x);
		if (err != ERR_SYNTAX)
			fail_msg("%s: %d", rows[i], err);
		arena_reset(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(response_of_extract_is_read),
		cmocka_unit_test(invalid_response_of_extract_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
