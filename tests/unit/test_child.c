/* Child processes of the admin server: inherited resources, restrictions, and how each ends.
 * This program is its own child, as the daemon is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "operator/admin/child.h"
#include "operator/admin/child_self.h"

/* ---- the child ---- */

static void
print_files(void)
{
	DIR *d = opendir("/proc/self/fd");

	for (struct dirent *e; d && (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			printf("%s ", e->d_name);
	closedir(d);
}

static void
print_limits(void)
{
	struct rlimit cpu, data, size, core;
	struct sigaction pipes;
	sigset_t blocked;
	int death = 0;

	prctl(PR_GET_PDEATHSIG, &death);
	getrlimit(RLIMIT_CPU, &cpu);
	getrlimit(RLIMIT_DATA, &data);
	getrlimit(RLIMIT_FSIZE, &size);
	getrlimit(RLIMIT_CORE, &core);
	sigaction(SIGPIPE, NULL, &pipes);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	printf("group %d death %d cpu %u size %u core %u nice %d pipe %d term %d data %u",
		getpgrp() == getpid(), death == SIGKILL, (unsigned)cpu.rlim_cur,
		(unsigned)size.rlim_cur, (unsigned)core.rlim_cur, getpriority(PRIO_PROCESS, 0),
		pipes.sa_handler == SIG_DFL, sigismember(&blocked, SIGTERM),
		(unsigned)data.rlim_cur);
}

static int
child_main(char **argv)
{
	const char *what = argv[1];
	char text[1 << 16];

	if (!child_confine(argv[0]))
		return 2;
	if (!strcmp(what, "say")) {
		for (char **a = argv + 2; *a; a++)
			printf("[%s]", *a);
		fprintf(stderr, "tollgate: first: line\nsecond line\n");
		return 1;
	} else if (!strcmp(what, "copy")) {
		for (size_t n; (n = fread(text, 1, sizeof(text), stdin)) > 0;)
			fwrite(text, 1, n, stdout);
	} else if (!strcmp(what, "files")) {
		print_files();
	} else if (!strcmp(what, "limits")) {
		print_limits();
	} else if (!strcmp(what, "environment")) {
		for (char **e = environ; *e; e++)
			printf("%s\n", *e);
	} else if (!strcmp(what, "hang")) {
		for (;;)
			pause();
	} else if (!strcmp(what, "spin")) {
		for (volatile unsigned n = 0;; n++)
			;
	} else if (!strcmp(what, "hang with a child")) {
		pid_t pid = fork();
		if (pid > 0) {
			printf("%d", (int)pid);
			fflush(stdout);
		}
		for (;;)
			pause();
	} else if (!strcmp(what, "flood")) {
		memset(text, 'x', sizeof(text));
		for (size_t n = 0; n < 1u << 30; n += sizeof(text))
			if (write(1, text, sizeof(text)) < 0)
				return 3;
	} else if (!strcmp(what, "crash")) {
		raise(SIGABRT);
	} else if (!strcmp(what, "much memory")) {
		return calloc(1, (size_t)CAP_CHILD_DATA + (1 << 20)) ? 0 : 3;
	} else if (!strcmp(what, "nap")) {
		usleep(20000);
	} else {
		fprintf(stderr, "unknown: %s\n", what);
		return 2;
	}
	return 0;
}

/* ---- the parent ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static void
on_done(struct child *c)
{
	pthread_mutex_lock(&lock);
	*(bool *)c->arg = true;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
}

static void
wait_done(const bool *done)
{
	pthread_mutex_lock(&lock);
	while (!*done)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}

struct one {
	struct child c;
	const char *args[8];
	bool done;
};

static struct one
one_of(const char *what)
{
	return (struct one){ .c = { .client = -1, .done = on_done }, .args = { what } };
}

static int
ask(struct children *all, struct one *o)
{
	o->c.args = o->args;
	o->c.arg = &o->done;
	o->done = false;
	return child_ask(all, &o->c);
}

static void
run(struct children *all, struct one *o)
{
	assert_int_equal(ask(all, o), 0);
	wait_done(&o->done);
}

/* Returns the output as a text. */
static const char *
said(const struct one *o)
{
	static char text[1 << 16];
	ssize_t n = pread(o->c.out, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static struct children_limits
limits(void)
{
	struct children_limits l = children_default;

	return l;
}

static void
output_and_exit_of_a_child_are_returned(void **state)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	struct one o = one_of("say");

	(void)state;
	o.args[1] = "--person=a b";
	o.args[2] = "\xe2\x80\xae<b>";
	run(all, &o);
	assert_int_equal(o.c.end, CHILD_EXITED);
	assert_int_equal(o.c.code, 1);
	assert_string_equal(said(&o), "[--person=a b][\xe2\x80\xae<b>]");
	assert_int_equal(o.c.out_bytes, strlen(said(&o)));
	assert_string_equal(o.c.error, "tollgate: first: line");
	child_release(all, &o.c);
	children_free(&all);
}

static void
child_gets_its_input_of_any_length(void **state)
{
	static char text[200000];
	const size_t lengths[] = { 0, 1, 4096, 65536, sizeof(text) };
	struct children_limits l = limits();
	struct children *all = children_start(&l);

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		struct one o = one_of("copy");
		o.c.in = text;
		o.c.in_bytes = lengths[i];
		run(all, &o);
		char *got = malloc(sizeof(text));
		assert_int_equal(o.c.out_bytes, lengths[i]);
		assert_int_equal(pread(o.c.out, got, sizeof(text), 0), lengths[i]);
		assert_memory_equal(got, text, lengths[i]);
		free(got);
		child_release(all, &o.c);
	}
	children_free(&all);
}

static void
child_has_three_descriptors(void **state)
{
	struct children_limits l = limits();
	int open_one = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	int high = fcntl(open_one, F_DUPFD, 200);
	struct children *all = children_start(&l);
	struct one o = one_of("files");

	(void)state;
	run(all, &o);
	assert_string_equal(said(&o), "0 1 2 ");
	child_release(all, &o.c);
	children_free(&all);
	close(open_one);
	close(high);
}

static void
child_has_limits_and_default_signals(void **state)
{
	struct children_limits l = limits();
	sigset_t term, was;
	char want[256];

	(void)state;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &term, &was);
	l.lane[CHILD_QUICK].cpu_s = 17;
	struct children *all = children_start(&l);
	struct one o = one_of("limits");
	run(all, &o);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	snprintf(want, sizeof(want),
		"group 1 death 1 cpu 17 size %u core 0 nice %d pipe 1 term 0 data %s",
		CAP_CHILD_OUT,
		getpriority(PRIO_PROCESS, 0) > 10 ? getpriority(PRIO_PROCESS, 0) : 10,
#ifdef TG_SANITIZE
		strstr(said(&o), "data ") + 5
#else
		"805306368"
#endif
	);
	assert_string_equal(said(&o), want);
	child_release(all, &o.c);
	children_free(&all);
}

static void
environment_of_a_child_has_nothing_of_the_daemon(void **state)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);

	(void)state;
	setenv("TOLLGATE_TEST_SECRET", "s3cret", 1);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	setenv("TZ", "UTC", 1);
	for (int whole = 0; whole < 2; whole++) {
		struct one o = one_of("environment");
		o.c.whole_environment = whole;
		run(all, &o);
		assert_int_equal(strstr(said(&o), "s3cret") != NULL, whole);
		assert_non_null(strstr(said(&o), "TZ=UTC"));
		assert_null(strstr(said(&o), "NOTIFY_SOCKET"));
		assert_null(strstr(said(&o), "LD_LIBRARY_PATH"));
		child_release(all, &o.c);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LD_LIBRARY_PATH");
	children_free(&all);
}

