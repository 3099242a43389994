/* A queue under a lock, and threads that wait for it. The lock is held for a few instructions
 * for each piece of work, while work that deserves a thread takes milliseconds. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"

/* The priority gives these threads about a third of the weight of a loop's thread. */
enum { NICE = 5 };

/* One thread of a pool. owner: the pool. */
struct pool_thread {
	pthread_t id;
	unsigned number;
	struct pool *pool;
	pthread_cond_t woken;
	struct pool_thread *below; /* in the pool's `idle`, under lock */
	bool idle;		   /* under lock */
};

struct pool {
	pthread_mutex_t lock;
	struct work *first, **end; /* under lock */
	/* under lock: the threads without work. The last one to become idle is woken first,
	 * because its memory is still in the processor's cache. */
	struct pool_thread *idle;
	_Atomic bool stopping;
	unsigned nthreads;
	struct pool_thread thread[];
};

static struct work *
pool_next(struct pool_thread *t)
{
	struct pool *p = t->pool;
	struct work *w = NULL;

	SCOPED_LOCK(&p->lock);
	while (!p->first && !atomic_load(&p->stopping)) {
		t->idle = true;
		t->below = p->idle;
		p->idle = t;
		while (t->idle && !atomic_load(&p->stopping))
			pthread_cond_wait(&t->woken, &p->lock);
	}
	/* Queued work still runs during a stop: it sees pool_stopping(), and the thread that
	 * waits for it gets its message. */
	if (p->first) {
		w = p->first;
		p->first = w->next;
		if (!p->first)
			p->end = &p->first;
	}
	return w;
}

static void *
pool_thread_main(void *arg)
{
	struct pool_thread *t = arg;

	/* On Linux, the priority applies to the calling thread alone. If the system refuses it,
	 * all threads have the same priority. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	for (struct work *w; (w = pool_next(t));) {
		w->run(w, t->number);
		sodium_stackzero(MEM_STACK_BYTES);
	}
	return NULL;
}

void
cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

int
thread_start(pthread_t *id, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, old;

	INVARIANT(!name || strlen(name) < 16); /* pthread_setname_np(3) refuses a longer name */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = pthread_create(id, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err && name)
		pthread_setname_np(*id, name);
	return err ? ERR_NOMEM : 0;
}

struct pool *
pool_new(unsigned threads)
{
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->thread[0]));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->end = &p->first;
	for (; p->nthreads < threads; p->nthreads++) {
		struct pool_thread *t = &p->thread[p->nthreads];
		t->number = p->nthreads;
		t->pool = p;
		pthread_cond_init(&t->woken, NULL);
		if (thread_start(&t->id, NULL, pool_thread_main, t))
			break;
	}
	if (p->nthreads == 0)
		pool_free(&p);
	return p;
}

void
pool_submit(struct pool *p, struct work *w)
{
	w->next = NULL;
	SCOPED_LOCK(&p->lock);
	INVARIANT(!*p->end && (p->first || p->end == &p->first));
	*p->end = w;
	p->end = &w->next;
	struct pool_thread *t = p->idle;
	if (t) {
		p->idle = t->below;
		t->idle = false;
		pthread_cond_signal(&t->woken);
	}
}

bool
pool_stopping(const struct pool *p)
{
	return atomic_load_explicit(&p->stopping, memory_order_relaxed);
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stopping, true);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_cond_signal(&p->thread[i].woken);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++) {
		pthread_join(p->thread[i].id, NULL);
		pthread_cond_destroy(&p->thread[i].woken);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}
