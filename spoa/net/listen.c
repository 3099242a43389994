/* Opening listening sockets, unix and TCP. */
#include "net/listen.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

enum { BACKLOG = 1024 };

static int
fail_listen(struct buf *why, const struct address *a, const char *what, int fd)
{
	buf_printf(why, "%s: %s: %s", a->text, what, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}

static bool
answers(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	bool yes = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
	close(fd);
	return yes;
}

/* A socket that nobody answers is a dead daemon's and makes room; its mode is as narrow as
 * `mode` from its first moment on. */
static int
open_unix(const struct address *a, mode_t mode, const char *group, struct buf *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(a->path) >= sizeof(sa.sun_path)) {
		buf_printf(why, "%s: longer than %zu bytes", a->text, sizeof(sa.sun_path) - 1);
		return ERR_LIMIT;
	}
	memcpy(sa.sun_path, a->path, strlen(a->path));
	if (lstat(a->path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			buf_printf(why, "%s: exists and is not a socket", a->text);
			return ERR_IO;
		}
		if (answers(&sa)) {
			buf_printf(why, "%s: another process listens there", a->text);
			return ERR_IO;
		}
		if (unlink(a->path) < 0)
			return fail_listen(why, a, "unlink", -1);
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_listen(why, a, "socket", -1);
	mode_t old = umask((mode_t)(0777 & ~mode));
	int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	int bind_errno = errno;
	umask(old);
	errno = bind_errno;
	if (r < 0)
		return fail_listen(why, a, "bind", fd);
	struct group *g = group ? getgrnam(group) : NULL;
	if (group && !g) {
		buf_printf(why, "%s: group %s does not exist", a->text, group);
		close(fd);
		return ERR_IO;
	}
	if (g && chown(a->path, (uid_t)-1, g->gr_gid) < 0)
		return fail_listen(why, a, "chown", fd);
	if (chmod(a->path, mode) < 0 || stat(a->path, &st) < 0)
		return fail_listen(why, a, "chmod", fd);
	if (st.st_mode & 0777 & ~mode) {
		buf_printf(why, "%s: its mode %o is wider than %o", a->text,
			(unsigned)(st.st_mode & 0777), (unsigned)mode);
		close(fd);
		return ERR_IO;
	}
	if (listen(fd, BACKLOG) < 0)
		return fail_listen(why, a, "listen", fd);
	return fd;
}

static int
open_tcp(const struct address *a, struct buf *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *res = NULL;
	char port[8];
	int one = 1;

	snprintf(port, sizeof(port), "%u", a->port & 0xffffu);
	int gai = getaddrinfo(a->host, port, &hints, &res);
	if (gai) {
		buf_printf(why, "%s: %s", a->text, gai_strerror(gai));
		return ERR_NOTFOUND;
	}
	int fd = socket(res->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		freeaddrinfo(res);
		return fail_listen(why, a, "socket", -1);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	int r = bind(fd, res->ai_addr, res->ai_addrlen);
	freeaddrinfo(res);
	if (r < 0)
		return fail_listen(why, a, "bind", fd);
	if (listen(fd, BACKLOG) < 0)
		return fail_listen(why, a, "listen", fd);
	return fd;
}

int
listen_open(const struct address *a, mode_t mode, const char *group, struct buf *why)
{
	return a->path ? open_unix(a, mode, group, why) : open_tcp(a, why);
}

void
listen_unlink(const struct address *a)
{
	if (a->path)
		unlink(a->path);
}
