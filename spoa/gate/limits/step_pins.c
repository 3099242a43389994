/* Finds the target at which objects in the request were made: a response, conversation or file
 * id that a provider keeps, or reasoning that it signed or sealed. Ids that responses make are
 * stored under a hash of the id and the caller, so another caller's id finds nothing. Called
 * before the choice of a target; if a lookup fails, nothing is known. */
#include "base/sha256.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"

/* The lookup of one request. In its arena; owner: worker. */
struct pins_asked {
	struct tag tag;
	struct request *r;
	struct pin_wait wait;
	size_t nnames; /* the first `nnames` keys are ids, the rest seals */
};

static void
hash_pin_part(struct sha256 *h, struct span s)
{
	uint64_t n = s.n;

	sha256_add(h, span_of(&n, sizeof(n)));
	sha256_add(h, s);
}

/* Hashes the caller. Keys of the same person are different callers, because they may belong to
 * different applications. A rotated key is the same caller as the key that it replaces. */
static void
hash_identity(const struct request *r, unsigned char out[SHA256_BYTES])
{
	const struct identity *who = &r->found.identity;
	bool key = !strcmp(who->method, "api_key");
	struct sha256 h;

	sha256_begin(&h);
	hash_pin_part(&h, span_str(who->method));
	hash_pin_part(&h, who->issuer);
	hash_pin_part(&h, key ? who->first_key_id : (struct span){ NULL, 0 });
	hash_pin_part(&h, who->person);
	hash_pin_part(&h, who->agent);
	sha256_end(&h, out);
}

/* Returns the key of an id. Without redact.key_file there is no secret, which is acceptable
 * because ids are long and random. */
static struct pin_key
pin_key_of(const struct request *r, const struct file_name *id)
{
	static const unsigned char none[32];
	const unsigned char *key = r->snap->hash_key_set ? r->snap->hash_key : none;
	unsigned char digest[SHA256_BYTES];
	struct pin_key k;
	struct sha256 h;

	hmac_begin(&h, key);
	hash_pin_part(&h, SPAN_LIT("tollgate-pin-v1"));
	hash_pin_part(&h, span_of(r->found.pin.who, sizeof(r->found.pin.who)));
	hash_pin_part(&h, span_of(id->hash, sizeof(id->hash)));
	hmac_end(&h, key, digest);
	memcpy(k.h, digest, sizeof(k.h));
	return k;
}

static uint64_t
pin_target_hash(const struct target *t)
{
	return pin_target(span_str(t->name), span_str(t->model));
}

/* Returns the target with that provider and model, else the first target of the provider, which
 * has the same key. */
static const struct target *
target_of(const struct route *route, uint64_t pin)
{
	const struct target *same = NULL;

	for (size_t i = 0; pin && i < route->ntargets; i++) {
		uint64_t name = pin_target_hash(&route->targets[i]);
		if (name == pin)
			return &route->targets[i];
		if (!same && pin_same_provider(name, pin))
			same = &route->targets[i];
	}
	return same;
}

static void
decide_by_pins(struct pin_wait *w)
{
	struct request *r = TAGGED(pins_asked, w->arg)->r;

	r->calls->back(r);
}

/* Collects ids and seals of the request as keys; NULL: there are none. */
static struct pins_asked *
collect_pins(struct request *r)
{
	struct owned own[OWNED_MAX];
	size_t n = dialect_owned(&r->found.endpoint, r->in.have_body ? &r->in.body : NULL,
		r->in.target, r->in.ntarget, own);
	struct pins_asked *p = n ? arena_new(&r->arena, struct pins_asked) : NULL;

	if (!p)
		return NULL;
	TAG(pins_asked, p);
	p->r = r;
	p->wait.done = decide_by_pins;
	p->wait.arg = p;
	for (size_t i = 0; i < n && p->wait.n < PINS_AT_ONCE; i++) {
		p->nnames += !own[i].sealed;
		p->wait.key[p->wait.n++] = pin_key_of(r, &own[i].id);
	}
	return p;
}

/* ---- threads ---- */

/* Returns true if the request uses a thread, and a target of the route keeps them. */
static bool
has_thread(const struct request *r)
{
	const struct route *route = r->found.route;
	bool keeps = false;

	for (size_t i = 0; r->in.have_body && r->in.body.thread && i < route->ntargets; i++)
		keeps |= limits_keeps_threads(r, &route->targets[i]);
	return keeps;
}

/* Denies a request that continues a thread which is not known to be the caller's, and returns
 * true. The provider would continue anyone's thread, because all callers share its key. SDKs
 * that receive this 404 send the whole conversation in a new thread. */
