/* The identity of this program: the commit that it was built from, and the build id from the
 * linker. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stddef.h>

/* Returns the abbreviated commit, with "+changed" if the tree had changes, or "unknown". */
const char *program_commit(void);
enum { PROGRAM_BUILD_ID = 64 + 1 };
/* Writes the GNU build id in hexadecimal digits, or "" if the program was linked without one.
 * Returns `out`. */
const char *program_build_id(char out[PROGRAM_BUILD_ID]);

#endif
