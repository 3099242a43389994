/* The calls of the admin server about limits.
 *
 * Overrides limits at run time: other amounts for some callers, optionally until a given time.
 *
 * POST /quota reports what limits have left for an identity or an API key. The counters belong
 * to a worker, so the admin thread sends the question to the first worker and waits for its
 * answer. */
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/pool.h"
#include "base/price/price.h"
#include "base/wall.h"
#include "gate/limits/limits.h"
#include "gate/limits/look.h"
#include "gate/snapshot.h"
#include "operator/admin/calls.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "policy/policy.h"

/* ---- overrides ---- */

enum { USD_SCALE = 9 }; /* US dollars have 9 decimals: nano-dollars */
#define AMOUNT_MAX (INT64_MAX / 16)

/* Checks that the policy in force has the limit, and stores what the limit counts in *of.
 * Otherwise answers with the nearest name. */
static bool
is_known_limit(struct change *c, const char *limit, enum limit_of *of)
{
	SCOPED_SNAPSHOT(snap, c->s);
	struct nearest near = nearest_to(span_str(limit));

	for (size_t i = 0; i < snap->policy->nlimits; i++) {
		*of = snap->policy->limits[i].of;
		if (nearest_is(&near, snap->policy->limits[i].name))
			return true;
	}
	return change_refuse(c, MHD_HTTP_NOT_FOUND, "%.64s: policy %s has no such limit%s",
		limit, snap->policy->label, nearest_hint(&near));
}

/* Reads which override the call means: by its id, or by limit and callers. Stores the id.
 * Returns false after answering with an error. */
static bool
named_limit(struct change *c, char id[LIVE_LIMIT_ID + 1])
{
	const char *given = change_text(c, "id"), *limit = change_text(c, "limit");
	json_t *pairs = json_object_get(c->in, "for");

	if (c->status != MHD_HTTP_OK)
		return false;
	if (given) {
		snprintf(id, LIVE_LIMIT_ID + 1, "%s", given);
		return true;
	}
	if (!limit || !json_is_object(pairs))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"limit and for are missing: give the limit's name and the callers; an "
			"empty object as for stands for everyone");
	live_limit_id(limit, pairs, id);
	return true;
}

static json_t *
override_in_force(struct change *c, const char *id)
{
	char field[LIVE_FIELD_MAX];

	snprintf(field, sizeof(field), "limit:%s", id);
	return live_get(c->s->live, field);
}

/* Reads the amount in the limit's unit. Dollars, as a string or number, become nano-dollars. */
static bool
set_amount(struct change *c, enum limit_of of, json_t *after)
{
	const json_t *to = json_object_get(c->in, "to");
	char *text = json_dumps(to, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	uint64_t n = 0;
	int err = 0;

	if (limit_has(of, COUNTS_MONEY))
		err = price_parse(span_trim(span_str(text), "\""), USD_SCALE, &n);
	else if (json_is_integer(to) && json_integer_value(to) >= 0)
		n = (uint64_t)json_integer_value(to);
	else
		err = ERR_SYNTAX;
	free(text);
	if (err || n > AMOUNT_MAX)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "to: send %s",
			limit_has(of, COUNTS_MONEY) ? "US dollars such as 500 or 0.25" : "a whole number");
	json_object_set_new(after, "counts", json_string(limit_kinds[of].name));
	json_object_set_new(after, "to", json_integer((json_int_t)n));
	return true;
}

/* Checks that the call has only known members. */
static bool
has_only_known_members(struct change *c)
{
	static const char *const words[] = { "id", "limit", "for", "to", "until", "ttl", "by",
		"reason" };
	const char *name;
	json_t *v;

	json_object_foreach(c->in, name, v)
	{
		(void)v;
		if (!SPAN_IN(span_str(name), words))
			return change_refuse(c, MHD_HTTP_BAD_REQUEST,
				"%.64s: an override has no such member: correct the name",
				name);
	}
	return true;
}

