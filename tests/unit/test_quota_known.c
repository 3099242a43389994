/* Charges that rely on adjacent buckets read earlier: their commands, and that no daemon
 * exceeds a limit because of them. Buckets have 1.01 seconds. On a busy machine, a test that
 * must end within one bucket is repeated if it does not. */
#include <stdlib.h>
#include <sys/socket.h>

#include "budget/quota/quota_known.h"
#include "support/quota_rig.h"

enum { WINDOW_S = 10, BUCKET_MS = 1010 };

static int64_t
redis_ms(const struct line *l)
{
	return redis_life_ms(redis_life(l->redis), clock_mono_us());
}

/* Waits until Redis' clock is in this part of a bucket, in the current or the next one. */
static void
run_until_ms(const struct line *l, int64_t from, int64_t to)
{
	while (redis_ms(l) % BUCKET_MS < from || redis_ms(l) % BUCKET_MS >= to)
		run_for(1000);
}

static int64_t
bucket_of(const struct line *l)
{
	return redis_ms(l) / BUCKET_MS;
}

static void
next_bucket(const struct line *l)
{
	int64_t was = bucket_of(l);

	while (bucket_of(l) == was)
		run_for(1000);
	run_for(3000); /* the known time of Redis is not exact */
}

static void
charge(struct line *l, struct ask *a, uint64_t limit, uint64_t n)
{
	*a = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = a };
	dim_set(&a->q.dim[0], "k", limit, WINDOW_S, n);
	a->q.dim[0].unit = QUOTA_TOKENS;
	quota_reserve(l->quota, &a->q);
}

/* Waits until all replies have arrived, with their consequences. */
static void
quiet(void)
{
	for (int i = 0; i < 3; i++) {
		run_for(1000);
		redis_rig_do(&server, "PING");
	}
}

static enum quota_result
charged(struct line *l, struct ask *a, uint64_t limit, uint64_t n)
{
	charge(l, a, limit, n);
	while (!a->done)
		run_for(300);
	if (a->q.result == QUOTA_REFUSED)
		quiet(); /* the amount is released */
	return a->q.result;
}

/* Asserts the number of counter keys, each with a TTL. */
static void
keys_expire(size_t want)
{
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:*");

	for (size_t i = 0; i < keys->elements; i++)
		if (redis_rig_do(&server, "TTL %s", keys->element[i]->str) <= WINDOW_S)
			fail_msg("%s does not expire in time", keys->element[i]->str);
	assert_int_equal(keys->elements, want);
	freeReplyObject(keys);
}

/* Counts how often Redis got each command since the last call. A worker's regular announcement
 * also has an EXPIRE, beside its ZREMRANGEBYSCORE. The announcement and a look at the epoch
 * have an MGET, beside a ZCOUNT. */
static void
commands(unsigned calls[5])
{
	static const char *const names[] = { "set", "incrby", "expire", "time", "mget",
		"zremrangebyscore", "zcount" };
	redisReply *info = redisCommand(server.c, "INFO commandstats");
	unsigned count[7];

	for (int i = 0; i < 7; i++) {
		char name[32];
		snprintf(name, sizeof(name), "cmdstat_%s:calls=", names[i]);
		const char *at = strstr(info->str, name);
		count[i] = at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
	}
	for (int i = 0; i < 5; i++)
		calls[i] = count[i] - (i == 2 ? count[5] : i == 4 ? count[6] : 0);
	freeReplyObject(info);
	redis_rig_do(&server, "CONFIG RESETSTAT");
}

enum { TRIES_MAX = 20 };

/* Waits until the worker has announced itself, so that no command of its start is counted. */
static void
goes_on(const struct line *l)
{
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;

	while (!redis_rig_do(&server, "EXISTS tollgate:begun:%llu",
		       (unsigned long long)redis_life(l->redis)->epoch) &&
		clock_mono_us() < until)
		run_for(300);
}

/* Repeats the row from the start if the machine paused for too long: `row` returned false. */
static void
on_one_line(void **state, bool (*row)(struct line *l))
{
	struct line l;
	bool done = false;

	for (int tries = 0; !done; tries++) {
		assert_true(tries < TRIES_MAX);
		NEEDS_REDIS;
		line_up(&l, RIG_PATIENT_US);
		assert_true(run_until_up(l.redis, 2000000));
		goes_on(&l);
		done = row(&l);
		line_down(&l);
	}
}

