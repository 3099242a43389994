/* Reservations on Redis: the content and the time of each pipeline. quota_part.c writes the
 * pipelines and reads the replies.
 *
 * All reservations of a turn of the loop are sent in one pipeline at its end, after all
 * corrections. The pipeline counts, then reads Redis' clock, then the counters that are not
 * known (quota_known.h), and last the epoch and the revision. An admission is valid if the
 * clock is in the window that was counted and the epoch is the one of the keys. Everything
 * admitted at a moment of Redis' clock is then in that moment's window, and the last one to
 * count has seen all others. Otherwise the count is taken back (or forgotten, in another
 * epoch), and the request is tried again.
 *
 * Amounts held until a long deadline are read only if "tollgate:longs:EPOCH" exists. A worker
 * that holds for so long sets that key before it counts, and the key is read last. A worker
 * that does not see the key has counted earlier, and its count is seen.
 *
 * The keys of a dim are on one node, which has a clock and an epoch of its own. A turn is one
 * pipeline for each node, and a request is decided when its last node has replied. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "budget/quota/quota_part.h"

/* "longs" is set again if it would live for a shorter time */
enum { LONGS_LEAST_S = 2 * CELL_HOLD_MAX_S };

/* Returns the commands for a dim. */
static enum plan
plan_of(const struct quota *qt, const struct quota_request *q, const struct quota_dim *d,
	uint64_t now)
{
	bool rolling = d->span.kind == QUOTA_ROLLING,
	     longs = cell_expires(d) && known_longs(qt->known, d->at.epoch);
	enum plan former = d->former ? FORMER : 0;

	if (q->looks)
		return READS | LOOKS | (longs ? LONGS : 0) | former;
	if (rolling)
		return d->n && !former && !q->doubts &&
				       known_near(qt->known, d, now - KNOWN_AGE_US,
					       &(struct window_counts){ 0 })
			       ? COUNTS
			       : COUNTS | READS | MAKES | former;
	enum plan plan = COUNTS | (cell_spends(d, &d->at) ? SPENDS : 0) | (longs ? LONGS : 0) |
			 former;
	if (former || !known_made(qt->known, d, &d->at, cell_own(d, &d->at)))
		return plan | READS | MAKES;
	/* a dim that takes nothing reads what others left */
	return cell_expires(d) || !d->n ? plan | READS : plan;
}

/* Prepares the next try. If the request does not fit by the known counts, it is refused
 * without counting, or is first sent as a read. Returns false if the request is decided
 * already. */
static bool
prepare_request(struct quota *qt, struct quota_request *q, uint64_t now)
{
	enum known_answer worst = KNOWN_ROOM;
	bool looked = q->looked;

	q->result = QUOTA_FAILED;
	q->looked = false;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		const struct redis_life *life = counts_life(qt, d);
		int64_t retry_ms, at_ms = redis_life_ms(life, now);
		d->at = cell_place(d, at_ms, life->epoch);
		d->former = redis_former_epoch(qt->redis, span_str(d->key));
		d->asked_s = at_ms / 1000;
		enum known_answer a = known_ask(qt->known, d, at_ms, now, &retry_ms);
		if (a != KNOWN_ROOM) {
			part_over(q, k, retry_ms);
			worst = worst == KNOWN_FULL ? worst : a;
		}
	}
	/* After a read the request is refused even if the counts are old; otherwise they
	 * would always be too old in slow turns. */
	if (worst == KNOWN_FULL || (worst == KNOWN_OLD && looked)) {
		quota_unmove(qt, q, now);
		quota_tell(qt, q);
		return false;
	}
	q->result = QUOTA_ADMITTED;
	q->retry_after_s = 0;
	q->looks = worst == KNOWN_OLD;
	q->unanswered = (unsigned)q->ndims;
	for (size_t k = 0; k < q->ndims; k++)
		known_sent(qt->known, &q->dim[k], q->looks);
	return true;
}

/* Sends the items of one node after another. */
static void
send_items(struct quota *qt, struct item *item, size_t n, uint64_t now)
{
	struct part *t = qt->part;

	while (n) {
		size_t rest = 0;
		struct redis *node = redis_at(qt->redis, span_str(item_dim(item)->key));
		*t = (struct part){ .quota = qt,
			.node = node,
			.sent_us = now,
			.epoch = redis_life(node)->epoch };
		TAG(part, t);
		for (size_t i = 0; i < n; i++) {
			const struct quota_dim *d = item_dim(&item[i]);
			if (redis_at(qt->redis, span_str(d->key)) != node) {
				item[rest++] = item[i];
				continue;
			}
			t->former += (item[i].plan & FORMER) != 0;
			t->revision |= d->span.kind == QUOTA_ROLLING && item[i].plan & READS;
			t->longs |=
				d->at.hold == QUOTA_HOLD_LONG && item[i].plan & COUNTS &&
				known_longs(qt->known, t->epoch) < d->asked_s + LONGS_LEAST_S;
			INVARIANT(t->nitems < TURN_ITEMS + QUOTA_DIMS_MAX);
			t->item[t->nitems++] = item[i];
		}
		part_send(qt, t);
		n = rest;
	}
}