static bool
thread_of_another(struct request *r)
{
	const struct pins_asked *p = r->run.pins;

	if (!has_thread(r) || r->in.body.thread != THREAD_CONTINUE)
		return false;
	struct file_name name = file_name_of(r->in.body.thread_after);
	struct pin_key k = pin_key_of(r, &name);
	for (size_t i = 0; p && i < p->wait.n; i++)
		if (!memcmp(&p->wait.key[i], &k, sizeof(k)) && p->wait.target[i])
			return false;
	request_deny(r, 404, "thread_not_found", "",
		SPAN_LIT("you have no thread that ends with this message: send the whole "
			 "conversation, with thread: {type: create}"));
	return true;
}

enum step_result
step_pins(struct request *r)
{
	const struct route *route = r->found.route;

	if (!r->gate || !route || r->found.observed || r->in.body_state == BODY_STATE_PARTIAL)
		return STEP_NEXT;
	bool owned = route->ntargets > 1 || has_thread(r);
	if (!owned && !(route->response & RESP_RESTORE))
		return STEP_NEXT;
	if (!r->run.pins && !r->run.kept) {
		hash_identity(r, r->found.pin.who);
		r->found.pin.asked = owned;
		r->found.pin.turn_is_kept =
			owned && dialect_turn_is_kept(&r->found.endpoint,
					 r->in.have_body ? &r->in.body : NULL);
		if (!owned || !(r->run.pins = collect_pins(r)))
			return thread_of_another(r) ? STEP_DECIDED : request_kept_tables(r);
		if (!pins_get(
			    &r->gate->pins, &r->run.pins->wait, r->now_wall_ns / 1000000000)) {
			request_asked(r);
			return request_waits(r, WAIT_PINS);
		}
	}
	request_waited(r);
	if (r->run.kept || !r->run.pins)
		return request_kept_tables(r);
	if (thread_of_another(r))
		return STEP_DECIDED;
	/* The last known id decides, else the last seal: a conversation that changed targets is
	 * at the newest one now. */
	const struct pins_asked *p = r->run.pins;
	for (size_t i = 0; i < p->wait.n && !r->found.pin.to; i++) {
		r->found.pin.to = target_of(route, p->wait.target[i]);
		r->found.pin.seals = i >= p->nnames;
	}
	return request_kept_tables(r);
}

/* Only ids that a client can use again are stored: not that of a response that is not kept, and
 * not items, which a request names only together with their response or conversation. */
void
request_pin_made(struct request *r)
{
	const struct guard_report *a = r->x->guard ? guard_report(r->x->guard) : NULL;

	if (!a || !r->found.pin.asked || r->x->result.status / 100 != 2)
		return;
	bool turn = !r->found.form && r->found.pin.turn_is_kept;
	for (size_t i = 0; i < a->nmade; i++) {
		enum made_what what = a->made[i].what;
		if (what == MADE_ITEM || (what == MADE_TURN && !turn))
			continue;
		struct pin_key k = pin_key_of(r, &a->made[i].id);
		pins_put(&r->gate->pins, &k, pin_target_hash(request_target(r)),
			r->now_wall_ns / 1000000000);
	}
}

/* ---- if the pinned target is out ---- */

/* Returns true if the signed reasoning may be removed, because on_failure.signed permits it. */
static bool
may_drop(const struct request *r)
{
	const struct body *b = &r->in.body;

	if (!r->found.pin.seals || !r->in.have_body || !b->nreasoning ||
		request_on_failure(r)->signed_reasoning != SIGNED_DROP)
		return false;
	for (size_t i = 0; i < b->nreasoning; i++)
		if (b->reasoning[i].pending)
			return false;
	/* other sealed data would stay in the body, and another target cannot read it */
	for (size_t i = 0, block = 0; i < b->nsegments; i++) {
		while (block < b->nreasoning && b->reasoning[block].last <= i)
			block++;
		if (b->segments[i].sealed && b->segments[i].text.n &&
			!(block < b->nreasoning && b->reasoning[block].first <= i))
			return false;
	}
	return true;
}

bool
limits_unpin(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct target *to = r->found.pin.to;

	/* a call of a joined route belongs to one server, whatever rules say of it */
	if (!to || r->found.joined)
		return false;
	for (size_t i = 0; i < v->ncandidates; i++) {
		const struct policy_candidate *c = &v->candidates[i];
		bool ruled = c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED;
		if (c->target != to)
			continue;
		/* a rule decides the target, whatever the request names */
		if (!ruled && !may_drop(r))
			return false;
		r->found.pin.drops = !ruled;
		r->found.pin.to = NULL;
		return true;
	}
	return false;
}
