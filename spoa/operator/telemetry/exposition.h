/* Reads our own /metrics (Prometheus text 0.0.4, with exemplars after buckets as OpenMetrics has
 * them): it is the one list of all metrics there are, and the other forms are made of it. What
 * other programs wrote is never read with this. */
#ifndef OPERATOR_TELEMETRY_EXPOSITION_H
#define OPERATOR_TELEMETRY_EXPOSITION_H

#include <stdbool.h>

#include "base/span.h"

enum exposition_line { LINE_SAMPLE, LINE_TYPE, LINE_HELP, LINE_END };

/* Views of the text. A metric's HELP and TYPE come before its samples, in this order. */
struct exposition {
	struct span rest; /* set it to the text */
	struct span name; /* of the line, with tollgate_ */
	struct span text; /* of TYPE and HELP: what follows the name */
	/* of a sample */
	struct span labels; /* what is between { and }, or empty */
	struct span value;
	struct span exemplar; /* from its {, or empty */
};

enum exposition_line exposition_next(struct exposition *e);
/* Takes name="value" off the labels; the value as it is written, with escapes. */
bool exposition_label(struct span *labels, struct span *name, struct span *value);
/* The family's name: a counter's is without _total. */
struct span exposition_family(struct span name, struct span type);
/* By the family's last word: seconds, bytes, ratio; empty: it has no unit. */
struct span exposition_unit(struct span family);

#endif
