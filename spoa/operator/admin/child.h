/* Runs commands of tollgate as child processes, so that reading records or compiling a policy
 * never blocks a worker or an admin thread.
 *
 * The program is the daemon's own (/proc/self/exe, also after an upgrade replaced the file). A
 * thread starts and ends the children. The number of children, the queue, and one caller's
 * share of both are bounded; each child has limits (child_self.h) and a deadline. The next
 * child is that of the caller with the fewest running ones. A child writes to a file in memory
 * (memfd) of bounded size and has only the descriptors 0, 1 and 2.
 *
 *   child_ask() ─► waits ─► runs ─► over: done() is called ─► child_release()
 *                    └────────────────▲ the client left, the daemon stops, too late */
#ifndef OPERATOR_ADMIN_CHILD_H
#define OPERATOR_ADMIN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/metrics.h"
#include "operator/admin/calls.h"

struct children; /* any thread, except where stated */

/* QUICK is for commands for which somebody waits, LONG for those that take very long, such as
 * verifying a whole journal. Each lane has places of its own. */
enum child_lane { CHILD_QUICK, CHILD_LONG, CHILD_LANES };

/* How a child ended. */
enum child_end {
	CHILD_NOT_YET,
	CHILD_EXITED,	 /* `code` is the exit code */
	CHILD_SIGNALLED, /* `code` is the signal: the child crashed or exceeded its memory */
	/* the deadline or the CPU limit was exceeded, and the child was killed */
	CHILD_LATE,
	CHILD_TOO_LONG, /* the output was larger than the cap, and the child was killed */
	CHILD_BUSY,	/* the child was still waiting at its deadline */
	CHILD_LEFT,	/* the client left: the child was killed or not started */
	CHILD_STOPPED,	/* the daemon stops: the child was killed or not started */
	CHILD_FAILED,	/* the child could not be started; `error` has the reason */
};

/* One child. The memory belongs to the caller of child_ask() and must stay valid until done()
 * has been called. */
struct child {
	/* Set by the caller before child_ask(), unchanged until done(). */
	enum child_lane lane;
	struct caller_id who;	 /* the caller whose share counts */
	const char *const *args; /* arguments after the program's name, ended by NULL */
	const char *in;		 /* standard input, with `in_bytes` bytes */
	size_t in_bytes;
	/* pass the environment on, because the policy may read secrets from variables */
	bool whole_environment;
	/* the waiting client's socket; -1: none, so the child runs to its end */
	int client;
	/* Called once on the children's thread. The thread does not use *c afterwards. */
	void (*done)(struct child *c);
	void *arg;

	/* Set by the children's thread. */
	enum child_end end;
	int code;
	/* the output, from offset 0; -1 before the start. child_release() closes this
	 * descriptor. */
	int out;
	size_t out_bytes;
	char error[512]; /* the first line of standard error, unfiltered */
	/* monotonic; 0: not reached */
	uint64_t asked_us, began_us, ended_us;
	pid_t pid;
	int pidfd, err;
	bool killed;
	struct child *next;
};

/* Bounds for all children; children_default has those of the daemon. */
struct children_limits {
	struct {
		unsigned at_once, queue;
		/* bounds for one caller: waiting and running, and running; 0: none */
		unsigned each, each_at_once;
		uint64_t deadline_us;
		unsigned cpu_s;
	} lane[CHILD_LANES];
	/* output of one child; a caller who holds that much gets no further child */
	size_t out_bytes;
	/* output of all children that are not released; beyond this no child starts */
	size_t held_bytes;
	const char *program;	 /* NULL: the daemon's own program */
	struct metrics *metrics; /* receives the counters */
};
extern const struct children_limits children_default;

/* Starts the thread. Returns NULL if memory, threads or descriptors are exhausted. */
struct children *children_start(const struct children_limits *l);
/* Kills running children, calls done() for all, and ends the thread. Call once; child_ask()
 * then returns ERR_BAD_STATE. */
void children_stop(struct children *all);
/* Frees everything; calls children_stop() first unless that was done. */
void children_free(struct children **all);

/* Queues a child. Returns 0; ERR_LIMIT if the queue or the caller's share is full; or
 * ERR_BAD_STATE if the daemon stops. After an error, done() is not called. */
int child_ask(struct children *all, struct child *c);
/* Discards the output. Call this after done(), or after child_ask() failed. */
void child_release(struct children *all, struct child *c);
/* Calls with() for the running child with this process id; the child cannot end meanwhile.
 * Returns false if there is no such child. */
bool child_with(
	struct children *all, pid_t pid, void (*with)(struct child *c, void *arg), void *arg);
/* How many children run and wait. */
struct children_count {
	unsigned running, queued;
};
struct children_count children_count(struct children *all, enum child_lane lane);

#endif