static void
misbehaving_child_is_ended(void **state)
{
	const struct {
		const char *what;
		enum child_end end;
		int code;
		enum metric counted;
	} rows[] = {
		{ "hang", CHILD_LATE, SIGKILL, M_CHILD_LATE },
		{ "hang with a child", CHILD_LATE, SIGKILL, M_CHILD_LATE },
		{ "flood", CHILD_TOO_LONG, SIGXFSZ, M_CHILD_TOO_LONG },
		{ "crash", CHILD_SIGNALLED, SIGABRT, M_CHILD_DIED },
		{ "spin", CHILD_LATE, SIGXCPU, M_CHILD_LATE },
#ifndef TG_SANITIZE
		{ "much memory", CHILD_EXITED, 3, M_CHILD_DONE },
#endif
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct metrics *m = calloc(1, sizeof(*m));
		struct children_limits l = limits();
		l.metrics = m;
		bool spins = rows[i].code == SIGXCPU;
		if (rows[i].end == CHILD_LATE && !spins)
			l.lane[CHILD_QUICK].deadline_us = 300000;
		if (spins)
			l.lane[CHILD_QUICK].cpu_s = 1;
		struct children *all = children_start(&l);
		struct one o = one_of(rows[i].what);
		run(all, &o);
		assert_int_equal(o.c.end, rows[i].end);
		assert_int_equal(
			o.c.code == SIGKILL && spins ? SIGXCPU : o.c.code, rows[i].code);
		assert_int_equal(m->v[rows[i].counted], 1);
		assert_true(o.c.out_bytes <= CAP_CHILD_OUT);
		if (strstr(rows[i].what, "with a child")) { /* the grandchild is gone too */
			pid_t left = atoi(said(&o));
			for (int tries = 0; tries < 500 && kill(left, 0) == 0; tries++) {
				waitpid(left, NULL,
					WNOHANG); /* this process is its reaper now */
				usleep(10000);
			}
			assert_int_equal(kill(left, 0), -1);
		}
		child_release(all, &o.c);
		children_free(&all);
		free(m);
	}
}

