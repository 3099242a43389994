/* The way of a stream to its reader: the time from the request to the first event, and the gaps
 * between events. The targets are measured at the same time, so that the load of the machine
 * affects all of them equally.
 *
 *   streams -n STREAMS -c AT_ONCE [-w WORDS] [-t TEXT] [-s MS] [-W STREAMS] [-p PID] [-H LINES]
 *           HOST:PORT TOKEN [HOST:PORT TOKEN …]
 *
 * Each target gets AT_ONCE connections, one stream each, with a new connection for each stream,
 * until it has had STREAMS. A stream starts at least MS after the one before it, of any target
 * (0: as soon as possible, so that streams of equal length always start together). The first
 * STREAMS (-W) of a target are not counted. Each stream requests usage, so that a metering
 * gateway has no event to hide. Its text ends with a space, so that an inspecting gateway does
 * not wait for the end of a word; -t sets another TEXT (as in JSON). An event is a "data:"
 * line; events that arrive in one read have a gap of 0. TOKEN "-": no Authorization. LINES (-H)
 * are header lines for each request, each with its CR LF. Prints a line for each target:
 *
 *   HOST:PORT streams=N events=N first_p50_us=… first_p99_us=… gap_p50_us=… gap_p99_us=…
 *
 * With -p it prints one more line: the CPU time of that process while all streams ran, from the
 * first event of the last stream to the end of the first stream, and the events of that time:
 *
 *   all_events=N all_cpu_us=N
 *
 * Exit 0, 1 if a stream was incomplete, 2 usage. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TARGETS_MAX = 8, CONNS_MAX = 1024, STALL_MS = 30000 };

struct samples {
	uint32_t *v;
	size_t n, size;
};

struct target {
	const char *name;
	struct addrinfo *address;
	char *request;
	size_t request_bytes;
	long begun, whole, broken;
	struct samples first, gap;
};

struct conn {
	struct target *t;
	int fd;
	uint64_t sent_us, last_us;
	char tail[16]; /* the part of a mark at the end of the last read */
	size_t ntail;
	long events;
	long blanks; /* from the first event on: one for each event, and those of the text */
	bool counts;
	bool done; /* [DONE] was seen */
};

static long streams = 20, words = 32, apart_ms, warm;
static const char *text, *lines = "";
static uint64_t next_us; /* no stream starts earlier */
static struct {
	long pid;
	long speaking; /* streams that had an event */
	long all;
	bool over;
	uint64_t cpu_ns, events; /* while all streams had events */
} steady;

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
add(struct samples *s, uint64_t v)
{
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : 1024;
		s->v = realloc(s->v, s->size * sizeof(*s->v));
		if (!s->v)
			abort();
	}
	s->v[s->n++] = (uint32_t)v;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t
quantile(struct samples *s, unsigned percent)
{
	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	return s->v[(s->n - 1) * percent / 100];
}

/* ---- resource usage of a process ---- */

/* CPU time of all its threads so far. */
static uint64_t
process_cpu_ns(long pid)
{
	char path[300];
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%ld/task", pid);
	DIR *tasks = opendir(path);
	for (struct dirent *d; tasks && (d = readdir(tasks));) {
		unsigned long long ns;
		snprintf(path, sizeof(path), "/proc/%ld/task/%s/schedstat", pid, d->d_name);
		FILE *f = fopen(path, "r");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

static void
note_event(bool first)
{
	if (!steady.pid || steady.over)
		return;
	if (steady.speaking == steady.all)
		steady.events++;
	else if (first && ++steady.speaking == steady.all)
		steady.cpu_ns = process_cpu_ns(steady.pid);
}

static void
note_end(void)
{
	if (!steady.pid || steady.over || steady.speaking < steady.all)
		return;
	steady.over = true;
	steady.cpu_ns = process_cpu_ns(steady.pid) - steady.cpu_ns;
}

/* ---- a target ---- */

static void
target_init(struct target *t, const char *address, const char *token)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char host[256], *body, *auth;
	const char *colon = strrchr(address, ':');

	if (!colon || (size_t)(colon - address) >= sizeof(host)) {
		fprintf(stderr, "streams: %s: not HOST:PORT\n", address);
		exit(2);
	}
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &t->address)) {
		fprintf(stderr, "streams: %s: cannot be resolved\n", address);
		exit(2);
	}
	t->name = address;
	char *say = malloc((size_t)words * 5 + 1);
	if (!say)
		abort();
	say[0] = '\0';
	for (long i = 0; i < words; i++)
		strcat(say, "word ");
	int n = asprintf(&body,
		"{\"model\":\"echo\",\"stream\":true,"
		"\"stream_options\":{\"include_usage\":true},\"messages\":[{\"role\":\"user\","
		"\"content\":\"%s\"}]}",
		text ? text : say);
	int k = strcmp(token, "-") ? asprintf(&auth, "authorization: Bearer %s\r\n", token)
				   : asprintf(&auth, "%s", "");
	if (n < 0 || k < 0)
		abort();
	int all = asprintf(&t->request,
		"POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n"
		"content-type: application/json\r\n%s%scontent-length: %d\r\n\r\n%s",
		address, auth, lines, n, body);
	if (all < 0)
		abort();
	t->request_bytes = (size_t)all;
	free(say);
	free(body);
	free(auth);
}

/* ---- a stream ---- */

static bool
is_over(const struct target *t)
{
	return t->begun == warm + streams;
}

