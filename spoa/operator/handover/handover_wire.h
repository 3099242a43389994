/* Messages between two instances of the daemon, and from `tollgate upgrade`: a head of fixed
 * size in host byte order, followed by its bytes. A descriptor is passed with the head
 * (SCM_RIGHTS, unix(7)). Both ends are on one host. HANDOVER_MAGIC changes with the format; a
 * message with another magic is refused. */
#ifndef OPERATOR_HANDOVER_HANDOVER_WIRE_H
#define OPERATOR_HANDOVER_HANDOVER_WIRE_H

#include <stdint.h>

#include "base/buf.h"

#define HANDOVER_MAGIC 0x74676831u /* "tgh1" */
/* bytes of one message; those of a frame are at most CAP_FRAME_BYTES */
enum { HANDOVER_BYTES = 2 << 20 };

enum handover_kind {
	HAND_EXPECT, /* sent by the command: announces the other instance */
	/* without bytes, a question; otherwise the name of the instance that does not decide */
	HAND_OTHER,
	HAND_JOIN,    /* bytes: the new instance's node; value 1: it was not announced */
	HAND_SOCKET,  /* bytes: the address of the listening descriptor */
	HAND_SOCKETS, /* all sockets were sent */
	/* the new instance is ready; bytes: `loaded_us`, 8 bytes in host order */
	HAND_TAKE,
	HAND_CONNECTION, /* value: max_frame; bytes: state of the engine, then input not handled yet */
	/* all connections were sent: the new instance shall decide; bytes: handover_ops.tell() */
	HAND_GO,
	HAND_DECIDES,	 /* the new instance decides */
	/* bytes: the reason, for people; value 1: the sender has the same node */
	HAND_REFUSED,
	/* a reload ended after `loaded_us`: read the files again, then send TAKE */
	HAND_AGAIN,
};

/* The head of a message. */
struct handover_msg {
	enum handover_kind kind;
	uint32_t value, nengine, greeted;
	int fd; /* -1: none; the receiver owns a received descriptor */
};

/* Sends a message with the bytes of both spans. Returns 0, ERR_IO (errno is set), ERR_TIMEOUT
 * or ERR_CLOSED. The descriptor stays the caller's. */
int handover_send(
	int socket, const struct handover_msg *m, struct span first, struct span rest);
/* Receives a message and replaces *bytes. Returns 0, ERR_CLOSED (no byte arrived),
 * ERR_TRUNCATED (only a part arrived), ERR_TIMEOUT, ERR_IO or ERR_UNSUPPORTED (another format).
 */
int handover_receive(int socket, struct handover_msg *m, struct buf *bytes);

#endif
