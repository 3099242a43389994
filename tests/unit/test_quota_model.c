/* A model of how limits are counted. It is run through every order in which the steps of a few
 * daemons can occur: reserve, release, settle, expire, a lost reply, a crash, a clock that
 * advances. In a separate run, Redis loses its data. Each daemon counts again what it admitted,
 * and reserves nothing until the engine's life_next() returns that all have done so. One daemon
 * may be lost with the data; then the others continue with their life_share(). In every state,
 * the admitted amount is at most the limit and no counter is negative. In the end, nothing is
 * left of released amounts. Each seeded fault must be detected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fnv.h"
#include "budget/quota/quota_cell.h"
#include "budget/quota/quota_lives.h"

enum { CLIENTS = 3, DIMS = 2, LAST_TICK = 3, BUCKETS = LAST_TICK + 3, SUB = 2 };

/* One counter decides; holds that expire beside the used amount; sub-buckets. */
enum shape { TOTAL, HOLDS, ROLLING };

enum fault {
	SOUND,
	READS_FIRST,	   /* and then counts */
	READS_SPENT_FIRST, /* and reads the held amount in a later step */
	FREES_FIRST,	   /* releases the hold, then counts the used amount */
	TRUSTS_ITS_CLOCK,  /* does not read the time after it counted */
	UNDOES_SILENCE,	   /* releases an amount that may never have been counted */
	KEEPS_REFUSED,	   /* does not release a refused amount */
	FORGETS,	   /* does not count its admitted amounts again after a loss */
	GOES_ON_ALONE,	   /* counts its own again, and does not wait for the others */
	SAYS_IT_FIRST,	   /* announces itself, and then counts its own again */
	WAITS_FOR_FEWER,   /* than took part */
	TAKES_ALL,	   /* takes the whole limit although not all came */
};

enum at {
	IDLE,
	ADDING,
	READING,
	READING_HELD, /* a fault's second step */
	ASKING,	      /* reads the time */
	DECIDING,
	UNDOING,
	LET_GO,
	SPENDING,
	FREEING,
	DONE,
	SILENT, /* no reply: the request is not admitted */
	DEAD,
};

struct client {
	int8_t at, dim, bucket, time;
	int8_t own[DIMS], other[DIMS];		   /* counts that it read */
	int8_t counted[DIMS];			   /* reserved amounts that were counted */
	int8_t spends[DIMS];			   /* and used amounts */
	int8_t came;				   /* counted again in the current epoch */
	int8_t life;				   /* enum life_state */
	int8_t part; /* only a part of the limit, because not all came */
	int8_t gone; /* lost with the data, and does not return */
	int8_t admitted, settled, used, recovered; /* settled: the amount has begun to count */
};

struct state {
	struct client c[CLIENTS];
	int8_t total[DIMS]; /* or the held amount */
	int8_t spent[DIMS];
	int8_t bucket[BUCKETS];
	int8_t now, crashes, lives;
};

static const int8_t limits[DIMS] = { 4, 5 }, takes[CLIENTS] = { 2, 3, 2 },
		    uses[CLIENTS] = { 1, 3, 0 };

/* ---- the visited states ---- */

enum { SEEN_BITS = 22 };
static struct state *seen;
static uint8_t *filled;
static size_t nseen;

static bool
see(const struct state *s)
{
	uint64_t h = fnv64_bytes(FNV64_BASIS, s, sizeof(*s));

	for (size_t i = (h ^ h >> 29) & ((1u << SEEN_BITS) - 1);;
		i = (i + 1) & ((1u << SEEN_BITS) - 1)) {
		if (!filled[i]) {
			filled[i] = 1;
			seen[i] = *s;
			assert_true(++nseen < 3u << (SEEN_BITS - 2));
			return true;
		}
		if (memcmp(&seen[i], s, sizeof(*s)) == 0)
			return false;
	}
}

/* ---- the steps of a client ---- */

static enum shape shape;
static enum fault fault;
static unsigned found; /* number of violations */
static bool loses;     /* Redis loses its data once; there is no crash and no lost reply */

