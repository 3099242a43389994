/* The state of erasures: which this daemon has carried out, and which other nodes have noted
 * in Redis. The field NODE/ERASURE of tollgate:{live}:erased is "SERIAL TIME" if all parts
 * are done. Otherwise it is "0 SERIAL" and the names of the parts that are left. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_sync.h"
#include "base/scoped.h"
#include "gate/changes/live_private.h"
#include "gate/changes/sync.h"

enum { PAGES = 5, FIELDS_AT_ONCE = 256, ERASED_FIELD = 128, ERASED_VALUE = 64 + CLOCK_RFC3339_LEN };

/* ---- this daemon ---- */

void
live_on_erasure(struct live *l, void (*carry_out)(void *arg), void *arg)
{
	l->erase = carry_out;
	l->erase_arg = arg;
}

void
live_tag(const struct live *l, struct span holder, unsigned char tag[SHA256_BYTES])
{
	live_erase_tag(l->key, holder, tag);
}

uint64_t
live_erasures_came(const struct live *l)
{
	return atomic_load(&l->came);
}

static const char *
field_of_view(const void *view, size_t at)
{
	return ((const struct live_view *)view)->entries[at]->field;
}

bool
live_erased_since(struct live *l, unsigned worker, struct span holder, uint64_t since)
{
	unsigned char tag[SHA256_BYTES];
	char field[LIVE_FIELD_MAX];
	bool erased;

	live_tag(l, holder, tag);
	live_erase_field(tag, field);
	const struct live_view *v = live_enter(l, worker);
	size_t at = field_place(v, v->nentries, field_of_view, field, &erased);
	erased = erased && v->entries[at]->erase.came > since;
	live_leave(l, worker);
	return erased;
}

static json_t *
parts_left(const struct live_entry *e)
{
	json_t *list = json_array();

	for (enum live_part part = 0; part < LIVE_PARTS; part++)
		if (!(e->erase.done >> part & 1))
			json_array_append_new(list, json_string(live_part_names[part]));
	return list;
}

json_t *
live_undone(struct live *l)
{
	json_t *list = json_array();

	SCOPED_LOCK(&l->lock);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i]->kind != LIVE_ERASE || l->v[i]->erase.done_ns)
			continue;
		json_t *o = live_entry_object(l->v[i]);
		json_object_set_new(o, "left", parts_left(l->v[i]));
		json_array_append_new(list, o);
	}
	return list;
}

void
live_erasure_done(struct live *l, const char *id, int64_t serial, enum live_part part,
	int64_t wall_ns, bool now)
{
	char field[LIVE_FIELD_MAX];
	bool found;

	snprintf(field, sizeof(field), "%s:%s", live_kinds[LIVE_ERASE], id);
	SCOPED_LOCK(&l->lock);
	size_t at = live_place(l, field, &found);
	if (found && l->v[at]->serial == serial) {
		struct live_erasure *e = &l->v[at]->erase;
		e->done |= 1u << part;
		e->now |= now;
		if (e->done == (1u << LIVE_PARTS) - 1)
			e->done_ns = wall_ns;
		/* The thread tg-live writes this to Redis in its next turn, and the caller
		 * that ordered the erasure may wait for that turn. */
		if (now)
			atomic_fetch_add(&l->changes, 1);
	}
}

static int
newest_first(const void *x, const void *y)
{
	json_int_t a = json_integer_value(json_object_get(*(json_t *const *)x, "serial")),
		   b = json_integer_value(json_object_get(*(json_t *const *)y, "serial"));

	return a < b ? 1 : a > b ? -1 : 0;
}

static json_t *
shown_erasure(const struct live_entry *e)
{
	static const char *const members[][2] = { { "id", "erasure" }, { "serial", "serial" },
		{ "time", "at" }, { "why", "why" }, { "ticket", "ticket" }, { "by", "by" } };
	json_auto_t *o = live_entry_object(e);
	json_t *shown = json_object();

	for (size_t i = 0; i < COUNT_OF(members); i++)
		json_object_set(shown, members[i][1], json_object_get(o, members[i][0]));
	if (e->erase.done_ns)
		live_put_time(shown, "done", e->erase.done_ns);
	else
		json_object_set_new(shown, "done", json_null());
	json_object_set_new(shown, "left", parts_left(e));
	return shown;
}

json_t *
live_erasures(struct live *l)
{
	json_t *list = json_array();
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	json_t **v = calloc(l->nerasures + 1, sizeof(*v));
	for (size_t i = 0; v && i < l->n; i++)
		if (l->v[i]->kind == LIVE_ERASE)
			v[n++] = shown_erasure(l->v[i]);
	pthread_mutex_unlock(&l->lock);
	if (n)
		qsort(v, n, sizeof(*v), newest_first);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, v[i]);
	free(v);
	return list;
}

/* ---- in Redis ---- */

/* Up to FIELDS_AT_ONCE notes about erasures that were carried out here. */
struct erased_fields {
	size_t n;
	char field[FIELDS_AT_ONCE][ERASED_FIELD], value[FIELDS_AT_ONCE][ERASED_VALUE];
	bool now[FIELDS_AT_ONCE];
};

