/* An external recognizer in its compiled form: a service that the gateway asks about segments.
 * Lives in the policy's arena. */
#ifndef POLICY_EXTERNAL_H
#define POLICY_EXTERNAL_H

#include "policy/effect.h"
#include "policy/entities.h"
#include "scan/recognizer/recognizer.h"

/* A recognizer of detectors.external. */
struct external {
	const char *name; /* equal to rec.name */
	const struct yaml_node *at;
	struct recognizer rec;
	const char *url, *ca_file;
	const char **fields; /* header lines of each request */
	size_t nfields;
	const struct provider_credential *credential; /* of tollgate.yaml; NULL: none */
	uint64_t timeout_us;  /* µs for all calls of one request together */
	uint64_t concurrency; /* concurrent calls of each worker */
	uint64_t max_bytes;   /* the most bytes of segments in one call; a longer segment is
			       * not sent */
	const struct cel_program *when; /* NULL: always */
	bool reads_target;
	unsigned roles;	  /* bit by enum seg_role: segments that are sent */
	bool own_outcome; /* `outcome` replaces on_failure.classifier */
	enum outcome outcome;
	uint64_t cache_entries, cache_ttl_us; /* 0: results are not kept */
	uint64_t breaker_failures, breaker_open_us;
	struct entity_set entities; /* entities that it may report */
};

#endif