/* Returns false if the row did not end in its bucket at the first attempt. */
static bool
what_is_asked_is_bounded(struct line *l)
{
	enum { EACH = 8, MANY = 300 };
	static const struct {
		const char *name;
		unsigned requests; /* in one turn of the loop */
		bool settles;
		unsigned set, incrby, expire, time, mget;
	} rows[] = {
		{ "the first one of a bucket", 1, false, 1, 1, 2, 1, 3 },
		{ "another one", 1, false, 0, 1, 0, 1, 1 },
		{ "as many as a turn brings share clock and epoch", EACH, false, 0, EACH, 0, 1,
			1 },
		{ "more than one pipeline holds", MANY, false, 0, MANY, 0, 2, 2 },
		{ "less is given back by one command, and its id", 1, true, 1, 2, 1, 1, 1 },
	};
	unsigned calls[5], again = 0;

	/* The SET and the TIME by which a connection checks every second whether Redis accepts
	 * writes do not belong to a request. */
	l->redis->write_at_us = UINT64_MAX;
	quiet();
	run_until_ms(l, 10, 300);
	int64_t bucket = bucket_of(l);
	commands(calls);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct ask a[MANY];
		for (unsigned k = 0; k < rows[i].requests; k++)
			charge(l, &a[k], 1000, 2);
		for (unsigned k = 0; k < rows[i].requests; k++) {
			while (!a[k].done)
				run_for(300);
			assert_int_equal(a[k].q.result, QUOTA_ADMITTED);
		}
		if (rows[i].settles)
			settle_tokens(l->quota, &a[0].q, 1, clock_mono_us());
		run_for(30000); /* the notes of slices are sent */
		quiet();
		const unsigned want[] = { rows[i].set, rows[i].incrby, rows[i].expire,
			rows[i].time, rows[i].mget };
		commands(calls);
		/* A charge ahead of Redis' clock is made again. The clock is known badly after
		 * a slow reply to TIME. */
		for (unsigned k = 0; k < rows[i].requests; k++)
			again += a[k].q.tries;
		if (again || bucket_of(l) != bucket)
			return false;
		/* The first note of each slice has an EXPIRE, and a test may last for two
		 * slices. */
		if (i > 0 && calls[2] <= want[2] + 2)
			calls[2] = want[2];
		for (int k = 0; k < 5; k++)
			if (calls[k] != want[k])
				fail_msg("%s: command %d: %u", rows[i].name, k, calls[k]);
	}
	return true;
}

static void
number_of_redis_commands_is_limited(void **state)
{
	on_one_line(state, what_is_asked_is_bounded);
}

/* Of this many callers, nearly each finds its key made, whichever other callers were counted
 * since. */
static void
known_keys_of_many_callers_are_kept(void **state)
{
	enum { CALLERS = 3000 };
	static struct ask a[CALLERS];
	unsigned calls[5];
	struct line l;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	for (int pass = 0; pass < 2; pass++) {
		commands(calls);
		for (int i = 0; i < CALLERS; i++) {
			struct quota_dim *d = &a[i].q.dim[0];
			a[i] = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a[i] };
			dim_set(d, "c", 100, 0, 1);
			snprintf(d->key, sizeof(d->key), "tollgate:q:{c:%d}", i);
			d->span.kind = QUOTA_CALENDAR;
			d->span.calendar = QUOTA_MONTH;
			quota_reserve(l.quota, &a[i].q);
		}
		for (int i = 0; i < CALLERS; i++)
			while (!a[i].done)
				run_for(300);
	}
	commands(calls);
	assert_int_equal(calls[1], CALLERS);
	if (calls[0] > CALLERS / 50)
		fail_msg("%u of %d were made again", calls[0], CALLERS);
	line_down(&l);
}

