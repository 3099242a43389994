/* Reads the arguments of a tool that calls another one. A client with many tools may offer one tool
 * instead of all of them. The model then names the tool in the arguments:
 * {"name": "write_file", "arguments": {"file_path": "a", "content": "b"}}. */
#ifndef ANSWER_WRAPPED_H
#define ANSWER_WRAPPED_H

#include "base/arena.h"
#include "base/span.h"

struct wrapped_call {
	struct span name;
	struct span arguments; /* a JSON value as it was written, or the text of a string */
};

/* Reads the members `name`, `tool_name` or `tool`, and `arguments`, `args`, `input` or
 * `parameters`. If several are present, the first of this order counts. Returns false if the
 * arguments are not a JSON object or name no tool. The results borrow from `json` and the arena. */
bool wrapped_call(struct span json, struct arena *a, struct wrapped_call *out);

#endif
