/* Starts a private redis-server on a socket and sends commands to it. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/redis_rig.h"

/* $REDIS_SERVER is the program of another server. */
static const char *
redis_rig_program(void)
{
	const char *other = getenv("REDIS_SERVER");

	return other && other[0] ? other : "redis-server";
}

bool
redis_rig_installed(void)
{
	return redis_rig_program()[0] == '/' ||
	       system("command -v redis-server >/dev/null 2>&1") == 0;
}

void
redis_rig_start(struct redis_rig *r, const char *folder)
{
	struct redis_options o;
	struct buf why;

	snprintf(r->socket, sizeof(r->socket), "%.80s/redis.sock", folder);
	snprintf(r->url, sizeof(r->url), "unix:%s", r->socket);
	unlink(r->socket);
	/* as in the daemon: a lost Redis is an error and does not end the program */
	signal(SIGPIPE, SIG_IGN);
	pid_t parent = getpid();
	r->pid = fork();
	INVARIANT(r->pid >= 0);
	if (r->pid == 0) {
		ends_with(parent);
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		execlp(redis_rig_program(), "redis-server", "--port", "0", "--unixsocket",
			r->socket, "--save", "", "--appendonly", "no", "--dir", folder, NULL);
		_exit(127);
	}
	INVARIANT(redis_options_url(&o, r->url) == 0);
	buf_init(&why, 4096);
	r->c = NULL;
	for (int i = 0; i < 1200 && !r->c; i++) {
		usleep(25000);
		r->c = redis_dial(&o, span_str(""), 30000000, &why);
		buf_clear(&why);
	}
	buf_free(&why);
	INVARIANT(r->c);
}

void
redis_rig_stop(struct redis_rig *r)
{
	int status;

	if (r->pid <= 0)
		return;
	redisFree(r->c);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	r->pid = 0;
}

long long
redis_rig_do(struct redis_rig *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	redisReply *reply = redisvCommand(r->c, fmt, ap);
	va_end(ap);
	INVARIANT(reply);
	long long n = reply->type == REDIS_REPLY_ERROR	   ? -1
		      : reply->type == REDIS_REPLY_INTEGER ? reply->integer
							   : (long long)reply->elements;
	freeReplyObject(reply);
	return n;
}

struct redis *
redis_new(struct ev_loop *loop, const char *url, uint64_t deadline_us, struct metrics *m)
{
	struct redis_options o;
	struct redis_finder *f = redis_options_url(&o, url) ? NULL : redis_finder_new(&o);
	struct redis *r = f ? redis_new_at(loop, f, deadline_us, m) : NULL;

	redis_finder_free(&f);
	explicit_bzero(&o, sizeof(o));
	return r;
}
