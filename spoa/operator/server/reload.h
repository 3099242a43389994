/* Reloading. A snapshot is built aside and published whole; a bad one changes nothing. Runs on the
 * main thread.
 *
 * An order (SIGHUP, or POST /reload of the admin server) reads everything from the disk. If a file
 * of keys, tokens, certificates or secrets changes, these are read again, and configuration and
 * policy are loaded as they were recorded when they came into force. With `policy_watch: true`,
 * a change of any file counts as an order. */
#ifndef OPERATOR_SERVER_RELOAD_H
#define OPERATOR_SERVER_RELOAD_H

#include <ev.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/codec/yaml.h"
#include "base/file_set.h"
#include "base/tag.h"
#include "operator/edited/edited.h"
#include "record/archive/kept_policy.h"

struct server;

enum { REASON_MAX = 1024 }; /* bytes of the reason given with an order */

/* What came of a reload. */
struct reload_outcome {
	int64_t at_ns; /* wall time; 0: none since the start */
	bool refused;
	bool handed; /* refused because the other instance decides by then: the files were not read */
	char by[256];
	unsigned nerrors;
	struct buf errors; /* lines */
};

struct reloading {
	struct tag tag;
	struct server *s;
	struct watch *watch; /* files whose change leads to a reload; NULL: none */
	struct file_set in_force; /* what the snapshot in force was read from */
	struct edited edited;
	ev_async ask;	     /* the admin thread asks for one */
	struct ev_loop *loop;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended;
	/* One order of the admin server after the other: while `asking`, or while one is not answered,
	 * the next one waits. */
	bool asking;
	uint64_t asked, answered; /* how many orders were given, and of these answered */
	char asked_by[256];	  /* of the last order */
	char asked_why[REASON_MAX + 1];
	bool answer_done;  /* of the last order: it came into force */
	struct buf answer; /* its outcome, in JSON */
	uint64_t stored_us; /* owner: main. Monotonic time of the last try to store the text */
	bool not_stored;    /* owner: main. The last try failed */
	char text[KEPT_POLICY_HEX]; /* owner: main. Of the kept text of the policy in force; "": none */
	bool stopping;
	int64_t in_force_ns; /* when what is in force was read */
	struct reload_outcome order, rotation; /* of the last order, and of the last change of a file that
						  rotates */
	struct buf at_restart; /* options that differ from those of the start, with commas */
};

/* The snapshot in force was loaded at `since_ns` (wall time) from the files that *read names and
 * *set holds; the set is moved. 0 or ERR_NOMEM. */
int reload_init(struct reloading *r, struct server *s, struct ev_loop *loop,
	const struct diag *read, struct file_set *set, int64_t since_ns);
/* The admin thread no longer waits. Before it is stopped. */
void reload_stop(struct reloading *r);
void reload_free(struct reloading *r);
/* Reads everything from the disk. `by`: "signal SIGHUP", "file NAME", "hand-over", or who ordered it. `why`: the
 * reason given with the order, or NULL. On the main thread. */
void reload_now(struct reloading *r, const char *by, const char *why);
/* Stores the text of the policy in force and writes its record, at start. A text that cannot be
 * stored is logged, and tried again by reload_keep_look(). */
void reload_announce(struct reloading *r, struct server *s, struct file_set *set);
void reload_keep_look(struct server *s);

/* ---- the admin thread's ---- */

/* Orders a reload and waits for it. `by`: who was authenticated; `why`: the reason, or NULL. JSON
 * as reload_status(); true: done. */
bool reload_ask(struct reloading *r, const char *by, const char *why, struct buf *out);
/* The last one was refused: the first of its mistakes is appended to *why. Any thread. */
bool reload_refused(struct reloading *r, struct buf *why);
/* {"time", "by", "result": "done" | "refused" | "repeat", "errors": […]}, or null. "repeat": the other instance
 * decides, and gets the order if it is given again. */
void reload_status(struct reloading *r, struct buf *out);

#endif
