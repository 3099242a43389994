/* A text to measure with, the same in every run: e-mail, prose, code, logs, tables and
 * JSON in the proportions of a company's prompts, with numbers and names that change. */
#ifndef SCAN_DETECT_CUSTOM_SAMPLE_TEXT_H
#define SCAN_DETECT_CUSTOM_SAMPLE_TEXT_H

#include "base/buf.h"

/* Appends pieces until `bytes` or more are there. */
void sample_text(struct buf *out, size_t bytes);

#endif