/* A caller with more than its share waits or is refused. A caller with fewer running children
 * has priority. */
static void
children_of_one_caller_leave_places_for_others(void **state)
{
	struct children_limits l = limits();
	struct one mine[CAP_CHILDREN_EACH + 1], other = one_of("nap");
	struct children *all = children_start(&l);
	size_t n = COUNT_OF(mine) - 1;

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		mine[i] = one_of("hang");
		assert_int_equal(ask(all, &mine[i]), i < n ? 0 : ERR_LIMIT);
	}
	while (children_count(all, CHILD_QUICK).running < CAP_CHILDREN - 1)
		usleep(1000);
	usleep(50000);
	assert_int_equal(children_count(all, CHILD_QUICK).running, CAP_CHILDREN - 1);
	other.c.who.b[0] = 1;
	run(all, &other);
	assert_int_equal(other.c.end, CHILD_EXITED);
	child_release(all, &other.c);
	assert_int_equal(children_count(all, CHILD_QUICK).queued, n - (CAP_CHILDREN - 1));
	children_stop(all);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(mine[i].c.end, CHILD_STOPPED);
		child_release(all, &mine[i].c);
	}
	children_free(&all);
}

/* One caller does not read the output of its child; the children of others begin. */
static void
caller_who_reads_no_output_blocks_no_other(void **state)
{
	struct children_limits l = limits();
	struct one slow = one_of("files"), next = one_of("files"), other = one_of("files");

	l.out_bytes = 1;
	l.held_bytes = 100;
	struct children *all = children_start(&l);

	(void)state;
	run(all, &slow);
	assert_true(slow.c.out_bytes >= 1);
	assert_int_equal(ask(all, &next), 0);
	other.c.who.b[0] = 1;
	run(all, &other);
	assert_int_equal(other.c.end, CHILD_EXITED);
	assert_int_equal(children_count(all, CHILD_QUICK).queued, 1);
	child_release(all, &slow.c);
	wait_done(&next.done);
	assert_int_equal(next.c.end, CHILD_EXITED);
	child_release(all, &next.c);
	child_release(all, &other.c);
	children_free(&all);
}

static void
of_a_thousand_children_few_run_and_the_rest_is_refused(void **state)
{
	enum { ALL = 1000 };
	struct metrics *m = calloc(1, sizeof(*m));
	struct children_limits l = limits();
	struct one *o = calloc(ALL, sizeof(*o));
	unsigned taken = 0, done = 0, most = 0;

	(void)state;
	l.metrics = m;
	struct children *all = children_start(&l);
	for (size_t i = 0; i < ALL; i++) {
		o[i] = one_of("nap");
		memcpy(o[i].c.who.b, &i, sizeof(i)); /* a thousand callers */
		int err = ask(all, &o[i]);
		assert_true(err == 0 || err == ERR_LIMIT);
		taken += err == 0;
		o[i].c.arg = err ? NULL : &o[i].done;
		struct children_count n = children_count(all, CHILD_QUICK);
		most = n.running > most ? n.running : most;
		assert_true(n.running + n.queued <= CAP_CHILDREN + CAP_CHILDREN_QUEUE);
	}
	assert_true(taken >= CAP_CHILDREN + CAP_CHILDREN_QUEUE && taken < ALL);
	for (size_t i = 0; i < ALL; i++)
		if (o[i].c.arg) {
			wait_done(&o[i].done);
			done += o[i].c.end == CHILD_EXITED;
			child_release(all, &o[i].c);
		}
	assert_int_equal(done, taken);
	assert_true(most <= CAP_CHILDREN);
	assert_int_equal(m->v[M_CHILD_REFUSED], ALL - taken);
	children_free(&all);
	free(o);
	free(m);
}