static int8_t
dims(void)
{
	return shape == ROLLING ? 1 : DIMS;
}

static int8_t *
own_of(struct state *s, const struct client *c, int d)
{
	return shape == ROLLING ? &s->bucket[c->bucket] : &s->total[d];
}

static void
next_dim(struct client *c, enum at then)
{
	if (++c->dim < dims())
		return;
	c->dim = 0;
	c->at = (int8_t)then;
}

static void
add(struct state *s, struct client *c, int8_t n)
{
	int8_t *own = own_of(s, c, c->dim);

	/* Amounts that are not counted again yet are counted with this one. */
	*own = (int8_t)(*own + (c->came ? n : 0));
	if (fault != READS_FIRST)
		c->own[c->dim] = *own;
	c->counted[c->dim] = (int8_t)(c->counted[c->dim] + n);
}

static void
read_others(struct state *s, struct client *c)
{
	int d = c->dim;

	if (shape == HOLDS) {
		c->other[d] = s->spent[d];
		c->own[d] = s->total[d];
		return;
	}
	c->other[d] = 0;
	for (int b = c->bucket - SUB; b <= c->bucket + 1; b++)
		if (b >= 0 && b < BUCKETS && b != c->bucket)
			c->other[d] = (int8_t)(c->other[d] + s->bucket[b]);
	if (fault == READS_FIRST)
		c->own[d] = s->bucket[c->bucket];
}

/* The limit by lives_share(). */
static uint64_t
limit_of(const struct client *c, int d)
{
	return c->part && fault != TAKES_ALL
		       ? life_share((uint64_t)limits[d], CLIENTS - 1, CLIENTS)
		       : (uint64_t)limits[d];
}

/* The daemon's own function decides where possible: cell_judge(). */
static bool
fits(const struct client *c, int d, int8_t n)
{
	struct quota_dim dim = { .span.kind = QUOTA_CALENDAR,
		.unit = QUOTA_TOKENS,
		.orphan = shape == HOLDS ? QUOTA_ORPHAN_DROP : QUOTA_ORPHAN_CHARGE,
		.limit = limit_of(c, d),
		.n = (uint64_t)n };
	/* A client that reads first adds its own amount to the count. */
	int64_t mine = fault == READS_FIRST ? n : 0, retry_ms, used = c->other[d];

	if (shape == ROLLING)
		return c->own[d] + c->other[d] + mine <= (int64_t)limit_of(c, d);
	return cell_judge(&dim,
		&(struct window_counts){ .own = c->own[d] + mine, .near = &used }, 0, &retry_ms);
}

static void
decide(struct client *c, int8_t n)
{
	bool yes = shape != ROLLING || fault == TRUSTS_ITS_CLOCK || c->time == c->bucket;

	for (int d = 0; d < dims(); d++)
		yes = yes && fits(c, d, n);
	memset(c->own, 0, sizeof(c->own));
	memset(c->other, 0, sizeof(c->other));
	c->time = 0;
	c->admitted = yes;
	c->at = yes ? LET_GO : fault == KEEPS_REFUSED ? DONE : UNDOING;
}

static enum at
after_adding(void)
{
	if (fault == READS_FIRST)
		return shape == ROLLING ? ASKING : DECIDING;
	return shape == ROLLING ? ASKING : shape == HOLDS ? READING : DECIDING;
}

