/* A leaky bucket for each caller and kind of record, and the sums of readings that exceed it.
 *
 * A bucket is stored as the time at which it will be empty. A record moves that time forward by
 * its cost. The record exceeds the limit if the time would be more than `most_us` ahead. */
#include "operator/admin/allowances.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "operator/admin/change.h"

#define SUM_US 1000000u

/* clang-format off */
static const struct {
	uint64_t most_us, /* size of a bucket, as the time in which it drains */
		 each_us, /* least cost of a record */
		 kb_us;	  /* cost of each 1024 bytes of a record */
} kinds[ALLOWANCES] = {
	/* a burst of 32, then 4 a second and 2 KB a second */
	[ALLOW_READS]	= { 8000000, 250000, 500000 },
	/* a burst of 200, then 20 a second and 16 KB a second */
	[ALLOW_CHANGES] = { 10000000, 50000, 62500 },
};
/* clang-format on */

/* Readings of one caller that are not recorded yet. */
struct sum {
	uint64_t readings, records;
	/* wall time of the first reading */
	int64_t since_ns;
	struct admin_peer peer; /* the caller's most recent identity and address */
	struct {
		char name[33];
		uint64_t n;
	} command[CAP_ADMIN_COMMANDS];
	/* commands beyond CAP_ADMIN_COMMANDS */
	uint64_t other;
};

/* One caller. `empty_us` and `used_us` are monotonic times. */
struct caller_row {
	struct caller_id who;
	uint64_t empty_us[ALLOWANCES], used_us;
	struct sum *sum; /* NULL: no reading is summed */
};

/* Guarded by `lock`, except for the first two members, which do not change. */
struct allowances {
	struct server *server;
	allowances_record_fn *record;
	pthread_mutex_t lock;
	struct service service; /* the thread that records the sums; the first sum starts it */
	size_t n, nsums;
	uint64_t record_us; /* monotonic; when the thread next records sums, if there are any */
	struct caller_row row[CAP_ADMIN_CALLERS];
};

struct allowances *
allowances_new(struct server *server, allowances_record_fn *record)
{
	struct allowances *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->server = server;
	s->record = record;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

/* Returns the caller's row. If the table is full, the row that was unused for the longest is
 * reused. Returns NULL if every row has a sum. The caller holds the lock. */
static struct caller_row *
row_of(struct allowances *s, const struct caller_id *who)
{
	struct caller_row *oldest = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct caller_row *r = &s->row[i];
		if (!memcmp(&r->who, who, sizeof(*who)))
			return r;
		if (!r->sum && (!oldest || r->used_us < oldest->used_us))
			oldest = r;
	}
	if (s->n < CAP_ADMIN_CALLERS)
		oldest = &s->row[s->n++];
	if (oldest)
		*oldest = (struct caller_row){ .who = *who };
	return oldest;
}

unsigned
allowances_take(struct allowances *s, const struct caller_id *who, enum allowance which,
	size_t bytes, uint64_t now_us)
{
	uint64_t cost_us = bytes * kinds[which].kb_us / 1024, over_us = 0;

	if (cost_us < kinds[which].each_us)
		cost_us = kinds[which].each_us;
	SCOPED_LOCK(&s->lock);
	struct caller_row *r = row_of(s, who);
	uint64_t *empty = r ? &r->empty_us[which] : NULL;
	if (r && *empty < now_us)
		*empty = now_us;
	if (!r)
		over_us = 1;
	else if (*empty - now_us + kinds[which].each_us > kinds[which].most_us)
		over_us = *empty - now_us + kinds[which].each_us - kinds[which].most_us;
	else
		*empty += cost_us;
	if (r)
		r->used_us = now_us;
	return (unsigned)((over_us + 999999) / 1000000);
}

/* ---- sums ---- */

static void
count_command(struct sum *sum, const char *name, uint64_t n)
{
	size_t i = 0;

	while (i < COUNT_OF(sum->command) && sum->command[i].n &&
		strcmp(sum->command[i].name, name) != 0)
		i++;
	if (i == COUNT_OF(sum->command)) {
		sum->other += n;
		return;
	}
	snprintf(sum->command[i].name, sizeof(sum->command[i].name), "%s", name);
	sum->command[i].n += n;
}

