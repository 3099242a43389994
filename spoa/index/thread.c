/* The daemon's thread: indexes for closed segments, the newest first, when there is nothing
 * else to do. It polls, so that a commit has nobody to tell. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "index/index.h"

#define LOOK_S	 10
#define FAILED_S 600 /* after one that could not be written */

struct index_thread {
	const char *journal;
	const struct index_terms *terms;
	pthread_t thread;
	pthread_mutex_t lock; /* of this thread and who stops it */
	pthread_cond_t wake;
	bool stop;
};

/* Waits; false: it is to end. */
static bool
wait_s(struct index_thread *t, unsigned s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += s;
	pthread_mutex_lock(&t->lock);
	while (!t->stop && pthread_cond_timedwait(&t->wake, &t->lock, &until) == 0)
		;
	bool stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return !stop;
}

/* What has no index yet. False: one could not be made. */
static bool
pass(struct index_thread *t)
{
	struct journal_list all;
	struct buf why;
	bool ok = true;

	buf_init(&why, 4096);
	if (journal_list_all(t->journal, NULL, false, &all, &why) == 0) {
		/* From the end: the last one of each node is open. */
		for (size_t i = all.n; ok && i-- > 0;) {
			const struct journal_segment *s = &all.seg[i];
			size_t next = i + 1;
			while (next < all.n && !all.seg[next].ours)
				next++;
			if (!s->ours || next == all.n || strcmp(all.seg[next].node, s->node) ||
				s->bytes > CAP_INDEX_SEGMENT || index_there(t->journal, s))
				continue;
			buf_clear(&why);
			ok = index_build(t->journal, s, t->terms, &t->stop, &why) == 0 ||
			     __atomic_load_n(&t->stop, __ATOMIC_RELAXED);
			if (!ok)
				log_event(LOG_WARN, "index.failed", LS("segment", s->name),
					LSP("why", buf_view(&why)));
			if (__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
				break;
		}
		journal_list_free(&all);
	}
	buf_free(&why);
	return ok;
}

static void *
run(void *arg)
{
	struct index_thread *t = arg;

	/* Of this thread alone (Linux); 3 << 13: the disk where nobody else wants it. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	syscall(SYS_ioprio_set, 1, 0, 3 << 13);
	for (unsigned next = LOOK_S; wait_s(t, next);)
		next = pass(t) ? LOOK_S : FAILED_S;
	return NULL;
}

struct index_thread *
index_start(const char *journal, const struct index_terms *terms)
{
	struct index_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->journal = journal;
	t->terms = terms;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	if (thread_start(&t->thread, "tg-index", run, t) == 0)
		return t;
	free(t);
	return NULL;
}

void
index_stop(struct index_thread **tp)
{
	struct index_thread *t = *tp;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
	*tp = NULL;
}
