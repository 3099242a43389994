/* Reports callers near a limit. GET /limits/near lists each caller once for each window and
 * level. A budget (in dollars or by a calendar) also warns the caller in each response, and is
 * logged and counted. A rate, which callers may use up, warns only if its limit has `soft`. */
#include "base/clock.h"
#include "base/fnv.h"
#include "base/notice.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "gate/limits/warned.h"
#include "gate/sealing/sealing.h"

enum {
	WARNINGS_SHOWN = 3,
	LINES_A_SECOND = 10, /* log lines of the daemon; metrics count all warnings */
	MILLION = 1000000,
	HOUR_S = 3600,
};

/* Returns the used part of a limit, from the last reply of Redis. */
static uint64_t
used_millionths(const struct quota_dim *d)
{
	uint64_t used = d->remaining < d->limit ? d->limit - d->remaining : 0;

	return d->limit ? (uint64_t)((unsigned __int128)used * MILLION / d->limit) : MILLION;
}

static bool
limit_warns(const struct quota_dim *d)
{
	return d->of && (d->of->soft || limits_exhausted(d));
}

static enum limit_level
near_level_of(const struct quota_dim *d)
{
	uint64_t used = used_millionths(d);

	if (!d->reset_ms || !d->of || d->span.kind == QUOTA_IN_FLIGHT)
		return LEVEL_NONE;
	return used >= MILLION		  ? LEVEL_100
	       : used >= 9 * MILLION / 10 ? LEVEL_90
	       : used >= 8 * MILLION / 10 ? LEVEL_80
	       : d->soft_reached	  ? LEVEL_SOFT
					  : LEVEL_NONE;
}

/* Returns a number for a caller's counter, its window and the level; never 0. The table
 * remembers the last number in each place, so a collision only repeats a warning. */
static uint64_t
warning_name(const struct quota_dim *d, enum limit_level level)
{
	uint64_t window = d->span.kind == QUOTA_ROLLING && d->span.window_s
				  ? (uint64_t)(wall_now_ns() / 1000000000) / d->span.window_s
				  : (uint64_t)d->at.bucket;

	uint64_t h = fnv64_step(fnv64_bytes(FNV64_BASIS, d->key, strlen(d->key)), window);

	h ^= h >> 29;
	return ((h * 0x9e3779b97f4a7c15) & ~UINT64_C(15)) | level;
}

static bool
may_log(struct gate_shared *s)
{
	uint64_t now = clock_mono_us() / MILLION,
		 had = atomic_load_explicit(&s->warned_lines, memory_order_relaxed),
		 n = had >> 8 == now ? had & 255 : 0;

	if (n >= LINES_A_SECOND)
		return false;
	atomic_store_explicit(&s->warned_lines, now << 8 | (n + 1), memory_order_relaxed);
	return true;
}

/* Sends the notice. It names the person only with notify.persons. */
static void
send_limit_notice(struct request *r, const struct quota_dim *d, enum limit_level level)
{
	const struct identity *id = &r->found.identity;
	bool spent = level == LEVEL_100, persons = gate_cfg(r->gate)->notify_persons;
	int64_t resets_s = (int64_t)(d->reset_ms / 1000), now = wall_now_ns();
	unsigned percent = (unsigned)(used_millionths(d) / (MILLION / 100));
	const struct notice_of of = { .kind = NOTICE_BUDGET,
		.what = spent ? "limit_spent" : "limit_near",
		.name = span_str(d->name),
		.until_ns = spent ? now + (int64_t)d->reset_ms * 1000000 : 0 };
	const struct log_field numbers[] = { LI("percent", spent ? 100 : percent),
		LS("unit", limit_kinds[d->counts].name), LI("limit", d->limit),
		LI("remaining", spent ? 0 : d->remaining), LI("resets_in_s", resets_s),
		LS("id", r->id), LSP("team", id->team), LSP("department", id->department),
		LSP("key", id->key_id), LSP("person", id->person) };

	notice_send(&of, numbers, COUNT_OF(numbers) - !persons,
		"limit %s is %s (%u %%); it resets in %lld s; for its request: tollgate audit "
		"show %s",
		d->name, spent ? "spent" : "nearly used", spent ? 100 : percent,
		(long long)resets_s, r->id);
}

/* Returns the person's name as records will have it; the name is not made yet at this point. */
static struct span
person_near(struct request *r)
{
	(void)request_seal_holder(r); /* on failure the name is empty */
	request_seal_wipe(r);
	return request_person_shown(r);
}

/* The names in both tables: warnings that this instance gave or took over. */
void
gate_warned_put(const struct gate_shared *s, struct buf *out)
{
	for (size_t i = 0; i < WARNED; i++) {
		uint64_t name = atomic_load_explicit(&s->warned[i], memory_order_relaxed);
		if (!name)
			name = atomic_load_explicit(
				&s->warned_before[i], memory_order_relaxed);
		if (name)
			buf_put(out, &name, sizeof(name));
	}
}

