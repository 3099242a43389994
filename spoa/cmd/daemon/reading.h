/* Who read records: a command that shows some tells the daemon, whose record of type "read"
 * says who (the user at the admin socket), which command, what it was asked for and how many
 * records it showed. A read never fails for it: where it is not recorded, one line on standard
 * error says why. */
#ifndef CMD_DAEMON_READING_H
#define CMD_DAEMON_READING_H

#include <jansson.h>

#include "cmd/cmd.h"

/* Begins what ends with reading_end, once a process. `what`: "audit list"; `config`: as for
 * config_find. Names and values of the options that were given are recorded, but for those that
 * may hold a text, a secret or a place; operands too. From here on whoever ends the command by
 * a signal, or its reader by closing the pipe, has it told first. */
void reading_begin(const char *what, const char *config, const struct cmd_option *options,
	char *const *operands, int noperands);
/* Where records are read: each NULL or a journal's folder, a URL, a file. As often as there are
 * places. What is not this daemon's own is not recorded, which is said. None: the configured
 * journal. */
void reading_of(const char *journal, const char *redis, const char *file);
/* Something more that was asked for; `value` is given away. */
void reading_asked(const char *name, json_t *value);
/* Times that were asked for, as they were understood; 0: none. */
void reading_window(int64_t from_ns, int64_t until_ns);
/* It goes on until it is ended (--follow): told at its begin too. */
void reading_follows(void);
/* Nothing is said where it is not recorded: no record is shown (audit verify). */
void reading_quietly(void);
/* One more was shown. */
void reading_add(uint64_t records);
/* Tells the daemon, unless it was not begun, or nothing was read. Returns `code`, which is the
 * command's. */
int reading_end(int code);

#endif
