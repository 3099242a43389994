/* Wrong tokens, by where they come from: ten at once, then ten a minute, of which the log has a
 * line each. Whoever is over is told to wait; a right one is none of them. owner: its lock, any
 * admin thread. */
#ifndef OPERATOR_ADMIN_GUESSES_H
#define OPERATOR_ADMIN_GUESSES_H

#include <stdint.h>

struct guesses;

struct guesses *guesses_new(void);
void guesses_free(struct guesses **g);

/* An address (of IPv6 its /64), or a uid. */
enum { SOURCE_BYTES = 16 };
struct source {
	unsigned char bytes[SOURCE_BYTES];
};

/* Seconds until a further one is counted; 0: it is. */
unsigned guesses_wait(struct guesses *g, const struct source *from, uint64_t now_us);
/* One was wrong. */
void guesses_wrong(struct guesses *g, const struct source *from, uint64_t now_us);

#endif
