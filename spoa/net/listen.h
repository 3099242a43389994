/* Opens listening sockets. A unix socket is created with mode 660 (admin: 600), never wider. A
 * stale socket file is replaced only if no process answers on it. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <sys/types.h>

#include "base/buf.h"
#include "policy/config/config.h"

/* Returns a non-blocking, close-on-exec listening socket, or a negative error with a message in
 * *why. `group` is the file's group; NULL: unchanged. */
int listen_open(const struct address *a, mode_t mode, const char *group, struct buf *why);
/* Checks whether listen_open() would fail because of the address, its folder, or a file that
 * exists there. Returns 0, or the error with its message. Creates no file and does not listen. A
 * daemon that listens there now is not an error. */
int listen_try(const struct address *a, struct buf *why);
/* Removes the file of a unix socket, unless another process also has the socket. */
void listen_unlink(const struct address *a);

/* ---- sockets that one process hands to another. owner: main ---- */

/* Makes listen_open() of this address return `fd`, which another process opened. Returns 0, or
 * ERR_FULL after 128 sockets or for an address of 128 bytes or more. */
int listen_inherit(const char *text, int fd);
/* Closes each inherited socket that listen_open() has not returned, and removes its file. */
void listen_close_unused(void);
/* Returns the socket that listen_open() returned for the address, or -1. */
int listen_opened(const struct address *a);
/* Notes whether another process has the socket too. */
void listen_given(const struct address *a, bool given);

#endif
