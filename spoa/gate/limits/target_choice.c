/* Targets of a route before its rules are evaluated: their order, which ones are out, and facts
 * that conditions read. After the choice: takes a place at the target, waits for one, and
 * reports how the attempt ended. A route with one target that is never out skips all of this.
 *
 * The first section names the conversation that a request belongs to (request.conversation).
 * The policy's sources are tried in order: a header, the dialect's id, or a keyed hash of what
 * stays the same as a conversation grows: the caller, the system prompt and the first user
 * message. It also makes the number that keeps a choice of target stable. */
#include <stdio.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/auth/auth.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "gate/targets/rank.h"
#include "policy/policy.h"

/* ---- conversations ---- */

enum { HEADER_MAX = 256, HASH_SHOWN = 16 };

static void
hash_turn(struct sha256 *h, struct span s)
{
	char length[24];
	struct span n = { length, (size_t)snprintf(length, sizeof(length), "%zu:", s.n) };

	sha256_add(h, n);
	sha256_add(h, s);
}

/* Adds the system segments before the first user segment (or after it, if there are none
 * before), then that user segment. */
static void
add_beginning(struct sha256 *h, const struct body *b)
{
	size_t user = 0;
	bool before = false;

	while (user < b->nsegments && b->segments[user].role != ROLE_USER)
		before |= b->segments[user++].role == ROLE_SYSTEM;
	for (size_t i = 0; i < b->nsegments && (i < user || !before); i++)
		if (b->segments[i].role == ROLE_SYSTEM)
			hash_turn(h, b->segments[i].text);
	if (user < b->nsegments)
		hash_turn(h, b->segments[user].text);
}

/* Returns redact.key_file's key, which daemons with shared limits share; without it, this
 * daemon's own. */
static const unsigned char *
conversation_key(const struct request *r)
{
	static const unsigned char none[32];

	return r->snap->hash_key_set ? r->snap->hash_key
	       : r->gate	     ? r->gate->shared->prompt_key
				     : none;
}

static struct span
conversation_hash(struct request *r)
{
	const unsigned char *key = conversation_key(r);
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;

	hmac_begin(&h, key);
	hash_turn(&h, SPAN_LIT("tollgate-conversation-v1"));
	hash_turn(&h, r->found.identity.person);
	if (r->in.have_body)
		add_beginning(&h, &r->in.body);
	hmac_end(&h, key, digest);
	SCOPED_BUF(hex, 2 * HASH_SHOWN + 1);
	buf_hex(&hex, digest, HASH_SHOWN);
	struct span s = arena_dup(&r->arena, buf_view(&hex));
	r->found.conversation_state = CONVERSATION_HASHED;
	return s;
}

void
request_conversation(struct request *r)
{
	const struct policy *p = r->snap->policy;

	r->found.conversation = (struct span){ NULL, 0 };
	r->found.conversation_state = CONVERSATION_UNREAD;
	if (!p->reads_conversation || r->in.body_state == BODY_STATE_PARTIAL)
		return;
	for (size_t i = 0; i < p->nconversation && !r->found.conversation.n; i++) {
		const struct conversation_source *c = &p->conversation[i];
		struct span v = SPAN_LIT("");
		if (c->kind == CONVERSATION_DIALECT)
			v = r->in.conversation;
		else if (c->kind != CONVERSATION_HEADER)
			v = conversation_hash(r);
		else if (http_field_one(&r->in.head, c->header, &v) <= 0 || v.n > HEADER_MAX)
			continue;
		r->found.conversation = v;
	}
	r->found.conversation = arena_dup(&r->arena, r->found.conversation);
}

/* Returns a number that names the caller to targets; never 0. A person has one number whatever
 * key they use, in all daemons. An unverified caller is named
 * by their address. */
static uint32_t
request_caller(const struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct span of[] = { id->person,
		id->verified ? (struct span){ NULL, 0 } : r->in.src };
	uint64_t h = FNV64_BASIS;

	if (r->snap->hash_key_set)
		memcpy(&h, r->snap->hash_key, sizeof(h));
	for (size_t k = 0; k < COUNT_OF(of); k++)
		h = fnv64_step(fnv64_bytes(h, of[k].p, of[k].n), 0xff);
	h ^= h >> 32;
	return (uint32_t)h ? (uint32_t)h : 1;
}

/* Returns the number that keeps a choice of target stable: a hash of the conversation (as the
 * policy's sources, the dialect or its first segments name it) or of the caller; 0: choose at
 * random. Daemons that share redact.key_file return the same number. */
