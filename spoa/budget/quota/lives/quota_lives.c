/* The epochs of Redis' data, in which a worker takes part (quota_lives.h has the states). In
 * the code an epoch is a "life".
 *
 * The file has three parts: the names of workers, by which missing workers are recognized;
 * publishing, which adds the ledger's sums to a new epoch; and the states of an epoch, with
 * the beat that every worker sends. lives_turn() runs once in each turn of the loop and moves
 * each epoch as far as it can go.
 *
 * A worker's name is a number of 64 bits: 32 are a hash of the node's name, 22 identify the
 * process, and 10 are the worker's place in that process. */
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/lives/quota_lives_private.h"
#include "budget/quota/quota_lives.h"

static void leave_life(struct life *l);
static struct redis_pipe *lives_begin(
	struct quota *qt, const struct life *l, size_t commands, redis_cb *cb);
static struct life *lives_find(const struct quota_lives *l, uint64_t epoch);

enum { PLACE_BITS = 10, PROCESS_BITS = 22, NODE_SHIFT = PLACE_BITS + PROCESS_BITS };

#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)

uint64_t
worker_name(uint64_t node, uint64_t process, unsigned place)
{
	uint64_t low = (process << PLACE_BITS | (place & PLACE_MASK)) & UINT32_MAX;

	return node << NODE_SHIFT | low;
}

void
names_read(struct names *out, const struct span *pairs, size_t n)
{
	out->n = 0;
	for (size_t i = 0; i < n && out->n < NAMES_MAX; i++) {
		struct span s = pairs[2 * i];
		bool below = s.n && s.p[0] == '-';
		uint64_t id;
		if (below)
			s = span_of(s.p + 1, s.n - 1);
		if (span_u64(s, &id) == 0)
			out->id[out->n++] = below ? -id : id;
	}
}

size_t
names_nodes(const struct names *is)
{
	size_t nodes = 0;

	INVARIANT(is->n <= NAMES_MAX);
	for (size_t i = 0; i < is->n; i++) {
		size_t k = 0;
		while (k < i && is->id[k] >> NODE_SHIFT != is->id[i] >> NODE_SHIFT)
			k++;
		nodes += k == i;
	}
	return nodes;
}

static bool
holds_process(const struct names *is, uint64_t id)
{
	for (size_t i = 0; i < is->n; i++)
		if (is->id[i] >> PLACE_BITS == id >> PLACE_BITS)
			return true;
	return false;
}

uint64_t
quota_node_gone(uint64_t node)
{
	return (node & UINT32_MAX) | UINT64_C(1) << NODE_SHIFT;
}

/* Returns true if the worker's node is retired. */
static bool
name_is_gone(const struct quota_daemon *d, uint64_t id)
{
	for (size_t i = 0; d && i < QUOTA_GONE_MAX; i++) {
		uint64_t gone = d->gone[i];
		if (!gone || gone == quota_node_gone(id >> NODE_SHIFT))
			return gone != 0;
	}
	return false;
}

bool
names_back(const struct names *missed, const struct names *is, const struct quota_daemon *d)
{
	for (size_t m = 0; m < missed->n; m++) {
		uint64_t id = missed->id[m];
		bool back = name_is_gone(d, id);
		for (size_t i = 0; i < is->n && !back; i++)
			back = is->id[i] == id ||
			       (is->id[i] >> NODE_SHIFT == id >> NODE_SHIFT &&
				       !(is->id[i] & PLACE_MASK) &&
				       !holds_process(missed, is->id[i]));
		if (!back)
			return false;
	}
	return true;
}

/* ---- publishing: adding admitted amounts to a new epoch ----
 *
 * The amounts are those that this worker admitted in former epochs, and those that the
 * journal has for an earlier daemon. */

enum {
	/* counters of a pipeline; each turn of the loop sends one pipeline for each server */
	PUBLISH_MAX = 256,
	PUBLISH_COMMANDS = 3,	 /* commands for each counter */
	PUBLISH_ADDS = 1,	 /* index of the one that adds */
	RECALLED_S = 32 * 86400, /* no window is longer */
	SLACK_S = 60,		 /* a key outlives its window by this */
};

static void
on_published(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (!l)
		return;
	/* SET NX returns no number if the key exists, so only the reply to the addition is
	 * checked. */
	for (size_t i = 0; i < n && !err; i++)
		err = i % PUBLISH_COMMANDS == PUBLISH_ADDS ? replies[i].err : 0;
	l->unanswered--;
	l->spoilt |= err != 0;
}

/* ---- amounts that move from a former epoch ---- */

/* In a cluster the counters of the former epoch may still exist: they have moved with their
 * slot, or a replica has them. Each worker subtracts from them what it has added to the new
 * epoch, so that the sum of both is the admitted amount. */
struct taken {
	struct asked asked;
	size_t n;
	struct {
		uint64_t epoch;
		int64_t sum, ttl_s;
		size_t kn;
		char key[CELL_KEY_TEXT];
	} of[PUBLISH_MAX];
};

static void
note_taken_part(
	struct taken *t, const struct ledger_entry *e, const struct quota_dim *d, int64_t ttl_s)
{
	size_t i = t->n++;

	INVARIANT(i < PUBLISH_MAX && e->epoch != t->asked.epoch);
	/* drop the notes before the count becomes smaller, because notes must never exceed the
	 * count */
	if (e->cell.kind == CELL_SUB)
		notes_drop(t->asked.quota, e->key, e->epoch, e->cell.id);
	t->of[i].epoch = e->epoch;
	t->of[i].sum = e->sum;
	t->of[i].ttl_s = ttl_s;
	t->of[i].kn = cell_key(t->of[i].key, d, e->epoch, e->cell);
}

/* A counter below zero shows that Redis had lost a part of it. This worker gives back what the
 * counter lacks, so that the amounts of other workers in it are not hidden. It gives back at
 * most what it took: another worker may have taken its own amount in between, and gives that
 * back itself. */
static void
on_taken(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct taken *t = arg;
	struct quota *qt = TAGGED(asked, arg)->quota;
	struct life *l = lives_find(qt->lives, t->asked.epoch), *was;

	for (size_t i = 0; i < t->n; i++) {
		size_t at = PUBLISH_COMMANDS * i + PUBLISH_ADDS;
		if (err || at >= n || replies[at].err) {
			if ((was = lives_find(qt->lives, t->of[i].epoch)))
				was->unsure = true;
		} else if (replies[at].i < 0) {
			int64_t back = replies[at].i < -t->of[i].sum ? t->of[i].sum
								     : -replies[at].i;
			if (l)
				l->lost++;
			if (back <= 0)
				continue;
			struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);
			key_add(p, t->of[i].key, t->of[i].kn, back, 0, ADD_ONLY);
			redis_send(p);
		}
	}
	if (l)
		l->unanswered--;
}

