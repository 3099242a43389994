/* The process's priority for the processor while it starts beside another one that serves
 * (`tollgate upgrade`). A start compiles all detectors, which takes seconds of a core; on a
 * busy machine the serving process would miss its deadlines meanwhile. */
#ifndef BASE_PRIORITY_H
#define BASE_PRIORITY_H

#include <stdbool.h>

/* Lowers the priority of the calling thread, and of the threads that it starts. Call it before
 * any other thread runs. If the process may not return to its priority later (RLIMIT_NICE,
 * setrlimit(2)), the scheduler only takes the process for one without interactive work (SCHED_BATCH,
 * sched(7)). */
void priority_yield(void);
/* Gives all threads of the process the priority that they had, except for those that set one
 * of their own. Does nothing without an earlier priority_yield(). */
void priority_regain(void);

#endif
