/* The client metrics of OpenTelemetry's GenAI conventions: histograms by provider, operation,
 * model and error, counted from the notes of completions. Any thread; a lock guards the counts.
 */
#ifndef OPERATOR_TELEMETRY_GEN_AI_H
#define OPERATOR_TELEMETRY_GEN_AI_H

#include "base/buf.h"
#include "record/audit/note.h"

struct gen_ai;

/* Returns NULL if memory is exhausted. */
struct gen_ai *gen_ai_new(void);
void gen_ai_free(struct gen_ai **g);
/* Counts a completion. Operations without a model, and requests that were never sent, do not
 * count. */
void gen_ai_add(struct gen_ai *g, const struct audit_note *n);
/* Appends the metrics as objects of OTLP's JSON, each preceded by a comma, and adds their
 * number of points to *points. Times are wall times in ns. */
void gen_ai_write(
	struct gen_ai *g, struct buf *out, int64_t start_ns, int64_t now_ns, size_t *points);

#endif
