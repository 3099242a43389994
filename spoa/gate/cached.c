/* The cache step, and the storing of responses. After the rules and the redaction, and before a
 * reservation, the step looks for a stored response under a key of everything that the response
 * depends on. The relay sends a stored response through the guard, and it costs no tokens. Any
 * failure of the cache is a miss. When an exchange ends, its response may be stored. */
#include <sodium.h>

#include "answer/guard/guard.h"
#include "base/among.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/cache/cache_store.h"
#include "gate/cache/hit.h"
#include "gate/cache/near.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"
#include "policy/policy.h"
#include "policy/rule.h"

_Static_assert(
	(int)GUARD_TAPPED_MAX == (int)CACHE_ENTRY_MOST, "longer responses are not stored");
enum {
	CLOCKS_APART_MS = 2000, /* accepted difference between daemons' clocks */
	FIELD_SAID = 64,	/* bytes of a field's name in a reason */
};

/* ---- the key ---- */

/* The caller's Cache-Control, which can only restrict the cache (RFC 9111 5.2.1). */
struct asked_less {
	bool no_store, no_cache;
	uint64_t max_age_s; /* UINT64_MAX: any */
};

static struct asked_less
asked_less_of(const struct request *r)
{
	struct asked_less a = { .max_age_s = UINT64_MAX };
	const struct http_field *f;

	for (size_t i = 0; (f = http_field_nth(&r->in.head, "cache-control", i)); i++) {
		struct span rest = f->value;
		while (rest.n) {
			struct span one = span_trim(span_next(&rest, ','), " \t"),
				    name = span_trim(span_next(&one, '='), " \t");
			a.no_store |= span_ieq(name, SPAN_LIT("no-store"));
			a.no_cache |= span_ieq(name, SPAN_LIT("no-cache"));
			uint64_t age_s = UINT64_MAX;
			if (span_ieq(name, SPAN_LIT("max-age")) &&
				span_u64(span_trim(one, " \t\""), &age_s))
				age_s = 0;
			/* the smaller of two values */
			a.max_age_s = age_s < a.max_age_s ? age_s : a.max_age_s;
		}
	}
	return a;
}

enum { SCOPE_PARTS = 5 };

/* Fills in the callers who may receive the response again, as strings that no other scope has.
 * Returns false if there are none. With `per: org`, a request with personal data is stored for
 * its own caller only. */
static bool
cache_scope(const struct request *r, struct span out[SCOPE_PARTS])
{
	const struct identity *id = &r->found.identity;
	enum cache_per per = r->found.route->cache.per;

	bool found = r->scan.nhits || r->scan.nextra || r->scan.nborder ||
		     r->found.unclassified;

	out[1] = id->issuer;
	if (per == CACHE_ORG && !found && id->verified) {
		out[0] = SPAN_LIT("org");
	} else if (per == CACHE_TEAM && id->team.n && id->verified) {
		out[0] = SPAN_LIT("team");
		out[2] = id->team;
	} else {
		out[0] = span_str(id->method);
		out[2] = id->person;
		out[3] = id->agent;
		if (!id->person.n)
			out[4] = id->key_id;
		return id->verified && (id->person.n || id->key_id.n);
	}
	return true;
}

/* The lists of the route take precedence over the table. */
static enum cache_field_kind
cache_field_of(const struct route_cache *own, const struct http_field *f)
{
	if (cache_field_listed(f->name, own->keyed, own->nkeyed))
		return CACHE_FIELD_KEYED;
	if (cache_field_listed(f->name, own->ignored, own->nignored))
		return CACHE_FIELD_LEFT;
	return cache_field_kind(f->name, f->value);
}

/* Appends the header fields on which a response may depend: those of the caller and those that
 * rules set. Returns NULL, or why the request is not cached: the provider would receive an
 * unknown field. */
static const char *
put_cache_fields(struct request *r, struct buf *b)
{
	const struct http_head *head = &r->in.head;
	const struct header *h;

	for (size_t i = 0; i < head->nfields; i++) {
		const struct http_field *f = &head->fields[i];
		enum cache_field_kind kind = cache_field_of(&r->found.route->cache, f);
		if (kind == CACHE_FIELD_KEYED) {
			buf_span(b, f->name);
			buf_str(b, ": ");
			buf_span(b, f->value);
			buf_putc(b, '\n');
		} else if (kind == CACHE_FIELD_UNKNOWN && request_sends(r, f->name, f->value)) {
			struct span said = span_cut(f->name, 0, FIELD_SAID);
			return arena_printf(
				&r->arena, "the header field %.*s is not known", SPAN_ARG(said))
				.p;
		}
	}
	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at));)
		buf_printf(b, "%s= %s\n", h->name, h->value);
	return NULL;
}