static uint64_t
request_sticky(const struct request *r, enum choose_sticky by)
{
	const struct identity *id = &r->found.identity;
	const unsigned char *key = conversation_key(r);
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;
	uint64_t n;

	if (by == STICKY_NONE)
		return 0;
	hmac_begin(&h, key);
	hash_turn(&h, SPAN_LIT("tollgate-sticky-v1"));
	hash_turn(&h, id->person);
	hash_turn(&h, id->agent);
	hash_turn(&h, span_str(r->found.route->name));
	if (by == STICKY_CONVERSATION) {
		struct span named =
			r->found.conversation.n ? r->found.conversation : r->in.conversation;
		hash_turn(&h, named);
		if (!named.n && r->in.have_body)
			add_beginning(&h, &r->in.body);
	}
	hmac_end(&h, key, digest);
	memcpy(&n, digest, sizeof(n));
	return n ? n : 1;
}

/* ---- targets ---- */

/* Returns the table of targets; NULL in `tollgate decide`. */
static struct target_table *
shared_target_table(const struct request *r)
{
	return r->gate ? r->gate->shared->targets : NULL;
}

static struct target_state *
target_state_here(const struct request *r, const struct target *t)
{
	return shared_target_table(r) ? target_state_of(shared_target_table(r), t) : NULL;
}

/* Returns true if the gateway adds the target's credential and has none now. */
static bool
is_keyless(const struct request *r, const struct target *t)
{
	return !auth_usable(request_auth(r, t));
}

/* Returns what a refusal by this target would concern. An endpoint without a name of its own is
 * named by its route, because callers can invent any number of paths. */
static struct target_request
refusable(const struct request *r, struct span model)
{
	const char *name = r->found.endpoint.name;

	return (struct target_request){ .model = model,
		.endpoint = span_str(name ? name : r->found.route->name),
		.caller = r->found.caller };
}

/* Returns "no_model" or "no_access" if the target's provider refused this model, or the
 * gateway's key at this endpoint; otherwise NULL. */
static const char *
is_without(const struct request *r, const struct target *to, uint64_t now_us)
{
	const struct target_request of = refusable(r, limits_model_at(r, to));

	return target_is_without(shared_target_table(r), target_state_here(r, to), &of, now_us);
}

/* Returns true if the targets of the route need an order or a state. */
static bool
is_ranked(const struct request *r)
{
	const struct route *route = r->found.route;

	if (!route || r->found.observed || !route->targets->name[0])
		return false;
	return route->ntargets > 1 || route->targets->breaker.on ||
	       is_keyless(r, route->targets) || route->targets->concurrent ||
	       r->snap->policy->reads_target_state ||
	       (shared_target_table(r) && target_any_ejected(shared_target_table(r)));
}

/* In `tollgate decide`, every choice falls the same way. */
static uint64_t
random_choice(struct request *r)
{
	if (!r->found.chance && r->gate)
		random_bytes(&r->found.chance, sizeof(r->found.chance));
	return r->found.chance;
}

bool
request_rank(struct request *r)
{
	const struct route *route = r->found.route;
	const struct policy_rank *before = r->found.ranks;
	unsigned passed = r->found.passed;
	struct rank_target t[TARGETS_MAX];
	size_t n = route ? route->ntargets : 0;

	if (!is_ranked(r)) {
		r->found.ranks = NULL;
		return true;
	}
	r->found.caller = request_caller(r);
	struct rank_ask ask = { .choose = route->choose,
		.size = target_size(r->found.input_tokens),
		.sticky = request_sticky(r, route->choose.sticky),
		.random = random_choice(r),
		.caller = r->found.caller,
		.now_us = clock_mono_us() };
	struct policy_rank *ranks = arena_array(&r->arena, n, sizeof(*ranks));
	struct policy_target_facts *at = arena_array(&r->arena, n, sizeof(*at));
	bool priced = route->choose.by == CHOOSE_PRICE || r->snap->policy->reads_target_state;

	if (!ranks || !at)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct target *to = &route->targets[i];
		struct rank_target *x = &t[i];
		*x = (struct rank_target){ .target = to,
			.state = target_state_here(r, to),
			.out = before && (before[i].out == TARGET_TRIED ||
						 before[i].out >= TARGET_LIMIT ||
						 passed >> i & 1)
				       ? before[i].out
			       : is_keyless(r, to) ? TARGET_KEYLESS
						   : limits_fit(r, to),
			.early = r->found.early >> i & 1,
			.price_nanousd = UINT64_MAX };
		x->lacks = x->state ? is_without(r, to, ask.now_us) : NULL;
		at[i] = (struct policy_target_facts){ 0 };
		if (priced && limits_price(r, to, &x->price_nanousd))
			at[i].price = (double)x->price_nanousd / 1e9;
		else
			x->price_nanousd = UINT64_MAX;
		if (x->state) {
			at[i].latency =
				(double)target_latency_us(x->state, ask.size, ask.now_us) / 1e6;
			/* rounded to millionths, as records hold them */
			at[i].errors =
				(double)(uint64_t)(target_errors(x->state, ask.now_us) * 1e6) /
				1e6;
		}
	}
	targets_rank(&ask, t, n, ranks);
	for (size_t i = 0; i < n && before; i++)
		if (passed >> i & 1 || before[i].out >= TARGET_LIMIT)
			ranks[i].state = before[i].state;
	r->found.ranks = ranks;
	r->found.at = r->snap->policy->reads_target_state ? at : NULL;
	return true;
}