static void
step(struct state *s, int i)
{
	struct client *c = &s->c[i];
	int8_t n = takes[i], a = c->recovered ? n : uses[i];
	int d = c->dim;

	switch ((enum at)c->at) {
	case IDLE:
		c->at = fault == READS_FIRST && shape != TOTAL ? READING : ADDING;
		c->bucket = s->now;
		break;
	case ADDING:
		add(s, c, n);
		next_dim(c, after_adding());
		break;
	case READING:
		if (shape == HOLDS && fault == READS_SPENT_FIRST) {
			c->other[d] = s->spent[d];
			c->at = READING_HELD;
			break;
		}
		read_others(s, c);
		next_dim(c, fault == READS_FIRST ? ADDING : DECIDING);
		break;
	case READING_HELD:
		c->own[d] = s->total[d];
		c->at = READING;
		next_dim(c, DECIDING);
		break;
	case ASKING:
		c->time = s->now;
		c->at = fault == READS_FIRST ? DECIDING : READING;
		break;
	case DECIDING: decide(c, n); break;
	case UNDOING:
		add(s, c, (int8_t)-n);
		next_dim(c, DONE);
		break;
	case LET_GO:
		c->used = a;
		c->settled = 1;
		c->at = shape == ROLLING || fault == FREES_FIRST ? FREEING : SPENDING;
		break;
	case SPENDING:
		s->spent[d] = (int8_t)(s->spent[d] + (c->came ? c->used : 0));
		c->spends[d] = (int8_t)(c->spends[d] + c->used);
		next_dim(c, fault == FREES_FIRST ? DONE : FREEING);
		break;
	case FREEING:
		if (c->counted[d])
			add(s, c, (int8_t)(shape == HOLDS ? -n : c->used - n));
		next_dim(c, fault == FREES_FIRST && shape != ROLLING ? SPENDING : DONE);
		break;
	default: break;
	}
}

/* ---- another epoch of the data ---- */

/* A reservation in progress begins again; a release in progress is void anyway. */
static void
lose_all(struct state *s)
{
	memset(s->total, 0, sizeof(s->total));
	memset(s->spent, 0, sizeof(s->spent));
	memset(s->bucket, 0, sizeof(s->bucket));
	s->lives++;
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &s->c[i];
		bool decided = c->at >= LET_GO;
		if (decided && fault == FORGETS)
			*c = (struct client){ .at = DONE,
				.admitted = c->admitted,
				.settled = 1,
				.bucket = c->bucket,
				.used = c->settled ? c->used : takes[i] };
		else if (!decided)
			*c = (struct client){ .at = c->at == UNDOING ? DONE : IDLE };
		c->came = fault == FORGETS;
		c->life = fault == FORGETS ? LIFE_SETTLED : LIFE_PUBLISHES;
	}
}

/* Counts its admitted amounts again. */
static void
come(struct state *s, struct client *c)
{
	for (int d = 0; d < dims(); d++) {
		int8_t *own = own_of(s, c, d);
		*own = (int8_t)(*own + c->counted[d]);
		s->spent[d] = (int8_t)(s->spent[d] + c->spends[d]);
	}
	c->came = 1;
}

/* Continues in the current epoch: announces itself, or reads who else did. `late`: it has
 * waited for long. */
static void
live(const struct state *s, struct client *c, bool late)
{
	struct life_facts f = { .added = c->came || fault == SAYS_IT_FIRST,
		.expected = fault == GOES_ON_ALONE     ? 0
			    : fault == WAITS_FOR_FEWER ? CLIENTS - 1
						       : CLIENTS,
		.waited_us = late ? UINT64_MAX : 0 };

	for (int i = 0; i < CLIENTS; i++)
		f.came += s->c[i].life >= LIFE_SETTLES && !s->c[i].gone;
	c->life = (int8_t)life_next((enum life_state)c->life, &f);
	c->part = c->life == LIFE_SETTLED && f.came < f.expected;
}

static bool
one_is_gone(const struct state *s)
{
	for (int i = 0; i < CLIENTS; i++)
		if (s->c[i].gone)
			return true;
	return false;
}

/* Before its epoch is settled, a daemon counts nothing new. Once it has counted its admitted
 * amounts again, it holds back their corrections. */
static bool
may_step(const struct client *c)
{
	if (c->at >= DONE || c->gone)
		return false;
	return c->life == LIFE_SETTLED || (c->at >= LET_GO && !c->came);
}

/* A deadline has passed: its held amount expires. */
static bool
expires(struct state *s, int i)
{
	struct client *c = &s->c[i];
	bool any = false;

	if (shape != HOLDS || (c->at != DEAD && c->at != SILENT))
		return false;
	for (int d = 0; d < DIMS; d++) {
		any |= c->counted[d] != 0;
		s->total[d] = (int8_t)(s->total[d] - c->counted[d]);
		c->counted[d] = 0;
	}
	c->admitted = 0; /* dropped, as configured */
	return any;
}

