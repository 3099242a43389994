/* The cost of limits for Redis: CPU for each reservation over six of them, and for each
 * settlement, by the engine of the daemon and by a Lua script of the same limits, on a private
 * server. Each figure is the least of many rounds. Each round is shorter than a slice of a
 * core, so that the load of the machine is not counted as Redis' work. Prints a table; the
 * first two lines are the aims of docs/architecture.md. With arguments, only the lines whose
 * names contain one of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "budget/quota/quota_cell.h"
#include "support/quota_rig.h"

enum {
	DIMS = 6,
	FLIGHT = 64,	  /* reservations in flight */
	VALUES = 500,	  /* of each limit's dimension */
	CALLERS = 3000,	  /* of a limit of its own */
	ROUND = 320,	  /* reservations measured at a time, */
	ROUNDS = 100,	  /* so many rounds, because the load of the machine varies */
	RUN_UP = 512,	  /* before each round: fills the caches for this column */
	SETTLE_ROUND = 2, /* likewise, each of FLIGHT settlements */
	WARM = 15000,
	REST_US = 500,
	MANY = 80000, /* settlements in a second */
};

enum engine { PIPELINE, SCRIPT };

struct shape {
	const char *name;
	enum quota_window_kind kind;
	enum quota_unit unit;
	enum quota_orphan orphan;
	bool settles;
	size_t limits; /* for each request */
	unsigned values;
};

static const struct shape shapes[] = {
	{ "6 limits of a day or month, held", QUOTA_CALENDAR, QUOTA_TOKENS, QUOTA_ORPHAN_CHARGE,
		true, DIMS, VALUES },
	{ "6 rolling limits", QUOTA_ROLLING, QUOTA_TOKENS, QUOTA_ORPHAN_CHARGE, true, DIMS,
		VALUES },
	{ "6 rolling limits of callers seldom seen", QUOTA_ROLLING, QUOTA_TOKENS,
		QUOTA_ORPHAN_CHARGE, true, DIMS, 20000 },
	{ "6 counts of requests, by the calendar", QUOTA_CALENDAR, QUOTA_REQUESTS,
		QUOTA_ORPHAN_CHARGE, false, DIMS, VALUES },
	{ "6 limits of a month, dropped at a deadline", QUOTA_CALENDAR, QUOTA_TOKENS,
		QUOTA_ORPHAN_DROP, true, DIMS, VALUES },
	{ "6 of requests in flight", QUOTA_IN_FLIGHT, QUOTA_CONCURRENT, QUOTA_ORPHAN_DROP, true,
		DIMS, VALUES },
};

/* Does a limit cost more if all callers share its counter? */
static const struct shape lone[] = {
	{ "one of a day, a counter for each of 3,000", QUOTA_CALENDAR, QUOTA_TOKENS,
		QUOTA_ORPHAN_CHARGE, false, 1, CALLERS },
	{ "one of a day, one counter for all", QUOTA_CALENDAR, QUOTA_TOKENS,
		QUOTA_ORPHAN_CHARGE, false, 1, 1 },
	{ "one rolling, a counter for each of 3,000", QUOTA_ROLLING, QUOTA_TOKENS,
		QUOTA_ORPHAN_CHARGE, false, 1, CALLERS },
	{ "one rolling, one counter for all", QUOTA_ROLLING, QUOTA_TOKENS, QUOTA_ORPHAN_CHARGE,
		false, 1, 1 },
};

/* KEYS: for each limit the used amount, then the held amount (rolling: its bucket, then the
 * eleven others). ARGV: limit, n, seconds to live. Checks all, then counts. */
