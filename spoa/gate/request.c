/* The life of a request, and helpers that its steps share: denials, the head, the copy that
 * outlives the first arena (request_let_go()), the recorded path, prices, and erasures. */
#include "gate/request.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/wall.h"
#include "gate/cache/near.h"
#include "gate/exchange.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "record/seal/shares.h"

enum { PATH_LOOKS = 4 << 20 }; /* limit of value_in_path(): findings times bytes of the path */

const char *const cached_names[] = { "", "off", "miss", "hit" };

const char *
cached_by(const struct found_cache *f)
{
	return f->by_meaning ? "semantic" : "near";
}

/* A ULID in Crockford's base 32: 48 bits of time in milliseconds, then 80 random bits. */
static void
make_id(struct request *r)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t ms = (uint64_t)r->now_wall_ns / 1000000;
	unsigned char rnd[16];

	random_bytes(rnd, sizeof(rnd));
	for (int i = 9; i >= 0; i--, ms >>= 5)
		r->id[i] = alphabet[ms & 31];
	for (int i = 0; i < 16; i++)
		r->id[10 + i] = alphabet[rnd[i] & 31];
	r->id[DECISION_ID_LEN] = '\0';
}

/* Shared by all requests for which no limit was looked up; never written. */
static struct quota_request no_quota;

struct quota_request *
request_quota(struct request *r)
{
	struct quota_request **q = &r->found.quota[r->run.resumed];

	if (*q == &no_quota) {
		struct quota_request *own = mem_get_zeroed(sizeof(*own));
		if (!own)
			return NULL;
		*q = own;
	}
	return *q;
}

/* ---- life ---- */

struct request *
request_new(struct snapshot *snap, unsigned worker, const struct request_calls *calls)
{
	struct request *r = mem_get_zeroed(sizeof(*r));

	if (!r)
		return NULL;
	TAG(request, r);
	r->calls = calls;
	r->snap = snapshot_ref(snap);
	r->worker = worker;
	arena_init(&r->arena, CAP_REQUEST_ARENA, true);
	r->now_wall_ns = wall_now_ns();
	r->begun_us = clock_mono_us();
	r->in.declared_length = -1;
	r->found.endpoint.dialect = dialect_find(SPAN_LIT("openai"));
	r->found.identity.method = "none";
	r->found.quota[0] = r->found.quota[1] = &no_quota;
	buf_init(&r->out.decoded, snap->cfg ? snap->cfg->body_bytes : CAP_BODY_BYTES);
	buf_init(&r->out.rewritten, 2 * (snap->cfg ? snap->cfg->body_bytes : CAP_BODY_BYTES));
	buf_init(&r->out.new_target, 4 * CAP_TARGET_BYTES);
	buf_init(&r->out.replay, CAP_ANSWER_BYTES);
	buf_init(&r->out.prompt, NEAR_TEXT_MOST);
	buf_init(&r->run.completion.fields, CAP_RECORD_BYTES);
	make_id(r);
	return r;
}

/* The bit for an enum request_life in the table of request_enter(). */
#define TO(life) (1u << (LIFE_##life))

void
request_enter(struct request *r, enum request_life to)
{
	static const unsigned next[] = {
		[LIFE_STEPS] = TO(ANSWERED) | TO(FINISH) | TO(ENDED),
		[LIFE_ANSWERED] = TO(STEPS) | TO(FINISH) | TO(ENDED),
		[LIFE_FINISH] = TO(ENDED),
		[LIFE_ENDED] = TO(ENDED), /* stays until nothing is pending */
	};

	INVARIANT(next[r->run.life] & 1u << to);
	INVARIANT(to != LIFE_FINISH || (r->x && r->waiting.outstanding));
	INVARIANT(to != LIFE_STEPS || r->x);
	r->run.life = to;
}

static void
drop_scan(struct request *r)
{
	free(r->scan.hits);
	free(r->scan.extra);
	free(r->scan.border);
	free((void *)r->scan.failed);
	r->scan = (struct request_scan){ 0 };
}

/* The counters of a reservation are filled from the front, so only the used part needs to be
 * cleared. */