static void
take_from_former(struct quota *qt, struct life *l, const struct taken *t)
{
	struct redis_pipe *p =
		redis_begin(qt->redis, PUBLISH_COMMANDS * t->n, on_taken, t, sizeof(*t));

	for (size_t i = 0; i < t->n; i++)
		key_add(p, t->of[i].key, t->of[i].kn, -t->of[i].sum,
			t->of[i].ttl_s, ADD_WITH_TTL);
	l->unanswered++;
	redis_send(p);
}

/* ---- amounts of an earlier daemon ---- */

/* Moves at most ARGV[1] of KEYS[1] to KEYS[2], which gets the TTL ARGV[2]. */
static const char move_most[] =
	"local m=math.min(tonumber(ARGV[1]),tonumber(redis.call('GET',KEYS[1])or 0))"
	"if m>0 then redis.call('DECRBY',KEYS[1],m)redis.call('INCRBY',KEYS[2],m)"
	"redis.call('EXPIRE',KEYS[2],ARGV[2])end return m";

/* If Redis forbids EVAL, the amount is taken as moved. */
static void
on_moved(void *arg, int err UNUSED, const struct redis_reply_ints *replies UNUSED, size_t n UNUSED)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (l)
		l->unanswered--;
}

/* The slot of a counter has moved to a node in whose epoch the earlier daemon took part. If that
 * daemon still ran then, it has moved its amount itself. Otherwise the amount is still in the
 * counter of the former epoch, which has moved with the slot. */
static void
move_what_is_left(struct quota *qt, struct life *l, const struct ledger_entry *e, int64_t now_ms)
{
	struct quota_dim d = { .span.calendar = e->calendar };
	char from[CELL_KEY_TEXT], to[CELL_KEY_TEXT], most[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	int64_t ttl_s = e->cell.kind == CELL_SUB ? e->ttl_s
						 : (e->ends_ms - now_ms) / 1000 + SLACK_S;

	if (e->sum < 0)
		return;
	snprintf(d.key, sizeof(d.key), "%s", e->key);
	/* notes must never exceed the count */
	if (e->cell.kind == CELL_SUB)
		notes_drop(qt, e->key, e->epoch, e->cell.id);
	size_t fn = cell_key(from, &d, e->epoch, e->cell), tn = cell_key(to, &d, l->epoch, e->cell);
	struct redis_pipe *p = lives_begin(qt, l, 1, on_moved);
	redis_command(p, 7,
		(const char *[]){ "EVAL", move_most, "2", from, to, most, ttl },
		(const size_t[]){ 4, sizeof(move_most) - 1, 1, fn, tn, span_decimal(most, e->sum),
			span_decimal(ttl, ttl_s) });
	l->unanswered++;
	redis_send(p);
}

static size_t
recalled_key(
	uint64_t of, char key[CELL_KEY_TEXT], const struct redis_life *life, uint64_t epoch)
{
	char name[32];

	snprintf(name, sizeof(name), "recalled-%016llx", (unsigned long long)of);
	return life_key(key, name, life, epoch);
}

static void
on_recalled(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (!l || l->state != LIFE_ASKS || err || n < 1 || replies[0].err ||
		replies[0].n != LEDGER_PARTS)
		return; /* asks again in a later turn */
	/* The other instance's part may be new since the question: its key was then that of the
	 * own part, and the question is repeated. */
	if (l->asked_other != a->quota->ledger->part[LEDGER_OTHER].node)
		return;
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++)
		if (replies[0].list[i] && a->quota->ledger->part[i].node)
			ledger_live(a->quota->ledger, i, a->epoch);
	life_enter(l, LIFE_PUBLISHES);
}

/* Asks whether the journals' amounts were already added to this epoch. Another daemon with
 * that name may have added them without admitting anything there, and its records would not
 * name the epoch. */
static void
publish_ask(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct ledger_part *part = qt->ledger->part;
	char own[CELL_KEY_TEXT], other[CELL_KEY_TEXT];

	if (l->asked_us && now_us - l->asked_us < BEAT_US)
		return;
	l->asked_us = now_us;
	l->asked_other = part[LEDGER_OTHER].node;
	size_t n = recalled_key(part[LEDGER_OWN].node, own, redis_life(node), l->epoch),
	       m = recalled_key(part[l->asked_other ? LEDGER_OTHER : LEDGER_OWN].node, other,
		       redis_life(node), l->epoch);
	struct redis_pipe *p = lives_begin(qt, l, 1, on_recalled);
	redis_command(
		p, 3, (const char *[]){ "MGET", own, other }, (const size_t[]){ 4, n, m });
	redis_send(p);
}

/* Notes in Redis that the amounts of that part's journal are added to this epoch. */
static void
write_recalled_key(
	struct quota *qt, struct redis *node, const struct life *l, enum ledger_of of)
{
	char key[CELL_KEY_TEXT];
	size_t kn = recalled_key(qt->ledger->part[of].node, key, redis_life(node), l->epoch);
	struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);

	key_set(p, key, kn, 1, RECALLED_S);
	redis_send(p);
}

/* Everything is added. If the daemon is killed between the two writes, the amounts are added
 * twice, which never over-admits. The key is written also if the journal names the epoch: a
 * later journal may name more epochs than LEDGER_LIVED_MAX, or only requests without limits. */
static void
publish_done(struct quota *qt, struct redis *node, struct life *l)
{
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++) {
		if (!qt->ledger->part[i].node)
			continue;
		ledger_live(qt->ledger, i, l->epoch);
		write_recalled_key(qt, node, l, i);
	}
}

static void
write_longs_key(struct quota *qt, struct redis *node, struct life *l, int64_t now_ms)
{
	struct redis_pipe *p = lives_begin(qt, l, 1, on_published);

	counts_longs(p, redis_life(node), l->epoch, now_ms / 1000);
	l->unanswered++;
	redis_send(p);
}

/* The keys of the epoch have another tag: writes the entries that this worker knows of under
 * the new tag. */
static void
publish_again(struct quota *qt, struct redis *node, struct life *l, int64_t now_ms)
{
	if (known_longs(qt->known, l->epoch) > 0)
		write_longs_key(qt, node, l, now_ms);
	else
		known_lives(
			qt->known, &(struct known_life){ .epoch = l->epoch, .longs_s = -1 });
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++)
		if (qt->ledger->part[i].node && ledger_lived(qt->ledger, i, l->epoch))
			write_recalled_key(qt, node, l, i);
}

/* Sends one pipeline that adds amounts which are counted only in former epochs of this
 * server. */
