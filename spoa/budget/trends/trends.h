/* Decisions in each minute of the last two days and in each hour of the last ninety days. Values and kinds of names are
 * those of budget/trends/rates.h. A file keeps them over a restart. Fixed
 * memory: at most TRENDS_NAMES names of all kinds, beyond which a name is "other"; an hour or minute takes
 * some 4 bytes for each value that is not 0. One thread adds, any thread reads: a lock of its own.
 *
 * The file has a line for each fact, in the order in which they came; a later line for the same minute adds
 * to the earlier one:
 *
 *   tollgate-trends 1 permit redact …        the names of the values, by their number
 *   name 3 route "chat"                      row 3; rows have numbers from 0 on
 *   minute 29412345 0.0=12 3.0=12 3.5=840    minutes since 1970, ROW.VALUE=NUMBER
 *   hour 490205 0.0=700
 *
 * A line that cannot be read is left out, as the torn line of a crash is. */
#ifndef BUDGET_TRENDS_TRENDS_H
#define BUDGET_TRENDS_TRENDS_H

#include "budget/trends/rates.h"

enum {
	TRENDS_NAMES = 256,
	TRENDS_MINUTES = 2 * 24 * 60,
	TRENDS_HOURS = 90 * 24,
	TRENDS_STEPS = 288, /* of a range at most */
};

enum trends_range { TRENDS_1H, TRENDS_24H, TRENDS_7D, TRENDS_90D, TRENDS_RANGES };
extern const char *const trends_range_names[TRENDS_RANGES]; /* "1h", "24h", "7d", "90d" */

struct trends;
/* Reads the file; where none is, one is made with the first minute. `path` NULL: there is no file. Returns NULL
 * without memory. A file that
 * cannot be read is logged (trends.unread), and what is written is as well (trends.unwritten). */
struct trends *trends_open(const char *path);
void trends_close(struct trends **t);
/* Takes in the last minute of r, which ended at wall_ns. Call it once a minute. */
void trends_minute(struct trends *t, struct rates *r, int64_t wall_ns);
/* JSON without its braces: "range", "step_s", "steps", "from", "until", "series" and "before". An element of a
 * series is null where the daemon did not run. Medians of several minutes are means weighted by requests,
 * other quantiles the highest. */
void trends_json(struct trends *t, enum rates_by by, enum trends_range range, int64_t wall_ns,
	struct buf *out);

/* ---- several daemons: what each of them wrote, in one ---- */

/* Appends the lines since the last call, or all lines if `whole`, at the first call, and where too many are due.
 * Returns whether these are all lines, which replace those before. */
bool trends_since(struct trends *t, bool whole, struct buf *out);
/* Reads lines of one daemon into t, which adds them up. One reader for each daemon; free() ends it. NULL: out of
 * memory. */
struct trends_reader;
struct trends_reader *trends_reader_new(struct trends *t);
/* Whole lines, all of them first. What cannot be read is left out. */
void trends_read(struct trends_reader *r, struct span lines);

#endif
