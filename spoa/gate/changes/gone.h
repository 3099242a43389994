/* Names of purged entries. An old copy of a purged entry may still exist in Redis or on the
 * disk of a daemon that was down. As long as such a copy could come into force again, a line
 * with the entry's name and serial is kept. The line is in the file of entries, with an HMAC
 * like theirs, and in the entry's field in Redis. */
#ifndef GATE_CHANGES_GONE_H
#define GATE_CHANGES_GONE_H

#include "gate/changes/entry.h"

enum { GONE_FIELD_MAX = 24 };

struct gone {
	char field[GONE_FIELD_MAX]; /* "key:ID" */
	int64_t serial;		    /* serial of the purged entry */
	int64_t latest_ns;	    /* latest_ns of struct live_entry */
	bool final;		    /* the entry was a revoked key */
};

/* owner: struct live, under its lock. Sorted by field; at most CAP_LIVE_GONE. */
struct gone_list {
	struct gone *v;
	size_t n, room;
};

#endif