static const char script_text[] =
	"local per = #KEYS / 6 "
	"redis.call('TIME') redis.call('GET', 'tollgate:epoch:bench') "
	"local v = redis.call('MGET', unpack(KEYS)) "
	"for i = 0, 5 do local sum = tonumber(ARGV[2]) "
	"  for k = 1, per do sum = sum + (tonumber(v[i * per + k]) or 0) end "
	"  if sum > tonumber(ARGV[1]) then return -i - 1 end end "
	"for i = 0, 5 do local key = KEYS[i * per + 1] "
	"  if redis.call('INCRBY', key, ARGV[2]) == tonumber(ARGV[2]) then "
	"    redis.call('EXPIRE', key, ARGV[3]) end end "
	"return 1";
static char script_sha[64];

static struct line l;
static clockid_t redis_cpu;
static uint64_t chance = 88172645463325252u;

static unsigned
draw(unsigned below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)(chance % below);
}

/* The CPU clock of another running process is updated only at ticks of some ms: so Redis must
 * be idle first. */
static double
cpu_us(void)
{
	struct timespec t;

	run_for(REST_US);
	clock_gettime(redis_cpu, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- the daemon's engine ---- */

struct slot {
	struct ask ask;
	bool idle;
};
static struct slot slots[FLIGHT];
static unsigned answered, refused;

static void
on_reserved(struct quota_request *q)
{
	struct slot *s = q->arg;

	answered++;
	refused += q->result != QUOTA_ADMITTED;
	s->idle = true;
}

static void
fill(struct quota_request *q, const struct shape *shape)
{
	q->ndims = shape->limits;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		*d = (struct quota_dim){ .unit = shape->unit,
			.span.kind = shape->kind,
			.span.window_s = 60,
			.span.calendar = k % 2 ? QUOTA_DAY : QUOTA_MONTH,
			.limit = 1ull << 50,
			.n = shape->unit == QUOTA_TOKENS ? 1500 : 1,
			.hold_s = 900,
			.orphan = shape->orphan,
			.name = "bench" };
		snprintf(d->key, sizeof(d->key), "tollgate:q:{limit%zu:%024u}", k,
			draw(shape->values));
	}
}

static void
reserve(struct slot *s, const struct shape *shape)
{
	memset(&s->ask, 0, sizeof(s->ask));
	fill(&s->ask.q, shape);
	s->ask.q.done = on_reserved;
	s->ask.q.arg = s;
	s->idle = false;
	quota_reserve(l.quota, &s->ask.q);
}

static void
turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
	mailbox_drain(&self, NULL);
}

/* So many reservations, none of them settled; returns the CPU time of each. */
static double
reserve_many(const struct shape *shape, unsigned count)
{
	double began = cpu_us();

	answered = 0;
	for (unsigned asked = 0; answered < count; turn())
		for (size_t i = 0; i < FLIGHT && asked < count; i++)
			if (slots[i].idle) {
				reserve(&slots[i], shape);
				asked++;
			}
	return (cpu_us() - began) / count;
}

/* Pipelines without the engine. */
static unsigned pipe_answers, pipe_flight;

static void
on_script(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	(void)arg;
	pipe_answers++;
	pipe_flight--;
	if (err || n != 1 || replies[0].err || replies[0].i != 1)
		refused++;
}

static void
on_counted(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	bool bad = err || n == 0;

	(void)arg;
	for (size_t i = 0; !err && i < n; i++)
		bad |= replies[i].err != 0;
	pipe_answers++;
	pipe_flight--;
	refused += bad;
}

/* Returns when all earlier commands are done. */
static void
await_all(void)
{
	struct redis_pipe *p = redis_begin(l.redis, 1, on_counted, NULL, 0);

	redis_command(p, 1, (const char *[]){ "PING" }, (size_t[]){ 4 });
	redis_send(p);
	pipe_flight++;
	while (pipe_flight)
		turn();
}

/* Reserved outside the measurement, settled in turns. */
static double
settle_many(const struct shape *shape, unsigned rounds)
{
	double us = 0;

	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < FLIGHT; i++)
			reserve(&slots[i], shape);
		for (answered = 0; answered < FLIGHT;)
			turn();
		await_all();
		double began = cpu_us();
		for (size_t i = 0; i < FLIGHT; i++) {
			struct quota_request *q = &slots[i].ask.q;
			for (size_t k = 0; k < DIMS; k++)
				q->dim[k].actual = shape->unit == QUOTA_TOKENS ? 700 : 0;
			quota_settle(l.quota, q, clock_mono_us());
		}
		await_all();
		us += cpu_us() - began;
	}
	return us / (rounds * FLIGHT);
}