void
request_free(struct request **rp)
{
	struct request *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	INVARIANT(!r->waiting.outstanding && !r->waiting.parked && !r->run.record);
	INVARIANT(!r->x);
	r->calls->ends(r);
	INVARIANT(!r->queued && !r->attempt.of);
	buf_free(&r->out.decoded);
	buf_free(&r->out.rewritten);
	buf_free(&r->out.replay);
	buf_free(&r->out.prompt);
	buf_free(&r->out.new_target);
	request_drop_kept(r);
	buf_free(&r->run.completion.fields);
	drop_scan(r);
	for (size_t i = 0; i < COUNT_OF(r->found.quota); i++) {
		struct quota_request *q = r->found.quota[i];
		size_t written = QUOTA_DIMS_MAX;
		while (written && !q->dim[written - 1].name)
			written--;
		if (q != &no_quota)
			mem_put_used(q, sizeof(*q),
				offsetof(struct quota_request, dim) +
					written * sizeof(q->dim[0]));
	}
	arena_reset(&r->arena);
	snapshot_unref(&r->snap);
	TAG_CLEAR(request, r);
	mem_put(r, sizeof(*r));
}

/* ---- denials ---- */

enum step_result
request_refuse(struct request *r, const struct body_refusal *why)
{
	return request_deny(
		r, (enum deny_status)why->status, why->code, "", arena_dup(&r->arena, span_str(why->why)));
}

enum step_result
request_too_complex(struct request *r, const char *limit)
{
	return request_deny(r, 413, "request_too_complex", "",
		arena_printf(&r->arena,
			"the request reaches the limit of %s; send it in parts, because a "
			"retry has the same result",
			limit));
}

enum step_result
request_overload(struct request *r)
{
	/* The request itself reached a limit, so a retry would have the same result. */
	if (arena_is_full(&r->arena))
		return request_deny(r, 413, "request_too_complex", "",
			SPAN_LIT("the request reaches the limit of 160 MB of memory; send it in "
				 "parts, because a retry has the same result"));
	return request_deny(r, 503, "overloaded", "",
		SPAN_LIT("the gateway ran out of memory for this request; retry later or send "
			 "a shorter one"));
}

enum step_result
request_overheld(struct request *r)
{
	return request_deny(r, 503, "overloaded", "",
		SPAN_LIT("the gateway's memory for request bodies is full; retry in a few "
			 "seconds"));
}

enum step_result
request_bad_length(struct request *r)
{
	return request_deny(r, 400, "ambiguous_length", "",
		SPAN_LIT("the body's length is ambiguous; send one Content-Length, or "
			 "Transfer-Encoding: chunked"));
}

enum step_result
request_many_fields(struct request *r)
{
	return request_deny(r, 400, "too_many_headers", "",
		SPAN_LIT("too many header fields; send at most 256"));
}

const struct on_failure *
request_on_failure(const struct request *r)
{
	return r->found.route ? &r->found.route->on_failure : &r->snap->policy->on_failure;
}

/* ---- the head and the body ---- */

bool
request_set_target(struct request *r, struct span path, struct span query, bool has_query)
{
	char *target = arena_alloc(&r->arena, path.n + query.n + 2);

	if (!target)
		return false;
	memcpy(target, path.p ? path.p : "", path.n);
	target[path.n] = '?';
	memcpy(target + path.n + 1, query.p ? query.p : "", query.n);
	r->in.head.path = span_of(target, path.n);
	r->in.head.query = span_of(target + path.n + 1, query.n);
	r->in.head.has_query = has_query;
	/* Denials before a route is known use the error format of this path's dialect. */
	r->found.endpoint = dialect_endpoint(
		dialect_for_path(r->in.head.path, false), r->in.head.method, r->in.head.path);
	return true;
}

int
request_read_length(struct request *r, bool *chunked)
{
	struct span v;
	uint64_t len = 0;
	int n = http_field_one(&r->in.head, "content-length", &v);

	r->in.declared_length = -1;
	*chunked = http_field_nth(&r->in.head, "transfer-encoding", 0) != NULL;
	if (n < 0 || (n > 0 && (span_u64(v, &len) < 0 || len > INT64_MAX || *chunked)))
		return ERR_AMBIGUOUS;
	if (n > 0)
		r->in.declared_length = (int64_t)len;
	return 0;
}

void
request_drop_kept(struct request *r)
{
	mem_put((void *)(uintptr_t)r->out.kept.p, r->out.kept.n);
	r->out.kept = (struct span){ NULL, 0 };
}

/* ---- releasing memory after the decision ---- */

/* Keeps the tags for the completion, by which usage is summed: the rules' tags, whose text
 * belongs to the policy, and the caller's tags. Leaves them out if `own` is full. */
