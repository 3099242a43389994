/* Reports on this machine's clock: the time that the daemon believes (base/wall.h), and the
 * program that keeps the clock correct. The kernel reports whether the clock is synchronized
 * (adjtimex(2)); a time service leaves a file that shows that it runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "budget/quota/quota_table.h"
#include "operator/server/degraded.h"
#include "operator/server/server.h"
#include "record/journal/times.h"

/* ---- the believed clock ---- */

/* `tollgate status` reports for this time that the clock was set */
#define SAID_US 3600000000ull

/* Rounds to seconds. */
static int64_t
seconds_of(int64_t ns)
{
	return (ns + (ns < 0 ? -500000000 : 500000000)) / 1000000000;
}

static const char *
ahead_or_behind(int64_t ns)
{
	return ns > 0 ? "ahead" : "back";
}

void
clock_begin(struct server *s)
{
	const struct config *cfg = s->shared_cfg;
	struct wall_state now;

	wall_start(cfg->journal ? journal_last_time(cfg->journal, cfg->node, WALL_GAP_NS)
				: WALL_UNKNOWN);
	wall_look(WALL_UNKNOWN, &now);
	/* The clock is long after the last record. It may still be right. */
	if (now.life == WALL_ALONE && now.least_ns > WALL_GAP_NS)
		log_event(LOG_WARN, "clock.alone",
			LI("after_last_record_s", seconds_of(now.least_ns)),
			LS("why", "the machine was off for this time, or its clock is ahead: "
				  "nothing is removed because of its age until Redis confirms "
				  "the time"));
}

void
clock_look(struct server *s)
{
	int64_t off_ns = WALL_UNKNOWN;
	struct wall_state now;

	for (unsigned i = 0; i < s->nworkers && off_ns == WALL_UNKNOWN; i++) {
		int64_t us =
			atomic_load_explicit(&s->workers[i].redis_off_us, memory_order_relaxed);
		off_ns = us == INT64_MIN ? WALL_UNKNOWN : us * 1000;
	}
	if (wall_look(off_ns, &now))
		log_event(LOG_WARN, "clock.set", LI("by_s", seconds_of(now.set_by_ns)));
	if (s->table)
		table_follow(s->table, wall_offset_us());
}

bool
clock_away(struct server *s, struct buf *why)
{
	struct wall_state now;

	(void)s;
	wall_read(&now);
	if (now.life != WALL_DOUBTED || !now.ahead_ns)
		return false;
	buf_printf(why,
		"this machine's clock was set %" PRId64
		" s %s, and nothing confirms the new time: the daemon does not follow it yet; "
		"check the time service",
		(int64_t)llabs(seconds_of(now.ahead_ns)), ahead_or_behind(now.ahead_ns));
	return true;
}

void
clock_status(struct server *s, struct buf *out)
{
	struct wall_state now;
	uint64_t since_us;

	SCOPED_BUF(why, 512);
	wall_read(&now);
	since_us = clock_mono_us() - now.set_us;
	if (clock_away(s, &why))
		buf_printf(out, "clock: %.*s\n", SPAN_ARG(buf_view(&why)));
	else if (now.life == WALL_ALONE && now.least_ns > WALL_GAP_NS)
		buf_printf(out,
			"clock: this machine's clock is %" PRId64
			" s after the last confirmed time, and nothing confirms it: expired "
			"data is kept until Redis confirms the time\n",
			seconds_of(now.least_ns));
	else if (now.set_by_ns && since_us < SAID_US)
		buf_printf(out,
			"clock: this machine's clock was set %" PRId64 " s %s, %" PRIu64
			" s ago: compare the times of records before and after\n",
			(int64_t)llabs(seconds_of(now.set_by_ns)),
			ahead_or_behind(now.set_by_ns), since_us / 1000000);
}
