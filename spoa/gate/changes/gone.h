/* What was purged, and may still be in an old copy of Redis or on the disk of a daemon that was
 * down: a name and a number each. It is kept where a copy of old could be in force again, until
 * none can. Each is a line of the file of entries, with an HMAC as theirs, and in the place of
 * its entry in Redis. */
#ifndef GATE_CHANGES_GONE_H
#define GATE_CHANGES_GONE_H

#include "gate/changes/entry.h"

enum { GONE_FIELD_MAX = 24 };

struct gone {
	char field[GONE_FIELD_MAX]; /* "key:ID" */
	int64_t serial;		    /* of what was purged */
	int64_t latest_ns;	    /* as of struct live_entry */
	bool final;		    /* it was revoked */
};

/* owner: struct live. Sorted by field. */
struct gone_list {
	struct gone *v;
	size_t n, room;
};

/* NULL: not purged, or forgotten. */
const struct gone *gone_find(const struct gone_list *g, const char *field);
/* Whether the entry stays out: it is of before, or nothing can follow. */
bool gone_beats(const struct gone *g, const struct live_entry *e);
/* Of the entry; 0, ERR_FULL (CAP_LIVE_GONE) or ERR_NOMEM. */
int gone_add(struct gone_list *g, const struct gone *one);
void gone_drop(struct gone_list *g, const char *field);
/* Forgets those of which no copy can be in force any more. */
void gone_forget(struct gone_list *g, int64_t now_ns);
void gone_free(struct gone_list *g);

struct gone gone_of(const struct live_entry *e);
/* Appends its line. */
void gone_write(const struct gone *one, const unsigned char key[SHA256_BYTES], struct buf *out);
/* Of a verified line's object; false: it is none. */
bool gone_read(json_t *object, struct gone *out);

#endif
