/* Keys of probes: a key is valid for its request, for five minutes and with its secret, and for
 * nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "policy/identity/apikeys.h"
#include "policy/identity/probekey.h"

#define MINUTE INT64_C(60000000000)
static const int64_t now = 29900000 * MINUTE;
static const unsigned char secret[SHA256_BYTES] = "a secret of thirty-two bytes ...";

static void
probe_key_is_read_back(void **state)
{
	char text[PROBE_KEY_BYTES];

	(void)state;
	for (enum probe_kind kind = PROBE_DIRECT; kind <= PROBE_RELAY; kind++) {
		probe_key_make(secret, kind, now, SPAN_LIT("POST"), SPAN_LIT("{}"), text);
		assert_int_equal(probe_key_read(secret, span_str(text), now, SPAN_LIT("POST"),
					 SPAN_LIT("{}")),
			kind);
	}
}

/* The code that keeps API keys out of logs, prompts and requests to providers looks for this
 * form. */
static void
probe_key_has_the_form_of_an_api_key(void **state)
{
	char text[PROBE_KEY_BYTES];
	struct span rest, key;

	(void)state;
	probe_key_make(secret, PROBE_RELAY, now, SPAN_LIT("POST"), SPAN_LIT("{}"), text);
	rest = span_str(text);
	assert_true(apikey_next(&rest, &key));
	assert_int_equal(key.n, strlen(text));
}

static void
probe_key_is_valid_for_one_request(void **state)
{
	static const struct {
		const char *name, *method, *body;
		int64_t later;
		bool other_secret;
		enum probe_kind want;
	} rows[] = {
		{ "the same", "POST", "{}", 0, false, PROBE_DIRECT },
		{ "five minutes later", "POST", "{}", 5 * MINUTE, false, PROBE_DIRECT },
		{ "by a clock that is a minute behind", "POST", "{}", -MINUTE, false,
			PROBE_DIRECT },
		{ "six minutes later", "POST", "{}", 6 * MINUTE, false, PROBE_NONE },
		{ "two minutes before", "POST", "{}", -2 * MINUTE, false, PROBE_NONE },
		{ "32 years later, when its digits are the same", "POST", "{}",
			(INT64_C(1) << 24) * MINUTE, false, PROBE_NONE },
		{ "another body", "POST", "{ }", 0, false, PROBE_NONE },
		{ "no body", "POST", "", 0, false, PROBE_NONE },
		{ "another method", "GET", "{}", 0, false, PROBE_NONE },
		{ "another secret", "POST", "{}", 0, true, PROBE_NONE },
	};
	unsigned char other[SHA256_BYTES];
	char text[PROBE_KEY_BYTES];

	(void)state;
	memcpy(other, secret, sizeof(other));
	other[31] ^= 1;
	probe_key_make(secret, PROBE_DIRECT, now, SPAN_LIT("POST"), SPAN_LIT("{}"), text);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum probe_kind got = probe_key_read(rows[i].other_secret ? other : secret,
			span_str(text), now + rows[i].later, span_str(rows[i].method),
			span_str(rows[i].body));
		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].want);
	}
}

/* Each character matters: a bit of the kind, the minute or the code. */
static void
probe_key_with_a_changed_character_is_invalid(void **state)
{
	char text[PROBE_KEY_BYTES];

	(void)state;
	probe_key_make(secret, PROBE_DIRECT, now, SPAN_LIT("POST"), SPAN_LIT("{}"), text);
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++) {
		char was = text[i];
		text[i] = was == 'z' ? 'y' : 'z';
		assert_int_equal(probe_key_read(secret, span_of(text, n), now, SPAN_LIT("POST"),
					 SPAN_LIT("{}")),
			PROBE_NONE);
		text[i] = was;
		assert_int_equal(probe_key_read(secret, span_of(text, i), now, SPAN_LIT("POST"),
					 SPAN_LIT("{}")),
			PROBE_NONE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_key_is_read_back),
		cmocka_unit_test(probe_key_has_the_form_of_an_api_key),
		cmocka_unit_test(probe_key_is_valid_for_one_request),
		cmocka_unit_test(probe_key_with_a_changed_character_is_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
