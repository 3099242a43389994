/* One reader of framed answers: whatever the framing, bytes may be cut anywhere and the frames
 * are the same. A frame carries its exact bytes next to what it means, so that what is not
 * touched passes byte by byte. frame_write.h is the other direction. owner: worker. */
#ifndef ANSWER_FRAMES_H
#define ANSWER_FRAMES_H

#include "base/caps.h"
#include "base/codec/json_scan.h"
#include "base/codec/sse.h"

enum frames_kind {
	FRAMES_SSE,	    /* text/event-stream */
	FRAMES_LINES,	    /* NDJSON: a document a line */
	FRAMES_ARRAY,	    /* a JSON array, a frame an element */
	FRAMES_EVENTSTREAM, /* application/vnd.amazon.eventstream */
};

enum frame_result {
	FRAME_MORE,  /* the input is used up */
	FRAME_WHOLE, /* *out is a whole frame */
	FRAME_OVER,  /* out->raw is a piece of a frame over the cap: it goes on unread, or ends
			the stream; the caller decides */
};

/* Views, valid until the next call on the same reader and while the bytes fed are. Joined in
 * order, the `raw` of all frames are the bytes fed. Frames without data (comments, blank
 * lines, an array's brackets and the blanks after it) may be cut in other ways. */
struct frame {
	struct span raw;
	bool has_data;	  /* it says something; else only framing */
	bool exception;	  /* event stream: ":message-type" is exception or error */
	bool over;	  /* FRAME_OVER: a piece of its frame */
	bool over_begins; /* the first one */
	bool over_ends;	  /* the last one */
	bool unended;	  /* of frames_end(): the end of the frame never came */
	bool bom;	  /* SSE: raw begins with the stream's byte order mark */
	struct span type; /* SSE: "event:"; event stream: ":event-type", of an exception
			     ":exception-type", of an error ":error-code"; else "" */
	struct span data; /* the payload. SSE: data lines joined by \n; else a part of raw */
	struct span said; /* event stream, of an error: ":error-message", which is no payload */
	struct span wrapped; /* of frame_unwrap(): the base64 in data */
};

/* A copy in `to`, which has room for as many bytes as this returns where `to` is NULL, and *f
 * is as it was then. */
size_t frame_copy(struct frame *f, char *to);

struct frames {
	enum frames_kind kind;
	size_t cap_bytes;
	int err; /* what is wrong; nothing can be read after it */
	struct sse sse;
	struct buf block; /* the unfinished frame: at most the cap and one input */
	bool done;	  /* `block` was handed out by the last call */
	bool over;	  /* inside a frame over the cap */
	struct {	  /* of an array, what has been read of it */
		enum frames_array {
			ARRAY_BEFORE,  /* nothing but blanks */
			ARRAY_BEGUN,   /* [ */
			ARRAY_COMMA,   /* a comma; an element must follow */
			ARRAY_ELEMENT, /* a part of an object, array or string */
			ARRAY_SCALAR,  /* a part of a number or a name */
			ARRAY_AFTER,   /* a whole element */
			ARRAY_CLOSED,  /* ] */
		} at;
		/* of the element; a set bit of `objects` is an open { of that depth */
		struct json_scan scan;
		uint64_t objects[(CAP_JSON_DEPTH + 63) / 64];
	} array;
	struct {		    /* of an event stream, the message under way */
		size_t total, gone; /* its length, 0: not known; bytes of it handed out */
		uint32_t crc;	    /* of them, but for the last four */
		char last[4];
	} message;
};

/* cap_bytes bounds a frame; 0: CAP_SSE_EVENT_BYTES. */
void frames_init(struct frames *f, enum frames_kind kind, size_t cap_bytes);
void frames_free(struct frames *f);
/* Bytes of the frame under way. */
static inline size_t
frames_kept(const struct frames *f)
{
	return f->block.n + f->sse.block.n;
}
/* Takes bytes off *in until a frame is whole. Call until FRAME_MORE. Negative, and then for
 * ever: ERR_SYNTAX: what comes is not framed so (a CRC, a length, a header; no array, two
 * commas, bytes after its end): what came before is fine, nothing after it is; ERR_NOMEM. */
int frames_next(struct frames *f, struct span *in, struct frame *out);
/* The stream ended. FRAME_MORE: in order. FRAME_WHOLE: *out is its unfinished rest, which may
 * be a frame (SSE without the blank line, a line without its end); ask again. ERR_TRUNCATED: it
 * ends inside a frame or array, and out->raw is the rest, of which nothing is known. */
int frames_end(struct frames *f, struct frame *out);

/* Bedrock's invoke streams: the payload is {"bytes":"base64"} around the model's own event.
 * Makes out->data that event, decoded into *scratch; frame_rewrite() wraps what replaces it
 * again. ERR_NOTFOUND: the payload is no such object; ERR_SYNTAX: its base64 is none;
 * ERR_NOMEM. Then *f is as it was. */
int frame_unwrap(struct frame *f, struct buf *scratch);

#endif
