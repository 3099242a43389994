/* Opens listening sockets, unix and TCP. A stale file of a unix socket is replaced only if
 * no process answers on it.
 *
 * A table of the sockets that were opened lets a new process take them over from its
 * predecessor: listen_inherit() adds such a socket, and listen_open() of the same address
 * then returns it. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
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
#include "base/why.h"

enum { BACKLOG = 1024, LISTEN_SOCKETS = 128 };

static int
fail_listen(struct buf *why, const struct address *a, const char *what, int fd)
{
	buf_printf(why, "%s: %s: %s", a->text, what, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}

/* Returns true if a process accepts connections on this unix socket. */
static bool
socket_answers(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	bool yes = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
	close(fd);
	return yes;
}

/* Checks what would prevent the creation of a unix socket: the length of its name, the
 * permissions of its folder, a file in its place. */
static int
look_unix(const struct address *a, struct buf *why)
{
	struct sockaddr_un sa;
	char folder[sizeof(sa.sun_path)] = ".";
	struct stat st;

	if (strlen(a->path) >= sizeof(sa.sun_path))
		return why_err(why, ERR_LIMIT, "%s: longer than %zu bytes", a->text,
			sizeof(sa.sun_path) - 1);
	const char *slash = strrchr(a->path, '/');
	if (slash)
		snprintf(folder, sizeof(folder), "%.*s",
			slash == a->path ? 1 : (int)(slash - a->path), a->path);
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
		return why_err(why, ERR_IO, "%s: %s: %s: %s", a->text, folder, strerror(errno),
			errno == ENOENT
				? "the folder does not exist: make it for the daemon's user"
				: "the daemon's user creates its socket in this folder: chown "
				  "the folder");
	if (lstat(a->path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return why_err(why, ERR_IO, "%s: exists and is not a socket: remove it",
			a->text);
	return 0;
}

/* Creates a unix socket. A stale socket file, on which no process answers, is removed. The umask
 * is set during bind(), so that the file is never accessible more widely than `mode`. */
static int
open_unix(const struct address *a, mode_t mode, const char *group, struct buf *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int err = look_unix(a, why);

	if (err)
		return err;
	memcpy(sa.sun_path, a->path, strlen(a->path));
	if (lstat(a->path, &st) == 0) {
		if (socket_answers(&sa)) {
			buf_printf(why, "%s: another process listens on this socket", a->text);
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

/* Binds a TCP socket without listening. `taken` not NULL: this is only a check. If another
 * process has the port, or only the systemd unit may bind it (AmbientCapabilities=), the result
 * is ERR_BAD_STATE and *taken is set. */
static int
bind_tcp(const struct address *a, bool *taken, struct buf *why)
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
	int bind_errno = errno;
	freeaddrinfo(res);
	errno = bind_errno;
	if (r < 0 && taken && (errno == EADDRINUSE || errno == EACCES)) {
		*taken = true;
		close(fd);
		return ERR_BAD_STATE;
	}
	if (r < 0 && errno == EADDRNOTAVAIL) {
		close(fd);
		return why_err(why, ERR_IO,
			"%s: this machine has no address %s: `ip address` lists its addresses",
			a->text, a->host);
	}
	return r < 0 ? fail_listen(why, a, "bind", fd) : fd;
}

static int
open_tcp(const struct address *a, struct buf *why)
{
	int fd = bind_tcp(a, NULL, why);

	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG) < 0)
		return fail_listen(why, a, "listen", fd);
	return fd;
}

/* The sockets of this process by address. owner: main; at most LISTEN_SOCKETS. */
static struct {
	char text[128];
	int fd;
	bool inherited; /* another process opened it, and listen_open() has not returned it yet */
	bool given; /* another process has the socket too, so its file stays */
} opened[LISTEN_SOCKETS];
static size_t nopened;

static size_t
find_listening(const char *text)
{
	size_t i = 0;

	while (i < nopened && strcmp(opened[i].text, text))
		i++;
	return i;
}

static void
note_opened(const char *text, int fd, bool inherited)
{
	size_t i = find_listening(text);

	if (i == LISTEN_SOCKETS || strlen(text) >= sizeof(opened[0].text))
		return; /* Without an entry, the socket cannot be handed to another process. */
	nopened += i == nopened;
	strcpy(opened[i].text, text);
	opened[i].fd = fd;
	opened[i].inherited = inherited;
	opened[i].given = inherited; /* until the other process has handed over */
}

int
listen_inherit(const char *text, int fd)
{
	note_opened(text, fd, true);
	return listen_opened(&(struct address){ .text = text }) == fd ? 0 : ERR_FULL;
}

void
listen_close_unused(void)
{
	for (size_t i = nopened; i-- > 0;) {
		struct sockaddr_un sa = { .sun_family = AF_UNSPEC };
		socklen_t n = sizeof(sa) - 1;

		if (!opened[i].inherited)
			continue;
		if (getsockname(opened[i].fd, (struct sockaddr *)&sa, &n) == 0 &&
			sa.sun_family == AF_UNIX)
			unlink(sa.sun_path);
		close(opened[i].fd);
		opened[i] = opened[--nopened];
	}
}

int
listen_opened(const struct address *a)
{
	size_t i = find_listening(a->text);

	return i < nopened ? opened[i].fd : -1;
}

void
listen_given(const struct address *a, bool given)
{
	size_t i = find_listening(a->text);

	if (i < nopened)
		opened[i].given = given;
}

int
listen_open(const struct address *a, mode_t mode, const char *group, struct buf *why)
{
	size_t i = find_listening(a->text);

	if (i < nopened && opened[i].inherited) {
		opened[i].inherited = false;
		return opened[i].fd;
	}
	int fd = a->path ? open_unix(a, mode, group, why) : open_tcp(a, why);
	if (fd >= 0)
		note_opened(a->text, fd, false);
	return fd;
}

int
listen_try(const struct address *a, struct buf *why)
{
	bool taken = false;

	if (a->path)
		return look_unix(a, why);
	int fd = bind_tcp(a, &taken, why);
	if (fd >= 0)
		close(fd);
	return fd < 0 && !taken ? fd : 0;
}

void
listen_unlink(const struct address *a)
{
	size_t i = find_listening(a->text);

	if (a->path && !(i < nopened && opened[i].given))
		unlink(a->path);
}
