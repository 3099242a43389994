/* Determines how much a request takes of each limit that applies, as counters (dims) of one
 * reservation, and how much it took in the end. Amounts are upper bounds: estimated input, the
 * output limit, and the highest price that the request's options allow. At the end of an
 * exchange, a reservation is replaced by the amount that the exchange used: nothing if nothing
 * was sent, the used amount if it is known, else the reservation.
 *
 * Limits change while the daemon runs: overrides give some callers another amount, and API keys
 * have limits.
 *
 * Batches have their requests in a file. Uploading the file reserves its cost. When the provider
 * accepts it, the reservation is given back, and the cost is stored under the file's id, in
 * counters like those of limits. Each job that names the file is charged that cost, each time it
 * runs. If a file's cost is unknown, a job that uses it is denied under a limit in tokens or
 * dollars. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "gate/sealing/sealing.h"
#include "policy/identity/claims.h"
#include "policy/policy.h"
#include "policy/prices.h"

/* ---- changes while the daemon runs ---- */

/* Returns the request's value for a name that overrides use (team, model, route, …); empty:
 * none. */
static struct span
override_value(const struct request *r, const struct policy_facts *f, const char *name)
{
	struct identity id = r->found.identity;

	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		if (!strcmp(name, identity_texts[i].name))
			return *identity_text(&id, i);
	if (!strcmp(name, "model"))
		return f->model;
	if (!strcmp(name, "route") && f->route)
		return span_str(f->route->name);
	if (!strcmp(name, "key") && !strcmp(id.method, "api_key"))
		return id.key_id;
	return (struct span){ NULL, 0 };
}

static bool
override_fits(const struct request *r, const struct live_override *o, const struct limit *l,
	const struct span *values)
{
	/* if the limit now counts another unit, the amount does not fit */
	if (strcmp(o->counts, limit_kinds[l->of].name) != 0 ||
		(o->until_ns && o->until_ns <= r->now_wall_ns))
		return false;
	for (size_t i = 0; i < o->npairs; i++) {
		size_t k = span_find(o->pairs[i].name, live_pair_names, LIVE_PAIR_NAMES);
		if (k == LIVE_PAIR_NAMES || !span_eq(o->pairs[i].value, values[k]))
			return false;
	}
	return true;
}

/* Returns the override that applies: the one with the most conditions, then the newest. */
static const struct live_override *
override_of(const struct request *r, const struct live_view *v, const struct limit *l,
	const struct span *values)
{
	const struct live_override *best = NULL;

	/* the last round is for overrides without conditions */
	for (size_t k = 0; k <= LIVE_PAIR_NAMES; k++) {
		bool everyone = k == LIVE_PAIR_NAMES;
		struct span name = span_str(everyone ? "" : live_pair_names[k]);
		struct span value = everyone ? span_str("") : values[k];
		size_t at = 0;
		while ((value.n || everyone) &&
			(at = live_next_override(v, l->name, name, value, at))) {
			const struct live_override *o = v->limits[at - 1];
			if (override_fits(r, o, l, values) &&
				(!best || o->npairs > best->npairs ||
					(o->npairs == best->npairs &&
						o->serial > best->serial)))
				best = o;
		}
	}
	return best;
}

/* Replaces amounts of limits. The copy keeps the name, and therefore the counter. */
static void
apply_overrides(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t n)
{
	struct live *live = r->gate->shared->live;
	const struct live_view *v = live ? live_enter(live, r->worker) : NULL;
	bool any = v && v->nlimits;
	struct span values[LIVE_PAIR_NAMES] = { 0 };

	for (size_t k = 0; any && k < LIVE_PAIR_NAMES; k++)
		values[k] = override_value(r, f, live_pair_names[k]);
	/* a change for a key also applies to the key that replaces it */
	struct span first[LIVE_PAIR_NAMES];
	memcpy(first, values, sizeof(first));
	for (size_t k = 0; any && k < LIVE_PAIR_NAMES; k++)
		if (!strcmp(live_pair_names[k], "key") && values[k].n)
			first[k] = r->found.identity.first_key_id;
	for (size_t i = 0; any && i < n; i++) {
		hits[i].limit = hits[i].of; /* undo an earlier override, if called again */
		const struct live_override *o = override_of(r, v, hits[i].of, values);
		const struct live_override *old = override_of(r, v, hits[i].of, first);
		if (old && (!o || old->npairs > o->npairs))
			o = old;
		struct limit *l = o ? arena_new(&r->arena, struct limit) : NULL;
		if (!l)
			continue;
		*l = *hits[i].of;
		/* the soft limit keeps its share of the amount */
		l->soft = (uint64_t)((unsigned __int128)l->soft * o->to / l->amount);
		l->amount = o->to;
		hits[i].limit = l;
	}
	if (live)
		live_leave(live, r->worker);
}

/* Returns true if an override of the limit names a model, so that its amount is known only once
 * the body is read. Call on the gate's worker, not between live_enter() and live_leave(). */
static bool
limits_overridden_by_model(const struct request *r, const struct limit *l)
{
	struct live *live = r->gate->shared->live;
	const struct live_view *v = live ? live_enter(live, r->worker) : NULL;
	bool is = false;

	for (size_t i = 0; v && i < v->nlimits; i++) {
		const struct live_override *o = v->limits[i];
		for (size_t k = 0; k < o->npairs && !strcmp(o->limit, l->name); k++)
			is |= span_is(o->pairs[k].name, "model");
	}
	if (live)
		live_leave(live, r->worker);
	return is;
}

