/* A program, or a function of ours, that reads a hostile file: a child of process 1 of a cage,
 * with the limits and system calls of a tool (extract/cage.h). */
#ifndef EXTRACT_TOOL_H
#define EXTRACT_TOOL_H

#include "base/buf.h"
#include "extract/extract.h"

struct tool {
	const char *path;	 /* inside of the cage; NULL: `call` is run */
	const char *const *argv; /* NULL at the end */
	/* appends its result to the buffer; runs under the same limits as a tool */
	void (*call)(struct buf *out);
	unsigned cpu_s;
	size_t out_bytes;  /* a tool with more output is ended, with EXTRACT_TOO_LARGE */
	uint64_t until_us; /* monotonic, as clock_mono_us() */
};

/* The end of a tool. */
struct tool_end {
	enum extract_error error; /* EXTRACT_READ: exit code 0 */
	struct buf out, err;
};
void tool_end_free(struct tool_end *end);
/* frees it at the end of its scope */
#define SCOPED_TOOL_END(name, end_)                                                            \
	__attribute__((cleanup(tool_end_free))) struct tool_end name = (end_)

/* Runs a tool with the document as standard input, from its beginning. */
struct tool_end tool_run(const struct tool *t);
/* Runs `from` on the document, and `to` on its output. Returns the end of `to`, or that of
 * `from` if it failed. */
struct tool_end tool_pipe(const struct tool *from, const struct tool *to);

#endif
