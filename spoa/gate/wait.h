/* How a request waits: the event that its step waits for, the results that are outstanding, and
 * the list of waiting requests whose deadline the worker's tick checks.
 *
 *   request_asked(r);                  the call that was made reports a result later
 *   return request_waits(r, WAIT_X);   the step ends, and the engine parks the request
 *     ...
 *   r->calls->back(r);                 the result: request_answered(), then the step runs again
 *   request_waited(r);                 the step continues
 *
 * A result that does not continue the step calls request_answered() alone. An ended request is
 * freed when no result is outstanding. Only wait.c writes struct waiting, which `make lint`
 * checks; every file may read it. */
#ifndef GATE_WAIT_H
#define GATE_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/metrics.h"

/* Flags of a wait. */
enum {
	WAITS_UNTIMED = 1, /* no deadline of the agent once the relay has read the body */
	WAITS_UNJUDGED = 2 /* the rules have not read the model's name yet */
};

/* The events that a step waits for: name, flags, the counter of waits that took too long, the
 * error code of the denial, and its reason in records. Unless flagged, the wait ends at the
 * agent's deadline. HELPER: a helper thread owns the request. PINS: also the tables of a kept
 * conversation. FILES: ends at extract.deadline. ROOM: a place at a provider with `concurrent`,
 * or a target that is out; checked at each tick. */
/* clang-format off */
#define REQUEST_WAITS(X) \
	X(KEYS, 0, M_KEYS_FAILED, "identity_unavailable", "the issuer's keys did not arrive in time") \
	X(TURN, WAITS_UNTIMED, M_CLASSIFIER_FAILED, "overloaded", "the worker was busy for too long") \
	X(HELPER, WAITS_UNTIMED, M_CLASSIFIER_FAILED, "overloaded", "the helper threads were busy for too long") \
	X(DATA, WAITS_UNJUDGED, M_DATA_FAILED, "data_unavailable", "a value of data did not arrive in time") \
	X(PINS, WAITS_UNJUDGED, M_DATA_FAILED, "data_unavailable", "the lookup of its target did not finish in time") \
	X(EXTERNAL, WAITS_UNJUDGED, M_CLASSIFIER_FAILED, "classifier_unavailable", "an external recognizer did not reply in time") \
	X(FILES, WAITS_UNTIMED, M_FILES_FAILED, "overloaded", "its files were not read in time") \
	X(CACHE, 0, M_CACHE_FAILED, "overloaded", "the cache did not reply in time") \
	X(ROOM, WAITS_UNJUDGED, M_ROOM_FAILED, "provider_unavailable", "no target had room in time") \
	X(QUOTA, 0, M_QUOTA_FAILED, "quota_unavailable", "Redis did not reply about limits in time") \
	X(AUDIT, 0, M_AUDIT_FAILED, "audit_unavailable", "the record was not written in time")
/* clang-format on */

enum request_wait {
	WAIT_NONE,
#define X(name, ...) WAIT_##name,
	REQUEST_WAITS(X)
#undef X
};

/* The result of a step. REWRITES and REROUTES go back to the rewrite step or to the policy
 * step. CHARGES: the request is denied, but the quota step charges it first
 * (found.charges_denied).
 */
enum step_result {
	STEP_NEXT,
	STEP_WAIT,
	STEP_DECIDED,
	STEP_REWRITES,
	STEP_REROUTES,
	STEP_CHARGES
};

struct wait_kind {
	unsigned flags;
	enum metric failed;
	const char *code, *why;
};
extern const struct wait_kind wait_kinds[]; /* indexed by enum request_wait */

struct request;
struct gate;

/* Writer: wait.c. owner: worker. */
struct waiting {
	enum request_wait what;
	/* results that will still arrive; each holds memory of the request */
	unsigned outstanding;
	bool parked;
	uint64_t parked_us; /* monotonic, if `parked`; the deadline counts from it */
	TAILQ_ENTRY(request) of_parked; /* gate.parked, if `parked` */
};

/* Notes that the step waits for the event. Returns STEP_WAIT. */
enum step_result request_waits(struct request *r, enum request_wait what);
/* Notes that the step does not wait any more. */
void request_waited(struct request *r);
/* Notes that one more result will arrive. */
void request_asked(struct request *r);
/* Notes that one result arrived, or will not arrive. */
void request_answered(struct request *r);
/* Puts a request that waits into the list of its gate. The agent's deadline covers all waits of
 * a request together, because HAProxy's timeout does. After the relay read the body, the
 * deadline covers each wait separately: only the caller waits for that verdict, and a long body
 * may need many turns. */
void request_park(struct request *r);
/* Takes the request out of that list, if the list has it. */
void request_unpark(struct request *r);
/* Returns the oldest request whose wait is over its deadline; NULL: none. */
struct request *request_overdue(const struct gate *g, uint64_t now_us);
/* Starts the gate's tick, if it does not run: a request, a ticket or a question to a recognizer
 * has a deadline. */
void gate_tick(struct gate *g);

#endif