static void
keep_tags(struct request *r, struct arena *own)
{
	struct policy_verdict *v = &r->found.verdict;
	const char **tags = arena_array(own, v->ruled.ntags, sizeof(*tags));
	struct span *said = arena_array(own, r->found.ntags, sizeof(*said));
	size_t n = tags ? v->ruled.ntags : 0;

	if (n)
		memcpy(tags, v->ruled.tags, n * sizeof(*tags));
	r->found.ntags = said ? r->found.ntags : 0;
	for (size_t i = 0; i < r->found.ntags; i++)
		said[i] = arena_dup(own, r->found.tags[i]);
	r->found.tags = said;
	policy_verdict_forget(v);
	v->ruled.tags = tags;
	v->ruled.ntags = n;
}

/* Returns an array with one entry for each entity, in arena `a`; NULL: out of memory. */
static uint16_t *
new_roles(const struct request *r, struct arena *a)
{
	return arena_array(a, detect_entity_count(r->snap->rules), sizeof(uint16_t));
}

bool
request_add_entity(struct request *r, size_t entity, unsigned roles)
{
	if (!r->found.roles && !(r->found.roles = new_roles(r, &r->arena)))
		return false;
	entity_add(&r->found.entities, entity);
	r->found.roles[entity] |= (uint16_t)roles;
	return true;
}

void
request_let_go(struct request *r, struct arena *own)
{
	const struct identity *id = &r->found.identity;

	request_path_state(r); /* needs the findings, which are dropped below */
	request_trace(r);      /* needs the head's fields, which are dropped below */
	r->found.identity = (struct identity){ .method = id->method,
		.person = arena_dup(own, id->person),
		.agent = arena_dup(own, id->agent),
		.team = arena_dup(own, id->team),
		.department = arena_dup(own, id->department),
		.key_id = arena_dup(own, id->key_id),
		.first_key_id = arena_dup(own, id->first_key_id),
		.verified = id->verified };
	keep_tags(r, own);
	uint16_t *roles = r->found.roles ? new_roles(r, own) : NULL;
	if (roles)
		memcpy(roles, r->found.roles,
			detect_entity_count(r->snap->rules) * sizeof(*roles));
	r->found.roles = roles;
	if (r->found.cache.why)
		r->found.cache.why = arena_strdup(own, r->found.cache.why);
	request_denial_says(r, (struct span){ NULL, 0 });
	r->found.message = NULL;
	r->found.joined = NULL;
	r->found.form = NULL;
	r->found.offer.cut = NULL;
	r->found.offer.told = (struct tools_told){ 0 };
	r->found.call.method = arena_dup(own, r->found.call.method);
	r->found.call.tool = arena_dup(own, r->found.call.tool);
	r->found.call.resource = arena_dup(own, r->found.call.resource);
	r->found.session = (struct span){ NULL, 0 };
	r->found.conversation = (struct span){ NULL, 0 };
	r->found.limits = (struct found_limits){ 0 };
	r->found.ranks = NULL;
	r->run.kept = NULL;
	r->out.placeholders = NULL;
	r->calls->let_go(r, own);
	drop_scan(r);
	r->found.priced_model = arena_dup(own, r->found.priced_model);
	for (size_t i = 0; i < PRICE_ASKS; i++)
		r->found.asked.v[i] = arena_dup(own, r->found.asked.v[i]);
	r->in = (struct request_in){
		.head = { .method = arena_dup(own, r->in.head.method),
			.path = arena_dup(own, r->in.head.path) },
		.host = arena_dup(own, r->in.host),
		.src = arena_dup(own, r->in.src),
		.declared_length = r->in.declared_length,
		.body_state = r->in.body_state,
		.socket = r->in.socket,
		.message = r->in.message,
		.session = arena_dup(own, r->in.session),
		.body = { .model = arena_dup(own, r->in.body.model),
			.table = r->in.body.table },
	};
	arena_reset(&r->arena);
	r->arena = *own;
}

/* ---- path, trace and names in records ---- */

static bool
any_in_target(const struct hit *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].in_target)
			return true;
	return false;
}

/* Returns true if a value that was found in another segment also occurs in the path, or if
 * looking for it would take too long. (A denied request does not reach the step *mentions*,
 * which would look for it.) */
