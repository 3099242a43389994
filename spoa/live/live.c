/* The set of entries, the view that workers read, and what takes the place of what. */
#include "live/live.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "live/file.h"

enum { REFUSED_REMEMBERED = 256 };

struct live {
	unsigned char key[SHA256_BYTES];
	const char *node;
	struct metrics *metrics;
	pthread_mutex_t lock; /* of what follows; no worker takes it */
	struct live_file *file;
	struct live_entry **v; /* sorted by field */
	size_t n, room;
	bool kept; /* all of them are on disk */
	_Atomic uint64_t changes;
	uint64_t refused[REFUSED_REMEMBERED]; /* hashes of what was logged */
	size_t nrefused;
	struct live_view *old; /* views that a worker may still read */
	_Atomic(struct live_view *) now;
	_Atomic(const struct live_view *) reads[LIVE_READERS]; /* by worker; NULL: none */
};

/* ---- views ---- */

static void
view_free(struct live_view *v)
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

/* False: out of memory. */
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

/* NULL: out of memory. */
static struct live_view *
view_of(struct live_entry **v, size_t n)
{
	struct live_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->entries = calloc(n + 1, sizeof(*view->entries));
	view->keys.keys = calloc(n + 1, sizeof(*view->keys.keys));
	view->limits = calloc(n + 1, sizeof(*view->limits));
	if (!view->entries || !view->keys.keys || !view->limits) {
		view_free(view);
		return NULL;
	}
	view->keys.sorted = true; /* as the fields are */
	for (size_t i = 0; i < n; i++) {
		v[i]->refs++;
		view->entries[view->nentries++] = v[i];
		if (v[i]->kind == LIVE_KEY)
			view->keys.keys[view->keys.n++] = v[i]->key;
		else if (!v[i]->ended)
			view->limits[view->nlimits++] = &v[i]->limit;
	}
	if (!chain_overrides(view)) {
		view_free(view);
		return NULL;
	}
	return view;
}

static bool
is_read(struct live *l, const struct live_view *v)
{
	for (size_t i = 0; i < LIVE_READERS; i++)
		if (atomic_load(&l->reads[i]) == v)
			return true;
	return false;
}

/* With the lock. */
static void
drop_old(struct live *l)
{
	for (struct live_view **at = &l->old; *at;) {
		struct live_view *v = *at;
		if (is_read(l, v)) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		view_free(v);
	}
}

/* With the lock. Out of memory: the view in force stays, and the next change tries again. */
static void
publish(struct live *l)
{
	struct live_view *next = view_of(l->v, l->n);

	if (!next) {
		log_event(LOG_ERROR, "live.failed", LS("why", err_str(ERR_NOMEM)));
		return;
	}
	struct live_view *was = atomic_exchange(&l->now, next);
	if (was) {
		was->next = l->old;
		l->old = was;
	}
	drop_old(l);
}

/* Whoever publishes looks at `reads` after it has changed `now`: either it sees that the view
 * is read, or we see that it is no longer the one. */
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
	atomic_store(&l->reads[worker], NULL);
}

/* ---- the set; all with the lock ---- */

/* Where the field is, or belongs. */
static size_t
place_of(const struct live *l, const char *field, bool *found)
{
	size_t from = 0, to = l->n;

	*found = false;
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		int order = strcmp(l->v[mid]->field, field);
		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* Takes the entry, or leaves it where there is no room: false. */
static bool
set_entry(struct live *l, struct live_entry *e)
{
	bool found;
	size_t at = place_of(l, e->field, &found);

	if (found) {
		live_entry_unref(&l->v[at]);
		l->v[at] = e;
		return true;
	}
	if (l->n == CAP_LIVE_ENTRIES)
		return false;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct live_entry **v = realloc(l->v, room * sizeof(struct live_entry *));
		if (!v)
			return false;
		l->v = v;
		l->room = room;
	}
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(struct live_entry *));
	l->v[at] = e;
	l->n++;
	return true;
}

/* On disk: the lines, or where a write before them failed, all that is in force and they. */
static bool
keep(struct live *l, struct span lines)
{
	struct buf all;

	if (l->kept)
		return l->kept = live_file_append(l->file, lines) == 0;
	buf_init(&all, 0);
	for (size_t i = 0; i < l->n; i++) {
		buf_span(&all, l->v[i]->text);
		buf_putc(&all, '\n');
	}
	buf_span(&all, lines);
	l->kept = !buf_failed(&all) && live_file_replace(l->file, buf_view(&all)) == 0;
	buf_free(&all);
	return l->kept;
}

