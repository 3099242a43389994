/* tollgate check --probe: asks the external recognizers of a policy about two texts. */
#ifndef CMD_PROBE_RECOGNIZERS_H
#define CMD_PROBE_RECOGNIZERS_H

#include "base/buf.h"

struct policy;
struct detect_rules;

/* Asks each recognizer about a harmless and a bad text, and waits for each response up to 10 s,
 * or up to its timeout if that is longer. For each response that the gateway can use in time,
 * appends a line with the entities that were found to *right, and for each other
 * "file:line:column: probe: …" to *wrong. Returns the number of the latter. */
unsigned probe_recognizers(const struct policy *p, const struct detect_rules *rules,
	struct buf *right, struct buf *wrong);

#endif