static bool
make_set(struct change *c, json_t **before, json_t **after)
{
	enum limit_of of = LIMIT_REQUESTS;
	char id[LIVE_LIMIT_ID + 1];
	const char *limit;
	int64_t until;
	bool given;

	*after = json_object();
	if (!has_only_known_members(c) || !named_limit(c, id) ||
		!(limit = change_text(c, "limit")) || !is_known_limit(c, limit, &of) ||
		!set_amount(c, of, *after) ||
		!change_until(c, "ttl", "until", &until, &given) || !change_sign(c, *after))
		return false;
	*before = override_in_force(c, id);
	json_object_set_new(*after, "id", json_string(id));
	json_object_set(*after, "limit", json_object_get(c->in, "limit"));
	json_object_set(*after, "for", json_object_get(c->in, "for"));
	change_set_time(*after, "until", until);
	return true;
}

const struct change_row admin_limit_set = { NULL, LIVE_LIMIT, "set", make_set, NULL };

static bool
make_clear(struct change *c, json_t **before, json_t **after)
{
	char id[LIVE_LIMIT_ID + 1];

	if (!has_only_known_members(c) || !named_limit(c, id))
		return false;
	*before = override_in_force(c, id);
	if (!*before || json_object_get(*before, "ended"))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%s: no such override is in force: see "
			"tollgate limits list",
			id);
	*after = json_deep_copy(*before);
	if (!change_sign(c, *after))
		return false;
	change_set_time(*after, "ended", wall_now_ns());
	return true;
}

const struct change_row admin_limit_clear = { NULL, LIVE_LIMIT, "clear", make_clear, NULL };

/* Returns the state of an override, or NULL if it was cleared: cleared ones are only in the
 * records. */
static const char *
override_state(const json_t *entry)
{
	int64_t until = change_time(entry, "until");

	if (json_object_get(entry, "ended"))
		return NULL;
	return until && until <= wall_now_ns() ? "expired" : "live";
}

unsigned
admin_limits(struct server *s, struct buf *out)
{
	return change_list(s, LIVE_LIMIT, "overrides", override_state, out);
}

/* ---- what limits have left ---- */

#define ANSWER_US 5000000u

/* A question in progress. owner: the admin thread and the worker, by `holders`; the worker may
 * answer when nobody waits any more. The lock guards `over` and `holders`. */
struct asking {
	struct tag tag;
	struct mail mail;
	struct look look;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool over;
	unsigned holders;
};

/* Drops one holder and frees the question with the last one. The caller holds the lock, which
 * this releases. */
static void
let_asking_go(struct asking *a)
{
	bool last = --a->holders == 0;

	pthread_mutex_unlock(&a->lock);
	if (!last)
		return;
	json_decref(a->look.identity);
	arena_reset(&a->look.arena);
	pthread_cond_destroy(&a->answered);
	pthread_mutex_destroy(&a->lock);
	TAG_CLEAR(asking, a);
	free(a);
}

static void
look_is_over(struct look *l)
{
	struct asking *a = TAGGED(asking, l->arg);

	pthread_mutex_lock(&a->lock);
	a->over = true;
	pthread_cond_signal(&a->answered);
	let_asking_go(a);
}

static void
look_now(struct mail *m, void *consumer)
{
	struct asking *a = TAGGED_OF(asking, mail, m);
	struct worker *w = TAGGED(worker, consumer);

	limits_look(w->gate, &a->look);
}

/* ---- what limits have left: the response ---- */

