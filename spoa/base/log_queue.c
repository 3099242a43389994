/* Log lines on their way out: a bounded queue and a thread that alone writes. A reader
 * of stderr that stalls, a full disk or a journal that restarts then costs lines, which
 * are counted, and never a worker's time. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log_private.h"
#include "base/mailbox.h"
#include "base/pool.h"

#define FULL_WAIT_MS 100 /* stderr is non-blocking and full: looked at again */

struct line {
	struct mail mail;
	size_t n;
	char text[];
};

/* Producers: any thread. */
static struct mailbox lines;
static _Atomic size_t queued_bytes;
static _Atomic uint64_t dropped, unsaid; /* unsaid: of them, not yet told of in the log */
static atomic_bool running, stopping, woken;
static sem_t work, flushed;
/* owner: the writer */
static pthread_t writer;
static bool cut; /* the last line written lacks its end */

/* ---- the writer ---- */

/* All of it, however long stderr takes. False: it cannot be written. */
static bool
write_whole(struct span s)
{
	while (s.n) {
		ssize_t n = write(STDERR_FILENO, s.p, s.n);
		if (n > 0) {
			s = span_cut(s, (size_t)n, s.n);
			cut = s.n != 0;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
			poll(&p, 1, FULL_WAIT_MS);
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Begins on a line of its own, after a disk that was full had room for a part of one. */
static bool
write_line(struct span s)
{
	return (!cut || write_whole(SPAN_LIT("\n"))) && write_whole(s);
}

static void
lost(uint64_t n)
{
	atomic_fetch_add_explicit(&dropped, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
}

/* How many were lost before this moment, as soon as anything can be said again. */
static void
say_lost(void)
{
	uint64_t n = atomic_exchange_explicit(&unsaid, 0, memory_order_relaxed);
	struct buf b;

	if (!n)
		return;
	const struct log_field fields[] = { LI("lines", n),
		LS("why", "stderr did not take them in time") };
	buf_init(&b, 1024);
	log_compose(&b, LOG_WARN, "log.dropped", fields, 2);
	if (buf_failed(&b) || !write_line(buf_view(&b)))
		atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
	buf_free(&b);
}

static void
write_mail(struct mail *m, void *consumer UNUSED)
{
	struct line *l = CONTAINER_OF(m, struct line, mail);

	say_lost();
	if (!write_line(span_of(l->text, l->n)))
		lost(1);
	atomic_fetch_sub_explicit(&queued_bytes, sizeof(*l) + l->n, memory_order_relaxed);
	free(l);
}

static void *
write_lines(void *arg UNUSED)
{
	for (bool stop = false; !stop;) {
		while (sem_wait(&work) < 0 && errno == EINTR)
			;
		/* Cleared before the drain: who sends after this wakes us again. */
		atomic_exchange(&woken, false);
		stop = atomic_load(&stopping);
		mailbox_drain(&lines, NULL);
		say_lost();
	}
	sem_post(&flushed);
	return NULL;
}

/* ---- any thread ---- */

static void
wake(void *arg UNUSED)
{
	if (!atomic_exchange(&woken, true))
		sem_post(&work);
}

/* What is not an error leaves a quarter of the room to errors. */
static bool
room_for(enum log_level level, size_t n)
{
	size_t cap = level == LOG_ERROR ? CAP_LOG_BYTES : CAP_LOG_BYTES / 4 * 3;

	if (atomic_fetch_add_explicit(&queued_bytes, n, memory_order_relaxed) + n <= cap)
		return true;
	atomic_fetch_sub_explicit(&queued_bytes, n, memory_order_relaxed);
	return false;
}

void
log_out(enum log_level level, struct span text)
{
	if (!atomic_load_explicit(&running, memory_order_acquire)) {
		ssize_t n;
		do
			n = write(STDERR_FILENO, text.p, text.n);
		while (n < 0 && errno == EINTR);
		return;
	}
	size_t size = sizeof(struct line) + text.n;
	if (!room_for(level, size)) {
		lost(1);
		return;
	}
	struct line *l = malloc(size);
	if (!l) {
		atomic_fetch_sub_explicit(&queued_bytes, size, memory_order_relaxed);
		lost(1);
		return;
	}
	l->mail.run = write_mail;
	l->n = text.n;
	memcpy(l->text, text.p, text.n);
	mailbox_send(&lines, &l->mail);
}

uint64_t
log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

/* ---- life ---- */

int
log_start(void)
{
	mailbox_init(&lines, wake, NULL);
	sem_init(&work, 0, 0);
	sem_init(&flushed, 0, 0);
	atomic_store(&stopping, false);
	if (thread_start(&writer, "tg-log", write_lines, NULL))
		return ERR_NOMEM;
	atomic_store_explicit(&running, true, memory_order_release);
	return 0;
}

void
log_stop(uint64_t wait_us)
{
	if (!atomic_load(&running))
		return;
	atomic_store(&stopping, true);
	sem_post(&work);
	struct timespec until = clock_timespec(clock_mono_us() + wait_us);
	int err;
	do
		err = sem_clockwait(&flushed, CLOCK_MONOTONIC, &until);
	while (err < 0 && errno == EINTR);
	if (err < 0) { /* nobody reads: the lines go with the process */
		pthread_detach(writer);
		return;
	}
	pthread_join(writer, NULL);
	atomic_store(&running, false);
}
