/* Sends decisions to viewers while they are made (GET /decisions/live).
 *
 * A thread reads the journal's new records, turns them into events and puts these into one
 * ring, which all viewers share. It runs only while there are viewers. Each viewer has a
 * position in the ring. Only records that are durable are shown.
 *
 * A viewer begins after the record that it names. So it misses no record and sees none twice,
 * across segments of the journal and restarts. For records that the ring no longer has, the
 * viewer gets an event `gap`. A viewer that does not read is ended when the ring overtakes it,
 * or after VIEWER_STILL_US. */
#ifndef OPERATOR_ADMIN_DECISIONS_H
#define OPERATOR_ADMIN_DECISIONS_H

#include "base/metrics.h"
#include "operator/admin/calls.h"
#include "record/journal/follow.h"

struct decisions;
struct viewer;

/* Settings of the ring. `journal` and `node` are copied by decisions_new(). */
struct decisions_options {
	const char *journal, *node;
	/* Stores how far the journal is durable. Returns false if this is not known yet. Called
	 * on any thread. */
	bool (*end)(void *arg, struct follow_end *out);
	void *arg;
	struct metrics *metrics;
	uint64_t still_us, comment_us; /* in µs; 0: VIEWER_STILL_US and VIEWER_COMMENT_US */
};
/* µs after which a viewer that reads nothing is ended; µs between comments to an idle viewer */
#define VIEWER_STILL_US	  30000000
#define VIEWER_COMMENT_US 15000000

/* Creates the ring; memory for events is allocated with the first viewer. Returns NULL if
 * memory is exhausted. */
struct decisions *decisions_new(const struct decisions_options *o);
/* Frees the ring. All viewers must be closed. */
void decisions_free(struct decisions **d);

/* The viewer's filter; an empty text matches everything. `decision` has names of decisions,
 * separated by commas. */
struct viewer_asked {
	struct span decision, person, route, model;
	/* NODE/SEQ or SEQ of the last record seen; empty: begin with what is durable now */
	struct span after;
	/* the caller, whose viewers are limited */
	struct caller_id who;
	uint64_t last; /* number of matching events to show first; used only without `after` */
};

/* How the ring drives a viewer's connection. The functions are called with the ring's lock and
 * must not call back. */
struct viewer_calls {
	void (*sleep)(void *arg); /* decisions_take() has nothing to return */
	/* decisions_take() has something again, or the viewer was ended */
	void (*wake)(void *arg);
	void (*cut)(void *arg); /* the viewer was ended and may be blocked in a write */
	bool (*stays)(
		/* asked each second; false ends the viewer, because its session is over. NULL:
		 * never ended for this reason */
		void *arg);
};

/* Opens a viewer. Returns NULL and stores a status: 400 with *why for an invalid filter, 503 if
 * CAP_DECISION_VIEWERS, the caller's CAP_VIEWERS_EACH or memory is exhausted. */
struct viewer *decisions_open(struct decisions *d, const struct viewer_asked *asked,
	const struct viewer_calls *calls, void *arg, int *status, struct buf *why);
/* Copies the next bytes to send into out[]. Returns their number; 0 if there are none, after
 * sleep() was called; or -1 if the viewer was ended. One thread per viewer. */
ssize_t decisions_take(struct viewer *v, char *out, size_t max);
/* Closes the viewer and returns how many events it was sent. */
uint64_t decisions_close(struct viewer **v);
/* Ends all viewers: wake() or cut() is called for each. No further viewer can be opened. */
void decisions_end(struct decisions *d);

/* One record of a decision or completion as an event of text/event-stream (WHATWG HTML 9.2.6):
 * `id: NODE/SEQ`, the kind, and a short JSON object in ASCII. These functions use no file and
 * no clock. */
enum event_kind { EVENT_DECISION, EVENT_COMPLETION, EVENT_GAP };
/* The decision in an event. A completion has that of its decision, or EVENT_UNKNOWN if the
 * decision is too long ago. */
enum event_decision {
	EVENT_UNKNOWN,
	EVENT_PERMIT,
	EVENT_REDACT,
	EVENT_DENY,
	EVENT_OBSERVED,
	EVENT_DECISIONS
};

/* An event in one allocation, which the owner frees with free(). */
struct event {
	uint64_t seq;
	enum event_kind kind;
	enum event_decision decision;
	uint64_t id; /* hash of the decision's id, which is also in its completion */
	struct span person, route, model;
	struct span text; /* the event as it is sent, with the empty line at its end */
	size_t bytes;	  /* size of the allocation */
};

/* Makes the event of a record's line. Returns NULL if the record has another type or is
 * invalid, or if memory is exhausted. */
struct event *event_of(struct span line);

#endif
