/* Metrics and traces to a collector, by OTLP/HTTP JSON on the outbound thread. Workers do nothing for
 * it but a note (record/audit/note.h); the audit thread copies records of sampled requests into a queue,
 * capped in bytes and number. What is not sent is counted by its reason.
 *
 *   record ─► audit thread: sampled? ─► queue ─► batch ─► POST …/v1/traces ─► taken
 *                                                  ▲            └─► again: later, 5 minutes at most
 *   timer ─► /metrics ─► POST …/v1/metrics         └── the next one waits */
#ifndef OPERATOR_TELEMETRY_OTLP_H
#define OPERATOR_TELEMETRY_OTLP_H

#include "base/metrics.h"
#include "base/fetch/http_thread.h"
#include "policy/config/config.h"
#include "record/audit/audit.h"

struct otlp;

/* Fills *out with /metrics, exemplars too; on the outbound thread. */
typedef void otlp_text_fn(void *arg, struct buf *out);

/* On the loop of an outbound that does not run yet. NULL with a message in *why: a file that cannot
 * be used, or no memory. `cfg` outlives it. */
struct otlp *otlp_new(const struct config *cfg, struct http_thread *o, struct metrics *m,
	otlp_text_fn *text, void *arg, struct buf *why);
/* audit_tell()'s, arg the otlp. */
audit_told_fn otlp_told;
/* What is queued, and the last metrics, go now; returns once they are gone, at the latest after
 * `most_us`. Before http_thread_stop(). */
void otlp_flush(struct otlp *t, uint64_t most_us);
/* After http_thread_stop(). */
void otlp_free(struct otlp **t);

/* The files that cfg names, as otlp_new() reads them. 0, or negative with *why. */
int otlp_files(const struct otlp_config *cfg, struct buf *why);

#endif
