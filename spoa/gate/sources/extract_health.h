/* How tollgate-extract does, asked now and then: for /readyz, console and records. */
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
	struct http_call *call; /* under way */
	unsigned looks;
	char why[160]; /* what is wrong; "": nothing, as far as is known */
};

/* Asks, where it was not asked of late. `path`: its socket; NULL: files are not read. */
void extract_health_look(struct extract_health *h, struct ev_loop *loop, const char *path);
void extract_health_stop(struct extract_health *h);

#endif