/* ---- waiting ---- */

enum { DUE_SLACK_US = 20000 }; /* added because the gate looks only every 10 ms */

/* Returns until when the request may wait. */
static uint64_t
wait_until(const struct request *r, uint64_t now_us)
{
	return (r->waiting.parked ? r->waiting.parked_us : now_us) +
	       gate_cfg(r->gate)->agent_deadline_us;
}

/* Returns the permitted target that is out for a time and may be tried first, with the time in
 * *at_us (0: now); NULL: none before `until_us`. A target that another request probes may come
 * back at any moment. */
static const struct target *
first_back(const struct request *r, uint64_t now_us, uint64_t until_us, uint64_t *at_us)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct target *first = NULL;

	for (size_t i = 0; i < v->ncandidates; i++) {
		const struct target *to = v->candidates[i].target;
		uint64_t back;
		if (v->candidates[i].fate != CANDIDATE_OUT ||
			v->candidates[i].out != TARGET_EJECTED || is_without(r, to, now_us))
			continue;
		if (target_condition_for(target_state_here(r, to), r->found.caller,
			    to->breaker.on, now_us, &back, NULL) == TARGET_PROBED)
			back = now_us + 1;
		if (back > until_us - DUE_SLACK_US)
			continue;
		if (!first || back < *at_us) {
			first = to;
			*at_us = back;
		}
	}
	return first;
}

bool
request_has_room(const struct request *r)
{
	uint64_t now_us = clock_mono_us(), at_us;

	if (!r->found.verdict.none_in)
		return target_has_room(r->queued, request_target(r));
	/* a target may be tried, or there is nothing to wait for any more */
	return !first_back(r, now_us, wait_until(r, now_us), &at_us) || !at_us;
}

void
request_unqueue(struct request *r)
{
	if (r->queued)
		target_unqueue(r->queued);
	r->queued = NULL;
}

/* Joins the target's short queue. Not on a helper thread, which must not be blocked. */
static bool
waits_at(struct request *r, const struct target *to)
{
	struct target_state *s = target_state_here(r, to);

	if (r->waiting.what == WAIT_HELPER || !target_queue(s, to))
		return false;
	r->queued = s;
	request_waits(r, WAIT_ROOM);
	return true;
}

/* Waits at a full target if no other target is left. */
static bool
waits_for_room(struct request *r, const struct target *to)
{
	const struct policy_verdict *v = &r->found.verdict;

	for (size_t i = 0; i < v->ncandidates; i++)
		if (v->candidates[i].fate == CANDIDATE_LEFT)
			return false;
	return waits_at(r, to);
}

/* All targets are out: waits for the first to come back. A further attempt does not wait,
 * because it already has an error to return. */
static bool
waits_for_first_back(struct request *r)
{
	uint64_t now_us = clock_mono_us(), at_us;
	const struct target *to;

	if (request_tried(r))
		return false;
	to = first_back(r, now_us, wait_until(r, now_us), &at_us);
	return to && waits_at(r, to);
}

/* All permitted targets are out and none comes back soon. Chooses the one that last responded,
 * among those out for failures, and tries it before its time. Otherwise chooses one that lacked
 * the model or refused the key when last asked, so that its provider reports this itself.
 * Returns false if there is none. */
