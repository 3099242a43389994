/* Sends metrics and traces to a collector, by OTLP/HTTP with JSON, on the outbound thread.
 * Workers only fill a note (record/audit/note.h). The audit thread copies the records of
 * sampled requests into a queue, which is bounded in bytes and number. Data that is not sent is
 * counted by the reason.
 *
 *   record ─► audit thread: sampled? ─► queue ─► batch ─► POST …/v1/traces ─► accepted
 *                                                  ▲            └─► later: again, for 5 minutes
 *   timer ─► /metrics ─► POST …/v1/metrics         └── the next batch waits */
#ifndef OPERATOR_TELEMETRY_OTLP_H
#define OPERATOR_TELEMETRY_OTLP_H

#include "base/metrics.h"
#include "base/fetch/http_client.h"
#include "policy/config/config.h"
#include "record/audit/audit.h"

struct otlp;

/* Writes /metrics with exemplars to *out. Called on the outbound thread. */
typedef void otlp_text_fn(void *arg, struct buf *out);

/* Prepares the exchange on an outbound thread that does not run yet. `cfg` must outlive the
 * result. Returns NULL with a message in *why if a file is invalid or memory is exhausted. */
struct otlp *otlp_new(const struct config *cfg, struct http_thread *o, struct metrics *m,
	otlp_text_fn *text, void *arg, struct buf *why);
/* For audit_tell(), with the struct otlp as its argument: queues a record's spans. On the audit
 * thread. */
audit_told_fn otlp_told;
/* Sends what is queued and the last metrics. Returns once they are sent, at the latest after
 * `most_us`. Call this before http_thread_stop(). Any thread. */
void otlp_flush(struct otlp *t, uint64_t most_us);
/* Frees everything. Call this after http_thread_stop(). */
void otlp_free(struct otlp **t);

/* Checks the files that cfg names, as otlp_new() reads them. Returns 0, or a negative error
 * with *why. */
int otlp_files(const struct otlp_config *cfg, struct buf *why);

#endif
