/* Determines from the files how clients reach HAProxy: the sockets of its frontends, the hosts
 * whose requests pass the gate, and the rules that may have produced a certain response.
 * `tollgate check --probe` sends requests to these places. Anything that the files do not
 * determine is left out. */
#ifndef OPERATOR_EDGE_REACH_H
#define OPERATOR_EDGE_REACH_H

#include "operator/edge/haproxy_file.h"

/* Bounds for the caller's arrays; further hosts and places are left out. */
enum { REACH_HOSTS_MAX = 64, REACH_PLACES_MAX = 256 };

/* A socket on which a frontend listens, and how a client on this machine connects to it. */
struct reach_place {
	const struct haproxy_section *front;
	const struct haproxy_line *bind;
	/* a name or number for a URL (IPv6 in brackets), or the path of a Unix socket */
	const char *address;
	unsigned port;	   /* 0: `address` is a path */
	bool tls, proxied; /* proxied: the socket expects the PROXY protocol */
	bool http2;	   /* the socket accepts only HTTP/2 */
	const char *no;	   /* why the probe cannot send a request there; NULL: it can */
};

/* Stores the sockets of a frontend, except for the relay's, in out[]. In place of a socket to
 * which only HAProxy connects (abns@), the sockets of the tcp frontends that lead there are
 * stored. Returns their number, at most `most`. Memory is the arena's. */
size_t reach_places(const struct haproxy *h, const struct haproxy_section *s, struct arena *a,
	struct reach_place out[], size_t most);
/* Stores the hosts of `acl tollgate` in lower case and returns their number. *all is true if
 * the ACL selects by bind or port instead; *unknown is true if the ACL also has tests that
 * cannot be evaluated here (a pattern, a map). */
size_t reach_hosts(const struct haproxy_section *s, struct arena *a, const char *out[],
	size_t most, bool *all, bool *unknown);
/* Returns true if requests on this socket may pass the gate, because the ACL is not limited to
 * other binds or ports. */
bool reach_passes(const struct reach_place *p);
/* Returns true if the frontend has the stanza. */
bool reach_is_gate(const struct haproxy_section *s);
/* Returns the line with which the frontend answers every request itself, or NULL. */
const struct haproxy_line *reach_answers_all(const struct haproxy_section *s);
/* Returns the guard's line in a backend or its defaults, or NULL. */
const struct haproxy_line *reach_guard(const struct haproxy_section *s);
/* Appends "FILE:LINE", separated by " or ", for the operator's rules in this section that may
 * have answered with this status and Location (empty: none). `second` selects the relay's pass.
 * Returns their number; the first four are written. */
size_t reach_rules(const struct haproxy_section *s, int status, struct span location,
	bool second, struct buf *out);

#endif
