/* When a part that decisions depend on is away, the record says so: one of type "degraded" when
 * it begins and one when it is over, with what was decided meanwhile. Looked at each second, on
 * the main thread; no request waits for it. The clock, too: how this machine's is kept right.
 */
#ifndef OPERATOR_SERVER_DEGRADED_H
#define OPERATOR_SERVER_DEGRADED_H

#include <pthread.h>

#include "base/buf.h"

struct server;

enum { DEGRADED_COUNTS = 6, DEGRADED_RECOGNIZERS = 32, DEGRADED_PARTS = 21 };

/*  WELL ──(away in two looks, or a failure was counted)──→ AWAY
 *    ↑                                                   ↑  │
 *    └──(well for DEGRADED_CALM)── CALM ──(away again)──┘  │
 *                                    ↑───────(well)─────────┘
 * A part that comes and goes is one time, not many: its end says how often it was away. */
struct degraded_time {
	enum { DEGRADED_WELL, DEGRADED_DOUBT, DEGRADED_AWAY, DEGRADED_CALM } life;
	bool begun; /* its begin is recorded */
	bool told;  /* and noticed (base/notice.h), which waits for no disk */
	bool vague; /* then nobody had said why */
	int64_t since_ns, until_ns;
	uint64_t since_us, until_us;
	uint64_t ended_us;	/* when its last end was recorded; 0: none was */
	uint64_t times, recent; /* away so often; begins of late */
	uint64_t failures;	/* as counted when it was looked at last */
	uint64_t at_begin[DEGRADED_COUNTS];
	char why[256];
};

/* owner: main */
struct degraded {
	struct server *s;     /* NULL: not started */
	pthread_mutex_t lock; /* of what others ask: held for a look each second */
	struct degraded_time part[DEGRADED_PARTS], recognizer[DEGRADED_RECOGNIZERS];
	unsigned looks;
	char clock[192]; /* what was recorded of the clock last; "": nothing */
};

void degraded_start(struct degraded *d, struct server *s);
void degraded_look(struct server *s);
void degraded_stop(struct degraded *d);

/* [{"what","name","since","seconds","why","times","state"}], of what is away or not calm yet.
 * Any thread. */
void degraded_json(struct degraded *d, struct buf *out);

/* A line of each that is away: "NAME: WHY". The list that status, /readyz, /now, console and
 * webhooks share. Any thread. */
void degraded_say(struct degraded *d, struct buf *out);

/* tollgate_degraded of each part, for /metrics. Any thread. */
void degraded_metrics(struct degraded *d, struct buf *out);

/* How the kernel's clock is kept right, as members of a record: "source", "synchronized",
 * "status". What cannot be known is null. Appended to *out. */
void clock_says(struct buf *out);
/* The believed clock (base/wall.h): begun before the journal is opened, and followed once a second.
 * clock_away(): a step of the clock is not followed yet, with the reason in *why. clock_status():
 * the lines of `tollgate status`, if there is something to report. */
void clock_begin(struct server *s);
void clock_look(struct server *s);
bool clock_away(struct server *s, struct buf *why);
void clock_status(struct server *s, struct buf *out);

#endif
