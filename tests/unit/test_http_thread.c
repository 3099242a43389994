/* The thread that sends HTTP requests: it receives mail, and its end cancels calls in
 * flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "support/http_rig.h"

static _Atomic unsigned ran, answers;
static _Atomic int last_err;

static void
on_answer(void *arg UNUSED, const struct http_answer *a)
{
	atomic_store(&last_err, a->err);
	atomic_fetch_add(&answers, 1);
}

struct letter {
	struct mail mail;
	char url[64];
};

static void
ask(struct mail *m, void *consumer)
{
	struct letter *l = CONTAINER_OF(m, struct letter, mail);
	const struct http_call_options o = {
		.url = l->url, .deadline_us = 60000000, .answer_bytes = 4096
	};

	http_call(((struct http_thread *)consumer)->client, &o, on_answer, NULL);
	atomic_fetch_add(&ran, 1);
}

static bool
hang(void *arg UNUSED, struct rig_conn *c, const struct rig_request *q UNUSED)
{
	http_rig_hang(c);
	return false;
}

static bool
greet(void *arg UNUSED, struct rig_conn *c, const struct rig_request *q UNUSED)
{
	return http_rig_answer(c, 200, "", SPAN_LIT(""));
}

static void
wait_for(_Atomic unsigned *what, unsigned n)
{
	for (int i = 0; i < 30000 && atomic_load(what) < n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(what), n);
}

static void
mail_runs_on_the_thread_and_calls_end_with_it(void **state UNUSED)
{
	static rig_handler *const handlers[] = { greet, hang };

	for (int row = 0; row < 2; row++) {
		struct http_rig *rig = http_rig_start(handlers[row], NULL, NULL, NULL);
		struct http_thread *o = http_thread_new(NULL, NULL);
		struct letter l = { .mail.run = ask };

		assert_non_null(rig);
		assert_non_null(o);
		atomic_store(&ran, 0);
		atomic_store(&answers, 0);
		snprintf(l.url, sizeof(l.url), "http://127.0.0.1:%u/", rig->port);
		assert_int_equal(http_thread_start(o, "tg-outbound"), 0);
		mailbox_send(&o->mail, &l.mail);
		wait_for(&ran, 1);
		wait_for(row ? &rig->requests : &answers, 1);
		http_thread_stop(o);
		assert_int_equal(atomic_load(&answers), 1);
		assert_int_equal(atomic_load(&last_err), row ? ERR_CLOSED : 0);
		http_thread_free(&o);
		assert_null(o);
		http_rig_stop(&rig);
	}
}

static void
thread_that_never_ran_is_freed(void **state UNUSED)
{
	struct http_thread *o = http_thread_new(NULL, NULL);

	assert_non_null(o);
	http_thread_stop(o);
	http_thread_stop(NULL);
	http_thread_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_runs_on_the_thread_and_calls_end_with_it),
		cmocka_unit_test(thread_that_never_ran_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
