/* tollgate check --probe: sends requests, with a key of their own, to each socket and host
 * that passes the gate, and reports what answered them. The daemon's half is in
 * gate/steps/step_identity.c. */
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include "operator/edge/reach.h"

struct config;
struct policy;

/* The input and the result of a probe. Owned by the caller: probe_init() before and probe_free()
 * after it. The pointers are borrowed. */
struct probe {
	const struct haproxy *h;
	const struct config *cfg;
	const struct policy *policy;
	const char *host[REACH_HOSTS_MAX]; /* the hosts of --host, in place of those that the
					    * files name */
	size_t nhost;
	struct buf said;  /* a line for each request that was answered as intended */
	struct buf wrong; /* "file:line:1: probe: ..." for each other request */
	unsigned nsent, nwrong;
	bool unreached; /* a socket could not be reached */
	const unsigned char *secret;
};

/* Initialize and free the buffers of `p`. */
void probe_init(struct probe *p);
void probe_free(struct probe *p);
/* Sends all requests. Returns 0 if all were sent; p->nwrong of them were then not answered
 * as intended. Returns a negative error after a message if nothing could be sent or a
 * socket could not be reached. */
int probe_run(struct probe *p);

#endif
