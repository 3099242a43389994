/* Reserves, settles and releases, with the counters on Redis or in the table of this process.
 *
 * The first part holds the states of a request. A charge that is on Redis and in the ledger
 * (noted) is corrected in whatever epoch there is; other charges are corrected only at their
 * own place. */
#include "budget/quota/quota.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/quota_private.h"

struct quota *
quota_new(
	struct redis *redis, struct quota_table *table, struct mailbox *self, struct metrics *m)
{
	struct quota *qt = calloc(1, sizeof(*qt));

	if (!qt)
		return NULL;
	*qt = (struct quota){ .redis = redis, .table = table, .self = self, .metrics = m };
	TAG(quota, qt);
	qt->last = &qt->first;
	qt->last_late = &qt->late;
	qt->last_id = redis_life_draw() & INT64_MAX;
	if (redis && !counts_new(qt))
		quota_free(&qt);
	return qt;
}

/* The caller frees Redis next, and Redis makes no further callbacks. */
void
quota_free(struct quota **qt)
{
	if (*qt && (*qt)->redis)
		counts_free(*qt);
	if (*qt)
		TAG_CLEAR(quota, *qt);
	free(*qt);
	*qt = NULL;
}

void
quota_together(struct quota *qt, unsigned workers, unsigned daemons)
{
	if (qt->redis)
		lives_together(qt->lives, workers, daemons);
}

void
quota_beside(struct quota *qt, struct quota_daemon *d, unsigned place)
{
	if (qt->redis)
		lives_beside(qt->lives, d, place);
}

void
quota_retire(struct quota *qt)
{
	if (qt->redis)
		lives_retire(qt);
}

void
quota_company(const struct quota *qt, struct quota_company *out)
{
	*out = (struct quota_company){ 0 };
	if (qt->redis)
		lives_company(qt->lives, clock_mono_us(), out);
}

struct quota_ledger *
quota_ledger_of(struct quota *qt)
{
	return qt->ledger;
}

void
quota_other_added(struct quota *qt)
{
	if (qt->lives)
		lives_other_added(qt);
}

void
quota_drop_other(struct quota *qt)
{
	if (qt->ledger)
		ledger_drop_other(qt->ledger);
}

/* Returns true if the charge is counted on Redis: epochs of Redis are never 0. */
static bool
on_redis(const struct quota *qt, const struct quota_place *at)
{
	return qt->redis && at->epoch;
}

/* Returns the clock of the counts at that place in ms: Redis' clock when a command sent now
 * arrives, or the table's. */
static int64_t
quota_ms(const struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	uint64_t now_us)
{
	return on_redis(qt, at) ? redis_life_ms(counts_life(qt, d), now_us)
				: table_ms(qt->table, now_us);
}

static uint64_t
epoch_now(const struct quota *qt, const struct quota_dim *d, const struct quota_place *at)
{
	return on_redis(qt, at) ? counts_life(qt, d)->epoch : 0;
}

bool
quota_note(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch)
{
	int64_t now_ms = quota_ms(qt, d, at, clock_mono_us());

	if (ledger_add(qt->ledger, d, at, c, delta, epoch, now_ms))
		return true;
	metric_inc(qt->metrics, M_QUOTA_UNNOTED);
	if (!qt->said_full)
		log_event(LOG_WARN, "quota.ledger_full", LI("counters", LEDGER_MAX));
	qt->said_full = true;
	return false;
}

/* ---- states of a request ---- */

void
quota_enter(struct quota_request *q, enum quota_life next)
{
	static const unsigned char follows[QUOTA_LIVES] = {
		[QUOTA_IDLE] = 1u << QUOTA_QUEUED | 1u << QUOTA_ASKED | 1u << QUOTA_TOLD,
		[QUOTA_QUEUED] = 1u << QUOTA_ASKED,
		[QUOTA_ASKED] = 1u << QUOTA_QUEUED | 1u << QUOTA_ASKED | 1u << QUOTA_TOLD,
		[QUOTA_TOLD] = 1u << QUOTA_IDLE,
	};

	INVARIANT(q->life < QUOTA_LIVES && follows[q->life] & 1u << next);
	q->life = next;
}

void
quota_end(struct quota_request *q)
{
	quota_enter(q, QUOTA_IDLE);
	q->done(q);
}

/* ---- reserve ---- */

static void
back_home(struct mail *m, void *worker UNUSED)
{
	quota_end(TAGGED_OF(quota_request, mail, m));
}

void
quota_tell(struct quota *qt, struct quota_request *q)
{
	quota_enter(q, QUOTA_TOLD);
	q->mail.run = back_home;
	mailbox_send(qt->self, &q->mail);
}

