/* WebSockets of the simulated provider: socket.c. */
#ifndef MOCK_SOCKET_H
#define MOCK_SOCKET_H

#include "mock.h"

struct mock_socket;

/* Whether the request asks for one where there is one. */
bool mock_socket_asked(const struct mock_request *r);
/* *out is the 101, and what the provider says first. */
struct mock_socket *mock_socket_new(
	const struct mock_request *r, uint64_t serial, uint64_t connection, struct buf *out);
void mock_socket_free(struct mock_socket *s);
/* What is said back is appended to *out. False: the connection is over once that is written. */
bool mock_socket_feed(struct mock_socket *s, struct span in, struct buf *out);

#endif