static void
child_of_a_disconnected_client_is_killed(void **state)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	struct one o[4];
	int pair[4][2];

	(void)state;
	for (int i = 0; i < 4; i++) { /* two run, two wait */
		o[i] = one_of("hang");
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]), 0);
		o[i].c.client = pair[i][0];
		assert_int_equal(ask(all, &o[i]), 0);
	}
	while (children_count(all, CHILD_QUICK).running < 2)
		usleep(1000);
	close(pair[3][1]);
	wait_done(&o[3].done);
	assert_int_equal(o[3].c.end, CHILD_LEFT);
	assert_int_equal(o[3].c.pid, 0);
	close(pair[0][1]);
	wait_done(&o[0].done);
	assert_int_equal(o[0].c.end, CHILD_LEFT);
	assert_int_equal(kill(o[0].c.pid, 0), -1);
	/* A client that only closed its sending side of a Unix socket still waits. */
	shutdown(pair[1][1], SHUT_WR);
	usleep(50000);
	assert_false(o[1].done);
	close(pair[1][1]);
	wait_done(&o[1].done);
	close(pair[2][1]);
	wait_done(&o[2].done);
	for (int i = 0; i < 4; i++) {
		close(pair[i][0]);
		child_release(all, &o[i].c);
	}
	children_free(&all);
}

static void
end_of_a_tcp_stream_is_a_disconnect(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct one o = one_of("hang");

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&at, &n);
	assert_int_equal(connect(client, (struct sockaddr *)&at, n), 0);
	o.c.client = accept(listener, NULL, NULL);
	assert_int_equal(ask(all, &o), 0);
	usleep(20000);
	assert_false(o.done);
	close(client);
	wait_done(&o.done);
	assert_int_equal(o.c.end, CHILD_LEFT);
	child_release(all, &o.c);
	children_free(&all);
	close(o.c.client);
	close(listener);
}

static void
stop_ends_running_and_waiting_children(void **state)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	struct one o[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		o[i] = one_of("hang");
		o[i].c.lane = i == 5 ? CHILD_LONG : CHILD_QUICK;
		assert_int_equal(ask(all, &o[i]), 0);
	}
	struct one second = one_of("hang");
	second.c.lane = CHILD_LONG;
	assert_int_equal(ask(all, &second), ERR_LIMIT);
	while (children_count(all, CHILD_QUICK).running < 2)
		usleep(1000);
	children_free(&all);
	for (int i = 0; i < 6; i++) {
		assert_true(o[i].done);
		assert_int_equal(o[i].c.end, CHILD_STOPPED);
		if (o[i].c.pid)
			assert_int_equal(kill(o[i].c.pid, 0), -1);
		child_release(NULL, &o[i].c);
	}
}

static void
untaken_outputs_delay_further_children(void **state)
{
	struct children_limits l = limits();
	struct one a = one_of("flood"), b = one_of("nap");

	(void)state;
	l.held_bytes = CAP_CHILD_OUT;
	struct children *all = children_start(&l);
	run(all, &a);
	assert_int_equal(ask(all, &b), 0);
	usleep(100000);
	assert_int_equal(children_count(all, CHILD_QUICK).queued, 1);
	child_release(all, &a.c);
	wait_done(&b.done);
	assert_int_equal(b.c.end, CHILD_EXITED);
	child_release(all, &b.c);
	children_free(&all);
}

static void
child_that_waited_too_long_is_not_started(void **state)
{
	struct children_limits l = limits();
	struct one a = one_of("flood"), b = one_of("nap");

	(void)state;
	l.held_bytes = CAP_CHILD_OUT;
	l.lane[CHILD_QUICK].deadline_us = 2000000;
	struct children *all = children_start(&l);
	run(all, &a);
	run(all, &b);
	assert_int_equal(b.c.end, CHILD_BUSY);
	child_release(all, &a.c);
	child_release(all, &b.c);
	children_free(&all);
}

static void
see_it(struct child *c, void *arg)
{
	*(void **)arg = c;
}

static void
running_child_is_found_by_its_process(void **state)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	struct one o = one_of("hang");
	void *seen = NULL;

	(void)state;
	assert_int_equal(ask(all, &o), 0);
	while (children_count(all, CHILD_QUICK).queued || !o.c.pid)
		usleep(1000);
	assert_true(child_with(all, o.c.pid, see_it, &seen));
	assert_ptr_equal(seen, &o.c);
	assert_false(child_with(all, getpid(), see_it, &seen));
	assert_false(child_with(all, 0, see_it, &seen));
	children_free(&all);
	child_release(NULL, &o.c);
}

