/* Merges the entries of Redis with ours, finds those that Redis lacks, and purges entries
 * that have ended.
 *
 * The result of a merge does not depend on the order of the entries, so all daemons arrive at
 * the same set. */
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/live_private.h"
#include "gate/store/signed.h"

/* The entries that one merge refuses. `field` and `why` describe the first one that the
 * previous merge did not refuse. */
struct refusals {
	uint64_t *hash;
	size_t n, room, fresh;
	struct span field;
	char why[128];
};

static int
by_hash(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static void
refuse_item(const struct live *l, struct refusals *r, struct live_item *item, struct span why)
{
	uint64_t h = span_hash(item->field) * 31 + span_hash(item->text);

	item->forged = true;
	if (mem_room(&r->hash, &r->room, r->n + 1, sizeof(h)))
		r->hash[r->n++] = h;
	if (l->nrefused && bsearch(&h, l->refused, l->nrefused, sizeof(h), by_hash))
		return;
	if (r->fresh++ == 0) {
		r->field = item->field;
		snprintf(r->why, sizeof(r->why), "%.*s", SPAN_ARG(why));
	}
}

void
live_junk(struct live *l, size_t n, struct span first, const char *why)
{
	metric_add(l->metrics, M_LIVE_FORGED, n);
	log_event(LOG_WARN, "live.refused", LSP("field", span_cut(first, 0, 64)),
		LS("why", why), LI("fields", n));
}

/* Logs that Redis has an older version than ours. live_missing() makes sync.c write ours again. */
static void
log_older_entry(struct live *l, const struct live_entry *e, int64_t ours, size_t *older)
{
	*older += 1;
	metric_inc(l->metrics, M_LIVE_OLDER);
	log_event(LOG_WARN, "live.older", LS("field", e->field), LI("serial", e->serial),
		LI("ours", ours));
}

/* Logs that a change that was made here is replaced by one of another daemon that did not know
 * it: both were made at about the same time, and the daemon whose clock is ahead has the higher
 * serial. */
static void
log_crossed_change(const struct live *l, const struct live_entry *ours, const struct live_entry *e)
{
	json_auto_t *o = live_entry_object(e);
	/* missing in entries of versions before 0.3.0 */
	const json_t *replaces = json_object_get(o, "replaces");

	if (!ours->put || !replaces || json_integer_value(replaces) >= ours->serial)
		return;
	metric_inc(l->metrics, M_LIVE_OLDER);
	log_event(LOG_WARN, "live.crossed", LS("field", e->field),
		LSP("node", json_span(json_object_get(o, "node"))),
		LSP("by", json_span(json_object_get(o, "by"))), LI("serial", e->serial),
		LI("ours", ours->serial),
		LS("why", "another daemon, which did not know your change, replaced it: if "
			  "your change should be in force, repeat it"));
}

static bool
no_room(struct live *l, const char *field)
{
	metric_inc(l->metrics, M_LIVE_FULL);
	log_event(LOG_ERROR, "live.failed", LS("field", field), LS("why", err_str(ERR_FULL)));
	return false;
}

/* Decides about an entry that we do not have. Returns the entry if it may come into force.
 * Returns NULL if the entry was purged, or has ended so long ago that nothing needs to be
 * kept. live_missing() overwrites such old copies in Redis. */
static struct live_entry *
let_in(struct live *l, struct live_entry *e, struct live_item *item, size_t *older)
{
	const struct gone *g = gone_find(&l->gone, e->field);
	int64_t now = wall_least_ns();

	item->stale = !g && live_entry_is_over(e, now) && live_day_after(e->latest_ns, now);
	if (!item->stale && (!g || !gone_beats(g, e)))
		return e;
	if (g && !e->ended)
		log_older_entry(l, e, g->serial, older);
	if (g && e->ended && e->kind == LIVE_KEY && !g->final) {
		struct gone one = *g;
		one.final = true;
		gone_add(&l->gone, &one);
	}
	live_entry_unref(&e);
	return NULL;
}

/* Takes a name that another daemon purged. Returns true if this changed something. */
static bool
merge_gone(struct live *l, const struct gone *one, struct live_item *item)
{
	bool found;
	size_t at = live_place(l, one->field, &found);
	const struct gone *was = gone_find(&l->gone, one->field);
	struct gone next = *one;

	item->stale = live_day_after(one->latest_ns, wall_least_ns());
	if (item->stale || (found && !gone_beats(one, l->v[at])))
		return false;
	if (was) {
		next.final |= was->final;
		next.serial = was->serial > next.serial ? was->serial : next.serial;
		next.latest_ns =
			was->latest_ns > next.latest_ns ? was->latest_ns : next.latest_ns;
		if (next.final == was->final && next.serial == was->serial &&
			next.latest_ns == was->latest_ns)
			return false;
	}
	if (gone_add(&l->gone, &next))
		return no_room(l, one->field);
	if (found)
		live_take_out(l, at);
	return true;
}

/* Reads one item. Returns NULL if the item is a purged name (then *taken is set if the name
 * is new here) or if the item is refused. */
static struct live_entry *
read_item(struct live *l, struct live_item *item, struct buf *lines, struct refusals *refused,
	bool *taken)
{
	struct span field = item->field.n ? item->field : SPAN_LIT("?");
	struct live_entry *e = NULL;
	struct gone one;

	SCOPED_BUF(why, 1024);
	json_auto_t *o = signed_read(item->text, CAP_LIVE_ENTRY_BYTES, l->key, &why);
	bool gone = o && gone_read(o, &one) && span_is(field, one.field);
	if (gone && (*taken = merge_gone(l, &one, item)))
		gone_write(gone_find(&l->gone, one.field), l->key, lines);
	if (!gone && o)
		e = live_entry_read(item->text, field, l->key, &why);
	if (!gone && !e)
		refuse_item(l, refused, item, buf_view(&why));
	return e;
}

/* Merges one item. Returns true if this changed something. */
static bool
merge_one(struct live *l, struct live_item *item, struct buf *lines, struct refusals *refused,
	size_t *older, size_t *erasures)
{
	bool found;

	char field[LIVE_FIELD_MAX] = "";
	if (item->field.n < sizeof(field) && item->field.n)
		memcpy(field, item->field.p, item->field.n);
	size_t at = live_place(l, field, &found);
	if (found && span_eq(l->v[at]->text, item->text))
		return false;
	bool taken = false;
	struct live_entry *e = read_item(l, item, lines, refused, &taken);
	if (!e)
		return taken;
	/* Two versions were made at the same time. Either may be in some copy, so the later
	 * end counts for both. */
	if (found && l->v[at]->latest_ns < e->latest_ns)
		l->v[at]->latest_ns = e->latest_ns;
	else if (found)
		e->latest_ns = l->v[at]->latest_ns;
	if (found && !live_entry_beats(e, l->v[at])) {
		log_older_entry(l, e, l->v[at]->serial, older);
		live_entry_unref(&e);
		return false;
	}
	if (found)
		log_crossed_change(l, l->v[at], e);
	if (!found && !(e = let_in(l, e, item, older)))
		return false;
	buf_span(lines, e->text);
	buf_putc(lines, '\n');
	bool erases = e->kind == LIVE_ERASE;
	if (live_set(l, e)) {
		*erasures += erases;
		return true;
	}
	no_room(l, e->field);
	live_entry_unref(&e);
	return false;
}

void
live_merge(struct live *l, struct live_item *items, size_t n, size_t *older)
{
	struct refusals refused = { .n = 0 };
	size_t taken = 0, erasures = 0;

	*older = 0;
	SCOPED_BUF(lines, 0);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n; i++)
		taken += merge_one(l, &items[i], &lines, &refused, older, &erasures);
	/* Redis is read every few seconds, so refusals that were logged last time are not
	 * logged again. */
	if (refused.fresh)
		live_junk(l, refused.fresh, refused.field, refused.why);
	if (refused.n)
		qsort(refused.hash, refused.n, sizeof(*refused.hash), by_hash);
	free(l->refused);
	l->refused = refused.hash;
	l->nrefused = refused.n;
	/* The changes are in force even if the disk refuses them, because one of them may be
	 * a revocation. */
	if (taken)
		live_publish(l);
	store_keep(&l->store, &lines, taken);
	live_drop_old(l);
	pthread_mutex_unlock(&l->lock);
	if (erasures)
		live_erasure_came(l);
}

