/* The stream follows the journal, whatever happens to Redis and to the daemon, and never mixes
 * two histories. Against a real Redis. The linker's --wrap shortens the mirror's waits of
 * seconds to an eighth. */
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

/* Up to `at_once` records share a commit. */
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

/* Asserts that the stream contains the journal's last bytes up to its end. */
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
stream_equals_the_journal(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(100);
	assert_true(wait_length(101));
	assert_stream_ends_the_journal(true);
	assert_int_equal(redis_rig_do(&redis, "XRANGE " KEY " 1-1 1-1"), 1);
	assert_int_equal(redis_rig_do(&redis, "XRANGE " KEY " 1-101 1-101"), 1);
	/* The stop waits for the closing record. */
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 102);
	assert_stream_ends_the_journal(true);
	assert_true(verify_stream().ok);
	assert_int_equal(rig_count(&r, M_AUDIT_MIRRORED), 102);
}

static void
restarted_daemon_continues_the_stream(void **state)
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
	/* Records that were written without Redis are added later. */
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
redis_that_starts_later_gets_all_records(void **state)
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
restarted_or_flushed_redis_is_filled_again(void **state)
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
	assert_true(wait_length(22)); /* although no record is written */
	redis_rig_do(&redis, "FLUSHALL");
	assert_int_equal(rig_put(&r, "next"), 0);
	assert_true(wait_length(23));
	assert_stream_ends_the_journal(true);
}

static void
lagging_replica_is_filled_after_a_failover(void **state)
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
trimmed_stream_still_verifies(void **state)
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
	/* A new stream begins with the last 200 records. */
	redis_rig_do(&redis, "FLUSHALL");
	assert_true(wait_length(200));
	assert_true(verify_stream().ok);
}

/* Waits until the stream ends with this record. */
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

/* Waits until the stream takes at most this many bytes, and returns how many it takes. The
 * daemon trims after each batch, so for a moment the stream is longer by one batch. */
static long long
stream_at_most(long long bytes)
{
	long long used = 0;

	for (int i = 0; i < 1500; i++, usleep(20000))
		if ((used = redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0")) <= bytes)
			break;
	return used;
}

static void
stream_stays_within_its_size(void **state)
{
	enum { BYTES = 300000, BATCH = 100000 };

	(void)state;
	need_redis();
	r.cfg.audit_stream_bytes = BYTES;
	assert_started();
	for (int i = 0; i < 8; i++) {
		put_many(400);
		usleep(100000);
		assert_true(redis_rig_do(&redis, "MEMORY USAGE " KEY " SAMPLES 0") <=
			BYTES + BATCH);
	}
	assert_true(wait_entry(1, 3201));
	long long used = stream_at_most(BYTES);
	assert_true(used <= BYTES && used > BYTES / 4 * 3);
	assert_stream_ends_the_journal(false);
	assert_true(verify_stream().ok);
	/* a start measures the existing stream; the stream of an earlier version is cut to its
	 * size */
	audit_stop(&r.audit);
	r.cfg.audit_stream_bytes = BYTES / 2;
	assert_started();
	used = stream_at_most(BYTES / 2);
	assert_true(used <= BYTES / 2 && used > BYTES / 4);
	/* a new stream does not exceed its size */
	redis_rig_do(&redis, "FLUSHALL");
	for (int i = 0; i < 1500 && redis_rig_do(&redis, "XLEN " KEY) < 50; i++)
		usleep(20000);
	assert_true(stream_at_most(BYTES / 2) <= BYTES / 2);
	assert_true(verify_stream().ok);
}

static void
stream_gives_way_in_a_full_redis_and_continues(void **state)
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
second_writer_is_refused(void **state)
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
	/* The journal is unaffected. */
	assert_true(rig_verify(&r).ok);
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 7);
}

static void
changed_stream_is_not_continued(void **state)
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

/* The open segment is destroyed before Redis received its records. The stream reports the
 * missing records, continues afterwards, and does so again after a restart. */
static void
destroyed_segment_leaves_only_a_gap(void **state)
{
	static const struct {
		const char *name, *cmd;
		int away; /* records that Redis has not received when it happens */
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
			/* The wait had no result: no entry is on its way. The wait consists of
			 * short sleeps, because the machine may pause. */
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

/* Damage that no alarm names is not skipped, here in an older segment. */
static void
damage_without_an_alarm_is_reported_as_a_conflict(void **state)
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

/* The same record under the same id is our own, whoever wrote it. */
static void
duplicate_is_recognized(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "COPY " KEY " whole"), 1);
	redis_rig_do(&redis, "XTRIM " KEY " MAXLEN 0");
	/* The stream is empty, but its last id is ours, so XADD refuses the records. */
	assert_started();
	usleep(300000);
	redis_rig_do(&redis, "RENAME whole " KEY);
	for (int i = 0; i < 1500 && redis_rig_do(&redis, "XLEN " KEY) < 8; i++)
		usleep(20000);
	assert_int_equal(redis_rig_do(&redis, "XLEN " KEY), 8);
	assert_stream_ends_the_journal(true);
}

static void
stop_does_not_wait_for_an_unavailable_redis(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	assert_true(wait_length(6));
	kill(redis.pid, SIGSTOP);
	put_many(5);
	audit_stop(&r.audit); /* returns while Redis is stopped */
	kill(redis.pid, SIGCONT);
	assert_true(rig_verify(&r).ok);
}

/* A Redis that hangs does not slow down the records. */
static void
hanging_redis_delays_no_record(void **state)
{
	(void)state;
	need_redis();
	assert_started();
	put_many(5);
	kill(redis.pid, SIGSTOP);
	put_many(20); /* these return while Redis is stopped */
	kill(redis.pid, SIGCONT);
	assert_true(wait_length(26));
	assert_stream_ends_the_journal(true);
}

/* Two consumer groups: one has read everything; the other has read ten entries and acknowledged
 * five of them. */
static void
entries_consumed_by_every_group_are_trimmed(void **state)
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
	/* The slower group's sixth entry is the first one that stays. */
	assert_true(wait_length(31 - 5));
	put_many(1);
	assert_true(wait_length(32 - 5));
	/* After it acknowledges the rest, its last entry stays. */
	redisReply *pending = redisCommand(c, "XPENDING " KEY " g0 - + 10");
	for (size_t i = 0; i < pending->elements; i++)
		freeReplyObject(redisCommand(
			c, "XACK " KEY " g0 %s", pending->element[i]->element[0]->str));
	freeReplyObject(pending);
	assert_true(wait_length(32 - 9));
	redisFree(c);
	audit_stop(&r.audit);
	/* The stream continues after its last entry: close, boot, and three more. */
	assert_true(rig_start(&r));
	put_many(3);
	assert_true(wait_length(32 - 9 + 5));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(stream_equals_the_journal),
		T(restarted_daemon_continues_the_stream),
		T(redis_that_starts_later_gets_all_records),
		T(restarted_or_flushed_redis_is_filled_again),
		T(lagging_replica_is_filled_after_a_failover),
		T(trimmed_stream_still_verifies),
		T(stream_stays_within_its_size),
		T(stream_gives_way_in_a_full_redis_and_continues),
		T(entries_consumed_by_every_group_are_trimmed),
		T(second_writer_is_refused),
		T(changed_stream_is_not_continued),
		T(destroyed_segment_leaves_only_a_gap),
		T(damage_without_an_alarm_is_reported_as_a_conflict),
		T(duplicate_is_recognized),
		T(stop_does_not_wait_for_an_unavailable_redis),
		T(hanging_redis_delays_no_record),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
