/* A policy's text that the user gives, which is used in place of the configured policy
 * file. */
#ifndef CMD_GIVEN_H
#define CMD_GIVEN_H

#include "base/span.h"

/* Makes `text` the content of the configured policy file for the rest of the process.
 * Errors name that file, and the policy can name only files that the policy in force reads.
 * May be called once in a process; `text` must stay valid. Returns the name of the policy
 * file, or NULL after a message. */
const char *given_policy(const char *what, const char *config, struct span text);
/* Calls given_policy() with all of standard input as the text. */
const char *given_policy_stdin(const char *what, const char *config);

#endif