/* ---- counting only ---- */

static void
count_ask(const struct shape *shape)
{
	struct redis_pipe *p = redis_begin(l.redis, DIMS, on_counted, NULL, 0);
	struct quota_request q;

	memset(&q, 0, sizeof(q));
	fill(&q, shape);
	for (size_t k = 0; k < q.ndims; k++) {
		struct quota_dim *d = &q.dim[k];
		char key[CELL_KEY_TEXT];
		d->at = cell_place(d, redis_life_ms(redis_life(l.redis), clock_mono_us()),
			redis_life(l.redis)->epoch);
		size_t n = cell_key(key, d, d->at.epoch, cell_own(d, &d->at));
		redis_command(
			p, 3, (const char *[]){ "INCRBY", key, "1500" }, (size_t[]){ 6, n, 4 });
	}
	redis_send(p);
	pipe_flight++;
}

/* ---- the script ---- */

static void
script_ask(const struct shape *shape)
{
	enum { KEYS_MAX = DIMS * 12 };
	static char keys[KEYS_MAX][CELL_KEY_TEXT];
	const char *argv[3 + KEYS_MAX + 3] = { "EVALSHA", script_sha };
	size_t lens[3 + KEYS_MAX + 3] = { 7, strlen(script_sha) };
	struct quota_request q;
	char count[SPAN_DECIMAL];
	int n = 3;

	memset(&q, 0, sizeof(q));
	fill(&q, shape);
	for (size_t k = 0; k < DIMS; k++) {
		struct quota_dim *d = &q.dim[k];
		struct cell cells[CELL_READ_MAX + 1];
		size_t ncells = 0;
		int64_t now_ms = redis_life_ms(redis_life(l.redis), clock_mono_us());
		d->asked_s = now_ms / 1000;
		d->at = cell_place(d, now_ms, redis_life(l.redis)->epoch);
		cells[ncells++] = cell_own(d, &d->at);
		if (shape->kind == QUOTA_ROLLING)
			for (int64_t i = 1; i <= QUOTA_SUB_BUCKETS + 1; i++)
				cells[ncells++] = (struct cell){ CELL_SUB,
					d->at.bucket - (i > 10 ? -1 : i) };
		else if (shape->unit == QUOTA_TOKENS && shape->orphan == QUOTA_ORPHAN_CHARGE)
			cells[ncells++] = (struct cell){ CELL_USED, d->at.bucket };
		for (size_t i = 0; i < ncells; i++, n++) {
			lens[n] = cell_key(keys[n - 3], d, d->at.epoch, cells[i]);
			argv[n] = keys[n - 3];
		}
	}
	argv[2] = count;
	lens[2] = span_decimal(count, n - 3);
	static const char *const tail[] = { "1125899906842624", "1500", "3600" };
	for (int i = 0; i < 3; i++, n++) {
		argv[n] = tail[i];
		lens[n] = strlen(tail[i]);
	}
	struct redis_pipe *p = redis_begin(l.redis, 1, on_script, NULL, 0);
	redis_command(p, n, argv, lens);
	redis_send(p);
	pipe_flight++;
}

static double
ask_many(void (*ask_one)(const struct shape *), const struct shape *shape, unsigned count)
{
	double began = cpu_us();

	pipe_answers = 0;
	for (unsigned asked = 0; pipe_answers < count; turn())
		while (pipe_flight < FLIGHT && asked < count) {
			ask_one(shape);
			asked++;
		}
	return (cpu_us() - began) / count;
}

static double
script_many(const struct shape *shape, unsigned count)
{
	return ask_many(script_ask, shape, count);
}