static void
publish_some(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	/* in LIFE_ASKS, it is not known whether the journal's amounts are counted already */
	INVARIANT(l->state != LIFE_ASKS);
	int64_t now_ms = redis_life_ms(redis_life(node), now_us);
	struct redis_pipe *p = NULL;
	struct taken taken = { .asked = { .quota = qt, .epoch = l->epoch } };
	bool longs = false;
	size_t n = 0, added = 0; /* counters: handled in this turn, and added */

	TAG(asked, &taken.asked);

	for (; l->chain < LEDGER_CHAINS; l->chain++) {
		for (struct ledger_entry *e = qt->ledger->chain[l->chain]; e; e = e->next) {
			bool here = e->epoch == l->epoch;
			/* Each node of a cluster has an epoch of its own, and the epoch of the node
			 * that has the counter now decides. A sum of the journal stays `recalled` in
			 * the epoch of a node that the counter has left. */
			if (here ? !e->recalled : e->sum == 0 || now_ms >= e->ends_ms)
				continue;
			if (redis_at(qt->redis, span_str(e->key)) != node)
				continue;
			if (here) {
				e->recalled = false;
				continue;
			}
			if (n == PUBLISH_MAX)
				goto full; /* continue with this chain in the next turn */
			if (e->recalled && ledger_lived(qt->ledger, e->part, l->epoch)) {
				if (node != qt->redis) {
					move_what_is_left(qt, l, e, now_ms);
					n++;
				}
				e->epoch = l->epoch;
				e->recalled = false;
				continue;
			}
			/* A limit has returned to this epoch, and it is not known whether the
			 * sum is still counted in it. In a new epoch, each worker adds its
			 * whole sum once. */
			if (l->unsure) {
				leave_life(l);
				goto full;
			}
			if (!p)
				p = lives_begin(qt, l, PUBLISH_COMMANDS * PUBLISH_MAX + 1,
					on_published);
			if (e->cell.kind == CELL_LONG && !longs)
				write_longs_key(qt, node, l, now_ms);
			longs |= e->cell.kind == CELL_LONG;
			/* Adds the sum to a counter that has nothing of it. */
			struct quota_dim d = { .span.calendar = e->calendar };
			char key[CELL_KEY_TEXT];
			snprintf(d.key, sizeof(d.key), "%s", e->key);
			int64_t left_s = (e->ends_ms - now_ms) / 1000 + SLACK_S;
			int64_t ttl_s = e->cell.kind == CELL_SUB ? e->ttl_s : left_s;
			size_t kn = cell_key(key, &d, l->epoch, e->cell);
			key_add(p, key, kn, e->sum, ttl_s, ADD_WITH_TTL);
			if (node != qt->redis)
				note_taken_part(&taken, e, &d, ttl_s);
			else
				l->lost++;
			e->epoch = l->epoch;
			e->recalled = false;
			n++;
			added++;
		}
	}
full:
	if (!p)
		return;
	/* Workers read their known sub-buckets again. */
	INVARIANT(n > 0 && n <= PUBLISH_MAX && taken.n <= added && added <= n);
	counts_revise(p, redis_life(node), l->epoch);
	l->unanswered++;
	l->published += added;
	metric_add(qt->metrics, M_QUOTA_REPUBLISHED, added);
	redis_send(p);
	if (taken.n)
		take_from_former(qt, l, &taken);
}

/* ---- states of an epoch ---- */

enum {
	POLL_US = 20000,
	/* The longest wait for the other workers. A worker that runs and reaches Redis arrives
	 * within this time: it tries to connect every second, and sees another epoch within a
	 * beat. */
	SETTLE_US = 5000000,
	/* The wait for other workers that found a lost Redis again, if their number is not
	 * configured. */
	GUESS_US = 2000000,
	/* For this time, workers that were seen count in the shares of a daemon without
	 * Redis, because they may continue after a standstill. */
	MOST_US = 600000000,
	RENEW_US = 1000000,
	MEMBER_MS = 3000,
	NAMES_US = 1000000, /* interval at which the members are read */
	NAMES_BYTES = NAMES_MAX * 64,
	KEY_S = 60,
	BEAT_COMMANDS = 6,
	SIGN_COMMANDS = 2,
	LOOK_COMMANDS = 2,
	/* Intervals of turns without requests: while something is in progress; of the worker
	 * that watches; of the others. */
	TURN_MS = 100,
	WATCH_MS = 200,
	REST_MS = 1000,
	REST_US = 900000, /* allows for a timer that fires early */
	/* A watching worker that received nothing for this time is replaced. */
	WATCH_US = 600000,
	BEGUN_S = 32 * 86400,
};

/* owner: worker. */
struct quota_lives {
	uint64_t in; /* the epoch, if there is only one server; 0: none yet */
	struct life life[LIVES];
	size_t next; /* index of the next entry of `life` to use */
	/* number of members at the last count; 0: this worker has never taken part */
	int64_t members;
	int64_t handed;	 /* number of members that have retired */
	int64_t first;	 /* number of workers for which this worker waits in its first epoch */
	int64_t workers; /* workers of this daemon; 0: not set */
	bool guesses;	 /* tollgate.yaml does not state the number of daemons */
	/* the largest deciding() that Redis showed lately; 0: never asked */
	int64_t most;
	uint64_t most_us; /* monotonic, when `most` was last seen */
	/* the most workers that were present for long; 0: not more than `first` */
	int64_t lasting;
	bool said;	     /* the log reports that more workers than `first` are present */
	uint64_t id;	     /* this worker's name */
	unsigned place;	     /* its index in the daemon */
	uint64_t moves;	     /* redis_moves() at the last turn */
	uint64_t crowded_us; /* the caller's value of lives_unknown() */
	/* the members as last read in an epoch in which no worker is missing */
	struct names names;
	bool no_names;		     /* Redis did not list the members */
	bool retired;		     /* set by lives_retire() */
	struct quota_daemon *daemon; /* NULL: the workers of this daemon share nothing */
	/* values of the daemon's members and doubts that were last seen */
	uint64_t heard, doubts;
};

enum life_state
life_next(enum life_state now, const struct life_facts *f)
{
	if (now == LIFE_PUBLISHES && f->added)
		return LIFE_SETTLES;
	if (now != LIFE_SETTLES)
		return now;
	bool all =
		f->came >= f->expected && (!f->guesses || f->begun || f->waited_us > GUESS_US);
	return all || f->waited_us > SETTLE_US ? LIFE_SETTLED : now;
}

uint64_t
life_share(uint64_t limit, int64_t came, int64_t expected)
{
	INVARIANT(expected > 0);
	return (uint64_t)((unsigned __int128)limit * (uint64_t)came / (uint64_t)expected);
}