static void
at_table(struct mail *m, void *worker UNUSED)
{
	struct quota_request *q = TAGGED_OF(quota_request, mail, m);
	struct quota_table *t = q->quota->table;

	table_reserve(t, q, table_ms(t, clock_mono_us()));
	quota_tell(q->quota, q);
}

/* Returns true if a dim takes more than its whole limit. Such a request can never pass, so
 * nothing is charged. */
static bool
never_fits(struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].n > q->dim[k].limit) {
			q->result = QUOTA_UNREACHABLE;
			q->refused_by = k;
			return true;
		}
	return false;
}

/* ---- while Redis does not answer ---- */

/* Copies the dims of which this daemon has a share, with the share as their limit. */
static void
own_shares(const struct quota_request *q, struct quota_request *own)
{
	memset(own, 0, sizeof(*own));
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &own->dim[own->ndims];
		if (q->dim[k].away != QUOTA_AWAY_SHARE)
			continue;
		*d = q->dim[k];
		d->limit = d->share;
		d->moves = false;
		own->ndims++;
	}
}

/* Above its share a request is not admitted without Redis: QUOTA_FAILED. */
static void
at_own(struct mail *m, void *worker UNUSED)
{
	struct quota_request *q = TAGGED_OF(quota_request, mail, m), own;
	struct quota_table *t = q->quota->table;

	own_shares(q, &own);
	/* quota_fail() sends requests here only if a dim has a share */
	INVARIANT(own.ndims > 0);
	table_reserve(t, &own, table_ms(t, clock_mono_us()));
	q->result = own.result == QUOTA_ADMITTED ? QUOTA_ADMITTED : QUOTA_FAILED;
	q->alone = q->result == QUOTA_ADMITTED;
	for (size_t k = 0, i = 0; q->alone && k < q->ndims; k++)
		if (q->dim[k].away == QUOTA_AWAY_SHARE) {
			bool moves = q->dim[k].moves;
			q->dim[k] = own.dim[i++];
			q->dim[k].moves = moves;
		}
	quota_tell(q->quota, q);
}

void
quota_fail(struct quota *qt, struct quota_request *q, bool now)
{
	bool share = false, deny = false;

	q->result = QUOTA_FAILED;
	for (size_t k = 0; k < q->ndims; k++) {
		share |= q->dim[k].away == QUOTA_AWAY_SHARE;
		deny |= q->dim[k].away == QUOTA_AWAY_DENY;
	}
	/* The request is refused, or is charged in the table. A request that passes uncounted
	 * keeps the charge of its head. */
	if (share || deny)
		quota_unmove(qt, q, clock_mono_us());
	if (share && !deny && qt->table) {
		quota_enter(q, QUOTA_ASKED);
		q->mail.run = at_own;
		mailbox_send(qt->table->owner, &q->mail);
	} else if (now) {
		quota_enter(q, QUOTA_TOLD);
		quota_end(q);
	} else {
		quota_tell(qt, q);
	}
}

/* Subtracts from each limit the part that is set apart for the time without Redis. All
 * daemons together then stay within the limit, whatever each sees of Redis. */
static void
set_apart(const struct quota *qt, struct quota_request *q)
{
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		if (d->away != QUOTA_AWAY_SHARE)
			continue;
		uint64_t most = lives_alone(qt->lives, d->apart, d->guessed);
		d->share = d->share < most ? d->share : most;
		d->limit -= d->apart < d->limit ? d->apart : d->limit;
		d->apart = 0;
	}
}

void
quota_reserve(struct quota *qt, struct quota_request *q)
{
	/* Without a dim, nothing would be sent to Redis and the request would never end. */
	INVARIANT(q->life == QUOTA_IDLE && q->ndims > 0 && q->ndims <= QUOTA_DIMS_MAX);
	INVARIANT(qt->redis || qt->table);
	INVARIANT(owner_is_here(&qt->thread));
	TAG(quota_request, q);
	q->quota = qt;
	q->result = QUOTA_FAILED;
	q->retry_after_s = 0;
	q->tries = 0;
	q->over_s = 0;
	q->looks = q->looked = q->doubts = false;
	q->queued_us = clock_mono_us();
	for (size_t k = 0; k < q->ndims; k++) {
		q->dim[k].hash = span_hash(span_str(q->dim[k].key));
		q->dim[k].reduced_s = 0;
		q->dim[k].id = 0;
	}
	q->alone = false;
	if (qt->redis)
		set_apart(qt, q);
	if (never_fits(q)) {
		quota_unmove(qt, q, clock_mono_us());
		quota_tell(qt, q);
	} else if (qt->redis) {
		counts_queue(qt, q);
	} else {
		quota_enter(q, QUOTA_ASKED);
		q->mail.run = at_table;
		mailbox_send(qt->table->owner, &q->mail);
	}
}

