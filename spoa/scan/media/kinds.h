/* Private to scan/media/: whether a file may be what a type says. */
#ifndef SCAN_MEDIA_KINDS_H
#define SCAN_MEDIA_KINDS_H

#include "scan/media/media_file.h"

/* `declared` as of file_read(). */
bool file_kind_fits(enum file_magic k, struct span declared);
/* Sets of kinds. */
#define FILE_IS(kind) (UINT64_C(1) << (kind))
/* Kinds whose magic number, one that does not occur by chance, begins after the first byte. */
uint64_t file_kinds_inside(struct span head);

#endif
