/* One thread with a loop and an HTTP client for all that the daemon tells others about itself
 * (webhooks, collectors): whoever hangs, lies or is away there holds up nobody else. What is
 * told waits in lists of whoever tells it, each with a cap of its own. */
#ifndef OPERATOR_TELEMETRY_OUTBOUND_H
#define OPERATOR_TELEMETRY_OUTBOUND_H

#include <ev.h>

#include "base/fetch/http_client.h"
#include "base/mailbox.h"

struct outbound;

/* Its thread does not run yet: timers may be started on its loop. NULL: out of memory or
 * descriptors. */
struct outbound *outbound_new(void);
/* 0 or ERR_NOMEM. */
int outbound_start(struct outbound *o);
/* Ends the thread: calls in flight are answered with ERR_CLOSED first, mail that comes later is
 * never run. What was set on the loop may then be freed. Takes NULL. */
void outbound_stop(struct outbound *o);
void outbound_free(struct outbound **o);

/* Of its thread; of the caller's until outbound_start(). */
struct ev_loop *outbound_loop(struct outbound *o);
struct http_client *outbound_client(struct outbound *o);
/* Any thread sends; run() is called on the thread, with the outbound as consumer. */
struct mailbox *outbound_mail(struct outbound *o);

#endif
