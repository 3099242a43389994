/* Children: the daemon's own program (/proc/self/exe, also after an upgrade replaced its file),
 * run for what reads records or compiles a policy, so that neither a worker nor an admin thread
 * ever waits for it. A thread of its own starts and ends them: so many at once, a short queue,
 * a share of both a caller, each with limits (child_self.h) and a deadline. Of those that wait
 * who has the fewest running comes next. What a child says goes into a file in memory
 * (memfd), which is capped; it has descriptors 0, 1 and 2 and no other.
 *
 *   child_ask() ─► waits ─► runs ─► over: done() is called ─► child_release()
 *                    └──────────────────▲ its client went, the daemon stops, nobody took it up
 */
#ifndef OPERATOR_ADMIN_CHILD_H
#define OPERATOR_ADMIN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/metrics.h"
#include "operator/admin/calls.h"

struct children; /* any thread but where said */

/* What somebody waits for, and what goes on for long (a whole journal is verified): each has
 * places of its own. */
enum child_lane { CHILD_QUICK, CHILD_LONG, CHILD_LANES };

enum child_end {
	CHILD_NOT_YET,
	CHILD_EXITED,	 /* `code` */
	CHILD_SIGNALLED, /* `code` is the signal: it crashed, or was over its memory or CPU */
	CHILD_LATE,	 /* over its deadline: killed */
	CHILD_TOO_LONG,	 /* said more than the cap: killed */
	CHILD_BUSY,	 /* waited for its turn until its deadline */
	CHILD_LEFT,	 /* its client went: killed, or not begun */
	CHILD_STOPPED,	 /* the daemon stops: likewise */
	CHILD_FAILED,	 /* could not be started; `error` says why */
};

struct child {
	/* The asker's, set before child_ask() and left alone until done(). */
	enum child_lane lane;
	struct caller_id who;	 /* whose share it is */
	const char *const *args; /* after the program's name, NULL at the end */
	const char *in;		 /* its standard input, `in_bytes` of it */
	size_t in_bytes;
	bool whole_environment; /* it loads a policy, whose secrets may be in variables */
	int client;		/* socket of who waits for it; -1: nobody can leave */
	/* On the children's thread, once, and the last that is done with it. */
	void (*done)(struct child *c);
	void *arg;

	/* The children's. */
	enum child_end end;
	int code;
	int out; /* what it said, from offset 0; -1 before it began. child_release() closes it
		  */
	size_t out_bytes;
	char error[512]; /* the first line of its standard error, as it is */
	uint64_t asked_us, began_us, ended_us;
	pid_t pid;
	int pidfd, err;
	bool killed;
	struct child *next;
};

struct children_limits {
	struct {
		unsigned at_once, queue;
		/* A caller's of both, and of those that run; 0: all. */
		unsigned each, each_at_once;
		uint64_t deadline_us;
		unsigned cpu_s;
	} lane[CHILD_LANES];
	size_t out_bytes;	 /* of one; who holds so many has none begun */
	size_t held_bytes;	 /* of all that are not released: no further one begins */
	const char *program;	 /* NULL: our own */
	struct metrics *metrics; /* gets what is counted */
};
extern const struct children_limits children_default;

/* NULL: out of memory, threads or descriptors. */
struct children *children_start(const struct children_limits *l);
/* Kills what runs, calls done() of all that wait, and ends the thread. Nothing is taken from
 * then on. Once. */
void children_stop(struct children *all);
/* After it, or in its place. */
void children_free(struct children **all);

/* 0; ERR_LIMIT: the queue is full, or the caller's share of it; ERR_BAD_STATE: the daemon
 * stops; done() is not called then.
 */
int child_ask(struct children *all, struct child *c);
/* After done(), or where it was not taken: what it said is gone. */
void child_release(struct children *all, struct child *c);
/* Calls with(), while it cannot end, the child that has this process id. False: no child. */
bool child_with(
	struct children *all, pid_t pid, void (*with)(struct child *c, void *arg), void *arg);
/* How many run and wait. */
struct children_count {
	unsigned running, queued;
};
struct children_count children_count(struct children *all, enum child_lane lane);

#endif