/* ---- invariants ---- */

/* Returns what counts as admitted in each dimension: the used amount once it is known, else the
 * reserved one. */
static int
let_go(const struct state *s, int from, int to)
{
	int sum = 0;

	for (int i = 0; i < CLIENTS; i++) {
		const struct client *c = &s->c[i];
		if (c->admitted && (shape != ROLLING || (c->bucket >= from && c->bucket <= to)))
			sum += c->settled ? c->used : takes[i];
	}
	return sum;
}

/* A client that was lost with the data may have admitted everything: the others have a share in
 * addition. */
static int
most(const struct state *s, int d)
{
	int share = (int)life_share((uint64_t)limits[d], CLIENTS - 1, CLIENTS);

	return limits[d] + (one_is_gone(s) ? share : 0);
}

static bool
holds(const struct state *s)
{
	bool calm = true;

	for (int i = 0; i < CLIENTS; i++)
		calm = calm && s->c[i].at == DONE && s->c[i].came && !s->c[i].gone;
	for (int d = 0; d < dims(); d++) {
		for (int b = 0; b + SUB < BUCKETS; b++)
			if (let_go(s, b, b + SUB) > most(s, d))
				return false;
		if (s->total[d] < 0 || s->spent[d] < 0)
			return false;
		int used = let_go(s, 0, BUCKETS);
		if (calm && shape == TOTAL && (s->total[d] != used || s->spent[d] != used))
			return false;
		if (calm && shape == HOLDS && (s->total[d] != 0 || s->spent[d] != used))
			return false;
	}
	int sum = 0;
	for (int b = 0; b < BUCKETS; b++) {
		if (s->bucket[b] < 0)
			return false;
		sum += s->bucket[b];
	}
	return !(calm && shape == ROLLING && sum != let_go(s, 0, BUCKETS));
}

/* ---- all orders ---- */

static void walk(const struct state *s);

static void
lose(const struct state *s, int i)
{
	struct state next = *s;
	struct client *c = &next.c[i];

	/* The reply is lost, or the command never arrived. */
	if (s->c[i].at == DECIDING) {
		c->at = fault == UNDOES_SILENCE ? UNDOING : SILENT;
		walk(&next);
	}
	if (s->c[i].at == IDLE) {
		next = *s;
		c->at = fault == UNDOES_SILENCE ? UNDOING : SILENT;
		walk(&next);
	}
}

static void
crash(const struct state *s, int i)
{
	struct state next = *s;
	struct client *c = &next.c[i];

	if (s->crashes || c->at == IDLE || c->at >= DONE)
		return;
	next.crashes = 1;
	c->at = DEAD;
	walk(&next);
	/* Restarted: an admitted and unsettled amount counts as reserved. */
	if (s->c[i].at == LET_GO) {
		next = *s;
		next.crashes = 1;
		c->recovered = 1;
		walk(&next);
	}
}

static void
walk_life(const struct state *s, int i)
{
	struct state next = *s;
	const struct client *c = &s->c[i];

	if (c->gone || (c->came && c->life == LIFE_SETTLED))
		return;
	if (!c->came) {
		come(&next, &next.c[i]);
		/* announcing it later is covered by a client that comes later */
		live(s, &next.c[i], false);
		walk(&next);
		if (fault != SAYS_IT_FIRST)
			return;
		next = *s;
	}
	live(s, &next.c[i], one_is_gone(s));
	walk(&next);
	next = *s;
	live(s, &next.c[i], false);
	walk(&next);
}

