/* Lists of system calls (seccomp(2)): what is not in one ends the process. */
#ifndef EXTRACT_FILTER_H
#define EXTRACT_FILTER_H

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

#endif
