/* Pairs of texts that were seen: added pairs are found unchanged, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/seen.h"

static unsigned char hash[SEEN_HASH];

static bool
known(const struct seen *c, const char *before, const char *text, bool all)
{
	return seen_has(c, all, span_str(before), span_str(text), hash);
}

static void
text_is_known_where_it_was_added(void **state)
{
	struct seen *c = seen_new();

	(void)state;
	assert_non_null(c);
	assert_false(known(c, "messages", "role", false));
	seen_add(c, hash);
	assert_true(known(c, "messages", "role", false));
	assert_false(known(c, "messages", "role", true));
	assert_false(known(c, "message", "srole", false));
	assert_false(known(c, "", "messagesrole", false));
	assert_false(known(c, "messages", "", false));
	assert_false(known(c, "messages", "roles", false));
	free(c);
}

static void
texts_without_room_are_forgotten_and_not_mixed(void **state)
{
	struct seen *c = seen_new();
	char text[SEEN_BYTES + 1];
	size_t held = 0;

	(void)state;
	assert_non_null(c);
	for (int i = 0; i < 10 * SEEN_TEXTS; i++) {
		snprintf(text, sizeof(text), "%0*d", SEEN_BYTES, i);
		assert_false(known(c, "", text, true));
		if (i % 2)
			seen_add(c, hash);
	}
	for (int i = 0; i < 10 * SEEN_TEXTS; i++) {
		snprintf(text, sizeof(text), "%0*d", SEEN_BYTES, i);
		bool is = known(c, "", text, true);
		assert_true(!is || i % 2);
		held += is;
	}
	assert_true(held > SEEN_TEXTS / 2 && held <= SEEN_TEXTS);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_known_where_it_was_added),
		cmocka_unit_test(texts_without_room_are_forgotten_and_not_mixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
