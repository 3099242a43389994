/* POST /quota: reports what limits have left for an identity or an API key. The counters belong
 * to a worker, so the admin thread sends the question to the first worker and waits for its
 * answer. */
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/pool.h"
#include "gate/limits/look.h"
#include "operator/admin/calls.h"
#include "operator/server/server.h"

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

/* ---- the response ---- */

static void
put_look_row(struct buf *out, const struct look_row *r)
{
	const struct quota_dim *d = &r->dim;
	uint64_t taken = d->used + d->held, most = d->reduced_s ? r->reduced_to : r->amount;

	json_put_form(out, "{'limit':%t,'counts':%s,'of':%u", span_str(d->name),
		limits_kinds[r->of], r->amount);
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

/* ---- the call ---- */

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
