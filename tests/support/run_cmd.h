/* Runs a subcommand in a child. Returns its exit code and stores both outputs. Its files are in
 * the test's own folder. */
#ifndef TESTS_RUN_CMD_H
#define TESTS_RUN_CMD_H

#include "cmd/cmd.h"
#include "scan/detect/detect.h"
#include "scan/inject/inject.h"
#include "support/calm_fork.h"
#include "support/temp_dir.h"

extern char cmd_out[4 << 20], cmd_err[65536];

/* Reads a file of the folder into `to`, at most size - 1 bytes. */
void cmd_slurp(const char *name, char *to, size_t size);

/* Loads what the commands of a program load, before they are forked. */
void cmd_warm(void);

/* argv begins with the subcommand and ends with NULL. */
int tollgate_argv(const char *in, const char *const *args);

/* The arguments end with NULL. */
int tollgate(const char *in, ...);

#endif