bool
lives_unknown(uint64_t *since_us, int64_t members, int64_t known, uint64_t now_us)
{
	if (!known || *since_us == UINT64_MAX)
		return false;
	if (members <= known)
		*since_us = 0;
	else if (!*since_us)
		*since_us = now_us;
	else if (now_us - *since_us >= LIVES_UNKNOWN_US)
		*since_us = UINT64_MAX;
	return *since_us == UINT64_MAX;
}

struct quota_lives *
lives_new(void)
{
	struct quota_lives *l = calloc(1, sizeof(*l));

	if (l)
		l->id = redis_life_draw();
	return l;
}

void
lives_together(struct quota_lives *l, unsigned workers, unsigned daemons)
{
	l->workers = workers;
	l->guesses = daemons == 0;
	l->first = (int64_t)workers * (daemons ? daemons : 1);
}

void
lives_beside(struct quota_lives *l, struct quota_daemon *d, unsigned place)
{
	l->daemon = d;
	l->place = place;
	if (d->node)
		l->id = worker_name(d->node, d->process, place);
}

void
lives_free(struct quota_lives **l)
{
	for (size_t i = 0; *l && i < LIVES; i++)
		free((*l)->life[i].missed);
	free(*l);
	*l = NULL;
}

/* Returns the epoch's entry, or NULL if it is not remembered. */
static struct life *
lives_find(const struct quota_lives *l, uint64_t epoch)
{
	for (size_t i = 0; epoch && i < LIVES; i++)
		if (l->life[i].epoch == epoch)
			return (struct life *)&l->life[i];
	return NULL;
}

/* Returns true if the epoch is SETTLED and nothing of the ledger is left to add. */
static bool
is_settled(const struct life *l)
{
	return l && l->state == LIFE_SETTLED && l->chain == LEDGER_CHAINS;
}

bool
lives_settled(const struct quota *qt, const struct quota_dim *d)
{
	const struct life *l = lives_find(qt->lives, counts_life(qt, d)->epoch);

	return is_settled(l);
}

bool
lives_all_settled(const struct quota *qt)
{
	struct redis *node[REDIS_HOLDERS_MAX];

	for (size_t i = redis_holders(qt->redis, node); i-- > 0;) {
		uint64_t epoch = redis_life(node[i])->epoch;
		const struct life *l = lives_find(qt->lives, epoch);
		if (epoch && !is_settled(l))
			return false;
	}
	return true;
}

void
lives_other_added(struct quota *qt)
{
	for (size_t i = 0; i < LIVES; i++) {
		struct life *l = &qt->lives->life[i];
		if (!l->epoch || !ledger_must_ask(qt->ledger, l->epoch))
			continue;
		if (l->state != LIFE_ASKS)
			life_enter(l, LIFE_ASKS);
		l->chain = 0;
		l->asked_us = 0;
	}
}

void
lives_look_again(struct quota *qt)
{
	for (size_t i = 0; i < LIVES; i++)
		qt->lives->life[i].chain = 0;
}

/* A worker asks once in an epoch, and is settled only after it has published and waited. It
 * publishes again after it left the epoch, or if it is not known what is counted there. It asks
 * again if it has taken over sums of the other instance. */
void
life_enter(struct life *l, enum life_state next)
{
	static const unsigned char follows[] = {
		[LIFE_ASKS] = 1u << LIFE_PUBLISHES,
		[LIFE_PUBLISHES] = 1u << LIFE_ASKS | 1u << LIFE_PUBLISHES | 1u << LIFE_SETTLES,
		[LIFE_SETTLES] = 1u << LIFE_ASKS | 1u << LIFE_PUBLISHES | 1u << LIFE_SETTLED,
		[LIFE_SETTLED] = 1u << LIFE_ASKS | 1u << LIFE_PUBLISHES,
	};

	INVARIANT(l->epoch && l->state < COUNT_OF(follows) && follows[l->state] & 1u << next);
	l->state = next;
}

/* Leaves an epoch whose counts are not known: sets another epoch, in which all counters begin
 * at 0. */
static void
leave_life(struct life *l)
{
	l->left = true;
	life_enter(l, LIFE_PUBLISHES);
	l->spoilt = true;
}

static struct redis_pipe *
lives_begin(struct quota *qt, const struct life *l, size_t commands, redis_cb *cb)
{
	struct asked a = { .quota = qt, .epoch = l->epoch };

	TAG(asked, &a);
	return redis_begin(qt->redis, commands, cb, &a, sizeof(a));
}

/* It is not known what was added: sets a new epoch, in which all workers begin again. */
static void
renew_epoch(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	char value[SPAN_DECIMAL];

	if (l->renewed_us && now_us - l->renewed_us < RENEW_US)
		return;
	l->renewed_us = now_us;
	log_event(LOG_WARN, "quota.renewed",
		LS("why", l->left ? "another server counted limits in the meantime: all "
				    "workers add their counts again"
				  : "counts could not be added again: all workers try again"));
	struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);
	redis_command_at(p, node, 3, (const char *[]){ "SET", life->key, value },
		(const size_t[]){ 3, strlen(life->key),
			span_decimal(value, (int64_t)redis_life_draw()) });
	redis_send(p);
	redis_life_ended(node, l->epoch);
}

/* ---- the other workers of this daemon ---- */

/* Returns true if this worker watches Redis for all workers of the daemon. */
static bool
is_watching(const struct quota_lives *all)
{
	return !all->daemon || all->daemon->watcher == all->id;
}

/* Returns true if this worker watches: as before, or in place of one that received nothing.
 */
static bool
keep_watching(struct quota_lives *all, uint64_t now_us)
{
	if (is_watching(all))
		return true;
	uint64_t was = all->daemon->watcher, watched_us = all->daemon->watched_us;
	if ((was && now_us < watched_us + WATCH_US) ||
		!atomic_compare_exchange_strong(&all->daemon->watcher, &was, all->id))
		return false;
	all->daemon->watched_us = now_us;
	return true;
}

/* Makes all workers look at Redis themselves. */
static void
make_all_look(struct quota *qt)
{
	if (!qt->lives->daemon)
		return;
	atomic_fetch_add(&qt->lives->daemon->doubts, 1);
	redis_wake_users(qt->redis);
}

void
lives_ended(struct quota *qt, struct redis *node, uint64_t epoch)
{
	struct life *l = lives_find(qt->lives, epoch);

	if (l && !l->ended) {
		l->ended = true;
		make_all_look(qt);
	}
	redis_life_ended(node, epoch);
}

static uint64_t
epoch_bits(uint64_t word)
{
	return word & UINT64_C(0xffffffffffff);
}

