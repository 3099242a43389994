/* A sample text for measurements, equal in every run: e-mail, prose, code, logs, tables and
 * JSON in the proportions of a company's prompts, with varying numbers and names. */
#ifndef SCAN_DETECT_CUSTOM_SAMPLE_TEXT_H
#define SCAN_DETECT_CUSTOM_SAMPLE_TEXT_H

#include "base/buf.h"

/* Appends pieces until `out` has at least `bytes` bytes. */
void sample_text(struct buf *out, size_t bytes);

#endif
