/* What goes to telemetry next to a record: what the record does not say, or says only in words. It
 * is made where somebody is told (audit_tell()), by the worker, which copies and computes nothing. */
#ifndef RECORD_AUDIT_NOTE_H
#define RECORD_AUDIT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	NOTE_ID = 26,
	NOTE_TRACE = 55,
	NOTE_STAGES = 12,
	NOTE_ATTEMPTS = 8,
	NOTE_MODEL = 64
};

struct audit_note {
	bool completion;	   /* else a decision */
	char id[NOTE_ID + 1];
	char trace[NOTE_TRACE];	   /* the caller's traceparent; begins with NUL: none */
	uint64_t begun_us;	   /* monotonic: the request arrived */
	int64_t begun_ns;	   /* and by the wall's clock */
	const char *format;	   /* of the dialect's family; lives forever; NULL: none */
	const char *endpoint;	   /* likewise */
	char model[NOTE_MODEL];	   /* as metrics name it: "", "other" where it is no known name */
	uint32_t stage_us[NOTE_STAGES]; /* by enum tally_stage: those that ended before */
	/* of a completion */
	const char *outcome; /* a fixed word */
	int status;	     /* the provider's; 0: none */
	/* monotonic; 0: never. Of streams `first_us` is their first text */
	uint64_t sent_us, first_us, ended_us;
	uint64_t events; /* of a stream */
	int64_t input_tokens, output_tokens;
	bool used; /* they are known */
	unsigned attempts;
	struct {
		uint64_t begun_us, took_us;
	} attempt[NOTE_ATTEMPTS];
};

#endif
