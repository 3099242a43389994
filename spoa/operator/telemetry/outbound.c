/* The thread tg-outbound. */
#include "operator/telemetry/outbound.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/tag.h"

enum { IDLE = 4 /* connections kept */ };

struct outbound {
	struct tag tag;
	struct ev_loop *loop;
	ev_async wake;
	struct http_client *client;
	struct mailbox mail;
	atomic_bool stopping;
	pthread_t thread;
	bool running;
};

static void
wake_outbound(void *arg)
{
	struct outbound *o = TAGGED(outbound, arg);

	ev_async_send(o->loop, &o->wake);
}

static void
on_outbound_wake(struct ev_loop *loop, ev_async *w, int revents UNUSED)
{
	struct outbound *o = TAGGED(outbound, w->data);

	if (atomic_load(&o->stopping)) {
		http_client_abort(o->client);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	mailbox_drain(&o->mail, o);
}

static void *
outbound_run(void *arg)
{
	struct outbound *o = TAGGED(outbound, arg);

	ev_run(o->loop, 0);
	return NULL;
}

struct outbound *
outbound_new(void)
{
	struct outbound *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	TAG(outbound, o);
	o->loop = ev_loop_new(0);
	o->client = o->loop ? http_client_new(o->loop, IDLE) : NULL;
	if (!o->client) {
		outbound_free(&o);
		return NULL;
	}
	ev_async_init(&o->wake, on_outbound_wake);
	o->wake.data = o;
	ev_async_start(o->loop, &o->wake);
	mailbox_init(&o->mail, wake_outbound, o);
	return o;
}

int
outbound_start(struct outbound *o)
{
	if (thread_start(&o->thread, "tg-outbound", outbound_run, o))
		return ERR_NOMEM;
	o->running = true;
	return 0;
}

void
outbound_stop(struct outbound *o)
{
	if (!o || !o->running)
		return;
	atomic_store(&o->stopping, true);
	ev_async_send(o->loop, &o->wake);
	pthread_join(o->thread, NULL);
	o->running = false;
}

void
outbound_free(struct outbound **op)
{
	struct outbound *o = *op;

	if (!o)
		return;
	outbound_stop(o);
	http_client_free(&o->client);
	if (o->loop)
		ev_loop_destroy(o->loop);
	free(o);
	*op = NULL;
}

struct ev_loop *
outbound_loop(struct outbound *o)
{
	return o->loop;
}

struct http_client *
outbound_client(struct outbound *o)
{
	return o->client;
}

struct mailbox *
outbound_mail(struct outbound *o)
{
	return &o->mail;
}