/* Writes path and query without the parts that select a stream. */
static void
put_cache_target(struct request *r, struct buf *b)
{
	static const char *const streams[] = { ":streamGenerateContent", "/converse-stream" },
				 *const wholes[] = { ":generateContent", "/converse" };
	struct span query = request_target_sent(r), path = span_next(&query, '?');

	for (size_t i = 0; i < COUNT_OF(streams); i++)
		if (span_ends(path, span_str(streams[i]))) {
			buf_span(b, span_cut(path, 0, path.n - strlen(streams[i])));
			path = span_str(wholes[i]);
		}
	buf_span(b, path);
	while (query.n) {
		struct span one = span_next(&query, '&');
		if (!span_starts(one, SPAN_LIT("alt=")))
			buf_printf(b, "?%.*s", SPAN_ARG(one));
	}
}

/* Returns the form in which the request is sent. */
static enum form
cache_form(const struct request *r)
{
	return r->found.form ? r->found.form->to : form_of_endpoint(&r->found.endpoint);
}

static struct span
cache_body(const struct request *r)
{
	return r->out.sends == SENDS_REWRITTEN ? buf_view(&r->out.rewritten) : r->in.raw;
}

/* Sets found.cache.key and returns NULL, or returns why the request has no cache. */
static const char *
cache_key_of(struct request *r)
{
	const struct route *route = r->found.route;
	const struct cache *c = r->gate->shared->cache;
	struct found_cache *f = &r->found.cache;
	struct span scope[SCOPE_PARTS] = { { NULL, 0 } };

	if (!cache_scope(r, scope))
		return "the caller is not verified";
	if (!r->in.have_body || r->in.body.format != BODY_JSON)
		return "the request has no JSON body";
	if (r->in.body.unread.nmedia || r->in.unread.nmedia || r->in.unread.sealed ||
		r->in.body.nreasoning)
		return "the request has media or data that a provider signed";
	if (r->in.body.nrefs || r->in.body.marks.nrequests > 1)
		return "the request refers to data that the provider holds";
	SCOPED_BUF(target, 0);
	SCOPED_BUF(fields, 0);
	put_cache_target(r, &target);
	const char *why = put_cache_fields(r, &fields);
	if (buf_failed(&target) || buf_failed(&fields) || arena_failed(&r->arena))
		return "out of memory";
	if (why)
		return why;
	const struct span rest[] = { span_str(r->snap->policy->version), span_str(route->name),
		scope[0], scope[1], scope[2], scope[3], scope[4],
		span_str(request_target(r)->name), span_str(request_target(r)->backend),
		buf_view(&target), buf_view(&fields) };
	const struct cache_ask ask = { .form = cache_form(r),
		.body = cache_body(r),
		.rest = rest,
		.nrest = COUNT_OF(rest),
		.warmest = route->cache.temperature };
	f->form = ask.form;
	f->stream = r->found.form ? r->found.form->made.stream : r->in.body.stream;
	f->array = f->form == FORM_GENERATE && !r->found.form && request_streams_array(r);
	f->wants_usage = r->in.body.wants_usage || r->out.ask_usage || r->found.form;
	why = cache_key(&ask, cache_keys(c)->index, f->key);
	f->has_near = !why && route->cache.near &&
		      !cache_near_key(&ask, route->cache.near, cache_keys(c)->index,
			      &r->out.prompt, f->near_key);
	f->has_meaning = !why && route->cache.semantic &&
			 cache_store_is_shared(&r->gate->cache_store) &&
			 !cache_meaning_key(&ask, route->cache.semantic->words,
				 cache_keys(c)->index, &r->out.prompt, f->meaning_key);
	if (!request_hold(r, r->out.prompt.size))
		f->has_near = f->has_meaning = false;
	return why;
}

/* ---- lookup ---- */

/* Writes the stored response as this request asks for it: stream or not, with usage or not. */
static bool
say_hit(struct request *r, const struct cache_answer *a)
{
	const struct found_cache *f = &r->found.cache;
	const struct cache_hit h = { .stream = f->stream,
		.array = f->array,
		.wants_usage = f->wants_usage,
		.id = span_str(r->id),
		.asked = cache_body(r),
		.model = r->in.body.model };

	buf_free(&r->out.replay);
	bool ok = a->form == f->form && !cache_answer_again(a, &h, &r->out.replay) &&
		  request_hold(r, r->out.replay.size);
	if (!ok)
		buf_free(&r->out.replay);
	return ok;
}

