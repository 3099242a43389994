/* The stream follows the journal through whatever happens to Redis and to the
 * daemon, and never mixes two histories. Against a real Redis. The mirror's own
 * waits of seconds last an eighth, by the linker's --wrap. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/audit_rig.h"
#include "support/redis_rig.h"

#define KEY "tollgate:audit:gw-1"

enum { FAST = 8 };
int __real_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *at);
int __wrap_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *at);

int
__wrap_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *at)
{
	int64_t now = (int64_t)clock_mono_us(),
		left = (int64_t)at->tv_sec * 1000000 + at->tv_nsec / 1000 - now,
		soon = now + left / FAST;
	struct timespec early = { soon / 1000000, soon % 1000000 * 1000 };

	return __real_sem_clockwait(s, clock, &early);
}

static struct rig r;
static struct redis_rig redis;

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	if (!redis_rig_installed())
		return 0;
	redis_rig_start(&redis, r.dir);
	r.cfg.redis_url = redis.url;
	r.cfg.audit_stream = true;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	audit_stop(&r.audit);
	redis_rig_stop(&redis);
	rig_free(&r);
	return 0;
}

#define need_redis()                                                                           \
	do {                                                                                   \
		if (!redis_rig_installed()) {                                                  \
			print_message("SKIPPED: redis-server is not installed\n");             \
			skip();                                                                \
		}                                                                              \
	} while (0)

/* Up to `at_once` share a commit. */
static void
put_gathered(int n, int at_once)
{
	struct audit_entry e[64];
	char id[32];
	sem_t came;

	sem_init(&came, 0, 0);
	for (int done = 0, k; done < n; done += k) {
		for (k = 0; k < at_once && done + k < n; k++) {
			snprintf(id, sizeof(id), "id-%d", done + k);
			rig_send(&r, &e[k], &came, id);
		}
		for (int i = 0; i < k; i++)
			rig_wait(&came);
		for (int i = 0; i < k; i++) {
			assert_int_equal(e[i].err, 0);
			buf_free(&e[i].fields);
		}
	}
	sem_destroy(&came);
}

static void
put_many(int n)
{
	put_gathered(n, 64);
}

static bool
wait_length(long long n)
{
	for (int i = 0; i < 1500; i++) {
		if (redis_rig_do(&redis, "XLEN " KEY) == n)
			return true;
		usleep(20000);
	}
	return false;
}

static struct buf
stream_text(void)
{
	struct buf b;
	const struct query q = { .arg = &b, .line = rig_collect };

	buf_init(&b, 0);
	assert_int_equal(query_stream(redis.c, KEY, &q, &r.why), 0);
	buf_putc(&b, '\0');
	return b;
}

/* The stream holds the journal's last bytes, to its end. */
static void
assert_stream_ends_the_journal(bool whole)
{
	struct buf j = rig_text(&r), s = stream_text();

	assert_true(s.n <= j.n && s.n > 1);
	assert_memory_equal(buf_view(&j).p + j.n - s.n, buf_view(&s).p, s.n);
	if (whole)
		assert_int_equal(s.n, j.n);
	buf_free(&j);
	buf_free(&s);
}

static void
reject(void *v, const char *why)
{
	verifier_reject(v, why);
}

static struct verify_result
verify_stream(void)
{
	struct verify_options o = {
		.keys = &r.pub, .nkeys = 1, .node = "gw-1", .trimmed = true, .live = true
	};
	struct verifier *v = verifier_new(&o);
	const struct query q = {
		.arg = v, .line = rig_verifier_line, .torn = rig_verifier_torn, .reject = reject
	};
	struct verify_result result;

	assert_int_equal(query_stream(redis.c, KEY, &q, &r.why), 0);
	verifier_end(v, &result);
	verifier_free(&v);
	return result;
}

static void
the_stream_is_the_journal(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(100);
	assert_true(wait_length(101));
	assert_stream_ends_the_journal(true);
	assert_int_equal(redis_rig_do(&redis, "XRANGE " KEY " 1-1 1-1"), 1);
	assert_int_equal(redis_rig_do(&redis, "XRANGE " KEY " 1-101 1-101"), 1);
	/* Stopping waits for the closing record. */
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 102);
	assert_stream_ends_the_journal(true);
	assert_true(verify_stream().ok);
	assert_int_equal(rig_count(&r, M_AUDIT_MIRRORED), 102);
}

static void
a_restarted_daemon_goes_on_where_the_stream_ends(void **state)
{
	(void)state;
	need_redis();
	r.cfg.journal_segment_bytes = 3000;
	for (int boot = 1; boot <= 3; boot++) {
		assert_started();
		put_many(10);
		audit_stop(&r.audit);
		assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 12 * boot);
	}
	assert_stream_ends_the_journal(true);
	/* Records that were written without Redis are caught up. */
	r.cfg.redis_url = NULL;
	assert_started();
	put_many(50);
	audit_stop(&r.audit);
	r.cfg.redis_url = redis.url;
	assert_started();
	assert_true(wait_length(36 + 52 + 1));
	assert_stream_ends_the_journal(true);
}

