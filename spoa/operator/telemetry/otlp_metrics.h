/* Writes /metrics as OTLP's JSON, cumulative since the start of the process. A metric's name is
 * "tollgate." and the name in /metrics without tollgate_, unit and _total, so that
 * OpenTelemetry's rules for Prometheus restore the original name. */
#ifndef OPERATOR_TELEMETRY_OTLP_METRICS_H
#define OPERATOR_TELEMETRY_OTLP_METRICS_H

#include "operator/telemetry/gen_ai.h"
#include "operator/telemetry/otlp_json.h"

/* Appends the metrics of `text` (/metrics with exemplars) and of `g`. Times are wall times in
 * ns. Returns the number of points. */
size_t otlp_metrics_write(struct buf *out, const struct otlp_resource *r, struct span text,
	struct gen_ai *g, int64_t start_ns, int64_t now_ns);

#endif