static void
failed_start_has_a_reason(void **state)
{
	struct children_limits l = limits();
	struct one o = one_of("say");

	(void)state;
	l.program = "/nonexistent/tollgate";
	struct children *all = children_start(&l);
	run(all, &o);
	assert_int_equal(o.c.end, CHILD_FAILED);
	assert_string_equal(o.c.error, strerror(ENOENT));
	child_release(all, &o.c);
	children_free(&all);
}

/* Starts a copy of this program as a daemon; `how` selects the action of its child. Returns its
 * pid. The copy writes its child's pid or output into *out. */
static pid_t
daemon_of(const char *file, const char *how, int *out)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl(file, "test-daemon", how, file, NULL);
		_exit(9);
	}
	close(p[1]);
	*out = p[0];
	return pid;
}

static int
daemon_main(char **argv)
{
	struct children_limits l = limits();
	struct children *all = children_start(&l);
	struct one o = one_of(argv[1]);

	if (!strcmp(argv[1], "say"))
		unlink(argv[2]);
	ask(all, &o);
	if (!strcmp(argv[1], "say")) {
		wait_done(&o.done);
		dprintf(1, "%d %d %s", o.c.end, o.c.code, o.c.error);
		return 0;
	}
	while (children_count(all, CHILD_QUICK).running == 0)
		usleep(1000);
	usleep(200000); /* the child has restricted itself */
	dprintf(1, "%d", (int)o.c.pid);
	for (;;)
		pause();
}

static void
child_does_not_outlive_the_daemon(void **state)
{
	char text[64] = "";
	int out, status;
	pid_t pid = daemon_of("/proc/self/exe", "hang", &out);

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	assert_true(read(out, text, sizeof(text) - 1) > 0);
	pid_t child = atoi(text);
	assert_int_equal(kill(child, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(out);
}

static void
replaced_program_file_still_runs_the_old_program(void **state)
{
	char dir[] = "/tmp/test_child.XXXXXX", file[64], text[256] = "", copy[1 << 16];
	int out, status;
	ssize_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/program", dir);
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	    to = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	while ((n = read(from, copy, sizeof(copy))) > 0)
		assert_int_equal(write(to, copy, (size_t)n), n);
	close(from);
	close(to);
	pid_t pid = daemon_of(file, "say", &out);
	assert_true(read(out, text, sizeof(text) - 1) > 0);
	waitpid(pid, &status, 0);
	assert_string_equal(
		text, "1 1 tollgate: first: line"); /* CHILD_EXITED and the exit code */
	assert_int_equal(access(file, F_OK), -1);
	close(out);
	rmdir(dir);
}

static void
other_process_gains_nothing_by_the_name(void **state)
{
	(void)state;
	assert_true(child_confine("tollgate"));
	assert_true(child_confine(NULL));
	assert_false(child_confine(CHILD_NAME));
	pid_t pid = fork();
	if (pid == 0) {
		char name[64];
		child_name(name, sizeof(name), 1, 30);
		_exit(child_confine(name)); /* not its parent */
	}
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_exit_of_a_child_are_returned),
		cmocka_unit_test(child_gets_its_input_of_any_length),
		cmocka_unit_test(child_has_three_descriptors),
		cmocka_unit_test(child_has_limits_and_default_signals),
		cmocka_unit_test(environment_of_a_child_has_nothing_of_the_daemon),
		cmocka_unit_test(misbehaving_child_is_ended),
		cmocka_unit_test(children_of_one_caller_leave_places_for_others),
		cmocka_unit_test(caller_who_reads_no_output_blocks_no_other),
		cmocka_unit_test(of_a_thousand_children_few_run_and_the_rest_is_refused),
		cmocka_unit_test(child_of_a_disconnected_client_is_killed),
		cmocka_unit_test(end_of_a_tcp_stream_is_a_disconnect),
		cmocka_unit_test(stop_ends_running_and_waiting_children),
		cmocka_unit_test(untaken_outputs_delay_further_children),
		cmocka_unit_test(child_that_waited_too_long_is_not_started),
		cmocka_unit_test(running_child_is_found_by_its_process),
		cmocka_unit_test(failed_start_has_a_reason),
		cmocka_unit_test(child_does_not_outlive_the_daemon),
		cmocka_unit_test(replaced_program_file_still_runs_the_old_program),
		cmocka_unit_test(other_process_gains_nothing_by_the_name),
	};

	if (argc > 1 && !strncmp(argv[0], CHILD_NAME, strlen(CHILD_NAME)))
		return child_main(argv);
	if (argc > 1 && !strcmp(argv[0], "test-daemon"))
		return daemon_main(argv);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
