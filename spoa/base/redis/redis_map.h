/* The places of a Redis' servers, and which of them holds a key: one server, the master that
 * Sentinels name, or the masters of a cluster with their slots (Redis Cluster specification,
 * "Key distribution model"). No I/O; base/redis/redis_find.c asks the servers. */
#ifndef BASE_REDIS_REDIS_MAP_H
#define BASE_REDIS_REDIS_MAP_H

#include <stdint.h>

#include "base/redis/redis_options.h"
#include "base/span.h"

enum { REDIS_SLOTS = 16384, REDIS_NODES_MAX = 64, REDIS_NOBODY = 255 };

struct redis_place {
	char host[REDIS_URL_HOST_MAX]; /* the name as given; "": a unix socket */
	char address[48];	       /* the host's address in digits; "": unknown */
	unsigned port;
};

struct redis_map {
	size_t n;
	struct redis_place place[REDIS_NODES_MAX];
	/* for each slot, the index of its place, or REDIS_NOBODY; clusters only */
	uint8_t owner[REDIS_SLOTS];
};

/* Returns the slot of a key, or of the part in its first pair of braces if that is not empty. */
unsigned redis_slot(struct span key);
/* Writes a text that belongs to this slot. */
#define REDIS_TAG_MAX 12
void redis_slot_tag(unsigned slot, char out[REDIS_TAG_MAX]);
/* Parses "HOST:PORT", in which HOST may be IPv6 without brackets, or empty for the host `asked`
 * that sent it. Returns 0 or ERR_SYNTAX. */
int redis_place_read(struct span s, const char *asked, struct redis_place *out);
/* Sets the address if the host is an address; otherwise clears it. */
void redis_place_address(struct redis_place *p);

#endif