static void
a_redis_that_comes_later_gets_everything(void **state)
{
	(void)state;
	need_redis();
	redis_rig_stop(&redis);
	r.cfg.journal_segment_bytes = 20000;
	assert_started();
	put_many(1500);
	redis_rig_start(&redis, r.dir);
	assert_true(wait_length(1501));
	assert_stream_ends_the_journal(true);
}

static void
a_redis_that_was_restarted_or_flushed_is_filled_again(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(20);
	assert_true(wait_length(21));
	redis_rig_stop(&redis);
	assert_int_equal(rig_put(&r, "meanwhile"), 0);
	redis_rig_start(&redis, r.dir);
	assert_true(wait_length(22));
	assert_stream_ends_the_journal(true);
	redis_rig_do(&redis, "FLUSHALL");
	assert_true(wait_length(22)); /* though nothing is written */
	redis_rig_do(&redis, "FLUSHALL");
	assert_int_equal(rig_put(&r, "next"), 0);
	assert_true(wait_length(23));
	assert_stream_ends_the_journal(true);
}

static void
a_failover_to_a_replica_that_lagged_is_caught_up(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(20);
	assert_true(wait_length(21));
	assert_int_equal(redis_rig_do(&redis, "COPY " KEY " old"), 1);
	put_many(20);
	assert_true(wait_length(41));
	redis_rig_do(&redis, "RENAME old " KEY);
	put_many(1);
	assert_true(wait_length(42));
	assert_stream_ends_the_journal(true);
}

static void
the_stream_is_trimmed_and_still_verifies(void **state)
{
	(void)state;
	need_redis();
	r.cfg.audit_stream_maxlen = 200;
	redis_rig_do(&redis, "CONFIG SET stream-node-max-entries 10");
	assert_started();
	put_many(1000);
	for (int i = 0; i < 1500 && !redis_rig_do(&redis, "XRANGE " KEY " 1-1001 +"); i++)
		usleep(20000);
	long long n = redis_rig_do(&redis, "XLEN " KEY);
	assert_true(n >= 200 && n < 230);
	assert_stream_ends_the_journal(false);
	struct verify_result v = verify_stream();
	if (!v.ok)
		fail_msg("record %" PRIu64 ": %s", v.bad_seq, v.why);
	assert_int_equal(v.last, 1001);
	/* Begun again, it begins with the last 200. */
	redis_rig_do(&redis, "FLUSHALL");
	assert_true(wait_length(200));
	assert_true(verify_stream().ok);
}

/* Whether the stream comes to end with this record. */
static bool
wait_entry(int boot, int seq)
{
	char from[64];

	snprintf(from, sizeof(from), "%d-%d", boot, seq);
	const char *argv[] = { "XRANGE", KEY, from, "+" };
	for (int n = 0; n < 1500; n++) {
		redisReply *x = redisCommandArgv(redis.c, 4, argv, NULL);
		bool there = x && x->type == REDIS_REPLY_ARRAY && x->elements == 1;
		if (x)
			freeReplyObject(x);
		if (there)
			return true;
		usleep(20000);
	}
	return false;
}