/* Sets *left to the amount left of the dim, from replies of the last minute. Returns false if
 * there was none. */
static bool
left_known(const struct quota *qt, struct quota_dim *d, uint64_t *left)
{
	struct quota_dim then = *d;
	uint64_t now = clock_mono_us();
	bool known;

	then.n = 0;
	d->hash = then.hash = span_hash(span_str(d->key));
	if (qt->redis) {
		const struct redis_life *life = counts_life(qt, d);
		int64_t now_ms = redis_life_ms(life, now);
		then.at = cell_place(d, now_ms, life->epoch);
		known = life->epoch && known_left(qt->known, &then, now_ms, now);
	} else {
		known = qt->self == qt->table->owner &&
			table_left(qt->table, &then, table_ms(qt->table, now));
	}
	*left = known ? then.remaining : 0;
	INVARIANT(*left <= d->limit);
	return known;
}

bool
quota_hears(const struct quota *qt)
{
	return qt->redis || qt->self == qt->table->owner;
}

bool
quota_may_be_over(const struct quota *qt, struct quota_dim *d)
{
	uint64_t left;

	return !quota_hears(qt) || (left_known(qt, d, &left) && left < d->n + d->apart);
}

uint64_t
quota_left(const struct quota *qt, struct quota_dim *d)
{
	uint64_t left;

	left_known(qt, d, &left);
	uint64_t used = d->limit - left;
	left -= d->apart < left ? d->apart : left;
	return d->soft > used && d->soft - used < left ? d->soft - used : left;
}

bool
quota_current(const struct quota *qt, const struct quota_dim *d, uint64_t now_us)
{
	uint64_t epoch = epoch_now(qt, d, &d->at);

	return cell_place(d, quota_ms(qt, d, &d->at, now_us), 0).bucket == d->at.bucket &&
	       (epoch == 0 || epoch == d->at.epoch || d->at.noted);
}

/* ---- corrections ---- */

/* A correction on its way to the table. */
struct correction {
	struct tag tag;
	struct mail mail;
	struct quota_table *table;
	struct change change;
};

static void
correct_table(struct mail *m, void *worker UNUSED)
{
	struct correction *c = TAGGED_OF(correction, mail, m);

	table_change(c->table, &c->change);
	TAG_CLEAR(correction, c);
	free(c);
}

/* Returns the place of an amount that is counted without a decision. The slice is the one of
 * now_ms. */
static struct quota_place
cell_place_at(const struct quota_dim *d, int64_t now_ms, uint64_t epoch)
{
	struct quota_place at = cell_place(d, now_ms, epoch);

	if (d->span.kind == QUOTA_ROLLING)
		at.slice = window_slice(d, now_ms) + 1;
	return at;
}

/* Reduces a correction to the part that still has an effect.
 *
 * A refund is made where the charge was counted, and only while that place exists. Usage
 * above the charge whose place is gone is counted at the present place. In another epoch of
 * the data nothing can be given back, and the usage is counted there. If the slot of the
 * counter has moved, the counter of the former epoch has moved too and is read, so a refund
 * is made there. */
static void
bring_home(const struct quota *qt, struct change *c, int64_t now_ms)
{
	const struct quota_dim *d = &c->dim;
	struct cell own = cell_own(d, &c->at);
	uint64_t epoch = epoch_now(qt, d, &c->at);
	bool moved = c->own < 0 && c->spent <= 0 && c->at.epoch &&
		     c->at.epoch == redis_former_epoch(qt->redis, span_str(d->key)),
	     lives = c->at.epoch == epoch || moved;

	if (!lives || !cell_takes(d, &c->at, own, c->own, now_ms)) {
		if (c->own < 0)
			c->own = 0;
		else if (d->span.kind == QUOTA_ROLLING)
			c->at = cell_place_at(d, now_ms, epoch);
	}
	if (!lives) {
		c->at.epoch = epoch;
		c->spent = c->spent > 0 ? c->spent : 0;
		if (d->span.kind == QUOTA_CALENDAR && !cell_expires(d) && c->spent)
			c->own = c->spent;
	}
}

/* A charge in a ledger is counted in every epoch, so the correction is sent to the present
 * one, after all workers have added their ledgers. If no server can be reached, the ledger
 * has the correction, and it is sent if its epoch continues. */
