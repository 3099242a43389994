/* Faults are injected into ten states. Each ends the program with SIGABRT, in the release build as
 * in the builds with sanitizers, and its message names the expression, the place and the thread. */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/scoped.h"
#include "budget/quota/lives/quota_lives_private.h"
#include "budget/quota/quota_private.h"
#include "gate/ticket.h"
#include "support/audit_rig.h"

/* A quota that counts in the process, with one request. */
static struct {
	struct mailbox self;
	struct metrics metrics;
	struct quota_table *table;
	struct quota *quota;
	struct quota_request q;
} in;

static void
nothing_to_do(struct quota_request *q)
{
	(void)q;
}

static void
quota_up(void)
{
	memset(&in, 0, sizeof(in));
	mailbox_init(&in.self, NULL, NULL);
	in.table = quota_table_new(&in.self);
	in.quota = quota_new(NULL, in.table, &in.self, &in.metrics);
	in.q = (struct quota_request){ .ndims = 1, .done = nothing_to_do };
	in.q.dim[0] = (struct quota_dim){ .key = "tollgate:q:{l:0}",
		.unit = QUOTA_CONCURRENT,
		.span.kind = QUOTA_IN_FLIGHT,
		.limit = 10,
		.n = 1,
		.name = "l" };
}

/* Reserves the request; its callback ran. */
static void
reserve(void)
{
	quota_up();
	quota_reserve(in.quota, &in.q);
	while (mailbox_drain(&in.self, NULL))
		;
}

/* ---- the faults ---- */

static void
use_a_freed_tag(void)
{
	quota_up();
	quota_reserve(in.quota, &in.q);
	TAG_CLEAR(quota_request, &in.q);
	mailbox_drain(&in.self, NULL);
}

static void
issue_a_ticket_twice(void)
{
	static struct tickets t;
	struct ticket k = { .live = false };
	char text[TICKET_TEXT];

	tickets_init(&t, 10);
	ticket_issue(&t, &k, 0, UINT64_MAX, text);
	ticket_issue(&t, &k, 0, UINT64_MAX, text);
}

static void
release_a_reservation_twice(void)
{
	reserve();
	cell_settle(&in.q.dim[0]);
	cell_settle(&in.q.dim[0]);
}

/* A journal for the faults of records. The test makes it before the fork, and removes it. */
static struct rig records;

static int
sync_never(int fd)
{
	(void)fd;
	return pause();
}

static void
append_a_record_twice(void)
{
	struct audit_entry e;
	sem_t came;

	rig_start(&records);
	journal_io.fdatasync = sync_never; /* the entry is not answered */
	sem_init(&came, 0, 0);
	rig_send(&records, &e, &came, "a");
	audit_append(records.audit, &e);
}

static void
begin_a_segment_out_of_order(void)
{
	struct journal j;

	journal_open(&j, records.journal, "gw-1", 64 << 20, &records.why);
	journal_begin(&j, 1, 10);
	journal_begin(&j, 1, 5);
}

static void
link_a_node_twice(void)
{
	struct quota qt = { .last = &qt.first };

	quota_up();
	counts_queue(&qt, &in.q);
	counts_queue(&qt, &in.q);
}

static void
move_a_cursor_past_the_end(void)
{
	SCOPED_BUF(b, 0);
	buf_str(&b, "four");
	buf_consume(&b, 5);
}

static void
settle_a_life_that_has_not_published(void)
{
	struct life l = { .epoch = 1, .state = LIFE_ASKS };

	life_enter(&l, LIFE_SETTLED);
}

static void
run_a_callback_twice(void)
{
	reserve();
	in.q.mail.run(&in.q.mail, NULL);
}

static void *
reserve_elsewhere(void *arg)
{
	prctl(PR_SET_NAME, "tg-foreign", 0, 0, 0);
	quota_reserve(in.quota, &in.q);
	return arg;
}

static void
use_a_quota_from_a_foreign_thread(void)
{
	pthread_t t;

	reserve();
	pthread_create(&t, NULL, reserve_elsewhere, NULL);
	pthread_join(t, NULL);
}

static void
confuse_a_type(void)
{
	quota_up();
	TAG(quota_request, &in.q);
	_exit(TAGGED(quota, (void *)&in.q)->nlate != 0);
}

/* ---- the rows ---- */

#define HERE "tg-test"

static const struct {
	const char *name;
	void (*inject)(void);
	const char *expression, *file, *thread;
} rows[] = {
	{ "a freed tag", use_a_freed_tag, "TAGGED(quota_request", "budget/quota/quota.c", HERE },
	{ "a ticket that is used twice", issue_a_ticket_twice, "!k->live", "gate/ticket.c", HERE },
	{ "a reservation that is released twice", release_a_reservation_twice, "d->charged",
		"budget/quota/quota_cell.c", HERE },
	{ "a record that is appended twice", append_a_record_twice, "!e->with_audit",
		"record/audit/audit.c", HERE },
	{ "a segment that begins out of order", begin_a_segment_out_of_order,
		"first >= j->first", "record/journal/journal.c", HERE },
	{ "a list node that is linked twice", link_a_node_twice, "follows[q->life]",
		"budget/quota/quota.c", HERE },
	{ "a cursor past the end of its buffer", move_a_cursor_past_the_end, "n <= b->n",
		"base/buf.c", HERE },
	{ "a wrong change of state", settle_a_life_that_has_not_published, "follows[l->state]",
		"budget/quota/lives/quota_lives.c", HERE },
	{ "a callback that runs twice", run_a_callback_twice, "follows[q->life]",
		"budget/quota/quota.c", HERE },
	{ "a use from a foreign thread", use_a_quota_from_a_foreign_thread,
		"owner_is_here(&qt->thread)", "budget/quota/quota.c", "tg-foreign" },
	{ "a type that is confused with another", confuse_a_type, "TAGGED(quota,",
		"test_invariants.c", HERE },
};

/* Runs the fault in a child process. `said` gets what the child writes to stderr. Returns the
 * status of waitpid(). */
static int
status_of(void (*inject)(void), char said[static 2048])
{
	int out[2], status;
	size_t n = 0;

	assert_int_equal(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(out[1], 2);
		prctl(PR_SET_NAME, HERE, 0, 0, 0);
		inject();
		_exit(0);
	}
	close(out[1]);
	for (ssize_t got; (got = read(out[0], said + n, 2047 - n)) > 0;)
		n += (size_t)got;
	said[n] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
fault_stops_the_program_and_is_named(void **state)
{
	char said[2048], thread[64];

	(void)state;
	rig_init(&records);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_message("%s\n", rows[i].name);
		int status = status_of(rows[i].inject, said);
		print_message("  %s", said);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(said, "invariant broken: "));
		assert_non_null(strstr(said, rows[i].expression));
		const char *file = strstr(said, rows[i].file);
		assert_non_null(file);
		assert_true(file[strlen(rows[i].file)] == ':');
		assert_true(strtol(file + strlen(rows[i].file) + 1, NULL, 10) > 0);
		snprintf(thread, sizeof(thread), "thread %s", rows[i].thread);
		assert_non_null(strstr(said, thread));
	}
	rig_free(&records);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_stops_the_program_and_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
