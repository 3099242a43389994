/* A text in the place of a file. */
#ifndef BASE_INSTEAD_H
#define BASE_INSTEAD_H

#include "base/buf.h"

/* What a file is read as. Whoever reads one as another thing than YAML of a policy says so first,
 * and sets back what was said before, which is returned. */
enum file_kind { FILE_OF_POLICY = 'p', FILE_OF_CONFIGURATION = 'c', FILE_OF_WORDS = 'w' };
enum file_kind buf_file_kind(enum file_kind kind);
/* buf_file() of that kind. */
bool buf_file_as(enum file_kind kind, struct buf *b, const char *file);
/* From here on each file that buf_file() reads is noted in *out: its kind, its name and a NUL.
 * NULL: no more. */
void buf_files_noted(struct buf *out);
/* From here on buf_file() finds `text` in the place of `file`, and no other files than those that
 * were noted, each as what it was read as then. For a process that tries what somebody else wrote:
 * what he names he cannot have read. Views; once, before there are threads. */
void buf_file_instead(const char *file, struct span text, struct span noted);

#endif
