/* The set of entries, the view that workers read, the rules for replacing an entry, and the
 * merge with the entries of Redis.
 *
 * A view is an immutable copy of the list of entries with an index of the overrides. A change
 * makes a new view and swaps the pointer. A worker announces the view that it reads in
 * `reads`, and a view that no worker has announced is freed.
 *
 * A merge takes the entries of Redis into the set, and finds those that Redis lacks. The result
 * of a merge does not depend on the order of the entries, so all daemons arrive at the same
 * set.
 *
 * Entries that have ended are purged. An old copy of a purged entry may still exist in Redis or
 * on the disk of a daemon that was down. As long as such a copy could come into force again, a
 * line with the entry's name and serial is kept. The line is in the file of entries, with an
 * HMAC like theirs, and in the entry's field in Redis. A binary search finds a purged name by
 * its field. */
#include "gate/changes/live.h"

#include <sodium.h>
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
#include "gate/changes/gone.h"
#include "gate/changes/live_private.h"
#include "gate/store/signed.h"

/* ---- purged names ---- */

static const char *
gone_field_of(const void *list, size_t at)
{
	return ((const struct gone_list *)list)->v[at].field;
}

static size_t
gone_place(const struct gone_list *g, const char *field, bool *found)
{
	return field_place(g, g->n, gone_field_of, field, found);
}

/* Returns NULL if the entry was not purged, or if its name is forgotten. */
static const struct gone *
gone_find(const struct gone_list *g, const char *field)
{
	bool found;
	size_t at = gone_place(g, field, &found);

	return found ? &g->v[at] : NULL;
}

/* Returns true if the purged name keeps the entry out: the entry is not newer than the purged
 * one, or the purged key was revoked. */
static bool
gone_beats(const struct gone *g, const struct live_entry *e)
{
	return g->final || e->serial <= g->serial;
}

/* Adds or replaces a name. Returns 0, ERR_FULL (CAP_LIVE_GONE) or ERR_NOMEM. */
static int
gone_add(struct gone_list *g, const struct gone *one)
{
	bool found;
	size_t at = gone_place(g, one->field, &found);

	if (found) {
		g->v[at] = *one;
		return 0;
	}
	if (g->n == CAP_LIVE_GONE)
		return ERR_FULL;
	if (!mem_room(&g->v, &g->room, g->n + 1, sizeof(*g->v)))
		return ERR_NOMEM;
	memmove(g->v + at + 1, g->v + at, (g->n - at) * sizeof(*g->v));
	g->v[at] = *one;
	g->n++;
	return 0;
}

static void
gone_drop(struct gone_list *g, const char *field)
{
	bool found;
	size_t at = gone_place(g, field, &found);

	if (found)
		memmove(g->v + at, g->v + at + 1, (--g->n - at) * sizeof(*g->v));
}

/* Removes a name once no copy of its entry can be in force. */
static void
gone_forget(struct gone_list *g, int64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++)
		if (!live_day_after(g->v[i].latest_ns, now_ns))
			g->v[kept++] = g->v[i];
	g->n = kept;
}

static void
gone_free(struct gone_list *g)
{
	free(g->v);
	*g = (struct gone_list){ NULL, 0, 0 };
}

/* Returns the name of an entry that is about to be purged. */
static struct gone
gone_of(const struct live_entry *e)
{
	struct gone one = { .serial = e->serial,
		.latest_ns = e->latest_ns,
		.final = e->kind == LIVE_KEY && e->ended };

	INVARIANT(strlen(e->field) < sizeof(one.field));
	strcpy(one.field, e->field);
	return one;
}

/* Appends the name's signed line. */
static void
gone_write(const struct gone *one, const unsigned char key[SHA256_BYTES], struct buf *out)
{
	json_auto_t *o = json_pack("{s:s s:s s:I s:b}", "kind", "gone", "field", one->field,
		"serial", (json_int_t)one->serial, "final", one->final);

	if (one->latest_ns != LIVE_NEVER)
		live_put_time(o, "latest", one->latest_ns);
	if (signed_write(o, key, out))
		buf_putc(out, '\n');
}

