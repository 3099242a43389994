/* The data sources of a worker. A source that failed is not asked again for DATA_AGAIN_US, so
 * that it does not cost each request its deadline. A value older than its ttl is never used.
 */
#include "gate/sources/data.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/log.h"
#include "base/tag.h"
#include "policy/policy.h"

enum { HTTP_IDLE = 4 };

/* One source, its last value and the waits for the next one. owner: worker. */
struct item {
	struct tag tag;
	struct item *next;
	struct data_cache *c;
	char *place, *authorization, *ca_file;
	enum data_kind kind;
	uint64_t timeout_us;
	struct data_value *value; /* the last value fetched; NULL: none */
	uint64_t came_us, failed_us;
	bool busy, wanted, said;
	struct data_wait *first, **last;
};

struct data_cache {
	struct ev_loop *loop;
	struct redis *redis;
	struct metrics *metrics;
	struct http_client *http;
	struct item *items;
};

/* ---- values ---- */

static struct data_value *
value_new(void)
{
	struct data_value *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	atomic_init(&v->refs, 1);
	/* a document of CAP_DATA_BYTES needs at most this much as values */
	arena_init(&v->arena, 64 * CAP_DATA_BYTES, false);
	return v;
}

static struct data_value *
value_ref(struct data_value *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void
data_value_unref(struct data_value **vp)
{
	struct data_value *v = *vp;

	*vp = NULL;
	size_t refs = v ? atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) : 2;
	INVARIANT(refs > 0);
	if (refs != 1)
		return;
	arena_reset(&v->arena);
	free(v);
}

/* ---- fetches ---- */

static void
log_data_state(struct item *it, const char *why)
{
	if (why && !it->said)
		log_event(LOG_WARN, "data.failed", LS("source", it->place), LS("why", why));
	else if (!why && it->said)
		log_event(LOG_INFO, "data.again", LS("source", it->place));
	it->said = why != NULL;
}

/* Ends a fetch: `v` is the item's from now on, or NULL with the reason in `why`. */
static void
end_fetch(struct item *it, struct data_value *v, const char *why)
{
	uint64_t now = clock_mono_us();
	struct data_wait *w = it->first;

	INVARIANT(it->busy && it->last != NULL && (v != NULL) == (why == NULL));
	it->busy = false;
	it->first = NULL;
	it->last = &it->first;
	metric_inc(it->c->metrics, v ? M_DATA_FETCHED : M_DATA_FAILED);
	log_data_state(it, why);
	data_value_unref(&it->value);
	it->value = v;
	*(v ? &it->came_us : &it->failed_us) = now;
	for (struct data_wait *next; w; w = next) {
		next = w->next;
		w->value = v ? value_ref(v) : NULL;
		w->done(w);
	}
}

static void
on_hash(void *arg, int err, const struct span *pairs, size_t n)
{
	struct item *it = TAGGED(item, arg);
	struct data_value *v = err ? NULL : value_new();
	struct cel_value *list = v ? arena_array(&v->arena, 2 * n, sizeof(*list)) : NULL;

	if (!v || !list) {
		data_value_unref(&v);
		end_fetch(it, NULL,
			err == ERR_SYNTAX ? "the key is not a hash"
					  : err_str(err ? err : ERR_NOMEM));
		return;
	}
	for (size_t i = 0; i < 2 * n; i++)
		list[i] = cel_string(arena_dup(&v->arena, pairs[i]));
	v->v = (struct cel_value){ .type = CEL_MAP, .list = { list, n } };
	if (arena_failed(&v->arena))
		data_value_unref(&v);
	end_fetch(it, v, v ? NULL : err_str(ERR_NOMEM));
}

static void
on_data_answer(void *arg, const struct http_answer *a)
{
	struct item *it = TAGGED(item, arg);
	struct data_value *v = NULL;
	const char *why = a->err	     ? a->why
			  : a->status != 200 ? "the response has a status other than 200"
					     : NULL;
	json_t *doc = NULL;

	if (!why && !(doc = json_loadb(a->body.p ? a->body.p : "", a->body.n,
			      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL)))
		why = "the response is not a JSON object or list";
	if (!why && !(v = value_new()))
		why = err_str(ERR_NOMEM);
	if (v && (data_json(doc, CAP_DATA_DEPTH + 1, &v->arena, &v->v) < 0 ||
			 arena_failed(&v->arena))) {
		why = "the document is nested too deeply or is too large";
		data_value_unref(&v);
	}
	json_decref(doc);
	end_fetch(it, v, why);
}

