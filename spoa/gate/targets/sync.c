/* The thread tg-targets. A turn asks for the clock and all texts in one pipeline, and merges
 * them. A second pipeline writes what is later here and asks for leases. Redis cuts each text
 * to the largest valid size, and only names in our table are read, so other programs that
 * write to Redis cannot make the daemon use more memory. */
#include "gate/targets/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis_service.h"
#include "base/scoped.h"
#include "gate/targets/entry.h"
#include "gate/targets/share.h"

/* after the last reply of Redis, each daemon probes on its own */
#define ALONE_US     2000000u
#define LEASE_MARGIN 1000000u
#define KEEP_S	     "2678400" /* 31 days, so that an ejection lasts */
#define CALLERS_S    "20"

/* owner: the thread tg-targets. */
struct target_sync {
	struct target_table *table;
	const char *node;
	struct redis_service service;
	struct metrics *metrics;
	/* used by the thread only */
	int64_t offset_us; /* Redis' clock minus our monotonic clock */
	bool timed;	   /* offset_us is known */
	struct target_known known[CAP_TARGETS + 1];
	/* the commands of a turn and their entries; the replies arrive in this order */
	struct buf text;
	size_t n;
	struct {
		uint16_t entry;
		bool lease;
		uint64_t sent_us;
	} wrote[4 * (CAP_TARGETS + 1)];
};

/* Returns the next reply, or NULL if the connection is lost. An error about a key's type
 * concerns only that key and is returned. */
static redisReply *
next_reply(struct target_sync *s)
{
	redisReply *r = redis_reply(s->service.redis);

	if (r && (r->type != REDIS_REPLY_ERROR || !strncmp(r->str, "WRONGTYPE", 9)))
		return r;
	redis_service_lost(&s->service, redis_service_why(&s->service, r));
	freeReplyObject(r);
	return NULL;
}

#define KEY_BYTES (sizeof(TARGET_CALLERS_KEY) + TARGET_NAME_BYTES)
static const char *
target_key_of(const struct target_state *e, const char *prefix, char out[KEY_BYTES])
{
	snprintf(out, KEY_BYTES, "%s%s", prefix, e->name);
	return out;
}

/* ---- reading ---- */

static bool
read_clock(struct target_sync *s, uint64_t sent_us)
{
	reply_auto_t *r = next_reply(s);
	uint64_t now = clock_mono_us(), second, us;

	if (!r)
		return false;
	bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->str &&
		  r->element[1]->str &&
		  span_u64(span_of(r->element[0]->str, r->element[0]->len), &second) == 0 &&
		  span_u64(span_of(r->element[1]->str, r->element[1]->len), &us) == 0 &&
		  second < INT64_MAX / 2000000 && us < 1000000;
	if (ok)
		s->offset_us = target_offset(s->timed ? &s->offset_us : NULL, sent_us, now,
			second * 1000000 + us);
	s->timed |= ok;
	if (!ok)
		redis_service_lost(&s->service, "Redis did not return a valid time for TIME");
	return ok;
}

static int
is_junk(struct target_sync *s, const struct target_state *e)
{
	metric_inc(s->metrics, M_TARGETS_JUNK);
	log_event(LOG_WARN, "target.junk", LS("target", e->name),
		LS("why", "no daemon wrote this entry in Redis: the daemon replaces it; check "
			  "which program writes to Redis"));
	return ERR_SYNTAX;
}

/* Returns 0, ERR_SYNTAX if no daemon wrote the text (this is counted), or ERR_IO if the
 * connection is lost. */
static int
read_facts(struct target_sync *s, const struct target_state *e, struct target_facts *found)
{
	reply_auto_t *r = next_reply(s);
	uint64_t redis_us = (uint64_t)((int64_t)clock_mono_us() + s->offset_us);
	int err = 0;

	*found = (struct target_facts){ 0 };
	if (!r)
		return ERR_IO;
	if (r->type != REDIS_REPLY_STRING)
		err = ERR_SYNTAX;
	else if (r->len)
		err = target_facts_read(span_of(r->str, r->len), redis_us, found);
	return err ? is_junk(s, e) : 0;
}

