/* Work on texts, counted: so that what a text may cost has a bound by its length, on any
 * machine. A unit is about a byte looked at; a loop over bytes of others adds them where it
 * ends, and who can fail asks. One account a thread: whoever gives it a text opens one, and
 * whoever waits for the work says how it knows that nobody does any more. */
#ifndef BASE_EFFORT_H
#define BASE_EFFORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether nobody waits for this thread's work. Cheap: asked every millisecond or so. */
typedef bool effort_gone_fn(const void *arg);

struct effort {
	uint64_t done, ask; /* units; at how many the next question is */
	uint64_t most;	    /* that the account allows; 0: none is open */
	bool over, gone;
	effort_gone_fn *is_gone; /* NULL: somebody waits */
	const void *arg;
};
/* owner: its thread */
extern _Thread_local struct effort effort;

/* An account of so many units, at least one. False: one is open, and goes on. */
bool effort_open(uint64_t most);
/* Closes it; the units that were done. */
uint64_t effort_close(void);
/* For the thread's accounts from now on; NULL: nobody goes away. */
void effort_watch(effort_gone_fn *is_gone, const void *arg);
bool effort_ask(void);

static inline void
effort_add(uint64_t units)
{
	effort.done += units;
}

/* More than may be done was done, or nobody waits for it: what is under way ends with
 * effort_err(). */
static inline bool
effort_over(void)
{
	return __builtin_expect(effort.done >= effort.ask, 0) && effort_ask();
}

/* ERR_LIMIT, or ERR_CLOSED where nobody waits. */
int effort_err(void);

#endif
