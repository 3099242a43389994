/* Where a Redis' servers are and which of them holds a key: one server, the master that
 * Sentinels name, or the masters of a cluster and their slots (Redis Cluster
 * specification, "Key distribution model"). Without I/O; base/redis/redis_find.c asks. */
#ifndef BASE_REDIS_REDIS_MAP_H
#define BASE_REDIS_REDIS_MAP_H

#include <stdint.h>

#include "base/redis/redis_url.h"
#include "base/span.h"

enum { REDIS_SLOTS = 16384, REDIS_NODES_MAX = 64, REDIS_NOBODY = 255 };

struct redis_place {
	char host[REDIS_URL_HOST_MAX]; /* as it was named; "": a unix socket */
	char address[48];	       /* of that host, in digits */
	unsigned port;
};

struct redis_map {
	size_t n;
	struct redis_place place[REDIS_NODES_MAX];
	uint8_t owner[REDIS_SLOTS]; /* index of its place, or REDIS_NOBODY; clusters only */
};

/* Of the key, or of what its first pair of braces encloses, where that is something. */
unsigned redis_slot(struct span key);
/* A text that is in this slot. */
#define REDIS_TAG_MAX 12
void redis_slot_tag(unsigned slot, char out[REDIS_TAG_MAX]);
/* "HOST:PORT", where HOST may be IPv6 without brackets, or nothing (`asked`: who said so).
 * 0, or ERR_SYNTAX. */
int redis_place_read(struct span s, const char *asked, struct redis_place *out);
/* Its address where its host is one; else it has none. */
void redis_place_address(struct redis_place *p);

#endif
