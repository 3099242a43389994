/* Counts wrong tokens by source: a burst of ten, then ten a minute. Each counted one is logged. A
 * source beyond this must wait, but a right token is accepted at any time. Any admin thread; a
 * lock guards the counts. Implemented in door.c. */
#ifndef OPERATOR_ADMIN_GUESSES_H
#define OPERATOR_ADMIN_GUESSES_H

#include <stdint.h>

struct guesses;

struct guesses *guesses_new(void);
void guesses_free(struct guesses **g);

/* The source of a request: an IPv4 address, the /64 of an IPv6 address, or a uid. */
enum { SOURCE_BYTES = 16 };
struct source {
	unsigned char bytes[SOURCE_BYTES];
};

/* Returns the seconds until another wrong token of this source is counted; 0: now. `now_us` is
 * monotonic. */
unsigned guesses_wait(struct guesses *g, const struct source *from, uint64_t now_us);
/* Counts a wrong token. */
void guesses_wrong(struct guesses *g, const struct source *from, uint64_t now_us);

#endif