/* Returns the number of members that admit requests. A retired worker stays a member until it
 * exits, because its usage is awaited in the next epoch. */
static int64_t
deciding_members(int64_t members, int64_t retired)
{
	return members > retired ? members - retired : 1;
}

/* If an ACL rule forbids ZCOUNT, no worker counts as retired. */
static int64_t
retired_of(const struct redis_reply_ints *reply)
{
	return reply->err ? 0 : reply->i;
}

static void
share_member_count(struct quota_lives *all, uint64_t epoch, uint64_t now_us)
{
	if (!all->daemon)
		return;
	uint64_t n = all->members < 0xffff ? (uint64_t)all->members : 0xffff;
	all->heard = n << 48 | epoch_bits(epoch);
	all->daemon->retired = (uint64_t)all->handed;
	all->daemon->members = all->heard;
	if (is_watching(all))
		all->daemon->watched_us = now_us;
}

static void
note_members_seen(struct quota_lives *all, int64_t members, uint64_t now_us)
{
	if (members < all->most && now_us - all->most_us < MOST_US)
		return;
	all->most = members;
	all->most_us = now_us;
}

/* A resting worker takes the count of the watching one, if it has taken part in that epoch
 * itself. */
static void
take_daemon_members(struct quota_lives *all, uint64_t now_us)
{
	uint64_t word = all->daemon ? all->daemon->members : 0;

	if (word == all->heard || !all->members)
		return;
	all->heard = word;
	for (size_t i = 0; i < LIVES; i++)
		if (all->life[i].epoch && epoch_bits(all->life[i].epoch) == epoch_bits(word)) {
			all->members = (int64_t)(word >> 48);
			all->handed = (int64_t)all->daemon->retired;
			note_members_seen(
				all, deciding_members(all->members, all->handed), now_us);
			return;
		}
}

/* Returns true if the worker at this place takes part in the epoch. */
static bool
takes_part(const struct quota_daemon *d, unsigned place, uint64_t epoch)
{
	for (size_t i = 0; i < REDIS_HOLDERS_MAX; i++) {
		uint64_t of = d->in[place][i];
		if (of == epoch || !of)
			return of == epoch;
	}
	return false;
}

/* Returns true if another worker of the daemon can renew this worker's name. */
static bool
is_signed_for(const struct quota_lives *all)
{
	return all->daemon && all->daemon->node && all->place < QUOTA_WORKERS_MAX &&
	       !all->retired;
}

/* States in which epochs this worker takes part: those whose servers it reaches, and in which it
 * has written its name. */
static void
state_epochs(const struct quota_lives *all, struct redis *const *node, size_t n)
{
	size_t k = 0;

	if (!is_signed_for(all))
		n = 0;
	else if (n > REDIS_HOLDERS_MAX)
		n = REDIS_HOLDERS_MAX;
	if (!all->daemon || all->place >= QUOTA_WORKERS_MAX)
		return;
	_Atomic uint64_t *in = all->daemon->in[all->place];
	for (size_t i = 0; i < n; i++) {
		uint64_t epoch = redis_life(node[i])->epoch;
		const struct life *l = lives_find(all, epoch);
		if (!l || l->state != LIFE_SETTLED || !l->beat_us)
			continue;
		if (in[k] != epoch)
			in[k] = epoch;
		k++;
	}
	if (in[k])
		in[k] = 0;
}

/* Shares the members with the daemon's other workers. Another worker may be writing them: then
 * this one does not. */
static void
share_names(const struct quota_lives *all)
{
	struct quota_daemon *d = all->daemon;
	uint64_t at = d ? d->names_at : 1;

	if (at % 2 || !atomic_compare_exchange_strong(&d->names_at, &at, at + 1))
		return;
	for (size_t i = 0; i < all->names.n; i++)
		d->name[i] = all->names.id[i];
	d->nnames = all->names.n;
	d->names_at = at + 2;
}

/* A resting worker takes the members that the watching one has read. */
static void
take_daemon_names(struct quota_lives *all)
{
	const struct quota_daemon *d = all->daemon;
	uint64_t at = d ? d->names_at : 1;
	struct names is = { .n = 0 };

	if (at % 2 || !all->members || is_watching(all))
		return;
	is.n = d->nnames;
	for (size_t i = 0; i < is.n && i < NAMES_MAX; i++)
		is.id[i] = d->name[i];
	if (is.n && is.n <= NAMES_MAX && d->names_at == at)
		all->names = is;
}

/* ---- members ---- */

/* Notes that a worker admits requests in this epoch, after all earlier amounts were added. A
 * worker that starts later finds everything counted and waits for nobody. */
static void
write_begun_key(struct quota *qt, struct redis *node, const struct life *l)
{
	char key[CELL_KEY_TEXT];
	size_t kn = life_key(key, "begun", redis_life(node), l->epoch);
	struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);

	key_set(p, key, kn, 1, BEGUN_S);
	redis_send(p);
}

/* Writes this worker's name and the time into a sorted set. With an epoch, the watching worker
 * also writes the names of the daemon's other workers that take part in the epoch. */