static void
take_fields(struct live *l, struct erased_fields *f, size_t *from)
{
	char when[CLOCK_RFC3339_LEN];

	f->n = 0;
	SCOPED_LOCK(&l->lock);
	for (; *from < l->n && f->n < FIELDS_AT_ONCE; ++*from) {
		const struct live_entry *e = l->v[*from];
		if (e->kind != LIVE_ERASE || !e->erase.done)
			continue;
		char *value = f->value[f->n];
		snprintf(f->field[f->n], ERASED_FIELD, "%.100s/%.16s", l->node, e->id);
		if (e->erase.done_ns) {
			clock_rfc3339(e->erase.done_ns, when);
			snprintf(value, ERASED_VALUE, "%" PRId64 " %s", e->serial, when);
		} else {
			int n = snprintf(value, ERASED_VALUE, "0 %" PRId64, e->serial);
			for (enum live_part part = 0; part < LIVE_PARTS; part++)
				if (!(e->erase.done >> part & 1))
					n += snprintf(value + n, ERASED_VALUE - (size_t)n, " %s",
						live_part_names[part]);
		}
		f->now[f->n++] = e->erase.now || !e->erase.done_ns;
	}
}

/* Returns true if Redis has this note already. For an erasure that was found as done, the
 * time may differ. */
static bool
is_noted(const redisReply *r, const char *value, bool now)
{
	if (r->type != REDIS_REPLY_STRING)
		return false;
	struct span is = span_of(r->str, r->len), serial = span_str(value);
	serial.n = span_chr(serial, ' ') + 1;
	return now ? span_is(is, value) : span_starts(is, serial);
}

static bool
note_fields(const struct erased_fields *f, struct redis_service *service)
{
	const char *get[2 + FIELDS_AT_ONCE] = { "HMGET", LIVE_ERASED_KEY },
			    *set[2 + 2 * FIELDS_AT_ONCE] = { "HSET", LIVE_ERASED_KEY };
	int nset = 2;

	for (size_t i = 0; i < f->n; i++)
		get[2 + i] = f->field[i];
	reply_auto_t *r = redis_service_ask(service, 2 + (int)f->n, get, NULL);
	if (!r)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		if (r->type == REDIS_REPLY_ARRAY && i < r->elements &&
			is_noted(r->element[i], f->value[i], f->now[i]))
			continue;
		set[nset++] = f->field[i];
		set[nset++] = f->value[i];
	}
	reply_auto_t *done = nset == 2 ? NULL : redis_service_ask(service, nset, set, NULL);
	return nset == 2 || done;
}

bool
live_erased_note(struct live *l, struct redis_service *service)
{
	size_t from = 0;
	bool up = true;

	pthread_mutex_lock(&l->lock);
	bool any = l->nerasures > 0;
	pthread_mutex_unlock(&l->lock);
	if (!any || live_node_retired(l, l->node, NULL))
		return true;
	struct erased_fields *f = malloc(sizeof(*f));
	do {
		if (f)
			take_fields(l, f, &from);
		up = f && (!f->n || note_fields(f, service));
	} while (up && f->n);
	bool ok = up || !f; /* out of memory: the next turn tries again */
	free(f);
	return ok;
}

/* A hash that is read in pages. Redis may return anything, so all pages together are limited
 * to the size of one reply, and the reading has a deadline. */
struct pages {
	redisContext *c;
	uint64_t until_us;
	size_t bytes; /* bytes of fields and values so far */
	struct buf *why;
};

/* Adds the fields of a page, with their values, to `out`. */
static bool
take_page(struct pages *p, const redisReply *list, json_t *out)
{
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const redisReply *k = list->element[i], *v = list->element[i + 1];
		p->bytes += k->len + v->len;
		/* NULL if the name is not UTF-8, so no daemon wrote the field */
		json_auto_t *name = json_stringn(k->str, k->len);
		if (name)
			json_object_set_new(
				out, json_string_value(name), json_stringn(v->str, v->len));
	}
	if (p->bytes <= REDIS_REPLY_BYTES)
		return true;
	buf_printf(p->why, "HSCAN returned more than %d MB", REDIS_REPLY_BYTES >> 20);
	return false;
}

/* Adds the fields of a hash, with their values, to `out`. HGETALL could exceed the size of
 * one reply if a few nodes have carried out many erasures. */
static bool
read_hash(struct pages *p, const char *key, json_t *out)
{
	char cursor[REDIS_CURSOR] = "0";

	do {
		reply_auto_t *r = redis_ask(p->c, "HSCAN %s %s COUNT 1000", key, cursor);
		const redisReply *list = r ? redis_scan_list(r, cursor) : NULL;
		if (!list) {
			buf_str(p->why, !r ? redis_sync_error(p->c)
					: r->type == REDIS_REPLY_ERROR
						? r->str
						: "HSCAN did not return a list");
			return false;
		}
		if (!take_page(p, list, out))
			return false;
		if (strcmp(cursor, "0") == 0)
			return true;
	} while (clock_mono_us() < p->until_us);
	buf_str(p->why, "HSCAN did not end in time: try again");
	return false;
}

int
live_erased_read(const struct redis_options *redis, uint64_t most_us, json_t *nodes,
	json_t *done, struct buf *why)
{
	redisContext *c = redis_dial(redis, SPAN_LIT(LIVE_ERASED_KEY), most_us, why);
	json_auto_t *names = json_object();
	const char *name;
	json_t *value;

	if (!c)
		return ERR_IO;
	struct pages p = { .c = c, .until_us = clock_mono_us() + PAGES * most_us, .why = why };
	bool ok = read_hash(&p, LIVE_NODES_KEY, names) && read_hash(&p, LIVE_ERASED_KEY, done);
	json_object_foreach(names, name, value)
		json_array_append_new(nodes, json_string(name));
	redisFree(c);
	return ok ? 0 : ERR_IO;
}
