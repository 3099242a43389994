/* An MCP server for the bench, and clients that leave a stream of GET open.
 *
 *   tools serve                            prints its port; a POST has a result, a GET a stream
 *   tools idle N HOST:PORT TOKEN PID       opens N streams of GET on /mcp, waits for their
 * heads, and prints the additional memory of the process for each stream
 *
 * Exit 0, 1 if a stream did not open, 2 usage. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 8192, REQUEST_MAX = 16384, WAIT_MS = 30000 };

static void
many_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* ---- the server ---- */

struct peer {
	char in[REQUEST_MAX];
	size_t n;
};

static const char stream[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
			     "transfer-encoding: chunked\r\n\r\n";
static const char result[] =
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
	"\"The note was written.\"}],\"isError\":false}}";

/* True: a complete request arrived, and its response was sent. */
static bool
answered(int fd, struct peer *p)
{
	char *end = memmem(p->in, p->n, "\r\n\r\n", 4), out[512];
	size_t head = end ? (size_t)(end - p->in) + 4 : 0, length = 0;

	if (!head)
		return false;
	if (!strncmp(p->in, "GET", 3)) {
		if (send(fd, stream, sizeof(stream) - 1, MSG_NOSIGNAL) < 0)
			return false;
		p->n = 0;
		return true;
	}
	p->in[p->n] = '\0';
	char *said = strcasestr(p->in, "content-length:");
	length = said ? strtoul(said + 15, NULL, 10) : 0;
	if (p->n < head + length)
		return false;
	int n = snprintf(out, sizeof(out),
		"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
		"%zu\r\n\r\n%s",
		sizeof(result) - 1, result);
	p->n = 0;
	return send(fd, out, (size_t)n, MSG_NOSIGNAL) == n;
}

static int
serve(void)
{
	static struct peer *peers[CONNS_MAX];
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = listening };

	if (bind(listening, (struct sockaddr *)&at, n) || listen(listening, 1024) ||
		getsockname(listening, (struct sockaddr *)&at, &n) ||
		epoll_ctl(set, EPOLL_CTL_ADD, listening, &ev))
		return 2;
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		if (epoll_wait(set, &ev, 1, -1) < 1)
			continue;
		int fd = ev.data.fd;
		if (fd == listening) {
			fd = accept(listening, NULL, NULL);
			if (fd < 0 || fd >= CONNS_MAX)
				return 2;
			peers[fd] = calloc(1, sizeof(*peers[fd]));
			ev = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
			epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
			continue;
		}
		struct peer *p = peers[fd];
		ssize_t got = recv(fd, p->in + p->n, sizeof(p->in) - 1 - p->n, 0);
		if (got <= 0) {
			close(fd);
			free(p);
			peers[fd] = NULL;
			continue;
		}
		p->n += (size_t)got;
		answered(fd, p);
	}
}

/* ---- clients ---- */

/* The private memory in KB, without shared pages. */
static long
held_kb(const char *pid)
{
	char path[64], line[256];
	long kb = 0, sum = 0;

	snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			sum += kb;
	if (f)
		fclose(f);
	return sum;
}

static int
connected(const char *where)
{
	char host[128];
	const char *colon = strrchr(where, ':');
	struct addrinfo *a;

	if (!colon || (size_t)(colon - where) >= sizeof(host))
		return -1;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	if (getaddrinfo(host, colon + 1, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &a))
		return -1;
	int fd = socket(a->ai_family, SOCK_STREAM, 0);
	if (connect(fd, a->ai_addr, a->ai_addrlen))
		fd = -1;
	freeaddrinfo(a);
	return fd;
}

/* Requests a stream; -1: that failed. */
static int
asked(const char *where, const char *token)
{
	char text[4096];
	int fd = connected(where);
	int len = snprintf(text, sizeof(text),
		"GET /mcp HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n"
		"accept: text/event-stream\r\nuser-agent: node\r\naccept-language: *\r\n"
		"mcp-protocol-version: 2025-11-25\r\n\r\n",
		where, token);

	return fd < 0 || len >= (int)sizeof(text) || send(fd, text, (size_t)len, 0) != len ? -1
											   : fd;
}

/* Returns whether the stream is open: its head arrived. */
static bool
opened(int fd)
{
	char text[4096];
	size_t n = 0;

	while (fd >= 0 && n < sizeof(text) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got = poll(&p, 1, WAIT_MS) == 1
				      ? recv(fd, text + n, sizeof(text) - 1 - n, 0)
				      : -1;
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
		if (strstr(text, "\r\n\r\n"))
			return strncmp(text, "HTTP/1.1 200 ", 13) == 0;
	}
	return false;
}

/* Opens so many at the same time; returns how many opened. */
static long
open_all(int *fds, long n, const char *where, const char *token)
{
	long good = 0;

	for (long i = 0; i < n; i++)
		fds[i] = asked(where, token);
	for (long i = 0; i < n; i++)
		good += opened(fds[i]);
	return good;
}

static int
idle(long streams, const char *where, const char *token, const char *pid)
{
	enum { AT_ONCE = 50 };
	int fds[AT_ONCE];
	long before, after, good = 0;

	/* memory that is allocated once and kept */
	open_all(fds, AT_ONCE, where, token);
	for (int i = 0; i < AT_ONCE; i++)
		close(fds[i]);
	sleep(3);
	before = held_kb(pid);
	for (long left = streams; left > 0; left -= AT_ONCE)
		good += open_all(fds, left < AT_ONCE ? left : AT_ONCE, where, token);
	sleep(3);
	after = held_kb(pid);
	printf("streams=%ld opened=%ld kb_a_stream=%.1f\n", streams, good,
		good ? (double)(after - before) / (double)good : 0);
	return good == streams ? 0 : 1;
}

int
main(int argc, char **argv)
{
	many_files();
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 6 && !strcmp(argv[1], "idle"))
		return idle(atol(argv[2]), argv[3], argv[4], argv[5]);
	fprintf(stderr, "tools: usage: tools serve | tools idle N HOST:PORT TOKEN PID\n");
	return 2;
}
