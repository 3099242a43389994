/* Makes a vocabulary of single bytes in memory and opens it as a file. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/byte_ranks.h"

int
ranks_over(struct span bytes, struct ranks **out, const char **why)
{
	char name[32];
	int fd = memfd_create("ranks", MFD_CLOEXEC);

	INVARIANT(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int err = ranks_open(name, out, why);
	close(fd);
	return err;
}

struct ranks *
byte_ranks(void)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct ranks *r = NULL;
	struct buf lines, file;
	const char *why;
	size_t line;

	buf_init(&lines, 0);
	buf_init(&file, 0);
	for (unsigned i = 0; i < 256; i++)
		buf_printf(&lines, "%c%c== %u\n", letters[i >> 2], letters[(i & 3) << 4], i);
	INVARIANT(ranks_pack(buf_view(&lines), "bytes", split_find(SPAN_LIT("o200k")), &file,
			  &line, &why) == 0);
	INVARIANT(ranks_over(buf_view(&file), &r, &why) == 0);
	buf_free(&lines);
	buf_free(&file);
	return r;
}
