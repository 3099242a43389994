/* Events of a stream that wait, and what was found in members of them that no row names: shared
 * by guard_unnamed.c, which says what waits for what, and guard_waiting.c, which edits. */
#ifndef GUARD_GUARD_WAITING_H
#define GUARD_GUARD_WAITING_H

#include "guard/guard_private.h"

/* A value over several events, or found by what is around it. */
struct spread {
	unsigned refs;
	size_t entity, n;
	enum { SPREAD_NEW, SPREAD_STAYS, SPREAD_REPLACED } is;
	struct buf value, with;
};

/* A part of one in an event's text, by the text's place among the unnamed. */
struct mark {
	size_t text, start, end;
	struct spread *of;
	bool first;
};

/* An event that waits, and what was found in it. */
struct waiting {
	STAILQ_ENTRY(waiting) all;
	struct frame frame;
	struct buf bytes; /* its views */
	size_t open;	  /* pieces of it that are not decided */
	size_t text_end;  /* guard_seam.c: of the texts of its kind up to and with its own */
	struct mark *marks;
	size_t nmarks, room;
};

/* A member that no row names, over the events of a stream. */
struct member {
	LIST_ENTRY(member) followed; /* those with a scan */
	struct guard *g;
	const struct run *run;
	uint64_t event;	      /* the last one that had it */
	size_t seen;	      /* events that had it */
	uint64_t last, value; /* hashes of all that it was in one */
	uint64_t shape, last_shape;
	bool text;     /* it once looked like text */
	bool words;    /* in this event: words and ids, by key or looks */
	bool letters;  /* nothing else, and more than one */
	bool digits;   /* and no letters */
	bool lettered; /* in an event before */
	size_t bytes;
	struct detect_stream *scan;
	size_t fed;
	struct spread *under_way;
	STAILQ_HEAD(, piece) pieces;
};

/* Counted; NULL: out of memory. */
struct spread *spread_new(size_t entity, struct span value);
void spread_drop(struct spread *s);
/* A part of it in this event: bytes of the text'th unnamed text. 0, ERR_NOMEM. */
int waiting_mark(struct waiting *w, size_t text, size_t start, size_t end, struct spread *of);
/* Copies the frame, all of its views in one piece of memory; false: out of memory. */
bool waiting_keep(struct waiting *w, const struct frame *f);
/* The event under way, kept with what was found in it. NULL: out of memory. */
struct waiting *waiting_take(struct guard *g, const struct frame *f);
void waiting_free(struct waiting *w);

#endif
