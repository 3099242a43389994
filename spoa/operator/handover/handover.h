/* The hand-over from one instance of the daemon to the other (`tollgate upgrade`).
 *
 * Two instances on one host have a journal, a signing key and relay sockets each, and share the
 * agent's sockets and those of the admin server. One of them decides. The one that decides
 * listens on a unix socket beside the first agent socket (AGENT.sock.hand).
 *
 *   command            instance that decides                instance that starts
 *      ├─ EXPECT ────────────►│ ALONE → EXPECTS                      │
 *      │◄──────────── OTHER ──┤                                      │
 *      │                      │◄────────────────────────────── JOIN ─┤ configuration is valid
 *      │                      ├─ SOCKET …, SOCKETS ─────────────────►│ EXPECTS → JOINED
 *      │                      │◄────────────────────────────── TAKE ─┤ all but agent and admin runs
 *      │                      ├─ AGAIN ─────────────────────────────►│ only after a reload meanwhile:
 *      │                      │◄────────────────────────────── TAKE ─┤ reads its files again
 *      │                      │  freeze: no reads, ACKs are sent     │
 *      │                      ├─ CONNECTION …, GO ──────────────────►│ JOINED → PASSING
 *      │                      │◄─────────────────────────── DECIDES ─┤ from here on it decides
 *      │◄───────── DECIDES ───┤ PASSING → GONE: drains, stops        │
 *
 * Before GO every failure leaves the old instance deciding: it thaws. The old instance sends REFUSED
 * before it closes its end, for example if the command was interrupted, and the new one then ends.
 * If the old process ends before the first CONNECTION, its end is closed without REFUSED: the new
 * one decides with the sockets that it has. If the old process ends between the first CONNECTION and GO,
 * the new one ends too, and the old one is started again. After GO the new one decides only if its
 * DECIDES was sent before the old one shut its end, else it ends and the old one thaws. The new one
 * reads from the connections only once it decides. owner: main. */
#ifndef OPERATOR_HANDOVER_HANDOVER_H
#define OPERATOR_HANDOVER_HANDOVER_H

#include <ev.h>

#include "base/buf.h"
#include "base/tag.h"
#include "net/worker.h"
#include "policy/config/config.h"

enum handover_state {
	HANDOVER_ALONE,	  /* this instance decides, or starts */
	HANDOVER_EXPECTS, /* a command announced the other instance */
	HANDOVER_JOINED,  /* the other instance has the listening sockets and starts */
	HANDOVER_PASSING, /* connections are frozen and being passed */
	HANDOVER_GONE,	  /* the other instance decides */
	HANDOVER_STATES
};

/* What the daemon does for a hand-over. On the main thread. */
struct handover_ops {
	/* The other instance decides: drains and stops. */
	void (*gone)(void *arg);
	/* Reads configuration and policy again. 0, or a negative error with *why. */
	int (*load)(void *arg, struct buf *why);
};

struct handover {
	struct tag tag;
	struct ev_loop *loop;
	const struct config *cfg; /* of the start */
	struct worker *workers;
	unsigned nworkers;
	const _Atomic bool *draining; /* the daemon stops */
	enum handover_state state;
	int fd;			 /* listening; -1: none */
	ev_io listener;		 /* on fd */
	ev_io command, instance; /* connections of those; fd -1: none */
	int older;		 /* while this instance starts: to the one that decides; -1: none */
	uint64_t loaded_us;	 /* monotonic time at which this instance began to read its files last */
	uint64_t ordered_us;	 /* monotonic time at which its last reload ended; 0: none */
	const struct handover_ops *ops;
	void *arg;
};

void handover_init(struct handover *h, struct ev_loop *loop, const _Atomic bool *draining,
	const struct handover_ops *ops, void *arg);
/* Asks the instance that decides, if there is one, for its listening sockets, which listen_open()
 * returns from then on. `take`: no command has announced this instance. 0, or negative with
 * *why: ERR_BAD_STATE if the one that decides refused. */
int handover_join(struct handover *h, bool take, struct buf *why);
/* Another instance decides, and waits for handover_take(). */
bool handover_joined(const struct handover *h);
/* Takes over the connections of the other instance, if there is one, and lets the workers accept. The admin server
 * accepts after it: until DECIDES was accepted, the older instance answers orders. Called when everything else runs. Returns 0 if this instance decides, or a negative error with
 * *why if this instance must end. */
int handover_take(struct handover *h, const int *agent_fds, size_t n, struct buf *why);
/* Listens for the next hand-over. No socket is a warning in the log, not an error. */
void handover_serve(struct handover *h);
/* The daemon stops, or its start failed for this reason: whoever waits is answered. */
void handover_stop(struct handover *h, struct span why);

/* ---- for the command ---- */

/* Announces the other instance to the one that decides. 0 with the name of the instance to start
 * in *other and the connection in *fd; negative with *why. */
int handover_expect(const struct config *cfg, int *fd, char other[2], struct buf *why);
/* Waits up to `most_s` seconds for the outcome; `over` is asked meanwhile and may be NULL: true
 * ends the wait. 0: `instance` decides; negative with *why. */
int handover_outcome(const struct config *cfg, int fd, const char *instance, int most_s,
	bool (*over)(void *arg), void *arg, struct buf *why);

#endif
