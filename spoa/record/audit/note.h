/* Data for telemetry next to a record: values that the record does not have, or has only in
 * words. Only made if telemetry is used (audit_tell()). The worker fills it in, copying
 * values and computing nothing. */
#ifndef RECORD_AUDIT_NOTE_H
#define RECORD_AUDIT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

enum { NOTE_ID = 26, NOTE_TRACE = 55, NOTE_STAGES = 12, NOTE_ATTEMPTS = 8, NOTE_MODEL = 64 };

struct audit_note {
	bool completion; /* false: a decision */
	char id[NOTE_ID + 1];
	char trace[NOTE_TRACE]; /* the caller's traceparent; "": none */
	uint64_t begun_us;	/* monotonic µs: the request arrived */
	int64_t begun_ns;	/* begun_us as wall clock, ns since 1970 */
	/* format of the dialect's family, a static string; NULL: none */
	const char *format;
	const char *endpoint; /* endpoint of the request, a static string; NULL: none */
	/* the model's label in metrics: "", or "other" if its name is not known */
	char model[NOTE_MODEL];
	/* µs of the steps that have ended, by enum tally_stage */
	uint32_t stage_us[NOTE_STAGES];
	/* The rest: only of a completion. */
	const char *outcome; /* a static string */
	int status;	     /* the provider's status; 0: none */
	/* monotonic µs; 0: never. first_us of a stream: its first text */
	uint64_t sent_us, first_us, ended_us;
	uint64_t events; /* events of a stream */
	int64_t input_tokens, output_tokens;
	bool used; /* the numbers of tokens are known */
	unsigned attempts;
	struct {
		uint64_t begun_us, took_us;
	} attempt[NOTE_ATTEMPTS];
};

#endif
