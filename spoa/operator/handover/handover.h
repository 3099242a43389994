/* The hand-over from one instance of the daemon to the other (`tollgate upgrade`).
 *
 * Two instances on one host have a journal, a signing key and relay sockets each. They share
 * the agent's sockets and those of the admin server. One of them decides; it listens on a Unix
 * socket beside the first agent socket (AGENT.sock.hand).
 *
 *   command          instance that decides           instance that starts.
 *      ├─ EXPECT ──────►│ ALONE → EXPECTS                 │
 *      │◄────── OTHER ──┤                                 │
 *      │                │◄───────────────────────── JOIN ─┤ its configuration is valid.
 *      │                ├─ SOCKET …, SOCKETS ────────────►│ EXPECTS → JOINED
 *      │                │◄───────────────────────── TAKE ─┤ runs, except agent and admin.
 *      │                ├─ AGAIN ────────────────────────►│ only after a reload meanwhile.
 *      │                │◄───────────────────────── TAKE ─┤ has read its files again.
 *      │                │  freeze: no reads, send ACKs    │
 *      │                ├─ CONNECTION …, GO ─────────────►│ JOINED → PASSING
 *      │                │◄────────────────────── DECIDES ─┤ decides from here on.
 *      │◄───── DECIDES ─┤ PASSING → GONE: drains, stops   │
 *
 * Before GO, every failure leaves the older instance deciding: it thaws. The older instance
 * sends REFUSED before it closes its end, for example if the command was interrupted, and the
 * new one then ends. If the older process ends before the first CONNECTION, its end is closed
 * without REFUSED, and the new one decides with the sockets that it has. If the older process
 * ends between the first CONNECTION and GO, the new one ends too, and the older one is started
 * again. After GO, the new one decides only if its DECIDES was sent before the older one shut
 * its end; otherwise it ends and the older one thaws. The new one reads from the connections
 * only once it decides. owner: main. */
#ifndef OPERATOR_HANDOVER_HANDOVER_H
#define OPERATOR_HANDOVER_HANDOVER_H

#include <ev.h>

#include "base/buf.h"
#include "base/tag.h"
#include "net/worker.h"
#include "policy/config/config.h"

enum handover_state {
	HANDOVER_ALONE,	  /* this instance decides, or is starting */
	HANDOVER_EXPECTS, /* a command has announced the other instance */
	HANDOVER_JOINED,  /* the other instance has the listening sockets and is starting */
	HANDOVER_PASSING, /* connections are frozen and are being passed */
	HANDOVER_GONE,	  /* the other instance decides */
	HANDOVER_STATES
};

/* The daemon's part in a hand-over. Called on the main thread. */
struct handover_ops {
	/* The other instance decides: begins to drain and stop. */
	void (*gone)(void *arg);
	/* Reads configuration and policy again. Returns 0, or a negative error with *why. */
	int (*load)(void *arg, struct buf *why);
	/* The older instance writes state for the new one, at most HAND_TOLD_BYTES. The new
	 * instance takes it; `bytes` is empty if the older one is of a version without tell(). */
	void (*tell)(void *arg, struct buf *out);
	void (*told)(void *arg, struct span bytes);
};
enum { HAND_TOLD_BYTES = 64 << 10 };

/* State of one instance. owner: main */
struct handover {
	struct tag tag;
	struct ev_loop *loop;
	const struct config *cfg; /* configuration of the start */
	struct worker *workers;
	unsigned nworkers;
	const _Atomic bool *draining; /* true while the daemon stops */
	enum handover_state state;
	int fd;		/* the listening socket; -1: none */
	ev_io listener; /* watches `fd` */
	/* connections of the command and of the other instance; fd -1: none */
	ev_io command, instance;
	/* while this instance starts: connection to the one that decides; -1: none */
	int older;
	/* monotonic; when this instance last began to read its files */
	uint64_t loaded_us;
	uint64_t ordered_us; /* monotonic; when its last reload ended; 0: none */
	const struct handover_ops *ops;
	void *arg;
};

/* Initializes the state. Nothing is opened yet. */
void handover_init(struct handover *h, struct ev_loop *loop, const _Atomic bool *draining,
	const struct handover_ops *ops, void *arg);
/* Asks the instance that decides, if there is one, for its listening sockets, which
 * listen_open() returns from then on. `take`: no command has announced this instance. Returns
 * 0, or a negative error with *why; ERR_BAD_STATE if the other instance refused. */
int handover_join(struct handover *h, bool take, struct buf *why);
/* Returns true if another instance decides, whether or not it will hand over. */
bool handover_other_decides(const struct config *cfg);
/* Returns true if another instance decides and waits for handover_take(). */
bool handover_joined(const struct handover *h);
/* Takes over the connections of the other instance, if there is one, and lets the workers
 * accept. Call this when everything else runs. The admin server accepts afterwards: until
 * DECIDES was accepted, the older instance answers orders. Returns 0 if this instance decides,
 * or a negative error with *why if it must end. */
int handover_take(struct handover *h, const int *agent_fds, size_t n, struct buf *why);
/* Listens for the next hand-over. If the socket cannot be opened, a warning is logged. */
void handover_serve(struct handover *h);
/* Ends a hand-over, because the daemon stops or its start failed for this reason. Waiting
 * commands and instances get the reason. */
void handover_stop(struct handover *h, struct span why);

/* ---- for the command ---- */

/* Announces the other instance to the one that decides. Returns 0 with the name of the instance
 * to start in *other and the connection in *fd, or a negative error with *why. */
int handover_expect(const struct config *cfg, int *fd, char other[2], struct buf *why);
/* Waits up to `most_s` seconds for the outcome. `over` may be NULL; if it returns true, the
 * wait ends. Returns 0 if `instance` decides, or a negative error with *why. */
int handover_outcome(const struct config *cfg, int fd, const char *instance, int most_s,
	bool (*over)(void *arg), void *arg, struct buf *why);

#endif