/* Reads the object of a verified line. Returns false if the object is not a purged name. */
static bool
gone_read(json_t *object, struct gone *out)
{
	struct span field = json_span(json_object_get(object, "field")),
		    latest = json_span(json_object_get(object, "latest"));

	*out = (struct gone){ .latest_ns = LIVE_NEVER };
	if (!span_is(json_span(json_object_get(object, "kind")), "gone") || !field.n ||
		field.n >= sizeof(out->field))
		return false;
	memcpy(out->field, field.p, field.n);
	out->serial = json_integer_value(json_object_get(object, "serial"));
	out->final = json_is_true(json_object_get(object, "final"));
	return !latest.n || clock_parse(latest.p, latest.n, &out->latest_ns) == 0;
}

static void
live_view_free(struct live_view *v)
{
	for (size_t i = 0; v && i < v->nentries; i++)
		live_entry_unref(&v->entries[i]);
	if (v) {
		free(v->entries);
		free(v->keys.keys);
		free(v->limits);
		free(v->first);
		free(v->after);
	}
	free(v);
}

static size_t
chain_of(const struct live_view *v, const char *limit, struct span name, struct span value)
{
	uint64_t h = span_hash(span_str(limit)) * 31 + span_hash(name);

	return (size_t)((h * 31 + span_hash(value)) % v->nfirst);
}

/* Builds the hash table of overrides. Returns false if memory is exhausted. */
static bool
chain_overrides(struct live_view *v)
{
	v->nfirst = 2 * v->nlimits + 1;
	v->first = calloc(v->nfirst, sizeof(*v->first));
	v->after = calloc(v->nlimits + 1, sizeof(*v->after));
	for (size_t i = 0; v->first && v->after && i < v->nlimits; i++) {
		const struct live_override *o = v->limits[i];
		size_t c = chain_of(v, o->limit, o->pairs[0].name, o->pairs[0].value);
		v->after[i] = v->first[c];
		v->first[c] = (uint32_t)(i + 1);
	}
	return v->first && v->after;
}

size_t
live_next_override(const struct live_view *v, const char *limit, struct span name,
	struct span value, size_t at)
{
	at = at ? v->after[at - 1] : v->first[chain_of(v, limit, name, value)];
	while (at) {
		const struct live_override *o = v->limits[at - 1];
		if (!strcmp(o->limit, limit) && span_eq(o->pairs[0].name, name) &&
			span_eq(o->pairs[0].value, value))
			return at;
		at = v->after[at - 1];
	}
	return 0;
}

static struct live_view *
live_view_of(struct live_entry **v, size_t n)
{
	struct live_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->entries = calloc(n + 1, sizeof(*view->entries));
	view->keys.keys = calloc(n + 1, sizeof(*view->keys.keys));
	view->limits = calloc(n + 1, sizeof(*view->limits));
	if (!view->entries || !view->keys.keys || !view->limits) {
		live_view_free(view);
		return NULL;
	}
	view->keys.sorted = true; /* sorted like the fields */
	for (size_t i = 0; i < n; i++) {
		v[i]->refs++;
		view->entries[view->nentries++] = v[i];
		if (v[i]->kind == LIVE_KEY)
			view->keys.keys[view->keys.n++] = v[i]->key;
		else if (v[i]->kind == LIVE_LIMIT && !v[i]->ended)
			view->limits[view->nlimits++] = &v[i]->limit;
	}
	if (!chain_overrides(view)) {
		live_view_free(view);
		return NULL;
	}
	return view;
}

/* ---- publishing ---- */

