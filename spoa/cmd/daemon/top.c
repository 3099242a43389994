/* tollgate top: shows the latest decisions of each worker. On a terminal, the screen is
 * refreshed each second; elsewhere, the lines are printed once.
 *
 * Every text of the daemon's response passes through plain_put() before it is printed, so
 * that no text of a caller can control the terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"

enum {
	ANSWER_BYTES = 4 << 20,
	ANSWER_S = 5,
	REFRESH_MS = 1000,
	HEAD_ROWS = 2,	/* rows above the decisions */
	ERROR_ROWS = 3, /* rows for errors of targets and providers, also above the decisions */
	ERRORS_S = 900, /* seconds for which an error is shown */
	AWAITED_S = 5,	/* a request is shown if it has waited so long for a provider */
	ROWS = 24,
	COLUMNS = 80 /* width and height are used if the terminal reports none */
};

/* One decision of a worker, as shown in a line. */
struct row {
	size_t worker, age; /* 0: the latest decision of that worker */
	const char *at;
	json_t *o; /* borrowed from the response */
};

/* One response of the daemon. Owns `doc` and `row`, which has n entries. */
struct answer {
	json_t *doc;
	size_t workers, n;
	json_int_t decisions; /* decisions of all workers since the start */
	struct row *row;
};

static void
answer_free(struct answer *a)
{
	json_decref(a->doc);
	free(a->row);
	*a = (struct answer){ 0 };
}

/* Parses {"node","policy","workers":[{"decisions":N,"recent":[...]}]}. Returns false if the
 * text has another form. */
static bool
answer_read(struct answer *a, struct span text)
{
	json_t *workers, *w, *one;
	size_t i, k, n = 0;

	*a = (struct answer){ .doc = json_loadb(text.p, text.n, 0, NULL) };
	workers = json_object_get(a->doc, "workers");
	if (!json_is_array(workers))
		return false;
	a->workers = json_array_size(workers);
	json_array_foreach(workers, i, w) n += json_array_size(json_object_get(w, "recent"));
	a->row = calloc(n + 1, sizeof(*a->row));
	if (!a->row)
		return false;
	json_array_foreach(workers, i, w)
	{
		json_t *recent = json_object_get(w, "recent");
		a->decisions += json_int_in(w, "decisions");
		json_array_foreach(recent, k, one) a->row[a->n++] = (struct row){ .worker = i,
			.age = json_array_size(recent) - 1 - k,
			.at = json_text_in(one, "decided_at"),
			.o = one };
	}
	return true;
}

static int
by_time(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int by = strcmp(a->at, b->at);

	return by ? by : (a->worker > b->worker) - (a->worker < b->worker);
}

/* Sorts by age, so that each worker's latest decisions come before older ones if not all
 * fit. */
static int
by_age(const void *x, const void *y)
{
	const struct row *a = x, *b = y;

	return a->age != b->age ? (a->age > b->age) - (a->age < b->age) : by_time(y, x);
}

/* ---- one line ---- */

static const struct {
	const char *title;
	size_t columns;
} columns[] = { { "TIME", 12 }, { "W", 2 }, { "DECISION", 10 }, { "ANSWER", 10 },
	{ "PERSON", 16 }, { "ROUTE", 12 }, { "PROVIDER", 12 }, { "MODEL", 20 }, { "RULE", 20 },
	{ "MS", 8 }, { "ID", 26 } };
enum { DECISION = 2, ANSWER = 3 };

static void
cells_of(const struct row *r, char number[3][32], struct span cell[COUNT_OF(columns)])
{
	json_t *status = json_object_get(r->o, "status");
	json_int_t us = json_int_in(r->o, "took_us");
	const char *rule = json_text_in(r->o, "rule");

	snprintf(number[0], 32, "%zu", r->worker);
	if (json_is_integer(status))
		snprintf(number[1], 32, "%.10s %lld", json_text_in(r->o, "decision"),
			(long long)json_integer_value(status));
	else
		snprintf(number[1], 32, "%.20s", json_text_in(r->o, "decision"));
	snprintf(number[2], 32, "%lld.%03lld", (long long)us / 1000, (long long)us % 1000);
	struct span all[COUNT_OF(columns)] = { span_cut(span_str(r->at), 11, 23),
		span_str(number[0]), span_str(number[1]),
		span_str(json_text_in(r->o, "answer")), span_str(json_text_in(r->o, "person")),
		span_str(json_text_in(r->o, "route")), span_str(json_text_in(r->o, "target")),
		span_str(json_text_in(r->o, "model")),
		span_str(*rule ? rule : json_text_in(r->o, "code")), span_str(number[2]),
		span_str(json_text_in(r->o, "id")) };
	memcpy(cell, all, sizeof(all));
}

/* Writes cells in columns, up to the width of the terminal. */
static void
put_cells(struct buf *out, const struct span cell[COUNT_OF(columns)], size_t width)
{
	for (size_t i = 0; i < COUNT_OF(columns) && width; i++) {
		size_t room = columns[i].columns < width ? columns[i].columns : width;
		size_t used = plain_put(out, cell[i], room);
		width -= used;
		for (room -= used, room += i + 1 < COUNT_OF(columns); room && width;
			room--, width--)
			buf_putc(out, ' ');
	}
}

