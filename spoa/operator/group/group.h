/* The daemons that share a Redis, with the policy that each has in force. `tollgate policy apply`
 * finds the daemons here that read the same file, and orders each by its own admin socket.
 *
 * The hash tollgate:{group}:policies has a field for each node: JSON with the members of
 * group_member_put() and "at", Redis' time in seconds. A daemon writes its field each second.
 * Of the two instances of a daemon (`tollgate upgrade`), only the one that decides has a field, because both name
 * one admin socket. */
#ifndef OPERATOR_GROUP_GROUP_H
#define OPERATOR_GROUP_GROUP_H

#include "base/buf.h"
#include "base/redis/redis_options.h"
#include "budget/trends/trends.h"

#define GROUP_KEY "tollgate:{group}:policies"

/* What a daemon publishes. The strings are borrowed until the callback that fills it returns to the
 * caller of group_member_put(). */
struct group_member {
	const char *policy, *version; /* in force */
	const char *file;	      /* tollgate.yaml's `policy` */
	const char *admin;	      /* path of the admin socket; NULL: none */
	const char *daemon;	      /* name of the first instance, which both instances give */
};

/* Appends {"policy", "policy_version", "file", "admin", "daemon"} without the closing brace. "file" names the
 * file for all daemons of this machine: the machine's id, the folder's device and inode, and the
 * name. Empty: not known. */
void group_member_put(const struct group_member *m, struct buf *out);

struct group;
struct group_trends;
/* This daemon's trends, which others read: *own, once that is not NULL. `daemon` as in struct group_member, copied. NULL: out of
 * memory. */
struct group_trends *group_trends_new(const char *daemon, struct trends *_Atomic *own);
/* Starts the thread. `self(arg, out)` calls group_member_put() for this daemon, on that thread, or
 * appends nothing while this instance does not decide: its field is then removed. The
 * options are copied, `node` is not. group_stop() frees `trends`, which may be NULL. Redis may be away. NULL with *why. */
struct group *group_start(const char *node, const struct redis_options *redis,
	void (*self)(void *arg, struct buf *out), void *arg, struct group_trends *trends,
	struct buf *why);
/* Writes or removes the own field at once, because `self` appends something else now. `g` may be NULL. Any thread. */
void group_self_changed(struct group *g);
/* Appends the other daemons that wrote within the last 10 s: [{"node", "policy", "policy_version",
 * "shares_file", "admin"}], in no order; null: Redis does not answer, or `g` is NULL. Any thread. */
void group_put(struct group *g, struct buf *out);
/* Appends what all of them decided, as trends_json(), and "daemons": [{"node", "here", "missing"}]. `missing`: it wrote
 * within the last day, and not within the last 10 s. Returns false, and appends nothing, if Redis does not answer or `g` is
 * NULL. Any thread. */
bool group_trends_json(struct group *g, const struct trends_asked *asked, int64_t wall_ns,
	struct buf *out);
void group_stop(struct group **g);

#endif
