/* A policy's text that somebody gives, in the place of the file that the configuration names.
 */
#ifndef CMD_GIVEN_H
#define CMD_GIVEN_H

#include "base/span.h"

/* From here on the policy's file has this text, its errors are of that file, and it can name
 * only files that the policy in force reads. Once a process; `text` stays. Returns the file's
 * name, NULL after a message. */
const char *given_policy(const char *what, const char *config, struct span text);
/* The same of all of standard input. */
const char *given_policy_stdin(const char *what, const char *config);

#endif
