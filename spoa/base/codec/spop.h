/* SPOP 2.0 frames: bytes to structures and back (SPOE.txt 3.1 to 3.5). No I/O.
 * Everything read is a view into the frame that was given. */
#ifndef BASE_CODEC_SPOP_H
#define BASE_CODEC_SPOP_H

#include "base/buf.h"
#include "base/span.h"

/* SPOE.txt 3.1: typed data. */
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

/* The argument of that name (the first, if it occurs twice), NULL where absent. */
const struct spop_value *spop_arg(const struct spop_message *m, const char *name);
/* The value of any of the four integer types; false for another type or a
 * value over INT64_MAX. HAProxy itself sends every integer as INT64. */
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

/* SPOE.txt 3.2.2. */
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
/* SPOE.txt 3.5: what a DISCONNECT carries. */
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

/* The text of a status; never NULL. */
const char *spop_status_str(unsigned status);

/* A cursor that remembers its first error; after one, every read gives zeroes
 * and empty spans. */
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
/* SPOE.txt 3.1: at most 10 bytes; what does not fit 64 bits is an error. */
uint64_t spop_rd_varint(struct spop_rd *r);
struct span spop_rd_string(struct spop_rd *r);
struct spop_value spop_rd_value(struct spop_rd *r);

#define SPOP_MIN_FRAME	   7u	/* type, flags, two varints of a byte */
#define SPOP_MIN_MAX_FRAME 256u /* the smallest max-frame-size a peer may ask for */

struct spop_frame {
	unsigned type; /* enum spop_frame_type, or any other byte */
	uint32_t flags;
	uint64_t stream, frame;
	struct span payload;
};

/* The frame after its length prefix. Checks the header only: the type may be
 * unknown. */
enum spop_status spop_frame_read(struct span bytes, struct spop_frame *out);

struct spop_hello {
	uint32_t max_frame; /* as announced: SPOP_MIN_MAX_FRAME or more */
	bool pipelining;    /* among the peer's capabilities */
	bool healthcheck;
	struct span engine_id; /* empty where absent */
};

/* HAPROXY-HELLO (SPOE.txt 3.2.4): its supported-versions must hold a 2.x. A
 * known key given twice or of another type is SPOP_E_INVALID; unknown keys are
 * skipped. */
enum spop_status spop_hello_read(struct span payload, struct spop_hello *out);

struct spop_disconnect {
	uint32_t status;
	struct span message;
};

/* HAPROXY-DISCONNECT (SPOE.txt 3.2.8): both items are mandatory. */
enum spop_status spop_disconnect_read(struct span payload, struct spop_disconnect *out);

/* LIST-OF-MESSAGES of a NOTIFY. In: the capacity of both arrays; out: what is
 * used of them; each message's args point into `args`. More than the capacity
 * is SPOP_E_RESOURCE. */
enum spop_status spop_messages_read(struct span payload, struct spop_message *messages,
	size_t *nmessages, struct spop_arg *args, size_t *nargs);

/* Writers append one frame with its length prefix; the buf latches. */
void spop_put_varint(struct buf *b, uint64_t v);
void spop_put_string(struct buf *b, struct span s);
void spop_put_value(struct buf *b, const struct spop_value *v);
/* Begins a frame; spop_end(b, at) with the returned position sets its length. */
size_t spop_begin(
	struct buf *b, unsigned type, uint32_t flags, uint64_t stream, uint64_t frame);
void spop_end(struct buf *b, size_t at);
/* AGENT-HELLO: version "2.0", capabilities "pipelining". */
void spop_put_agent_hello(struct buf *b, uint32_t max_frame);
void spop_put_agent_disconnect(struct buf *b, enum spop_status status);
void spop_put_ack(struct buf *b, uint64_t stream, uint64_t frame,
	const struct spop_action *actions, size_t n);
/* Bytes of an ACK without its length prefix and actions / of the actions. */
size_t spop_ack_head_bytes(uint64_t stream, uint64_t frame);
size_t spop_actions_bytes(const struct spop_action *actions, size_t n);

#endif
