/* Short texts that held nothing: known are those that were added, in the same place, and no
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/clean.h"

static unsigned char hash[CLEAN_HASH];

static bool
known(const struct clean_texts *c, const char *before, const char *text, bool all)
{
	return clean_known(c, span_str(before), span_str(text), all, hash);
}

static void
a_text_is_known_where_it_was_added(void **state)
{
	struct clean_texts *c = clean_texts_new();

	(void)state;
	assert_non_null(c);
	assert_false(known(c, "messages", "role", false));
	clean_add(c, hash);
	assert_true(known(c, "messages", "role", false));
	assert_false(known(c, "messages", "role", true));
	assert_false(known(c, "message", "srole", false));
	assert_false(known(c, "", "messagesrole", false));
	assert_false(known(c, "messages", "", false));
	assert_false(known(c, "messages", "roles", false));
	free(c);
}

static void
more_than_there_is_room_for_are_forgotten_and_not_mixed_up(void **state)
{
	struct clean_texts *c = clean_texts_new();
	char text[CLEAN_BYTES + 1];
	size_t held = 0;

	(void)state;
	assert_non_null(c);
	for (int i = 0; i < 10 * CLEAN_TEXTS; i++) {
		snprintf(text, sizeof(text), "%0*d", CLEAN_BYTES, i);
		assert_false(known(c, "", text, true));
		if (i % 2)
			clean_add(c, hash);
	}
	for (int i = 0; i < 10 * CLEAN_TEXTS; i++) {
		snprintf(text, sizeof(text), "%0*d", CLEAN_BYTES, i);
		bool is = known(c, "", text, true);
		assert_true(!is || i % 2);
		held += is;
	}
	assert_true(held > CLEAN_TEXTS / 2 && held <= CLEAN_TEXTS);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_known_where_it_was_added),
		cmocka_unit_test(more_than_there_is_room_for_are_forgotten_and_not_mixed_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
