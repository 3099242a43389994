/* Control sequences of terminals (ECMA-48), recognized by the characters after their escape,
 * however the escape is written.
 *
 * A sequence that changes only the appearance is dropped. A sequence that moves the cursor may
 * separate words, so it leaves a mark in the first view, which is dropped in the next view. The
 * same holds for the ends of a command string: a link's address is text in the first view and
 * absent in the next. */
#ifndef SCAN_DETECT_DISGUISE_TERMINAL_H
#define SCAN_DETECT_DISGUISE_TERMINAL_H

#include "scan/detect/disguise/unescape.h"

#define TERMINAL_ESCAPE '\x1b'
#define TERMINAL_BELL	'\a'
/* Marks in a view: a command string begins; it ends, or the cursor was moved. */
#define TERMINAL_STRING '\x1e'
#define TERMINAL_PARTED '\x1f'

/* The result of looking for a sequence. */
struct terminal {
	size_t end; /* end of the sequence in the text; 0: no sequence begins here */
	char mark;  /* the mark to leave; 0: none */
};

/* Returns the sequence after an escape of one byte; `at` is after the escape. A sequence that
 * the end of the text cuts off ends there. */
struct terminal terminal_sequence(struct span t, size_t at);
/* The same for an escape or CSI at `at` that is spelled as u describes. Only sequences that
 * cannot be mistaken for other text are recognized. */
struct terminal terminal_spelled(struct span t, size_t at, const struct unescaped *u);
/* Returns the sequence after CSI. */
struct terminal terminal_control(struct span t, size_t at);
/* Looks for CSI whose bracket is at `at`, without an escape that another notation recognizes.
 * *from is set to where the escape is written (ESC[, #033[). If the escape was lost, *from is
 * `at`, and the sequence counts only if it is a color or if `again`: another sequence directly
 * precedes it. */
struct terminal terminal_bracket(struct span t, size_t at, bool again, size_t *from);
/* Returns the positions [base, base + 64) as bits. A bit is set if a sequence of the text begins
 * before the position and ends after it. */
uint64_t terminal_cut_bits(struct span t, size_t base);
/* Returns true if the last character before `at` (at > 0) is not displayed. */
bool terminal_drops_before(struct span t, size_t at);
/* Returns the mark for a code point from U+0080 to U+009F; 0: none. */
char terminal_c1(uint32_t cp);
/* Returns the end of the string whose mark is at `at`, including its terminator. Returns 0 if
 * the string does not end soon. */
size_t terminal_string(struct span t, size_t at);

#endif
