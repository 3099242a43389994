/* One worker's calls to transcribers: for each, a queue that is fair to callers, a limit of
 * concurrent calls and a circuit breaker. owner: worker. */
#ifndef GATE_SOURCES_TRANSCRIBE_H
#define GATE_SOURCES_TRANSCRIBE_H

#include "gate/sources/extract.h"

struct policy;
struct transcribers;

/* Words of `why`, besides those of the service itself: "transcriber_away", "transcriber_late".
 */
extern const char transcribe_away[], transcribe_nonsense[];

/* Returns NULL if memory is exhausted. */
struct transcribers *transcribers_new(struct ev_loop *loop, struct metrics *m);
/* Questions in flight end without done(). */
void transcribers_free(struct transcribers **t);
/* Call it when the daemon stops: all questions end. */
void transcribers_abort(struct transcribers *t);
/* Removes what belongs to transcribers that this policy does not name, once nothing waits. */
void transcribers_keep(struct transcribers *t, const struct policy *p);
/* Sends the sound to a->by, or queues it. Returns true if done() will run on the loop, never
 * within this call. Returns false if the breaker is open or memory is exhausted: done() does
 * not run. */
bool transcribe(struct transcribers *t, struct extract_ask *a);
/* Ends the questions that have waited too long. Returns true if others wait. */
bool transcribers_tick(struct transcribers *t, uint64_t now_us);

#endif