static void
walk(const struct state *s)
{
	if ((found && fault) || !see(s))
		return;
	if (!holds(s)) {
		found++;
		return;
	}
	for (int i = 0; i < CLIENTS; i++) {
		struct state next = *s;
		if (may_step(&s->c[i])) {
			step(&next, i);
			walk(&next);
		}
		walk_life(s, i);
		/* A client whose clock is ahead or behind. */
		for (int8_t skew = -1;
			shape == ROLLING && !loses && i == 0 && s->c[i].at == IDLE && skew <= 1;
			skew += 2) {
			next = *s;
			step(&next, i);
			next.c[i].bucket = (int8_t)(s->now + skew);
			if (next.c[i].bucket >= 0)
				walk(&next);
		}
		next = *s;
		if (expires(&next, i))
			walk(&next);
		if (!loses) {
			lose(s, i);
			crash(s, i);
		}
	}
	if (loses && s->lives == 0) {
		struct state next = *s;
		lose_all(&next);
		walk(&next);
		/* shares apply to rolling windows */
		next.c[1].gone = shape == ROLLING;
		walk(&next);
	}
	if (shape == ROLLING && s->now < LAST_TICK - loses) {
		struct state next = *s;
		next.now++;
		walk(&next);
	}
}

static size_t
walk_all(enum shape of, enum fault with)
{
	struct state first;

	memset(&first, 0, sizeof(first));
	for (int i = 0; i < CLIENTS; i++) {
		first.c[i].came = 1;
		first.c[i].life = LIFE_SETTLED;
	}
	memset(filled, 0, (size_t)1 << SEEN_BITS);
	shape = of;
	fault = with;
	nseen = found = 0;
	walk(&first);
	return nseen;
}

static void
no_order_admits_too_much(void **state)
{
	static const char *const names[] = { "one counter decides", "holds that expire",
		"sub-buckets" };

	(void)state;
	for (int i = 0; i < 6; i++) {
		enum shape of = (enum shape)(i % 3);
		loses = i >= 3;
		size_t n = walk_all(of, SOUND);
		print_message(
			"%s%s: %zu states\n", names[of], loses ? ", Redis loses all" : "", n);
		if (found)
			fail_msg("%s: %u states break the limit, or leak", names[of], found);
		assert_true(n > 10000);
	}
}

static void
seeded_fault_is_detected(void **state)
{
	static const struct {
		const char *name;
		enum shape shape;
		enum fault fault;
	} rows[] = {
		{ "reads before it counts, of holds", HOLDS, READS_FIRST },
		{ "reads before it counts, of sub-buckets", ROLLING, READS_FIRST },
		{ "reads what is spent before what is held", HOLDS, READS_SPENT_FIRST },
		{ "gives back before it counts what was spent", HOLDS, FREES_FIRST },
		{ "counts by its own clock", ROLLING, TRUSTS_ITS_CLOCK },
		{ "takes back what was never counted", TOTAL, UNDOES_SILENCE },
		{ "keeps what was refused", TOTAL, KEEPS_REFUSED },
		{ "keeps what was refused, of holds", HOLDS, KEEPS_REFUSED },
		{ "forgets what Redis lost", TOTAL, FORGETS },
		{ "forgets what Redis lost, of holds", HOLDS, FORGETS },
		{ "forgets what Redis lost, of sub-buckets", ROLLING, FORGETS },
		{ "does not wait until all have counted again", TOTAL, GOES_ON_ALONE },
		{ "does not wait, of holds", HOLDS, GOES_ON_ALONE },
		{ "does not wait, of sub-buckets", ROLLING, GOES_ON_ALONE },
		{ "says that it came before it counted", TOTAL, SAYS_IT_FIRST },
		{ "says that it came before, of sub-buckets", ROLLING, SAYS_IT_FIRST },
		{ "does not wait for the last one", TOTAL, WAITS_FOR_FEWER },
		{ "does not wait for the last one, of holds", HOLDS, WAITS_FOR_FEWER },
		{ "takes all where not all came", ROLLING, TAKES_ALL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		loses = rows[i].fault >= FORGETS;
		walk_all(rows[i].shape, rows[i].fault);
		if (!found)
			fail_msg("not found: %s", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_admits_too_much),
		cmocka_unit_test(seeded_fault_is_detected),
	};

	seen = malloc(sizeof(*seen) << SEEN_BITS);
	filled = malloc((size_t)1 << SEEN_BITS);
	if (!seen || !filled)
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(seen);
	free(filled);
	return failed;
}
