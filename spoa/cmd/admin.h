/* Questions to the running daemon, by the admin socket that the configuration names. */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include "base/arena.h"
#include "base/buf.h"

struct admin_call {
	const char *socket, *page;
	bool post;
	long most_s;		/* 0: two minutes */
	bool (*given_up)(void); /* asked while it waits; NULL: never */
};

/* The status of the answer, or 0 with the reason in *why. */
long admin_ask(const struct admin_call *c, struct buf *out, struct buf *why);
/* An answer in JSON, as ASCII: whatever is in it, a terminal obeys nothing. An exit code. */
int admin_print_json(const char *what, struct span answer);
/* The admin socket, in the arena; NULL after a message. `named`: the configuration of -c, or
 * NULL. */
const char *admin_socket(const char *what, const char *named, struct arena *a);

#endif
