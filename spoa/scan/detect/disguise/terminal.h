/* Control sequences of terminals (ECMA-48), by what comes after their escape, however that is
 * written. What only looks goes; what moves leaves a mark in the first view, since it may part
 * words, and none in the next. So do the ends of a string of a command: a link's address is
 * text in the first view, and not there in the next. */
#ifndef SCAN_DETECT_DISGUISE_TERMINAL_H
#define SCAN_DETECT_DISGUISE_TERMINAL_H

#include "scan/detect/disguise/unescape.h"

#define TERMINAL_ESCAPE '\x1b'
#define TERMINAL_BELL	'\a'
/* Marks: a string begins; it ends, or something was moved. */
#define TERMINAL_STRING '\x1e'
#define TERMINAL_PARTED '\x1f'

struct terminal {
	size_t end; /* of the sequence in the text; 0: none begins here */
	char mark;  /* 0: none */
};

/* After an escape that is one byte. A sequence that the text's end cuts off ends there. */
struct terminal terminal_sequence(struct span t, size_t at);
/* The same from `at` on, where an escape or CSI may be spelled as u says: those sequences that
 * nothing else begins like. */
struct terminal terminal_spelled(struct span t, size_t at, const struct unescaped *u);
/* After CSI. */
struct terminal terminal_control(struct span t, size_t at);
/* CSI's bracket is at `at`, and no escape that other notations know is before it: *from is
 * where it is spelled (ESC[, #033[), or `at` where it was lost on the way and a colour or
 * `again`, another sequence just before, says what this was. */
struct terminal terminal_bracket(struct span t, size_t at, bool again, size_t *from);
/* Returns the positions [base, base + 64) as bits: a sequence of the text begins before such a
 * position and ends after it. */
uint64_t terminal_cut_bits(struct span t, size_t base);
/* Returns true if the last character before `at` (at > 0) is one that is not displayed. */
bool terminal_drops_before(struct span t, size_t at);
/* The mark that U+0080 to U+009F stands for; 0: none. */
char terminal_c1(uint32_t cp);
/* Where the string ends whose mark is at `at`, with what ends it; 0: it does not soon. */
size_t terminal_string(struct span t, size_t at);

#endif
