/* Makes the requests that the end-to-end files make with curl, with a program that starts in a
 * tenth of the time: curl loads forty libraries, and these files start it ten thousand times.
 * This program makes one plain request to an address or a socket of this machine. For all other
 * arguments, it executes curl itself.
 *
 *   PATH=build/quick:$PATH      tests/e2e/lib.sh
 *
 * Names, output and exit codes are those of curl(1). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <llhttp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADERS = 64, BODY_MAX = 1 << 20 }; /* for a longer body, curl waits for 100 Continue */
enum {
	CANNOT_CONNECT = 7,
	PARTIAL = 18,
	CANNOT_WRITE = 23,
	TIMED_OUT = 28,
	NOTHING = 52,
	RECEIVE = 56
};

static struct {
	const char *method, *url, *body, *to, *head_to, *say, *socket, *header[HEADERS];
	size_t body_bytes;
	int headers;
	double most_s;
	bool as_is, with_head;
} ask;

static struct {
	llhttp_t http;
	FILE *to, *head;
	long bytes;
	bool began, ended;
} answer;

/* ---- curl itself ---- */

/* Executes the next curl in PATH, for requests that this program cannot make. */
_Noreturn static void
by_curl(char **argv)
{
	char self[PATH_MAX], path[PATH_MAX], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = '\0';
	for (const char *dir = getenv("PATH"), *end; dir && *dir; dir = *end ? end + 1 : end) {
		end = strchrnul(dir, ':');
		snprintf(path, sizeof path, "%.*s/curl", (int)(end - dir), dir);
		if (realpath(path, real) && strcmp(real, self) != 0)
			execv(path, argv);
	}
	fputs("curl: not found\n", stderr);
	exit(127);
}

/* ---- arguments ---- */

static bool
read_body(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *to = malloc(BODY_MAX);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > BODY_MAX ||
		!to || read(fd, to, BODY_MAX) != st.st_size)
		return false;
	close(fd);
	ask.body = to;
	ask.body_bytes = (size_t)st.st_size;
	return true;
}

static bool
has_only(const char *format)
{
	for (const char *p = format; (p = strchr(p, '%')); p++)
		if (strncmp(p, "%{http_code}", 12) != 0 &&
			strncmp(p, "%{size_download}", 16) != 0)
			return false;
	return !strchr(format, '@');
}

/* Sets an option that has a value. Each may occur once, except headers. Returns false if this
 * program does not support the option. */
static bool
takes(const char *name, const char *value)
{
	const char **to = strcmp(name, "-X") == 0	       ? &ask.method
			  : strcmp(name, "-o") == 0	       ? &ask.to
			  : strcmp(name, "-D") == 0	       ? &ask.head_to
			  : strcmp(name, "-w") == 0	       ? &ask.say
			  : strcmp(name, "--unix-socket") == 0 ? &ask.socket
							       : NULL;

	if (to) {
		bool is_new = !*to || to == &ask.method;
		*to = value;
		return is_new && (to != &ask.say || has_only(value)) &&
		       (to != &ask.method || strcmp(value, "HEAD") != 0);
	}
	if (strcmp(name, "-m") == 0 || strcmp(name, "--max-time") == 0) {
		ask.most_s = strtod(value, NULL);
		return true;
	}
	if (strcmp(name, "-H") == 0) {
		const char *colon = strchr(value, ':');
		if (!colon || !colon[1 + strspn(colon + 1, " ")] || value[0] == '@' ||
			ask.headers == HEADERS || strpbrk(value, "\r\n") ||
			strncasecmp(value, "content-length:", 15) == 0 ||
			strncasecmp(value, "transfer-encoding:", 18) == 0 ||
			strncasecmp(value, "expect:", 7) == 0 ||
			strncasecmp(value, "connection:", 11) == 0)
			return false;
		ask.header[ask.headers++] = value;
		return true;
	}
	bool binary = strcmp(name, "--data-binary") == 0;
	if (ask.body || !(binary || strcmp(name, "-d") == 0 || strcmp(name, "--data") == 0))
		return false;
	if (value[0] == '@')
		return binary && read_body(value + 1);
	ask.body = value;
	ask.body_bytes = strlen(value);
	return ask.body_bytes <= BODY_MAX;
}

