/* All of /metrics as OTLP's JSON: cumulative since the process began. A name is that of /metrics
 * without its unit and _total, with tollgate. before it: what OpenTelemetry's rules for Prometheus
 * turn back into the same. */
#ifndef OPERATOR_TELEMETRY_OTLP_METRICS_H
#define OPERATOR_TELEMETRY_OTLP_METRICS_H

#include "operator/telemetry/gen_ai.h"
#include "operator/telemetry/otlp_json.h"

/* `text`: /metrics with exemplars. How many points there are. */
size_t otlp_metrics_write(struct buf *out, const struct otlp_resource *r, struct span text,
	struct gen_ai *g, int64_t start_ns, int64_t now_ns);

#endif
