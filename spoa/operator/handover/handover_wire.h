/* Messages between two instances of the daemon, and from `tollgate upgrade`: a head of fixed
 * size in host order, then its bytes. A descriptor travels with the head (SCM_RIGHTS, unix(7)).
 * Both ends are on one host; HANDOVER_MAGIC changes with the format, and another magic is
 * refused. */
#ifndef OPERATOR_HANDOVER_HANDOVER_WIRE_H
#define OPERATOR_HANDOVER_HANDOVER_WIRE_H

#include <stdint.h>

#include "base/buf.h"

#define HANDOVER_MAGIC 0x74676831u /* "tgh1" */
enum { HANDOVER_BYTES = 2 << 20 }; /* of one message; a frame's bytes are at most CAP_FRAME_BYTES */

enum handover_kind {
	HAND_EXPECT,	 /* command: announces the other instance */
	HAND_OTHER,	 /* without bytes a question; else the instance that does not decide */
	HAND_JOIN,	 /* the new instance's node; value 1: it was not announced */
	HAND_SOCKET,	 /* the address of the listening descriptor */
	HAND_SOCKETS,	 /* that were all sockets */
	HAND_TAKE,	 /* the new instance is ready; bytes: `loaded_us`, 8 bytes in host order */
	HAND_CONNECTION, /* value: max_frame; bytes: engine, then what was read */
	HAND_GO,	 /* that were all connections: the new instance is to decide */
	HAND_DECIDES,	 /* the new instance decides */
	HAND_REFUSED,	 /* bytes: the reason, for people; value 1: it is of the same node */
	HAND_AGAIN,	 /* a reload ended after `loaded_us`: read the files again, then TAKE */
};

struct handover_msg {
	enum handover_kind kind;
	uint32_t value, nengine, greeted;
	int fd; /* -1: none; of a received message it is the receiver's */
};

/* 0, ERR_IO (errno), ERR_TIMEOUT, ERR_CLOSED. The descriptor stays the caller's. */
int handover_send(int socket, const struct handover_msg *m, struct span first, struct span rest);
/* Replaces *bytes. 0, ERR_CLOSED (no byte of a message arrived), ERR_TRUNCATED (a part of one did),
 * ERR_TIMEOUT, ERR_IO, ERR_UNSUPPORTED (another format). */
int handover_receive(int socket, struct handover_msg *m, struct buf *bytes);
/* Bounds each later send and receive. */
void handover_bound(int socket, unsigned ms);

#endif