static void
sign_set(struct redis_pipe *p, const struct quota_lives *all, const char *key, size_t kn,
	int64_t ms, uint64_t epoch)
{
	char score[SPAN_DECIMAL], id[QUOTA_WORKERS_MAX + 1][SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *add[2 + 2 * COUNT_OF(id)] = { "ZADD", key }, *expire[] = { "EXPIRE", key, ttl };
	size_t len[COUNT_OF(add)] = { 4, kn }, sn = span_decimal(score, ms);
	const struct quota_daemon *d = epoch && is_watching(all) ? all->daemon : NULL;
	int n = 0;

	for (unsigned i = 0; i <= QUOTA_WORKERS_MAX; i++) {
		bool own = i == QUOTA_WORKERS_MAX;
		if (!own && (!d || !d->node || i == all->place || !takes_part(d, i, epoch)))
			continue;
		uint64_t name = own ? all->id : worker_name(d->node, d->process, i);
		add[2 + 2 * n] = score;
		len[2 + 2 * n] = sn;
		add[3 + 2 * n] = id[n];
		len[3 + 2 * n] = span_decimal(id[n], (int64_t)name);
		n++;
	}
	redis_command(p, 2 + 2 * n, add, len);
	redis_command(p, 3, expire, (const size_t[]){ 6, kn, span_decimal(ttl, KEY_S) });
}

/* A retired worker is also in the set of retired workers. */
static void
sign_retired(struct redis_pipe *p, const struct quota_lives *all, const struct redis_life *life,
	uint64_t epoch, int64_t ms)
{
	char key[CELL_KEY_TEXT];

	if (all->retired)
		sign_set(p, all, key, life_key(key, "retired", life, epoch), ms, 0);
}

/* Ends the wait for the others if they have arrived or the time is over. */
static void
settle_if_all_came(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	bool first = qt->lives->members == 0; /* a first epoch needs no log event */
	const struct life_facts f = { .added = true,
		.expected = l->expected,
		.came = l->came,
		.guesses = qt->lives->guesses && first,
		.begun = l->begun,
		.waited_us = now_us - l->seen_us };

	if (l->state != LIFE_SETTLES || life_next(l->state, &f) != LIFE_SETTLED)
		return;
	life_enter(l, LIFE_SETTLED);
	l->settled_us = l->came < l->expected ? now_us : 0;
	if (first)
		qt->lives->members = 1;
	if (!l->settled_us && !l->begun)
		write_begun_key(qt, node, l);
	/* A node of a cluster that gets its first slots, or is promoted, begins an epoch,
	 * too. If all counters have come from the former epoch, nothing was lost. */
	bool lost = l->expected > 1 && !first && qt->lives->in;
	if (lost || l->lost || l->settled_us)
		log_event(l->settled_us ? LOG_WARN : LOG_INFO, "quota.recounted",
			LI("counters", l->published), LI("workers", l->came),
			LI("expected", l->expected), LI("ms", (now_us - l->seen_us) / 1000));
}

/* Redis has lost nothing since a worker continued in this epoch. Then a worker that knows nobody
 * awaits those daemons that are listed, not as many as tollgate.yaml permits. */
static void
expect_listed(const struct quota_lives *all, struct life *l)
{
	uint64_t daemons = all->daemon ? all->daemon->daemons : 0;

	if (l->begun && !all->members && daemons && (int64_t)daemons * all->workers < l->expected)
		l->expected = (int64_t)daemons * all->workers;
}

/* Without redis.daemons, as many workers are known as the daemons that are listed have. */
static void
learn_known(struct quota_lives *all)
{
	int64_t known = all->daemon ? (int64_t)all->daemon->daemons * all->workers : 0;

	if (all->guesses && known > all->first)
		all->first = known;
}

static void
on_came(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (!l || err || n < BEAT_COMMANDS || replies[3].err || replies[4].err ||
		replies[4].n != 2)
		return;
	/* Another worker has replaced the epoch, so nobody else arrives in this one. */
	if ((uint64_t)replies[4].list[1] != a->epoch) {
		struct redis *node[REDIS_HOLDERS_MAX];
		for (size_t i = redis_holders(a->quota->redis, node); i-- > 0;)
			lives_ended(a->quota, node[i], a->epoch);
		return;
	}
	l->came = replies[3].i;
	note_members_seen(a->quota->lives, deciding_members(l->came, retired_of(&replies[5])),
		clock_mono_us());
	/* read after this worker's arrival, so that no admission is missed */
	l->begun = replies[4].list[0] != 0;
	expect_listed(a->quota->lives, l);
}

/* Writes the name with time 0, which is outdated at once. */
void
lives_leave(struct quota *qt)
{
	struct redis *node[REDIS_HOLDERS_MAX];

	if (!qt->lives)
		return;
	state_epochs(qt->lives, NULL, 0);
	if (qt->lives->daemon && is_watching(qt->lives)) {
		qt->lives->daemon->watcher = 0;
		make_all_look(qt);
	}
	for (size_t i = redis_holders(qt->redis, node); i-- > 0;) {
		const struct redis_life *life = redis_life(node[i]);
		char key[CELL_KEY_TEXT];
		if (!life->epoch || !redis_ready(node[i]))
			continue;
		size_t kn = life_key(key, "members", life, life->epoch);
		struct redis_pipe *p = redis_begin(qt->redis, 2 * SIGN_COMMANDS, NULL, NULL, 0);
		sign_set(p, qt->lives, key, kn, 0, 0);
		sign_retired(p, qt->lives, life, life->epoch, 0);
		redis_send(p);
	}
}

void
lives_retire(struct quota *qt)
{
	qt->lives->retired = true;
}

/* A daemon that starts while Redis is empty waits for too few workers, so each daemon's share
 * is too large: warn about it. */
static void
look_for_unknown(struct quota *qt, struct quota_lives *all, uint64_t now_us)
{
	learn_known(all);
	int64_t known = all->lasting > all->first ? all->lasting : all->first;

	if (!lives_unknown(&all->crowded_us, deciding_members(all->members, all->handed), known,
		    now_us))
		return;
	all->lasting = deciding_members(all->members, all->handed);
	all->crowded_us = 0;
	if (all->said)
		return;
	all->said = true;
	metric_inc(qt->metrics, M_QUOTA_UNKNOWN);
	log_event(LOG_WARN, "quota.daemons", LI("workers", all->lasting),
		LI("known", all->first),
		LS("why", "more daemons share this Redis than redis.daemons states: correct "
			  "redis.daemons"));
}

/* Returns true if no worker's usage is missing any more in an epoch whose limits are reduced.
 * A worker that knows the earlier members waits for them by name, so another daemon, or one
 * that starts again and again, does not replace them. A worker that knew nobody compares the
 * numbers of daemons and workers with those that the daemon remembers, or that tollgate.yaml
 * permits. */
static bool
all_are_back(const struct quota_lives *all, const struct life *l, const struct names *is)
{
	int64_t fleet = all->daemon ? (int64_t)all->daemon->fleet : 0, expected = l->expected,
		nodes = all->workers ? all->first / all->workers : 0;
	bool as_many = (int64_t)is->n >= expected;

	if (l->missed)
		return names_back(l->missed, is, all->daemon) &&
		       (as_many || (int64_t)l->missed->n >= expected);
	/* tollgate.yaml states how many daemons there may be, and fewer may exist */
	if (fleet && fleet < nodes) {
		nodes = fleet;
		expected = fleet * all->workers < expected ? fleet * all->workers : expected;
	}
	return (int64_t)is->n >= expected && (int64_t)names_nodes(is) >= nodes;
}

static void
on_names(void *arg, int err, const struct span *pairs, size_t n)
{
	struct life *l = TAGGED(life, arg);
	struct quota_lives *all = l->quota->lives;
	struct redis *node[REDIS_HOLDERS_MAX];
	uint64_t of = l->names_of;
	struct names is;

	l->names_of = 0;
	all->no_names = err != 0;
	if (err || of != l->epoch)
		return;
	names_read(&is, pairs, n);
	if (!l->settled_us) {
		all->names = is;
		if (is_watching(all))
			share_names(all);
		return;
	}
	if (!all_are_back(all, l, &is))
		return;
	l->settled_us = 0;
	for (size_t i = redis_holders(l->quota->redis, node); i-- > 0;)
		if (redis_life(node[i])->epoch == l->epoch)
			write_begun_key(l->quota, node[i], l);
	log_event(LOG_INFO, "quota.whole", LI("workers", is.n), LI("expected", l->expected));
}

/* Reads the members, once a second or if another number of workers was counted. */
static void
ask_names(struct quota *qt, struct life *l, const char *key, size_t kn, uint64_t now_us)
{
	struct quota_lives *all = qt->lives;
	bool soon = !l->settled_us && !all->no_names && all->members != (int64_t)all->names.n;

	if (l->names_of || (!soon && l->names_us && now_us - l->names_us < NAMES_US))
		return;
	l->names_of = l->epoch;
	l->names_us = now_us;
	redis_pairs(qt->redis, 5, (const char *[]){ "ZRANGE", key, "0", "-1", "WITHSCORES" },
		(const size_t[]){ 6, kn, 1, 2, 10 }, NAMES_MAX, NAMES_BYTES, on_names, l);
}

/* Returns true if the tag changed recently: the others may not have written their names under
 * the new tag yet, or may not know the tag. */
static bool
is_tagged_anew(const struct life *l, uint64_t now_us)
{
	return l->tagged_us && now_us - l->tagged_us < MEMBER_MS * 1000;
}

bool
lives_tagged_anew(const struct quota *qt, uint64_t epoch, uint64_t now_us)
{
	const struct life *l = lives_find(qt->lives, epoch);

	return l && is_tagged_anew(l, now_us);
}

/* Takes the number of members, and the epoch that the server has now. */
static void
on_members(const struct asked *a, const struct redis_reply_ints *epoch, int64_t members,
	int64_t retired)
{
	struct quota_lives *all = a->quota->lives;
	struct redis *node[REDIS_HOLDERS_MAX];

	if ((uint64_t)epoch->list[0] == a->epoch) {
		uint64_t now_us = clock_mono_us();
		struct life *l = lives_find(all, a->epoch);
		int64_t least = l && is_tagged_anew(l, now_us) ? all->members : 1;
		all->members = members > least ? members : least;
		all->handed = retired;
		note_members_seen(all, deciding_members(all->members, all->handed), now_us);
		look_for_unknown(a->quota, all, now_us);
		share_member_count(all, a->epoch, now_us);
		return;
	}
	for (size_t i = redis_holders(a->quota->redis, node); i-- > 0;)
		lives_ended(a->quota, node[i], a->epoch);
}

static void
on_beat(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);

	if (err || n < BEAT_COMMANDS || replies[3].err || replies[4].err || replies[4].n != 2) {
		if (is_watching(a->quota->lives))
			make_all_look(a->quota);
		return;
	}
	on_members(a, &replies[4], replies[3].i, retired_of(&replies[5]));
}