static bool
understood(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (strcmp(a, "--path-as-is") == 0) {
			ask.as_is = true;
		} else if (a[0] == '-' && a[1] != '-' && a[1] &&
			   strspn(a + 1, "sSNi") == strlen(a + 1)) {
			ask.with_head |= strchr(a, 'i') != NULL;
		} else if (a[0] == '-') {
			if (i + 1 == argc || !takes(a, argv[i + 1]))
				return false;
			i++;
		} else if (ask.url) {
			return false;
		} else {
			ask.url = a;
		}
	}
	return ask.url && strncmp(ask.url, "http://", 7) == 0 &&
	       !strpbrk(ask.url, "[]{}#@\\ \"<>") && (ask.as_is || !strstr(ask.url, "/.")) &&
	       !getenv("http_proxy") && !getenv("all_proxy") && !getenv("ALL_PROXY");
}

/* ---- the response ---- */

static FILE *
opened(const char *name)
{
	FILE *f = !name || strcmp(name, "-") == 0 ? stdout : fopen(name, "we");

	if (!f)
		exit(CANNOT_WRITE);
	return f;
}

static int
on_body(llhttp_t *h, const char *p, size_t n)
{
	(void)h;
	if (!answer.to)
		answer.to = opened(ask.to);
	answer.bytes += (long)n;
	if (fwrite(p, 1, n, answer.to) != n || fflush(answer.to))
		exit(CANNOT_WRITE);
	return 0;
}

static int
on_message_begin(llhttp_t *h)
{
	(void)h;
	answer.began = true;
	return 0;
}

static int
on_message_complete(llhttp_t *h)
{
	if (h->status_code >= 200 || h->status_code == 101)
		answer.ended = true;
	return answer.ended ? HPE_PAUSED : 0;
}

/* Feeds the heads to the parser byte by byte until the last one ends, because the parser does
 * not keep header lines as they were written. */
static llhttp_errno_t
feed(const char *p, size_t n)
{
	static bool in_body;
	llhttp_errno_t err = HPE_OK;
	size_t i = 0;

	for (; !in_body && i < n && !err; i++) {
		static int line; /* bytes of the line without its end */
		if (ask.head_to && !answer.head)
			answer.head = opened(ask.head_to);
		if (answer.head)
			fputc(p[i], answer.head);
		if (ask.with_head)
			on_body(&answer.http, p + i, 1);
		line += p[i] != '\r';
		err = llhttp_execute(&answer.http, p + i, 1);
		if (p[i] != '\n')
			continue;
		in_body = line == 1 && answer.http.status_code >= 200;
		line = 0;
	}
	if (answer.head)
		fflush(answer.head);
	return err || i == n ? err : llhttp_execute(&answer.http, p + i, n - i);
}

/* ---- the request ---- */

static bool
given(const char *name)
{
	for (int i = 0; i < ask.headers; i++)
		if (strncasecmp(ask.header[i], name, strlen(name)) == 0)
			return true;
	return false;
}

static char *
request(size_t *bytes)
{
	char *text = NULL;
	const char *host = ask.url + 7, *path = host + strcspn(host, "/?");
	FILE *f = open_memstream(&text, bytes);

	if (!f)
		exit(27);
	fprintf(f, "%s %s%s HTTP/1.1\r\n",
		ask.method ? ask.method
		: ask.body ? "POST"
			   : "GET",
		*path == '/' ? "" : "/", path);
	if (!given("host:"))
		fprintf(f, "Host: %.*s\r\n", (int)(path - host), host);
	if (!given("user-agent:"))
		fputs("User-Agent: curl/8.0.0\r\n", f);
	if (!given("accept:"))
		fputs("Accept: */*\r\n", f);
	for (int i = 0; i < ask.headers; i++)
		fprintf(f, "%s\r\n", ask.header[i]);
	if (ask.body)
		fprintf(f, "Content-Length: %zu\r\n", ask.body_bytes);
	if (ask.body && !given("content-type:"))
		fputs("Content-Type: application/x-www-form-urlencoded\r\n", f);
	fputs("\r\n", f);
	if (ask.body)
		fwrite(ask.body, 1, ask.body_bytes, f);
	fclose(f);
	return text;
}

