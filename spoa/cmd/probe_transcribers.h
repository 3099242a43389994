/* tollgate check --probe: asks each transcriber of a policy for the transcript of a second of
 * silence. */
#ifndef CMD_PROBE_TRANSCRIBERS_H
#define CMD_PROBE_TRANSCRIBERS_H

#include "base/buf.h"

struct policy;

/* Asks one after the other. Appends a line to `right` for each usable response, and to `wrong`
 * for each other one. Returns the number of these. */
unsigned probe_transcribers(const struct policy *p, struct buf *right, struct buf *wrong);

#endif
