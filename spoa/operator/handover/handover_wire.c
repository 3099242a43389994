/* Sends and receives the messages of a hand-over, on blocking sockets with time limits. */
#include "operator/handover/handover_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/stops.h"

/* The head as it is on the socket. */
struct head {
	uint32_t magic, kind, n, value, nengine, greeted;
};

/* clang-format off */
static const struct {
	const char *sent, *received;
} points[] = {
#define POINT(kind, name) [kind] = { "hand-sent-" name, "hand-received-" name }
	POINT(HAND_EXPECT, "expect"),
	POINT(HAND_OTHER, "other"),
	POINT(HAND_JOIN, "join"),
	POINT(HAND_SOCKET, "socket"),
	POINT(HAND_SOCKETS, "sockets"),
	POINT(HAND_TAKE, "take"),
	POINT(HAND_CONNECTION, "connection"),
	POINT(HAND_GO, "go"),
	POINT(HAND_DECIDES, "decides"),
	POINT(HAND_REFUSED, "refused"),
	POINT(HAND_AGAIN, "again"),
#undef POINT
};
/* clang-format on */

static int
wire_error(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_TIMEOUT
	       : errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED
						       : ERR_IO;
}

static int
send_all(int socket, struct span s)
{
	while (s.n) {
		ssize_t r = send(socket, s.p, s.n, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return wire_error();
		s = span_cut(s, (size_t)r, s.n);
	}
	return 0;
}

/* Sends the head with the descriptor in one sendmsg(), because a descriptor belongs to the
 * bytes that it is sent with. The rest of the head and the bytes may need several calls. */
int
handover_send(int socket, const struct handover_msg *m, struct span first, struct span rest)
{
	struct head h = { HANDOVER_MAGIC, m->kind, (uint32_t)(first.n + rest.n), m->value,
		m->nengine, m->greeted };
	struct iovec iov = { &h, sizeof(h) };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (m->fd >= 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	do
		r = sendmsg(socket, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return wire_error();
	int err = send_all(socket, span_of((char *)&h + r, sizeof(h) - (size_t)r));
	if (!err)
		err = send_all(socket, first);
	if (!err)
		err = send_all(socket, rest);
	if (!err)
		stop_at(points[m->kind].sent);
	return err;
}

static int
receive_all(int socket, char *p, size_t n)
{
	while (n) {
		ssize_t r = recv(socket, p, n, 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? wire_error() : ERR_CLOSED;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Returns the descriptor that was passed with the head, or -1. */
static int
received_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

/* Receives one message. The first recvmsg() gets the descriptor; after an error the descriptor
 * is closed. The connection's end between two messages is ERR_CLOSED, within a message
 * ERR_TRUNCATED. */
int
handover_receive(int socket, struct handover_msg *m, struct buf *bytes)
{
	struct head h = { 0 };
	struct iovec iov = { &h, sizeof(h) };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	ssize_t r;

	buf_clear(bytes);
	m->fd = -1;
	do
		r = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r ? wire_error() : ERR_CLOSED;
	m->fd = received_fd(&msg);
	int err = receive_all(socket, (char *)&h + r, sizeof(h) - (size_t)r);
	if (!err && (h.magic != HANDOVER_MAGIC || h.kind > HAND_AGAIN || h.n > HANDOVER_BYTES ||
			    h.nengine > h.n))
		err = ERR_UNSUPPORTED;
	char *room = err || !h.n ? NULL : buf_reserve(bytes, h.n);
	if (!err && h.n)
		err = room ? receive_all(socket, room, h.n) : ERR_NOMEM;
	if (err) {
		if (m->fd >= 0)
			close(m->fd);
		m->fd = -1;
		return err == ERR_CLOSED ? ERR_TRUNCATED : err;
	}
	buf_commit(bytes, h.n);
	m->kind = (enum handover_kind)h.kind;
	m->value = h.value;
	m->nengine = h.nengine;
	m->greeted = h.greeted;
	stop_at(points[m->kind].received);
	return 0;
}
