/* The set of entries, the view that workers read, and the rules for replacing an entry.
 *
 * A view is an immutable copy of the list of entries with an index of the overrides. A change
 * makes a new view and swaps the pointer. A worker announces the view that it reads in
 * `reads`, and a view that no worker has announced is freed. */
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/live.h"
#include "gate/changes/live_private.h"
#include "gate/store/signed.h"

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


/* Call with the lock held. */
void
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

void
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

bool
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

void
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

/* Puts a made entry in force if the entry with `serial` is still the current one. Takes *e over if
 * the entry is in force afterwards. */
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
				"revoke or clear some, or wait until some expire; they are removed "
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

static const struct store_kind live_lines = { .failed = "live.failed",
	.read = read_live_line,
	.write = write_live_lines };

struct live *
live_open(const char *file, const char *node, const unsigned char key[SHA256_BYTES],
	struct metrics *m, struct buf *why)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	memcpy(l->key, key, sizeof(l->key));
	l->node = node;
	l->metrics = m;
	store_init(&l->store, &live_lines, l, file);
	if (store_open(&l->store, why)) {
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