static bool
value_in_path(const struct request *r)
{
	enum mention_how how;

	const struct request_scan *c = &r->scan;

	if ((c->nhits + c->nborder) * r->in.head.path.n > PATH_LOOKS)
		return true;
	for (size_t i = 0; i < c->nhits + c->nborder; i++) {
		const struct hit *h = i < c->nhits ? &c->hits[i] : &c->border[i - c->nhits];
		struct span value = hit_value(h);
		if (value.n < MENTION_LEAST ||
			!detect_value_spreads(r->snap->rules, h->f.entity, value, &how))
			continue;
		for (size_t k = 0; k < r->in.ntarget; k++)
			if (r->in.target[k].role == ROLE_PATH &&
				value.n <= r->in.target[k].text.n &&
				memmem(r->in.target[k].text.p, r->in.target[k].text.n, value.p,
					value.n))
				return true;
	}
	return false;
}

enum path_state
request_path_state(struct request *r)
{
	if (r->found.path_state == PATH_CLEAN &&
		(any_in_target(r->scan.hits, r->scan.nhits) ||
			any_in_target(r->scan.extra, r->scan.nextra) ||
			any_in_target(r->scan.overlay.hits, r->scan.overlay.nhits) ||
			request_credential_in(r, r->in.head.path) || value_in_path(r)))
		r->found.path_state = PATH_FOUND;
	return r->found.path_state;
}

/* Returns true for lower-case hexadecimal digits that are not all 0. */
static bool
is_trace_id(struct span s)
{
	return span_all(s, is_lower_hex) && span_past_set(s, 0, "0") < s.n;
}

/* Returns the first TRACE_BYTES of a valid value, as a view, without surrounding
 * spaces. A later version may have more after them. Empty: the value is not valid.
 * traceparent = version "-" trace-id "-" parent-id "-" flags; a version above 00 may
 * have more. */
static struct span
trace_read(struct span v)
{
	const struct span none = { NULL, 0 };

	v = span_trim(v, " \t");
	if (v.n < TRACE_BYTES ||
		(v.n > TRACE_BYTES && (v.p[TRACE_BYTES] != '-' || !memcmp(v.p, "00", 2))) ||
		v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-' || !memcmp(v.p, "ff", 2) ||
		!is_trace_id(span_cut(v, 3, 35)) || !is_trace_id(span_cut(v, 36, 52)) ||
		!span_all(span_cut(v, 0, 2), is_lower_hex) ||
		!span_all(span_cut(v, 53, 55), is_lower_hex))
		return none;
	return span_cut(v, 0, TRACE_BYTES);
}

struct span
request_trace(struct request *r)
{
	struct span v;

	if (!r->found.trace[0] && http_field_one(&r->in.head, "traceparent", &v) == 1) {
		v = trace_read(v);
		memcpy(r->found.trace, v.p ? v.p : "", v.n);
	}
	return span_of(r->found.trace, r->found.trace[0] ? TRACE_BYTES : 0);
}

struct span
request_path_shown(struct request *r)
{
	switch (request_path_state(r)) {
	case PATH_CLEAN: return r->in.head.path;
	case PATH_FOUND: return SPAN_LIT("<redacted>");
	case PATH_UNREAD: break;
	}
	return SPAN_LIT("<unread>" /* prose: ok unread */);
}

void
request_classes(const struct request *r, struct buf *out)
{
	const struct policy *p = r->snap->policy;

	for (size_t i = 0; r->found.have_verdict && i < p->nclasses; i++)
		if (entity_in(&r->found.verdict.classes_hit, i))
			buf_printf(out, "%s%s", out->n ? "," : "", p->classes[i].name);
}

/* Only methods that a policy's routes may name are recorded. */
bool
request_is_method(struct span m)
{
	for (size_t i = 0; i < m.n; i++)
		if (!is_upper(m.p[i]) && m.p[i] != '-' && m.p[i] != '_')
			return false;
	return m.n > 0 && m.n <= CAP_METHOD_BYTES;
}

const char *
request_backend(const struct request *r)
{
	if (r->out.decision.kind == D_OBSERVED)
		return r->snap->policy->observe.backend;
	return r->found.route ? request_target(r)->backend : NULL;
}

const struct target *
request_target(const struct request *r)
{
	if (r->found.have_verdict && r->found.verdict.changes.target)
		return r->found.verdict.changes.target;
	return r->found.route ? r->found.route->targets : NULL;
}

struct auth *
request_auth(const struct request *r, const struct target *to)
{
	return to && to->credential && r->snap->auths ? r->snap->auths[to->credential->index]
						      : NULL;
}

