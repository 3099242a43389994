/* Records who reads records. A command that shows records reports this to the daemon, which writes a
 * record of type "read": the user (as the admin socket knows them), the command, its
 * options, and the number of records shown. If the daemon cannot record this, the command
 * still succeeds, and one line on stderr gives the reason. */
#ifndef CMD_DAEMON_READING_H
#define CMD_DAEMON_READING_H

#include <jansson.h>

#include "cmd/cmd.h"

/* Starts a reading, once in a process; reading_end() ends it. `what` is the command, such
 * as "audit list"; `config` is as for config_find(). Operands, and names and values of
 * options, are recorded, except for options that may hold a text, a secret or a place. From
 * now on, a signal that ends the command and a closed pipe first report the reading to the
 * daemon. */
void reading_begin(const char *what, const char *config, const struct cmd_option *options,
	char *const *operands, int noperands);
/* Notes a place that is read: a journal's folder, a URL or a file; the others are NULL, and
 * all three are NULL for the configured journal. May be called for several places. Reading
 * a place that is not the daemon's own is not recorded, and a message reports this. */
void reading_of(const char *journal, const char *redis, const char *file);
/* Adds a further parameter of the reading and takes ownership of `value`. */
void reading_asked(const char *name, json_t *value);
/* Adds the period that was requested, in nanoseconds since 1970; 0: no bound. */
void reading_window(int64_t from_ns, int64_t until_ns);
/* The command runs until it is ended (--follow), so the reading is also reported when it
 * begins. */
void reading_follows(void);
/* Suppresses the message that a reading was not recorded, for a command that shows no
 * record (audit verify). */
void reading_quietly(void);
/* Adds to the number of records that were shown. */
void reading_add(uint64_t records);
/* Reports the reading to the daemon, unless it was never begun or nothing was read. Returns
 * `code`, the command's exit code. */
int reading_end(int code);

#endif
