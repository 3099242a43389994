/* Private to scan/media/: whether a file may be what a type says. */
#ifndef SCAN_MEDIA_KINDS_H
#define SCAN_MEDIA_KINDS_H

#include "scan/media/media_file.h"

/* `declared` as of file_read(). */
bool file_kind_fits(enum file_magic k, struct span declared);
/* The kind of another file whose magic number, one that does not occur by chance, begins
 * exactly here; FILE_OTHER: none. */
enum file_magic file_kind_strong(struct span bytes);

#endif