static bool
fetch_item(struct data_cache *c, struct item *it)
{
	if (it->kind == DATA_REDIS) {
		if (c->redis)
			redis_hash(c->redis, span_str(it->place), CAP_DATA_FIELDS,
				CAP_DATA_BYTES, on_hash, it);
		return c->redis != NULL;
	}
	const char *fields[] = { "Accept: application/json", it->authorization };
	struct http_call_options o = { .url = it->place,
		.fields = fields,
		.nfields = it->authorization ? 2 : 1,
		.ca_file = it->ca_file,
		.deadline_us = it->timeout_us,
		.answer_bytes = CAP_DATA_BYTES };
	return http_call(c->http, &o, on_data_answer, it) != NULL;
}

/* ---- sources ---- */

static struct item *
find_item(const struct data_cache *c, const struct data_source *s)
{
	for (struct item *it = c->items; it; it = it->next)
		if (it->kind == s->kind && str_same(it->place, s->place) &&
			str_same(it->authorization, s->authorization) &&
			str_same(it->ca_file, s->ca_file))
			return it;
	return NULL;
}

static void
item_free(struct item *it)
{
	data_value_unref(&it->value);
	free(it->place);
	free(it->authorization);
	free(it->ca_file);
	TAG_CLEAR(item, it);
	free(it);
}

static struct item *
item_new(struct data_cache *c, const struct data_source *s)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	TAG(item, it);
	it->c = c;
	it->kind = s->kind;
	it->last = &it->first;
	it->place = strdup(s->place);
	it->authorization = s->authorization ? strdup(s->authorization) : NULL;
	it->ca_file = s->ca_file ? strdup(s->ca_file) : NULL;
	if (!it->place || (s->authorization && !it->authorization) ||
		(s->ca_file && !it->ca_file)) {
		item_free(it);
		return NULL;
	}
	it->next = c->items;
	c->items = it;
	return it;
}

int
data_get(struct data_cache *c, const struct data_source *s, struct data_value **out,
	struct data_wait *w)
{
	struct item *it = find_item(c, s);
	uint64_t now = clock_mono_us();

	if (!it && !(it = item_new(c, s)))
		return ERR_NOMEM;
	if (it->value && now - it->came_us < s->ttl_us) {
		*out = value_ref(it->value);
		return 1;
	}
	if (!it->busy && it->failed_us && now - it->failed_us < DATA_AGAIN_US)
		return ERR_IO;
	it->timeout_us = s->timeout_us;
	if (!it->busy && !fetch_item(c, it)) {
		it->failed_us = now;
		metric_inc(c->metrics, M_DATA_FAILED);
		log_data_state(it, "Redis is not configured, or no connection could be started");
		return ERR_IO;
	}
	it->busy = true;
	w->next = NULL;
	w->value = NULL;
	INVARIANT(!*it->last);
	*it->last = w;
	it->last = &w->next;
	return 0;
}

void
data_keep(struct data_cache *c, const struct policy *p)
{
	for (struct item *it = c->items; it; it = it->next)
		it->wanted = it->busy;
	for (size_t i = 0; i < p->ndata; i++) {
		struct item *it = find_item(c, &p->data[i]);
		if (it)
			it->wanted = true;
	}
	for (struct item **at = &c->items, *it; (it = *at);) {
		if (it->wanted) {
			at = &it->next;
			continue;
		}
		*at = it->next;
		item_free(it);
	}
}

struct data_cache *
data_cache_new(struct ev_loop *loop, struct redis *redis, struct metrics *m)
{
	struct data_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = loop;
	c->redis = redis;
	c->metrics = m;
	c->http = http_client_new(loop, HTTP_IDLE);
	if (!c->http)
		data_cache_free(&c);
	return c;
}

void
data_abort(struct data_cache *c)
{
	http_client_abort(c->http);
}

void
data_cache_free(struct data_cache **cp)
{
	struct data_cache *c = *cp;

	if (!c)
		return;
	http_client_free(&c->http);
	for (struct item *it; (it = c->items);) {
		c->items = it->next;
		item_free(it);
	}
	free(c);
	*cp = NULL;
}
