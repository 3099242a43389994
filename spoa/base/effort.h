/* Counts the work on texts, so that the cost of a text is bounded by its length on any machine.
 *
 * A unit is about one byte looked at. A loop over bytes adds its units where it ends, and a
 * function that can fail asks effort_over(). Each thread has at most one open account: the code
 * that gives the thread a text opens it. The code that waits for the work can pass a function
 * that reports whether anybody still waits. */
#ifndef BASE_EFFORT_H
#define BASE_EFFORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns true if nobody waits for this thread's work any more. The call must be cheap, because
 * it is made about every millisecond. */
typedef bool effort_gone_fn(const void *arg);

struct effort {
	uint64_t done, ask; /* units of work done; at how many units effort_ask() is called next */
	uint64_t most;	    /* units that the account permits; 0: no account is open */
	bool over, gone; /* the limit was reached; nobody waits for the result */
	effort_gone_fn *is_gone; /* NULL: somebody always waits */
	const void *arg;
};
/* owner: its thread */
extern _Thread_local struct effort effort;

/* Opens an account of `most` units, at least one. Returns false if an account is open: that one
 * continues. */
bool effort_open(uint64_t most);
/* Closes the account. Returns the units of work that were done. */
uint64_t effort_close(void);
/* Sets the function for the thread's accounts from now on. NULL: somebody always waits. */
void effort_watch(effort_gone_fn *is_gone, const void *arg);
/* The slow part of effort_over(). */
bool effort_ask(void);

static inline void
effort_add(uint64_t units)
{
	effort.done += units;
}

/* Returns true if the work must end with effort_err(), because the limit is reached or nobody
 * waits for the result. */
static inline bool
effort_over(void)
{
	return __builtin_expect(effort.done >= effort.ask, 0) && effort_ask();
}

/* Returns ERR_LIMIT, or ERR_CLOSED if nobody waits. */
int effort_err(void);

#endif
