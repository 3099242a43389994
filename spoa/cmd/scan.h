/* What classify and redact share: the shipped rules, and their input, which is
 * one text or JSON lines {"text", "role"?}. */
#ifndef CMD_SCAN_H
#define CMD_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "detect/detect.h"

struct scan_text {
	struct span text; /* decoded */
	struct span line; /* JSON lines: the whole line, else empty */
	size_t from, to;  /* JSON lines: the raw text in `line`, between its quotes */
	struct findings findings;
};

struct scan {
	const struct detect_rules *rules;
	struct arena *arena; /* reset after each text */
	struct buf *out;     /* written to stdout after each text */
	void *arg;
};

/* Classifies standard input and calls `each` per text. An exit code; errors are
 * on stderr. */
int scan_input(const char *command, bool jsonl,
	int (*each)(struct scan *s, const struct scan_text *t), void *arg);

/* Writes all of `out` to stdout and empties it; false with errno. */
bool scan_write(struct buf *out);

#endif
