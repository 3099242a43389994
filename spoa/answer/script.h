/* Determines whether a script of an interpreter only works with files of its machine. */
#ifndef ANSWER_SCRIPT_H
#define ANSWER_SCRIPT_H

#include "base/span.h"

/* Returns true if a program in Python only uses modules that open no connection and start no
 * program, and has no way to name others (`eval`, `getattr`, names with two underscores). Texts in
 * quotes do not count. Returns false in doubt. */
bool python_stays(struct span script);
/* Returns true if a script of `perl -pe` only substitutes, without code in the pattern or in the
 * replacement. */
bool perl_stays(struct span script);
/* Returns true if a script of sed only substitutes: s/x/y/ with flags, separated by ";" or
 * newlines, each perhaps for some lines. Other commands and the flags e and w may run programs
 * or write elsewhere. */
bool sed_stays(struct span script);

#endif
