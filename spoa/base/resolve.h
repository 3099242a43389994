/* Addresses of host names, found within a time. getaddrinfo(3) has no timeout: while a resolver
 * does not answer, it waits for ten seconds and more for each name, and a stop would wait with
 * it. */
#ifndef BASE_RESOLVE_H
#define BASE_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	RESOLVED_MOST = 8, /* addresses of a name; more are left out */
	/* the most threads that wait for the system's resolver; a further name fails at once */
	RESOLVING_MOST = 32,
};

struct resolved {
	size_t n;
	struct resolved_address {
		socklen_t length;
		struct sockaddr_storage place;
	} at[RESOLVED_MOST];
};

/* Finds the addresses for a stream socket. `port` is a number or NULL (0). A name is asked for in
 * a thread of its own, which continues if the time is over; a later call for the same name and port
 * waits for that thread. Returns 0, ERR_NOTFOUND, ERR_TIMEOUT, ERR_FULL or ERR_NOMEM; *why is the
 * reason then, a constant text. Any thread. */
int resolve_name(const char *host, const char *port, uint64_t timeout_us, struct resolved *out,
	const char **why);

#endif
