/* The ring of decisions, the thread that fills it, and who looks at it. */
#include "operator/admin/decisions.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "operator/admin/decisions_event.h"
#include "record/journal/chain.h"

#define SECOND_US 1000000ull
#define LOOK_US	  50000	   /* how soon after its commit a record is seen */
#define AGAIN_US  1000000  /* a journal that cannot be read is tried again */
#define CALM_US	  60000000 /* without viewers for so long: the ring is freed */

enum { BATCH = 256, KINDS = 1 << 14, NICE = 10 };

struct viewer {
	struct decisions *d;
	struct viewer *next;
	struct viewer_calls calls;
	void *arg;
	struct caller_id who;
	char person[256], route[256], model[256]; /* "": any */
	unsigned decisions; /* a bit each of enum event_decision; 0: any */
	/* where it begins, until it is placed */
	bool placed, foreign, waited; /* waited: since it came the thread has begun to read */
	uint64_t after, last;
	/* its place: the event that is next, and how much of it is sent */
	uint64_t at, shown, told; /* told: the last record that it knows to be behind it */
	size_t sent;
	struct buf say; /* goes before it */
	enum { VIEWER_READS, VIEWER_SLEEPS, VIEWER_ENDED } life;
	uint64_t taken_us,
		said_us; /* when it last took something; when it last had something */
};

struct decisions {
	struct decisions_options o;
	char journal[JOURNAL_DIR_MAX], node[CHAIN_NODE_MAX + 1];
	pthread_mutex_t lock; /* guards what follows */
	struct viewer *viewers;
	size_t nviewers;
	bool closed;
	uint64_t left_us;	/* monotonic µs: when the service first found no viewer; 0: it has some */
	struct service service; /* fills the ring; started by the first viewer, with the lock */
	/* events first..count - 1, event n at n % CAP_DECISION_EVENTS */
	struct event **ring;
	uint64_t first, count;
	size_t bytes;
	uint64_t from, upto; /* records that the ring covers; from 0: none yet */

	/* owner: the service */
	uint64_t asked_us; /* monotonic µs: when each viewer was last asked whether it stays */
	struct follow follow;
	bool following;
	uint64_t next; /* the record that must come now; 0: none was read */
	struct {
		uint64_t id;
		enum event_decision decision;
	} * kinds; /* decisions by the hash of their ids, for their completions */
};

/* ---- the ring ---- */

static void
drop_first(struct decisions *d)
{
	struct event **e = &d->ring[d->first++ % CAP_DECISION_EVENTS];

	d->from = (*e)->seq + 1;
	d->bytes -= (*e)->bytes;
	free(*e);
	*e = NULL;
}

static void
let_ring_go(struct decisions *d)
{
	while (d->ring && d->first < d->count)
		drop_first(d);
	free(d->ring);
	free(d->kinds);
	d->ring = NULL;
	d->kinds = NULL;
	d->from = d->upto = d->next = 0;
	follow_close(&d->follow);
	d->following = false;
}

/* ---- viewers, with the lock ---- */

static bool
is(const char *want, struct span has)
{
	return !want[0] || span_is(has, want);
}

static bool
event_fits(const struct viewer *v, const struct event *e)
{
	return e->kind == EVENT_GAP ||
	       ((!v->decisions || v->decisions >> e->decision & 1) &&
		       is(v->person, e->person) && is(v->route, e->route) &&
		       is(v->model, e->model));
}

static void
end_viewer(struct viewer *v, bool slow)
{
	if (v->life == VIEWER_ENDED)
		return;
	bool sleeps = v->life == VIEWER_SLEEPS;
	v->life = VIEWER_ENDED;
	if (slow)
		metric_inc(v->d->o.metrics, M_DECISION_VIEWERS_DROPPED);
	if (sleeps)
		v->calls.wake(v->arg);
	else
		v->calls.cut(v->arg);
}

static void
say_gap(struct viewer *v, const char *node, uint64_t first, uint64_t last, const char *why)
{
	struct event *e = event_gap(node, first, last, why);

	if (e)
		buf_span(&v->say, e->text);
	free(e);
}

/* Where in the ring it begins. */
static void
place_viewer(struct viewer *v)
{
	struct decisions *d = v->d;
	uint64_t n = 0;

	v->placed = true;
	v->at = d->count;
	if (v->foreign || v->after > d->upto)
		v->told = d->upto; /* the gap says it */
	if (v->foreign) {
		say_gap(v, d->node, 0, d->upto, "the place is another node's");
		return;
	}
	if (v->after > d->upto) {
		say_gap(v, d->node, d->upto + 1, v->after, "the journal ends before it");
		return;
	}
	if (v->after + 1 < d->from)
		say_gap(v, d->node, v->after + 1, d->from - 1, "too far back: ask for records");
	while (v->at > d->first && d->ring[(v->at - 1) % CAP_DECISION_EVENTS]->seq > v->after)
		v->at--;
	while (v->last && n < v->last && v->at > d->first)
		n += event_fits(v, d->ring[--v->at % CAP_DECISION_EVENTS]);
}

