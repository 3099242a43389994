/* Webhooks for people: sends notices (base/notice.h) as signed POSTs, on the outbound thread.
 * At most one message a minute is sent for each kind. Notices that arrive meanwhile are counted
 * in the next message, with their lines. Messages are signed as in Standard Webhooks
 * (webhook-id, webhook-timestamp, webhook-signature).
 *
 * The states of a kind:
 *
 *   IDLE ──(a notice)──→ WAITS (for its minute) ──→ SENDS ──(2xx, refused)──→ IDLE, WAITS
 *                                                   ↑   │
 *                                                   └ RETRIES (no response, 5xx, 408, 429) */
#ifndef OPERATOR_TELEMETRY_NOTIFY_H
#define OPERATOR_TELEMETRY_NOTIFY_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/fetch/http_client.h"
#include "policy/config/config.h"

struct notify;

/* Times in µs. Tests set smaller ones before notify_new(). */
struct notify_times {
	uint64_t apart_us; /* least time between two messages of a kind */
	/* first delay of a retry, and the largest; the delay doubles */
	uint64_t retry_us, most_us;
	uint64_t give_up_us;  /* a message is dropped this long after its first attempt */
	uint64_t deadline_us; /* time limit of one attempt */
};
extern struct notify_times notify_times;

/* Creates the webhook on an outbound thread that does not run yet. Config and metrics must
 * outlive it. Returns NULL with a message in *why if memory is exhausted or secret_file is
 * invalid. */
struct notify *notify_new(
	const struct config *cfg, struct http_thread *o, struct metrics *m, struct buf *why);
/* Frees the webhook. Call this after http_thread_stop(), when no thread sends notices any more.
 * Unsent messages count as failed. Accepts NULL. */
void notify_free(struct notify **n);

/* Writes {"to": HOST, "signed": …, "kinds": […]}. The URL is not included, because it may be a
 * secret. `n` may be NULL. Any thread. */
void notify_status(struct notify *n, struct buf *out);
/* notify_test() sends a notice of kind test at once; notify_testing() returns true while one is
 * in progress. Any thread. */
void notify_test(const char *by);
bool notify_testing(struct notify *n);

#endif
