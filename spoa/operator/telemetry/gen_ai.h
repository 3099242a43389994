/* The GenAI conventions' client metrics, counted from completions' notes: histograms by provider,
 * operation, model and how it ended. Any thread. */
#ifndef OPERATOR_TELEMETRY_GEN_AI_H
#define OPERATOR_TELEMETRY_GEN_AI_H

#include "base/buf.h"
#include "record/audit/note.h"

struct gen_ai;

/* NULL: out of memory. */
struct gen_ai *gen_ai_new(void);
void gen_ai_free(struct gen_ai **g);
/* A completion. What is no model's operation, or was never sent, does not count. */
void gen_ai_add(struct gen_ai *g, const struct audit_note *n);
/* Its metrics as objects of OTLP's JSON, a comma before each; adds how many points there are. */
void gen_ai_write(
	struct gen_ai *g, struct buf *out, int64_t start_ns, int64_t now_ns, size_t *points);

#endif