static bool keep_entry(const struct request *r, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a);

/* Reads a pointer to a similar prompt's response. Sets look_key to that response if the prompts
 * are similar enough. */
static bool
follow_near_pointer(struct request *r, const struct cache_answer *a)
{
	struct found_cache *f = &r->found.cache;

	if (!a->points || a->bytes.n < CACHE_KEY_BYTES)
		return false;
	struct span prompt = span_cut(a->bytes, CACHE_KEY_BYTES, a->bytes.n);
	f->distance = 1 - near_similarity(buf_view(&r->out.prompt), prompt);
	if (f->distance <= 1 - r->found.route->cache.similarity) {
		memcpy(f->look_key, a->bytes.p, CACHE_KEY_BYTES);
		f->looks = LOOKS_FOR_OTHERS;
	}
	return true;
}

/* Opens the entry under look_key and checks its age. It is either the response, or a pointer to
 * that of a similar prompt. */
static void
take_cached(struct request *r, struct span sealed)
{
	struct found_cache *f = &r->found.cache;
	uint64_t ttl_ms = r->found.route->cache.ttl_us / 1000;
	bool points = f->looks == LOOKS_FOR_NEAR;
	struct cache_answer a;
	struct cache_stamp st;
	struct buf plain;

	buf_init(&plain, 2 * CACHE_ENTRY_MOST);
	bool ok = !cache_unseal(
		cache_keys(r->gate->shared->cache), f->look_key, sealed, &st, &plain, &a);
	int64_t age_ms = ok ? clock_wall_ns() / 1000000 - st.stored_ms : 0;
	/* another daemon's clock may be slightly ahead; a larger difference means that a clock
	 * was set back */
	if (age_ms < 0 && age_ms > -CLOCKS_APART_MS)
		age_ms = 0;
	ok = ok && age_ms >= 0;
	/* the route's ttl may be shorter than when the entry was stored */
	bool fresh = ok && (uint64_t)age_ms < ttl_ms &&
		     (f->max_age_s >= ttl_ms / 1000 || (uint64_t)age_ms <= f->max_age_s * 1000);
	if (ok && fresh)
		ok = points ? follow_near_pointer(r, &a) : !a.points && say_hit(r, &a);
	/* an earlier lookup stored it for exactly this request */
	if (ok && fresh && !points && a.distance) {
		f->looks = LOOKS_FOR_OTHERS;
		f->by_meaning = true;
		f->distance = a.distance / 1000.;
	} else if (ok && fresh && f->by_meaning) {
		/* Store it under this request's own key, for requests that wait for the same. A
		 * purge by the stored owner removes it, too. */
		a.distance = (unsigned char)(1 + f->distance * 999);
		keep_entry(r, f->key, &st, &a);
	}
	buf_free(&plain);
	if (!ok)
		metric_inc(r->gate->metrics, M_CACHE_UNUSABLE);
	if (ok && fresh && !points) {
		f->state = CACHED_HIT;
		f->age_s = age_ms / 1000;
	}
}

/* Takes the entry `sealed` under look_key; empty: none. Returns true if another key must be
 * looked up. */
static bool
looks_on(struct request *r, struct span sealed)
{
	struct found_cache *f = &r->found.cache;
	enum cache_looks looked = f->looks;

	if (sealed.n)
		take_cached(r, sealed);
	if (f->state == CACHED_HIT)
		return false;
	if (looked == LOOKS_FOR_IT && f->has_near) {
		f->looks = LOOKS_FOR_NEAR;
		memcpy(f->look_key, f->near_key, sizeof(f->look_key));
		return true;
	}
	return looked == LOOKS_FOR_NEAR && f->looks == LOOKS_FOR_OTHERS;
}

/* Returns true if the lookup leaves at least half of the agent's deadline for other steps. */
static bool
has_time(const struct request *r)
{
	return !cache_store_is_shared(&r->gate->cache_store) || r->run.resumed ||
	       clock_mono_us() - r->begun_us < gate_cfg(r->gate)->agent_deadline_us / 2;
}