void
gate_warned_take(struct gate_shared *s, struct span bytes)
{
	uint64_t name;

	for (; bytes.n >= sizeof(name); bytes = span_cut(bytes, sizeof(name), bytes.n)) {
		memcpy(&name, bytes.p, sizeof(name));
		atomic_store_explicit(&s->warned_before[(name >> 4) % WARNED], name,
			memory_order_relaxed);
	}
}

static void
warn_once(struct request *r, const struct quota_dim *d, enum limit_level level)
{
	struct gate_shared *s = r->gate->shared;
	uint64_t name = warning_name(d, level);
	const size_t at = (name >> 4) % WARNED;

	if (atomic_exchange_explicit(&s->warned[at], name, memory_order_relaxed) == name)
		return;
	const bool before =
		atomic_load_explicit(&s->warned_before[at], memory_order_relaxed) == name;
	const int64_t now_ns = wall_now_ns();
	const struct near_told near = { .caller = name & ~UINT64_C(15),
		.limit = span_str(d->name),
		.person = person_near(r),
		.team = r->found.identity.team,
		.route = span_str(r->found.route ? r->found.route->name : NULL),
		.millionths = level == LEVEL_100 ? MILLION : used_millionths(d),
		.at_ns = now_ns,
		.reset_ns = now_ns + (int64_t)d->reset_ms * 1000000 };
	if (!limit_warns(d)) {
		near_add(&r->gate->tally.near_rates, &near);
		return;
	}
	near_add(&r->gate->tally.near, &near);
	if (before)
		return;
	limit_tally_warned(&r->gate->tally.limits, d->name, level);
	/* the queue has its own limit and counts what it drops */
	if (notice_wanted(NOTICE_BUDGET))
		send_limit_notice(r, d, level);
	if (level != LEVEL_SOFT && may_log(s))
		log_event(LOG_WARN, "limit.near", LS("limit", d->name),
			LS("reached_percent", limit_level_names[level]), LS("id", r->id));
}

/* Returns true for a budget, or a limit over an hour or more. Shorter rates are used up and
 * free again all the time. */
static bool
is_followed(const struct quota_dim *d)
{
	return limit_warns(d) ||
	       (d->of && d->span.kind == QUOTA_ROLLING && d->span.window_s >= HOUR_S);
}

static void
see_fullness(struct request *r, const struct quota_dim *d)
{
	struct fullest *f = &r->gate->tally.fullest;
	bool calendar = d->span.kind == QUOTA_CALENDAR;
	int64_t now_ms = r->now_wall_ns / MILLION;
	const struct full_seen seen = {
		.caller = ((d->hash ^ (calendar ? (uint64_t)d->at.bucket : 0)) *
				  0x9e3779b97f4a7c15) |
			  1,
		.used = d->remaining < d->limit ? d->limit - d->remaining : 0,
		.of = d->limit,
		.counts = limit_kinds[d->counts].name,
		.calendar = calendar ? limits_calendar(d) : NULL,
		.window_s = d->span.window_s,
		.begin_ms = calendar ? d->at.bucket * 1000 : 0,
		.at_ms = now_ms,
		.reset_ms = now_ms + (int64_t)d->reset_ms
	};
	struct full_kept *k = fullest_see(f, &seen);

	if (!k)
		return;
	const struct span text[FULL_TEXTS] = { [FULL_LIMIT] = span_str(d->name),
		[FULL_PERSON] = d->of->of_person ? person_near(r) : SPAN_LIT(""),
		[FULL_TEAM] = r->found.identity.team,
		[FULL_ROUTE] = span_str(r->found.route ? r->found.route->name : NULL) };
	fullest_name(f, k, text);
}

void
limits_warn(struct request *r, const struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++) {
		const struct quota_dim *d = &q->dim[i];
		bool over = q->result == QUOTA_REFUSED && i == q->refused_by;
		enum limit_level level = near_level_of(d);
		if (d->reset_ms)
			limit_tally_used(&r->gate->tally.limits, d->name,
				over ? MILLION : used_millionths(d));
		if (d->reset_ms && is_followed(d) && d->span.kind != QUOTA_IN_FLIGHT)
			see_fullness(r, d);
		if (level != LEVEL_NONE)
			warn_once(r, d, over ? LEVEL_100 : level);
	}
}

struct span
request_limit_warning(struct request *r)
{
	const struct quota_dim *d;
	size_t n = 0;

	SCOPED_BUF(out, 256);
	for (size_t k = 0; n < WARNINGS_SHOWN && (d = request_dim(r, k)); k++)
		if (limit_warns(d) && near_level_of(d) != LEVEL_NONE)
			buf_printf(&out, "%s%s %u%%", n++ ? ", " : "", d->name,
				(unsigned)(used_millionths(d) / (MILLION / 100)));
	return arena_dup(&r->arena, buf_view(&out));
}
