/* Messages of application/vnd.amazon.eventstream. A message is, big-endian: total length, length
 * of the headers, CRC-32 of these eight bytes, headers, payload, and CRC-32 of all bytes before
 * it. These functions check lengths and CRCs, and read nothing beyond them. */
#ifndef BASE_CODEC_EVENTSTREAM_H
#define BASE_CODEC_EVENTSTREAM_H

#include "base/buf.h"

enum {
	EVENTSTREAM_PRELUDE = 12,	 /* bytes that state the lengths of a message */
	EVENTSTREAM_LEAST = 16,		 /* bytes of a message without headers and payload */
	EVENTSTREAM_HEADERS = 128 << 10, /* bytes of headers, at most */
	EVENTSTREAM_PAYLOAD = 16 << 20,	 /* bytes of payload, at most */
	EVENTSTREAM_VALUE_MOST = 0x7fff, /* bytes of a header's value, at most */
};

/* Sets *total_bytes to the length of the message that begins with these EVENTSTREAM_PRELUDE
 * bytes. Returns 0, or ERR_SYNTAX if the CRC or a length is wrong. */
int eventstream_prelude(struct span prelude, size_t *total_bytes);
/* Returns the CRC-32 of bytes that arrive in pieces. The first call has crc 0. */
uint32_t eventstream_crc(uint32_t crc, struct span piece);
/* Returns true if the last four bytes of a message are the CRC of all bytes before them. */
bool eventstream_crc_is(uint32_t crc, struct span last_four);

/* A message that was read. All spans are views into it. */
struct eventstream_message {
	struct span headers, payload;
	struct span message_type;   /* ":message-type": event, exception or error; empty: absent */
	struct span event_type;	    /* ":event-type" */
	struct span exception_type; /* ":exception-type" */
	struct span error_code, error_message;
};

/* Reads a whole message. Returns 0, or ERR_SYNTAX if a CRC, a length, or the type (0 to 9) or
 * value of a header is wrong, or if one of the headers above occurs twice or is not a string. */
int eventstream_read(struct span message, struct eventstream_message *m);

/* One header. All spans are views. */
struct eventstream_field {
	struct span raw, name;
	bool is_text; /* the value is a string or bytes */
	struct span text;
};
/* Removes the first header from *rest. Returns 0 or ERR_SYNTAX. */
int eventstream_next(struct span *rest, struct eventstream_field *f);

/* Appends a header with a string value of at most EVENTSTREAM_VALUE_MOST bytes and a name of 1
 * to 255 bytes. Longer ones are cut. */
void eventstream_header(struct buf *headers, const char *name, struct span value);
void eventstream_put(struct buf *headers, struct span name, struct span value);
/* Appends a message. Returns 0, ERR_LIMIT for more headers or payload than a message may have,
 * or ERR_NOMEM. */
int eventstream_write(struct buf *out, struct span headers, struct span payload);

#endif