static void
cache_came(void *arg, int err, const struct span *pairs, size_t n)
{
	struct request *r = TAGGED(request, arg);
	struct found_cache *f = &r->found.cache;
	bool waits = f->looked ? r->run.life == LIFE_ANSWERED
			       : r->run.life == LIFE_STEPS && r->waiting.what == WAIT_CACHE;

	f->gone = !err && n == 0;
	if (err)
		metric_inc(r->gate->metrics, M_CACHE_FAILED);
	/* a reply after the deadline is dropped */
	else if (waits && looks_on(r, n == 1 ? pairs[1] : SPAN_LIT("")) &&
		 (f->looked || has_time(r))) {
		cache_store_ask(&r->gate->cache_store, f->look_key, cache_came, r);
		return;
	}
	if (f->looked && waits) {
		request_answered(r);
		f->looked(r);
	} else {
		r->calls->back(r);
	}
}

void
request_cache_look_at(struct request *r, const unsigned char key[CACHE_KEY_BYTES],
	double distance, void (*looked)(struct request *r))
{
	struct found_cache *f = &r->found.cache;

	f->looked = looked;
	f->looks = LOOKS_FOR_OTHERS;
	f->by_meaning = true;
	f->distance = distance;
	memcpy(f->look_key, key, sizeof(f->look_key));
	request_asked(r);
	cache_store_ask(&r->gate->cache_store, f->look_key, cache_came, r);
}

bool
request_cache_look(struct request *r, void (*looked)(struct request *r))
{
	struct found_cache *f = &r->found.cache;

	f->looked_us = clock_mono_us();
	f->looked = looked;
	f->looks = LOOKS_FOR_IT;
	memcpy(f->look_key, f->key, sizeof(f->look_key));
	SCOPED_BUF(sealed, CACHE_STORED_MOST);
	/* an entry that this request cannot use may serve another */
	do {
		buf_clear(&sealed);
		if (!cache_store_get(
			    &r->gate->cache_store, f->look_key, &sealed, cache_came, r)) {
			request_asked(r);
			return false;
		}
	} while (looks_on(r, buf_view(&sealed)));
	return true;
}

static enum step_result
look_in_cache(struct request *r)
{
	if (!has_time(r) || request_cache_look(r, NULL))
		return STEP_NEXT;
	return request_waits(r, WAIT_CACHE);
}

/* Notes the owner of the response, because the names are dropped with the request's arena. */
static void
note_stamp(struct request *r)
{
	const struct cache_keys *k = cache_keys(r->gate->shared->cache);
	const struct identity *id = &r->found.identity;
	struct cache_stamp *st = &r->found.cache.stamp;

	cache_name(k, CACHE_NAMED_ROUTE, span_str(r->found.route->name), st->route);
	cache_name(k, CACHE_NAMED_WHO, id->person.n ? id->person : id->key_id, st->who);
}

enum step_result
step_cache(struct request *r)
{
	struct found_cache *f = &r->found.cache;
	enum step_result s = STEP_NEXT;

	if (r->waiting.what == WAIT_CACHE) { /* Redis replied, or the deadline passed */
		request_waited(r);
		return STEP_NEXT;
	}
	/* the cost of the prompt's vector stays charged */
	*f = (struct found_cache){ .state = CACHED_NONE, .embedded = f->embedded };
	buf_free(&r->out.replay);
	buf_clear(&r->out.prompt);
	if (!r->gate || !r->gate->shared->cache || !r->found.route->cache.ttl_us ||
		r->in.body_state == BODY_STATE_PARTIAL || r->found.observed ||
		(r->found.form && r->found.form->refused))
		return STEP_NEXT;
	const struct asked_less less = asked_less_of(r);
	f->why = less.no_store ? "no-store" : cache_key_of(r);
	f->state = f->why ? CACHED_OFF : CACHED_MISS;
	f->keeps = !f->why;
	f->max_age_s = less.max_age_s;
	if (f->keeps)
		note_stamp(r);
	if (f->keeps && !less.no_cache && less.max_age_s && !request_tried(r))
		s = look_in_cache(r);
	return s;
}

/* ---- storing ---- */

/* Returns true if the response is whole, no rule changed it, and it contains nothing that only
 * its provider can read. */
static bool
may_keep_answer(const struct request *r, const struct guard_report *a)
{
	const struct exchange_result *res = &r->x->result;
	bool calls = r->found.route->cache.tools;

	return r->found.cache.keeps && r->found.cache.state == CACHED_MISS &&
	       res->end == END_COMPLETE && res->status == 200 && !a->redactions &&
	       (!a->judged || a->verdict.ruled.effect == RULE_PERMIT) &&
	       (!a->sum.any || a->sum.ruled.effect == RULE_PERMIT) && !a->error.n &&
	       !a->refused && !a->blind && !a->unread_bytes && !a->opaque_bytes &&
	       !a->sealed_bytes && !a->signed_dropped && !a->called_over &&
	       (calls || !a->ncalled) && (!a->streamed || a->ended) &&
	       translator_ended_well(r->found.cache.form, span_str(a->finish), calls);
}

