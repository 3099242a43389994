/* Reads our own /metrics (Prometheus text 0.0.4, with exemplars after buckets as in
 * OpenMetrics). /metrics is the one list of all metrics, and the other formats are made from
 * it. This reader is not for text of other programs. */
#ifndef OPERATOR_TELEMETRY_EXPOSITION_H
#define OPERATOR_TELEMETRY_EXPOSITION_H

#include <stdbool.h>

#include "base/span.h"

enum exposition_line { LINE_SAMPLE, LINE_TYPE, LINE_HELP, LINE_END };

/* The position in the text, and the current line. All spans are views of the text. A metric's
 * HELP and TYPE precede its samples, in this order. */
struct exposition {
	struct span rest; /* the text that is left; set it to the whole text at the start */
	struct span name; /* name in the line, with tollgate_ */
	struct span text; /* rest of a TYPE or HELP line after the name */
	/* set for a sample: */
	struct span labels; /* the text between { and }; empty: none */
	struct span value;
	struct span exemplar; /* the exemplar from its "{" on; empty: none */
};

/* Reads the next line and returns its kind; LINE_END after the last. */
enum exposition_line exposition_next(struct exposition *e);
/* Takes the first name="value" off the labels. The value keeps its escapes. Returns false if
 * none is left. */
bool exposition_label(struct span *labels, struct span *name, struct span *value);
/* Returns the name of a metric's family: that of a counter lacks _total. */
struct span exposition_family(struct span name, struct span type);
/* Returns the unit, which is the family's last word: seconds, bytes or ratio. Empty: the family
 * has no unit. */
struct span exposition_unit(struct span family);

#endif
