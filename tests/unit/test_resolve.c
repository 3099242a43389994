/* Addresses of names: numbers, the hosts file, names that do not exist, and names that are too
 * long. A resolver that does not answer is in tests/e2e/names-hang.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/err.h"
#include "base/resolve.h"

static const char *
address_text(const struct resolved_address *a, char out[NI_MAXHOST])
{
	if (getnameinfo((const struct sockaddr *)&a->place, a->length, out, NI_MAXHOST, NULL, 0,
		    NI_NUMERICHOST))
		return "?";
	return out;
}

static void
numbers_are_not_asked_for(void **state)
{
	static const char *const numbers[] = { "127.0.0.1", "::1", "192.0.2.7", "2001:db8::5" };
	char text[NI_MAXHOST];
	struct resolved r;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		assert_int_equal(resolve_name(numbers[i], NULL, 0, &r, &why), 0);
		assert_int_equal(r.n, 1);
		assert_string_equal(address_text(&r.at[0], text), numbers[i]);
	}
}

static void
a_port_is_part_of_the_address(void **state)
{
	struct resolved r;
	const char *why;

	(void)state;
	assert_int_equal(resolve_name("127.0.0.1", "6514", 0, &r, &why), 0);
	assert_int_equal(ntohs(((const struct sockaddr_in *)&r.at[0].place)->sin_port), 6514);
}

static void
a_name_has_its_addresses(void **state)
{
	struct resolved r;
	const char *why;

	(void)state;
	assert_int_equal(resolve_name("localhost", "1", 5000000, &r, &why), 0);
	assert_true(r.n >= 1 && r.n <= RESOLVED_MOST);
	for (size_t i = 0; i < r.n; i++)
		assert_true(r.at[i].length > 0);
}

static void
a_wrong_name_has_a_reason(void **state)
{
	char name[300];
	struct resolved r;
	const char *why;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(resolve_name(name, NULL, 1000000, &r, &why), ERR_NOTFOUND);
	assert_string_equal(why, "the name is too long");
	assert_int_equal(resolve_name("localhost", "123456789", 1000000, &r, &why), ERR_NOTFOUND);
	assert_true(resolve_name("no such name", NULL, 10000000, &r, &why) != 0);
	assert_non_null(why);
}

/* The thread continues when the time is over, and a later call for this name uses its result. */
static void
no_time_is_a_timeout(void **state)
{
	struct resolved r;
	const char *why;
	int err;

	(void)state;
	for (int i = 0; i < 100; i++) {
		err = resolve_name("localhost", NULL, 0, &r, &why);
		assert_true(err == 0 || err == ERR_TIMEOUT || err == ERR_FULL);
	}
	assert_int_equal(resolve_name("localhost", NULL, 10000000, &r, &why), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_not_asked_for),
		cmocka_unit_test(a_port_is_part_of_the_address),
		cmocka_unit_test(a_name_has_its_addresses),
		cmocka_unit_test(a_wrong_name_has_a_reason),
		cmocka_unit_test(no_time_is_a_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
