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

/* Returns NULL if the entry was not purged, or if its name is forgotten. */
const struct gone *gone_find(const struct gone_list *g, const char *field);
/* Returns true if the purged name keeps the entry out: the entry is not newer than the purged
 * one, or the purged key was revoked. */
bool gone_beats(const struct gone *g, const struct live_entry *e);
/* Adds or replaces a name. Returns 0, ERR_FULL (CAP_LIVE_GONE) or ERR_NOMEM. */
int gone_add(struct gone_list *g, const struct gone *one);
void gone_drop(struct gone_list *g, const char *field);
/* Removes a name once no copy of its entry can be in force. */
void gone_forget(struct gone_list *g, int64_t now_ns);
void gone_free(struct gone_list *g);

/* Returns the name of an entry that is about to be purged. */
struct gone gone_of(const struct live_entry *e);
/* Appends the name's signed line. */
void gone_write(const struct gone *one, const unsigned char key[SHA256_BYTES], struct buf *out);
/* Reads the object of a verified line. Returns false if the object is not a purged name. */
bool gone_read(json_t *object, struct gone *out);

#endif