/* Two daemons; the second one knows a closed bucket that the first one settles. */
static void
settlement_by_another_daemon_never_admits_too_much(void **state)
{
	enum { LIMIT = 100 };
	struct line l[2];
	struct ask a, b;

	NEEDS_REDIS;
	lines_up(l, 2);
	next_bucket(&l[0]);
	assert_int_equal(charged(&l[0], &a, LIMIT, 40), QUOTA_ADMITTED);
	next_bucket(&l[0]);
	assert_int_equal(charged(&l[1], &b, LIMIT, 5), QUOTA_ADMITTED);
	assert_int_equal(b.q.dim[0].remaining, 55);
	assert_int_equal(charged(&l[1], &b, LIMIT, 5), QUOTA_ADMITTED);
	assert_int_equal(b.q.dim[0].remaining, 50);
	/* more than was reserved: 85 + 10 are used */
	settle_tokens(l[0].quota, &a.q, 85, clock_mono_us());
	quiet();
	assert_int_equal(charged(&l[1], &b, LIMIT, 10), QUOTA_REFUSED);
	assert_int_equal(charged(&l[0], &b, LIMIT, 10), QUOTA_REFUSED);
	assert_int_equal(charged(&l[1], &b, LIMIT, 2), QUOTA_ADMITTED);
	assert_int_equal(b.q.dim[0].remaining, 3);
	/* less again: no request is refused because of old counts */
	run_for(KNOWN_FRESH_US + 5000);
	settle_tokens(l[0].quota, &a.q, 60, clock_mono_us());
	quiet();
	assert_int_equal(charged(&l[1], &b, LIMIT, 25), QUOTA_ADMITTED);
	quiet();
	keys_expire(2);
	lines_down(l, 2);
}

/* Nothing is known before the first reply. Afterwards the rest is that of the reply, less the
 * requests since. */
static void
rest_of_a_limit_is_known_from_replies(void **state)
{
	enum { LIMIT = 100 };
	struct line l[2];
	struct ask a, b;

	NEEDS_REDIS;
	lines_up(l, 2);
	next_bucket(&l[0]);
	assert_int_equal(charged(&l[0], &a, LIMIT, 40), QUOTA_ADMITTED);
	struct quota_dim d = a.q.dim[0];
	assert_int_equal(quota_left(l[0].quota, &d), 60);
	assert_int_equal(quota_left(l[1].quota, &d), 0);
	d.soft = 50;
	assert_int_equal(quota_left(l[0].quota, &d), 10);
	d.soft = 30; /* reached */
	assert_int_equal(quota_left(l[0].quota, &d), 60);
	d.soft = 0;
	d.apart = 25;
	assert_int_equal(quota_left(l[0].quota, &d), 35);
	d.apart = 0;
	assert_int_equal(charged(&l[1], &b, LIMIT, 5), QUOTA_ADMITTED);
	assert_int_equal(quota_left(l[1].quota, &d), 55);
	assert_int_equal(
		quota_left(l[0].quota, &d), 60); /* this worker did not learn of that */
	strcpy(d.key, "tollgate:q:{tokens:nobody}");
	assert_int_equal(quota_left(l[0].quota, &d), 0);
	lines_down(l, 2);
}

/* Another daemon used much of this bucket and released more of a closed one. A worker that is
 * over the limit by its old counts reads them again. */
static void
worker_over_the_limit_by_old_counts_reads_again(void **state)
{
	enum { LIMIT = 100 };
	struct line l[2];
	struct ask a, b;

	NEEDS_REDIS;
	lines_up(l, 2);
	next_bucket(&l[0]);
	assert_int_equal(charged(&l[0], &a, LIMIT, 60), QUOTA_ADMITTED);
	next_bucket(&l[0]);
	assert_int_equal(charged(&l[1], &b, LIMIT, 5), QUOTA_ADMITTED);
	assert_int_equal(charged(&l[0], &b, LIMIT, 30), QUOTA_ADMITTED);
	settle_tokens(l[0].quota, &a.q, 10, clock_mono_us());
	run_for(KNOWN_FRESH_US + 5000);
	assert_int_equal(charged(&l[1], &b, LIMIT, 20), QUOTA_ADMITTED);
	assert_int_equal(b.q.dim[0].remaining, LIMIT - 65);
	lines_down(l, 2);
}

