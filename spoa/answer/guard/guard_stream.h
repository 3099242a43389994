/* Events of a stream, and values that are spread over several texts. For the files of guard/
 * that read streams. */
#ifndef ANSWER_GUARD_GUARD_STREAM_H
#define ANSWER_GUARD_GUARD_STREAM_H

#include "answer/guard/guard_private.h"

/* A value spread over several texts, or found by its surroundings. The value is replaced in the
 * first text and removed from the others. States: SPLIT_NEW, then guard_split_decide() sets one
 * of the others. */
struct split {
	unsigned refs; /* references: marks and the reader */
	size_t entity, n;
	enum answer_kind kind;
	enum { SPLIT_NEW, SPLIT_STAYS, SPLIT_REPLACED } is;
	struct buf value, with;
};

/* A part of such a value in an event's text. `text` is the text's index among the unnamed
 * ones. */
struct mark {
	size_t text, start, end;
	struct split *of;
	bool first;
};

/* A value over the ends of blocks, or found by text before a block. */
struct crossing {
	struct split *of;
	size_t start, end;   /* offsets in all texts of its kind */
	size_t *cuts, ncuts; /* offsets in the value at which blocks end; in g->life */
};

/* An event, or a frame without data. The event is read once; if it waits, the result stays. */
struct event {
	STAILQ_ENTRY(event) all;
	struct frame frame;
	struct span type;	  /* type in the framing; of a wrapped event its own */
	int err;		  /* error of the parse; 0: none */
	struct answer_document d; /* after an error: one text with all data */
	bool waits;
	/* memory of the views, if the event waits; else they are in g->work */
	struct arena work;
	size_t bytes;	 /* size of the frame */
	size_t open;	 /* pieces of its members that are undecided */
	size_t next;	 /* index of the next one to edit */
	size_t text_end; /* guard_boundary.c: offset after its text in all texts of the kind */
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

/* guard_queue.c: passes an event or frame through all stages, and sends it if nothing holds it
 * back. */
enum guard_result guard_queue_pass(struct guard *g, const struct frame *f, struct buf *out);
/* Sends all that waits, because no more input follows or none may be read. */
enum guard_result guard_queue_end(struct guard *g, struct buf *out);
size_t guard_queue_held(const struct guard *g);
void guard_queue_free(struct guard *g);
/* guard_stream.c: reads the frame's content into *e, and sends an event. Content that may not
 * be read ends the stream, after the events that wait. */
enum guard_result guard_event_read(struct guard *g, struct event *e, struct buf *out);
enum guard_result guard_event_say(struct guard *g, struct event *e, struct buf *out);

/* The stages that keep events in a queue of their own. *_take() sets *waits if the event waits
 * there; *_may_go() returns true if a waiting event may leave; *_end() decides everything. */
bool guard_members_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_members_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_members_end(struct guard *g);
bool guard_boundary_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_boundary_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_boundary_end(struct guard *g);
bool guard_end_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_end_take(struct guard *g, struct event *e, bool *waits);

/* guard_queue.c: notes what an event states about the stream's end. */
void guard_end_note(struct guard *g, const struct answer_document *d);
/* Returns true if no table describes the end or the content: a file of lines, a service that is
 * no model. */
bool guard_end_is_unknown(const struct guard *g);
/* Returns true if the dialect has an end of streams, and the end has not arrived. */
bool guard_end_is_cut(const struct guard *g);

/* guard_messages.c: edits and sends an event that is a message of its own. */
enum guard_result guard_message_say(struct guard *g, struct event *e, struct buf *out);

/* guard_event.c: the edits of an event. */
struct edited {
	struct splice *splices;
	size_t n;
	bool said, silent; /* the event had text; no text of it is sent now */
	bool once;	   /* the event has content that only this event may carry */
};
/* Runs the event's texts through their channels and collects the edits. */
enum guard_result guard_run_texts(struct guard *g, struct event *ev, struct edited *e);
/* Sends the event with its edits. */
enum guard_result guard_pass_edited(struct guard *g, const struct frame *f,
	const struct answer_document *d, const struct edited *e, struct buf *out);
/* Sends held-back text in an event like the channel's last one. */
enum guard_result guard_channel_say(struct channel *c, struct buf *out);
/* Ends channels that end with this event without text in it, and first sends what they hold
 * back. NULL: all channels. */
enum guard_result guard_end_channels(
	struct guard *g, const struct answer_document *d, struct buf *out);
/* If another text begins in a choice, first sends what is held back of the previous one. */
enum guard_result guard_turn_channels(
	struct guard *g, const struct answer_document *d, struct buf *out);
/* Frees the channels that ended in this event. */
void guard_drop_ended(struct guard *g, const struct answer_document *d);

/* guard_split.c: creates a counted value. NULL: out of memory. split_drop() releases a
 * reference. */
struct split *split_new(size_t entity, enum answer_kind kind, struct span value);
void split_drop(struct split *s);
/* Notes the value, asks the rules if it is new, and sets its replacement. Later calls do
 * nothing. */
enum guard_result guard_split_decide(struct guard *g, struct split *s);
/* Marks a part of a value: bytes of the unnamed text with this index. Returns 0 or
 * ERR_NOMEM. */
int event_mark(struct event *e, size_t text, size_t start, size_t end, struct split *of);
void event_unmark(struct event *e);
/* Does what guard_edit_alone() does, for a text that no row names. Each must be passed once, in
 * order. */
enum guard_result guard_members_edit(
	struct guard *g, struct event *e, const struct answer_text *t, struct span *out);
void guard_members_free(struct guard *g);

/* guard_boundary.c: returns the first value over a block's end that touches these bytes of all
 * texts of the kind. NULL: none. */
struct crossing *guard_boundary_at(
	struct guard *g, enum answer_kind kind, size_t start, size_t end);
/* Adds the parts of such values as findings, in texts that the stream repeats at its end. */
enum guard_result guard_boundary_again(
	struct guard *g, const struct answer_text *t, struct findings *found);
void guard_boundary_free(struct guard *g);

#endif
