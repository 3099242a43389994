/* tollgate check --probe: requests with a key of their own to each socket and host that passes
 * the gate, and what answered them. The daemon's half is gate/steps/step_identity.c. */
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include "operator/edge/reach.h"

struct config;
struct policy;

struct probe {
	const struct haproxy *h;
	const struct config *cfg;
	const struct policy *policy;
	const char *host[REACH_HOSTS_MAX]; /* given: in place of those that the files name */
	size_t nhost;
	struct buf said;  /* a line for each request that was answered as it should be */
	struct buf wrong; /* "file:line:1: probe: ..." of each other one */
	unsigned nsent, nwrong;
	bool unreached; /* a socket could not be reached */
	const unsigned char *secret;
};

void probe_init(struct probe *p);
void probe_free(struct probe *p);
/* 0: all requests were sent, and p->nwrong of them were answered by something else. Negative,
 * after a message: nothing could be sent, or a socket could not be reached. */
int probe_run(struct probe *p);

#endif