static bool
asks_likeliest(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct route *route = r->found.route;
	uint32_t caller = r->found.caller, well_s, last_s = 0;
	uint64_t now_us = clock_mono_us();
	size_t chosen = SIZE_MAX;

	for (size_t i = 0; i < v->ncandidates && !request_tried(r); i++) {
		const struct target *to = v->candidates[i].target;
		size_t k = (size_t)(to - route->targets);
		if (v->candidates[i].fate != CANDIDATE_OUT ||
			v->candidates[i].out != TARGET_EJECTED ||
			(r->found.passed | r->found.early) >> k & 1)
			continue;
		bool early = to->breaker.on && target_may_early(target_state_here(r, to),
						       caller, now_us, &well_s);
		if (early ? chosen == SIZE_MAX || well_s >= last_s
			  : chosen == SIZE_MAX && is_without(r, to, now_us)) {
			/* keep the first of two that responded in the same second */
			if (chosen != SIZE_MAX && well_s == last_s)
				continue;
			chosen = k;
			last_s = early ? well_s : 0;
		}
	}
	if (chosen == SIZE_MAX)
		return false;
	r->found.early |= (uint16_t)(1u << chosen);
	r->found.have_verdict = false;
	return true;
}

/* Sums what the caller asked of the route's other targets recently. */
static void
load_beside(const struct request *r, const struct target *to, struct target_load *beside)
{
	const struct route *route = r->found.route;
	uint64_t now_us = clock_mono_us();

	for (size_t i = 0; i < route->ntargets; i++) {
		const struct target *t = &route->targets[i];
		if (t == to)
			continue;
		struct target_load one =
			target_load(target_state_here(r, t), r->found.caller, now_us);
		beside->first += one.first;
		beside->repeats += one.repeats;
		if (t->breaker.on && t->breaker.failures > beside->failures)
			beside->failures = t->breaker.failures;
	}
}

struct target_asks
request_asks(const struct request *r, const struct target *to, struct target_load *beside)
{
	struct target_asks asks = { .caller = r->found.caller,
		.quiet = r->in.body_state == BODY_STATE_NONE ||
			 (r->found.endpoint.free &&
				 !dialect_is_of_mcp(r->found.endpoint.family)),
		.early = r->found.early >> (to - r->found.route->targets) & 1 };

	*beside = (struct target_load){ 0 };
	if (!request_tried(r))
		return asks;
	asks.beside = beside;
	asks.free = r->x->tries->free;
	load_beside(r, to, beside);
	return asks;
}

bool
request_draws(const struct request *r)
{
	const struct target *to = request_target(r);
	struct target_load beside = { 0 };
	const struct target_asks asks = { .caller = r->found.caller, .beside = &beside };

	if (!r->attempt.of)
		return true;
	load_beside(r, to, &beside);
	return target_draw(target_state_here(r, to), to, &asks, clock_mono_us());
}

enum begun
request_begin(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct route *route = r->found.route;
	const struct target *to = request_target(r);

	request_attempt_over(r, CAUSE_ABORTED, 0, REFUSED_NOT, 0);
	/* the WebSocket already has its place, and its messages use it */
	if (!r->gate || r->in.message || !gate_cfg(r->gate)->relay || !r->found.ranks ||
		v->ruled.effect == RULE_DENY || route->direct || route->joined || request_lists_models(r) ||
		(route->ntargets == 1 && !to->breaker.on && !to->concurrent))
		return BEGUN;
	if (v->none_in)
		return waits_for_first_back(r) ? BEGUN_WAITS
		       : asks_likeliest(r)     ? BEGUN_NOT
					       : BEGUN;
	struct target_state *s = target_state_here(r, to);
	size_t i = (size_t)(to - route->targets);
	struct target_load beside;
	const struct target_asks asks = request_asks(r, to, &beside);
	switch (target_begin(&r->attempt, s, to, &asks, clock_mono_us())) {
	case TARGET_BEGUN: return BEGUN;
	case TARGET_NO_ROOM:
		if (waits_for_room(r, to))
			return BEGUN_WAITS;
		r->found.ranks[i].out = TARGET_BUSY;
		break;
	case TARGET_NO_BUDGET:
		r->found.ranks[i].out = TARGET_EJECTED;
		r->found.ranks[i].state = "budget";
		break;
	case TARGET_NO_PROBE:
		r->found.ranks[i].out = TARGET_EJECTED;
		r->found.ranks[i].state = target_conditions[TARGET_PROBED];
		break;
	}
	r->found.passed |= (uint16_t)(1u << i);
	r->found.have_verdict = false;
	return BEGUN_NOT;
}

/* A whole response has its head only when it is complete, so another limit applies. */
uint64_t
request_head_within(const struct request *r)
{
	const struct retry *retry = &r->found.route->retry;

	return r->in.body.stream ? retry->first_byte_us : retry->whole_us;
}