/* Leaves the text to write in s->text. Returns as read_facts(). */
static int
read_callers_of(struct target_sync *s, struct target_state *e, const struct target_sharing *w)
{
	reply_auto_t *r = next_reply(s);
	int err = 0;

	buf_clear(&s->text);
	if (!r)
		return ERR_IO;
	if (r->type != REDIS_REPLY_STRING)
		err = ERR_SYNTAX;
	else
		err = target_share_callers(w, e, span_of(r->str, r->len), &s->text);
	if (!err)
		return 0;
	/* the callers known here replace it */
	target_share_callers(w, e, (struct span){ NULL, 0 }, &s->text);
	return is_junk(s, e);
}

/* ---- writing ---- */

static bool
append_target_command(struct target_sync *s, int argc, const char **argv)
{
	if (redis_service_append(&s->service, argc, argv, NULL))
		return true;
	redis_service_lost(&s->service, redis_sync_error(s->service.redis));
	return false;
}

static bool
append_write(struct target_sync *s, size_t entry, bool lease, int argc, const char **argv)
{
	s->wrote[s->n].entry = (uint16_t)entry;
	s->wrote[s->n].lease = lease;
	s->wrote[s->n++].sent_us = clock_mono_us();
	return append_target_command(s, argc, argv);
}

static bool
write_facts(struct target_sync *s, size_t i)
{
	char key[KEY_BYTES];

	SCOPED_BUF(text, FACTS_TEXT_BYTES);
	target_facts_write(&s->known[i].facts, &text);
	buf_putc(&text, '\0');
	const char *argv[] = { "SET", target_key_of(&s->table->entry[i], TARGET_FACTS_KEY, key),
		buf_view(&text).p, "EX", KEEP_S };
	return append_write(s, i, false, 5, argv);
}

/* The key expires soon after callers stop failing. A junk text is deleted if nothing replaces
 * it. */
static bool
write_callers(struct target_sync *s, size_t i, bool junk)
{
	char key[KEY_BYTES];
	const char *del[] = { "DEL",
		target_key_of(&s->table->entry[i], TARGET_CALLERS_KEY, key) };

	if (!s->text.n)
		return !junk || append_write(s, i, false, 2, del);
	buf_putc(&s->text, '\0');
	const char *set[] = { "SET", key, buf_view(&s->text).p, "EX", CALLERS_S };
	return append_write(s, i, false, 5, set);
}

/* Asks for the lease of a probe, or gives it back. */
static bool
ask_or_give_lease(struct target_sync *s, size_t i, uint64_t now_us)
{
	struct target_state *e = &s->table->entry[i];
	char key[KEY_BYTES], ms[24];
	const char *take[] = { "SET", target_key_of(e, TARGET_PROBE_KEY, key), s->node, "NX",
		"PX", ms };
	const char *give[] = { "DEL", key };

	snprintf(ms, sizeof(ms), "%d", (int)(TARGET_PROBE_LEASE_US / 1000));
	if (target_lease_over(e, now_us))
		return append_write(s, i, false, 2, give);
	return !target_wants_lease(e, now_us) || append_write(s, i, true, 6, take);
}

/* Reads the replies to the commands that were written. */
static bool
settle_targets(struct target_sync *s)
{
	for (size_t i = 0; i < s->n; i++) {
		reply_auto_t *r = next_reply(s);
		if (!r)
			return false;
		if (s->wrote[i].lease && r->type == REDIS_REPLY_STATUS)
			target_leased(&s->table->entry[s->wrote[i].entry],
				s->wrote[i].sent_us + TARGET_PROBE_LEASE_US - LEASE_MARGIN);
	}
	return true;
}

/* ---- turns ---- */

static bool
ask_target_redis(struct target_sync *s, size_t n)
{
	const char *time[] = { "TIME" };
	char key[KEY_BYTES], last[24], last_caller[24];

	snprintf(last, sizeof(last), "%d", FACTS_TEXT_BYTES);
	snprintf(last_caller, sizeof(last_caller), "%d", CALLERS_TEXT_BYTES);
	if (!redis_service_dial(&s->service, SPAN_LIT(TARGET_FACTS_KEY)) ||
		!append_target_command(s, 1, time))
		return false;
	for (size_t i = 1; i < n; i++) {
		const char *argv[] = { "GETRANGE",
			target_key_of(&s->table->entry[i], TARGET_FACTS_KEY, key), "0", last };
		if (!append_target_command(s, 4, argv))
			return false;
		argv[1] = target_key_of(&s->table->entry[i], TARGET_CALLERS_KEY, key);
		argv[3] = last_caller;
		if (!append_target_command(s, 4, argv))
			return false;
	}
	return true;
}