/* Frees old views that no worker reads. Call with the lock held. */
static void
live_drop_old(struct live *l)
{
	for (struct live_view **at = &l->old; *at;) {
		struct live_view *v = *at;
		bool read = false;
		for (size_t i = 0; i < LIVE_READERS; i++)
			read |= atomic_load(&l->reads[i]) == v;
		if (read) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		live_view_free(v);
	}
}

/* Publishes the next view. If memory is exhausted, the current view stays and the next change
 * tries again. */
static void
live_publish(struct live *l)
{
	struct live_view *next = live_view_of(l->v, l->n);

	if (!next) {
		log_event(LOG_ERROR, "live.failed", LS("why", err_str(ERR_NOMEM)));
		return;
	}
	struct live_view *was = atomic_exchange(&l->now, next);
	if (was) {
		was->next = l->old;
		l->old = was;
	}
	live_drop_old(l);
	/* Stored after the view: a worker that reads the new number also finds the erasure in
	 * the view. */
	atomic_store(&l->came, l->ncame);
}

/* The publisher changes `now` first and then looks at `reads`. Therefore either the publisher
 * sees that the view is in use, or this loop sees that the view is no longer the current one.
 */
const struct live_view *
live_enter(struct live *l, unsigned worker)
{
	const struct live_view *v;

	INVARIANT(worker < LIVE_READERS);
	do {
		v = atomic_load(&l->now);
		atomic_store(&l->reads[worker], v);
	} while (v != atomic_load(&l->now));
	return v;
}

void
live_leave(struct live *l, unsigned worker)
{
	INVARIANT(worker < LIVE_READERS);
	atomic_store(&l->reads[worker], NULL);
}

/* ---- the set; call these with the lock held ---- */

static const char *
field_of(const void *l, size_t at)
{
	return ((const struct live *)l)->v[at]->field;
}

size_t
live_place(const struct live *l, const char *field, bool *found)
{
	return field_place(l, l->n, field_of, field, found);
}

/* Revocations, ends of overrides and erasures have room of their own, so that a full set
 * cannot prevent them. */
static bool
live_is_full(const struct live *l, const struct live_entry *e)
{
	if (e->kind == LIVE_ERASE)
		return l->nerasures >= CAP_LIVE_ERASURES;
	return l->n - l->nerasures >= CAP_LIVE_ENTRIES + (e->ended ? CAP_LIVE_ENDED : 0);
}

/* Adds or replaces the entry. Returns false, and leaves the entry to the caller, if there is
 * no room. */
static bool
live_set(struct live *l, struct live_entry *e)
{
	bool found;
	size_t at = live_place(l, e->field, &found);

	if (e->kind == LIVE_ERASE)
		e->erase.came = ++l->ncame;
	if (found) {
		live_entry_unref(&l->v[at]);
		l->v[at] = e;
		return true;
	}
	if (live_is_full(l, e) ||
		!mem_room((void *)&l->v, &l->room, l->n + 1, sizeof(struct live_entry *)))
		return false;
	INVARIANT(at <= l->n && l->n < l->room);
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(struct live_entry *));
	l->v[at] = e;
	l->n++;
	l->nerasures += e->kind == LIVE_ERASE;
	gone_drop(&l->gone, e->field);
	return true;
}

/* Removes the entry at this index. */
static void
live_take_out(struct live *l, size_t at)
{
	INVARIANT(at < l->n && l->nerasures <= l->n);
	l->nerasures -= l->v[at]->kind == LIVE_ERASE;
	live_entry_unref(&l->v[at]);
	l->n--;
	memmove(l->v + at, l->v + at + 1, (l->n - at) * sizeof(struct live_entry *));
}

/* ---- changes ---- */

json_t *
live_get(struct live *l, const char *field)
{
	bool found;

	SCOPED_LOCK(&l->lock);
	size_t at = live_place(l, field, &found);
	return found ? live_entry_object(l->v[at]) : NULL;
}

json_t *
live_list(struct live *l, enum live_kind kind)
{
	json_t *list = json_array();

	SCOPED_LOCK(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->kind == kind)
			json_array_append_new(list, live_entry_object(l->v[i]));
	return list;
}