/* A refused amount is released, and causes no further read. */
static void
refusal_causes_no_further_read(void **state)
{
	struct line l[2];
	struct ask a;

	NEEDS_REDIS;
	lines_up(l, 2);
	ask_wait(l[0].quota, &a, 1, 100, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	ask_wait(l[1].quota, &a, 1, 100, 0);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	quiet();
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:revision:*");
	assert_int_equal(keys->elements, 0);
	freeReplyObject(keys);
	lines_down(l, 2);
}

/* Redis loses a key between two charges: it is made again, and expires. */
static bool
a_lost_key_expires(struct line *l)
{
	struct ask a;
	char key[160];

	run_until_ms(l, 10, 300);
	assert_int_equal(charged(l, &a, 100, 5), QUOTA_ADMITTED);
	int64_t bucket = a.q.dim[0].at.bucket;
	snprintf(key, sizeof(key), "%s:%llu:%lld", a.q.dim[0].key,
		(unsigned long long)a.q.dim[0].at.epoch, (long long)bucket);
	if (redis_rig_do(&server, "KEYS tollgate:q:*") != 1)
		return false; /* too late for the previous bucket */
	assert_int_equal(redis_rig_do(&server, "DEL %s", key), 1);
	assert_int_equal(charged(l, &a, 100, 5), QUOTA_ADMITTED);
	if (a.q.dim[0].at.bucket != bucket)
		return false;
	quiet();
	keys_expire(1);
	/* released where nothing is counted: the count does not become negative */
	redis_rig_do(&server, "DEL %s", key);
	quota_release(l->quota, &a.q, clock_mono_us());
	quiet();
	keys_expire(1);
	assert_int_equal(count_at(&a.q.dim[0], a.q.dim[0].at), 0);
	return true;
}

static void
lost_key_is_made_again_and_expires(void **state)
{
	on_one_line(state, a_lost_key_expires);
}

/* ---- a connection that is cut ---- */

/* A proxy between a worker and the server. It holds all bytes from the nth command on that
 * contains `word`. */
struct cut {
	int listener, near_fd, far_fd;
	char url[128];
	const char *word,
		*from; /* the count begins with the first command that contains this text */
	int nth;
	ev_io accept, up, down;
	char held[16384];
	size_t nheld;
};

static size_t
command_end(const char *p)
{
	const char *at = p + 1;

	for (long args = strtol(at, (char **)&at, 10); args > 0; args--)
		at += 3, at += strtol(at, (char **)&at, 10) + 2;
	return (size_t)(at + 2 - p);
}

static void
cut_up(struct ev_loop *l, ev_io *w, int revents)
{
	struct cut *c = w->data;
	char in[16384];
	ssize_t n = read(c->near_fd, in, sizeof(in) - 1);
	size_t at = 0;

	(void)revents;
	if (n <= 0) {
		ev_io_stop(l, w);
		return;
	}
	in[n] = '\0';
	while (at < (size_t)n && !c->nheld) {
		size_t len = command_end(in + at);
		if (c->from && memmem(in + at, len, c->from, strlen(c->from)))
			c->from = NULL;
		if (c->word && !c->from && memmem(in + at, len, c->word, strlen(c->word)) &&
			--c->nth == 0)
			break;
		at += len;
	}
	assert_true(at == 0 || write(c->far_fd, in, at) == (ssize_t)at);
	memcpy(c->held + c->nheld, in + at, (size_t)n - at);
	c->nheld += (size_t)n - at;
}

static void
cut_down(struct ev_loop *l, ev_io *w, int revents)
{
	struct cut *c = w->data;
	char in[16384];
	ssize_t n = read(c->far_fd, in, sizeof(in));

	(void)revents;
	if (n <= 0)
		ev_io_stop(l, w);
	else
		assert_true(write(c->near_fd, in, (size_t)n) == n);
}

static void
cut_accept(struct ev_loop *l, ev_io *w, int revents)
{
	struct cut *c = w->data;

	(void)revents;
	c->near_fd = accept(c->listener, NULL, NULL);
	c->far_fd = connect_server();
	ev_io_init(&c->up, cut_up, c->near_fd, EV_READ);
	ev_io_init(&c->down, cut_down, c->far_fd, EV_READ);
	c->up.data = c->down.data = c;
	ev_io_start(l, &c->up);
	ev_io_start(l, &c->down);
}

/* Waits until something is held. */
static void
cut_wait(const struct cut *c)
{
	uint64_t until = clock_mono_us() + 20000000;

	while (!c->nheld && clock_mono_us() < until)
		run_for(300);
	assert_true(c->nheld > 0);
}

/* Forwards the held bytes. */
static void
cut_heal(struct cut *c)
{
	assert_true(c->nheld > 0);
	assert_true(write(c->far_fd, c->held, c->nheld) == (ssize_t)c->nheld);
	c->word = NULL;
	c->nheld = 0;
}

static void
cut_line_up(struct cut *c, struct line *l)
{
	memset(c, 0, sizeof(*c));
	c->listener = listen_at(c->url, "cut.sock");
	ev_io_init(&c->accept, cut_accept, c->listener, EV_READ);
	c->accept.data = c;
	ev_io_start(loop, &c->accept);
	memset(l, 0, sizeof(*l));
	l->redis = redis_new(loop, c->url, RIG_PATIENT_US, &l->m);
	l->quota = quota_new(l->redis, NULL, &self, &l->m);
	assert_true(run_until_up(l->redis, 2000000));
}

static void
cut_line_down(struct cut *c, struct line *l)
{
	ev_io_stop(loop, &c->accept);
	ev_io_stop(loop, &c->up);
	ev_io_stop(loop, &c->down);
	close(c->near_fd);
	close(c->far_fd);
	close(c->listener);
	line_down(l);
}

/* A daemon that dies after any of its commands leaves no key without a TTL. */
static void
killed_daemon_leaves_no_permanent_key(void **state)
{
	NEEDS_REDIS;
	for (int nth = 1; nth <= 6; nth++) {
		struct cut c;
		struct line l;
		struct ask a;
		redis_rig_do(&server, "FLUSHALL");
		cut_line_up(&c, &l);
		c.from = "tollgate:q:"; /* not the worker's announcements */
		c.word = "\r\n";	/* any command */
		c.nth = nth;
		charge(&l, &a, 100, 5);
		cut_wait(&c);
		quiet();
		cut_line_down(&c, &l);
		keys_expire(nth > 1);
		assert_false(a.done);
	}
}

static long long
sum_in(uint64_t epoch)
{
	redisReply *keys =
		redisCommand(server.c, "KEYS tollgate:q:*:%llu:*", (unsigned long long)epoch);
	long long sum = 0;

	for (size_t i = 0; i < keys->elements; i++)
		sum += redis_rig_do(&server, "INCRBY %s 0", keys->element[i]->str);
	freeReplyObject(keys);
	return sum;
}

/* The data are lost between two requests of one turn: both are counted in the next epoch,
 * together with earlier admitted amounts. Keys of the old epoch expire. */
static void
data_lost_within_a_turn_begin_a_new_epoch(void **state)
{
	enum { LIMIT = 100 };
	struct cut c;
	struct line l;
	struct ask a, b, over;

	NEEDS_REDIS;
	cut_line_up(&c, &l);
	run_until_ms(&l, 10, 300);
	assert_int_equal(charged(&l, &a, LIMIT, 50), QUOTA_ADMITTED);
	uint64_t epoch = a.q.dim[0].at.epoch;
	c.word = "INCRBY";
	c.nth = 2;
	charge(&l, &a, LIMIT, 20);
	charge(&l, &b, LIMIT, 30);
	cut_wait(&c);
	quiet();
	redis_rig_do(&server, "FLUSHALL");
	cut_heal(&c);
	while (!a.done || !b.done)
		run_for(300);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	assert_int_equal(b.q.result, QUOTA_ADMITTED);
	assert_true(a.q.dim[0].at.epoch != epoch);
	assert_int_equal(a.q.dim[0].at.epoch, b.q.dim[0].at.epoch);
	assert_int_equal(charged(&l, &over, LIMIT, 1), QUOTA_REFUSED);
	quiet();
	assert_int_equal(sum_in(a.q.dim[0].at.epoch), LIMIT);
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:*");
	size_t n = keys->elements;
	freeReplyObject(keys);
	keys_expire(n);
	cut_line_down(&c, &l);
}

/* One daemon counts before Redis' clock enters its bucket, and is cut off. Another one, which
 * knows the adjacent buckets, uses the rest of the previous bucket. */
static bool
who_is_ahead_is_counted(struct cut *c, struct line *ahead, struct line *other)
{
	enum { LIMIT = 100 };
	struct ask a, b, first;

	run_until_ms(other, 700, 800);
	assert_int_equal(charged(other, &first, LIMIT, 1), QUOTA_ADMITTED);
	((struct redis_life *)redis_life(ahead->redis))->offset_us += 400000;
	c->from = "tollgate:q:";
	c->word = "TIME";
	c->nth = 1;
	charge(ahead, &a, LIMIT, 60);
	cut_wait(c);
	enum quota_result took = charged(other, &b, LIMIT, 60);
	int64_t bucket = first.q.dim[0].at.bucket;
	bool slow = b.q.dim[0].at.bucket != bucket || a.q.dim[0].at.bucket != bucket + 1;
	next_bucket(other);
	slow |= bucket_of(other) != bucket + 1;
	cut_heal(c);
	while (!a.done)
		run_for(300);
	quiet();
	/* The other daemon knows nothing of the new bucket, and reads the current counts. */
	enum quota_result room = charged(other, &b, LIMIT, 39);
	enum quota_result full = charged(other, &b, LIMIT, 1);
	if (slow || bucket_of(other) != bucket + 1)
		return false;
	assert_int_equal(took, QUOTA_ADMITTED);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	assert_int_equal(room, QUOTA_ADMITTED);
	assert_int_equal(full, QUOTA_REFUSED);
	return true;
}

static void
daemon_ahead_of_the_clock_is_counted(void **state)
{
	struct cut c;
	struct line ahead, other;
	bool done = false;

	for (int tries = 0; !done; tries++) {
		assert_true(tries < TRIES_MAX);
		NEEDS_REDIS;
		cut_line_up(&c, &ahead);
		line_up(&other, RIG_PATIENT_US);
		assert_true(run_until_up(other.redis, 2000000));
		done = who_is_ahead_is_counted(&c, &ahead, &other);
		cut_line_down(&c, &ahead);
		line_down(&other);
	}
}

/* ---- many requests of two daemons ---- */

/* Two daemons at a limit that is always exhausted: whatever each knows, no window of Redis'
 * clock holds more than the limit. */
static void
two_daemons_at_a_full_limit_never_exceed_it(void **state)
{
	enum { LIMIT = 40, FLIGHT = 6, MAX = 4000, RUN_US = 3500000, WINDOW_US = 1000000 };
	static struct {
		uint64_t sent_us, done_us;
	} in[MAX];
	static struct ask asks[2][FLIGHT];
	struct line l[2];
	size_t n = 0;

	NEEDS_REDIS;
	lines_up(l, 2);
	uint64_t until = clock_mono_us() + RUN_US;
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < FLIGHT; i++)
			asks[k][i].done = true;
	/* Until room is available again, also if that takes longer. */
	while (clock_mono_us() < until ||
		(n <= 2 * LIMIT && clock_mono_us() < until + RIG_PATIENT_US)) {
		for (int k = 0; k < 2; k++)
			for (int i = 0; i < FLIGHT; i++) {
				struct ask *a = &asks[k][i];
				if (!a->done)
					continue;
				if (a->q.ndims && a->q.result == QUOTA_ADMITTED && n < MAX) {
					in[n].sent_us = a->sent_us;
					in[n++].done_us = a->done_us;
				}
				*a = (struct ask){ .sent_us = clock_mono_us(),
					.q.ndims = 1,
					.q.done = asked,
					.q.arg = a };
				dim_set(&a->q.dim[0], "w", LIMIT, 1, 1);
				quota_reserve(l[k].quota, &a->q);
			}
		run_for(300);
	}
	assert_true(n > 2 * LIMIT);
	/* Requests that are certainly within one window: sent after its begin, answered before
	 * its end. */
	for (size_t i = 0; i < n; i++) {
		unsigned within = 0;
		for (size_t k = 0; k < n; k++)
			within += in[k].sent_us >= in[i].sent_us &&
				  in[k].done_us <= in[i].sent_us + WINDOW_US;
		if (within > LIMIT)
			fail_msg("%u within a window", within);
	}
	lines_down(l, 2);
}

