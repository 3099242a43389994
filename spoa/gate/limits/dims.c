/* Determines how much a request takes of each limit that applies, as counters (dims) of one
 * reservation. Amounts are upper bounds: estimated input, the output limit, and the highest
 * price that the request's options allow. */
#include <sodium.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "policy/prices.h"

enum {
	/* seconds added to the route's deadline: how long a reservation is held */
	HOLD_GRACE_S = 60,
	/* bytes: the lowest rate of Opus, 6 kbit/s, so a length in seconds is an upper bound */
	SOUND_A_SECOND = 750,
	SOUND_ELSEWHERE_S = 36000, /* seconds assumed for a file that is not in the body */
	CACHE_S = 3600,		   /* how long a cache without a stated duration is kept */
	SHARE_WHOLE = 10000, /* a limit's `share` is in ten-thousandths */
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
	static const char of[] = { [LIMIT_REQUESTS] = 'r',
		[LIMIT_TOKENS] = 't',
		[LIMIT_INPUT_TOKENS] = 'i',
		[LIMIT_OUTPUT_TOKENS] = 'o',
		[LIMIT_USD] = 'u',
		[LIMIT_CONCURRENT] = 'c',
		[LIMIT_MESSAGE] = 'm' };
	unsigned char h[SHA256_BYTES];
	size_t n = strnlen(l->name, 48);
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, values);
	sha256_add(&s, span_of(&of[l->of], 1));
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
	most->n[PRICE_SECONDS] = r->in.raw.n / SOUND_A_SECOND + 1;
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
	if (endpoint_draws(&r->found.endpoint))
		most->n[PRICE_IMAGES] = (uint64_t)r->in.body.choices;
	add_offered_sizes(r, most);
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	const struct prices *p = r->snap->policy->prices;
	int err = dialect_offered(&r->in.body, r->in.raw, p ? p->tools : NULL,
		p ? p->ntools : 0, r->snap->policy->tool_calls_default, &a, most);
	r->found.mcp = !r->found.endpoint.name && dialect_is_mcp(r->in.raw, &a);
	if (!err && p && p->where)
		err = dialect_asked(&r->in.body, r->in.raw, &r->arena, &r->found.asked);
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
		*n = input + (endpoint_draws(&r->found.endpoint) ? 0 : output);
		return true;
	case LIMIT_TOKENS: *n = input + output; return true;
	case LIMIT_INPUT_TOKENS: *n = input; return true;
	case LIMIT_OUTPUT_TOKENS: *n = output; return true;
	case LIMIT_USD: *n = most->nanousd; return most->known;
	default: *n = 1; return true;
	}
}

static enum quota_unit
unit_of(enum limit_of of)
{
	return of == LIMIT_REQUESTS	? QUOTA_REQUESTS
	       : of == LIMIT_USD	? QUOTA_NANOUSD
	       : of == LIMIT_CONCURRENT ? QUOTA_CONCURRENT
					: QUOTA_TOKENS;
}

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
		.unit = unit_of(l->of),
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
	if (of == LIMIT_REQUESTS)
		return true;
	bool ahead = r->in.socket && r->in.body.model.n;
	return (r->in.body_state == BODY_STATE_WHOLE || ahead) &&
	       !(r->found.cache.state == CACHED_HIT && limits_counts_text(of)) &&
	       !(r->found.endpoint.free && limits_counts_text(of)) &&
	       !(of == LIMIT_USD && runs_no_model(r));
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
	if (l->of == LIMIT_MESSAGE || !is_counted(r, l->of))
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
