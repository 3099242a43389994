/* Where Redis is now: names, Sentinels and clusters are asked on a thread of its own, so
 * that no loop ever waits for a resolver or a server. One for all of a process' connections
 * of the same options. */
#ifndef BASE_REDIS_REDIS_FIND_H
#define BASE_REDIS_REDIS_FIND_H

#include <ev.h>
#include <sys/queue.h>

#include "base/redis/redis_map.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"

/* Asks, and waits: each server for at most timeout_us. 0 with *out, or negative with *why. */
int redis_find(const struct redis_options *o, struct redis_tls *tls, uint64_t timeout_us,
	struct redis_map *out, struct buf *why);

struct redis_finder;
/* The options are copied. Asking begins at once; nothing is asked where the URL says it all (a
 * socket, an address). NULL: out of memory, or no thread. */
struct redis_finder *redis_finder_new(const struct redis_options *o);
/* One more user; each ends with redis_finder_free(), which waits for nothing. */
struct redis_finder *redis_finder_share(struct redis_finder *f);
void redis_finder_free(struct redis_finder **f);
const struct redis_options *redis_finder_options(const struct redis_finder *f);
/* What was found since *version, which is 0 at first: true, and *out is it. Any thread. */
bool redis_finder_news(struct redis_finder *f, uint64_t *version, struct redis_map *out);
/* A user's loop, woken where something else was found or told. Its owner is no longer told, nor
 * looked at, once redis_finder_deaf() returned. */
struct redis_ear {
	struct ev_loop *loop;
	ev_async wake; /* the owner's, started */
	LIST_ENTRY(redis_ear) of_finder;
};
void redis_finder_hear(struct redis_finder *f, struct redis_ear *e);
void redis_finder_deaf(struct redis_finder *f, struct redis_ear *e);
/* All of them, whatever there is to know. Any thread. */
void redis_finder_wake(struct redis_finder *f);
/* What was found is wrong or no longer there: it is asked again soon. Any thread. */
void redis_finder_again(struct redis_finder *f);
/* A node said that this slot is elsewhere: all who share the finder know it at their next turn,
 * before what it finds. Any thread. */
void redis_finder_tell(struct redis_finder *f, unsigned slot, const struct redis_place *place);
/* What was told since *seen, which is 0 at first, one by one; false: no more. Any thread. */
bool redis_finder_told(
	struct redis_finder *f, uint64_t *seen, unsigned *slot, struct redis_place *place);

#endif