/* The next event for it. NULL: there is none. */
static struct event *
next_event_of(struct viewer *v)
{
	struct decisions *d = v->d;

	for (; v->placed && v->at < d->count; v->at++, v->sent = 0) {
		struct event *e = d->ring[v->at % CAP_DECISION_EVENTS];
		if (v->sent || event_fits(v, e))
			return e;
	}
	return NULL;
}

static void
look_at_viewer(struct viewer *v, bool caught_up, uint64_t now_us)
{
	struct decisions *d = v->d;
	bool idle = v->life == VIEWER_SLEEPS;

	if (v->life == VIEWER_ENDED)
		return;
	if (!v->placed && ((d->from && v->after <= d->upto) || (v->waited && caught_up)))
		place_viewer(v);
	if (v->placed && v->at < d->first) {
		end_viewer(v, true);
		return;
	}
	if (!idle && now_us - v->taken_us > d->o.still_us) {
		end_viewer(v, true);
		return;
	}
	if (idle && now_us - v->said_us >= d->o.comment_us) {
		/* An id alone dispatches nothing, and is what the client names when it comes
		 * back. */
		buf_str(&v->say, ": here\n");
		if (v->placed && !next_event_of(v) && d->upto > v->told) {
			buf_printf(&v->say, "id: %s/%" PRIu64 "\n", d->node, d->upto);
			v->told = d->upto;
		}
		buf_str(&v->say, "\n");
	}
	if (idle && (v->say.n || next_event_of(v))) {
		v->life = VIEWER_READS;
		v->taken_us = now_us;
		v->calls.wake(v->arg);
	}
}

/* ---- the thread ---- */

static enum event_decision
kind_of(struct decisions *d, const struct event *e)
{
	size_t at = e->id % KINDS;

	if (e->kind == EVENT_DECISION) {
		d->kinds[at].id = e->id;
		d->kinds[at].decision = e->decision;
	}
	return d->kinds[at].id == e->id ? d->kinds[at].decision : EVENT_UNKNOWN;
}

/* At the record that must come now, or the last ones at first. */
static int
find_place_in_journal(struct decisions *d, const struct follow_end *upto)
{
	struct follow_gap gap;
	uint64_t seq = d->next				 ? d->next
		       : upto->seq > CAP_DECISION_EVENTS ? upto->seq - CAP_DECISION_EVENTS + 1
							 : 1;
	int err = follow_place(&d->follow, upto, seq - 1, (struct span){ NULL, 0 });

	if ((err == ERR_NOTFOUND || err == ERR_AUTH) && follow_past(&d->follow, seq, &gap) == 0)
		err = 0;
	if ((err == ERR_NOTFOUND || err == ERR_AUTH) &&
		!d->next) /* trimmed: the oldest there is */
		err = follow_place(&d->follow, upto, 0, (struct span){ NULL, 0 });
	d->following = err == 0;
	if (err)
		follow_close(&d->follow);
	return err;
}

/* A record's line: its event, if it has one, and one of the records before it that are not
 * there. */
static size_t
take_decision_line(struct decisions *d, struct span line, struct event *out[2], uint64_t *from)
{
	struct chain_line is;
	size_t n = 0;

	if (chain_parse(line, &is) || is.commit || (d->next && is.seq < d->next))
		return 0; /* a damaged one is missed with the next */
	if (d->next && is.seq > d->next)
		out[n] = event_gap(d->node, d->next, is.seq - 1, "not in the journal");
	n += d->next && is.seq > d->next && out[n];
	if (!d->next)
		*from = is.seq;
	d->next = is.seq + 1;
	out[n] = event_of(line);
	if (out[n])
		out[n]->decision = kind_of(d, out[n]);
	return n + (out[n] != NULL);
}