/* Returns the ttl, shortened by 0 to 10 % depending on the key, so that entries stored together
 * do not expire together. */
static uint64_t
kept_for_us(const struct request *r)
{
	uint64_t ttl_us = r->found.route->cache.ttl_us;

	return ttl_us - ttl_us / 10 * r->found.cache.key[0] / 256;
}

/* Returns true if any person was erased since `since`, a result of live_erasures_came(). */
static bool
somebody_erased(const void *of, uint64_t since)
{
	const struct live *live = of;

	return live && live_erasures_came(live) != since;
}

static bool
store_has_room(const struct gate *g)
{
	return cache_store_has_room(&g->cache_store, gate_cfg(g)->cache_max_bytes);
}

bool
request_cache_keeps(const struct request *r)
{
	const struct found_cache *f = &r->found.cache;

	return f->keeps && f->state == CACHED_MISS && store_has_room(r->gate) &&
	       cache_has_share(r->gate->shared->cache, f->stamp.who);
}

static bool
keep_entry(const struct request *r, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a)
{
	struct cache *c = r->gate->shared->cache;

	SCOPED_BUF(sealed, CACHE_STORED_MOST);
	if (somebody_erased(r->gate->shared->live, r->run.erasures) ||
		cache_seal(cache_keys(c), key, st, a, &sealed) ||
		!cache_may_keep(c, r->found.cache.stamp.who, sealed.n))
		return false;
	cache_store_put(&r->gate->cache_store, &(struct cache_put){ .key = key,
						       .sealed = buf_view(&sealed),
						       .ttl_us = kept_for_us(r),
						       .erased = somebody_erased,
						       .of = r->gate->shared->live,
						       .since = r->run.erasures,
						       .who = st->who });
	return true;
}

/* Stores a pointer to this response under the key of similar prompts. */
static void
keep_pointer(const struct request *r)
{
	const struct found_cache *f = &r->found.cache;

	SCOPED_BUF(bytes, 0);
	buf_put(&bytes, f->key, sizeof(f->key));
	buf_span(&bytes, buf_view(&r->out.prompt));
	const struct cache_answer a = {
		.form = f->form, .points = true, .bytes = buf_view(&bytes)
	};
	if (!buf_failed(&bytes))
		keep_entry(r, f->near_key, &f->stamp, &a);
}

static bool
keep_answer(struct request *r)
{
	struct guard *g = r->x->guard;
	const struct guard_report *a = g ? guard_report(g) : NULL;
	struct found_cache *f = &r->found.cache;
	struct span bytes = g ? guard_tapped(g) : SPAN_LIT("");

	if (!bytes.n || request_erased(r) || !may_keep_answer(r, a) || !store_has_room(r->gate))
		return false;
	f->stamp.stored_ms = clock_wall_ns() / 1000000;
	const struct cache_answer kept = { .form = f->form,
		.streamed = a->streamed,
		.frames = guard_framing(g),
		.path = r->x->plan.head.path,
		.bytes = bytes };
	if (!keep_entry(r, f->key, &f->stamp, &kept))
		return false;
	if (f->has_near)
		keep_pointer(r);
	return true;
}

bool
request_cache_answer(struct request *r)
{
	static const enum metric by[] = { [CACHED_OFF] = M_CACHE_OFF,
		[CACHED_MISS] = M_CACHE_MISSES,
		[CACHED_HIT] = M_CACHE_HITS };
	struct metrics *m = r->gate->metrics;
	const struct usage *u = &r->x->result.usage;
	struct priced p;

	if (!r->found.cache.state)
		return false;
	metric_inc(m, by[r->found.cache.state]);
	if (r->found.cache.state == CACHED_HIT && u->known) {
		metric_add(m, M_CACHE_SAVED_INPUT, (uint64_t)u->input_tokens);
		metric_add(m, M_CACHE_SAVED_OUTPUT, (uint64_t)u->output_tokens);
		if (request_cost(r, u, &p))
			metric_add(m, M_CACHE_SAVED_NANOUSD, p.cost.nanousd);
	}
	if (r->found.cache.state == CACHED_HIT && r->found.cache.looks == LOOKS_FOR_OTHERS)
		metric_inc(m,
			r->found.cache.by_meaning ? M_CACHE_HITS_MEANING : M_CACHE_HITS_NEAR);
	bool kept = keep_answer(r);
	if (kept)
		metric_inc(m, M_CACHE_KEPT);
	return kept;
}
