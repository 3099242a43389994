/* A thread with a loop and an HTTP client, for what is fetched or told outside: whoever hangs,
 * lies or is away there holds up nobody else. What waits, and how long, are lists and timers
 * of whoever it works for. */
#ifndef BASE_FETCH_HTTP_THREAD_H
#define BASE_FETCH_HTTP_THREAD_H

#include <pthread.h>

#include "base/fetch/http_client.h"
#include "base/mailbox.h"
#include "base/tag.h"

/* For who begins it; of other threads only `mail`. */
struct http_thread {
	struct tag tag;
	struct ev_loop *loop; /* of the thread; of the caller's until http_thread_start() */
	struct http_client *client;
	struct mailbox mail; /* run() is called on the thread, with `arg` */
	/* Run by the thread after its mail, and after http_thread_wake(). While the daemon
	 * stops, false: not yet. NULL: then calls in flight are answered with ERR_CLOSED. */
	bool (*woken)(void *arg, bool stopping);
	void *arg;
	ev_async wake;
	pthread_t thread;
	_Atomic bool stopping;
	bool running;
};

/* It does not run yet: timers may be started on its loop. `arg` NULL: itself. NULL: out of
 * memory or descriptors. */
struct http_thread *http_thread_new(bool (*woken)(void *arg, bool stopping), void *arg);
/* 0 or ERR_NOMEM. */
int http_thread_start(struct http_thread *t, const char *name);
/* Any thread. */
void http_thread_wake(struct http_thread *t);
/* Ends the thread: mail that comes later is never run. What was set on the loop may then be
 * taken off it, and calls be cancelled. Takes NULL. */
void http_thread_stop(struct http_thread *t);
/* Calls in flight end without their callback. */
void http_thread_free(struct http_thread **t);

#endif
