/* Messages of application/vnd.amazon.eventstream, big-endian: total length, length of the
 * headers, CRC-32 of these eight bytes, headers, payload, CRC-32 of all before it. Lengths
 * and CRCs are checked here, and nothing is read beyond them. */
#ifndef BASE_CODEC_EVENTSTREAM_H
#define BASE_CODEC_EVENTSTREAM_H

#include "base/buf.h"

enum {
	EVENTSTREAM_PRELUDE = 12,	 /* bytes that say how long a message is */
	EVENTSTREAM_LEAST = 16,		 /* bytes of a message without headers and payload */
	EVENTSTREAM_HEADERS = 128 << 10, /* bytes of headers at most */
	EVENTSTREAM_PAYLOAD = 16 << 20,	 /* bytes of payload at most */
	EVENTSTREAM_VALUE_MOST = 0x7fff, /* bytes of a header's value at most */
};

/* How long the message is that begins with these EVENTSTREAM_PRELUDE bytes. ERR_SYNTAX: its
 * CRC or a length is wrong. */
int eventstream_prelude(struct span prelude, size_t *total_bytes);
/* The CRC-32 of bytes that come in pieces; begins with 0. */
uint32_t eventstream_crc(uint32_t crc, struct span piece);
/* Whether a message ends with the CRC of all before its last four bytes. */
bool eventstream_crc_is(uint32_t crc, struct span last_four);

/* A view into the message. */
struct eventstream_message {
	struct span headers, payload;
	struct span message_type;   /* ":message-type": event, exception, error; "" none */
	struct span event_type;	    /* ":event-type" */
	struct span exception_type; /* ":exception-type" */
	struct span error_code, error_message;
};

/* Reads a whole message: 0 or ERR_SYNTAX, where a CRC, a length, the type of a header (0 to 9)
 * or its value is wrong, or one of the headers above is there twice or is no string. */
int eventstream_read(struct span message, struct eventstream_message *m);

/* One header, all of it views. */
struct eventstream_field {
	struct span raw, name;
	bool is_text; /* a string, or bytes */
	struct span text;
};
/* Cuts the first header off *rest: 0 or ERR_SYNTAX. */
int eventstream_next(struct span *rest, struct eventstream_field *f);

/* Appends a header whose value is a string of at most EVENTSTREAM_VALUE_MOST bytes, and a name
 * of 1 to 255 bytes; longer ones are cut. */
void eventstream_header(struct buf *headers, const char *name, struct span value);
void eventstream_put(struct buf *headers, struct span name, struct span value);
/* Appends a message. ERR_LIMIT: more headers or payload than a message may have. */
int eventstream_write(struct buf *out, struct span headers, struct span payload);

#endif
