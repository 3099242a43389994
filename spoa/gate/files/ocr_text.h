/* Values that OCR wrote wrongly: a space inside, or a character for one of the same shape
 * (0 and O, 1 and I). Only values with a checksum or a fixed form are corrected, because
 * other texts do not show the mistake. The corrections are guesses. Pure functions,
 * without I/O; any thread. */
#ifndef GATE_FILES_OCR_TEXT_H
#define GATE_FILES_OCR_TEXT_H

#include "base/buf.h"
#include "base/span.h"

/* Appends each corrected value of a text to `out`, one on a line, behind up to 40 bytes that
 * precede it in its line. Appends nothing if no value had to be corrected, and at most twice as
 * many bytes as the text has. Takes time linear in the text. */
void ocr_text_correct(struct span text, struct buf *out);

#endif
