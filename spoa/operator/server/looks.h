/* What is looked at now and then: a row each in looks.c, all on the main thread. */
#ifndef OPERATOR_SERVER_LOOKS_H
#define OPERATOR_SERVER_LOOKS_H

#include <ev.h>
#include <stdint.h>

#include "base/tag.h"

struct server;

enum { LOOKS = 11 };

/* owner: main */
struct looks {
	struct tag tag;
	struct server *s; /* NULL: not begun */
	struct ev_loop *loop;
	ev_timer timer[LOOKS];
	/* decisions and relayed bytes: at the last look, and when free memory was given back */
	uint64_t counted, given_back;
};

void looks_begin(struct looks *l, struct server *s, struct ev_loop *loop);
void looks_end(struct looks *l);

#endif
