/* Names of counters in records: hidden with a person's share, and readable with the share until
 * it is erased. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/err.h"
#include "budget/quota/quota.h"
#include "record/seal/counters.h"
#include "support/temp_dir.h"

#define HASH  "7f9a2c0d1e4b58c6339fa001"
#define PLAIN "tollgate:q:{month:" HASH "}"

static struct shares *shares;

static int
shares_up(void **state)
{
	struct buf lost_why, why;
	uint64_t lost;

	temp_dir_make(state);
	buf_init(&lost_why, 4096);
	buf_init(&why, 4096);
	shares = shares_open(path("shares"), path("head"), "n", &lost, &lost_why, &why);
	assert_non_null(shares);
	buf_free(&lost_why);
	buf_free(&why);
	return 0;
}

static int
shares_down(void **state)
{
	shares_close(&shares);
	return temp_dir_remove(state);
}

static struct counter_key
key_of(const char *person, const char *id)
{
	struct counter_key k;
	struct share b;

	assert_int_equal(shares_get(shares, span_str(person), true, &b), 0);
	counter_key_of(&b, span_str(id), &k);
	return k;
}

static void
hide(const char *person, const char *id, const char *plain, char out[QUOTA_KEY_MAX])
{
	struct counter_key k = key_of(person, id);

	snprintf(out, QUOTA_KEY_MAX, "%s", plain);
	assert_true(counter_hide(&k, out, QUOTA_KEY_MAX));
}

static void
shows(const char *id, const char *name, int err, const char *want)
{
	char got[QUOTA_KEY_MAX];

	snprintf(got, sizeof(got), "%s", name);
	int was = counter_show(shares, span_str(id), got, sizeof(got));
	if (was != err || strcmp(got, want))
		fail_msg("%s: %d, %s", name, was, got);
}

static void
hidden_name_belongs_to_one_request_and_is_restored(void **state)
{
	static const char *const plain[] = { PLAIN, "tollgate:q:{month~burst:" HASH "}",
		"tollgate:q:{a.limit-with_32.letters.in.its.na~burst:" HASH "}" };
	char one[QUOTA_KEY_MAX], again[QUOTA_KEY_MAX], other[QUOTA_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		hide("ann", "01ID", plain[i], one);
		assert_true(counter_is_hidden(one));
		assert_false(counter_is_hidden(plain[i]));
		assert_null(strstr(one, HASH));
		assert_memory_equal(one, plain[i], strcspn(plain[i], ":") + 5);
		shows("01ID", one, 0, plain[i]);
		hide("ann", "01ID", plain[i], again);
		assert_string_equal(one, again);
		hide("ann", "02ID", plain[i], other);
		assert_string_not_equal(one, other);
		hide("bob", "01ID", plain[i], other);
		assert_string_not_equal(one, other);
		shows("01ID", plain[i], 0, plain[i]);
	}
}

/* Two hidden counter names of one request have nothing in common. */
static void
two_hidden_names_have_nothing_in_common(void **state)
{
	char one[QUOTA_KEY_MAX], other[QUOTA_KEY_MAX];

	(void)state;
	hide("ann", "01ID", "tollgate:q:{m:000000000000000000000000}", one);
	hide("ann", "01ID", "tollgate:q:{m:000000000000000000000001}", other);
	size_t same = 0, n = strlen(one);
	for (size_t i = sizeof("tollgate:q:{m:~1.") - 1; i < n; i++)
		same += one[i] == other[i];
	assert_in_range(
		same, 0, 12); /* of 24 characters and the end; by chance, one in 64 is equal */
}

static void
name_that_cannot_be_hidden_is_unchanged(void **state)
{
	static const char *const bad[] = { "", "}", "tollgate:q:{month:" HASH,
		"tollgate:q:{month:7f9a2c0d1e4b58c6339fa00g}", "tollgate:q:{month" HASH "}",
		HASH "}" };
	struct counter_key k = key_of("ann", "01ID");
	char name[QUOTA_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(name, sizeof(name), "%s", bad[i]);
		assert_false(counter_hide(&k, name, sizeof(name)));
		assert_string_equal(name, bad[i]);
	}
	snprintf(name, sizeof(name), "%s", PLAIN);
	assert_false(counter_hide(&k, name, strlen(PLAIN) + 3));
	assert_string_equal(name, PLAIN);
}

