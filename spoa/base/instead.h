/* A text in the place of a file. */
#ifndef BASE_INSTEAD_H
#define BASE_INSTEAD_H

#include "base/span.h"

/* From here on buf_file() finds `text` in the place of `file`, and no other files than `others`
 * (each with a NUL after it). For a process that tries what somebody else wrote: what he names
 * he cannot have read. Views; once, before there are threads. */
void buf_file_instead(const char *file, struct span text, struct span others);

#endif