/* ---- changes ---- */

json_t *
live_get(struct live *l, const char *field)
{
	bool found;

	pthread_mutex_lock(&l->lock);
	size_t at = place_of(l, field, &found);
	json_t *o = found ? live_entry_object(l->v[at]) : NULL;
	pthread_mutex_unlock(&l->lock);
	return o;
}

json_t *
live_list(struct live *l, enum live_kind kind)
{
	json_t *list = json_array();

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->kind == kind)
			json_array_append_new(list, live_entry_object(l->v[i]));
	pthread_mutex_unlock(&l->lock);
	return list;
}

/* Later than the clock where the last change says so: no clock that was put back makes an
 * entry old. */
static void
stamp(struct live *l, enum live_kind kind, json_t *o, int64_t was)
{
	int64_t now = clock_wall_ns();
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(now, when);
	json_object_set_new(o, "kind", json_string(live_kinds[kind]));
	json_object_set_new(
		o, "serial", json_integer(now / 1000000 > was ? now / 1000000 : was + 1));
	json_object_set_new(o, "time", json_string(when));
	json_object_set_new(o, "node", json_string(l->node));
}

static int
put_entry(struct live *l, struct live_entry **e, int64_t serial, struct buf *why)
{
	bool found;
	size_t at = place_of(l, (*e)->field, &found);
	int64_t is = found ? l->v[at]->serial : 0;
	struct buf line;

	if (is != serial || (found && !live_entry_beats(*e, l->v[at]))) {
		buf_str(why, "another change of it came first: look, and try again");
		return ERR_BAD_STATE;
	}
	if (!found && l->n == CAP_LIVE_ENTRIES) {
		buf_printf(
			why, "there are %d entries, and more are not kept", CAP_LIVE_ENTRIES);
		return ERR_FULL;
	}
	buf_init(&line, 0);
	buf_span(&line, (*e)->text);
	buf_putc(&line, '\n');
	bool kept = !buf_failed(&line) && keep(l, buf_view(&line));
	buf_free(&line);
	if (!kept)
		buf_printf(why, "%s cannot be written", live_file_name(l->file));
	if (!kept && !(*e)->ended)
		return ERR_IO;
	(*e)->put = atomic_load(&l->changes) + 1;
	if (!set_entry(l, *e)) {
		buf_str(why, err_str(ERR_NOMEM));
		return ERR_NOMEM;
	}
	*e = NULL;
	atomic_fetch_add(&l->changes, 1);
	publish(l);
	return kept ? 0 : ERR_IO;
}

int
live_put(struct live *l, enum live_kind kind, json_t *object, int64_t serial, struct buf *why)
{
	stamp(l, kind, object, serial);
	struct live_entry *e = live_entry_make(object, l->key, why);
	if (!e)
		return ERR_SYNTAX;
	pthread_mutex_lock(&l->lock);
	int err = put_entry(l, &e, serial, why);
	pthread_mutex_unlock(&l->lock);
	live_entry_unref(&e);
	return err;
}

size_t
live_count(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	size_t n = l->n;
	pthread_mutex_unlock(&l->lock);
	return n;
}

bool
live_kept(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	bool kept = l->kept;
	pthread_mutex_unlock(&l->lock);
	return kept;
}

uint64_t
live_changes(struct live *l)
{
	return atomic_load(&l->changes);
}

/* ---- what comes from elsewhere ---- */

/* Once for each text: Redis is read again and again. */
static void
refuse(struct live *l, const struct live_item *item, struct span why)
{
	uint64_t h = span_hash(item->field) * 31 + span_hash(item->text);

	for (size_t i = 0; i < REFUSED_REMEMBERED && i < l->nrefused; i++)
		if (l->refused[i] == h)
			return;
	l->refused[l->nrefused++ % REFUSED_REMEMBERED] = h;
	metric_inc(l->metrics, M_LIVE_FORGED);
	log_event(LOG_WARN, "live.refused", LSP("field", span_cut(item->field, 0, 64)),
		LSP("why", why));
}

