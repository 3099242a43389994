/* The calls of the admin server that take a JSON object and return one, and the identity of
 * their callers. A call that fails returns {"error": …}. All run on an admin thread. */
#ifndef OPERATOR_ADMIN_CALLS_H
#define OPERATOR_ADMIN_CALLS_H

#include <jansson.h>
#include <sys/types.h>

#include "base/buf.h"

struct server;

enum admin_door { DOOR_UNIX, DOOR_TCP, DOOR_TLS };
extern const char *const admin_doors[]; /* names for `enum admin_door`: "unix", … */

/* Identifies one caller for the limits on connections, children and records. Everything that
 * one token, certificate or user sends counts for the same caller, over all connections and
 * sessions. */
struct caller_id {
	unsigned char b[16];
};

/* The caller of a request, as authenticated by the door. On the Unix socket, the kernel
 * provides process and user. */
struct admin_peer {
	pid_t pid;
	uid_t uid; /* (uid_t)-1: unknown */
	char user[65];
	/* bits of ROLE_* */
	unsigned roles;
	enum admin_door door;
	enum admin_by { BY_NOBODY, BY_USER, BY_TOKEN, BY_SESSION, BY_CERTIFICATE } by;
	char name[65]; /* name of the token or certificate; "": none */
	char from[64]; /* address of the client on TCP and TLS */
	struct caller_id who;
	/* The credentials of the request, for checking again later. */
	unsigned char token[32], session[32];
	int64_t end_ns; /* Unix time in ns at which the token ends; 0: never */
	/* the child process of ours that sends this request on behalf of the caller; 0: none */
	pid_t child;
};

/* Replaces the contents of *out with {"error": …} and returns the status. */
unsigned calls_error(struct buf *out, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Replaces the contents of *out with the object and returns 200. Takes ownership of `o`; NULL
 * stands for {}. */
unsigned calls_json(struct buf *out, json_t *o);
/* Handles a call: reads `in`, appends the response to `out`, and returns the HTTP status. */
typedef unsigned admin_call_fn(
	struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out);

/* {"keys": […]}: all keys with their states, without hashes. */
unsigned admin_keys(struct server *s, struct buf *out);

/* {"overrides": […]}: overrides that were not cleared, with their states. */
unsigned admin_limits(struct server *s, struct buf *out);

/* {"state_key": …, "full": [servers], "tools": […]}: the pins, as tool_pins_list(). "look" is
 * a hash over all pins of the tool's server. */
unsigned admin_tools(struct server *s, struct buf *out);
/* Parameters: server, kind, name. Returns one pin with its texts. */
admin_call_fn admin_tool_show;
/* Parameters: identity (an object) or key (the id of an API key), route, model. Returns
 * {"limits": […]} and changes nothing. */
admin_call_fn admin_quota;

#endif