/* Reads on. How many lines there were; negative: it cannot be read now. */
static int
read_on(struct decisions *d, bool *caught_up)
{
	struct event *events[2 * BATCH];
	struct follow_end upto;
	struct span line;
	uint64_t from = 0;
	size_t n = 0;
	int lines = 0, got = 0;

	if (!d->o.end(d->o.arg, &upto) || !upto.seq)
		return 0;
	if (!d->following && (got = find_place_in_journal(d, &upto)) < 0)
		return got;
	while (lines < BATCH && (got = follow_line(&d->follow, &upto, &line)) > 0) {
		n += take_decision_line(d, line, events + n, &from);
		lines++;
	}
	if (got < 0) {
		follow_close(&d->follow);
		d->following = false;
	}
	SCOPED_LOCK(&d->lock);
	if (from)
		d->from = from;
	for (size_t i = 0; i < n; i++) {
		while (d->count - d->first == CAP_DECISION_EVENTS ||
			(d->count > d->first &&
				d->bytes + events[i]->bytes > CAP_DECISION_BYTES))
			drop_first(d);
		d->ring[d->count++ % CAP_DECISION_EVENTS] = events[i];
		d->bytes += events[i]->bytes;
	}
	if (d->next)
		d->upto = d->next - 1;
	*caught_up = got == 0;
	return got < 0 ? got : lines;
}

static bool
has_ring(struct decisions *d)
{
	if (!d->ring)
		d->ring = calloc(CAP_DECISION_EVENTS, sizeof(struct event *));
	if (!d->kinds)
		d->kinds = calloc(KINDS, sizeof(*d->kinds));
	return d->ring && d->kinds;
}

/* With the lock. Returns when the next turn is if there is no viewer: the ring is freed CALM_US after the last one. */
static uint64_t
calm_turn(struct decisions *d)
{
	if (!d->left_us)
		d->left_us = clock_mono_us();
	if (d->ring && clock_mono_us() >= d->left_us + CALM_US)
		let_ring_go(d);
	return d->ring ? d->left_us + CALM_US : SERVICE_WHEN_WOKEN;
}

static uint64_t
decisions_turn(void *arg)
{
	struct decisions *d = arg;
	bool caught_up = false;

	pthread_mutex_lock(&d->lock);
	uint64_t calm_us = d->nviewers ? 0 : calm_turn(d);
	int lines = calm_us || has_ring(d) ? 0 : ERR_NOMEM;
	for (struct viewer *v = d->viewers; v; v = v->next)
		v->waited = true;
	pthread_mutex_unlock(&d->lock);
	if (calm_us)
		return calm_us;
	if (!lines)
		lines = read_on(d, &caught_up);
	SCOPED_LOCK(&d->lock);
	uint64_t now_us = clock_mono_us(); /* no viewer took anything later */
	bool ask = now_us - d->asked_us >= SECOND_US;
	d->left_us = 0;
	d->asked_us = ask ? now_us : d->asked_us;
	for (struct viewer *v = d->viewers; v; v = v->next) {
		if (ask && v->calls.stays && !v->calls.stays(v->arg))
			end_viewer(v, false);
		look_at_viewer(v, caught_up, now_us);
	}
	return lines > 0 ? 0 : clock_mono_us() + (lines < 0 ? AGAIN_US : LOOK_US);
}

/* ---- opening and closing ---- */

