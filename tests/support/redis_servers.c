/* Starts Redis servers on TCP, with a folder and a configuration for each, and sends commands
 * to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/redis_servers.h"

static const char *
server_program(void)
{
	const char *p = getenv("REDIS_SERVER");

	return p && *p ? p : "redis-server";
}

bool
server_installed(void)
{
	char command[600];

	snprintf(command, sizeof(command), "command -v '%s' >/dev/null 2>&1", server_program());
	return system(command) == 0;
}

static void
needs_a_server(void **state)
{
	(void)state;
	print_message("SKIP: %s is not installed\n", server_program());
	skip();
}

int
servers_missing(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(needs_a_server) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

unsigned
free_port(void)
{
	static unsigned next;

	if (!next)
		next = 20000 + (unsigned)getpid() % 700 * 16;
	for (;; next++) {
		bool all = true;
		for (unsigned k = 0; all && k < 2; k++) {
			struct sockaddr_in a = { .sin_family = AF_INET,
				.sin_port = htons((uint16_t)(next + k * 10000)),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
			int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			all = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
			close(fd);
		}
		if (all)
			return next++;
	}
}

bool
certificates_made(const char *below)
{
	char command[4096];

	snprintf(command, sizeof(command),
		"cd %s && exec >openssl.log 2>&1 && "
		"for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca -keyout $ca.key -out "
		"$ca.pem || exit 1; done; "
		"for who in server client; do openssl req -newkey ec -pkeyopt "
		"ec_paramgen_curve:P-256 -nodes -subj /CN=$who -addext "
		"subjectAltName=DNS:redis.test,DNS:localhost -keyout $who.key -out $who.csr && "
		"openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -days 2 "
		"-copy_extensions "
		"copy -out $who.pem || exit 1; done",
		below);
	return system(command) == 0;
}

void
tls_conf(struct server *s, const char *below, const char *more, char out[TLS_CONF_MAX])
{
	s->tls_port = free_port();
	snprintf(out, TLS_CONF_MAX,
		"tls-port %u\ntls-cert-file %.90s/server.pem\ntls-key-file %.90s/server.key\n"
		"tls-ca-cert-file %.90s/ca.pem\n%s",
		s->tls_port, below, below, below, more);
}

void
server_exec(struct server *s, bool sentinel)
{
	char conf[160], log[160];

	snprintf(conf, sizeof(conf), "%.120s/redis.conf", s->dir);
	snprintf(log, sizeof(log), "%.120s/redis.log", s->dir);
	pid_t parent = getpid();
	s->pid = fork();
	INVARIANT(s->pid >= 0);
	if (s->pid == 0) {
		ends_with(parent);
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execlp(server_program(), "redis-server", conf, sentinel ? "--sentinel" : NULL,
			NULL);
		_exit(127);
	}
}

void
server_dial(struct server *s)
{
	struct timeval tv = { 30, 0 };

	if (s->c)
		redisFree(s->c);
	s->c = NULL;
	for (int i = 0; i < 3000 && !s->c; i++) {
		usleep(10000);
		s->c = redisConnectWithTimeout("127.0.0.1", (int)s->port, tv);
		if (s->c && s->c->err) {
			redisFree(s->c);
			s->c = NULL;
		}
	}
	INVARIANT(s->c);
	redisSetTimeout(s->c, tv);
}

void
server_start(struct server *s, const char *below, bool sentinel, const char *conf)
{
	char file[160];

	if (!s->port)
		s->port = free_port();
	snprintf(s->dir, sizeof(s->dir), "%.90s/%u", below, s->port);
	mkdir(s->dir, 0700);
	snprintf(file, sizeof(file), "%.120s/redis.conf", s->dir);
	FILE *f = fopen(file, "w");
	INVARIANT(f);
	fprintf(f, "port %u\nbind 127.0.0.1\ndir %s\nprotected-mode no\n%s%s\n", s->port,
		s->dir,
		sentinel ? "" : "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n", conf);
	fclose(f);
	server_exec(s, sentinel);
	server_dial(s);
}

void
server_kill(struct server *s)
{
	int status;

	if (s->c)
		redisFree(s->c);
	s->c = NULL;
	if (s->pid > 0) {
		kill(s->pid, SIGCONT);
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &status, 0);
	}
	s->pid = 0;
}

/* Returns a reply as text: the digits of an integer, the elements of a list with spaces
 * between, nil as "(nil)". Valid until the next call. */
static const char *
server_text(struct server *s, redisReply *r)
{
	static char out[65536];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; r && i < (r->type == REDIS_REPLY_ARRAY ? r->elements : 1); i++) {
		const redisReply *e = r->type == REDIS_REPLY_ARRAY ? r->element[i] : r;
		if (e->type == REDIS_REPLY_INTEGER)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n, "%s%lld", n ? " " : "", e->integer);
		else
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", n ? " " : "",
				e->str ? e->str : "(nil)");
		INVARIANT(n < sizeof(out));
	}
	if (!r)
		snprintf(out, sizeof(out), "(%s)", s->c->errstr);
	else
		freeReplyObject(r);
	return out;
}

const char *
server_do(struct server *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	redisReply *r = redisvCommand(s->c, fmt, ap);
	va_end(ap);
	return server_text(s, r);
}

const char *
server_line(struct server *s, const char *line)
{
	const char *argv[80];
	size_t lens[80];
	int n = 0;

	for (const char *p = line; *p && n < 80; n++) {
		argv[n] = p;
		lens[n] = strcspn(p, " ");
		p += lens[n] + (p[lens[n]] == ' ');
	}
	return server_text(s, redisCommandArgv(s->c, n, argv, lens));
}