static double
count_many(const struct shape *shape, unsigned count)
{
	return ask_many(count_ask, shape, count);
}

/* ---- tables ---- */

static const struct column {
	const char *name;
	double (*round)(const struct shape *, unsigned count);
	unsigned run_up, count;
} columns[] = {
	{ "reserve", reserve_many, RUN_UP, ROUND },
	{ "6 INCRBY", count_many, RUN_UP, ROUND },
	{ "EVALSHA", script_many, RUN_UP / 4, ROUND / 4 },
	{ "settle", settle_many, 1, SETTLE_ROUND },
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static bool
has_column(const struct shape *shape, const struct column *c)
{
	return c->round == script_many	 ? shape->orphan == QUOTA_ORPHAN_CHARGE
	       : c->round == settle_many ? shape->settles
					 : true;
}

static void
empty(void)
{
	if (refused)
		fprintf(stderr, "quota: %u were refused\n", refused);
	refused = 0;
	redis_rig_do(&server, "FLUSHALL");
	run_for(700000);
}

static void
print_lone(const struct shape *shape)
{
	reserve_many(shape, WARM);
	double us = reserve_many(shape, ROUND), cpu;
	for (int i = 1; i < ROUNDS; i++)
		us = fmin(us, reserve_many(shape, ROUND));
	cpu = cpu_us();
	uint64_t began = clock_mono_us();
	reserve_many(shape, MANY);
	double took = (double)(clock_mono_us() - began);
	printf("%-44s %9.2f %9.0f %8.0f%%\n", shape->name, us, MANY * 1e6 / took,
		(cpu_us() - cpu) * 100 / took);
	fflush(stdout);
	empty();
}

/* All columns in turn, so that the load of the machine affects each of them. */
static void
print_shape(const struct shape *shape)
{
	double us[COLUMNS];

	reserve_many(shape, WARM);
	for (int i = 0; i < ROUNDS; i++)
		for (size_t c = 0; c < COLUMNS; c++) {
			if (!has_column(shape, &columns[c]))
				continue;
			columns[c].round(shape, columns[c].run_up);
			double now = columns[c].round(shape, columns[c].count);
			us[c] = i ? fmin(us[c], now) : now;
		}
	printf("%-44s", shape->name);
	for (size_t c = 0; c < COLUMNS; c++)
		has_column(shape, &columns[c]) ? printf(" %9.2f", us[c]) : printf(" %9s", "-");
	printf("\n");
	fflush(stdout);
	empty();
}

static bool
chosen(const struct shape *shape, char **names)
{
	bool any = *names == NULL;

	for (; *names; names++)
		any |= strstr(shape->name, *names) != NULL;
	return any;
}

int
main(int argc, char **argv)
{
	(void)argc;
	signal(SIGPIPE, SIG_IGN);
	quota_setup(NULL);
	if (!server.pid)
		return 2;
	clock_getcpuclockid(server.pid, &redis_cpu);
	redisReply *sha = redisCommand(server.c, "SCRIPT LOAD %s", script_text);
	snprintf(script_sha, sizeof(script_sha), "%s", sha->str);
	freeReplyObject(sha);
	line_up(&l, 2000000);
	run_until_up(l.redis, 2000000);
	for (size_t i = 0; i < FLIGHT; i++)
		slots[i].idle = true;
	printf("%-44s", "us of Redis' CPU each");
	for (size_t c = 0; c < COLUMNS; c++)
		printf(" %9s", columns[c].name);
	printf("\n");
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		if (chosen(&shapes[s], argv + 1))
			print_shape(&shapes[s]);
	printf("\n%-44s %9s %9s %9s\n", "a request with one limit", "us each", "a second",
		"busy");
	for (size_t s = 0; s < sizeof(lone) / sizeof(lone[0]); s++)
		if (chosen(&lone[s], argv + 1))
			print_lone(&lone[s]);
	line_down(&l);
	return quota_teardown(NULL);
}