/* Adds the API key's own limits. A counter is named by key, unit and window: with another
 * amount it continues, with another window a new counter begins. A rotated key uses the
 * counters of the key that it replaces. */
static int
add_own(struct request *r, bool whole, struct policy_limit_hit *hits, size_t *n)
{
	const struct identity *id = &r->found.identity;

	for (size_t i = 0; i < id->nlimits; i++) {
		const struct limit *l = &id->limits[i];
		if (!whole && l->reads_body)
			continue;
		if (*n == LIMIT_HITS_MAX)
			return ERR_LIMIT;
		hits[(*n)++] = (struct policy_limit_hit){ l,
			arena_printf(&r->arena, "%zu:%.*s%s:%llu:%d",
				id->first_key_id.n, SPAN_ARG(id->first_key_id), limit_kinds[l->of].name,
				(unsigned long long)l->window_s,
				l->by_calendar ? (int)l->calendar : -1),
			NULL };
	}
	return 0;
}

int
limits_live(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t *n)
{
	apply_overrides(r, f, hits, *n);
	int err = add_own(r, f->whole, hits, n);
	return err ? err : arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

int
limits_apply(struct request *r, const struct policy_facts *f)
{
	struct found_limits *l = &r->found.limits;

	if (l->known && l->resumed == r->run.resumed && span_eq(l->model, f->model))
		return 0;
	*l = (struct found_limits){ .model = f->model, .resumed = r->run.resumed };
	int err = policy_limits(r->snap->policy, f, &r->arena, &l->hit, &l->n);
	l->known = err == 0;
	return err;
}

/* ---- the amounts of a request ---- */

enum {
	/* seconds added to the route's deadline: how long a reservation is held */
	HOLD_GRACE_S = 60,
	/* bytes: the lowest rate of Opus, 6 kbit/s, so a length in seconds is an upper bound */
	SOUND_A_SECOND = 750,
	SOUND_ELSEWHERE_S = 36000, /* seconds assumed for a file that is not in the body */
	CACHE_S = 3600,		   /* seconds that a cache without a stated duration is kept */
	SHARE_WHOLE = 10000,	   /* a limit's `share` is in ten-thousandths */
	/* the room is ample if a request takes less than a hundredth of the rest, so that many
	 * concurrent ones fit, too */
	ROOM_PARTS = 100,
};
/* the bound of a request that at_limit moved to another model, if its rule states none */
#define UNBOUNDED (INT64_MAX / 4)

/* Writes the key of a counter: "tollgate:q:{LIMIT:HASH}". The hash hides the values in Redis
 * and includes the unit, so that a policy that changes a limit from tokens to dollars does not
 * find the old counters. The braces place all keys of a counter on one node of a Redis cluster.
 * No limit's name contains ~. */
static void
dim_key(char key[QUOTA_KEY_MAX], const struct limit *l, bool burst, struct span values)
{
	unsigned char h[SHA256_BYTES];
	size_t n = strnlen(l->name, 48);
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, values);
	sha256_add(&s, span_of(&limit_kinds[l->of].letter, 1));
	sha256_end(&s, h);
	char *at = stpcpy(key, "tollgate:q:{");
	memcpy(at, l->name, n);
	at = stpcpy(at + n, burst ? "~burst:" : ":");
	sodium_bin2hex(at, 25, h, 12);
	strcpy(at + 24, "}");
}

static bool
charged_before(const struct request *r, const char *key)
{
	const struct quota_dim *d;

	for (size_t k = 0; (d = request_dim(r, k)); k++)
		if (!strcmp(d->key, key))
			return true;
	return false;
}

/* Counters charged in the first run count when the request is forwarded. If the body took so
 * long that the window has changed, the charge moves to the current window. */
static int
move_stale(struct request *r)
{
	struct quota_request *head = r->found.quota[0], *q;
	uint64_t now = clock_mono_us();
	size_t kept = 0;

	if (!r->run.resumed || !head->ndims)
		return 0;
	if (!(q = request_quota(r)))
		return ERR_NOMEM;
	for (size_t i = 0; i < head->ndims; i++) {
		struct quota_dim *d = &head->dim[i];
		if (!d->charged || quota_current(r->gate->quota, d, now)) {
			head->dim[kept++] = *d;
			continue;
		}
		struct quota_dim *to = &q->dim[q->ndims++];
		*to = *d;
		to->moves = true;
		to->from = d->at;
		to->charged = false;
	}
	head->ndims = kept;
	return 0;
}

/* Returns the most expensive service tier that the body or a header of Amazon or Google asks
 * for. "auto" may mean whatever the account has set. */
