/* How many connections each worker has, so that they come out even.
 *
 * All workers wait on the same listening sockets, and left to chance the one
 * that wakes first takes nearly all (measured: 67 of 74). HAProxy's connections
 * live long, so that worker would do nearly all the work. One counter a worker,
 * written by its owner, read by the others when they accept. */
#ifndef NET_SHARE_H
#define NET_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_SLOTS 256

struct share {
	atomic_bool taken[SHARE_SLOTS];
	_Atomic uint64_t load[SHARE_SLOTS]; /* connections + 1, or share.c's marks */
};

/* The process's agents, and its relays. */
extern struct share share_agents, share_relays;

/* A place in the table; -1: all are taken, and nobody waits. */
int share_join(struct share *s);
void share_leave(struct share *s, int slot);
/* Publishes how many connections this one has. */
void share_set(struct share *s, int slot, size_t conns);
/* It accepts no more: nobody shall wait for it. */
void share_close(struct share *s, int slot);
/* Whether another one that accepts has fewer. */
bool share_less(struct share *s, int slot, size_t conns);

#endif
