/* `telemetry.otlp` of tollgate.yaml: the collector that metrics and traces go to. */
#ifndef POLICY_CONFIG_OTLP_H
#define POLICY_CONFIG_OTLP_H

#include "policy/config/fields.h"

/* url NULL: no section. */
struct otlp_config {
	const char *url;	   /* /v1/traces and /v1/metrics are added; no / at its end */
	const char *headers_file;  /* "Name: value" lines, mode 600; NULL: none */
	const char *ca;		   /* PEM; NULL: the system's */
	double ratio;		   /* of requests without a caller's trace; default 0 */
	uint64_t metrics_every_us; /* default 60s */
	bool gzip;		   /* default false */
	const struct yaml_node *at;
};

extern const struct section otlp_section;

#endif
