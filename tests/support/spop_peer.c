/* The HAProxy side of a SPOP connection: writes and reads frames on a socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/spop_peer.h"

void
peer_kv(struct buf *b, const char *key, struct spop_value v)
{
	spop_put_string(b, span_str(key));
	spop_put_value(b, &v);
}

struct spop_value
peer_str(const char *s)
{
	return (struct spop_value){ .type = SPOP_STRING, .s = span_str(s) };
}

void
peer_put_hello(struct buf *b, uint32_t max_frame, bool healthcheck)
{
	size_t at = spop_begin(b, SPOP_HAPROXY_HELLO, SPOP_FIN, 0, 0);

	peer_kv(b, "supported-versions", peer_str("2.0"));
	peer_kv(b, "max-frame-size",
		(struct spop_value){ .type = SPOP_UINT32, .u = max_frame });
	peer_kv(b, "capabilities", peer_str(healthcheck ? "" : "pipelining,async"));
	if (healthcheck)
		peer_kv(b, "healthcheck", (struct spop_value){ .type = SPOP_BOOL, .b = true });
	else
		peer_kv(b, "engine-id", peer_str("f712d961-0591-48be-874f-ee33102d2d6d"));
	spop_end(b, at);
}

void
peer_put_notify(struct buf *b, uint64_t stream, uint64_t frame, struct span body)
{
	size_t at = spop_begin(b, SPOP_NOTIFY, SPOP_FIN, stream, frame);

	spop_put_string(b, span_str("request"));
	buf_putc(b, 1);
	peer_kv(b, "body", (struct spop_value){ .type = SPOP_BINARY, .s = body });
	spop_end(b, at);
}

void
peer_put_disconnect(struct buf *b, uint32_t status)
{
	size_t at = spop_begin(b, SPOP_HAPROXY_DISCONNECT, SPOP_FIN, 0, 0);

	peer_kv(b, "status-code", (struct spop_value){ .type = SPOP_UINT32, .u = status });
	peer_kv(b, "message", peer_str(spop_status_str(status)));
	spop_end(b, at);
}

void
peer_read(struct peer *p)
{
	char chunk[65536];
	ssize_t r;

	while ((r = recv(p->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		buf_put(&p->in, chunk, (size_t)r);
	if (r == 0)
		p->eof = true;
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		p->eof = p->reset = true;
}

bool
peer_frame(const struct peer *p, struct spop_frame *f, size_t *bytes)
{
	const unsigned char *l = (const unsigned char *)buf_view(&p->in).p;

	if (p->in.n < 4)
		return false;
	size_t n = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3];
	if (p->in.n < 4 + n || spop_frame_read(span_of(l + 4, n), f))
		return false;
	*bytes = 4 + n;
	return true;
}

int64_t
peer_status(const struct spop_frame *f)
{
	struct spop_disconnect d;

	if (f->type != SPOP_AGENT_DISCONNECT || f->stream || f->frame || f->flags != SPOP_FIN ||
		spop_disconnect_read(f->payload, &d))
		return -1;
	return d.status;
}
