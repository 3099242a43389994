/* The rows of a policy's `tools`: the use that a tool makes of its arguments. One table serves
 * every part of the gateway that must know this about a tool. */
#ifndef POLICY_TOOLS_H
#define POLICY_TOOLS_H

#include "base/span.h"

struct yaml_node;

/* All but the last are words of the policy. */
enum tool_arguments {
	ARGUMENTS_STAY,    /* stay: written to files of the caller's machine */
	ARGUMENTS_COMMAND,  /* command: a shell command, which itself determines where they go */
	ARGUMENTS_LEAVE,   /* leave: sent to other machines */
	ARGUMENTS_CALL,    /* call: they name another tool, whose row applies (answer/wrapped.h) */
	ARGUMENTS_UNLISTED, /* no row has the name */
};

struct tool_row {
	const char **names; /* patterns, as glob() reads them */
	size_t nnames;
	enum tool_arguments arguments;
	const struct yaml_node *at;
};

/* Returns the first row with a pattern that matches the name of a tool, or NULL. The name is
 * compared as the model writes it, with letter case. */
const struct tool_row *policy_tool_row(const struct tool_row *rows, size_t n, struct span name);
/* Returns what becomes of the tool's arguments. */
enum tool_arguments policy_tool_arguments(
	const struct tool_row *rows, size_t n, struct span name);

#endif
