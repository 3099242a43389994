/* The health of tollgate-extract, asked from time to time, for /readyz, the console and
 * records. */
#ifndef GATE_SOURCES_EXTRACT_HEALTH_H
#define GATE_SOURCES_EXTRACT_HEALTH_H

#include <ev.h>

#include "base/buf.h"
#include "base/tag.h"

struct http_call;
struct http_client;

/* owner: main */
struct extract_health {
	struct tag tag;
	struct http_client *http;
	struct http_call *call; /* the check in flight; NULL: none */
	unsigned looks;
	char why[160]; /* the current fault; "": none is known */
};

/* Asks at every fifth call, so a call every few seconds is right. `path`: its socket; NULL:
 * not configured. */
void extract_health_look(struct extract_health *h, struct ev_loop *loop, const char *path);
void extract_health_stop(struct extract_health *h);

#endif