static void
the_stream_keeps_to_its_bytes(void **state)
{
	enum { BYTES = 300000 };

	(void)state;
	need_redis();
	r.cfg.audit_stream_bytes = BYTES;
	assert_started();
	for (int i = 0; i < 8; i++) {
		put_many(400);
		usleep(100000);
		assert_true(redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0") <= BYTES);
	}
	assert_true(wait_entry(1, 3201));
	usleep(100000);
	long long used = redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0");
	assert_true(used <= BYTES && used > BYTES / 4 * 3);
	assert_stream_ends_the_journal(false);
	assert_true(verify_stream().ok);
	/* a start measures what is there; a stream of an earlier version is cut to its size */
	audit_stop(&r.audit);
	r.cfg.audit_stream_bytes = BYTES / 2;
	assert_started();
	for (int i = 0; i < 1500 && used > BYTES / 2; i++) {
		usleep(20000);
		used = redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0");
	}
	assert_true(used <= BYTES / 2 && used > BYTES / 4);
	/* begun again, it is not given more than fits */
	redis_rig_do(&redis, "FLUSHALL");
	for (int i = 0; i < 1500 && redis_rig_do(&redis, "XLEN " KEY) < 50; i++)
		usleep(20000);
	usleep(300000);
	assert_true(redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0") <= BYTES / 2);
	assert_true(verify_stream().ok);
}

static void
in_a_full_redis_the_stream_gives_way_and_goes_on(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(8000);
	assert_true(wait_entry(1, 8001));
	redisReply *info = redisCommand(redis.c, "INFO memory");
	assert_non_null(info);
	const char *used = strstr(info->str, "used_memory:");
	redis_rig_do(&redis, "CONFIG SET maxmemory %lld", atoll(used + strlen("used_memory:")));
	freeReplyObject(info);
	for (int i = 0; i < 16; i++) {
		put_many(500);
		usleep(50000);
	}
	assert_true(wait_entry(1, 16001));
	assert_stream_ends_the_journal(false);
	assert_true(redis_rig_do(&redis, "XLEN " KEY) < 16001);
	assert_true(verify_stream().ok);
	for (int i = 0; i < 1500 && !rig_count(&r, M_AUDIT_GAVE_WAY); i++)
		usleep(20000);
	assert_true(rig_count(&r, M_AUDIT_GAVE_WAY) > 0);
	SCOPED_BUF(says, 0);
	audit_stream_says(r.audit, &says);
	buf_putc(&says, '\0');
	assert_non_null(strstr(buf_view(&says).p, "audit stream: gave way: "));
	redis_rig_do(&redis, "CONFIG SET maxmemory 0");
}

static void
another_writer_is_refused_and_nothing_is_mixed(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	assert_true(redis_rig_do(&redis, "XADD " KEY " 9-99 r zombie") >= 0);
	put_many(5);
	usleep(300000);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 7);
	assert_int_equal(rig_count(&r, M_AUDIT_MIRRORED), 6);
	/* The journal is none the worse. */
	assert_true(rig_verify(&r).ok);
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 7);
}

static void
a_changed_stream_is_not_continued(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 7);
	redis_rig_do(&redis, "DEL " KEY);
	redis_rig_do(&redis, "XADD " KEY " 1-7 r {}");
	assert_started();
	put_many(5);
	usleep(300000);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 1);
}

static void
on_segment(const char *fmt, int i)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	rig_sh(fmt, rig_segment(&r, i));
#pragma GCC diagnostic pop
}

/* The open segment is destroyed before Redis had it: the stream says what it lacks,
 * goes on after that, and does so again after a restart. */
static void
a_destroyed_segment_leaves_a_gap_and_no_more(void **state)
{
	static const struct {
		const char *name, *cmd;
		int away; /* records that Redis has not seen when it happens */
		long long gaps;
	} rows[] = {
		{ "removed", "rm '%s'", 6000, 1 },
		{ "cut to nothing", "truncate -s 0 '%s'", 6000, 1 },
		{ "cut in the middle of a record", "truncate -s 2000 '%s'", 6000, 1 },
		{ "appended to", "printf junk >> '%s'", 6000, 0 },
		{ "cut to nothing, and still in memory", "truncate -s 0 '%s'", 10, 0 },
		{ "cut to nothing after Redis had it", "truncate -s 0 '%s'", 0, 0 },
		{ "removed after Redis had it", "rm '%s'", 0, 0 },
	};
	(void)state;
	need_redis();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown(NULL);
		setup(NULL);
		print_message("%s\n", rows[i].name);
		assert_started();
		put_many(5);
		assert_true(wait_length(6));
		if (rows[i].away) {
			kill(redis.pid, SIGSTOP);
			put_many(1);
			/* It was asked in vain: no entry is on its way. In slices, of which a
			 * machine that forgets us takes one. */
			for (int k = 0; k < 60; k++)
				usleep(10000);
		}
		put_many(rows[i].away - !!rows[i].away);
		on_segment(rows[i].cmd, 0);
		assert_int_equal(rig_put(&r, "after"), 0);
		if (rows[i].away)
			kill(redis.pid, SIGCONT);
		assert_true(wait_entry(1, 8 + rows[i].away));
		assert_false(audit_stream_conflict(r.audit));
		struct verify_result v = verify_stream();
		if (rows[i].gaps) {
			assert_false(v.ok);
			assert_non_null(strstr(v.why, "missing: the journal had lost it"));
		} else {
			assert_true(v.ok);
		}
		for (int n = 0; n < 2; n++) {
			audit_stop(&r.audit);
			assert_started();
			put_many(3);
			assert_true(wait_entry(2 + n, 13 + rows[i].away + 5 * n));
			assert_false(audit_stream_conflict(r.audit));
		}
	}
}

