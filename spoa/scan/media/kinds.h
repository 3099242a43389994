/* Kinds of files: comparison with a declared type, and the search for a second file inside a
 * file. Private to scan/media/. */
#ifndef SCAN_MEDIA_KINDS_H
#define SCAN_MEDIA_KINDS_H

#include "scan/media/media_file.h"

/* Returns true if a file of kind k can have the declared type, as file_read() describes. */
bool file_kind_fits(enum file_magic k, struct span declared);
/* The bit of a kind in a set of kinds. */
#define FILE_IS(kind) (UINT64_C(1) << (kind))
/* Returns the kinds whose magic number begins after the first byte of `head`. Only magic
 * numbers that do not occur by chance are searched. */
uint64_t file_kinds_inside(struct span head);

#endif
