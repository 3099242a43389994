/* telemetry.otlp of tollgate.yaml: the collector that receives metrics and traces. */
#ifndef POLICY_CONFIG_OTLP_H
#define POLICY_CONFIG_OTLP_H

#include "policy/config/fields.h"

/* url is NULL if the section is missing. Strings live in the configuration's arena. */
struct otlp_config {
	/* the URL without '/' at its end; /v1/traces and /v1/metrics are appended */
	const char *url;
	const char *headers_file; /* "Name: value" lines, mode 600; NULL: none */
	const char *ca;		  /* authorities, PEM; NULL: the system's */
	/* share of requests without a caller's trace that are traced, 0 to 1; default 0 */
	double ratio;
	uint64_t metrics_every_us;  /* default 60 s */
	bool gzip;		    /* default false */
	const struct yaml_node *at; /* node that errors name */
};

extern const struct section otlp_section;

#endif
