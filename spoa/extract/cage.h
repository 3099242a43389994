/* The cage of a file: namespaces of its own, an empty root with /usr in it, no capability, no
 * network, limits, a list of system calls (extract/filter.h). */
#ifndef EXTRACT_CAGE_H
#define EXTRACT_CAGE_H

#include <sys/types.h>

enum filter {
	FILTER_JOB,  /* process 1 of a cage: starts tools, reads their pipes */
	FILTER_TOOL, /* a tool: reads files, writes to open pipes; one execve */
};

/* Where the path of the one execve lies: no process can put a path there after it
 * (extract/filter.c). */
#define FILTER_PATH ((char *)0x10000)

/* Makes both lists, at start: 0, or -1 with errno. */
int filter_init(void);
/* Loads it for the calling process and all it starts; NULL, or what failed, with errno. */
const char *filter_load(enum filter which);
/* Maps FILTER_PATH and writes the path there; false: it cannot. */
int filter_place_path(const char *path);

/* Where a cage's own process 1 begins, its order at hand: document on 0, nothing on 1 and 2,
 * the pipe to the server on CAGE_OUT. */
enum { CAGE_OUT = 3 };
typedef void cage_main(void *order);

struct cage {
	const char *tools; /* a folder of tools in place of /usr/bin; NULL: none */
	int nothing;	   /* /dev/null, read and written */
};

/* Starts process 1 of a new cage, which runs main(order) and ends. `document`: its standard
 * input; `out`: what it writes to. Its pid, whose end is all its processes' end; or -1 with
 * errno: there are no user namespaces to be had. Where a later step fails it says FRAME_CAGE.
 */
pid_t cage_start(const struct cage *c, int document, int out, cage_main *main, void *order);

/* Where tools are inside. */
#define CAGE_TOOLS "/tools"

#endif