static enum price_service
dearest_service(const struct request *r)
{
	enum price_service most = PRICE_STANDARD;
	const struct http_field *f;

	static const char *const heads[] = { "x-amzn-bedrock-service-tier",
		"x-vertex-ai-llm-shared-request-type" };
	for (size_t k = 0; k < COUNT_OF(heads); k++)
		for (size_t i = 0; (f = http_field_nth(&r->in.head, heads[k], i)); i++)
			if (price_service_of(f->value) == PRICE_PRIORITY)
				most = PRICE_PRIORITY;

	for (size_t i = 0; r->in.have_body && i < r->in.body.nparams; i++) {
		const struct body_param *p = &r->in.body.params[i];
		if (p->kind != PARAM_STRING)
			continue;
		enum price_service s = price_service_of(p->text);
		bool tier = span_is(p->name, "service_tier") || span_is(p->name, "serviceTier");
		if (tier && (span_is(p->text, "auto") || s == PRICE_PRIORITY))
			most = PRICE_PRIORITY;
		if ((span_is(p->name, "speed") || tier) && s == PRICE_FAST)
			return PRICE_FAST;
	}
	return most;
}

/* Returns a string parameter of the body; empty: absent. */
static struct span
string_param(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->in.body.nparams; i++)
		if (span_is(r->in.body.params[i].name, name) &&
			r->in.body.params[i].kind == PARAM_STRING)
			return r->in.body.params[i].text;
	return (struct span){ NULL, 0 };
}

/* Counts the characters (UTF-8) of the user's segments. */
static uint64_t
count_characters(const struct request *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->in.body.nsegments; i++) {
		const struct segment *s = &r->in.body.segments[i];
		for (size_t k = 0; s->role == ROLE_USER && k < s->text.n; k++)
			n += ((unsigned char)s->text.p[k] & 0xc0) != 0x80;
	}
	return n;
}

/* Returns for how many seconds a cache is kept. */
static uint64_t
cache_s(const struct request *r)
{
	struct span ttl = string_param(r, "ttl"), until = string_param(r, "expireTime");
	uint64_t s = 0;
	int64_t ns;

	if (!until.n)
		until = string_param(r, "expire_time");
	if (until.n && !clock_parse(until.p, until.n, &ns))
		return ns > r->now_wall_ns ? (uint64_t)(ns - r->now_wall_ns) / 1000000000 + 1
					   : 0;
	return ttl.n && !span_u64(span_next(&ttl, 's'), &s) ? s : CACHE_S;
}

/* Sets upper bounds of what endpoints sell by size: seconds of audio (the response reports the
 * real number), characters, and token-seconds of a cache. */
static void
add_offered_sizes(const struct request *r, struct price_usage *most)
{
	static const char *const links[] = { "url", "file_url", "file_id" };
	struct span name = span_str(r->found.endpoint.name);

	if (span_is(name, "speech"))
		most->n[PRICE_CHARACTERS] = count_characters(r);
	if (span_is(name, "cached"))
		most->n[PRICE_STORED] = (uint64_t)r->found.input_tokens * cache_s(r);
	if (!span_is(name, "transcriptions"))
		return;
	most->n[PRICE_SECONDS] = r->in.sounds_measured ? (uint64_t)r->in.speech_seconds
						    : r->in.raw.n / SOUND_A_SECOND + 1;
	for (size_t i = 0; i < COUNT_OF(links); i++)
		if (string_param(r, links[i]).n)
			most->n[PRICE_SECONDS] = SOUND_ELSEWHERE_S;
}

/* Sets found.offered: pieces (images, seconds, tool calls) that the body may cost, and the
 * options that select a price. Once for each request. */
static void
note_offered_pieces(struct request *r)
{
	struct price_usage *most = &r->found.offered;

	if (r->found.offered_known)
		return;
	/* without inference_geo, the account's setting applies, which may be US only */
	bool global = r->in.have_body && span_is(string_param(r, "inference_geo"), "global");
	*most = (struct price_usage){ .service = dearest_service(r), .us_only = !global };
	r->found.offered_known = !r->in.have_body;
	if (!r->in.have_body)
		return;
	if (endpoint_makes_images(&r->found.endpoint))
		most->n[PRICE_IMAGES] = (uint64_t)r->in.body.choices;
	add_offered_sizes(r, most);
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	const struct prices *p = r->snap->policy->prices;
	int err = dialect_count_tool_uses(&r->in.body, r->in.raw, p ? p->tools : NULL,
		p ? p->ntools : 0, r->snap->policy->tool_calls_default, &a, most);
	r->found.mcp = !r->found.endpoint.name && dialect_is_mcp(r->in.raw, &a);
	if (!err && p && p->where)
		err = dialect_price_parameters(&r->in.body, r->in.raw, &r->arena, &r->found.asked);
	r->found.offered_known = !err;
}

/* The most that a request may cost. */
struct most {
	bool known;
	uint64_t nanousd; /* 0 if unknown */
	/* the model with that cost; empty: a batch's file, whose models are not distinguished
	 */
	struct span model;
};

/* Returns the cost at the price of the most expensive model that the body names, because
 * responses do not report in one way which model was used. known is false if a model has no
 * price, or the options are unknown. */