/* A Redis whose memory is full refuses a release, and the release is repeated. The counts that
 * this worker knows are reduced once, not each time. */
static void
refused_release_is_repeated_once(void **state)
{
	enum { LIMIT = 1000 };
	struct line l;
	struct ask a, b;

	NEEDS_REDIS;
	lines_up(&l, 1);
	run_until_ms(&l, 0, BUCKET_MS / 2);
	assert_int_equal(charged(&l, &b, LIMIT, 400), QUOTA_ADMITTED);
	assert_int_equal(charged(&l, &a, LIMIT, 400), QUOTA_ADMITTED);
	const struct quota_dim d = a.q.dim[0];
	next_bucket(&l);
	assert_int_equal(charged(&l, &b, LIMIT, 1), QUOTA_ADMITTED);
	redis_rig_do(&server, "CONFIG SET maxmemory 1");
	quota_release(l.quota, &a.q, clock_mono_us());
	quiet();
	redis_rig_do(&server, "CONFIG SET maxmemory 0");
	while (count_at(&d, d.at) > 400)
		run_for(3000);
	quiet();
	enum quota_result more = charged(&l, &b, LIMIT, 900);
	if (bucket_of(&l) - d.at.bucket <
		QUOTA_SUB_BUCKETS) /* else it left the window meanwhile */
		assert_int_equal(more, QUOTA_REFUSED);
	line_down(&l);
}

