/* Determines whether a shell command only writes files of the machine on which it runs. */
#ifndef ANSWER_COMMAND_H
#define ANSWER_COMMAND_H

#include "base/span.h"

/* Returns true if everything in the command stays on the machine: it consists of commands that
 * write, move or read files (`cat > f <<'EOF'`, `tee`, `apply_patch`, …), or is itself a patch
 * ("*** Begin Patch"). Returns false in doubt: for any other program, for a substitution of a
 * command, and for text that cannot be parsed. */
bool command_stays(struct span text);

#endif