/* Returns true if the policy names the model: callers could invent any number of names, which
 * must not fill the table. */
static bool
is_model_of(const struct route *routes, size_t n, struct span model)
{
	for (size_t i = 0; i < n; i++) {
		const struct route *route = &routes[i];
		if (route->alias && span_is(model, route->alias))
			return true;
		for (size_t k = 0; k < route->ntargets; k++)
			if (route->targets[k].model && span_is(model, route->targets[k].model))
				return true;
		if (is_model_of(route->aliases, route->naliases, model))
			return true;
	}
	return false;
}

static struct span
model_sent_there(const struct request *r)
{
	return r->in.body.model.n ? r->in.body.model : limits_model_at(r, request_target(r));
}

void
request_lacks_model(const struct request *r)
{
	const struct policy *p = r->snap->policy;

	struct span model = model_sent_there(r);

	const struct target_request of = refusable(r, model);
	if (r->attempt.of && !r->attempt.quiet && is_model_of(p->routes, p->nroutes, model))
		target_lacks(shared_target_table(r), r->attempt.of, &of, clock_mono_us());
}

/* Notes a good response of the target. */
static void
note_has(const struct request *r)
{
	const struct target_request of = refusable(r, model_sent_there(r));

	target_has(shared_target_table(r), r->attempt.of, &of);
}

void
request_first_content(struct request *r, uint64_t took_us)
{
	if (r->attempt.of && !r->attempt.quiet)
		note_has(r);
	target_first_content(
		&r->attempt, target_size(r->found.input_tokens), took_us, clock_mono_us());
}

void
request_attempt_over(struct request *r, enum attempt_cause cause, int status,
	enum attempt_refused refused, uint64_t asked_us)
{
	bool our_key = refused == REFUSED_KEY;

	if (!r->attempt.of)
		return;
	if (cause == CAUSE_DONE && !r->attempt.quiet)
		note_has(r);
	if (refused == REFUSED_HERE && !r->attempt.quiet) {
		const struct target_request of = refusable(r, model_sent_there(r));
		our_key = target_refuses(
			shared_target_table(r), r->attempt.of, &of, status, clock_mono_us());
	}
	target_over(&r->attempt,
		&(struct target_end){ .cause = cause,
			.status = status,
			.our_key = our_key,
			.refused = refused,
			.asked_us = asked_us,
			.size = target_size(r->found.input_tokens),
			.head_us = request_head_within(r) },
		clock_mono_us());
}

/* Returns true unless the request cannot be translated for this target either. */
static bool
may_hold_it(const struct request *r, const struct target *to)
{
	const struct found_form *f = r->found.form;

	return !f || !f->refused || to->forms >> f->from & 1 ||
	       to->translated != request_target(r)->translated;
}

bool
limits_some_are_away(const struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;

	for (size_t i = 0; i < v->ncandidates; i++) {
		const struct policy_candidate *c = &v->candidates[i];
		if (c->fate == CANDIDATE_OUT &&
			(c->out == TARGET_EJECTED || c->out == TARGET_BUSY ||
				c->out == TARGET_KEYLESS) &&
			may_hold_it(r, c->target))
			return true;
	}
	return false;
}

/* Returns in how many seconds the first permitted target may come back, rounded up; 0: unknown.
 */
static unsigned
back_in(const struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	uint64_t now = clock_mono_us(), soonest = UINT64_MAX, back;

	for (size_t i = 0; shared_target_table(r) && i < v->ncandidates; i++) {
		const struct target *to = v->candidates[i].target;
		if (v->candidates[i].fate != CANDIDATE_OUT ||
			v->candidates[i].out == TARGET_TRIED)
			continue;
		target_condition_for(target_state_here(r, to), r->found.caller, to->breaker.on,
			now, &back, NULL);
		back = back ? back : now;
		soonest = back < soonest ? back : soonest;
	}
	return soonest == UINT64_MAX ? 0
	       : soonest <= now	     ? 1
				     : (unsigned)((soonest - now + 999999) / 1000000);
}

enum step_result
request_none_in(struct request *r)
{
	/* a target that is out now may accept what the others' forms cannot hold */
	if (r->found.over && (r->found.over->status != 400 || !limits_some_are_away(r)))
		return limits_over(r);
	enum step_result s = request_deny(r, 503, "provider_unavailable", "",
		SPAN_LIT("no provider that may serve this request is available now; retry "
			 "later"));

	unsigned wait_s = back_in(r);

	if (wait_s)
		request_denial_retry(r, wait_s, false);
	return s;
}