static void
begin(struct conn *c)
{
	struct target *t = c->t;
	int one = 1;

	c->counts = t->begun++ >= warm;
	c->events = c->blanks = 0;
	c->ntail = 0;
	c->done = false;
	c->fd = socket(t->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, t->address->ai_addr, t->address->ai_addrlen)) {
		fprintf(stderr, "streams: %s: %s\n", t->name, strerror(errno));
		exit(2);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->sent_us = now_us();
	next_us = c->sent_us + (uint64_t)apart_ms * 1000;
	if (write(c->fd, t->request, t->request_bytes) != (ssize_t)t->request_bytes) {
		fprintf(stderr, "streams: %s: the request was not taken\n", t->name);
		exit(2);
	}
}

static void
finish(struct conn *c)
{
	note_end();
	close(c->fd);
	c->fd = -1;
	if (!c->done || c->blanks - c->events != words)
		c->t->broken++;
	else if (c->counts)
		c->t->whole++;
}

static void
take(struct conn *c)
{
	static const char mark[] = "data:", last[] = "[DONE]";
	char b[16384];

	memcpy(b, c->tail, c->ntail);
	ssize_t n = read(c->fd, b + c->ntail, sizeof(b) - c->ntail);
	uint64_t now = now_us();
	if (n <= 0) {
		finish(c);
		return;
	}
	size_t have = c->ntail + (size_t)n, at = 0;
	const char *text_at = c->events ? b + c->ntail : NULL;
	for (char *p; (p = memmem(b + at, have - at, mark, sizeof(mark) - 1));) {
		at = (size_t)(p - b) + sizeof(mark) - 1;
		text_at = text_at ? text_at : p;
		struct samples *to = c->events ? &c->t->gap : &c->t->first;
		uint64_t since = c->events ? c->last_us : c->sent_us;
		if (c->counts)
			add(to, now - since);
		note_event(c->events++ == 0);
		c->last_us = now;
	}
	for (const char *p = text_at; p && p < b + have; p++)
		c->blanks += *p == ' ';
	if (memmem(b, have, last, sizeof(last) - 1))
		c->done = true;
	/* no mark counted twice, none missed */
	size_t keep = have - at < sizeof(last) - 2 ? have - at : sizeof(last) - 2;
	memcpy(c->tail, b + have - keep, keep);
	c->ntail = keep;
}

int
main(int argc, char **argv)
{
	static struct target target[TARGETS_MAX];
	static struct conn conn[CONNS_MAX];
	static struct pollfd fds[CONNS_MAX];
	long at_once = 1;
	int opt, code = 0;
	size_t n = 0, ntargets;

	while ((opt = getopt(argc, argv, "n:c:w:s:W:t:p:H:")) != -1) {
		long v = optarg ? strtol(optarg, NULL, 10) : 0;
		if (v < 1 && opt != 't' && opt != 'H')
			return 2;
		switch (opt) {
		case 'n': streams = v; break;
		case 'c': at_once = v; break;
		case 'w': words = v; break;
		case 's': apart_ms = v; break;
		case 'W': warm = v; break;
		case 'p': steady.pid = v; break;
		case 'H': lines = optarg; break;
		case 't':
			text = optarg;
			words = 0;
			for (const char *p = text; *p; p++)
				words += *p == ' ';
			break;
		default: return 2;
		}
	}
	ntargets = (size_t)(argc - optind) / 2;
	if (!ntargets || (argc - optind) % 2 || ntargets > TARGETS_MAX ||
		(size_t)at_once * ntargets > CONNS_MAX) {
		fprintf(stderr, "usage: streams -n N -c N [-w WORDS] [-t TEXT] [-s MS] "
				"[-W STREAMS] [-p PID] HOST:PORT TOKEN [HOST:PORT TOKEN …]\n");
		return 2;
	}
	steady.all = at_once * (long)ntargets;
	for (size_t i = 0; i < ntargets; i++)
		target_init(
			&target[i], argv[optind + 2 * (int)i], argv[optind + 2 * (int)i + 1]);
	for (size_t i = 0; i < (size_t)at_once * ntargets; i++) {
		conn[n++] = (struct conn){ .t = &target[i % ntargets], .fd = -1 };
	}
	for (;;) {
		bool open = false, later = false;
		for (size_t i = 0; i < n; i++) {
			if (conn[i].fd < 0 && !is_over(conn[i].t)) {
				if (now_us() >= next_us)
					begin(&conn[i]);
				else
					later = true;
			}
			fds[i] = (struct pollfd){ .fd = conn[i].fd, .events = POLLIN };
			open |= conn[i].fd >= 0;
		}
		if (!open && !later)
			break;
		if (poll(fds, n, later ? 1 : STALL_MS) <= 0 && !later) {
			fprintf(stderr, "streams: nothing came for 30 s\n");
			return 1;
		}
		for (size_t i = 0; i < n; i++)
			if (conn[i].fd >= 0 && fds[i].revents)
				take(&conn[i]);
	}
	for (size_t i = 0; i < ntargets; i++) {
		struct target *t = &target[i];
		printf("%s streams=%ld events=%zu first_p50_us=%u first_p99_us=%u "
		       "gap_p50_us=%u "
		       "gap_p99_us=%u\n",
			t->name, t->whole, t->first.n + t->gap.n, quantile(&t->first, 50),
			quantile(&t->first, 99), quantile(&t->gap, 50), quantile(&t->gap, 99));
		if (t->broken) {
			fprintf(stderr, "streams: %s: %ld streams did not come whole\n",
				t->name, t->broken);
			code = 1;
		}
	}
	if (steady.pid && steady.over)
		printf("all_events=%llu all_cpu_us=%llu\n", (unsigned long long)steady.events,
			(unsigned long long)steady.cpu_ns / 1000);
	return code;
}