/* Damage that no alarm names is not passed over: here in an older segment. */
static void
damage_without_an_alarm_is_a_conflict(void **state)
{
	(void)state;
	need_redis();
	r.cfg.journal_segment_bytes = 1500;
	assert_started();
	put_gathered(5, 1);
	assert_true(wait_length(6));
	redis_rig_stop(&redis);
	put_gathered(5, 1);
	on_segment("printf x | dd of='%s' bs=1 seek=30 conv=notrunc 2>/dev/null", 1);
	put_gathered(5, 1);
	redis_rig_start(&redis, r.dir);
	for (int n = 0; n < 400 && !audit_stream_conflict(r.audit); n++)
		usleep(20000);
	long long had = redis_rig_do(&redis, "XLEN " KEY);
	print_message("%lld entries\n", had);
	assert_true(had < 17);
}

/* The same record under the same id, by whoever wrote it, is our own. */
static void
a_duplicate_is_recognized(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "COPY " KEY " whole"), 1);
	redis_rig_do(&redis, "XTRIM " KEY " MAXLEN 0");
	/* Empty, but its last id is ours: XADD refuses what we hold. */
	assert_started();
	usleep(300000);
	redis_rig_do(&redis, "RENAME whole " KEY);
	for (int i = 0; i < 1500 && redis_rig_do(&redis, "XLEN " KEY) < 8; i++)
		usleep(20000);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 8);
	assert_stream_ends_the_journal(true);
}

static void
stopping_does_not_wait_for_a_redis_that_is_away(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	kill(redis.pid, SIGSTOP);
	put_many(5);
	audit_stop(&r.audit); /* it comes back while Redis is stopped */
	kill(redis.pid, SIGCONT);
	assert_true(rig_verify(&r).ok);
}

/* A Redis that hangs never slows the records down. */
static void
a_redis_that_hangs_holds_nothing_up(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	kill(redis.pid, SIGSTOP);
	put_many(20); /* they come back while Redis is stopped */
	kill(redis.pid, SIGCONT);
	assert_true(wait_length(26));
	assert_stream_ends_the_journal(true);
}

/* Two groups: one read all, one read ten entries and acknowledged five of them. */
static void
entries_that_every_group_consumed_are_trimmed(void **state)
{
	(void)state;
	need_redis();
	r.cfg.audit_stream_consumed = true;
	assert_true(rig_start(&r));
	put_many(30);
	assert_true(wait_length(31));
	redisContext *c = redisConnectUnix(redis.socket);
	assert_non_null(c);
	for (int fast = 0; fast < 2; fast++) {
		freeReplyObject(redisCommand(c, "XGROUP CREATE " KEY " g%d 0", fast));
		redisReply *got =
			redisCommand(c, "XREADGROUP GROUP g%d c COUNT %d STREAMS " KEY " >",
				fast, fast ? 100 : 10);
		assert_int_equal(got->type, REDIS_REPLY_ARRAY);
		const redisReply *entries = got->element[0]->element[1];
		for (size_t i = 0; i < (fast ? entries->elements : 5); i++)
			freeReplyObject(redisCommand(c, "XACK " KEY " g%d %s", fast,
				entries->element[i]->element[0]->str));
		freeReplyObject(got);
	}
	/* The slow group's sixth entry is the first that stays. */
	assert_true(wait_length(31 - 5));
	put_many(1);
	assert_true(wait_length(32 - 5));
	/* It acknowledges the rest: its last one stays. */
	redisReply *pending = redisCommand(c, "XPENDING " KEY " g0 - + 10");
	for (size_t i = 0; i < pending->elements; i++)
		freeReplyObject(redisCommand(
			c, "XACK " KEY " g0 %s", pending->element[i]->element[0]->str));
	freeReplyObject(pending);
	assert_true(wait_length(32 - 9));
	redisFree(c);
	audit_stop(&r.audit);
	/* It goes on after its last entry: close, boot, and three more. */
	assert_true(rig_start(&r));
	put_many(3);
	assert_true(wait_length(32 - 9 + 5));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_stream_is_the_journal),
		T(a_restarted_daemon_goes_on_where_the_stream_ends),
		T(a_redis_that_comes_later_gets_everything),
		T(a_redis_that_was_restarted_or_flushed_is_filled_again),
		T(a_failover_to_a_replica_that_lagged_is_caught_up),
		T(the_stream_is_trimmed_and_still_verifies),
		T(the_stream_keeps_to_its_bytes),
		T(in_a_full_redis_the_stream_gives_way_and_goes_on),
		T(entries_that_every_group_consumed_are_trimmed),
		T(another_writer_is_refused_and_nothing_is_mixed),
		T(a_changed_stream_is_not_continued),
		T(a_destroyed_segment_leaves_a_gap_and_no_more),
		T(damage_without_an_alarm_is_a_conflict),
		T(a_duplicate_is_recognized),
		T(stopping_does_not_wait_for_a_redis_that_is_away),
		T(a_redis_that_hangs_holds_nothing_up),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
