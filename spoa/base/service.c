/* A service waits on a semaphore. sem_clockwait() uses the monotonic clock, and sem_post() needs
 * no lock, so that a thread that must not wait can wake a service of low priority. */
#include "base/service.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"

/* Linux applies both priorities to the calling thread alone. If the system refuses, the thread
 * keeps its priority. */
static void
lower_priority(const struct service_options *o)
{
	enum { WHO_THREAD = 1, CLASS_IDLE = 3 << 13 };

	if (o->nice)
		setpriority(PRIO_PROCESS, (id_t)gettid(), o->nice);
	if (o->idle_disk)
		syscall(SYS_ioprio_set, WHO_THREAD, 0, CLASS_IDLE);
}

/* Waits until `at_us`, a wake or the stop. Returns false at the stop. */
static bool
wait_for_turn(struct service *s, uint64_t at_us)
{
	struct timespec at = clock_timespec(at_us);
	int err = 0;

	while (!service_stopping(s) && !atomic_exchange(&s->woken, false)) {
		err = at_us == SERVICE_WHEN_WOKEN
			      ? sem_wait(&s->wake)
			      : sem_clockwait(&s->wake, CLOCK_MONOTONIC, &at);
		if (err && errno == ETIMEDOUT)
			break;
	}
	return !service_stopping(s);
}

static void *
service_run(void *arg)
{
	struct service *s = arg;

	pthread_setname_np(pthread_self(), s->options.name);
	lower_priority(&s->options);
	for (uint64_t at_us = s->options.first_us; wait_for_turn(s, at_us);)
		at_us = s->options.turn(s->options.arg);
	if (s->options.last)
		s->options.last(s->options.arg);
	return NULL;
}

int
service_start(struct service *s, const struct service_options *o)
{
	INVARIANT(!service_runs(s));
	s->options = *o;
	sem_init(&s->wake, 0, 0);
	atomic_store(&s->woken, false);
	atomic_store(&s->stopping, false);
	atomic_store(&s->started, true);
	int err = thread_start(&s->thread, NULL, service_run, s);
	if (err) {
		atomic_store(&s->started, false);
		sem_destroy(&s->wake);
	}
	return err;
}

void
service_wake(struct service *s)
{
	if (service_runs(s) && !atomic_exchange(&s->woken, true))
		sem_post(&s->wake);
}

bool
service_stopping(const struct service *s)
{
	return atomic_load(&s->stopping);
}

bool
service_runs(const struct service *s)
{
	return atomic_load(&s->started);
}

void
service_stop(struct service *s)
{
	if (!service_runs(s))
		return;
	atomic_store(&s->stopping, true);
	sem_post(&s->wake);
	pthread_join(s->thread, NULL);
	atomic_store(&s->started, false);
	sem_destroy(&s->wake);
}
