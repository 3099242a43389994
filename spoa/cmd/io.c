/* What the subcommands share: reading whole inputs and reporting failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cmd.h"

int
cmd_fail(const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "tollgate: %s: ", what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_CANNOT;
}

static int
read_fd(int fd, struct buf *out)
{
	for (;;) {
		char chunk[65536];
		ssize_t r = read(fd, chunk, sizeof(chunk));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return ERR_IO;
		if (r == 0)
			return 0;
		buf_put(out, chunk, (size_t)r);
		if (buf_failed(out))
			return ERR_LIMIT;
	}
}

int
cmd_read_stdin(struct buf *out)
{
	return read_fd(STDIN_FILENO, out);
}

int
cmd_read_file(const char *file, struct buf *out)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ERR_IO;
	int err = read_fd(fd, out);
	close(fd);
	return err;
}
