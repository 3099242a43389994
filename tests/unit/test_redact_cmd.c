/* redact --stream on a slow pipe, and classify on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cmd/cmd.h"

struct child {
	pid_t pid;
	int in, out;
};

/* Starts `tollgate ARGS…` between two pipes, or with a terminal as its output. */
static void
start(struct child *c, char **argv, int argc, bool terminal)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(terminal ? openpty(&out[0], &out[1], NULL, NULL, NULL) : pipe(out), 0);
	if (terminal) { /* newlines are not changed */
		struct termios t;
		assert_int_equal(tcgetattr(out[1], &t), 0);
		cfmakeraw(&t);
		assert_int_equal(tcsetattr(out[1], TCSANOW, &t), 0);
	}
	fflush(NULL);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		close(out[0]);
		_exit(cmd_main(argc, argv));
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = out[0];
}

static void
send_text(const struct child *c, const char *text)
{
	assert_int_equal(write(c->in, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until `least` bytes have arrived or the output ends, for five seconds at most. */
static void
receive(const struct child *c, struct buf *got, size_t least)
{
	struct pollfd p = { .fd = c->out, .events = POLLIN };

	while (got->n < least) {
		char *to = buf_reserve(got, 4096);
		assert_int_equal(poll(&p, 1, 5000), 1);
		ssize_t n = read(c->out, to, 4096);
		if (n <= 0) /* reading from a terminal whose other end is closed is an error */
			break;
		buf_commit(got, (size_t)n);
	}
}

static int
end(struct child *c)
{
	int status;

	close(c->out);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define LINE                                                                                   \
	"The order which arrived on Monday was sent again to our office, nobody knew why.\n"

static void
stream_is_redacted_while_it_arrives(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "tollgate", (char *)(uintptr_t) "redact",
		(char *)(uintptr_t) "--stream", NULL };
	struct child c;
	struct buf got;

	(void)state;
	buf_init(&got, 0);
	start(&c, argv, 3, false);
	for (int i = 0; i < 10; i++) {
		send_text(&c, LINE);
		usleep(2000);
	}
	size_t sent = 10 * (sizeof(LINE) - 1);
	receive(&c, &got, sent - 200);
	assert_true(got.n <= sent);
	assert_true(span_starts(buf_view(&got), SPAN_LIT(LINE LINE)));
	/* A value in two pieces; its number is already used in the text. */
	send_text(&c, "<EMAIL_ADDRESS_1> wrote to ada@exa");
	usleep(20000);
	send_text(&c, "mple.org and 4716 3791 ");
	usleep(20000);
	send_text(&c, "4202 1968, " LINE);
	close(c.in);
	receive(&c, &got, SIZE_MAX);
	if (!span_ends(buf_view(&got),
		    SPAN_LIT("_1> wrote to <EMAIL_ADDRESS_2> and <CREDIT_CARD_1>, " LINE)) ||
		memmem(buf_view(&got).p, got.n, "ada@", 4))
		fail_msg("%.*s", SPAN_ARG(buf_view(&got)));
	assert_int_equal(end(&c), 0);
	buf_free(&got);
}

/* The first parts of a token that is longer than what is held: the rest cannot be inspected. */
static void
uninspected_token_is_replaced(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "tollgate", (char *)(uintptr_t) "redact",
		(char *)(uintptr_t) "--stream", (char *)(uintptr_t) "--with=mask", NULL };
	struct child c;
	struct buf got, token;

	(void)state;
	buf_init(&got, 0);
	buf_init(&token, 0);
	buf_str(&token, "See: eyJhbGciOiJFUzI1NiJ9.eyJ");
	for (size_t i = 0; i < 6000; i++)
		buf_putc(&token, "abcdefghijklmnopqrstuvwxyzQWERTZUIOP0123456789"[i * i % 46]);
	buf_str(&token, " (thanks)\n");
	buf_putc(&token, 0);
	start(&c, argv, 4, false);
	send_text(&c, buf_view(&token).p);
	close(c.in);
	receive(&c, &got, SIZE_MAX);
	assert_true(span_is(buf_view(&got), "See: <UNCLASSIFIED_1> (thanks)\n"));
	assert_int_equal(end(&c), 0);
	buf_free(&got);
	buf_free(&token);
}

static void
findings_are_underlined_on_terminals(void **state)
{
	static const struct {
		const char *option, *in, *want;
		bool scored;
	} rows[] = {
		{ NULL, "to ada@example.org now", "to \033[4mada@example.org\033[24m now\n",
			false },
		{ NULL, "nothing\n", "nothing\n", false },
		{ "--json", "nothing\n",
			"{\"findings\":[],\"classes\":[],\"injection\":", true },
		{ "--jsonl",
			"{\"text\":\"\\u0061@b.de\"}\n{\"text\":\"x\",\"role\":\"tool\"}\n",
			"\033[4ma@b.de\033[24m\nx\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[] = { (char *)(uintptr_t) "tollgate", (char *)(uintptr_t) "classify",
			(char *)(uintptr_t)rows[i].option, NULL };
		struct child c;
		struct buf got;
		buf_init(&got, 0);
		start(&c, argv, rows[i].option ? 3 : 2, true);
		send_text(&c, rows[i].in);
		close(c.in);
		receive(&c, &got, SIZE_MAX);
		/* The score depends on the model. */
		if (!span_starts(buf_view(&got), span_str(rows[i].want)) ||
			(!rows[i].scored && got.n != strlen(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].in, SPAN_ARG(buf_view(&got)));
		assert_int_equal(end(&c), 0);
		buf_free(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_is_redacted_while_it_arrives),
		cmocka_unit_test(uninspected_token_is_replaced),
		cmocka_unit_test(findings_are_underlined_on_terminals),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
