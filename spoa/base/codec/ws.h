/* WebSocket frames (RFC 6455 section 5), read and written, and the key of its handshake. No
 * extension is ever agreed on: reserved bits are errors. No I/O. */
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

/* RFC 6455 7.4.1 */
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
	WS_RESTART = 1012, /* come again */
	WS_TRY_AGAIN = 1013,
};

#define WS_CONTROL_MAX 125 /* payload of a control frame, RFC 6455 5.5 */
#define WS_REASON_MAX  (WS_CONTROL_MAX - 2)
#define WS_HEAD_MAX    14

/*   HEAD → PAYLOAD → HEAD …, CLOSED after a close frame or an error: nothing is read after it.
 */
struct ws_reader {
	bool masked;	    /* frames must be; else they must not */
	size_t message_cap; /* bytes of a message */
	enum { WS_IN_HEAD, WS_IN_PAYLOAD, WS_IN_CLOSED } state;
	unsigned char head[WS_HEAD_MAX];
	size_t head_n;
	unsigned char op;
	bool fin;
	unsigned char mask[4];
	uint64_t left;		  /* of this frame's payload */
	size_t at;		  /* read of it: the mask's place */
	unsigned char message_op; /* of the message under way; 0: none */
	unsigned fragments;	  /* of it */
	struct buf message;
	size_t checked; /* of a text: known to be UTF-8 */
	unsigned char control[WS_CONTROL_MAX];
	size_t control_n;
	bool given;	    /* `message` was handed out */
	enum ws_code wrong; /* after an error: how to close */
	const char *why;    /* likewise, a fixed phrase */
};

/* What was read: a whole message or a control frame. */
struct ws_message {
	enum ws_op op;	     /* WS_CONTINUATION: nothing yet, all of the input is used up */
	struct span payload; /* a view, until the next call; of a close without its code: the
				reason */
	enum ws_code code;   /* of a close; WS_NO_STATUS where it says none */
};

void ws_reader_init(struct ws_reader *r, bool masked, size_t message_cap);
void ws_reader_free(struct ws_reader *r);
/* Takes the front of `in`: how many bytes; call until out->op is WS_CONTINUATION. After a close
 * all of what comes is taken and means nothing. <0: ERR_SYNTAX, ERR_LIMIT or ERR_NOMEM;
 * r->wrong and r->why say what is wrong, and nothing is read any more. */
ssize_t ws_next(struct ws_reader *r, struct span in, struct ws_message *out);
/* Bytes that are kept of an unfinished message. */
static inline size_t
ws_kept(const struct ws_reader *r)
{
	return r->message.size;
}

/* Some of a message has come, and not all. */
static inline bool
ws_is_half(const struct ws_reader *r)
{
	return r->message_op || r->head_n || r->state == WS_IN_PAYLOAD;
}

/* A frame; `mask` NULL: it is not masked. */
void ws_put(struct buf *out, enum ws_op op, bool fin, struct span payload,
	const unsigned char mask[4]);
/* A close; the reason is cut at WS_REASON_MAX, between characters. WS_NO_STATUS: without any.
 */
void ws_put_close(
	struct buf *out, enum ws_code code, struct span reason, const unsigned char mask[4]);
/* A code that may be in a close frame. */
bool ws_code_sent(unsigned code);

/* Whether a head asks for a WebSocket, and for nothing else (RFC 6455 4.1): GET, one Upgrade
 * that is `websocket`, version 13, no body. Its key is not looked at: HTTP/2 brings none. */
bool ws_asked(const struct http_head *h);
/* Member i of the subprotocols that it offers; empty: there are no more. */
struct span ws_offered(const struct http_head *h, size_t i);
/* Whether a response of 101 accepts this key, with no extension and no subprotocol. NULL, or
 * why it is none: a fixed phrase. */
const char *ws_accepted(const struct http_head *h, struct span key);

/* Sec-WebSocket-Accept of a key (RFC 6455 4.2.2), with a NUL. */
#define WS_ACCEPT_BYTES 29
void ws_accept(struct span key, char out[WS_ACCEPT_BYTES]);
/* A Sec-WebSocket-Key: 16 bytes in base64. */
bool ws_key_valid(struct span key);
/* A fresh one, of 16 random bytes, with a NUL. */
#define WS_KEY_BYTES 25
void ws_key_of(const unsigned char random[16], char out[WS_KEY_BYTES]);

#endif