/* Writes a row for programs: each cell as one word, separated by a space. */
static void
put_top_line(struct buf *out, const struct row *r)
{
	struct span cell[COUNT_OF(columns)];
	char number[3][32];

	cells_of(r, number, cell);
	cell[0] = span_str(r->at);
	for (size_t i = 0; i < COUNT_OF(columns); i++) {
		if (i == ANSWER)
			continue; /* the time since the decision changes, but this line is
				   * printed only once */
		if (i)
			buf_putc(out, ' ');
		if (i == DECISION) /* the decision and its status */
			plain_put(out, cell[i], SIZE_MAX);
		else
			plain_word(out, cell[i]);
	}
	buf_putc(out, '\n');
}

/* ---- print once ---- */

static int
print_once(struct answer *a)
{
	SCOPED_BUF(out, 0);
	qsort(a->row, a->n, sizeof(*a->row), by_time);
	for (size_t i = 0; i < a->n; i++)
		put_top_line(&out, &a->row[i]);
	return cmd_print("top", &out);
}

/* ---- the terminal ---- */

static volatile sig_atomic_t last_signal;
static struct termios was;
static bool has_keys;

static void
on_signal(int sig)
{
	if (sig != SIGWINCH)
		last_signal = sig;
}

/* Signals wait while a call is in progress; this function looks for one. Returns true if
 * the call should end. */
static bool
given_up(void)
{
	sigset_t s;

	return sigpending(&s) == 0 &&
	       (sigismember(&s, SIGINT) || sigismember(&s, SIGTERM) || sigismember(&s, SIGHUP));
}

static void
say_in_top(const char *s)
{
	ssize_t n = write(STDOUT_FILENO, s, strlen(s));

	(void)n; /* if the terminal is gone, a signal follows */
}

static void
enter_screen(void)
{
	struct termios keys;

	has_keys = tcgetattr(STDIN_FILENO, &was) == 0;
	if (has_keys) {
		keys = was;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	say_in_top("\033[?1049h\033[?25l");
}

static void
leave_screen(void)
{
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
	say_in_top("\033[?25h\033[?1049l");
}

static void
put_head(struct buf *out, const struct answer *a, double rate, size_t width, struct span errors)
{
	struct span titles[COUNT_OF(columns)];
	char now[CLOCK_RFC3339_LEN];

	SCOPED_BUF(line, 0);
	clock_rfc3339(clock_wall_ns(), now);
	buf_printf(&line,
		"tollgate %.40s  %.80s  %zu worker%s  %lld decisions  %.1f/s  %lld in "
		"progress  %.8sZ  q: quit",
		json_text_in(a->doc, "node"), json_text_in(a->doc, "policy"), a->workers,
		a->workers == 1 ? "" : "s", (long long)a->decisions, rate,
		json_int_in(a->doc, "requests_in_flight"), now + 11);
	plain_put(out, buf_view(&line), width);
	buf_span(out, errors);
	buf_str(out, "\n\033[2K\033[7m");
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		titles[i] = span_str(columns[i].title);
	put_cells(out, titles, width);
	buf_str(out, "\033[0m");
}

/* Writes a row for each provider with a recent error. Returns the number of rows. */
static size_t
put_errors(struct buf *out, const struct answer *a, size_t room, size_t width)
{
	static const char *const lists[] = { "targets", "providers" };
	char since[CLOCK_RFC3339_LEN];
	size_t i, n = 0;
	json_t *p;

	clock_rfc3339(clock_wall_ns() - ERRORS_S * INT64_C(1000000000), since);
	for (size_t k = 0; k < COUNT_OF(lists); k++)
		json_array_foreach(json_object_get(a->doc, lists[k]), i, p)
		{
			bool ill = true;
			SCOPED_BUF(line, 0);
			buf_printf(&line, "%.160s: ", json_text_in(p, k ? "provider" : "target"));
			if (k == 0)
				ill = admin_target(&line, p);
			else if ((ill = strcmp(json_text_in(p, "last_error_at"), since) >= 0))
				admin_provider(&line, p);
			if (ill && n < room) {
				buf_str(out, "\n\033[2K");
				plain_put(out, buf_view(&line), width);
				n++;
			}
		}
	return n;
}

/* Writes a row for each of the oldest requests that have waited for a provider for a while.
 * Returns the number of rows. */
static size_t
put_awaited(struct buf *out, const struct answer *a, size_t room, size_t width)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach(
		json_object_get(json_object_get(a->doc, "awaited"), "oldest"), i, one)
	{
		if (n == room || json_number_value(json_object_get(one, "seconds")) < AWAITED_S)
			break;
		SCOPED_BUF(line, 0);
		buf_str(&line, "waits: ");
		admin_awaited_one(&line, one);
		buf_str(out, "\n\033[2K");
		plain_put(out, buf_view(&line), width);
		n++;
	}
	return n;
}

