/* Which closed segments are to go, and the record that says so before they do. */
#ifndef RECORD_ARCHIVE_TRIM_H
#define RECORD_ARCHIVE_TRIM_H

#include "record/archive/manifest.h"

#define TRIM_AT_ONCE 64 /* segments in a record */
#define SIX_MONTHS_S (183ll * 86400)

struct trim_rules {
	uint64_t age_s, size; /* 0: none */
	bool below_six_months;
	int64_t now_s;
};

enum trim_due {
	TRIM_NOT,
	TRIM_AGE,
	TRIM_SIZE,
	TRIM_TOO_YOUNG /* the size wants it, six months forbid it */
};

/* Of the oldest segment, where all take `bytes`. */
enum trim_due trim_due(const struct trim_rules *r, const struct manifest *m, uint64_t bytes);
/* The inside of a record of type trim. */
void trim_fields(struct buf *out, const struct manifest *m, size_t n, enum trim_due why,
	const char *archive);

#endif
