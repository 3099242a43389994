/* OpenMetrics 1.0, for clients that request it with Accept. */
#ifndef OPERATOR_TELEMETRY_OPENMETRICS_H
#define OPERATOR_TELEMETRY_OPENMETRICS_H

#include <stdbool.h>

#include "base/buf.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Returns true if an Accept field (RFC 9110 12.5.1; NULL: none) prefers OpenMetrics: the field
 * names its type, without a version or with 1.0.0, at least with the quality of the text
 * format. */
bool openmetrics_wanted(const char *accept);
/* Appends our /metrics, which must have exemplars, as OpenMetrics. */
void openmetrics_write(struct buf *out, struct span text);

#endif