/* Returns the caller's sum, which is created if needed, or NULL. The caller holds the lock. */
static struct sum *
sum_of(struct allowances *s, const struct caller_id *who)
{
	struct caller_row *r = row_of(s, who);

	if (r && !r->sum && (r->sum = calloc(1, sizeof(*r->sum))) != NULL) {
		r->sum->since_ns = clock_wall_ns();
		s->nsums++;
	}
	return r ? r->sum : NULL;
}

static json_t *
sum_json(const struct sum *sum)
{
	json_t *commands = json_object();
	char since[CLOCK_RFC3339_LEN];

	for (size_t i = 0; i < COUNT_OF(sum->command) && sum->command[i].n; i++)
		json_object_set_new(commands, sum->command[i].name,
			json_integer((json_int_t)sum->command[i].n));
	if (sum->other)
		json_object_set_new(commands, "other", json_integer((json_int_t)sum->other));
	clock_rfc3339(sum->since_ns, since);
	return json_pack("{s:I,s:I,s:s,s:o}", "readings", (json_int_t)sum->readings, "records",
		(json_int_t)sum->records, "since", since, "commands", commands);
}

/* Adds a sum that could not be recorded to the one that has begun since. The caller holds the
 * lock. */
static void
put_back(struct allowances *s, const struct sum *was)
{
	struct sum *sum = sum_of(s, &was->peer.who);

	if (!sum)
		return;
	sum->readings += was->readings;
	sum->records += was->records;
	sum->other += was->other;
	sum->since_ns = was->since_ns;
	sum->peer = was->peer;
	for (size_t i = 0; i < COUNT_OF(was->command); i++)
		if (was->command[i].n)
			count_command(sum, was->command[i].name, was->command[i].n);
}

/* Records each sum once. The caller holds the lock, which is released while a sum is recorded.
 */
static void
record_sums(struct allowances *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct sum *sum = s->row[i].sum;
		if (!sum)
			continue;
		s->row[i].sum = NULL;
		s->nsums--;
		bool last = service_stopping(&s->service);
		pthread_mutex_unlock(&s->lock);
		int err = s->record(s->server, &sum->peer, sum_json(sum), last);
		pthread_mutex_lock(&s->lock);
		if (err)
			put_back(s, sum);
		free(sum);
	}
}

static uint64_t
sums_turn(void *arg)
{
	struct allowances *s = arg;

	SCOPED_LOCK(&s->lock);
	if (s->nsums && clock_mono_us() >= s->record_us) {
		record_sums(s);
		s->record_us = clock_mono_us() + SUM_US;
	}
	return s->nsums ? s->record_us : SERVICE_WHEN_WOKEN;
}

static void
sums_last(void *arg)
{
	struct allowances *s = arg;

	SCOPED_LOCK(&s->lock);
	record_sums(s);
}

int
allowances_sum(struct allowances *s, const struct admin_peer *peer, const char *command,
	uint64_t records)
{
	const struct service_options o = {
		.name = "tg-readings", .turn = sums_turn, .last = sums_last, .arg = s
	};

	SCOPED_LOCK(&s->lock);
	bool runs = service_runs(&s->service) || service_start(&s->service, &o) == 0;
	struct sum *sum = runs ? sum_of(s, &peer->who) : NULL;
	if (sum) {
		sum->readings++;
		sum->records += records;
		sum->peer = *peer;
		count_command(sum, command, 1);
		if (s->nsums == 1 && sum->readings == 1) {
			s->record_us = clock_mono_us() + SUM_US;
			service_wake(&s->service);
		}
	}
	return sum ? 0 : ERR_NOMEM;
}

void
allowances_free(struct allowances **sp)
{
	struct allowances *s = *sp;

	if (!s)
		return;
	service_stop(&s->service);
	for (size_t i = 0; i < s->n; i++) {
		struct sum *sum = s->row[i].sum;
		if (sum) /* the journal accepted nothing more, so the log has the sum */
			log_event(LOG_ERROR, "admin.readings_unrecorded",
				LS("by", sum->peer.name[0] ? sum->peer.name : sum->peer.user),
				LI("readings", sum->readings), LI("records", sum->records));
		free(sum);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}
