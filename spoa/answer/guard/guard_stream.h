/* Events of a stream, and values that are spread over several texts. For the files of guard/
 * that read streams. */
#ifndef ANSWER_GUARD_GUARD_STREAM_H
#define ANSWER_GUARD_GUARD_STREAM_H

#include "answer/guard/guard_private.h"

/* A value spread over several texts, or found by its surroundings. The value is replaced in the
 * first text and removed from the others. States: SPLIT_NEW, then guard_split_decide() sets one
 * of the others. */
struct split {
	unsigned refs; /* number of references, by marks and by the reader of the text */
	size_t entity, n;
	enum answer_kind kind;
	enum { SPLIT_NEW, SPLIT_STAYS, SPLIT_REPLACED } is;
	struct buf value, with;
};

/* A value that extends over the end of a block, or that was found because of text before its
 * block. */
struct crossing {
	struct split *of;
	size_t start, end;   /* offsets in all texts of its kind */
	size_t *cuts, ncuts; /* offsets in the value at which blocks end; in g->life */
};

/* An event, or a frame without data. The event is parsed once; if the event waits, the result
 * is kept. */
struct event {
	STAILQ_ENTRY(event) all;
	struct frame frame;
	struct span type; /* type in the framing; a wrapped event has a type of its own */
	int err;	  /* error of the parse; 0: none */
	struct answer_document d; /* after an error: one text with all data */
	bool waits;
	/* memory of the views, if the event waits; else they are in g->work */
	struct arena work;
	size_t bytes; /* size of the frame */
	size_t open;  /* number of undecided pieces of its members */
	size_t next;  /* number of texts without a row that were edited */
	/* set by guard_split.c: offset after the event's text in the joined texts of the
	 * kind */
	size_t text_end;
	struct mark *marks;
	size_t nmarks, room;
};

/* Returns the document of the event; NULL: no JSON, or no event. */
static inline const struct answer_document *
event_says(const struct event *e)
{
	return e->frame.has_data && !e->err ? &e->d : NULL;
}

/* A member that no row names, followed over the events of a stream. */
struct member {
	LIST_ENTRY(member) followed; /* members with a scan */
	struct guard *g;
	const struct run *run;
	uint64_t event;	      /* number of the last event that had it */
	size_t seen;	      /* number of events that had it */
	uint64_t last, value; /* hashes of its previous and present values in one event */
	uint64_t shape, last_shape;
	bool text;     /* has looked like text at least once */
	bool words;    /* in this event: only words and ids, by key or by looks */
	bool letters;  /* only letters, four or more */
	bool digits;   /* no letters */
	bool lettered; /* an earlier event had letters */
	size_t bytes;
	struct detect_stream *scan;
	size_t fed;
	struct split *under_way;
	STAILQ_HEAD(, piece) pieces;
};

/* Limits of a queue: bytes of the frames, and bytes of the frames with all that was read. */
enum { QUEUE_MOST = 64 << 10, QUEUE_HELD_MOST = 2 << 20 };

static inline bool
queue_is_full(const struct event_queue *q, const struct event *e)
{
	return q->bytes + e->bytes > QUEUE_MOST || q->held_bytes > QUEUE_HELD_MOST;
}

/* guard_stream.c */
size_t guard_queue_held(const struct guard *g);
void guard_queue_free(struct guard *g);

/* The stages that keep events in a queue of their own. *_take() sets *waits if the event waits
 * there; *_may_go() returns true if a waiting event may leave; *_end() decides everything. */
bool guard_members_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_members_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_members_end(struct guard *g);
bool guard_boundary_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_boundary_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_boundary_end(struct guard *g);

/* guard_whole.c: edits and sends an event that is a message of its own. */
enum guard_result guard_message_say(struct guard *g, struct event *e, struct buf *out);

/* guard_split.c: notes the value, asks the rules if it is new, and sets its replacement. Later
 * calls do nothing. */
enum guard_result guard_split_decide(struct guard *g, struct split *s);
/* Drops all marks of the event. */
void event_unmark(struct event *e);
/* Does the same as guard_edit_alone() for a text that no row names. Call it once for each such
 * text of the event, in their order. */
enum guard_result guard_members_edit(
	struct guard *g, struct event *e, const struct answer_text *t, struct span *out);
void guard_members_free(struct guard *g);

/* Returns the first value over a block's end that touches these bytes of all
 * texts of the kind. NULL: none. */
struct crossing *guard_boundary_at(
	struct guard *g, enum answer_kind kind, size_t start, size_t end);
/* Adds the parts of values over blocks' ends as findings of a text that the stream repeats at
 * its end. */
enum guard_result guard_boundary_again(
	struct guard *g, const struct answer_text *t, struct findings *found);
void guard_boundary_free(struct guard *g);

#endif