/* Returns true if the items include this one. *i is the number of items with a smaller field.
 */
static bool
items_have(const struct live_item *items, size_t n, struct live_item item, size_t *i)
{
	while (*i < n && span_order(items[*i].field, item.field) < 0)
		++*i;
	return *i < n && span_eq(items[*i].field, item.field) &&
	       span_eq(items[*i].text, item.text);
}

void
live_missing(struct live *l, const struct live_item *items, size_t n,
	void (*each)(void *arg, struct live_item item), void *arg)
{
	size_t i = 0;

	SCOPED_BUF(text, 0);
	SCOPED_LOCK(&l->lock);
	for (size_t e = 0; e < l->n; e++) {
		struct live_item item = { .field = span_str(l->v[e]->field),
			.text = l->v[e]->text };
		if (!items_have(items, n, item, &i))
			each(arg, item);
	}
	/* Names of purged entries are also written to Redis. A daemon that was down may have
	 * the purged entry on its disk. */
	i = 0;
	for (size_t g = 0; g < l->gone.n; g++) {
		buf_clear(&text);
		gone_write(&l->gone.v[g], l->key, &text);
		struct live_item item = { .field = span_str(l->gone.v[g].field),
			.text = span_cut(buf_view(&text), 0, text.n ? text.n - 1 : 0) };
		if (!buf_failed(&text) && !items_have(items, n, item, &i))
			each(arg, item);
	}
}

void
live_put_since(struct live *l, uint64_t since, void (*each)(void *arg, struct live_item item),
	void *arg)
{
	SCOPED_LOCK(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->put > since)
			each(arg, (struct live_item){ .field = span_str(l->v[i]->field),
					  .text = l->v[i]->text });
}

/* ---- purging ---- */

/* If the disk refuses the rewritten file, the old file still has all entries, and the next
 * write tries again. */
size_t
live_purge(struct live *l, int64_t now_ns, size_t most, struct buf *fields)
{
	size_t kept = 0, n = 0;

	SCOPED_LOCK(&l->lock);
	gone_forget(&l->gone, now_ns);
	for (size_t i = 0; i < l->n; i++) {
		const struct live_entry *e = l->v[i];
		struct gone one = gone_of(e);
		if (n == most || !live_entry_is_over(e, now_ns) ||
			(!live_day_after(e->latest_ns, now_ns) && gone_add(&l->gone, &one))) {
			l->v[kept++] = l->v[i];
			continue;
		}
		buf_printf(fields, "%s\"%s\"", n++ ? "," : "", l->v[i]->field);
		live_entry_unref(&l->v[i]);
	}
	l->n = kept;
	if (n) {
		live_publish(l);
		store_rewrite(&l->store);
	}
	live_drop_old(l);
	return n;
}
