/* An incremental parser for Server-Sent Events (WHATWG HTML 9.2); the bytes may be split
 * anywhere. Every event has its exact raw bytes next to its meaning, so that a relay can drop or
 * rewrite one event and leave all others byte-identical. */
#ifndef BASE_CODEC_SSE_H
#define BASE_CODEC_SSE_H

#include "base/buf.h"

enum sse_result {
	SSE_MORE,  /* the input is used up */
	SSE_EVENT, /* *ev is a whole block, up to and including its empty line */
	SSE_OVER,  /* ev->raw is a piece of a block over the limit: it passes uninspected */
};

/* One event. All spans are views, valid until the next call and as long as the input. The `raw`
 * of all results, joined in order, are the input bytes. */
struct sse_event {
	struct span raw;
	/* a browser would dispatch the event; false: a comment, a retry, an empty block */
	bool has_data;
	struct span type; /* "event:"; empty: absent, which means message */
	struct span data; /* "data:" lines joined by \n */
	struct span id;
	bool bom;	/* raw begins with the stream's byte order mark */
	bool over_ends; /* SSE_OVER: this is the last piece of the block */
};

struct sse {
	size_t cap_bytes;
	struct buf block; /* raw bytes of the unfinished block: at most the limit and one input */
	struct buf data;  /* the joined data lines, if there are several */
	size_t line;	  /* bytes in the current line */
	unsigned bom;	  /* bytes of a leading BOM that were read; 4: no BOM can follow any more */
	bool first;	  /* the BOM, if any, is in this block */
	bool cr;	  /* the previous byte was a CR that ended a line of this block */
	bool lead_lf;	  /* the previous block ended with a CR, whose LF may follow */
	bool over;	  /* inside a block over the limit */
	bool done;	  /* the last call returned `block` */
};

/* `cap_bytes` limits one block; 0: CAP_SSE_EVENT_BYTES. */
void sse_init(struct sse *s, size_t cap_bytes);
void sse_free(struct sse *s);
/* Consumes bytes of *in until an event is whole. Call it until it returns SSE_MORE. Returns an
 * enum sse_result or ERR_NOMEM. */
int sse_next(struct sse *s, struct span *in, struct sse_event *ev);
/* Ends the stream. Returns SSE_EVENT with the unfinished block, or SSE_MORE if there is none. A
 * browser would discard this block; a gateway must not lose its bytes. */
int sse_end(struct sse *s, struct sse_event *ev);
/* Returns the number of bytes before the next line end (CR or LF), or in.n. */
size_t sse_line(struct span in);
/* Appends the event with other data: a data line for each line of `data`, which has no CR. Other
 * lines are copied. */
void sse_rewrite(const struct sse_event *ev, struct span data, struct buf *out);

#endif
