/* How a person's HAProxy is reached, as its files say it: the sockets of its frontends, the
 * hosts that pass the gate, and which rule may have given an answer that was seen. For tollgate
 * check --probe, which sends requests there. What cannot be told by the files is left out. */
#ifndef OPERATOR_EDGE_REACH_H
#define OPERATOR_EDGE_REACH_H

#include "operator/edge/haproxy_file.h"

enum { REACH_HOSTS_MAX = 64, REACH_PLACES_MAX = 256 };

/* One socket that a frontend listens on, where a client of this machine connects. */
struct reach_place {
	const struct haproxy_section *front;
	const struct haproxy_line *bind;
	const char *address; /* a name or number for a URL, with brackets where it has colons; or
			      * the path of a Unix socket */
	unsigned port;	     /* 0: `address` is a path */
	bool tls, proxied;   /* proxied: it wants the PROXY protocol first */
	bool http2;	     /* it speaks nothing else */
	const char *no;	     /* why no request can be sent there; NULL: one can */
};

/* The sockets of a frontend but the relay's: how many, all of it the arena's. */
size_t reach_places(
	const struct haproxy_section *s, struct arena *a, struct reach_place out[], size_t most);
/* The hosts that `acl tollgate` names, in lower case: how many. *all: the ACL names none, but
 * binds or ports; *unknown: it also tests what cannot be told here (a pattern, a map). */
size_t reach_hosts(const struct haproxy_section *s, struct arena *a, const char *out[],
	size_t most, bool *all, bool *unknown);
/* What comes in there may pass the gate: the ACL does not name other binds or ports alone. */
bool reach_passes(const struct reach_place *p);
/* The frontend has the stanza; it answers each request itself, by this line. */
bool reach_is_gate(const struct haproxy_section *s);
const struct haproxy_line *reach_answers_all(const struct haproxy_section *s);
/* The line of the guard in a backend, or of its defaults; NULL: it has none. */
const struct haproxy_line *reach_guard(const struct haproxy_section *s);
/* Adds "FILE:LINE", separated by " or ", of the person's rules in this section that may have
 * answered with that status and Location (empty: none); `second`: on the relay's pass. How
 * many. */
size_t reach_rules(const struct haproxy_section *s, int status, struct span location,
	bool second, struct buf *out);

#endif