static struct most
dearest_model(const struct request *r, const struct target *to, struct span own)
{
	const struct body_marks *m = &r->in.body.marks;
	struct price_usage most = { 0 };
	size_t n = r->in.have_body && m->nmodels > 1 ? m->nmodels : 1;

	struct most out = { .known = true, .model = r->in.body.model };
	most.n[PRICE_INPUT] = (uint64_t)r->found.input_tokens;
	most.n[PRICE_OUTPUT] = (uint64_t)r->found.output_tokens;
	most.n[PRICE_REQUESTS] = m->nrequests > 1 ? m->nrequests : 1;
	if (!r->found.offered_known)
		return (struct most){ 0 };
	for (size_t i = 0; i < n; i++) {
		struct span model = own.n			     ? own
				    : n > 1 && !r->found.fell.change ? m->model[i].name
								     : r->in.body.model;
		struct price_row row;
		struct price_cost cost;
		if (!request_price_at(r, to, model, &row))
			return (struct most){ 0 };
		request_pieces(r, &row, &most);
		most.batch = dialect_batches(&r->found.endpoint);
		price_worst(&row, &most, PRICE_MAY_ANY, &cost);
		if (cost.unpriced)
			return (struct most){ 0 };
		if (cost.nanousd > out.nanousd) {
			out.nanousd = cost.nanousd;
			out.model = model;
		}
	}
	return out;
}

static struct most
most_of(const struct request *r)
{
	const struct policy *p = r->snap->policy;
	uint64_t file = r->found.file.nanousd;

	if (!p->prices && !p->unknown_price)
		return (struct most){ 0 };
	return r->found.file.state == FILE_NONE
		       ? dearest_model(r, request_target(r), (struct span){ NULL, 0 })
		       : (struct most){ .known = file > 0, .nanousd = file };
}

bool
limits_price(struct request *r, const struct target *to, uint64_t *nanousd)
{
	const struct policy *p = r->snap->policy;

	if ((!p->prices && !p->unknown_price) || r->in.body_state == BODY_STATE_PARTIAL)
		return false;
	note_offered_pieces(r);
	struct most most =
		dearest_model(r, to, to->model ? span_str(to->model) : r->in.asked_model);
	*nanousd = most.nanousd;
	return most.known;
}

/* Returns the amount that the request takes of a limit in *n, or false if it is unknown. */
static bool
amount_taken(const struct request *r, enum limit_of of, const struct most *most, uint64_t *n)
{
	uint64_t input = (uint64_t)r->found.input_tokens,
		 output = (uint64_t)r->found.output_tokens;

	switch (of) {
	case LIMIT_MESSAGE: /* the tokens of a generated image are not the caller's choice */
		*n = input + (endpoint_makes_images(&r->found.endpoint) ? 0 : output);
		return true;
	case LIMIT_TOKENS: *n = input + output; return true;
	case LIMIT_INPUT_TOKENS: *n = input; return true;
	case LIMIT_OUTPUT_TOKENS: *n = output; return true;
	case LIMIT_USD: *n = most->nanousd; return most->known;
	case LIMIT_SECONDS: *n = (uint64_t)r->in.speech_seconds; return true;
	case LIMIT_REQUESTS:
	case LIMIT_CONCURRENT: *n = 1; return true;
	case LIMIT_OF_COUNT: break;
	}
	INVARIANT(false);
}

static const enum quota_unit unit_of[LIMIT_OF_COUNT] = {
#define X(id, letter, unit, ...) [LIMIT_##id] = QUOTA_##unit,
	LIMIT_KINDS(X)
#undef X
};

/* Sets the counter's behavior while Redis does not answer: allow, deny, or this daemon's share
 * of the limit. */
static void
set_away(const struct request *r, const struct limit *l, struct quota_dim *d)
{
	const struct on_failure *of = request_on_failure(r);
	uint64_t share = l->share, peers = l->peers;
	enum limit_away away = l->away;

	if (away == AWAY_ROUTE && of->quota_share) {
		away = AWAY_SHARE;
		share = of->quota_share;
		peers = of->quota_peers;
	} else if (away == AWAY_ROUTE) {
		away = of->quota == OUT_PERMIT ? AWAY_ALLOW : AWAY_DENY;
	}
	d->away = away == AWAY_ALLOW   ? QUOTA_AWAY_ALLOW
		  : away == AWAY_SHARE ? QUOTA_AWAY_SHARE
				       : QUOTA_AWAY_DENY;
	if (away != AWAY_SHARE)
		return;
	d->apart = (uint64_t)((unsigned __int128)d->limit * share / SHARE_WHOLE);
	if (!peers)
		peers = gate_cfg(r->gate)->redis_daemons;
	d->share = d->apart / (peers ? peers : 1);
	d->guessed = peers == 0;
}

/* Returns the limit's amount. A request that at_limit moved to another model has that rule's
 * bound instead. */
static uint64_t
limit_bound(const struct request *r, const struct limit *l)
{
	const struct limit_change *x = r->found.fell.change;

	if (!x || !x->model || r->found.fell.soft || l->name != r->found.fell.limit->name)
		return l->amount;
	return x->up_to ? x->up_to : UNBOUNDED;
}

void
limits_dim(const struct limit *l, struct span values, bool burst, struct quota_dim *d)
{
	*d = (struct quota_dim){
		.unit = unit_of[l->of],
		.span = { .kind = l->of == LIMIT_CONCURRENT  ? QUOTA_IN_FLIGHT
				  : l->by_calendar && !burst ? QUOTA_CALENDAR
							     : QUOTA_ROLLING,
			.window_s = burst ? l->burst.window_s : l->window_s,
			.calendar = (enum quota_calendar)l->calendar,
			.zone = l->zone },
		.limit = burst ? l->burst.amount : l->amount,
		.soft = burst ? 0 : l->soft,
		.orphan = l->orphan == ORPHAN_DROP ? QUOTA_ORPHAN_DROP : QUOTA_ORPHAN_CHARGE,
		.name = l->name,
		.counts = (unsigned char)l->of,
		.cached = (uint16_t)l->cached,
	};
	dim_key(d->key, l, burst, values);
}

