/* The parts on which decisions depend, and when each was unavailable.
 *
 * When a part becomes unavailable, a record of type "degraded" marks the begin; another marks
 * the end, with the number of decisions in between. The main thread checks all parts each
 * second; no request waits for this. A change of the program that keeps this machine's clock
 * correct is recorded as well. */
#ifndef OPERATOR_SERVER_DEGRADED_H
#define OPERATOR_SERVER_DEGRADED_H

#include <pthread.h>

#include "base/buf.h"

struct server;

enum { DEGRADED_COUNTS = 6, DEGRADED_RECOGNIZERS = 32, DEGRADED_PARTS = 23 };

/* The states of a part (WELL: available):
 *
 *   WELL ──(unavailable in two checks, or a failure was counted)──→ AWAY
 *     ↑                                                       ↑  │
 *     └──(available for DEGRADED_CALM)── CALM ──(away again)──┘  │
 *                                         ↑────(available)───────┘
 *
 * DOUBT is a part that was unavailable in one check. A part that fails repeatedly within a
 * short time has one period, whose end has the number of times. */
struct degraded_time {
	enum { DEGRADED_WELL, DEGRADED_DOUBT, DEGRADED_AWAY, DEGRADED_CALM } life;
	bool begun; /* the begin is recorded */
	bool told;  /* the notice of the begin was sent (base/notice.h), which needs no disk */
	bool vague; /* the notice was sent without a cause */
	/* wall time of begin and end, and the same as monotonic times */
	int64_t since_ns, until_ns;
	uint64_t since_us, until_us;
	uint64_t ended_us; /* monotonic; when the last end was recorded; 0: never */
	/* `times` in this period; `recent`: begins of the last hours, one of which is forgotten
	 * every ten minutes */
	uint64_t times, recent;
	uint64_t failures; /* the counter's value at the last check */
	/* counters at the begin */
	uint64_t at_begin[DEGRADED_COUNTS];
	/* the cause */
	char why[256];
};

/* owner: main */
struct degraded {
	struct server *s;     /* NULL: not started */
	pthread_mutex_t lock; /* guards the parts; held for one check each second */
	struct degraded_time part[DEGRADED_PARTS], recognizer[DEGRADED_RECOGNIZERS];
	unsigned looks;
	char clock[192]; /* the last recorded state of the clock; "": none yet */
};

/* Begins the checks. A daemon without records makes no checks. */
void degraded_start(struct degraded *d, struct server *s);
void degraded_look(struct server *s);
void degraded_stop(struct degraded *d);

/* Appends [{"what","name","since","seconds","why","times","state"}] for the parts that are
 * unavailable or were until a moment ago. Any thread. */
void degraded_json(struct degraded *d, struct buf *out);

/* Appends the names of these parts: ["redis","chain"]. Any thread. */
void degraded_names(struct degraded *d, struct buf *out);

/* Appends a line "degraded: NAME: WHY" for each of these parts, for status, /readyz, /now,
 * console and webhooks. Any thread. */
void degraded_say(struct degraded *d, struct buf *out);

/* Appends tollgate_degraded of each part to /metrics. Any thread. */
void degraded_metrics(struct degraded *d, struct buf *out);

/* The believed clock (base/wall.h). clock_begin() runs before the journal is opened,
 * clock_look() once a second. clock_away() returns true if a step of the clock is not followed
 * yet, with the reason in *why. clock_status() appends lines for `tollgate status`, if there is
 * something to report. */
void clock_begin(struct server *s);
void clock_look(struct server *s);
bool clock_away(struct server *s, struct buf *why);
void clock_status(struct server *s, struct buf *out);

#endif
