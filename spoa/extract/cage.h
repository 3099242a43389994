/* The cage of a file, which limits a tool that reads hostile files: its own namespaces, an
 * empty root with /usr, no capabilities, no network, resource limits, and a list of system
 * calls (seccomp(2)). A call that is not in the list ends the process. */
#ifndef EXTRACT_CAGE_H
#define EXTRACT_CAGE_H

#include <sys/types.h>

enum filter {
	FILTER_JOB,  /* process 1 of a cage: starts tools and reads their pipes */
	FILTER_TOOL, /* a tool: reads files, writes to open pipes, one execve */
};

/* Address of the path for the one execve. No process can map memory there after it, see
 * cage.c. */
#define FILTER_PATH ((char *)0x10000)

/* Makes both lists at the start of the program. Returns 0, or -1 with errno. */
int filter_init(void);
/* Loads the list for the calling process and its children. Returns NULL, or the failed step
 * with errno. */
const char *filter_load(enum filter which);
/* Maps FILTER_PATH and writes the path there. Returns 0, or -1. */
int filter_place_path(const char *path);

/* The function that process 1 of a cage runs. Its descriptors are the document on 0, /dev/null
 * on 1 and 2, and the pipe to the server on CAGE_OUT. From CAGE_COPY on, the document has
 * EXTRACT_LANES more descriptors, each with an offset of its own. */
enum { CAGE_OUT = 3, CAGE_COPY = 4 };
typedef void cage_main(void *order);

/* How cages are made. Immutable. */
struct cage {
	const char *tools; /* folder of tools that replaces /usr/bin; NULL: none */
	int nothing;	   /* /dev/null, open for reading and writing */
};

/* Starts process 1 of a new cage, which calls main(order) and ends. `document` is its standard
 * input, and it writes frames to `out`. Returns its pid; when it ends, all processes of the
 * cage have ended. Returns -1 with errno if user namespaces are not available. If a later step
 * fails, the process writes FRAME_CAGE. */
pid_t cage_start(const struct cage *c, int document, int out, cage_main *main, void *order);

/* folder of cage.tools inside the cage */
#define CAGE_TOOLS "/tools"

#endif
