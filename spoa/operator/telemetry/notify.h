/* Webhooks for people without a Prometheus: notices (base/notice.h) as signed POSTs, on the
 * outbound thread. Of a kind one a minute at most goes out; what comes meanwhile is counted into
 * the next one, with its lines. Signed as Standard Webhooks are (webhook-id, webhook-timestamp,
 * webhook-signature).
 *
 *   IDLE ──(a notice)──→ WAITS (for its minute) ──→ SENDS ──(2xx, or refused)──→ IDLE or WAITS
 *                                                   ↑   │
 *                                                   └ RETRIES (away, 5xx, 408, 429)
 */
#ifndef OPERATOR_TELEMETRY_NOTIFY_H
#define OPERATOR_TELEMETRY_NOTIFY_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/fetch/http_thread.h"
#include "policy/config/config.h"

struct notify;

/* Tests set them smaller before notify_new(). */
struct notify_times {
	uint64_t apart_us;	    /* of two of a kind */
	uint64_t retry_us, most_us; /* doubled with each failure, to this */
	uint64_t give_up_us;	    /* after the first attempt */
	uint64_t deadline_us;	    /* of an attempt */
};
extern struct notify_times notify_times;

/* On an outbound that does not run yet. Config and metrics outlive it. NULL with a message in
 * *why: out of memory, or a secret_file that cannot be used. */
struct notify *notify_new(
	const struct config *cfg, struct http_thread *o, struct metrics *m, struct buf *why);
/* After http_thread_stop(), once no thread sends notices. What was not sent is counted as failed.
 * Takes NULL. */
void notify_free(struct notify **n);

/* Any thread. {"to": HOST, "signed": …, "events": […], "kinds": […]}: never the URL, which may be
 * a secret. NULL: none is configured. */
void notify_status(struct notify *n, struct buf *out);
/* Sends one of kind test at once; whether one is under way. */
void notify_test(const char *by);
bool notify_testing(struct notify *n);

#endif
