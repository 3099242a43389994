/* What the admin server takes to change keys and limits at run time. Each call gets a JSON
 * object and answers with one, {"error": …} where it does nothing. Runs on an admin thread. */
#ifndef OPERATOR_ADMIN_CALLS_H
#define OPERATOR_ADMIN_CALLS_H

#include <jansson.h>
#include <sys/types.h>

#include "base/buf.h"

struct server;

enum admin_door { DOOR_UNIX, DOOR_TCP, DOOR_TLS };
extern const char *const admin_doors[]; /* "unix", … */

/* One caller of the admin server, however many connections and sessions he has: what he may
 * have at once is counted by it. All of what one token, certificate or user asks is his. */
struct caller_id {
	unsigned char b[16];
};

/* Who asks: of the unix socket as the kernel says it. */
struct admin_peer {
	pid_t pid;
	uid_t uid; /* -1: not known */
	char user[65];
	unsigned roles;
	enum admin_door door;
	enum admin_by { BY_NOBODY, BY_USER, BY_TOKEN, BY_SESSION, BY_CERTIFICATE } by;
	char name[65]; /* the token's or certificate's; "": none */
	char from[64]; /* address of TCP and TLS */
	struct caller_id who;
	/* Of what it came in by, to be asked again: */
	unsigned char token[32], session[32];
	int64_t end_ns; /* the token's; 0: never */
	pid_t child;	/* of ours, that reads on his behalf: 0: he asks himself */
};

/* {"error": …} in the place of what *out has; returns the status. */
unsigned calls_error(struct buf *out, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The object in the place of what *out has; takes it (NULL: {}), and returns 200. */
unsigned calls_json(struct buf *out, json_t *o);
/* Returns the HTTP status. */
typedef unsigned admin_call_fn(
	struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out);

/* {"keys": […]}: all, without their hashes, each with its state. */
unsigned admin_keys(struct server *s, struct buf *out);

/* {"overrides": […]}: those that were not cleared, each with its state. */
unsigned admin_limits(struct server *s, struct buf *out);
/* {"targets": […]}: of the policy in force, as target_table_json(). */
void admin_targets(struct server *s, struct buf *out);

/* {"state_key": …, "full": [servers], "tools": […]}: pins, as tool_pins_list(), each with what
 * all of its server come to ("look"). */
unsigned admin_tools(struct server *s, struct buf *out);
/* server, kind, name: one with its texts. */
admin_call_fn admin_tool_show;
/* notify_status(). */
void admin_notify(struct server *s, struct buf *out);
/* identity (an object) or key (the id of an API key), route, model: {"limits": […]}. Changes
 * nothing. */
admin_call_fn admin_quota;
/* window, by: as rates_series(). */
admin_call_fn admin_series;
/* by, range: as trends_json(). */
admin_call_fn admin_trends;
void admin_log(struct server *s, struct buf *out);
unsigned admin_policy_rules(struct server *s, struct buf *out);
void admin_models(struct server *s, struct buf *out);
/* from, count: as near_json(). */
admin_call_fn admin_limits_near;
admin_call_fn admin_limits_fullest;

#endif