/* Returns a connected socket; -1: nothing listens there; -2: an address that only curl can
 * resolve. */
static int
connected(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char host[16] = "";
	int port = 80, fd;

	if (ask.socket) {
		if (strlen(ask.socket) >= sizeof un.sun_path)
			return -2;
		strcpy(un.sun_path, ask.socket);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		return fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0 ? fd : -1;
	}
	if (sscanf(ask.url, "http://%15[0-9.]:%d", host, &port) < 1 ||
		inet_pton(AF_INET, host, &in.sin_addr) != 1 || strncmp(host, "127.", 4) != 0)
		return -2;
	in.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof in) == 0 ? fd : -1;
}

static int
left_ms(void)
{
	static struct timespec began;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!began.tv_sec)
		began = now;
	if (ask.most_s <= 0)
		return -1;
	double left = ask.most_s - (double)(now.tv_sec - began.tv_sec) -
		      (double)(now.tv_nsec - began.tv_nsec) / 1e9;
	return left > 0 ? (int)(left * 1000) + 1 : 0;
}

/* Sends the request and reads the response, whichever is possible first. Returns an exit
 * code. */
static int
exchange(int fd, const char *text, size_t n)
{
	static char in[65536];

	while (!answer.ended) {
		struct pollfd p = { .fd = fd, .events = (short)(POLLIN | (n ? POLLOUT : 0)) };
		int ready = poll(&p, 1, left_ms());
		if (ready == 0)
			return TIMED_OUT;
		if (p.revents & POLLOUT) {
			ssize_t sent = send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (sent < 0 && errno != EAGAIN)
				n = 0; /* the server's response may still be readable */
			text += sent > 0 ? sent : 0;
			n -= sent > 0 ? (size_t)sent : 0;
		}
		if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got < 0)
			return RECEIVE;
		if (got == 0) {
			llhttp_finish(&answer.http);
			return answer.ended				 ? 0
			       : answer.began && answer.http.status_code ? PARTIAL
									 : NOTHING;
		}
		llhttp_errno_t err = feed(in, (size_t)got);
		if (err && !answer.ended)
			return RECEIVE;
	}
	return 0;
}

static void
say(const char *format)
{
	for (const char *p = format; *p; p++) {
		if (strncmp(p, "%{http_code}", 12) == 0) {
			printf("%03d", answer.http.status_code);
			p += 11;
		} else if (strncmp(p, "%{size_download}", 16) == 0) {
			printf("%ld", answer.bytes);
			p += 15;
		} else if (p[0] == '\\' && p[1] == 'n') {
			putchar('\n');
			p++;
		} else {
			putchar(*p);
		}
	}
}

int
main(int argc, char **argv)
{
	static llhttp_settings_t settings;
	size_t n;

	if (!understood(argc, argv))
		by_curl(argv);
	left_ms();
	int fd = connected(), code = CANNOT_CONNECT;
	if (fd == -2)
		by_curl(argv);
	llhttp_settings_init(&settings);
	settings.on_body = on_body;
	settings.on_message_begin = on_message_begin;
	settings.on_message_complete = on_message_complete;
	llhttp_init(&answer.http, HTTP_RESPONSE, &settings);
	char *text = request(&n);
	if (fd >= 0)
		code = exchange(fd, text, n);
	free(text); /* a sanitizer reports unfreed memory as an error */
	if (!code && !answer.to)
		answer.to = opened(ask.to); /* an empty file */
	if (ask.say)
		say(ask.say);
	return fflush(stdout) ? CANNOT_WRITE : code;
}
