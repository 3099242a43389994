/* Server-Sent Events (WHATWG HTML 9.2), incremental: bytes may be cut anywhere.
 * Every event carries its exact raw bytes next to what it means, so that a relay
 * can drop or rewrite one and leave all others byte-identical. */
#ifndef BASE_CODEC_SSE_H
#define BASE_CODEC_SSE_H

#include "base/buf.h"

enum sse_result {
	SSE_MORE,  /* the input is used up */
	SSE_EVENT, /* *ev is a whole block: everything up to and with its blank line */
	SSE_OVER,  /* ev->raw is a piece of a block over the cap: pass it on unread */
};

/* Views, valid until the next call on the same parser and while the bytes fed
 * are. Joined in order, the `raw` of all results are the bytes fed. */
struct sse_event {
	struct span raw;
	bool has_data; /* a browser would dispatch it; else a comment, a retry, an empty block
			*/
	struct span type; /* "event:", empty where none was given (message) */
	struct span data; /* "data:" lines joined by \n */
	struct span id;
	bool bom;	/* raw begins with the stream's byte order mark */
	bool over_ends; /* SSE_OVER: the last piece of this block */
};

struct sse {
	size_t cap_bytes;
	struct buf block; /* raw bytes of the unfinished block: at most the cap and one input */
	struct buf data;  /* joined data lines, where there are several */
	size_t line;	  /* bytes in the current line */
	unsigned bom;	  /* bytes of a leading BOM seen; 4: none can come any more */
	bool first;	  /* the BOM, if any, is in this block */
	bool cr;	  /* the previous byte was a CR that ended a line of this block */
	bool lead_lf;	  /* the previous block ended with a CR, whose LF may follow */
	bool over;	  /* inside a block over the cap */
	bool done;	  /* `block` was handed out by the last call */
};

/* `cap_bytes` bounds one block; 0: CAP_SSE_EVENT_BYTES. */
void sse_init(struct sse *s, size_t cap_bytes);
void sse_free(struct sse *s);
/* Takes bytes off *in until an event is whole. Call until SSE_MORE. Negative:
 * ERR_NOMEM. */
int sse_next(struct sse *s, struct span *in, struct sse_event *ev);
/* The stream ended: the unfinished block (SSE_EVENT), or SSE_MORE where there is
 * none. A browser would discard it; a gateway must not lose its bytes. */
int sse_end(struct sse *s, struct sse_event *ev);
/* Bytes before the next line end, a CR or an LF; in.n where there is none. */
size_t sse_line(struct span in);
/* Appends the event with its data replaced (no CR in it; a line of data for each
 * of its lines): other lines stay as they are. */
void sse_rewrite(const struct sse_event *ev, struct span data, struct buf *out);

#endif
