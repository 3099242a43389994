/* Reads and writes WebSocket frames (RFC 6455 section 5), and the keys of the handshake. No
 * extension is ever negotiated, so reserved bits are errors. No I/O. */
#ifndef BASE_CODEC_WS_H
#define BASE_CODEC_WS_H

#include <sys/types.h>

#include "base/codec/http.h"

enum ws_op {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* Close codes (RFC 6455 7.4.1). */
enum ws_code {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED = 1003,
	WS_NO_STATUS = 1005, /* never sent: a close without a code */
	WS_ABNORMAL = 1006,  /* never sent: a connection that ended without a close */
	WS_INVALID_DATA = 1007,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_INTERNAL = 1011,
	WS_RESTART = 1012, /* the client should connect again */
	WS_TRY_AGAIN = 1013,
};

#define WS_CONTROL_MAX 125 /* bytes of a control frame's payload (RFC 6455 5.5) */
#define WS_REASON_MAX  (WS_CONTROL_MAX - 2)
#define WS_HEAD_MAX    14

/* States: HEAD → PAYLOAD → HEAD …, and CLOSED after a close frame or an error. Nothing is read
 * after CLOSED. */
struct ws_reader {
	bool masked;	    /* frames must be masked; false: they must not */
	size_t message_cap; /* bytes of a message, at most */
	enum { WS_IN_HEAD, WS_IN_PAYLOAD, WS_IN_CLOSED } state;
	unsigned char head[WS_HEAD_MAX];
	size_t head_n;
	unsigned char op;
	bool fin;
	unsigned char mask[4];
	uint64_t left;		  /* bytes left of this frame's payload */
	size_t at;		  /* bytes read of this frame's payload: the position in the mask */
	unsigned char message_op; /* opcode of the message in progress; 0: none */
	unsigned fragments;	  /* frames of this message */
	struct buf message;
	size_t checked; /* bytes of a text that are known to be UTF-8 */
	unsigned char control[WS_CONTROL_MAX];
	size_t control_n;
	bool given;	    /* `message` was returned by the last call */
	enum ws_code wrong; /* after an error: the code for the close */
	const char *why;    /* after an error: a fixed phrase */
};

/* A result of ws_next(): a whole message or a control frame. */
struct ws_message {
	enum ws_op op;	     /* WS_CONTINUATION: nothing yet; all input was consumed */
	/* a view, valid until the next call; for a close: the reason, without the code */
	struct span payload;
	enum ws_code code;   /* of a close; WS_NO_STATUS: it has no code */
};

void ws_reader_init(struct ws_reader *r, bool masked, size_t message_cap);
void ws_reader_free(struct ws_reader *r);
/* Consumes the front of `in` and returns the number of bytes. Call it until out->op is
 * WS_CONTINUATION. After a close, all input is consumed and ignored. Returns ERR_SYNTAX,
 * ERR_LIMIT, ERR_ENCODING or ERR_NOMEM; r->wrong and r->why have the reason, and nothing more is
 * read. */
ssize_t ws_next(struct ws_reader *r, struct span in, struct ws_message *out);
/* Returns the bytes allocated for an unfinished message. */
static inline size_t
ws_kept(const struct ws_reader *r)
{
	return r->message.size;
}

/* Returns true if a message has arrived in part. */
static inline bool
ws_is_half(const struct ws_reader *r)
{
	return r->message_op || r->head_n || r->state == WS_IN_PAYLOAD;
}

/* Appends a frame. `mask` NULL: not masked. */
void ws_put(struct buf *out, enum ws_op op, bool fin, struct span payload,
	const unsigned char mask[4]);
/* Appends a close frame. The reason is cut to WS_REASON_MAX bytes, between characters.
 * WS_NO_STATUS: without code and reason. */
void ws_put_close(
	struct buf *out, enum ws_code code, struct span reason, const unsigned char mask[4]);

/* Returns true if a request head asks for a WebSocket and nothing else (RFC 6455 4.1): GET, one
 * Upgrade with the value `websocket`, version 13, no body. The key is not checked, because
 * HTTP/2 has none. */
bool ws_asked(const struct http_head *h);
/* Returns subprotocol i of the client's offer; empty: there are no more. */
struct span ws_offered(const struct http_head *h, size_t i);
/* Checks that a 101 accepts this key, without an extension or a subprotocol. Returns NULL, or a
 * fixed phrase with the reason. */
const char *ws_accepted(const struct http_head *h, struct span key);

/* Writes Sec-WebSocket-Accept for a key (RFC 6455 4.2.2), with a NUL. */
#define WS_ACCEPT_BYTES 29
void ws_accept(struct span key, char out[WS_ACCEPT_BYTES]);
/* Returns true if the key is 16 bytes in base64. */
bool ws_key_valid(struct span key);
/* Writes a new key from 16 random bytes, with a NUL. */
#define WS_KEY_BYTES 25
void ws_key_of(const unsigned char random[16], char out[WS_KEY_BYTES]);

#endif