static void
on_looked(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct quota_lives *all = a->quota->lives;
	struct life *l = lives_find(all, a->epoch);
	int64_t was = all->members;

	if (err || n < LOOK_COMMANDS || replies[0].err || replies[0].n != 2 || replies[1].err) {
		if (is_watching(all))
			make_all_look(a->quota);
		return;
	}
	on_members(a, &replies[0], replies[1].i, all->handed);
	/* another worker has come or left: the next beat reads the names */
	if (l && all->members != was)
		l->beat_us = 0;
}

/* Reads whether the epoch still exists, and counts the members. The watching worker does so
 * between its beats while no requests arrive. */
static void
send_look(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	char key[CELL_KEY_TEXT], since[SPAN_DECIMAL], word[CELL_KEY_TEXT];
	size_t kn = life_key(key, "members", life, l->epoch),
	       sn = span_decimal(since, redis_life_ms(life, now_us) - MEMBER_MS),
	       wn = life_key(word, "revision", life, l->epoch);
	struct redis_pipe *p = lives_begin(qt, l, LOOK_COMMANDS, on_looked);

	redis_command(p, 3, (const char *[]){ "MGET", life->key, word },
		(const size_t[]){ 4, strlen(life->key), wn });
	redis_command(p, 4, (const char *[]){ "ZCOUNT", key, since, "+inf" },
		(const size_t[]){ 6, kn, sn, 4 });
	redis_send(p);
}

/* Renews this worker's name, counts the members, and reads whether the epoch still exists.
 * While the worker waits, also reads whether another worker continues in the epoch. */
static void
send_beat(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	bool waits = l->state == LIFE_SETTLES;
	int64_t now_ms = redis_life_ms(life, now_us);
	char key[CELL_KEY_TEXT], retired[CELL_KEY_TEXT], since[SPAN_DECIMAL],
		word[CELL_KEY_TEXT];
	size_t kn = life_key(key, "members", life, l->epoch),
	       rn = life_key(retired, "retired", life, l->epoch),
	       sn = span_decimal(since, now_ms - MEMBER_MS),
	       wn = life_key(word, waits ? "begun" : "revision", life, l->epoch);
	struct redis_pipe *p =
		lives_begin(qt, l, BEAT_COMMANDS + SIGN_COMMANDS, waits ? on_came : on_beat);

	sign_set(p, qt->lives, key, kn, now_ms, waits ? 0 : l->epoch);
	redis_command(p, 4, (const char *[]){ "ZREMRANGEBYSCORE", key, "-inf", since },
		(const size_t[]){ 16, kn, 4, sn });
	redis_command(p, 2, (const char *[]){ "ZCARD", key }, (const size_t[]){ 5, kn });
	if (waits)
		redis_command(p, 3, (const char *[]){ "MGET", word, life->key },
			(const size_t[]){ 4, wn, strlen(life->key) });
	else
		redis_command(p, 3, (const char *[]){ "MGET", life->key, word },
			(const size_t[]){ 4, strlen(life->key), wn });
	redis_command(p, 4, (const char *[]){ "ZCOUNT", retired, since, "+inf" },
		(const size_t[]){ 6, rn, sn, 4 });
	sign_retired(p, qt->lives, life, l->epoch, now_ms);
	redis_send(p);
	if (!waits && !is_tagged_anew(l, now_us))
		ask_names(qt, l, key, kn, now_us);
}

/* ---- a turn ---- */

static struct names *
copy_of(const struct names *is)
{
	struct names *copy = is->n ? malloc(sizeof(*copy)) : NULL;

	if (copy)
		*copy = *is;
	return copy;
}

