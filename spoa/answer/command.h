/* Determines whether a shell command only writes files of the machine on which it runs. */
#ifndef ANSWER_COMMAND_H
#define ANSWER_COMMAND_H

#include <stddef.h>

#include "base/span.h"

/* Returns true if everything in the command stays on the machine: it consists of commands that
 * write, move or read files (`cat > f <<'EOF'`, `tee`, `apply_patch`, …), or is itself a patch
 * ("*** Begin Patch"). Returns false in doubt: for any other program, for a substitution of a
 * command, and for text that cannot be parsed. */
bool command_stays(struct span text);

/* Returns true if the command contains a program that sends its arguments to another machine:
 * `curl`, `ssh`, `mail`, …, also behind `sudo` or in the script of another shell. */
bool command_sends(struct span text);

/* The meaning of a list of strings in the arguments of a tool that runs commands. */
enum command_list {
	LIST_OF_TEXTS, /* each string stands alone: a command, a file, an option */
	LIST_STAYS,    /* one command line, as command_stays() */
	LIST_HOST,     /* one command line that contains a URL or a host, or a program that sends */
	LIST_LEAVES,   /* any other command line */
};
/* Determines what the list is, by its decoded strings and by the name of its member, which may be
 * empty: ["curl", "-d", "x"] is one command line, ["make all", "make test"] is not. Returns
 * LIST_HOST if memory is out. */
enum command_list command_list(struct span member, const struct span *words, size_t n);

#endif
