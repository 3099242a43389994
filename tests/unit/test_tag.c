/* Tags of objects that return as a `void *`, and the message of a failed invariant. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"
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
tagged_pointer_returns_the_object(void **state)
{
	struct letter l = { .n = 7 };
	void *p = &l;

	(void)state;
	TAG(letter, &l);
	assert_ptr_equal(TAGGED(letter, p), &l);
	assert_ptr_equal(TAGGED_OF(letter, mail, &l.mail), &l);
}

static void
read_as_parcel(void *p)
{
	_exit(TAGGED(parcel, p)->n != 7);
}

static void
clear_as_parcel(void *p)
{
	TAG_CLEAR(parcel, p);
	_exit(0);
}

static void
break_an_invariant(void *p)
{
	INVARIANT(p == NULL);
	_exit(0);
}

/* Runs `run` in a child process whose thread is named tg-test. `err` gets what the child writes
 * to stderr. Returns the status of waitpid(). */
static int
status_of(void (*run)(void *), void *p, char err[static 1024])
{
	int out[2], status;

	assert_int_equal(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(out[1], 2);
		prctl(PR_SET_NAME, "tg-test", 0, 0, 0);
		run(p);
	}
	close(out[1]);
	ssize_t n = read(out[0], err, 1023);
	err[n > 0 ? n : 0] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
wrong_tag_ends_the_program_and_is_named(void **state)
{
	struct parcel untagged = { .n = 7 }, right = { .n = 7 }, freed = { .n = 7 };
	struct parcel other = { .n = 7, .tag = { 99 } };
	struct letter l = { .n = 7 };
	const struct {
		const char *name;
		void *p;
		const char *found; /* in the message; NULL: the program continues */
	} row[] = {
		{ "an object of the type", &right, NULL },
		{ "an object of another type", &l, "found letter (" },
		{ "an object that was freed", &freed, "found freed object (deadbeef)" },
		{ "an object without a tag", &untagged, "found object without a tag (00000000)" },
		{ "memory of something else", &other, "found unknown object (00000063)" },
		{ "no object", NULL, "found NULL (00000000)" },
	};
	char err[1024], want[256];

	(void)state;
	TAG(parcel, &right);
	TAG(letter, &l);
	TAG(parcel, &freed);
	TAG_CLEAR(parcel, &freed);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		print_message("%s\n", row[i].name);
		for (int clears = 0; clears < 2; clears++) {
			int status = status_of(clears ? clear_as_parcel : read_as_parcel, row[i].p, err);
			if (!row[i].found) {
				assert_int_equal(status, 0);
				continue;
			}
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
			snprintf(want, sizeof(want), "%s%s", "TAGGED(parcel, ", clears ? "(void *)(p)" : "p");
			assert_non_null(strstr(err, want));
			assert_non_null(strstr(err, row[i].found));
			assert_non_null(strstr(err, "test_tag.c:"));
		}
	}
}

static void
broken_invariant_prints_its_expression_place_and_thread(void **state)
{
	char err[1024];
	int one;

	(void)state;
	int status = status_of(break_an_invariant, &one, err);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(err, "tollgate: invariant broken: p == NULL at tests/unit/test_tag.c:"));
	assert_non_null(strstr(err, ", thread tg-test\n"));
}

static void
broken_invariant_is_sent_to_the_log_target(void **state)
{
	static const struct {
		enum log_to to;
		const char *begins;
	} row[] = {
		{ LOG_TO_SYSLOG, "<26>1 - " },
		{ LOG_TO_JOURNALD, "MESSAGE=tollgate: invariant broken: p == NULL at " },
	};
	char err[1024], dir[] = "/tmp/test-tag.XXXXXX", got[2048];
	int one;

	(void)state;
	assert_non_null(mkdtemp(dir));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/log", dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		log_send_to(row[i].to, sa.sun_path);
		status_of(break_an_invariant, &one, err);
		assert_non_null(strstr(err, "p == NULL"));
		ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
		assert_true(n > 0);
		got[n] = '\0';
		assert_memory_equal(got, row[i].begins, strlen(row[i].begins));
		assert_non_null(strstr(got, ", thread tg-test"));
	}
	log_send_to(LOG_TO_STDERR, NULL);
	close(fd);
	unlink(sa.sun_path);
	rmdir(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tagged_pointer_returns_the_object),
		cmocka_unit_test(wrong_tag_ends_the_program_and_is_named),
		cmocka_unit_test(broken_invariant_prints_its_expression_place_and_thread),
		cmocka_unit_test(broken_invariant_is_sent_to_the_log_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