static void
other_text_is_not_a_hidden_name(void **state)
{
	static const struct {
		const char *at; /* after the limit's name */
		int err;
	} bad[] = { { ":~}", ERR_AUTH }, { ":~1.}", ERR_AUTH }, { ":~1.AAAA}", ERR_AUTH },
		{ ":~1.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_AUTH }, /* no such block */
		{ ":~1.AAAAAAAAAAAAAAAAAAAAAA==", ERR_AUTH },
		{ ":~1.AAAAAAAAAAAAAAAAAAAAAAAA}", ERR_AUTH },
		{ ":~1.AAAAAAAAAAAAAAAAAAAAAA==}}", ERR_AUTH },
		{ ":~x.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_AUTH },
		{ ":~.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_AUTH },
		{ ":~-1.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_AUTH },
		{ ":~9.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_NOTFOUND },
		{ ":~0.AAAAAAAAAAAAAAAAAAAAAA==}", ERR_NOTFOUND } };
	char one[QUOTA_KEY_MAX];

	(void)state;
	hide("ann", "01ID", PLAIN, one);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char name[QUOTA_KEY_MAX];
		snprintf(name, sizeof(name), "tollgate:q:{month%s", bad[i].at);
		shows("01ID", name, bad[i].err, name);
	}
	shows("02ID", one, ERR_AUTH, one); /* of another request */
}

static bool
is_ann(void *arg, struct span holder)
{
	(void)arg;
	return span_is(holder, "ann");
}

static void
erased_share_shows_nothing_also_with_a_new_share(void **state)
{
	char one[QUOTA_KEY_MAX], bobs[QUOTA_KEY_MAX], now[QUOTA_KEY_MAX];
	struct buf erased;

	(void)state;
	buf_init(&erased, 0);
	hide("ann", "01ID", PLAIN, one);
	hide("bob", "01ID", PLAIN, bobs);
	assert_int_equal(shares_sync(shares), 0);
	assert_int_equal(shares_erase(shares, is_ann, NULL, "e1", 1, 1, &erased), 0);
	shows("01ID", one, ERR_NOTFOUND, one);
	shows("01ID", bobs, 0, PLAIN);
	hide("ann", "01ID", PLAIN, now);
	assert_string_not_equal(now, one);
	shows("01ID", one, ERR_NOTFOUND, one);
	assert_int_equal(
		counter_show(NULL, SPAN_LIT("01ID"), bobs, sizeof(bobs)), ERR_NOTFOUND);
	buf_free(&erased);
}

/* The format: a block of AES-256 under a key derived from share and id. */
static void
format_of_hidden_names_is_fixed(void **state)
{
	struct share b = { .number = 17 };
	char name[QUOTA_KEY_MAX] = PLAIN;
	struct counter_key k;

	(void)state;
	memset(b.key, 7, sizeof(b.key));
	counter_key_of(&b, SPAN_LIT("01ID"), &k);
	assert_true(counter_hide(&k, name, sizeof(name)));
	assert_string_equal(name, "tollgate:q:{month:~17.McB+g8vxPJYnhHRxZHsoWQ==}");
}

int
main(void)
{
#define WITH_SHARES(f) cmocka_unit_test_setup_teardown(f, shares_up, shares_down)
	const struct CMUnitTest tests[] = {
		WITH_SHARES(hidden_name_belongs_to_one_request_and_is_restored),
		WITH_SHARES(two_hidden_names_have_nothing_in_common),
		WITH_SHARES(name_that_cannot_be_hidden_is_unchanged),
		WITH_SHARES(other_text_is_not_a_hidden_name),
		WITH_SHARES(erased_share_shows_nothing_also_with_a_new_share),
		cmocka_unit_test(format_of_hidden_names_is_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
