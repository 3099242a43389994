/* The queue of log lines, and the thread that alone writes them. A reader of stderr that stalls,
 * a syslog that does not read, a full disk or a journal that restarts costs lines, which are
 * counted, and never a worker's time. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
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

#define FULL_WAIT_MS 100 /* ms: how long to wait if stderr is non-blocking and full */

struct line {
	struct mail mail;
	size_t n, at, line; /* bytes of text[]; offset and length of the line itself */
	char text[];
};

/* Written by any thread. */
static struct mailbox lines;
static _Atomic size_t queued_bytes;
static _Atomic uint64_t dropped, unsaid; /* unsaid: lost lines that the log has not reported yet */
static atomic_bool running, stopping, woken;
static sem_t work, flushed;
/* owner: the writer */
static pthread_t writer;
static bool cut;  /* the last line written lacks its end */
static bool away; /* the socket accepts nothing, and the log has reported this */

/* ---- the writer ---- */

/* Writes all of s, however long stderr takes. Returns false if it cannot be written. */
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

/* Writes a line. If a full disk cut the previous line, this one begins on a new line. */
static bool
write_line(struct span s)
{
	return (!cut || write_whole(SPAN_LIT("\n"))) && write_whole(s);
}

/* Writes the line itself, without the bytes that the socket requires around it. */
static bool
to_stderr(struct span all, size_t at, size_t n)
{
	return write_line(span_cut(all, at, at + n)) && write_whole(SPAN_LIT("\n"));
}

/* Reports on stderr that the socket does not accept lines, once until it accepts them again. */
static void
say_away(int err)
{
	const struct log_field fields[] = { LS("socket", log_to_socket()),
		LS("why", strerror(err)),
		LS("note",
			"lines are written to standard error until the logger accepts them") };
	struct log_line l;

	if (!away && log_compose(&l, LOG_WARN, "log.away", fields, COUNT_OF(fields)))
		to_stderr(buf_view(&l.all), l.at, l.n);
	if (!away)
		buf_free(&l.all);
	away = true;
}

/* Sends the message to the socket or, if this fails, writes the line itself to stderr. Returns
 * false if both fail. */
static bool
get_out(struct span all, size_t at, size_t n)
{
	int err = log_to() == LOG_TO_STDERR ? 0 : log_datagram(all);

	if (log_to() == LOG_TO_STDERR)
		return write_line(all);
	if (err)
		say_away(err);
	else
		away = false;
	return !err || to_stderr(all, at, n);
}

static void
lost(uint64_t n)
{
	atomic_fetch_add_explicit(&dropped, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
}

/* Reports how many lines were lost, as soon as lines can be written again. */
static void
say_lost(void)
{
	uint64_t n = atomic_exchange_explicit(&unsaid, 0, memory_order_relaxed);
	struct log_line l;
	char why[64];

	if (!n)
		return;
	snprintf(why, sizeof(why), "%s did not accept them in time", log_to_names[log_to()]);
	const struct log_field fields[] = { LI("lines", n), LS("why", why) };
	if (!log_compose(&l, LOG_WARN, "log.dropped", fields, 2) ||
		!get_out(buf_view(&l.all), l.at, l.n))
		atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
	buf_free(&l.all);
}

static void
write_mail(struct mail *m, void *consumer UNUSED)
{
	struct line *l = CONTAINER_OF(m, struct line, mail);

	say_lost();
	if (!get_out(span_of(l->text, l->n), l->at, l->line))
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
		/* `woken` is cleared before the drain, so that a thread that sends after this
		 * wakes us again. */
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
wake_log(void *arg UNUSED)
{
	if (!atomic_exchange(&woken, true))
		sem_post(&work);
}

/* Reserves n bytes of the queue. Lines that are not errors leave a quarter of it free for
 * errors. */
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
log_out(enum log_level level, const struct log_line *line)
{
	struct span text = buf_view(&line->all);

	if (!atomic_load_explicit(&running, memory_order_acquire)) {
		ssize_t n;
		text = span_cut(text, line->at, text.n);
		if (log_to() != LOG_TO_STDERR && !log_datagram(buf_view(&line->all)))
			return;
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
	l->at = line->at;
	l->line = line->n;
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
	mailbox_init(&lines, wake_log, NULL);
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
	if (err < 0) { /* nobody reads: the lines are lost when the process ends */
		pthread_detach(writer);
		return;
	}
	pthread_join(writer, NULL);
	atomic_store(&running, false);
}
