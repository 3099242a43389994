/* The daemons that share a Redis, with the policy that each has in force, whether each is ready,
 * and the sum of their decisions over time. `tollgate policy apply` lists the daemons here that read the same policy
 * file, and orders each through its own admin socket.
 *
 * The hash tollgate:{group}:policies has a field for each node: JSON with the members of
 * group_member_put() and "at", Redis' time in seconds. A daemon writes its field each second.
 * Of the two instances of a daemon (`tollgate upgrade`), only the one that decides has a field,
 * because both have the same admin socket. */
#ifndef OPERATOR_GROUP_GROUP_H
#define OPERATOR_GROUP_GROUP_H

#include "base/buf.h"
#include "base/redis/redis_options.h"
#include "budget/trends/trends.h"

#define GROUP_KEY "tollgate:{group}:policies"

/* The data that a daemon publishes. The strings must stay valid until group_member_put()
 * returns. */
struct group_member {
	const char *policy, *version; /* name and version of the policy in force */
	const char *file;	      /* path of the policy, as tollgate.yaml has it */
	const char *admin;	      /* path of the admin socket; NULL: none */
	/* name of the daemon's first instance, which both instances publish */
	const char *daemon;
	const char *agent; /* path of the first agent socket; NULL: it listens on TCP only */
	const char *console; /* address of the console; NULL: none */
	bool ready;	   /* it can decide requests */
	/* HAProxy's questions (NOTIFY) of the last ten seconds and of the last minute */
	uint64_t asked, minute;
	int64_t idle_s; /* seconds since the last question; -1: none since the start */
	uint64_t ready_s;  /* seconds since it is ready */
	/* requests that have not ended, and those among them that wait for a provider */
	uint64_t in_flight, awaited;
	const char *oldest_id; /* the one that waits longest; NULL: none */
	uint64_t oldest_s;     /* seconds since it was sent */
	const char *program; /* version of the program */
	struct span degraded; /* names of degraded parts as a JSON list; n 0: not known */
	uint64_t records;     /* the last record of the journal; 0: there is no journal */
	struct span head;     /* hash of that record, CHAIN_HASH_BYTES; n 0: not known */
	/* wall time at which every record that was closed then was verified; 0: not yet */
	int64_t verified_ns;
};

/* Appends {"policy", "policy_version", "file", "admin", "daemon", "sockets", "console", "ready",
 * "asked", "ready_s", "minute", "idle_s", "in_flight", "awaited", "oldest_id", "oldest_s",
 * "program", "degraded", "records", "head", "verified"} without the closing brace. "file" identifies the policy's file on this machine: the
 * machine's id, the folder's device and inode, and the name; it is empty if they are unknown.
 * "sockets" identifies the folder of the agent's socket in the same way. */
void group_member_put(const struct group_member *m, struct buf *out);

/* The other daemons that can decide requests, as read in the group's last turn. */
struct group_ready {
	bool self;	       /* this daemon had published itself as ready when it read the others */
	unsigned others;       /* the number of other daemons that are ready */
	char node[64 + 1];     /* one of them */
	/* The daemons among them that the same HAProxy asks, because their sockets are in one
	 * folder with this daemon's, and that have been ready for GROUP_BACK_S. `asked`: the
	 * smallest number of questions that one of them, `beside_node`, had in ten seconds. */
	unsigned beside;
	uint64_t asked;
	char beside_node[64 + 1];
};

/* Seconds for which another daemon must be ready before it gets connections of this one. */
enum { GROUP_BACK_S = 10 };

struct group;
struct group_trends;
/* Creates the shared trends. *own has this daemon's trends, once it is not NULL; other daemons
 * read them. `daemon` is as in struct group_member and is copied. Returns NULL if memory is
 * exhausted. */
struct group_trends *group_trends_new(const char *daemon, struct trends *_Atomic *own);
/* Starts the thread. On that thread, `self(arg, out)` calls group_member_put() for this daemon,
 * or appends nothing while this instance does not decide; its field is then removed. The
 * options are copied, `node` is not. group_stop() frees `trends`, which may be NULL. Redis may
 * be unavailable. Returns NULL with *why. */
struct group *group_start(const char *node, const struct redis_options *redis,
	void (*self)(void *arg, struct buf *out), void *arg, struct group_trends *trends,
	struct buf *why);
/* Makes the thread call `self` at once, because its result has changed. `g` may be NULL. Any
 * thread. */
void group_self_changed(struct group *g);
/* Appends the other daemons that wrote within the last 10 s, in no particular order: [{"node",
 * "policy", "policy_version", "shares_file", "admin"}]. Appends null if Redis does not answer
 * or `g` is NULL. Any thread. */
void group_put(struct group *g, struct buf *out);
/* Appends the other daemons that wrote within the last day: [{"node", "machine", "console",
 * "away"}]. "machine" is "same", "other", or null if it is unknown; "away" if the daemon did not
 * write within the last 10 s; "console" has the form of group_console_valid(), or is null. Appends
 * null as group_put() does. Any thread. */
void group_put_known(struct group *g, struct buf *out);
/* Appends all daemons that wrote within the last day, this one included, as nodes_list() makes
 * them. Appends null as group_put() does. Any thread. */
void group_put_nodes(struct group *g, struct buf *out);
/* Returns true if the text is https://HOST[:PORT]/console/ : a daemon's own page can link to it. */
bool group_console_valid(const char *url);
/* Reads which other daemons are ready. Returns false and clears *out if this is unknown, because
 * Redis does not answer or `g` is NULL. Any thread. */
bool group_ready(struct group *g, struct group_ready *out);
/* Sets *live to the number of daemons that wrote within the last 10 s, this one included, and *known
 * to the number of those that wrote within the last day and were not stopped since. Appends the
 * names of those that are known but not live to *missing (NULL: does not). Returns false if Redis
 * does not answer or `g` is NULL. Any thread. */
bool group_seen(struct group *g, unsigned *live, unsigned *known, struct buf *missing);
/* Appends the decisions of all daemons, as trends_json(), and "daemons": [{"node", "here",
 * "missing"}]. A daemon is `missing` if it wrote within the last day but not within the last 10
 * s. Returns false and appends nothing if Redis does not answer or `g` is NULL. Any thread. */
bool group_trends_json(
	struct group *g, const struct trends_asked *asked, int64_t wall_ns, struct buf *out);
/* Removes the own field, ends the thread and frees everything. */
void group_stop(struct group **g);

#endif