/* Three concurrent charges leave the window together: after the window and its hundredth, and
 * at most 2 % after the window. Another worker charges them, or this one. */
static bool
three_at_once_come_back(struct line *l, struct line *by)
{
	enum { SHORT_S = 3 };
	struct ask a[4];

	for (int i = 0; i < 3; i++) {
		a[i] = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a[i] };
		dim_set(&a[i].q.dim[0], "three", 3, SHORT_S, 1);
		quota_reserve(by->quota, &a[i].q);
	}
	for (int i = 0; i < 3; i++) {
		while (!a[i].done)
			run_for(300);
		assert_int_equal(a[i].q.result, QUOTA_ADMITTED);
	}
	int64_t first_ms = a[0].q.dim[0].counted_ms, tried_ms, back_ms = 0, said_ms = 0;
	do {
		run_for(2000);
		tried_ms = back_ms ? back_ms : redis_ms(l);
		a[3] = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a[3] };
		dim_set(&a[3].q.dim[0], "three", 3, SHORT_S, 1);
		quota_reserve(l->quota, &a[3].q);
		while (!a[3].done)
			run_for(300);
		back_ms = redis_ms(l);
		if (a[3].q.result == QUOTA_REFUSED && back_ms - first_ms > SHORT_S * 500)
			said_ms = back_ms + (int64_t)a[3].q.retry_after_s * 1000;
	} while (a[3].q.result == QUOTA_REFUSED && back_ms - first_ms < 2 * SHORT_S * 1000);
	assert_int_equal(a[3].q.result, QUOTA_ADMITTED);
	assert_true(a[3].q.dim[0].counted_ms - first_ms > SHORT_S * 1010);
	/* Retry-After of a refusal has whole seconds. */
	return tried_ms - first_ms <= SHORT_S * 1020 && said_ms - first_ms <= SHORT_S * 1020 + 1010;
}

