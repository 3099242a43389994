/* Starts, wakes and stops a thread with an HTTP client. Its loop runs until `woken` permits the
 * end. */
#include "base/fetch/http_thread.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/pool.h"

enum { IDLE = 4 /* connections kept open */ };

static void
wake_http_thread(void *arg)
{
	http_thread_wake(TAGGED(http_thread, arg));
}

void
http_thread_wake(struct http_thread *t)
{
	ev_async_send(t->loop, &t->wake);
}

static void
on_http_wake(struct ev_loop *loop, ev_async *w, int revents UNUSED)
{
	struct http_thread *t = TAGGED(http_thread, w->data);
	bool stopping = atomic_load(&t->stopping);

	mailbox_drain(&t->mail, t->arg);
	if (stopping && !t->woken)
		http_client_abort(t->client);
	if ((!t->woken || t->woken(t->arg, stopping)) && stopping)
		ev_break(loop, EVBREAK_ALL);
}

static void *
http_thread_run(void *arg)
{
	struct http_thread *t = TAGGED(http_thread, arg);

	ev_run(t->loop, 0);
	return NULL;
}

struct http_thread *
http_thread_new(bool (*woken)(void *arg, bool stopping), void *arg)
{
	struct http_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	TAG(http_thread, t);
	t->woken = woken;
	t->arg = arg ? arg : t;
	t->loop = ev_loop_new(0);
	t->client = t->loop ? http_client_new(t->loop, IDLE) : NULL;
	if (!t->client) {
		http_thread_free(&t);
		return NULL;
	}
	ev_async_init(&t->wake, on_http_wake);
	t->wake.data = t;
	ev_async_start(t->loop, &t->wake);
	mailbox_init(&t->mail, wake_http_thread, t);
	return t;
}

int
http_thread_start(struct http_thread *t, const char *name)
{
	INVARIANT(!t->running && t->loop && t->client);
	t->running = thread_start(&t->thread, name, http_thread_run, t) == 0;
	return t->running ? 0 : ERR_NOMEM;
}

void
http_thread_stop(struct http_thread *t)
{
	if (!t || !t->running)
		return;
	atomic_store(&t->stopping, true);
	http_thread_wake(t);
	pthread_join(t->thread, NULL);
	t->running = false;
}

void
http_thread_free(struct http_thread **tp)
{
	struct http_thread *t = *tp;

	if (!t)
		return;
	http_thread_stop(t);
	http_client_free(&t->client);
	if (t->loop)
		ev_loop_destroy(t->loop);
	TAG_CLEAR(http_thread, t);
	free(t);
	*tp = NULL;
}