/* Returns the place of the oldest epoch that no server is in. */
static struct life *
next_life_place(struct quota *qt)
{
	struct quota_lives *all = qt->lives;
	struct redis *node[REDIS_HOLDERS_MAX];
	size_t n = redis_holders(qt->redis, node);

	/* if n were LIVES, no place would be free and the loop would not end */
	INVARIANT(n < LIVES);
	for (;;) {
		struct life *l = &all->life[all->next++ % LIVES];
		bool used = false;
		for (size_t i = 0; l->epoch && i < n; i++)
			used |= redis_life(node[i])->epoch == l->epoch;
		if (!used)
			return l;
	}
}

static struct life *
begin_life(struct quota *qt, struct redis *node, uint64_t now_us)
{
	struct quota_lives *all = qt->lives;
	uint64_t epoch = redis_life(node)->epoch;
	struct life *l = next_life_place(qt);

	take_daemon_names(all);
	free(l->missed);
	*l = (struct life){ .quota = qt,
		.epoch = epoch,
		.names_of = l->names_of,
		.seen_us = now_us,
		.missed = copy_of(&all->names),
		.expected = all->members ? all->members : all->first };
	TAG(life, l);
	strcpy(l->keys_tag, redis_life(node)->tag);
	l->state = ledger_must_ask(qt->ledger, epoch) ? LIFE_ASKS : LIFE_PUBLISHES;
	return l;
}

/* The node of an epoch has lost nothing, but the slot of the epoch's keys has moved to
 * another node, so the keys have another tag. Writes the members and the note about long
 * holds under the new tag. */
static void
follow_tag(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);

	if (!strcmp(l->keys_tag, life->tag))
		return;
	strcpy(l->keys_tag, life->tag);
	l->tagged_us = now_us;
	l->beat_us = 0;
	publish_again(qt, node, l, redis_life_ms(life, now_us));
	if (is_settled(l) && !l->settled_us)
		write_begun_key(qt, node, l);
}

static void
go_on_publishing(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	uint64_t since = now_us - l->beat_us;

	if (l->state == LIFE_ASKS) {
		publish_ask(qt, node, l, now_us);
		return;
	}
	if (l->chain < LEDGER_CHAINS)
		publish_some(qt, node, l, now_us);
	if (l->spoilt && !l->unanswered) {
		renew_epoch(qt, node, l, now_us);
		return;
	}
	if (l->state == LIFE_PUBLISHES && l->chain == LEDGER_CHAINS && !l->unanswered) {
		/* everything that this worker admitted is counted there */
		life_enter(l, life_next(l->state, &(struct life_facts){ .added = true }));
		publish_done(qt, node, l);
	}
	settle_if_all_came(qt, node, l, now_us);
	if (l->state == LIFE_PUBLISHES)
		return;
	/* Without requests, the watching worker renews the names of all, and looks at the epoch
	 * more often. Another worker does nothing, unless the epoch is in doubt or it awaits
	 * missing workers by name. */
	bool idle = l->state == LIFE_SETTLED && !qt->first, watches = is_watching(qt->lives);
	if (idle && !watches && l->beat_us && !l->settled_us && is_signed_for(qt->lives))
		return;
	uint64_t every = l->state == LIFE_SETTLES ? POLL_US : idle ? REST_US : BEAT_US;
	if (since >= every) {
		l->beat_us = l->looked_us = now_us;
		send_beat(qt, node, l, now_us);
	} else if (idle && watches && now_us - l->looked_us >= BEAT_US) {
		l->looked_us = now_us;
		send_look(qt, node, l, now_us);
	}
}

/* With one server: a master that was a replica in the meantime still has the name of its old
 * epoch, but lacks the amounts admitted at the other one. Another epoch begins. */
static void
enter_life(struct quota_lives *all, struct life *l)
{
	struct life *was = lives_find(all, all->in);

	if (was == l)
		return;
	if (was)
		was->left = true;
	all->in = l->epoch;
	if (l->left)
		leave_life(l);
}

void
lives_turn(struct quota *qt, uint64_t now_us)
{
	struct redis *node[REDIS_HOLDERS_MAX];
	struct quota_lives *all = qt->lives;
	size_t n = redis_holders(qt->redis, node);
	uint64_t moves = redis_moves(qt->redis);

	/* Amounts counted in a slot that has moved are in the epoch of the other node. */
	if (moves != all->moves)
		lives_look_again(qt);
	all->moves = moves;
	take_daemon_members(all, now_us);
	bool doubts = all->daemon && all->daemon->doubts != all->doubts;
	if (doubts)
		all->doubts = all->daemon->doubts;
	for (size_t i = n; i-- > 0;) {
		uint64_t epoch = redis_life(node[i])->epoch;
		if (!epoch)
			continue;
		struct life *l = lives_find(all, epoch);
		if (!l)
			l = begin_life(qt, node[i], now_us);
		follow_tag(qt, node[i], l, now_us);
		if (node[i] == qt->redis)
			enter_life(all, l);
		if (doubts)
			l->beat_us = 0;
		go_on_publishing(qt, node[i], l, now_us);
	}
	state_epochs(all, node, n);
	redis_tick_every(qt->redis, qt->late || !lives_all_settled(qt) ? TURN_MS
				    : keep_watching(all, now_us)       ? WATCH_MS
								       : REST_MS);
}

/* ---- shares while workers are missing ---- */

/* called at each try, because the loss may be noticed only after the first */
void
lives_share(const struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		struct life *l = lives_find(qt->lives, counts_life(qt, d)->epoch);
		if (d->reduced_s || !l || !l->settled_us || d->span.kind != QUOTA_ROLLING)
			continue;
		uint64_t until_us = l->settled_us + d->span.window_s * 1000000;
		if (now_us >= until_us)
			continue;
		d->came = l->came;
		d->expected = l->expected;
		d->limit = life_share(d->limit, d->came, d->expected);
		d->reduced_s = (until_us - now_us + 999999) / 1000000;
		if (until_us > l->reduced_until_us)
			l->reduced_until_us = until_us;
	}
}

/* ---- shares of a daemon without Redis ---- */

uint64_t
lives_alone(const struct quota_lives *l, uint64_t apart, bool guessed)
{
	int64_t most = l->most > l->lasting ? l->most : l->lasting;

	if (!l->workers)
		return apart;
	if (!most && guessed)
		return 0;
	return most > l->workers ? life_share(apart, l->workers, most) : apart;
}

void
lives_company(const struct quota_lives *l, uint64_t now_us, struct quota_company *out)
{
	*out = (struct quota_company){ .counting = !l->members,
		.workers = (uint64_t)l->lasting,
		.known = (uint64_t)l->first };
	for (const struct life *is = l->life; is < l->life + LIVES; is++)
		if (is->settled_us && is->reduced_until_us > now_us) {
			out->reduced_s = (is->reduced_until_us - now_us + 999999) / 1000000;
			out->came = is->came;
			out->expected = is->expected;
		}
}