static bool
by_itself(struct line *l)
{
	return three_at_once_come_back(l, l);
}

static bool
by_another(struct line *l)
{
	struct line other;

	line_up(&other, RIG_PATIENT_US);
	assert_true(run_until_up(other.redis, 2000000));
	bool done = three_at_once_come_back(l, &other);
	line_down(&other);
	return done;
}

/* In one sub-bucket: an older daemon counts 40 without a note; this one counts 30, of which 10
 * are used. The 10 leave with their slice, the 40 with the sub-bucket. */
static bool
an_older_daemon_counts_beside(struct line *l)
{
	enum { LIMIT = 100, SHORT_S = 3 };
	struct ask a, look;
	int64_t left[2] = { 0, 0 };

	a = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a };
	dim_set(&a.q.dim[0], "beside", LIMIT, SHORT_S, 30);
	a.q.dim[0].unit = QUOTA_TOKENS;
	int64_t w = window_width_ms(&a.q.dim[0]);
	while (redis_ms(l) % w > w / 4)
		run_for(1000);
	quota_reserve(l->quota, &a.q);
	while (!a.done)
		run_for(300);
	const struct quota_place at = a.q.dim[0].at;
	redis_rig_do(&server, "INCRBY tollgate:q:{beside:0123}:%llu:%lld 40",
		(unsigned long long)at.epoch, (long long)at.bucket);
	run_for(30000); /* the note is sent: the settlement reduces it on Redis */
	settle_tokens(l->quota, &a.q, 10, clock_mono_us());
	while (redis_ms(l) < (at.bucket + QUOTA_SUB_BUCKETS + 2) * w) {
		look = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &look };
		dim_set(&look.q.dim[0], "beside", LIMIT, SHORT_S, 0);
		quota_reserve(l->quota, &look.q);
		while (!look.done)
			run_for(300);
		const struct quota_dim *d = &look.q.dim[0];
		int64_t ms = d->counted_ms - a.q.dim[0].counted_ms;
		bool oldest = d->at.bucket == at.bucket + QUOTA_SUB_BUCKETS,
		     in = d->at.bucket <= at.bucket + QUOTA_SUB_BUCKETS;
		assert_true(d->remaining <= LIMIT - (in ? 40u : 0u));
		assert_true(d->remaining <= LIMIT - 50u || ms > SHORT_S * 1010);
		left[0] += oldest && ms > SHORT_S * 1020 && d->remaining == LIMIT - 40;
		left[1] += !in && d->remaining == LIMIT;
		run_for(5000);
	}
	return left[0] > 0 && left[1] > 0;
}

static void
older_and_current_daemon_count_together(void **state)
{
	on_one_line(state, an_older_daemon_counts_beside);
}