/* Puts a made entry in force if the entry with `serial` is still the current one. Takes *e over
 * if the entry is in force afterwards. */
static int
put_entry(struct live *l, struct live_entry **e, int64_t serial, struct buf *why)
{
	bool found;
	size_t at = live_place(l, (*e)->field, &found);
	int64_t is = found ? l->v[at]->serial : 0;

	if (is != serial || (found && !live_entry_beats(*e, l->v[at]))) {
		buf_str(why, "another change of this entry came first: read the entry again "
			     "and repeat your change");
		return ERR_BAD_STATE;
	}
	if (!found && live_is_full(l, *e)) {
		metric_inc(l->metrics, M_LIVE_FULL);
		if ((*e)->kind == LIVE_ERASE)
			buf_printf(why,
				"the daemon has %zu erasures, the most it can keep: no more "
				"can be ordered",
				l->nerasures);
		else
			buf_printf(why,
				"the daemon has %zu keys and overrides, the most it can keep: "
				"revoke or clear some, or wait until some expire; they are "
				"removed "
				"a day later",
				l->n - l->nerasures);
		return ERR_FULL;
	}
	SCOPED_BUF(line, 0);
	buf_span(&line, (*e)->text);
	buf_putc(&line, '\n');
	bool kept = store_keep(&l->store, &line, 1);
	if (!kept)
		buf_printf(why,
			"%s cannot be written: check the disk and the file's permissions",
			l->store.name);
	if (!kept && !(*e)->ended)
		return ERR_IO;
	(*e)->put = atomic_load(&l->changes) + 1;
	if (!live_set(l, *e)) {
		buf_str(why, err_str(ERR_NOMEM));
		return ERR_NOMEM;
	}
	*e = NULL;
	atomic_fetch_add(&l->changes, 1);
	live_publish(l);
	return kept ? 0 : ERR_IO;
}

/* Sets "latest" of a new version to the latest end of all versions of this entry. Returns the
 * serial of the last version, 0 if there is none. */
static int64_t
set_latest(struct live *l, enum live_kind kind, json_t *o)
{
	struct span end = json_span(json_object_get(o, kind == LIVE_KEY ? "expires" : "until"));
	char field[LIVE_FIELD_MAX];
	int64_t latest, was = 0, serial = 0;
	bool found;

	if (!end.n || clock_parse(end.p, end.n, &latest) < 0)
		latest = LIVE_NEVER;
	struct span id = json_span(json_object_get(o, "id"));
	snprintf(field, sizeof(field), "%s:%.*s", live_kinds[kind],
		SPAN_ARG(span_cut(id, 0, LIVE_FIELD_MAX / 2)));
	pthread_mutex_lock(&l->lock);
	size_t at = live_place(l, field, &found);
	const struct gone *g = gone_find(&l->gone, field);
	if (found || g) {
		was = found ? l->v[at]->latest_ns : g->latest_ns;
		serial = found ? l->v[at]->serial : g->serial;
	}
	pthread_mutex_unlock(&l->lock);
	latest = was > latest ? was : latest;
	json_object_del(o, "latest");
	if (latest != LIVE_NEVER)
		live_put_time(o, "latest", latest);
	return serial;
}

/* Call this without the lock: reports that an erasure came into force. */
static void
live_erasure_came(struct live *l)
{
	if (l->erase)
		l->erase(l->erase_arg);
}

