/* The events of a stream, and values that are over several of its texts: for the files of
 * guard/ that read streams. */
#ifndef ANSWER_GUARD_GUARD_STREAM_H
#define ANSWER_GUARD_GUARD_STREAM_H

#include "answer/guard/guard_private.h"

/* A value over several texts, or found by what is around it: replaced in the first of them and
 * taken out of the others. */
struct split {
	unsigned refs; /* of marks, and of who reads it */
	size_t entity, n;
	enum answer_kind kind;
	enum { SPLIT_NEW, SPLIT_STAYS, SPLIT_REPLACED } is;
	struct buf value, with;
};

/* A part of one in an event's text, by the text's place among the unnamed. */
struct mark {
	size_t text, start, end;
	struct split *of;
	bool first;
};

/* One over the ends of blocks, or found by what is before one. */
struct crossing {
	struct split *of;
	size_t start, end;   /* in bytes of all texts of its kind */
	size_t *cuts, ncuts; /* bytes of the value before each block's end; in g->life */
};

/* An event, or a frame that is none. It is read once: where it waits, what was read stays. */
struct event {
	STAILQ_ENTRY(event) all;
	struct frame frame;
	struct span type;	  /* as the framing says it, of the event in it */
	int err;		  /* of reading it: */
	struct answer_document d; /* else one text, all of it; of a frame none */
	bool waits;
	struct arena work; /* where it waits, of what all that are views of; else g->work */
	size_t bytes;	   /* of the frame */
	size_t open;	   /* pieces of its members that are not decided, */
	size_t next;	   /* which of them is edited next */
	size_t text_end; /* guard_boundary.c: of the texts of its kind up to and with its own */
	struct mark *marks;
	size_t nmarks, room;
};

/* What it says; NULL: it is no JSON, or no event. */
static inline const struct answer_document *
event_says(const struct event *e)
{
	return e->frame.has_data && !e->err ? &e->d : NULL;
}

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
	struct split *under_way;
	STAILQ_HEAD(, piece) pieces;
};

/* Of events that wait in one: bytes of their frames, and of what was read of them. */
enum { QUEUE_MOST = 64 << 10, QUEUE_HELD_MOST = 2 << 20 };

static inline bool
queue_is_full(const struct event_queue *q, const struct event *e)
{
	return q->bytes + e->bytes > QUEUE_MOST || q->held_bytes > QUEUE_HELD_MOST;
}

/* guard_queue.c: an event or a frame, through all that may keep it, to the caller. */
enum guard_result guard_queue_pass(struct guard *g, const struct frame *f, struct buf *out);
/* Nothing more comes, or nothing that may be read: all that waits goes. */
enum guard_result guard_queue_end(struct guard *g, struct buf *out);
size_t guard_queue_held(const struct guard *g);
void guard_queue_free(struct guard *g);
/* guard_stream.c: what is in the event, or frame, into *e; it goes. What may not be read ends
 * the stream, and what waits goes before. */
enum guard_result guard_event_read(struct guard *g, struct event *e, struct buf *out);
enum guard_result guard_event_say(struct guard *g, struct event *e, struct buf *out);

/* What keeps events in a queue of its own: whether this one waits there, and may go. */
bool guard_members_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_members_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_members_end(struct guard *g);
bool guard_boundary_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_boundary_take(struct guard *g, struct event *e, bool *waits);
enum guard_result guard_boundary_end(struct guard *g);
bool guard_end_may_go(const struct guard *g, const struct event *e);
enum guard_result guard_end_take(struct guard *g, struct event *e, bool *waits);

/* guard_queue.c: what an event says of the stream's end. */
void guard_end_note(struct guard *g, const struct answer_document *d);
/* No table says what it has at its end, nor what of it is content: a file of lines, a service that
 * is no model. */
bool guard_end_is_unknown(const struct guard *g);
/* Its dialect has something at the end of a stream, and it did not come. */
bool guard_end_is_cut(const struct guard *g);

/* guard_messages.c: an event that is a message of its own goes on so. */
enum guard_result guard_message_say(struct guard *g, struct event *e, struct buf *out);

/* guard_event.c. What becomes of an event. */
struct edited {
	struct splice *splices;
	size_t n;
	bool said, silent; /* it had text; none of it goes now */
	bool once;	   /* and something that is said here alone */
};
/* What becomes of its texts. */
enum guard_result guard_run_texts(struct guard *g, struct event *ev, struct edited *e);
/* It goes on so. */
enum guard_result guard_pass_edited(struct guard *g, const struct frame *f,
	const struct answer_document *d, const struct edited *e, struct buf *out);
/* An event like the last one of the channel, with what has become of what was held. */
enum guard_result guard_channel_say(struct channel *c, struct buf *out);
/* Channels that end with this event and of which it says nothing: what they hold goes first.
 * NULL: all of them. */
enum guard_result guard_end_channels(
	struct guard *g, const struct answer_document *d, struct buf *out);
/* Where another text begins in a choice, what is held of the one before it goes first. */
enum guard_result guard_turn_channels(
	struct guard *g, const struct answer_document *d, struct buf *out);
/* Its channels that ended in it are over. */
void guard_drop_ended(struct guard *g, const struct answer_document *d);

/* guard_split.c. Counted; NULL: out of memory. */
struct split *split_new(size_t entity, enum answer_kind kind, struct span value);
void split_drop(struct split *s);
/* Notes it, asks the rules where it is new, and says what it is replaced with, if it is: once.
 */
enum guard_result guard_split_decide(struct guard *g, struct split *s);
/* A part of it in this event: bytes of the text'th unnamed text. 0, ERR_NOMEM. */
int event_mark(struct event *e, size_t text, size_t start, size_t end, struct split *of);
void event_unmark(struct event *e);
/* As guard_edit_alone(), of a text that no row names; each is asked about once, in their
 * order. */
enum guard_result guard_members_edit(
	struct guard *g, struct event *e, const struct answer_text *t, struct span *out);
void guard_members_free(struct guard *g);

/* guard_boundary.c: the first value over an edge that is, or is partly, in these bytes of all
 * texts of a kind. */
struct crossing *guard_boundary_at(
	struct guard *g, enum answer_kind kind, size_t start, size_t end);
/* What a stream says again at its end, text by text: their parts are findings there. */
enum guard_result guard_boundary_again(
	struct guard *g, const struct answer_text *t, struct findings *found);
void guard_boundary_free(struct guard *g);

#endif