/* Draws the screen, newest decision first. `trouble` replaces the last row. */
static void
draw_top(struct answer *a, double rate, struct span trouble)
{
	struct winsize ws = { 0 };
	struct span cell[COUNT_OF(columns)];
	char number[3][32];

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
	size_t rows = ws.ws_row ? ws.ws_row : ROWS, width = ws.ws_col ? ws.ws_col : COLUMNS;
	size_t room = rows > HEAD_ROWS ? rows - HEAD_ROWS : 0;
	room -= trouble.n && room;
	SCOPED_BUF(errors, 0);
	room -= put_errors(&errors, a, room < ERROR_ROWS ? room : ERROR_ROWS, width);
	room -= put_awaited(&errors, a, room < ERROR_ROWS ? room : ERROR_ROWS, width);
	size_t n = a->n < room ? a->n : room;
	qsort(a->row, a->n, sizeof(*a->row), by_age);
	qsort(a->row, n, sizeof(*a->row), by_time);
	SCOPED_BUF(out, 0);
	buf_str(&out, "\033[H\033[2K"); /* the line is cleared before it is written, since
					 * clearing after the last column would delete that
					 * column */
	put_head(&out, a, rate, width, buf_view(&errors));
	for (size_t i = n; i-- > 0;) {
		buf_str(&out, "\n\033[2K");
		cells_of(&a->row[i], number, cell);
		put_cells(&out, cell, width);
	}
	if (trouble.n) {
		buf_str(&out, "\n\033[2K");
		plain_put(&out, trouble, width);
	}
	if (n < room)
		buf_str(&out, "\n\033[J");
	buf_str(&out, "\033[0m");
	cmd_write(&out);
}

/* Waits until it is time for the next call. Returns false if the command should end. */
static bool
wait_a_second(const sigset_t *unblocked)
{
	struct pollfd key = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
	const struct timespec pause = { REFRESH_MS / 1000, 0 };
	char c;

	int n = ppoll(&key, 1, &pause, unblocked);
	if (last_signal == SIGTSTP) {
		last_signal = 0;
		leave_screen();
		raise(SIGSTOP);
		enter_screen();
	}
	if (last_signal)
		return false;
	if (n > 0 && (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q' || c == 3))
		return false;
	return true;
}

static void
catch_signals(sigset_t *unblocked)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
	const struct sigaction act = { .sa_handler = on_signal };
	sigset_t all;

	sigemptyset(&all);
	for (size_t i = 0; i < COUNT_OF(caught); i++) {
		sigaddset(&all, caught[i]);
		sigaction(caught[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &all, unblocked);
}

/* Refreshes the screen until a key or a signal ends it. `a` is the first response. If the
 * daemon does not respond, the loop continues until it does. */
static int
watch_top(struct admin_call *call, struct answer *a)
{
	uint64_t asked_us = clock_mono_us();
	double rate = 0;
	sigset_t unblocked;

	SCOPED_BUF(out, ANSWER_BYTES);
	SCOPED_BUF(why, 4096);
	call->given_up = given_up;
	catch_signals(&unblocked);
	enter_screen();
	for (draw_top(a, rate, SPAN_LIT("")); wait_a_second(&unblocked);
		draw_top(a, rate, buf_view(&why))) {
		struct answer next = { 0 };
		buf_clear(&out);
		buf_clear(&why);
		long status = admin_ask(call, &out, &why);
		uint64_t now_us = clock_mono_us();
		if (status == 200 && answer_read(&next, buf_view(&out))) {
			/* A key or a new window size ends the wait early. A restarted
			 * daemon counts from 0. */
			json_int_t more = next.decisions - a->decisions;
			rate = more < 0 || now_us == asked_us
				       ? 0
				       : (double)more * 1e6 / (double)(now_us - asked_us);
			answer_free(a);
			*a = next;
			asked_us = now_us;
			continue;
		}
		answer_free(&next);
		if (!why.n)
			buf_str(&why, "the daemon's response cannot be understood");
	}
	leave_screen();
	return EXIT_DONE;
}

int
cmd_top(int argc, char **argv)
{
	const char *config = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { { "c", .text = &config },
		{ "json", .flag = &as_json }, { .name = NULL } };
	struct admin_call call = { .page = "/recent", .most_s = ANSWER_S };
	struct answer first = { 0 };
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(out, ANSWER_BYTES);
	SCOPED_BUF(why, 4096);
	call.socket = admin_socket("top", config, &a);
	long status = call.socket ? admin_ask(&call, &out, &why) : 0;
	if (why.n)
		cmd_fail("top", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (status && (status != 200 || !answer_read(&first, buf_view(&out))))
		cmd_fail("top", "the daemon's response cannot be understood: check whether the "
				"daemon is older than this program");
	else if (status && as_json)
		code = admin_print_json("top", first.doc);
	else if (status && !isatty(STDOUT_FILENO))
		code = print_once(&first);
	else if (status)
		code = watch_top(&call, &first);
	answer_free(&first);
	return code;
}
