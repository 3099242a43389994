/* Reloads configuration and policy. A snapshot is built separately and published as a whole; an
 * invalid one changes nothing. On the main thread.
 *
 * An order (SIGHUP, or POST /reload of the admin server) reads everything from the disk. An
 * order may name the SHA-256 of the files that somebody checked; it is refused if the daemon
 * reads other contents. If only a file of keys, tokens, certificates or secrets changes, these files
 * are read again, but configuration and policy are loaded as they were recorded when they came into force. With
 * `policy_watch: true`, a change of any file counts as an order. */
#ifndef OPERATOR_SERVER_RELOAD_H
#define OPERATOR_SERVER_RELOAD_H

#include <ev.h>
#include <jansson.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/codec/yaml.h"
#include "base/file_set.h"
#include "base/tag.h"
#include "gate/first_policy.h"
#include "operator/edited/edited.h"
#include "record/archive/kept_policy.h"

struct server;

enum { REASON_MAX = 1024 }; /* bytes of the reason given with an order */

/* The result of a reload. */
struct reload_outcome {
	int64_t at_ns; /* wall time; 0: there was none since the start */
	/* the files were invalid, and nothing changed */
	bool refused;
	bool handed; /* refused because the other instance decides: the files were not read */
	/* the caller or the signal */
	char by[256];
	/* number of mistakes */
	unsigned nerrors;
	struct buf errors; /* the mistakes, one line each; the last ones may be missing */
};

/* State of reloading. owner: main, except where the lock is named */
struct reloading {
	struct tag tag;
	struct server *s;
	struct watch *watch;	  /* files whose change causes a reload; NULL: none */
	struct file_set in_force; /* the files from which the snapshot in force was loaded */
	struct edited edited;
	ev_async ask; /* wakes the main thread for an order of the admin server */
	struct ev_loop *loop;
	/* guards the members from `asking` to `answer`, and from `stopping` on */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	/* Orders of the admin server are handled one after the other: the next one waits while
	 * `asking` is set or an order is unanswered. */
	bool asking;
	uint64_t asked, answered; /* number of orders given, and of these answered */
	char asked_by[256];	  /* caller and reason of the last order */
	char asked_why[REASON_MAX + 1];
	json_t *asked_for; /* the files that the last order was given for; NULL: any */
	bool answer_done;  /* the last order came into force */
	struct buf answer; /* result of the reload as JSON */
	/* owner: main. Monotonic time of the last attempt to store the policy's text */
	uint64_t stored_us;
	bool not_stored; /* owner: main. The last attempt failed */
	bool marked; /* owner: main. The stored text is marked as the one in force */
	/* owner: main. Hash of the stored text of the policy in force; "": none */
	char text[KEPT_POLICY_HEX];
	/* the choice of the start, until an order puts another policy in force */
	struct first_policy first;
	bool ordered; /* an order put another policy in force since the start */
	/* no order is answered any more */
	bool stopping;
	int64_t in_force_ns; /* wall time at which the files in force were read */
	/* results of the last order and of the last change of a rotating file */
	struct reload_outcome order, rotation;
	/* options that differ from those at the start and need a restart, separated by commas
	 */
	struct buf at_restart;
};

/* Initializes the state after the first load. The snapshot in force was loaded at `since_ns`
 * (wall time) from the files that *read lists and *set holds; the set is moved. Returns 0 or
 * ERR_NOMEM. */
int reload_init(struct reloading *r, struct server *s, struct ev_loop *loop,
	const struct diag *read, struct file_set *set, int64_t since_ns);
/* Ends the waiting of admin threads. Call this before the admin server stops. */
void reload_stop(struct reloading *r);
/* Frees the state; nothing else may run. */
void reload_free(struct reloading *r);
/* Reads everything from the disk and puts it in force. `by`: "signal SIGHUP", "file NAME",
 * or the name of the caller. `why`: the reason given with the order, or NULL. On
 * the main thread. */
void reload_now(struct reloading *r, const char *by, const char *why);
/* Puts in force what the other instance, which has decided until now, has in force. On the main
 * thread. */
void reload_taken(struct reloading *r);
/* Stores the text of the policy in force and writes its record, at the start. If the text
 * cannot be stored, this is logged and reload_keep_look() tries again. *first is what the start
 * took; it is moved. */
void reload_announce(struct reloading *r, struct server *s, struct file_set *set,
	struct first_policy *first);
/* Marks the policy in force as the one that the next start takes. Call when this instance
 * decides. A failure is logged, and reload_keep_look() tries again. */
void reload_decides(struct reloading *r);
/* Writes {"from": "kept" | "files" | "order", "why": …}. Any thread. */
void reload_from(struct reloading *r, struct buf *out);
/* Stores the text again if that failed, and refreshes its time each hour. Called every ten
 * seconds. */
void reload_keep_look(struct server *s);

/* ---- for the admin thread ---- */

/* Orders a reload and waits up to a minute for it. `by` is the authenticated caller, `why` the
 * reason or NULL. `checked` is the files that the order is given for (policy/checked.h): the
 * order is refused if the daemon reads others. NULL: the order is for what the disk has. Writes
 * JSON as reload_status(). Returns true if the files came into force. */
bool reload_ask(struct reloading *r, const char *by, const char *why, json_t *checked,
	struct buf *out);
/* Returns true if the last reload was refused, and appends its first mistake to *why. Any
 * thread. */
bool reload_refused(struct reloading *r, struct buf *why);
/* Writes {"time", "by", "result": "done" | "refused" | "repeat", "errors": […]}, or null.
 * "repeat": the other instance decides, so the order must be given again. */
void reload_status(struct reloading *r, struct buf *out);

#endif