void
limits_call_dim(const struct request *r, const struct policy_limit_hit *hit, bool burst,
	struct quota_dim *d)
{
	limits_dim(hit->limit, hit->values, burst, d);
	d->of = hit->of;
	set_away(r, hit->limit, d);
}

static int
add_limit_hit(struct request *r, const struct policy_limit_hit *hit, bool burst)
{
	const struct limit *l = hit->limit;
	struct quota_request *q = request_quota(r);

	if (!q)
		return ERR_NOMEM;
	if (q->ndims == QUOTA_DIMS_MAX)
		return ERR_LIMIT;
	struct quota_dim *d = &q->dim[q->ndims];
	limits_dim(l, hit->values, burst, d);
	d->of = hit->of;
	d->limit = burst ? l->burst.amount : limit_bound(r, l);
	d->hold_s = r->out.decision.via == VIA_DIRECT
			    ? 0
			    : r->found.route->deadline_us / 1000000 + HOLD_GRACE_S;
	if (!burst && d->limit != l->amount)
		r->found.fell.amount = l->amount;
	set_away(r, l, d);
	q->ndims += !charged_before(r, d->key);
	return 0;
}

/* Returns true if limits in dollars do not apply, because no model runs: known endpoints that
 * only read or delete (lists, files, stored responses), and MCP. */
static bool
runs_no_model(const struct request *r)
{
	const struct endpoint *e = &r->found.endpoint;
	bool reads = span_is(r->in.head.method, "GET") || span_is(r->in.head.method, "HEAD") ||
		     span_is(r->in.head.method, "DELETE");

	if (e->unseen || r->in.body.model.n || r->in.body.marks.nmodels || r->in.body.nothers)
		return false;
	if (!r->in.have_body)
		return reads && (e->name || http_field_nth(&r->in.head, "mcp-session-id", 0));
	return r->found.mcp;
}

/* Returns true if the limit's unit can be counted now. Tokens need the body; a request without
 * a body has none. */
static bool
is_counted(const struct request *r, enum limit_of of)
{
	if (of == LIMIT_CONCURRENT)
		return !r->in.message; /* the handshake is counted */
	if (!limit_has(of, NEEDS_BODY))
		return true;
	bool ahead = r->in.socket && r->in.body.model.n;
	return (r->in.body_state == BODY_STATE_WHOLE || ahead) &&
	       !(r->found.cache.state == CACHED_HIT && limits_counts_text(of)) &&
	       !(r->found.endpoint.free && limits_counts_text(of)) &&
	       !(limit_has(of, COUNTS_MONEY) && runs_no_model(r));
}

void
limits_amounts(struct request *r)
{
	const struct found_limits *due = &r->found.limits;
	struct quota_request *q = r->found.quota[r->run.resumed];
	struct most most = most_of(r);
	uint64_t n;

	r->found.message_over = r->found.unpriced = NULL;
	r->found.priced_model = (struct span){ NULL, 0 };
	r->found.most_nanousd = most.nanousd;
	if (r->found.tokens_by && r->in.have_body &&
		dialect_batch_file(&r->found.endpoint, &r->in.body)) {
		r->found.file.input_tokens = (uint64_t)r->found.input_tokens;
		r->found.file.output_tokens = (uint64_t)r->found.output_tokens;
		r->found.file.nanousd = r->found.most_nanousd;
	}
	bool unknown = r->found.file.state == FILE_UNKNOWN || r->found.endpoint.unseen;
	for (size_t i = 0; i < due->nall; i++) {
		const struct limit *l = due->hit[i].limit;
		if (!is_counted(r, l->of))
			continue;
		if ((unknown && limits_counts_text(l->of)) ||
			!amount_taken(r, l->of, &most, &n))
			r->found.unpriced = l;
		else if (l->of == LIMIT_USD) /* the response is priced like the reservation */
			r->found.priced_model = arena_dup(&r->arena, most.model);
		else if (l->of == LIMIT_MESSAGE && n > limit_bound(r, l) &&
			 !r->found.message_over)
			r->found.message_over = l;
	}
	for (size_t i = 0; i < q->ndims; i++)
		if (!q->dim[i].moves)
			amount_taken(r, q->dim[i].counts, &most, &q->dim[i].n);
}

bool
limits_have_room(const struct request *r)
{
	const struct found_limits *due = &r->found.limits;
	struct quota_request *q = r->found.quota[r->run.resumed];
	bool room = !r->found.unpriced;
	uint64_t n = 0;

	for (size_t i = 0; i < due->nall && room; i++)
		if (due->hit[i].limit->of == LIMIT_MESSAGE) {
			amount_taken(r, LIMIT_MESSAGE, NULL, &n);
			room = n < limit_bound(r, due->hit[i].limit) / ROOM_PARTS;
		}
	for (size_t i = 0; i < q->ndims && room; i++)
		if (limits_counts_text(q->dim[i].counts))
			room = q->dim[i].n <
			       quota_left(r->gate->quota, &q->dim[i]) / ROOM_PARTS;
	return room;
}

