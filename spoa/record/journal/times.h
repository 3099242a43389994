/* The last time that a journal was written to, by a clock that was right as far as the journal
 * can tell. */
#ifndef RECORD_JOURNAL_TIMES_H
#define RECORD_JOURNAL_TIMES_H

#include <stdint.h>

#define TIMES_UNKNOWN INT64_MIN

/* The time of the node's last record, in ns since 1970. Times of segments that leap ahead by more
 * than `leap_ns` are not believed until the daemon has run on for a day: of such segments only the
 * time that they took counts. So a clock that was wrong at the start before this one does not
 * confirm itself. A clock that is behind, and is set forward under the running daemon to where it was
 * before, is no leap. The result is too early if the machine was off, or its clock behind, for longer
 * than `leap_ns`. TIMES_UNKNOWN: there is no record, or it cannot be read; a start reports that
 * elsewhere. */
int64_t journal_last_time(const char *dir, const char *node, int64_t leap_ns);

#endif
