/* Decisions as they are made, for whoever looks: the journal's last records as events in one
 * ring that all viewers share, filled by a thread of its own only while there are any. Each
 * viewer has a place in it. After commit: never past what is durable.
 *
 * A viewer begins after a record that it names, so that it misses none and sees none twice,
 * over a segment's end and over a restart. What is no longer in the ring is told by an event
 * `gap`, never left out silently. One that does not read is ended: when the ring overtakes it,
 * or nothing was taken for VIEWER_STILL_US. */
#ifndef OPERATOR_ADMIN_DECISIONS_H
#define OPERATOR_ADMIN_DECISIONS_H


#include "base/metrics.h"
#include "operator/admin/calls.h"
#include "record/journal/follow.h"

struct decisions;
struct viewer;

struct decisions_options {
	const char *journal, *node; /* borrowed */
	/* How far the journal is durable; false: not known yet. Any thread. */
	bool (*end)(void *arg, struct follow_end *out);
	void *arg;
	struct metrics *metrics;
	uint64_t still_us, comment_us; /* 0: VIEWER_STILL_US, VIEWER_COMMENT_US */
};
#define VIEWER_STILL_US	  30000000
#define VIEWER_COMMENT_US 15000000

/* Costs nothing before the first viewer. NULL: no memory. */
struct decisions *decisions_new(const struct decisions_options *o);
/* No viewer is left. */
void decisions_free(struct decisions **d);

/* Empty: any. `decision`: names of decisions with commas. */
struct viewer_asked {
	struct span decision, person, route, model;
	struct span after; /* NODE/SEQ, or SEQ; empty: what is durable now */
	struct caller_id who;
	uint64_t last; /* so many that fit are shown first; only without `after` */
};

/* Called with the lock of the ring: they may not call back. */
struct viewer_calls {
	void (*sleep)(void *arg); /* decisions_take() has nothing */
	void (*wake)(void *arg);  /* now it has, or it has ended */
	void (*cut)(void *arg);	  /* it has ended, and may be in a write that does not go on */
	bool (*stays)(
		void *arg); /* asked each second; false: its session is over. NULL: it stays */
};

/* NULL with a status: 400 (what is asked, in *why), 503 (CAP_DECISION_VIEWERS, CAP_VIEWERS_EACH
 * of one caller, or no memory). */
struct viewer *decisions_open(struct decisions *d, const struct viewer_asked *asked,
	const struct viewer_calls *calls, void *arg, int *status, struct buf *why);
/* The next bytes to send; 0: none, and sleep() was called; negative: it has ended. One thread a
 * viewer. */
ssize_t decisions_take(struct viewer *v, char *out, size_t max);
/* How many events it was sent. */
uint64_t decisions_close(struct viewer **v);
/* Ends all viewers: wake() is called for each, and take() says so. None is opened any more. */
void decisions_end(struct decisions *d);

#endif
