/* Reads and writes SPOP 2.0 frames (SPOE.txt 3.1 to 3.5). No I/O. All results of reading are
 * views into the frame. */
#ifndef BASE_CODEC_SPOP_H
#define BASE_CODEC_SPOP_H

#include "base/buf.h"
#include "base/span.h"

/* The types of typed data (SPOE.txt 3.1). */
enum spop_type {
	SPOP_NULL,
	SPOP_BOOL,
	SPOP_INT32,
	SPOP_UINT32,
	SPOP_INT64,
	SPOP_UINT64,
	SPOP_IPV4,
	SPOP_IPV6,
	SPOP_STRING,
	SPOP_BINARY,
};

struct spop_value {
	enum spop_type type;
	bool b;
	int64_t i;     /* INT32, INT64 */
	uint64_t u;    /* UINT32, UINT64 */
	struct span s; /* STRING, BINARY; IPV4 (4 bytes), IPV6 (16 bytes) */
};

struct spop_arg {
	struct span name; /* may be empty */
	struct spop_value value;
};

struct spop_message {
	struct span name;
	const struct spop_arg *args;
	size_t nargs;
};

/* Returns the argument of that name (the first, if it occurs twice), or NULL. */
const struct spop_value *spop_arg(const struct spop_message *m, const char *name);
/* Returns the value of any of the four integer types. Returns false for another type or a value
 * above INT64_MAX. HAProxy sends every integer as INT64. */
bool spop_value_int(const struct spop_value *v, int64_t *out);

enum spop_scope {
	SPOP_SCOPE_PROC,
	SPOP_SCOPE_SESS,
	SPOP_SCOPE_TXN,
	SPOP_SCOPE_REQ,
	SPOP_SCOPE_RES
};

struct spop_action { /* set-var */
	enum spop_scope scope;
	const char *name;
	struct spop_value value;
};

/* The types of frames (SPOE.txt 3.2.2). */
enum spop_frame_type {
	SPOP_UNSET = 0, /* a further fragment: HAProxy before 3.1 */
	SPOP_HAPROXY_HELLO = 1,
	SPOP_HAPROXY_DISCONNECT = 2,
	SPOP_NOTIFY = 3,
	SPOP_AGENT_HELLO = 101,
	SPOP_AGENT_DISCONNECT = 102,
	SPOP_ACK = 103,
};

#define SPOP_FIN   1u
#define SPOP_ABORT 2u

/* clang-format off */
/* The status codes of a DISCONNECT (SPOE.txt 3.5). */
#define SPOP_STATUS_TABLE(X) \
	X(SPOP_OK,              0,  "normal") \
	X(SPOP_E_IO,            1,  "I/O error") \
	X(SPOP_E_TIMEOUT,       2,  "a timeout occurred") \
	X(SPOP_E_TOO_BIG,       3,  "frame is too big") \
	X(SPOP_E_INVALID,       4,  "invalid frame received") \
	X(SPOP_E_NO_VERSION,    5,  "version value not found") \
	X(SPOP_E_NO_FRAME_SIZE, 6,  "max-frame-size value not found") \
	X(SPOP_E_NO_CAPS,       7,  "capabilities value not found") \
	X(SPOP_E_VERSION,       8,  "unsupported version") \
	X(SPOP_E_FRAME_SIZE,    9,  "max-frame-size too big or too small") \
	X(SPOP_E_FRAGMENT,      10, "payload fragmentation is not supported") \
	X(SPOP_E_INTERLACED,    11, "invalid interlaced frames") \
	X(SPOP_E_FRAME_ID,      12, "frame-id not found") \
	X(SPOP_E_RESOURCE,      13, "resource allocation error") \
	X(SPOP_E_UNKNOWN,       99, "an unknown error occurred")
/* clang-format on */

enum spop_status {
#define X(name, value, text) name = value,
	SPOP_STATUS_TABLE(X)
#undef X
};

/* Returns the text of a status; never NULL. */
const char *spop_status_str(unsigned status);

/* A read position that remembers the first error. After an error, every read returns zeros and
 * empty spans. */
struct spop_rd {
	const char *p, *end;
	enum spop_status err;
};

static inline struct spop_rd
spop_rd_over(struct span s)
{
	const char *p = s.p ? s.p : "";

	return (struct spop_rd){ p, p + s.n, SPOP_OK };
}

uint8_t spop_rd_byte(struct spop_rd *r);
/* At most 10 bytes (SPOE.txt 3.1). A value beyond 64 bits is an error. */
uint64_t spop_rd_varint(struct spop_rd *r);
struct span spop_rd_string(struct spop_rd *r);
struct spop_value spop_rd_value(struct spop_rd *r);

#define SPOP_MIN_FRAME	   7u	/* type, flags, and two varints of one byte */
#define SPOP_MIN_MAX_FRAME 256u /* the smallest max-frame-size that a peer may request */

struct spop_frame {
	unsigned type; /* enum spop_frame_type, or any other byte */
	uint32_t flags;
	uint64_t stream, frame;
	struct span payload;
};

/* Reads a frame without its length prefix. Only the header is checked: the type may be unknown. */
enum spop_status spop_frame_read(struct span bytes, struct spop_frame *out);

struct spop_hello {
	uint32_t max_frame; /* bytes, as announced: at least SPOP_MIN_MAX_FRAME */
	bool pipelining;    /* among the peer's capabilities */
	bool healthcheck;
	struct span engine_id; /* empty: absent */
};

/* Reads HAPROXY-HELLO (SPOE.txt 3.2.4). Its supported-versions must contain a 2.x. A known key
 * that occurs twice or has another type is SPOP_E_INVALID; unknown keys are skipped. */
enum spop_status spop_hello_read(struct span payload, struct spop_hello *out);

struct spop_disconnect {
	uint32_t status;
	struct span message;
};

/* Reads HAPROXY-DISCONNECT (SPOE.txt 3.2.8). Both items are mandatory. */
enum spop_status spop_disconnect_read(struct span payload, struct spop_disconnect *out);

/* Reads the LIST-OF-MESSAGES of a NOTIFY. *nmessages and *nargs are the capacities of both
 * arrays, and then the numbers used. Each message's args point into `args`. More than the
 * capacity is SPOP_E_RESOURCE. */
enum spop_status spop_messages_read(struct span payload, struct spop_message *messages,
	size_t *nmessages, struct spop_arg *args, size_t *nargs);

/* These functions append a value. */
void spop_put_varint(struct buf *b, uint64_t v);
void spop_put_string(struct buf *b, struct span s);
void spop_put_value(struct buf *b, const struct spop_value *v);
/* Begins a frame with its length prefix. spop_end(b, at), with the position that was returned,
 * sets the length. */
size_t spop_begin(
	struct buf *b, unsigned type, uint32_t flags, uint64_t stream, uint64_t frame);
void spop_end(struct buf *b, size_t at);
/* Appends AGENT-HELLO with version "2.0" and capabilities "pipelining". */
void spop_put_agent_hello(struct buf *b, uint32_t max_frame);
void spop_put_agent_disconnect(struct buf *b, enum spop_status status);
void spop_put_ack(struct buf *b, uint64_t stream, uint64_t frame,
	const struct spop_action *actions, size_t n);
/* Return the bytes of an ACK's head, without its length prefix, and of its actions. */
size_t spop_ack_head_bytes(uint64_t stream, uint64_t frame);
size_t spop_actions_bytes(const struct spop_action *actions, size_t n);

#endif
