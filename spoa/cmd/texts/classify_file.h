/* `tollgate classify --file`: the findings in a PDF, an Office document, a picture or an archive, each
 * with its place, and the parts that were not read. */
#ifndef CMD_TEXTS_CLASSIFY_FILE_H
#define CMD_TEXTS_CLASSIFY_FILE_H

#include <stdbool.h>

/* Reads the file with a tollgate-extract of its own, and prints lines or JSON. `policy` may be NULL.
 * Returns EXIT_DONE, EXIT_NO if a part was not read, or EXIT_CANNOT after a message. */
int classify_file(const char *file, const char *policy, bool json);

#endif
