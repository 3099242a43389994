/* Spans of records, once they are durable: of a decision one with its stages as events, of a
 * completion one an attempt and one a call, which are its children. Never a text, a person or a
 * credential: names of the policy, known models, fixed words, counts. */
#ifndef OPERATOR_TELEMETRY_SPANS_H
#define OPERATOR_TELEMETRY_SPANS_H

#include "base/buf.h"
#include "record/audit/note.h"

struct span_ids {
	unsigned char trace[16], parent[8]; /* parent: the caller's span */
	unsigned char own[8];		    /* the decision's */
	bool has_parent, sampled;
};

/* The trace that a record belongs to: the caller's; without one it is the decision's id, whose 128
 * bits are those of the trace's. Sampled: as the caller's flag says, else where the last 56 bits
 * of the trace are at least `least` (W3C Trace Context 2, OpenTelemetry's consistent sampling). */
void span_ids(const struct audit_note *n, uint64_t least, struct span_ids *out);
/* That of a share of 0 to 1. */
uint64_t span_least(double ratio);

/* Its spans as JSON objects with commas between, appended; `told_ns`: when it was durable, and
 * told_us by the monotonic clock. How many; 0: the record is not of a kind that has any. */
size_t spans_write(struct buf *out, const struct audit_note *n, uint64_t seq,
	struct span fields, uint64_t told_us, const struct span_ids *ids);

#endif
