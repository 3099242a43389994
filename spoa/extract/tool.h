/* A program, or a function of ours, that reads a hostile file: a child of process 1 of a cage,
 * with a tool's limits and system calls (extract/filter.h). */
#ifndef EXTRACT_TOOL_H
#define EXTRACT_TOOL_H

#include "base/buf.h"
#include "extract/extract.h"

struct tool {
	const char *path;	 /* inside the cage; NULL: `call` */
	const char *const *argv; /* NULL at the end */
	/* Writes what it found to the buffer; of a hostile file, as the tools are. */
	void (*call)(struct buf *out);
	unsigned cpu_s;
	size_t out_bytes;  /* more: it is ended, and that is EXTRACT_TOO_LARGE */
	uint64_t until_us; /* by clock_mono_us() */
};

struct tool_end {
	enum extract_error error; /* of how it ended; EXTRACT_READ: with 0 */
	struct buf out, err;
};
void tool_end_free(struct tool_end *end);
/* Freed where its scope ends. */
#define SCOPED_TOOL_END(name, end_)                                                            \
	__attribute__((cleanup(tool_end_free))) struct tool_end name = (end_)

/* Runs it, the document on standard input from its beginning. */
struct tool_end tool_run(const struct tool *t);
/* Runs `from` on the document, and `to` on what that writes. The end of `to`, or of `from`
 * where that failed. */
struct tool_end tool_pipe(const struct tool *from, const struct tool *to);

#endif
