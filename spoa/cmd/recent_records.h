/* The newest records of a journal, for the notes of `tollgate check`. */
#ifndef CMD_RECENT_RECORDS_H
#define CMD_RECENT_RECORDS_H

#include "base/span.h"

enum { RECENT_BYTES = 16 << 20 };

/* Reads the last RECENT_BYTES of a journal, at most, the newest segment first, and calls each()
 * with each whole line. A segment that cannot be read is skipped. Returns the number of
 * segments in the journal; 0 if the journal cannot be read. */
size_t recent_records(
	const char *journal, void (*each)(void *arg, struct span line), void *arg);

#endif