int
live_put(struct live *l, enum live_kind kind, json_t *object, int64_t serial, struct buf *why)
{
	int64_t was = set_latest(l, kind, object), now = wall_now_ns(), ms = now / 1000000;

	was = was > serial ? was : serial;
	json_object_set_new(object, "kind", json_string(live_kinds[kind]));
	/* If the wall clock is behind the last change, because it was set back, the serial
	 * still increases. */
	json_object_set_new(object, "serial", json_integer(ms > was ? ms : was + 1));
	json_object_set_new(object, "replaces", json_integer(serial));
	live_put_time(object, "time", now);
	json_object_set_new(object, "node", json_string(l->node));
	struct live_entry *e = live_entry_make(object, l->key, why);
	if (!e)
		return ERR_SYNTAX;
	pthread_mutex_lock(&l->lock);
	int err = put_entry(l, &e, serial, why);
	pthread_mutex_unlock(&l->lock);
	live_entry_unref(&e);
	if (!err && kind == LIVE_ERASE)
		live_erasure_came(l);
	return err;
}

size_t
live_count(struct live *l)
{
	SCOPED_LOCK(&l->lock);
	return l->n;
}

bool
live_kept(struct live *l)
{
	return atomic_load(&l->store.kept);
}

/* ---- opening and closing ---- */

/* Takes an entry of the file. The line of a purged name stands before the entry that replaced
 * the purged one. */
static bool
take_entry(struct live *l, struct span line, struct buf *why)
{
	struct live_entry *e = live_entry_read(line, span_of(NULL, 0), l->key, why);
	bool found;

	if (!e)
		return false;
	const struct gone *g = gone_find(&l->gone, e->field);
	size_t at = live_place(l, e->field, &found);
	bool old = found ? !live_entry_beats(e, l->v[at]) : g && gone_beats(g, e);
	if (old || !live_set(l, e))
		live_entry_unref(&e);
	return true;
}

static bool
take_gone(struct live *l, const struct gone *one, struct buf *why)
{
	bool found;
	size_t at = live_place(l, one->field, &found);

	if (gone_add(&l->gone, one)) {
		buf_str(why, err_str(ERR_FULL));
		return false;
	}
	if (found)
		live_take_out(l, at);
	return true;
}

static bool
read_live_line(void *arg, struct span line, struct buf *why)
{
	struct live *l = arg;
	json_auto_t *o = signed_read(line, CAP_LIVE_ENTRY_BYTES, l->key, why);
	struct gone one;

	if (!o)
		return false;
	bool gone = gone_read(o, &one);
	return gone ? take_gone(l, &one, why) : take_entry(l, line, why);
}

static size_t
write_live_lines(void *arg, struct buf *out)
{
	const struct live *l = arg;

	for (size_t i = 0; i < l->gone.n; i++)
		gone_write(&l->gone.v[i], l->key, out);
	for (size_t i = 0; i < l->n; i++) {
		buf_span(out, l->v[i]->text);
		buf_putc(out, '\n');
	}
	return l->n + l->gone.n;
}

static const struct store_kind live_lines = {
	.failed = "live.failed", .read = read_live_line, .write = write_live_lines
};

/* The entries of the other instance's file, in memory of the arena. */
struct other_file {
	const struct live *live;
	struct arena *arena;
	struct live_item *item;
	size_t n, room;
};

static bool
read_other_line(void *arg, struct span line, struct buf *why)
{
	struct other_file *o = arg;
	struct live_entry *e = NULL;
	struct gone one;
	char field[LIVE_FIELD_MAX] = "";

	json_auto_t *object = signed_read(line, CAP_LIVE_ENTRY_BYTES, o->live->key, why);
	if (!object)
		return false;
	if (gone_read(object, &one))
		snprintf(field, sizeof(field), "%s", one.field);
	else if ((e = live_entry_read(line, SPAN_LIT(""), o->live->key, why)))
		snprintf(field, sizeof(field), "%s", e->field);
	if (e)
		live_entry_unref(&e);
	struct live_item *all = arena_grow(o->arena, o->item, o->n, &o->room, sizeof(*all), 64);
	if (all)
		o->item = all;
	if (all && *field)
		all[o->n++] = (struct live_item){ .field = arena_dup(o->arena, span_str(field)),
			.text = arena_dup(o->arena, line) };
	if (*field && arena_failed(o->arena))
		buf_str(why, err_str(ERR_NOMEM));
	return *field && !arena_failed(o->arena);
}