struct decisions *
decisions_new(const struct decisions_options *o)
{
	struct decisions *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->o = *o;
	d->o.still_us = o->still_us ? o->still_us : VIEWER_STILL_US;
	d->o.comment_us = o->comment_us ? o->comment_us : VIEWER_COMMENT_US;
	snprintf(d->journal, sizeof(d->journal), "%s", o->journal);
	snprintf(d->node, sizeof(d->node), "%s", o->node);
	d->follow = (struct follow){ .dir = d->journal, .node = d->node };
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void
decisions_end(struct decisions *d)
{
	if (!d)
		return;
	SCOPED_LOCK(&d->lock);
	d->closed = true;
	for (struct viewer *v = d->viewers; v; v = v->next)
		end_viewer(v, false);
}

void
decisions_free(struct decisions **dp)
{
	struct decisions *d = *dp;

	if (!d)
		return;
	INVARIANT(!d->viewers);
	service_stop(&d->service);
	let_ring_go(d);
	pthread_mutex_destroy(&d->lock);
	free(d);
	*dp = NULL;
}

static bool
set_viewer_text(char out[256], struct span s, const char *name, struct buf *why)
{
	if (s.n >= 256) {
		buf_printf(why, "%s: longer than 255 bytes", name);
		return false;
	}
	snprintf(out, 256, "%.*s", SPAN_ARG(s));
	return true;
}

static bool
set_decisions(struct viewer *v, struct span names, struct buf *why)
{
	while (names.n) {
		struct span name = span_next(&names, ',');
		unsigned i = 1;
		while (i < EVENT_DECISIONS && !span_is(name, event_decisions[i]))
			i++;
		if (i == EVENT_DECISIONS) {
			buf_printf(why,
				"decision: %.*s is none of permit, redact, deny, observed",
				SPAN_ARG(span_cut(name, 0, 64)));
			return false;
		}
		v->decisions |= 1u << i;
	}
	return true;
}

/* NODE/SEQ or SEQ. */
static bool
set_after(struct viewer *v, struct span after, struct buf *why)
{
	struct span rest = after, node = span_next(&rest, '/');
	bool named = rest.p && node.n < after.n;

	if (span_u64(named ? rest : after, &v->after) == 0 && v->after < INT64_MAX &&
		(!named || chain_node_valid(node))) {
		v->foreign = named && !span_is(node, v->d->node);
		return true;
	}
	buf_printf(why, "after: %.*s is no place: NODE/SEQ is expected, as an event's id is",
		SPAN_ARG(span_cut(after, 0, 100)));
	return false;
}

struct viewer *
decisions_open(struct decisions *d, const struct viewer_asked *asked,
	const struct viewer_calls *calls, void *arg, int *status, struct buf *why)
{
	const struct service_options o = {
		.name = "tg-decisions", .turn = decisions_turn, .arg = d, .nice = NICE
	};
	struct viewer *v = calloc(1, sizeof(*v));
	struct follow_end upto = { .seq = 0 };

	*status = v ? 400 : 503;
	if (!v)
		return NULL;
	v->d = d;
	v->calls = *calls;
	v->arg = arg;
	v->who = asked->who;
	v->taken_us = v->said_us = clock_mono_us();
	buf_init(&v->say, 16384);
	if (!set_viewer_text(v->person, asked->person, "person", why) ||
		!set_viewer_text(v->route, asked->route, "route", why) ||
		!set_viewer_text(v->model, asked->model, "model", why) ||
		!set_decisions(v, asked->decision, why) ||
		(asked->after.n && !set_after(v, asked->after, why)))
		goto refused;
	if (!asked->after.n) {
		d->o.end(d->o.arg, &upto);
		v->after = upto.seq;
		v->last = asked->last;
	} else {
		v->told =
			v->after; /* its own word; one that named none is told where it began */
	}
	/* What its reader's connection is kept for until the first event: its head is sent. */
	buf_printf(&v->say, ": tollgate %s\nretry: 2000\n\n", d->node);
	pthread_mutex_lock(&d->lock);
	unsigned own = 0; /* of the same caller */
	for (const struct viewer *other = d->viewers; other; other = other->next)
		own += memcmp(&other->who, &asked->who, sizeof(other->who)) == 0;
	bool room = d->nviewers < CAP_DECISION_VIEWERS && own < CAP_VIEWERS_EACH && !d->closed;
	if (room && !service_runs(&d->service))
		room = service_start(&d->service, &o) == 0;
	if (room) {
		v->next = d->viewers;
		d->viewers = v;
		d->nviewers++;
		service_wake(&d->service);
	} else {
		metric_inc(d->o.metrics, M_DECISION_VIEWERS_REFUSED);
	}
	pthread_mutex_unlock(&d->lock);
	if (room)
		return v;
	*status = 503;
	if (own < CAP_VIEWERS_EACH)
		buf_printf(why, "%d look at it already", CAP_DECISION_VIEWERS);
	else
		buf_printf(why, "%d streams of yours are open already", CAP_VIEWERS_EACH);
refused:
	buf_free(&v->say);
	free(v);
	return NULL;
}

uint64_t
decisions_close(struct viewer **vp)
{
	struct viewer *v = *vp, **at;
	uint64_t shown;

	if (!v)
		return 0;
	pthread_mutex_lock(&v->d->lock);
	for (at = &v->d->viewers; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	v->d->nviewers--;
	pthread_mutex_unlock(&v->d->lock);
	shown = v->shown;
	buf_free(&v->say);
	free(v);
	*vp = NULL;
	return shown;
}

ssize_t
decisions_take(struct viewer *v, char *out, size_t max)
{
	struct decisions *d = v->d;
	struct event *e;
	size_t n = 0;

	SCOPED_LOCK(&d->lock);
	if (v->placed && v->at < d->first) /* overtaken */
		end_viewer(v, true);
	if (v->say.n && !v->sent) {
		n = v->say.n < max ? v->say.n : max;
		memcpy(out, buf_view(&v->say).p, n);
		buf_consume(&v->say, n);
	}
	while (v->life != VIEWER_ENDED && n < max && (e = next_event_of(v))) {
		size_t some = e->text.n - v->sent < max - n ? e->text.n - v->sent : max - n;
		memcpy(out + n, e->text.p + v->sent, some);
		n += some;
		v->sent += some;
		if (v->sent < e->text.n)
			break;
		v->told = e->seq;
		v->shown++;
		v->at++;
		v->sent = 0;
	}
	bool over = v->life == VIEWER_ENDED;
	if (n)
		v->taken_us = v->said_us = clock_mono_us();
	if (!n && !over) {
		v->life = VIEWER_SLEEPS;
		v->calls.sleep(v->arg);
	}
	return over ? -1 : (ssize_t)n;
}
