/* A thread that takes turns until it is stopped. The service owns the thread, the wait between
 * two turns and the end; its owner supplies the turn. All times are monotonic, so that setting
 * the wall clock moves no turn. */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A turn returns this time if only service_wake() is to begin the next turn. */
#define SERVICE_WHEN_WOKEN UINT64_MAX

struct service_options {
	const char *name;   /* the thread's name, at most 15 bytes; not copied */
	uint64_t first_us;  /* monotonic µs of the first turn; 0: at once */
	/* Returns when the next turn is, in monotonic µs; a time that has passed (0): at once. */
	uint64_t (*turn)(void *arg);
	void (*last)(void *arg); /* runs once on the thread after the last turn; or NULL */
	void *arg;
	int nice;	/* the thread's priority for the processor; 0: as the process has it */
	bool idle_disk; /* the thread uses the disk only if no other thread does */
};

/* Part of its owner. A zeroed struct is a service that was not started. */
struct service {
	struct service_options options;
	pthread_t thread;
	sem_t wake;
	atomic_bool woken, stopping, started;
};

/* The thread gets no signals. Returns 0 or ERR_NOMEM. */
int service_start(struct service *s, const struct service_options *o);
/* Begins the next turn at once. A call during a turn causes one more turn; several calls before
 * a turn cause one. Takes no lock. Any thread; does nothing before the start and after the
 * stop. */
void service_wake(struct service *s);
/* Returns true from the moment service_stop() is called. A long turn ends early then. Any thread. */
bool service_stopping(const struct service *s);
/* Returns true between a start and the end of the stop. */
bool service_runs(const struct service *s);
/* Waits for the turn in progress and for `last`. Does nothing if the service does not run. Only
 * the thread that owns the service calls this function, and no thread wakes the service
 * meanwhile. */
void service_stop(struct service *s);

#endif
