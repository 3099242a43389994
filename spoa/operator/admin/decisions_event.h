/* A record of a decision or of its completion as one event of text/event-stream (WHATWG HTML
 * 9.2.6): id: NODE/SEQ, its kind, and a short JSON object in ASCII. Pure: no file, no clock. */
#ifndef OPERATOR_ADMIN_DECISIONS_EVENT_H
#define OPERATOR_ADMIN_DECISIONS_EVENT_H

#include "base/span.h"

enum event_kind { EVENT_DECISION, EVENT_COMPLETION, EVENT_GAP };
/* Of a completion that of its decision; nothing where that is not known any more. */
enum event_decision {
	EVENT_UNKNOWN,
	EVENT_PERMIT,
	EVENT_REDACT,
	EVENT_DENY,
	EVENT_OBSERVED,
	EVENT_DECISIONS
};
extern const char *const event_decisions[EVENT_DECISIONS]; /* "", "permit", … */

/* One allocation, the caller's: free(). */
struct event {
	uint64_t seq;
	enum event_kind kind;
	enum event_decision decision;
	uint64_t id; /* a hash of the decision's id, which its completion has too */
	struct span person, route, model;
	struct span text; /* as it is sent, with the empty line after it */
	size_t bytes;	  /* of all */
};

/* Of the record in that line. NULL: it is of another type, or cannot be read; or no memory. */
struct event *event_of(struct span line);
/* Records first..last of the node are not to be had, because. */
struct event *event_gap(const char *node, uint64_t first, uint64_t last, const char *why);

#endif