static void
change_noted(struct quota *qt, struct change *c, uint64_t now_us)
{
	const struct quota_dim *d = &c->dim;
	bool reach = counts_reach(qt, d);
	int64_t now_ms = quota_ms(qt, d, &c->at, now_us);

	if (reach && !cell_takes(d, &c->at, cell_own(d, &c->at), c->own, now_ms)) {
		if (c->own < 0)
			c->own = 0;
		else if (c->own > 0 && d->span.kind == QUOTA_ROLLING)
			c->at = cell_place_at(d, now_ms, counts_life(qt, d)->epoch);
	}
	uint64_t epoch = reach ? counts_life(qt, d)->epoch : c->at.epoch;
	if (epoch != c->at.epoch) /* the ledger restores a sub-bucket without its notes */
		c->at.slice = 0;
	c->at.epoch = epoch;
	c->at.noted = true;
	if (c->spent)
		quota_note(qt, d, &c->at, cell_spent(d, &c->at), c->spent, c->at.epoch);
	if (c->own)
		quota_note(qt, d, &c->at, cell_own(d, &c->at), c->own, c->at.epoch);
	if (!reach)
		lives_look_again(qt);
	if (!reach || !lives_settled(qt, d))
		counts_keep(qt, c);
	else if (c->spent || c->own)
		counts_change(qt, c);
}

void
quota_change(struct quota *qt, const struct change *change, uint64_t now_us)
{
	struct change now = *change;
	const struct quota_dim *d = &now.dim;

	bool redis = on_redis(qt, &now.at);
	/* Without Redis and without a table there is no place where anything could have been
	 * charged. */
	INVARIANT(redis || qt->table);
	if (redis && now.at.noted) {
		change_noted(qt, &now, now_us);
		return;
	}
	if (redis && !counts_reach(qt, d)) {
		counts_keep(qt, change);
		return;
	}
	bring_home(qt, &now, quota_ms(qt, d, &now.at, now_us));
	if (now.spent == 0 && now.own == 0)
		return;
	if (redis) {
		counts_change(qt, &now);
		return;
	}
	struct correction *c = malloc(sizeof(*c));
	if (!c)
		return; /* counts too much, which never over-admits */
	TAG(correction, c);
	c->table = qt->table;
	c->change = now;
	c->mail.run = correct_table;
	mailbox_send(qt->table->owner, &c->mail);
}

/* If Redis has never answered, there is no place to count at, and the amount is lost. */
void
quota_add(struct quota *qt, const struct quota_dim *d, uint64_t now_us)
{
	struct change c = { .dim = *d, .own = (int64_t)d->n };

	c.dim.hash = span_hash(span_str(d->key));
	c.at.epoch = qt->redis ? counts_life(qt, &c.dim)->epoch : 0;
	if (qt->redis && !c.at.epoch) {
		metric_inc(qt->metrics, M_QUOTA_LOST);
		return;
	}
	c.at = cell_place_at(&c.dim, quota_ms(qt, &c.dim, &c.at, now_us), c.at.epoch);
	c.at.noted = qt->redis != NULL;
	c.dim.at = c.at;
	quota_change(qt, &c, now_us);
}

/* `unseen`: the charge was counted after the last time that this worker read the counter. */
static void
give_back(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	bool unseen, uint64_t now_us)
{
	struct change c = { .dim = *d, .at = *at, .own = -(int64_t)d->n, .unseen = unseen };

	if (at != &d->at)
		c.dim.id = 0; /* the id belongs to the charge at d->at */
	if (cell_spends(d, at))
		c.spent = c.own;
	quota_change(qt, &c, now_us);
}

void
quota_take_back(struct quota *qt, const struct quota_dim *d, uint64_t now_us)
{
	give_back(qt, d, &d->at, true, now_us);
}

void
quota_unmove(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		if (d->moves)
			give_back(qt, d, &d->from, false, now_us);
		d->moves = false;
	}
}

size_t
quota_settled(struct quota_request *q, struct change *out)
{
	size_t n = 0;

	INVARIANT(q->ndims <= QUOTA_DIMS_MAX); /* `out` has room for this many */
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].charged)
			out[n++] = cell_settle(&q->dim[k]);
	return n;
}

void
quota_settle(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	struct change c[QUOTA_DIMS_MAX];
	size_t n = quota_settled(q, c);

	for (size_t i = 0; i < n; i++)
		quota_change(qt, &c[i], now_us);
}

/* The ledger has the settlement already: it was made from the journal. */
void
quota_repeat(struct quota *qt, const struct change *change)
{
	struct change c = *change;

	INVARIANT(qt->redis && c.dim.id && c.at.epoch);
	c.dim.hash = span_hash(span_str(c.dim.key));
	c.at.noted = c.repeats = true;
	counts_keep(qt, &c);
}

void
quota_release(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		if (d->charged)
			give_back(qt, d, &d->at, false, now_us);
		d->charged = false;
		d->id = 0;
	}
}