struct span
request_priced_model(const struct request *r)
{
	struct span asked = r->found.priced_model.n ? r->found.priced_model : r->in.body.model;
	struct span said = { NULL, 0 };

	if (r->x && r->x->guard)
		said = span_str(guard_report(r->x->guard)->model);
	/* The response may name the model without the ARN, region or vendor in front: that is
	 * the same model. */
	if (!said.n || (asked.n && memmem(asked.p, asked.n, said.p, said.n)))
		return asked;
	/* Providers bill the model that responded, which may differ if the request named a
	 * list, a router or a deployment. It counts only if the price list has a row for it:
	 * the row "*" would price any name. */
	const struct target *to = request_target(r);
	const struct price_row *row = to ? price_find(to->prices, said, r->now_wall_ns) : NULL;
	return row && strcmp(row->model, "*") != 0 ? said : asked;
}

/* ---- tags, prices ---- */

bool
request_add_tags(struct request *r, const char *const *more, size_t nmore)
{
	struct rule_outcome *o = &r->found.verdict.ruled;
	size_t room = o->ntags + nmore;
	const char **tags = arena_array(&r->arena, room, sizeof(*tags));

	if (!tags)
		return false;
	if (o->ntags)
		memcpy(tags, o->tags, o->ntags * sizeof(*tags));
	o->tags = tags;
	o->ntags = tags_join(tags, o->ntags, room, more, nmore);
	return true;
}

void
request_pieces(const struct request *r, const struct price_row *row, struct price_usage *most)
{
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (price_apart(k) && k != PRICE_REQUESTS)
			most->n[k] = row->rates.has & (1u << k) ? r->found.offered.n[k] : 0;
	most->service = r->found.offered.service;
	most->us_only = r->found.offered.us_only;
}

/* Used if no route matched. */
static const struct target nowhere = { .name = "", .region = "" };

/* Returns the options that select a price: those of the request, and the region to which it is
 * sent. */
static struct price_asked
price_options(const struct request *r, const struct target *to, struct span model)
{
	struct price_asked asked = r->found.asked;

	asked.v[ASKED_REGION] = dialect_region(r->in.head.path, model);
	if (!asked.v[ASKED_REGION].n)
		asked.v[ASKED_REGION] = span_str(to->region);
	return asked;
}

bool
request_price(const struct request *r, struct span model, struct price_row *out)
{
	return request_price_at(r, request_target(r), model, out);
}

bool
request_price_at(const struct request *r, const struct target *to, struct span model,
	struct price_row *out)
{
	to = to ? to : &nowhere;
	const struct price_row *row = policy_price(r->snap->policy, to, model, r->now_wall_ns);
	const struct price_asked what = price_options(r, to, model);
	if (row)
		*out = price_where(row, &what, true);
	return row;
}

/* The cost of the provider's own numbers is computed once, because metrics, limits and the
 * record ask for it. */
bool
request_cost(const struct request *r, const struct usage *u, struct priced *out)
{
	const struct target *to = request_target(r);
	struct exchange *x = r->x;
	bool said = x && x->used_by == USED_SAID && (u == &x->used || u == &x->result.usage);

	if (said && x->cost.known) {
		*out = x->cost.of;
		return x->cost.priced;
	}
	struct span model = request_priced_model(r);

	to = to ? to : &nowhere;
	const struct price_asked what = price_options(r, to, model);
	bool priced = policy_cost(r->snap->policy, to, model, r->now_wall_ns, &what, u, out);
	if (said) {
		x->cost.known = true;
		x->cost.priced = priced;
		x->cost.of = *out;
	}
	return priced;
}

/* ---- erasures ---- */

struct span
request_holder(const struct request *r)
{
	const struct identity *id = &r->found.identity;
	struct span s = id->person.n ? id->person : id->key_id;

	return s.n ? s : SPAN_LIT("anonymous");
}

/* live_erasures_came() counts erasures, so a request looks its holder up again only after
 * another erasure. */
bool
request_erased(struct request *r)
{
	struct live *live = r->gate ? r->gate->shared->live : NULL;
	char own[SHARE_HASHED_LEN + 1];

	if (r->run.erased || !live)
		return r->run.erased;
	uint64_t came = live_erasures_came(live);
	if (came == r->run.erasures)
		return false;
	r->run.erased = live_erased_since(
		live, r->worker, share_holder(request_holder(r), own), r->run.erasures);
	r->run.erasures = came;
	return r->run.erased;
}