/* Returns true if every server of the request's counters answers. */
static bool
has_all_epochs(const struct quota *qt, const struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (!counts_life(qt, &q->dim[k])->epoch)
			return false;
	return true;
}

/* Sends as many of the requests from *rest on as fit into a turn. */
static void
send_turn(struct quota *qt, struct quota_request **rest)
{
	struct item item[TURN_ITEMS + QUOTA_DIMS_MAX];
	uint64_t now = clock_mono_us();
	struct quota_request *q;
	size_t n = 0;

	while ((q = *rest) && n < TURN_ITEMS) {
		*rest = q->next;
		if (!has_all_epochs(qt, q)) {
			metric_inc(qt->metrics, M_REDIS_ERRORS);
			quota_fail(qt, q, false);
			continue;
		}
		if (!prepare_request(qt, q, now))
			continue;
		for (size_t k = 0; k < q->ndims; k++)
			item[n++] = (struct item){ q, (unsigned short)k,
				(unsigned short)plan_of(qt, q, &q->dim[k], now) };
		INVARIANT(n <= TURN_ITEMS + QUOTA_DIMS_MAX);
	}
	send_items(qt, item, n, now);
}

const struct redis_life *
counts_life(const struct quota *qt, const struct quota_dim *d)
{
	static const struct redis_life none;
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node ? redis_life(node) : &none;
}

bool
counts_reach(const struct quota *qt, const struct quota_dim *d)
{
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node && redis_ready(node);
}

void
counts_queue(struct quota *qt, struct quota_request *q)
{
	/* only once: a request that is queued twice would make the list a ring */
	quota_enter(q, QUOTA_QUEUED);
	q->next = NULL;
	*qt->last = q;
	qt->last = &q->next;
}

/* Returns true if a server of the request is in an epoch in which not everything is counted
 * again yet, or has only just become known. */
static bool
is_unsettled(const struct quota *qt, const struct quota_request *q)
{
	for (const struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		const struct redis *node = redis_at(qt->redis, span_str(d->key));
		if (node && (redis_life(node)->epoch ? !lives_settled(qt, d) : redis_coming(node)))
			return true;
	}
	return false;
}

/* Takes the requests that can be sent from the queue. The others wait, for as long as for a
 * reply of Redis. */
static struct quota_request *
take_settled(struct quota *qt, uint64_t now)
{
	struct quota_request *q = qt->first, *next, *out = NULL, **last = &out;

	qt->first = NULL;
	qt->last = &qt->first;
	for (; q; q = next) {
		next = q->next;
		quota_enter(q, QUOTA_ASKED);
		if (is_unsettled(qt, q)) {
			if (now - q->queued_us < redis_deadline_us(qt->redis))
				counts_queue(qt, q);
			else
				quota_fail(qt, q, false);
			continue;
		}
		lives_share(qt, q, now);
		q->next = NULL;
		*last = q;
		last = &q->next;
	}
	return out;
}

static void
write_turn(void *quota)
{
	struct quota *qt = TAGGED(quota, quota);

	INVARIANT(owner_is_here(&qt->thread));
	if (redis_life_asked(qt->redis))
		return;
	uint64_t now = clock_mono_us();
	lives_turn(qt, now);
	counts_send_late(qt);
	notes_send(qt, now);
	struct quota_request *rest = take_settled(qt, now);
	while (rest)
		send_turn(qt, &rest);
}

bool
counts_new(struct quota *qt)
{
	qt->known = calloc(1, sizeof(*qt->known));
	qt->ledger = calloc(1, sizeof(*qt->ledger));
	qt->lives = lives_new();
	qt->notes = notes_new();
	qt->part = malloc(
		sizeof(*qt->part) + (TURN_ITEMS + QUOTA_DIMS_MAX) * sizeof(qt->part->item[0]));
	redis_before_write(qt->redis, write_turn, qt);
	return qt->known && qt->ledger && qt->lives && qt->notes &&
	       qt->part;
}

void
counts_free(struct quota *qt)
{
	lives_leave(qt);
	redis_before_write(qt->redis, NULL, NULL);
	counts_free_late(qt);
	free(qt->known);
	ledger_free(&qt->ledger);
	lives_free(&qt->lives);
	free(qt->notes);
	free(qt->part);
}