/* More callers in one turn than there is room for notes. */
static void
note_is_written_for_each_of_many_callers(void **state)
{
	enum { CALLERS = 400 };
	static struct ask a[CALLERS];
	struct line l;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	for (int i = 0; i < CALLERS; i++) {
		char name[32];
		snprintf(name, sizeof(name), "caller-%d", i);
		a[i] = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a[i] };
		dim_set(&a[i].q.dim[0], name, 10, 3600, 1);
		quota_reserve(l.quota, &a[i].q);
	}
	for (int i = 0; i < CALLERS; i++) {
		while (!a[i].done)
			run_for(300);
		assert_int_equal(a[i].q.result, QUOTA_ADMITTED);
	}
	run_for(40000);
	quiet();
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:p:*");
	assert_int_equal(keys->elements, CALLERS);
	for (size_t i = 0; i < keys->elements; i++)
		assert_true(redis_rig_do(&server, "TTL %s", keys->element[i]->str) > 3600);
	freeReplyObject(keys);
	line_down(&l);
}

static void
remove_notes(void)
{
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:p:*");

	assert_true(keys->elements > 0);
	for (size_t i = 0; i < keys->elements; i++)
		redis_rig_do(&server, "DEL %s", keys->element[i]->str);
	freeReplyObject(keys);
}

static void
refuse_writes(void)
{
	redis_rig_do(&server, "CONFIG SET maxmemory 1");
}

static void
cut_connections(void)
{
	redis_rig_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
}

/* The notes of a worker get a TTL also if an earlier note of the same slice was lost. */
static void
note_always_has_a_ttl(void **state)
{
	enum { DAY_S = 86400 /* its slice is 540 s */, SENT_US = 60000, AGAIN_US = 1500000 };
	static const struct {
		const char *name;
		bool sent; /* sent before the event */
		void (*event)(void);
	} rows[] = {
		{ "another worker removes the hash", true, remove_notes },
		{ "Redis refuses a note", false, refuse_writes },
		{ "a connection is cut before a note is sent", false, cut_connections },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct line l;
		redis_rig_do(&server, "FLUSHALL");
		line_up(&l, RIG_PATIENT_US);
		assert_true(run_until_up(l.redis, 2000000));
		for (int k = 0; k < 2; k++) {
			struct ask a = { .q.ndims = 1, .q.done = asked, .q.arg = &a };
			dim_set(&a.q.dim[0], "caller", 10, DAY_S, 1);
			quota_reserve(l.quota, &a.q);
			asked_out(&a);
			assert_int_equal(a.q.result, QUOTA_ADMITTED);
			if (k == 0 && rows[i].sent)
				run_for(SENT_US);
			if (k == 0)
				rows[i].event();
			run_for(SENT_US);
			if (k == 0)
				redis_rig_do(&server, "CONFIG SET maxmemory 0");
			run_for(k == 0 ? AGAIN_US : SENT_US);
			assert_true(run_until_up(l.redis, 2000000));
		}
		redisReply *keys = redisCommand(server.c, "KEYS tollgate:p:*");
		if (keys->elements != 1)
			fail_msg("%s: %zu hashes of notes", rows[i].name, keys->elements);
		if (redis_rig_do(&server, "TTL %s", keys->element[0]->str) <= 0)
			fail_msg("%s: the hash has no TTL", rows[i].name);
		freeReplyObject(keys);
		line_down(&l);
	}
}

static void
window_is_at_most_two_hundredths_longer(void **state)
{
	on_one_line(state, by_itself);
	on_one_line(state, by_another);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_release_is_repeated_once),
		cmocka_unit_test(number_of_redis_commands_is_limited),
		cmocka_unit_test(window_is_at_most_two_hundredths_longer),
		cmocka_unit_test(older_and_current_daemon_count_together),
		cmocka_unit_test(note_is_written_for_each_of_many_callers),
		cmocka_unit_test(note_always_has_a_ttl),
		cmocka_unit_test(known_keys_of_many_callers_are_kept),
		cmocka_unit_test(settlement_by_another_daemon_never_admits_too_much),
		cmocka_unit_test(rest_of_a_limit_is_known_from_replies),
		cmocka_unit_test(worker_over_the_limit_by_old_counts_reads_again),
		cmocka_unit_test(refusal_causes_no_further_read),
		cmocka_unit_test(lost_key_is_made_again_and_expires),
		cmocka_unit_test(killed_daemon_leaves_no_permanent_key),
		cmocka_unit_test(data_lost_within_a_turn_begin_a_new_epoch),
		cmocka_unit_test(daemon_ahead_of_the_clock_is_counted),
		cmocka_unit_test(two_daemons_at_a_full_limit_never_exceed_it),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
