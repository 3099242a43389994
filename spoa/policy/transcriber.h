/* A transcriber in its compiled form: a service that writes down the speech in a sound
 * (docs/media.md). Lives in the policy's arena. */
#ifndef POLICY_TRANSCRIBER_H
#define POLICY_TRANSCRIBER_H

#include "scan/speech/transcript.h"

struct cel_program;
struct yaml_node;

struct transcriber {
	const char *name;
	const struct yaml_node *at;
	const char *url, *ca_file;
	const char *authorization; /* header line; NULL: none */
	struct transcript_form form;
	const struct cel_program *when; /* NULL: always */
	uint64_t deadline_us;		/* for one sound, from the request's question on */
	uint64_t concurrency;		/* concurrent calls of each worker */
	uint64_t max_s;			/* longest sound, in seconds */
	uint64_t breaker_failures, breaker_open_us;
	bool mixed;  /* a compressed sound of several channels is sent as it is */
	bool cached; /* transcripts are remembered by the sound's keyed hash */
	/* on_failure: permit: a sound that it could not transcribe counts as inspected */
	bool passes;
};

#endif
