/* Limits on a private Redis: starts the server, turns one loop with the mailbox of a worker,
 * and reads the counters of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/quota_rig.h"

void
dim_set(struct quota_dim *d, const char *name, uint64_t limit, uint64_t window_s, uint64_t n)
{
	*d = (struct quota_dim){
		.limit = limit, .span.window_s = window_s, .n = n, .name = name
	};
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:0123}", name);
}

void
settle_tokens(struct quota *qt, struct quota_request *q, uint64_t tokens, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims; k++)
		q->dim[k].actual = q->dim[k].unit == QUOTA_TOKENS ? tokens : q->dim[k].n;
	quota_settle(qt, q, now_us);
}

char quota_dir[64];

struct redis_rig server;

struct ev_loop *loop;

struct mailbox self;

int
quota_setup(void **state)
{
	(void)state;
	log_setup(LOG_LOGFMT, LOG_ERROR);
	snprintf(quota_dir, sizeof(quota_dir), "/tmp/tollgate-quota-XXXXXX");
	if (!mkdtemp(quota_dir))
		return -1;
	loop = ev_loop_new(EVFLAG_AUTO);
	mailbox_init(&self, NULL, NULL);
	if (redis_rig_installed())
		redis_rig_start(&server, quota_dir);
	else
		print_message("redis-server is not installed: tests on it are skipped\n");
	return 0;
}

int
quota_teardown(void **state)
{
	char cmd[128];

	(void)state;
	redis_rig_stop(&server);
	ev_loop_destroy(loop);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", quota_dir);
	return system(cmd);
}

void
loop_anew(void)
{
	ev_loop_destroy(loop);
	loop = ev_loop_new(EVFLAG_AUTO);
	mailbox_init(&self, NULL, NULL);
}

int
listen_at(char url[128], const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", quota_dir, name);
	snprintf(url, 128, "unix:%s", a.sun_path);
	unlink(a.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int
connect_server(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", server.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void
run_for(uint64_t us)
{
	uint64_t now = clock_mono_us(), until = now + us;

	while (now < until) {
		ev_run(loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(300);
		now = clock_mono_us();
	}
}

void
redis_waits(struct redis *r, uint64_t us)
{
	struct redis_pipe *p;

	r->deadline_us = us;
	TAILQ_FOREACH (p, &r->f->sent, of_sent)
		p->deadline_us = clock_mono_us() + us;
}

bool
run_until_up(struct redis *r, uint64_t us)
{
	uint64_t until = clock_mono_us() + (us < 1000000 ? us : RIG_PATIENT_US);

	while (!(redis_up(r) && redis_life(r)->epoch) && clock_mono_us() < until)
		run_for(1000);
	return redis_up(r);
}

void
asked(struct quota_request *q)
{
	struct ask *a = q->arg;

	assert_false(a->done);
	a->done = true;
	a->done_us = clock_mono_us();
}

void
ask(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n)
{
	*a = (struct ask){ .sent_us = clock_mono_us() };
	a->q.ndims = tokens ? 2 : 1;
	dim_set(&a->q.dim[0], "r", requests, 60, 1);
	dim_set(&a->q.dim[1], "t", tokens, 60, n);
	a->q.dim[1].unit = QUOTA_TOKENS;
	a->q.done = asked;
	a->q.arg = a;
	quota_reserve(qt, &a->q);
	assert_false(a->done);
}

void
asked_out(const struct ask *a)
{
	uint64_t until = clock_mono_us() + 2ull * RIG_PATIENT_US;

	while (!a->done && clock_mono_us() < until)
		run_for(300);
	assert_true(a->done);
}

void
ask_wait(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n)
{
	ask(qt, a, requests, tokens, n);
	asked_out(a);
}

long long
stored_in(const char *name, uint64_t epoch)
{
	char life[SPAN_DECIMAL + 1] = "*";
	long long sum = 0;

	if (epoch)
		life[span_decimal(life, (int64_t)epoch)] = '\0';
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:{%s:*:%s:*", name, life);

	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;
		redisReply *v = redisCommand(server.c, "GET %s", key);
		long long n = strtoll(v->str, NULL, 10),
			  ttl = redis_rig_do(&server, "TTL %s", key);
		assert_true(n >= 0);
		assert_true(ttl > 60 && ttl <= 80);
		sum += n;
		freeReplyObject(v);
	}
	freeReplyObject(keys);
	return sum;
}

long long
stored(const char *name)
{
	return stored_in(name, 0);
}

long long
stored_soon(const char *name, long long want)
{
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;

	while (stored(name) != want && clock_mono_us() < until)
		run_for(3000);
	return stored(name);
}

long long
count_at(const struct quota_dim *d, struct quota_place at)
{
	redisReply *v = redisCommand(server.c, "GET %s:%llu:%lld", d->key,
		(unsigned long long)at.epoch, (long long)at.bucket);
	long long n = v->str ? strtoll(v->str, NULL, 10) : 0;

	freeReplyObject(v);
	return n;
}

void
line_up_at(struct line *l, const char *url, uint64_t deadline_us)
{
	memset(l, 0, sizeof(*l));
	l->redis = redis_new(loop, url, deadline_us, &l->m);
	assert_non_null(l->redis);
	l->quota = quota_new(l->redis, NULL, &self, &l->m);
}

void
line_up(struct line *l, uint64_t deadline_us)
{
	line_up_at(l, server.url, deadline_us);
}

void
line_done(struct line *l)
{
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;
	bool done = false;

	while (!done && clock_mono_us() < until) {
		run_for(1000);
		done = l->quota->nlate == 0 && lives_all_settled(l->quota) &&
		       TAILQ_EMPTY(&l->redis->f->sent);
	}
	assert_true(done);
}

void
line_down(struct line *l)
{
	quota_free(&l->quota);
	redis_free(&l->redis);
}

void
lines_up(struct line *l, int n)
{
	for (int k = 0; k < n; k++) {
		line_up(&l[k], RIG_PATIENT_US);
		assert_true(run_until_up(l[k].redis, RIG_PATIENT_US));
	}
}

void
lines_down(struct line *l, int n)
{
	for (int k = 0; k < n; k++)
		line_down(&l[k]);
}
