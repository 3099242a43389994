/* OpenMetrics 1.0, for who asks for it with Accept. */
#ifndef OPERATOR_TELEMETRY_OPENMETRICS_H
#define OPERATOR_TELEMETRY_OPENMETRICS_H

#include <stdbool.h>

#include "base/buf.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Whether an Accept field (RFC 9110 12.5.1; NULL: none) wants it: it names the type, without a
 * version or with 1.0.0, and no less than the text format. */
bool openmetrics_wanted(const char *accept);
/* Our /metrics with exemplars as OpenMetrics, appended. */
void openmetrics_write(struct buf *out, struct span text);

#endif