/* all limits; a denied request's limits in requests; limits in requests before the body is read
 */
enum collected { COLLECT_ALL, COLLECT_DENIED, COLLECT_EARLY };

static bool
is_collected(const struct request *r, const struct limit *l, enum collected which)
{
	if (limit_has(l->of, IS_SINGLE) || !is_counted(r, l->of))
		return false;
	if (which == COLLECT_ALL || l->of != LIMIT_REQUESTS)
		return which == COLLECT_ALL;
	return which == COLLECT_DENIED ||
	       (!l->at_limit && !l->reads_late && !limits_overridden_by_model(r, l));
}

static int
collect_hits(struct request *r, enum collected which)
{
	struct found_limits *due = &r->found.limits;
	struct policy_facts f;

	request_facts(r, &f);
	f.whole &= which != COLLECT_EARLY;
	int err = limits_apply(r, &f);
	due->nall = due->n;
	err = err ? err : limits_live(r, &f, due->hit, &due->nall);
	err = err ? err : move_stale(r);
	r->found.bounded = false;
	for (size_t i = 0; i < due->nall && !err; i++) {
		const struct limit *l = due->hit[i].limit;
		r->found.bounded |= limits_counts_answer(l->of);
		if (!is_collected(r, l, which))
			continue;
		err = add_limit_hit(r, &due->hit[i], false);
		if (!err && l->burst.amount && limit_bound(r, l) == l->amount)
			err = add_limit_hit(r, &due->hit[i], true);
	}
	return err;
}

int
limits_collect(struct request *r)
{
	if ((r->snap->policy->prices || r->snap->policy->unknown_price) &&
		r->in.body_state != BODY_STATE_PARTIAL)
		note_offered_pieces(r);
	int err = collect_hits(r, COLLECT_ALL);
	if (!err)
		limits_amounts(r);
	return err;
}

static int
collect_requests(struct request *r, enum collected which)
{
	int err = collect_hits(r, which);
	struct quota_request *q = r->found.quota[r->run.resumed];

	for (size_t i = 0; !err && i < q->ndims; i++) {
		q->dim[i].n = 1;
		if (!r->run.resumed) /* a denied request has no end, so nothing is held */
			q->dim[i].hold_s = 0;
	}
	return err;
}

int
limits_collect_denied(struct request *r)
{
	return collect_requests(r, COLLECT_DENIED);
}

int
limits_collect_early(struct request *r)
{
	int err = collect_requests(r, COLLECT_EARLY);

	r->found.limits.known = false; /* the body may add limits */
	return err;
}

const struct limit *
limits_of(const struct request *r, const char *name)
{
	const struct policy *p = r->snap->policy;

	for (size_t i = 0; i < p->nlimits; i++)
		if (p->limits[i].name == name)
			return &p->limits[i];
	return NULL;
}

/* ---- files of batches ---- */

enum {
	KINDS = 3, /* input tokens, output tokens, dollars */
	FILES_MAX = QUOTA_DIMS_MAX / KINDS,
	KEPT_S = 31 * 86400, /* 31 days, as long as providers keep a batch's file */
};

/* Fills in the counter that stores one kind of cost of a file. */
static void
fill_file_counter(struct quota_dim *d, const struct file_name *file, int kind, uint64_t n)
{
	static const struct {
		const char *name;
		enum quota_unit unit;
		unsigned char of; /* enum limit_of */
	} kinds[KINDS] = { { "~input", QUOTA_TOKENS, LIMIT_TOKENS },
		{ "~output", QUOTA_TOKENS, LIMIT_TOKENS }, { "~usd", QUOTA_NANOUSD, LIMIT_USD } };
	char hex[2 * sizeof(file->hash) + 1];

	sodium_bin2hex(hex, sizeof(hex), file->hash, sizeof(file->hash));
	*d = (struct quota_dim){ .unit = kinds[kind].unit,
		.span = { .kind = QUOTA_ROLLING, .window_s = KEPT_S },
		.limit = LIMITS_NO_BOUND,
		.n = n,
		.name = kinds[kind].name,
		.counts = kinds[kind].of };
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:%s}", d->name, hex);
}

/* ---- a job ---- */

bool
limits_ask_files(struct request *r)
{
	struct file_name file[FILES_MAX];
	struct quota_request *q;

	if (r->found.file.state != FILE_NONE || !r->in.have_body ||
		r->in.body_state != BODY_STATE_WHOLE ||
		(!r->snap->policy->nlimits && !r->found.identity.nlimits))
		return false;
	size_t n = dialect_job_files(&r->found.endpoint, &r->in.body, file, FILES_MAX);
	if (!n)
		return false;
	r->found.file.state = FILE_UNKNOWN;
	if (n > FILES_MAX || !(q = request_quota(r)))
		return false;
	r->found.file.state = FILE_ASKED;
	q->ndims = 0;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < KINDS; k++)
			fill_file_counter(&q->dim[q->ndims++], &file[i], k, 0);
	return true;
}

/* A job that asks for no responses (embeddings) still has input. Without prices there are no
 * dollars. */
