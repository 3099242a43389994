/* A reader of framed responses. For every framing, the input may be cut anywhere, and the
 * frames are the same. A frame has its exact bytes beside its meaning, so an unchanged frame
 * can be sent byte for byte.
 *
 * A writer sends frames to the caller: unchanged, with another payload, or frames of ours. A
 * frame can also be left out. The writer knows what was sent, so an array's commas are correct
 * in every case, and a frame of ours never follows half a frame. owner: worker. */
#ifndef ANSWER_FRAMES_H
#define ANSWER_FRAMES_H

#include "base/caps.h"
#include "base/codec/json_scan.h"
#include "base/codec/sse.h"

enum frames_kind {
	FRAMES_SSE,	    /* text/event-stream */
	FRAMES_LINES,	    /* NDJSON: one document per line */
	FRAMES_ARRAY,	    /* a JSON array: one frame per element */
	FRAMES_EVENTSTREAM, /* application/vnd.amazon.eventstream */
};

/* Results of frames_next(); errors are negative. */
enum frame_result {
	FRAME_MORE,  /* all input is consumed */
	FRAME_WHOLE, /* *out is a complete frame */
	/* out->raw is a piece of a frame over the limit. The caller decides whether the piece
	 * is sent uninspected or the stream ends. */
	FRAME_OVER,
};

/* A frame. Its views are valid until the next call with the same reader, and while the input
 * is. The `raw` of all frames, joined in order, is the input. Frames without data (comments,
 * empty lines, an array's brackets and the spaces after it) may be cut differently. */
struct frame {
	struct span raw;
	bool has_data;	  /* has a payload; else only framing */
	bool exception;	  /* event stream: ":message-type" is exception or error */
	bool over;	  /* FRAME_OVER: a piece of a frame */
	bool over_begins; /* the first piece */
	bool over_ends;	  /* the last piece */
	bool unended;	  /* from frames_end(): the frame's end is missing */
	bool bom;	  /* SSE: raw begins with a byte order mark */
	/* SSE: "event:". Event stream: ":event-type", an exception's ":exception-type" or an
	 * error's ":error-code". Else "". */
	struct span type;
	struct span data; /* The payload. SSE: data lines joined by \n; else a part of raw. */
	/* event stream: an error's ":error-message", which is not in the payload */
	struct span said;
	struct span wrapped; /* after frame_unwrap(): the base64 of data */
};

/* Copies the frame's bytes to `to` and makes the views point there. If `to` is NULL, changes
 * nothing. Returns the number of bytes that a copy needs. */
size_t frame_copy(struct frame *f, char *to);

/* A reader. Free with frames_free(). */
struct frames {
	enum frames_kind kind;
	size_t cap_bytes;
	int err; /* the error that ended reading; 0: none */
	struct sse sse;
	struct buf block; /* the unfinished frame, at most the limit and one input */
	bool done;	  /* the last call returned views of `block` */
	bool over;	  /* inside a frame over the limit */
	struct {	  /* FRAMES_ARRAY: state of the parser */
		enum frames_array {
			ARRAY_BEFORE,  /* only spaces so far */
			ARRAY_BEGUN,   /* after [ */
			ARRAY_COMMA,   /* after a comma; an element must follow */
			ARRAY_ELEMENT, /* inside an object, array or string */
			ARRAY_SCALAR,  /* inside a number or a name */
			ARRAY_AFTER,   /* after a complete element */
			ARRAY_CLOSED,  /* after ] */
		} at;
		/* State of the element. Bit N of `objects`: the open bracket at depth N is a
		 * {. */
		struct json_scan scan;
		uint64_t objects[(CAP_JSON_DEPTH + 63) / 64];
	} array;
	struct {		    /* FRAMES_EVENTSTREAM: the current message */
		size_t total, gone; /* its length (0: unknown), and its bytes returned so far */
		/* CRC of the bytes returned, without the last four, which hold the message's
		 * CRC */
		uint32_t crc;
		char last[4];
	} message;
};

/* Begins a reader. cap_bytes limits a frame; 0: CAP_SSE_EVENT_BYTES. */
void frames_init(struct frames *f, enum frames_kind kind, size_t cap_bytes);
void frames_free(struct frames *f);
/* Returns the number of bytes kept of the current frame. */
static inline size_t
frames_kept(const struct frames *f)
{
	return f->block.n + f->sse.block.n;
}
/* Takes bytes from *in until a frame is complete. Call until FRAME_MORE. Errors are negative
 * and are returned by all later calls. ERR_SYNTAX: the framing is invalid (a CRC, a length, a
 * header, two commas in an array, bytes after its end); earlier frames are valid, later bytes
 * are not. ERR_NOMEM. */
int frames_next(struct frames *f, struct span *in, struct frame *out);
/* Ends the stream. FRAME_MORE: the stream ended properly. FRAME_WHOLE: *out is the unfinished
 * rest, which may be a frame (SSE without the empty line, a line without its end); call again.
 * ERR_TRUNCATED: the stream ended inside a frame or array, and out->raw is the rest, whose
 * meaning is unknown. */
int frames_end(struct frames *f, struct frame *out);

/* Unwraps a frame of Bedrock's invoke streams, whose payload is {"bytes":"base64"} around the
 * model's own event. Sets out->data to that event, decoded into *scratch; frame_rewrite() wraps
 * a replacement again. Returns 0, ERR_NOTFOUND if the payload is no such object, ERR_SYNTAX if
 * the base64 is invalid, or ERR_NOMEM. After an error *f is unchanged. */
int frame_unwrap(struct frame *f, struct buf *scratch);

/* ---- writing ---- */

/* The state of the output so far. Needs no memory of its own. */
struct frame_writer {
	enum frames_kind kind;
	/* frame_write() puts data into {"bytes":"base64"}, as Bedrock's invoke does */
	bool wrap;
	bool begun;   /* array: [ was sent */
	bool any;     /* array: an element was sent */
	bool closed;  /* array: ] was sent */
	bool unended; /* the end of the last frame is missing so far */
};

void frame_writer_init(struct frame_writer *w, enum frames_kind kind);

/* Appends the frame unchanged. An array's element may lose or gain its comma. */
void frame_pass(struct frame_writer *w, const struct frame *f, struct buf *out);
/* Appends the frame with another payload. Other fields and headers stay; lengths and CRCs are
 * new. After frame_unwrap(), `data` is the model's event. A frame without payload is appended
 * unchanged. Returns 0, ERR_LIMIT if the frame becomes too long, ERR_SYNTAX, or ERR_NOMEM. */
int frame_rewrite(
	struct frame_writer *w, const struct frame *f, struct span data, struct buf *out);
/* Appends a frame of ours. `type` is for SSE and event streams; "": SSE has no event line.
 * `data` may contain line breaks in SSE only. Returns 0, ERR_BAD_STATE if nothing can follow
 * because the last frame has no end or the array is closed, ERR_LIMIT, or ERR_NOMEM. */
int frame_write(struct frame_writer *w, struct span type, struct span data, struct buf *out);
/* Appends an error. In an event stream it is an exception of this type; otherwise as
 * frame_write(). */
int frame_write_error(
	struct frame_writer *w, struct span type, struct span data, struct buf *out);

#endif
