/* build/mockllm: the simulated provider of tests, demo and bench. say.c and answer.c have its
 * responses, error.c its errors, seen.c its memory, control.c the settings of POST /_control.
 *
 * mockllm --listen PORT|HOST:PORT|unix@PATH [--listen …] [--serial N]
 *
 * --serial: the number of the first response, which its ids contain (1). With it, two providers
 * never return the same id.
 *
 * Port 0 takes a free port. Each listener is announced on stdout as a line "listening on
 * ADDRESS". No part of a request is ever printed.
 *
 * SIGUSR1 closes the TCP ports and all connections, like a provider that has failed; SIGUSR2
 * opens them again. Between the two, no other program can get these ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define LISTENERS_MAX 8

static ev_io listener[LISTENERS_MAX];
static int listeners;

static int
listen_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path || fd < 0)
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0)
		return -1;
	chmod(path, 0666); /* HAProxy runs as another user; nothing here needs protection */
	printf("listening on unix@%s\n", path);
	return fd;
}

static int
bound(const struct sockaddr_in *a)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		bind(fd, (const struct sockaddr *)a, sizeof *a) < 0)
		return -1;
	return fd;
}

static int
listen_tcp(const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;
	const char *colon = strrchr(where, ':');
	char host[64] = "127.0.0.1";

	if (colon)
		snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return -1;
	a.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : where));
	/* a port that the kernel chose is lost at a shutdown: another socket requests that
	 * port */
	int any = bound(&a);
	if (any < 0 || getsockname(any, (struct sockaddr *)&a, &len) < 0)
		return -1;
	int fd = bound(&a);
	close(any);
	if (fd < 0 || listen(fd, 1024) < 0)
		return -1;
	printf("listening on %s:%u\n", host, ntohs(a.sin_port));
	return fd;
}

/* SIGUSR1 and SIGUSR2. A listener that was shut down keeps its address and can listen again. */
static void
on_port(struct ev_loop *l, ev_signal *w, int events)
{
	bool open = w->signum == SIGUSR2;

	(void)events;
	for (int i = 0; i < listeners; i++) {
		struct sockaddr a;
		socklen_t n = sizeof a;
		int fd = listener[i].fd;
		if (getsockname(fd, &a, &n) < 0 || a.sa_family != AF_INET)
			continue;
		if (open && listen(fd, 1024) == 0) {
			ev_io_start(l, &listener[i]);
		} else if (!open) {
			ev_io_stop(l, &listener[i]);
			shutdown(fd, SHUT_RDWR);
		}
	}
	if (!open)
		mock_server_cut();
}

static void
on_term(struct ev_loop *l, ev_signal *w, int events)
{
	(void)w, (void)events;
	ev_break(l, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
	ev_signal term, intr, stop, start;

	signal(SIGPIPE, SIG_IGN);
	struct ev_loop *loop = ev_default_loop(0);
	mock_server_init(loop);
	for (int i = 1; i < argc; i++) {
		bool serial = !strcmp(argv[i], "--serial");
		if ((!serial && strcmp(argv[i], "--listen") != 0) || ++i == argc ||
			listeners == LISTENERS_MAX) {
			fprintf(stderr, "usage: mockllm --listen PORT|HOST:PORT|unix@PATH "
					"[--listen …] [--serial N]\n");
			return 2;
		}
		if (serial) {
			mock_server_serial(strtoull(argv[i], NULL, 10));
			continue;
		}
		const char *at = strncmp(argv[i], "unix@", 5) == 0 ? argv[i] + 5 : argv[i];
		int fd = strchr(at, '/') ? listen_unix(at) : listen_tcp(at);
		if (fd < 0) {
			fprintf(stderr, "mockllm: %s: %s\n", argv[i], strerror(errno));
			return 2;
		}
		ev_io_init(&listener[listeners], mock_accept, fd, EV_READ);
		ev_io_start(loop, &listener[listeners++]);
	}
	if (listeners == 0) {
		fprintf(stderr, "mockllm: nothing to listen on (--listen)\n");
		return 2;
	}
	fflush(stdout);
	ev_signal_init(&term, on_term, SIGTERM);
	ev_signal_start(loop, &term);
	ev_signal_init(&intr, on_term, SIGINT);
	ev_signal_start(loop, &intr);
	ev_signal_init(&stop, on_port, SIGUSR1);
	ev_signal_start(loop, &stop);
	ev_signal_init(&start, on_port, SIGUSR2);
	ev_signal_start(loop, &start);
	ev_run(loop, 0);
	return 0;
}
