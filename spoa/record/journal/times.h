/* The time of the last record, as far as the journal shows that the clock was right. */
#ifndef RECORD_JOURNAL_TIMES_H
#define RECORD_JOURNAL_TIMES_H

#include <stdint.h>

/* ns; there is no time */
#define TIMES_UNKNOWN INT64_MIN

/* Returns the time of the node's last record in ns since 1970. If a segment's times leap
 * ahead by more than `leap_ns`, they are not believed until the daemon has run for a day: only
 * the duration of such segments counts. Therefore a clock that was wrong at the previous start
 * does not confirm itself. If a clock is behind and is set forward to its earlier time while
 * the daemon runs, that is not a leap. The result is too early if the machine was off, or its
 * clock was behind, for longer than `leap_ns`. Returns TIMES_UNKNOWN if there is no record or
 * it cannot be read, which a start reports elsewhere. */
int64_t journal_last_time(const char *dir, const char *node, int64_t leap_ns);

#endif
