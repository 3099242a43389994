/* Makes spans of durable records: a decision becomes one span with its stages as events; a
 * completion becomes one span for each attempt and each call, which are children of the
 * decision. Spans contain names from the policy, known models, fixed words and counts, but
 * never a prompt's text, a person or a credential. */
#ifndef OPERATOR_TELEMETRY_SPANS_H
#define OPERATOR_TELEMETRY_SPANS_H

#include "base/buf.h"
#include "record/audit/note.h"

/* The ids of a request's spans. */
struct span_ids {
	unsigned char trace[16], parent[8]; /* the caller's span */
	unsigned char own[8];		    /* the decision's span */
	bool has_parent, sampled;
};

/* Determines the trace of a record: the caller's, or one made of the decision's id, which also
 * has 128 bits. The trace is sampled if the caller's flag is set; without a caller's trace, if
 * the last 56 bits of its id are at least `least` (W3C Trace Context 2, OpenTelemetry's
 * consistent sampling). */
void span_ids(const struct audit_note *n, uint64_t least, struct span_ids *out);
/* Returns `least` for a ratio from 0 to 1. */
uint64_t span_least(double ratio);

/* Appends the record's spans as JSON objects, separated by commas. `told_us` is the monotonic
 * time at which the record was durable. Returns the number of spans; 0 for records that have
 * none. */
size_t spans_write(struct buf *out, const struct audit_note *n, uint64_t seq,
	struct span fields, uint64_t told_us, const struct span_ids *ids);

#endif
