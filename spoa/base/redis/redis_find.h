/* Finds where Redis is now. Names, Sentinels and clusters are asked on a separate thread, so
 * that no loop ever waits for a resolver or a server. All connections of a process with the same
 * options share one finder. */
#ifndef BASE_REDIS_REDIS_FIND_H
#define BASE_REDIS_REDIS_FIND_H

#include <ev.h>
#include <sys/queue.h>

#include "base/redis/redis_map.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"

/* Asks and waits, at most timeout_us for each server. Returns 0 with *out, or a negative error
 * with *why. */
int redis_find(const struct redis_options *o, struct redis_tls *tls, uint64_t timeout_us,
	struct redis_map *out, struct buf *why);

struct redis_finder;
/* Starts a finder with a copy of the options. The thread begins to ask at once; it is not needed
 * if the URL is a socket or an address. Returns NULL if memory is exhausted or the thread cannot
 * be started. */
struct redis_finder *redis_finder_new(const struct redis_options *o);
/* Adds a user. Each user ends with redis_finder_free(), which never waits. */
struct redis_finder *redis_finder_share(struct redis_finder *f);
void redis_finder_free(struct redis_finder **f);
const struct redis_options *redis_finder_options(const struct redis_finder *f);
/* Returns true, with the map in *out, if something was found since *version, which is 0 at
 * first. Any thread. */
bool redis_finder_new_map(struct redis_finder *f, uint64_t *version, struct redis_map *out);
/* A user's loop, which is woken when something new was found or reported. After
 * redis_finder_unsubscribe() has returned, the finder does not use the structure any more. */
struct redis_listener {
	struct ev_loop *loop;
	ev_async wake; /* belongs to the user, and is started */
	LIST_ENTRY(redis_listener) of_finder;
};
void redis_finder_subscribe(struct redis_finder *f, struct redis_listener *e);
void redis_finder_unsubscribe(struct redis_finder *f, struct redis_listener *e);
/* Wakes all users. Any thread. */
void redis_finder_wake_users(struct redis_finder *f);
/* Reports that the map is wrong or a server is gone: the thread asks again soon. Any thread. */
void redis_finder_refresh(struct redis_finder *f);
/* Reports that a node has redirected this slot. All users of the finder learn it at their next
 * turn, before the finder's next map. Any thread. */
void redis_finder_report_moved(
	struct redis_finder *f, unsigned slot, const struct redis_place *place);
/* Returns the next report since *seen, which is 0 at first; false: there are no more. Any
 * thread. */
bool redis_finder_next_moved(
	struct redis_finder *f, uint64_t *seen, unsigned *slot, struct redis_place *place);

#endif