void
limits_files(struct request *r, struct quota_request *q)
{
	uint64_t sum[KINDS] = { 0 };
	bool known = true, priced = true;

	for (size_t i = 0; i < q->ndims; i += KINDS) {
		known = known && q->dim[i].used > 0;
		priced = priced && q->dim[i + 2].used > 0;
		for (size_t k = 0; k < KINDS; k++)
			sum[k] += q->dim[i + k].used;
	}
	q->ndims = 0;
	r->found.file.state = known ? FILE_KNOWN : FILE_UNKNOWN;
	if (!known)
		return;
	r->found.input_tokens = (int64_t)sum[0];
	r->found.output_tokens = (int64_t)sum[1];
	r->found.file.nanousd = priced ? sum[2] : 0;
}

/* ---- an input file ---- */

/* The request that stores a file's cost. Freed when Redis replied. */
struct keeping {
	struct tag tag;
	struct quota_request q;
};

static void
on_kept(struct quota_request *q)
{
	struct keeping *k = TAGGED(keeping, q->arg);

	INVARIANT(q == &k->q && q->ndims == KINDS);
	if (q->result != QUOTA_ADMITTED)
		log_event(LOG_WARN, "quota.file",
			LS("why", "the usage of the batch's file could not be stored, so its "
				  "jobs are denied: upload the file again"));
	TAG_CLEAR(keeping, k);
	free(k);
}

/* After the provider accepted a batch's input file: remembers its cost for the job instead of
 * charging it. Returns false if the request is no such file, or the response does not name the
 * file. */
static bool
limits_keep_file(struct request *r)
{
	const struct exchange *x = r->x;
	const uint64_t n[KINDS] = { r->found.file.input_tokens, r->found.file.output_tokens,
		r->found.file.nanousd };

	if (!n[0] || !file_name_known(&x->used.made) || x->result.status / 100 != 2)
		return false;
	struct keeping *k = calloc(1, sizeof(*k));
	if (!k)
		return false;
	TAG(keeping, k);
	for (int i = 0; i < KINDS; i++)
		fill_file_counter(&k->q.dim[k->q.ndims++], &x->used.made, i, n[i]);
	k->q.done = on_kept;
	k->q.arg = k;
	quota_reserve(r->gate->quota, &k->q);
	return true;
}

/* ---- the amounts that were used ---- */

/* Tokens used, if known. If the provider reported nothing: the reservation, with the prompt as
 * counted since. */
struct took {
	uint64_t input, output;
	uint64_t cached; /* the part of `input` that the provider read from its cache */
};

/* Returns the cost in nanodollars. If a part has no price, at least the reservation. */
static uint64_t
spent_nanousd(const struct request *r, const struct took *t, uint64_t reserved)
{
	const struct exchange *x = r->x;
	struct price_usage used = { 0 };
	struct priced p;
	struct price_row row;
	struct price_cost cost;

	if (x->used_by == USED_SAID) {
		if (!request_cost(r, &x->used, &p))
			return reserved;
		cost = p.cost;
	} else {
		if (!request_price(r, request_priced_model(r), &row))
			return reserved;
		if (x->used_by == USED_SEEN)
			used = usage_split(&x->used);
		used.n[PRICE_INPUT] = t->input;
		used.n[PRICE_OUTPUT] = t->output;
		request_pieces(r, &row, &used);
		price_worst(&row, &used, PRICE_MAY_ANY, &cost);
	}
	if (cost.unpriced)
		return reserved > cost.nanousd ? reserved : cost.nanousd;
	return cost.nanousd;
}

/* Returns what the cache charged for the prompt's vector: once, whatever became of the request.
 */
static uint64_t
vector_cost(const struct request *r, const struct quota_dim *d)
{
	const struct found_cache *f = &r->found.cache;

	if (request_settled(r))
		return 0;
	switch ((enum limit_of)d->counts) {
	case LIMIT_TOKENS:
	case LIMIT_INPUT_TOKENS: return f->embedded.tokens;
	case LIMIT_USD: return f->embedded.nanousd;
	case LIMIT_OUTPUT_TOKENS:
	case LIMIT_MESSAGE:
	case LIMIT_REQUESTS:
	case LIMIT_CONCURRENT:
	case LIMIT_SECONDS:
	case LIMIT_OF_COUNT: break;
	}
	return 0;
}

/* Returns the input that the provider reported as read from its cache. */
static uint64_t
cached_input(const struct exchange *x)
{
	return (x->used_by == USED_SAID || x->used_by == USED_SEEN) && x->used.cached_tokens > 0
		       ? (uint64_t)x->used.cached_tokens
		       : 0;
}

/* Returns the input tokens that count for this counter. */
static uint64_t
input_used(const struct took *t, const struct quota_dim *d)
{
	uint64_t cached = t->cached < t->input ? t->cached : t->input;

	if (!d->cached || !cached)
		return t->input;
	unsigned __int128 part = (unsigned __int128)cached * d->cached;
	return t->input - cached + (uint64_t)((part + SHARE_WHOLE - 1) / SHARE_WHOLE);
}