/* Takes over what the other instance has in its file: this instance may not have seen it. */
static bool
merge_other(struct live *l, const char *name, struct buf *why)
{
	static const struct store_kind lines = { .read = read_other_line };

	SCOPED_ARENA(a, 0, false);
	struct other_file o = { .live = l, .arena = &a };
	if (!store_read_other(name, &lines, &o, why))
		return false;
	live_merge(l, o.item, o.n, NULL);
	return true;
}

struct live *
live_open(const char *file, const char *other, const char *node,
	const unsigned char key[SHA256_BYTES], struct metrics *m, struct buf *why)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	memcpy(l->key, key, sizeof(l->key));
	l->node = node;
	l->metrics = m;
	store_init(&l->store, &live_lines, l, file);
	if (store_open(&l->store, why) && (!other || merge_other(l, other, why))) {
		store_trim(&l->store, 2 * (l->n + l->gone.n) + 64);
		live_publish(l);
	}
	if (!atomic_load(&l->now))
		live_close(&l);
	return l;
}

void
live_close(struct live **lp)
{
	struct live *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	store_close(&l->store);
	live_drop_old(l);
	live_view_free(atomic_load(&l->now));
	for (size_t i = 0; i < l->n; i++)
		live_entry_unref(&l->v[i]);
	free(l->v);
	free(l->refused);
	gone_free(&l->gone);
	pthread_mutex_destroy(&l->lock);
	sodium_memzero(l->key, sizeof(l->key));
	free(l);
}

/* ---- nodes ---- */

/* Returns the node's entry, or NULL. Call with the lock held. */
static const struct live_node *
node_entry(const struct live *l, const char *node)
{
	char field[LIVE_FIELD_MAX], id[LIVE_NODE_ID + 1];
	bool found;

	live_node_id(span_str(node), id);
	snprintf(field, sizeof(field), "%s:%s", live_kinds[LIVE_NODE], id);
	size_t at = live_place(l, field, &found);
	return found ? &l->v[at]->node : NULL;
}

bool
live_node_retired(struct live *l, const char *node, struct buf *why)
{
	char when[CLOCK_RFC3339_LEN];

	SCOPED_LOCK(&l->lock);
	const struct live_node *n = node_entry(l, node);
	if (!n || n->admitted)
		return false;
	clock_rfc3339(n->retired_ns, when);
	if (why)
		buf_printf(why, "node %s was retired at %.19sZ (%s)", n->name, when, n->why);
	return true;
}

int64_t
live_node_settled(struct live *l, const char *node)
{
	SCOPED_LOCK(&l->lock);
	const struct live_node *n = node_entry(l, node);
	return n ? n->settled_ns : 0;
}

/* ---- merging ---- */

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

/* Logs that Redis has an older version than ours. live_missing() makes sync.c write ours again.
 */
static void
log_older_entry(struct live *l, const struct live_entry *e, int64_t ours, size_t *older)
{
	if (!older)
		return;
	*older += 1;
	metric_inc(l->metrics, M_LIVE_OLDER);
	log_event(LOG_WARN, "live.older", LS("field", e->field), LI("serial", e->serial),
		LI("ours", ours));
}

/* Logs that a change that was made here is replaced by one of another daemon that did not know
 * it: both were made at about the same time, and the daemon whose clock is ahead has the higher
 * serial. */
static void
log_crossed_change(
	const struct live *l, const struct live_entry *ours, const struct live_entry *e)
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

/* Returns true if the entry ended a day ago or earlier, so that it may be purged. The
 * revocation of a file's key never ends. */
static bool
live_entry_is_over(const struct live_entry *e, int64_t now_ns)
{
	bool of_file = e->kind == LIVE_KEY && sodium_is_zero(e->key.sha256, SHA256_BYTES);

	return !of_file && live_day_after(e->over_ns, now_ns);
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

	if (older)
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