/* True: *e is ours now. */
static bool
merge_one(struct live *l, const struct live_item *item, struct buf *lines, size_t *older)
{
	bool found;
	struct buf why;

	char field[LIVE_FIELD_MAX] = "";
	if (item->field.n < sizeof(field) && item->field.n)
		memcpy(field, item->field.p, item->field.n);
	size_t at = place_of(l, field, &found);
	if (found && span_eq(l->v[at]->text, item->text))
		return false;
	buf_init(&why, 1024);
	struct live_entry *e = live_entry_read(
		item->text, item->field.n ? item->field : SPAN_LIT("?"), l->key, &why);
	if (!e)
		refuse(l, item, buf_view(&why));
	buf_free(&why);
	if (!e)
		return false;
	if (found && !live_entry_beats(e, l->v[at])) {
		*older += 1;
		metric_inc(l->metrics, M_LIVE_OLDER);
		log_event(LOG_WARN, "live.older", LS("field", e->field),
			LI("serial", e->serial), LI("ours", l->v[at]->serial));
		live_entry_unref(&e);
		return false;
	}
	buf_span(lines, e->text);
	buf_putc(lines, '\n');
	if (set_entry(l, e))
		return true;
	log_event(LOG_ERROR, "live.failed", LS("why", err_str(ERR_FULL)));
	live_entry_unref(&e);
	return false;
}

void
live_merge(struct live *l, const struct live_item *items, size_t n, size_t *older)
{
	struct buf lines;
	size_t taken = 0;

	*older = 0;
	buf_init(&lines, 0);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n; i++)
		taken += merge_one(l, &items[i], &lines, older);
	/* In force whether the disk takes them or not: one of them may revoke. */
	if (taken)
		publish(l);
	if ((taken || !l->kept) && !keep(l, buf_view(&lines)))
		log_event(LOG_ERROR, "live.failed", LS("file", live_file_name(l->file)),
			LS("why", "it cannot be written"));
	drop_old(l);
	pthread_mutex_unlock(&l->lock);
	buf_free(&lines);
}

void
live_missing(struct live *l, const struct live_item *items, size_t n,
	void (*each)(void *arg, struct live_item item), void *arg)
{
	size_t i = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t e = 0; e < l->n; e++) {
		struct span field = span_str(l->v[e]->field);
		while (i < n && span_order(items[i].field, field) < 0)
			i++;
		if (i < n && span_eq(items[i].field, field) &&
			span_eq(items[i].text, l->v[e]->text))
			continue;
		each(arg, (struct live_item){ field, l->v[e]->text });
	}
	pthread_mutex_unlock(&l->lock);
}

void
live_put_since(struct live *l, uint64_t since, void (*each)(void *arg, struct live_item item),
	void *arg)
{
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->put > since)
			each(arg,
				(struct live_item){ span_str(l->v[i]->field), l->v[i]->text });
	pthread_mutex_unlock(&l->lock);
}

/* ---- life ---- */

static bool
read_line(void *arg, struct span line, struct buf *why)
{
	struct live *l = arg;
	bool found;
	struct live_entry *e = live_entry_read(line, span_of(NULL, 0), l->key, why);

	if (!e)
		return false;
	size_t at = place_of(l, e->field, &found);
	if ((found && !live_entry_beats(e, l->v[at])) || !set_entry(l, e))
		live_entry_unref(&e);
	return true;
}

struct live *
live_open(const char *file, const char *node, const unsigned char key[SHA256_BYTES],
	struct metrics *m, struct buf *why)
{
	struct live *l = calloc(1, sizeof(*l));
	size_t lines = 0;

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	memcpy(l->key, key, sizeof(l->key));
	l->node = node;
	l->metrics = m;
	l->kept = true;
	l->file = live_file_open(file, read_line, l, &lines, why);
	if (l->file && lines > 2 * l->n + 64) { /* most of it is of old */
		l->kept = false;
		keep(l, span_of(NULL, 0));
	}
	if (l->file)
		publish(l);
	if (!l->file || !atomic_load(&l->now))
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
	live_file_close(&l->file);
	drop_old(l);
	view_free(atomic_load(&l->now));
	for (size_t i = 0; i < l->n; i++)
		live_entry_unref(&l->v[i]);
	free(l->v);
	pthread_mutex_destroy(&l->lock);
	sodium_memzero(l->key, sizeof(l->key));
	free(l);
}