/* Returns the amount that a counter is charged in the end. */
static uint64_t
amount_used(const struct request *r, const struct took *t, const struct quota_dim *d)
{
	const struct exchange *x = r->x;

	if (d->unit == QUOTA_CONCURRENT)
		return 0;
	if (d->unit == QUOTA_REQUESTS || (x->used_by == USED_RESERVED && !r->found.tokens.late))
		return d->n;
	if (x->used_by <= USED_NOTHING)
		return 0;
	switch ((enum limit_of)d->counts) {
	case LIMIT_INPUT_TOKENS: return input_used(t, d);
	case LIMIT_OUTPUT_TOKENS: return t->output;
	case LIMIT_USD: return spent_nanousd(r, t, d->n);
	case LIMIT_TOKENS:
	case LIMIT_MESSAGE: return input_used(t, d) + t->output;
	case LIMIT_REQUESTS:
	case LIMIT_CONCURRENT:
	case LIMIT_SECONDS:
	case LIMIT_OF_COUNT: break;
	}
	return d->n;
}

size_t
exchange_settle(struct request *r, struct change *out)
{
	struct exchange *x = r->x;
	size_t n = 0;

	bool not_sent = x->used_by == USED_NOT_SENT && !(x->tries && x->tries->let_go) &&
			!r->found.charges_denied;
	if (not_sent && !r->found.cache.embedded.tokens) {
		for (int i = 0; i < 2; i++)
			quota_release(r->gate->quota, r->found.quota[i], clock_mono_us());
		return 0;
	}
	bool kept = x->used_by == USED_RESERVED && limits_keep_file(r);
	bool late = x->used_by == USED_RESERVED && r->found.tokens.late;
	const struct took t = { (uint64_t)(late ? r->found.input_tokens : x->used.input_tokens),
		(uint64_t)(late ? r->found.output_tokens : x->used.output_tokens),
		cached_input(x) };
	r->found.file.kept = kept;
	if (late && r->found.most_nanousd)
		r->found.most_nanousd = spent_nanousd(r, &t, r->found.most_nanousd);
	if (x->used_by == USED_SAID)
		limits_learn(r, (uint64_t)x->used.output_tokens);
	for (int i = 0; i < 2; i++) {
		struct quota_request *q = r->found.quota[i];
		for (size_t k = 0; k < q->ndims; k++)
			q->dim[k].actual =
				(not_sent || (kept && limits_counts_text(q->dim[k].counts))
						? 0
						: amount_used(r, &t, &q->dim[k])) +
				vector_cost(r, &q->dim[k]);
		n += quota_settled(q, out + n);
	}
	INVARIANT(n <= CORRECTIONS_MAX);
	return n;
}

size_t
exchange_settle_attempt(struct request *r, struct buf *said, struct change *out)
{
	const struct exchange *x = r->x;
	const struct took t = { (uint64_t)x->used.input_tokens,
		(uint64_t)x->used.output_tokens, cached_input(x) };
	char text[QUOTA_TEXT_MAX];
	size_t n = 0, kept = 0;

	if (x->used_by == USED_SAID)
		limits_learn(r, (uint64_t)x->used.output_tokens);
	/* the shared empty constant must not be written, so swap the two */
	if (!r->found.quota[0]->ndims) {
		struct quota_request *none = r->found.quota[0];
		r->found.quota[0] = r->found.quota[1];
		r->found.quota[1] = none;
	}
	struct quota_request *once = r->found.quota[0];
	INVARIANT(once->ndims <= QUOTA_DIMS_MAX && r->found.quota[1]->ndims <= QUOTA_DIMS_MAX);
	for (int i = 0; i < 2; i++) {
		struct quota_request *q = r->found.quota[i];
		size_t ndims = q->ndims;
		for (size_t k = 0; k < ndims; k++) {
			struct quota_dim d = q->dim[k];
			bool of_request =
				d.unit == QUOTA_REQUESTS || d.unit == QUOTA_CONCURRENT;
			if (of_request && kept < QUOTA_DIMS_MAX) {
				once->dim[kept++] = d;
				continue;
			}
			if (!d.charged)
				continue;
			d.actual = amount_used(r, &t, &d) + vector_cost(r, &d);
			INVARIANT(n < CORRECTIONS_MAX);
			out[n++] = cell_settle(&d);
			size_t bytes = d.n ? request_charge_text(r, &d, text) : 0;
			if (bytes)
				json_put_text(said, NULL, span_of(text, bytes));
		}
		if (ndims)
			q->ndims = 0;
	}
	if (kept)
		once->ndims = kept;
	return n;
}

void
exchange_took(struct request *r, struct attempt *a)
{
	const struct exchange *x = r->x;
	const struct took t = { (uint64_t)x->used.input_tokens,
		(uint64_t)x->used.output_tokens, cached_input(x) };

	if (x->used_by <= USED_NOTHING)
		return;
	if (x->used_by == USED_RESERVED) {
		const struct took most = { (uint64_t)r->found.input_tokens,
			(uint64_t)r->found.output_tokens, 0 };
		a->tokens = most.input + most.output;
		a->nanousd = r->found.most_nanousd;
		if (r->found.tokens.late && a->nanousd) /* the same condition as in
							 * exchange_settle() */
			a->nanousd = spent_nanousd(r, &most, a->nanousd);
		a->priced = a->nanousd > 0;
		return;
	}
	a->tokens = t.input + t.output;
	a->nanousd = spent_nanousd(r, &t, UINT64_MAX);
	a->priced = a->nanousd != UINT64_MAX;
}
