/* Decisions in each minute of the last two days and in each hour of the last ninety days, in
 * total and by name. Values are those of budget/trends/rates.h. A file keeps them over a
 * restart. Fixed memory: each kind has room for a number of names (TRENDS_KINDS). If a kind is
 * full, the names with the lowest cost leave: their values become part of "other". A slot keeps
 * TRENDS_SLOT_NAMES names of each kind. After two hours and a half, the values of names are
 * kept in steps of five minutes, and after sixteen days in steps of a day. The total keeps its
 * minutes and hours. One thread adds, any thread reads: a lock of its own.
 *
 * The file has a line for each fact, in the order in which they came; a later line for the same
 * minute adds to the earlier one:
 *
 *   tollgate-trends 1 permit redact …        the names of the values, by their number
 *   name 3 route "chat"                      row 3 from here on; rows have numbers from 0 on
 *   minute 29412345 0.0=12 3.0=12 3.5=840    minutes since 1970, ROW.VALUE=NUMBER
 *   hour 490205 0.0=700
 *
 * Rows from 256 on have a line of their own, because earlier versions leave such a line out. A
 * line that cannot be read is left out, as the torn line of a crash is. */
#ifndef BUDGET_TRENDS_TRENDS_H
#define BUDGET_TRENDS_TRENDS_H

#include "budget/trends/rates.h"

/* Kinds of names: the word, and how many names have rows. The order is that of enum rates_by.
 */
/* clang-format off */
#define TRENDS_KINDS(X) \
  X("total", 0) X("route", 64) X("target", 64) X("model", 96) X("team", 192) X("rule", 192) \
  X("person", 384) X("key", 384) X("tool", 192)
/* clang-format on */
enum { TRENDS_PERSON = RATES_BY, TRENDS_KEY, TRENDS_TOOL, TRENDS_BY };
#define X(word, room) +(room)
enum {
	TRENDS_ROWS = TRENDS_BY TRENDS_KINDS(X),
	TRENDS_SLOT_NAMES = 24, /* names of each kind in a slot: those with the highest cost */
	TRENDS_MINUTES = 2 * 24 * 60,
	TRENDS_HOURS = 90 * 24,
	TRENDS_STEPS = 288, /* the most steps of a range */
};
#undef X
/* Returns the kind that the word names ("provider" means target), or TRENDS_BY. */
unsigned trends_by_of(const char *word);

enum trends_range { TRENDS_1H, TRENDS_24H, TRENDS_7D, TRENDS_90D, TRENDS_RANGES };
extern const char *const trends_range_names[TRENDS_RANGES]; /* "1h", "24h", "7d", "90d" */

struct trends;
/* Reads the file. If there is none, the first minute makes it. `path` NULL: no file is used.
 * Returns NULL without memory. A file that cannot be read or written is logged. */
struct trends *trends_open(const char *path);
void trends_close(struct trends **t);
/* Takes in the last minute of r and of the workers' heavy hitters, which ended at wall_ns. Call
 * it once a minute, a second or more after heavy_turn(). */
void trends_minute(
	struct trends *t, struct rates *r, const struct rates_source *from, int64_t wall_ns);

struct trends_asked {
	unsigned by;	  /* enum rates_by, or TRENDS_PERSON, … */
	const char *name; /* NULL: the names with the highest cost, and "other" */
	enum trends_range range;
};
/* JSON without its braces: "range", "step_s", "steps", "from", "until", "series" and "before",
 * of the sum of `n` trends, two at most. An element of a series is null where no daemon ran.
 * Medians of several minutes are means weighted by requests, other quantiles the highest.
 * "other" has no quantiles. */
void trends_json(struct trends *const *t, size_t n, const struct trends_asked *asked,
	int64_t wall_ns, struct buf *out);

/* ---- several daemons: the lines of each, in one ---- */

/* Appends the lines since the last call. Appends all lines if `whole` is set, at the first
 * call, and if too many lines were not sent yet. Returns true if these are all lines, which
 * replace earlier ones. */
bool trends_since(struct trends *t, bool whole, struct buf *out);
/* Reads lines of one daemon into t, which adds them up. One reader for each daemon; free() ends
 * it. NULL: out of memory. */
struct trends_reader;
struct trends_reader *trends_reader_new(struct trends *t);
/* Reads whole lines; the first call gets all lines. A line that cannot be read is left out. */
void trends_read(struct trends_reader *r, struct span lines);

#endif
