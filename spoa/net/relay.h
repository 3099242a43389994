/* The HTTP/1.1 side of a worker: serves HAProxy's edge on a unix socket and
 * sends what the gate planned to HAProxy's inner bind. Everything runs on one
 * libev loop; nothing is shared between workers. owner: worker. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <ev.h>

#include "base/metrics.h"
#include "gate/engine/gate.h"

/* What the relay asks of the gate; see gate/engine/gate.h for each. A table, so that a
 * scenario can play the gate. */
struct relay_gate_ops {
	void (*claim)(struct gate *g, struct gate_claim *c);
	void (*claim_gone)(struct gate_claim *c);
	const struct exchange_plan *(*plan)(const struct exchange *x);
	bool (*hold)(struct exchange *x, size_t n);
	void (*unhold)(struct exchange *x, size_t n);
	bool (*aside)(
		struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg);
	int (*body_bytes)(struct exchange *x, struct span bytes, bool last);
	void (*body)(struct exchange *x, struct span body,
		void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);
	void (*refuse)(struct exchange *x, int status, const char *code, const char *why,
		void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);
	void (*again)(struct exchange *x, const struct attempt_end *e,
		void (*next)(void *arg, enum again what), void *arg);
	void (*stands)(struct exchange *x, uint64_t sent_us);
	struct span (*response_fields)(struct exchange *x);
	struct span (*cost_field)(struct exchange *x, const struct usage *u);
	void (*refused)(struct exchange *x, const struct http_head *h);
	struct span (*session)(struct exchange *x, struct span id);
	int (*answer)(struct exchange *x, const struct guard_head *h, struct guard **out);
	void (*replay)(struct exchange *x, struct buf *to);
	bool (*keep)(struct exchange *x);
	void (*sent)(struct exchange *x);
	void (*heard)(struct exchange *x, bool streamed);
	void (*finish)(struct exchange *x, const struct exchange_result *r,
		void (*done)(void *arg, int err), void *arg);
	int (*socket_begin)(struct exchange *x, const struct socket_calls *calls);
	enum socket_goes (*message)(
		struct exchange *x, bool from_client, bool binary, struct span message);
	const struct socket_end *(*socket_end)(const struct exchange *x);
	bool (*socket_over)(struct exchange *x);
	bool (*socket_rests)(const struct exchange *x);
};
/* The functions of gate/engine/gate.h. */
extern const struct relay_gate_ops relay_gate_ops;

struct relay_options {
	const char *egress;   /* path of HAProxy's inner bind */
	uint64_t min_rate;    /* bytes a second of a deferred body, on average; 0: any, */
	uint64_t rate_after_us; /* from so long after its head on */
	uint64_t read_us;     /* silence of the edge while a request is read */
	uint64_t response_us; /* silence of the provider */
	uint64_t idle_us;     /* idle connections, both sides */
	uint64_t keep_alive_us; /* silence of a stream of MCP, then a comment goes; 0: none does
				 */
	unsigned pool;	      /* idle upstream connections kept */
};
enum { RELAY_KEEP_ALIVE_US = 15000000 };

struct relay;
/* NULL: out of memory or descriptors, or an egress path that is too long. */
struct relay *relay_new(struct ev_loop *loop, const struct relay_gate_ops *ops,
	struct gate *gate, const struct relay_options *options, struct metrics *m);
/* Watches a listening socket (non-blocking, stays the caller's). `own`: no other worker
 * does. 0 or ERR_FULL. */
int relay_listen(struct relay *r, int fd, bool own);
/* Stops accepting; idle connections are closed, busy ones after their response.
 * To be called when no ticket is out any more. */
void relay_drain(struct relay *r);
/* The daemon drains: streams that have no end of their own end as HTTP says, so that their
 * clients ask another daemon. `sockets`: WebSockets end too, between two responses. To be called
 * again and again. */
void relay_end_streams(struct relay *r, bool sockets);
/* Connections that still carry a request or wait for the gate. */
size_t relay_active(const struct relay *r);
/* Drains, and ends every exchange at once: clients are cut. Connections of which the
 * gate has the word stay active until it has answered. */
void relay_abort(struct relay *r);
/* Aborts what is left. The loop must not run any more: nobody is there for what the
 * gate has not answered. */
void relay_free(struct relay **r);

#endif
