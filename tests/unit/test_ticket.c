/* The table of decisions that wait for the relay: each is used once, in order of age, and no
 * longer than permitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/err.h"
#include "gate/ticket.h"

#define N 100

static struct tickets table;
static struct ticket all[N];
static char text[N][TICKET_TEXT];

/* N tickets of worker 7 that expire at 1000, 1001, … */
static int
setup(void **state)
{
	(void)state;
	memset(all, 0, sizeof(all));
	tickets_init(&table, N);
	for (size_t i = 0; i < N; i++)
		if (ticket_issue(&table, &all[i], 7, 1000 + i, text[i]))
			return -1;
	return 0;
}

static void
ticket_is_found_once(void **state)
{
	(void)state;
	unsigned char key[16];
	unsigned worker;

	for (size_t i = 0; i < N; i++) {
		size_t k = i * 37 % N; /* in another order than issued */
		assert_int_equal(ticket_parse(span_str(text[k]), &worker, key), 0);
		assert_int_equal(worker, 7);
		assert_ptr_equal(ticket_take(&table, key), &all[k]);
		assert_null(ticket_take(&table, key));
	}
	assert_null(ticket_expired(&table, UINT64_MAX));
	assert_int_equal(table.n, 0);
}

static void
other_text_is_not_a_ticket(void **state)
{
	(void)state;
	unsigned char key[16];
	unsigned worker;

	for (size_t n = 0; n < TICKET_TEXT - 1; n++)
		assert_true(ticket_parse(span_of(text[0], n), &worker, key) < 0);
	for (size_t at = 0; at < TICKET_TEXT - 1; at++) {
		char wrong[TICKET_TEXT];
		memcpy(wrong, text[0], TICKET_TEXT);
		wrong[at] = at == 4 ? '0' : 'G';
		assert_true(ticket_parse(span_of(wrong, TICKET_TEXT - 1), &worker, key) < 0);
		wrong[at] = '\0';
		assert_true(ticket_parse(span_of(wrong, TICKET_TEXT - 1), &worker, key) < 0);
	}
	/* Only one spelling is valid. */
	assert_int_equal(
		ticket_parse(SPAN_LIT("0007-0123456789abcdef0123456789abcdef"), &worker, key),
		0);
	assert_true(ticket_parse(SPAN_LIT("0007-0123456789ABCDEF0123456789abcdef"), &worker,
			    key) < 0);
	/* All its bits matter. */
	for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
		assert_int_equal(ticket_parse(span_str(text[0]), &worker, key), 0);
		key[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_null(ticket_take(&table, key));
	}
	memset(key, 0, sizeof(key));
	assert_null(ticket_take(&table, key));
}

static void
oldest_tickets_expire_first(void **state)
{
	(void)state;
	assert_null(ticket_expired(&table, 999));
	for (size_t i = 0; i < N; i++) {
		assert_ptr_equal(ticket_expired(&table, 1000 + i), &all[i]);
		assert_null(ticket_expired(&table, 1000 + i));
	}
}

static void
full_table_refuses_a_ticket(void **state)
{
	(void)state;
	struct ticket more = { 0 };
	char out[TICKET_TEXT];

	assert_int_equal(ticket_issue(&table, &more, 7, 5000, out), ERR_FULL);
	assert_false(more.live);
	assert_ptr_equal(ticket_expired(&table, 1000), &all[0]);
	assert_int_equal(ticket_issue(&table, &more, 7, 5000, out), 0);
}

static void
expiry_of_a_ticket_can_only_become_earlier(void **state)
{
	(void)state;
	tickets_hasten(&table, 1050);
	for (size_t i = 0; i < N; i++)
		assert_ptr_equal(ticket_expired(&table, 1000 + (i < 50 ? i : 50)), &all[i]);
	assert_null(ticket_expired(&table, UINT64_MAX));
	tickets_hasten(&table, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ticket_is_found_once, setup),
		cmocka_unit_test_setup(other_text_is_not_a_ticket, setup),
		cmocka_unit_test_setup(oldest_tickets_expire_first, setup),
		cmocka_unit_test_setup(full_table_refuses_a_ticket, setup),
		cmocka_unit_test_setup(expiry_of_a_ticket_can_only_become_earlier, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