/* Makes one turn. Returns false if Redis does not answer. */
static bool
targets_pass(struct target_sync *s, size_t n)
{
	uint64_t sent_us = clock_mono_us();
	struct target_facts found;

	s->n = 0;
	if (!ask_target_redis(s, n) || !read_clock(s, sent_us))
		return false;
	for (size_t i = 1; i < n; i++) {
		struct target_state *e = &s->table->entry[i];
		int err = read_facts(s, e, &found);
		if (err == ERR_IO)
			return false;
		const struct target_sharing w = { .table = s->table,
			.node = s->node,
			.now_us = clock_mono_us(),
			.offset_us = s->offset_us };
		int callers_err = read_callers_of(s, e, &w);
		if (callers_err == ERR_IO)
			return false;
		/* The replies to these commands arrive after those to all reads. */
		bool later = target_share(&w, e, &s->known[i], &found);
		if (((later || err) && !write_facts(s, i)) ||
			!write_callers(s, i, callers_err) || !ask_or_give_lease(s, i, w.now_us))
			return false;
	}
	if (!settle_targets(s))
		return false;
	for (size_t i = 1; i < n; i++)
		target_leases(&s->table->entry[i], clock_mono_us() + ALONE_US);
	return true;
}

/* Notes changes made here while Redis does not answer, so that they keep their time. */
static void
note_alone(struct target_sync *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct target_sharing w = { .table = s->table,
			.node = s->node,
			.now_us = clock_mono_us(),
			.offset_us = s->offset_us };
		target_share(&w, &s->table->entry[i], &s->known[i], NULL);
	}
}

static enum redis_turn
target_turn(void *arg, uint64_t puts UNUSED)
{
	struct target_sync *s = arg;
	size_t n = atomic_load_explicit(&s->table->n, memory_order_acquire);

	if (targets_pass(s, n))
		return REDIS_TURN_DONE;
	note_alone(s, n);
	return REDIS_TURN_AWAY;
}

static void
target_back(void *arg)
{
	const struct target_sync *s = arg;

	log_event(LOG_INFO, "target.together", LS("node", s->node));
}

/* Gives back the leases of this daemon. */
static void
target_last(void *arg)
{
	struct target_sync *s = arg;
	size_t n = atomic_load_explicit(&s->table->n, memory_order_acquire);

	s->n = 0;
	for (size_t i = 1; s->service.redis && i < n; i++) {
		atomic_store(&s->table->entry[i].wanted_us, 0);
		atomic_store(&s->table->entry[i].probe_until, 0);
		ask_or_give_lease(s, i, clock_mono_us());
	}
	if (s->service.redis)
		settle_targets(s);
}

static const struct redis_service_kind target_service = { .thread = "tg-targets",
	.away = "target.alone",
	.every_us = TARGET_SHARE_US,
	.again_us = TARGET_SHARE_US,
	.hurries = true,
	.turn = target_turn,
	.back = target_back,
	.last = target_last };

void
target_sync_first(struct target_sync *s, uint64_t most_us)
{
	redis_service_await_first(&s->service, most_us);
}

void
target_sync_soon(struct target_sync *s)
{
	if (s)
		redis_service_wake(&s->service);
}

struct target_sync *
target_sync_start(struct target_table *t, const char *node, const struct redis_options *redis,
	struct metrics *m, struct buf *why)
{
	struct target_sync *s = calloc(1, sizeof(*s));

	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->table = t;
	buf_init(&s->text, CALLERS_TEXT_BYTES);
	s->node = node;
	s->metrics = m;
	s->offset_us = clock_wall_ns() / 1000 - (int64_t)clock_mono_us();
	redis_service_init(&s->service, &target_service, s, redis);
	if (redis_service_start(&s->service, why))
		target_sync_stop(&s);
	return s;
}

void
target_sync_stop(struct target_sync **sp)
{
	struct target_sync *s = *sp;

	if (!s)
		return;
	redis_service_stop(&s->service, 0);
	buf_free(&s->text);
	free(s);
	*sp = NULL;
}
