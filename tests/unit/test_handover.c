/* Messages of a hand-over that end early, and sockets that the new instance does not use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "net/listen.h"
#include "operator/handover/handover_wire.h"

static const struct handover_msg go = { .kind = HAND_GO, .fd = -1 };

/* Returns the bytes of one message with a reason. */
static size_t
message(char *out, size_t room)
{
	const struct handover_msg m = { .kind = HAND_REFUSED, .fd = -1 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(handover_send(pair[0], &m, SPAN_LIT("a reason"), span_of(NULL, 0)), 0);
	ssize_t n = recv(pair[1], out, room, 0);
	assert_true(n > 8);
	close(pair[0]);
	close(pair[1]);
	return (size_t)n;
}

static void
only_an_end_between_messages_is_clean(void **state)
{
	char bytes[256];
	const size_t n = message(bytes, sizeof(bytes));

	(void)state;
	for (size_t cut = 0; cut <= n; cut++) {
		struct handover_msg m = { .fd = -1 };
		int pair[2];
		SCOPED_BUF(got, 256);

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		assert_int_equal(send(pair[0], bytes, cut, 0), cut);
		close(pair[0]);
		int want = cut == 0 ? ERR_CLOSED : cut < n ? ERR_TRUNCATED : 0;
		assert_int_equal(handover_receive(pair[1], &m, &got), want);
		if (!want)
			assert_true(span_is(buf_view(&got), "a reason"));
		close(pair[1]);
	}
}

static void
refusal_is_read_after_a_failed_send(void **state)
{
	struct handover_msg m = { .fd = -1 };
	int pair[2];
	SCOPED_BUF(got, 256);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(handover_send(pair[0], &(struct handover_msg){ HAND_REFUSED, .fd = -1 },
				 SPAN_LIT("no"), span_of(NULL, 0)),
		0);
	close(pair[0]);
	assert_int_equal(handover_send(pair[1], &go, span_of(NULL, 0), span_of(NULL, 0)),
		ERR_CLOSED);
	assert_int_equal(handover_receive(pair[1], &m, &got), 0);
	assert_int_equal(m.kind, HAND_REFUSED);
	assert_int_equal(handover_receive(pair[1], &m, &got), ERR_CLOSED);
	close(pair[1]);
}

static void
message_of_another_kind_is_refused(void **state)
{
	struct handover_msg m = { .fd = -1 };
	char bytes[256];
	const uint32_t kind = HAND_AGAIN + 1;
	size_t n = message(bytes, sizeof(bytes));
	int pair[2];
	SCOPED_BUF(got, 256);

	(void)state;
	memcpy(bytes + 4, &kind, sizeof(kind));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(send(pair[0], bytes, n, 0), n);
	assert_int_equal(handover_receive(pair[1], &m, &got), ERR_UNSUPPORTED);
	close(pair[0]);
	close(pair[1]);
}

static void
unused_inherited_sockets_are_closed_and_removed(void **state)
{
	char used[64], unused[64];
	struct stat st;
	SCOPED_BUF(why, 256);

	(void)state;
	snprintf(used, sizeof(used), "/tmp/tg-used-%d.sock", (int)getpid());
	snprintf(unused, sizeof(unused), "/tmp/tg-unused-%d.sock", (int)getpid());
	const struct address u = { .path = used, .text = used },
			     other = { .path = unused, .text = unused };
	int fds[2] = { listen_open(&u, 0600, NULL, &why), listen_open(&other, 0600, NULL, &why) };
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(listen_inherit(used, fds[0]), 0);
	assert_int_equal(listen_inherit(unused, fds[1]), 0);
	assert_int_equal(listen_open(&u, 0600, NULL, &why), fds[0]);
	listen_close_unused();
	assert_int_equal(listen_opened(&u), fds[0]);
	assert_int_equal(stat(used, &st), 0);
	assert_int_equal(listen_opened(&other), -1);
	assert_int_not_equal(stat(unused, &st), 0);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	close(fds[0]);
	unlink(used);
}

int
main(void)
{
#define T(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
		T(only_an_end_between_messages_is_clean),
		T(refusal_is_read_after_a_failed_send),
		T(message_of_another_kind_is_refused),
		T(unused_inherited_sockets_are_closed_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
