/* Decides which closed segments are trimmed. keep.c appends a record before they are removed. */
#ifndef RECORD_ARCHIVE_TRIM_H
#define RECORD_ARCHIVE_TRIM_H

#include "record/archive/manifest.h"

#define TRIM_AT_ONCE 64 /* segments that one record names, at most */
#define SIX_MONTHS_S (183ll * 86400)

struct trim_rules {
	uint64_t age_s, size;  /* seconds; bytes of all segments; 0: no limit */
	bool below_six_months; /* the size limit may trim younger records than six months */
	int64_t now_s;	       /* the believed time, seconds since 1970 */
};

enum trim_due {
	TRIM_NOT,  /* the segment stays */
	TRIM_AGE,  /* older than age_s */
	TRIM_SIZE, /* the size limit is exceeded */
	/* the size limit is exceeded, but the segment is younger than six months */
	TRIM_TOO_YOUNG
};

/* Decides about the oldest segment if all segments together have `bytes` bytes. */
enum trim_due trim_due(const struct trim_rules *r, const struct manifest *m, uint64_t bytes);

#endif