static void
put_look_row(struct buf *out, const struct look_row *r)
{
	const struct quota_dim *d = &r->dim;
	uint64_t taken = d->used + d->held, most = d->reduced_s ? r->reduced_to : r->amount;

	json_put_form(out, "{'limit':%t,'counts':%s,'of':%u", span_str(d->name),
		limit_kinds[r->of].name, r->amount);
	if (r->policy_amount && r->amount != r->policy_amount)
		json_put_uint(out, "in_policy", r->policy_amount);
	if (d->span.kind == QUOTA_CALENDAR)
		json_put_str(out, "window", limits_calendar(d));
	else if (d->span.kind == QUOTA_ROLLING && d->span.window_s)
		json_put_uint(out, "window_s", d->span.window_s);
	if (r->counted)
		json_put_form(out, "'used':%u,'held':%u,'left':%u,'reset_ms':%u", d->used,
			d->held, taken < most ? most - taken : (uint64_t)0, d->reset_ms);
	if (r->counted && d->reduced_s)
		json_put_form(
			out, "'reduced_to':%u,'reduced_s':%u", r->reduced_to, d->reduced_s);
	if (r->burst)
		json_put_bool(out, "burst", true);
	if (!r->policy_amount)
		json_put_bool(out, "own", true);
	json_put_form(out, "'route':%t}", span_str(r->route));
}

static unsigned
answer_look(const struct look *l, struct buf *out)
{
	switch (l->err) {
	case 0: break;
	case ERR_NOTFOUND:
		return calls_error(out, MHD_HTTP_NOT_FOUND, "%.*s", SPAN_ARG(l->why));
	case ERR_SYNTAX:
		return calls_error(out, MHD_HTTP_BAD_REQUEST, "%.*s", SPAN_ARG(l->why));
	default:
		return calls_error(out, MHD_HTTP_SERVICE_UNAVAILABLE, "%.*s",
			SPAN_ARG(l->why.n ? l->why : span_str(err_str(l->err))));
	}
	json_put_form(out, "{'limits':[");
	for (size_t i = 0; i < l->nrows; i++)
		put_look_row(out, &l->rows[i]);
	buf_str(out, "]}\n");
	return MHD_HTTP_OK;
}

/* ---- what limits have left: the call ---- */

/* Copies a string parameter into the question's arena. Returns false if the parameter is not a
 * string. */
static bool
take_text(struct look *l, const json_t *in, const char *name, struct span *out)
{
	const json_t *v = json_object_get(in, name);

	if (json_is_string(v))
		*out = arena_dup(
			&l->arena, span_of(json_string_value(v), json_string_length(v)));
	return !v || json_is_string(v);
}

/* Sends the question to worker 0 and waits at most ANSWER_US. The worker may answer later than
 * that, so both hold the question and the last holder frees it. */
unsigned
admin_quota(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct asking *a = calloc(1, sizeof(*a));
	struct timespec until = clock_timespec(clock_mono_us() + ANSWER_US);
	json_t *identity = json_object_get(in, "identity");
	unsigned status;
	int late = 0;

	(void)peer;
	if (!a)
		return calls_error(out, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", err_str(ERR_NOMEM));
	TAG(asking, a);
	pthread_mutex_init(&a->lock, NULL);
	cond_init(&a->answered);
	arena_init(&a->look.arena, 16 << 20, true);
	a->look.identity = identity ? json_deep_copy(identity) : json_object();
	a->look.done = look_is_over;
	a->look.arg = a;
	a->mail.run = look_now;
	bool fits = json_is_object(a->look.identity) &&
		    take_text(&a->look, in, "key", &a->look.key) &&
		    take_text(&a->look, in, "route", &a->look.route) &&
		    take_text(&a->look, in, "model", &a->look.model);
	a->holders = fits ? 2 : 1;
	if (fits)
		mailbox_send(&s->workers[0].mail, &a->mail);
	pthread_mutex_lock(&a->lock);
	while (fits && !a->over && !late)
		late = pthread_cond_timedwait(&a->answered, &a->lock, &until);
	if (!fits)
		status = calls_error(out, MHD_HTTP_BAD_REQUEST,
			"identity must be an object; key, route and model must be strings");
	else if (!a->over)
		status = calls_error(out, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the worker did not respond within 5 s: try again");
	else
		status = answer_look(&a->look, out);
	let_asking_go(a);
	return status;
}
