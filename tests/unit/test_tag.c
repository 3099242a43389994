/* Tags of what comes back as a void *: checked in sanitizer builds, of no size elsewhere. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mailbox.h"
#include "base/tag.h"

struct letter {
	int n;
	struct tag tag;
	struct mail mail;
};
struct parcel {
	int n;
	struct tag tag;
	struct mail mail;
};

static void
a_pointer_comes_back_as_what_it_was(void **state)
{
	struct letter l = { .n = 7 };
	void *p = &l;

	(void)state;
	TAG(letter, &l);
	assert_ptr_equal(TAGGED(letter, p), &l);
	assert_ptr_equal(TAGGED_OF(letter, mail, &l.mail), &l);
}

/* How a child ends that takes p for a parcel; 0: as if nothing were wrong. */
static int
taken_for_a_parcel(void *p)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		close(2);
		_exit(TAGGED(parcel, p)->n != 7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
another_type_ends_a_sanitized_program(void **state)
{
	struct parcel untagged = { .n = 7 }, right = { .n = 7 };
	struct letter l = { .n = 7 };

	(void)state;
	TAG(parcel, &right);
	assert_int_equal(taken_for_a_parcel(&right), 0);
	TAG(letter, &l);
#ifdef TG_SANITIZE
	assert_int_not_equal(taken_for_a_parcel(&l), 0);
	assert_int_not_equal(taken_for_a_parcel(&untagged), 0);
	assert_int_not_equal(taken_for_a_parcel(NULL), 0);
#else
	assert_int_equal(taken_for_a_parcel(&untagged), 0);
	assert_int_equal(sizeof(struct tag), 0);
#endif
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pointer_comes_back_as_what_it_was),
		cmocka_unit_test(another_type_ends_a_sanitized_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
