/* A thread with a loop and an HTTP client, for data that are fetched from or sent to other
 * services. A service that hangs, lies or is away delays nothing else. The lists of waiting
 * calls and the timers belong to the user of the thread. */
#ifndef BASE_FETCH_HTTP_THREAD_H
#define BASE_FETCH_HTTP_THREAD_H

#include <pthread.h>

#include "base/fetch/http_client.h"
#include "base/mailbox.h"
#include "base/tag.h"

/* owner: the user that made it. Other threads use only `mail`. */
struct http_thread {
	struct tag tag;
	struct ev_loop *loop; /* the thread's; the caller's until http_thread_start() */
	struct http_client *client;
	struct mailbox mail; /* run() is called on the thread, with `arg` */
	/* Called by the thread after its mail, and after http_thread_wake(). While the daemon
	 * stops, false means that the thread must not end yet. NULL: at the stop, calls in
	 * flight get ERR_CLOSED. */
	bool (*woken)(void *arg, bool stopping);
	void *arg;
	ev_async wake;
	pthread_t thread;
	_Atomic bool stopping;
	bool running;
};

/* Makes the thread without starting it, so that timers can be started on its loop. `arg` NULL:
 * the thread itself. Returns NULL if memory or descriptors are exhausted. */
struct http_thread *http_thread_new(bool (*woken)(void *arg, bool stopping), void *arg);
/* Starts the thread. Returns 0 or ERR_NOMEM. */
int http_thread_start(struct http_thread *t, const char *name);
/* Makes the thread call `woken`. Any thread. */
void http_thread_wake(struct http_thread *t);
/* Ends the thread. Mail that arrives later is never run. Afterwards, watchers may be removed
 * from the loop, and calls canceled. `t` may be NULL. */
void http_thread_stop(struct http_thread *t);
/* Frees the thread. Calls in flight end without their callbacks. */
void http_thread_free(struct http_thread **t);

#endif
